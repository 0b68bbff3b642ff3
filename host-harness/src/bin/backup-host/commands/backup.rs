//! `backup`.

use super::pause::{PausedPart, print_pause};
use super::snapshots::kind_text;
use super::{until_interrupted, warnings};
use crate::failure::{CommandError, Ending};
use crate::open::{Opened, actor};
use crate::output::{bytes, counted, json, line};
use crate::progress::Show;
use backup_store::{ConnectionName, ObjectState};
use host_harness::jobs::{BackupRequest, BackupResult, BackupState, ObjectResult};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Objects of one reason that are named; of the others only how many.
const NAMED: usize = 5;

pub async fn backup(
    open: &Opened,
    name: &ConnectionName,
    request: BackupRequest,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let host = open.host()?;
    let show = Show::new(as_json);
    warnings::of_configuration(&host, name).await?;
    let (stop, actor) = (request.stop.clone(), actor(None));
    let job = host.backup(name, &actor, &request, &show);
    let done = until_interrupted(job, &stop, "interrupted; run it again to resume").await?;
    show.end();
    let result = done?;
    if as_json {
        json(&result)?
    } else {
        print(&result)?
    }
    let ending = Ending {
        failed: result.failed.as_deref(),
        incomplete: result.state == BackupState::Partial && result.pause.is_none(),
        paused: result.pause.is_some(),
        warned: warnings::are_unaccepted(&result.warnings),
    };
    Ok(ending.exit_code())
}

fn print(result: &BackupResult) -> Result<(), CommandError> {
    let count = |state: ObjectState| result.objects.iter().filter(|object| object.state == state).count();
    print_reasons(&result.objects)?;
    warnings::print(&result.warnings)?;
    let state = match result.state {
        BackupState::Complete => "complete",
        BackupState::Incomplete => "incomplete: it has all that could be read",
        BackupState::Partial if what_pauses(result) == PausedPart::Begun => "partial: nothing of it is read yet",
        BackupState::Partial => "partial, and can be read",
    };
    line(&format!("{} snapshot {} is {state}", kind_text(result.kind), result.snapshot))?;
    if result.records > 0 || result.state != BackupState::Partial {
        line(&format!(
            "{}, {}; objects: {} complete, {} partial, {} not started, {} skipped, {} failed; {} in this run",
            counted(result.records, "record"),
            bytes(result.bytes),
            count(ObjectState::Complete),
            count(ObjectState::Partial),
            count(ObjectState::Pending),
            count(ObjectState::Skipped),
            count(ObjectState::Failed),
            counted(result.calls.sent, "request")
        ))?;
    }
    if let Some(pause) = &result.pause {
        print_pause(pause, &result.connection, what_pauses(result), Some(result.requests_left))?;
    } else if let Some(reason) = &result.failed {
        line(&format!("failed: {reason}"))?;
        line(&format!(
            "what is committed stays; `backup-host backup {}` resumes there",
            result.connection
        ))?;
    } else if result.state == BackupState::Partial {
        line(&format!("stopped; `backup-host backup {}` resumes", result.connection))?;
    }
    Ok(())
}

/// Why objects were not read, those of one reason together; and what people should know of the others.
fn print_reasons(objects: &[ObjectResult]) -> Result<(), CommandError> {
    let mut grouped: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for object in objects {
        let Some(reason) = &object.reason else { continue };
        let (what, reason) = match object.state {
            ObjectState::Skipped => ("skipped", reason.replace(&object.name, "it")),
            ObjectState::Failed if object.stale => ("failed, its records are of an earlier backup", reason.clone()),
            ObjectState::Failed => ("failed", reason.clone()),
            // What many objects have to note is one line; `--json` has each.
            _ => ("note", reason.replace(&format!("{}: ", object.name), "")),
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

fn what_pauses(result: &BackupResult) -> PausedPart {
    if result.records == 0 && result.blobs == 0 {
        PausedPart::Begun
    } else {
        PausedPart::Reading
    }
}
