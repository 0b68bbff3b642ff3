//! A claimed scope with everything that calls of one connection need: the journal, the gate, the connector, its values.
//!
//! The rule: nothing is sent before the scope is claimed. A connection whose org isn't known yet claims a scope of its own, sends
//! the one request that tells the org, and moves what it spent there.

use super::blobs::JobBlobs;
use super::error::JobError;
use super::host::Host;
use super::identity::Identity;
use super::imports::{CallParts, Outcome, Readable, StopSignal};
use super::lineage;
use super::login;
use super::progress::Usage;
use crate::connections::{for_connector, full_every};
use crate::credentials::{Credentials, CredentialsParts};
use crate::http::{Client, ClientParts};
use crate::quota::{ScopeGate, ceiling};
use backup_contract::Checked;
use backup_runtime::imports::Imports;
use backup_runtime::{CallError, Connector};
use backup_seams::Timestamp;
use backup_store::{
    Actor, Claim, ClaimRequest, ConnectionName, Event, Grant, GrantPurpose, Journal, ObjectName, Scope, Sha256, SnapshotId,
    Spending, Values,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Attempts that a check may take before any reading: the retries of one request, and a replay with a new token.
const CHECK_ATTEMPTS: u64 = 6;

/// How often a step is tried before the job is `failed`. A command given by hand starts anew.
pub(super) const TRIES: u32 = 3;

/// Before the second try; doubled before the third.
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Session {
    pub(super) host: Host,
    pub(super) name: ConnectionName,
    pub(super) actor: Actor,
    pub(super) connector: Connector,
    pub(super) digest: Sha256,
    pub(super) journal: Arc<tokio::sync::Mutex<Journal>>,
    pub(super) claim: Arc<tokio::sync::Mutex<Claim>>,
    pub(super) parts: CallParts,
    /// What the check that told the scope said, where this session made it.
    pub(super) checked: Option<Checked>,
    pub(super) credentials: Arc<Credentials>,
    /// Sent before this scope was claimed: by the check, under the connection's own scope.
    sent_before: u64,
}

impl Session {
    /// Claims, and learns the scope where it isn't known. `purpose`: for people, `backup` for instance.
    pub(super) async fn open(
        host: &Host,
        name: &ConnectionName,
        purpose: &str,
        actor: &Actor,
        stop: StopSignal,
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
            gives_way: StopSignal::default(),
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
            && let Err(error) = session.learn_scope(request).await
        {
            session.release().await?;
            return Err(error);
        }
        Ok(session)
    }

    /// Learns who the source is, and moves to the scope that it tells.
    async fn learn_scope(&mut self, request: ClaimRequest) -> Result<(), JobError> {
        let scope = login::scope_of(self, &request).await?;
        self.journal
            .lock()
            .await
            .append(&Actor::host(), Event::ScopeKnown { scope: scope.clone() })
            .await?;
        let mut claim = Claim::acquire(self.host.store(), &scope, request).await?;
        note_recovered(&claim, &mut *self.journal.lock().await).await?;

        let own = self.parts.gate.spending();
        self.sent_before = self.parts.gate.sent();
        let mut spending = claim.spending();
        move_spending(own, &mut spending);
        std::mem::swap(&mut claim, &mut *self.claim.lock().await);
        // `claim` is the connection's own now.
        self.claim.lock().await.adopt(claim, spending).await?;
        let quota = &self.connector.description().quota;
        let (journal, clock) = (Arc::clone(&self.journal), Arc::clone(&self.parts.clock));
        self.parts.gate = Arc::new(ScopeGate::open(quota, Arc::clone(&self.claim), journal, clock).await);
        Ok(())
    }

    /// Runs the connector's check, again where what went wrong may pass. Where nothing is known of what is used it is the
    /// question for that too, and as rare as a probe.
    pub(super) async fn check(&self) -> Result<Checked, JobError> {
        if self.parts.gate.allowance().is_none() {
            return self.first_check().await;
        }
        self.check_tries().await
    }

    async fn first_check(&self) -> Result<Checked, JobError> {
        let gate = &self.parts.gate;
        let next = gate.next_probe(true);
        if next > self.parts.clock.now() {
            return Err(JobError::AskedLately { next });
        }
        gate.note_probe();
        let checked = self.check_tries().await;
        if gate.sent() == 0 || checked.as_ref().is_err_and(JobError::is_refused_credential) {
            gate.take_back_probe();
        }
        checked
    }

    /// Asks who the source is, again where what went wrong may pass and is known to leave a request.
    pub(super) async fn check_tries(&self) -> Result<Checked, JobError> {
        let mut wait = RETRY_WAIT;
        for _ in 1..TRIES {
            let may_go_on = |error: &JobError| error.may_pass() && self.parts.gate.allowance().is_some_and(|left| left > 0);
            match self.check_once().await {
                Err(error) if may_go_on(&error) => self.parts.clock.sleep(wait).await,
                answer => return answer,
            }
            wait *= 2;
        }
        self.check_once().await
    }

    async fn check_once(&self) -> Result<Checked, JobError> {
        let grant = self.grant(CHECK_ATTEMPTS, GrantPurpose::Check).await?;
        let outcome = Outcome::new(None);
        let imports = self.imports(true, &outcome, Readable::default());
        let checked = self.connector.check(imports).await;
        self.spent(&grant).await?;
        let checked = self.answered("check", checked)?;
        self.parts.identity.confirm(&checked.scope);
        // It asked who the source is, so what it answers needs no confirmation of its own.
        self.answered("check", Ok(Ok(checked)))
    }

    /// Makes a grant durable in the scope's journal and sends under it from now on.
    pub(super) async fn grant(&self, requests: u64, purpose: GrantPurpose) -> Result<Grant, JobError> {
        let grant = Grant::new(requests, purpose, self.host.store().seams());
        self.claim.lock().await.grant(&grant, self.parts.gate.spending()).await?;
        self.parts.gate.begin(&grant);
        Ok(grant)
    }

    /// Ends such a grant.
    pub(super) async fn spent(&self, grant: &Grant) -> Result<(), JobError> {
        self.parts.gate.end();
        self.claim.lock().await.spent(&grant.id, self.parts.gate.spending()).await?;
        Ok(())
    }

    /// Imports for one call.
    pub(super) fn imports(&self, may_send: bool, outcome: &Outcome, readable: Readable) -> Imports {
        let parts = &self.host.parts;
        let http = may_send.then(|| {
            Box::new(Client::new(ClientParts {
                transport: Arc::clone(&parts.transport),
                credentials: Arc::clone(&self.credentials),
                gate: Arc::clone(&self.parts.gate) as _,
                blobs: Arc::new(JobBlobs {
                    outcome: outcome.clone(),
                    source: readable.source.clone(),
                }),
                clock: Arc::clone(&self.parts.clock),
                randomness: Arc::clone(&parts.store.seams().randomness),
                limits: parts.http_limits,
            })) as _
        });
        self.parts.imports(http, outcome, readable)
    }

    /// The snapshot that a new backup of these objects (empty: all) goes on from; `None`: it is full.
    pub(super) async fn predecessor(&self, objects: &[ObjectName]) -> Option<SnapshotId> {
        let journal = self.journal.lock().await;
        let full_every = journal.state().config().map_or_else(|| full_every(&Value::Null), full_every);
        lineage::predecessor(journal.state(), objects, full_every)
    }

    /// Every counted attempt of this session.
    pub(super) fn sent(&self) -> u64 {
        self.sent_before + self.parts.gate.sent()
    }

    /// The org's requests as far as is known.
    pub(super) fn usage(&self) -> Option<Usage> {
        let (used, max) = self.parts.gate.usage()?;
        let own = self
            .parts
            .gate
            .own_requests(24)
            .iter()
            .fold(0u64, |own, hour| own.saturating_add(hour.sent));
        Some(Usage {
            used,
            max,
            ceiling: ceiling(self.parts.gate.limit(), max),
            limit_percent: self.parts.gate.limit().get(),
            others: used.saturating_sub(own),
        })
    }

    /// Ends the claim cleanly: another host may go on at once.
    pub(super) async fn release(&self) -> Result<(), JobError> {
        self.parts.gate.end();
        if self.parts.identity.other().is_some() {
            login::forget(self).await;
        }
        let spending = self.parts.gate.spending();
        self.claim.lock().await.release(spending).await?;
        Ok(())
    }
}

impl Session {
    /// What an export that may send gave. That it worked for another org than the connection's overrules whatever it says.
    pub(super) fn answered<T>(
        &self,
        export: &'static str,
        answer: Result<Result<T, backup_contract::ConnectorError>, CallError>,
    ) -> Result<T, JobError> {
        match self.parts.identity.other() {
            Some((known, other)) => Err(JobError::OtherOrg {
                connection: self.name.clone(),
                known,
                other,
            }),
            None if self.parts.gate.is_removed() => Err(JobError::Removed(self.name.clone())),
            None => answered(export, answer),
        }
    }
}

/// Both layers of a call's answer as one.
pub(super) fn answered<T>(
    export: &'static str,
    answer: Result<Result<T, backup_contract::ConnectorError>, CallError>,
) -> Result<T, JobError> {
    answer
        .map_err(|error| JobError::Call { export, error })?
        .map_err(|error| JobError::Connector(Box::new(error)))
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
    let origin = url
        .map(crate::http::Origin::parse)
        .transpose()
        .map_err(crate::connections::ConfigError::InstanceUrl)?;
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
fn move_spending(own: Spending, to: &mut Spending) {
    for hour in own.hours {
        match to.hours.binary_search_by_key(&hour.start, |other| other.start) {
            Ok(place) => to.hours[place].sent = to.hours[place].sent.saturating_add(hour.sent),
            Err(place) => to.hours.insert(place, hour),
        }
    }
    to.unsettled.extend(own.unsettled);
    for mut standing in own.readings {
        standing.last.request = None;
        match to.readings.iter_mut().find(|other| other.last.quota == standing.last.quota) {
            Some(other) if other.last.observed_at > standing.last.observed_at => {}
            Some(other) => *other = standing,
            None => to.readings.push(standing),
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
