//! `plan`: what the next backup takes, whether it fits now, and when it would be complete.

use super::pause::{PausedPart, print_pause};
use super::warnings;
use crate::failure::{CommandError, PAUSED};
use crate::open::{Opened, actor};
use crate::output::{bytes, counted, json, line, number, table};
use crate::progress::Show;
use backup_store::{ConnectionName, SnapshotKind};
use host_harness::jobs::{PlanRequest, PlanResult, PlannedObject};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// Objects that are shown unless all are asked for: those that take most.
const SHOWN: usize = 10;

/// Notes of one kind that are shown one by one.
const NOTES: usize = 3;

pub async fn run(
    open: &Opened,
    name: &ConnectionName,
    request: &PlanRequest,
    all: bool,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let show = Show::new(as_json);
    let host = open.host()?;
    warnings::of_configuration(&host, name).await?;
    let planned = host.plan(name, &actor(None), request, &show).await;
    show.end();
    let plan = planned?;
    if as_json {
        json(&plan)?;
    } else if let Some(pause) = &plan.pause {
        print_pause(pause, &plan.connection, PausedPart::Planning, None)?;
    } else {
        text(&plan, all).iter().try_for_each(|text| line(text))?;
        objects(&plan, all)?;
        warnings::print(&plan.warnings)?;
    }
    Ok(match plan.pause {
        Some(_) => ExitCode::from(PAUSED),
        None => warnings::exit_code(&plan.warnings),
    })
}

/// What people want to know first.
fn text(plan: &PlanResult, all: bool) -> Vec<String> {
    let read = plan.objects.iter().filter(|object| object.skipped.is_none()).count();
    let planned = match plan.kind {
        SnapshotKind::Full => format!(
            "full backup: {} of {read} objects, {} to download, in about {}",
            counted(plan.records, "record"),
            bytes(plan.bytes),
            counted(plan.requests, "request")
        ),
        SnapshotKind::Incremental => format!(
            "incremental backup: checks {read} objects for changes in about {}, and reads what changed",
            counted(plan.requests, "request")
        ),
    };
    let mut text = vec![format!("{planned}; this plan took {}", counted(plan.calls.sent, "request"))];
    text.extend(beside(plan));
    text.extend(bounds(plan).into_iter().map(|bound| format!("fetches {bound}")));
    text.extend(fits(plan));
    if plan.first {
        text.push(format!(
            "the first backup: raise the usage limit to 90 to 100 % until it is complete (`backup-host limit {} 90 --until \
             first-backup-complete`) and pause other applications that synchronise meanwhile",
            plan.connection
        ));
    }
    text.extend(notes(plan, all));
    text
}

/// Requests that can't be counted beforehand.
fn beside(plan: &PlanResult) -> Vec<String> {
    let whats: BTreeSet<&str> = uncounted(plan).map(|(what, _)| what).collect();
    let said = whats.into_iter().map(|what| {
        let alike = || uncounted(plan).filter(move |(other, _)| *other == what);
        let known: Vec<u64> = alike().filter_map(|(_, expected)| expected).collect();
        let unknown = alike().count() - known.len();
        let known_sum = number(known.iter().copied().fold(0, u64::saturating_add));
        let objects = counted(alike().count() as u64, "object");
        let expected = match (known.len(), unknown) {
            (0, _) => "how many shows while it runs, and the next plan tells".to_owned(),
            (_, 0) => format!("about {known_sum}, by what the last backup found"),
            _ => format!("about {known_sum}, by what the last backup found; of {unknown} objects nothing is known"),
        };
        format!("plus a request for each of the {what} of {objects}, which can't be counted in advance: {expected}")
    });
    said.collect()
}

/// What the connection itself allows, which each method names that it holds for.
fn bounds(plan: &PlanResult) -> BTreeSet<&str> {
    let clauses = plan
        .objects
        .iter()
        .filter_map(|object| object.way.as_deref())
        .flat_map(|way| way.split("; "));
    clauses.filter(|clause| clause.starts_with("at most ")).collect()
}

/// Requests that can't be counted beforehand, of all objects: what takes them, and how many to expect.
fn uncounted(plan: &PlanResult) -> impl Iterator<Item = (&str, Option<u64>)> {
    let of_objects = plan.objects.iter().flat_map(|object| &object.uncounted);
    of_objects.map(|uncounted| (uncounted.what.as_str(), uncounted.expected))
}

/// Whether it fits now, and what if not.
fn fits(plan: &PlanResult) -> Vec<String> {
    let (Some(fits), Some(free), Some(usage)) = (plan.fits_now, plan.free_now, plan.usage) else {
        return Vec::new();
    };
    let limit = format!("usage limit of {} % ({} requests)", plan.limit_percent, number(usage.ceiling));
    let (free, uncertain) = (number(free), plan.uncounted_expected.is_none());
    if fits && uncertain {
        return vec![format!(
            "what can be counted fits: {free} requests are free now under the {limit}; where it doesn't suffice the backup pauses, and resumes"
        )];
    }
    if fits {
        return vec![format!("it fits: {free} requests are free now under the {limit}")];
    }
    let times = match (plan.pauses_expected, &plan.completes_at) {
        (Some(pauses), Some(at)) => {
            let times = if pauses == 1 {
                "once".to_owned()
            } else {
                format!("about {} times", number(pauses))
            };
            format!("it will pause {times}, and be complete about {at}, if other applications continue as they do")
        }
        _ => "it will not be complete within years as other applications use the org now".to_owned(),
    };
    let at_least = if uncertain { " at least" } else { "" };
    let mut text = vec![format!(
        "it doesn't fit: {free} requests are free now under the {limit};{at_least} {times}"
    )];
    text.push(match plan.limit_to_finish_today {
        Some(percent) => format!(
            "a usage limit of {percent} % would finish it today: `backup-host limit {} {percent} --until first-backup-complete`",
            plan.connection
        )
        .replace(" --until first-backup-complete", if plan.first { " --until first-backup-complete" } else { " --until 24h" }),
        None => format!(
            "no usage limit would finish it today: not even 100 % of the daily API request limit ({}) is enough; docs/SALESFORCE.md says \
             how to have Salesforce raise it",
            number(usage.max)
        ),
    });
    text
}

/// What people should know of objects; where many have the same to say, once.
fn notes(plan: &PlanResult, all: bool) -> Vec<String> {
    let mut by_code: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for object in &plan.objects {
        for remark in &object.remarks {
            let code = remark.split(':').next().unwrap_or_default();
            by_code.entry(code).or_default().push((&object.name, remark));
        }
    }
    let mut text = Vec::new();
    for (code, remarks) in by_code {
        let shown = if all { remarks.len() } else { NOTES };
        text.extend(
            remarks
                .iter()
                .take(shown)
                .map(|(object, remark)| format!("note: {object}: {remark}")),
        );
        let more = remarks.len().saturating_sub(shown);
        if more > 0 {
            text.push(format!(
                "note: {code}: {} more objects; --all shows them",
                number(more as u64)
            ));
        }
    }
    text
}

/// The objects that take most, or all of them.
fn objects(plan: &PlanResult, all: bool) -> Result<(), CommandError> {
    let mut read: Vec<&PlannedObject> = plan.objects.iter().filter(|object| object.skipped.is_none()).collect();
    if !all {
        read.sort_by_key(|object| std::cmp::Reverse((object.requests, object.records)));
    }
    let more = if all { 0 } else { read.len().saturating_sub(SHOWN) };
    read.truncate(read.len() - more);
    let row = |object: &&PlannedObject| {
        let records = object.records.map_or("?".to_owned(), number);
        let mut row = vec![object.name.clone(), records, number(object.requests)];
        row.extend(all.then(|| object.way.clone().unwrap_or_default()));
        row
    };
    let rows: Vec<Vec<String>> = read.iter().map(row).collect();
    let head: &[&str] = if all {
        &["OBJECT", "RECORDS", "REQUESTS", "METHOD"]
    } else {
        &["OBJECT", "RECORDS", "REQUESTS"]
    };
    table(head, &rows)?;
    let skipped = plan
        .objects
        .iter()
        .filter_map(|object| Some((&object.name, object.skipped.as_ref()?)));
    if all {
        return skipped
            .into_iter()
            .try_for_each(|(name, why)| line(&format!("skipped: {name}: {why}")));
    }
    let skipped = skipped.count() as u64;
    if more > 0 || skipped > 0 {
        line(&format!(
            "and {} more objects; {} are skipped; --all shows all",
            number(more as u64),
            number(skipped)
        ))?;
    }
    Ok(())
}
