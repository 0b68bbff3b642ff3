#![allow(clippy::unwrap_used)]
use crate::error::StoreError;
use crate::snapshot::{Begin, NextStep, ObjectReport, ObjectState, SnapshotKind, Window};
use crate::testing::Crash;
use crate::testing::fixture::{actor, begin, commit, connection, object, row, rows_of};
use crate::testing::host::{Host, batch, blob_of, complete, save};
use crate::verify::{gc, verify};
use crate::{ObjectName, SnapshotId, Staged};
use backup_contract::{Failure, Note, Row, Tombstone};
use backup_seams::Clock;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn gone(key: &str) -> Tombstone {
    Tombstone {
        key: key.to_owned(),
        at: 1,
    }
}

fn note(key: &str, body: &'static str) -> Note {
    Note {
        key: key.to_owned(),
        body: body.as_bytes().to_vec(),
    }
}

fn map(rows: &[Row]) -> BTreeMap<String, Row> {
    rows.iter().map(|row| (row.key.clone(), row.clone())).collect()
}

/// Records a, b and c, a note and a file.
async fn full(host: &mut Host) -> SnapshotId {
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    let rows = ["a", "b", "c"].map(|key| row(key, 5, "as the full one read it"));
    staged.append(&object(), rows.to_vec()).await.unwrap();
    staged
        .annotate(vec![note("describe/Account", r#"{"fields":1.50}"#)])
        .await
        .unwrap();
    save(&mut staged, "Account/a/Photo/r1", "a picture").await;
    host.end(writer, staged).await.unwrap()
}

#[tokio::test]
async fn an_incremental_snapshot_is_its_predecessor_with_what_changed_on_top() {
    let mut host = Host::new(1).await;
    let first = full(&mut host).await;
    let mut writer = host.begin(Some(first)).await.unwrap();
    assert_eq!(writer.kind(), SnapshotKind::Incremental);
    let old = rows_of(&host.open(first).await).await.unwrap();
    assert_eq!(
        rows_of(&host.open(writer.id()).await).await.unwrap(),
        old,
        "nothing is read yet"
    );

    let mut staged = writer.stage();
    staged
        .append(
            &object(),
            vec![row("b", 6, "changed"), row("a", 5, "read again"), row("d", 1, "new")],
        )
        .await
        .unwrap();
    staged.bury(&object(), vec![gone("c")]).await.unwrap();
    batch(&mut writer, staged).await;
    let now = map(&[row("a", 5, "read again"), row("b", 6, "changed"), row("d", 1, "new")]);
    let partial = host.open(writer.id()).await;
    assert_eq!(rows_of(&partial).await.unwrap(), now);
    let found = partial.find(&object(), &["c".to_owned(), "d".to_owned()]).await.unwrap();
    assert_eq!(found, [None, Some(now["d"].clone())]);
    assert_eq!(rows_of(&writer.predecessor().await.unwrap().unwrap()).await.unwrap(), old);
    let stage = writer.stage();
    let second = host.end(writer, stage).await.unwrap();
    assert_eq!(
        rows_of(&host.open(first).await).await.unwrap(),
        old,
        "the older one is as it was"
    );

    // Undeleted, as the source had it before.
    let writer = host.begin(Some(second)).await.unwrap();
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("c", 2, "undeleted")]).await.unwrap();
    let third = host.end(writer, staged).await.unwrap();
    let mut now = now;
    now.insert("c".to_owned(), row("c", 2, "undeleted"));
    let snapshot = host.open(third).await;
    assert_eq!(rows_of(&snapshot).await.unwrap(), now);
    assert_eq!(blob_of(&snapshot, "Account/a/Photo/r1").await, "a picture");
    assert_eq!(snapshot.info().predecessor, Some(second));
    assert_eq!(verify(&host.store, &connection()).await.unwrap().damages, []);
}

#[tokio::test]
async fn inherited_data_outlives_the_base_and_its_log() {
    let mut host = Host::new(2).await;
    let first = full(&mut host).await;
    let mut writer = host.begin(Some(first)).await.unwrap();
    let id = writer.id();
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 6, "anew")]).await.unwrap();
    staged.replace_inherited(&object());
    batch(&mut writer, staged).await;
    drop(writer);
    host.prune(first).await;
    assert_eq!(host.stored(&first.to_string()).await, 0, "its log is deleted");

    let writer = host.resume(id).await.unwrap();
    let before = writer.predecessor().await.unwrap().unwrap();
    assert_eq!(
        rows_of(&before).await.unwrap().len(),
        3,
        "the job still reads what it goes on from, though it has replaced it"
    );
    let stage = writer.stage();
    host.end(writer, stage).await.unwrap();
    host.collect().await;
    let snapshot = host.open(id).await;
    assert_eq!(rows_of(&snapshot).await.unwrap(), map(&[row("a", 6, "anew")]));
    assert_eq!(
        host.stored("/segments/").await,
        1,
        "what was replaced is collected in the end"
    );
    assert_eq!(blob_of(&snapshot, "Account/a/Photo/r1").await, "a picture");
    let notes = snapshot.notes(&["describe/Account".to_owned()]).await.unwrap();
    assert_eq!(notes, [Some(Bytes::from_static(br#"{"fields":1.50}"#))]);
}

#[tokio::test]
async fn an_incremental_that_is_closed_keeps_only_what_it_consists_of() {
    let mut host = Host::new(9).await;
    let first = full(&mut host).await;
    let mut writer = host.begin(Some(first)).await.unwrap();
    let closed = writer.id();
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 6, "anew")]).await.unwrap();
    staged.replace_inherited(&object());
    batch(&mut writer, staged).await;
    let next = host.begin(None).await.unwrap().id();
    host.prune(first).await;
    assert_eq!(host.stored("/segments/").await, 1);
    assert_eq!(rows_of(&host.open(closed).await).await.unwrap(), map(&[row("a", 6, "anew")]));
    assert!(rows_of(&host.open(next).await).await.unwrap().is_empty());
}

#[tokio::test]
async fn replacing_an_object_drops_what_was_inherited_of_it_and_nothing_else() {
    let mut host = Host::new(3).await;
    let other: ObjectName = "Contact".parse().unwrap();
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    for object in [&object(), &other] {
        staged
            .append(object, vec![row("a", 9, "old"), row("b", 9, "old")])
            .await
            .unwrap();
    }
    let first = host.end(writer, staged).await.unwrap();
    let mut writer = host.begin(Some(first)).await.unwrap();
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 3, "of this job")]).await.unwrap();
    batch(&mut writer, staged).await;
    assert_eq!(rows_of(&writer.reader()).await.unwrap()["a"], row("a", 3, "of this job"));
    let mut staged = writer.stage();
    staged.replace_inherited(&object());
    staged
        .append(&object(), vec![row("c", 1, "of the last batch")])
        .await
        .unwrap();
    let id = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(id).await;
    let expected = map(&[row("a", 3, "of this job"), row("c", 1, "of the last batch")]);
    assert_eq!(rows_of(&snapshot).await.unwrap(), expected);
    assert_eq!(snapshot.fold().objects[&object()].records, 2);
    assert_eq!(
        snapshot.find(&other, &["b".to_owned()]).await.unwrap(),
        [Some(row("b", 9, "old"))]
    );

    // A full snapshot has nothing to replace.
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 3, "kept")]).await.unwrap();
    staged.replace_inherited(&object());
    let id = host.end(writer, staged).await.unwrap();
    assert_eq!(rows_of(&host.open(id).await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn notes_are_no_records_and_the_last_one_of_a_key_stands() {
    let mut host = Host::new(4).await;
    let first = full(&mut host).await;
    let counted = host.open(first).await.info();
    assert_eq!((counted.records, counted.blobs), (3, 1));
    assert_eq!(host.open(first).await.fold().objects.len(), 1);
    assert_eq!(host.stored("/notes/").await, 1);

    let mut writer = host.begin(Some(first)).await.unwrap();
    let mut staged = writer.stage();
    staged
        .annotate(vec![note("mark", r#"{"n":1}"#), note("mark", r#"{"n":2}"#)])
        .await
        .unwrap();
    for bad in [note("", "{}"), note("k", "[]"), note("k", "{}\n{}")] {
        assert!(matches!(staged.annotate(vec![bad]).await, Err(StoreError::BadRow { .. })));
    }
    let large = Note {
        key: "large".to_owned(),
        body: format!("{{\"x\":\"{}\"}}", "x".repeat(7 << 20)).into(),
    };
    assert!(matches!(staged.annotate(vec![large]).await, Err(StoreError::TooLarge { .. })));
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    staged.annotate(vec![note("mark", r#"{"n":3}"#)]).await.unwrap();
    let second = host.end(writer, staged).await.unwrap();
    let keys = ["mark", "none", "describe/Account"].map(str::to_owned);
    let notes = host.open(second).await.notes(&keys).await.unwrap();
    let expected = [Some(r#"{"n":3}"#), None, Some(r#"{"fields":1.50}"#)];
    assert_eq!(notes, expected.map(|body| body.map(Bytes::from)));
    assert_eq!(host.open(first).await.notes(&keys).await.unwrap()[0], None);
    host.collect().await;
}

#[tokio::test]
async fn only_a_complete_snapshot_is_a_base() {
    let mut host = Host::new(5).await;
    let first = full(&mut host).await;
    let partial = host.begin(Some(first)).await.unwrap().id();
    let refused = host.begin(Some(partial)).await;
    assert!(matches!(refused, Err(StoreError::State(_))), "{refused:?}");
    assert_eq!(
        host.journal
            .state()
            .predecessors()
            .map(|record| record.id)
            .collect::<Vec<_>>(),
        [first]
    );
    host.prune(first).await;
    assert!(host.journal.state().predecessors().next().is_none());
}

#[tokio::test]
async fn only_the_objects_that_are_asked_for_are_inherited() {
    let mut host = Host::new(6).await;
    let other: ObjectName = "Contact".parse().unwrap();
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    for object in [&object(), &other] {
        staged.append(object, vec![row("a", 1, "x")]).await.unwrap();
        save(&mut staged, &format!("{object}/a/Photo/r1"), object.as_str()).await;
    }
    let first = host.end(writer, staged).await.unwrap();
    let only = Begin {
        predecessor: Some(first),
        objects: vec![other.clone()],
        ..begin()
    };
    let writer = host.begin_with(only).await.unwrap();
    let fold = writer.fold();
    assert_eq!(fold.objects.keys().collect::<Vec<_>>(), [&other]);
    assert_eq!(fold.blobs.keys().collect::<Vec<_>>(), ["Contact/a/Photo/r1"]);
}

#[tokio::test]
async fn an_object_is_as_the_predecessor_had_it_until_the_job_has_caught_up_with_it() {
    let mut host = Host::new(7).await;
    let first = full(&mut host).await;
    let before = host.open(first).await.fold().objects[&object()].clone();
    let remark = |code: &str| Failure {
        code: code.to_owned(),
        message: String::new(),
        remedy: None,
        object: None,
        details: Vec::new(),
    };
    let mut writer = host.begin(Some(first)).await.unwrap();
    let begun = writer.fold().base.unwrap().at;
    let taken = &writer.fold().objects[&object()];
    assert_eq!(
        (taken.state, taken.records, taken.window),
        (ObjectState::Complete, 3, before.window)
    );
    assert!(taken.inherited);

    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 6, "changed")]).await.unwrap();
    let mut step = commit(NextStep::Batch { requests: 1 });
    let mut report = ObjectReport::new(object());
    report.remarks = vec![remark("of this job")];
    step.objects = vec![report];
    host.fixture.clock.advance(std::time::Duration::from_secs(60));
    step.began_at = host.fixture.clock.now();
    writer.commit(staged, step).await.unwrap();
    let partial = &writer.fold().objects[&object()];
    assert_eq!(
        (partial.state, partial.records),
        (ObjectState::Partial, 3),
        "changed records are no more records"
    );
    assert_eq!(partial.window.unwrap().from, before.window.unwrap().from);

    let mut report = complete(&object());
    report.records = Some(3);
    let mut last = commit(NextStep::Done);
    last.objects = vec![report];
    writer.commit(writer.stage(), last).await.unwrap();
    let done = &writer.fold().objects[&object()];
    assert!(!done.inherited);
    let to = writer.fold().last_at.unwrap();
    assert_eq!(done.window, Some(Window { from: begun, to }));
    assert_eq!(done.remarks, [remark("of this job")]);
}

/// A full backup, then an incremental one of two batches, from where they stand.
async fn go_on(host: &mut Host) -> Result<(), StoreError> {
    let complete: Vec<SnapshotId> = host.journal.state().predecessors().map(|record| record.id).collect();
    let [first] = complete.as_slice() else {
        return Ok(());
    };
    let open = host.journal.state().open_snapshot().map(|open| open.id);
    let mut writer = match open {
        Some(id) => host.resume(id).await?,
        None => host.begin(Some(*first)).await?,
    };
    let mut done = writer.fold().requests;
    while done < 2 {
        let mut staged = writer.stage();
        changes(done, &mut staged).await?;
        done += 1;
        if done == 2 {
            return host.end(writer, staged).await.map(drop);
        }
        writer.commit(staged, commit(NextStep::Batch { requests: 1 })).await?;
    }
    // Its log had ended, and its host died before the journal knew.
    writer.complete(&mut host.journal, &actor()).await
}

async fn changes(n: u64, staged: &mut Staged) -> Result<(), StoreError> {
    match n {
        0 => staged.append(&object(), vec![row("b", 6, "changed")]).await,
        _ => staged.bury(&object(), vec![gone("c")]).await,
    }
}

fn after(batches: u64) -> BTreeMap<String, Row> {
    let mut rows = map(&["a", "b", "c"].map(|key| row(key, 5, "as the full one read it")));
    if batches > 0 {
        rows.insert("b".to_owned(), row("b", 6, "changed"));
    }
    if batches > 1 {
        rows.remove("c");
    }
    rows
}

#[tokio::test]
async fn a_host_that_dies_at_any_write_of_an_incremental_loses_neither_it_nor_its_base() {
    for crash in [Crash::Before, Crash::After] {
        for n in 1.. {
            let mut host = Host::new(n).await;
            let first = full(&mut host).await;
            host.fixture.backend.crash_at(n, crash);
            let died = go_on(&mut host).await.is_err();
            assert_eq!(died, host.fixture.backend.has_crashed());
            if !died {
                assert!(n > 6, "the run has more writes than that");
                break;
            }
            host.fixture.backend.heal().await;
            let mut host = host.restart().await;
            assert_eq!(verify(&host.store, &connection()).await.unwrap().damages, []);
            // Garbage is collected before it goes on: a log without an entry is fenced by that.
            gc(&mut host.claim, &mut host.journal, &actor()).await.unwrap();
            assert_eq!(rows_of(&host.open(first).await).await.unwrap(), after(0));
            if let Some(last) = host.journal.state().snapshots().last().map(|record| record.id) {
                let snapshot = host.open(last).await;
                let batches = if last == first { 0 } else { snapshot.fold().requests };
                assert_eq!(
                    rows_of(&snapshot).await.unwrap(),
                    after(batches),
                    "dead at write {n}, {crash:?}"
                );
            }
            go_on(&mut host).await.unwrap();
            host.prune(first).await;
            let last = host.journal.state().latest_complete().unwrap().id;
            assert_eq!(
                rows_of(&host.open(last).await).await.unwrap(),
                after(2),
                "dead at write {n}, {crash:?}"
            );
        }
    }
}

/// A batch: rows by (key, revision), keys that are buried, and whether all was read anew.
type Batch = (Vec<(u8, u64)>, Vec<u8>, bool);

fn jobs() -> impl Strategy<Value = Vec<Vec<Batch>>> {
    let rows = proptest::collection::vec((0..8_u8, 0..4_u64), 0..6);
    let buried = proptest::collection::vec(0..8_u8, 0..3);
    let batch = (rows, buried, proptest::bool::weighted(0.2));
    proptest::collection::vec(proptest::collection::vec(batch, 1..4), 1..5)
}

fn replay(model: &mut BTreeMap<String, Row>, (rows, buried): &(Vec<Row>, Vec<Tombstone>)) {
    for row in rows {
        model.insert(row.key.clone(), row.clone());
    }
    for tombstone in buried {
        model.remove(&tombstone.key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_chain_of_incrementals_is_the_model_of_all_that_was_committed(jobs in jobs()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut host = Host::new(8).await;
            let mut predecessor = None;
            let mut base = BTreeMap::<String, Row>::new();
            for (j, batches) in jobs.iter().enumerate() {
                let mut writer = host.begin(predecessor).await.unwrap();
                let mut own = Vec::new();
                for (n, (rows, buried, replace)) in batches.iter().enumerate() {
                    let mut staged = writer.stage();
                    let rows: Vec<Row> = rows.iter().enumerate()
                        .map(|(i, (key, revision))| row(&format!("k{key}"), *revision, &format!("{j}.{n}.{i}")))
                        .collect();
                    let buried: Vec<Tombstone> = buried.iter().map(|key| gone(&format!("k{key}"))).collect();
                    staged.append(&object(), rows.clone()).await.unwrap();
                    staged.bury(&object(), buried.clone()).await.unwrap();
                    if *replace {
                        staged.replace_inherited(&object());
                        base.clear();
                    }
                    own.push((rows, buried));
                    batch(&mut writer, staged).await;
                    let mut model = base.clone();
                    own.iter().for_each(|batch| replay(&mut model, batch));
                    prop_assert_eq!(&rows_of(&writer.reader()).await.unwrap(), &model);
                }
                own.iter().for_each(|batch| replay(&mut base, batch));
                let stage = writer.stage();
                let id = host.end(writer, stage).await.unwrap();
                if let Some(before) = predecessor.replace(id) {
                    host.prune(before).await;
                }
                prop_assert_eq!(&rows_of(&host.open(id).await).await.unwrap(), &base);
            }
            Ok(())
        })?;
    }
}
