//! What the scripted host has stored: a snapshot in memory, with the rules that the contract gives for commits.

use crate::host::{Row, Tombstone};
use std::collections::{BTreeMap, BTreeSet};

/// What a batch has staged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staged {
    pub rows: BTreeMap<String, Vec<Row>>,
    pub gone: BTreeMap<String, Vec<Tombstone>>,
    pub notes: Vec<(String, Vec<u8>)>,
    pub replaced: Vec<String>,
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub dropped: Vec<String>,
}

/// What is committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub rows: BTreeMap<String, BTreeMap<String, Row>>,
    pub notes: BTreeMap<String, Vec<u8>>,
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Objects of which something stored is damaged.
    pub damaged: Vec<String>,
    /// Keys that were taken over and not written since, by object.
    inherited: BTreeMap<String, BTreeSet<String>>,
}

impl Shelf {
    /// Everything that is there is taken over from now on.
    pub fn inherit(&mut self) {
        let keys = |(object, rows): (&String, &BTreeMap<String, Row>)| (object.clone(), rows.keys().cloned().collect());
        self.inherited = self.rows.iter().map(keys).collect();
    }

    pub fn commit(&mut self, staged: Staged) {
        for object in staged.replaced {
            let rows = self.rows.entry(object.clone()).or_default();
            for key in self.inherited.remove(&object).unwrap_or_default() {
                rows.remove(&key);
            }
        }
        for (object, new) in staged.rows {
            let rows = self.rows.entry(object.clone()).or_default();
            for row in new {
                self.inherited.entry(object.clone()).or_default().remove(&row.key);
                rows.insert(row.key.clone(), row);
            }
        }
        for (object, gone) in staged.gone {
            let rows = self.rows.entry(object).or_default();
            for tombstone in gone {
                rows.remove(&tombstone.key);
            }
        }
        self.notes.extend(staged.notes);
        self.blobs.extend(staged.blobs);
        for key in staged.dropped {
            self.blobs.remove(&key);
        }
    }
}
