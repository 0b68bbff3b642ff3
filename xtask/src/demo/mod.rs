//! `cargo xtask demo`: one org backed up within its usage limit, from nothing to a verified audit trail, and restored.
//!
//! The script of a story in twelve steps, as a user would type them. It doesn't only show: each step checks what it says
//! against the fake org's own books, and the demo fails where they disagree.

mod restore;
mod show;

use crate::bench::numbers;
use crate::build;
use crate::running::{Fake, FakeOptions, Host};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use console::style;
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use show::{Exit, Show};
use std::collections::BTreeSet;
use std::fs;

/// Requests that the org may have in 24 hours.
const MAX: u64 = 1_000;
/// Requests that other applications have sent in the last hours.
const OTHERS: u64 = 430;
/// How long ago they did, in minutes.
const OTHERS_AGO: u64 = 720;
/// Usage limit of the connection, in percent.
const LIMIT: u64 = 50;
/// What the backup may make the org use at most.
const CEILING: u64 = MAX * LIMIT / 100;
/// Files that a backup fetches at most: each of them is a request.
const FILES: u64 = 40;
/// Name of the connection.
const NAME: &str = "acme";
/// Objects that are compared with the org record by record.
const COMPARED: [&str; 3] = ["Account", "Contact", "Opportunity"];

/// Builds, and tells the story.
pub fn run(workspace: &Workspace) -> Result<()> {
    build::everything(workspace)?;
    let org = Fake::start(
        &workspace.release(),
        &FakeOptions {
            size: "real",
            seed: 1,
            max: MAX,
            used: OTHERS,
            used_minutes_ago: OTHERS_AGO,
            minutes_behind: 0,
        },
    )?;
    let host = Host::new(&workspace.release(), workspace.target().join("demo"), org.client_secret())?;
    let mut configuration = org.configuration(LIMIT);
    configuration["file_requests"] = FILES.into();
    // Without that, a backup that leaves files for the next one ends with exit code 4.
    configuration["accept_warnings"] = serde_json::json!(["files-deferred"]);
    fs::write(host.folder().join("acme.json"), serde_json::to_vec_pretty(&configuration)?)?;

    connect(&host, &org)?;
    let planned = plan(&host)?;
    let paused = back_up_until_the_pause(&host, &org)?;
    look_into_the_partial_snapshot(&host)?;
    let freed = let_time_pass(&org)?;
    complete_the_same_snapshot(&host, &org, &paused, planned)?;
    heading("7. Is it what the org holds?");
    compare_with_the_org(&host, &org)?;
    let changes = back_up_the_next_day(&host, &org)?;
    verify(&host)?;
    let totals = org.stats()?;
    restore::tell(&host, &org)?;

    heading("What happened");
    say(&format!(
        "The first backup took {} requests, {FILES} of them for files, checks and plan included, and it stopped in time: the org's\n\
         usage was never over {CEILING} of {MAX}, and the {} above stayed free for everybody else. When {freed} requests of\n\
         others had left the window, it went on in the same snapshot. The next day's took {changes}, another {FILES} files\n\
         included. All of it was checked against the org's own books.",
        totals.client - changes,
        MAX - CEILING,
    ));
    say(&format!("What it left is in {}.", workspace.shown(host.folder())));
    Ok(())
}

fn connect(host: &Host, org: &Fake) -> Result<()> {
    heading("1. Connect an org");
    say(&format!(
        "A fake Salesforce runs at {}: an org of 406 objects that may have {MAX} API requests in 24 hours.\n\
         Other applications have used {OTHERS} of them. The connection's usage limit is {LIMIT} %: when {CEILING} are used, by\n\
         whomever, the backup stops. Files are a request each; the connection allows {FILES} for them a backup.",
        org.url()
    ));
    show::run(
        host,
        &["connection", "add", NAME, "--config", "acme.json"],
        Show::All,
        Exit::Done,
    )?;
    ensure!(org.stats()?.client == 0, "adding a connection sent something");
    show::run(host, &["connection", "check", NAME], Show::All, Exit::Done)?;
    show::run(host, &["limit", NAME], Show::All, Exit::Done)?;
    Ok(())
}

/// Gives the requests that the backup is planned with.
fn plan(host: &Host) -> Result<u64> {
    heading("2. What will it cost?");
    let sent = ["plan", NAME];
    show::run(host, &sent, Show::All, Exit::Done)?;
    say(&format!(
        "Files, and images within rich text, are a request each, and nobody can count the images before the text is read. Here the\n\
         configuration has \"file_requests\": {FILES}, so no more than {FILES} of them are fetched by one backup; those that are left are\n\
         fetched by the next ones. Without it the backup fetches all of them, and the plan names the images beside its number."
    ));
    number(&host.json(&sent)?, "/requests")
}

/// What stands when the backup has paused.
struct Paused {
    snapshot: String,
    sent: u64,
}

fn back_up_until_the_pause(host: &Host, org: &Fake) -> Result<Paused> {
    heading("3. Back up, until the limit says stop");
    show::run(host, &["backup", NAME], Show::Ends { first: 0, last: 4 }, Exit::Paused)?;
    let status = host.json(&["status", NAME])?;
    let snapshot = text(&status, "/snapshot/id")?;
    ensure!(
        text(&status, "/snapshot/state")? == "partial",
        "the snapshot of a paused backup is not partial"
    );
    ensure!(
        text(&status, "/pause/reason")? == "usage-limit",
        "the backup paused for another reason"
    );
    let books = org.stats()?;
    ensure!(
        number(&status, "/usage/used")? == books.used,
        "the host counts otherwise than the org"
    );
    ensure!(
        books.used == CEILING,
        "the pause came at {} used, and the ceiling is {CEILING}",
        books.used
    );
    say(&format!(
        "Exit code 3: paused, not failed. {} requests were ours; the other {} are other applications'. The {} above\n\
         the ceiling are untouched.",
        books.client,
        books.used - books.client,
        MAX - CEILING
    ));
    show::run(host, &["status", NAME], Show::All, Exit::Done)?;
    Ok(Paused {
        snapshot,
        sent: books.client,
    })
}

fn look_into_the_partial_snapshot(host: &Host) -> Result<()> {
    heading("4. A partial snapshot can be read");
    show::run(host, &["snapshots", NAME], Show::All, Exit::Done)?;
    show::run(host, &["ls", NAME, "latest"], Show::Ends { first: 8, last: 4 }, Exit::Done)?;
    let objects = host.json(&["ls", NAME, "latest"])?;
    let whole: Vec<&str> = objects
        .as_array()
        .into_iter()
        .flatten()
        .filter(|object| object["state"] == "complete" && object["records"].as_u64().is_some_and(|records| records > 0))
        .filter_map(|object| object["name"].as_str())
        .collect();
    let familiar = whole.iter().find(|object| COMPARED.contains(object));
    let object = familiar
        .or(whole.first())
        .context("no object is complete in the partial snapshot")?;
    say(&format!("One record of {object}, as it was read:"));
    let records = show::run(
        host,
        &["export", NAME, "latest", object],
        Show::Ends { first: 1, last: 0 },
        Exit::Done,
    )?;
    let first = records.lines().next().context("the export is empty")?;
    let record: Value = serde_json::from_str(first).context("the export is not JSON")?;
    ensure!(record["Id"].is_string(), "the record has no Id");
    Ok(())
}

/// Gives how many requests of others have left the window.
fn let_time_pass(org: &Fake) -> Result<u64> {
    heading("5. Time passes");
    let before = org.stats()?;
    org.advance_minutes(OTHERS_AGO + 60)?;
    let after = org.stats()?;
    ensure!(after.used < before.used, "no request has left the org's window");
    let freed = before.used - after.used;
    say(&format!(
        "On the fake org's clock {} hours go by. What the other applications sent is now older than 24 hours, so it\n\
         no longer counts: used falls from {} to {}. (The host can't know that yet: it asks rarely, since\n\
         asking takes a request. With `backup --wait` it would have waited and asked by itself.)",
        (OTHERS_AGO + 60) / 60,
        before.used,
        after.used
    ));
    Ok(freed)
}

fn complete_the_same_snapshot(host: &Host, org: &Fake, paused: &Paused, planned: u64) -> Result<()> {
    heading("6. The same command again goes on, in the same snapshot");
    // It says of itself when it asks next; a person who knows that requests have come free needn't wait for that.
    let backup = ["backup", NAME, "--check-now"];
    show::run(host, &backup, Show::Ends { first: 0, last: 4 }, Exit::Done)?;
    show::run(host, &["snapshots", NAME], Show::All, Exit::Done)?;
    let snapshots = host.json(&["snapshots", NAME])?;
    ensure!(
        snapshots.as_array().is_some_and(|all| all.len() == 1),
        "there is more than one snapshot"
    );
    ensure!(
        text(&snapshots, "/0/id")? == paused.snapshot,
        "it is another snapshot than the paused one"
    );
    ensure!(text(&snapshots, "/0/state")? == "complete", "the snapshot is not complete");
    let sent = number(&snapshots, "/0/calls")?;
    ensure!(
        planned.abs_diff(sent) * 10 <= sent,
        "the plan said {planned} requests, and {sent} were sent"
    );
    say(&format!("The plan said {planned} requests; {sent} were sent."));
    let books = org.stats()?;
    ensure!(books.client > paused.sent, "the second run sent nothing");
    ensure!(books.client <= CEILING, "own requests of the day passed the ceiling");
    let highest = org.highest_usage()?;
    ensure!(
        highest <= CEILING,
        "the org's usage was {highest}, over the ceiling of {CEILING}"
    );
    Ok(())
}

fn compare_with_the_org(host: &Host, org: &Fake) -> Result<()> {
    for object in COMPARED {
        let exported = host.output(&["export", NAME, "latest", object])?;
        let exported = lines(&exported);
        let record = exported.first().with_context(|| format!("the snapshot has no {object}"))?;
        let fields: IndexMap<String, IgnoredAny> = serde_json::from_slice(record)?;
        let mut held = Vec::new();
        let mut records = org.records(object, &fields.into_keys().collect::<Vec<_>>())?;
        let mut record = Vec::new();
        while records.next_into(&mut record)? {
            held.append(&mut record);
            held.push(b'\n');
        }
        let held = lines(&held);
        ensure!(!held.is_empty(), "the org has no {object}");
        let missing = held.difference(&exported).count();
        let foreign = exported.difference(&held).count();
        ensure!(
            missing + foreign == 0,
            "of {object}, {missing} records differ from the org's, and {foreign} are not in it"
        );
        println!("{object}: all {} records, every value of every field", held.len());
    }
    say("(Compound fields, such as addresses, are in the snapshot by their parts.)");
    Ok(())
}

/// Gives how many requests the backup took.
fn back_up_the_next_day(host: &Host, org: &Fake) -> Result<u64> {
    heading("8. The next day");
    let churn = json!({"changed_percent": 1.0, "deleted_percent": 0.1, "hard_deleted_share": 0.3, "created_percent": 0.1});
    let changed: u64 = org.churn(&churn)?.values().map(|churned| churned.changed).sum();
    org.advance_minutes(24 * 60)?;
    let before = org.stats()?.client;
    say(&format!(
        "People have worked: {changed} records were changed, others came and went. The next backup goes on from the complete\n\
         snapshot and reads only that; the new snapshot has everything all the same."
    ));
    show::run(host, &["backup", NAME], Show::Ends { first: 2, last: 2 }, Exit::Done)?;
    show::run(host, &["snapshots", NAME], Show::All, Exit::Done)?;
    compare_with_the_org(host, org)?;
    Ok(org.stats()?.client - before)
}

fn verify(host: &Host) -> Result<()> {
    heading("9. Who did what, and is it all still there?");
    show::run(host, &["check", NAME], Show::All, Exit::Done)?;
    show::run(host, &["audit", NAME], Show::All, Exit::Done)?;
    let head = text(&host.json(&["status", NAME])?, "/head")?;
    say("Whoever keeps the head elsewhere finds out later if the trail was cut or written anew:");
    show::run(host, &["audit", NAME, "--verify", "--expect", &head], Show::All, Exit::Done)?;
    Ok(())
}

/// Lines of a text, numbers in one way of writing.
fn lines(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let plain = |line: &[u8]| {
        let mut plain = Vec::with_capacity(line.len());
        numbers::write_plainly(line, &mut plain);
        plain
    };
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(plain)
        .collect()
}

fn heading(text: &str) {
    println!("\n{}\n", style(text).bold());
}

fn say(text: &str) {
    println!("{text}\n");
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no text at {pointer} in {value}"))
}

fn number(value: &Value, pointer: &str) -> Result<u64> {
    value
        .pointer(pointer)
        .and_then(Value::as_u64)
        .with_context(|| format!("no number at {pointer} in {value}"))
}
