//! `snapshots` and `ls`.

use super::held::held;
use super::warnings::accepted;
use crate::failure::CommandError;
use crate::open::Opened;
use crate::output::{json, json_line, line, number, table};
use backup_seams::Timestamp;
use backup_store::journal::SnapshotStanding;
use backup_store::snapshot::select;
use backup_store::{ConnectionName, ObjectName, Snapshot, SnapshotInfo, SnapshotKind, SnapshotState, StoreError};
use futures::StreamExt;
use host_harness::jobs::{ObjectResult, WarningResult};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Opens the snapshot that a person means; says on standard error where `latest` is only partial.
pub async fn selected(open: &Opened, name: &ConnectionName, text: &str) -> Result<Snapshot, CommandError> {
    let journal = open.journal(name).await?;
    let selected = select(journal.state(), text).map_err(|error| match error {
        StoreError::NotFound(_) | StoreError::Ambiguous { .. } => CommandError::wrong_use(error.to_string()),
        other => other.into(),
    })?;
    if text.starts_with("latest") && !selected.state.has_ended() {
        eprintln!("note: there is no complete snapshot yet; {} is partial", selected.snapshot.id);
    }
    let snapshot = Snapshot::open(&open.store, name, journal.state(), selected.snapshot.id).await?;
    say_what_it_shows(&snapshot.info());
    if let Some(damage) = snapshot.damage() {
        eprintln!("note: {damage}");
    }
    Ok(snapshot)
}

/// What a partial incremental snapshot shows is more than it has read.
pub fn say_what_it_shows(info: &SnapshotInfo) {
    if let (false, Some(predecessor)) = (info.state.has_ended(), info.predecessor) {
        eprintln!(
            "note: {} is partial: it shows {predecessor}, its base, with what has been read since on top",
            info.id
        );
    }
}

pub async fn list(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, CommandError> {
    let journal = open.journal(name).await?;
    let accepted = accepted(open, name).await?;
    let mut infos = Vec::new();
    for record in journal
        .state()
        .snapshots()
        .iter()
        .filter(|record| record.standing != SnapshotStanding::Pruned)
    {
        let snapshot = Snapshot::open(&open.store, name, journal.state(), record.id).await?;
        let info = snapshot.info();
        say_what_it_shows(&info);
        infos.push((info, WarningResult::all_of(snapshot.fold(), &accepted)));
    }
    if as_json {
        json(
            &infos
                .iter()
                .map(|(info, warnings)| info_json(info, warnings))
                .collect::<Vec<_>>(),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(info, warnings): &(SnapshotInfo, Vec<WarningResult>)| {
        let completed = info
            .completed_at
            .map_or_else(|| standing_text(&info.standing), Timestamp::rfc3339);
        vec![
            info.id.to_string(),
            kind_text(info.kind).to_owned(),
            state_text(info.state).to_owned(),
            objects_text(info),
            info.started_at.rfc3339(),
            completed,
            number(info.records),
            number(info.calls),
            number(warnings.len() as u64),
        ]
    };
    table(
        &[
            "SNAPSHOT",
            "KIND",
            "STATE",
            "OBJECTS",
            "STARTED",
            "COMPLETED",
            "RECORDS",
            "REQUESTS",
            "WARNINGS",
        ],
        &infos.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Whether it is of all objects, of one, or of how many.
fn objects_text(info: &SnapshotInfo) -> String {
    match info.objects.as_slice() {
        [] => "all".to_owned(),
        [one] => one.to_string(),
        more => number(more.len() as u64),
    }
}

/// A snapshot in a list, in JSON.
pub fn info_json(info: &SnapshotInfo, warnings: &[WarningResult]) -> Value {
    json!({
        "id": info.id.to_string(),
        "state": state_text(info.state),
        "standing": standing_text(&info.standing),
        "kind": info.kind,
        "objects": info.objects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "predecessor": info.predecessor.map(|id| id.to_string()),
        "started_at": info.started_at.rfc3339(),
        "completed_at": info.completed_at.map(Timestamp::rfc3339),
        "records": info.records,
        "blobs": info.blobs,
        "bytes": info.bytes,
        "calls": info.calls,
        "warnings": warnings,
    })
}

pub fn kind_text(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Full => "full",
        SnapshotKind::Incremental => "incremental",
    }
}

pub fn state_text(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::Complete => "complete",
        SnapshotState::Partial => "partial",
        SnapshotState::Incomplete => "incomplete",
        SnapshotState::Superseded => "superseded",
    }
}

pub fn standing_text(standing: &SnapshotStanding) -> String {
    match standing {
        SnapshotStanding::Open => "open".to_owned(),
        SnapshotStanding::Paused(pause) => format!("paused: {}", pause.reason),
        SnapshotStanding::Complete { incomplete: false, .. } => "complete".to_owned(),
        SnapshotStanding::Complete { incomplete: true, .. } => "incomplete".to_owned(),
        SnapshotStanding::Superseded => "superseded".to_owned(),
        SnapshotStanding::Failed { .. } => "failed".to_owned(),
        SnapshotStanding::Pruned => "pruned".to_owned(),
    }
}

pub async fn ls(
    open: &Opened,
    name: &ConnectionName,
    text: &str,
    object: Option<&ObjectName>,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let snapshot = selected(open, name, text).await?;
    let Some(object) = object else {
        let objects = ObjectResult::all_of(snapshot.fold());
        if as_json {
            json(&objects)?;
            return Ok(ExitCode::SUCCESS);
        }
        let state = |object: &ObjectResult| {
            serde_json::to_value(object.state)
                .ok()
                .and_then(|s| s.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let row = |object: &ObjectResult| {
            vec![
                object.name.clone(),
                state(object),
                number(object.records),
                object.reason.clone().unwrap_or_default(),
            ]
        };
        table(
            &["OBJECT", "STATE", "RECORDS", "REASON"],
            &objects.iter().map(row).collect::<Vec<_>>(),
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    let held = held(&snapshot, object)?;
    let mut rows = snapshot.rows(&held.object);
    while let Some(row) = rows.next().await {
        let row = row?;
        if as_json {
            json_line(&json!({"key": row.key, "revision": row.revision}))?
        } else {
            line(&row.key)?
        }
    }
    Ok(held.exit_code)
}
