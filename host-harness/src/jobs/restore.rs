//! A restore: records of a snapshot written back, under the same limit as backups.
//!
//! The same step as a backup's: decide, run what comes next under a durable grant, commit. What differs: at the limit it stops and
//! says what it needs, unless it is told to wait; restoring the same again continues. Nothing is staged: what was written is the
//! connector's to know, by values that are durable before a request is sent.

use super::drive::{DrivenJob, JobEnd, Run, drive};
use super::error::{JobError, describe, is_wrong_choice};
use super::host::Host;
use super::imports::{CallOutcome, Readable};
use super::pace::{Failures, PLAN_REQUESTS, cost_of};
use super::priority::{RestorePriority, open_restore};
use super::progress::{Progress, ProgressEvent};
use super::raised_limit::{lower_limit, raise_limit};
use super::rehearsal::{Rehearsed, rehearse};
use super::restore_request::RestoreRequest;
use super::restore_results::{Needs, RestoreResult, RestoreState};
use super::restore_source::{RestoreSource, find_source};
use super::session::Session;
use super::step::{Decision, ProbeOwner, decide};
use super::step_outcome::{self, StepOutcome, run_batch};
use super::usage::PauseResult;
use backup_contract::{NamedValue, ObjectKey, Planned, RecordOutcome, RestoreSelection, Tally};
use backup_store::journal::{Paused, RestoreStanding};
use backup_store::{
    Actor, ConnectionName, Event, GrantPurpose, JournalState, NextStep, RestoreCommit, RestoreFold, RestoreId, RestoreLog,
};

impl Host {
    /// Restores: continues the same restore, or begins one, and steps until it is complete, fails or pauses. With `dry_run` it
    /// only plans.
    pub async fn restore(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &RestoreRequest,
        progress: &dyn Progress,
    ) -> Result<RestoreResult, JobError> {
        let source = find_source(self, name, request).await?;
        let run = Run {
            host: self,
            name,
            wait: request.wait,
            check_now: request.check_now,
            stop: &request.stop,
            actor,
            progress,
        };
        let mut job = RestoreJob {
            source: &source,
            request,
            priority: RestorePriority::new(self, name).await?,
        };
        let driven = drive(&mut job, &run).await;
        job.priority.withdraw().await;
        let driven = driven?;
        let (id, fold) = driven.product;
        let mut result = RestoreResult::of(name, id, &source, &fold, driven.sent);
        match driven.end {
            JobEnd::Complete if request.dry_run => result.planned(driven.session.usage()),
            end => describe_end(end, &fold, request.wait, &mut result)?,
        }
        Ok(result)
    }
}

/// How it ended, in the result of a run. `waits`: it was to wait where it paused, so that somebody ended that.
fn describe_end(end: JobEnd, fold: &RestoreFold, waits: bool, result: &mut RestoreResult) -> Result<(), JobError> {
    match end {
        JobEnd::Complete => result.complete(),
        JobEnd::Refused(failure) => return Err(JobError::Blocked(failure)),
        JobEnd::Stopped | JobEnd::Yielded => result.failed("stopped; restore again to continue", Needs::default()),
        JobEnd::Failed(reason) => result.failed(&reason, Needs::default()),
        JobEnd::Paused(pause) if waits => {
            result.state = RestoreState::Paused;
            result.pause = Some(PauseResult::from(&pause));
        }
        JobEnd::Paused(pause) => {
            let needs = Needs::after(&pause, needed(fold));
            result.pause = Some(PauseResult::from(&pause));
            result.failed(stopped_by(&pause), needs);
        }
    }
    Ok(())
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
        Some(NextStep::Plan { requests } | NextStep::Batch { requests }) => requests,
        _ => u64::from(PLAN_REQUESTS),
    };
    fold.needed.unwrap_or(next).max(1)
}

/// What steps of a restore leave: its id, where it isn't only planned, and its fold.
type Left = (Option<RestoreId>, RestoreFold);

/// A restore, from its first claim to its end.
struct RestoreJob<'a> {
    source: &'a RestoreSource,
    request: &'a RestoreRequest,
    priority: RestorePriority,
}

impl DrivenJob for RestoreJob<'_> {
    type Product = Left;

    async fn open(&mut self, run: &Run<'_>) -> Result<Session, JobError> {
        open_restore(&mut self.priority, run).await
    }

    async fn steps(
        &mut self,
        run: &Run<'_>,
        session: &Session,
        probe_owner: &mut ProbeOwner,
    ) -> Result<(Left, JobEnd), JobError> {
        let mut restore = Restore {
            session,
            source: self.source,
            request: self.request,
            progress: run.progress,
            failures: Failures::default(),
        };
        if self.request.dry_run {
            restore.rehearse(probe_owner).await
        } else {
            restore.run(probe_owner).await
        }
    }

    async fn keep_priority(&mut self) -> Result<(), JobError> {
        self.priority.renew().await
    }
}

/// A restore under way.
struct Restore<'a> {
    session: &'a Session,
    source: &'a RestoreSource,
    request: &'a RestoreRequest,
    progress: &'a dyn Progress,
    failures: Failures,
}

impl Restore<'_> {
    /// Only plans: what it learns is kept by the connector, nothing by the host.
    async fn rehearse(&self, probe_owner: &mut ProbeOwner) -> Result<(Left, JobEnd), JobError> {
        let mut fold = RestoreFold::default();
        let record = |call: &CallOutcome, requests| {
            let (reports, needed) = call.take_restored();
            fold.apply(reports);
            fold.needed = needed.or(fold.needed);
            fold.planning += requests;
        };
        let plan = async |call: CallOutcome| self.plan(&call, false).await;
        let end = match rehearse(self.session, plan, record, probe_owner, self.progress).await? {
            Rehearsed::Ready => JobEnd::Complete,
            Rehearsed::Paused(pause) => JobEnd::Paused(pause),
            Rehearsed::Stopped => JobEnd::Stopped,
        };
        Ok(((None, fold), end))
    }

    async fn run(&mut self, probe_owner: &mut ProbeOwner) -> Result<(Left, JobEnd), JobError> {
        let id = self.begin().await?;
        let session = self.session;
        let mut log = RestoreLog::open(session.host.store(), &session.name, id).await?;
        self.progress.tell(&ProgressEvent::Restore {
            restore: id.to_string(),
            new: log.fold().next.is_none(),
        });
        raise_limit(session, self.request.raise_limit).await?;
        let end = loop {
            match self.step(&mut log, probe_owner).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(error) => {
                    lower_limit(session).await?;
                    return Err(error);
                }
            }
        };
        let fold = log.fold().clone();
        let done = fold.done();
        let event = match &end {
            JobEnd::Complete => Some(Event::RestoreCompleted {
                restore: id,
                incomplete: done.failed + done.ambiguous > 0
                    || fold.any_record(&[RecordOutcome::Failed, RecordOutcome::Ambiguous]),
                log_head: log.head().hash,
            }),
            JobEnd::Paused(pause) if self.request.wait => Some(Event::RestorePaused {
                restore: id,
                pause: pause.clone(),
            }),
            JobEnd::Paused(pause) => Some(Event::RestoreFailed {
                restore: id,
                reason: stopped_by(pause).to_owned(),
                needed: needed(&fold),
            }),
            JobEnd::Refused(failure) => Some(Event::RestoreFailed {
                restore: id,
                reason: describe(failure),
                needed: 0,
            }),
            JobEnd::Failed(reason) => Some(Event::RestoreFailed {
                restore: id,
                reason: reason.clone(),
                needed: needed(&fold),
            }),
            JobEnd::Stopped | JobEnd::Yielded => None,
        };
        if let Some(event) = event {
            session.journal.lock().await.append(&session.actor, event).await?;
        }
        if !matches!(end, JobEnd::Paused(_)) || !self.request.wait {
            lower_limit(session).await?;
        }
        Ok(((Some(id), fold), end))
    }

    /// The restore to continue, or a new one. One of something else that is open is closed.
    async fn begin(&self) -> Result<RestoreId, JobError> {
        let mut journal = self.session.journal.lock().await;
        let what = &self.source.what;
        if let Some(open) = journal.state().open_restore().filter(|open| open.what == *what) {
            let (id, open) = (open.id, open.standing == RestoreStanding::Open);
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

    /// One step. `None`: another one follows.
    async fn step(&mut self, log: &mut RestoreLog, probe_owner: &mut ProbeOwner) -> Result<Option<JobEnd>, JobError> {
        let next = log.fold().next.clone();
        if next == Some(NextStep::Done) {
            return Ok(Some(JobEnd::Complete));
        }
        if let Some(NextStep::AgainAfter { seconds }) = next {
            self.session.wait_until_due(seconds, self.progress).await;
        }
        if self.request.stop.is_set() {
            return Ok(Some(JobEnd::Stopped));
        }
        let granted = match decide(self.session, cost_of(next.as_ref()), probe_owner, self.progress).await? {
            Decision::Proceed(requests) => requests,
            Decision::Pause(pause) => {
                // What a restore needs isn't known before it is planned; much of that sends nothing.
                let stopped = match next {
                    None => self.run_next(log, 0).await?,
                    Some(_) => None,
                };
                return Ok(Some(match stopped {
                    Some(failed @ (JobEnd::Failed(_) | JobEnd::Refused(_))) => failed,
                    _ => JobEnd::Paused(pause),
                }));
            }
        };
        self.run_next(log, granted).await
    }

    /// Runs what comes next with so many requests, and commits it.
    async fn run_next(&mut self, log: &mut RestoreLog, granted: u64) -> Result<Option<JobEnd>, JobError> {
        let next = log.fold().next.clone();
        let session = self.session;
        let (began_at, sent_before) = (session.parts.clock.now(), session.sent());
        let call = CallOutcome::new(None);
        let grant = session.grant(granted, GrantPurpose::Batch).await?;
        let result = match log.fold().checkpoint.clone() {
            None => match self.plan(&call, true).await {
                Ok(planned) => step_outcome::planned(session, planned),
                Err(error) => Err(error),
            },
            Some(checkpoint) => run_batch(session, checkpoint, &call, self.readable()).await,
        };
        session.close_grant(&grant).await?;
        let error = result.as_ref().err().map(ToString::to_string);
        let refused = match &result {
            Err(JobError::Blocked(failure)) if is_wrong_choice(failure) => Some(failure.clone()),
            _ => None,
        };
        let may_pass = result.as_ref().err().is_some_and(JobError::may_pass);
        let outcome = result.unwrap_or_else(|_| {
            StepOutcome::stays(next.unwrap_or(NextStep::Plan {
                requests: u64::from(PLAN_REQUESTS),
            }))
        });
        let (objects, needed) = call.take_restored();
        let commit = RestoreCommit {
            began_at,
            checkpoint: outcome.checkpoint,
            next: outcome.next.clone(),
            requests: session.sent() - sent_before,
            needed,
            objects: if error.is_some() { Vec::new() } else { objects },
            readings: call.take_readings(),
            connector: session.digest,
            journal_head: session.journal.lock().await.head().hash,
        };
        log.commit(&*session.claim.lock().await, commit).await?;
        if let Some(failure) = refused {
            return Ok(Some(JobEnd::Refused(failure)));
        }
        if let Some(reason) = error {
            if !self.failures.may_try_again(may_pass) {
                return Ok(Some(JobEnd::Failed(reason)));
            }
            session.wait_to_retry(reason, &self.failures, self.progress).await;
            return Ok(None);
        }
        self.failures.reset();
        self.tell(log.fold());
        Ok(match (outcome.pause, outcome.next) {
            (Some(pause), _) => Some(JobEnd::Paused(pause)),
            (None, NextStep::Done) => Some(JobEnd::Complete),
            (None, NextStep::Blocked(failure)) => Some(JobEnd::Failed(describe(&failure))),
            (None, _) => None,
        })
    }

    fn tell(&self, fold: &RestoreFold) {
        if fold.checkpoint.is_none() {
            let (sent, usage) = (self.session.sent(), self.session.usage());
            return self.progress.tell(&ProgressEvent::Planning { sent, usage });
        }
        let expected = fold.objects.values().filter_map(|object| object.expected);
        let expected: Tally = expected.sum();
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

    async fn plan(&self, call: &CallOutcome, runs: bool) -> Result<Planned, JobError> {
        let what = &self.source.what;
        let mut details: Vec<NamedValue> = what.details.iter().cloned().map(NamedValue::from).collect();
        let scope = self.source.scope.clone();
        details.extend(scope.map(|scope| NamedValue::new("source-scope", scope)));
        details.push(NamedValue::new("snapshot", format!("{}/{}", what.source, what.snapshot)));
        if runs {
            details.push(NamedValue::new("restore", "yes"));
        }
        let selection = RestoreSelection {
            objects: what.objects.iter().map(ToString::to_string).collect(),
            records: what
                .records
                .iter()
                .map(|(object, key)| ObjectKey {
                    object: object.to_string(),
                    key: key.clone(),
                })
                .collect(),
            with_related: what.with_related,
            details,
        };
        let imports = self.session.imports(true, call, self.readable());
        self.session
            .answered("plan-restore", self.session.connector.plan_restore(imports, selection).await)
    }
}
