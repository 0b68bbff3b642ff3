//! What one batch commits, and what a snapshot's log says of objects, segments, blobs and checkpoints.

use super::count::clamp_count;
use crate::names::{ObjectName, Sha256};
use crate::spending::{Grant, Spending};
use backup_contract::{Checkpoint, Failure, Reading};
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What comes after an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextStep {
    /// Planning goes on, with at least so many requests.
    Plan {
        /// Estimate.
        requests: u64,
    },
    /// A batch of so many requests.
    Batch {
        /// Estimate.
        requests: u64,
    },
    /// Nothing can be done for so many seconds.
    AgainAfter {
        /// Seconds, from the entry's time on.
        seconds: u64,
    },
    /// What comes next needs a limit of the source that is spent; it is looked at again as a batch is.
    Pause,
    /// The job can't go on.
    Blocked(Failure),
    /// The job is complete: the log ends.
    Done,
}

/// How an object is read, as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// In a few words.
    pub way: String,
    /// Requests.
    pub requests: u64,
    /// Records.
    pub records: u64,
    /// Bytes of answers.
    pub bytes: u64,
}

impl Estimate {
    /// With numbers as they are taken.
    #[must_use]
    pub fn within(self) -> Estimate {
        Estimate {
            way: self.way,
            requests: clamp_count(self.requests),
            records: clamp_count(self.records),
            bytes: clamp_count(self.bytes),
        }
    }
}

/// How far an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectState {
    /// Nothing of it is committed.
    #[default]
    Pending,
    /// Some of it is.
    Partial,
    /// All of it is.
    Complete,
    /// It is not read, by its nature; the reason says why.
    Skipped,
    /// It could not be read, or reading it broke off; the reason says why. What a predecessor had of it stays.
    Failed,
}

/// What a step told about an object. What is `None` or empty leaves what was told before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReport {
    /// API name of the object.
    pub object: ObjectName,
    /// How far it is. Data alone makes a pending one partial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ObjectState>,
    /// Records read so far, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Records that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// As planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// Why it is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Failure>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failure>,
    /// Parts of it that could not be had, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_parts: BTreeMap<String, Failure>,
    /// Requests that can't be counted beforehand, by what they are; how many an earlier backup took, where known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uncounted: BTreeMap<String, Option<u64>>,
    /// What people should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Failure>,
}

impl ObjectReport {
    /// Nothing told yet.
    pub fn new(object: ObjectName) -> ObjectReport {
        ObjectReport {
            object,
            state: None,
            records: None,
            total: None,
            estimate: None,
            skipped: None,
            failed: None,
            failed_parts: BTreeMap::new(),
            uncounted: BTreeMap::new(),
            remarks: Vec::new(),
        }
    }
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `plan-backup`.
    Plan,
    /// `run-batch`.
    Batch,
}

/// All that becomes durable with a batch's data, as one entry.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What it was.
    pub step: Step,
    /// When it began: from here to the entry's time is the window in which what it read was so.
    pub began_at: Timestamp,
    /// Where the job stands now; `None` while planning isn't ready.
    pub checkpoint: Option<Checkpoint>,
    /// What comes next. [`NextStep::Done`] ends the log.
    pub next: NextStep,
    /// What the next step may send; `None` where the job pauses, waits or ends here.
    pub grant: Option<Grant>,
    /// What is spent, this batch included. Its version is set by the store.
    pub spending: Spending,
    /// What was told about objects.
    pub objects: Vec<ObjectReport>,
    /// What hides data.
    pub warnings: Vec<Failure>,
    /// Readings that were told.
    pub readings: Vec<Reading>,
    /// Requests that this step sent, all attempts.
    pub requests: u64,
    /// Digest of the connector that ran it.
    pub connector: Sha256,
    /// Head of the connection's journal.
    pub journal_head: Sha256,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentKind {
    /// Records.
    Rows,
    /// Keys of records that are gone.
    Tombstones,
    /// What the snapshot says besides records; of no object.
    Notes,
}

/// A segment, as the log names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Its object; `notes` for notes.
    pub object: ObjectName,
    /// `<epoch>-<counter>`.
    pub name: String,
    /// What it holds.
    pub kind: SegmentKind,
    /// How many rows.
    pub rows: u64,
    /// Least key.
    pub min: String,
    /// Greatest key.
    pub max: String,
    /// Bytes of what was read, uncompressed.
    pub raw_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Where its keys begin, for readers that know zstd alone. Absent in segments of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_at: Option<u64>,
    /// Its rows stand before those of earlier segments, whatever the revisions say. False in segments of older versions: among
    /// those the greatest revision stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latest: bool,
    /// Hash of what is stored.
    pub sha256: Sha256,
}

/// A blob, as the log names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// What identifies the content at the source.
    pub key: String,
    /// `<epoch>-<counter>`.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// Hash of what is stored.
    pub sha256: Sha256,
}

/// A checkpoint, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
    /// Version of its format.
    pub state_version: u32,
    /// Bytes.
    pub length: u64,
    /// Its hash, and so its name.
    pub sha256: Sha256,
}
