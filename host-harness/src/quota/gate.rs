//! The gate before every attempt on the wire.

use super::ledger::Ledger;
use crate::http::Gate;
use async_trait::async_trait;
use backup_contract::{Hour, Reading, SendError, Standing};
use backup_seams::{Clock, Timestamp};
use backup_store::{Claim, Grant, Journal, Percent, Spending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const REMOVED: &str = "the connection was removed; nothing more is sent for it";

/// Admits attempts of one claimed scope: the claim holds, and the ledger has room under the limit that is in force *now* — the
/// journal is asked each time, since another process may have lowered it.
pub struct ScopeGate {
    ledger: Mutex<Ledger>,
    /// The usage limit as last read; `requests-left` can't wait for the store.
    limit: Mutex<Percent>,
    journal: Arc<tokio::sync::Mutex<Journal>>,
    claim: Arc<tokio::sync::Mutex<Claim>>,
    clock: Arc<dyn Clock>,
    /// A request under way has ended.
    ended: tokio::sync::Notify,
    /// The connection as it was when the gate was opened: one that was removed since sends nothing more.
    generation: u64,
    removed: AtomicBool,
}

impl ScopeGate {
    /// A gate that continues from what the claim recovered. `quota`: the name of what requests spend.
    pub async fn open(
        quota: &str,
        claim: Arc<tokio::sync::Mutex<Claim>>,
        journal: Arc<tokio::sync::Mutex<Journal>>,
        clock: Arc<dyn Clock>,
    ) -> ScopeGate {
        let now = clock.now();
        let spending = claim.lock().await.spending();
        let (limit, generation) = {
            let journal = journal.lock().await;
            (journal.state().usage_limit(now), journal.state().generation())
        };
        ScopeGate {
            ledger: Mutex::new(Ledger::open(quota, spending, now)),
            limit: Mutex::new(limit),
            journal,
            claim,
            clock,
            ended: tokio::sync::Notify::new(),
            generation,
            removed: AtomicBool::new(false),
        }
    }

    /// Sends under this grant from now on. It has to be durable already.
    pub fn open_grant(&self, grant: &Grant) {
        self.ledger().open_grant(grant);
    }

    /// Nothing is sent from now on; what remains of the grant is released.
    pub fn close_grant(&self) {
        self.ledger().close_grant();
        self.ended.notify_waiters();
    }

    /// Whether the connection was removed, and perhaps added again, since the gate was opened.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// A probe is about to be sent. It counts from now on, so this has to be durable before it is sent.
    pub fn note_probe(&self) {
        self.ledger().note_probe(self.clock.now());
    }

    /// Undoes [`Self::note_probe`]: the probe did not leave this host.
    pub fn take_back_probe(&self) {
        self.ledger().take_back_probe();
    }

    /// When the next probe may be sent; `at_once`: a person asks for it, only the least distance counts.
    pub fn next_probe(&self, at_once: bool) -> Timestamp {
        self.ledger().next_probe(at_once, self.clock.now())
    }

    /// When the source last told, or was asked.
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.ledger().asked_at()
    }

    /// Requests that may still be sent under the open grant.
    pub fn left(&self) -> u32 {
        let left = self.ledger().left(self.limit(), self.clock.now());
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// What the host itself would still send, whatever the connector says; `None` before the first reading.
    pub fn allowance(&self) -> Option<u64> {
        self.ledger().allowance(self.limit(), self.clock.now())
    }

    /// Takes a reading.
    pub fn observe(&self, reading: Reading) {
        self.ledger().observe(reading, self.clock.now());
    }

    /// What is known of each quota.
    pub fn standings(&self) -> Vec<Standing> {
        self.ledger().standings()
    }

    /// Own requests of the last hours.
    pub fn own_requests(&self, hours: u32) -> Vec<Hour> {
        self.ledger().own_requests(hours, self.clock.now())
    }

    /// Attempts counted since the scope was claimed.
    pub fn sent(&self) -> u64 {
        self.ledger().sent()
    }

    /// Used and max, as far as is known.
    pub fn usage(&self) -> Option<(u64, u64)> {
        self.ledger().usage()
    }

    /// Whether what requests spend was read since the scope was claimed.
    pub fn is_fresh(&self) -> bool {
        self.ledger().is_fresh()
    }

    /// The last reading of what requests spend.
    pub fn last_reading(&self) -> Option<Reading> {
        self.ledger().last_reading().cloned()
    }

    /// What the next durable record has to carry.
    pub fn spending(&self) -> Spending {
        self.ledger().spending(self.clock.now())
    }

    /// The usage limit as last read.
    pub fn limit(&self) -> Percent {
        *lock(&self.limit)
    }

    /// Reads the usage limit in force again.
    pub async fn refresh_limit(&self) -> Result<Percent, backup_store::StoreError> {
        let mut journal = self.journal.lock().await;
        journal.refresh().await?;
        let state = journal.state();
        if !state.exists() || state.generation() != self.generation {
            self.removed.store(true, Ordering::Relaxed);
        }
        let limit = state.usage_limit(self.clock.now());
        *lock(&self.limit) = limit;
        Ok(limit)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

#[async_trait]
impl Gate for ScopeGate {
    async fn admit(&self, cost: u32) -> Result<u64, SendError> {
        let limit = self
            .refresh_limit()
            .await
            .map_err(|e| SendError::NotSent(format!("the usage limit can't be read: {e}")))?;
        if !self.claim.lock().await.still_held() {
            return Err(SendError::NotPermitted(
                "another host may have taken over; this one sends nothing more".to_owned(),
            ));
        }
        if self.is_removed() {
            return Err(SendError::NotPermitted(REMOVED.to_owned()));
        }
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Before the look, so that no end is missed.
            ended.as_mut().enable();
            if !self.ledger().waits_for_an_answer(self.clock.now()) {
                break;
            }
            ended.await;
        }
        self.ledger()
            .admit(cost, limit, self.clock.now())
            .map_err(|_| SendError::AllowanceSpent)
    }

    fn not_sent(&self, number: u64) {
        self.ledger().not_sent(number);
        self.ended.notify_waiters();
    }

    fn answered(&self, number: u64) {
        self.ledger().answered(number);
        self.ended.notify_waiters();
    }

    fn is_one_attempt(&self) -> bool {
        self.ledger().is_probe()
    }
}

/// A panic elsewhere leaves numbers that are still right: every change is made in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
