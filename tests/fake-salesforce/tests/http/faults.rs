//! Faults on the wire: what arrives, and what took effect.

use std::time::{Duration, Instant};

use fake_salesforce::faults::{Fault, When};

use crate::client::{Broken, get, query, try_call};
use crate::fake;

#[test]
fn a_cut_before_the_effect_leaves_no_trace_and_one_after_it_does() {
    let fake = fake();
    let create = |fake: &fake_salesforce::Fake| try_call(fake, "POST", "sobjects/Account", &[], "{\"Name\":\"New\"}");
    let before = fake.count("Account", fake_salesforce::org::Scan::QUERY);
    fake.faults().once(When::default(), Fault::CutBeforeEffect);
    assert_eq!(create(&fake).unwrap_err(), Broken::NoAnswer);
    assert_eq!(
        (fake.count("Account", fake_salesforce::org::Scan::QUERY), fake.quota().used()),
        (before, 0)
    );
    fake.faults().once(When::default(), Fault::CutAfterEffect);
    assert_eq!(create(&fake).unwrap_err(), Broken::NoAnswer);
    assert_eq!(
        (fake.count("Account", fake_salesforce::org::Scan::QUERY), fake.quota().used()),
        (before + 1, 1)
    );
    assert_eq!(create(&fake).unwrap().status, 201);
    let log = fake.requests();
    assert_eq!(
        log.iter().map(|e| (e.cost, e.status)).collect::<Vec<_>>(),
        [(0, None), (1, None), (1, Some(201))]
    );
}

#[test]
fn a_body_breaks_off_where_it_was_told_to() {
    let fake = fake();
    fake.faults().once(When::default(), Fault::CutMidBody { after_bytes: 50_000 });
    let path = "query?q=SELECT+Id+FROM+Account";
    assert_eq!(try_call(&fake, "GET", path, &[], "").unwrap_err(), Broken::InBody(50_000));
    assert_eq!(fake.quota().used(), 1);
}

#[test]
fn malformed_and_html_bodies_come_under_the_status_they_were_given() {
    let fake = fake();
    fake.faults().once(When::default(), Fault::MalformedBody);
    let malformed = get(&fake, "limits");
    assert_eq!(malformed.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&malformed.body).is_err());
    for status in [200, 502, 503] {
        fake.faults().once(When::default(), Fault::Html { status });
        let html = get(&fake, "limits");
        assert_eq!(
            (html.status, html.header("content-type")),
            (status, Some("text/html;charset=UTF-8"))
        );
        assert!(html.text().starts_with("<!DOCTYPE html>"));
    }
}

#[test]
fn the_two_kinds_of_concurrency_share_the_code_of_the_daily_limit() {
    let fake = fake();
    for (fault, text) in [
        (
            Fault::concurrent_requests(),
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        ),
        (
            Fault::concurrent_long_transactions(),
            "ConcurrentPerOrgLongTxn Limit exceeded.",
        ),
        (Fault::total_requests(), "TotalRequests Limit exceeded."),
    ] {
        fake.faults().once(When::default(), fault);
        assert_eq!(
            get(&fake, "limits").error(),
            (403, "REQUEST_LIMIT_EXCEEDED".into(), text.into())
        );
    }
    assert_eq!(fake.quota().used(), 0);
}

#[test]
fn one_request_can_be_told_that_its_session_is_over() {
    let fake = fake();
    fake.faults().at_request(2, Fault::ExpiredSession);
    let statuses: Vec<u16> = (0..3).map(|_| get(&fake, "limits").status).collect();
    assert_eq!(statuses, [200, 401, 200]);
}

#[test]
fn a_delayed_request_is_served_late() {
    let fake = fake();
    fake.faults().once(
        When {
            path_contains: Some("/query".into()),
            ..When::default()
        },
        Fault::Delay { ms: 150 },
    );
    let begun = Instant::now();
    assert_eq!(query(&fake, "SELECT Id FROM User LIMIT 1").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}
