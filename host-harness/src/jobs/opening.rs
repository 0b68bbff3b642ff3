//! Opens a session and releases it. A connection whose org isn't known yet claims a scope of its own, sends the one request that
//! tells the org, and moves what it spent there.
//!
//! The rule: nothing is sent before the scope is claimed.

use super::error::JobError;
use super::host::Host;
use super::identity::Identity;
use super::imports::{CallParts, StopSignal};
use super::login;
use super::session::Session;
use crate::connections::{ConfigError, for_connector};
use crate::credentials::{Credentials, CredentialsParts};
use crate::http::Origin;
use crate::quota::ScopeGate;
use backup_seams::Timestamp;
use backup_store::{Actor, Claim, ClaimRequest, ConnectionName, Event, Journal, Scope, Spending, Values};
use std::sync::Arc;

/// Claims, and learns the scope where it isn't known. `purpose`: for people, `backup` for instance.
pub(super) async fn open(
    host: &Host,
    name: &ConnectionName,
    purpose: &str,
    stop: StopSignal,
    actor: &Actor,
) -> Result<Session, JobError> {
    let mut journal = host.journal(name).await?;
    let clock = Arc::clone(&host.store().seams().clock);
    journal.note_limit_gone_back(clock.now()).await?;
    let digest = journal
        .state()
        .connector()
        .ok_or_else(|| JobError::NoConnection(name.clone()))?;
    let connector = host.connector(name, digest).await?;
    let credentials = credentials(host, name, &journal)?;
    let known = journal.state().scope().cloned();
    let kept = journal.state().config().cloned().unwrap_or_default();

    let request = ClaimRequest {
        connection: name.clone(),
        purpose: purpose.to_owned(),
        host: host.parts.name.clone(),
    };
    let scope = known.clone().unwrap_or_else(|| Scope::own(name));
    let claim = Claim::acquire(host.store(), &scope, request.clone()).await?;
    // Before anything is sent, but after the claim: what is refused here must not cost a token either.
    let access = match credentials.access().await {
        Ok(access) => access,
        Err(error) => {
            release_unused(claim).await;
            return Err(error.into());
        }
    };
    note_recovered(&claim, &mut journal).await?;
    let journal = Arc::new(tokio::sync::Mutex::new(journal));
    let claim = Arc::new(tokio::sync::Mutex::new(claim));
    let quota = connector.description().quota.clone();
    let gate = ScopeGate::open(&quota, Arc::clone(&claim), Arc::clone(&journal), Arc::clone(&clock)).await;
    let values = Values::open(host.store(), name).await?;
    let parts = CallParts {
        gate: Arc::new(gate),
        claim: Arc::clone(&claim),
        values: Arc::new(tokio::sync::Mutex::new(values)),
        clock,
        stop,
        yield_requested: StopSignal::default(),
        configuration: for_connector(&kept, access.origin()),
        identity: Arc::new(Identity::unconfirmed(known.clone())),
    };
    let mut session = Session {
        host: host.clone(),
        name: name.clone(),
        actor: actor.clone(),
        connector,
        digest,
        journal,
        claim,
        parts,
        checked: None,
        credentials: Arc::new(credentials),
        sent_before: 0,
    };
    if known.is_none()
        && let Err(error) = learn_scope(&mut session, request).await
    {
        release(&session).await?;
        return Err(error);
    }
    Ok(session)
}

/// Learns who the source is, and moves to the scope that it tells.
async fn learn_scope(session: &mut Session, request: ClaimRequest) -> Result<(), JobError> {
    let scope = login::scope_of(session, &request).await?;
    session
        .journal
        .lock()
        .await
        .append(&Actor::host(), Event::ScopeKnown { scope: scope.clone() })
        .await?;
    let mut claim = Claim::acquire(session.host.store(), &scope, request).await?;
    note_recovered(&claim, &mut *session.journal.lock().await).await?;

    let own = session.parts.gate.spending();
    session.sent_before = session.parts.gate.sent();
    let mut spending = claim.spending();
    add_spending(own, &mut spending);
    std::mem::swap(&mut claim, &mut *session.claim.lock().await);
    // `claim` is the connection's own now.
    session.claim.lock().await.adopt(claim, spending).await?;
    let quota = &session.connector.description().quota;
    let (journal, clock) = (Arc::clone(&session.journal), Arc::clone(&session.parts.clock));
    session.parts.gate = Arc::new(ScopeGate::open(quota, Arc::clone(&session.claim), journal, clock).await);
    Ok(())
}

/// Ends the claim cleanly: another host may go on at once.
pub(super) async fn release(session: &Session) -> Result<(), JobError> {
    session.parts.gate.close_grant();
    if session.parts.identity.other().is_some() {
        login::forget(session).await;
    }
    let spending = session.parts.gate.spending();
    session.claim.lock().await.release(spending).await?;
    Ok(())
}

fn credentials(host: &Host, name: &ConnectionName, journal: &Journal) -> Result<Credentials, JobError> {
    let (tenant, connection) = (name.tenant().as_str(), name.connection());
    let stored = host
        .parts
        .secrets
        .load(tenant, connection)?
        .ok_or_else(|| JobError::NoSecrets(name.clone()))?;
    let url = journal
        .state()
        .config()
        .and_then(|config| config.get("instance_url"))
        .and_then(|url| url.as_str());
    let origin = url.map(Origin::parse).transpose().map_err(ConfigError::InstanceUrl)?;
    Ok(Credentials::new(CredentialsParts {
        auth: stored.auth,
        origin,
        vault: host.parts.secrets.vault(tenant, connection)?,
        transport: Arc::clone(&host.parts.transport),
        clock: Arc::clone(&host.store().seams().clock),
        randomness: Arc::clone(&host.store().seams().randomness),
    }))
}

/// What a dead host may have sent is something that people should see.
async fn note_recovered(claim: &Claim, journal: &mut Journal) -> Result<(), JobError> {
    let Some(recovered) = claim.recovered() else { return Ok(()) };
    let (from, until) = recovered
        .unsettled
        .iter()
        .fold((Timestamp(u64::MAX), Timestamp(0)), |(from, until), unsettled| {
            (from.min(unsettled.from), until.max(unsettled.until))
        });
    if recovered.unsettled.is_empty() {
        return Ok(());
    }
    let requests = recovered
        .unsettled
        .iter()
        .fold(0u64, |all, unsettled| all.saturating_add(unsettled.requests));
    let settled = Event::PredecessorSettled {
        epoch: recovered.epoch,
        requests,
        from,
        until,
    };
    journal.append(&Actor::host(), settled).await?;
    Ok(())
}

/// Adds what was spent under the connection's own scope. Request numbers belong to a scope: a reading loses its own.
fn add_spending(own: Spending, total: &mut Spending) {
    for hour in own.hours {
        match total.hours.binary_search_by_key(&hour.start, |other| other.start) {
            Ok(place) => total.hours[place].sent = total.hours[place].sent.saturating_add(hour.sent),
            Err(place) => total.hours.insert(place, hour),
        }
    }
    total.unsettled.extend(own.unsettled);
    for mut standing in own.readings {
        standing.last.request = None;
        match total
            .readings
            .iter_mut()
            .find(|other| other.last.quota == standing.last.quota)
        {
            Some(other) if other.last.observed_at > standing.last.observed_at => {}
            Some(other) => *other = standing,
            None => total.readings.push(standing),
        }
    }
}

/// The error that comes after this is the one to tell.
async fn release_unused(mut claim: Claim) {
    let spending = claim.spending();
    if let Err(error) = claim.release(spending).await {
        tracing::warn!("the claim could not be released: {error}");
    }
}
