//! What is known of a login, whatever connections are added and removed with it: when it was asked for the first time what is
//! used, and the org that it belongs to. The rule: a question that nothing is known of is as rare as a probe, also where a
//! connection is removed and added in a loop.

use super::error::JobError;
use super::identity::Identity;
use super::session::Session;
use crate::quota::{Ledger, earliest};
use backup_store::scope::peek;
use backup_store::{Claim, ClaimRequest, Scope, Sha256, Spending};
use std::sync::Arc;

/// The scope of a connection that doesn't know it yet: asked, or remembered where there is no request left to ask.
pub(super) async fn scope_of(session: &mut Session, request: &ClaimRequest) -> Result<Scope, JobError> {
    let mut login = Claim::acquire(session.host.store(), &scope(session).await?, request.clone()).await?;
    let learned = learn(session, &mut login).await;
    let mut spending = login.spending();
    if let Ok(scope) = &learned {
        spending.stands_for = Some(scope.clone());
    }
    login.release(spending).await?;
    learned
}

async fn learn(session: &mut Session, login: &mut Claim) -> Result<Scope, JobError> {
    let (now, limit) = (session.parts.clock.now(), session.parts.gate.limit());
    let mut spending = login.spending();
    let mut left = None;
    if let Some(org) = &spending.stands_for {
        let known = peek(session.host.store(), session.name.tenant(), org).await?;
        left = Ledger::open(&session.connector.description().quota, known, now).allowance(limit, now);
        if left == Some(0) {
            session.parts.identity = Arc::new(Identity::unconfirmed(Some(org.clone())));
            return Ok(org.clone());
        }
    }
    if left.is_none() {
        let next = earliest(&spending.probes, None, now);
        if next > now {
            return Err(JobError::AskedLately { next });
        }
        spending
            .probes
            .retain(|at| at.after(std::time::Duration::from_secs(24 * 3_600)) > now);
        spending.probes.push(now);
        note(login, spending.clone()).await?;
    }
    let checked = session.check_tries().await;
    let unspent = session.parts.gate.sent() == 0 || checked.as_ref().is_err_and(JobError::is_refused_credential);
    if left.is_none() && unspent {
        spending.probes.pop();
        note(login, spending).await?;
    }
    let checked = checked?;
    let scope: Scope = checked.scope.parse()?;
    session.checked = Some(checked);
    session.parts.identity = Arc::new(Identity::confirmed(scope.clone()));
    Ok(scope)
}

/// Durable when it returns.
async fn note(login: &mut Claim, spending: Spending) -> Result<(), JobError> {
    Ok(login.note(spending).await?)
}

/// The login leads to another org than it did. Where that can't be noted the next connection finds it out again.
pub(super) async fn forget(session: &Session) {
    let request = ClaimRequest {
        connection: session.name.clone(),
        purpose: "forget".to_owned(),
        host: session.host.parts.name.clone(),
    };
    let forgotten = async {
        let mut login = Claim::acquire(session.host.store(), &scope(session).await?, request).await?;
        let spending = Spending {
            stands_for: None,
            ..login.spending()
        };
        Ok::<_, JobError>(login.release(spending).await?)
    };
    if let Err(error) = forgotten.await {
        tracing::warn!("what is known of the login could not be forgotten: {error}");
    }
}

/// Its kind and names, without secrets, at its origin.
async fn scope(session: &Session) -> Result<Scope, JobError> {
    let access = session.credentials.access().await?;
    let journal = session.journal.lock().await;
    let auth = journal.state().config().and_then(|config| config.get("auth"));
    let login = serde_json::json!([access.origin().to_string(), auth]);
    Ok(Scope::login(&Sha256::of(login.to_string().as_bytes())))
}
