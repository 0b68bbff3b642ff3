//! Rows that are written when an org is made, instead of being generated: each goes through the checks of any write, brings what
//! follows of itself, and refers to rows that are there.
//!
//! Rule: equal specs write equal rows. What is refused by chance (a second member of a campaign) is left out.

use chrono::{DateTime, TimeDelta, Utc};

use crate::org::{
    Field, FieldType, Object, Org, OrgRow, OrgSpec, RecordId, Scan, Sent, SentFields, Value, Viewer,
    generate::{dice, seed_of},
    write::Writing,
};

/// How long before the org's moment the first row is written, in days.
const DAYS_BEFORE: i64 = 300;
/// The most seconds between two writes.
const PAUSE_SECONDS: u64 = 9_000;

/// Writes the rows that a spec wants written.
pub(crate) fn populate(org: &mut Org, spec: &OrgSpec) {
    let wanted: Vec<(&str, u64)> = spec
        .objects
        .iter()
        .filter(|object| object.written > 0)
        .map(|object| (object.name.as_str(), object.written))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut pen = Pen {
        dice: seed_of(spec.seed, "populate"),
        thrown: 0,
        now: spec.now - TimeDelta::days(DAYS_BEFORE),
    };
    for (object, rows) in &wanted {
        match *object {
            "PricebookEntry" => pen.write_prices(org),
            object => (0..*rows).for_each(|_| pen.write_row(org, object)),
        }
    }
    for (object, _) in &wanted {
        pen.close_cycles(org, object);
    }
    for object in ["Order", "Contract"] {
        pen.activate(org, object);
    }
}

/// What writes: its dice and its clock.
struct Pen {
    dice: u64,
    thrown: u64,
    now: DateTime<Utc>,
}

impl Pen {
    fn roll(&mut self) -> u64 {
        self.thrown += 1;
        dice(self.dice, self.thrown)
    }

    fn comes_up(&mut self, percent: u8) -> bool {
        self.roll() % 100 < u64::from(percent)
    }

    fn later(&mut self) -> DateTime<Utc> {
        let pause = 1 + (self.roll() % PAUSE_SECONDS) as i64;
        self.now += TimeDelta::seconds(pause);
        self.now
    }

    fn create(&mut self, org: &mut Org, object: &str, fields: &SentFields) {
        let now = self.later();
        let viewer = writer(org);
        let _ = org.create_by(&Writing::past_rules(&viewer, now), object, fields); // refused by chance: left out
    }

    fn update(&mut self, org: &mut Org, id: RecordId, fields: &SentFields) {
        let now = self.later();
        let viewer = writer(org);
        let _ = org.update_by(&Writing::past_rules(&viewer, now), id, fields); // as above
    }

    /// A live row of one of these objects that `fits`.
    fn pick(&mut self, org: &Org, objects: &[String], fits: impl Fn(&OrgRow<'_>) -> bool) -> Option<RecordId> {
        let everybody = org.administrator();
        let all = objects.iter().filter_map(|name| org.object(name));
        let with_rows: Vec<&Object> = all.filter(|o| o.count(&everybody, Scan::QUERY) > 0).collect();
        let object = with_rows.get(usize::try_from(self.roll()).unwrap_or(0).checked_rem(with_rows.len())?)?;
        let rows: Vec<RecordId> = object
            .rows(&everybody, Scan::QUERY)
            .filter(fits)
            .map(|row| row.id())
            .collect();
        let place = (self.roll()).checked_rem(rows.len() as u64)?;
        rows.get(place as usize).copied()
    }

    fn write_row(&mut self, org: &mut Org, name: &str) {
        let Some(fields) = self.fields_of_row(org, name) else { return };
        self.create(org, name, &fields);
    }

    /// The fields of a new row; none where it would have to refer to something that there isn't.
    fn fields_of_row(&mut self, org: &Org, name: &str) -> Option<SentFields> {
        let object = org.object(name)?;
        let viewer = org.administrator();
        let row = OrgRow {
            object,
            viewer: &viewer,
            ordinal: object.end(),
            stored: None,
        };
        let mut fields = SentFields::default();
        let is_person = object.field_index("PersonContactId").is_some() && self.comes_up(20);
        for (_, field) in object.visible_fields(&viewer).filter(|(_, f)| f.createable) {
            let sent = if field.kind == FieldType::Reference && field.name != "RecordTypeId" {
                let wanted = field.required() || field.name == "OwnerId" || self.comes_up(field.shape.filled);
                let found = wanted.then(|| self.pick(org, &field.reference_to, |_| true)).flatten();
                if found.is_none() && field.required() {
                    return None;
                }
                found.map(|id| Sent::Text(id.to_string()))
            } else {
                self.plain_value(field, &row)
            };
            if let Some(sent) = sent {
                fields.set(&field.name, sent);
            }
        }
        self.suit(org, object, is_person, &mut fields)?;
        Some(fields)
    }

    fn plain_value(&mut self, field: &Field, row: &OrgRow<'_>) -> Option<Sent> {
        let wanted = field.required() || field.unique || field.kind == FieldType::Boolean || self.comes_up(field.shape.filled);
        let roll = self.roll();
        wanted.then(|| sent(field.shape.by_chance(row, field, roll))).flatten()
    }

    /// Makes fields by chance into ones that the object takes.
    fn suit(&mut self, org: &Org, object: &Object, is_person: bool, fields: &mut SentFields) -> Option<()> {
        match object.name() {
            "Account" if object.field_index("PersonContactId").is_some() => {
                let types = &object.schema.record_types;
                let person_type = types.iter().find(|t| t.developer_name == crate::org::standard::PERSON_TYPE)?;
                if is_person {
                    fields.remove("Name");
                    fields.set("RecordTypeId", Sent::Text(person_type.id.to_string()));
                } else {
                    for field in ["FirstName", "LastName", "PersonEmail"] {
                        fields.remove(field);
                    }
                    if fields.get("RecordTypeId") == Some(&Sent::Text(person_type.id.to_string())) {
                        fields.remove("RecordTypeId");
                    }
                }
            }
            "CampaignMember" => {
                let (gives, takes) = if self.comes_up(50) {
                    ("LeadId", "ContactId")
                } else {
                    ("ContactId", "LeadId")
                };
                let id = self.pick(org, &[gives.trim_end_matches("Id").to_owned()], |_| true)?;
                fields.set(gives, Sent::Text(id.to_string()));
                fields.remove(takes);
            }
            "ContentVersion" if !self.comes_up(30) => {
                fields.remove("ContentDocumentId");
            }
            "Contract" | "Order" => {
                fields.set("Status", Sent::Text("Draft".into()));
            }
            "OpportunityLineItem" => self.suit_line(org, "Opportunity", fields)?,
            "OrderItem" => self.suit_line(org, "Order", fields)?,
            _ => {}
        }
        Some(())
    }

    /// A line of something that has a price book, with an entry of it.
    fn suit_line(&mut self, org: &Org, of: &str, fields: &mut SentFields) -> Option<()> {
        let parent = self.pick(org, &[of.to_owned()], |row| !row.value_of("Pricebook2Id").is_null())?;
        let book = org.value_at(parent, "Pricebook2Id");
        let entry = self.pick(org, &["PricebookEntry".to_owned()], |row| {
            row.value_of("Pricebook2Id") == book
        })?;
        let price = self.roll() % 100_000;
        fields.set(&format!("{of}Id"), Sent::Text(parent.to_string()));
        fields.set("PricebookEntryId", Sent::Text(entry.to_string()));
        fields.set("UnitPrice", Sent::Number(format!("{}.{:02}", price / 100, price % 100)));
        fields.set("Quantity", Sent::Number((1 + price % 20).to_string()));
        fields.remove("TotalPrice");
        Some(())
    }

    /// The standard price of each product, and prices of some of them in the other books.
    fn write_prices(&mut self, org: &mut Org) {
        let everybody = org.administrator();
        let ids = |org: &Org, object: &str| -> Vec<RecordId> {
            let rows = org.object(object).into_iter().flat_map(|o| o.rows(&everybody, Scan::QUERY));
            rows.map(|row| row.id()).collect()
        };
        let Some(standard) = org.standard_price_book() else { return };
        for product in ids(org, "Product2") {
            for book in std::iter::once(standard).chain(ids(org, "Pricebook2").into_iter().filter(|b| *b != standard)) {
                if book != standard && !self.comes_up(60) {
                    continue;
                }
                let Some(mut fields) = self.fields_of_row(org, "PricebookEntry") else {
                    continue;
                };
                fields.set("Pricebook2Id", Sent::Text(book.to_string()));
                fields.set("Product2Id", Sent::Text(product.to_string()));
                fields.set("IsActive", Sent::Bool(true));
                self.create(org, "PricebookEntry", &fields);
            }
        }
    }

    /// Fills lookups that lead to rows which came later: rows of a cycle can't all be written whole at once.
    fn close_cycles(&mut self, org: &mut Org, name: &str) {
        let everybody = org.administrator();
        let Some(object) = org.object(name) else { return };
        let own = object.schema.fields.iter().enumerate();
        let lookups: Vec<(usize, String, Vec<String>)> = own
            .filter(|(_, f)| f.custom && f.updateable && f.nillable && f.kind == FieldType::Reference)
            .map(|(index, f)| (index, f.name.clone(), f.reference_to.clone()))
            .collect();
        let rows: Vec<u64> = object.rows(&everybody, Scan::QUERY).map(|row| row.ordinal()).collect();
        for ordinal in rows {
            let mut fields = SentFields::default();
            let Some(row) = org.object(name).and_then(|o| o.row_at(&everybody, Scan::QUERY, ordinal)) else {
                continue;
            };
            for (index, field, targets) in &lookups {
                if row.value(*index).is_null()
                    && self.comes_up(95)
                    && let Some(id) = self.pick(org, targets, |_| true)
                {
                    fields.set(field, Sent::Text(id.to_string()));
                }
            }
            let id = row.id();
            if fields.iter().next().is_some() {
                self.update(org, id, &fields);
            }
        }
    }

    /// Activates half of the orders with products, or of the contracts.
    fn activate(&mut self, org: &mut Org, object: &str) {
        let everybody = org.administrator();
        let rows = org.object(object).into_iter().flat_map(|o| o.rows(&everybody, Scan::QUERY));
        let ids: Vec<RecordId> = rows.map(|row| row.id()).collect();
        for id in ids {
            if self.comes_up(50) {
                let status = ("Status".to_owned(), Sent::Text("Activated".into()));
                self.update(org, id, &std::iter::once(status).collect());
            }
        }
    }
}

/// Who writes: owners that have left since were active once.
fn writer(org: &Org) -> Viewer {
    Viewer {
        update_inactive_owners: true,
        ..org.administrator()
    }
}

/// A value as a client would send it; none for null.
fn sent(value: Value) -> Option<Sent> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Sent::Bool(value),
        Value::Number(digits) => Sent::Number(digits),
        Value::Blob(body) => Sent::File(body),
        other => Sent::Text(other.to_plain()),
    })
}
