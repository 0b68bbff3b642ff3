//! The right decision whatever the org tells.

use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::{Edition, HeaderForm, QuotaOptions};
use futures::FutureExt;
use host_harness::jobs::BackupState;
use std::sync::{Arc, OnceLock};

fn org(quota: QuotaOptions) -> Options {
    Options {
        quota,
        ..Options::of(OrgSpec::small(9).with_at_most(300))
    }
}

fn quota(max: u64, used: u64) -> QuotaOptions {
    QuotaOptions {
        max,
        used,
        ..QuotaOptions::default()
    }
}

#[tokio::test]
async fn every_form_of_the_header_gives_the_same_pause() {
    for header in [
        HeaderForm::Plain,
        HeaderForm::WithPerApp,
        HeaderForm::PerAppFirst,
        HeaderForm::LowerCaseName,
        HeaderForm::CommaSeparated,
        HeaderForm::NoSpace,
    ] {
        let rig = Rig::new(RigOptions::of(org(QuotaOptions {
            header,
            ..quota(1_000, 492)
        })))
        .await;
        let result = rig.backup().await.unwrap();
        assert_eq!(
            (rig.fake.quota().used(), result.pause.unwrap().ceiling),
            (500, 500),
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn without_a_readable_header_the_limits_resource_and_own_counting_hold_the_ceiling() {
    for header in [HeaderForm::Missing, HeaderForm::Broken, HeaderForm::PerAppOnly] {
        let rig = Rig::new(RigOptions::of(org(QuotaOptions {
            header,
            limits_lag_ms: 0,
            ..quota(1_000, 490)
        })))
        .await;
        let result = rig.backup().await.unwrap();
        let pause = result.pause.unwrap_or_else(|| panic!("{header:?}"));
        assert!(
            rig.fake.quota().used() <= 500 && pause.ceiling == 500,
            "{header:?}: {} used",
            rig.fake.quota().used()
        );
    }
}

/// A hook that is given the rig's fake when the rig is there.
type Handle = Arc<OnceLock<fake_salesforce::quota::Quota>>;

async fn rig_that_changes(quota: QuotaOptions, at: u64, change: fn(&fake_salesforce::quota::Quota)) -> Rig {
    let handle: Handle = Arc::default();
    let before_send = {
        let handle = Arc::clone(&handle);
        Arc::new(move |number: u64| {
            let handle = Arc::clone(&handle);
            async move {
                if number == at {
                    change(handle.get().unwrap());
                }
            }
            .boxed()
        })
    };
    let rig = Rig::new(RigOptions {
        before_send: Some(before_send),
        ..RigOptions::of(org(quota))
    })
    .await;
    assert!(handle.set(rig.fake.quota().clone()).is_ok());
    rig
}

#[tokio::test]
async fn a_max_that_falls_during_a_batch_stops_it_and_one_that_rises_lets_it_go_on() {
    let rig = rig_that_changes(quota(10_000, 100), 8, |quota| quota.set_max(200)).await;
    let result = rig.backup().await.unwrap();
    assert_eq!(
        (rig.counted(), result.pause.unwrap().ceiling),
        (8, 100),
        "the 8th answer told it"
    );

    let rig = rig_that_changes(quota(1_000, 492), 6, |quota| quota.set_max(10_000)).await;
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
}

#[tokio::test]
async fn a_backup_resumes_when_used_falls_and_pauses_when_it_is_over_max() {
    let rig = rig_that_changes(quota(1_000, 492), 6, |quota| quota.set_used(10)).await;
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);

    let over = QuotaOptions {
        edition: Edition::Enterprise,
        ..quota(1_000, 0)
    };
    let rig = rig_that_changes(over, 6, |quota| quota.set_used(1_050)).await;
    let pause = rig.backup().await.unwrap().pause.unwrap();
    assert_eq!((rig.counted(), pause.reason.as_str()), (6, "usage-limit"));
    assert!(pause.used > pause.max);
}

#[tokio::test]
async fn a_limit_lowered_by_another_process_counts_at_the_next_send_of_a_batch_under_way() {
    // The limit is set through a journal of its own, while the 9th request is about to be sent.
    let place: Arc<OnceLock<(backup_store::Store, backup_store::ConnectionName)>> = Arc::default();
    let before_send = {
        let place = Arc::clone(&place);
        Arc::new(move |number: u64| {
            let place = Arc::clone(&place);
            async move {
                if number == 9 {
                    let (store, name) = place.get().unwrap();
                    let mut journal = backup_store::Journal::open(store, name).await.unwrap();
                    let (actor, limit) = (backup_store::Actor("bo".into()), backup_store::Percent::new(1).unwrap());
                    journal
                        .set_usage_limit(&actor, limit, None, store.seams().clock.now())
                        .await
                        .unwrap();
                }
            }
            .boxed()
        })
    };
    let rig = Rig::new(RigOptions {
        before_send: Some(before_send),
        ..RigOptions::of(org(quota(1_000, 100)))
    })
    .await;
    assert!(place.set((rig.second_host().await.store().clone(), rig.name.clone())).is_ok());
    let result = rig.backup().await.unwrap();
    assert_eq!((rig.counted(), result.pause.unwrap().limit_percent), (9, 1));
}
