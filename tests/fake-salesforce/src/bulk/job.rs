//! One job: what was asked, and where it stands at a time.
//!
//! Rule: where a job stands is a function of the clock, but for being aborted; nothing runs in the background.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::JOB_LIFE_MS;
use super::csv::Dialect;
use super::results::Results;
use crate::org::{RecordId, Value};

/// How often a job that fails was tried before.
const RETRIES: u64 = 15;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Salesforce's own")]
pub enum JobState {
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl JobState {
    /// As the API names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    /// Whether it never changes any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct QueryJobRequest {
    pub id: RecordId,
    /// `query` or `queryAll`.
    pub operation: &'static str,
    pub object: String,
    pub created_by: RecordId,
    /// `v62.0`
    pub version: Arc<str>,
    pub dialect: Dialect,
}

/// When a job does what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub created_ms: i64,
    /// Until it runs.
    pub queue_ms: i64,
    /// Until it ends.
    pub total_ms: i64,
}

/// A job.
#[derive(Debug)]
pub struct QueryJob {
    wanted: QueryJobRequest,
    timing: Timing,
    /// The message with which it fails.
    failure: Option<String>,
    results: Arc<Results>,
    aborted_ms: Mutex<Option<i64>>,
}

impl QueryJob {
    pub(super) fn new(wanted: QueryJobRequest, timing: Timing, failure: Option<String>, results: Results) -> Self {
        Self {
            wanted,
            timing,
            failure,
            results: Arc::new(results),
            aborted_ms: Mutex::new(None),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.wanted.id
    }

    /// The version it was created by: `v62.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.wanted.version
    }

    /// How its results are written.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.wanted.dialect
    }

    /// Its results; to be had once it's complete.
    #[must_use]
    pub fn results(&self) -> &Arc<Results> {
        &self.results
    }

    /// Whether its seven days are over.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms - self.timing.created_ms >= JOB_LIFE_MS
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> JobState {
        if self.aborted_ms().is_some() {
            return JobState::Aborted;
        }
        let age = now_ms - self.timing.created_ms;
        match age {
            _ if age >= self.timing.total_ms && self.failure.is_some() => JobState::Failed,
            _ if age >= self.timing.total_ms => JobState::JobComplete,
            _ if age >= self.timing.queue_ms => JobState::InProgress,
            _ => JobState::UploadComplete,
        }
    }

    /// Aborts it; false where it has ended already.
    pub fn abort(&self, now_ms: i64) -> bool {
        if self.state(now_ms).is_final() {
            return false;
        }
        *self.aborted_ms.lock().unwrap_or_else(PoisonError::into_inner) = Some(now_ms);
        true
    }

    fn aborted_ms(&self) -> Option<i64> {
        *self.aborted_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it has run, in milliseconds.
    fn run_ms(&self, now_ms: i64) -> i64 {
        let until = self.aborted_ms().unwrap_or(now_ms);
        let age = (until - self.timing.created_ms).min(self.timing.total_ms);
        (age - self.timing.queue_ms).max(0)
    }

    fn processed(&self, now_ms: i64) -> u64 {
        let whole_ms = (self.timing.total_ms - self.timing.queue_ms).unsigned_abs();
        let done = match self.state(now_ms) {
            JobState::JobComplete => return self.results.rows(),
            JobState::Failed => whole_ms / 2,
            _ => self.run_ms(now_ms).unsigned_abs(),
        };
        (u128::from(self.results.rows()) * u128::from(done) / u128::from(whole_ms.max(1))) as u64
    }

    /// When its state last changed.
    fn changed_ms(&self, now_ms: i64) -> i64 {
        let Timing {
            created_ms,
            queue_ms,
            total_ms,
        } = self.timing;
        match self.state(now_ms) {
            JobState::UploadComplete => created_ms,
            JobState::InProgress => created_ms + queue_ms,
            JobState::JobComplete | JobState::Failed => created_ms + total_ms,
            JobState::Aborted => self.aborted_ms().unwrap_or(now_ms),
        }
    }

    /// What its creation answers.
    #[must_use]
    pub fn summary(&self, now_ms: i64) -> Json {
        let api_version: f64 = self.wanted.version.trim_start_matches('v').parse().unwrap_or_default();
        json!({
            "id": self.wanted.id,
            "operation": self.wanted.operation,
            "object": self.wanted.object,
            "createdById": self.wanted.created_by,
            "createdDate": printed(self.timing.created_ms),
            "systemModstamp": printed(self.changed_ms(now_ms)),
            "state": self.state(now_ms).name(),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": api_version,
            "lineEnding": self.wanted.dialect.line_ending.name(),
            "columnDelimiter": self.wanted.dialect.delimiter.name(),
        })
    }

    /// What the list of jobs says of it.
    #[must_use]
    pub fn entry(&self, now_ms: i64) -> Json {
        let mut told = self.summary(now_ms);
        told["jobType"] = json!("V2Query");
        told
    }

    /// What its own resource says of it.
    #[must_use]
    pub fn details(&self, now_ms: i64) -> Json {
        let mut told = self.entry(now_ms);
        let state = self.state(now_ms);
        told["isPkChunkingSupported"] = json!(true);
        told["numberRecordsProcessed"] = json!(self.processed(now_ms));
        told["retries"] = json!(if state == JobState::Failed { RETRIES } else { 0 });
        told["totalProcessingTime"] = json!(self.run_ms(now_ms));
        if let (JobState::Failed, Some(message)) = (state, &self.failure) {
            told["errorMessage"] = json!(message);
        }
        told
    }
}

fn printed(at_ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    Value::DateTime(at).to_plain()
}
