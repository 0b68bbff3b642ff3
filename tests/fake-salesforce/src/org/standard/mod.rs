//! What Salesforce itself asks of its standard objects beyond their fields, and the records that it creates by itself.
//!
//! Responsible for: files and their documents (`files`), price books and lines (`prices`), person accounts, campaign members and
//! relations of contacts (`people`). Not for: what an org's own people switch on; that is `rules`.
//! Rule: what follows of itself is written past the checks, in the same step as what it follows from.

mod files;
mod people;
mod prices;

pub(crate) use self::people::PERSON_TYPE;

use crate::org::{
    Org, OrgRow, RecordId, Scan, Value, WriteError,
    write::{RowValues, Writing},
};

impl Org {
    /// Whether creating a record of an object brings others with it.
    pub(super) fn has_followers(&self, object: &str) -> bool {
        matches!(object, "Account" | "Campaign" | "Contact" | "ContentVersion")
    }

    /// What Salesforce has to say of a record before it's saved, and the values it gives by itself.
    pub(super) fn before_save(
        &mut self,
        by: &Writing<'_>,
        object: &str,
        values: &mut RowValues,
        id: Option<RecordId>,
    ) -> Result<(), WriteError> {
        match object {
            "Account" => self.name_person(values, id),
            "AccountContactRelation" => self.check_relation(values, id),
            "CampaignMember" => self.check_member(values, id),
            "ContentVersion" => self.before_version(by, values, id),
            "ContentDocumentLink" => self.check_link(values, id),
            "Contract" | "Order" => self.check_status(object, values, id),
            "OpportunityLineItem" => self.price_line(values, id, "Opportunity"),
            "OrderItem" => self.price_line(values, id, "Order"),
            "PricebookEntry" => self.check_price(values, id),
            _ => Ok(()),
        }
    }

    /// The records that one brings with it.
    pub(super) fn after_create(&mut self, by: &Writing<'_>, object: &str, id: RecordId) -> Result<(), WriteError> {
        match object {
            "Account" => self.add_person_contact(by, id),
            "Campaign" => self.add_member_statuses(by, id),
            "Contact" => self.add_direct_relation(by, id),
            "ContentVersion" => self.after_version(by, id),
            _ => Ok(()),
        }
    }

    /// What can't be deleted, whatever refers to it.
    pub(super) fn check_deletion(&self, id: RecordId) -> Result<(), WriteError> {
        let everybody = self.administrator();
        let Some(row) = self.row(&everybody, Scan::QUERY, id) else {
            return Ok(());
        };
        let is_standard_book = row.object().name() == "Pricebook2" && row.value_of("IsStandard") == Value::Bool(true);
        if is_standard_book {
            return Err(WriteError::new(
                "DELETE_FAILED",
                "You cannot delete the standard price book",
                &[],
            ));
        }
        if row.object().name() == "Contact" && row.value_of("IsPersonAccount") == Value::Bool(true) {
            return Err(WriteError::new(
                "DELETE_FAILED",
                "a person's contact goes with the account, not by itself",
                &[],
            ));
        }
        let order = (row.object().name() == "OrderItem").then(|| row.value_of("OrderId"));
        if let Some(Value::Id(order)) = order
            && self.value_at(order, "Status") == Value::text("Activated")
        {
            return Err(WriteError::new(
                "DELETE_FAILED",
                "the order is activated; products can't be taken from it",
                &[],
            ));
        }
        Ok(())
    }

    /// Writes a row by itself; fields that the object hasn't got are left out. None where there's no such object.
    fn add_by_itself(
        &mut self,
        by: &Writing<'_>,
        object: &str,
        fields: &[(&str, Value)],
    ) -> Result<Option<RecordId>, WriteError> {
        let Some(schema) = self.object(object) else { return Ok(None) };
        let known = fields
            .iter()
            .filter_map(|(name, value)| Some((schema.field_index(name)?, value.clone())));
        let mut values: RowValues = known.collect();
        self.default_values(by.viewer, schema, &mut values, by.now);
        self.add_row(object, values, by.now).map(Some)
    }

    /// Changes fields of a row by itself.
    fn change_by_itself(&mut self, by: &Writing<'_>, id: RecordId, fields: &[(&str, Value)]) {
        let Some(object) = self.object_of(id) else { return };
        let Some(ordinal) = object.table.ordinal(id) else { return };
        let known = fields
            .iter()
            .filter_map(|(name, value)| Some((object.field_index(name)?, value.clone())));
        let mut values: RowValues = known.collect();
        let name = object.name().to_owned();
        self.change(&name, ordinal, by.now, |stored| stored.values.append(&mut values));
    }

    /// The first live row of an object that is so.
    pub(super) fn first_row(&self, object: &str, is_it: impl Fn(&OrgRow<'_>) -> bool) -> Option<RecordId> {
        let everybody = self.administrator();
        let mut rows = self.object(object)?.rows(&everybody, Scan::QUERY);
        rows.find(is_it).map(|row| row.id())
    }

    /// A value of a live row; null where there's none.
    pub(super) fn value_at(&self, id: RecordId, field: &str) -> Value {
        let everybody = self.administrator();
        self.row(&everybody, Scan::QUERY, id)
            .map_or(Value::Null, |row| row.value_of(field))
    }

    /// Gives a value to a record that is about to be saved.
    fn give(&self, object: &str, values: &mut RowValues, field: &str, value: Value) {
        if let Some(index) = self.object(object).and_then(|o| o.field_index(field)) {
            values.insert(index, value);
        }
    }
}
