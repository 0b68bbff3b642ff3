//! A restore: records of a snapshot written back, under the same limit as backups.
//!
//! The same step as a backup's: decide, run what comes next under a durable grant, commit. What differs: at the limit it stops and
//! says what it needs, unless it is told to wait; restoring the same again goes on. Nothing is staged: what was written is the
//! connector's to know, by values that are durable before a request is sent.

use super::backup::{BATCH_REQUESTS, PLAN_REQUESTS};
use super::chosen::{chosen, in_order};
use super::error::{JobError, is_wrong_choice, told};
use super::host::Host;
use super::imports::{Outcome, Readable, StopSignal};
use super::progress::{Progress, ProgressEvent};
use super::rehearsal::Rehearsed;
use super::restored::{Needs, RestoreResult, RestoreState};
use super::results::PauseResult;
use super::session::{Session, TRIES};
use super::step::{Asked, Decision};
use super::turn::First;
use super::waiting::Waits;
use super::went::{Went, blocked_text};
use backup_runtime::exports::{Planned, RestoreSelection};
use backup_runtime::imports::Failure;
use backup_seams::Timestamp;
use backup_store::journal::{Paused, RestoreRequested};
use backup_store::snapshot::select;
use backup_store::{
    Actor, ConnectionName, Event, GrantPurpose, JournalState, Next, ObjectName, Percent, RecordOutcome, RestoreCommit,
    RestoreFold, RestoreId, RestoreLog, Snapshot, SnapshotState, StoreError,
};

/// What to restore, and how long to stay with it.
#[derive(Clone, Debug, Default)]
pub struct RestoreRequest {
    /// An id, a unique prefix of one, or `latest`.
    pub snapshot: String,
    /// Whose snapshot it is; `None`: the connection's own.
    pub from: Option<ConnectionName>,
    /// Whole objects.
    pub objects: Vec<ObjectName>,
    /// All objects that the snapshot has.
    pub all: bool,
    /// Single records, by key; the object where it was told.
    pub ids: Vec<(Option<ObjectName>, String)>,
    /// With the records that these need, and those that belong to them.
    pub with_related: bool,
    /// Records that were changed since the snapshot get its values back; otherwise they stay, but for references that are empty.
    pub overwrite: bool,
    /// But for those that were changed after this moment.
    pub keep_changed_since: Option<Timestamp>,
    /// References of records that are there stay as they are.
    pub no_relink: bool,
    /// The usage limit while the restore runs.
    pub raise_limit: Option<Percent>,
    /// Conditions, by object.
    pub conditions: Vec<(ObjectName, String)>,
    /// Fields whose values identify records, by object.
    pub external_ids: Vec<(ObjectName, String)>,
    /// Read back and compare.
    pub verify: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Wait out pauses within the run.
    pub wait: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
    /// Ends the run at the next committed batch.
    pub stop: StopSignal,
}

/// How a run ended.
enum Ended {
    Complete,
    Paused(Paused),
    Failed(String),
    /// What is asked for can't be.
    Refused(Box<Failure>),
    Stopped,
}

impl Ended {
    /// Says so in the result of a run. `waits`: it was to wait where it paused, so that somebody ended that.
    fn tell(self, result: &mut RestoreResult, fold: &RestoreFold, waits: bool) -> Result<(), JobError> {
        match self {
            Ended::Complete => result.complete(),
            Ended::Refused(failure) => return Err(JobError::Blocked(failure)),
            Ended::Stopped => result.failed("stopped; restore again to continue", Needs::default()),
            Ended::Failed(reason) => result.failed(&reason, Needs::default()),
            Ended::Paused(pause) if waits => {
                result.state = RestoreState::Paused;
                result.pause = Some(PauseResult::from(&pause));
            }
            Ended::Paused(pause) => {
                let needs = Needs::after(&pause, needed(fold));
                result.pause = Some(PauseResult::from(&pause));
                result.failed(stopped_by(&pause), needs);
            }
        }
        Ok(())
    }
}

/// What is restored, found.
struct Source {
    snapshot: Snapshot,
    state: SnapshotState,
    what: RestoreRequested,
    /// What the snapshot's Ids belong to.
    scope: Option<String>,
}

impl Host {
    /// Restores: goes on with the same restore, or begins one, and steps until it is complete, fails or pauses. With `dry_run` it
    /// only plans.
    pub async fn restore(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &RestoreRequest,
        progress: &dyn Progress,
    ) -> Result<RestoreResult, JobError> {
        let source = self.source(name, request).await?;
        let mut first = First::new(self, name).await?;
        let restored = self.restore_first(name, actor, request, &source, progress, &mut first).await;
        first.withdraw().await;
        restored
    }

    async fn restore_first(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &RestoreRequest,
        source: &Source,
        progress: &dyn Progress,
        first: &mut First,
    ) -> Result<RestoreResult, JobError> {
        let mut sent = 0;
        let mut asked = Asked::of(request.check_now);
        loop {
            let waits = Waits {
                name,
                wait: request.wait,
                stop: &request.stop,
                progress,
            };
            let session = self.restore_session(name, actor, &request.stop, progress, first).await;
            let Some(session) = self.or_wait_to_ask(session, &waits, Some(first)).await? else {
                continue;
            };
            let mut job = Restore {
                session: &session,
                source,
                request,
                progress,
                tries: 0,
            };
            let run = if request.dry_run {
                job.rehearse(&mut asked).await
            } else {
                job.run(&mut asked).await
            };
            sent += session.sent();
            // Before a backup may have the claim: this still goes first.
            let renewed = first.renew().await;
            let released = if matches!(run, Err(JobError::Store(StoreError::Lost { .. }))) {
                Ok(())
            } else {
                session.release().await
            };
            let Some((id, fold, ended)) = self.or_wait_to_ask(run, &waits, Some(first)).await? else {
                continue;
            };
            released?;
            renewed?;
            if let Ended::Paused(pause) = &ended
                && request.wait
                && !request.stop.is_set()
            {
                let wait = pause.recheck_at.since(self.store().seams().clock.now());
                progress.tell(&ProgressEvent::Paused {
                    pause: pause.into(),
                    wait,
                });
                self.wait_out(&waits, pause, Some(first)).await?;
                progress.tell(&ProgressEvent::Resuming);
                continue;
            }
            let mut result = RestoreResult::of(name, id, &source.what, source.state, &fold, sent);
            match ended {
                Ended::Complete if request.dry_run => result.planned(session.usage()),
                ended => ended.tell(&mut result, &fold, request.wait)?,
            }
            return Ok(result);
        }
    }

    /// Finds the snapshot and what is asked of it.
    async fn source(&self, name: &ConnectionName, request: &RestoreRequest) -> Result<Source, JobError> {
        let from = request.from.as_ref().unwrap_or(name);
        if from.tenant() != name.tenant() {
            return Err(JobError::OtherTenant(from.clone()));
        }
        let journal = self.journal(from).await?;
        let selected = select(journal.state(), &request.snapshot)?;
        let snapshot = Snapshot::open(self.store(), from, journal.state(), selected.snapshot.id).await?;
        let chosen = chosen(&snapshot, request).await?;
        let mut details: Vec<(String, String)> = Vec::new();
        let conditions = chosen.conditions.into_iter();
        details.extend(conditions.map(|(object, text)| (format!("where:{object}"), text)));
        let mode = if request.overwrite { "overwrite" } else { "missing" };
        details.push(("mode".to_owned(), mode.to_owned()));
        let since = request.keep_changed_since;
        details.extend(since.map(|since| ("keep-changed-since".to_owned(), since.0.to_string())));
        if request.no_relink {
            details.push(("no-relink".to_owned(), "yes".to_owned()));
        }
        let external = request.external_ids.iter();
        details.extend(external.map(|(object, field)| (format!("external-id:{object}"), field.clone())));
        if request.verify {
            details.push(("verify".to_owned(), "yes".to_owned()));
        }
        // Of the snapshot, not of the connection as it is now: what was restored before is known by it.
        let scope = selected.snapshot.scope.as_ref().map(ToString::to_string);
        // The same choice, however it is spelled, goes on with the same restore.
        in_order(&mut details);
        Ok(Source {
            state: selected.state,
            what: RestoreRequested {
                source: from.clone(),
                snapshot: selected.snapshot.id,
                objects: chosen.objects,
                records: chosen.records,
                with_related: request.with_related,
                details,
            },
            snapshot,
            scope,
        })
    }
}

fn stopped_by(pause: &Paused) -> &'static str {
    match pause.reason.as_str() {
        "org-limit" => "the org itself refuses more requests today",
        "bulk-limit" => "another daily limit of the org is spent",
        _ => "usage limit reached",
    }
}

/// Requests that a restore still needs, as far as its log tells.
fn needed(fold: &RestoreFold) -> u64 {
    let next = match fold.next {
        Some(Next::Plan { requests } | Next::Batch { requests }) => requests,
        _ => u64::from(PLAN_REQUESTS),
    };
    fold.needed.unwrap_or(next).max(1)
}

/// A restore under way.
struct Restore<'a> {
    session: &'a Session,
    source: &'a Source,
    request: &'a RestoreRequest,
    progress: &'a dyn Progress,
    /// Failures of the step that comes next.
    tries: u32,
}

type Run = Result<(Option<RestoreId>, RestoreFold, Ended), JobError>;

impl Restore<'_> {
    /// Only plans: what it learns is kept by the connector, nothing by the host.
    async fn rehearse(&self, asked: &mut Asked) -> Run {
        let mut fold = RestoreFold::default();
        let told = |outcome: &Outcome, requests| {
            let (reports, needed) = outcome.take_restored();
            fold.apply(reports);
            fold.needed = needed.or(fold.needed);
            fold.planning += requests;
        };
        let plan = async |outcome: Outcome| self.plan(&outcome, false).await;
        let ended = match self.session.rehearse(asked, self.progress, plan, told).await? {
            Rehearsed::Ready => Ended::Complete,
            Rehearsed::Paused(pause) => Ended::Paused(pause),
            Rehearsed::Stopped => Ended::Stopped,
        };
        Ok((None, fold, ended))
    }

    async fn run(&mut self, asked: &mut Asked) -> Run {
        let id = self.begin().await?;
        let session = self.session;
        let mut log = RestoreLog::open(session.host.store(), &session.name, id).await?;
        self.progress.tell(&ProgressEvent::Restore {
            restore: id.to_string(),
            new: log.fold().next.is_none(),
        });
        self.session.raise_limit(self.request.raise_limit).await?;
        let ended = loop {
            match self.step(&mut log, asked).await {
                Ok(None) => {}
                Ok(Some(ended)) => break ended,
                Err(error) => {
                    self.session.lower_limit().await?;
                    return Err(error);
                }
            }
        };
        let fold = log.fold().clone();
        let done = fold.done();
        let event = match &ended {
            Ended::Complete => Some(Event::RestoreCompleted {
                restore: id,
                incomplete: done.failed + done.ambiguous > 0
                    || fold.any_record(&[RecordOutcome::Failed, RecordOutcome::Ambiguous]),
                log_head: log.head().hash,
            }),
            Ended::Paused(pause) if self.request.wait => Some(Event::RestorePaused {
                restore: id,
                pause: pause.clone(),
            }),
            Ended::Paused(pause) => Some(Event::RestoreFailed {
                restore: id,
                reason: stopped_by(pause).to_owned(),
                needed: needed(&fold),
            }),
            Ended::Refused(failure) => Some(Event::RestoreFailed {
                restore: id,
                reason: told(failure),
                needed: 0,
            }),
            Ended::Failed(reason) => Some(Event::RestoreFailed {
                restore: id,
                reason: reason.clone(),
                needed: needed(&fold),
            }),
            Ended::Stopped => None,
        };
        if let Some(event) = event {
            session.journal.lock().await.append(&session.actor, event).await?;
        }
        if !matches!(ended, Ended::Paused(_)) || !self.request.wait {
            self.session.lower_limit().await?;
        }
        Ok((Some(id), fold, ended))
    }

    /// The restore to go on with, or a new one. One of something else that is open is closed.
    async fn begin(&self) -> Result<RestoreId, JobError> {
        let mut journal = self.session.journal.lock().await;
        let what = &self.source.what;
        if let Some(open) = journal.state().open_restore().filter(|open| open.what == *what) {
            let (id, open) = (open.id, open.standing == backup_store::journal::RestoreStanding::Open);
            if !open {
                journal
                    .append(&self.session.actor, Event::RestoreResumed { restore: id })
                    .await?;
            }
            return Ok(id);
        }
        let closed = |state: &JournalState| {
            let open = state.open_restore()?;
            Some(Event::RestoreSuperseded { restore: open.id })
        };
        journal.append_with(&self.session.actor, closed).await?;
        let seams = self.session.host.store().seams();
        let id = RestoreId::generate(&*seams.clock, &*seams.randomness);
        let begun = Event::RestoreBegun {
            restore: id,
            what: what.clone(),
            connector: self.session.digest,
        };
        journal.append(&self.session.actor, begun).await?;
        Ok(id)
    }

    /// One step. `None`: it goes on.
    async fn step(&mut self, log: &mut RestoreLog, asked: &mut Asked) -> Result<Option<Ended>, JobError> {
        let next = log.fold().next.clone();
        if next == Some(Next::Done) {
            return Ok(Some(Ended::Complete));
        }
        if let Some(Next::AgainAfter { seconds }) = next {
            self.session.wait_until_due(seconds, self.progress).await;
        }
        if self.request.stop.is_set() {
            return Ok(Some(Ended::Stopped));
        }
        let cost = match next {
            None => PLAN_REQUESTS,
            Some(Next::Plan { requests } | Next::Batch { requests }) => u32::try_from(requests).unwrap_or(u32::MAX),
            _ => BATCH_REQUESTS,
        };
        let granted = match self.session.decide(cost, asked, self.progress).await? {
            Decision::Proceed(requests) => requests,
            Decision::Pause(pause) => {
                // What a restore needs isn't known before it is planned; much of that sends nothing.
                let stopped = match next {
                    None => self.run_next(log, 0).await?,
                    Some(_) => None,
                };
                return Ok(Some(match stopped {
                    Some(failed @ (Ended::Failed(_) | Ended::Refused(_))) => failed,
                    _ => Ended::Paused(pause),
                }));
            }
        };
        self.run_next(log, granted).await
    }

    /// Runs what comes next with so many requests, and commits it.
    async fn run_next(&mut self, log: &mut RestoreLog, granted: u64) -> Result<Option<Ended>, JobError> {
        let next = log.fold().next.clone();
        let session = self.session;
        let (began_at, sent_before) = (session.parts.clock.now(), session.sent());
        let outcome = Outcome::new(None);
        let grant = session.grant(granted, GrantPurpose::Batch).await?;
        let at = log.fold().checkpoint.clone();
        let went = match at {
            None => match self.plan(&outcome, true).await {
                Ok(planned) => session.planned(planned),
                Err(error) => Err(error),
            },
            Some(at) => session.batch(&outcome, self.readable(), at).await,
        };
        session.spent(&grant).await?;
        let error = went.as_ref().err().map(ToString::to_string);
        let refused = match &went {
            Err(JobError::Blocked(failure)) if is_wrong_choice(failure) => Some(failure.clone()),
            _ => None,
        };
        let may_pass = went.as_ref().err().is_some_and(JobError::may_pass);
        let went = went.unwrap_or_else(|_| {
            Went::stays(next.unwrap_or(Next::Plan {
                requests: u64::from(PLAN_REQUESTS),
            }))
        });
        let (objects, needed) = outcome.take_restored();
        let commit = RestoreCommit {
            began_at,
            checkpoint: went.checkpoint,
            next: went.next.clone(),
            requests: session.sent() - sent_before,
            needed,
            objects: if error.is_some() { Vec::new() } else { objects },
            readings: outcome.take_readings().into_iter().map(crate::quota::from_import).collect(),
            connector: session.digest,
            journal_head: session.journal.lock().await.head().hash,
        };
        log.commit(&*session.claim.lock().await, commit).await?;
        if let Some(failure) = refused {
            return Ok(Some(Ended::Refused(failure)));
        }
        if let Some(reason) = error {
            if self.tries + 1 >= TRIES || !may_pass {
                return Ok(Some(Ended::Failed(reason)));
            }
            self.tries += 1;
            self.session.before_another_try(reason, self.tries, self.progress).await;
            return Ok(None);
        }
        self.tries = 0;
        self.tell(log.fold());
        Ok(match (went.pause, went.next) {
            (Some(pause), _) => Some(Ended::Paused(pause)),
            (None, Next::Done) => Some(Ended::Complete),
            (None, Next::Blocked(failure)) => Some(Ended::Failed(blocked_text(&failure))),
            (None, _) => None,
        })
    }

    fn tell(&self, fold: &RestoreFold) {
        if fold.checkpoint.is_none() {
            let (sent, usage) = (self.session.sent(), self.session.usage());
            return self.progress.tell(&ProgressEvent::Planning { sent, usage });
        }
        let expected = fold.objects.values().filter_map(|object| object.expected);
        let expected: backup_store::Tally = expected.sum();
        self.progress.tell(&ProgressEvent::Restoring {
            done: fold.done(),
            records: expected.created + expected.updated + expected.relinked,
            sent: self.session.sent(),
            needed: fold.needed.unwrap_or_default(),
            usage: self.session.usage(),
        });
    }

    fn readable(&self) -> Readable {
        Readable {
            source: Some(self.source.snapshot.clone()),
            ..Readable::default()
        }
    }

    async fn plan(&self, outcome: &Outcome, runs: bool) -> Result<Planned, JobError> {
        let what = &self.source.what;
        let mut details = what.details.clone();
        let scope = self.source.scope.clone();
        details.extend(scope.map(|scope| ("source-scope".to_owned(), scope)));
        details.push(("snapshot".to_owned(), format!("{}/{}", what.source, what.snapshot)));
        if runs {
            details.push(("restore".to_owned(), "yes".to_owned()));
        }
        let selection = RestoreSelection {
            objects: what.objects.iter().map(ToString::to_string).collect(),
            records: what
                .records
                .iter()
                .map(|(object, key)| (object.to_string(), key.clone()))
                .collect(),
            with_related: what.with_related,
            details,
        };
        let imports = self.session.imports(true, outcome, self.readable());
        self.session
            .answered("plan-restore", self.session.connector.plan_restore(imports, selection).await)
    }
}
