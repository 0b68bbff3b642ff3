//! The fold of a snapshot's log: what it consists of after an entry.

use super::count::clamp_count;
use super::entry::{BlobRef, CheckpointRef, Estimate, NextStep, ObjectReport, ObjectState, SegmentKind, SegmentRef};
use super::inherited::{BaseRef, Inherited, InheritedObject, PlacedSegment, Window};
use super::log::{EntryKind, LogRecord};
use super::source_key;
use crate::chain::{Entry, Head};
use crate::names::ObjectName;
use backup_contract::{Failure, Reading};
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Parts of it that could not be had by this job, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_parts: BTreeMap<String, Failure>,
    /// Requests that can't be counted beforehand, by what they are; how many an earlier backup took, where known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uncounted: BTreeMap<String, Option<u64>>,
    /// When it was so.
    pub window: Option<Window>,
    /// Bytes of its records, uncompressed.
    pub raw_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// What it consists of, in the order of commits.
    pub segments: Vec<PlacedSegment>,
    /// Whether it still is as the predecessor had it: this job has not caught up with it yet.
    pub inherited: bool,
    /// It failed, and its records are those of an earlier job, which had read all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// As it was inherited: so it is again where it fails.
    #[serde(default, rename = "taken_over", skip_serializing_if = "Option::is_none")]
    before: Option<ObjectBefore>,
    /// Inherited segments that its job replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<Vec<PlacedSegment>>,
    /// How many of the remarks are the predecessor's.
    inherited_remarks: usize,
    /// Whether the connector reported how many records there are.
    #[serde(rename = "told_records")]
    reported_records: bool,
}

/// What an object was before its job looked at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ObjectBefore {
    /// All of its records were read by then.
    whole: bool,
    records: u64,
    window: Option<Window>,
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
    /// Segments of notes, in the order of commits.
    pub notes: Vec<PlacedSegment>,
    /// Blobs by source key.
    pub blobs: BTreeMap<String, BlobRef>,
    /// Blobs that are only for the job, by source key.
    pub work: BTreeMap<String, BlobRef>,
    /// What it continues from, and where its log lists what it inherits; `None` for a full one.
    #[serde(rename = "inherited")]
    pub base: Option<BaseRef>,
    /// Where the job stands.
    pub checkpoint: Option<CheckpointRef>,
    /// The checkpoints to keep: the last two, and each last one of an older state version. Newest last.
    pub kept_checkpoints: Vec<CheckpointRef>,
    /// What comes next.
    pub next: Option<NextStep>,
    /// What hides data, in the order in which it was first told; one of each code and object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Failure>,
    /// Requests sent for it.
    pub requests: u64,
    /// Those of them that planning took.
    #[serde(default)]
    pub planning: u64,
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
            notes: Vec::new(),
            blobs: BTreeMap::new(),
            work: BTreeMap::new(),
            base: None,
            checkpoint: None,
            kept_checkpoints: Vec::new(),
            next: None,
            warnings: Vec::new(),
            requests: 0,
            planning: 0,
            readings: BTreeMap::new(),
            ended: false,
        }
    }
}

impl Fold {
    /// Records of all objects.
    pub fn records(&self) -> u64 {
        self.objects
            .values()
            .fold(0, |sum, object| sum.saturating_add(object.records))
    }

    /// Whether objects or parts of them failed: such a snapshot ends incomplete.
    pub fn has_failed(&self) -> bool {
        let failed = |object: &ObjectFold| object.state == ObjectState::Failed || !object.failed_parts.is_empty();
        self.objects.values().any(failed)
    }

    /// Bytes stored: segments and blobs.
    pub fn stored_bytes(&self) -> u64 {
        let segments: u64 = self.objects.values().map(|object| object.stored_bytes).sum();
        let notes: u64 = self.notes.iter().map(|placed| placed.segment.stored_bytes).sum();
        // One file may stand for several values of the same content.
        let files: BTreeSet<(&str, u64)> = self.blobs.values().map(|blob| (blob.name.as_str(), blob.length)).collect();
        segments + notes + files.iter().map(|(_, length)| length).sum::<u64>()
    }

    /// A blob by its source key, working blobs too.
    pub(super) fn blob(&self, key: &str) -> Option<&BlobRef> {
        if source_key::is_work(key) {
            self.work.get(key)
        } else {
            self.blobs.get(key)
        }
    }

    /// Takes in the next entry.
    pub(crate) fn fold(&mut self, entry: &Entry<LogRecord>) {
        let record = &entry.body;
        self.head = entry.head();
        self.last_at = Some(entry.at);
        self.requests = self.requests.saturating_add(record.requests);
        if record.kind == EntryKind::Plan {
            self.planning = self.planning.saturating_add(record.requests);
        }
        if let Some(checkpoint) = record.checkpoint {
            self.checkpoint = Some(checkpoint);
            self.keep(checkpoint);
        }
        if let Some(next) = &record.next {
            self.next = Some(next.clone());
        }
        if let Some(inherited) = &record.inherited {
            self.inherit(inherited, entry.seq, record.began_at);
        }
        let job = self.base.map(|base| Window {
            from: base.at,
            to: entry.at,
        });
        for object in &record.replaced {
            if let (Some(object), Some(job)) = (self.objects.get_mut(object), job) {
                object.replace_inherited(job);
            }
        }
        for placed in &record.segments {
            match placed.kind {
                SegmentKind::Notes => self.notes.push(PlacedSegment::new(entry.seq, placed)),
                SegmentKind::Rows | SegmentKind::Tombstones => {
                    let object = self.objects.entry(placed.object.clone()).or_default();
                    object.take(entry, placed, record.began_at);
                }
            }
        }
        for report in &record.objects {
            self.objects.entry(report.object.clone()).or_default().apply(report, job);
        }
        for warning in &record.warnings {
            let same = |known: &&mut Failure| known.code == warning.code && known.object == warning.object;
            match self.warnings.iter_mut().find(same) {
                Some(known) => known.clone_from(warning),
                None => self.warnings.push(warning.clone()),
            }
        }
        for key in &record.dropped_blobs {
            self.blobs_like(key).remove(key);
        }
        for blob in &record.blobs {
            self.blobs_like(&blob.key).insert(blob.key.clone(), blob.clone());
        }
        for reading in &record.readings {
            self.readings.insert(reading.quota.clone(), reading.clone());
        }
        self.ended = record.kind == EntryKind::End;
    }

    /// Inherits what the base has; the log's own comes on top of it.
    pub(super) fn inherit(&mut self, inherited: &Inherited, entry: u64, at: Timestamp) {
        let objects = inherited.objects.iter().map(|(name, object)| (name.clone(), object.into()));
        self.objects.extend(objects);
        self.notes.extend(inherited.notes.iter().map(PlacedSegment::as_inherited));
        self.blobs
            .extend(inherited.blobs.iter().map(|blob| (blob.key.clone(), blob.clone())));
        self.base = Some(BaseRef {
            snapshot: inherited.snapshot,
            entry,
            at,
        });
    }

    fn blobs_like(&mut self, key: &str) -> &mut BTreeMap<String, BlobRef> {
        if source_key::is_work(key) {
            &mut self.work
        } else {
            &mut self.blobs
        }
    }

    /// The last two are kept, and of each older state version the last one: the way back from a migration.
    fn keep(&mut self, checkpoint: CheckpointRef) {
        self.kept_checkpoints.retain(|kept| kept.sha256 != checkpoint.sha256);
        self.kept_checkpoints.push(checkpoint);
        let last_two = self.kept_checkpoints.len().saturating_sub(2);
        let versions: Vec<u32> = self.kept_checkpoints.iter().map(|kept| kept.state_version).collect();
        let mut position = 0;
        self.kept_checkpoints.retain(|kept| {
            let last_of_version = !versions[position + 1..].contains(&kept.state_version);
            let keep = position >= last_two || last_of_version;
            position += 1;
            keep
        });
    }
}

impl From<&InheritedObject> for ObjectFold {
    fn from(object: &InheritedObject) -> ObjectFold {
        let bytes = |size: fn(&SegmentRef) -> u64| object.segments.iter().map(|placed| size(&placed.segment)).sum();
        ObjectFold {
            state: object.state,
            records: clamp_count(object.records),
            total: object.total.map(clamp_count),
            estimate: None,
            reason: object.reason.clone(),
            remarks: object.remarks.clone(),
            failed_parts: BTreeMap::new(),
            uncounted: BTreeMap::new(),
            window: object.window,
            raw_bytes: bytes(|segment| segment.raw_bytes),
            stored_bytes: bytes(|segment| segment.stored_bytes),
            segments: object.segments.iter().map(PlacedSegment::as_inherited).collect(),
            inherited: true,
            stale: object.stale,
            before: Some(ObjectBefore {
                whole: object.state == ObjectState::Complete || object.stale,
                records: object.records,
                window: object.window,
            }),
            replaced: None,
            inherited_remarks: object.remarks.len(),
            reported_records: false,
        }
    }
}

impl ObjectFold {
    /// Whether a record that isn't there wasn't there at the source either: all of it was read, by this job or by the base's.
    pub fn holds_all(&self) -> bool {
        match self.state {
            ObjectState::Complete => true,
            ObjectState::Partial => self.inherited,
            ObjectState::Pending | ObjectState::Skipped | ObjectState::Failed => false,
        }
    }

    /// Applies what a step reported. `job`: from when the job began to now, where it continues from a base.
    fn apply(&mut self, report: &ObjectReport, job: Option<Window>) {
        self.state = report.state.unwrap_or(self.state);
        if let Some(records) = report.records {
            self.records = clamp_count(records);
            self.reported_records = true;
        }
        self.total = report.total.map(clamp_count).or(self.total);
        if let Some(estimate) = &report.estimate {
            self.estimate = Some(estimate.clone().within());
        }
        if let Some(skipped) = &report.skipped {
            self.state = ObjectState::Skipped;
            self.reason = Some(skipped.clone());
        }
        if let Some(failed) = &report.failed {
            self.reason = Some(failed.clone());
            self.fails();
        }
        self.failed_parts
            .extend(report.failed_parts.iter().map(|(part, why)| (part.clone(), why.clone())));
        self.uncounted
            .extend(report.uncounted.iter().map(|(what, expected)| (what.clone(), *expected)));
        for remark in &report.remarks {
            match self.remarks.iter().position(|known| known == remark) {
                Some(known) if known >= self.inherited_remarks => continue,
                Some(known) => {
                    self.remarks.remove(known);
                    self.inherited_remarks -= 1;
                }
                None => {}
            }
            self.remarks.push(remark.clone());
        }
        match report.state {
            Some(ObjectState::Complete) => {
                self.reason = None;
                self.stale = false;
                if self.replaced.take().is_some() {
                    self.segments.retain(|placed| !placed.inherited);
                    self.measure();
                }
                self.caught_up(job);
            }
            Some(ObjectState::Skipped) => {
                self.stale = false;
                self.caught_up(None);
            }
            _ => {}
        }
    }

    /// What the predecessor knew of it is known anew.
    fn caught_up(&mut self, job: Option<Window>) {
        self.inherited = false;
        self.remarks.drain(..std::mem::take(&mut self.inherited_remarks));
        self.window = job.or(self.window);
    }

    /// What was inherited counts again, with its window: what this job has read of it lies on top.
    fn fails(&mut self) {
        self.state = ObjectState::Failed;
        if let Some(before) = &self.before {
            self.stale = before.whole;
            self.window = before.window;
            if let Some(replaced) = &mut self.replaced {
                self.records = before.records;
                self.segments.splice(..0, replaced.drain(..));
                self.measure();
            }
        }
        // The reason says what is so now.
        self.inherited = false;
        self.remarks.drain(..std::mem::take(&mut self.inherited_remarks));
    }

    fn measure(&mut self) {
        let segments = || self.segments.iter().map(|placed| &placed.segment);
        self.raw_bytes = segments().map(|segment| segment.raw_bytes).sum();
        self.stored_bytes = segments().map(|segment| segment.stored_bytes).sum();
    }

    fn replace_inherited(&mut self, job: Window) {
        let (inherited, own): (Vec<_>, Vec<_>) = self.segments.drain(..).partition(|placed| placed.inherited);
        self.segments = own;
        self.replaced.get_or_insert_default().extend(inherited);
        self.measure();
        let own = || self.segments.iter().map(|placed| &placed.segment);
        if !self.reported_records {
            let rows = own().filter(|segment| segment.kind == SegmentKind::Rows);
            self.records = rows.map(|segment| segment.rows).sum();
        }
        if self.inherited {
            self.state = ObjectState::Partial;
        }
        self.caught_up(Some(job));
    }

    fn take(&mut self, entry: &Entry<LogRecord>, segment: &SegmentRef, began_at: Timestamp) {
        if self.state == ObjectState::Pending || self.inherited {
            self.state = ObjectState::Partial;
        }
        // Changed records are no more records: how many there are on top of what was inherited only the connector knows.
        let on_top = self.segments.first().is_some_and(|first| first.inherited);
        if segment.kind == SegmentKind::Rows && !self.reported_records && !on_top {
            self.records = self.records.saturating_add(segment.rows);
        }
        self.raw_bytes += segment.raw_bytes;
        self.stored_bytes += segment.stored_bytes;
        let window = self.window.get_or_insert(Window {
            from: began_at,
            to: entry.at,
        });
        window.from = window.from.min(began_at);
        window.to = window.to.max(entry.at);
        self.segments.push(PlacedSegment::new(entry.seq, segment));
    }
}
