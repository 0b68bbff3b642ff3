//! Planning that only people look at: of a backup, and of a restore. Nothing of it is kept but what the connector keeps by itself.

use super::error::JobError;
use super::imports::CallOutcome;
use super::pace::{Failures, PLAN_REQUESTS};
use super::progress::{Progress, ProgressEvent};
use super::session::Session;
use super::step::{Decision, ProbeOwner, decide};
use super::step_outcome;
use backup_runtime::exports::Planned;
use backup_store::journal::Paused;
use backup_store::{GrantPurpose, Next};

/// How planning ended.
pub(super) enum Rehearsed {
    /// There is a plan.
    Ready,
    /// Not now.
    Paused(Paused),
    /// It was told to.
    Stopped,
}

/// Plans, step by step. `record` is given what each step that succeeded reported, and the requests that it took.
pub(super) async fn rehearse<F>(
    session: &Session,
    plan: impl Fn(CallOutcome) -> F,
    mut record: impl FnMut(&CallOutcome, u64),
    probe_owner: &mut ProbeOwner,
    progress: &dyn Progress,
) -> Result<Rehearsed, JobError>
where
    F: Future<Output = Result<Planned, JobError>>,
{
    let (mut cost, mut failures) = (PLAN_REQUESTS, Failures::default());
    while !session.parts.should_stop() {
        let granted = match decide(session, cost, probe_owner, progress).await? {
            Decision::Proceed(requests) => requests,
            Decision::Pause(pause) => return Ok(Rehearsed::Paused(pause)),
        };
        let outcome = CallOutcome::new(None);
        let grant = session.grant(granted, GrantPurpose::Plan).await?;
        let sent_before = session.sent();
        let planned = plan(outcome.clone()).await;
        session.close_grant(&grant).await?;
        let step = match planned.and_then(|planned| step_outcome::planned(session, planned)) {
            Err(error) if failures.may_try_again(error.may_pass()) => {
                session.wait_to_retry(error.to_string(), &failures, progress).await;
                continue;
            }
            step => step?,
        };
        failures.reset();
        record(&outcome, session.sent() - sent_before);
        match step.next {
            _ if step.checkpoint.is_some() => return Ok(Rehearsed::Ready),
            Next::AgainAfter { seconds } => session.wait_until_due(seconds, progress).await,
            Next::Plan { requests } => {
                cost = u32::try_from(requests).unwrap_or(u32::MAX);
                let (sent, usage) = (session.sent(), session.usage());
                progress.tell(&ProgressEvent::Planning { sent, usage });
            }
            _ => {}
        }
    }
    Ok(Rehearsed::Stopped)
}
