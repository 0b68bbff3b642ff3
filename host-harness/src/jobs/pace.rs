//! The numbers that jobs go by: how often they look, how often they try, and what a step is taken to cost before it is known.

use backup_store::NextStep;
use std::time::Duration;

/// Estimated requests of the first planning step; the connector estimates better from then on.
pub(super) const PLAN_REQUESTS: u32 = 8;

/// Estimated requests of a batch after a wait, where there is no estimate.
const BATCH_REQUESTS: u32 = 8;

/// While a run waits out a pause it looks this often whether the limit was raised.
pub(super) const LIMIT_LOOK: Duration = Duration::from_secs(5);

/// How often a job that waits for another one looks whether it may start, and a backup whether a restore waits.
pub(super) const PRIORITY_LOOK: Duration = Duration::from_secs(2);

/// How often a step is tried before the job is `failed`. A command given by hand starts anew.
pub(super) const TRIES: u32 = 3;

/// Before the second try; doubled before the third.
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(10);

/// Estimated requests of what comes next; `None`: nothing is planned yet.
pub(super) fn cost_of(next: Option<&NextStep>) -> u32 {
    match next {
        None => PLAN_REQUESTS,
        Some(NextStep::Plan { requests } | NextStep::Batch { requests }) => u32::try_from(*requests).unwrap_or(u32::MAX),
        Some(NextStep::AgainAfter { .. } | NextStep::Pause | NextStep::Blocked(_)) => BATCH_REQUESTS,
        Some(NextStep::Done) => 0,
    }
}

/// Failures in a row of the step that comes next.
#[derive(Debug, Default)]
pub(super) struct Failures(u32);

impl Failures {
    /// Counts one; whether the step is to be tried again. `may_pass`: trying the same again can help.
    pub(super) fn may_try_again(&mut self, may_pass: bool) -> bool {
        self.0 += 1;
        may_pass && self.0 < TRIES
    }

    /// The step succeeded.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }

    /// How many there are, since the last success.
    pub(super) fn count(&self) -> u32 {
        self.0
    }

    /// Before the next try: longer each time.
    pub(super) fn wait(&self) -> Duration {
        RETRY_WAIT * 2u32.pow(self.0.saturating_sub(1))
    }
}
