//! `plan`: what a backup would read and what that costs, without a snapshot.

use super::backup::PLAN_REQUESTS;
use super::error::JobError;
use super::host::Host;
use super::imports::{Outcome, StopSignal};
use super::progress::{Progress, ProgressEvent};
use super::results::{Calls, PauseResult, PlanResult, PlannedObject, brief};
use super::session::{RETRY_WAIT, Session, TRIES, answered};
use super::step::{Asked, Decision};
use backup_runtime::exports::{BackupOptions, Planned};
use backup_store::{Actor, ConnectionName, GrantPurpose, ObjectName, ObjectReport};
use std::collections::BTreeMap;
use std::time::Duration;

impl Host {
    /// Asks the connector for a plan, within the usage limit. What it learns is kept, so that the backup doesn't ask again.
    pub async fn plan(
        &self,
        name: &ConnectionName,
        actor: &Actor,
        objects: &[ObjectName],
        progress: &dyn Progress,
    ) -> Result<PlanResult, JobError> {
        let session = Session::open(self, name, "plan", actor, StopSignal::default()).await?;
        let planned = plan(&session, objects, progress).await;
        session.release().await?;
        let (told, pause) = planned?;
        Ok(result(name, told, pause, session.sent()))
    }
}

type Told = BTreeMap<ObjectName, ObjectReport>;

async fn plan(
    session: &Session,
    objects: &[ObjectName],
    progress: &dyn Progress,
) -> Result<(Told, Option<PauseResult>), JobError> {
    let objects: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let mut asked = Asked::ByHand;
    let mut cost = PLAN_REQUESTS;
    let mut tries = 1;
    loop {
        let granted = match session.decide(cost, &mut asked, progress).await? {
            Decision::Proceed(requests) => requests,
            Decision::Pause(pause) => return Ok((Told::new(), Some(PauseResult::from(&pause)))),
        };
        let grant = session.grant(granted, GrantPurpose::Plan).await?;
        let outcome = Outcome::new(None);
        let options = BackupOptions {
            objects: objects.clone(),
            full: true,
            details: Vec::new(),
        };
        let planned = session
            .connector
            .plan_backup(session.imports(true, &outcome, None), options)
            .await;
        session.spent(&grant).await?;
        let planned = match answered("plan-backup", planned) {
            Err(error) if error.may_pass() && tries < TRIES => {
                progress.tell(&ProgressEvent::Retrying {
                    reason: error.to_string(),
                    tries,
                    wait: RETRY_WAIT * tries,
                });
                session.parts.clock.sleep(RETRY_WAIT * tries).await;
                tries += 1;
                continue;
            }
            planned => planned?,
        };
        tries = 1;
        match planned {
            Planned::Ready(_) => {
                let told = outcome.take_reports().into_list();
                return Ok((told.into_iter().map(|report| (report.object.clone(), report)).collect(), None));
            }
            Planned::More(requests) => {
                cost = requests.max(1);
                progress.tell(&ProgressEvent::Planning {
                    sent: session.sent(),
                    usage: session.usage(),
                });
            }
            Planned::AgainAfter(seconds) => {
                let wait = Duration::from_secs(u64::from(seconds));
                progress.tell(&ProgressEvent::Waiting { wait });
                session.parts.clock.sleep(wait).await;
            }
            Planned::Blocked(failure) | Planned::Other(failure) => return Err(JobError::Blocked(Box::new(failure))),
        }
    }
}

fn result(name: &ConnectionName, told: Told, pause: Option<PauseResult>, sent: u64) -> PlanResult {
    let objects: Vec<PlannedObject> = told.into_values().map(planned_object).collect();
    let requests = objects.iter().map(|object| object.requests).sum();
    PlanResult {
        connection: name.to_string(),
        requests,
        records: objects.iter().map(|object| object.records).sum(),
        bytes: objects.iter().map(|object| object.bytes).sum(),
        calls: Calls {
            sent,
            estimated: requests,
        },
        objects,
        pause,
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
