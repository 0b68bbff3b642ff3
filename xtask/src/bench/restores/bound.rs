//! The fewest requests that Salesforce's rules leave room for. docs/BENCHMARKS.md argues for each term.

use super::loss::Loss;
use serde::Serialize;

/// Ids that one collection looks up.
const IDS: u64 = 2_000;
/// Collections of a composite request.
const COLLECTIONS: u64 = 5;
/// Records that one request writes.
const RECORDS: u64 = 1_000;

/// What a restore takes at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Which records are there.
    look_ups: u64,
    /// Those that are created or changed.
    writes: u64,
}

impl Bound {
    /// All of it.
    pub fn all(&self) -> u64 {
        self.look_ups + self.writes
    }

    /// Its terms.
    pub fn in_words(&self) -> String {
        format!("{} to look up, {} to write", self.look_ups, self.writes)
    }
}

/// For this loss, by a tool that knows the objects and is not told what is gone.
pub fn of(loss: &Loss) -> Bound {
    let collections: u64 = loss.before.rows().map(|rows| rows.div_ceil(IDS)).sum();
    Bound {
        look_ups: collections.div_ceil(COLLECTIONS),
        writes: (loss.lost() + loss.touched()).div_ceil(RECORDS),
    }
}
