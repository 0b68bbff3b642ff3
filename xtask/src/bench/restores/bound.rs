//! The fewest requests that Salesforce's rules leave room for. docs/BENCHMARKS.md argues for each term.

use super::loss::Loss;
use serde::Serialize;

/// Ids that one collection looks up.
const IDS: u64 = 2_000;
/// Collections of a composite request.
const COLLECTIONS: u64 = 5;
/// Parts of a composite request, collections among them.
const PARTS: u64 = 25;
/// Records that one request writes: full collections, and beside them a record a part.
const RECORDS: u64 = COLLECTIONS * 200 + (PARTS - COLLECTIONS);
/// Creating a bulk job that reads, one page of its results.
const REQUESTS_OF_A_READING_JOB: u64 = 2;
/// Creating a bulk job that writes, its rows, closing it, one page of its results.
const REQUESTS_OF_A_WRITING_JOB: u64 = 4;

/// What a restore takes at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreBound {
    /// Which records are there.
    look_ups: u64,
    /// Those that are created or changed.
    writes: u64,
}

impl RestoreBound {
    /// All of it.
    pub fn all(&self) -> u64 {
        self.look_ups + self.writes
    }

    /// Its terms.
    pub fn in_words(&self) -> String {
        format!("{} to look up, {} to write", self.look_ups, self.writes)
    }
}

/// For this loss, by a tool that knows the objects, is not told what is gone, and knows it before it writes.
pub fn of(loss: &Loss) -> RestoreBound {
    RestoreBound {
        look_ups: with_jobs(loss.before.rows().collect(), REQUESTS_OF_A_READING_JOB, looked_up),
        writes: with_jobs(loss.written().collect(), REQUESTS_OF_A_WRITING_JOB, |rows| {
            rows.iter().sum::<u64>().div_ceil(RECORDS)
        }),
    }
}

/// So many rows of each, those with the most by a job each where that takes fewer requests.
fn with_jobs(mut rows: Vec<u64>, job: u64, by_composites: impl Fn(&[u64]) -> u64) -> u64 {
    rows.sort_unstable_by_key(|rows| std::cmp::Reverse(*rows));
    let of_jobs = |jobs: usize| jobs as u64 * job + by_composites(&rows[jobs..]);
    (0..=rows.len()).map(of_jobs).min().unwrap_or(0)
}

/// Composite requests that look up so many rows of each object: a collection has those of one object, and what is left over after
/// full ones may be a part a row.
fn looked_up(rows: &[u64]) -> u64 {
    let full: u64 = rows.iter().map(|rows| rows / IDS).sum();
    let mut left: Vec<u64> = rows.iter().map(|rows| rows % IDS).filter(|left| *left > 0).collect();
    left.sort_unstable();
    let by_parts = |few: usize| {
        let collections = full + (left.len() - few) as u64;
        let parts = collections + left[..few].iter().sum::<u64>();
        collections.div_ceil(COLLECTIONS).max(parts.div_ceil(PARTS))
    };
    (0..=left.len()).map(by_parts).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_of_an_object_stand_beside_collections() {
        assert_eq!(looked_up(&[]), 0);
        assert_eq!(looked_up(&[10_000]), 1);
        assert_eq!(looked_up(&[10_000, 20]), 1);
        assert_eq!(looked_up(&[10_000, 21]), 2);
        assert_eq!(looked_up(&[10_020]), 1);
        assert_eq!(looked_up(&[1, 2, 3, 4, 5, 6]), 1);
    }

    #[test]
    fn objects_go_by_jobs_where_those_take_fewer_requests() {
        let written = |rows: &[u64]| rows.iter().sum::<u64>().div_ceil(RECORDS);
        assert_eq!(with_jobs(vec![500, 4_000], REQUESTS_OF_A_WRITING_JOB, written), 5);
        assert_eq!(with_jobs(vec![500, 9_000], REQUESTS_OF_A_WRITING_JOB, written), 5);
        assert_eq!(with_jobs(vec![2_000, 100_000], REQUESTS_OF_A_READING_JOB, looked_up), 3);
    }
}
