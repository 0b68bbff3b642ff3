//! The JSON of shapes that log entries and journals hold, byte for byte: what was written once is read for ever.

#![allow(clippy::unwrap_used)]

use backup_contract::{Failure, Hour, NamedValue, Reading, ReadingSource, RecordOutcome, Standing, Tally};
use backup_store::{NextStep, RestoreReport, Spending};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// It is written so, and read back as it was.
#[track_caller]
fn stored<T: Serialize + DeserializeOwned + PartialEq + Debug>(shape: &T, json: &str) {
    assert_eq!(serde_json::to_string(shape).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), shape);
}

fn reading(source: ReadingSource, request: Option<u64>) -> Reading {
    Reading {
        quota: "DailyApiRequests".into(),
        used: 18,
        max: 5_000,
        observed_at: 1_800_000_000_000,
        source,
        request,
    }
}

fn failure() -> Failure {
    Failure {
        code: "no-permission".into(),
        message: "it can't be read".into(),
        remedy: Some("give the user View All Data".into()),
        object: Some("Account".into()),
        details: vec![NamedValue::new("count", "3")],
    }
}

#[test]
fn a_reading_is_stored_with_its_request_also_where_it_has_none() {
    stored(
        &reading(ReadingSource::ResponseHeader, Some(7)),
        r#"{"quota":"DailyApiRequests","used":18,"max":5000,"observed_at":1800000000000,"source":"response-header","request":7}"#,
    );
    for (source, name) in [
        (ReadingSource::LimitsResource, "limits-resource"),
        (ReadingSource::Refusal, "refusal"),
        (ReadingSource::Other, "other"),
    ] {
        let json = format!(
            r#"{{"quota":"DailyApiRequests","used":18,"max":5000,"observed_at":1800000000000,"source":"{name}","request":null}}"#
        );
        stored(&reading(source, None), &json);
    }
}

#[test]
fn spending_holds_readings_flat_beside_own_requests() {
    let spending = Spending {
        version: 3,
        hours: vec![Hour {
            start: 3_600_000,
            sent: 4,
        }],
        readings: vec![Standing {
            last: reading(ReadingSource::Refusal, Some(9)),
            own_since: 5,
            in_flight: 0,
        }],
        next_request_number: 12,
        ..Spending::default()
    };
    stored(
        &spending,
        concat!(
            r#"{"version":3,"hours":[{"start":3600000,"sent":4}],"readings":[{"quota":"DailyApiRequests","used":18,"max":5000,"#,
            r#""observed_at":1800000000000,"source":"refusal","request":9,"own_since":5}],"unsettled":[],"next_request_number":12}"#
        ),
    );
}

#[test]
fn a_failure_is_stored_without_what_it_lacks_and_its_details_as_pairs() {
    stored(
        &failure(),
        concat!(
            r#"{"code":"no-permission","message":"it can't be read","remedy":"give the user View All Data","object":"Account","#,
            r#""details":[["count","3"]]}"#
        ),
    );
    let least = Failure {
        remedy: None,
        object: None,
        details: Vec::new(),
        ..failure()
    };
    stored(&least, r#"{"code":"no-permission","message":"it can't be read"}"#);
}

#[test]
fn what_comes_next_is_stored_by_its_name() {
    stored(&NextStep::Plan { requests: 1 }, r#"{"plan":{"requests":1}}"#);
    stored(&NextStep::Batch { requests: 8 }, r#"{"batch":{"requests":8}}"#);
    stored(&NextStep::AgainAfter { seconds: 30 }, r#"{"again-after":{"seconds":30}}"#);
    stored(&NextStep::Pause, r#""pause""#);
    stored(&NextStep::Done, r#""done""#);
    let why = Failure {
        remedy: None,
        object: None,
        details: Vec::new(),
        ..failure()
    };
    stored(
        &NextStep::Blocked(why),
        r#"{"blocked":{"code":"no-permission","message":"it can't be read"}}"#,
    );
}

#[test]
fn a_restores_report_holds_tallies_and_records() {
    let tally = Tally {
        created: 1,
        updated: 2,
        relinked: 0,
        skipped: 3,
        failed: 4,
        ambiguous: 5,
    };
    stored(&tally, r#"{"created":1,"updated":2,"skipped":3,"failed":4,"ambiguous":5}"#);
    stored(
        &Tally { relinked: 6, ..tally },
        r#"{"created":1,"updated":2,"relinked":6,"skipped":3,"failed":4,"ambiguous":5}"#,
    );
    let records = [
        RecordOutcome::Failed,
        RecordOutcome::Ambiguous,
        RecordOutcome::Incomplete,
        RecordOutcome::Differs,
    ];
    let report = RestoreReport {
        records: records.map(|outcome| ("001".to_owned(), outcome, failure())).into(),
        ..RestoreReport::new("Account".parse().unwrap())
    };
    let why = serde_json::to_string(&failure()).unwrap();
    let json = format!(
        r#"{{"object":"Account","records":[["001","failed",{why}],["001","ambiguous",{why}],["001","incomplete",{why}],["001","differs",{why}]]}}"#
    );
    stored(&report, &json);
}
