//! What a hostile component can't do: the host keeps the promise by itself.

use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use serde_json::json;

const PATH: &str = "/services/data/v62.0/sobjects";

async fn rig(behaviour: &str, used: u64) -> Rig {
    let quota = QuotaOptions {
        max: 1_000,
        used,
        ..QuotaOptions::default()
    };
    let fake = Options {
        quota,
        ..Options::of(OrgSpec::tiny(2))
    };
    let settings = json!({"behaviour": behaviour, "path": PATH, "total": 100_000, "requests": 5});
    Rig::new(RigOptions {
        component: "hostile",
        settings,
        ..RigOptions::of(fake)
    })
    .await
}

#[tokio::test]
async fn a_well_behaved_example_connector_backs_up() {
    let quota = QuotaOptions {
        max: 1_000,
        ..QuotaOptions::default()
    };
    let fake = Options {
        quota,
        ..Options::of(OrgSpec::tiny(2))
    };
    let settings = json!({"behaviour": "well-behaved", "path": PATH});
    let rig = Rig::new(RigOptions {
        component: "hostile",
        settings,
        ..RigOptions::of(fake)
    })
    .await;
    assert_eq!(rig.backup().await.unwrap().state, host_harness::jobs::BackupState::Complete);
}

#[tokio::test]
async fn a_connector_that_asks_for_more_than_is_left_and_always_proceeds_stops_at_the_ceiling() {
    for behaviour in ["ask-more-than-left", "proceed-always"] {
        let rig = rig(behaviour, 480).await;
        let result = rig.backup().await.unwrap();
        assert_eq!(rig.fake.quota().used(), 500, "{behaviour}");
        assert!(result.pause.is_some(), "{behaviour}: {result:?}");
    }
}

#[tokio::test]
async fn a_trap_right_after_a_reading_at_the_ceiling_sends_nothing_more() {
    let rig = rig("trap-after-observe", 499).await;
    let _ = rig.backup().await;
    let used = rig.fake.quota().used();
    assert!(used <= 500, "{used}");
    let again = rig.backup().await;
    // A run by hand may spend one request on a probe; the reserve isn't touched otherwise.
    assert!(rig.fake.quota().used() <= used + 1, "{again:?}");
}

#[tokio::test]
async fn invented_readings_spend_at_most_the_ceiling_in_a_day() {
    let rig = rig("invent-readings", 0).await;
    for _ in 0..4 {
        let _ = rig.backup().await;
    }
    let probes = rig
        .journal()
        .await
        .audit()
        .iter()
        .filter(|entry| entry["event"] == "quota-probed")
        .count() as u64;
    assert!(
        rig.counted() <= 500 + 2 * probes + 6,
        "{} sent, {probes} probes",
        rig.counted()
    );
}

#[tokio::test]
async fn a_batch_that_always_traps_or_fails_ends_failed_after_three_tries() {
    for behaviour in ["trap", "fail-always", "bomb-memory", "huge-checkpoint"] {
        let rig = rig(behaviour, 0).await;
        let result = rig.backup().await.unwrap();
        assert!(result.failed.is_some(), "{behaviour}: {result:?}");
        assert!(rig.counted() < 60, "{behaviour}: {} requests", rig.counted());
        assert_eq!(rig.journal().await.audit().last().unwrap()["event"], "snapshot-failed");
    }
}

#[tokio::test]
async fn another_origin_and_another_tenants_key_are_refused() {
    for behaviour in ["other-origin", "foreign-key"] {
        let rig = rig(behaviour, 0).await;
        let failed = rig.backup().await.unwrap().failed.unwrap();
        assert!(
            failed.contains("refused") && !failed.contains("got-through"),
            "{behaviour}: {failed}"
        );
    }
}
