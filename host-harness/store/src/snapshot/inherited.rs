//! The shapes in which an incremental snapshot lists, in its own log, what it inherits from its base.

use super::entry::{BlobRef, ObjectState, SegmentRef};
use crate::names::{ObjectName, SnapshotId};
use backup_contract::Failure;
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From when to when what was read was so: every record is as it was at some moment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first read began.
    pub from: Timestamp,
    /// The last read was committed.
    pub to: Timestamp,
}

/// How old what a segment holds is, later is greater: what was inherited is older than all of the log's own.
pub(super) type Age = (bool, u64);

/// A segment and the entry that brought it. Of two rows of one key the greater revision stands, then the later entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedSegment {
    /// Number of the entry.
    pub entry: u64,
    /// Whether it was inherited from the base; then `entry` counts among these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// The segment.
    #[serde(flatten)]
    pub segment: SegmentRef,
}

impl PlacedSegment {
    pub(super) fn new(entry: u64, segment: &SegmentRef) -> PlacedSegment {
        PlacedSegment {
            entry,
            inherited: false,
            segment: segment.clone(),
        }
    }

    /// The same as an incremental snapshot inherits it.
    pub(super) fn as_inherited(&self) -> PlacedSegment {
        PlacedSegment {
            inherited: true,
            ..self.clone()
        }
    }

    pub(super) fn age(&self) -> Age {
        (!self.inherited, self.entry)
    }
}

/// What an incremental snapshot continues from, and where its log lists what it inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRef {
    /// From which snapshot.
    pub snapshot: SnapshotId,
    /// The entry that lists it.
    pub entry: u64,
    /// When that was begun: what its job looks at, it looks at after that.
    pub at: Timestamp,
}

/// What a snapshot inherits.
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
