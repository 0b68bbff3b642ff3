//! The verdict before each step: the connector decides, the host's own arithmetic can only make it less.

use super::error::JobError;
use super::imports::{Outcome, Readable};
use super::progress::{Progress, ProgressEvent};
use super::session::{Session, answered};
use crate::quota::ceiling;
use backup_runtime::exports::{ConnectorError, Pause, Verdict};
use backup_store::journal::Paused;
use backup_store::{Event, GrantPurpose};
use std::time::Duration;

/// Between probes of one connection, unless a person asks.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(30 * 60);

/// One request that yields a reading, and its replay where the token had run out.
const PROBE_ATTEMPTS: u64 = 2;

/// What may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// So many requests may be granted; 0 for a step that sends none.
    Proceed(u64),
    /// Not now.
    Pause(Paused),
}

/// Whether somebody waits in front of the screen, and what that has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// By a person: one probe at once is theirs.
    ByHand,
    /// By the host, or by a person whose probe is spent.
    ByHost,
}

impl Session {
    /// May a step of about `cost` requests be sent? Probes at most once.
    pub(super) async fn decide(&self, cost: u32, asked: &mut Asked, progress: &dyn Progress) -> Result<Decision, JobError> {
        self.parts.gate.refresh_limit().await?;
        loop {
            let outcome = Outcome::new(None);
            match answered(
                "decide",
                self.connector
                    .decide(self.imports(false, &outcome, Readable::default()), cost)
                    .await,
            )? {
                Verdict::Proceed(_) if cost == 0 => return Ok(Decision::Proceed(0)),
                Verdict::Proceed(requests) => {
                    let own_arithmetic = self.parts.gate.allowance().unwrap_or(0);
                    let requests = u64::from(requests.min(cost)).min(own_arithmetic);
                    return Ok(if requests > 0 {
                        Decision::Proceed(requests)
                    } else {
                        Decision::Pause(self.own_pause())
                    });
                }
                Verdict::Probe(_) if self.may_probe(*asked).await => self.probe(asked, progress).await?,
                // A source that told nothing when it was asked won't tell more when it's asked again.
                Verdict::Probe(_) if self.parts.gate.usage().is_none() => return Err(JobError::UsageUnknown),
                Verdict::Probe(_) => return Ok(Decision::Pause(self.own_pause())),
                Verdict::Pause(_) if *asked == Asked::ByHand && self.reading_is_older_than_the_run() => {
                    self.probe(asked, progress).await?
                }
                Verdict::Pause(pause) => return Ok(Decision::Pause(self.paused(pause))),
                Verdict::Other(failure) => return Err(JobError::Blocked(Box::new(failure))),
            }
        }
    }

    async fn may_probe(&self, asked: Asked) -> bool {
        let last = self.journal.lock().await.state().last_probe();
        asked == Asked::ByHand || last.is_none_or(|last| self.parts.clock.now().since(last) >= PROBE_EVERY)
    }

    fn reading_is_older_than_the_run(&self) -> bool {
        !self.parts.gate.is_fresh() && self.checked.is_none()
    }

    /// Spends a request to learn what is left, out of the reserve where it has to be. Journalled, whatever comes of it.
    async fn probe(&self, asked: &mut Asked, progress: &dyn Progress) -> Result<(), JobError> {
        let by_hand = std::mem::replace(asked, Asked::ByHost) == Asked::ByHand;
        let sent_before = self.sent();
        let grant = self.grant(PROBE_ATTEMPTS, GrantPurpose::Probe).await?;
        let outcome = Outcome::new(None);
        let answer = self
            .connector
            .read_quota(self.imports(true, &outcome, Readable::default()))
            .await;
        self.spent(&grant).await?;
        let reading = if outcome.take_readings().is_empty() {
            None
        } else {
            self.parts.gate.last_reading()
        };
        let probed = Event::QuotaProbed {
            by_hand,
            requests: self.sent() - sent_before,
            reading,
        };
        self.journal.lock().await.append(&self.actor, probed).await?;
        progress.tell(&ProgressEvent::Probed { usage: self.usage() });
        match answered("read-quota", answer) {
            // Nothing that comes later will get in either.
            Err(JobError::Connector(error)) if matches!(*error, ConnectorError::Authorization(_)) => {
                Err(JobError::Connector(error))
            }
            Err(error) => {
                tracing::warn!("the quota could not be read: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A pause that the connector tells, as it is journalled.
    pub(super) fn paused(&self, pause: Pause) -> Paused {
        Paused {
            reason: pause.reason,
            used: pause.used,
            max: pause.max,
            ceiling: pause.ceiling,
            limit_percent: self.parts.gate.limit(),
            recheck_at: self
                .parts
                .clock
                .now()
                .after(Duration::from_secs(u64::from(pause.recheck_after.max(1)))),
        }
    }

    /// A pause by the host's own arithmetic, where the connector would go on.
    fn own_pause(&self) -> Paused {
        let (used, max) = self.parts.gate.usage().unwrap_or_default();
        let limit = self.parts.gate.limit();
        Paused {
            reason: "usage-limit".to_owned(),
            used,
            max,
            ceiling: ceiling(limit, max),
            limit_percent: limit,
            recheck_at: self.parts.clock.now().after(PROBE_EVERY),
        }
    }
}
