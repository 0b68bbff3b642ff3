//! A backup: the loop of steps, and what a run begins, goes on with, pauses and ends.

use super::error::JobError;
use super::host::Host;
use super::imports::{Outcome, Readable, StopSignal};
use super::lineage::Base;
use super::progress::{Progress, ProgressEvent};
use super::results::{BackupResult, PauseResult, estimated_requests};
use super::session::{Session, TRIES};
use super::step::{Asked, Decision};
use super::waiting::Waits;
use super::went::{Went, blocked_text};
use crate::connections::accepted_warnings;
use backup_runtime::exports::BackupOptions;
use backup_seams::{Clock, Timestamp};
use backup_store::journal::Paused;
use backup_store::snapshot::{Fold, ObjectFold};
use backup_store::{
    Actor, Begin, Checkpoint, ClaimedJournal, Commit, ConnectionName, Event, Grant, GrantPurpose, Next, ObjectName,
    ObjectState, SnapshotId, SnapshotKind, SnapshotWriter, Staged, Step, StoreError,
};

/// Estimated requests of the first planning step; the connector tells better from then on.
pub(super) const PLAN_REQUESTS: u32 = 8;

/// Estimated requests of a batch after a wait, where no estimate was told.
pub(super) const BATCH_REQUESTS: u32 = 8;

/// What to back up, and how long to stay with it.
#[derive(Clone, Debug, Default)]
pub struct BackupRequest {
    /// Empty: all objects.
    pub objects: Vec<ObjectName>,
    /// Begin a new full snapshot, even where a partial one could be gone on with.
    pub full: bool,
    /// Wait out pauses within the run.
    pub wait: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
    /// Ends the run at the next committed batch.
    pub stop: StopSignal,
}

/// How a run of steps ended.
enum Ended {
    Complete,
    Paused(Paused),
    Failed(String),
    Stopped,
    /// A restore goes first.
    GaveWay,
}

impl Host {
    /// Backs up: goes on with the open snapshot, or begins one, and steps until it is complete, pauses, fails or is told to stop.
    pub async fn backup(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &BackupRequest,
        progress: &dyn Progress,
    ) -> Result<BackupResult, JobError> {
        let mut sent = 0;
        let mut asked = Asked::of(request.check_now);
        // `--full` asks for one new snapshot, not for another one after each pause.
        let mut request = request.clone();
        loop {
            let waits = Waits {
                name,
                wait: request.wait,
                stop: &request.stop,
                progress,
            };
            let session = self.backup_session(name, actor, &request.stop, progress).await;
            let Some(session) = self.or_wait_to_ask(session, &waits, None).await? else {
                continue;
            };
            let run = run(&session, &request, &mut asked, progress).await;
            sent += session.sent();
            // A host that lost the claim writes nothing more, and the error that led here is the one to tell.
            let released = if matches!(run, Err(JobError::Store(StoreError::Lost { .. }))) {
                Ok(())
            } else {
                session.release().await
            };
            let Some((snapshot, fold, ended)) = self.or_wait_to_ask(run, &waits, None).await? else {
                continue;
            };
            released?;
            if let Ended::Paused(pause) = &ended
                && request.wait
                && !request.stop.is_set()
            {
                let wait = pause.recheck_at.since(self.store().seams().clock.now());
                progress.tell(&ProgressEvent::Paused {
                    pause: pause.into(),
                    wait,
                });
                self.wait_out(&waits, pause, None).await?;
                progress.tell(&ProgressEvent::Resuming);
                request.full = false;
                continue;
            }
            if matches!(ended, Ended::GaveWay) {
                request.full = false;
                continue;
            }
            let accepted = accepted_warnings(session.journal.lock().await.state().config());
            let mut result = BackupResult::of(name.to_string(), snapshot, &fold, sent, &accepted);
            match ended {
                Ended::Complete | Ended::Stopped | Ended::GaveWay => {}
                Ended::Paused(pause) => result.pause = Some(PauseResult::from(&pause)),
                Ended::Failed(reason) => result.failed = Some(reason),
            }
            return Ok(result);
        }
    }
}

/// One claim's worth of steps.
async fn run(
    session: &Session,
    request: &BackupRequest,
    asked: &mut Asked,
    progress: &dyn Progress,
) -> Result<(SnapshotId, Fold, Ended), JobError> {
    let Base {
        open,
        predecessor,
        warnings,
    } = session.begin_from(&request.objects, request.full).await?;
    let next = open.as_ref().and_then(|open| open.fold().next.clone());
    let decision = match &next {
        Some(Next::Done) => Decision::Proceed(0),
        next => session.decide(cost_of(next.as_ref()), asked, progress).await?,
    };
    let grant = session.grant_for(&decision);
    let spending = session.parts.gate.spending();
    let mut claim = session.claim.lock().await;
    let mut journal = session.journal.lock().await;
    let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &session.actor)?;
    let writer = match &open {
        Some(open) => {
            let id = open.info().id;
            SnapshotWriter::resume(&mut claimed, id, grant.clone(), spending).await?
        }
        None => {
            let begin = Begin {
                predecessor,
                objects: request.objects.clone(),
                connector: session.digest,
                warnings,
            };
            SnapshotWriter::begin(&mut claimed, begin, grant.clone(), spending).await?
        }
    };
    drop((claim, journal));
    progress.tell(&ProgressEvent::Snapshot {
        snapshot: writer.id().to_string(),
        new: open.is_none(),
    });

    let next = writer.fold().next.clone().unwrap_or(Next::Plan {
        requests: u64::from(PLAN_REQUESTS),
    });
    let mut backup = Backup {
        session,
        request,
        progress,
        writer,
        next,
        grant,
        tries: 0,
    };
    let ended = match decision {
        Decision::Pause(pause) => Ended::Paused(pause),
        Decision::Proceed(_) => loop {
            if let Some(ended) = backup.step(asked).await? {
                break ended;
            }
        },
    };
    backup.end(ended).await
}

/// Estimated requests of what comes next.
fn cost_of(next: Option<&Next>) -> u32 {
    match next {
        None => PLAN_REQUESTS,
        Some(Next::Plan { requests } | Next::Batch { requests }) => u32::try_from(*requests).unwrap_or(u32::MAX),
        Some(Next::AgainAfter { .. } | Next::Pause | Next::Blocked(_)) => BATCH_REQUESTS,
        Some(Next::Done) => 0,
    }
}

impl Session {
    /// The grant that the next durable entry carries.
    fn grant_for(&self, decision: &Decision) -> Option<Grant> {
        match decision {
            Decision::Proceed(requests) if *requests > 0 => {
                Some(Grant::new(*requests, GrantPurpose::Batch, self.host.store().seams()))
            }
            _ => None,
        }
    }
}

/// A backup under way.
struct Backup<'a> {
    session: &'a Session,
    request: &'a BackupRequest,
    progress: &'a dyn Progress,
    writer: SnapshotWriter,
    next: Next,
    /// Durable in the log's last entry.
    grant: Option<Grant>,
    /// Failures of the step that comes next.
    tries: u32,
}

impl Backup<'_> {
    /// One step: run what comes next under the durable grant, decide what follows, commit. `None`: it goes on.
    async fn step(&mut self, asked: &mut Asked) -> Result<Option<Ended>, JobError> {
        if self.next == Next::Done {
            return Ok(Some(Ended::Complete));
        }
        if let Next::AgainAfter { seconds } = self.next
            && !self.session.parts.should_stop()
        {
            let wait = self.session.wait_until_due(seconds, self.progress);
            self.session.while_looking(wait).await;
        }
        if self.request.stop.is_set() {
            return Ok(Some(Ended::Stopped));
        }
        if self.session.parts.gives_way.is_set() {
            return Ok(Some(Ended::GaveWay));
        }
        let (began_at, sent_before) = (self.clock().now(), self.session.sent());
        let outcome = Outcome::new(Some(self.writer.stage()));
        if let Some(grant) = &self.grant {
            self.session.parts.gate.begin(grant);
        }
        let checkpoint = self.writer.checkpoint().await?;
        let (step, went) = match checkpoint.clone() {
            None => (Step::Plan, self.session.while_looking(self.plan(&outcome)).await),
            Some(checkpoint) => {
                let batch = self.session.batch(&outcome, self.readable().await?, checkpoint);
                (Step::Batch, self.session.while_looking(batch).await)
            }
        };
        self.session.parts.gate.end();
        let attempt = Attempt {
            step,
            began_at,
            requests: self.session.sent() - sent_before,
            checkpoint,
        };
        match went {
            Ok(went) => self.went(attempt, went, &outcome, asked).await,
            Err(error) => self.failed(attempt, error, &outcome, asked).await,
        }
    }

    /// The snapshot as it is committed, and what it goes on from.
    async fn readable(&self) -> Result<Readable, JobError> {
        Ok(Readable {
            current: Some(self.writer.reader()),
            predecessor: self.writer.predecessor().await?,
            source: None,
        })
    }

    async fn plan(&self, outcome: &Outcome) -> Result<Went, JobError> {
        let objects = self.request.objects.iter().map(ToString::to_string).collect();
        let options = BackupOptions {
            objects,
            full: self.writer.kind() == SnapshotKind::Full,
            details: vec![("snapshot".to_owned(), self.writer.id().to_string())],
        };
        let imports = self.session.imports(true, outcome, self.readable().await?);
        let planned = self
            .session
            .answered("plan-backup", self.session.connector.plan_backup(imports, options).await)?;
        self.session.planned(planned)
    }

    /// Decides what follows, then commits all of the step as one entry.
    async fn went(
        &mut self,
        attempt: Attempt,
        went: Went,
        outcome: &Outcome,
        asked: &mut Asked,
    ) -> Result<Option<Ended>, JobError> {
        let staged = outcome.take_staged().await.unwrap_or_else(|| self.writer.stage());
        if attempt.got_nowhere(&staged, &went) {
            return self.got_nowhere(attempt, went, outcome, asked).await;
        }
        self.tries = 0;
        let step = attempt.step;
        let ready = step == Step::Plan && went.checkpoint.is_some();
        let ended = self.commit(attempt, staged, went, outcome, asked).await?;
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
        Ok(ended)
    }

    /// A batch that only spent requests counts as a failed try, so that it can't burn the allowance.
    async fn got_nowhere(
        &mut self,
        attempt: Attempt,
        went: Went,
        outcome: &Outcome,
        asked: &mut Asked,
    ) -> Result<Option<Ended>, JobError> {
        let tried = Tried {
            reason: format!("a batch sent {} requests and read nothing", attempt.requests),
            may_pass: true,
        };
        self.try_again(attempt, went, tried, outcome, asked).await
    }

    /// What a failed step spent is kept, nothing else of it; then it is tried again, or the job is failed.
    async fn failed(
        &mut self,
        attempt: Attempt,
        error: JobError,
        outcome: &Outcome,
        asked: &mut Asked,
    ) -> Result<Option<Ended>, JobError> {
        drop(outcome.take_staged().await);
        drop(outcome.take_reports());
        let same = Went::stays(self.next.clone());
        let tried = Tried {
            reason: error.to_string(),
            may_pass: error.may_pass(),
        };
        self.try_again(attempt, same, tried, outcome, asked).await
    }

    /// Commits what a try spent and none of its rows, and waits before the next; or ends the job, where there is to be none.
    async fn try_again(
        &mut self,
        attempt: Attempt,
        went: Went,
        tried: Tried,
        outcome: &Outcome,
        asked: &mut Asked,
    ) -> Result<Option<Ended>, JobError> {
        self.tries += 1;
        let staged = self.writer.stage();
        if self.tries >= TRIES || !tried.may_pass {
            self.commit_under(attempt, staged, went, outcome, None).await?;
            return Ok(Some(Ended::Failed(tried.reason)));
        }
        let ended = self.commit(attempt, staged, went, outcome, asked).await?;
        if ended.is_none() {
            let wait = self.session.before_another_try(tried.reason, self.tries, self.progress);
            self.session.while_looking(wait).await;
        }
        Ok(ended)
    }

    async fn commit(
        &mut self,
        attempt: Attempt,
        staged: Staged,
        went: Went,
        outcome: &Outcome,
        asked: &mut Asked,
    ) -> Result<Option<Ended>, JobError> {
        let (grant, ended) = match &went.next {
            _ if went.pause.is_some() => (None, went.pause.clone().map(Ended::Paused)),
            Next::Done => (None, Some(Ended::Complete)),
            Next::Blocked(failure) => (None, Some(Ended::Failed(blocked_text(failure)))),
            next => match self.session.decide(cost_of(Some(next)), asked, self.progress).await? {
                Decision::Pause(pause) => (None, Some(Ended::Paused(pause))),
                proceed => (self.session.grant_for(&proceed), None),
            },
        };
        self.commit_under(attempt, staged, went, outcome, grant).await?;
        Ok(ended)
    }

    async fn commit_under(
        &mut self,
        attempt: Attempt,
        staged: Staged,
        went: Went,
        outcome: &Outcome,
        grant: Option<Grant>,
    ) -> Result<(), JobError> {
        let journal_head = self.session.journal.lock().await.head().hash;
        let (objects, warnings) = outcome.take_reports().into_parts();
        let commit = Commit {
            step: attempt.step,
            began_at: attempt.began_at,
            checkpoint: went.checkpoint,
            next: went.next.clone(),
            grant: grant.clone(),
            spending: self.session.parts.gate.spending(),
            objects,
            warnings,
            readings: outcome.take_readings().into_iter().map(crate::quota::from_import).collect(),
            requests: attempt.requests,
            connector: self.session.digest,
            journal_head,
        };
        self.writer.commit(staged, commit).await?;
        self.next = went.next;
        self.grant = grant;
        Ok(())
    }

    /// Journals how the run ended.
    async fn end(self, ended: Ended) -> Result<(SnapshotId, Fold, Ended), JobError> {
        let Backup { session, mut writer, .. } = self;
        let (id, fold) = (writer.id(), writer.fold().clone());
        let mut journal = session.journal.lock().await;
        match &ended {
            Ended::Complete => {
                writer.complete(&mut journal, &session.actor).await?;
                // A limit that was raised for the first backup goes back with its end.
                journal.note_limit_gone_back(session.parts.clock.now()).await?;
            }
            Ended::Paused(pause) => writer.pause(&mut journal, &session.actor, pause.clone()).await?,
            Ended::Failed(reason) => {
                let failed = Event::SnapshotFailed {
                    snapshot: id,
                    reason: reason.clone(),
                };
                journal.append(&session.actor, failed).await?;
            }
            Ended::Stopped | Ended::GaveWay => {}
        }
        Ok((id, fold, ended))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.session.parts.clock
    }
}

/// A try that came to nothing.
struct Tried {
    reason: String,
    /// Whether another one may come to more.
    may_pass: bool,
}

/// A step that was run.
struct Attempt {
    step: Step,
    began_at: Timestamp,
    requests: u64,
    /// Where it began.
    checkpoint: Option<Checkpoint>,
}

impl Attempt {
    /// Whether it was a batch that sent requests, and is where it was. One that asks for a wait waits for something.
    fn got_nowhere(&self, staged: &Staged, went: &Went) -> bool {
        let goes_on = matches!(went.next, Next::Batch { .. });
        self.step == Step::Batch && self.requests > 0 && goes_on && staged.is_empty() && went.checkpoint == self.checkpoint
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
