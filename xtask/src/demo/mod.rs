//! `cargo xtask demo`: one org backed up within its usage limit, from nothing to a verified audit trail, and restored.
//!
//! The script of a story in twelve steps, as a user would type them. It doesn't only show: each step checks what it says
//! against the fake org's own books, and the demo fails where they disagree. It is told in short for somebody who watches, or in
//! full, which is also how docs/DEMO.md is written.

mod gauge;
mod pages;
mod restore;
mod stage;

use crate::bench::numbers;
use crate::build;
use crate::running::{FakeOptions, FakeProcess, HostProgram};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use stage::{DemoShow, Exit, Stage};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

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

/// The page that holds the full story.
const PAGE: &str = "docs/DEMO.md";

/// How the demo is told.
#[derive(clap::Args)]
pub struct DemoArguments {
    /// Shows every command's output.
    #[arg(long)]
    long: bool,
    /// Writes docs/DEMO.md, the full story.
    #[arg(long, conflicts_with = "long")]
    write: bool,
    /// Fails where docs/DEMO.md is not what the story is now.
    #[arg(long, conflicts_with_all = ["long", "write"])]
    check: bool,
    /// Folder with backup-host, salesforce.wasm and fake-salesforce, instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// Builds, and tells the story.
pub fn run(workspace: &Workspace, arguments: &DemoArguments) -> Result<()> {
    let programs = build::shipped(workspace, arguments.programs.as_deref())?;
    let org = FakeProcess::start(
        &programs,
        &FakeOptions {
            size: "real",
            seed: 1,
            max: MAX,
            used: OTHERS,
            used_minutes_ago: OTHERS_AGO,
            minutes_behind: 0,
        },
    )?;
    let host = HostProgram::new(&programs, workspace.target().join("demo"), org.client_secret())?;
    let mut configuration = org.configuration(LIMIT);
    configuration["file_requests"] = FILES.into();
    // Without that, a backup that leaves files for the next one ends with exit code 4.
    configuration["accept_warnings"] = serde_json::json!(["files-deferred"]);
    fs::write(host.folder().join("acme.json"), serde_json::to_vec_pretty(&configuration)?)?;

    let is_full = arguments.long || arguments.write || arguments.check;
    let stage = if is_full { Stage::full(&host) } else { Stage::short(&host) };
    tell(&stage, &org)?;
    let page = pages::page(&stage.transcript());
    let path = workspace.root().join(PAGE);
    if arguments.write {
        fs::write(&path, page)?;
        println!("{PAGE} is written.");
    } else if arguments.check {
        let kept = fs::read_to_string(&path).unwrap_or_default();
        pages::ensure_same(&kept, &page)
            .with_context(|| format!("{PAGE} is stale; write it with `cargo xtask demo --write`"))?;
        println!("{PAGE} is what the story is now.");
    } else {
        println!("\nWhat it left is in {}.", workspace.shown(host.folder()));
    }
    Ok(())
}

fn tell(stage: &Stage<'_>, org: &FakeProcess) -> Result<()> {
    stage.note(&format!(
        "A fake Salesforce org may have {MAX} API requests in 24 hours; other apps have used {OTHERS} of them (▒).\n  \
         The usage limit is {LIMIT} %: at {CEILING} (│) the backup pauses, and the rest stays free for everybody (·).\n"
    ));
    connect(stage, org)?;
    let planned = plan(stage)?;
    let paused = back_up_until_the_pause(stage, org)?;
    look_into_the_partial_snapshot(stage)?;
    let freed = let_time_pass(stage, org)?;
    complete_the_same_snapshot(stage, org, &paused, planned)?;
    stage.heading("7. Is it what the org holds?");
    compare_with_the_org(stage, org)?;
    let changes = back_up_the_next_day(stage, org)?;
    verify(stage)?;
    let totals = org.stats()?;
    restore::tell(stage, org)?;

    stage.heading("What happened");
    stage.say(&format!(
        "The first backup took {} requests, {FILES} of them for files, checks and plan included, and it stopped in time: the org's\n\
         usage was never over {CEILING} of {MAX}, and the {} above stayed free for everybody else. When {freed} requests of\n\
         others had left the window, it resumed in the same snapshot. The next day's took {changes}, another {FILES} files\n\
         included. All of it was checked against the org's own books.",
        totals.client - changes,
        MAX - CEILING,
    ));
    stage.note(&format!(
        "\n  {} requests for backups in all, and never more than {CEILING} of {MAX} in use: checked against the org's own books.\n  \
         `cargo xtask demo --long` shows every command's output.",
        totals.client
    ));
    Ok(())
}

fn connect(stage: &Stage<'_>, org: &FakeProcess) -> Result<()> {
    stage.heading("1. Connect an org");
    stage.say(&format!(
        "A fake Salesforce runs at {}: an org of 406 objects that may have {MAX} API requests in 24 hours.\n\
         Other applications have used {OTHERS} of them. The connection's usage limit is {LIMIT} %: when {CEILING} are used, by\n\
         whomever, the backup stops. Files are a request each; the connection allows {FILES} for them a backup.",
        org.url()
    ));
    stage.run(
        &["connection", "add", NAME, "--config", "acme.json"],
        DemoShow::All,
        Exit::Done,
    )?;
    ensure!(org.stats()?.client == 0, "adding a connection sent something");
    stage.note("No API request was made.");
    stage.run(&["connection", "check", NAME], DemoShow::All, Exit::Done)?;
    stage.aside(&["limit", NAME], DemoShow::All, Exit::Done)
}

/// Gives the requests that the backup is planned with.
fn plan(stage: &Stage<'_>) -> Result<u64> {
    stage.heading("2. What will it cost?");
    let sent = ["plan", NAME];
    stage.run(&sent, DemoShow::All, Exit::Done)?;
    stage.say(&format!(
        "Files, and images within rich text, are a request each, and nobody can count the images before the text is read. Here the\n\
         configuration has \"file_requests\": {FILES}, so no more than {FILES} of them are fetched by one backup; those that are left are\n\
         fetched by the next ones. Without it the backup fetches all of them, and the plan names the images beside its number."
    ));
    let requests = number(&stage.host.json(&sent)?, "/requests")?;
    stage.note(&format!("About {requests} API requests, {FILES} of them for files."));
    Ok(requests)
}

/// What stands when the backup has paused.
struct DemoPause {
    snapshot: String,
    sent: u64,
}

fn back_up_until_the_pause(stage: &Stage<'_>, org: &FakeProcess) -> Result<DemoPause> {
    stage.heading("3. Back up, until the limit says stop");
    stage.run(&["backup", NAME], DemoShow::Ends { first: 3, last: 5 }, Exit::DemoPause)?;
    let status = stage.host.json(&["status", NAME])?;
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
    stage.say(&format!(
        "Exit code 3: paused, not failed. {} requests were ours; the other {} are other applications'. The {} above\n\
         the ceiling are untouched.",
        books.client,
        books.used - books.client,
        MAX - CEILING
    ));
    stage.note(&format!(
        "Paused at the usage limit (exit code 3): {} requests were the backup's (█); {} stay free for everybody else.",
        books.client,
        MAX - CEILING
    ));
    stage.aside(&["status", NAME], DemoShow::All, Exit::Done)?;
    Ok(DemoPause {
        snapshot,
        sent: books.client,
    })
}

fn look_into_the_partial_snapshot(stage: &Stage<'_>) -> Result<()> {
    stage.heading("4. A partial snapshot can be read");
    stage.aside(&["snapshots", NAME], DemoShow::All, Exit::Done)?;
    stage.aside(&["ls", NAME, "latest"], DemoShow::Ends { first: 8, last: 4 }, Exit::Done)?;
    let objects = stage.host.json(&["ls", NAME, "latest"])?;
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
    stage.say(&format!("One record of {object}, as it was read:"));
    let records = stage.run(
        &["export", NAME, "latest", object],
        DemoShow::Ends { first: 1, last: 0 },
        Exit::Done,
    )?;
    let mut rows = records.lines().filter(|line| line.starts_with('{'));
    let first = rows.next().context("the export is empty")?;
    let record: Value = serde_json::from_str(first).context("the export is not JSON")?;
    ensure!(record["Id"].is_string(), "the record has no Id");
    stage.note(&format!(
        "The partial snapshot can be read: {} records of {object} are in it.",
        rows.count() + 1
    ));
    Ok(())
}

/// Gives how many requests of others have left the window.
fn let_time_pass(stage: &Stage<'_>, org: &FakeProcess) -> Result<u64> {
    stage.heading("5. Time passes");
    let before = org.stats()?;
    org.advance_minutes(OTHERS_AGO + 60)?;
    let after = org.stats()?;
    ensure!(after.used < before.used, "no request has left the org's window");
    let freed = before.used - after.used;
    stage.say(&format!(
        "On the fake org's clock {} hours go by. What the other applications sent is now older than 24 hours, so it\n\
         no longer counts: used falls from {} to {}. (The host can't know that yet: it asks rarely, since\n\
         asking takes a request. With `backup --wait` it would have waited and asked by itself.)",
        (OTHERS_AGO + 60) / 60,
        before.used,
        after.used
    ));
    stage.note(&format!(
        "{} hours pass, the others' requests are older than 24 hours: {} of {MAX} are used.\n",
        (OTHERS_AGO + 60) / 60,
        after.used
    ));
    Ok(freed)
}

fn complete_the_same_snapshot(stage: &Stage<'_>, org: &FakeProcess, paused: &DemoPause, planned: u64) -> Result<()> {
    stage.heading("6. The same command again goes on, in the same snapshot");
    // It says of itself when it asks next; a person who knows that requests have come free needn't wait for that.
    let backup = ["backup", NAME, "--check-now"];
    stage.run(&backup, DemoShow::Ends { first: 3, last: 3 }, Exit::Done)?;
    stage.aside(&["snapshots", NAME], DemoShow::All, Exit::Done)?;
    let snapshots = stage.host.json(&["snapshots", NAME])?;
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
    stage.say(&format!("The plan said {planned} requests; {sent} were sent."));
    stage.note(&format!(
        "Complete, in the same snapshot: {} records in {sent} requests (planned: {planned}).",
        number(&snapshots, "/0/records")?
    ));
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

fn compare_with_the_org(stage: &Stage<'_>, org: &FakeProcess) -> Result<()> {
    let mut compared = Vec::new();
    for object in COMPARED {
        let exported = stage.host.output(&["export", NAME, "latest", object])?;
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
        compared.push(format!("{object} {}", held.len()));
    }
    stage.say(&format!(
        "Compared with the org, every record and every value of every field: {}; no difference.",
        compared.join(", ")
    ));
    stage.note(&format!(
        "Compared with the org, every value: {}; no difference.",
        compared.join(", ")
    ));
    stage.say("(Compound fields, such as addresses, are in the snapshot by their parts.)");
    Ok(())
}

/// Gives how many requests the backup took.
fn back_up_the_next_day(stage: &Stage<'_>, org: &FakeProcess) -> Result<u64> {
    stage.heading("8. The next day");
    let churn = json!({"changed_percent": 1.0, "deleted_percent": 0.1, "hard_deleted_share": 0.3, "created_percent": 0.1});
    let changed: u64 = org.churn(&churn)?.values().map(|churned| churned.changed).sum();
    org.advance_minutes(24 * 60)?;
    let before = org.stats()?.client;
    stage.say(&format!(
        "People have worked: {changed} records were changed, others came and went. The next backup goes on from the complete\n\
         snapshot and reads only that; the new snapshot has everything all the same."
    ));
    stage.note(&format!("A day passes: {changed} records are changed, others come and go.\n"));
    stage.run(&["backup", NAME], DemoShow::Ends { first: 2, last: 2 }, Exit::Done)?;
    stage.aside(&["snapshots", NAME], DemoShow::All, Exit::Done)?;
    let sent = org.stats()?.client - before;
    stage.note(&format!(
        "Complete, from what changed alone: {sent} requests, {FILES} of them for files."
    ));
    compare_with_the_org(stage, org)?;
    Ok(sent)
}

fn verify(stage: &Stage<'_>) -> Result<()> {
    stage.heading("9. Who did what, and is it all still there?");
    stage.aside(&["check", NAME], DemoShow::All, Exit::Done)?;
    stage.aside(&["audit", NAME], DemoShow::All, Exit::Done)?;
    let head = text(&stage.host.json(&["status", NAME])?, "/head")?;
    stage.say("Whoever keeps the head elsewhere finds out later if the trail was cut or written anew:");
    stage.run(&["audit", NAME, "--verify", "--expect", &head], DemoShow::All, Exit::Done)?;
    stage.note("The audit log is intact.");
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
