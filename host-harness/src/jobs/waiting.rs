//! Waits of a job between two claims: until what pauses may be looked at again, or until a source may be asked of which nothing is
//! known. The rule: nothing is held and nothing sent meanwhile, and who is to stop stops at the next look.

use super::error::JobError;
use super::host::Host;
use super::imports::StopSignal;
use super::progress::{Progress, ProgressEvent};
use super::turn::First;
use backup_seams::Timestamp;
use backup_store::journal::Paused;
use backup_store::{ConnectionName, Percent};
use std::time::Duration;

/// While a run waits out a pause it looks this often whether the limit was raised.
pub(super) const LIMIT_LOOK: Duration = Duration::from_secs(5);

/// Of a job: whether it waits where it may not go on, and what ends that.
pub(super) struct Waits<'a> {
    pub(super) name: &'a ConnectionName,
    pub(super) wait: bool,
    pub(super) stop: &'a StopSignal,
    pub(super) progress: &'a dyn Progress,
}

impl Host {
    /// Waits until the pause should be looked at again, or the limit was raised above where it was. A restore that waits still
    /// goes first.
    pub(super) async fn wait_out(&self, waits: &Waits<'_>, pause: &Paused, first: Option<&mut First>) -> Result<(), JobError> {
        self.wait_until(waits, pause.recheck_at, Some(pause.limit_percent), first)
            .await
    }

    /// What a run gave; `None` where nothing is known of the source, it may not be asked yet, and the job has waited until it may.
    pub(super) async fn or_wait_to_ask<T>(
        &self,
        run: Result<T, JobError>,
        waits: &Waits<'_>,
        first: Option<&mut First>,
    ) -> Result<Option<T>, JobError> {
        match run {
            Err(JobError::AskedLately { next }) if waits.wait && !waits.stop.is_set() => {
                waits.progress.tell(&ProgressEvent::WaitingToAsk {
                    next: next.rfc3339(),
                    wait: next.since(self.store().seams().clock.now()),
                });
                self.wait_until(waits, next, None, first).await?;
                waits.progress.tell(&ProgressEvent::Resuming);
                Ok(None)
            }
            run => run.map(Some),
        }
    }

    /// Waits; no longer than until the usage limit is above this one.
    async fn wait_until(
        &self,
        waits: &Waits<'_>,
        until: Timestamp,
        limit: Option<Percent>,
        mut first: Option<&mut First>,
    ) -> Result<(), JobError> {
        let clock = &self.store().seams().clock;
        let mut journal = self.journal(waits.name).await?;
        while clock.now() < until && !waits.stop.is_set() {
            if let Some(first) = &mut first {
                first.renew().await?;
            }
            clock.sleep(LIMIT_LOOK.min(until.since(clock.now()))).await;
            journal.refresh().await?;
            if limit.is_some_and(|limit| journal.state().usage_limit(clock.now()) > limit) {
                break;
            }
        }
        Ok(())
    }
}
