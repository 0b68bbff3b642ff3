//! Where a restore stands as state version 1 stored it: a map or set for each thing that is known of objects.
//!
//! Only read. A value of this version has no member `version`.

use crate::host::Tally;
use crate::restore::state::job::{self, Learnt, Place, PlanTotals, Selection, Stage, WaitFor};
use crate::restore::state::objects::{Adoption, Closed, Description, Files, LookupBy, Matches, ObjectJobs, Stamp, Strategy};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// See the module. Members that an early connector of this version didn't write are empty.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Job {
    selection: Selection,
    stage: Stage,
    at: Place,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Rest {
    moved: bool,
    patience: WaitFor,
    prefixes: BTreeMap<String, String>,
    objects: Vec<String>,
    closed: BTreeMap<String, (String, String)>,
    stamps: BTreeMap<String, usize>,
    creating: BTreeSet<String>,
    by_query: BTreeSet<String>,
    adopted: BTreeSet<String>,
    looked_for: BTreeSet<String>,
    tallies: BTreeMap<String, Tally>,
    open: BTreeMap<String, u64>,
    updates: BTreeMap<String, u64>,
    files: BTreeMap<String, Files>,
    bytes: BTreeMap<String, u64>,
    to_own: BTreeMap<String, u64>,
    bulk: BTreeMap<String, u64>,
    literal: u64,
    composites: u64,
    together: u64,
    waiting: u64,
    asked: u64,
    unconnected: u64,
    locked: u8,
    locked_of: BTreeSet<String>,
    refuses_values: bool,
    refuses_inactive: bool,
    matches: BTreeMap<String, (u64, u64)>,
    relinks: BTreeMap<String, u64>,
    mapped: BTreeSet<String>,
    without_references: BTreeSet<String>,
    verifies_archived: bool,
    lost: BTreeMap<String, BTreeMap<String, u64>>,
    doubted: BTreeSet<String>,
    to_describe: BTreeSet<String>,
    described_anew: BTreeSet<String>,
    parts: u32,
    alone: BTreeMap<String, u32>,
    culprits: BTreeMap<String, BTreeMap<String, String>>,
    left_out: BTreeMap<String, BTreeMap<String, String>>,
    unanswered: u8,
    busy: u8,
    ahead: i64,
}

impl From<Job> for job::Job {
    fn from(old: Job) -> job::Job {
        let rest = old.rest;
        job::Job {
            selection: old.selection,
            stage: old.stage,
            place: old.at,
            moved: rest.moved,
            wait_for: rest.patience,
            learnt: Learnt {
                refuses_values: rest.refuses_values,
                refuses_inactive: rest.refuses_inactive,
                clock_ahead_ms: rest.ahead,
            },
            plan: PlanTotals {
                literal: rest.literal,
                composites: rest.composites,
                together: rest.together,
                waiting: rest.waiting,
                asked: rest.asked,
            },
            unconnected: rest.unconnected,
            locked: rest.locked,
            verifies_archived: rest.verifies_archived,
            parts: rest.parts,
            unanswered: rest.unanswered,
            busy: rest.busy,
            objects: rest.objects(),
            prefixes: rest.prefixes,
        }
    }
}

impl Rest {
    fn objects(&self) -> ObjectJobs {
        let mut objects = ObjectJobs::default();
        objects.walk_in(&self.objects);
        self.set_writing(&mut objects);
        self.set_looking(&mut objects);
        self.set_refused(&mut objects);
        for (name, (matching, all)) in &self.matches {
            objects.get_mut(name).matches = Some(Matches {
                matching: *matching,
                all: *all,
            });
        }
        for (name, lost) in &self.lost {
            objects.get_mut(name).lost.clone_from(lost);
        }
        objects
    }

    /// What is to be written, and how.
    fn set_writing(&self, objects: &mut ObjectJobs) {
        for (name, tally) in &self.tallies {
            objects.get_mut(name).tally = Some(*tally);
        }
        for (name, open) in &self.open {
            objects.get_mut(name).open = *open;
        }
        for (name, updates) in &self.updates {
            objects.get_mut(name).updates = *updates;
        }
        for (name, relinks) in &self.relinks {
            objects.get_mut(name).relinks = *relinks;
        }
        for (name, to_own) in &self.to_own {
            objects.get_mut(name).to_own = *to_own;
        }
        for (name, bytes) in &self.bytes {
            objects.get_mut(name).bytes = *bytes;
        }
        for (name, files) in &self.files {
            objects.get_mut(name).strategy = Strategy::Files(*files);
        }
        for (name, rows_a_job) in &self.bulk {
            objects.get_mut(name).strategy = Strategy::Bulk { rows_a_job: *rows_a_job };
        }
        for name in &self.looked_for {
            objects.get_mut(name).adoption = Adoption::SoFar;
        }
        for name in &self.adopted {
            objects.get_mut(name).adoption = Adoption::Done;
        }
    }

    /// What the target has of it.
    fn set_looking(&self, objects: &mut ObjectJobs) {
        for (name, tried) in &self.stamps {
            objects.get_mut(name).stamp = match tried {
                0 => Stamp::SystemModstamp,
                1 => Stamp::LastModifiedDate,
                _ => Stamp::Missing,
            };
        }
        for name in &self.by_query {
            objects.get_mut(name).lookup = LookupBy::Query;
        }
        for name in &self.creating {
            objects.get_mut(name).creates = true;
        }
        for name in &self.mapped {
            objects.get_mut(name).mapped = true;
        }
        for name in &self.without_references {
            objects.get_mut(name).without_references = true;
        }
    }

    /// What refusals have told.
    fn set_refused(&self, objects: &mut ObjectJobs) {
        for (name, (code, message)) in &self.closed {
            objects.get_mut(name).closed = Some(Closed {
                code: code.clone(),
                message: message.clone(),
            });
        }
        for name in &self.locked_of {
            objects.get_mut(name).locked = true;
        }
        for name in &self.doubted {
            objects.get_mut(name).doubted = true;
        }
        for name in &self.to_describe {
            objects.get_mut(name).description = Description::Doubted;
        }
        for name in &self.described_anew {
            objects.get_mut(name).description = Description::Renewed;
        }
        for (name, alone) in &self.alone {
            objects.get_mut(name).refused_alone = *alone;
        }
        for (name, culprits) in &self.culprits {
            objects.get_mut(name).culprits.clone_from(culprits);
        }
        for (name, left_out) in &self.left_out {
            objects.get_mut(name).left_out.clone_from(left_out);
        }
    }
}
