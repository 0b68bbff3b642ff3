//! From what a person writes as SNAPSHOT to a snapshot.

use super::SnapshotState;
use crate::error::StoreError;
use crate::journal::{JournalState, SnapshotRecord, SnapshotStanding};
use crate::names::ObjectName;

/// A snapshot that was meant, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// It.
    pub snapshot: SnapshotRecord,
    /// Ended, or (to be said to people where they asked for `latest`) only partial.
    pub state: SnapshotState,
}

/// Finds an id, a unique prefix of one, or `latest`: the newest one of all objects whose job has ended, else the newest partial one
/// of all objects. `latest:OBJECT` is the newest one that was to hold that object, whatever else it holds.
pub fn select(state: &JournalState, text: &str) -> Result<Selected, StoreError> {
    let found = match text.split_once(':') {
        Some(("latest", object)) => newest(state, |record| holds(record, object))
            .ok_or_else(|| StoreError::NotFound(format!("snapshot of {object} yet")))?,
        _ if text == "latest" => newest(state, |record| record.objects.is_empty()).ok_or_else(|| of_chosen_objects(state))?,
        _ => by_prefix(state, text)?,
    };
    Ok(Selected {
        snapshot: found.clone(),
        state: SnapshotState::of(&found.standing),
    })
}

fn there(state: &JournalState) -> impl DoubleEndedIterator<Item = &SnapshotRecord> {
    let snapshots = state.snapshots().iter();
    snapshots.filter(|snapshot| snapshot.standing != SnapshotStanding::Pruned)
}

fn newest(state: &JournalState, is_meant: impl Fn(&SnapshotRecord) -> bool) -> Option<&SnapshotRecord> {
    let ended = state.ended().find(|record| is_meant(record));
    ended.or_else(|| there(state).rev().find(|record| is_meant(record)))
}

fn holds(record: &SnapshotRecord, object: &str) -> bool {
    let named = |name: &ObjectName| name.as_str().eq_ignore_ascii_case(object);
    record.objects.is_empty() || record.objects.iter().any(named)
}

/// There is none of all objects: names the newest one that there is.
fn of_chosen_objects(state: &JournalState) -> StoreError {
    let chosen = newest(state, |record| !record.objects.is_empty());
    StoreError::NotFound(match chosen {
        Some(SnapshotRecord { id, objects, .. }) => {
            let first = objects.first().map(ToString::to_string).unwrap_or_default();
            let names: Vec<String> = objects.iter().map(ToString::to_string).collect();
            format!(
                "snapshot of all objects yet; {id} is one of {} alone: name it by its id, or as latest:{first}",
                names.join(", ")
            )
        }
        None => "snapshot yet".to_owned(),
    })
}

fn by_prefix<'a>(state: &'a JournalState, text: &str) -> Result<&'a SnapshotRecord, StoreError> {
    let prefix = text.to_ascii_uppercase();
    let matching: Vec<_> = there(state)
        .filter(|snapshot| !prefix.is_empty() && snapshot.id.to_string().starts_with(&prefix))
        .collect();
    match *matching.as_slice() {
        [one] => Ok(one),
        [] => Err(StoreError::NotFound(match there(state).next_back() {
            Some(newest) => format!("snapshot \"{text}\"; the newest one is {}", newest.id),
            None => format!("snapshot \"{text}\""),
        })),
        ref many => {
            let candidates: Vec<String> = many.iter().map(|snapshot| snapshot.id.to_string()).collect();
            Err(StoreError::Ambiguous {
                what: format!("snapshot \"{text}\""),
                candidates: candidates.join(", "),
            })
        }
    }
}
