//! Bulk API 2.0 ingest: jobs that write the rows of a table that was uploaded, on the double's clock.
//!
//! Responsible for: the life of a job (`job`), reading its table (`table`), the resources under `/jobs/ingest` (`resource`), and the
//! daily number of batches. Not for: how a row is checked and written; that is `org`.
//! Rule: rows are written in chunks of 200 as their time comes, and a chunk that was written stays so, whatever becomes of the job.
//!
//! Choices where nothing is documented: how long a job takes (as a query of so many rows); that 10,000 rows are a batch and all are
//! counted when the job is closed; in which words jobs in the wrong state are refused; that a job can't be closed without a table.

mod job;
mod resource;
mod table;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use self::job::IngestJob;
pub(crate) use self::resource::serve;
use super::DailyUse;
use crate::org::{KeyPrefix, RecordId};
use crate::quota::{By, RequestWindow};
use crate::rest::Service;

/// Rows of a batch.
const BATCH_ROWS: u64 = 10_000;

#[derive(Debug)]
struct IngestJobStore {
    jobs: BTreeMap<RecordId, IngestJob>,
    created: u64,
    batches: RequestWindow,
    max_batches: u64,
    /// So many of the next jobs that are closed fail, with this message.
    fail_next: (u64, String),
}

/// All jobs that write.
#[derive(Debug)]
pub struct Ingest {
    store: Mutex<IngestJobStore>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            store: Mutex::new(IngestJobStore {
                jobs: BTreeMap::new(),
                created: 0,
                batches: RequestWindow::default(),
                max_batches: 15_000,
                fail_next: (0, String::new()),
            }),
        }
    }
}

impl IngestJobStore {
    fn next_id(&mut self) -> RecordId {
        self.created += 1;
        KeyPrefix::new("750").map_or(RecordId::EMPTY, |prefix| RecordId::compose(prefix, *b"Fi", self.created))
    }

    /// Takes batches for so many rows from the daily ones; tells where there aren't enough.
    fn take_batches(&mut self, now_ms: i64, rows: u64) -> Result<(), String> {
        let wanted = rows.div_ceil(BATCH_ROWS);
        self.batches.forget_before(now_ms);
        if self.batches.usage_at(now_ms).total() + wanted > self.max_batches {
            return Err("ExceededQuota : ApiBatchItems Limit exceeded.".to_owned());
        }
        self.batches.record(now_ms, By::Client, wanted);
        Ok(())
    }

    /// The message with which a job that is closed now fails.
    fn destined_failure(&mut self) -> Option<String> {
        let (left, message) = &mut self.fail_next;
        if *left == 0 {
            return None;
        }
        *left -= 1;
        Some(message.clone())
    }
}

impl Ingest {
    /// Writes the chunks of all jobs whose time has come.
    pub(crate) fn settle(&self, service: &Service) {
        let now_ms = service.clock.now_ms();
        if !self.lock().jobs.values().any(|job| job.is_due(now_ms)) {
            return;
        }
        let viewer = service.viewer();
        let _turn = service.turn.read().unwrap_or_else(PoisonError::into_inner);
        // The org is always locked before the jobs.
        let mut org = service.org_mut();
        let mut store = self.lock();
        // In the order of time over all jobs.
        while let Some(job) = store
            .jobs
            .values_mut()
            .filter(|job| job.is_due(now_ms))
            .min_by_key(|job| job.next_ms())
        {
            job.go_on(&mut org, &viewer, now_ms);
        }
    }

    /// Lets the next jobs fail once they run, without a row written.
    pub fn fail_next(&self, count: u64, message: &str) {
        self.lock().fail_next = (count, message.to_owned());
    }

    /// Sets how many batches a day there are, and lets other applications use some of them now.
    pub fn set_batches(&self, now_ms: i64, max: Option<u64>, others: u64) {
        let mut store = self.lock();
        store.max_batches = max.unwrap_or(store.max_batches);
        store.batches.record(now_ms, By::Others, others);
    }

    /// The use of the daily number of batches at a time.
    #[must_use]
    pub fn batches_used(&self, at_ms: i64) -> DailyUse {
        let store = self.lock();
        DailyUse {
            used: store.batches.usage_at(at_ms).total(),
            max: store.max_batches,
        }
    }

    /// A panic elsewhere leaves jobs that are whole, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, IngestJobStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment of the clock.
fn moment(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}
