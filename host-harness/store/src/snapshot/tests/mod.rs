#![allow(clippy::unwrap_used)]
mod blobs;
mod diffs;
mod failed;
mod finds;
mod incremental;
mod numbers;

use super::merge::KeyVersions;
use super::*;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::testing::fixture::{BATCHES, Fixture, actor, claim, commit, connection, expected, object, row, rows_of, run, stage};
use crate::testing::host::Host;
use crate::testing::{Crash, Fault};
use crate::verify::{gc, verify};
use backup_contract::{Checkpoint, Row, Tombstone};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// The snapshot equals the union of its batches, everything verifies, and no data object is named twice.
async fn assert_whole(fixture: &Fixture) {
    let store = fixture.store().await.unwrap();
    let journal = Journal::open(&store, &connection()).await.unwrap();
    assert_eq!(journal.state().snapshots().len(), 1, "one snapshot, never a second one");
    let selected = select(journal.state(), "latest").unwrap();
    assert_eq!(selected.state, SnapshotState::Complete);
    let snapshot = Snapshot::open(&store, &connection(), journal.state(), selected.snapshot.id)
        .await
        .unwrap();
    assert_eq!(rows_of(&snapshot).await.unwrap(), expected(BATCHES));
    assert_eq!(snapshot.info().calls, BATCHES, "each batch is committed once");
    assert_eq!(snapshot.fold().blobs.len() as u64, BATCHES);
    let checked = verify(&store, &connection()).await.unwrap();
    assert_eq!(checked.damages, []);
    let names: Vec<_> = snapshot.fold().objects[&object()]
        .segments
        .iter()
        .map(|placed| &placed.segment.name)
        .collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
}

async fn runs(fixture: &Fixture) -> Result<(), StoreError> {
    run(fixture).await
}

#[tokio::test]
async fn a_backup_of_three_batches_is_what_they_read() {
    let fixture = Fixture::new(1);
    runs(&fixture).await.unwrap();
    assert_whole(&fixture).await;
}

#[tokio::test]
async fn a_store_that_answers_wrongly_loses_nothing_and_doubles_nothing() {
    let faults = [
        Fault::ErrorAfterStoring,
        Fault::AlreadyExistsOnOwnWrite,
        Fault::ConflictWithNothingStored,
        Fault::LateWrite,
    ];
    for fault in faults {
        // Where every write suffers, one that is never stored can't succeed.
        let stores = matches!(fault, Fault::ErrorAfterStoring | Fault::AlreadyExistsOnOwnWrite);
        for k in if stores { 1 } else { 2 }..30 {
            let fixture = Fixture::new(k);
            fixture.backend.list_unsorted();
            fixture.store().await.unwrap();
            fixture.backend.fail_every(k, fault);
            runs(&fixture)
                .await
                .unwrap_or_else(|error| panic!("{fault:?} at every {k}: {error}"));
            fixture.backend.heal().await;
            assert_whole(&fixture).await;
        }
    }
}

#[tokio::test]
async fn a_host_whose_every_write_is_late_stops_and_the_next_one_finds_out() {
    let fixture = Fixture::new(3);
    fixture.store().await.unwrap();
    for _ in 0..200 {
        fixture.backend.fail_every(1, Fault::LateWrite);
        let run = runs(&fixture).await;
        fixture.backend.heal().await;
        if run.is_ok() {
            break;
        }
    }
    runs(&fixture).await.unwrap();
    assert_whole(&fixture).await;
}

#[tokio::test]
async fn a_full_store_is_reported_and_leaves_nothing_half_written() {
    for k in 1..40 {
        let fixture = Fixture::new(k);
        fixture.store().await.unwrap();
        fixture.backend.fail_every(k, Fault::Full);
        match runs(&fixture).await {
            Err(StoreError::Full { .. }) => {}
            Ok(()) => assert!(fixture.backend.writes() < k, "write {k} failed and nobody noticed"),
            Err(other) => panic!("write {k}: {other}"),
        }
        fixture.backend.heal().await;
        let store = fixture.store().await.unwrap();
        assert_eq!(verify(&store, &connection()).await.unwrap().damages, []);
        runs(&fixture).await.unwrap();
        assert_whole(&fixture).await;
    }
}

#[tokio::test]
async fn a_host_that_dies_at_any_write_leaves_exactly_the_committed_batches() {
    for crash in [Crash::Before, Crash::After] {
        for n in 1.. {
            let fixture = Fixture::new(n);
            fixture.backend.list_unsorted();
            fixture.store().await.unwrap();
            fixture.backend.crash_at(n, crash);
            let died = runs(&fixture).await.is_err();
            assert_eq!(died, fixture.backend.has_crashed());
            if !died {
                assert!(n > 15, "the run has more writes than that");
                break;
            }
            fixture.backend.heal().await;
            let store = fixture.store().await.unwrap();
            let checked = verify(&store, &connection()).await.unwrap();
            assert_eq!(checked.damages, [], "dead at write {n}, {crash:?}");
            let journal = Journal::open(&store, &connection()).await.unwrap();
            if let Some(record) = journal.state().snapshots().last() {
                let snapshot = Snapshot::open(&store, &connection(), journal.state(), record.id)
                    .await
                    .unwrap();
                assert_eq!(rows_of(&snapshot).await.unwrap(), expected(snapshot.fold().requests));
            }
            runs(&fixture).await.unwrap();
            assert_whole(&fixture).await;
            let mut journal = Journal::open(&store, &connection()).await.unwrap();
            let mut claimed = claim(&store).await.unwrap();
            gc(&mut claimed, &mut journal, &actor()).await.unwrap();
            drop(claimed);
            assert_whole(&fixture).await;
            let snapshot = journal.state().snapshots()[0].id;
            let snapshot = Snapshot::open(&store, &connection(), journal.state(), snapshot)
                .await
                .unwrap();
            let stored = fixture.backend.paths().await;
            let segments = stored.iter().filter(|path| path.as_ref().contains("/segments/")).count();
            assert_eq!(
                segments,
                snapshot.fold().objects[&object()].segments.len(),
                "gc leaves what is named and nothing else"
            );
            let blobs = stored.iter().filter(|path| path.as_ref().contains("/blobs/")).count();
            assert_eq!(blobs, snapshot.fold().blobs.len());
        }
    }
}

#[tokio::test]
async fn a_writer_that_was_fenced_out_can_not_commit() {
    let mut host = Host::new(5).await;
    let mut slow = host.begin(None).await.unwrap();
    let id = slow.id();
    let mut staged = slow.stage();
    stage(0, &mut staged).await.unwrap();
    // Its host is taken for dead: the lock is free.
    let mut host = host.restart().await;
    let mut quick = host.resume(id).await.unwrap();

    let lost = slow.commit(staged, commit(NextStep::Batch { requests: 1 })).await;
    assert!(matches!(lost, Err(StoreError::Lost { .. })), "{lost:?}");
    let again = slow.commit(slow.stage(), commit(NextStep::Batch { requests: 1 })).await;
    assert!(matches!(again, Err(StoreError::State(_))), "{again:?}");
    let mut staged = quick.stage();
    stage(0, &mut staged).await.unwrap();
    quick.commit(staged, commit(NextStep::Batch { requests: 1 })).await.unwrap();
    assert_eq!(rows_of(&quick.reader()).await.unwrap(), expected(1));
}

#[tokio::test]
async fn a_batch_that_is_dropped_leaves_nothing_visible() {
    let mut host = Host::new(6).await;
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    stage(0, &mut staged).await.unwrap();
    drop(staged);
    assert_eq!(rows_of(&writer.reader()).await.unwrap(), BTreeMap::new());
    let refused = writer
        .stage()
        .append(&object(), vec![row("a", 1, "good"), row("", 1, "bad")])
        .await;
    assert!(matches!(refused, Err(StoreError::BadRow { .. })));
    writer
        .commit(writer.stage(), commit(NextStep::Batch { requests: 1 }))
        .await
        .unwrap();
    assert!(writer.fold().blobs.is_empty());
}

#[tokio::test]
async fn a_blob_is_streamed_read_in_parts_and_used_again_by_a_later_snapshot() {
    let mut host = Host::new(7).await;
    let mut writer = host.begin(None).await.unwrap();
    // More than two parts of a multipart upload.
    let chunk = |i: u8| Bytes::from(vec![i; 3 << 20]);
    let content = futures::stream::iter(0..6_u8).map(|i| Ok::<_, std::convert::Infallible>(chunk(i)));
    let mut staged = writer.stage();
    assert_eq!(staged.save_blob("file", content).await.unwrap(), 18 << 20);
    assert_eq!(
        staged.read_blob("file", (3 << 20) - 1, 2).await.unwrap(),
        Bytes::from_static(&[0, 1])
    );
    assert!(matches!(
        staged.read_blob("no such", 0, 1).await,
        Err(StoreError::NotFound(_))
    ));
    let broken = futures::stream::iter([Ok(chunk(1)), Err("cut")]);
    assert!(matches!(staged.save_blob("cut", broken).await, Err(SaveError::Source("cut"))));
    writer.commit(staged, commit(NextStep::Done)).await.unwrap();
    assert_eq!(writer.fold().blobs.len(), 1, "the one that was cut is not there");
    writer.complete(&mut host.journal, &actor()).await.unwrap();

    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.reuse_blob("file").await.unwrap(), Some(18 << 20));
    assert_eq!(staged.reuse_blob("another").await.unwrap(), None);
    writer.commit(staged, commit(NextStep::Done)).await.unwrap();
    let whole = writer.reader().blob("file").unwrap().stream().await.unwrap();
    let whole: Vec<Bytes> = whole.try_collect().await.unwrap();
    assert_eq!(whole.concat(), (0..6).flat_map(|i| chunk(i).to_vec()).collect::<Vec<u8>>());
    assert_eq!(verify(&host.store, &connection()).await.unwrap().damages, []);
}

#[tokio::test]
async fn pages_and_lookups_give_what_the_whole_gives() {
    let fixture = Fixture::new(8);
    runs(&fixture).await.unwrap();
    let store = fixture.store().await.unwrap();
    let journal = Journal::open(&store, &connection()).await.unwrap();
    let id = journal.state().snapshots()[0].id;
    let mut snapshot = Snapshot::open(&store, &connection(), journal.state(), id).await.unwrap();
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = snapshot.read(&object(), &cursor, 2).await.unwrap();
        rows.extend(page.rows);
        cursor = page.cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let all = expected(BATCHES);
    assert_eq!(rows, all.values().cloned().collect::<Vec<_>>());
    // A cursor of another reader, or of a row that is gone.
    assert_eq!(snapshot.read(&object(), "1-", 1).await.unwrap().rows[0].key, "1-kept");
    let keys = ["shared", "0-goes", "none", "2-kept"].map(str::to_owned);
    let found = snapshot.find(&object(), &keys).await.unwrap();
    assert_eq!(found, keys.iter().map(|key| all.get(key).cloned()).collect::<Vec<_>>());
    assert_eq!(
        snapshot.read(&"Other".parse().unwrap(), "", 5).await.unwrap(),
        Page::default()
    );
}

#[tokio::test]
async fn a_damaged_segment_is_named_and_the_others_are_readable() {
    let fixture = Fixture::new(9);
    runs(&fixture).await.unwrap();
    let store = fixture.store().await.unwrap();
    let journal = Journal::open(&store, &connection()).await.unwrap();
    let id = journal.state().snapshots()[0].id;
    let snapshot = Snapshot::open(&store, &connection(), journal.state(), id).await.unwrap();
    let first = snapshot.fold().objects[&object()].segments[0].segment.clone();
    let path = segment_path(&store.connection_dir(&connection()), &first);
    fixture.backend.lose(&path).await;
    let (good, bad): (Vec<_>, Vec<_>) = snapshot
        .rows(&object())
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .partition(|row| row.is_ok());
    assert_eq!(
        good.len(),
        expected(BATCHES).len() - 1,
        "only what the lost segment alone held is gone"
    );
    let [Err(StoreError::Damaged(damage))] = bad.as_slice() else {
        panic!("{bad:?}")
    };
    assert_eq!(damage.place, path.to_string());
}

#[tokio::test]
async fn a_rollup_is_a_cache_and_keeps_a_snapshot_readable_when_an_entry_is_damaged() {
    let fixture = Fixture::new(10);
    runs(&fixture).await.unwrap();
    let store = fixture.store().await.unwrap();
    let journal = Journal::open(&store, &connection()).await.unwrap();
    let id = journal.state().snapshots()[0].id;
    let stored = fixture.backend.paths().await;
    let rollup = stored.iter().find(|path| path.as_ref().contains("rollup")).unwrap();
    let entry = stored.iter().find(|path| path.as_ref().contains("/log/")).unwrap();
    let open = || async { Snapshot::open(&store, &connection(), journal.state(), id).await.unwrap() };

    fixture.backend.overwrite(rollup, "nonsense".into()).await;
    assert_eq!(rows_of(&open().await).await.unwrap(), expected(BATCHES));
    assert_ne!(
        fixture.backend.content(rollup).await.unwrap(),
        "nonsense",
        "it was written anew"
    );

    fixture.backend.overwrite(entry, "nonsense".into()).await;
    assert_eq!(rows_of(&open().await).await.unwrap(), expected(BATCHES));
    fixture.backend.lose(rollup).await;
    let damaged = open().await;
    assert_eq!(damaged.damage().unwrap().place, entry.to_string());
}

#[tokio::test]
async fn latest_is_the_newest_complete_one_else_the_newest_partial_one() {
    let mut host = Host::new(11).await;
    assert!(matches!(select(host.journal.state(), "latest"), Err(StoreError::NotFound(_))));
    let mut writer = host.begin(None).await.unwrap();
    let first = writer.id();
    let latest = select(host.journal.state(), "latest").unwrap();
    assert_eq!((latest.snapshot.id, latest.state), (first, SnapshotState::Partial));
    writer.commit(writer.stage(), commit(NextStep::Done)).await.unwrap();
    writer.complete(&mut host.journal, &actor()).await.unwrap();
    let writer = host.begin(None).await.unwrap();
    let second = writer.id();
    let latest = select(host.journal.state(), "latest").unwrap();
    assert_eq!((latest.snapshot.id, latest.state), (first, SnapshotState::Complete));
    assert_eq!(
        select(host.journal.state(), &second.to_string().to_lowercase())
            .unwrap()
            .snapshot
            .id,
        second
    );
    assert!(matches!(
        select(host.journal.state(), &first.to_string()[..6]),
        Err(StoreError::Ambiguous { .. })
    ));
    assert!(matches!(select(host.journal.state(), "ZZZ"), Err(StoreError::NotFound(_))));
    assert!(matches!(select(host.journal.state(), ""), Err(StoreError::NotFound(_))));

    host.begin(None).await.unwrap();
    let superseded = host.journal.state().snapshot(second).unwrap();
    assert_eq!(superseded.standing, crate::journal::SnapshotStanding::Superseded);
    let closed = host.resume(second).await;
    assert!(matches!(closed, Err(StoreError::State(_))));
}

#[tokio::test]
async fn the_last_two_checkpoints_and_those_before_a_migration_outlive_gc() {
    let mut host = Host::new(12).await;
    let mut writer = host.begin(None).await.unwrap();
    for (state_version, data) in [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (2, "e")] {
        let mut step = commit(NextStep::Batch { requests: 1 });
        step.checkpoint = Some(Checkpoint {
            state_version,
            data: data.into(),
        });
        writer.commit(writer.stage(), step).await.unwrap();
    }
    gc(&mut host.claim, &mut host.journal, &actor()).await.unwrap();
    let mut kept = Vec::new();
    for path in host.fixture.backend.paths().await {
        if path.as_ref().contains("/checkpoints/") {
            kept.push(host.fixture.backend.content(&path).await.unwrap());
        }
    }
    kept.sort();
    assert_eq!(kept, ["b", "d", "e"]);
}

#[tokio::test]
async fn a_million_small_rows_are_staged_in_bounded_memory_and_come_back_sorted() {
    const ROWS: u64 = 1_000_000;
    let mut host = Host::new(13).await;
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    for start in (0..ROWS).step_by(2_000) {
        let rows = (start..start + 2_000).map(|i| Row {
            key: format!("{i:018}"),
            revision: i,
            body: format!("{{\"Id\":\"{i:018}\",\"n\":{}}}", i * 7919).into(),
        });
        staged.append(&object(), rows.collect()).await.unwrap();
        assert!(staged.staged_bytes() <= 33 << 20);
    }
    writer.commit(staged, commit(NextStep::Done)).await.unwrap();
    let object = &writer.fold().objects[&object()];
    assert_eq!(object.records, ROWS);
    assert!(object.segments.iter().all(|placed| placed.segment.stored_bytes <= 8 << 20));
    let mut next = 0;
    let mut rows = writer.reader().rows(&self::object());
    while let Some(row) = rows.try_next().await.unwrap() {
        assert_eq!(row.revision, next);
        next += 1;
    }
    assert_eq!(next, ROWS);
}

/// A batch: rows by (key, revision) and keys that are buried.
type Batch = (Vec<(u8, u64)>, Vec<u8>);

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let rows = proptest::collection::vec((0..12_u8, 0..4_u64), 0..8);
    let buried = proptest::collection::vec(0..12_u8, 0..3);
    proptest::collection::vec((rows, buried), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_read_are_the_model_of_what_was_committed(batches in batches()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut host = Host::new(14).await;
            let mut writer = host.begin(None).await.unwrap();
            let mut model = BTreeMap::<String, Row>::new();
            for (n, (rows, buried)) in batches.iter().enumerate() {
                let mut staged = writer.stage();
                for (i, (key, revision)) in rows.iter().enumerate() {
                    let row = row(&format!("k{key}"), *revision, &format!("{n}.{i}"));
                    staged.append(&object(), vec![row.clone()]).await.unwrap();
                    model.insert(row.key.clone(), row);
                }
                for key in buried {
                    let gone = Tombstone { key: format!("k{key}"), at: 1 };
                    model.remove(&gone.key);
                    staged.bury(&object(), vec![gone]).await.unwrap();
                }
                writer.commit(staged, commit(NextStep::Batch { requests: 1 })).await.unwrap();
            }
            let mut reader = writer.reader();
            prop_assert_eq!(&rows_of(&reader).await.unwrap(), &model);
            let keys: Vec<String> = (0..12).map(|key| format!("k{key}")).collect();
            let found = reader.find(&object(), &keys).await.unwrap();
            prop_assert_eq!(found, keys.iter().map(|key| model.get(key).cloned()).collect::<Vec<_>>());
            let after: Vec<Row> = model.range("k3".to_owned()..).filter(|(key, _)| *key != "k3").map(|(_, row)| row.clone()).collect();
            prop_assert_eq!(reader.read(&object(), "k3", 100).await.unwrap().rows, after);
            Ok(())
        })?;
    }
}

#[test]
fn the_later_entry_stands_and_among_older_segments_the_greater_revision() {
    let stands = |rows: &[(u64, u64, bool)]| {
        let mut versions = KeyVersions::default();
        for (entry, revision, latest) in rows {
            versions.add(SegmentKind::Rows, ((true, *entry), 0), *latest, row("k", *revision, "x"));
        }
        versions.row().unwrap().revision
    };
    // Entry, revision, written by a version that knows the rule.
    assert_eq!(stands(&[(1, 5, true), (2, 4, true)]), 4);
    assert_eq!(
        stands(&[(2, 4, true), (1, 5, true)]),
        4,
        "whatever the order in which they are met"
    );
    assert_eq!(stands(&[(1, 5, false), (2, 4, false)]), 5);
    assert_eq!(stands(&[(1, 5, false), (2, 6, false), (3, 5, false)]), 6);
    assert_eq!(stands(&[(1, 5, false), (2, 4, true)]), 4);
    assert_eq!(stands(&[(1, 9, false), (2, 4, true), (3, 3, false)]), 4);
}
