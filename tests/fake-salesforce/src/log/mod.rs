//! The log of every request that reached the double, for tests to count and to look at.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// Its number, from 1, in the order of arrival.
    pub number: u64,
    /// When, on the double's clock.
    pub at_ms: i64,
    /// Its method.
    pub method: String,
    /// Its path and query, as sent.
    pub path: String,
    /// The body of composites, batches and writes.
    pub body: Option<String>,
    /// The subrequests of a composite or batch, references resolved.
    pub subrequests: Vec<Subrequest>,
    /// The rows that it asked to write, in their order, and what became of each.
    pub written: Vec<Written>,
    /// How many requests it counted.
    pub cost: u64,
    /// The status of the answer; none while it's being served, or where the connection was cut.
    pub status: Option<u16>,
    /// Used by all applications, after it was counted.
    pub used: u64,
    /// Faults that struck it.
    pub faults: Vec<String>,
}

/// One row that a request asked to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The object; empty where the request didn't say, or named none that there is.
    pub object: String,
    /// `create`, `update`, `upsert` or `delete`.
    pub operation: &'static str,
    /// The row, where it is known. Rows that a series took back keep it.
    pub id: Option<String>,
    /// The code that it was refused with.
    pub error: Option<String>,
}

/// One subrequest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subrequest {
    /// The reference id; empty in batches.
    pub reference: String,
    /// Its method.
    pub method: String,
    /// Its URL, references resolved where they could be.
    pub url: String,
    /// The status of its answer.
    pub status: u16,
}

/// A handle to the log; clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    entries: Arc<Mutex<Vec<LoggedRequest>>>,
    begun: Arc<Condvar>,
}

impl RequestLog {
    /// Enters a request as it arrives, and gives its number.
    #[must_use]
    pub fn begin(&self, at_ms: i64, method: &str, path: &str, body: Option<String>) -> u64 {
        let mut entries = self.lock();
        let number = entries.len() as u64 + 1;
        entries.push(LoggedRequest {
            number,
            at_ms,
            method: method.to_owned(),
            path: path.to_owned(),
            body,
            subrequests: Vec::new(),
            written: Vec::new(),
            cost: 0,
            status: None,
            used: 0,
            faults: Vec::new(),
        });
        self.begun.notify_all();
        number
    }

    /// Changes what is known of a request.
    pub fn amend(&self, number: u64, change: impl FnOnce(&mut LoggedRequest)) {
        let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(entry) = self.lock().get_mut(index) {
            change(entry);
        }
    }

    /// All requests so far.
    #[must_use]
    pub fn entries(&self) -> Vec<LoggedRequest> {
        self.lock().clone()
    }

    /// The requests after a number.
    #[must_use]
    pub fn entries_after(&self, number: u64) -> Vec<LoggedRequest> {
        self.lock()
            .iter()
            .skip(usize::try_from(number).unwrap_or(usize::MAX))
            .cloned()
            .collect()
    }

    /// Waits until there are so many requests, but no longer than this on the machine's clock; whether there are.
    pub fn wait_for(&self, requests: u64, at_most: Duration) -> bool {
        let few = |entries: &mut Vec<LoggedRequest>| (entries.len() as u64) < requests;
        let waited = self.begun.wait_timeout_while(self.lock(), at_most, few);
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }

    /// How many requests so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LoggedRequest>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
