//! Sessions end at the worst moment: the run says so and stops, and with a new token the same snapshot goes on until it equals the
//! org, files included.

use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::faults::{Fault, Repeat, Rule, When};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use host_harness::connections::ConfigChange;
use host_harness::jobs::{BackupState, SetConnection};
use serde_json::json;

/// Bulk jobs, queries, images and files of each kind, in some thirty requests.
async fn rig() -> Rig {
    let spec = OrgSpec::of(
        9,
        &[
            ("Account", 30),
            ("Lead", 900),
            ("Attachment", 2),
            ("Document", 1),
            ("ContentDocument", 2),
        ],
    );
    let quota = QuotaOptions {
        max: 1_000,
        ..QuotaOptions::default()
    };
    let mut options = RigOptions::of(Options {
        quota,
        ..Options::of(spec)
    })
    .with_files()
    .limit(90);
    options.settings["bulk_rows"] = json!(500);
    Rig::new(options).await
}

/// Every session ends, and the connection is given a token that opens a new one.
async fn log_in_anew(rig: &Rig) {
    let token = "00D000000000001!new";
    rig.fake.oauth().expire_sessions();
    rig.fake.oauth().open_session(token);
    let config = json!({"instance_url": rig.fake.url(), "api_version": "v62.0", "usage_limit": 90, "bulk_rows": 500,
        "auth": {"kind": "access-token", "token": token}});
    let set = SetConnection {
        name: rig.name.clone(),
        change: ConfigChange::File(config.to_string().into_bytes()),
        actor: backup_store::Actor::host(),
    };
    rig.host.set_connection(set).await.unwrap();
}

#[tokio::test]
async fn a_session_may_end_at_any_request_of_a_backup() {
    let whole = rig().await;
    let complete = whole.complete().await;
    whole.assert_files_equal_org(&complete).await;
    let requests = whole.counted();
    assert!(complete.blobs > 5, "{complete:?}");
    assert!((12..60).contains(&requests), "{requests}");
    for at in 0..requests {
        let rig = rig().await;
        rig.fake.faults().add(Rule {
            when: When {
                counted: true,
                skip: at,
                ..When::default()
            },
            repeat: Repeat::Always,
            fault: Fault::ExpiredSession,
        });
        let refused = rig.backup().await;
        let snapshot = match &refused {
            Err(error) => {
                assert!(error.is_refused_credential(), "after {at}: {error}");
                None
            }
            Ok(result) => {
                let reason = result.failed.as_deref().unwrap_or_default();
                assert!(reason.contains("[session-refused]"), "after {at}: {result:?}");
                Some(result.snapshot.clone())
            }
        };
        rig.fake.faults().clear();
        log_in_anew(&rig).await;
        let result = rig.backup().await.unwrap_or_else(|error| panic!("after {at}: {error}"));
        assert_eq!(
            (result.state, &result.failed),
            (BackupState::Complete, &None),
            "after {at}: {result:?}"
        );
        assert!(snapshot.is_none_or(|snapshot| snapshot == result.snapshot), "after {at}");
        assert!(rig.counted() <= requests + 2, "after {at}: {} for {requests}", rig.counted());
        rig.assert_equals_org(&result).await;
        rig.assert_files_equal_org(&result).await;
    }
}
