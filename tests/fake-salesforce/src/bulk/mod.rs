//! Bulk API 2.0: jobs that run on the double's clock and keep their results for seven days. Those that write have a module of their
//! own (`ingest`); the rest of this one is about queries.
//!
//! Responsible for: the life of a job (`job`), which rows it gives in which order and on which pages (`results`), their form (`csv`),
//! what a job can't be made of (`refusals`), the resources under `/jobs/query` (`resource`), and the two daily limits of its own.
//! Not for: the daily API requests; each request to a job counts as any other.
//! Rule: a job gives the rows as they were when it was created, and the same locator the same rows, however often and however late.
//!
//! Choices where nothing is documented: a job sees the org as it was when it was created; it disappears, with its results, after seven
//! days; what its results take of the daily storage is counted at its creation, from the length of some of its rows; in which words
//! unknown locators, other versions and unfinished jobs are refused.

pub mod csv;
pub mod ingest;
mod job;
mod refusals;
mod resource;
pub mod results;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::job::{JobState, QueryJob};
pub(crate) use self::resource::serve;
use self::results::Results;
use crate::clock::DAY_MS;
use crate::org::{KeyPrefix, RecordId};
use crate::quota::{By, RequestWindow};

/// How long a job and its results are kept.
pub const JOB_LIFE_MS: i64 = 7 * DAY_MS;

/// What differs between orgs or isn't documented of bulk jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkRules {
    /// How long a job waits before it runs, in milliseconds; a part of `base_ms`.
    pub queue_ms: i64,
    /// How long a job of no rows takes from its creation to its end, in milliseconds.
    pub base_ms: i64,
    /// How much longer it takes for each 100,000 rows, in milliseconds.
    pub ms_per_100k_rows: i64,
    /// Without ORDER BY and LIMIT the server reads a table in chunks of so many rows, and gives the chunks in any order.
    pub chunk_rows: u64,
    /// Rows of a page of results where the caller doesn't say how many.
    pub page_rows: u64,
    /// Bytes of a page of results, about, whatever the caller says.
    pub page_bytes: u64,
    /// Whether answers about jobs carry `Sforce-Limit-Info`. Not documented.
    pub tells_usage: bool,
}

impl Default for BulkRules {
    fn default() -> Self {
        Self {
            queue_ms: 1_000,
            base_ms: 5_000,
            ms_per_100k_rows: 1_000,
            chunk_rows: 1_000,
            page_rows: 250_000,
            page_bytes: 1 << 30,
            tells_usage: true,
        }
    }
}

/// What is used of one of the daily limits, and how much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyUse {
    /// Used in the last 24 hours.
    pub used: u64,
    /// The limit.
    pub max: u64,
}

/// What happens to the next jobs that are created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Destiny {
    /// So many of them fail at the end of their run, with this message.
    fail: u64,
    message: String,
    /// So many of them take so much longer.
    slow: u64,
    slower_by_ms: i64,
}

#[derive(Debug)]
struct QueryJobStore {
    jobs: BTreeMap<RecordId, Arc<QueryJob>>,
    created: u64,
    job_window: RequestWindow,
    kilobyte_window: RequestWindow,
    max_jobs: u64,
    max_kilobytes: u64,
    destiny: Destiny,
}

/// All jobs, and what they used of the daily limits.
#[derive(Debug)]
pub struct Jobs {
    store: Mutex<QueryJobStore>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            store: Mutex::new(QueryJobStore {
                jobs: BTreeMap::new(),
                created: 0,
                job_window: RequestWindow::default(),
                kilobyte_window: RequestWindow::default(),
                max_jobs: 10_000,
                max_kilobytes: 1_000_000_000,
                destiny: Destiny::default(),
            }),
        }
    }
}

/// A daily limit of bulk queries is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BulkLimit {
    /// Jobs.
    #[error("Max bulk v2 query jobs ({max}) per 24 hrs has been reached ({asked}).")]
    Jobs {
        /// The limit.
        max: u64,
        /// Which job in 24 hours this would be.
        asked: u64,
    },
    /// Results.
    #[error("Max bulk v2 query result size stored ({max}) kb per 24 hrs has been exceeded")]
    Storage {
        /// The limit in kilobytes.
        max: u64,
    },
}

impl Jobs {
    /// Whether another job can be created now.
    ///
    /// # Errors
    /// Which daily limit is reached.
    pub fn admit(&self, now_ms: i64) -> Result<(), BulkLimit> {
        let store = self.lock();
        let jobs = store.job_window.usage_at(now_ms).total();
        if jobs >= store.max_jobs {
            return Err(BulkLimit::Jobs {
                max: store.max_jobs,
                asked: jobs + 1,
            });
        }
        if store.kilobyte_window.usage_at(now_ms).total() >= store.max_kilobytes {
            return Err(BulkLimit::Storage {
                max: store.max_kilobytes,
            });
        }
        Ok(())
    }

    /// How many jobs were ever created.
    fn created(&self) -> u64 {
        self.lock().created
    }

    /// Enters a job; `make` gets its id.
    fn enter(
        &self,
        now_ms: i64,
        rules: BulkRules,
        results: Results,
        make: impl FnOnce(RecordId) -> job::QueryJobRequest,
    ) -> Arc<QueryJob> {
        let mut store = self.lock();
        store.jobs.retain(|_, job| !job.is_expired(now_ms));
        store.created += 1;
        let id = KeyPrefix::new("750").map_or(RecordId::EMPTY, |prefix| RecordId::compose(prefix, *b"Fk", store.created));
        store.job_window.forget_before(now_ms);
        store.job_window.record(now_ms, By::Client, 1);
        store.kilobyte_window.forget_before(now_ms);
        store
            .kilobyte_window
            .record(now_ms, By::Client, results.bytes().div_ceil(1024));
        let destiny = &mut store.destiny;
        let failure = (destiny.fail > 0).then(|| destiny.message.clone());
        destiny.fail = destiny.fail.saturating_sub(1);
        let slower_by_ms = if destiny.slow > 0 { destiny.slower_by_ms } else { 0 };
        destiny.slow = destiny.slow.saturating_sub(1);
        let rows_ms = (u128::from(results.rows()) * rules.ms_per_100k_rows.max(0).unsigned_abs() as u128 / 100_000) as i64;
        let timing = job::Timing {
            created_ms: now_ms,
            queue_ms: rules.queue_ms.clamp(0, rules.base_ms.max(0)),
            total_ms: rules.base_ms.max(0) + rows_ms + slower_by_ms,
        };
        let job = Arc::new(QueryJob::new(make(id), timing, failure, results));
        store.jobs.insert(id, Arc::clone(&job));
        job
    }

    /// A job that isn't expired.
    #[must_use]
    pub fn job(&self, id: RecordId, now_ms: i64) -> Option<Arc<QueryJob>> {
        self.lock().jobs.get(&id).filter(|job| !job.is_expired(now_ms)).cloned()
    }

    /// All jobs that aren't expired, in the order of their creation.
    #[must_use]
    pub fn all(&self, now_ms: i64) -> Vec<Arc<QueryJob>> {
        let store = self.lock();
        store.jobs.values().filter(|job| !job.is_expired(now_ms)).cloned().collect()
    }

    /// Forgets a job and its results.
    pub fn delete(&self, id: RecordId) {
        self.lock().jobs.remove(&id);
    }

    /// Makes all jobs as old as if their seven days were over.
    pub fn expire_all(&self) {
        self.lock().jobs.clear();
    }

    /// Lets the next jobs fail at the end of their run.
    pub fn fail_next(&self, count: u64, message: &str) {
        let destiny = &mut self.lock().destiny;
        (destiny.fail, destiny.message) = (count, message.to_owned());
    }

    /// Lets the next jobs take longer.
    pub fn slow_next(&self, count: u64, by_ms: i64) {
        let destiny = &mut self.lock().destiny;
        (destiny.slow, destiny.slower_by_ms) = (count, by_ms);
    }

    /// Sets how many jobs, and how many kilobytes of results, a day there are.
    pub fn set_limits(&self, max_jobs: Option<u64>, max_kilobytes: Option<u64>) {
        let mut store = self.lock();
        store.max_jobs = max_jobs.unwrap_or(store.max_jobs);
        store.max_kilobytes = max_kilobytes.unwrap_or(store.max_kilobytes);
    }

    /// Lets other applications use of the daily limits, now.
    pub fn others_use(&self, now_ms: i64, jobs: u64, kilobytes: u64) {
        let mut store = self.lock();
        store.job_window.record(now_ms, By::Others, jobs);
        store.kilobyte_window.record(now_ms, By::Others, kilobytes);
    }

    /// The use of the daily number of jobs at a time.
    #[must_use]
    pub fn jobs_used(&self, at_ms: i64) -> DailyUse {
        let store = self.lock();
        DailyUse {
            used: store.job_window.usage_at(at_ms).total(),
            max: store.max_jobs,
        }
    }

    /// The use of the daily storage of results, in megabytes, at a time.
    #[must_use]
    pub fn megabytes_used(&self, at_ms: i64) -> DailyUse {
        let store = self.lock();
        DailyUse {
            used: store.kilobyte_window.usage_at(at_ms).total() / 1024,
            max: store.max_kilobytes / 1024,
        }
    }

    /// A panic elsewhere leaves jobs that are whole, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, QueryJobStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
