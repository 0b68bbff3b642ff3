//! Asking costs a request of the reserve: how rarely that is, whoever asks.

use backup_store::{Actor, ConnectionName};
use end_to_end::program::{Program, last_json};
use end_to_end::{BeforeSend, Rig, RigOptions};
use fake_salesforce::clock::{HOUR_MS, MINUTE_MS};
use fake_salesforce::faults::{Fault, When};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::{QuotaOptions, Traffic};
use fake_salesforce::{Fake, Options};
use futures::FutureExt;
use host_harness::jobs::{BackupRequest, BackupState, CheckRequest, Host, JobError, PlanRequest, RestoreRequest, Silent};
use serde_json::json;
use std::sync::{Arc, OnceLock};

const MAX: u64 = 5_000;

fn org(used: u64, max: u64) -> Options {
    Options {
        quota: QuotaOptions {
            max,
            used,
            ..QuotaOptions::default()
        },
        ..Options::of(OrgSpec::small(3).with_at_most(300))
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
        drop(
            host.check_connection_with(name, &actor, CheckRequest { check_now }, &Silent)
                .await,
        );
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
    // A clock that was set back by an hour: what was sent in the time to come counts as sent now.
    let behind = rig.second_host_behind(HOUR_MS).await;
    let before = rig.counted();
    all_commands(&rig, &behind, &paused.snapshot).await;
    rig.fake.clock().advance(29 * MINUTE_MS);
    all_commands(&rig, &behind, &paused.snapshot).await;
    assert_eq!(rig.counted(), before, "{:#?}", rig.fake.requests().last());
    rig.fake.clock().advance(2 * MINUTE_MS);
    all_commands(&rig, &behind, &paused.snapshot).await;
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
        BackupState::Complete,
        "the org's own limit was raised"
    );
}

#[tokio::test]
async fn a_backup_resumes_under_a_raised_usage_limit_without_asking() {
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 8, MAX))).await;
    rig.backup().await.unwrap();
    rig.fake.clock().advance(2 * HOUR_MS);
    rig.set_limit(90).await;
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
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
        assert_eq!(rig.fake.requests().len(), 1, "{used}");
    }
}

#[tokio::test]
async fn a_first_question_without_an_answer_is_not_asked_again_at_once() {
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
async fn a_job_that_waits_waits_until_the_first_question_may_be_asked_again() {
    let rig = Rig::new(RigOptions::of(org(0, MAX))).await;
    for at in 1..=20 {
        rig.fake.faults().at_request(at, Fault::CutAfterEffect);
    }
    assert!(rig.backup().await.is_err());
    rig.fake.faults().clear();
    let (sent, asked_at) = (rig.counted(), rig.fake.clock().now_ms());
    let waits = BackupRequest {
        wait: true,
        ..BackupRequest::default()
    };
    let result = rig.backup_with(&waits).await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    assert!(rig.counted() > sent);
    let waited = rig.fake.clock().now_ms() - asked_at;
    assert!((20 * MINUTE_MS..HOUR_MS).contains(&waited), "{waited} ms");
}

#[tokio::test]
async fn a_check_at_the_limit_asks_only_where_it_is_told_to() {
    let rig = Rig::new(RigOptions::of(org(0, 1_000)).limit(1)).await;
    assert!(rig.backup().await.unwrap().pause.is_some());
    let sent = rig.counted();
    let check = async |check_now| {
        let request = CheckRequest { check_now };
        rig.host
            .check_connection_with(&rig.name, &Actor::host(), request, &Silent)
            .await
    };
    let reached = |checked: Result<_, JobError>| match checked {
        Err(JobError::LimitReached(reached)) => reached,
        other => panic!("{:?}", other.map(|_| ())),
    };
    reached(check(false).await);
    assert_eq!(rig.counted(), sent);
    let asked = reached(check(true).await);
    assert_eq!((rig.counted(), asked.used), (sent + 1, 11));
    assert!(asked.next > asked.asked_at.unwrap(), "{asked}");
    reached(check(true).await);
    assert_eq!(rig.counted(), sent + 1, "no more than one in half an hour");
    rig.fake.quota().set_max(100_000);
    rig.fake.clock().advance(31 * MINUTE_MS);
    reached(check(false).await);
    check(true).await.unwrap();
    assert_eq!(rig.counted(), sent + 3, "the question, and the check");
}

#[tokio::test]
async fn a_job_with_old_numbers_sends_one_request_before_it_believes_them() {
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

#[tokio::test]
async fn after_a_crash_the_requests_that_were_not_sent_are_found_within_minutes() {
    let crash = Arc::new(tokio::sync::Notify::new());
    let before_send: BeforeSend = {
        let crash = Arc::clone(&crash);
        Arc::new(move |number| {
            let crash = Arc::clone(&crash);
            async move {
                if number == 4 {
                    crash.notify_one();
                    std::future::pending::<()>().await;
                }
            }
            .boxed()
        })
    };
    // The batch's grant, counted as wholly spent, reaches the ceiling of 10.
    let rig = Rig::new(RigOptions {
        before_send: Some(before_send),
        ..RigOptions::of(org(0, 1_000)).limit(1)
    })
    .await;
    tokio::select! {
        ended = rig.backup() => panic!("{ended:?}"),
        () = crash.notified() => {}
    }
    let sent = rig.counted();
    let (host, actor) = (rig.second_host().await, Actor::host());
    let backup = async || {
        host.backup(&rig.name, &actor, &BackupRequest::default(), &Silent)
            .await
            .unwrap()
    };
    let pause = backup().await.pause.unwrap();
    assert!(pause.used >= pause.ceiling, "{pause:?}");
    let paused_at = rig.counted();
    assert!(rig.fake.quota().used() < 10, "{sent} and then {paused_at} were sent");
    backup().await;
    assert_eq!(rig.counted(), paused_at, "readings lag: it's too early to ask");
    rig.fake.clock().advance(6 * MINUTE_MS);
    let pause = backup().await.pause.unwrap();
    assert_eq!(
        (rig.fake.quota().used(), pause.ceiling),
        (10, 10),
        "all that may be used is used"
    );
}

#[tokio::test]
async fn a_job_ends_at_its_next_request_once_its_connection_is_removed() {
    for add_anew in [false, true] {
        let removed: Arc<OnceLock<(Host, ConnectionName)>> = Arc::default();
        let before_send: BeforeSend = {
            let removed = Arc::clone(&removed);
            Arc::new(move |number| {
                let removed = Arc::clone(&removed);
                async move {
                    if number == 4 {
                        let (host, name) = removed.get().unwrap();
                        host.remove_connection(name, &Actor::host()).await.unwrap();
                    }
                }
                .boxed()
            })
        };
        let rig = Rig::new(RigOptions {
            before_send: Some(before_send),
            ..RigOptions::of(org(0, MAX))
        })
        .await;
        assert!(removed.set((rig.second_host().await, rig.name.clone())).is_ok());
        let ended = rig.backup().await;
        let told = match ended {
            Ok(result) => result.failed.unwrap(),
            Err(error) => error.to_string(),
        };
        assert!(told.contains("was removed"), "{told}");
        let sent = rig.counted();
        assert!(sent <= 8, "{sent}: those that were under way, and no others");
        if add_anew {
            rig.add(&rig.host, &rig.name, 50).await;
            let result = rig.backup().await.unwrap();
            assert_eq!(result.state, BackupState::Complete);
            rig.assert_equals_org(&result).await;
        } else {
            assert!(matches!(rig.backup().await, Err(JobError::NoConnection(_))));
            assert_eq!(rig.counted(), sent);
        }
    }
}

#[test]
fn false_numbers_of_an_org_end_no_command() {
    // By the program, whose arithmetic is checked.
    let fake = Fake::start(org(0, MAX)).unwrap();
    let program = Program::new();
    let component = program.folder().join("hostile.wasm");
    std::fs::write(&component, end_to_end::component("hostile")).unwrap();
    let config = program.folder().join("lies.json");
    let settings = json!({"instance_url": fake.url(), "behaviour": "lie-about-progress", "path": "/services/data/v62.0/sobjects",
        "auth": {"kind": "access-token", "token": fake.access_token()}});
    std::fs::write(&config, settings.to_string()).unwrap();
    let (config, component) = (config.to_str().unwrap(), component.to_str().unwrap());
    let added = program.run(&["connection", "add", "lies", "--config", config, "--connector", component]);
    assert!(added.status.success(), "{added:?}");
    for arguments in [
        vec!["plan", "lies", "--json"],
        vec!["backup", "lies", "--json"],
        vec!["backup", "lies", "--json"],
        vec!["status", "lies", "--json"],
        vec!["snapshots", "lies", "--json"],
        vec!["ls", "lies", "latest", "--json"],
    ] {
        let output = program.run(&arguments);
        assert_ne!(
            output.status.code(),
            Some(101),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        drop(last_json(&output));
    }
}

#[test]
fn programs_are_told_how_a_command_ended() {
    let (fake, program) = (Fake::start(org(0, MAX)).unwrap(), Program::new());
    let told = |arguments: &[&str]| {
        let output = program.run(arguments);
        let event = last_json(&output);
        let texts = ["message", "code"].map(|member| event[member].is_string());
        assert_eq!((&event["event"], texts), (&json!("error"), [true, true]), "{event}");
        assert_eq!(event["exit_code"].as_i64(), output.status.code().map(i64::from), "{event}");
        (output.status.code().unwrap(), event["message"].as_str().unwrap().to_owned())
    };
    for reading in [
        vec!["snapshots", "acme", "--json"],
        vec!["connection", "list", "--json"],
        vec!["status", "acme", "--json"],
        vec!["audit", "acme", "--json"],
    ] {
        let (code, text) = told(&reading);
        assert_eq!(code, 2);
        assert!(text.contains(program.data().to_str().unwrap()), "{text}");
    }
    assert!(!program.data().exists(), "reading makes nothing");
    assert_eq!(told(&["backup", "acme", "--json", "--nonsense"]).0, 2);

    assert!(program.add("acme", &fake, 50).status.success());
    let (code, text) = told(&["backup", "other", "--json"]);
    assert!(
        code == 2 && text.contains(program.data().canonicalize().unwrap().to_str().unwrap()),
        "{text}"
    );
    let result = program.json(&["backup", "acme", "--json"]);
    assert_eq!((&result["event"], &result["schema_version"]), (&json!("result"), &json!(1)));
    assert!(program.json(&["snapshots", "acme", "--json"]).is_array());
    assert_eq!(told(&["ls", "acme", "01ZZ", "--json"]).0, 2);
    assert_eq!(
        told(&["audit", "acme", "--verify", "--expect", &"0".repeat(64), "--json"]).0,
        2
    );

    fake.faults().always(
        When::default(),
        Fault::refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    );
    let output = program.run(&["backup", "acme", "--json"]);
    assert_eq!(output.status.code(), Some(12), "{}", String::from_utf8_lossy(&output.stdout));

    // One damaged journal hides no other.
    assert!(program.add("beta", &fake, 50).status.success());
    let journal = program.data().join("default/acme/audit");
    let last = std::fs::read_dir(&journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    std::fs::write(last, "").unwrap();
    let output = program.run(&["connection", "list", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let names: Vec<String> = last_json(&output)
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["connection"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["default/acme", "default/beta"]);
}
