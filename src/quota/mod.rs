//! The usage limit: what is known of the org's daily API requests, and whether one more may be sent.
//!
//! Pure: no imports, no clock, no memory between calls. What is known comes in as [`Facts`], the answer goes out as [`Verdict`](backup_contract::Verdict).
//! The rule it keeps: never at or over the ceiling, and never on the word of something that could not be read.
//!
//! Sources: Salesforce, "API Request Limits and Allocations" (counted org-wide, in a rolling 24 hours), "API Usage Headers"
//! (`Sforce-Limit-Info`), "Limits" resource (accurate within five minutes).

mod decide;
mod forecast;
mod limit_info;
mod limits;
mod percent;
mod refusal;

pub use decide::{Facts, PauseReason, decide, used};
pub use forecast::{RECHECK_SECONDS, next_look_ms};
pub use limit_info::{HEADER, parse as parse_limit_info};
pub use limits::{Limit, parse as parse_limits};
pub use percent::Percent;
pub use refusal::{Refusal, classify as classify_refusal};

/// The quota that every counted request spends; Salesforce's name of it in the limits resource.
pub const DAILY_API_REQUESTS: &str = "DailyApiRequests";

/// Used and max of the daily API requests, as an answer told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// By all applications of the org in the last 24 hours. May exceed `max`: paying orgs have a soft overage.
    pub used: u64,
    /// What the org may use in 24 hours.
    pub max: u64,
}
