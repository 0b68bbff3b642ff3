//! `restore` and `restores`.

use super::until_interrupted;
use crate::failure::{Ending, Failure};
use crate::open::{Opened, actor};
use crate::output::{json, line, number, table};
use crate::progress::Show;
use backup_store::journal::{RestoreRecord, RestoreStanding, rfc3339};
use backup_store::{ConnectionName, JournalState, RestoreLog, SnapshotState};
use host_harness::jobs::{RecordResult, RestoreRequest, RestoreResult, RestoreState};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Records of one outcome that are shown to people; JSON has them all.
const SHOWN: usize = 20;

pub async fn restore(
    open: &Opened,
    name: &ConnectionName,
    request: RestoreRequest,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let host = open.host()?;
    let show = Show::new(as_json);
    let (stop, actor) = (request.stop.clone(), actor(None));
    let job = host.restore(name, &actor, &request, &show);
    let done = until_interrupted(job, &stop, "interrupted; restore again to go on").await?;
    show.end();
    let result = done?;
    if result.snapshot_state == SnapshotState::Partial {
        eprintln!(
            "note: snapshot {} is partial: records that it doesn't have yet can't be restored from it",
            result.snapshot
        );
    }
    if as_json {
        json(&result)?
    } else {
        print(&result)?
    }
    Ok(match result.state {
        RestoreState::Complete | RestoreState::Planned => ExitCode::SUCCESS,
        RestoreState::Incomplete | RestoreState::Failed | RestoreState::Paused => Ending {
            failed: result.reason.as_deref(),
            incomplete: result.pause.is_none(),
            paused: result.pause.is_some(),
            warned: false,
        }
        .exit_code(),
    })
}

fn print(result: &RestoreResult) -> Result<(), Failure> {
    let row = |object: &host_harness::jobs::RestoredObjectResult| {
        vec![
            object.name.clone(),
            number(object.tally.created),
            number(object.tally.updated),
            number(object.tally.skipped),
            number(object.tally.failed),
            number(object.requests),
        ]
    };
    let rows: Vec<Vec<String>> = result.objects.iter().map(row).collect();
    if !rows.is_empty() {
        let (create, update) = if result.state == RestoreState::Planned {
            ("CREATE", "UPDATE")
        } else {
            ("CREATED", "UPDATED")
        };
        table(&["OBJECT", create, update, "AS IT WAS", "NOT WRITTEN", "REQUESTS"], &rows)?;
    }
    for object in &result.objects {
        if let Some(reason) = &object.reason {
            line(&format!("note: {}: {reason}", object.name))?;
        }
    }
    records("not restored", &result.failed)?;
    records("perhaps restored", &result.ambiguous)?;
    records("restored without", &result.incomplete)?;
    records("reads back otherwise", &result.differs)?;
    let needed = number(result.needed_calls.unwrap_or_default());
    let (created, updated, skipped) = (number(result.created), number(result.updated), number(result.skipped));
    match result.state {
        RestoreState::Planned => line(&format!(
            "would create {created} and update {updated} records; {skipped} are as they were. It needs {needed} requests, planning included{}. This plan took {}.",
            covered(result),
            number(result.calls.sent)
        )),
        RestoreState::Complete => line(&format!(
            "restored: {created} records created, {updated} updated, {skipped} were as they were; {} requests in this run",
            number(result.calls.sent)
        )),
        RestoreState::Incomplete => line(&format!(
            "restored, but not all: {created} records created, {updated} updated, {skipped} were as they were, {} not written, {} in doubt; {} requests in this run",
            number(result.failed.len() as u64),
            number(result.ambiguous.len() as u64),
            number(result.calls.sent)
        )),
        RestoreState::Failed | RestoreState::Paused => {
            match &result.reason {
                Some(reason) => line(&format!("failed: {reason}"))?,
                None => line("paused at the limit")?,
            }
            if let Some(pause) = &result.pause {
                line(&format!(
                    "{} of {} requests are used by all applications, {} % is {}; it needs about {needed} more{}",
                    number(pause.used),
                    number(pause.max),
                    pause.limit_percent,
                    number(pause.ceiling),
                    covered(result)
                ))?;
            }
            line(&format!(
                "so far: {created} records created, {updated} updated, {skipped} were as they were; {} requests in this run",
                number(result.calls.sent)
            ))?;
            line("restore again to go on from there: nothing is written twice")
        }
    }
}

fn covered(result: &RestoreResult) -> String {
    if result.needed_calls == Some(0) {
        return String::new();
    }
    match result.limit_needed {
        Some(percent) => format!(
            ", which a usage limit of {percent} % covers (`backup-host limit {} {percent}`)",
            result.connection
        ),
        None if result.needed_calls.unwrap_or_default() > 0 => ", more than the org has left today".to_owned(),
        None => String::new(),
    }
}

fn records(what: &str, records: &[RecordResult]) -> Result<(), Failure> {
    for record in records.iter().take(SHOWN) {
        line(&format!("{what}: {} {}: {}", record.object, record.id, record.error))?;
    }
    if records.len() > SHOWN {
        let more = number((records.len() - SHOWN) as u64);
        line(&format!("{what}: {more} more records; --json lists them all"))?;
    }
    Ok(())
}

pub async fn list(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, Failure> {
    let journal = open.journal(name).await?;
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for record in journal.state().restores() {
        let log = RestoreLog::open(&open.store, name, record.id).await?;
        let done = log.fold().done();
        let (state, reason) = standing(record);
        all.push(json!({
            "id": record.id.to_string(),
            "source": record.what.source.to_string(),
            "snapshot": record.what.snapshot.to_string(),
            "state": state,
            "reason": reason,
            "started_at": rfc3339(record.begun_at),
            "changed_at": rfc3339(record.changed_at),
            "created": done.created,
            "updated": done.updated,
            "skipped": done.skipped,
            "failed": done.failed,
            "ambiguous": done.ambiguous,
            "calls": log.fold().requests,
        }));
        rows.push(vec![
            record.id.to_string(),
            record.what.snapshot.to_string(),
            state.to_owned(),
            rfc3339(record.begun_at),
            number(done.created),
            number(done.updated),
            number(log.fold().requests),
        ]);
    }
    if as_json {
        json(&Value::Array(all))?;
    } else {
        table(
            &["RESTORE", "SNAPSHOT", "STATE", "BEGUN", "CREATED", "UPDATED", "REQUESTS"],
            &rows,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The restore that would be gone on with, for `status`.
pub fn open_one(state: &JournalState) -> Value {
    let Some(record) = state.open_restore() else {
        return Value::Null;
    };
    let (state, reason) = standing(record);
    let needed = match &record.standing {
        RestoreStanding::Failed { needed, .. } => Some(*needed),
        _ => None,
    };
    json!({
        "id": record.id.to_string(),
        "source": record.what.source.to_string(),
        "snapshot": record.what.snapshot.to_string(),
        "state": state,
        "reason": reason,
        "needed_calls": needed,
    })
}

fn standing(record: &RestoreRecord) -> (&'static str, Option<String>) {
    match &record.standing {
        RestoreStanding::Open => ("open", None),
        RestoreStanding::Paused(pause) => ("paused", Some(pause.reason.clone())),
        RestoreStanding::Complete { incomplete: false, .. } => ("complete", None),
        RestoreStanding::Complete { incomplete: true, .. } => ("incomplete", None),
        RestoreStanding::Failed { reason, .. } => ("failed", Some(reason.clone())),
        RestoreStanding::Superseded => ("superseded", None),
    }
}
