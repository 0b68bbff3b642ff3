//! `status`, `snapshots` and `ls`.

use super::limit::ending;
use crate::failure::Failure;
use crate::open::Opened;
use crate::output::{bytes, json, json_line, line, number, table};
use backup_store::journal::{Paused, Standing, rfc3339};
use backup_store::snapshot::select;
use backup_store::{
    ConnectionName, Journal, JournalState, ObjectName, Snapshot, SnapshotInfo, SnapshotKind, SnapshotState, scope,
};
use futures::StreamExt;
use host_harness::jobs::{ObjectResult, PauseResult};
use host_harness::quota::ceiling;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Opens the snapshot that a person means; says on standard error where `latest` is only partial.
pub async fn selected(open: &Opened, name: &ConnectionName, text: &str) -> Result<Snapshot, Failure> {
    let journal = open.journal(name).await?;
    let selected = select(journal.state(), text)?;
    if text == "latest" && selected.state == SnapshotState::Partial {
        eprintln!("note: there is no complete snapshot yet; {} is partial", selected.snapshot.id);
    }
    let snapshot = Snapshot::open(&open.store, name, journal.state(), selected.snapshot.id).await?;
    say_what_it_shows(&snapshot.info());
    Ok(snapshot)
}

/// What a partial incremental snapshot shows is more than it has read.
fn say_what_it_shows(info: &SnapshotInfo) {
    if let (SnapshotState::Partial, Some(predecessor)) = (info.state, info.predecessor) {
        eprintln!(
            "note: {} is partial: it shows {predecessor}, which it goes on from, with what has been read since on top",
            info.id
        );
    }
}

pub async fn list(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, Failure> {
    let journal = open.journal(name).await?;
    let mut infos = Vec::new();
    for record in journal
        .state()
        .snapshots()
        .iter()
        .filter(|record| record.standing != Standing::Pruned)
    {
        let info = Snapshot::open(&open.store, name, journal.state(), record.id).await?.info();
        say_what_it_shows(&info);
        infos.push(info);
    }
    if as_json {
        json(&infos.iter().map(info_json).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |info: &SnapshotInfo| {
        let completed = info.completed_at.map_or_else(|| standing_text(&info.standing), rfc3339);
        vec![
            info.id.to_string(),
            kind_text(info.kind).to_owned(),
            state_text(info.state).to_owned(),
            rfc3339(info.started_at),
            completed,
            number(info.records),
            number(info.calls),
        ]
    };
    table(
        &["SNAPSHOT", "KIND", "STATE", "STARTED", "COMPLETED", "RECORDS", "REQUESTS"],
        &infos.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn info_json(info: &SnapshotInfo) -> Value {
    json!({
        "id": info.id.to_string(),
        "state": state_text(info.state),
        "standing": standing_text(&info.standing),
        "kind": info.kind,
        "predecessor": info.predecessor.map(|id| id.to_string()),
        "started_at": rfc3339(info.started_at),
        "completed_at": info.completed_at.map(rfc3339),
        "records": info.records,
        "blobs": info.blobs,
        "bytes": info.bytes,
        "calls": info.calls,
    })
}

pub fn kind_text(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Full => "full",
        SnapshotKind::Incremental => "incremental",
    }
}

fn state_text(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::Complete => "complete",
        SnapshotState::Partial => "partial",
    }
}

fn standing_text(standing: &Standing) -> String {
    match standing {
        Standing::Open => "open".to_owned(),
        Standing::Paused(pause) => format!("paused: {}", pause.reason),
        Standing::Complete { .. } => "complete".to_owned(),
        Standing::Superseded => "superseded".to_owned(),
        Standing::Failed { .. } => "failed".to_owned(),
        Standing::Pruned => "pruned".to_owned(),
    }
}

pub async fn ls(
    open: &Opened,
    name: &ConnectionName,
    text: &str,
    object: Option<&ObjectName>,
    as_json: bool,
) -> Result<ExitCode, Failure> {
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
    must_hold(&snapshot, object)?;
    let mut rows = snapshot.rows(object);
    while let Some(row) = rows.next().await {
        let row = row?;
        if as_json {
            json_line(&json!({"key": row.key, "revision": row.revision}))?
        } else {
            line(&row.key)?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says so where a snapshot doesn't have an object, instead of showing nothing.
pub fn must_hold(snapshot: &Snapshot, object: &ObjectName) -> Result<(), Failure> {
    if snapshot.fold().objects.contains_key(object) {
        return Ok(());
    }
    let id = snapshot.info().id;
    Err(Failure::failed(format!(
        "snapshot {id} has no object {object}; `backup-host ls NAME {id}` lists those it has"
    )))
}

pub async fn status(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, Failure> {
    let journal = open.journal(name).await?;
    let status = status_of(open, &journal).await?;
    if as_json {
        json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    line(&format!("connection      {name}"))?;
    let until = if status["usage_limit"]["until"].is_null() {
        String::new()
    } else {
        format!(" until {}", text(&status["usage_limit"]["until"]))
    };
    line(&format!("usage limit     {} %{until}", status["usage_limit"]["percent"]))?;
    match &status["usage"] {
        Value::Null => line("requests        nothing known yet")?,
        usage => line(&format!(
            "requests        {} used / ceiling {} / max {}, {} by others, at {}",
            usage["used"],
            usage["ceiling"],
            usage["max"],
            usage["others"],
            text(&usage["observed_at"])
        ))?,
    }
    match &status["snapshot"] {
        Value::Null => line("snapshot        none yet")?,
        snapshot => line(&format!(
            "snapshot        {} {} ({}), {} records, {}",
            text(&snapshot["id"]),
            text(&snapshot["state"]),
            text(&snapshot["standing"]),
            snapshot["records"],
            bytes(snapshot["bytes"].as_u64().unwrap_or(0))
        ))?,
    }
    if let Value::Object(restore) = &status["restore"] {
        let reason = restore["reason"]
            .as_str()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let needed = match &restore["needed_calls"] {
            Value::Null => String::new(),
            needed => format!(", needs about {needed} more requests"),
        };
        line(&format!(
            "restore         {} of {} {}{reason}{needed}",
            text(&restore["id"]),
            text(&restore["snapshot"]),
            text(&restore["state"])
        ))?;
    }
    if let Some(at) = status["pause"]["recheck_at"].as_str() {
        line(&format!("look again at   {at}, or after raising the limit"))?;
    }
    line(&format!("audit head      {}", text(&status["head"])))?;
    Ok(ExitCode::SUCCESS)
}

async fn status_of(open: &Opened, journal: &Journal) -> Result<Value, Failure> {
    let (name, state) = (journal.connection(), journal.state());
    let now = open.clock().now();
    let limit = state.usage_limit(now);
    let newest = state
        .snapshots()
        .iter()
        .rev()
        .find(|record| record.standing != Standing::Pruned);
    let snapshot = match newest {
        Some(record) => {
            let info = Snapshot::open(&open.store, name, state, record.id).await?.info();
            say_what_it_shows(&info);
            info_json(&info)
        }
        None => Value::Null,
    };
    let own_scope = scope_of(state, name);
    let spending = scope::peek(&open.store, name.tenant(), &own_scope).await?;
    let own = spending.hours.iter().fold(0u64, |own, hour| own.saturating_add(hour.sent));
    let usage = spending.readings.first().map(|standing| {
        let (used, max) = (standing.reading.used.saturating_add(standing.own_since), standing.reading.max);
        json!({
            "quota": standing.reading.quota, "used": used, "max": max, "ceiling": ceiling(limit, max), "own_last_24h": own,
            "others": used.saturating_sub(own), "observed_at": rfc3339(standing.reading.observed_at),
        })
    });
    let (until, _) = ending(state, limit);
    Ok(json!({
        "connection": name.to_string(),
        "scope": state.scope().map(ToString::to_string),
        "usage_limit": {"percent": limit.get(), "until": until},
        "usage": usage,
        "own_requests": spending.hours.iter().map(|hour| json!({"hour": rfc3339(hour.start), "sent": hour.sent})).collect::<Vec<_>>(),
        "snapshot": snapshot,
        "restore": super::restore::open_one(state),
        "pause": newest.and_then(|record| pause_of(&record.standing)).map(PauseResult::from),
        "head": journal.head().hash.to_string(),
    }))
}

fn scope_of(state: &JournalState, name: &ConnectionName) -> backup_store::Scope {
    state.scope().cloned().unwrap_or_else(|| backup_store::Scope::own(name))
}

fn pause_of(standing: &Standing) -> Option<&Paused> {
    match standing {
        Standing::Paused(pause) => Some(pause),
        _ => None,
    }
}
