//! Priority in a scope: of a backup and a restore the restore goes first, whichever came first.
//!
//! The rule: a backup yields only between two committed batches, and continues the same snapshot, so that yielding costs no
//! request. A second backup, or a second restore, waits for nothing: it is told who has the scope.

use super::drive::Run;
use super::error::JobError;
use super::host::Host;
use super::opening;
use super::pace::PRIORITY_LOOK;
use super::progress::ProgressEvent;
use super::session::Session;
use backup_store::scope::{Precedence, preceding};
use backup_store::{ConnectionName, Journal, Scope, StoreError};
use futures::future::{Either, select};
use std::convert::Infallible;
use std::pin::pin;

/// What a claim of a backup is for, as its record says.
const BACKUP: &str = "backup";
/// The same of a restore.
const RESTORE: &str = "restore";

/// Opens a backup's session, once no restore goes first.
pub(super) async fn open_backup(run: &Run<'_>) -> Result<Session, JobError> {
    let Run { host, name, .. } = run;
    let mut journal = host.journal(name).await?;
    let mut waits = false;
    loop {
        let restore = match preceding(host.store(), name.tenant(), &scope_of(&journal)).await? {
            Some(restore) => restore,
            None => match opening::open(host, name, BACKUP, run.stop.clone(), run.actor).await {
                Err(JobError::Store(StoreError::Held { by, purpose, .. })) if may_be(&purpose, RESTORE) => by,
                opened => {
                    if waits {
                        run.progress.tell(&ProgressEvent::Resuming);
                    }
                    return opened;
                }
            },
        };
        if !std::mem::replace(&mut waits, true) {
            run.progress.tell(&ProgressEvent::GivingWay { to: restore });
        }
        wait_for_turn(run).await?;
        journal.refresh().await?;
    }
}

/// Opens a restore's session. A backup that has the scope is asked to yield.
pub(super) async fn open_restore(priority: &mut RestorePriority, run: &Run<'_>) -> Result<Session, JobError> {
    let mut waits = false;
    loop {
        priority.renew().await?;
        match opening::open(run.host, run.name, RESTORE, run.stop.clone(), run.actor).await {
            Err(JobError::Store(StoreError::Held { by, purpose, .. })) if may_be(&purpose, BACKUP) => {
                if !std::mem::replace(&mut waits, true) {
                    run.progress.tell(&ProgressEvent::WaitingFor { whom: by });
                }
            }
            opened => return opened,
        }
        wait_for_turn(run).await?;
    }
}

async fn wait_for_turn(run: &Run<'_>) -> Result<(), JobError> {
    if run.stop.is_set() {
        return Err(JobError::StoppedInLine);
    }
    run.host.store().seams().clock.sleep(PRIORITY_LOOK).await;
    Ok(())
}

/// As far as is known by now.
fn scope_of(journal: &Journal) -> Scope {
    let known = journal.state().scope().cloned();
    known.unwrap_or_else(|| Scope::own(journal.connection()))
}

/// Whether a claim for this purpose may be of such a job; one that has not said yet what it is for may be any.
fn may_be(purpose: &str, job: &str) -> bool {
    purpose.is_empty() || purpose == job
}

/// A restore's note that it goes first, for as long as it lives.
pub(super) struct RestorePriority {
    host: Host,
    journal: Journal,
    note: Option<(Scope, Precedence)>,
}

impl RestorePriority {
    /// There is no note yet.
    pub(super) async fn new(host: &Host, name: &ConnectionName) -> Result<RestorePriority, JobError> {
        Ok(RestorePriority {
            host: host.clone(),
            journal: host.journal(name).await?,
            note: None,
        })
    }

    /// Writes the note anew, in the scope that the connection is known to belong to by now.
    pub(super) async fn renew(&mut self) -> Result<(), JobError> {
        self.journal.refresh().await?;
        let scope = scope_of(&self.journal);
        if self.note.as_ref().is_none_or(|(noted, _)| *noted != scope) {
            self.withdraw().await;
            let name = self.journal.connection();
            let by = format!("{} ({RESTORE} of {name})", self.host.parts.name);
            let precedence = Precedence::new(self.host.store(), name.tenant(), &scope, by);
            self.note = Some((scope, precedence));
        }
        if let Some((_, precedence)) = &mut self.note {
            precedence.renew().await?;
        }
        Ok(())
    }

    /// Takes it back. Where that can't be done it runs out by itself.
    pub(super) async fn withdraw(&mut self) {
        if let Some((_, mut precedence)) = self.note.take()
            && let Err(error) = precedence.withdraw().await
        {
            tracing::warn!("backups wait a minute longer: {error}");
        }
    }
}

/// Whether a restore waits for this backup to yield. Where that can't be read, none is known to.
async fn yields(session: &Session) -> bool {
    let scope = session.claim.lock().await.scope().clone();
    match preceding(session.host.store(), session.name.tenant(), &scope).await {
        Ok(None) => {}
        Ok(Some(_)) => session.parts.yield_requested.stop(),
        Err(error) => tracing::warn!("whether a restore waits can't be read: {error}"),
    }
    session.parts.yield_requested.is_set()
}

/// Runs a part of a backup's step. As soon as a restore waits the connector is told to end the batch.
pub(super) async fn watch_for_restores<T>(session: &Session, step: impl Future<Output = T>) -> T {
    let watch = async {
        while !yields(session).await {
            session.parts.clock.deadline(PRIORITY_LOOK).await;
        }
        std::future::pending::<Infallible>().await
    };
    match select(pin!(step), pin!(watch)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => match never {},
    }
}
