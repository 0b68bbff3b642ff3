//! Trouble on the wire: the backup completes, and every attempt is counted.

use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::faults::{Fault, Repeat, Rule, When};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::BackupState;

async fn rig() -> Rig {
    let quota = QuotaOptions {
        max: 1_000,
        ..QuotaOptions::default()
    };
    Rig::new(RigOptions::of(Options {
        quota,
        ..Options::of(OrgSpec::small(4).with_at_most(300))
    }))
    .await
}

fn status(status: u16, counted: bool) -> Fault {
    Fault::Status {
        status,
        body: String::new(),
        content_type: None,
        counted,
    }
}

#[tokio::test]
async fn passing_trouble_at_any_request_is_retried_and_counted() {
    let faults = [
        status(420, true),
        status(502, true),
        Fault::Status {
            status: 503,
            body: r#"[{"errorCode":"SERVER_UNAVAILABLE","message":"x"}]"#.into(),
            content_type: None,
            counted: true,
        },
        Fault::CutAfterEffect,
        Fault::CutMidBody { after_bytes: 700 },
        Fault::MalformedBody,
        Fault::Delay { ms: 30 },
    ];
    for fault in faults {
        for at in [1, 2, 5, 9] {
            let rig = rig().await;
            rig.fake.faults().at_request(at, fault.clone());
            let result = rig
                .backup()
                .await
                .unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            assert_eq!(result.state, BackupState::Complete, "{fault:?} at {at}: {result:?}");
            assert_eq!(result.calls.sent, rig.counted(), "{fault:?} at {at}");
            assert_eq!(rig.fake.faults().struck(), 1, "{fault:?} at {at}");
            rig.assert_equals_org(&result).await;
        }
    }
}

#[tokio::test]
async fn a_concurrency_refusal_is_no_pause() {
    for fault in [Fault::concurrent_requests(), Fault::concurrent_long_transactions()] {
        let rig = rig().await;
        rig.fake.faults().add(Rule {
            when: When {
                skip: 6,
                ..When::default()
            },
            repeat: Repeat::Times(3),
            fault,
        });
        let result = rig.backup().await.unwrap();
        assert_eq!((result.state, result.pause.is_none()), (BackupState::Complete, true));
    }
}

#[tokio::test]
async fn a_refusal_of_the_day_below_our_ceiling_pauses_for_the_org() {
    for at in [2, 6, 12] {
        let rig = rig().await;
        rig.fake.faults().at_request(at, Fault::total_requests());
        let paused = rig.backup().await.unwrap();
        assert_eq!(
            (paused.pause.as_ref().unwrap().reason.as_str(), paused.state),
            ("org-limit", BackupState::Partial),
            "at {at}"
        );
        assert_eq!(rig.fake.requests().len() as u64, at, "nothing is sent after it");
        rig.until_asked_again();
        let complete = rig.backup().await.unwrap();
        assert_eq!(
            (complete.snapshot, complete.state),
            (paused.snapshot, BackupState::Complete),
            "it looks again half an hour later"
        );
    }
}

#[tokio::test]
async fn a_batch_that_fails_every_time_ends_failed_without_spending_the_allowance() {
    let rig = rig().await;
    let when = When {
        body_contains: Some("FROM".into()),
        skip: 3,
        ..When::default()
    };
    rig.fake.faults().always(when, status(500, true));
    let result = rig.backup().await.unwrap();
    assert!(result.failed.is_some(), "{result:?}");
    assert!(rig.counted() < 60, "{} requests", rig.counted());
    assert_eq!(result.calls.sent, rig.counted());
    // A command given by hand starts the count anew, in the same snapshot.
    rig.fake.faults().clear();
    let complete = rig.backup().await.unwrap();
    assert_eq!((complete.snapshot, complete.state), (result.snapshot, BackupState::Complete));
}

/// What a backup of `files(1)` lacks and names where these requests fail for good, and how many failed.
async fn failing(when: When, fault: Fault) -> (Rig, host_harness::jobs::BackupResult, u64) {
    let quota = QuotaOptions {
        max: 100_000,
        ..QuotaOptions::default()
    };
    let options = Options {
        quota,
        ..Options::of(OrgSpec::small(4).with_at_most(300))
    };
    let rig = Rig::new(RigOptions::of(options).with_files().limit(100)).await;
    rig.fake.faults().always(when, fault);
    let result = rig.backup().await.unwrap();
    let struck = rig.fake.faults().struck();
    (rig, result, struck)
}

#[tokio::test]
async fn a_refusal_of_one_object_costs_that_object_alone_and_the_next_backup_has_it() {
    let of = |text: &str| When {
        body_contains: Some(text.into()),
        ..When::default()
    };
    let part = |status, code: &str, message: &str| Fault::PartRefused {
        part: "FROM+Case+".into(),
        status,
        code: code.into(),
        message: message.into(),
    };
    for fault in [
        status(503, true),
        Fault::Html { status: 200 },
        part(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1"),
        part(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    ] {
        let (rig, result, struck) = failing(of("FROM+Case+"), fault.clone()).await;
        assert!(struck <= 20, "{fault:?}: {struck}");
        let failed: Vec<&str> = result
            .objects
            .iter()
            .filter(|object| object.state == backup_store::ObjectState::Failed)
            .map(|object| object.name.as_str())
            .collect();
        assert_eq!(failed, ["Case"], "{fault:?}");
        rig.fake.faults().clear();
        rig.fake.clock().advance(24 * 3_600_000);
        let next = rig.backup().await.unwrap();
        assert_eq!(next.state, BackupState::Complete, "{fault:?}: {next:?}");
        rig.assert_equals_org(&next).await;
    }
}

#[tokio::test]
async fn a_page_that_does_not_say_where_it_goes_on_and_a_field_that_is_refused_cost_no_record() {
    let rig = rig().await;
    rig.fake.faults().always(
        When {
            body_contains: Some("FROM+Case+".into()),
            skip: 1,
            ..When::default()
        },
        Fault::Replaced {
            text: "\"nextRecordsUrl\"".into(),
            with: b"\"goneRecordsUrl\"".to_vec(),
        },
    );
    let result = rig.backup().await.unwrap();
    assert_eq!(result.state, BackupState::Complete, "{result:?}");
    rig.assert_equals_org(&result).await;
}
