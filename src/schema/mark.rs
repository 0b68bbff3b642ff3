//! What a snapshot says of each object besides its records, for the backup that goes on from it: notes under `mark/<object>`, and
//! under `describe/<object>` the org's own describe.

use crate::host::{ConnectorError, Failure, Note, Snapshot, StorageError};
use crate::salesforce::Describe;
use serde::{Deserialize, Serialize};

/// Notes are asked for so many at once.
const NOTES_AT_ONCE: usize = 100;

/// How far an object is in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What was changed before this moment is in the snapshot; milliseconds since 1970.
    pub covered: u64,
    /// What was deleted before this moment isn't.
    pub deletions_covered: u64,
    /// Records that the snapshot has of it.
    pub records: u64,
    /// Something of it was changed while this snapshot was made; then it is likely to be so again.
    #[serde(default)]
    pub changed: bool,
    /// Files that were left for the next backup.
    #[serde(default)]
    pub files_left: u64,
    /// Fewer records came than the org counts: the next backup reads all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disagrees: bool,
    /// Passes over what was changed while this backup ran.
    #[serde(default)]
    pub catch_ups: u8,
    /// Its fields, as they were read.
    pub describe: Describe,
}

/// Key of an object's mark.
pub fn mark_key(object: &str) -> String {
    format!("mark/{object}")
}

/// Key of an object's describe.
pub fn describe_key(object: &str) -> String {
    format!("describe/{object}")
}

/// In place of a mark, of an object that could not be read: nothing can be gone on from, so it is read in full.
pub fn no_mark(object: &str) -> Note {
    Note {
        key: mark_key(object),
        body: br#"{"failed":true}"#.to_vec(),
    }
}

impl Mark {
    /// As a note.
    pub fn note(&self, object: &str) -> Result<Note, ConnectorError> {
        let body = serde_json::to_vec(self).map_err(|error| {
            ConnectorError::State(Failure::new("mark", format!("a mark can't be written: {error}")).about(object))
        })?;
        Ok(Note {
            key: mark_key(object),
            body,
        })
    }
}

/// The marks of these objects, in their order. One that can't be read is as good as none: its object is read in full.
pub fn marks<S: Snapshot>(snapshot: &S, objects: &[&str]) -> Result<Vec<Option<Mark>>, StorageError> {
    let mut marks = Vec::with_capacity(objects.len());
    for some in objects.chunks(NOTES_AT_ONCE) {
        let keys: Vec<String> = some.iter().map(|object| mark_key(object)).collect();
        let notes = snapshot.notes(&keys)?;
        marks.extend((0..some.len()).map(|n| serde_json::from_slice(notes.get(n)?.as_deref()?).ok()));
    }
    Ok(marks)
}
