//! From what a person writes as SNAPSHOT to a snapshot.

use super::SnapshotState;
use crate::error::StoreError;
use crate::journal::{JournalState, SnapshotRecord, Standing};

/// A snapshot that was meant, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// It.
    pub snapshot: SnapshotRecord,
    /// Complete, or (to be said to people where they asked for `latest`) only partial.
    pub state: SnapshotState,
}

/// Finds an id, a unique prefix of one, or `latest`: the newest complete one, else the newest partial one.
pub fn select(state: &JournalState, text: &str) -> Result<Selected, StoreError> {
    let there = || {
        state
            .snapshots()
            .iter()
            .filter(|snapshot| snapshot.standing != Standing::Pruned)
    };
    let found = if text == "latest" {
        state
            .latest_complete()
            .or_else(|| there().next_back())
            .ok_or_else(|| StoreError::NotFound("snapshot yet".to_owned()))?
    } else {
        let prefix = text.to_ascii_uppercase();
        let matching: Vec<_> = there()
            .filter(|snapshot| !prefix.is_empty() && snapshot.id.to_string().starts_with(&prefix))
            .collect();
        match *matching.as_slice() {
            [one] => one,
            [] => return Err(StoreError::NotFound(format!("snapshot \"{text}\""))),
            ref many => {
                return Err(StoreError::Ambiguous {
                    what: format!("snapshot \"{text}\""),
                    candidates: many
                        .iter()
                        .map(|snapshot| snapshot.id.to_string())
                        .collect::<Vec<_>>()
                        .join(", "),
                });
            }
        }
    };
    Ok(Selected {
        snapshot: found.clone(),
        state: match found.standing {
            Standing::Complete { .. } => SnapshotState::Complete,
            _ => SnapshotState::Partial,
        },
    })
}
