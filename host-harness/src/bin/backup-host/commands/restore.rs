//! `restore` and `restores`.

use super::until_interrupted;
use crate::failure::{CommandError, Ending};
use crate::open::{Opened, actor};
use crate::output::{counted, json, line, number, table};
use crate::progress::Show;
use crate::restore_args::RestoreArgs;
use backup_store::journal::{RestoreRecord, RestoreStanding};
use backup_store::{ConnectionName, JournalState, RestoreLog, SnapshotState};
use host_harness::jobs::{Host, RecordResult, RestoreRequest, RestoreResult, RestoreState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Records of one outcome and reason that are shown to people; JSON has them all.
const SHOWN: usize = 5;

/// Reasons of one outcome that are shown.
const REASONS: usize = 20;

pub async fn restore(open: &Opened, args: RestoreArgs) -> Result<ExitCode, CommandError> {
    let request = args.request().map_err(CommandError::wrong_use)?;
    let host = open.host()?;
    if !args.dry_run && !args.yes {
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !args.json;
        if !terminal {
            return Err(CommandError::wrong_use(
                "a restore writes to the org, and nobody can be asked here; look at what it would do with --dry-run, then give --yes",
            ));
        }
        if let Some(code) = not_wanted(open, &host, &args.name, &request).await? {
            return Ok(code);
        }
    }
    let result = run(&host, &args.name, &request, args.json).await?;
    if args.json {
        json(&result)?
    } else {
        print(&result)?
    }
    Ok(exit_code(&result))
}

fn exit_code(result: &RestoreResult) -> ExitCode {
    match result.state {
        RestoreState::Complete | RestoreState::Planned => ExitCode::SUCCESS,
        RestoreState::Incomplete | RestoreState::Failed | RestoreState::Paused => Ending {
            failed: result.reason.as_deref(),
            incomplete: result.pause.is_none(),
            paused: result.pause.is_some(),
            warned: false,
        }
        .exit_code(),
    }
}

async fn run(
    host: &Host,
    name: &ConnectionName,
    request: &RestoreRequest,
    as_json: bool,
) -> Result<RestoreResult, CommandError> {
    let show = Show::new(as_json);
    let (stop, actor) = (request.stop.clone(), actor(None));
    let job = host.restore(name, &actor, request, &show);
    let done = until_interrupted(job, &stop, "interrupted; restore again to continue").await?;
    show.end();
    let result = done?;
    if result.snapshot_state == SnapshotState::Partial {
        eprintln!(
            "note: snapshot {} is partial: records that it doesn't have yet can't be restored from it",
            result.snapshot
        );
    }
    Ok(result)
}

/// Shows what a restore would do, and asks whether it may: how the command ends where it may not, or needn't. Nothing is held
/// meanwhile: others may work on the connection.
async fn not_wanted(
    open: &Opened,
    host: &Host,
    name: &ConnectionName,
    request: &RestoreRequest,
) -> Result<Option<ExitCode>, CommandError> {
    let plan = RestoreRequest {
        dry_run: true,
        ..request.clone()
    };
    let planned = run(host, name, &plan, false).await?;
    print(&planned)?;
    if planned.state != RestoreState::Planned {
        line("nothing was written")?;
        return Ok(Some(exit_code(&planned)));
    }
    let (created, relinked, updated) = (planned.created, planned.relinked, planned.updated);
    let tasks = [("create", created), ("relink", relinked), ("overwrite", updated)];
    let tasks: Vec<String> = tasks
        .into_iter()
        .filter(|(_, records)| *records > 0)
        .map(|(task, records)| format!("{task} {}", number(records)))
        .collect();
    if tasks.is_empty() {
        line("there is nothing to do, and nothing was written")?;
        let is_whole = planned.cannot.is_empty();
        return Ok(Some(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }));
    }
    let org = org(open, host, name).await?;
    eprint!("{} records in {org}? [y/N] ", capitalised(&tasks.join(", ")));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(None);
    }
    line("nothing was written")?;
    Ok(Some(ExitCode::FAILURE))
}

/// Which org is written to, as it calls itself: that takes a request, which is worth it.
async fn org(open: &Opened, host: &Host, name: &ConnectionName) -> Result<String, CommandError> {
    if let Ok(checked) = host.check_connection(name, &actor(None)).await {
        let fact = |name: &str| checked.facts.get(name).cloned();
        let kind = match fact("org-is-sandbox").as_deref() {
            Some("true") => "sandbox",
            Some("false") => "production",
            _ => "it doesn't say whether production or sandbox",
        };
        let org = fact("org-name").unwrap_or_else(|| checked.scope.clone());
        return Ok(format!("{org} ({kind}; {})", checked.scope));
    }
    let journal = open.journal(name).await?;
    let scope = journal.state().scope().map(ToString::to_string);
    Ok(format!("the org {} of {name}", scope.unwrap_or_default()))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn print(result: &RestoreResult) -> Result<(), CommandError> {
    let row = |object: &host_harness::jobs::RestoredObjectResult| {
        vec![
            object.name.clone(),
            number(object.tally.created),
            number(object.tally.relinked),
            number(object.tally.updated),
            number(object.tally.skipped),
            number(object.tally.failed),
            number(object.requests),
        ]
    };
    let planned = result.state == RestoreState::Planned;
    let rows: Vec<Vec<String>> = result.objects.iter().map(row).collect();
    if !rows.is_empty() {
        let [create, relink, overwrite, failed] = match planned {
            true => ["CREATE", "RELINK", "OVERWRITE", "CAN'T"],
            false => ["CREATED", "RELINKED", "OVERWRITTEN", "FAILED"],
        };
        table(&["OBJECT", create, relink, overwrite, "UNCHANGED", failed, "REQUESTS"], &rows)?;
    }
    for object in &result.objects {
        if let Some(reason) = &object.reason {
            line(&format!("note: {}: {reason}", object.name))?;
        }
    }
    let words = match planned {
        true => ["can't be restored", "outcome unknown", "will be restored without", "differs"],
        false => ["failed", "outcome unknown", "partially restored", "differs after restore"],
    };
    let kinds = [&result.failed, &result.ambiguous, &result.incomplete, &result.differs];
    for (what, some) in words.into_iter().zip(kinds) {
        records(what, some)?;
    }
    let needed = number(result.needed_calls.unwrap_or_default());
    let done = format!(
        "{} created, {} relinked, {} overwritten, {} unchanged",
        counted(result.created, "record"),
        number(result.relinked),
        number(result.updated),
        number(result.skipped)
    );
    let sent = counted(result.calls.sent, "request");
    match result.state {
        RestoreState::Planned => line(&format!(
            "would create {}, relink {} and overwrite {}; {} stay unchanged. {}. This plan took {sent}.",
            number(result.created),
            number(result.relinked),
            counted(result.updated, "record"),
            number(result.skipped),
            fits(result)
        )),
        RestoreState::Complete => line(&format!("restored: {done}; {sent} in this run")),
        RestoreState::Incomplete => line(&format!(
            "incomplete: {done}, {} failed, {} outcome unknown; {sent} in this run",
            number(result.failed.len() as u64),
            number(result.ambiguous.len() as u64),
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
            line(&format!("so far: {done}; {sent} in this run"))?;
            line("restore again to continue: nothing is written twice")
        }
    }
}

/// Whether a plan fits under the usage limit.
fn fits(result: &RestoreResult) -> String {
    let needed = number(result.needed_calls.unwrap_or_default());
    match (result.fits, result.free_calls) {
        (Some(true), Some(free)) => {
            format!(
                "Fits: {needed} requests, planning included; {} are free under the usage limit",
                number(free)
            )
        }
        (Some(false), Some(free)) => format!(
            "Does not fit: {needed} requests, planning included; {} are free under the usage limit{}",
            number(free),
            covered(result)
        ),
        _ => format!("It needs {needed} requests, planning included"),
    }
}

fn covered(result: &RestoreResult) -> String {
    if result.needed_calls == Some(0) {
        return String::new();
    }
    match result.limit_needed {
        Some(percent) => {
            format!(", which a usage limit of {percent} % covers (--raise-limit {percent}, for this restore alone)")
        }
        None if result.needed_calls.unwrap_or_default() > 0 => ", more than the org has left today".to_owned(),
        None => String::new(),
    }
}

/// Records of one outcome, by reason.
fn records(what: &str, records: &[RecordResult]) -> Result<(), CommandError> {
    let mut by_reason: BTreeMap<String, Vec<&RecordResult>> = BTreeMap::new();
    for record in records {
        by_reason.entry(reason(record)).or_default().push(record);
    }
    let mut reasons: Vec<_> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
    for (reason, records) in reasons.iter().take(REASONS) {
        let named: Vec<String> = records
            .iter()
            .take(SHOWN)
            .map(|record| format!("{} {}", record.object, record.id))
            .collect();
        let more = match records.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(", and {} more (--json lists them all)", number(more as u64)),
        };
        let number = number(records.len() as u64);
        line(&format!("{what}: {number} records: {reason}: {}{more}", named.join(", ")))?;
    }
    if reasons.len() > REASONS {
        let more = number((reasons.len() - REASONS) as u64);
        line(&format!("{what}: {more} more reasons; --json lists them all"))?;
    }
    Ok(())
}

/// Why, without the Ids that only this record has.
fn reason(record: &RecordResult) -> String {
    let is_id = |word: &str| {
        matches!(word.len(), 15 | 18)
            && word.bytes().all(|c| c.is_ascii_alphanumeric())
            && word.bytes().any(|c| c.is_ascii_digit())
    };
    let words = record.error.split(' ').map(|word| {
        let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(inner) {
            word.replace(inner, "…")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

pub async fn list(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, CommandError> {
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
            "started_at": record.begun_at.rfc3339(),
            "changed_at": record.changed_at.rfc3339(),
            "created": done.created,
            "updated": done.updated,
            "relinked": done.relinked,
            "skipped": done.skipped,
            "failed": done.failed,
            "ambiguous": done.ambiguous,
            "calls": log.fold().requests,
        }));
        rows.push(vec![
            record.id.to_string(),
            record.what.snapshot.to_string(),
            state.to_owned(),
            record.begun_at.rfc3339(),
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
