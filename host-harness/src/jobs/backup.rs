//! A backup: what it begins or continues, its steps, and how they end.
//!
//! A log entry carries data and the next grant, so a step decides what follows before it commits.

use super::drive::{DrivenJob, JobEnd, Run, drive};
use super::error::{JobError, describe};
use super::host::Host;
use super::imports::{CallOutcome, Readable, StopSignal};
use super::lineage::{self, Start};
use super::pace::{Failures, PLAN_REQUESTS, cost_of};
use super::priority::{open_backup, watch_for_restores};
use super::progress::{Progress, ProgressEvent};
use super::results::{BackupResult, estimated_requests};
use super::session::Session;
use super::step::{Decision, ProbeOwner, decide};
use super::step_outcome::{self, StepOutcome, run_batch};
use super::usage::PauseResult;
use crate::connections::accepted_warnings;
use backup_contract::{BackupOptions, Checkpoint, NamedValue};
use backup_seams::{Clock, Timestamp};
use backup_store::snapshot::{Fold, ObjectFold};
use backup_store::{
    Actor, Begin, ClaimedJournal, Commit, ConnectionName, Event, Grant, GrantPurpose, Journal, NextStep, ObjectName,
    ObjectState, SnapshotId, SnapshotKind, SnapshotWriter, Staged, Step,
};

/// What to back up, and how long to stay with it.
#[derive(Clone, Debug, Default)]
pub struct BackupRequest {
    /// Empty: all objects.
    pub objects: Vec<ObjectName>,
    /// Begin a new full snapshot, even where a partial one could be continued.
    pub full: bool,
    /// Wait out pauses within the run.
    pub wait: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
    /// Ends the run at the next committed batch.
    pub stop: StopSignal,
}

impl Host {
    /// Backs up: continues the open snapshot, or begins one, and steps until it is complete, pauses, fails or is told to stop.
    pub async fn backup(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &BackupRequest,
        progress: &dyn Progress,
    ) -> Result<BackupResult, JobError> {
        let run = Run {
            host: self,
            name,
            wait: request.wait,
            check_now: request.check_now,
            stop: &request.stop,
            actor,
            progress,
        };
        let mut job = BackupJob {
            objects: &request.objects,
            full: request.full,
        };
        let driven = drive(&mut job, &run).await?;
        let (snapshot, fold) = driven.product;
        let accepted = accepted_warnings(driven.session.journal.lock().await.state().config());
        let mut result = BackupResult::of(name.to_string(), snapshot, &fold, driven.sent, &accepted);
        match driven.end {
            JobEnd::Complete | JobEnd::Stopped | JobEnd::Yielded => {}
            JobEnd::Paused(pause) => result.pause = Some(PauseResult::from(&pause)),
            JobEnd::Failed(reason) => result.failed = Some(reason),
            JobEnd::Refused(failure) => result.failed = Some(describe(&failure)),
        }
        Ok(result)
    }
}

/// A backup, from its first claim to its end.
struct BackupJob<'a> {
    objects: &'a [ObjectName],
    /// Begin a new full snapshot: one, and not another one after each pause.
    full: bool,
}

impl DrivenJob for BackupJob<'_> {
    type Product = (SnapshotId, Fold);

    async fn open(&mut self, run: &Run<'_>) -> Result<Session, JobError> {
        open_backup(run).await
    }

    async fn steps(
        &mut self,
        run: &Run<'_>,
        session: &Session,
        probe_owner: &mut ProbeOwner,
    ) -> Result<((SnapshotId, Fold), JobEnd), JobError> {
        let start = lineage::start(session, self.objects, self.full).await?;
        let next = start.open.as_ref().and_then(|open| open.fold().next.clone());
        let decision = match &next {
            Some(NextStep::Done) => Decision::Proceed(0),
            next => decide(session, cost_of(next.as_ref()), probe_owner, run.progress).await?,
        };
        let grant = grant_for(session, &decision);
        let is_new = start.open.is_none();
        let writer = self.writer(session, start, grant.clone()).await?;
        run.progress.tell(&ProgressEvent::Snapshot {
            snapshot: writer.id().to_string(),
            new: is_new,
        });
        let next = writer.fold().next.clone().unwrap_or(NextStep::Plan {
            requests: u64::from(PLAN_REQUESTS),
        });
        let mut backup = Backup {
            session,
            objects: self.objects,
            stop: run.stop,
            progress: run.progress,
            writer,
            next,
            grant,
            failures: Failures::default(),
        };
        let end = match decision {
            Decision::Pause(pause) => JobEnd::Paused(pause),
            Decision::Proceed(_) => loop {
                if let Some(end) = backup.step(probe_owner).await? {
                    break end;
                }
            },
        };
        backup.close(end).await
    }

    fn continues(&mut self) {
        self.full = false;
    }
}

impl BackupJob<'_> {
    /// The writer of the open snapshot, or of a new one.
    async fn writer(&self, session: &Session, start: Start, grant: Option<Grant>) -> Result<SnapshotWriter, JobError> {
        let Start {
            open,
            predecessor,
            warnings,
        } = start;
        let spending = session.parts.gate.spending();
        let mut claim = session.claim.lock().await;
        let mut journal = session.journal.lock().await;
        let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &session.actor)?;
        Ok(match open {
            Some(open) => SnapshotWriter::resume(&mut claimed, open.info().id, grant, spending).await?,
            None => {
                let begin = Begin {
                    predecessor,
                    objects: self.objects.to_vec(),
                    connector: session.digest,
                    warnings,
                };
                SnapshotWriter::begin(&mut claimed, begin, grant, spending).await?
            }
        })
    }
}

/// The grant that the next durable entry carries.
fn grant_for(session: &Session, decision: &Decision) -> Option<Grant> {
    match decision {
        Decision::Proceed(requests) if *requests > 0 => {
            Some(Grant::new(*requests, GrantPurpose::Batch, session.host.store().seams()))
        }
        _ => None,
    }
}

/// A backup under way.
struct Backup<'a> {
    session: &'a Session,
    objects: &'a [ObjectName],
    stop: &'a StopSignal,
    progress: &'a dyn Progress,
    writer: SnapshotWriter,
    next: NextStep,
    /// Durable in the log's last entry.
    grant: Option<Grant>,
    failures: Failures,
}

impl Backup<'_> {
    /// One step: run what comes next under the durable grant, decide what follows, commit. `None`: another step follows.
    async fn step(&mut self, probe_owner: &mut ProbeOwner) -> Result<Option<JobEnd>, JobError> {
        if self.next == NextStep::Done {
            return Ok(Some(JobEnd::Complete));
        }
        if let NextStep::AgainAfter { seconds } = self.next
            && !self.session.parts.should_stop()
        {
            let wait = self.session.wait_until_due(seconds, self.progress);
            watch_for_restores(self.session, wait).await;
        }
        if self.stop.is_set() {
            return Ok(Some(JobEnd::Stopped));
        }
        if self.session.parts.yield_requested.is_set() {
            return Ok(Some(JobEnd::Yielded));
        }
        let (began_at, sent_before) = (self.clock().now(), self.session.sent());
        let call = CallOutcome::new(Some(self.writer.stage()));
        if let Some(grant) = &self.grant {
            self.session.parts.gate.open_grant(grant);
        }
        let checkpoint = self.writer.checkpoint().await?;
        let (step, result) = match checkpoint.clone() {
            None => (Step::Plan, watch_for_restores(self.session, self.plan(&call)).await),
            Some(checkpoint) => {
                let batch = run_batch(self.session, checkpoint, &call, self.readable().await?);
                (Step::Batch, watch_for_restores(self.session, batch).await)
            }
        };
        self.session.parts.gate.close_grant();
        let attempt = StepAttempt {
            step,
            began_at,
            requests: self.session.sent() - sent_before,
            checkpoint,
            call,
        };
        match result {
            Ok(outcome) => self.succeeded(attempt, outcome, probe_owner).await,
            Err(error) => self.failed(attempt, error, probe_owner).await,
        }
    }

    /// The snapshot as it is committed, and its base.
    async fn readable(&self) -> Result<Readable, JobError> {
        Ok(Readable {
            current: Some(self.writer.reader()),
            predecessor: self.writer.predecessor().await?,
            source: None,
        })
    }

    async fn plan(&self, call: &CallOutcome) -> Result<StepOutcome, JobError> {
        let objects = self.objects.iter().map(ToString::to_string).collect();
        let options = BackupOptions {
            objects,
            full: self.writer.kind() == SnapshotKind::Full,
            details: vec![NamedValue::new("snapshot", self.writer.id().to_string())],
        };
        let imports = self.session.imports(true, call, self.readable().await?);
        let planned = self
            .session
            .answered("plan-backup", self.session.connector.plan_backup(imports, options).await)?;
        step_outcome::planned(self.session, planned)
    }

    /// Decides what follows, then commits all of the step as one entry.
    async fn succeeded(
        &mut self,
        attempt: StepAttempt,
        outcome: StepOutcome,
        probe_owner: &mut ProbeOwner,
    ) -> Result<Option<JobEnd>, JobError> {
        let staged = attempt.call.take_staged().await.unwrap_or_else(|| self.writer.stage());
        if attempt.got_nowhere(&staged, &outcome) {
            return self.got_nowhere(attempt, outcome, probe_owner).await;
        }
        self.failures.reset();
        let step = attempt.step;
        let ready = step == Step::Plan && outcome.checkpoint.is_some();
        let end = self.commit(attempt, staged, outcome, probe_owner).await?;
        let fold = self.writer.fold();
        let sent = self.session.sent();
        if ready {
            let skipped = fold
                .objects
                .values()
                .filter(|object| object.state == ObjectState::Skipped)
                .count() as u64;
            let estimates = fold.objects.values().filter_map(|object| object.estimate.as_ref());
            self.progress.tell(&ProgressEvent::Planned {
                kind: self.writer.kind(),
                objects: fold.objects.len() as u64 - skipped,
                skipped,
                requests: estimated_requests(fold),
                records: estimates.map(|estimate| estimate.records).fold(0, u64::saturating_add),
            });
        } else if step == Step::Plan {
            self.progress.tell(&ProgressEvent::Planning {
                sent,
                usage: self.session.usage(),
            });
        } else {
            self.progress.tell(&batch_event(fold, sent, self.session));
        }
        Ok(end)
    }

    /// A batch that only spent requests counts as a failed try, so that it can't burn the allowance.
    async fn got_nowhere(
        &mut self,
        attempt: StepAttempt,
        outcome: StepOutcome,
        probe_owner: &mut ProbeOwner,
    ) -> Result<Option<JobEnd>, JobError> {
        let failed = FailedTry {
            reason: format!("a batch sent {} requests and read nothing", attempt.requests),
            may_pass: true,
        };
        self.try_again(attempt, outcome, failed, probe_owner).await
    }

    /// What a failed step spent is kept, nothing else of it; then it is tried again, or the job is failed.
    async fn failed(
        &mut self,
        attempt: StepAttempt,
        error: JobError,
        probe_owner: &mut ProbeOwner,
    ) -> Result<Option<JobEnd>, JobError> {
        drop(attempt.call.take_staged().await);
        drop(attempt.call.take_reports());
        let same = StepOutcome::stays(self.next.clone());
        let failed = FailedTry {
            reason: error.to_string(),
            may_pass: error.may_pass(),
        };
        self.try_again(attempt, same, failed, probe_owner).await
    }

    /// Commits what a try spent and none of its rows, and waits before the next; or ends the job, where there is to be none.
    async fn try_again(
        &mut self,
        attempt: StepAttempt,
        outcome: StepOutcome,
        failed: FailedTry,
        probe_owner: &mut ProbeOwner,
    ) -> Result<Option<JobEnd>, JobError> {
        let staged = self.writer.stage();
        if !self.failures.may_try_again(failed.may_pass) {
            self.commit_under(attempt, staged, outcome, None).await?;
            return Ok(Some(JobEnd::Failed(failed.reason)));
        }
        let end = self.commit(attempt, staged, outcome, probe_owner).await?;
        if end.is_none() {
            let wait = self.session.wait_to_retry(failed.reason, &self.failures, self.progress);
            watch_for_restores(self.session, wait).await;
        }
        Ok(end)
    }

    /// Decides what follows, and commits that with the step.
    async fn commit(
        &mut self,
        attempt: StepAttempt,
        staged: Staged,
        outcome: StepOutcome,
        probe_owner: &mut ProbeOwner,
    ) -> Result<Option<JobEnd>, JobError> {
        let (grant, end) = match &outcome.next {
            _ if outcome.pause.is_some() => (None, outcome.pause.clone().map(JobEnd::Paused)),
            NextStep::Done => (None, Some(JobEnd::Complete)),
            NextStep::Blocked(failure) => (None, Some(JobEnd::Failed(describe(failure)))),
            next => match decide(self.session, cost_of(Some(next)), probe_owner, self.progress).await? {
                Decision::Pause(pause) => (None, Some(JobEnd::Paused(pause))),
                proceed => (grant_for(self.session, &proceed), None),
            },
        };
        self.commit_under(attempt, staged, outcome, grant).await?;
        Ok(end)
    }

    async fn commit_under(
        &mut self,
        attempt: StepAttempt,
        staged: Staged,
        outcome: StepOutcome,
        grant: Option<Grant>,
    ) -> Result<(), JobError> {
        let journal_head = self.session.journal.lock().await.head().hash;
        let (objects, warnings) = attempt.call.take_reports().into_parts();
        let commit = Commit {
            step: attempt.step,
            began_at: attempt.began_at,
            checkpoint: outcome.checkpoint,
            next: outcome.next.clone(),
            grant: grant.clone(),
            spending: self.session.parts.gate.spending(),
            objects,
            warnings,
            readings: attempt.call.take_readings(),
            requests: attempt.requests,
            connector: self.session.digest,
            journal_head,
        };
        self.writer.commit(staged, commit).await?;
        self.next = outcome.next;
        self.grant = grant;
        Ok(())
    }

    /// Journals how its steps ended.
    async fn close(self, end: JobEnd) -> Result<((SnapshotId, Fold), JobEnd), JobError> {
        let Backup { session, mut writer, .. } = self;
        let (id, fold) = (writer.id(), writer.fold().clone());
        let mut journal = session.journal.lock().await;
        match &end {
            JobEnd::Complete => {
                writer.complete(&mut journal, &session.actor).await?;
                // A limit that was raised for the first backup goes back with its end.
                journal.note_limit_gone_back(session.parts.clock.now()).await?;
            }
            JobEnd::Paused(pause) => writer.pause(&mut journal, &session.actor, pause.clone()).await?,
            JobEnd::Failed(reason) => journal_failure(&mut journal, session, id, reason.clone()).await?,
            JobEnd::Refused(failure) => journal_failure(&mut journal, session, id, describe(failure)).await?,
            JobEnd::Stopped | JobEnd::Yielded => {}
        }
        Ok(((id, fold), end))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.session.parts.clock
    }
}

async fn journal_failure(
    journal: &mut Journal,
    session: &Session,
    snapshot: SnapshotId,
    reason: String,
) -> Result<(), JobError> {
    let failed = Event::SnapshotFailed { snapshot, reason };
    journal.append(&session.actor, failed).await?;
    Ok(())
}

/// A try that came to nothing.
struct FailedTry {
    reason: String,
    /// Whether another one may come to more.
    may_pass: bool,
}

/// A step that was run.
struct StepAttempt {
    step: Step,
    began_at: Timestamp,
    requests: u64,
    /// Where it began.
    checkpoint: Option<Checkpoint>,
    /// What the call left behind.
    call: CallOutcome,
}

impl StepAttempt {
    /// Whether it was a batch that sent requests, and is where it was. One that asks for a wait waits for something.
    fn got_nowhere(&self, staged: &Staged, outcome: &StepOutcome) -> bool {
        let goes_on = matches!(outcome.next, NextStep::Batch { .. });
        self.step == Step::Batch && self.requests > 0 && goes_on && staged.is_empty() && outcome.checkpoint == self.checkpoint
    }
}

/// Complete, and not only as the predecessor had it.
fn is_done(object: &ObjectFold) -> bool {
    object.state == ObjectState::Complete && !object.inherited
}

fn batch_event(fold: &Fold, sent: u64, session: &Session) -> ProgressEvent {
    let read = fold.objects.values().filter(|object| object.state != ObjectState::Skipped);
    let expected = |object: &ObjectFold| {
        let planned = object.estimate.as_ref().map_or(0, |estimate| estimate.records);
        object.total.unwrap_or(planned).max(object.records)
    };
    ProgressEvent::Batch {
        records: fold.records(),
        expected: read.clone().map(expected).fold(0, u64::saturating_add),
        objects_complete: read.clone().filter(|object| is_done(object)).count() as u64,
        objects: read.count() as u64,
        sent,
        requests: fold.requests,
        estimated: estimated_requests(fold),
        usage: session.usage(),
    }
}
