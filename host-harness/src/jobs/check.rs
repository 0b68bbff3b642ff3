//! `connection check`: asks the source who the connection is, and says what may be sent.

use super::error::JobError;
use super::host::Host;
use super::imports::StopSignal;
use super::results::{Calls, CheckResult};
use super::session::Session;
use backup_store::{Actor, ConnectionName};

impl Host {
    /// One request, where the source lets it, and within the usage limit: the first of all tells where that is.
    pub async fn check_connection(&self, name: &ConnectionName, actor: &Actor) -> Result<CheckResult, JobError> {
        let mut session = Session::open(self, name, "connection check", actor, StopSignal::default()).await?;
        let checked = check(&mut session).await;
        session.release().await?;
        let checked = checked?;
        let scope = session.claim.lock().await.scope().to_string();
        Ok(CheckResult {
            connection: name.to_string(),
            scope,
            facts: checked.facts.into_iter().collect(),
            usage: session.usage(),
            limit_percent: session.parts.gate.limit().get(),
            calls: Calls {
                sent: session.sent(),
                estimated: 1,
            },
        })
    }
}

async fn check(session: &mut Session) -> Result<backup_runtime::exports::Checked, JobError> {
    if let Some(checked) = session.checked.take() {
        return Ok(checked);
    }
    if session.parts.gate.allowance() == Some(0) {
        let (used, max) = session.parts.gate.usage().unwrap_or_default();
        let ceiling = crate::quota::ceiling(session.parts.gate.limit(), max);
        return Err(JobError::LimitReached {
            used,
            max,
            ceiling,
            connection: session.name.clone(),
        });
    }
    session.check().await
}
