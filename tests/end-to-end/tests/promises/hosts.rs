//! Two hosts, or two connections of one org, at once: one goes on, the other sends nothing.

use backup_store::{Actor, ConnectionName};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use futures::FutureExt;
use host_harness::jobs::{BackupRequest, BackupState, Host, Silent};
use std::sync::{Arc, OnceLock};

/// While the first host is about to send its 8th request, another one tries.
async fn at_once(name: &str) -> (Rig, String, u64) {
    let second: Arc<OnceLock<(Host, ConnectionName)>> = Arc::default();
    let told: Arc<OnceLock<String>> = Arc::default();
    let before_send = {
        let (second, told) = (Arc::clone(&second), Arc::clone(&told));
        Arc::new(move |number: u64| {
            let (second, told) = (Arc::clone(&second), Arc::clone(&told));
            async move {
                if number == 8 {
                    let (host, name) = second.get().unwrap();
                    let error = host
                        .backup(name, &Actor::host(), &BackupRequest::default(), &Silent)
                        .await
                        .unwrap_err();
                    assert!(told.set(error.to_string()).is_ok());
                }
            }
            .boxed()
        })
    };
    let fake = Options::of(OrgSpec::small(6));
    let rig = Rig::new(RigOptions {
        before_send: Some(before_send),
        ..RigOptions::of(fake)
    })
    .await;
    let (host, name) = (rig.second_host().await, name.parse::<ConnectionName>().unwrap());
    if name != rig.name {
        rig.add(&host, &name, 50).await;
    }
    assert!(second.set((host, name)).is_ok());
    let result = rig.backup().await.unwrap();
    assert_eq!(result.state, BackupState::Complete, "the first goes on");
    rig.assert_equals_org(&result).await;
    let others = rig.counted() - result.calls.sent;
    (rig, told.get().unwrap().clone(), others)
}

#[tokio::test]
async fn a_second_host_on_one_connection_stops_before_it_sends_anything() {
    let (_rig, error, sent) = at_once("acme").await;
    assert!(error.contains("is in use by"), "{error}");
    assert_eq!(sent, 0);
}

#[tokio::test]
async fn a_second_connection_on_one_org_sends_only_what_tells_the_org() {
    let (_rig, error, sent) = at_once("other").await;
    assert!(error.contains("is in use by"), "{error}");
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn two_connections_of_one_org_share_what_is_known_and_spent() {
    let fake = Options {
        quota: fake_salesforce::quota::QuotaOptions {
            max: 1_000,
            ..Default::default()
        },
        ..Options::of(OrgSpec::small(6))
    };
    let rig = Rig::new(RigOptions::of(fake).limit(1)).await;
    let paused = rig.backup().await.unwrap();
    assert!(paused.pause.is_some());
    let second: ConnectionName = "other".parse().unwrap();
    rig.add(&rig.host, &second, 1).await;
    let before = rig.counted();
    let result = rig
        .host
        .backup(&second, &Actor::host(), &BackupRequest::default(), &Silent)
        .await
        .unwrap();
    assert!(result.pause.is_some(), "{result:?}");
    assert!(rig.counted() - before <= 2, "what tells the org, and a probe by hand");
}
