//! What jobs give back; serialised as the command line's JSON, whose fields docs/CLI.md documents.

use super::error::without_subject;
use super::usage::{PauseResult, Usage};
use crate::connections::warnings::{FILES_FAILED, OBJECTS_FAILED, QUERY_ALL_FILES_MISSING, VIEW_ALL_DATA_MISSING};
use backup_store::snapshot::{Fold, NextStep, ObjectFold};
use backup_store::{ObjectState, SnapshotId, SnapshotKind};
use serde::Serialize;

/// Whether a snapshot holds all that it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupState {
    /// All of it.
    Complete,
    /// Some of it; it can be read, and a later run continues it.
    Partial,
    /// All that could be read: objects or parts of them failed, and the next backup reads those anew.
    Incomplete,
}

/// Requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Every counted attempt of this run: checks, plan, probes, retries too.
    pub sent: u64,
    /// What the whole job takes, as far as is known: the plan, and what was found since. Planning included.
    pub estimated: u64,
}

/// One object of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectResult {
    /// API name.
    pub name: String,
    /// How far it is.
    pub state: ObjectState,
    /// Records in the snapshot.
    pub records: u64,
    /// Why it is skipped, or what people should know of it.
    pub reason: Option<String>,
    /// When it was so: each record is as it was at some moment in it.
    pub window: Option<WindowResult>,
    /// It failed, and its records are those of an earlier backup.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// What hides data in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WarningResult {
    /// One of [`CODES`](crate::connections::warnings::CODES), or another one of the connector's.
    pub code: String,
    /// The object, where it is about one.
    pub object: Option<String>,
    /// How many things it is about.
    pub count: Option<u64>,
    /// What is so.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The configuration names the code in `accept_warnings`.
    pub accepted: bool,
}

/// Failures that a warning names, of those that it counts.
const NAMED: usize = 5;

impl WarningResult {
    pub(super) fn of(warning: &backup_contract::Failure, accepted: &[String]) -> WarningResult {
        let count = warning.details.iter().find(|detail| detail.name == "count");
        WarningResult {
            code: warning.code.clone(),
            object: warning.object.clone(),
            count: count.and_then(|count| count.value.parse().ok()),
            message: without_subject(warning.object.as_deref().unwrap_or_default(), &warning.message).to_owned(),
            remedy: warning.remedy.clone(),
            accepted: accepted.contains(&warning.code),
        }
    }

    /// All of a snapshot: those that were told, and what failed in it.
    pub fn all_of(fold: &Fold, accepted: &[String]) -> Vec<WarningResult> {
        let mut warnings: Vec<WarningResult> = fold.warnings.iter().map(|told| WarningResult::of(told, accepted)).collect();
        // What a predecessor failed at is still to be tried where the job hasn't looked at it.
        let objects = fold.objects.iter().filter(|(_, object)| fold.ended || !object.inherited);
        let failed = objects.clone().filter(|(_, object)| object.state == ObjectState::Failed);
        let failed: Vec<String> = failed
            .map(|(name, object)| {
                let reason = object.reason.as_ref().map(|reason| brief(name.as_str(), reason));
                format!("{name} ({})", reason.unwrap_or_default())
            })
            .collect();
        let parts = objects.flat_map(|(name, object)| object.failed_parts.iter().map(move |(part, why)| (name, part, why)));
        let parts: Vec<String> = parts
            .map(|(name, part, why)| format!("{name} {part} ({})", brief(name.as_str(), why)))
            .collect();
        let counted = [
            (OBJECTS_FAILED, failed, "objects could not be read"),
            (FILES_FAILED, parts, "files or other parts of objects could not be read"),
        ];
        for (code, named, what) in counted.into_iter().filter(|(_, named, _)| !named.is_empty()) {
            let more = if named.len() > NAMED { ", …" } else { "" };
            let first = named.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            warnings.push(WarningResult {
                code: code.to_owned(),
                object: None,
                count: Some(named.len() as u64),
                message: format!("{what}: {first}{more}"),
                remedy: Some("the next backup tries them again".to_owned()),
                accepted: accepted.iter().any(|accepted| accepted == code),
            });
        }
        warnings
    }
}

/// From when to when; RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct WindowResult {
    pub from: String,
    pub to: String,
}

impl ObjectResult {
    /// All objects by the fold of the log, by name.
    pub fn all_of(fold: &Fold) -> Vec<ObjectResult> {
        let objects = fold.objects.iter();
        objects
            .map(|(name, object)| ObjectResult::of(name.as_str(), object, fold.ended))
            .collect()
    }

    /// One object by its fold, in a log that has ended or not.
    pub fn of(name: &str, object: &ObjectFold, ended: bool) -> ObjectResult {
        let failure = object.reason.iter().chain(&object.remarks);
        let texts: Vec<String> = failure.map(|failure| brief(name, failure)).collect();
        ObjectResult {
            name: name.to_owned(),
            // Complete as the predecessor had it: this job has not looked at it yet.
            state: match object.state {
                ObjectState::Complete | ObjectState::Failed if object.inherited && !ended => ObjectState::Pending,
                state => state,
            },
            records: object.records,
            stale: object.stale,
            reason: (!texts.is_empty()).then(|| texts.join("; ")),
            window: object.window.map(|window| WindowResult {
                from: window.from.rfc3339(),
                to: window.to.rfc3339(),
            }),
        }
    }
}

/// A failure of an object as one clause among others, behind that one's name: its code and what happened.
pub(super) fn brief(object: &str, failure: &backup_contract::Failure) -> String {
    format!("{}: {}", failure.code, without_subject(object, &failure.message))
}

/// A failure of one record: what happened, and what to do.
pub(super) fn describe_record_failure(failure: &backup_contract::Failure) -> String {
    let remedy = failure
        .remedy
        .as_ref()
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default();
    match failure.details.iter().find(|detail| detail.name == "field") {
        Some(field) => format!("{}: {}{remedy}", field.value, without_subject(&field.value, &failure.message)),
        None => format!("{}{remedy}", failure.message),
    }
}

/// What a backup run gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupResult {
    /// `TENANT/CONNECTION`.
    pub connection: String,
    /// Id of the snapshot, as commands take it.
    pub snapshot: String,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// Complete or partial.
    pub state: BackupState,
    /// Why it pauses; none where it is complete, failed or was stopped.
    pub pause: Option<PauseResult>,
    /// Why it can't go on by itself; the snapshot stays readable, and running the backup again continues it.
    pub failed: Option<String>,
    /// Records in the snapshot.
    pub records: u64,
    /// Blobs in the snapshot.
    pub blobs: u64,
    /// Bytes of records and blobs, uncompressed.
    pub bytes: u64,
    /// Requests.
    pub calls: Calls,
    /// Requests that it still needs, as far as is known.
    pub requests_left: u64,
    /// By name.
    pub objects: Vec<ObjectResult>,
    /// What hides data.
    pub warnings: Vec<WarningResult>,
}

impl BackupResult {
    pub(super) fn of(connection: String, snapshot: SnapshotId, fold: &Fold, sent: u64, accepted: &[String]) -> BackupResult {
        let kind = match fold.base {
            Some(_) => SnapshotKind::Incremental,
            None => SnapshotKind::Full,
        };
        let blobs = fold.blobs.values().map(|blob| blob.length);
        let records = fold.objects.values().map(|object| object.raw_bytes);
        BackupResult {
            connection,
            snapshot: snapshot.to_string(),
            kind,
            state: match fold.next {
                Some(NextStep::Done) if fold.has_failed() => BackupState::Incomplete,
                Some(NextStep::Done) => BackupState::Complete,
                _ => BackupState::Partial,
            },
            pause: None,
            failed: None,
            records: fold.records(),
            blobs: fold.blobs.len() as u64,
            bytes: blobs.chain(records).fold(0, u64::saturating_add),
            calls: Calls {
                sent,
                estimated: estimated_requests(fold),
            },
            requests_left: estimated_requests(fold).saturating_sub(fold.requests),
            objects: ObjectResult::all_of(fold),
            warnings: WarningResult::all_of(fold, accepted),
        }
    }
}

/// What the whole backup takes, planning included: by the objects' estimates, which grow where more was found than was planned,
/// and never less than what was sent and what comes next.
pub(super) fn estimated_requests(fold: &Fold) -> u64 {
    let estimates = fold.objects.values().filter_map(|object| object.estimate.as_ref());
    let planned = estimates.fold(fold.planning, |sum, estimate| sum.saturating_add(estimate.requests));
    let next = match fold.next {
        Some(NextStep::Batch { requests }) => requests,
        _ => 0,
    };
    planned.max(fold.requests.saturating_add(next))
}

/// One object of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedObject {
    /// API name.
    pub name: String,
    /// How it will be read; none where it is skipped.
    pub way: Option<String>,
    /// Requests.
    pub requests: u64,
    /// Requests that can't be counted beforehand, beside these.
    pub uncounted: Vec<Uncounted>,
    /// Records; `None` where the org doesn't tell how many.
    pub records: Option<u64>,
    /// Bytes of answers.
    pub bytes: u64,
    /// Why it is skipped.
    pub skipped: Option<String>,
    /// What is not read of it yet, and other remarks.
    pub remarks: Vec<String>,
}

/// Requests that can't be counted beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncounted {
    /// What takes them, in the plural.
    pub what: String,
    /// How many, by what an earlier backup found; `None` where there was none.
    pub expected: Option<u64>,
}

/// What a plan gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanResult {
    /// `TENANT/CONNECTION`.
    pub connection: String,
    /// What the next backup is.
    pub kind: SnapshotKind,
    /// No backup of these objects is complete yet.
    pub first: bool,
    /// Requests that the backup will send: all objects together, on top of what planning sent, without those that can't be counted
    /// beforehand.
    pub requests: u64,
    /// How many of those to expect, by what an earlier backup found; `None` where none did.
    pub uncounted_expected: Option<u64>,
    /// Whether what is known of can be sent now.
    pub fits_now: Option<bool>,
    /// Requests that may be sent now.
    pub free_now: Option<u64>,
    /// So many times the backup will wait for requests to come free; `None` where that isn't known, or never ends.
    pub pauses_expected: Option<u64>,
    /// When it would be complete, if other applications go on as they did; RFC 3339, UTC.
    pub completes_at: Option<String>,
    /// The usage limit under which it would be complete without a pause; `None`: not even 100 % would do.
    pub limit_to_finish_today: Option<u8>,
    /// The org's requests.
    pub usage: Option<Usage>,
    /// The usage limit in force.
    pub limit_percent: u8,
    /// Records.
    pub records: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Requests: sent by this run for the plan itself, and estimated for the backup.
    pub calls: Calls,
    /// By name.
    pub objects: Vec<PlannedObject>,
    /// Why there is no whole plan yet.
    pub pause: Option<PauseResult>,
    /// What hides data from the backup.
    pub warnings: Vec<WarningResult>,
}

/// What a check gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// `TENANT/CONNECTION`.
    pub connection: String,
    /// What shares its quota.
    pub scope: String,
    /// What the connector told.
    pub facts: std::collections::BTreeMap<String, String>,
    /// The org's requests.
    pub usage: Option<Usage>,
    /// The usage limit in force.
    pub limit_percent: u8,
    /// Requests of this run.
    pub calls: Calls,
}

impl CheckResult {
    /// Permissions that a backup wants and the user lacks, but for those whose lack is accepted as a warning.
    pub fn missing_permissions(&self, accepted: &[String]) -> Vec<&str> {
        let accepted = |permission: &str| match permission {
            // Only restores want it.
            "ModifyAllData" => true,
            "ViewAllData" => accepted.iter().any(|code| code == VIEW_ALL_DATA_MISSING),
            "QueryAllFiles" => accepted.iter().any(|code| code == QUERY_ALL_FILES_MISSING),
            _ => false,
        };
        let missing = self.facts.iter().filter(|(_, state)| state.starts_with("missing"));
        let permissions = missing.filter_map(|(fact, _)| fact.strip_prefix("permission:"));
        permissions.filter(|permission| !accepted(permission)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_object_once() {
        let failure = |message: &str| backup_contract::Failure {
            code: "code".to_owned(),
            message: message.to_owned(),
            remedy: None,
            object: Some("Account".to_owned()),
            details: vec![backup_contract::NamedValue::new("field", "OwnerId")],
        };
        for message in ["3 files are left", "Account: 3 files are left"] {
            assert_eq!(brief("Account", &failure(message)), "code: 3 files are left");
            assert_eq!(WarningResult::of(&failure(message), &[]).message, "3 files are left");
        }
        for message in ["its owner is inactive", "OwnerId: its owner is inactive"] {
            assert_eq!(describe_record_failure(&failure(message)), "OwnerId: its owner is inactive");
        }
        assert_eq!(brief("Account", &failure("AccountId is empty")), "code: AccountId is empty");
    }
}
