//! Planning that only people look at: of a backup, and of a restore. Nothing of it is kept but what the connector keeps by itself.

use super::backup::PLAN_REQUESTS;
use super::error::JobError;
use super::imports::Outcome;
use super::progress::{Progress, ProgressEvent};
use super::session::{RETRY_WAIT, Session, TRIES};
use super::step::{Asked, Decision};
use backup_contract::Planned;
use backup_store::journal::Paused;
use backup_store::{GrantPurpose, NextStep};
use std::time::Duration;

/// How planning ended.
pub(super) enum Rehearsed {
    /// There is a plan.
    Ready,
    /// Not now.
    Paused(Paused),
    /// It was told to.
    Stopped,
}

impl Session {
    /// Plans, step by step. `told` is given what each step that succeeded told, and the requests that it took.
    pub(super) async fn rehearse<F>(
        &self,
        asked: &mut Asked,
        progress: &dyn Progress,
        plan: impl Fn(Outcome) -> F,
        mut told: impl FnMut(&Outcome, u64),
    ) -> Result<Rehearsed, JobError>
    where
        F: Future<Output = Result<Planned, JobError>>,
    {
        let (mut cost, mut tries) = (PLAN_REQUESTS, 0);
        while !self.parts.should_stop() {
            let granted = match self.decide(cost, asked, progress).await? {
                Decision::Proceed(requests) => requests,
                Decision::Pause(pause) => return Ok(Rehearsed::Paused(pause)),
            };
            let outcome = Outcome::new(None);
            let grant = self.grant(granted, GrantPurpose::Plan).await?;
            let sent_before = self.sent();
            let planned = plan(outcome.clone()).await;
            self.spent(&grant).await?;
            let went = match planned.and_then(|planned| self.planned(planned)) {
                Err(error) if error.may_pass() && tries + 1 < TRIES => {
                    tries += 1;
                    self.before_another_try(error.to_string(), tries, progress).await;
                    continue;
                }
                went => went?,
            };
            tries = 0;
            told(&outcome, self.sent() - sent_before);
            match went.next {
                _ if went.checkpoint.is_some() => return Ok(Rehearsed::Ready),
                NextStep::AgainAfter { seconds } => self.wait_until_due(seconds, progress).await,
                NextStep::Plan { requests } => {
                    cost = u32::try_from(requests).unwrap_or(u32::MAX);
                    let (sent, usage) = (self.sent(), self.usage());
                    progress.tell(&ProgressEvent::Planning { sent, usage });
                }
                _ => {}
            }
        }
        Ok(Rehearsed::Stopped)
    }

    /// Waits after a step that failed so often: longer each time.
    pub(super) async fn before_another_try(&self, reason: String, tries: u32, progress: &dyn Progress) {
        let wait = RETRY_WAIT * 2u32.pow(tries.saturating_sub(1));
        progress.tell(&ProgressEvent::Retrying { reason, tries, wait });
        self.wait(wait).await;
    }

    /// Waits as long as the connector said.
    pub(super) async fn wait_until_due(&self, seconds: u64, progress: &dyn Progress) {
        let wait = Duration::from_secs(seconds);
        progress.tell(&ProgressEvent::Waiting { wait });
        self.wait(wait).await;
    }
}
