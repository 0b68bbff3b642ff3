//! What was spent of a scope's quota, as data. How to count, and what is left, is the host's arithmetic.
//!
//! The rule: every durable record that changes it carries it whole, so the newest one alone tells all.

use crate::names::{Scope, SnapshotId};
use backup_contract::{Hour, Standing};
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};

/// Requests that a host which died may have sent: they count as sent until a reading that is new enough tells better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// How many at most.
    pub requests: u64,
    /// The grant's time.
    pub from: Timestamp,
    /// When the next host found it.
    pub until: Timestamp,
}

/// All that is known of what a scope's requests were spent on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Grows with every durable record; set by the store.
    pub version: u64,
    /// Own requests by clock hour, oldest first, at most 25.
    pub hours: Vec<Hour>,
    /// The last reading of each quota.
    pub readings: Vec<Standing>,
    /// What dead hosts may have sent.
    pub unsettled: Vec<Unsettled>,
    /// The number that the next request gets.
    pub next_request_number: u64,
    /// When the source was asked, out of the reserve where it had to be, how many requests are left: of the last 24 hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Timestamp>,
    /// Of a login: the scope that it was told to belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<Scope>,
}

/// What a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantPurpose {
    /// Asking who the connection is.
    Check,
    /// A planning step.
    Plan,
    /// A batch.
    Batch,
    /// Reading the quota, out of the reserve where nothing else is left.
    Probe,
}

/// Requests that may be sent, durable before the first of them is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Unlike any other.
    pub id: String,
    /// How many at most.
    pub requests: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What its requests may be used for; a probe's may be of the reserve.
    pub purpose: GrantPurpose,
}

impl Grant {
    /// A new one, from the host's time and randomness.
    pub fn new(requests: u64, purpose: GrantPurpose, seams: &crate::Seams) -> Grant {
        Grant {
            id: SnapshotId::generate(&*seams.clock, &*seams.randomness).to_string(),
            requests,
            at: seams.clock.now(),
            purpose,
        }
    }
}
