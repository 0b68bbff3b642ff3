//! A pause loses nothing, repeats nothing and costs at most one request.

use backup_store::{Actor, ObjectState};
use end_to_end::{Rig, RigOptions, asks_who};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::{BackupRequest, BackupResult, BackupState, Silent};
use std::collections::{BTreeMap, BTreeSet};

const MAX: u64 = 100_000;

fn org(used: u64) -> Options {
    Options {
        quota: QuotaOptions {
            max: MAX,
            used,
            ..QuotaOptions::default()
        },
        // Of one object three pages, of the others one.
        ..Options::of(OrgSpec::small(5).with_at_most(300).with_rows("Contact", 4_600))
    }
}

async fn uninterrupted() -> (u64, BackupResult) {
    let rig = Rig::new(RigOptions::of(org(0))).await;
    let result = rig.backup().await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    rig.assert_equals_org(&result).await;
    (rig.counted(), result)
}

/// Queries that were answered, each by what it asked.
fn answered_queries(rig: &Rig) -> BTreeMap<String, u64> {
    let mut asked = BTreeMap::new();
    for entry in rig.fake.requests() {
        for sub in entry
            .subrequests
            .iter()
            .filter(|sub| sub.status == 200 && sub.url.contains("/query") && !asks_who(&sub.url))
        {
            *asked.entry(sub.url.clone()).or_default() += 1;
        }
    }
    asked
}

#[tokio::test]
async fn a_backup_holds_every_record_of_every_object_and_names_what_it_cannot_read() {
    let (_, result) = uninterrupted().await;
    let skipped: Vec<_> = result
        .objects
        .iter()
        .filter(|object| object.state == ObjectState::Skipped)
        .collect();
    assert!(
        !skipped.is_empty() && skipped.iter().all(|object| object.reason.is_some()),
        "{skipped:?}"
    );
    assert!(
        result
            .objects
            .iter()
            .all(|object| matches!(object.state, ObjectState::Complete | ObjectState::Skipped))
    );
}

#[tokio::test]
async fn a_pause_at_any_request_loses_nothing_and_repeats_nothing() {
    let (requests, _) = uninterrupted().await;
    assert!(requests > 10, "{requests} requests are too few to pause in");
    for k in 1..requests {
        let rig = Rig::new(RigOptions::of(org(MAX / 2 - k))).await;
        let paused = rig.backup().await.unwrap();
        assert_eq!(
            (rig.counted(), paused.state),
            (k, BackupState::Partial),
            "pausing after {k} of {requests}"
        );
        assert!(paused.pause.is_some() && paused.failed.is_none());

        // What is committed can be read, and is what the result says.
        let committed = rig.records(&paused.snapshot).await;
        assert_eq!(
            committed.values().map(|lines| lines.len() as u64).sum::<u64>(),
            paused.records
        );
        for (object, lines) in &committed {
            let org: BTreeSet<String> = rig.oracle(object).into_iter().collect();
            assert!(
                lines.iter().all(|line| org.contains(line)),
                "{object} holds a record that the org doesn't have"
            );
        }

        rig.set_limit(100).await;
        let complete = rig.backup().await.unwrap();
        assert_eq!(
            (complete.snapshot.as_str(), complete.state),
            (paused.snapshot.as_str(), BackupState::Complete)
        );
        assert_eq!(
            rig.counted(),
            requests,
            "a raised limit goes on at once and repeats nothing (pause after {k})"
        );
        assert!(answered_queries(&rig).values().all(|times| *times == 1));
        rig.assert_equals_org(&complete).await;
    }
}

#[tokio::test]
async fn a_backup_continues_the_same_snapshot_when_requests_come_free_with_one_more_request_a_pause() {
    let (requests, _) = uninterrupted().await;
    // Others used nearly all of it, twelve hours ago.
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - requests / 2))).await;
    let paused = rig.backup().await.unwrap();
    rig.fake.clock().advance(13 * fake_salesforce::clock::HOUR_MS);
    let complete = rig.backup().await.unwrap();
    assert_eq!((complete.snapshot, complete.state), (paused.snapshot, BackupState::Complete));
    assert_eq!(rig.counted(), requests + 1);
}

#[tokio::test]
async fn a_run_that_waits_out_its_pauses_probes_rarely_and_completes() {
    let (requests, _) = uninterrupted().await;
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - requests / 2))).await;
    let began = rig.fake.clock().now_ms();
    let complete = rig
        .backup_with(&BackupRequest {
            wait: true,
            ..BackupRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(complete.state, BackupState::Complete);
    rig.assert_equals_org(&complete).await;
    let half_hours = u64::try_from((rig.fake.clock().now_ms() - began) / (30 * fake_salesforce::clock::MINUTE_MS)).unwrap();
    let probes = rig.counted() - requests;
    assert!(
        half_hours >= 23 && probes >= 1 && probes <= half_hours + 2,
        "{probes} probes in {half_hours} half hours"
    );
    assert_eq!(complete.calls.sent, rig.counted());
}

#[tokio::test]
async fn a_limit_raised_by_another_process_ends_a_wait_at_once() {
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 7))).await;
    let request = BackupRequest {
        wait: true,
        ..BackupRequest::default()
    };
    let actor = Actor::host();
    let began = rig.fake.clock().now_ms();
    let (complete, ()) = tokio::join!(rig.host.backup(&rig.name, &actor, &request, &Silent), async {
        while rig
            .journal()
            .await
            .state()
            .snapshots()
            .iter()
            .all(|s| !matches!(s.standing, backup_store::journal::SnapshotStanding::Paused(_)))
        {
            tokio::task::yield_now().await;
        }
        rig.set_limit(90).await;
    });
    assert_eq!(complete.unwrap().state, BackupState::Complete);
    assert!(
        rig.fake.clock().now_ms() - began < 30 * fake_salesforce::clock::MINUTE_MS,
        "no probe was waited for"
    );
}

#[tokio::test]
async fn a_limit_for_the_first_backup_goes_back_by_itself_and_is_in_the_audit_trail() {
    let rig = Rig::new(RigOptions::of(org(0))).await;
    let mut journal = rig.journal().await;
    let until = Some(backup_store::journal::Until::FirstBackupComplete);
    let now = rig.host.store().seams().clock.now();
    journal
        .set_usage_limit(&Actor("ana".into()), backup_store::Percent::new(90).unwrap(), until, now)
        .await
        .unwrap();
    rig.backup().await.unwrap();
    let journal = rig.journal().await;
    assert_eq!(journal.state().usage_limit(rig.host.store().seams().clock.now()).get(), 50);
    let changes: Vec<_> = journal
        .audit()
        .into_iter()
        .filter(|entry| entry["event"] == "usage-limit-changed")
        .collect();
    let told: Vec<_> = changes
        .iter()
        .map(|c| {
            (
                c["from"].as_u64().unwrap(),
                c["to"].as_u64().unwrap(),
                c["actor"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(50, 90, "ana"), (90, 50, "host")]);
}

#[tokio::test]
async fn other_objects_close_a_partial_snapshot_which_stays_readable() {
    let rig = Rig::new(RigOptions::of(org(MAX / 2 - 9))).await;
    let paused = rig.backup().await.unwrap();
    rig.set_limit(100).await;
    let request = BackupRequest {
        objects: vec!["Account".parse().unwrap()],
        ..BackupRequest::default()
    };
    let complete = rig.backup_with(&request).await.unwrap();
    assert_eq!(complete.state, BackupState::Complete);
    assert_ne!(complete.snapshot, paused.snapshot);
    assert_eq!(
        complete.objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(),
        ["Account"]
    );
    let still: u64 = rig
        .records(&paused.snapshot)
        .await
        .values()
        .map(|lines| lines.len() as u64)
        .sum();
    assert_eq!(still, paused.records);
}
