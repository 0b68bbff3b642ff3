//! The rows of one object: generated ones, which exist only as a rule, and over them what was written.
//!
//! Rows are numbered by *ordinal* in the order of their Ids. Ordinals below `generated` come from the seed; those above were
//! created by clients. Rule kept here: memory grows with what was written, never with the size of the org; an Id is found, a range
//! begun and rows counted without a scan; a copy of a table shares all it can, so that a bulk job keeps the rows as they were.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::org::{
    generate::{Stamps, dice},
    object::Object,
    record_id::{KeyPrefix, RecordId},
    row::{OrgRow, Scan},
    value::Value,
    viewer::Viewer,
};

/// How ordinals and Ids map to each other: rising, with gaps as in a real org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdSpace {
    pub prefix: KeyPrefix,
    pub instance: [u8; 2],
    /// The counter of the first Id.
    pub first: u64,
    /// Each ordinal owns so many counters and uses one of them.
    pub stride: u64,
    pub seed: u64,
}

impl IdSpace {
    pub fn id(&self, ordinal: u64) -> RecordId {
        let counter = self.first + ordinal * self.stride + dice(self.seed, ordinal) % self.stride;
        RecordId::compose(self.prefix, self.instance, counter)
    }

    /// The ordinal that has this Id, whether there is such a row or not.
    pub fn ordinal(&self, id: RecordId) -> Option<u64> {
        let ordinal = id.counter()?.checked_sub(self.first)? / self.stride;
        (self.id(ordinal) == id).then_some(ordinal)
    }

    /// The lowest ordinal whose Id is above this one; `u64::MAX` where none is.
    pub fn first_ordinal_after(&self, id: RecordId) -> u64 {
        let bound = RecordId::compose(self.prefix, self.instance, 0);
        let here = (id.key_prefix(), id.instance()).cmp(&(bound.key_prefix(), bound.instance()));
        match (here, id.counter()) {
            (std::cmp::Ordering::Less, _) => 0,
            (std::cmp::Ordering::Greater, _) | (_, None) => u64::MAX,
            (_, Some(counter)) => match counter.checked_sub(self.first) {
                None => 0,
                Some(offset) => {
                    let ordinal = offset / self.stride;
                    if self.id(ordinal) > id { ordinal } else { ordinal + 1 }
                }
            },
        }
    }
}

/// Every so many rows one: the generated rows that are in the bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    pub period: u64,
    pub phase: u64,
}

impl Every {
    pub fn takes(self, ordinal: u64) -> bool {
        ordinal % self.period == self.phase
    }

    /// How many ordinals below `end` it takes.
    fn below(self, end: u64) -> u64 {
        end / self.period + u64::from(end % self.period > self.phase)
    }
}

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowState {
    Live,
    Deleted,
    /// Gone for good; getDeleted tells of it.
    Purged,
    /// Gone for good without a trace: its entry in the log of deletions never came to be.
    Vanished,
    /// Created by a transaction that still runs: it has its Id, and nobody sees it.
    Uncommitted,
}

impl RowState {
    /// Whether getDeleted tells of rows in it.
    fn is_in_deletion_log(self) -> bool {
        matches!(self, RowState::Deleted | RowState::Purged)
    }
}

/// What was written of a row: all of a created one, the changes of a generated one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRow {
    pub values: BTreeMap<usize, Value>,
    pub state: RowState,
    pub stamp: DateTime<Utc>,
}

/// The rows of one object.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub ids: IdSpace,
    pub seed: u64,
    pub generated: u64,
    pub created: u64,
    pub deleted: Option<Every>,
    /// Generated rows below are archived.
    pub archived_below: u64,
    pub stamps: Stamps,
    pub owner_field: Option<usize>,
    /// The fields by whose values rows are looked up: external ids, unique ones.
    pub key_fields: Arc<[usize]>,
    pub stored: RedBlackTreeMapSync<u64, StoredRow>,
    /// Field, value in lower case and ordinal of each written row with a value in a key field, in whatever state.
    pub keys: RedBlackTreeSetSync<(usize, String, u64)>,
}

impl Table {
    /// One past the last ordinal.
    pub fn end(&self) -> u64 {
        self.generated + self.created
    }

    /// The ordinal of the first generated row that isn't in the bin from the start. Two neighbours never both are.
    pub fn first_live(&self) -> u64 {
        u64::from(self.generated_state(0) != RowState::Live)
    }

    /// The ordinal of the row with this Id, in whatever state.
    pub fn ordinal(&self, id: RecordId) -> Option<u64> {
        self.ids.ordinal(id).filter(|ordinal| *ordinal < self.end())
    }

    pub fn first_ordinal_after(&self, id: RecordId) -> u64 {
        self.ids.first_ordinal_after(id)
    }

    fn generated_state(&self, ordinal: u64) -> RowState {
        if self.deleted.is_some_and(|every| every.takes(ordinal)) {
            RowState::Deleted
        } else {
            RowState::Live
        }
    }

    pub fn state(&self, ordinal: u64, stored: Option<&StoredRow>) -> RowState {
        stored.map_or_else(|| self.generated_state(ordinal), |row| row.state)
    }

    pub fn is_archived(&self, ordinal: u64) -> bool {
        ordinal < self.archived_below
    }

    pub fn system_modstamp(&self, ordinal: u64, stored: Option<&StoredRow>) -> DateTime<Utc> {
        stored.map_or_else(|| self.stamps.system_modstamp(ordinal), |row| row.stamp)
    }

    /// Keeps what was written of a row, in the place of what was before.
    pub fn put(&mut self, ordinal: u64, row: StoredRow) {
        for field in self.key_fields.iter() {
            let key = |row: &StoredRow| row.values.get(field).and_then(key_text);
            let before = self.stored.get(&ordinal).and_then(key);
            let after = key(&row);
            if before == after {
                continue;
            }
            if let Some(text) = before {
                self.keys.remove_mut(&(*field, text, ordinal));
            }
            if let Some(text) = after {
                self.keys.insert_mut((*field, text, ordinal));
            }
        }
        self.stored.insert_mut(ordinal, row);
    }

    /// Keeps a new row, and gives its ordinal.
    pub fn add(&mut self, row: StoredRow) -> u64 {
        let ordinal = self.end();
        self.created += 1;
        self.put(ordinal, row);
        ordinal
    }

    /// The written rows, in whatever state, that have a value in a key field.
    pub fn written_with_key<'a>(&'a self, field: usize, value: &str) -> impl Iterator<Item = u64> + use<'a> {
        let key = value.to_lowercase();
        let range = (field, key.clone(), 0)..=(field, key, u64::MAX);
        self.keys.range(range).map(|(_, _, ordinal)| *ordinal)
    }

    /// Makes the rows what they were in an earlier copy. Rows created since are gone, but their Ids are never given again.
    pub fn roll_back(&mut self, to: Table) {
        let end = self.end();
        *self = to;
        while self.end() < end {
            self.add(StoredRow {
                values: BTreeMap::new(),
                state: RowState::Vanished,
                stamp: DateTime::UNIX_EPOCH,
            });
        }
    }

    /// Whether a row was created by a transaction that still runs.
    pub fn is_uncommitted(&self, ordinal: u64) -> bool {
        self.stored
            .get(&ordinal)
            .is_some_and(|row| row.state == RowState::Uncommitted)
    }

    /// Changes where a written row is, and nothing else of it.
    pub fn restate(&mut self, ordinal: u64, state: RowState) {
        if let Some(row) = self.stored.get_mut(&ordinal) {
            row.state = state;
        }
    }

    /// Whether generated rows that nobody wrote to may have been touched at a time, or after it.
    fn is_generated_since(&self, from: DateTime<Utc>) -> bool {
        from <= self.stamps.latest()
    }

    /// The ordinals that may have been touched at a time, or after it.
    pub fn touched_since(&self, from: DateTime<Utc>) -> Box<dyn Iterator<Item = u64> + '_> {
        if self.is_generated_since(from) {
            Box::new(0..self.end())
        } else {
            Box::new(self.stored.keys().copied())
        }
    }

    /// The rows that were deleted in `[from, to)`, in whatever way that leaves a trace, and when.
    pub fn deleted_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(RecordId, DateTime<Utc>)> {
        let bin = self.deleted.filter(|_| self.is_generated_since(from));
        let in_bin = bin.into_iter().flat_map(|every| {
            let first = every.phase;
            (first..self.generated).step_by(every.period as usize)
        });
        let untouched = in_bin
            .filter(|ordinal| !self.stored.contains_key(ordinal))
            .map(|ordinal| (ordinal, self.stamps.system_modstamp(ordinal)));
        let written = self
            .stored
            .iter()
            .filter(|(_, row)| row.state.is_in_deletion_log())
            .map(|(ordinal, row)| (*ordinal, row.stamp));
        let mut found: Vec<_> = untouched.chain(written).filter(|(_, at)| (from..to).contains(at)).collect();
        found.sort_unstable();
        found.into_iter().map(|(ordinal, at)| (self.ids.id(ordinal), at)).collect()
    }

    fn takes(&self, scan: Scan, ordinal: u64, state: RowState) -> bool {
        (scan.archived || !self.is_archived(ordinal))
            && match state {
                RowState::Live => true,
                RowState::Deleted => scan.deleted,
                RowState::Purged | RowState::Vanished | RowState::Uncommitted => false,
            }
    }

    /// The rows from one ordinal up to another, without it, that a scan takes, whoever owns them.
    pub fn count_between(&self, scan: Scan, ordinal: u64, end: u64) -> u64 {
        if ordinal >= end {
            return 0;
        }
        let from = if scan.archived {
            ordinal
        } else {
            ordinal.max(self.archived_below)
        };
        let to = end.min(self.generated);
        let from = from.min(to);
        let mut count = to - from;
        if let (false, Some(every)) = (scan.deleted, self.deleted) {
            count -= every.below(to) - every.below(from);
        }
        for (at, row) in self.stored.range(ordinal..end) {
            if *at < self.generated && self.takes(scan, *at, self.generated_state(*at)) {
                count -= 1;
            }
            if self.takes(scan, *at, row.state) {
                count += 1;
            }
        }
        count
    }
}

/// A value as keys are compared: in any case.
fn key_text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_plain().to_lowercase())
}

/// The rows of an object that a user sees, in order of their Ids.
pub struct Rows<'a> {
    object: &'a Object,
    viewer: &'a Viewer,
    scan: Scan,
    next: u64,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(object: &'a Object, viewer: &'a Viewer, scan: Scan, from: u64) -> Rows<'a> {
        Rows {
            object,
            viewer,
            scan,
            next: from,
        }
    }

    fn is_shared(&self, row: &OrgRow<'a>) -> bool {
        if !self.object.schema.behaviour.owner_visible_only || self.viewer.view_all_data {
            return true;
        }
        let owner = self.object.table.owner_field.map(|field| row.value(field));
        owner.is_none_or(|owner| owner == Value::Id(self.viewer.user_id))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = OrgRow<'a>;

    fn next(&mut self) -> Option<OrgRow<'a>> {
        let table = &self.object.table;
        if !self.scan.archived {
            self.next = self.next.max(table.archived_below);
        }
        while self.next < table.end() {
            let ordinal = self.next;
            self.next += 1;
            let row = OrgRow {
                object: self.object,
                viewer: self.viewer,
                ordinal,
                stored: table.stored.get(&ordinal),
            };
            if table.takes(self.scan, ordinal, row.state()) && self.is_shared(&row) {
                return Some(row);
            }
        }
        None
    }
}
