//! How many records a restore's requests take: what planning reckons with, and writing keeps to.
//!
//! Pure. The limits of single requests are in [`crate::salesforce::limits`].

use crate::salesforce::limits::{COLLECTION_IDS, COLLECTION_RECORDS, COMPOSITE_QUERIES};

/// Records that one counted request writes at least, where there are so many: in its collections.
pub const RECORDS_A_REQUEST: u64 = (COMPOSITE_QUERIES * COLLECTION_RECORDS) as u64;

/// Ids that one request looks up.
pub const IDS_A_REQUEST: u64 = (COMPOSITE_QUERIES * COLLECTION_IDS) as u64;

/// Records that one request reads back: a page of the table of records to a collection.
pub const RECORDS_READ_BACK: u64 = (COMPOSITE_QUERIES * 1_000) as u64;

/// Versions of files of which one query asks the documents.
pub const VERSIONS_A_QUERY: usize = 400;

/// Documents that one request asks for.
pub const DOCUMENTS_A_REQUEST: u64 = (VERSIONS_A_QUERY * COMPOSITE_QUERIES) as u64;

/// Records of a bulk job: preparing them takes some seconds.
pub const MAX_JOB_ROWS: usize = 40_000;

/// Bytes of a bulk job's table: it passes through here.
pub const MAX_JOB_BYTES: usize = 16 * 1024 * 1024;

/// Fewer records are not worth a bulk job.
pub const MIN_JOB_ROWS: usize = 2_000;

/// Requests that a bulk job takes: to create, fill and begin it, two looks, and its results.
const REQUESTS_A_JOB: u64 = 6;

/// How many records of an object one bulk job takes, where jobs take clearly fewer requests; `bytes`: of all of them as JSON; `to_own`:
/// how many refer to others of them, which a job can't, so that they are written again.
pub fn rows_a_job(records: u64, bytes: u64, to_own: u64) -> Option<u64> {
    let each = (bytes / records.max(1)).max(1);
    let rows = (MAX_JOB_BYTES as u64 / each).clamp(1, MAX_JOB_ROWS as u64);
    let others = records.div_ceil(RECORDS_A_REQUEST);
    let jobs = bulk_requests(records, rows) + to_own.div_ceil(RECORDS_A_REQUEST);
    (jobs * 5 <= others * 4).then_some(rows)
}

/// Requests that writing so many records by bulk jobs takes.
pub fn bulk_requests(records: u64, rows_a_job: u64) -> u64 {
    records.div_ceil(rows_a_job.max(1)) * REQUESTS_A_JOB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_taken_where_they_take_clearly_fewer_requests() {
        assert_eq!(rows_a_job(5_000, 5_000 * 300, 0), None, "five composite requests");
        assert_eq!(rows_a_job(20_000, 20_000 * 300, 0), Some(40_000));
        assert_eq!(rows_a_job(20_000, 20_000 * 300, 12_000), None, "most would be written twice");
        assert_eq!(
            rows_a_job(100_000, 100_000 * 40_000, 0),
            None,
            "rows are so wide that a job takes few"
        );
        assert_eq!(bulk_requests(100_000, 40_000), 18);
    }
}
