//! The JSON of the shapes that log entries and journals hold, byte for byte: what was written once is read for ever.

#![allow(clippy::unwrap_used)]

use backup_contract::{Failure, Hour, NamedValue, Reading, ReadingSource, RecordOutcome, Standing, Tally};
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

#[test]
fn a_reading_is_stored_with_its_request_also_where_it_has_none() {
    let of = |source: &str, request: &str| {
        format!(
            r#"{{"quota":"DailyApiRequests","used":18,"max":5000,"observed_at":1800000000000,"source":"{source}","request":{request}}}"#
        )
    };
    stored(&reading(ReadingSource::ResponseHeader, Some(7)), &of("response-header", "7"));
    stored(&reading(ReadingSource::LimitsResource, None), &of("limits-resource", "null"));
    stored(&reading(ReadingSource::Refusal, None), &of("refusal", "null"));
    stored(&reading(ReadingSource::Other, None), &of("other", "null"));
}

#[test]
fn a_standing_holds_its_reading_flat_and_not_what_was_under_way() {
    let standing = Standing {
        last: reading(ReadingSource::Refusal, Some(9)),
        own_since: 5,
        in_flight: 0,
    };
    let json = concat!(
        r#"{"quota":"DailyApiRequests","used":18,"max":5000,"observed_at":1800000000000,"source":"refusal","request":9,"#,
        r#""own_since":5}"#
    );
    stored(&standing, json);
    let under_way = Standing {
        in_flight: 3,
        ..standing
    };
    assert_eq!(serde_json::to_string(&under_way).unwrap(), json);
}

#[test]
fn an_hour_is_stored_by_its_first_millisecond() {
    stored(
        &Hour {
            start: 3_600_000,
            sent: 4,
        },
        r#"{"start":3600000,"sent":4}"#,
    );
}

#[test]
fn a_failure_is_stored_without_what_it_lacks_and_its_details_as_pairs() {
    let failure = Failure::new("no-permission", "it can't be read");
    stored(&failure, r#"{"code":"no-permission","message":"it can't be read"}"#);
    stored(
        &failure
            .remedy("give the user View All Data")
            .about("Account")
            .detail("count", 3),
        concat!(
            r#"{"code":"no-permission","message":"it can't be read","remedy":"give the user View All Data","object":"Account","#,
            r#""details":[["count","3"]]}"#
        ),
    );
    stored(&NamedValue::new("a", "b"), r#"["a","b"]"#);
}

#[test]
fn a_tally_is_stored_without_a_relinked_of_none() {
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
}

#[test]
fn a_records_outcome_is_stored_by_its_name() {
    stored(&RecordOutcome::Failed, r#""failed""#);
    stored(&RecordOutcome::Ambiguous, r#""ambiguous""#);
    stored(&RecordOutcome::Incomplete, r#""incomplete""#);
    stored(&RecordOutcome::Differs, r#""differs""#);
}
