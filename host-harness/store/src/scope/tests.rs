#![allow(clippy::unwrap_used)]
use super::*;
use crate::StoreError;
use crate::snapshot::NextStep;
use crate::spending::{Grant, GrantPurpose, Unsettled};
use crate::testing::fixture::{Fixture, begin, begin_with, claim, commit, connection, scope};
use std::time::Duration;

fn sent(hours: u64, version: u64) -> Spending {
    Spending {
        version,
        next_request_number: hours,
        ..Spending::default()
    }
}

#[tokio::test]
async fn a_second_host_is_told_who_has_it() {
    let fixture = Fixture::new(1);
    let store = fixture.store().await.unwrap();
    let mut first = claim(&store).await.unwrap();
    let Err(StoreError::Held { by, purpose, since, .. }) = claim(&store).await else {
        panic!("two hosts")
    };
    assert_eq!((by.as_str(), purpose.as_str()), ("host-1 (backup of acme/sales)", "backup"));
    assert_eq!(since, store.clock().now());
    first.release(Spending::default()).await.unwrap();
    claim(&store).await.unwrap();
}

#[tokio::test]
async fn one_of_two_hosts_that_claim_at_once_has_the_scope() {
    for seed in 0..20 {
        let fixture = Fixture::new(seed);
        let (a, b) = (fixture.leased_store().await, fixture.leased_store().await);
        let (one, two) = tokio::join!(claim(&a), claim(&b));
        let won = [&one, &two].into_iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1);
        let lost = if one.is_ok() { two } else { one };
        assert!(matches!(lost, Err(StoreError::Held { .. })), "{lost:?}");
    }
}

#[tokio::test]
async fn a_lease_is_renewed_by_every_commit_and_ends_by_itself() {
    let fixture = Fixture::new(2);
    let (_, mut journal) = fixture.added().await;
    let store = fixture.leased_store().await;
    let mut held = claim(&store).await.unwrap();
    let mut writer = begin_with(&mut held, &mut journal, begin(), None).await.unwrap();
    fixture.clock.advance(Duration::from_secs(500));
    writer
        .commit(writer.stage(), commit(NextStep::Batch { requests: 1 }))
        .await
        .unwrap();
    fixture.clock.advance(Duration::from_secs(500));
    assert!(held.still_held());
    assert!(
        matches!(claim(&store).await, Err(StoreError::Held { .. })),
        "the commit renewed it"
    );
    fixture.clock.advance(Duration::from_secs(101));
    assert!(!held.still_held());
    let refused = writer.commit(writer.stage(), commit(NextStep::Done)).await;
    assert!(matches!(refused, Err(StoreError::Lost { .. })), "{refused:?}");
    claim(&store).await.unwrap();
    let lost = held
        .grant(&Grant::new(1, GrantPurpose::Probe, fixture.seams()), Spending::default())
        .await;
    assert!(matches!(lost, Err(StoreError::Lost { .. })), "{lost:?}");
}

#[tokio::test]
async fn a_grant_without_its_end_counts_as_wholly_spent() {
    let fixture = Fixture::new(3);
    let store = fixture.store().await.unwrap();
    let mut dead = claim(&store).await.unwrap();
    let done = Grant::new(3, GrantPurpose::Check, fixture.seams());
    dead.grant(&done, sent(0, 0)).await.unwrap();
    dead.spent(&done.id, sent(2, 0)).await.unwrap();
    let open = Grant::new(7, GrantPurpose::Plan, fixture.seams());
    dead.grant(&open, sent(2, 0)).await.unwrap();
    let epoch = dead.epoch();
    drop(dead);
    fixture.clock.advance(Duration::from_secs(60));
    let next = claim(&store).await.unwrap();
    let unsettled = Unsettled {
        requests: 7,
        from: open.at,
        until: store.clock().now(),
    };
    assert_eq!(next.spending().unsettled, [unsettled]);
    assert_eq!(next.spending().next_request_number, 2);
    let recovered = next.recovered().unwrap().clone();
    assert_eq!((recovered.epoch, recovered.unsettled), (epoch, vec![unsettled]));
    // A second crash doesn't count it twice.
    drop(next);
    let mut third = claim(&store).await.unwrap();
    assert_eq!(third.spending().unsettled, [unsettled]);
    let spending = third.spending();
    third.release(spending).await.unwrap();
    assert_eq!(
        claim(&store).await.unwrap().recovered(),
        None,
        "a clean end leaves nothing to settle"
    );
}

#[tokio::test]
async fn the_grant_of_the_next_batch_is_found_in_the_log() {
    let fixture = Fixture::new(4);
    let (store, mut journal) = fixture.added().await;
    let mut dead = claim(&store).await.unwrap();
    let first = Grant::new(5, GrantPurpose::Batch, fixture.seams());
    let mut writer = begin_with(&mut dead, &mut journal, begin(), Some(first)).await.unwrap();
    let mut step = commit(NextStep::Batch { requests: 9 });
    step.grant = Some(Grant::new(9, GrantPurpose::Batch, fixture.seams()));
    step.spending = sent(4, 0);
    writer.commit(writer.stage(), step).await.unwrap();
    drop((dead, writer));
    let next = claim(&store).await.unwrap();
    assert_eq!(
        next.spending().next_request_number,
        4,
        "the log is newer than the scope's journal"
    );
    let requests: Vec<u64> = next.spending().unsettled.iter().map(|unsettled| unsettled.requests).collect();
    assert_eq!(requests, [9], "the first batch's grant ended with its entry");
}

#[tokio::test]
async fn requests_spent_before_the_scope_was_known_move_to_it() {
    let fixture = Fixture::new(5);
    let store = fixture.store().await.unwrap();
    let own_scope = Scope::own(&connection());
    let request = ClaimRequest {
        connection: connection(),
        purpose: "check".to_owned(),
        host: "host-1".to_owned(),
    };
    let mut own = Claim::acquire(&store, &own_scope, request.clone()).await.unwrap();
    let grant = Grant::new(1, GrantPurpose::Check, fixture.seams());
    own.grant(&grant, sent(0, 0)).await.unwrap();
    let mut org = claim(&store).await.unwrap();
    org.adopt(own, sent(1, 0)).await.unwrap();
    assert_eq!(org.spending().next_request_number, 1);
    let again = Claim::acquire(&store, &own_scope, request).await.unwrap();
    assert_eq!(again.recovered(), None);
    assert_eq!(again.spending().hours, []);
    assert_eq!(
        peek(&store, connection().tenant(), &scope())
            .await
            .unwrap()
            .next_request_number,
        1
    );
}

#[tokio::test]
async fn versions_of_spending_only_grow() {
    let fixture = Fixture::new(6);
    let (store, mut journal) = fixture.added().await;
    let mut held = claim(&store).await.unwrap();
    let mut seen = vec![held.spending().version];
    held.grant(&Grant::new(1, GrantPurpose::Plan, fixture.seams()), sent(0, 0))
        .await
        .unwrap();
    seen.push(held.spending().version);
    let mut writer = begin_with(&mut held, &mut journal, begin(), None).await.unwrap();
    seen.push(held.spending().version);
    writer.commit(writer.stage(), commit(NextStep::Done)).await.unwrap();
    seen.push(held.spending().version);
    drop(held);
    seen.push(claim(&store).await.unwrap().spending().version);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

#[tokio::test]
async fn a_running_job_is_shown_as_long_as_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(8);
    let location = folder.path().to_str().unwrap();
    let locked = crate::Store::open(location, fixture.seams().clone()).await.unwrap();
    for store in [fixture.leased_store().await, locked] {
        let looked = async || running(&store, connection().tenant(), &scope()).await.unwrap();
        assert_eq!(looked().await, None);
        let dies = claim(&store).await.unwrap();
        let seen = looked().await.unwrap();
        assert_eq!(
            (seen.host.as_str(), seen.purpose.as_str(), seen.connection),
            ("host-1", "backup", connection())
        );
        drop(dies);
        fixture.clock.advance(crate::backend::LEASE);
        assert_eq!(looked().await, None, "it died");
        let mut ends = claim(&store).await.unwrap();
        let spending = ends.spending();
        ends.release(spending).await.unwrap();
        assert_eq!(looked().await, None, "it ended");
    }
}

#[tokio::test]
async fn a_file_lock_is_free_when_its_process_is_gone_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap().to_owned();
    let fixture = Fixture::new(7);
    let store = crate::Store::open(&location, fixture.seams().clone()).await.unwrap();
    let other = crate::Store::open(&location, fixture.seams().clone()).await.unwrap();
    let held = claim(&store).await.unwrap();
    assert!(matches!(claim(&other).await, Err(StoreError::Held { .. })));
    drop(held);
    claim(&other).await.unwrap();
    assert_eq!(store.connections().await.unwrap(), [], "locks and scopes are no connections");
}
