//! Creating and changing rows, with the refusals that Salesforce gives, in its words.
//!
//! Responsible for: the order of things in one write. What was sent is checked by `accept`, the org's own rules by `rules`, what
//! follows of itself by `standard`, what goes away by `deletion`.
//! Rule: a write is checked whole before anything changes: what is refused leaves no trace.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::org::{
    FieldType, MalformedId, Object, Org, OrgRow, RecordId, Scan, SentFields, Value, Viewer,
    accept::Act,
    table::{RowState, StoredRow},
};

/// One entry of `errors` in a save result. In a body of its own the code is called `errorCode`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status_code}: {message}")]
pub struct WriteError {
    /// Salesforce's code.
    pub status_code: String,
    /// Its words.
    pub message: String,
    /// Fields that it is about.
    pub fields: Vec<String>,
    /// The HTTP status where the record was written alone: 400, or 404 for a row that isn't there.
    pub http_status: u16,
}

/// Several rows have the external id of an upsert: the answer is 300 with the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} rows have this external id", .0.len())]
pub struct AmbiguousKey(pub Vec<RecordId>);

impl WriteError {
    pub(crate) fn new(status_code: &str, message: impl Into<String>, fields: &[&str]) -> WriteError {
        WriteError {
            status_code: status_code.to_owned(),
            message: message.into(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            http_status: 400,
        }
    }

    pub(super) fn not_found(status_code: &str, message: &str) -> WriteError {
        WriteError {
            http_status: 404,
            ..WriteError::new(status_code, message, &[])
        }
    }

    /// An id that can't be read, as a write answers it.
    pub fn malformed_id(error: &MalformedId) -> WriteError {
        WriteError::new("MALFORMED_ID", format!("malformed id {}", error.text), &["Id"])
    }
}

/// Values of a row, by the index of their field.
pub(crate) type RowValues = BTreeMap<usize, Value>;

/// Who writes, when, and what was asked for beside the record.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The user.
    pub viewer: &'a Viewer,
    /// The stamp of what is written.
    pub now: DateTime<Utc>,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`: duplicates are saved all the same.
    pub allows_duplicates: bool,
    /// Whether the assignment rule for leads and cases runs; `Sforce-Auto-Assign: FALSE` keeps it from that.
    pub assigns: bool,
    /// Whether the org's own rules, locks and limits are passed by: as whoever prepares a test writes.
    pub past_rules: bool,
}

impl<'a> Writing<'a> {
    /// A write through the API without headers of its own.
    #[must_use]
    pub fn of_client(viewer: &'a Viewer, now: DateTime<Utc>) -> Self {
        Writing {
            viewer,
            now,
            allows_duplicates: false,
            assigns: true,
            past_rules: false,
        }
    }

    /// A write that the org's own rules, locks and limits don't hold up.
    #[must_use]
    pub fn past_rules(viewer: &'a Viewer, now: DateTime<Utc>) -> Self {
        Writing {
            allows_duplicates: true,
            assigns: false,
            past_rules: true,
            ..Writing::of_client(viewer, now)
        }
    }
}

impl Org {
    /// Creates a row past the org's own rules. `now` becomes its stamp, the user its creator and, if not given, its owner.
    ///
    /// # Errors
    /// What is wrong with the record: all missing fields together, or the first other thing.
    pub fn create(
        &mut self,
        viewer: &Viewer,
        object: &str,
        fields: &SentFields,
        now: DateTime<Utc>,
    ) -> Result<RecordId, WriteError> {
        self.create_by(&Writing::past_rules(viewer, now), object, fields)
    }

    /// Creates a row.
    ///
    /// # Errors
    /// What is wrong with the record: all missing fields together, or the first other thing.
    pub fn create_by(&mut self, by: &Writing<'_>, object: &str, fields: &SentFields) -> Result<RecordId, WriteError> {
        let object = self.visible_object(by.viewer, object).ok_or_else(|| no_such_type(object))?;
        if !object.schema.createable {
            let message = format!("entity type {} does not support create", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let name = object.name().to_owned();
        let mut values = self.checked_values(by.viewer, object, fields, Act::Create, None)?;
        self.default_values(by.viewer, object, &mut values, by.now);
        self.assign(by, &name, &mut values);
        self.run_triggers_before(by, &name, &mut values)?;
        self.check_rules(by, &name, &values, None)?;
        // What follows of itself can be refused when some of it is written already.
        let before = self.has_followers(&name).then(|| self.savepoint());
        let saved = self
            .before_save(by, &name, &mut values, None)
            .and_then(|()| self.add_row(&name, values, by.now))
            .and_then(|id| self.after_create(by, &name, id).map(|()| id));
        match (saved, before) {
            (Err(refused), before) => {
                if let Some(before) = before {
                    self.roll_back(before);
                }
                Err(refused)
            }
            (Ok(id), _) => {
                self.run_triggers_after(by, id);
                Ok(id)
            }
        }
    }

    /// Changes fields of a row past the org's own rules.
    ///
    /// # Errors
    /// What is wrong with the change, or with the row.
    pub fn update(&mut self, viewer: &Viewer, id: RecordId, fields: &SentFields, now: DateTime<Utc>) -> Result<(), WriteError> {
        self.update_by(&Writing::past_rules(viewer, now), id, fields)
    }

    /// Changes fields of a row.
    ///
    /// # Errors
    /// What is wrong with the change, or with the row.
    pub fn update_by(&mut self, by: &Writing<'_>, id: RecordId, fields: &SentFields) -> Result<(), WriteError> {
        let (object, row) = self.live_row(by.viewer, id)?;
        if !object.schema.updateable {
            let message = format!("entity type {} does not support update", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let (name, ordinal) = (object.name().to_owned(), row.ordinal());
        let mut values = self.checked_values(by.viewer, object, fields, Act::Update, Some(id))?;
        for (name, value) in [
            ("LastModifiedDate", Value::DateTime(by.now)),
            ("LastModifiedById", Value::Id(by.viewer.user_id)),
        ] {
            if let Some(index) = object.field_index(name) {
                values.insert(index, value);
            }
        }
        self.run_triggers_before(by, &name, &mut values)?;
        self.check_rules(by, &name, &values, Some(id))?;
        self.before_save(by, &name, &mut values, Some(id))?;
        self.change(&name, ordinal, by.now, |stored| stored.values.append(&mut values));
        self.run_triggers_after(by, id);
        Ok(())
    }

    /// Adds a row whose values are right.
    pub(super) fn add_row(&mut self, object: &str, values: RowValues, now: DateTime<Utc>) -> Result<RecordId, WriteError> {
        let table = &mut self.object_mut(object).ok_or_else(|| no_such_type(object))?.table;
        let ordinal = table.add(StoredRow {
            values,
            state: RowState::Live,
            stamp: now,
        });
        Ok(table.ids.id(ordinal))
    }

    pub(super) fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        let index = *self.by_name.get(&name.to_ascii_lowercase())?;
        self.objects.get_mut(index)
    }

    /// The row with this Id, where it can be written to.
    pub(super) fn live_row<'a>(&'a self, viewer: &'a Viewer, id: RecordId) -> Result<(&'a Object, OrgRow<'a>), WriteError> {
        let object = self
            .object_of(id)
            .filter(|o| viewer.sees_object(o.name()))
            .ok_or_else(invalid_cross_reference)?;
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        if row.is_deleted() {
            return Err(WriteError::not_found("ENTITY_IS_DELETED", "entity is deleted"));
        }
        if self.is_held(object, row.ordinal()) {
            return Err(locked(&[id]));
        }
        Ok((object, row))
    }

    pub(super) fn set_state(&mut self, id: RecordId, state: RowState, now: DateTime<Utc>) {
        let Some(object) = self.object_of(id) else { return };
        let (name, ordinal) = (object.name().to_owned(), object.table.ordinal(id));
        if let Some(ordinal) = ordinal {
            self.change(&name, ordinal, now, |stored| stored.state = state);
        }
    }

    pub(super) fn change(&mut self, object: &str, ordinal: u64, now: DateTime<Utc>, change: impl FnOnce(&mut StoredRow)) {
        let Some(object) = self.object_mut(object) else { return };
        let table = &mut object.table;
        let mut stored = table.stored.get(&ordinal).cloned().unwrap_or_else(|| StoredRow {
            values: BTreeMap::new(),
            state: table.state(ordinal, None),
            stamp: now,
        });
        change(&mut stored);
        stored.stamp = now;
        table.put(ordinal, stored);
    }

    pub(super) fn default_values(
        &self,
        viewer: &Viewer,
        object: &Object,
        values: &mut BTreeMap<usize, Value>,
        now: DateTime<Utc>,
    ) {
        let user = Value::Id(viewer.user_id);
        for (index, field) in object.schema.fields.iter().enumerate() {
            if values.get(&index).is_some_and(|value| !value.is_null()) {
                continue;
            }
            let default = match field.name.as_str() {
                "CreatedDate" | "LastModifiedDate" | "LoginTime" | "EventDate" => Value::DateTime(now),
                "CreatedById" | "LastModifiedById" | "OwnerId" => user.clone(),
                _ if field.kind == FieldType::Picklist && field.defaulted_on_create => field
                    .picklist
                    .first()
                    .map_or(Value::Null, |entry| Value::Text(entry.value.clone())),
                _ => continue,
            };
            values.insert(index, default);
        }
    }
}

/// A row that another transaction holds, in recorded words.
pub(super) fn locked(ids: &[RecordId]) -> WriteError {
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let message = format!(
        "unable to obtain exclusive access to this record or {} records: {}",
        ids.len(),
        list.join(",")
    );
    WriteError::new("UNABLE_TO_LOCK_ROW", message, &[])
}

pub(super) fn no_such_type(object: &str) -> WriteError {
    WriteError::not_found("NOT_FOUND", &format!("The requested resource does not exist: {object}"))
}

pub(super) fn invalid_cross_reference() -> WriteError {
    WriteError::not_found("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
}
