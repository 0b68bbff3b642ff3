//! Asking costs a request of the reserve: how rarely that is, whoever asks.

use backup_store::{Actor, ConnectionName};
use end_to_end::program::{Program, last_json};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::clock::{HOUR_MS, MINUTE_MS};
use fake_salesforce::faults::Fault;
use fake_salesforce::oauth::OauthOptions;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::{QuotaOptions, Traffic};
use fake_salesforce::{Fake, Options};
use host_harness::jobs::{BackupRequest, Host, JobError, PlanRequest, RestoreRequest, Silent, State};
use serde_json::json;

const MAX: u64 = 5_000;

fn org(used: u64, max: u64) -> Options {
    Options {
        quota: QuotaOptions {
            max,
            used,
            ..QuotaOptions::default()
        },
        ..Options::of(OrgSpec::small(3))
    }
}

fn now_please() -> BackupRequest {
    BackupRequest {
        check_now: true,
        ..BackupRequest::default()
    }
}

/// Every command that may send, by this host, whatever comes of it.
async fn all_commands(rig: &Rig, host: &Host, snapshot: &str) {
    let (name, actor) = (&rig.name, Actor::host());
    for check_now in [false, true] {
        let backup = BackupRequest {
            check_now,
            ..BackupRequest::default()
        };
        drop(host.backup(name, &actor, &backup, &Silent).await);
        let plan = PlanRequest {
            check_now,
            ..PlanRequest::default()
        };
        drop(host.plan(name, &actor, &plan, &Silent).await);
        for dry_run in [true, false] {
            let restore = RestoreRequest {
                snapshot: snapshot.to_owned(),
                all: true,
                dry_run,
                check_now,
                ..RestoreRequest::default()
            };
            drop(host.restore(name, &actor, &restore, &Silent).await);
        }
        let full = BackupRequest { full: true, ..backup };
        drop(host.backup(name, &actor, &full, &Silent).await);
        drop(host.check_connection(name, &actor).await);
    }
}

#[tokio::test]
async fn at_the_ceiling_all_commands_of_all_processes_send_one_request_in_thirty_minutes() {
    // Others used nearly all of it, so that something may come free at any time.
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 8, MAX))).await;
    let paused = rig.backup().await.unwrap();
    assert!(paused.pause.is_some());
    let second = rig.second_host().await;
    for half_hour in 0..6 {
        let before = rig.counted();
        for _ in 0..3 {
            all_commands(&rig, &rig.host, &paused.snapshot).await;
            all_commands(&rig, &second, &paused.snapshot).await;
            rig.fake.clock().advance(9 * MINUTE_MS);
        }
        let sent = rig.counted() - before;
        assert_eq!(sent, 1, "in half hour {half_hour}");
        rig.fake.clock().advance(3 * MINUTE_MS);
    }
    // An hour back: what was sent in the time to come counts as sent now.
    rig.fake.clock().set(rig.fake.clock().now_ms() - HOUR_MS);
    let before = rig.counted();
    all_commands(&rig, &second, &paused.snapshot).await;
    rig.fake.clock().advance(29 * MINUTE_MS);
    all_commands(&rig, &rig.host, &paused.snapshot).await;
    assert_eq!(rig.counted(), before);
    rig.fake.clock().advance(2 * MINUTE_MS);
    all_commands(&rig, &rig.host, &paused.snapshot).await;
    assert_eq!(rig.counted(), before + 1, "and no longer than that");
}

#[tokio::test]
async fn a_pause_says_when_the_org_is_asked_next_and_asks_then() {
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 8, MAX))).await;
    let first = rig.backup().await.unwrap().pause.unwrap();
    let asked = rig.counted();
    rig.fake.clock().advance(31 * MINUTE_MS);
    let pause = rig.backup().await.unwrap().pause.unwrap();
    assert_eq!(rig.counted(), asked + 1);
    assert!(pause.asked_at > first.asked_at, "{pause:?}");
    let same = rig.backup().await.unwrap().pause.unwrap();
    assert_eq!((&same.recheck_at, rig.counted()), (&pause.recheck_at, asked + 1));
    rig.fake.clock().advance(30 * MINUTE_MS);
    rig.backup().await.unwrap();
    assert_eq!(rig.counted(), asked + 2, "as it said");
}

#[tokio::test]
async fn while_own_requests_explain_all_nobody_asks_but_for_a_raised_limit_of_the_org() {
    let rig = Rig::new(RigOptions::of(org(0, 1_000)).limit(1)).await;
    assert!(rig.backup().await.unwrap().pause.is_some());
    let sent = rig.counted();
    assert_eq!(sent, 10);
    for _ in 0..7 {
        rig.fake.clock().advance(30 * MINUTE_MS);
        rig.backup().await.unwrap();
    }
    assert_eq!(rig.counted(), sent, "nothing can have come free");
    rig.backup_with(&now_please()).await.unwrap();
    assert_eq!(rig.counted(), sent + 1, "asked for by name");
    rig.backup_with(&now_please()).await.unwrap();
    assert_eq!(rig.counted(), sent + 1, "and bounded all the same");

    rig.fake.quota().set_max(100_000);
    rig.fake.clock().advance(4 * HOUR_MS);
    assert_eq!(
        rig.backup().await.unwrap().state,
        State::Complete,
        "the org's own limit was raised"
    );
}

#[tokio::test]
async fn a_raised_usage_limit_goes_on_without_asking() {
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 8, MAX))).await;
    rig.backup().await.unwrap();
    rig.fake.clock().advance(2 * HOUR_MS);
    rig.set_limit(90).await;
    assert_eq!(rig.backup().await.unwrap().state, State::Complete);
    let probed = |entry: &serde_json::Value| entry["event"] == "quota-probed";
    assert!(!rig.journal().await.audit().iter().any(probed));
}

#[tokio::test]
async fn a_probe_is_one_attempt_whatever_is_answered() {
    for fault in [
        Fault::CutAfterEffect,
        Fault::MalformedBody,
        Fault::Status {
            status: 503,
            body: String::new(),
            content_type: None,
            counted: true,
        },
        Fault::Status {
            status: 401,
            body: r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#.into(),
            content_type: None,
            counted: true,
        },
    ] {
        let rig = Rig::new(RigOptions::of(org(MAX / 2 - 8, MAX))).await;
        rig.backup().await.unwrap();
        rig.fake.clock().advance(31 * MINUTE_MS);
        let sent = rig.counted();
        for at in 1..=4 {
            rig.fake.faults().at_request(sent + at, fault.clone());
        }
        for _ in 0..3 {
            drop(rig.backup().await);
        }
        assert_eq!(rig.counted(), sent + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_removed_and_added_in_a_loop_asks_once() {
    // Where the header is missing nothing is known after the first request either.
    for used in [MAX / 2, MAX] {
        let rig = Rig::new(RigOptions::of(org(used, MAX))).await;
        for round in 0..5 {
            if round > 0 {
                rig.host.remove_connection(&rig.name, &Actor::host()).await.unwrap();
                rig.add(&rig.host, &rig.name, 50).await;
            }
            let result = rig.backup().await;
            assert!(result.is_err() || result.is_ok_and(|result| result.pause.is_some()), "{used}");
            rig.fake.clock().advance(MINUTE_MS);
        }
        assert_eq!(rig.counted(), 1, "{used}");
    }
}

#[tokio::test]
async fn a_first_question_without_an_answer_is_not_asked_again_at_once() {
    let fake = Fake::start(org(0, MAX)).unwrap();
    drop(fake);
    let rig = Rig::new(RigOptions::of(org(0, MAX))).await;
    for at in 1..=20 {
        rig.fake.faults().at_request(at, Fault::CutAfterEffect);
    }
    assert!(rig.backup().await.is_err());
    let sent = rig.counted();
    assert!(matches!(rig.backup().await, Err(JobError::AskedLately { .. })));
    let other: ConnectionName = "other".parse().unwrap();
    rig.add(&rig.host, &other, 50).await;
    let error = rig.host.check_connection(&other, &Actor::host()).await.unwrap_err();
    assert!(matches!(error, JobError::AskedLately { .. }), "{error}");
    assert_eq!(rig.counted(), sent);
}

#[tokio::test]
async fn old_numbers_send_one_request_before_they_are_believed() {
    let rig = Rig::new(RigOptions::of(org(0, 1_000))).await;
    rig.set_limit(2).await;
    rig.backup().await.unwrap();
    rig.set_limit(50).await;
    rig.fake.clock().advance(20 * MINUTE_MS);
    // Meanwhile others used all that there was.
    rig.fake.quota().set_used(500);
    rig.fake.quota().set_traffic(Traffic::default());
    let sent = rig.counted();
    assert!(rig.backup().await.unwrap().pause.is_some());
    assert_eq!(rig.counted(), sent + 1, "one, whose answer told");
}

#[test]
fn after_a_crash_the_requests_that_were_not_sent_are_found_within_minutes() {
    let fake = Fake::start(Options {
        clock: fake_salesforce::ClockMode::Real,
        ..org(0, 1_000)
    })
    .unwrap();
    let program = Program::new();
    assert!(program.add("acme", &fake, 50).status.success());
    let mut child = program.command(&["backup", "acme", "--json"]).spawn().unwrap();
    while fake.log().is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = fake.totals().client;
    for _ in 0..4 {
        program.run(&["connection", "check", "acme", "--json"]);
    }
    // Either the first answer was committed, and what is left is known; or its loss counts as the question of this half hour.
    assert!(fake.totals().client <= before + 4);
    let told = last_json(&program.run(&["connection", "check", "acme", "--json"]));
    assert!(told.is_object(), "{told}");
    drop((OauthOptions::default(), json!({})));
}
