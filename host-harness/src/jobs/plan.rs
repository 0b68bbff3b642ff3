//! `plan`: what a backup would read and what that costs, without a snapshot.

use super::error::JobError;
use super::host::Host;
use super::imports::{Outcome, Readable, StopSignal};
use super::progress::Progress;
use super::rehearsal::Rehearsed;
use super::results::{Calls, PauseResult, PlanResult, PlannedObject, WarningResult, brief};
use super::session::Session;
use super::step::Asked;
use crate::connections::accepted_warnings;
use backup_runtime::exports::BackupOptions;
use backup_store::{Actor, ConnectionName, Failure, ObjectName, ObjectReport, Snapshot, SnapshotKind};
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
        let session = Session::open(self, name, "plan", actor, StopSignal::default()).await?;
        let planned = plan(&session, request, progress).await;
        session.release().await?;
        planned
    }
}

type Told = BTreeMap<ObjectName, ObjectReport>;

/// What the next backup goes on from: the open snapshot's predecessor, where it would go on with that one.
async fn predecessor(session: &Session, request: &PlanRequest) -> Result<(Option<Snapshot>, Option<Failure>), JobError> {
    if request.full {
        return Ok((None, None));
    }
    let open = session.open_snapshot(&request.objects).await;
    let (id, warning) = match open {
        Some(open) => {
            let journal = session.journal.lock().await;
            (journal.state().snapshot(open).and_then(|open| open.predecessor), None)
        }
        None => session.usable_predecessor(&request.objects).await?,
    };
    let Some(id) = id else { return Ok((None, warning)) };
    let journal = session.journal.lock().await;
    let snapshot = Snapshot::open(session.host.store(), &session.name, journal.state(), id).await?;
    Ok((Some(snapshot), warning))
}

async fn plan(session: &Session, request: &PlanRequest, progress: &dyn Progress) -> Result<PlanResult, JobError> {
    let objects: Vec<String> = request.objects.iter().map(ToString::to_string).collect();
    let (predecessor, damaged) = predecessor(session, request).await?;
    let kind = match predecessor {
        Some(_) => SnapshotKind::Incremental,
        None => SnapshotKind::Full,
    };
    let plan = async |outcome: Outcome| {
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
        let imports = session.imports(true, &outcome, readable);
        session.answered("plan-backup", session.connector.plan_backup(imports, options).await)
    };
    let (mut told, mut warnings) = (Told::new(), Vec::new());
    let keep = |outcome: &Outcome, _| {
        let (reports, told_warnings) = outcome.take_reports().into_parts();
        warnings = told_warnings;
        told = reports.into_iter().map(|report| (report.object.clone(), report)).collect();
    };
    let pause = match session
        .rehearse(&mut Asked::of(request.check_now), progress, plan, keep)
        .await?
    {
        Rehearsed::Ready | Rehearsed::Stopped => None,
        Rehearsed::Paused(pause) => Some(PauseResult::from(&pause)),
    };
    if pause.is_some() {
        told.clear();
    }
    let accepted = accepted_warnings(session.journal.lock().await.state().config());
    let warnings = damaged
        .iter()
        .chain(&warnings)
        .map(|warning| WarningResult::of(warning, &accepted))
        .collect();
    let plan = result(&session.name, kind, told, pause, session.sent());
    Ok(PlanResult { warnings, ..plan })
}

fn result(name: &ConnectionName, kind: SnapshotKind, told: Told, pause: Option<PauseResult>, sent: u64) -> PlanResult {
    let objects: Vec<PlannedObject> = told.into_values().map(planned_object).collect();
    let requests = objects.iter().map(|object| object.requests).sum();
    PlanResult {
        connection: name.to_string(),
        kind,
        requests,
        records: objects.iter().map(|object| object.records).sum(),
        bytes: objects.iter().map(|object| object.bytes).sum(),
        calls: Calls {
            sent,
            estimated: requests,
        },
        objects,
        pause,
        warnings: Vec::new(),
    }
}

fn planned_object(report: ObjectReport) -> PlannedObject {
    let (way, requests, records, bytes) = match report.estimate {
        Some(estimate) => (Some(estimate.way), estimate.requests, estimate.records, estimate.bytes),
        None => (None, 0, 0, 0),
    };
    PlannedObject {
        name: report.object.to_string(),
        way,
        requests,
        records,
        bytes,
        skipped: report.skipped.as_ref().map(brief),
        remarks: report.remarks.iter().map(brief).collect(),
    }
}
