//! What a restore gives back; serialised as the command line's JSON, whose fields docs/CLI.md documents.

use super::restore_source::RestoreSource;
use super::results::{Calls, brief, describe_record_failure};
use super::usage::{PauseResult, Usage};
use backup_contract::{RecordOutcome, Tally};
use backup_store::journal::Paused;
use backup_store::{ConnectionName, RestoreFold, RestoreId, RestoredObject, SnapshotState};
use serde::Serialize;

/// How a restore ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoreState {
    /// Nothing was written: it was only planned.
    Planned,
    /// All is written.
    Complete,
    /// It ran to its end, and some records could not be written, or nobody knows whether they were.
    Incomplete,
    /// It stopped before its end; restoring the same again continues it.
    Failed,
    /// It waits for requests.
    Paused,
}

/// One record, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordResult {
    /// Its object.
    pub object: String,
    /// Its Id in the snapshot.
    pub id: String,
    /// What the org said, or what differs, with a remedy; for people.
    pub error: String,
}

/// An object, or one record of it, that can not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CannotResult {
    /// Its object.
    pub object: String,
    /// Its Id in the snapshot; none where it is the whole object.
    pub id: Option<String>,
    /// What keeps it from being written; for people.
    pub reason: String,
}

/// One object, in the order of writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoredObjectResult {
    /// API name.
    pub name: String,
    /// What was done with its records; in a plan, what will be.
    #[serde(flatten)]
    pub tally: Tally,
    /// How it is written.
    pub way: Option<String>,
    /// Requests that this takes, as planned.
    pub requests: u64,
    /// Why nothing (more) of it is written, or what people should know.
    pub reason: Option<String>,
}

/// What a stopped restore needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    calls: Option<u64>,
    limit: Option<u64>,
}

impl Needs {
    /// After a stop at the limit.
    pub(super) fn after(pause: &Paused, calls: u64) -> Needs {
        Needs {
            calls: Some(calls),
            limit: limit_for(pause.used, pause.max, calls),
        }
    }
}

/// The usage limit, in percent, under which so many more requests may be sent; `None` where even 100 % is too little.
fn limit_for(used: u64, max: u64, calls: u64) -> Option<u64> {
    if max == 0 {
        return None;
    }
    // Any of them may be as large as a number can be.
    let needed = u128::from(used) + u128::from(calls);
    let percent = (needed * 100).div_ceil(u128::from(max)).max(1);
    u64::try_from(percent).ok().filter(|percent| *percent <= 100)
}

/// What a restore run gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreResult {
    /// Into which connection, `TENANT/CONNECTION`.
    pub connection: String,
    /// Its id; none where it was only planned.
    pub restore: Option<String>,
    /// From whose snapshot.
    pub source: String,
    /// Id of the snapshot that was restored from.
    pub snapshot: String,
    /// `complete`, or `partial`: then records may be missing in it.
    pub snapshot_state: SnapshotState,
    /// How it ended.
    pub state: RestoreState,
    /// Why it stopped.
    pub reason: Option<String>,
    /// Requests that it still needs, as far as is known.
    pub needed_calls: Option<u64>,
    /// The usage limit, in percent, that covers these; none where even 100 doesn't.
    pub limit_needed: Option<u64>,
    /// Requests that are free under the usage limit, where the restore was only planned.
    pub free_calls: Option<u64>,
    /// Whether these suffice.
    pub fits: Option<bool>,
    /// Records created.
    pub created: u64,
    /// Records changed.
    pub updated: u64,
    /// Records of which only references that were empty were set.
    pub relinked: u64,
    /// Records that were as they should be.
    pub skipped: u64,
    /// Records that could not be written.
    pub failed: Vec<RecordResult>,
    /// Records that may have been written.
    pub ambiguous: Vec<RecordResult>,
    /// Records that were written without some of their values.
    pub incomplete: Vec<RecordResult>,
    /// Records that read back with other values.
    pub differs: Vec<RecordResult>,
    /// Objects and records that can not be written, as far as planning told.
    pub cannot: Vec<CannotResult>,
    /// In the order of writing.
    pub objects: Vec<RestoredObjectResult>,
    /// The numbers of the limit, where it stopped at one.
    pub pause: Option<PauseResult>,
    /// Requests.
    pub calls: Calls,
}

impl RestoreResult {
    pub(super) fn of(
        connection: &ConnectionName,
        id: Option<RestoreId>,
        source: &RestoreSource,
        fold: &RestoreFold,
        sent: u64,
    ) -> RestoreResult {
        let done = fold.done();
        // What was planned is nothing that was done.
        let planned = id.is_none();
        let mut objects: Vec<(Option<u64>, RestoredObjectResult)> = fold
            .objects
            .iter()
            .map(|(name, object)| (object.place, object_result(name.as_str(), object, planned)))
            .collect();
        objects.sort_by_key(|(place, object)| (place.unwrap_or(u64::MAX), object.name.clone()));
        let by_object = || objects.iter().map(|(_, object)| object.requests).sum();
        let estimated = fold.planning + fold.writing.unwrap_or_else(by_object);
        let records = |outcome| records(fold, outcome);
        RestoreResult {
            connection: connection.to_string(),
            restore: id.map(|id| id.to_string()),
            source: source.what.source.to_string(),
            snapshot: source.what.snapshot.to_string(),
            snapshot_state: source.state,
            state: RestoreState::Complete,
            reason: None,
            needed_calls: fold.needed,
            limit_needed: None,
            free_calls: None,
            fits: None,
            created: done.created,
            updated: done.updated,
            relinked: done.relinked,
            skipped: done.skipped,
            failed: records(RecordOutcome::Failed),
            ambiguous: records(RecordOutcome::Ambiguous),
            incomplete: records(RecordOutcome::Incomplete),
            differs: records(RecordOutcome::Differs),
            cannot: cannot(fold),
            objects: objects.into_iter().map(|(_, object)| object).collect(),
            pause: None,
            calls: Calls { sent, estimated },
        }
    }

    /// It ran to its end.
    pub(super) fn complete(&mut self) {
        let all: Tally = self.objects.iter().map(|object| object.tally).sum();
        let whole = all.failed + all.ambiguous == 0 && self.failed.is_empty() && self.ambiguous.is_empty();
        self.needed_calls = Some(0);
        self.state = if whole {
            RestoreState::Complete
        } else {
            RestoreState::Incomplete
        };
    }

    /// It was only planned. What it needs is the connector's to tell: that a restore plans anew is in it.
    pub(super) fn planned(&mut self, usage: Option<Usage>) {
        self.state = RestoreState::Planned;
        let all: Tally = self.objects.iter().map(|object| object.tally).sum();
        (self.created, self.updated, self.skipped) = (all.created, all.updated, all.skipped);
        self.relinked = all.relinked;
        self.calls.estimated = self.needed_calls.unwrap_or(self.calls.estimated);
        let needed = self.needed_calls.unwrap_or(0);
        self.limit_needed = usage.and_then(|usage| limit_for(usage.used, usage.max, needed));
        self.free_calls = usage.map(|usage| usage.ceiling.saturating_sub(usage.used));
        self.fits = self.free_calls.map(|free| needed <= free);
    }

    /// It stopped.
    pub(super) fn failed(&mut self, reason: &str, needs: Needs) {
        self.state = RestoreState::Failed;
        self.reason = Some(reason.to_owned());
        self.needed_calls = needs.calls.or(self.needed_calls);
        self.limit_needed = needs.limit;
    }
}

fn cannot(fold: &RestoreFold) -> Vec<CannotResult> {
    let skipped = fold.objects.iter().filter_map(|(name, object)| {
        Some(CannotResult {
            object: name.to_string(),
            id: None,
            reason: brief(name.as_str(), object.skipped.as_ref()?),
        })
    });
    let failed = records(fold, RecordOutcome::Failed).into_iter().map(|record| CannotResult {
        object: record.object,
        id: Some(record.id),
        reason: record.error,
    });
    skipped.chain(failed).collect()
}

fn object_result(name: &str, object: &RestoredObject, planned: bool) -> RestoredObjectResult {
    let notes = object.skipped.iter().chain(&object.remarks);
    let notes: Vec<String> = notes.map(|note| brief(name, note)).collect();
    RestoredObjectResult {
        name: name.to_owned(),
        tally: match object.expected {
            Some(expected) if planned => expected,
            _ => object.done,
        },
        way: object.estimate.as_ref().map(|estimate| estimate.way.clone()),
        requests: object.estimate.as_ref().map_or(0, |estimate| estimate.requests),
        reason: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

fn records(fold: &RestoreFold, wanted: RecordOutcome) -> Vec<RecordResult> {
    let mut found = Vec::new();
    for (name, object) in &fold.objects {
        for ((key, outcome), why) in &object.records {
            if *outcome == wanted {
                found.push(RecordResult {
                    object: name.to_string(),
                    id: key.clone(),
                    error: describe_record_failure(why),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_covers_what_is_needed_is_told() {
        assert_eq!(limit_for(4_000, 5_000, 1), Some(81));
        assert_eq!(limit_for(2_500, 5_000, 500), Some(60));
        assert_eq!(limit_for(4_999, 5_000, 1), Some(100));
        assert_eq!(limit_for(4_999, 5_000, 2), None);
        assert_eq!(limit_for(0, 0, 1), None);
        assert_eq!(limit_for(u64::MAX, u64::MAX, u64::MAX), None);
        assert_eq!(limit_for(u64::MAX / 2, u64::MAX, 1), Some(51));
    }
}
