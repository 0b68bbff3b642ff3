//! Where the last request is.

use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::log::LoggedRequest;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::{QuotaOptions, Traffic};
use host_harness::jobs::BackupState;

/// An org whose backup takes more requests than are left before the ceiling.
fn org(max: u64, used: u64, traffic: Traffic) -> Options {
    Options {
        quota: QuotaOptions {
            max,
            used,
            traffic,
            ..QuotaOptions::default()
        },
        ..Options::of(OrgSpec::small(3).with_at_most(300))
    }
}

fn counted(rig: &Rig) -> Vec<LoggedRequest> {
    rig.fake.requests().into_iter().filter(|entry| entry.cost > 0).collect()
}

#[tokio::test]
async fn a_backup_pauses_at_the_request_that_reaches_the_ceiling() {
    for max in [5_000, 1_000, 7] {
        for limit in [1, 50, 80, 99, 100] {
            let ceiling = max * u64::from(limit) / 100;
            let used = ceiling.saturating_sub(6);
            let rig = Rig::new(RigOptions::of(org(max, used, Traffic::default())).limit(limit)).await;
            let result = rig.backup().await.unwrap();
            let pause = result
                .pause
                .clone()
                .unwrap_or_else(|| panic!("max {max}, limit {limit}: {result:?}"));
            assert_eq!(
                (pause.reason.as_str(), pause.ceiling, pause.max),
                ("usage-limit", ceiling, max)
            );
            assert_eq!(result.state, BackupState::Partial);
            // The first reading of all costs a request, also where the ceiling is 0.
            assert_eq!(rig.fake.quota().used(), ceiling.max(1), "max {max}, limit {limit}");
            assert_eq!(result.calls.sent, rig.counted());
            assert!(result.failed.is_none());
        }
    }
}

#[tokio::test]
async fn a_backup_beside_other_applications_sends_nothing_after_a_reading_at_the_ceiling() {
    for others in [0, 1, 3, 17, 50] {
        let rig =
            Rig::new(RigOptions::of(org(400, 0, Traffic::per_request(others))).limit(if others == 0 { 4 } else { 50 })).await;
        let result = rig.backup().await.unwrap();
        let counted = counted(&rig);
        let Some(pause) = &result.pause else {
            assert!(others < 10, "{others}: {result:?}");
            continue;
        };
        let first = counted.iter().position(|entry| entry.used >= pause.ceiling).unwrap();
        assert_eq!(
            first + 1,
            counted.len(),
            "{others} others a request: the first at the ceiling of {} is the last",
            pause.ceiling
        );
        assert!(pause.used >= pause.ceiling);
    }
}
