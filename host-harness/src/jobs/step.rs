//! The verdict before each step: the connector decides, the host's own arithmetic can only make it less.

use super::error::JobError;
use super::imports::{Outcome, Readable};
use super::progress::{Progress, ProgressEvent};
use super::session::{Session, answered};
use crate::quota::ceiling;
use backup_contract::{ConnectorError, Pause, Verdict};
use backup_seams::Timestamp;
use backup_store::journal::Paused;
use backup_store::{Event, GrantPurpose};
use std::time::Duration;

/// A probe is one attempt on the wire, whatever comes of it.
const PROBE_ATTEMPTS: u64 = 1;

/// What may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// So many requests may be granted; 0 for a step that sends none.
    Proceed(u64),
    /// Not now.
    Pause(Paused),
}

/// Whether the source is to be asked as soon as the bound on probes allows, though nothing says that it's worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// By a person (`--check-now`), and not spent yet.
    Now,
    /// No.
    Usual,
}

impl Asked {
    /// As the request says.
    pub(super) fn of(check_now: bool) -> Asked {
        if check_now { Asked::Now } else { Asked::Usual }
    }
}

impl Session {
    /// May a step of about `cost` requests be sent? Probes at most once, and only where the bound allows.
    pub(super) async fn decide(&self, cost: u32, asked: &mut Asked, progress: &dyn Progress) -> Result<Decision, JobError> {
        self.parts.gate.refresh_limit().await?;
        let mut probed = false;
        loop {
            let outcome = Outcome::new(None);
            let imports = self.imports(false, &outcome, Readable::default());
            let verdict = answered("decide", self.connector.decide(imports, cost).await)?;
            let own_arithmetic = self.parts.gate.allowance();
            let pause = match verdict {
                Verdict::Proceed(_) if cost == 0 => return Ok(Decision::Proceed(0)),
                Verdict::Proceed(requests) => match u64::from(requests.min(cost)).min(own_arithmetic.unwrap_or(0)) {
                    0 => self.own_pause(),
                    requests => return Ok(Decision::Proceed(requests)),
                },
                // For reasons of its own, which no probe changes.
                Verdict::Pause(pause) if own_arithmetic.is_some_and(|left| left > 0) => {
                    return Ok(Decision::Pause(self.paused(pause)));
                }
                Verdict::Pause(pause) => Paused {
                    recheck_at: self.next_probe(),
                    ..self.paused(pause)
                },
                Verdict::Probe(_) => self.own_pause(),
                Verdict::Other(failure) => return Err(JobError::Blocked(Box::new(failure))),
            };
            if !probed && self.parts.gate.next_probe(*asked == Asked::Now) <= self.parts.clock.now() {
                self.probe(asked, progress).await?;
                probed = true;
                continue;
            }
            return match self.parts.gate.usage() {
                Some(_) => Ok(Decision::Pause(pause)),
                // A source that told nothing when it was asked won't tell more when it's asked again.
                None if probed => Err(JobError::UsageUnknown),
                None => Err(JobError::AskedLately { next: pause.recheck_at }),
            };
        }
    }

    /// When the source is asked next, where nobody asks for more.
    fn next_probe(&self) -> Timestamp {
        self.parts
            .gate
            .next_probe(false)
            .max(self.parts.clock.now().after(Duration::from_secs(1)))
    }

    /// Spends a request to learn what is left, out of the reserve where it has to be. It counts before it is sent, and is
    /// journalled, whatever comes of it.
    async fn probe(&self, asked: &mut Asked, progress: &dyn Progress) -> Result<(), JobError> {
        let by_hand = std::mem::replace(asked, Asked::Usual) == Asked::Now;
        let sent_before = self.sent();
        self.parts.gate.note_probe();
        let grant = self.grant(PROBE_ATTEMPTS, GrantPurpose::Probe).await?;
        let outcome = Outcome::new(None);
        let answer = self
            .connector
            .read_quota(self.imports(true, &outcome, Readable::default()))
            .await;
        if self.sent() == sent_before {
            self.parts.gate.take_back_probe();
        }
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
        match self.answered("read-quota", answer) {
            Ok(()) => Ok(()),
            // Nothing that comes later will get in either.
            Err(JobError::Connector(error)) if matches!(*error, ConnectorError::Authorization(_)) => {
                Err(JobError::Connector(error))
            }
            Err(error @ JobError::Removed(_)) => Err(error),
            Err(error) => {
                tracing::warn!("the quota could not be read: {error}");
                Ok(())
            }
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
            asked_at: self.parts.gate.asked_at(),
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
            recheck_at: self.next_probe(),
            asked_at: self.parts.gate.asked_at(),
        }
    }
}
