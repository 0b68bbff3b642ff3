//! The shapes against the text of `wit/`. Names of fields and cases are held by the bindings, which don't compile where one
//! differs; the order of enums, and of records that are handed over as they are, by nothing else.

use backup_contract::{Hour, Level, Method, ReadingSource, RecordOutcome, Tally, Which};
use std::fmt::Debug;
use std::mem::offset_of;

/// Names of a type's cases or fields, in their order.
fn names(wit: &str, kind: &str, name: &str) -> Vec<String> {
    let (_, rest) = wit
        .split_once(&format!("{kind} {name} {{"))
        .expect("the type is in this file");
    let (body, _) = rest.split_once('}').expect("a type ends");
    let lines = body.lines().map(|line| line.split("//").next().unwrap_or_default());
    let items = lines.flat_map(|line| line.split(','));
    items
        .map(|item| item.split(':').next().unwrap_or_default().trim().replace('-', ""))
        .filter(|item| !item.is_empty())
        .collect()
}

/// These cases, in this order, and no other.
fn same_order(cases: &[impl Debug], wit: &[String]) {
    let cases: Vec<String> = cases.iter().map(|case| format!("{case:?}").to_lowercase()).collect();
    assert_eq!(cases, wit);
}

#[test]
fn enums_have_the_cases_of_wit_in_its_order() {
    use Method::{Delete, Get, Head, Patch, Post, Put};
    let methods = [Get, Head, Post, Put, Patch, Delete];
    same_order(&methods, &names(include_str!("../../wit/http.wit"), "enum", "method"));
    assert!((0..).zip(methods).all(|(place, method)| method as i32 == place));

    use RecordOutcome::{Ambiguous, Differs, Failed, Incomplete};
    let outcomes = [Failed, Ambiguous, Incomplete, Differs];
    let report = include_str!("../../wit/report.wit");
    same_order(&outcomes, &names(report, "enum", "outcome"));
    assert!((0..).zip(outcomes).all(|(place, outcome)| outcome as i32 == place));

    use Level::{Debug, Error, Info, Warn};
    let levels = [Debug, Info, Warn, Error];
    same_order(&levels, &names(report, "enum", "level"));
    assert!((0..).zip(levels).all(|(place, level)| level as i32 == place));

    let storage = include_str!("../../wit/storage.wit");
    let snapshots = [Which::Current, Which::Predecessor, Which::Source];
    same_order(&snapshots, &names(storage, "enum", "which"));
    assert!((0..).zip(snapshots).all(|(place, which)| which as i32 == place));

    use ReadingSource::{LimitsResource, Other, Refusal, ResponseHeader};
    let sources = [ResponseHeader, LimitsResource, Refusal, Other];
    same_order(
        &sources,
        &names(include_str!("../../wit/types.wit"), "enum", "reading-source"),
    );
    for (place, source) in (0..).zip(sources) {
        assert_eq!((source as u8, ReadingSource::_lift(place)), (place, source));
    }
}

#[test]
fn records_that_are_handed_over_as_they_are_lie_in_memory_as_in_wit() {
    let storage = include_str!("../../wit/storage.wit");
    assert_eq!(names(storage, "record", "hour"), ["start", "sent"]);
    assert_eq!(
        (offset_of!(Hour, start), offset_of!(Hour, sent), size_of::<Hour>()),
        (0, 8, 16)
    );
    let report = include_str!("../../wit/report.wit");
    let tally = names(report, "record", "tally");
    assert_eq!(tally, ["created", "updated", "relinked", "skipped", "failed", "ambiguous"]);
    assert_eq!(
        (offset_of!(Tally, created), offset_of!(Tally, ambiguous), size_of::<Tally>()),
        (0, 40, 48)
    );
}
