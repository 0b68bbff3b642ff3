//! `audit`, `check` and `gc`.

use crate::failure::CommandError;
use crate::open::{Opened, actor};
use crate::output::{bytes, counted, json, line, number, table};
use backup_store::verify::{gc as collect_garbage, verify, verify_journal};
use backup_store::{Claim, ClaimRequest, ConnectionName, Damage, Scope, Sha256};
use serde_json::{Value, json};
use std::process::ExitCode;

pub async fn audit(
    open: &Opened,
    name: &ConnectionName,
    verify: bool,
    expect: Option<Sha256>,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    if expect.is_some_and(|head| head.to_string().bytes().all(|digit| digit == b'0')) {
        return Err(CommandError::wrong_use(
            "64 zeros are no entry's hash: they stand before the first one; give the latest hash that `status --json` or `audit --json` printed",
        ));
    }
    if verify {
        return verify_audit(open, name, expect, as_json).await;
    }
    let trail = open.journal(name).await?.audit();
    if as_json {
        json(&trail)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |entry: &Value| {
        vec![
            text(&entry["seq"]),
            text(&entry["at"]),
            text(&entry["actor"]),
            text(&entry["event"]),
            details(entry),
        ]
    };
    table(
        &["SEQ", "AT", "ACTOR", "EVENT", "DETAILS"],
        &trail.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What an event tells beyond the columns.
fn details(entry: &Value) -> String {
    let shown = ["seq", "at", "actor", "event", "prev", "hash", "config"];
    let Some(members) = entry.as_object() else {
        return String::new();
    };
    let members = members
        .iter()
        .filter(|(name, value)| !shown.contains(&name.as_str()) && !value.is_null());
    members
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect::<Vec<_>>()
        .join(" ")
}

async fn verify_audit(
    open: &Opened,
    name: &ConnectionName,
    expect: Option<Sha256>,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let damages = verify_journal(&open.store, name, expect).await?;
    let head = if damages.is_empty() {
        Some(open.journal(name).await?.head())
    } else {
        None
    };
    if as_json {
        let head_hash = head.map(|head| head.hash.to_string());
        json(
            &json!({"connection": name.to_string(), "ok": damages.is_empty(), "entries": head.map(|head| head.seq), "head": head_hash, "damages": damages}),
        )?;
    } else if let Some(head) = head {
        line(&format!(
            "the audit log of {name} is intact: {} entries, latest hash {}",
            number(head.seq),
            head.hash
        ))?;
    } else {
        print_damages(&damages)?;
    }
    Ok(if damages.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub async fn check(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, CommandError> {
    let checked = verify(&open.store, name).await?;
    if as_json {
        json(&json!({
            "connection": name.to_string(), "ok": checked.damages.is_empty(), "entries": checked.entries, "segments": checked.segments,
            "blobs": checked.blobs, "checkpoints": checked.checkpoints, "bytes": checked.bytes, "damages": checked.damages,
        }))?;
    } else {
        print_damages(&checked.damages)?;
        let verdict = if checked.damages.is_empty() {
            "no errors found"
        } else {
            "damaged"
        };
        line(&format!(
            "{name}: {verdict}; verified {}: {}, {}, {}, {}",
            bytes(checked.bytes),
            counted(checked.segments, "data file"),
            counted(checked.blobs, "attachment"),
            counted(checked.checkpoints, "checkpoint"),
            format_args!("{} log entries", number(checked.entries))
        ))?;
    }
    Ok(if checked.damages.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_damages(damages: &[Damage]) -> Result<(), CommandError> {
    damages.iter().try_for_each(|damage| line(&format!("damaged: {damage}")))
}

pub async fn gc(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, CommandError> {
    let mut journal = open.journal(name).await?;
    let scope = journal.state().scope().cloned().unwrap_or_else(|| Scope::own(name));
    let request = ClaimRequest {
        connection: name.clone(),
        purpose: "gc".to_owned(),
        host: Opened::host_name(),
    };
    let mut claim = Claim::acquire(&open.store, &scope, request).await?;
    let collected = collect_garbage(&mut claim, &mut journal, &actor(None)).await;
    let spending = claim.spending();
    claim.release(spending).await?;
    let collected = collected?;
    if as_json {
        json(&json!({
            "connection": name.to_string(), "objects": collected.objects, "bytes": collected.bytes, "values": collected.values,
            "leftovers": collected.leftovers, "kept": collected.kept,
        }))?;
    } else {
        for kept in &collected.kept {
            line(&format!("could not be removed: {kept}"))?;
        }
        line(&format!(
            "{name}: {} unreferenced files ({}) deleted, {} leftovers of crashes swept; no snapshot was changed",
            number(collected.objects),
            bytes(collected.bytes),
            number(collected.leftovers)
        ))?;
    }
    Ok(if collected.kept.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
