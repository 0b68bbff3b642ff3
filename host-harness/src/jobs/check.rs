//! `connection check`: asks the source who the connection is, and says what may be sent.

use super::error::{JobError, Reached};
use super::host::Host;
use super::imports::StopSignal;
use super::opening;
use super::progress::{Progress, Silent};
use super::results::{Calls, CheckResult};
use super::session::Session;
use super::step::{Decision, ProbeOwner, decide};
use backup_store::{Actor, ConnectionName};

/// Requests of a check, where nothing goes wrong.
const CHECK_REQUESTS: u32 = 1;

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckRequest {
    /// At the usage limit, ask the org how many requests are used, where that may be asked.
    pub check_now: bool,
}

impl Host {
    /// One request, where the source lets it, and within the usage limit: the first of all tells where that is.
    pub async fn check_connection(&self, name: &ConnectionName, actor: &Actor) -> Result<CheckResult, JobError> {
        self.check_connection_with(name, actor, CheckRequest::default(), &Silent)
            .await
    }

    /// The same, as it is asked for.
    pub async fn check_connection_with(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: CheckRequest,
        progress: &dyn Progress,
    ) -> Result<CheckResult, JobError> {
        let mut session = opening::open(self, name, "connection check", StopSignal::default(), actor).await?;
        let checked = check(&mut session, request, progress).await;
        opening::release(&session).await?;
        let checked = checked?;
        let scope = session.claim.lock().await.scope().to_string();
        Ok(CheckResult {
            connection: name.to_string(),
            scope,
            facts: checked.facts.into_iter().map(Into::into).collect(),
            usage: session.usage(),
            limit_percent: session.parts.gate.limit().get(),
            calls: Calls {
                sent: session.sent(),
                estimated: u64::from(CHECK_REQUESTS),
            },
        })
    }
}

async fn check(
    session: &mut Session,
    request: CheckRequest,
    progress: &dyn Progress,
) -> Result<backup_contract::Checked, JobError> {
    if let Some(checked) = session.checked.take() {
        return Ok(checked);
    }
    if session.parts.gate.allowance() != Some(0) {
        return session.check().await;
    }
    // Nothing but a question that is asked for by name: a check is no reason for one.
    if request.check_now
        && let Decision::Proceed(_) = decide(session, CHECK_REQUESTS, &mut ProbeOwner::Person, progress).await?
    {
        return session.check().await;
    }
    Err(JobError::LimitReached(Box::new(reached(session))))
}

fn reached(session: &Session) -> Reached {
    let gate = &session.parts.gate;
    let (used, max) = gate.usage().unwrap_or_default();
    Reached {
        used,
        max,
        ceiling: crate::quota::ceiling(gate.limit(), max),
        connection: session.name.clone(),
        asked_at: gate.asked_at(),
        next: gate.next_probe(true),
    }
}
