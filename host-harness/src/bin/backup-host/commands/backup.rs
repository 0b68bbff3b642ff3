//! `plan` and `backup`.

use super::snapshots::kind_text;
use super::{until_interrupted, warnings};
use crate::failure::{Ending, Failure, PAUSED};
use crate::open::{Opened, actor};
use crate::output::{bytes, json, line, number, table};
use crate::progress::Show;
use backup_store::{ConnectionName, ObjectState};
use host_harness::jobs::{BackupRequest, BackupResult, ObjectResult, PauseResult, PlanRequest, PlanResult, State};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Objects of one reason that are named; of the others only how many.
const NAMED: usize = 5;

pub async fn plan(open: &Opened, name: &ConnectionName, request: &PlanRequest, as_json: bool) -> Result<ExitCode, Failure> {
    let show = Show::new(as_json);
    let host = open.host()?;
    warnings::of_configuration(&host, name).await?;
    let planned = host.plan(name, &actor(None), request, &show).await;
    show.end();
    let plan = planned?;
    if as_json {
        json(&plan)?
    } else {
        print_plan(&plan)?;
        warnings::print(&plan.warnings)?
    }
    Ok(match plan.pause {
        Some(_) => ExitCode::from(PAUSED),
        None => warnings::exit_code(&plan.warnings),
    })
}

fn print_plan(plan: &PlanResult) -> Result<(), Failure> {
    if let Some(pause) = &plan.pause {
        return print_pause(pause, &plan.connection, &Pausing::Plan);
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
    warnings::of_configuration(&host, name).await?;
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
        warned: warnings::are_unaccepted(&result.warnings),
    };
    Ok(ending.exit_code())
}

fn print(result: &BackupResult) -> Result<(), Failure> {
    let count = |state: ObjectState| result.objects.iter().filter(|object| object.state == state).count();
    print_reasons(&result.objects)?;
    warnings::print(&result.warnings)?;
    let state = match result.state {
        State::Complete => "complete",
        State::Incomplete => "incomplete: it has all that could be read",
        State::Partial if result.records == 0 => "partial: nothing of it is read yet",
        State::Partial => "partial, and can be read",
    };
    line(&format!("{} snapshot {} is {state}", kind_text(result.kind), result.snapshot))?;
    if result.records > 0 || result.state != State::Partial {
        line(&format!(
            "{} records, {}; objects: {} complete, {} partial, {} pending, {} skipped, {} failed; {} requests in this run",
            number(result.records),
            bytes(result.bytes),
            count(ObjectState::Complete),
            count(ObjectState::Partial),
            count(ObjectState::Pending),
            count(ObjectState::Skipped),
            count(ObjectState::Failed),
            number(result.calls.sent)
        ))?;
    }
    if let Some(pause) = &result.pause {
        let pausing = if result.records == 0 {
            Pausing::Nothing
        } else {
            Pausing::Backup
        };
        print_pause(pause, &result.connection, &pausing)?;
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

/// Why objects were not read, those of one reason together; and what people should know of the others.
fn print_reasons(objects: &[ObjectResult]) -> Result<(), Failure> {
    let mut grouped: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for object in objects {
        let Some(reason) = &object.reason else { continue };
        let (what, reason) = match object.state {
            ObjectState::Skipped => ("skipped", reason.replace(&object.name, "it")),
            ObjectState::Failed if object.stale => ("failed, its records are of an earlier backup", reason.clone()),
            ObjectState::Failed => ("failed", reason.clone()),
            _ => ("note", reason.clone()),
        };
        grouped.entry((what, reason)).or_default().push(&object.name);
    }
    for ((what, reason), names) in grouped {
        let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        line(&format!("{what}: {first}{more}: {reason}"))?;
    }
    Ok(())
}

/// What pauses.
enum Pausing {
    /// A plan, which has no snapshot.
    Plan,
    /// A backup that has read nothing yet.
    Nothing,
    /// One that has.
    Backup,
}

fn print_pause(pause: &PauseResult, connection: &str, pausing: &Pausing) -> Result<(), Failure> {
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
    let what = match pausing {
        Pausing::Plan => "planning",
        Pausing::Nothing | Pausing::Backup => "the backup",
    };
    line(&match reason.as_str() {
        "bulk-limit" => format!(
            "{what} is paused: another daily limit of the org is spent, without which it can't continue ({used} of {max} requests are used)"
        ),
        "org-limit" => format!("{what} is paused: the org itself refuses more requests today ({used} of {max} used)"),
        _ if is_by_own_count => format!(
            "{what} is paused at the usage limit: the org says that {used} of {max} API requests are used, but by its own count this host itself has sent as many in the last 24 hours as {limit_percent} % allow, {ceiling}"
        ),
        _ => format!(
            "{what} is paused at the usage limit: {used} of {max} API requests are used by all applications (24 h), and {limit_percent} % is {ceiling}"
        ),
    })?;
    if let Some(asked_at) = asked_at {
        line(&format!(
            "the org last answered at {asked_at}; it is asked next at {recheck_at}, or as soon as that is allowed with --check-now"
        ))?;
    }
    let (again, effect) = match pausing {
        Pausing::Plan => ("plan", "plans with what was learnt until now"),
        Pausing::Nothing => ("backup", "begins to read"),
        Pausing::Backup => ("backup", "resumes in the same snapshot"),
    };
    let or_raise = if reason == "usage-limit" && *limit_percent < 100 {
        format!(", or at once after `backup-host limit {connection} PERCENT` with a higher limit")
    } else {
        String::new()
    };
    line(&format!(
        "`backup-host {again} {connection}` {effect} once requests have come free (next check {recheck_at}){or_raise}"
    ))
}
