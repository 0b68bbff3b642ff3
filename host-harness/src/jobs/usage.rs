//! The org's requests as results and progress tell them, and why a job pauses.

use backup_seams::Timestamp;
use backup_store::journal::Paused;
use serde::Serialize;

/// The org's requests as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// By all applications.
    pub used: u64,
    /// Of so many.
    pub max: u64,
    /// Where this connection stops.
    pub ceiling: u64,
    /// The usage limit in force, which leads there.
    pub limit_percent: u8,
    /// Of `used`, what other applications sent: `used` less own requests of the last 24 hours.
    pub others: u64,
}

/// Why a backup pauses, and the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseResult {
    /// `usage-limit`, `org-limit`, `bulk-limit`.
    pub reason: String,
    /// By all applications.
    pub used: u64,
    /// Of so many.
    pub max: u64,
    /// The usage limit in force.
    pub limit_percent: u8,
    /// Where to stop.
    pub ceiling: u64,
    /// When the org is asked next; RFC 3339, UTC.
    pub recheck_at: String,
    /// When it last told what is used, or was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
}

impl From<&Paused> for PauseResult {
    fn from(pause: &Paused) -> PauseResult {
        PauseResult {
            reason: pause.reason.clone(),
            used: pause.used,
            max: pause.max,
            limit_percent: pause.limit_percent.get(),
            ceiling: pause.ceiling,
            recheck_at: pause.recheck_at.rfc3339(),
            asked_at: pause.asked_at.map(Timestamp::rfc3339),
        }
    }
}
