//! Snapshots: a log of committed batches, and the data that it names.
//!
//! A snapshot exists once the journal says so, and is the fold of its log. [`SnapshotWriter`] stages data and commits it with one
//! entry; [`Snapshot`] reads what is committed. What no log names does not exist.

mod blob;
mod checkpoint;
mod claimed_journal;
mod count;
mod diff;
mod entry;
mod fold;
mod held;
mod inherit;
mod inherited;
pub(crate) mod log;
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

pub(crate) use blob::{BlobCheck, blob_path, changed, missing};
pub use blob::{SaveError, StoredBlob};
pub(crate) use checkpoint::{checkpoint_path, read_checkpoint};
pub use claimed_journal::ClaimedJournal;
pub use count::{MAX_COUNT, clamp_count};
pub use diff::{Difference, FieldChange, RecordChange, differences, members};
pub use entry::{BlobRef, CheckpointRef, Commit, Estimate, NextStep, ObjectReport, ObjectState, SegmentKind, SegmentRef, Step};
pub use fold::{Fold, ObjectFold};
pub(crate) use inherit::inherited_of;
pub use inherited::{BaseRef, Inherited, InheritedObject, PlacedSegment, Window};
pub use log::{EntryKind, LogRecord};
pub(crate) use log::{dir, log_dir};
pub(crate) use merge::segment_path;
pub use reader::{Page, Snapshot, SnapshotInfo};
pub(crate) use rollup::load_strictly;
pub(crate) use segment::SegmentReader;
pub use select::{Selected, select};
pub use source_key::SourceKey;
pub use stage::{Saved, Saving, Staged};
pub(crate) use writer::fence;
pub use writer::{Begin, Committed, SnapshotWriter};

pub use crate::journal::SnapshotKind;
use crate::journal::SnapshotStanding;
use serde::{Deserialize, Serialize};

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
