//! `status`: where a connection stands. The last complete backup comes first.

use super::limit::ending;
use super::snapshots::{info_json, say_what_it_shows, standing_text, state_text};
use super::warnings;
use crate::failure::CommandError;
use crate::open::{Opened, PROCESS};
use crate::output::{bytes, counted, json, line, number};
use backup_seams::Timestamp;
use backup_store::journal::{Paused, SnapshotStanding};
use backup_store::scope::RunningJob;
use backup_store::{ConnectionName, Journal, JournalState, Percent, Snapshot, SnapshotId, SnapshotInfo, Spending, scope};
use host_harness::connections::accepted_warnings;
use host_harness::jobs::{PauseResult, WarningResult};
use host_harness::quota::{Ledger, ceiling};
use serde_json::{Value, json};
use std::process::ExitCode;

/// A snapshot and what hides data in it.
type Warned = (SnapshotInfo, Vec<WarningResult>);

/// What the journal and the newest snapshots tell.
struct Status {
    /// The last one of all objects whose job has ended.
    last: Option<Warned>,
    newest: Option<Warned>,
    /// The job that works on it, or on another connection of the org.
    running: Option<RunningJob>,
    /// Everything, for programs.
    json: Value,
}

impl Status {
    /// The newest one, where a job goes on with it.
    fn open(&self) -> Option<&Warned> {
        self.newest.as_ref().filter(|(info, _)| info.standing.may_go_on())
    }

    /// Of the newest snapshot: what it doesn't have any more is over. One that isn't through yet, or of chosen objects alone, says
    /// nothing of what the last one of all objects had.
    fn warnings(&self) -> Vec<WarningResult> {
        let newest = self.newest.iter().flat_map(|(_, warnings)| warnings);
        let mut all: Vec<WarningResult> = newest.cloned().collect();
        let is_newest = |last: &SnapshotInfo| self.newest.as_ref().is_some_and(|(newest, _)| newest.id == last.id);
        if let Some((info, last)) = &self.last
            && !is_newest(info)
        {
            let same = |one: &WarningResult, other: &WarningResult| (&one.code, &one.object) == (&other.code, &other.object);
            let more = last.iter().filter(|told| !all.iter().any(|known| same(known, told)));
            let more: Vec<WarningResult> = more.cloned().collect();
            all.extend(more);
        }
        all
    }
}

pub async fn run(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<ExitCode, CommandError> {
    let journal = open.journal(name).await?;
    let status = status_of(open, &journal).await?;
    if as_json {
        json(&status.json)?;
    } else {
        print(&status, name, open.clock().now())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(status: &Status, name: &ConnectionName, now: Timestamp) -> Result<(), CommandError> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let count = |value: &Value| number(value.as_u64().unwrap_or(0));
    line(&format!("connection      {name}"))?;
    match &status.last {
        Some((info, _)) => {
            let (at, ago) = ended_at(info, now);
            let state = state_text(info.state);
            line(&format!(
                "last backup     {} {state}, {at} ({ago} ago), {}, {}",
                info.id,
                counted(info.records, "record"),
                bytes(info.bytes)
            ))?;
        }
        None => line("last backup     none is complete yet")?,
    }
    if let Some((info, _)) = status.open() {
        line(&format!(
            "open backup     {} {}, started {}, {}, {}",
            info.id,
            standing_text(&info.standing),
            info.started_at.rfc3339(),
            counted(info.records, "record"),
            bytes(info.bytes)
        ))?;
    }
    if let Some(running) = &status.running {
        line(&running_text(running))?;
    }
    let status_json = &status.json;
    warnings::print(&status.warnings())?;
    let until = if status_json["usage_limit"]["until"].is_null() {
        String::new()
    } else {
        format!(" until {}", text(&status_json["usage_limit"]["until"]))
    };
    line(&format!("usage limit     {} %{until}", status_json["usage_limit"]["percent"]))?;
    match &status_json["usage"] {
        Value::Null => line("requests        nothing known yet")?,
        usage => line(&format!(
            "API requests    {} used (24 h), {} by other apps; the usage limit is {} of {}; reported at {}",
            count(&usage["used"]),
            count(&usage["others"]),
            count(&usage["ceiling"]),
            count(&usage["max"]),
            text(&usage["observed_at"])
        ))?,
    }
    if let Value::Object(restore) = &status_json["restore"] {
        let reason = restore["reason"]
            .as_str()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let needed = match &restore["needed_calls"] {
            Value::Null => String::new(),
            needed => format!(", needs about {} more requests", count(needed)),
        };
        line(&format!(
            "restore         {} of {} {}{reason}{needed}",
            text(&restore["id"]),
            text(&restore["snapshot"]),
            text(&restore["state"])
        ))?;
    }
    asked(status_json).iter().try_for_each(|text| line(text))?;
    line(&format!("latest hash     {}", text(&status_json["head"])))
}

/// When the org last told how many requests are used, and when it tells next.
fn asked(status: &Value) -> Vec<String> {
    let last = status["asked_at"].as_str().map(|at| format!("usage checked   {at}"));
    let next = status["next_check_at"].as_str().map(|at| {
        let now = status["check_now_at"].as_str().unwrap_or(at);
        format!("next check      {at}, or from {now} on with --check-now; a higher usage limit needs none")
    });
    last.into_iter().chain(next).collect()
}

/// The job that has the connection, or its org.
fn running_text(running: &RunningJob) -> String {
    format!(
        "running         {} of {}, {}, since {}",
        running.purpose,
        running.connection,
        running.host,
        running.since.rfc3339()
    )
}

fn running_json(running: &RunningJob) -> Value {
    let process = running.host.strip_prefix(PROCESS).and_then(|id| id.parse::<u32>().ok());
    json!({
        "job": running.purpose, "connection": running.connection.to_string(), "host": running.host, "process": process,
        "since": running.since.rfc3339(),
    })
}

/// When its job ended, and how long ago.
fn ended_at(info: &SnapshotInfo, now: Timestamp) -> (String, String) {
    let at = info.completed_at.unwrap_or(info.started_at);
    let minutes = now.since(at).as_secs() / 60;
    let ago = match (minutes / 60 / 24, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    };
    (at.rfc3339(), ago)
}

async fn warned(
    open: &Opened,
    journal: &Journal,
    id: Option<SnapshotId>,
    accepted: &[String],
) -> Result<Option<Warned>, CommandError> {
    let Some(id) = id else { return Ok(None) };
    let snapshot = Snapshot::open(&open.store, journal.connection(), journal.state(), id).await?;
    Ok(Some((snapshot.info(), WarningResult::all_of(snapshot.fold(), accepted))))
}

async fn status_of(open: &Opened, journal: &Journal) -> Result<Status, CommandError> {
    let (name, state) = (journal.connection(), journal.state());
    let now = open.clock().now();
    let limit = state.usage_limit(now);
    let accepted = accepted_warnings(state.config());
    let mut there = state.snapshots().iter().rev();
    let newest = there.find(|record| record.standing != SnapshotStanding::Pruned);
    let last = state.ended().find(|record| record.objects.is_empty()).map(|record| record.id);
    let mut status = Status {
        last: warned(open, journal, last, &accepted).await?,
        newest: warned(open, journal, newest.map(|record| record.id), &accepted).await?,
        running: None,
        json: Value::Null,
    };
    if let Some((info, _)) = &status.newest {
        say_what_it_shows(info);
    }
    let own_scope = scope_of(state, name);
    status.running = scope::running(&open.store, name.tenant(), &own_scope).await?;
    let spending = scope::peek(&open.store, name.tenant(), &own_scope).await?;
    let (asked_at, next_check) = next_check(&spending, limit, now);
    let own = spending.hours.iter().fold(0u64, |own, hour| own.saturating_add(hour.sent));
    let usage = spending.readings.first().map(|standing| {
        let (used, max) = (standing.last.used.saturating_add(standing.own_since), standing.last.max);
        json!({
            "quota": standing.last.quota, "used": used, "max": max, "ceiling": ceiling(limit, max), "own_last_24h": own,
            "others": used.saturating_sub(own), "observed_at": Timestamp(standing.last.observed_at).rfc3339(),
        })
    });
    let (until, _) = ending(state, limit);
    let shown = |warned: Option<&Warned>| warned.map(|(info, warnings)| info_json(info, warnings));
    let age = status.last.as_ref().and_then(|(info, _)| info.completed_at);
    status.json = json!({
        "connection": name.to_string(),
        "scope": state.scope().map(ToString::to_string),
        "last_complete": shown(status.last.as_ref()),
        "last_complete_age_seconds": age.map(|at| now.since(at).as_secs()),
        "open": shown(status.open()),
        "warnings": status.warnings(),
        "usage_limit": {"percent": limit.get(), "until": until},
        "usage": usage,
        "own_requests": spending.hours.iter().map(|hour| json!({"hour": Timestamp(hour.start).rfc3339(), "sent": hour.sent})).collect::<Vec<_>>(),
        "snapshot": shown(status.newest.as_ref()),
        "restore": super::restore::open_one(state),
        "running": status.running.as_ref().map(running_json),
        "asked_at": asked_at.map(Timestamp::rfc3339),
        "next_check_at": next_check.map(|(next, _)| next.rfc3339()),
        "check_now_at": next_check.map(|(_, at_once)| at_once.rfc3339()),
        "pause": newest.and_then(|record| pause_of(&record.standing)).map(PauseResult::from),
        "head": journal.head().hash.to_string(),
    });
    Ok(status)
}

/// When the org last told how many requests are used, or was asked; and, where nothing may be sent, when it is asked next: by itself,
/// and at the earliest with `--check-now`.
fn next_check(spending: &Spending, limit: Percent, now: Timestamp) -> (Option<Timestamp>, Option<(Timestamp, Timestamp)>) {
    let quota = spending.readings.first().map(|standing| standing.last.quota.clone());
    let ledger = Ledger::open(&quota.unwrap_or_default(), spending.clone(), now);
    let [next, at_once] = [false, true].map(|at_once| ledger.next_probe(at_once, now));
    let is_asked = match ledger.allowance(limit, now) {
        Some(left) => left == 0,
        None => next > now,
    };
    (ledger.asked_at(), is_asked.then_some((next.max(now), at_once.max(now))))
}

fn scope_of(state: &JournalState, name: &ConnectionName) -> backup_store::Scope {
    state.scope().cloned().unwrap_or_else(|| backup_store::Scope::own(name))
}

fn pause_of(standing: &SnapshotStanding) -> Option<&Paused> {
    match standing {
        SnapshotStanding::Paused(pause) => Some(pause),
        _ => None,
    }
}
