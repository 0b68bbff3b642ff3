#![allow(clippy::unwrap_used)]
use super::*;
use crate::names::{Sha256, SnapshotId};
use crate::testing::fixture::{Fixture, actor, connection};
use crate::verify::verify_journal;
use std::time::Duration;

const fn percent(percent: u8) -> Percent {
    Percent::new(percent).unwrap()
}

async fn complete_a_snapshot(fixture: &Fixture, journal: &mut Journal) {
    let (snapshot, begun) = begun(fixture);
    journal.append(&actor(), begun).await.unwrap();
    let log_head = Sha256::ZERO;
    journal
        .append(
            &actor(),
            Event::SnapshotCompleted {
                snapshot,
                log_head,
                incomplete: false,
            },
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_limit_until_the_first_complete_backup_goes_back_by_itself_and_that_is_audited() {
    let fixture = Fixture::new(1);
    let (store, mut journal) = fixture.added().await;
    let now = store.clock().now();
    journal
        .set_usage_limit(&actor(), percent(90), Some(Until::FirstBackupComplete), now)
        .await
        .unwrap();
    assert_eq!(journal.state().usage_limit(now), percent(90));
    assert!(!journal.note_limit_gone_back(now).await.unwrap());
    complete_a_snapshot(&fixture, &mut journal).await;
    assert_eq!(
        journal.state().usage_limit(now),
        percent(50),
        "in force at once, noted or not"
    );
    assert!(journal.note_limit_gone_back(now).await.unwrap());
    assert!(!journal.note_limit_gone_back(now).await.unwrap(), "noted once");
    let last = journal.audit().pop().unwrap();
    assert_eq!(last["event"], "usage-limit-changed");
    assert_eq!(
        (&last["from"], &last["to"], &last["cause"]),
        (&90.into(), &50.into(), &"went-back".into())
    );
}

#[tokio::test]
async fn a_limit_for_a_time_ends_at_that_time_and_goes_back_to_the_lasting_one() {
    let fixture = Fixture::new(2);
    let (store, mut journal) = fixture.added().await;
    let start = store.clock().now();
    let hour = start.after(Duration::from_secs(3600));
    journal.set_usage_limit(&actor(), percent(60), None, start).await.unwrap();
    journal
        .set_usage_limit(&actor(), percent(90), Some(Until::At(hour)), start)
        .await
        .unwrap();
    journal
        .set_usage_limit(&actor(), percent(95), Some(Until::At(hour)), start)
        .await
        .unwrap();
    assert_eq!(
        journal.state().usage_limit(hour.before(Duration::from_millis(1))),
        percent(95)
    );
    assert_eq!(journal.state().usage_limit(hour), percent(60));
    // Setting it anew after the end first notes the end.
    journal.set_usage_limit(&actor(), percent(70), None, hour).await.unwrap();
    let changes: Vec<_> = journal
        .audit()
        .into_iter()
        .filter(|line| line["event"] == "usage-limit-changed")
        .collect();
    let pairs: Vec<_> = changes
        .iter()
        .map(|line| (line["from"].as_u64().unwrap(), line["to"].as_u64().unwrap()))
        .collect();
    assert_eq!(pairs, [(50, 60), (60, 90), (90, 95), (95, 60), (60, 70)]);
}

#[tokio::test]
async fn two_hosts_append_and_neither_is_lost() {
    let fixture = Fixture::new(3);
    let (store, mut one) = fixture.added().await;
    let mut two = Journal::open(&store, &connection()).await.unwrap();
    let now = store.clock().now();
    for n in 0..5 {
        let actor = actor();
        let by_one = one.set_usage_limit(&actor, percent(60 + n), None, now);
        let by_two = two.append(
            &actor,
            Event::ConnectionChanged {
                config: serde_json::json!({"n": n}),
            },
        );
        let (limit, config) = tokio::join!(by_one, by_two);
        limit.unwrap();
        config.unwrap();
    }
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    assert_eq!(one.head(), two.head());
    assert_eq!(one.head().seq, 11);
    assert_eq!(one.state(), two.state());
    assert_eq!(two.state().usage_limit(now), percent(64));
    assert_eq!(
        verify_journal(&store, &connection(), Some(one.head().hash)).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn the_audit_trail_has_the_documented_fields() {
    let fixture = Fixture::new(4);
    let (_, journal) = fixture.added().await;
    let line = journal.audit().pop().unwrap();
    assert_eq!(line["seq"], 1);
    assert_eq!(line["at"], "2026-09-21T14:13:20.000Z");
    assert_eq!(line["actor"], "tester");
    assert_eq!(line["event"], "connection-added");
    assert_eq!(
        (&line["from"], &line["to"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(line["prev"], "0".repeat(64));
    assert_eq!(line["hash"], journal.head().hash.to_string());
    assert_eq!(line["usage_limit"], 50);
}

#[tokio::test]
async fn a_limit_that_is_so_already_is_no_event() {
    let fixture = Fixture::new(5);
    let (store, mut journal) = fixture.added().await;
    journal
        .set_usage_limit(&actor(), Percent::DEFAULT, None, store.clock().now())
        .await
        .unwrap();
    assert_eq!(journal.head().seq, 1);
}

#[test]
fn an_event_of_a_newer_version_is_read_as_unknown() {
    let text = r#"{"actor":"a","event":"something-new","more":{"x":1}}"#;
    let record: Record = serde_json::from_str(text).unwrap();
    assert_eq!(record.event, Event::Unknown);
    assert!(Percent::new(0).is_none() && Percent::new(101).is_none());
}

/// A full snapshot, and the event that begins it.
fn begun(fixture: &Fixture) -> (SnapshotId, Event) {
    let seams = fixture.seams();
    let snapshot = SnapshotId::generate(&*seams.clock, &*seams.randomness);
    let begun = Event::SnapshotBegun {
        snapshot,
        kind: crate::SnapshotKind::Full,
        predecessor: None,
        objects: Vec::new(),
        connector: Sha256::ZERO,
    };
    (snapshot, begun)
}

#[tokio::test]
async fn a_connection_under_a_removed_ones_name_continues_nothing_of_it() {
    let fixture = Fixture::new(9);
    let (_, mut journal) = fixture.added().await;
    let (snapshot, begun) = begun(&fixture);
    let scope = "00D000000000001".parse().unwrap();
    for event in [Event::ScopeKnown { scope }, begun, Event::ConnectionRemoved] {
        journal.append(&actor(), event).await.unwrap();
    }
    crate::testing::fixture::add(&mut journal).await.unwrap();
    assert!(journal.state().exists());
    assert!(journal.state().scope().is_none() && journal.state().open_snapshot().is_none());
    assert_eq!(
        journal.state().snapshot(snapshot).unwrap().standing,
        SnapshotStanding::Superseded
    );
}

#[tokio::test]
async fn a_snapshot_stays_its_orgs_whatever_the_connection_becomes() {
    let fixture = Fixture::new(11);
    let (_, mut journal) = fixture.added().await;
    let (snapshot, begun) = begun(&fixture);
    let [first, second]: [crate::Scope; 2] = ["00D000000000001", "00D000000000002"].map(|scope| scope.parse().unwrap());
    for event in [Event::ScopeKnown { scope: first.clone() }, begun, Event::ConnectionRemoved] {
        journal.append(&actor(), event).await.unwrap();
    }
    crate::testing::fixture::add(&mut journal).await.unwrap();
    let scope_of = |journal: &Journal| journal.state().snapshot(snapshot).unwrap().scope.clone();
    assert_eq!(
        scope_of(&journal),
        Some(first.clone()),
        "before the new connection knows its org"
    );
    journal.append(&actor(), Event::ScopeKnown { scope: second }).await.unwrap();
    assert_eq!(scope_of(&journal), Some(first), "and where it is another one");
}

#[tokio::test]
async fn the_audit_trail_tells_moments_as_text() {
    let fixture = Fixture::new(10);
    let (store, mut journal) = fixture.added().await;
    let now = store.clock().now();
    let end = now.after(Duration::from_secs(60));
    journal
        .set_usage_limit(&actor(), percent(60), Some(Until::At(end)), now)
        .await
        .unwrap();
    let settled = Event::PredecessorSettled {
        epoch: 1,
        requests: 2,
        from: now,
        until: end,
    };
    journal.append(&actor(), settled).await.unwrap();
    let audit = journal.audit();
    let [.., limit, settled] = audit.as_slice() else {
        panic!("two entries")
    };
    assert_eq!((&limit["until"], &limit["from"]), (&end.rfc3339().into(), &50.into()));
    assert_eq!(
        (&settled["from"], &settled["until"]),
        (&now.rfc3339().into(), &end.rfc3339().into())
    );
}
