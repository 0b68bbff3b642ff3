//! The verdict before each step: the connector decides, the host's own arithmetic can only make it less.

use super::error::JobError;
use super::imports::{CallOutcome, Readable};
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

/// Who asks for the next probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeOwner {
    /// A person (`--check-now`), and it isn't spent yet: the source is asked as soon as the bound on probes allows.
    Person,
    /// The host by itself, where something says that it's worth it.
    Host,
}

impl ProbeOwner {
    /// As the request says.
    pub(super) fn of(check_now: bool) -> ProbeOwner {
        if check_now { ProbeOwner::Person } else { ProbeOwner::Host }
    }
}

/// May a step of about `cost` requests be sent? Probes at most once, and only where the bound allows.
pub(super) async fn decide(
    session: &Session,
    cost: u32,
    owner: &mut ProbeOwner,
    progress: &dyn Progress,
) -> Result<Decision, JobError> {
    session.parts.gate.refresh_limit().await?;
    let mut probed = false;
    loop {
        let outcome = CallOutcome::new(None);
        let imports = session.imports(false, &outcome, Readable::default());
        let verdict = answered("decide", session.connector.decide(imports, cost).await)?;
        let own_arithmetic = session.parts.gate.allowance();
        let pause = match verdict {
            Verdict::Proceed(_) if cost == 0 => return Ok(Decision::Proceed(0)),
            Verdict::Proceed(requests) => match u64::from(requests.min(cost)).min(own_arithmetic.unwrap_or(0)) {
                0 => own_pause(session),
                requests => return Ok(Decision::Proceed(requests)),
            },
            // For reasons of its own, which no probe changes.
            Verdict::Pause(pause) if own_arithmetic.is_some_and(|left| left > 0) => {
                return Ok(Decision::Pause(paused(session, pause)));
            }
            Verdict::Pause(pause) => Paused {
                recheck_at: next_probe(session),
                ..paused(session, pause)
            },
            Verdict::Probe(_) => own_pause(session),
            Verdict::Other(failure) => return Err(JobError::Blocked(Box::new(failure))),
        };
        if !probed && session.parts.gate.next_probe(*owner == ProbeOwner::Person) <= session.parts.clock.now() {
            probe(session, owner, progress).await?;
            probed = true;
            continue;
        }
        return match session.parts.gate.usage() {
            Some(_) => Ok(Decision::Pause(pause)),
            // A source that told nothing when it was asked won't tell more when it's asked again.
            None if probed => Err(JobError::UsageUnknown),
            None => Err(JobError::AskedLately { next: pause.recheck_at }),
        };
    }
}

/// When the source is asked next, where nobody asks for more.
fn next_probe(session: &Session) -> Timestamp {
    session
        .parts
        .gate
        .next_probe(false)
        .max(session.parts.clock.now().after(Duration::from_secs(1)))
}

/// Spends a request to learn what is left, out of the reserve where it has to be. It counts before it is sent, and is
/// journalled, whatever comes of it.
async fn probe(session: &Session, owner: &mut ProbeOwner, progress: &dyn Progress) -> Result<(), JobError> {
    let by_hand = std::mem::replace(owner, ProbeOwner::Host) == ProbeOwner::Person;
    let sent_before = session.sent();
    session.parts.gate.note_probe();
    let grant = session.grant(PROBE_ATTEMPTS, GrantPurpose::Probe).await?;
    let outcome = CallOutcome::new(None);
    let answer = session
        .connector
        .read_quota(session.imports(true, &outcome, Readable::default()))
        .await;
    if session.sent() == sent_before {
        session.parts.gate.take_back_probe();
    }
    session.close_grant(&grant).await?;
    let reading = if outcome.take_readings().is_empty() {
        None
    } else {
        session.parts.gate.last_reading()
    };
    let probed = Event::QuotaProbed {
        by_hand,
        requests: session.sent() - sent_before,
        reading,
    };
    session.journal.lock().await.append(&session.actor, probed).await?;
    progress.tell(&ProgressEvent::Probed { usage: session.usage() });
    match session.answered("read-quota", answer) {
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
pub(super) fn paused(session: &Session, pause: Pause) -> Paused {
    Paused {
        reason: pause.reason,
        used: pause.used,
        max: pause.max,
        ceiling: pause.ceiling,
        limit_percent: session.parts.gate.limit(),
        recheck_at: session
            .parts
            .clock
            .now()
            .after(Duration::from_secs(u64::from(pause.recheck_after.max(1)))),
        asked_at: session.parts.gate.asked_at(),
    }
}

/// A pause by the host's own arithmetic, where the connector would go on.
fn own_pause(session: &Session) -> Paused {
    let (used, max) = session.parts.gate.usage().unwrap_or_default();
    let limit = session.parts.gate.limit();
    Paused {
        reason: "usage-limit".to_owned(),
        used,
        max,
        ceiling: ceiling(limit, max),
        limit_percent: limit,
        recheck_at: next_probe(session),
        asked_at: session.parts.gate.asked_at(),
    }
}
