//! Each tool against a fake org of its own: a full pass, a day with changes, an incremental pass.

use super::bound::{self, RequestBound};
use super::targets::{BenchTarget, FULL_FACTOR, INCREMENTAL_FACTOR};
use super::tool::{Brought, Tool, ToolReader};
use super::truth::{self, Changes, ObjectTruth, Truth};
use super::{Bench, Findings, RequestsOptions};
use crate::bench::books::{Books, OpenBooks};
use crate::bench::clients::PassSpan;
use crate::bench::difference::ObjectDifference;
use crate::bench::table::{Table, count, times};
use crate::running::FakeProcess;
use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

/// A day passes between the two passes; changes come in before it is over, so that spans that end in whole minutes cover them.
const MINUTES_BEFORE_CHANGES: u64 = 23 * 60;
const MINUTES_AFTER_CHANGES: u64 = 60;

/// What one tool's pass cost and brought.
#[derive(Debug, Serialize)]
struct Pass {
    books: Books,
    /// Live records read: all of them, or those changed.
    records: u64,
    /// Live records that should have been read and weren't, or differ.
    missing: u64,
    /// Deletions found.
    deletions: u64,
    /// Deletions that should have been found and weren't.
    missing_deletions: u64,
    /// Seconds on this machine, of which the fake takes most.
    seconds: f64,
    /// Objects that could not be read, and why.
    failed: BTreeMap<String, String>,
    /// Where values were compared: what differs.
    differences: Vec<String>,
}

impl Pass {
    fn is_whole(&self) -> bool {
        self.missing == 0
    }

    fn finds_all_deletions(&self) -> bool {
        self.missing_deletions == 0
    }
}

#[derive(Serialize)]
struct Measured {
    tool: Tool,
    full: Pass,
    incremental: Pass,
}

/// What the org held, and what it takes at least to read it.
#[derive(Serialize)]
struct MeasuredOrg {
    objects: u64,
    records: u64,
    changed: u64,
    deleted: u64,
    full: RequestBound,
    incremental: RequestBound,
}

/// Measures the wanted tools one after another.
pub fn run(bench: &Bench<'_>, options: &RequestsOptions) -> Result<Findings> {
    let mut measured = Vec::new();
    let mut org = None;
    for tool in options.tools() {
        eprintln!("{} of {}, seed {}", tool.title(), options.size(), options.seed);
        let (one, held) = measure(bench, options, tool).with_context(|| format!("{} was not measured", tool.title()))?;
        measured.push(one);
        org.get_or_insert(held);
    }
    let org = org.context("no tool to measure")?;
    let targets = judge(options, &measured, &org);
    Ok(Findings {
        text: told(options, &measured, &org, &targets),
        reached: !targets.iter().any(BenchTarget::is_missed),
        json: json!({
            "benchmark": "requests", "size": options.size(), "seed": options.seed,
            "org": org, "tools": measured, "targets": targets,
        }),
    })
}

fn measure(bench: &Bench<'_>, options: &RequestsOptions, tool: Tool) -> Result<(Measured, MeasuredOrg)> {
    let fake = bench.org(&options.size(), options.seed, MINUTES_BEFORE_CHANGES + MINUTES_AFTER_CHANGES)?;
    let reader = ToolReader::new(tool, bench, &fake)?;

    let before = truth::at_rest(&fake)?;
    let since = org_time(&fake)?;
    let full = pass(
        &reader,
        &fake,
        &PassSpan {
            incremental: false,
            since: &since,
            until: &since,
        },
        &before,
    )?;
    tell(&full);

    fake.advance_minutes(MINUTES_BEFORE_CHANGES)?;
    let churned = fake.churn(&json!({
        "changed_percent": 1.0, "created_percent": 0.1, "deleted_percent": 0.1, "hard_deleted_share": 0.3, "seed": options.seed,
    }))?;
    fake.advance_minutes(MINUTES_AFTER_CHANGES)?;

    let after = truth::after(&fake, &churned, &since)?;
    let until = org_time(&fake)?;
    let incremental = pass(
        &reader,
        &fake,
        &PassSpan {
            incremental: true,
            since: &since,
            until: &until,
        },
        &after,
    )?;
    tell(&incremental);
    let org = MeasuredOrg {
        objects: before.len() as u64,
        records: before.values().map(|object| object.rows).sum(),
        changed: after.values().map(|object| object.changed).sum(),
        deleted: after.values().map(|object| object.deleted).sum(),
        full: bound::full(&before),
        incremental: bound::incremental(&after),
    };
    bench.tidy(reader.folder())?;
    Ok((Measured { tool, full, incremental }, org))
}

/// The org's clock, to the second.
fn org_time(fake: &FakeProcess) -> Result<String> {
    let now = DateTime::<Utc>::from_timestamp_millis(fake.stats()?.now_ms).context("the fake's clock tells no time")?;
    Ok(now.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn pass(reader: &ToolReader, fake: &FakeProcess, span: &PassSpan<'_>, truth: &Truth) -> Result<Pass> {
    let opened = OpenBooks::now(fake)?;
    let started = Instant::now();
    let heard = reader.pass(fake, span)?;
    let seconds = started.elapsed().as_secs_f64();
    let books = opened.close(fake)?;
    let mut pass = Pass {
        books,
        records: 0,
        missing: 0,
        deletions: 0,
        missing_deletions: 0,
        seconds,
        failed: BTreeMap::new(),
        differences: Vec::new(),
    };
    let expected = |object: &ObjectTruth| match span.incremental && object.changes != Changes::Unknown {
        true => object.changed,
        false => object.rows,
    };
    match reader.brought(fake, heard)? {
        Brought::Compared(found) => {
            // A snapshot is whole or not: a deletion that was missed is a record that the org doesn't have.
            let of_objects = |difference: &ObjectDifference| (difference.of_the_org + difference.of_the_snapshot).max(1);
            pass.missing = found.differences.iter().map(of_objects).sum();
            pass.records = match span.incremental {
                true => truth.values().map(expected).sum(),
                false => found.records,
            };
            pass.deletions = truth.values().map(|object| object.deleted).sum();
            let lines = found.differences.iter();
            pass.differences = lines
                .map(|difference| {
                    format!(
                        "{}: {} of the org's records, {} of the snapshot's; {}",
                        difference.object,
                        difference.of_the_org,
                        difference.of_the_snapshot,
                        difference.examples.join("; ")
                    )
                })
                .collect();
        }
        Brought::Told(heard) => {
            for (name, object) in truth {
                let records = heard.records.get(name).copied().unwrap_or(0);
                let deletions = heard.deleted.get(name).copied().unwrap_or(0);
                pass.missing += expected(object).saturating_sub(records);
                pass.missing_deletions += object.deleted.saturating_sub(deletions);
            }
            pass.records = heard.records.values().sum();
            pass.deletions = heard.deleted.values().sum();
            pass.failed = heard.failed;
        }
    }
    Ok(pass)
}

fn tell(pass: &Pass) {
    eprintln!(
        "  {} requests, {} records, {} missing, {:.0} s",
        count(pass.books.counted),
        count(pass.records),
        count(pass.missing),
        pass.seconds
    );
    eprintln!("  {}", pass.books.in_words());
    for (object, reason) in pass.failed.iter().take(3) {
        eprintln!("  {object} could not be read: {reason}");
    }
    for difference in pass.differences.iter().take(10) {
        eprintln!("  differs: {difference}");
    }
}

/// The other tool that takes the fewest requests, of those of which `requests` gives a number.
fn best(measured: &[Measured], requests: impl Fn(&Measured) -> Option<u64>) -> Option<(&'static str, u64)> {
    let others = measured.iter().filter(|one| one.tool != Tool::Ours);
    others
        .filter_map(|one| Some((one.tool.title(), requests(one)?)))
        .min_by_key(|(_, requests)| *requests)
}

/// What another tool's full pass took, if it has read everything; its describes are given to it.
fn full_without_describes(one: &Measured) -> Option<u64> {
    one.full.is_whole().then(|| one.full.books.without_discovery())
}

/// The same, its describes counted, as ours are.
fn full_in_all(one: &Measured) -> Option<u64> {
    one.full.is_whole().then_some(one.full.books.counted)
}

/// What another tool's incremental took, if it has found every change and every deletion.
fn incremental_with_deletions(one: &Measured) -> Option<u64> {
    let pass = &one.incremental;
    (pass.is_whole() && pass.finds_all_deletions()).then(|| pass.books.without_discovery())
}

/// What it would have taken without asking for deletions that passed the recycle bin by.
fn incremental_without_hard_deletions(one: &Measured) -> Option<u64> {
    let books = &one.incremental.books;
    one.incremental
        .is_whole()
        .then(|| books.without_discovery() - books.deletions)
}

/// That a backup is whole is promised of every org; how few requests it takes, of the middle one.
fn judge(options: &RequestsOptions, measured: &[Measured], org: &MeasuredOrg) -> Vec<BenchTarget> {
    let Some(ours) = measured.iter().find(|one| one.tool == Tool::Ours) else {
        return Vec::new();
    };
    let (full, incremental) = (ours.full.books.counted, ours.incremental.books.counted);
    let mut few = vec![
        BenchTarget::near_bound("full", full, org.full.lower_bound),
        BenchTarget::near_bound("incremental", incremental, org.incremental.lower_bound),
    ];
    if measured.len() > 1 {
        let fewer = |pass, factor, ours, theirs: fn(&Measured) -> Option<u64>| {
            BenchTarget::fewer(pass, factor, ours, best(measured, theirs))
        };
        few.extend([
            fewer("full", FULL_FACTOR, full, full_without_describes),
            fewer("full, everybody's describes counted", FULL_FACTOR, full, full_in_all).only_told(),
            fewer("incremental", INCREMENTAL_FACTOR, incremental, incremental_with_deletions),
            fewer(
                "incremental, against tools that leave hard deletions out",
                INCREMENTAL_FACTOR,
                incremental,
                incremental_without_hard_deletions,
            )
            .only_told(),
        ]);
    }
    let few = few.into_iter().map(|target| match options.is_promised() {
        true => target,
        false => target.only_told(),
    });
    let whole = [
        BenchTarget::whole("full", ours.full.missing),
        BenchTarget::whole("incremental", ours.incremental.missing),
    ];
    whole.into_iter().chain(few).collect()
}

fn told(options: &RequestsOptions, measured: &[Measured], org: &MeasuredOrg, targets: &[BenchTarget]) -> String {
    let mut text = format!(
        "{}, seed {}: {} objects, {} records; then {} changed or created, {} deleted.\n\n",
        options.size(),
        options.seed,
        count(org.objects),
        count(org.records),
        count(org.changed),
        count(org.deleted),
    );
    text.push_str("Full\n\n");
    text.push_str(&full_table(measured, org));
    text.push_str("\nIncremental\n\n");
    text.push_str(&incremental_table(measured, org));
    text.push('\n');
    for target in targets {
        text.push_str(&target.line());
    }
    text
}

fn per_ten_thousand(requests: u64, records: u64) -> String {
    times(requests * 10_000, records)
}

fn full_table(measured: &[Measured], org: &MeasuredOrg) -> String {
    let mut table = Table::new(&[
        "tool",
        "requests",
        "of them describes and counts",
        "without those",
        "records",
        "missing",
        "requests per 10,000 records",
        "seconds",
    ]);
    for Measured { tool, full, .. } in measured {
        table.row(vec![
            tool.title().to_owned(),
            count(full.books.counted),
            count(full.books.discovery),
            count(full.books.without_discovery()),
            count(full.records),
            count(full.missing),
            per_ten_thousand(full.books.counted, full.records),
            format!("{:.0}", full.seconds),
        ]);
    }
    for (name, requests) in [("lower bound", org.full.lower_bound), ("floor", org.full.floor)] {
        table.row(vec![
            name.to_owned(),
            count(requests),
            String::new(),
            String::new(),
            count(org.records),
            String::new(),
            per_ten_thousand(requests, org.records),
            String::new(),
        ]);
    }
    table.markdown()
}

fn incremental_table(measured: &[Measured], org: &MeasuredOrg) -> String {
    let mut table = Table::new(&[
        "tool",
        "requests",
        "of them describes",
        "without those",
        "without getDeleted too",
        "changed records",
        "missing",
        "deletions",
        "missing",
        "requests per 10,000 changed",
        "seconds",
    ]);
    for Measured { tool, incremental, .. } in measured {
        let books = &incremental.books;
        table.row(vec![
            tool.title().to_owned(),
            count(books.counted),
            count(books.discovery),
            count(books.without_discovery()),
            count(books.without_discovery() - books.deletions),
            count(incremental.records),
            count(incremental.missing),
            count(incremental.deletions),
            count(incremental.missing_deletions),
            per_ten_thousand(books.counted, incremental.records),
            format!("{:.0}", incremental.seconds),
        ]);
    }
    for (name, requests) in [("lower bound", org.incremental.lower_bound), ("floor", org.incremental.floor)] {
        let mut row = vec![String::new(); 11];
        row[0] = name.to_owned();
        row[1] = count(requests);
        row[9] = per_ten_thousand(requests, org.changed);
        table.row(row);
    }
    table.markdown()
}
