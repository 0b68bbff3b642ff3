//! What an incremental snapshot takes over from its predecessor: a list in its own log, before any data.
//!
//! The rule: once that entry is there, nothing of the predecessor's own log is needed any more. There is no chain of snapshots to
//! walk, and giving up the predecessor breaks nothing.

use super::entry::{BlobRef, LogRecord, ObjectState};
use super::fold::{Fold, ObjectFold, PlacedSegment, TakenOver, Window};
use super::log_dir;
use super::source_key::SourceKey;
use crate::backend::Store;
use crate::chain::{Chain, Head};
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, SnapshotId};
use backup_contract::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a snapshot takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// From which snapshot.
    pub snapshot: SnapshotId,
    /// Objects by name: those asked for.
    pub objects: BTreeMap<ObjectName, InheritedObject>,
    /// Segments of notes.
    pub notes: Vec<PlacedSegment>,
    /// Blobs of those objects.
    pub blobs: Vec<BlobRef>,
}

/// One object as the predecessor has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InheritedObject {
    /// How far it is.
    pub state: ObjectState,
    /// Its records.
    pub records: u64,
    /// It failed, and its records are those of an earlier job, which had read all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// Records that there are, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Why it is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Failure>,
    /// What people should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Failure>,
    /// When it was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What it consists of, oldest first. Their `entry` numbers count on their own: each is older than all of the new log.
    pub segments: Vec<PlacedSegment>,
}

impl Inherited {
    /// All of these objects (empty: of all objects) that a snapshot holds. Working blobs aren't part of it.
    pub(super) fn of(snapshot: SnapshotId, fold: &Fold, objects: &[ObjectName]) -> Inherited {
        let asked_for = |name: &str| objects.is_empty() || objects.iter().any(|object| object.as_str() == name);
        let taken = fold.objects.iter().filter(|(name, _)| asked_for(name.as_str()));
        let blobs = fold
            .blobs
            .values()
            .filter(|blob| SourceKey::parse(&blob.key).is_none_or(|key| asked_for(key.object)));
        Inherited {
            snapshot,
            objects: taken.map(|(name, object)| (name.clone(), object.into())).collect(),
            notes: renumbered(&fold.notes),
            blobs: blobs.cloned().collect(),
        }
    }
}

impl From<&ObjectFold> for InheritedObject {
    fn from(object: &ObjectFold) -> InheritedObject {
        InheritedObject {
            state: object.state,
            records: object.records,
            stale: object.stale,
            total: object.total,
            reason: object.reason.clone(),
            remarks: object.remarks.clone(),
            window: object.window,
            segments: renumbered(&object.segments),
        }
    }
}

/// What a snapshot took over, by its own log; nothing that came on top of it.
pub(crate) async fn inherited_of(
    store: &Store,
    connection: &ConnectionName,
    id: SnapshotId,
    taken: TakenOver,
) -> Result<Fold, StoreError> {
    let chain = Chain::<LogRecord>::at(store, log_dir(store, connection, id), Head::START);
    let entry = chain.read_entry(taken.entry).await?;
    let entry = entry.ok_or_else(|| chain.missing(taken.entry))?;
    let mut fold = Fold::default();
    if let Some(inherited) = &entry.body.inherited {
        fold.take_over(inherited, taken.entry, taken.at);
    }
    Ok(fold)
}

/// What the predecessor had taken over itself keeps its numbers, and what it added comes after.
fn renumbered(segments: &[PlacedSegment]) -> Vec<PlacedSegment> {
    let taken_over = segments.iter().filter(|placed| placed.inherited).map(|placed| placed.entry);
    let last = taken_over.max().unwrap_or(0);
    let placed = segments.iter().map(|placed| PlacedSegment {
        entry: if placed.inherited { placed.entry } else { last + placed.entry },
        inherited: false,
        segment: placed.segment.clone(),
    });
    placed.collect()
}
