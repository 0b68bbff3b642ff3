//! A claimed scope with everything that calls of one connection need: the journal, the gate, the connector, its values.
//!
//! How it is opened and released is [`opening`](super::opening)'s; what a step does with it, the jobs'. The rule: nothing is sent
//! but under a grant that is durable.

use super::blobs::JobBlobs;
use super::error::JobError;
use super::host::Host;
use super::imports::{CallOutcome, CallParts, Readable};
use super::pace::{Failures, LIMIT_LOOK, RETRY_WAIT, TRIES};
use super::progress::{Progress, ProgressEvent};
use super::usage::Usage;
use crate::credentials::Credentials;
use crate::http::{Client, ClientParts};
use crate::quota::ceiling;
use backup_contract::Checked;
use backup_runtime::imports::Imports;
use backup_runtime::{CallError, Connector};
use backup_store::{Actor, Claim, ConnectionName, Grant, GrantPurpose, Journal, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Attempts that a check may take before any reading: the retries of one request, and a replay with a new token.
const CHECK_ATTEMPTS: u64 = 6;

/// The scope as it is claimed, and what calls of the connection share while it is.
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
    pub(super) sent_before: u64,
}

impl Session {
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
        let outcome = CallOutcome::new(None);
        let imports = self.imports(true, &outcome, Readable::default());
        let checked = self.connector.check(imports).await;
        self.close_grant(&grant).await?;
        let checked = self.answered("check", checked)?;
        self.parts.identity.confirm(&checked.scope);
        // It asked who the source is, so what it answers needs no confirmation of its own.
        self.answered("check", Ok(Ok(checked)))
    }

    /// Makes a grant durable in the scope's journal and sends under it from now on.
    pub(super) async fn grant(&self, requests: u64, purpose: GrantPurpose) -> Result<Grant, JobError> {
        let grant = Grant::new(requests, purpose, self.host.store().seams());
        self.claim.lock().await.grant(&grant, self.parts.gate.spending()).await?;
        self.parts.gate.open_grant(&grant);
        Ok(grant)
    }

    /// Ends such a grant: what is left of it is given back.
    pub(super) async fn close_grant(&self, grant: &Grant) -> Result<(), JobError> {
        self.parts.gate.close_grant();
        self.claim.lock().await.spent(&grant.id, self.parts.gate.spending()).await?;
        Ok(())
    }

    /// Imports for one call.
    pub(super) fn imports(&self, may_send: bool, outcome: &CallOutcome, readable: Readable) -> Imports {
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

    /// Waits, but no longer than until the job is to stop or to yield.
    pub(super) async fn wait(&self, wait: Duration) {
        let clock = &self.parts.clock;
        let until = clock.now().after(wait);
        while clock.now() < until && !self.parts.should_stop() {
            clock.sleep(LIMIT_LOOK.min(until.since(clock.now()))).await;
        }
    }

    /// Waits as long as the connector said.
    pub(super) async fn wait_until_due(&self, seconds: u64, progress: &dyn Progress) {
        let wait = Duration::from_secs(seconds);
        progress.tell(&ProgressEvent::Waiting { wait });
        self.wait(wait).await;
    }

    /// Waits before a step that failed is tried again.
    pub(super) async fn wait_to_retry(&self, reason: String, failures: &Failures, progress: &dyn Progress) {
        let (tries, wait) = (failures.count(), failures.wait());
        progress.tell(&ProgressEvent::Retrying { reason, tries, wait });
        self.wait(wait).await;
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
