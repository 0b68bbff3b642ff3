//! What is sent of a record, by what its references lead to.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::restore::request::Form;

fn writable() -> Writable {
    Writable::of_describe(
        br#"{"createable":true,"updateable":true,"fields":[
        {"name":"Name","type":"string","createable":true,"updateable":true,"nillable":false},
        {"name":"Amount","type":"currency","createable":true,"updateable":true,"nillable":true},
        {"name":"Formula__c","type":"string","nillable":true,"calculated":true},
        {"name":"Secret__c","type":"encryptedstring","createable":true,"updateable":true,"nillable":true},
        {"name":"Parent__c","type":"reference","referenceTo":["P"],"createable":true,"updateable":true,"nillable":true},
        {"name":"Master__c","type":"reference","referenceTo":["M"],"createable":true,"updateable":false,"nillable":false},
        {"name":"Fixed__c","type":"reference","referenceTo":["F"],"createable":true,"updateable":false,"nillable":true}]}"#,
    )
    .unwrap()
}

fn row(body: &str) -> Row {
    Row {
        key: "a01".into(),
        revision: 1,
        body: body.as_bytes().to_vec(),
    }
}

const BODY: &str = r#"{"Id":"a01","Name":"A \"1\"","Amount":12345678901234567.89,"Formula__c":"f","Secret__c":"****1",
    "Parent__c":"p01","Master__c":"m01","Fixed__c":null,"Unknown__c":1}"#;

fn prepare(body: &str, target: Option<&str>, mut to: impl FnMut(&str) -> Target) -> Outcome {
    let preparation = Preparation {
        object: "X__c",
        writable: &writable(),
        without: &[],
        blobs: &[],
        by_picklists: false,
        relinks: None,
    };
    preparation
        .prepare(&row(body), target, &mut |_, id| Ok(to(id).into()))
        .unwrap()
}

fn ready(outcome: Outcome) -> Prepared {
    match outcome {
        Outcome::Ready(prepared) => *prepared,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_be_set_is_sent_with_all_its_digits_and_references_are_mapped() {
    let prepared = ready(prepare(BODY, None, |id| match id {
        "p01" => Target::InRequest((1, 7)),
        _ => Target::Id("m99".into()),
    }));
    assert_eq!(
        prepared.record.json,
        r#"{"attributes":{"type":"X__c"},"Name":"A \"1\"","Amount":12345678901234567.89,"Parent__c":"@{c1[7].id}","Master__c":"m99"}"#
    );
    assert_eq!(prepared.after, Some(1));
    assert_eq!(prepared.left_out[0].field, "Secret__c");
    assert_eq!(prepared.record.sets, 4);
    assert_eq!(prepared.record.form, Form::Composite);
}

#[test]
fn what_may_be_empty_is_set_later_and_what_may_not_waits() {
    let prepared = ready(prepare(BODY, None, |id| match id {
        "p01" => Target::Later,
        _ => Target::Id("m99".into()),
    }));
    assert!(prepared.record.later && !prepared.record.json.contains("Parent__c"));
    assert!(matches!(prepare(BODY, None, |_| Target::Later), Outcome::NotYet));
    let fixed = BODY.replace(r#""Fixed__c":null"#, r#""Fixed__c":"f01""#);
    let outcome = prepare(&fixed, None, |id| match id {
        "f01" => Target::Later,
        _ => Target::Id("x".into()),
    });
    assert!(matches!(outcome, Outcome::NotYet), "it can't be set in the end");
}

#[test]
fn a_new_record_stands_after_the_change_of_what_it_belongs_to() {
    let to = |id: &str| match id {
        "p01" => Target::Changing("p99".into(), 2),
        _ => Target::InRequest((1, 7)),
    };
    let created = ready(prepare(BODY, None, to));
    assert_eq!(created.after, Some(2));
    assert!(created.record.json.contains(r#""Parent__c":"p99""#));
    assert_eq!(
        ready(prepare(BODY, Some("a99"), to)).after,
        None,
        "changes don't depend on each other"
    );
}

#[test]
fn what_comes_without_a_record_is_waited_for() {
    for target in [None, Some("a99")] {
        let outcome = prepare(BODY, target, |id| match id {
            "p01" => Target::Awaited,
            _ => Target::Id("m99".into()),
        });
        assert!(matches!(outcome, Outcome::NotYet));
    }
}

#[test]
fn a_parent_that_is_gone_is_left_out_or_forbids_the_record() {
    let prepared = ready(prepare(BODY, None, |id| match id {
        "p01" => Target::Gone,
        _ => Target::Id("m99".into()),
    }));
    assert!(
        prepared
            .left_out
            .iter()
            .any(|left| left.field == "Parent__c" && left.why.contains("p01"))
    );
    match prepare(BODY, None, |_| Target::Gone) {
        Outcome::Cannot(failure) => assert_eq!(failure.code, "required-parent-gone"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_empties_what_was_empty() {
    let body = BODY.replace("12345678901234567.89", "null");
    let prepared = ready(prepare(&body, Some("a99"), |_| Target::Id("x".into())));
    assert_eq!(
        prepared.record.json,
        r#"{"attributes":{"type":"X__c"},"Id":"a99","Name":"A \"1\"","Amount":null,"Parent__c":"x"}"#
    );
}

#[test]
fn text_that_looks_like_a_reference_is_told() {
    let prepared = ready(prepare(&BODY.replace("A \\\"1\\\"", "@{x}"), None, |_| {
        Target::Id("x".into())
    }));
    assert_eq!(prepared.record.form, Form::Collection);
}

#[test]
fn in_the_end_only_what_got_another_id_is_set() {
    let writable = writable();
    let preparation = Preparation {
        object: "X__c",
        writable: &writable,
        without: &[],
        blobs: &[],
        by_picklists: false,
        relinks: None,
    };
    let row = row(BODY);
    let later = |id: &'static str| {
        preparation
            .prepare_later(&row, "a99", &mut move |_, _| Ok(Target::Id(id.into()).into()))
            .unwrap()
    };
    assert_eq!(
        later("p77").unwrap().record.json,
        r#"{"attributes":{"type":"X__c"},"Id":"a99","Parent__c":"p77"}"#
    );
    assert!(later("p01").is_none());
}
