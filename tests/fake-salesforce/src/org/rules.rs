//! The rules that an org's own people make: validation and duplicate rules, triggers, assignment, and the state it's in: rows that
//! somebody holds, storage that is full.
//!
//! Not for: what Salesforce itself asks of its objects; that is `standard`. Rule: nothing here is on unless it was switched on.

use serde::Deserialize;

use crate::org::{
    Object, Org, OrgRow, RecordId, Scan, Sent, SentFields, Value, WriteError,
    write::{RowValues, Writing, locked},
};

/// What is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteRules {
    /// Validation rules.
    pub validations: Vec<Validation>,
    /// Duplicate rules.
    pub duplicates: Vec<DuplicateRule>,
    /// Triggers.
    pub triggers: Vec<Trigger>,
    /// Rows that somebody else holds.
    pub locks: Vec<RecordLock>,
    /// To whom the assignment rule gives new leads and cases, unless `Sforce-Auto-Assign` says FALSE.
    pub assign_to: Option<RecordId>,
    /// How many more rows there is storage for; none: no end.
    pub storage_left: Option<u64>,
    /// Whether deleting a row takes its id out of the lookups of others.
    pub clear_lookups: bool,
}

/// Refuses records of an object by the value of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The object.
    pub object: String,
    /// The field.
    pub field: String,
    /// The text in it that isn't allowed; none: no value at all is.
    #[serde(default)]
    pub contains: Option<String>,
    /// What the refusal says.
    pub message: String,
    /// With which code; none: that of validation rules.
    #[serde(default)]
    pub code: Option<String>,
    /// Which fields it names; none: that one. Salesforce names none with some codes (`INVALID_CROSS_REFERENCE_KEY`; NebulaLogger #798).
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// Only where the record is there.
    #[serde(default)]
    pub updates_only: bool,
    /// A collection that has such a value is refused as a whole, as one that can't be read is (restforce #619; *sObject Collections*:
    /// "if the request isn't well formed, the API returns a 400").
    #[serde(default)]
    pub whole: bool,
}

impl Validation {
    /// As a refusal.
    fn refusal(&self) -> WriteError {
        let code = self.code.as_deref().unwrap_or("FIELD_CUSTOM_VALIDATION_EXCEPTION");
        let names: Vec<&str> = match &self.names {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => vec![self.field.as_str()],
        };
        WriteError::new(code, &self.message, &names)
    }
}

/// Refuses records of an object that have the value of another in a field, unless the caller allows duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    /// The object.
    pub object: String,
    /// The field.
    pub field: String,
}

/// What runs when a record is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// On records of this object.
    pub on: String,
    /// Changes a field of another record, in the same transaction.
    #[serde(default)]
    pub touch: Option<Touch>,
    /// Changes a field of the written record itself.
    #[serde(default)]
    pub set: Option<SetField>,
    /// Fails with this message.
    #[serde(default)]
    pub fail: Option<String>,
}

/// Which other record a trigger changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touch {
    /// The one that this field of the written record refers to.
    pub parent: String,
    /// The text field that gets a new value.
    pub field: String,
}

/// Which value a trigger gives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetField {
    /// The field.
    pub field: String,
    /// Its value, as text.
    pub value: String,
}

/// Somebody holds a record: so many writes of rows that refer to it, or of itself, are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLock {
    /// The record.
    pub parent: String,
    /// How many writes.
    pub rows: u64,
}

/// A record as it will be: what was written, over what is there.
pub(super) struct DraftRecord<'a> {
    pub object: &'a Object,
    pub values: &'a RowValues,
    pub old: Option<OrgRow<'a>>,
}

impl DraftRecord<'_> {
    /// The value of a field; null where there's none.
    pub fn get(&self, field: &str) -> Value {
        let Some(index) = self.object.field_index(field) else {
            return Value::Null;
        };
        match (self.values.get(&index), &self.old) {
            (Some(value), _) => value.clone(),
            (None, Some(row)) => row.value(index),
            (None, None) => Value::Null,
        }
    }

    /// The record that a field refers to.
    pub fn id(&self, field: &str) -> Option<RecordId> {
        match self.get(field) {
            Value::Id(id) => Some(id),
            _ => None,
        }
    }

    fn refers_to(&self, id: RecordId) -> bool {
        let fields = self.object.schema.fields.iter().filter(|f| !f.reference_to.is_empty());
        fields.into_iter().any(|field| self.id(&field.name) == Some(id))
    }
}

impl Org {
    /// What is switched on.
    #[must_use]
    pub fn write_rules(&self) -> &WriteRules {
        &self.rules
    }

    /// Switches rules on and off.
    pub fn write_rules_mut(&mut self) -> &mut WriteRules {
        &mut self.rules
    }

    /// Looks at a record as it will be.
    pub(super) fn with_draft<T>(
        &self,
        object: &str,
        values: &RowValues,
        id: Option<RecordId>,
        look: impl FnOnce(&DraftRecord<'_>) -> T,
    ) -> Option<T> {
        let everybody = self.administrator();
        let object = self.object(object)?;
        let old = id.and_then(|id| object.row(&everybody, Scan::QUERY_ALL, id));
        Some(look(&DraftRecord { object, values, old }))
    }

    /// Whether the org's rules and its state take a record.
    pub(super) fn check_rules(
        &mut self,
        by: &Writing<'_>,
        object: &str,
        values: &RowValues,
        id: Option<RecordId>,
    ) -> Result<(), WriteError> {
        if by.past_rules {
            return Ok(());
        }
        if id.is_none() && self.rules.storage_left == Some(0) {
            return Err(WriteError::new("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", &[]));
        }
        let refused = self.with_draft(object, values, id, |draft| {
            self.lock_on(draft, id)
                .map(|place| (Some(place), self.lock_refusal(place)))
                .or_else(|| self.broken_validation(draft, id.is_some()).map(|error| (None, error)))
                .or_else(|| self.found_duplicate(by, draft, id).map(|error| (None, error)))
        });
        if let Some((lock, error)) = refused.flatten() {
            if let Some(lock) = lock.and_then(|place| self.rules.locks.get_mut(place)) {
                lock.rows -= 1;
            }
            return Err(error);
        }
        if let (None, Some(left)) = (id, &mut self.rules.storage_left) {
            *left -= 1;
        }
        Ok(())
    }

    /// The place of a lock in force that a record meets.
    fn lock_on(&self, draft: &DraftRecord<'_>, own: Option<RecordId>) -> Option<usize> {
        self.rules.locks.iter().position(|lock| {
            let parent = lock.parent.parse().ok();
            lock.rows > 0 && parent.is_some_and(|parent| own == Some(parent) || draft.refers_to(parent))
        })
    }

    fn lock_refusal(&self, place: usize) -> WriteError {
        let ids = self.rules.locks.get(place).and_then(|lock| lock.parent.parse().ok());
        locked(&ids.into_iter().collect::<Vec<_>>())
    }

    /// Why a collection of these rows is refused as a whole.
    #[must_use]
    pub fn refuses_whole(&self, rows: &[SentFields]) -> Option<WriteError> {
        let has_it = |rule: &Validation, row: &SentFields| {
            let of_object = row.attributes_type().is_some_and(|of| of.eq_ignore_ascii_case(&rule.object));
            let text = rule.contains.as_deref().unwrap_or_default();
            let is_update = row.get("Id").is_some();
            let found = matches!(row.get(&rule.field), Some(Sent::Text(value) | Sent::Number(value)) if value.contains(text));
            of_object && found && (is_update || !rule.updates_only)
        };
        let mut rules = self.rules.validations.iter().filter(|rule| rule.whole);
        let broken = rules.find(|rule| rows.iter().any(|row| has_it(rule, row)))?;
        Some(broken.refusal())
    }

    fn broken_validation(&self, draft: &DraftRecord<'_>, is_update: bool) -> Option<WriteError> {
        let of_object =
            |rule: &&Validation| rule.object.eq_ignore_ascii_case(draft.object.name()) && (is_update || !rule.updates_only);
        let broken = self.rules.validations.iter().filter(of_object).find(|rule| {
            let value = draft.get(&rule.field);
            let forbidden = rule.contains.as_ref();
            !value.is_null() && forbidden.is_none_or(|text| value.to_plain().contains(text.as_str()))
        })?;
        Some(broken.refusal())
    }

    fn found_duplicate(&self, by: &Writing<'_>, draft: &DraftRecord<'_>, own: Option<RecordId>) -> Option<WriteError> {
        if by.allows_duplicates {
            return None;
        }
        let everybody = self.administrator();
        let of_object = |rule: &&DuplicateRule| rule.object.eq_ignore_ascii_case(draft.object.name());
        self.rules.duplicates.iter().filter(of_object).find_map(|rule| {
            let value = draft.get(&rule.field);
            if value.is_null() {
                return None;
            }
            let others = self.rows_with_key(&everybody, draft.object.name(), &rule.field, &value.to_plain());
            others.iter().any(|other| Some(*other) != own).then(|| {
                let message = "Use one of these records?";
                WriteError::new("DUPLICATES_DETECTED", message, &[])
            })
        })
    }

    /// Gives a new lead or case to whom the assignment rule says.
    pub(super) fn assign(&self, by: &Writing<'_>, object: &str, values: &mut RowValues) {
        if !by.assigns || !matches!(object, "Lead" | "Case") {
            return;
        }
        let owner = self.object(object).and_then(|o| o.field_index("OwnerId"));
        if let (Some(to), Some(owner)) = (self.rules.assign_to, owner) {
            values.insert(owner, Value::Id(to));
        }
    }

    /// Runs what triggers do to the record itself, or fail with.
    pub(super) fn run_triggers_before(&self, by: &Writing<'_>, object: &str, values: &mut RowValues) -> Result<(), WriteError> {
        if by.past_rules {
            return Ok(());
        }
        for trigger in self.rules.triggers.iter().filter(|t| t.on.eq_ignore_ascii_case(object)) {
            if let Some(message) = &trigger.fail {
                let message = format!("{object}Trigger: execution of BeforeInsert\n\ncaused by: {message}\n\n()");
                return Err(WriteError::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, &[]));
            }
            let Some(set) = &trigger.set else { continue };
            let object = self.object(object);
            if let Some((object, index)) = object.and_then(|o| Some((o, o.field_index(&set.field)?))) {
                let field = &object.schema.fields[index];
                values.insert(index, self.converted(by.viewer, field, &Sent::Text(set.value.clone()))?);
            }
        }
        Ok(())
    }

    /// Runs what triggers do to other records once one is saved.
    pub(super) fn run_triggers_after(&mut self, by: &Writing<'_>, id: RecordId) {
        self.touch_parents(by, id);
    }

    /// Lets triggers change the records that one refers to.
    pub(super) fn touch_parents(&mut self, by: &Writing<'_>, id: RecordId) {
        if by.past_rules || self.rules.triggers.is_empty() {
            return;
        }
        let everybody = self.administrator();
        let Some(row) = self.row(&everybody, Scan::QUERY_ALL, id) else {
            return;
        };
        let own = self
            .rules
            .triggers
            .iter()
            .filter(|t| t.on.eq_ignore_ascii_case(row.object().name()));
        let touched: Vec<(RecordId, String)> = own
            .filter_map(|trigger| trigger.touch.as_ref())
            .filter_map(|touch| match row.value_of(&touch.parent) {
                Value::Id(parent) => Some((parent, touch.field.clone())),
                _ => None,
            })
            .collect();
        for (parent, field) in touched {
            let Some(object) = self.object_of(parent) else { continue };
            let (Some(index), Some(ordinal)) = (object.field_index(&field), object.table.ordinal(parent)) else {
                continue;
            };
            let name = object.name().to_owned();
            let stamps = [
                ("LastModifiedDate", Value::DateTime(by.now)),
                ("LastModifiedById", Value::Id(by.viewer.user_id)),
            ];
            let mut values: RowValues = stamps
                .into_iter()
                .filter_map(|(name, value)| Some((object.field_index(name)?, value)))
                .collect();
            values.insert(index, Value::Text(format!("touched by {id}")));
            self.change(&name, ordinal, by.now, |stored| stored.values.append(&mut values));
        }
    }
}
