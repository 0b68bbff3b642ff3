//! One claim's epoch: the number under which everything is written, the names that it gives to data objects, and whether the claim
//! still holds. Shared by the claim's holder and by those who commit for it.

use crate::spending::Spending;
use backup_seams::{Clock, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a claim's holder and those who commit for it share.
#[derive(Debug)]
pub(crate) struct Epoch {
    number: u64,
    clock: Arc<dyn Clock>,
    /// `None` where a lock decides.
    lease: Option<Duration>,
    renewed_at: AtomicU64,
    spending: Mutex<Spending>,
    /// Data objects named under this epoch so far.
    named: AtomicU64,
}

impl Epoch {
    /// The epoch of the first record of a claim.
    pub(crate) fn new(number: u64, clock: Arc<dyn Clock>, lease: Option<Duration>, first: (Timestamp, Spending)) -> Epoch {
        let (claimed_at, spending) = first;
        Epoch {
            number,
            clock,
            lease,
            renewed_at: AtomicU64::new(claimed_at.0),
            spending: Mutex::new(spending),
            named: AtomicU64::new(0),
        }
    }

    /// Its number: that of the claim's entry in the scope's journal.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// A name for a data object: `<epoch>-<counter>`, never given twice.
    pub(crate) fn next_name(&self) -> String {
        format!("{}-{}", self.number, self.named.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The lease's last tenth is not used: clocks differ, and a request takes its time.
    pub(crate) fn still_held(&self) -> bool {
        match self.lease {
            None => true,
            Some(lease) => self.clock.now().since(Timestamp(self.renewed_at.load(Ordering::SeqCst))) < lease * 9 / 10,
        }
    }

    /// What the next record carries: this, with the next version.
    pub(crate) fn next_version(&self, mut spending: Spending) -> Spending {
        spending.version = self.spending().version + 1;
        spending
    }

    /// A record is durable: it renews the lease, and its spending is the newest.
    pub(crate) fn committed(&self, at: Timestamp, spending: Spending) {
        self.renewed_at.fetch_max(at.0, Ordering::SeqCst);
        *self.spending.lock().unwrap_or_else(PoisonError::into_inner) = spending;
    }

    /// What is spent, as the last durable record has it.
    pub(crate) fn spending(&self) -> Spending {
        self.spending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
