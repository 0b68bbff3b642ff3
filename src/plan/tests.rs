//! Planning, cut at any request and answered in any way.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::STATE_VERSION;
use crate::backup::Checkpoint;
use crate::host::{Next, Request, SendError};
use crate::testing::scripted::{Reply, ScriptedHost};
use crate::testing::tiny_org::{Oddity, TinyOrg};
use std::collections::BTreeSet;

fn org_of(objects: usize) -> TinyOrg {
    let names: Vec<String> = (0..objects).map(|n| format!("Object{n:04}__c")).collect();
    let spec: Vec<(&str, usize, Oddity)> = names.iter().map(|name| (name.as_str(), 30, Oddity::None)).collect();
    TinyOrg::new(&spec)
}

fn host_of(mut org: TinyOrg, left: u32) -> ScriptedHost {
    ScriptedHost::new(left, move |request| org.serve(request))
}

fn asks_describes(request: &Request) -> bool {
    String::from_utf8_lossy(&request.body).contains("/describe\"")
}

fn planned(host: &ScriptedHost, objects: &[&str]) -> Planned {
    let objects: Vec<String> = objects.iter().map(|o| (*o).to_owned()).collect();
    plan_backup(host, options(&objects)).unwrap()
}

fn options(objects: &[String]) -> Options<'_> {
    Options {
        objects,
        full: true,
        writes: false,
    }
}

fn names(planned: Planned) -> Vec<String> {
    let Planned::Ready(result) = planned else {
        panic!("{planned:?}")
    };
    Checkpoint::read(STATE_VERSION, &result.at.data)
        .unwrap()
        .objects
        .into_iter()
        .map(|o| o.name)
        .collect()
}

#[test]
fn describes_go_25_to_a_request() {
    let host = host_of(org_of(110), 100);
    assert_eq!(names(planned(&host, &[])).len(), 110);
    assert_eq!(host.sent(), 2 + 5);
}

#[test]
fn a_plan_cut_anywhere_asks_for_nothing_twice() {
    for cut in 0..7 {
        let host = host_of(org_of(110), cut);
        let first = planned(&host, &[]);
        assert!(matches!(first, Planned::More(n) if n > 0), "{cut}: {first:?}");
        assert_eq!(host.sent(), u64::from(cut));
        host.allow(100);
        assert_eq!(names(planned(&host, &[])).len(), 110);
        assert_eq!(host.sent(), 7, "cut after {cut}");
        let asked: Vec<String> = host
            .requests()
            .into_iter()
            .map(|r| r.path + &String::from_utf8_lossy(&r.body))
            .collect();
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "cut after {cut}");
    }
}

#[test]
fn a_plan_that_was_ready_before_a_crash_is_ready_again_without_asking() {
    let host = host_of(org_of(10), 100);
    let first = planned(&host, &[]);
    let sent = host.sent();
    assert_eq!(planned(&host, &[]), first);
    assert_eq!(host.sent(), sent);
}

#[test]
fn a_new_backup_plans_anew() {
    let host = host_of(org_of(10), 100);
    planned(&host, &[]);
    host.put(vec![crate::values::removal(crate::values::key::PLAN)]).unwrap();
    host.now.set(host.now.get() + 1);
    let sent = host.sent();
    planned(&host, &[]);
    assert_eq!(host.sent(), 2 * sent);
}

#[test]
fn named_objects_are_found_in_any_case_and_unknown_ones_are_named() {
    let host = host_of(org_of(10), 100);
    assert_eq!(
        names(planned(&host, &["object0003__C", "Object0001__c", "Object0001__c"])),
        ["Object0001__c", "Object0003__c"]
    );
    let Planned::Blocked(failure) = planned(&host, &["Object0001__c", "Nope__c"]) else {
        panic!("must be blocked")
    };
    assert_eq!(failure.code, "unknown-object");
    assert!(failure.message.contains("Nope__c") && !failure.message.contains("Object0001__c"));
    assert_eq!(failure.object.as_deref(), Some("Nope__c"));
}

#[test]
fn estimates_of_all_objects_sum_to_the_plans_total() {
    let host = host_of(org_of(23), 100);
    let Planned::Ready(result) = planned(&host, &[]) else {
        panic!("must be ready")
    };
    let total = Checkpoint::read(STATE_VERSION, &result.at.data).unwrap().requests();
    let estimates = host.estimates.borrow();
    assert_eq!(estimates.len(), 23);
    assert_eq!(estimates.values().map(|e| e.1).sum::<u64>(), u64::from(total));
    assert!(estimates.values().all(|e| e.2 == 30));
}

#[test]
fn big_and_external_objects_are_skipped_and_said() {
    let org = || {
        TinyOrg::new(&[
            ("Log__b", 3, Oddity::None),
            ("Order__x", 3, Oddity::None),
            ("Account", 3, Oddity::None),
        ])
    };
    let host = host_of(org(), 100);
    assert_eq!(names(planned(&host, &[])), ["Account"]);
    let codes: Vec<String> = host.skips.borrow().values().map(|why| why.code.clone()).collect();
    assert_eq!(codes, ["big-object", "external-object"]);
    let host = host_of(org(), 100);
    assert_eq!(names(planned(&host, &["Order__x"])), ["Order__x"], "named, it is read");
}

#[test]
fn an_org_with_nothing_to_read_is_done() {
    let host = host_of(TinyOrg::new(&[]), 100);
    let Planned::Ready(result) = planned(&host, &[]) else {
        panic!("must be ready")
    };
    assert_eq!(result.next, Next::Done);
}

#[test]
fn describes_that_are_too_large_together_are_asked_for_in_smaller_groups() {
    let mut org = org_of(30);
    let host = ScriptedHost::new(100, move |request| {
        if String::from_utf8_lossy(&request.body).matches("/describe").count() > 10 {
            return Reply::error(SendError::TooLarge(1_000));
        }
        org.serve(request)
    });
    let mut calls = 0;
    let found = loop {
        calls += 1;
        assert!(calls < 10);
        match planned(&host, &[]) {
            Planned::More(_) => {}
            ready => break names(ready),
        }
    };
    assert_eq!(found.len(), 30);
}

#[test]
fn a_refused_describe_skips_its_object_alone() {
    let mut org = org_of(3);
    let host = ScriptedHost::new(100, move |request| {
        if asks_describes(request) {
            let fine = r#"{"body":{"fields":[{"name":"Id","type":"id"}]},"httpStatusCode":200}"#;
            let refused = r#"{"body":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}],"httpStatusCode":404}"#;
            return Reply::ok(format!(r#"{{"compositeResponse":[{fine},{refused},{fine}]}}"#));
        }
        org.serve(request)
    });
    assert_eq!(names(planned(&host, &[])), ["Object0000__c", "Object0002__c"]);
    assert_eq!(host.skips.borrow()["Object0001__c"].code, "not-visible");
}

#[test]
fn too_much_at_once_waits_and_goes_on() {
    let refusal =
        r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]"#;
    let (mut org, mut refusals) = (org_of(30), 0);
    let host = ScriptedHost::new(100, move |request| {
        if asks_describes(request) && refusals < 2 {
            refusals += 1;
            return Reply::status(403, refusal);
        }
        org.serve(request)
    });
    let mut waits = Vec::new();
    let found = loop {
        match planned(&host, &[]) {
            Planned::AgainAfter(seconds) => waits.push(seconds),
            ready => break names(ready),
        }
    };
    assert_eq!(found.len(), 30);
    assert!(!waits.is_empty() && waits.iter().all(|s| (5..=30).contains(s)));
}

fn wide(fields: usize, keyset: bool) -> ScriptedHost {
    let fields: Vec<String> = (0..fields)
        .map(|n| format!(r#"{{"name":"{}{n:04}__c","type":"string"}}"#, "x".repeat(130)))
        .collect();
    let id = format!(r#"{{"name":"Id","type":"id","filterable":{keyset},"sortable":{keyset}}}"#);
    let describe = format!(r#"{{"fields":[{id},{}]}}"#, fields.join(","));
    let mut org = org_of(1);
    ScriptedHost::new(100, move |request| {
        if asks_describes(request) {
            return Reply::ok(format!(
                r#"{{"compositeResponse":[{{"body":{describe},"httpStatusCode":200}}]}}"#
            ));
        }
        org.serve(request)
    })
}

#[test]
fn a_field_list_that_is_too_long_is_split() {
    let host = wide(1_000, true);
    assert_eq!(names(planned(&host, &[])).len(), 1);
    assert!(host.estimates.borrow()["Object0000__c"].0.contains("2 groups"));
}

#[test]
fn a_field_list_that_cannot_be_split_is_said_before_anything_is_sent_for_it() {
    for (fields, keyset) in [(1_000, false), (4_000, true)] {
        let host = wide(fields, keyset);
        assert_eq!(names(planned(&host, &[])), Vec::<String>::new());
        assert_eq!(host.skips.borrow()["Object0000__c"].code, "field-list-too-long");
    }
}

#[test]
fn files_are_part_of_the_plan() {
    let mut org = org_of(1);
    let host = ScriptedHost::new(100, move |request| {
        if asks_describes(request) {
            let describe = r#"{"fields":[{"name":"Id","type":"id"},{"name":"Body","type":"base64"}]}"#;
            return Reply::ok(format!(
                r#"{{"compositeResponse":[{{"body":{describe},"httpStatusCode":200}}]}}"#
            ));
        }
        org.serve(request)
    });
    assert_eq!(names(planned(&host, &[])).len(), 1);
    let estimates = host.estimates.borrow();
    let (way, requests, records, _) = &estimates["Object0000__c"];
    assert!(way.contains("each new file a request"), "{way}");
    assert_eq!((*requests, *records), (1 + 30, 30));
}

#[test]
fn an_answer_that_never_makes_sense_fails_by_name_and_not_as_a_loop() {
    for answer in [
        r#"{"compositeResponse":[]}"#,
        "<html>",
        r#"{"compositeResponse":[{"body":{"fields":7},"httpStatusCode":200}]}"#,
    ] {
        let mut org = org_of(3);
        let host = ScriptedHost::new(100, move |request| {
            if asks_describes(request) {
                Reply::ok(answer)
            } else {
                org.serve(request)
            }
        });
        assert!(
            matches!(planned(&host, &[]), Planned::More(_)),
            "what was learnt before is kept"
        );
        let mut calls = 0;
        while matches!(planned(&host, &[]), Planned::More(_)) {
            host.now.set(host.now.get() + 1_000);
            calls += 1;
            assert!(calls < 10);
        }
        // The first two, all of them together, and each alone three times.
        assert!(host.sent() <= 2 + 1 + 9, "{}", host.sent());
        assert_eq!(host.failures.borrow().len(), 3);
    }
}

const ORG: &str = "00D000000000001EAA";
const ANOTHER: &str = "00D000000000002EAC";

#[test]
fn whose_org_it_is_rides_in_the_first_request() {
    let (asked, unasked) = (host_of(org_of(30), 100), host_of(org_of(30), 100));
    *asked.scope.borrow_mut() = Some(ORG.to_owned());
    assert_eq!(names(planned(&asked, &[])), names(planned(&unasked, &[])));
    assert_eq!(asked.sent(), unasked.sent(), "no request of its own");
    assert_eq!(*asked.scope.borrow(), None, "confirmed");
}

#[test]
fn nothing_of_another_org_is_planned_or_kept() {
    let mut org = org_of(30);
    org.organization = ANOTHER;
    let host = host_of(org, 100);
    *host.scope.borrow_mut() = Some(ORG.to_owned());
    let error = plan_backup(&host, options(&[])).unwrap_err();
    assert!(format!("{error:?}").contains("another-org"), "{error:?}");
    assert_eq!(host.sent(), 1);
    assert!(host.values.borrow().is_empty(), "nothing that it said is kept");
}

#[test]
fn a_missing_permission_is_warned_of_by_each_plan_also_one_that_was_cut() {
    for (lacks, code) in [
        ("ViewAllData", "view-all-data-missing"),
        ("QueryAllFiles", "query-all-files-missing"),
    ] {
        let mut org = org_of(60);
        org.lacks = vec![lacks];
        let host = host_of(org, 1);
        while !matches!(planned(&host, &[]), Planned::Ready(_)) {
            host.allow(1);
        }
        let warnings = host.warnings.borrow();
        assert_eq!(warnings.keys().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), [code]);
        assert!(warnings.values().all(|warning| warning.remedy.is_some()));
    }
}

#[test]
fn an_org_that_answers_no_describe_ends_the_planning_as_an_error() {
    let mut org = org_of(200);
    let host = ScriptedHost::new(1_000, move |request| match asks_describes(request) {
        true => Reply::status(503, "<html>"),
        false => org.serve(request),
    });
    let error = (0..20).find_map(|_| plan_backup(&host, options(&[])).err());
    assert!(error.is_some());
    assert!(host.sent() <= 2 + 8, "{}", host.sent());
}
