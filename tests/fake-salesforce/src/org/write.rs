//! Creating, changing and deleting rows, with the refusals that Salesforce gives, in its words.
//!
//! A write is checked whole before anything changes: what is refused leaves no trace. What follows of itself (the document of a first
//! file version, the rows that die with their parent) happens in the same step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::org::{
    Field, FieldType, MalformedId, Object, Org, RecordId, Row, Scan, Sent, SentFields, Value, Viewer,
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

    fn not_found(status_code: &str, message: &str) -> WriteError {
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

impl Org {
    /// Creates a row. `now` becomes its stamp, the user its creator and, if not given, its owner.
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
        let object = self.visible_object(viewer, object).ok_or_else(|| no_such_type(object))?;
        if !object.schema.createable {
            let message = format!("entity type {} does not support create", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let mut values = self.checked_values(viewer, object, fields, Act::Create, None)?;
        self.default_values(viewer, object, &mut values, now);
        let name = object.name().to_owned();
        if name == "ContentVersion"
            && object
                .field_index("ContentDocumentId")
                .is_none_or(|at| !values.contains_key(&at))
        {
            self.create_document_of(viewer, &mut values, now)?;
        }
        let table = &mut self.object_mut(&name).ok_or_else(|| no_such_type(&name))?.table;
        let ordinal = table.end();
        table.created += 1;
        table.stored.insert_mut(
            ordinal,
            StoredRow {
                values,
                state: RowState::Live,
                stamp: now,
            },
        );
        Ok(table.ids.id(ordinal))
    }

    /// Changes fields of a row.
    ///
    /// # Errors
    /// What is wrong with the change, or with the row.
    pub fn update(&mut self, viewer: &Viewer, id: RecordId, fields: &SentFields, now: DateTime<Utc>) -> Result<(), WriteError> {
        let (object, row) = self.live_row(viewer, id)?;
        if !object.schema.updateable {
            let message = format!("entity type {} does not support update", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let mut values = self.checked_values(viewer, object, fields, Act::Update, Some(id))?;
        for (name, value) in [
            ("LastModifiedDate", Value::DateTime(now)),
            ("LastModifiedById", Value::Id(viewer.user_id)),
        ] {
            if let Some(index) = object.field_index(name) {
                values.insert(index, value);
            }
        }
        let (name, ordinal) = (object.name().to_owned(), row.ordinal());
        self.change(&name, ordinal, now, |stored| stored.values.append(&mut values));
        Ok(())
    }

    /// Moves a row, and the rows that live and die with it, to the bin; objects without a bin lose it for good.
    ///
    /// # Errors
    /// Where the row is not there, not to be deleted, or held by rows that refer to it.
    pub fn delete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let (object, _) = self.live_row(viewer, id)?;
        if !object.schema.deletable {
            let message = format!("entity type {} does not support delete", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        if let Some(holder) = self.children(id, |field| field.restricted_delete).first() {
            let message = format!(
                "Your attempt to delete {id} could not be completed because it is associated with {}: {}",
                holder.0, holder.1
            );
            return Err(WriteError::new("DELETE_FAILED", message, &[]));
        }
        let mut doomed = vec![id];
        let mut at = 0;
        while at < doomed.len() {
            for (_, child) in self.children(doomed[at], |field| field.cascade_delete) {
                if !doomed.contains(&child) {
                    doomed.push(child);
                }
            }
            at += 1;
        }
        for id in doomed {
            let state = if self.object_of(id).is_some_and(|o| o.field_index("IsDeleted").is_some()) {
                RowState::Deleted
            } else {
                RowState::Purged
            };
            self.set_state(id, state, now);
        }
        Ok(())
    }

    /// Takes a row out of the bin, and with it the rows that went into it at the same moment because they belong to it.
    ///
    /// # Errors
    /// Where the row is not in the bin, or its object has none.
    pub fn undelete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let object = self.object_of(id).ok_or_else(invalid_cross_reference)?;
        if !object.schema.undeletable {
            let message = format!("entity type {} does not support undelete", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        if !row.is_deleted() {
            return Err(WriteError::new("UNDELETE_FAILED", "Entity is not in the recycle bin", &[]));
        }
        let deleted_at = row.system_modstamp();
        let mut back = vec![id];
        let mut at = 0;
        while at < back.len() {
            let children = self.referring(back[at], |field| field.cascade_delete, RowState::Deleted);
            back.extend(
                children
                    .into_iter()
                    .filter(|(_, _, stamp)| *stamp == deleted_at)
                    .map(|(_, id, _)| id),
            );
            at += 1;
        }
        for id in back {
            self.set_state(id, RowState::Live, now);
        }
        Ok(())
    }

    /// Removes a row for good: from the bin, or past it. Only getDeleted still tells of it.
    ///
    /// # Errors
    /// Where the row is not there.
    pub fn purge(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let object = self.object_of(id).ok_or_else(invalid_cross_reference)?;
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        // What was in the bin was deleted when it went there.
        let when = if row.is_deleted() { row.system_modstamp() } else { now };
        self.set_state(id, RowState::Purged, when);
        Ok(())
    }

    /// The live rows whose field has this value. At once for generated keys, else by a scan.
    pub fn rows_with_key(&self, viewer: &Viewer, object: &str, field: &str, value: &str) -> Vec<RecordId> {
        let Some(object) = self.visible_object(viewer, object) else {
            return Vec::new();
        };
        let Some((index, field)) = object.field(viewer, field) else {
            return Vec::new();
        };
        if field.kind == FieldType::Id {
            return value
                .parse()
                .ok()
                .and_then(|id| object.row(viewer, Scan::QUERY, id))
                .map(|row| row.id())
                .into_iter()
                .collect();
        }
        let wanted = Value::Text(value.to_owned());
        let has_it = |row: &Row<'_>| {
            let own = row.value(index);
            match &own {
                Value::Number(_) => own.compare(&Value::Number(value.to_owned())) == Some(std::cmp::Ordering::Equal),
                own => own.compare(&wanted) == Some(std::cmp::Ordering::Equal),
            }
        };
        match field.shape.generated_key() {
            // Generated rows hold the key of their number; others are among the written ones.
            Some(prefix) => {
                let own = value
                    .get(prefix.len()..)
                    .filter(|_| value.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()));
                let ordinal = own
                    .and_then(|number| number.parse::<u64>().ok())
                    .filter(|ordinal| *ordinal < object.table.generated);
                let candidates = ordinal
                    .into_iter()
                    .chain(object.table.stored.keys().copied().filter(|o| Some(*o) != ordinal));
                candidates
                    .filter_map(|ordinal| object.row_at(viewer, Scan::QUERY, ordinal))
                    .filter(has_it)
                    .map(|row| row.id())
                    .collect()
            }
            None => object.rows(viewer, Scan::QUERY).filter(has_it).map(|row| row.id()).collect(),
        }
    }

    /// The one live row with this key, to be upserted; none: create it.
    ///
    /// # Errors
    /// Where there are several.
    pub fn row_to_upsert(
        &self,
        viewer: &Viewer,
        object: &str,
        field: &str,
        value: &str,
    ) -> Result<Option<RecordId>, AmbiguousKey> {
        let mut rows = self.rows_with_key(viewer, object, field, value);
        if rows.len() > 1 {
            Err(AmbiguousKey(rows))
        } else {
            Ok(rows.pop())
        }
    }

    /// getUpdated: live rows whose SystemModstamp is in `[from, to)`.
    pub fn updated_between(&self, viewer: &Viewer, object: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<RecordId> {
        let Some(object) = self.visible_object(viewer, object) else {
            return Vec::new();
        };
        let scan = Scan {
            deleted: false,
            archived: true,
        };
        let touched = object.table.touched_since(from);
        let rows = touched.filter_map(|ordinal| object.row_at(viewer, scan, ordinal));
        rows.filter(|row| (from..to).contains(&row.system_modstamp()))
            .map(|row| row.id())
            .collect()
    }

    /// getDeleted: rows that went into the bin, or away for good, in `[from, to)`, and when.
    pub fn deleted_between(&self, object: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(RecordId, DateTime<Utc>)> {
        let Some(object) = self.object(object) else {
            return Vec::new();
        };
        object.table.deleted_between(from, to)
    }

    pub(super) fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        let index = *self.by_name.get(&name.to_ascii_lowercase())?;
        self.objects.get_mut(index)
    }

    fn live_row<'a>(&'a self, viewer: &'a Viewer, id: RecordId) -> Result<(&'a Object, Row<'a>), WriteError> {
        let object = self
            .object_of(id)
            .filter(|o| viewer.sees_object(o.name()))
            .ok_or_else(invalid_cross_reference)?;
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        if row.is_deleted() {
            return Err(WriteError::not_found("ENTITY_IS_DELETED", "entity is deleted"));
        }
        Ok((object, row))
    }

    /// Live rows that refer to `id` through a field that `by` takes: object and id.
    fn children(&self, id: RecordId, by: impl Fn(&Field) -> bool) -> Vec<(String, RecordId)> {
        self.referring(id, by, RowState::Live)
            .into_iter()
            .map(|(object, id, _)| (object, id))
            .collect()
    }

    fn referring(&self, id: RecordId, by: impl Fn(&Field) -> bool, state: RowState) -> Vec<(String, RecordId, DateTime<Utc>)> {
        let Some(parent) = self.object_of(id).map(Object::name) else {
            return Vec::new();
        };
        let everybody = self.administrator();
        let mut found = Vec::new();
        for object in &self.objects {
            let fields = object.schema.fields.iter().enumerate();
            let through: Vec<usize> = fields
                .filter(|(_, field)| by(field) && field.reference_to.iter().any(|to| to == parent))
                .map(|(index, _)| index)
                .collect();
            if through.is_empty() {
                continue;
            }
            let rows = object.rows(&everybody, Scan::QUERY_ALL).filter(|row| row.state() == state);
            let referring = rows.filter(|row| through.iter().any(|index| row.value(*index) == Value::Id(id)));
            found.extend(referring.map(|row| {
                (
                    object.name().to_owned(),
                    row.object().table.ids.id(row.ordinal()),
                    row.system_modstamp(),
                )
            }));
        }
        found
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
        table.stored.insert_mut(ordinal, stored);
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

    /// A first version of a file makes its document, and the link to the document's owner.
    fn create_document_of(
        &mut self,
        viewer: &Viewer,
        version: &mut BTreeMap<usize, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), WriteError> {
        let Some(versions) = self.object("ContentVersion") else {
            return Ok(());
        };
        let Some(document_field) = versions.field_index("ContentDocumentId") else {
            return Ok(());
        };
        let value = |name: &str| {
            versions
                .field_index(name)
                .and_then(|index| version.get(&index))
                .map(Value::to_plain)
                .unwrap_or_default()
        };
        let title = [value("Title"), value("PathOnClient"), "Untitled".to_owned()]
            .into_iter()
            .find(|text| !text.is_empty());
        let owner = value("OwnerId");
        if self.object("ContentDocument").is_none() {
            return Ok(());
        }
        let fields = [
            ("Title".to_owned(), title.map_or(Sent::Null, Sent::Text)),
            ("OwnerId".to_owned(), Sent::Text(owner.clone())),
        ];
        let document = self.create(viewer, "ContentDocument", &fields.into_iter().collect(), now)?;
        version.insert(document_field, Value::Id(document));
        if self.object("ContentDocumentLink").is_some() {
            let text = |name: &str, value: String| (name.to_owned(), Sent::Text(value));
            let link = [
                text("ContentDocumentId", document.to_string()),
                text("LinkedEntityId", owner),
                text("ShareType", "I".into()),
            ];
            self.create(viewer, "ContentDocumentLink", &link.into_iter().collect(), now)?;
        }
        Ok(())
    }
}

fn no_such_type(object: &str) -> WriteError {
    WriteError::not_found("NOT_FOUND", &format!("The requested resource does not exist: {object}"))
}

fn invalid_cross_reference() -> WriteError {
    WriteError::not_found("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
}
