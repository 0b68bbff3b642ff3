//! Which records a batch adds to, changes in, and takes from what the snapshot had: for objects that are read from the predecessor
//! on, so that their number is known without counting, and a record that was deleted and came back isn't buried.

use crate::host::{Snapshot, StorageError, Tombstone};
use std::collections::BTreeMap;

/// What a batch did to one record.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// The snapshot had it before the batch; `None` while nobody looked.
    existed: Option<bool>,
    /// Deleted, at this moment.
    gone_at: Option<u64>,
    /// A row of it was staged.
    staged: bool,
}

/// What a batch did to the records of one object.
#[derive(Clone, Debug, Default)]
struct OfObject {
    /// Records before the batch, once somebody asked.
    base: Option<u64>,
    records: BTreeMap<String, Change>,
}

/// What a batch did, by index of the object.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    objects: BTreeMap<usize, OfObject>,
}

impl Changed {
    /// Rows of these keys were staged: whatever was said of their deletion is older.
    pub fn appended(&mut self, object: usize, keys: Vec<String>) {
        let changes = self.objects.entry(object).or_default();
        for key in keys {
            let change = changes.records.entry(key).or_default();
            (change.gone_at, change.staged) = (None, true);
        }
    }

    /// These were deleted, after what was staged so far.
    pub fn deleted(&mut self, object: usize, records: Vec<(String, u64)>) {
        let changes = self.objects.entry(object).or_default();
        for (key, moment) in records {
            changes.records.entry(key).or_default().gone_at = Some(moment);
        }
    }

    /// Whether the batch staged a row of this key.
    pub fn has_staged(&self, object: usize, key: &str) -> bool {
        let change = self.objects.get(&object).and_then(|changes| changes.records.get(key));
        change.is_some_and(|change| change.staged)
    }

    /// The objects of which something was changed.
    pub fn objects(&self) -> Vec<usize> {
        self.objects.keys().copied().collect()
    }

    /// Records that the object has now; `base`: those that it had before the batch, `at_once`: how many are looked for at once.
    pub fn count<S: Snapshot>(
        &mut self,
        object: usize,
        base: u64,
        name: &str,
        at_once: u32,
        before: Option<&S>,
    ) -> Result<u64, StorageError> {
        let Some(changes) = self.objects.get_mut(&object) else {
            return Ok(base);
        };
        let unknown: Vec<String> = changes
            .records
            .iter()
            .filter(|(_, change)| change.existed.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        for keys in unknown.chunks(at_once as usize) {
            let found = match before {
                Some(snapshot) => snapshot.find(name, keys)?,
                None => Vec::new(),
            };
            for (position, key) in keys.iter().enumerate() {
                if let Some(change) = changes.records.get_mut(key) {
                    change.existed = Some(found.get(position).is_some_and(Option::is_some));
                }
            }
        }
        let mut live = *changes.base.get_or_insert(base);
        for change in changes.records.values() {
            match (change.existed.unwrap_or(false), change.gone_at.is_none()) {
                (true, false) => live = live.saturating_sub(1),
                (false, true) => live += 1,
                _ => {}
            }
        }
        Ok(live)
    }

    /// Deletions to be staged: of records that the snapshot had, or that the batch has staged.
    pub fn tombstones(&self, object: usize) -> Vec<Tombstone> {
        let Some(changes) = self.objects.get(&object) else {
            return Vec::new();
        };
        let buried = changes.records.iter().filter_map(|(key, change)| {
            let at = change.gone_at.filter(|_| change.existed == Some(true) || change.staged)?;
            Some(Tombstone { key: key.clone(), at })
        });
        buried.collect()
    }
}
