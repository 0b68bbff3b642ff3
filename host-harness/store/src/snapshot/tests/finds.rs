#![allow(clippy::unwrap_used)]
use crate::testing::fixture::{object, row};
use crate::testing::host::{Host, batch};
use crate::{Snapshot, SnapshotId};
use backup_contract::Row;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// More than is kept decompressed.
const LARGE: usize = 17 << 20;

/// A snapshot of these batches.
async fn snapshot(host: &mut Host, batches: Vec<Vec<Row>>) -> SnapshotId {
    let mut writer = host.begin(None).await.unwrap();
    for rows in batches {
        let mut staged = writer.stage();
        staged.append(&object(), rows).await.unwrap();
        batch(&mut writer, staged).await;
    }
    writer.id()
}

/// Ten records, each with so many bytes that compress well.
fn rows(first: u64, bytes: usize) -> Vec<Row> {
    let text = "x".repeat(bytes / 10);
    let key = |n| format!("{:04}", first + n);
    (0..10).map(|n| row(&key(n), first, &text)).collect()
}

async fn found(snapshot: &Snapshot, keys: &[String]) -> Vec<Option<Row>> {
    snapshot.find(&object(), keys).await.unwrap()
}

#[tokio::test]
async fn a_segment_that_was_searched_once_is_kept_open_for_all_readers() {
    let mut host = Host::new(1).await;
    for bytes in [100, LARGE] {
        let id = snapshot(&mut host, vec![rows(0, bytes)]).await;
        let first = host.open(id).await;
        let expected = rows(0, bytes);
        let keys: Vec<String> = expected.iter().map(|row| row.key.clone()).collect();
        assert_eq!(found(&first, &keys[4..5]).await, [Some(expected[4].clone())]);
        let paths = host.fixture.backend.paths().await;
        for path in paths.iter().filter(|path| path.as_ref().contains("/segments/")) {
            host.fixture.backend.lose(path).await;
        }
        let second = first.clone();
        // Further on, and back again.
        assert_eq!(
            found(&second, &keys[6..]).await,
            expected[6..].iter().cloned().map(Some).collect::<Vec<_>>()
        );
        assert_eq!(
            found(&second, &keys[..2]).await,
            expected[..2].iter().cloned().map(Some).collect::<Vec<_>>()
        );
        let anew = host.open(id).await;
        assert!(anew.find(&object(), &keys).await.is_err(), "it was open, and read no more");
    }
}

#[tokio::test]
async fn memory_of_segments_that_are_kept_open_is_bounded() {
    let mut host = Host::new(2).await;
    let sizes = [(6 << 20, 9), (LARGE, 3)]
        .into_iter()
        .flat_map(|(bytes, times)| std::iter::repeat_n(bytes, times));
    let batches = sizes.enumerate().map(|(n, bytes)| rows(n as u64 * 10, bytes)).collect();
    let id = snapshot(&mut host, batches).await;
    let snapshot = host.open(id).await;
    for key in 0..120 {
        assert!(found(&snapshot, &[format!("{key:04}")]).await[0].is_some(), "{key}");
        assert!(snapshot.held_bytes() <= 32 << 20, "{} after {key}", snapshot.held_bytes());
    }
    assert!(snapshot.held_bytes() > 12 << 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn searching_again_and_again_finds_what_a_reader_of_all_rows_sees(
        batches in proptest::collection::vec(proptest::collection::vec((0..30_u64, 0..3_u64), 1..12), 1..5),
        searches in proptest::collection::vec(proptest::collection::vec(0..32_u64, 0..6), 1..12),
        large in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut host = Host::new(3).await;
            let text = |n: usize| format!("{n}{}", "x".repeat(if large { LARGE / 4 } else { 0 }));
            let rows = |n: usize, rows: &[(u64, u64)]| -> Vec<Row> {
                rows.iter().map(|(key, revision)| row(&format!("{key:02}"), *revision, &text(n))).collect()
            };
            // Large ones only once: they take their time.
            let kept = if large { 1 } else { batches.len() };
            let batches = batches.iter().take(kept).enumerate().map(|(n, batch)| rows(n, batch)).collect();
            let id = snapshot(&mut host, batches).await;
            let snapshot = host.open(id).await;
            let all: BTreeMap<String, Row> = crate::testing::fixture::rows_of(&snapshot).await.unwrap();
            for keys in searches {
                let keys: Vec<String> = keys.iter().map(|key| format!("{key:02}")).collect();
                let expected: Vec<Option<Row>> = keys.iter().map(|key| all.get(key).cloned()).collect();
                assert!(found(&snapshot, &keys).await == expected);
            }
        });
    }
}
