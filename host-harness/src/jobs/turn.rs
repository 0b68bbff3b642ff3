//! Whose turn it is in a scope: of a backup and a restore the restore goes first, whichever came first.
//!
//! The rule: a backup gives way only between two committed batches, and goes on in the same snapshot, so that giving way costs no
//! request. A second backup, or a second restore, is no matter of turns: it is told who has the scope.

use super::error::JobError;
use super::host::Host;
use super::imports::StopSignal;
use super::progress::{Progress, ProgressEvent};
use super::session::Session;
use backup_seams::Clock;
use backup_store::scope::{Precedence, preceding};
use backup_store::{Actor, ConnectionName, Journal, Scope, StoreError};
use futures::future::{Either, select};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

/// What a claim of a backup is for, as its record says.
const BACKUP: &str = "backup";
/// The same of a restore.
const RESTORE: &str = "restore";

/// How often whoever waits looks whether it is its turn, and a backup whether somebody waits.
const LOOK: Duration = Duration::from_secs(2);

impl Host {
    /// A backup's session, once no restore goes first.
    pub(super) async fn backup_session(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        stop: &StopSignal,
        progress: &dyn Progress,
    ) -> Result<Session, JobError> {
        let mut journal = self.journal(name).await?;
        let mut waits = false;
        loop {
            let before = match preceding(self.store(), name.tenant(), &scope_of(&journal)).await? {
                Some(by) => by,
                None => match Session::open(self, name, BACKUP, actor, stop.clone()).await {
                    Err(JobError::Store(StoreError::Held { by, purpose, .. })) if asks_again(&purpose, RESTORE) => by,
                    opened => {
                        if waits {
                            progress.tell(&ProgressEvent::Resuming);
                        }
                        return opened;
                    }
                },
            };
            if !std::mem::replace(&mut waits, true) {
                progress.tell(&ProgressEvent::GivingWay { to: before });
            }
            self.look_again(stop).await?;
            journal.refresh().await?;
        }
    }

    /// A restore's session. A backup that has the scope is asked to give way.
    pub(super) async fn restore_session(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        stop: &StopSignal,
        progress: &dyn Progress,
        first: &mut First,
    ) -> Result<Session, JobError> {
        let mut waits = false;
        loop {
            first.renew().await?;
            match Session::open(self, name, RESTORE, actor, stop.clone()).await {
                Err(JobError::Store(StoreError::Held { by, purpose, .. })) if asks_again(&purpose, BACKUP) => {
                    if !std::mem::replace(&mut waits, true) {
                        progress.tell(&ProgressEvent::WaitingFor { whom: by });
                    }
                }
                opened => return opened,
            }
            self.look_again(stop).await?;
        }
    }

    async fn look_again(&self, stop: &StopSignal) -> Result<(), JobError> {
        if stop.is_set() {
            return Err(JobError::StoppedInLine);
        }
        self.store().seams().clock.sleep(LOOK).await;
        Ok(())
    }
}

/// As far as is known by now.
fn scope_of(journal: &Journal) -> Scope {
    let known = journal.state().scope().cloned();
    known.unwrap_or_else(|| Scope::own(journal.connection()))
}

/// Whether who has the scope is one to wait for; who has not said yet what it is about may be.
fn asks_again(purpose: &str, for_whom: &str) -> bool {
    purpose.is_empty() || purpose == for_whom
}

/// A restore's word that it goes first, for as long as it lives.
pub(super) struct First {
    host: Host,
    journal: Journal,
    said: Option<(Scope, Precedence)>,
}

impl First {
    /// Nothing is said yet.
    pub(super) async fn new(host: &Host, name: &ConnectionName) -> Result<First, JobError> {
        Ok(First {
            host: host.clone(),
            journal: host.journal(name).await?,
            said: None,
        })
    }

    /// Says so, in the scope that the connection is known to belong to by now.
    pub(super) async fn renew(&mut self) -> Result<(), JobError> {
        self.journal.refresh().await?;
        let scope = scope_of(&self.journal);
        if self.said.as_ref().is_none_or(|(said, _)| *said != scope) {
            self.withdraw().await;
            let name = self.journal.connection();
            let by = format!("{} ({RESTORE} of {name})", self.host.parts.name);
            let precedence = Precedence::new(self.host.store(), name.tenant(), &scope, by);
            self.said = Some((scope, precedence));
        }
        if let Some((_, precedence)) = &mut self.said {
            precedence.renew().await?;
        }
        Ok(())
    }

    /// Takes it back. Where that can't be done it runs out by itself.
    pub(super) async fn withdraw(&mut self) {
        if let Some((_, mut precedence)) = self.said.take()
            && let Err(error) = precedence.withdraw().await
        {
            tracing::warn!("backups wait a minute longer: {error}");
        }
    }
}

impl Session {
    /// Whether a restore waits for this backup to give way. Where that can't be read, nobody is known to.
    async fn is_to_give_way(&self) -> bool {
        let scope = self.claim.lock().await.scope().clone();
        match preceding(self.host.store(), self.name.tenant(), &scope).await {
            Ok(None) => {}
            Ok(Some(_)) => self.parts.gives_way.stop(),
            Err(error) => tracing::warn!("whether a restore waits can't be read: {error}"),
        }
        self.parts.gives_way.is_set()
    }

    /// Runs a backup's step. As soon as a restore waits the connector is told to end the batch.
    pub(super) async fn while_looking<T>(&self, step: impl Future<Output = T>) -> T {
        let look = async {
            while !self.is_to_give_way().await {
                self.parts.clock.deadline(LOOK).await;
            }
            std::future::pending::<Infallible>().await
        };
        match select(pin!(step), pin!(look)).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    /// Waits, but no longer than until the job is to stop or to give way.
    pub(super) async fn wait(&self, wait: Duration) {
        let clock: &dyn Clock = &*self.parts.clock;
        let until = clock.now().after(wait);
        while clock.now() < until && !self.parts.should_stop() {
            clock.sleep(super::waiting::LIMIT_LOOK.min(until.since(clock.now()))).await;
        }
    }
}
