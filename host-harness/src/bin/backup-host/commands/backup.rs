//! `plan` and `backup`.

use super::snapshots::kind_text;
use super::until_interrupted;
use crate::failure::{Ending, Failure, PAUSED};
use crate::open::{Opened, actor};
use crate::output::{bytes, json, line, number, table};
use crate::progress::Show;
use backup_store::{ConnectionName, ObjectState};
use host_harness::jobs::{BackupRequest, BackupResult, PauseResult, PlanRequest, PlanResult, State};
use std::process::ExitCode;

pub async fn plan(open: &Opened, name: &ConnectionName, request: &PlanRequest, as_json: bool) -> Result<ExitCode, Failure> {
    let show = Show::new(as_json);
    let planned = open.host()?.plan(name, &actor(None), request, &show).await;
    show.end();
    let plan = planned?;
    if as_json {
        json(&plan)?
    } else {
        print_plan(&plan)?
    }
    Ok(exit_code(plan.pause.as_ref()))
}

fn print_plan(plan: &PlanResult) -> Result<(), Failure> {
    if let Some(pause) = &plan.pause {
        return print_pause(pause, &plan.connection, "planning");
    }
    let read = plan.objects.iter().filter(|object| object.skipped.is_none());
    let row = |object: &host_harness::jobs::PlannedObject| {
        let way = object.way.clone().unwrap_or_default();
        vec![object.name.clone(), number(object.records), number(object.requests), way]
    };
    let rows: Vec<Vec<String>> = read.clone().map(row).collect();
    table(&["OBJECT", "RECORDS", "REQUESTS", "WAY"], &rows)?;
    for object in &plan.objects {
        object
            .remarks
            .iter()
            .try_for_each(|remark| line(&format!("note: {}: {remark}", object.name)))?;
    }
    for object in plan.objects.iter().filter(|object| object.skipped.is_some()) {
        line(&format!(
            "skipped: {}: {}",
            object.name,
            object.skipped.clone().unwrap_or_default()
        ))?;
    }
    let skipped = plan.objects.len() - read.count();
    line(&format!(
        "{}: {} records of {} objects in about {} requests, {} of answers; {skipped} objects skipped. The plan took {} requests.",
        kind_text(plan.kind),
        number(plan.records),
        plan.objects.len() - skipped,
        number(plan.requests),
        bytes(plan.bytes),
        plan.calls.sent
    ))
}

pub async fn backup(open: &Opened, name: &ConnectionName, request: BackupRequest, as_json: bool) -> Result<ExitCode, Failure> {
    let host = open.host()?;
    let show = Show::new(as_json);
    let (stop, actor) = (request.stop.clone(), actor(None));
    let job = host.backup(name, &actor, &request, &show);
    let done = until_interrupted(job, &stop, "interrupted; run it again to go on").await?;
    show.end();
    let result = done?;
    if as_json {
        json(&result)?
    } else {
        print(&result)?
    }
    let ending = Ending {
        failed: result.failed.as_deref(),
        incomplete: result.state == State::Partial && result.pause.is_none(),
        paused: result.pause.is_some(),
        warned: false,
    };
    Ok(ending.exit_code())
}

fn exit_code(pause: Option<&PauseResult>) -> ExitCode {
    if pause.is_some() {
        ExitCode::from(PAUSED)
    } else {
        ExitCode::SUCCESS
    }
}

fn print(result: &BackupResult) -> Result<(), Failure> {
    let count = |state: ObjectState| result.objects.iter().filter(|object| object.state == state).count();
    for object in result.objects.iter().filter(|object| object.state != ObjectState::Skipped) {
        if let Some(reason) = &object.reason {
            line(&format!("note: {}: {reason}", object.name))?;
        }
    }
    let state = match result.state {
        State::Complete => "complete",
        State::Partial => "partial, and can be read",
    };
    line(&format!("{} snapshot {} is {state}", kind_text(result.kind), result.snapshot))?;
    line(&format!(
        "{} records, {}; objects: {} complete, {} partial, {} pending, {} skipped; {} requests in this run",
        number(result.records),
        bytes(result.bytes),
        count(ObjectState::Complete),
        count(ObjectState::Partial),
        count(ObjectState::Pending),
        count(ObjectState::Skipped),
        number(result.calls.sent)
    ))?;
    if let Some(pause) = &result.pause {
        print_pause(pause, &result.connection, "the backup")?;
    } else if let Some(reason) = &result.failed {
        line(&format!("failed: {reason}"))?;
        line(&format!(
            "what is committed stands; `backup-host backup {}` goes on from there",
            result.connection
        ))?;
    } else if result.state == State::Partial {
        line(&format!("stopped; `backup-host backup {}` goes on", result.connection))?;
    }
    Ok(())
}

fn print_pause(pause: &PauseResult, connection: &str, what: &str) -> Result<(), Failure> {
    let PauseResult {
        reason,
        used,
        max,
        limit_percent,
        ceiling,
        recheck_at,
        asked_at,
    } = pause;
    let is_by_own_count = used < ceiling;
    let (used, max, ceiling) = (number(*used), number(*max), number(*ceiling));
    line(&match reason.as_str() {
        "bulk-limit" => format!(
            "{what} pauses: another daily limit of the org is spent, without which it can't go on ({used} of {max} requests are used)"
        ),
        "org-limit" => format!("{what} pauses: the org itself refuses more requests today ({used} of {max} used)"),
        _ if is_by_own_count => format!(
            "{what} pauses at the usage limit: the org says that {used} of {max} requests are used, but by its own count this host itself has sent as many in the last 24 hours as {limit_percent} % allow, {ceiling}"
        ),
        _ => format!(
            "{what} pauses at the usage limit: {used} of {max} requests are used by all applications, {limit_percent} % is {ceiling}"
        ),
    })?;
    if let Some(asked_at) = asked_at {
        line(&format!(
            "the org last told at {asked_at}; it is asked next at {recheck_at}, or as soon as that is allowed with --check-now"
        ))?;
    }
    line(&format!(
        "it goes on in the same snapshot when run again after requests have come free (look again at {recheck_at}), or at once after \
         `backup-host limit {connection} PERCENT` with a higher limit"
    ))
}
