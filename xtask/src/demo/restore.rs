//! The demo's last part: what was deleted by mistake comes back, with a limit that is in the way.

use super::stage::{DemoShow, Exit, Stage};
use super::{LIMIT, MAX, NAME, number, text};
use crate::running::FakeProcess;
use anyhow::{Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;

/// What is deleted, with fields that tell records apart whatever their Ids.
const DELETED: [(&str, &[&str]); 2] = [
    ("Lead", &["LastName", "FirstName", "Company", "Email", "Phone", "Status"]),
    ("Case", &["Subject", "Description", "Priority", "Status", "Origin"]),
];
/// Requests that others leave below the ceiling: fewer than the restore takes.
const LEFT: u64 = 2;
/// The limit for as long as the restore takes.
const RAISED: &str = "90";

/// Deletes, restores up to the limit, raises it, restores the rest, lowers it.
pub fn tell(stage: &Stage<'_>, org: &FakeProcess) -> Result<()> {
    let before = held(org)?;
    lose(stage, org, &before)?;
    let stopped = restore_until_the_limit(stage, org)?;
    raise_and_go_on(stage, org, &before, stopped)
}

fn lose(stage: &Stage<'_>, org: &FakeProcess, before: &ShownRecords) -> Result<()> {
    stage.heading("10. Somebody deletes by mistake");
    let objects: Vec<&str> = DELETED.iter().map(|(name, _)| *name).collect();
    org.post("delete_random", &json!({"percent": 30, "seed": 1, "objects": objects}))?;
    org.advance_minutes(24 * 60)?;
    let others = MAX * LIMIT / 100 - LEFT - org.stats()?.used;
    org.post("quota", &json!({"others_send": others}))?;
    let gone = total(before) - total(&held(org)?);
    ensure!(gone > 0, "nothing was deleted");
    stage.note(&format!(
        "Somebody deletes {gone} leads and cases. Other apps leave {LEFT} requests below the limit today.\n"
    ));
    stage.say(&format!(
        "{gone} leads and cases are gone, and it is noticed a day later. It is a busy day: other applications have used\n\
         {others} of the {MAX} requests already, so that {LEFT} are left below the limit of {LIMIT} %. (The host doesn't know that yet.)"
    ));
    Ok(())
}

/// Gives how many requests the org has counted of ours.
fn restore_until_the_limit(stage: &Stage<'_>, org: &FakeProcess) -> Result<u64> {
    stage.heading("11. Restore them");
    stage.run(&command(), DemoShow::Ends { first: 3, last: 4 }, Exit::DemoPause)?;
    let books = org.stats()?;
    ensure!(
        books.used == MAX * LIMIT / 100,
        "the restore stopped at {} used, and the ceiling is {}",
        books.used,
        MAX * LIMIT / 100
    );
    stage.note("Stopped at the usage limit (exit code 3).");
    stage.say("Exit code 3: a restore that stops at the limit says what it needs. What it has found out is kept.");
    Ok(books.client)
}

fn raise_and_go_on(stage: &Stage<'_>, org: &FakeProcess, before: &ShownRecords, sent: u64) -> Result<()> {
    stage.heading("12. Raise the limit, restore again, lower it");
    let lowered = LIMIT.to_string();
    stage.run(&["limit", NAME, RAISED, "--by", "ana"], DemoShow::All, Exit::Done)?;
    stage.run(&command(), DemoShow::Ends { first: 3, last: 1 }, Exit::Done)?;
    stage.run(&["limit", NAME, &lowered, "--by", "ana"], DemoShow::All, Exit::Done)?;
    let restores = stage.host.json(&["restores", NAME])?;
    ensure!(
        restores.as_array().is_some_and(|all| all.len() == 1) && text(&restores, "/0/state")? == "complete",
        "it is not one restore that is complete: {restores}"
    );
    ensure!(org.stats()?.client > sent, "the second run sent nothing");
    let now = held(org)?;
    for (object, records) in before {
        ensure!(
            now.get(object) == Some(records),
            "the org's records of {object} are not those of before"
        );
    }
    stage.note(&format!(
        "The same restore, continued: {} records created, each once.",
        number(&restores, "/0/created")?
    ));
    stage.say(&format!(
        "The same restore continued where it had stopped: {} records created, each once. The org has every lead and case that it\n\
         had, under new Ids.",
        number(&restores, "/0/created")?
    ));
    Ok(())
}

fn command() -> Vec<&'static str> {
    let mut command = vec!["restore", NAME, "latest", "--yes"];
    command.extend(DELETED.iter().flat_map(|(name, _)| ["--object", *name]));
    command
}

/// Records by object, each as a line, sorted.
type ShownRecords = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn held(org: &FakeProcess) -> Result<ShownRecords> {
    let mut held = ShownRecords::new();
    for (object, fields) in DELETED {
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        let (mut records, mut line, mut lines) = (org.records(object, &fields)?, Vec::new(), Vec::new());
        while records.next_into(&mut line)? {
            lines.push(line.clone());
        }
        lines.sort();
        held.insert(object, lines);
    }
    Ok(held)
}

fn total(held: &ShownRecords) -> usize {
    held.values().map(Vec::len).sum()
}
