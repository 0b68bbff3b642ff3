//! getUpdated and getDeleted: which rows of an object changed, or went away, in a span of time.

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use serde_json::json;

use super::Service;
use super::answer::Answer;
use super::call::Call;
use crate::clock::DAY_MS;
use crate::org::{Object, Org, Value};

/// How far back getUpdated reaches.
const UPDATED_REACH_MS: i64 = 30 * DAY_MS;
/// How far back getDeleted reaches at most.
pub(super) const DELETED_REACH_MS: i64 = 15 * DAY_MS;
/// The most ids of one answer.
const MAX_IDS: usize = 600_000;

pub(super) fn updated(service: &Service, org: &Org, call: &Call, object: &Object) -> Answer {
    let (start, end) = match span(service, call, object, UPDATED_REACH_MS) {
        Ok(span) => span,
        Err(refused) => return refused.into(),
    };
    let covered = covered(service, org);
    let ids = org.updated_between(&service.viewer(), object.name(), start, end.min(covered));
    if ids.len() > MAX_IDS {
        return too_many();
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Answer::json(&json!({ "ids": ids, "latestDateCovered": printed(end.min(covered)) }))
}

pub(super) fn deleted(service: &Service, org: &Org, call: &Call, object: &Object) -> Answer {
    let (start, end) = match span(service, call, object, DELETED_REACH_MS) {
        Ok(span) => span,
        Err(refused) => return refused.into(),
    };
    let reach_ms = service.rules().deleted_log_ms.clamp(0, DELETED_REACH_MS);
    let earliest = whole_minute(service.now() - TimeDelta::milliseconds(reach_ms));
    let covered = covered(service, org);
    let rows = org.deleted_between(object.name(), start.max(earliest), end.min(covered));
    if rows.len() > MAX_IDS {
        return too_many();
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, at)| json!({ "id": id.to_string(), "deletedDate": printed(*at) }))
        .collect();
    Answer::json(&json!({
        "deletedRecords": rows,
        "earliestDateAvailable": printed(earliest),
        "latestDateCovered": printed(end.min(covered)),
    }))
}

/// Up to where it's certain that nothing will turn up later: the start of the oldest transaction still running.
fn covered(service: &Service, org: &Org) -> DateTime<Utc> {
    let now = service.now();
    let by_rule = now - TimeDelta::milliseconds(service.rules().oldest_transaction_ms);
    by_rule.min(org.oldest_transaction().unwrap_or(now)).trunc_subsecs(0)
}

/// A span that can't be asked for.
struct BadSpan {
    code: &'static str,
    message: String,
}

impl From<BadSpan> for Answer {
    fn from(bad: BadSpan) -> Self {
        Self::refusal(400, bad.code, &bad.message)
    }
}

fn span(service: &Service, call: &Call, object: &Object, reach_ms: i64) -> Result<(DateTime<Utc>, DateTime<Utc>), BadSpan> {
    let bad = |code: &'static str, message: String| BadSpan { code, message };
    if !object.schema.replicateable {
        return Err(bad(
            "INVALID_TYPE",
            format!("object type {} is not replicateable", object.name()),
        ));
    }
    let read = |name: &str| {
        // A plus sign that wasn't escaped has become a space.
        let text = call
            .parameter(name)
            .ok_or_else(|| bad("MISSING_ARGUMENT", name.to_owned()))?
            .replace(' ', "+");
        let parsed = DateTime::parse_from_rfc3339(&text).or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"));
        let at = parsed.map_err(|_| bad("INVALID_REPLICATION_DATE", format!("{name} is no date: {text}")))?;
        Ok::<_, BadSpan>(whole_minute(at.to_utc()))
    };
    let (start, end) = (read("start")?, read("end")?);
    if start >= end {
        let message = "startDate must be at least one minute before endDate";
        return Err(bad("INVALID_REPLICATION_DATE", message.to_owned()));
    }
    if start < service.now() - TimeDelta::milliseconds(reach_ms) {
        let message = format!("startDate cannot be more than {} days ago", reach_ms / DAY_MS);
        return Err(bad("INVALID_REPLICATION_DATE", message));
    }
    Ok((start, end))
}

/// Seconds are ignored, as documented.
fn whole_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    at.with_second(0).unwrap_or(at).trunc_subsecs(0)
}

fn printed(at: DateTime<Utc>) -> String {
    Value::DateTime(at).to_plain()
}

fn too_many() -> Answer {
    Answer::refusal(
        400,
        "EXCEEDED_ID_LIMIT",
        &format!("more than {MAX_IDS} ids in this span; choose a shorter one"),
    )
}
