//! `backup`.

use super::pause::{Paused, print_pause};
use super::snapshots::kind_text;
use super::until_interrupted;
use crate::failure::{Failure, PAUSED};
use crate::open::{Opened, actor};
use crate::output::{bytes, json, line, number};
use crate::progress::Show;
use backup_store::{ConnectionName, ObjectState};
use host_harness::jobs::{BackupRequest, BackupResult, PauseResult, State};
use std::process::ExitCode;

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
    if result.failed.is_some() || (result.state == State::Partial && result.pause.is_none()) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(exit_code(result.pause.as_ref()))
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
        State::Partial if what_pauses(result) == Paused::Begun => "begun; nothing is in it yet",
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
        print_pause(pause, &result.connection, what_pauses(result), Some(result.requests_left))?;
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

fn what_pauses(result: &BackupResult) -> Paused {
    if result.records == 0 && result.blobs == 0 {
        Paused::Begun
    } else {
        Paused::Reading
    }
}
