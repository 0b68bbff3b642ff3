//! `plan`: what a backup would read and what that costs, without a snapshot.

use super::error::JobError;
use super::host::Host;
use super::imports::{CallOutcome, Readable, StopSignal};
use super::lineage;
use super::opening;
use super::progress::Progress;
use super::rehearsal::{Rehearsed, rehearse};
use super::results::{Calls, PlanResult, PlannedObject, Uncounted, WarningResult, brief};
use super::session::Session;
use super::step::ProbeOwner;
use super::usage::{PauseResult, Usage};
use crate::connections::accepted_warnings;
use crate::quota::forecast::{ForecastFacts, forecast};
use backup_contract::{BackupOptions, Failure, Hour};
use backup_seams::Timestamp;
use backup_store::{Actor, ConnectionName, ObjectName, ObjectReport, ObjectState, Percent, Snapshot, SnapshotKind};
use std::collections::BTreeMap;

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// Empty: all objects.
    pub objects: Vec<ObjectName>,
    /// A full backup, whatever the next one would be.
    pub full: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
}

impl Host {
    /// Asks the connector for a plan, within the usage limit. What it learns is kept, so that the backup doesn't ask again.
    pub async fn plan(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        request: &PlanRequest,
        progress: &dyn Progress,
    ) -> Result<PlanResult, JobError> {
        let session = opening::open(self, name, "plan", StopSignal::default(), actor).await?;
        let planned = plan(&session, request, progress).await;
        opening::release(&session).await?;
        Ok(result(name, planned?))
    }
}

type PlannedReports = BTreeMap<ObjectName, ObjectReport>;

/// What was planned, and what is known of the org's requests at its end.
struct PlanMade {
    kind: SnapshotKind,
    first: bool,
    reports: PlannedReports,
    /// What the base of the next backup could not read, by its nature, and why.
    skipped_before: BTreeMap<ObjectName, Failure>,
    warnings: Vec<WarningResult>,
    pause: Option<PauseResult>,
    sent: u64,
    limit: Percent,
    usage: Option<Usage>,
    free: Option<u64>,
    own: Vec<Hour>,
    now: Timestamp,
}

/// The base of the next backup: the open snapshot's, where it would continue that one.
async fn predecessor(session: &Session, request: &PlanRequest) -> Result<(Option<Snapshot>, Option<Failure>), JobError> {
    if request.full {
        return Ok((None, None));
    }
    let open = lineage::open_snapshot(session, &request.objects).await;
    let (id, warning) = match open {
        Some(open) => {
            let journal = session.journal.lock().await;
            (journal.state().snapshot(open).and_then(|open| open.predecessor), None)
        }
        None => lineage::usable_predecessor(session, &request.objects).await?,
    };
    let Some(id) = id else { return Ok((None, warning)) };
    let journal = session.journal.lock().await;
    let snapshot = Snapshot::open(session.host.store(), &session.name, journal.state(), id).await?;
    Ok((Some(snapshot), warning))
}

async fn plan(session: &Session, request: &PlanRequest, progress: &dyn Progress) -> Result<PlanMade, JobError> {
    let objects: Vec<String> = request.objects.iter().map(ToString::to_string).collect();
    let (predecessor, damaged) = predecessor(session, request).await?;
    let kind = match predecessor {
        Some(_) => SnapshotKind::Incremental,
        None => SnapshotKind::Full,
    };
    let plan = async |call: CallOutcome| {
        let options = BackupOptions {
            objects: objects.clone(),
            full: kind == SnapshotKind::Full,
            details: Vec::new(),
        };
        let readable = Readable {
            current: None,
            predecessor: predecessor.clone(),
            source: None,
        };
        let imports = session.imports(true, &call, readable);
        session.answered("plan-backup", session.connector.plan_backup(imports, options).await)
    };
    let (mut reports, mut warnings) = (PlannedReports::new(), Vec::new());
    let keep = |call: &CallOutcome, _| {
        let (planned, reported_warnings) = call.take_reports().into_parts();
        warnings = reported_warnings;
        reports = planned.into_iter().map(|report| (report.object.clone(), report)).collect();
    };
    let mut probe_owner = ProbeOwner::of(request.check_now);
    let pause = match rehearse(session, plan, keep, &mut probe_owner, progress).await? {
        Rehearsed::Ready | Rehearsed::Stopped => None,
        Rehearsed::Paused(pause) => Some(PauseResult::from(&pause)),
    };
    if pause.is_some() {
        reports.clear();
    }
    let skipped_before = predecessor.as_ref().map(skipped_in).unwrap_or_default();
    let accepted = accepted_warnings(session.journal.lock().await.state().config());
    let warnings = damaged.iter().chain(&warnings);
    let warnings = warnings.map(|warning| WarningResult::of(warning, &accepted)).collect();
    let gate = &session.parts.gate;
    Ok(PlanMade {
        kind,
        first: lineage::predecessor(session, &request.objects).await.is_none(),
        reports,
        skipped_before,
        warnings,
        pause,
        sent: session.sent(),
        limit: gate.limit(),
        usage: session.usage(),
        free: gate.allowance(),
        own: gate.own_requests(24),
        now: session.parts.clock.now(),
    })
}

fn result(name: &ConnectionName, made: PlanMade) -> PlanResult {
    let objects = made.reports.values().map(|report| {
        let before = made.skipped_before.get(&report.object);
        planned_object(report, made.kind, before)
    });
    let objects: Vec<PlannedObject> = objects.collect();
    let sum = |number: fn(&PlannedObject) -> u64| objects.iter().map(number).fold(0, u64::saturating_add);
    let requests = sum(|object| object.requests);
    let uncounted_expected = expected(&objects);
    let forecast = match (&made.pause, made.usage, made.free) {
        (None, Some(usage), Some(free)) => Some(forecast(&ForecastFacts {
            needed: requests.saturating_add(uncounted_expected.unwrap_or(0)),
            used: usage.used,
            max: usage.max,
            limit: made.limit,
            free,
            own: &made.own,
            now: made.now,
        })),
        _ => None,
    };
    PlanResult {
        connection: name.to_string(),
        kind: made.kind,
        first: made.first,
        requests,
        uncounted_expected,
        fits_now: forecast.map(|forecast| forecast.fits_now),
        free_now: made.free,
        pauses_expected: forecast.and_then(|forecast| forecast.pauses),
        completes_at: forecast.and_then(|forecast| forecast.completes_at).map(Timestamp::rfc3339),
        limit_to_finish_today: forecast.and_then(|forecast| forecast.limit_to_finish_today).map(Percent::get),
        usage: made.usage,
        limit_percent: made.limit.get(),
        records: sum(|object| object.records.unwrap_or(0)),
        bytes: sum(|object| object.bytes),
        calls: Calls {
            sent: made.sent,
            estimated: requests,
        },
        objects,
        pause: made.pause,
        warnings: made.warnings,
    }
}

/// Of requests that can't be counted beforehand, as many as earlier backups tell of; `None` where there are some, and none tells.
fn expected(objects: &[PlannedObject]) -> Option<u64> {
    let mut uncounted = objects.iter().flat_map(|object| &object.uncounted).peekable();
    if uncounted.peek().is_none() {
        return Some(0);
    }
    uncounted
        .filter_map(|uncounted| uncounted.expected)
        .reduce(u64::saturating_add)
}

/// Objects that a snapshot skips, and why.
fn skipped_in(snapshot: &Snapshot) -> BTreeMap<ObjectName, Failure> {
    let objects = snapshot.fold().objects.iter();
    let skipped = objects.filter(|(_, object)| object.state == ObjectState::Skipped);
    skipped
        .filter_map(|(name, object)| Some((name.clone(), object.reason.clone()?)))
        .collect()
}

/// `skipped_before`: why the backup before skipped it. Only its first read told so, and the plan is to count it as that one did.
fn planned_object(report: &ObjectReport, kind: SnapshotKind, skipped_before: Option<&Failure>) -> PlannedObject {
    let estimate = report.estimate.as_ref();
    let skipped = report.skipped.as_ref().or(skipped_before);
    // Counts of an org leave out what is empty, and much else: of an object that was never read nothing is no number.
    let records = estimate.map(|estimate| estimate.records);
    let uncounted = report.uncounted.iter().map(|(what, expected)| Uncounted {
        what: what.clone(),
        expected: *expected,
    });
    PlannedObject {
        name: report.object.to_string(),
        way: estimate.filter(|_| skipped.is_none()).map(|estimate| estimate.way.clone()),
        requests: estimate.map_or(0, |estimate| estimate.requests),
        uncounted: uncounted.collect(),
        records: records.filter(|records| kind == SnapshotKind::Incremental || *records > 0),
        bytes: estimate.map_or(0, |estimate| estimate.bytes),
        skipped: skipped.map(|why| brief(report.object.as_str(), why)),
        remarks: report
            .remarks
            .iter()
            .map(|remark| brief(report.object.as_str(), remark))
            .collect(),
    }
}
