//! The loop around a job's steps, the same for backups and restores: claim the scope, run steps until they end, release, and do
//! so again after a pause, after a wait until the source may be asked, or after yielding to a restore.
//!
//! What a step runs and what it commits is the job's ([`DrivenJob`]). The rule: while a job waits nothing is held and nothing sent, and
//! one that is to stop stops at the next look.

use super::error::JobError;
use super::host::Host;
use super::imports::StopSignal;
use super::opening;
use super::pace::LIMIT_LOOK;
use super::progress::{Progress, ProgressEvent};
use super::session::Session;
use super::step::ProbeOwner;
use backup_contract::Failure;
use backup_seams::Timestamp;
use backup_store::journal::Paused;
use backup_store::{Actor, ConnectionName, Percent, StoreError};

/// What one run of a job is for, and who it answers to.
pub(super) struct Run<'a> {
    pub(super) host: &'a Host,
    pub(super) name: &'a ConnectionName,
    /// Wait out pauses within the run.
    pub(super) wait: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub(super) check_now: bool,
    /// Ends the run at the next committed batch.
    pub(super) stop: &'a StopSignal,
    pub(super) actor: &'a Actor,
    pub(super) progress: &'a dyn Progress,
}

impl Run<'_> {
    /// Whether it waits where it may not go on.
    fn waits(&self) -> bool {
        self.wait && !self.stop.is_set()
    }
}

/// How the steps under one claim ended.
#[derive(Debug)]
pub(super) enum JobEnd {
    /// Nothing is left to do.
    Complete,
    /// At a limit; what is committed stands.
    Paused(Paused),
    /// It can't go on by itself; why.
    Failed(String),
    /// What is asked for can't be done: nothing was sent.
    Refused(Box<Failure>),
    /// It was told to.
    Stopped,
    /// To a restore, which goes first; it continues once that has ended.
    Yielded,
}

/// A backup or a restore, as the loop drives it.
pub(super) trait DrivenJob {
    /// What the steps under one claim leave for the job's result.
    type Product;

    /// Claims the scope, once no other job is in the way.
    async fn open(&mut self, run: &Run<'_>) -> Result<Session, JobError>;

    /// Runs steps until they end, and journals how.
    async fn steps(
        &mut self,
        run: &Run<'_>,
        session: &Session,
        probe_owner: &mut ProbeOwner,
    ) -> Result<(Self::Product, JobEnd), JobError>;

    /// Keeps the job's place before others, where it has one. Called before each claim's release and at every look of a wait.
    async fn keep_priority(&mut self) -> Result<(), JobError> {
        Ok(())
    }

    /// The steps go on under a new claim: what is there is continued.
    fn continues(&mut self) {}
}

/// A job that has ended, for this run.
pub(super) struct Driven<T> {
    pub(super) product: T,
    pub(super) end: JobEnd,
    /// Every counted attempt of this run.
    pub(super) sent: u64,
    /// The last one, released.
    pub(super) session: Session,
}

/// Drives a job until it ends, or pauses where the run isn't to wait.
pub(super) async fn drive<J: DrivenJob>(job: &mut J, run: &Run<'_>) -> Result<Driven<J::Product>, JobError> {
    let mut sent = 0;
    let mut probe_owner = ProbeOwner::of(run.check_now);
    loop {
        let opened = job.open(run).await;
        let Some(session) = wait_to_ask(job, opened, run).await? else {
            continue;
        };
        let ran = job.steps(run, &session, &mut probe_owner).await;
        sent += session.sent();
        let kept = job.keep_priority().await;
        // A host that lost the claim writes nothing more, and the error that led here is the one to tell.
        let released = if matches!(ran, Err(JobError::Store(StoreError::Lost { .. }))) {
            Ok(())
        } else {
            opening::release(&session).await
        };
        let Some((product, end)) = wait_to_ask(job, ran, run).await? else {
            continue;
        };
        released?;
        kept?;
        match &end {
            JobEnd::Paused(pause) if run.waits() => wait_out(job, pause, run).await?,
            JobEnd::Yielded => {}
            _ => {
                return Ok(Driven {
                    product,
                    end,
                    sent,
                    session,
                });
            }
        }
        job.continues();
    }
}

/// Waits until the pause should be looked at again, or the limit was raised above where it was.
async fn wait_out<J: DrivenJob>(job: &mut J, pause: &Paused, run: &Run<'_>) -> Result<(), JobError> {
    run.progress.tell(&ProgressEvent::Paused {
        pause: pause.into(),
        wait: pause.recheck_at.since(run.host.store().seams().clock.now()),
    });
    wait_until(job, pause.recheck_at, Some(pause.limit_percent), run).await?;
    run.progress.tell(&ProgressEvent::Resuming);
    Ok(())
}

/// What a call gave; `None` where nothing is known of the source, it may not be asked yet, and the job has waited until it may.
async fn wait_to_ask<J: DrivenJob, T>(job: &mut J, given: Result<T, JobError>, run: &Run<'_>) -> Result<Option<T>, JobError> {
    match given {
        Err(JobError::AskedLately { next }) if run.waits() => {
            run.progress.tell(&ProgressEvent::WaitingToAsk {
                next: next.rfc3339(),
                wait: next.since(run.host.store().seams().clock.now()),
            });
            wait_until(job, next, None, run).await?;
            run.progress.tell(&ProgressEvent::Resuming);
            Ok(None)
        }
        given => given.map(Some),
    }
}

/// Waits; no longer than until the usage limit is above this one.
async fn wait_until<J: DrivenJob>(
    job: &mut J,
    until: Timestamp,
    limit: Option<Percent>,
    run: &Run<'_>,
) -> Result<(), JobError> {
    let clock = &run.host.store().seams().clock;
    let mut journal = run.host.journal(run.name).await?;
    while clock.now() < until && !run.stop.is_set() {
        job.keep_priority().await?;
        clock.sleep(LIMIT_LOOK.min(until.since(clock.now()))).await;
        journal.refresh().await?;
        if limit.is_some_and(|limit| journal.state().usage_limit(clock.now()) > limit) {
            break;
        }
    }
    Ok(())
}
