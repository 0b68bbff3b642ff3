//! `diff`: what two snapshots differ in, or one and the org as it is now.

use super::held::named;
use super::snapshots::selected;
use super::until_interrupted;
use crate::failure::{CommandError, PAUSED, WARNED};
use crate::open::{Opened, actor};
use crate::output::{counted, json, json_line, line, number, table};
use crate::progress::Show;
use backup_contract::Row;
use backup_store::snapshot::{Difference, FieldChange, ObjectFold, RecordChange, differences};
use backup_store::{ConnectionName, ObjectName, ObjectState, Snapshot};
use futures::StreamExt;
use host_harness::jobs::{BackupRequest, BackupResult, BackupState, Calls, ObjectResult, PauseResult};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// What stands for the org as it is now.
pub const LIVE: &str = "live";

/// Differing records of one object that are shown to people; JSON has them all.
const SHOWN: usize = 20;
/// Characters of a value that are shown to people.
const SHOWN_OF_VALUE: usize = 60;

/// Fields that the source sets by itself whenever a record is touched or looked at: they say when, not what.
const SET_BY_ITSELF: [&str; 5] = [
    "SystemModstamp",
    "LastModifiedDate",
    "LastModifiedById",
    "LastViewedDate",
    "LastReferencedDate",
];

/// Differences of one object.
#[derive(Debug, Default, Serialize)]
struct ComparedObject {
    name: String,
    /// Null where that snapshot doesn't know the object.
    before: Option<ObjectState>,
    after: Option<ObjectState>,
    /// False where one of them holds no records of it.
    compared: bool,
    added: u64,
    removed: u64,
    changed: u64,
    touched: u64,
    /// Records that only one has, where the other one hasn't read all.
    not_read: u64,
    /// For people.
    #[serde(skip)]
    lines: Vec<String>,
}

impl ComparedObject {
    fn differing(&self) -> u64 {
        self.added + self.removed + self.changed + self.touched
    }
}

/// What is compared.
#[derive(Debug)]
pub struct Diff {
    pub before: String,
    pub after: String,
    /// Empty: all.
    pub objects: Vec<ObjectName>,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
}

pub async fn run(open: &Opened, name: &ConnectionName, asked: &Diff, as_json: bool) -> Result<ExitCode, CommandError> {
    if asked.before == LIVE {
        return Err(CommandError::wrong_use(
            "the first of both is a snapshot; `live` is what it may be compared with",
        ));
    }
    if asked.check_now && asked.after != LIVE {
        return Err(CommandError::wrong_use(
            "--check-now is about the org, which only `live` asks; leave it out to compare two snapshots",
        ));
    }
    let before = selected(open, name, &asked.before).await?;
    let (after, taken) = if asked.after == LIVE {
        let taken = live(open, name, &before, asked.check_now, as_json).await?;
        (selected(open, name, &taken.snapshot).await?, Some(taken))
    } else {
        (selected(open, name, &asked.after).await?, None)
    };
    let (states_before, states_after) = (states(&before), states(&after));
    let mut names: BTreeSet<&ObjectName> = before.fold().objects.keys().chain(after.fold().objects.keys()).collect();
    let only = asked.objects.iter().map(|object| named(&[&before, &after], object));
    let only: Vec<ObjectName> = only.collect::<Result<_, _>>()?;
    names.retain(|name| only.is_empty() || only.contains(name));
    let mut objects = Vec::new();
    for name in names {
        let mut object = ComparedObject {
            name: name.to_string(),
            before: states_before.get(name.as_str()).copied(),
            after: states_after.get(name.as_str()).copied(),
            ..ComparedObject::default()
        };
        compare(&before, &after, name, &mut object, as_json).await?;
        objects.push(object);
    }
    let pause = taken.as_ref().and_then(|taken| taken.pause.clone());
    let incomplete = taken.as_ref().is_some_and(|taken| taken.state == BackupState::Incomplete);
    let result = DiffSummary {
        connection: name.to_string(),
        before: side(&before),
        after: side(&after),
        added: objects.iter().map(|object| object.added).sum(),
        removed: objects.iter().map(|object| object.removed).sum(),
        changed: objects.iter().map(|object| object.changed).sum(),
        touched: objects.iter().map(|object| object.touched).sum(),
        objects,
        pause,
        calls: taken.map(|taken| taken.calls),
    };
    if as_json {
        json(&result)?
    } else {
        print(&result)?
    }
    Ok(match result.pause {
        Some(_) => ExitCode::from(PAUSED),
        None if incomplete => ExitCode::from(WARNED),
        None => ExitCode::SUCCESS,
    })
}

/// The last line of JSON.
#[derive(Debug, Serialize)]
struct DiffSummary {
    connection: String,
    before: Value,
    after: Value,
    objects: Vec<ComparedObject>,
    added: u64,
    removed: u64,
    changed: u64,
    touched: u64,
    /// Why the backup that `live` takes pauses.
    pause: Option<PauseResult>,
    /// Of that backup.
    calls: Option<Calls>,
}

fn side(snapshot: &Snapshot) -> Value {
    let info = snapshot.info();
    json!({"snapshot": info.id.to_string(), "state": info.state})
}

/// How far each object is, as `ls` tells it.
fn states(snapshot: &Snapshot) -> BTreeMap<String, ObjectState> {
    let objects = ObjectResult::all_of(snapshot.fold()).into_iter();
    objects.map(|object| (object.name, object.state)).collect()
}

/// Backs up what the snapshot is of: the cheapest complete reading there is. Once more where that only completed one that was begun
/// before, since some of it would be as old as that.
async fn live(
    open: &Opened,
    name: &ConnectionName,
    snapshot: &Snapshot,
    check_now: bool,
    as_json: bool,
) -> Result<BackupResult, CommandError> {
    let host = open.host()?;
    let show = Show::new(as_json);
    let journal = open.journal(name).await?;
    let record = journal.state().snapshot(snapshot.info().id);
    let request = BackupRequest {
        objects: record.map(|record| record.objects.clone()).unwrap_or_default(),
        check_now,
        ..BackupRequest::default()
    };
    let begun = open.clock().now();
    let mut sent = 0;
    loop {
        let by = actor(None);
        let job = host.backup(name, &by, &request, &show);
        let done = until_interrupted(job, &request.stop, "interrupted; diff again to continue").await?;
        show.end();
        let mut result = done?;
        sent += result.calls.sent;
        result.calls.sent = sent;
        if result.pause.is_some() {
            return Ok(result);
        }
        if result.state == BackupState::Partial {
            let why = result.failed.unwrap_or_else(|| "it was stopped".to_owned());
            return Err(CommandError::failed(format!("the org can't be read as it is now: {why}")));
        }
        let journal = open.journal(name).await?;
        let taken = journal
            .state()
            .snapshots()
            .iter()
            .find(|taken| taken.id.to_string() == result.snapshot);
        if taken.is_some_and(|taken| taken.begun_at >= begun) {
            return Ok(result);
        }
    }
}

/// Tells each difference as a line of JSON, or keeps the first ones for people.
async fn compare(
    before: &Snapshot,
    after: &Snapshot,
    name: &ObjectName,
    object: &mut ComparedObject,
    as_json: bool,
) -> Result<(), CommandError> {
    let folds = [before, after].map(|snapshot| snapshot.fold().objects.get(name));
    let has_records = |fold: &ObjectFold| fold.holds_all() || (fold.state == ObjectState::Partial);
    let [Some(fold_before), Some(fold_after)] = folds.map(|fold| fold.filter(|fold| has_records(fold))) else {
        return Ok(());
    };
    object.compared = true;
    let mut found = differences(before, after, name);
    while let Some(difference) = found.next().await {
        let difference = difference?;
        let (count, event) = match &difference.what {
            // Who hasn't read all can't tell that a record isn't there.
            RecordChange::Added(_) if !fold_before.holds_all() => (&mut object.not_read, None),
            RecordChange::Removed(_) if !fold_after.holds_all() => (&mut object.not_read, None),
            RecordChange::Added(_) => (&mut object.added, Some("added")),
            RecordChange::Removed(_) => (&mut object.removed, Some("removed")),
            RecordChange::Fields(fields) if fields.iter().all(is_set_by_itself) => (&mut object.touched, Some("touched")),
            RecordChange::Fields(_) => (&mut object.changed, Some("changed")),
        };
        *count += 1;
        match event {
            Some(event) if as_json => json_line(&event_line(event, name, &difference)?)?,
            Some(event) if event != "touched" && *count <= SHOWN as u64 => object.lines.extend(text(event, name, &difference)),
            _ => {}
        }
    }
    Ok(())
}

fn is_set_by_itself(change: &FieldChange) -> bool {
    SET_BY_ITSELF.contains(&change.field.as_str())
}

/// A record that differs, in JSON.
#[derive(Serialize)]
struct EventLine<'a> {
    event: &'a str,
    object: &'a ObjectName,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [FieldChange]>,
}

fn event_line<'a>(event: &'a str, object: &'a ObjectName, difference: &'a Difference) -> Result<EventLine<'a>, CommandError> {
    let record = |row: &'a Row| {
        let unreadable = |error| CommandError::failed(format!("{object} {}: {error}", row.key));
        serde_json::from_slice(&row.body).map_err(unreadable)
    };
    let (record, fields) = match &difference.what {
        RecordChange::Added(row) | RecordChange::Removed(row) => (Some(record(row)?), None),
        RecordChange::Fields(fields) => (None, Some(fields.as_slice())),
    };
    Ok(EventLine {
        event,
        object,
        key: &difference.key,
        record,
        fields,
    })
}

/// The same for people.
fn text(event: &str, object: &ObjectName, difference: &Difference) -> Vec<String> {
    let mut lines = vec![format!("{event}: {object} {}", difference.key)];
    if let RecordChange::Fields(fields) = &difference.what {
        let value = |value: &Option<Box<RawValue>>| shortened(value.as_deref().map_or("nothing", RawValue::get));
        let field = |field: &FieldChange| format!("    {}: {} -> {}", field.field, value(&field.before), value(&field.after));
        lines.extend(fields.iter().filter(|field| !is_set_by_itself(field)).map(field));
    }
    lines
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_OF_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn print(result: &DiffSummary) -> Result<(), CommandError> {
    let differing = result.objects.iter().filter(|object| object.differing() > 0);
    let row = |object: &ComparedObject| {
        let counts = [object.added, object.removed, object.changed, object.touched];
        let mut row = vec![object.name.clone()];
        row.extend(counts.map(number));
        row
    };
    let rows: Vec<Vec<String>> = differing.clone().map(row).collect();
    if !rows.is_empty() {
        table(&["OBJECT", "ADDED", "REMOVED", "CHANGED", "TOUCHED"], &rows)?;
    }
    for object in &result.objects {
        notes(result, object)?;
    }
    for object in differing.clone() {
        object.lines.iter().try_for_each(|text| line(text))?;
        let more = [object.added, object.removed, object.changed].map(|count| count.saturating_sub(SHOWN as u64));
        let more: u64 = more.iter().sum();
        if more > 0 {
            line(&format!(
                "{}: {} more records; --json lists them all",
                object.name,
                number(more)
            ))?;
        }
    }
    let compared = result.objects.iter().filter(|object| object.compared).count() as u64;
    line(&format!(
        "{} created, {} deleted, {} modified, {} with other timestamps only; {} of {} objects differ",
        counted(result.added, "record"),
        number(result.removed),
        number(result.changed),
        number(result.touched),
        number(rows.len() as u64),
        number(compared)
    ))?;
    if let Some(pause) = &result.pause {
        line(&format!(
            "the org is not read in full: the backup pauses ({}), {} of {} requests are used by all applications; what it hasn't read yet \
             is unchanged. Diff again to continue",
            pause.reason,
            number(pause.used),
            number(pause.max)
        ))?;
    }
    Ok(())
}

/// Where an object can't be compared, or not in full.
fn notes(result: &DiffSummary, object: &ComparedObject) -> Result<(), CommandError> {
    let ids = [&result.before, &result.after].map(|side| side["snapshot"].as_str().unwrap_or_default());
    let states = [object.before, object.after];
    if states == [Some(ObjectState::Skipped); 2] {
        return Ok(());
    }
    for (id, state) in ids.iter().zip(states) {
        let what = match state {
            None => "isn't in",
            Some(ObjectState::Skipped) => "is skipped in",
            Some(ObjectState::Pending) => "is not read yet in",
            Some(ObjectState::Partial) => "is partial in",
            Some(ObjectState::Failed) => "could not be read in",
            Some(ObjectState::Complete) => continue,
        };
        let unknown = match object.not_read {
            0 => String::new(),
            records => format!("; whether {} records are missing there can't be told", number(records)),
        };
        line(&format!("note: {} {what} {id}{unknown}", object.name))?;
    }
    Ok(())
}
