//! The fold of a snapshot's log: what it consists of after an entry.

use super::entry::{
    BlobRef, CheckpointRef, EntryKind, Estimate, Failure, LogRecord, Next, ObjectState, SegmentKind, SegmentRef,
};
use crate::chain::{Entry, Head};
use crate::names::ObjectName;
use crate::scope::Reading;
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

/// A segment and the entry that brought it. Of two rows of one key the greater revision stands, then the later entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedSegment {
    /// Number of the entry.
    pub entry: u64,
    /// The segment.
    #[serde(flatten)]
    pub segment: SegmentRef,
}

/// One object of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFold {
    /// How far it is.
    pub state: ObjectState,
    /// Records read, as the connector told; without that, rows stored.
    pub records: u64,
    /// Records that there are, where known.
    pub total: Option<u64>,
    /// As planned.
    pub estimate: Option<Estimate>,
    /// Why it is not read.
    pub reason: Option<Failure>,
    /// What people should know.
    pub remarks: Vec<Failure>,
    /// When it was so.
    pub window: Option<Window>,
    /// Bytes of its records, uncompressed.
    pub raw_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// What it consists of, in the order of commits.
    pub segments: Vec<PlacedSegment>,
    told_records: bool,
}

/// All that a snapshot's log says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Its last entry.
    pub head: Head,
    /// When that was written.
    pub last_at: Option<Timestamp>,
    /// Objects by name.
    pub objects: BTreeMap<ObjectName, ObjectFold>,
    /// Blobs by source key.
    pub blobs: BTreeMap<String, BlobRef>,
    /// Where the job stands.
    pub checkpoint: Option<CheckpointRef>,
    /// The checkpoints to keep: the last two, and each last one of an older state version. Newest last.
    pub kept_checkpoints: Vec<CheckpointRef>,
    /// What comes next.
    pub next: Option<Next>,
    /// Requests sent for it.
    pub requests: u64,
    /// The last reading of each quota that was told in it.
    pub readings: BTreeMap<String, Reading>,
    /// Whether the log has ended.
    pub ended: bool,
}

impl Default for Fold {
    fn default() -> Self {
        Fold {
            head: Head::START,
            last_at: None,
            objects: BTreeMap::new(),
            blobs: BTreeMap::new(),
            checkpoint: None,
            kept_checkpoints: Vec::new(),
            next: None,
            requests: 0,
            readings: BTreeMap::new(),
            ended: false,
        }
    }
}

impl Fold {
    /// Records of all objects.
    pub fn records(&self) -> u64 {
        self.objects.values().map(|object| object.records).sum()
    }

    /// Bytes stored: segments and blobs.
    pub fn stored_bytes(&self) -> u64 {
        let segments: u64 = self.objects.values().map(|object| object.stored_bytes).sum();
        segments + self.blobs.values().map(|blob| blob.length).sum::<u64>()
    }

    /// Takes in the next entry.
    pub(crate) fn fold(&mut self, entry: &Entry<LogRecord>) {
        let record = &entry.body;
        self.head = entry.head();
        self.last_at = Some(entry.at);
        self.requests += record.requests;
        if let Some(checkpoint) = record.checkpoint {
            self.checkpoint = Some(checkpoint);
            self.keep(checkpoint);
        }
        if let Some(next) = &record.next {
            self.next = Some(next.clone());
        }
        for placed in &record.segments {
            let object = self.objects.entry(placed.object.clone()).or_default();
            object.take(entry, placed, record.began_at);
        }
        for report in &record.objects {
            let object = self.objects.entry(report.object.clone()).or_default();
            object.state = report.state.unwrap_or(object.state);
            if let Some(records) = report.records {
                object.records = records;
                object.told_records = true;
            }
            object.total = report.total.or(object.total);
            if report.estimate.is_some() {
                object.estimate.clone_from(&report.estimate);
            }
            if let Some(skipped) = &report.skipped {
                object.state = ObjectState::Skipped;
                object.reason = Some(skipped.clone());
            }
            for remark in &report.remarks {
                if !object.remarks.contains(remark) {
                    object.remarks.push(remark.clone());
                }
            }
        }
        self.blobs
            .extend(record.blobs.iter().map(|blob| (blob.key.clone(), blob.clone())));
        for reading in &record.readings {
            self.readings.insert(reading.quota.clone(), reading.clone());
        }
        self.ended = record.kind == EntryKind::End;
    }

    /// The last two are kept, and of each older state version the last one: the way back from a migration.
    fn keep(&mut self, checkpoint: CheckpointRef) {
        self.kept_checkpoints.retain(|kept| kept.sha256 != checkpoint.sha256);
        self.kept_checkpoints.push(checkpoint);
        let last_two = self.kept_checkpoints.len().saturating_sub(2);
        let versions: Vec<u32> = self.kept_checkpoints.iter().map(|kept| kept.state_version).collect();
        let mut at = 0;
        self.kept_checkpoints.retain(|kept| {
            let last_of_version = !versions[at + 1..].contains(&kept.state_version);
            let keep = at >= last_two || last_of_version;
            at += 1;
            keep
        });
    }
}

impl ObjectFold {
    fn take(&mut self, entry: &Entry<LogRecord>, segment: &SegmentRef, began_at: Timestamp) {
        if self.state == ObjectState::Pending {
            self.state = ObjectState::Partial;
        }
        if segment.kind == SegmentKind::Rows && !self.told_records {
            self.records += segment.rows;
        }
        self.raw_bytes += segment.raw_bytes;
        self.stored_bytes += segment.stored_bytes;
        let window = self.window.get_or_insert(Window {
            from: began_at,
            to: entry.at,
        });
        window.from = window.from.min(began_at);
        window.to = window.to.max(entry.at);
        self.segments.push(PlacedSegment {
            entry: entry.seq,
            segment: segment.clone(),
        });
    }
}
