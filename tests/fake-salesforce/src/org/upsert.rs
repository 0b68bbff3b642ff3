//! Upserts: a row found by a key is changed, one that isn't there is created.

use crate::org::{AmbiguousKey, Org, RecordId, Sent, SentFields, WriteError, write::Writing};

/// What became of an upsert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upserted {
    /// The row.
    pub id: RecordId,
    /// Whether it is new.
    pub created: bool,
}

/// An upsert that was refused, and the row it was for, where one was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct UpsertError {
    /// The row.
    pub id: Option<RecordId>,
    /// Why.
    pub error: WriteError,
}

impl From<WriteError> for UpsertError {
    fn from(error: WriteError) -> Self {
        UpsertError { id: None, error }
    }
}

impl Org {
    /// Upserts a record by the key that it holds.
    ///
    /// # Errors
    /// Where the key is missing or several rows have it, and what is wrong with the record.
    pub fn upsert_by(
        &mut self,
        by: &Writing<'_>,
        object: &str,
        key: &str,
        fields: &SentFields,
    ) -> Result<Upserted, UpsertError> {
        let mut fields = fields.clone();
        let value = match fields.get(key) {
            Some(Sent::Text(text) | Sent::Number(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        // Recorded: `/Account/Id` with a null Id creates.
        let is_id = key.eq_ignore_ascii_case("Id");
        let found = match &value {
            None if is_id => None,
            None => return Err(WriteError::new("MISSING_ARGUMENT", format!("{key} not specified"), &[]).into()),
            Some(value) if is_id => Some(value.parse().map_err(|e| WriteError::malformed_id(&e))?),
            Some(value) => self
                .row_to_upsert(by.viewer, object, key, value)
                .map_err(|several| ambiguous(key, &several))?,
        };
        if is_id || found.is_some() {
            fields.remove(key);
        }
        match found {
            Some(id) => match self.update_by(by, id, &fields) {
                Ok(()) => Ok(Upserted { id, created: false }),
                Err(error) => Err(UpsertError { id: Some(id), error }),
            },
            None => {
                let id = self.create_by(by, object, &fields)?;
                Ok(Upserted { id, created: true })
            }
        }
    }
}

fn ambiguous(key: &str, several: &AmbiguousKey) -> WriteError {
    let ids: Vec<String> = several.0.iter().map(ToString::to_string).collect();
    let list = ids.join(", ");
    let message = format!("{key}: more than one record found for external id field: [{list}]");
    WriteError {
        http_status: 300,
        ..WriteError::new("DUPLICATE_VALUE", message, &[])
    }
}
