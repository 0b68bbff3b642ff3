//! Objects that failed: what the snapshot shows of them, and how they are whole again.
#![allow(clippy::unwrap_used)]
use crate::journal::Event;
use crate::names::{ObjectName, SnapshotId};
use crate::snapshot::{NextStep, ObjectReport, ObjectState, Snapshot, SnapshotState, SnapshotWriter, select};
use crate::testing::fixture::{actor, commit, object, row};
use crate::testing::host::{Host, batch};
use backup_contract::{Failure, Row};
use futures::TryStreamExt;
use object_store::path::Path;

/// Records a, b and c.
async fn full(host: &mut Host) -> SnapshotId {
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    let rows = ["a", "b", "c"].map(|key| row(key, 5, "as the full one read it"));
    staged.append(&object(), rows.to_vec()).await.unwrap();
    host.end(writer, staged).await.unwrap()
}

fn failed(object: &ObjectName) -> ObjectReport {
    let mut report = ObjectReport::new(object.clone());
    report.state = Some(ObjectState::Failed);
    report.failed = Some(Failure {
        code: "gone-wrong".to_owned(),
        message: "the org answered 500".to_owned(),
        remedy: None,
        object: None,
        details: Vec::new(),
    });
    report
}

/// An incremental one whose job reads the object anew, and fails at it.
async fn failing(host: &mut Host, first: SnapshotId) -> SnapshotWriter {
    let mut writer = host.begin(Some(first)).await.unwrap();
    let mut staged = writer.stage();
    staged.replace_inherited(&object());
    staged.append(&object(), vec![row("d", 9, "new")]).await.unwrap();
    batch(&mut writer, staged).await;
    let mut step = commit(NextStep::Batch { requests: 1 });
    step.objects = vec![failed(&object())];
    writer.commit(writer.stage(), step).await.unwrap();
    writer
}

async fn keys(snapshot: &Snapshot) -> Vec<String> {
    let rows: Vec<Row> = snapshot.rows(&object()).try_collect().await.unwrap();
    rows.into_iter().map(|row| row.key).collect()
}

#[tokio::test]
async fn an_object_that_failed_keeps_what_the_predecessor_had_and_the_snapshot_ends_incomplete() {
    let mut host = Host::new(21).await;
    let first = full(&mut host).await;
    let before = host.open(first).await;
    let before_keys = keys(&before).await;
    let mut writer = failing(&mut host, first).await;
    let id = writer.id();
    let fold = &writer.fold().objects[&object()];
    assert_eq!((fold.state, fold.stale), (ObjectState::Failed, true));
    let was = &before.fold().objects[&object()];
    assert_eq!((fold.window, fold.records), (was.window, was.records));
    writer.commit(writer.stage(), commit(NextStep::Done)).await.unwrap();
    writer.complete(&mut host.journal, &actor()).await.unwrap();
    let snapshot = host.open(id).await;
    assert_eq!(snapshot.info().state, SnapshotState::Incomplete);
    let kept = keys(&snapshot).await;
    assert!(before_keys.iter().all(|key| kept.contains(key)), "{kept:?}");
    host.collect().await;

    // The next one goes on from it, fails at once, and still has them; the one after reads it, and nothing of before is left.
    let mut writer = host.begin(Some(id)).await.unwrap();
    let mut last = commit(NextStep::Done);
    last.objects = vec![failed(&object())];
    writer.commit(writer.stage(), last).await.unwrap();
    let again = writer.id();
    writer.complete(&mut host.journal, &actor()).await.unwrap();
    let snapshot = host.open(again).await;
    assert!(snapshot.fold().objects[&object()].stale);
    assert_eq!(keys(&snapshot).await, kept);
    let writer = host.begin(Some(again)).await.unwrap();
    let mut staged = writer.stage();
    staged.replace_inherited(&object());
    staged.append(&object(), vec![row("z", 10, "new")]).await.unwrap();
    let healed = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(healed).await;
    assert_eq!(snapshot.info().state, SnapshotState::Complete);
    assert_eq!(keys(&snapshot).await, ["z"]);
}

#[tokio::test]
async fn an_object_that_is_read_after_it_failed_is_complete_without_what_it_replaced() {
    let mut host = Host::new(22).await;
    let first = full(&mut host).await;
    let writer = failing(&mut host, first).await;
    let staged = writer.stage();
    let id = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(id).await;
    let fold = &snapshot.fold().objects[&object()];
    assert_eq!((fold.state, fold.stale, &fold.reason), (ObjectState::Complete, false, &None));
    assert_eq!(snapshot.info().state, SnapshotState::Complete);
    assert_eq!(keys(&snapshot).await, ["d"]);
}

#[tokio::test]
async fn an_object_of_a_damaged_predecessor_is_whole_once_it_is_read_anew() {
    let mut host = Host::new(23).await;
    let first = full(&mut host).await;
    let segments: Vec<Path> = host.fixture.backend.paths().await;
    for path in segments.iter().filter(|path| path.as_ref().contains("/segments/")) {
        host.fixture.backend.lose(path).await;
    }
    let mut writer = host.begin(Some(first)).await.unwrap();
    assert_eq!(
        writer.predecessor().await.unwrap().unwrap().damaged().await.unwrap(),
        [object()]
    );
    let mut staged = writer.stage();
    staged.replace_inherited(&object());
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    staged.append(&object(), vec![row("a", 9, "new")]).await.unwrap();
    let healed = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(healed).await;
    assert!(snapshot.damaged().await.unwrap().is_empty());
    assert_eq!(keys(&snapshot).await, ["a"]);
}

#[tokio::test]
async fn latest_is_of_all_objects_and_a_snapshot_of_one_is_found_by_its_name() {
    let mut host = Host::new(24).await;
    let account: ObjectName = "Account".parse().unwrap();
    let only = async |host: &mut Host| {
        let begin = crate::snapshot::Begin {
            objects: vec![account.clone()],
            ..crate::testing::fixture::begin()
        };
        let writer = host.begin_with(begin).await.unwrap();
        let staged = writer.stage();
        host.end(writer, staged).await.unwrap()
    };
    let found = |host: &Host, text: &str| select(host.journal.state(), text).map(|selected| selected.snapshot.id);
    let one = only(&mut host).await;
    let error = found(&host, "latest").unwrap_err().to_string();
    assert!(
        error.contains(&one.to_string()) && error.contains("latest:Account"),
        "{error}"
    );
    assert_eq!(found(&host, "latest:account").unwrap(), one);
    assert!(found(&host, "latest:Contact").is_err());

    let all = full(&mut host).await;
    let later = only(&mut host).await;
    assert_eq!(found(&host, "latest").unwrap(), all);
    assert_eq!(found(&host, "latest:Account").unwrap(), later);
    assert_eq!(found(&host, "latest:Contact").unwrap(), all);
    host.begin(Some(all)).await.unwrap();
    assert_eq!(found(&host, "latest").unwrap(), all, "the newest one is partial");
    let pruned = Event::SnapshotPruned { snapshot: all };
    host.journal.append(&actor(), pruned).await.unwrap();
    let partial = select(host.journal.state(), "latest").unwrap();
    assert_eq!(partial.state, SnapshotState::Partial);
}
