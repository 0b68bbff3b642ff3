//! Creating, changing and deleting rows, with the refusals that Salesforce gives, in its words.

use chrono::{DateTime, Utc};

use crate::org::{Org, RecordId, SentFields, Viewer};

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

impl Org {
    /// Creates a row. `now` becomes its stamp, the user its creator and, if not given, its owner.
    ///
    /// # Errors
    /// What is wrong with the record: one entry for missing fields, or the first other thing.
    pub fn create(
        &mut self,
        viewer: &Viewer,
        object: &str,
        fields: &SentFields,
        now: DateTime<Utc>,
    ) -> Result<RecordId, WriteError> {
        let _ = (viewer, object, fields, now);
        Ok(RecordId::EMPTY)
    }

    /// Changes fields of a row.
    ///
    /// # Errors
    /// What is wrong with the change, or with the row.
    pub fn update(&mut self, viewer: &Viewer, id: RecordId, fields: &SentFields, now: DateTime<Utc>) -> Result<(), WriteError> {
        let _ = (viewer, id, fields, now);
        Ok(())
    }

    /// Moves a row, and the rows that live and die with it, to the bin.
    ///
    /// # Errors
    /// Where the row is not there, or not to be deleted.
    pub fn delete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let _ = (viewer, id, now);
        Ok(())
    }

    /// Takes a row out of the bin.
    ///
    /// # Errors
    /// Where the row is not in the bin.
    pub fn undelete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let _ = (viewer, id, now);
        Ok(())
    }

    /// Removes a row for good: from the bin, or past it. Only getDeleted still tells of it.
    ///
    /// # Errors
    /// Where the row is not there.
    pub fn purge(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let _ = (viewer, id, now);
        Ok(())
    }

    /// The live rows whose field has this value. At once for generated keys, else by a scan.
    pub fn rows_with_key(&self, viewer: &Viewer, object: &str, field: &str, value: &str) -> Vec<RecordId> {
        let _ = (viewer, object, field, value);
        Vec::new()
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
        let _ = (viewer, object, from, to);
        Vec::new()
    }

    /// getDeleted: rows that went into the bin, or away for good, in `[from, to)`, and when.
    pub fn deleted_between(&self, object: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(RecordId, DateTime<Utc>)> {
        let _ = (object, from, to);
        Vec::new()
    }
}
