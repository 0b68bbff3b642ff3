//! Snapshots: a log of committed batches, and the data that it names.
//!
//! A snapshot exists once the journal says so, and is the fold of its log. [`SnapshotWriter`] stages data and commits it with one
//! entry; [`Snapshot`] reads what is committed. What no log names does not exist.

mod blob;
mod diff;
mod entry;
mod fold;
mod held;
mod inherit;
mod merge;
mod reader;
mod rollup;
mod segment;
mod select;
mod source_key;
mod stage;
#[cfg(test)]
mod tests;
mod writer;

pub use blob::StoredBlob;
pub(crate) use blob::{BlobCheck, blob_path, changed, missing};
pub use diff::{Change, Difference, FieldChange, differences, members};
pub use entry::{
    BlobRef, CheckpointRef, Commit, EntryKind, Estimate, LogRecord, NextStep, ObjectReport, ObjectState, SegmentKind,
    SegmentRef, Step,
};
pub use fold::{Fold, MOST_TOLD, ObjectFold, PlacedSegment, TakenOver, Window, told};
pub(crate) use inherit::inherited_of;
pub use inherit::{Inherited, InheritedObject};
pub(crate) use merge::segment_path;
pub use reader::{Page, Snapshot, SnapshotInfo};
pub(crate) use rollup::load_strictly;
pub(crate) use segment::SegmentReader;
pub use select::{Selected, select};
pub use source_key::SourceKey;
pub use stage::{SaveError, Saved, Saving, Staged};
pub use writer::{Begin, Committed, SnapshotWriter};
pub(crate) use writer::{checkpoint_path, fence, read_checkpoint};

use crate::backend::Store;
use crate::chain::{Chain, Entry};
use crate::error::StoreError;
use crate::journal::SnapshotStanding;
use crate::names::{ConnectionName, SnapshotId};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

/// Whether a snapshot is self-contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// Everything was read.
    Full,
    /// Only what changed since an earlier one was read.
    Incremental,
}

/// Whether a snapshot holds all that it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// Some of it; a paused backup's for instance.
    Partial,
    /// All of it.
    Complete,
    /// Its job has ended, but objects or parts of them failed.
    Incomplete,
    /// Some of it, and no job goes on with it.
    Superseded,
}

impl SnapshotState {
    /// By where it stands.
    pub fn of(standing: &SnapshotStanding) -> SnapshotState {
        match standing {
            SnapshotStanding::Complete { incomplete: false, .. } => SnapshotState::Complete,
            SnapshotStanding::Complete { incomplete: true, .. } => SnapshotState::Incomplete,
            SnapshotStanding::Superseded => SnapshotState::Superseded,
            SnapshotStanding::Open
            | SnapshotStanding::Paused(_)
            | SnapshotStanding::Failed { .. }
            | SnapshotStanding::Pruned => SnapshotState::Partial,
        }
    }

    /// Whether its job has ended: it holds all that could be read.
    pub fn has_ended(self) -> bool {
        matches!(self, SnapshotState::Complete | SnapshotState::Incomplete)
    }
}

/// The folder of a snapshot.
pub(crate) fn dir(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Path {
    store.connection_dir(connection).join("snapshots").join(id.to_string())
}

/// The folder of its log.
pub(crate) fn log_dir(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Path {
    dir(store, connection, id).join("log")
}

/// The newest entry of a log.
pub(crate) async fn last_log_entry(
    store: &Store,
    connection: &ConnectionName,
    id: SnapshotId,
) -> Result<Option<Entry<LogRecord>>, StoreError> {
    let (_, mut tail) = Chain::<LogRecord>::open_tail(store, log_dir(store, connection, id), |_| true).await?;
    Ok(tail.pop())
}
