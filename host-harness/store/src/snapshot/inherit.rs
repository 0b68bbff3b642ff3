//! What an incremental snapshot inherits from its base: a list in its own log, before any data.
//!
//! The rule: once that entry is there, nothing of the base's own log is needed any more. There is no chain of snapshots to
//! walk, and giving up the base breaks nothing.

use super::fold::{Fold, ObjectFold};
use super::inherited::{BaseRef, Inherited, InheritedObject, PlacedSegment};
use super::log::{LogRecord, log_dir};
use super::source_key::SourceKey;
use crate::backend::Store;
use crate::chain::{Chain, Head};
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, SnapshotId};

impl Inherited {
    /// All of these objects (empty: of all objects) that a snapshot holds. Working blobs aren't part of it.
    pub(super) fn of(snapshot: SnapshotId, fold: &Fold, objects: &[ObjectName]) -> Inherited {
        let asked_for = |name: &str| objects.is_empty() || objects.iter().any(|object| object.as_str() == name);
        let chosen = fold.objects.iter().filter(|(name, _)| asked_for(name.as_str()));
        let blobs = fold
            .blobs
            .values()
            .filter(|blob| SourceKey::parse(&blob.key).is_none_or(|key| asked_for(key.object)));
        Inherited {
            snapshot,
            objects: chosen.map(|(name, object)| (name.clone(), object.into())).collect(),
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

/// What a snapshot inherited, by its own log; nothing that came on top of it.
pub(crate) async fn inherited_of(
    store: &Store,
    connection: &ConnectionName,
    id: SnapshotId,
    base: BaseRef,
) -> Result<Fold, StoreError> {
    let chain = Chain::<LogRecord>::at(store, log_dir(store, connection, id), Head::START);
    let entry = chain.read_entry(base.entry).await?;
    let entry = entry.ok_or_else(|| chain.missing(base.entry))?;
    let mut fold = Fold::default();
    if let Some(inherited) = &entry.body.inherited {
        fold.inherit(inherited, base.entry, base.at);
    }
    Ok(fold)
}

/// What the base had inherited itself keeps its numbers, and what it added comes after.
fn renumbered(segments: &[PlacedSegment]) -> Vec<PlacedSegment> {
    let inherited = segments.iter().filter(|placed| placed.inherited).map(|placed| placed.entry);
    let last = inherited.max().unwrap_or(0);
    let placed = segments.iter().map(|placed| PlacedSegment {
        entry: if placed.inherited { placed.entry } else { last + placed.entry },
        inherited: false,
        segment: placed.segment.clone(),
    });
    placed.collect()
}
