#![allow(clippy::unwrap_used)]
use super::*;
use crate::journal::Journal;
use crate::snapshot::NextStep;
use crate::testing::fixture::{BATCHES, Fixture, actor, begin, begin_with, claim, commit, connection, run, stage};
use crate::testing::host::Host;
use std::time::Duration;

/// A completed backup, and all that is stored of its connection but caches.
async fn backed_up(seed: u64) -> (Fixture, Store, Vec<Path>) {
    let fixture = Fixture::new(seed);
    run(&fixture).await.unwrap();
    // Again, so that values and scope have more than one entry.
    run(&fixture).await.unwrap();
    let store = fixture.store().await.unwrap();
    let stored = fixture.backend.paths().await;
    let stored = stored
        .into_iter()
        .filter(|path| path.as_ref() != "format.json" && !path.as_ref().contains("rollup"))
        .collect();
    (fixture, store, stored)
}

#[tokio::test]
async fn an_intact_store_is_read_whole_and_nothing_is_found() {
    let (_, store, _) = backed_up(1).await;
    let checked = verify(&store, &connection()).await.unwrap();
    assert_eq!(checked.damages, []);
    assert_eq!((checked.blobs, checked.checkpoints), (BATCHES, 2));
    assert_eq!(
        checked.segments,
        2 * BATCHES - 1,
        "rows of each batch, tombstones of all but the first"
    );
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_named_wherever_it_is() {
    let (fixture, store, stored) = backed_up(2).await;
    for path in &stored {
        if path.as_ref().contains("/checkpoints/") && !kept(&fixture, path).await {
            continue;
        }
        let good = fixture.backend.content(path).await.unwrap();
        for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            fixture.backend.overwrite(path, bad.into()).await;
            let damages = verify(&store, &connection()).await.unwrap().damages;
            assert!(
                damages.iter().any(|damage| damage.place == path.to_string()),
                "byte {at} of {path}: {damages:?}"
            );
        }
        fixture.backend.overwrite(path, good).await;
    }
    assert_eq!(verify(&store, &connection()).await.unwrap().damages, []);
}

/// Only the last two checkpoints are part of a snapshot; the first of three is garbage.
async fn kept(fixture: &Fixture, path: &Path) -> bool {
    fixture.backend.content(path).await.unwrap() != vec![1]
}

#[tokio::test]
async fn a_missing_object_is_found_and_named_wherever_it_was() {
    let (fixture, store, stored) = backed_up(3).await;
    let last_of = |folder: &str| stored.iter().rfind(|path| path.as_ref().contains(folder)).unwrap().clone();
    // What is left without these is a whole list: only a head kept elsewhere tells, and only of the journal there is one.
    let open_ended = [last_of("/scopes/"), last_of("/values/")];
    let journal_head = Journal::open(&store, &connection()).await.unwrap().head();
    for path in stored.iter().filter(|path| !open_ended.contains(path)) {
        if path.as_ref().contains("/checkpoints/") && !kept(&fixture, path).await {
            continue;
        }
        let good = fixture.backend.content(path).await.unwrap();
        fixture.backend.lose(path).await;
        let mut damages = verify(&store, &connection()).await.unwrap().damages;
        damages.extend(verify_journal(&store, &connection(), Some(journal_head.hash)).await.unwrap());
        let named = damages.iter().any(|damage| path.as_ref().starts_with(&damage.place));
        assert!(named, "{path}: {damages:?}");
        fixture.backend.overwrite(path, good).await;
    }
}

#[tokio::test]
async fn a_cut_tail_of_the_journal_is_found_by_a_head_kept_elsewhere_and_by_the_logs() {
    let (fixture, store, stored) = backed_up(4).await;
    let head = Journal::open(&store, &connection()).await.unwrap().head();
    let audit: Vec<_> = stored.iter().filter(|path| path.as_ref().contains("/audit/")).collect();
    fixture.backend.lose(audit[audit.len() - 1]).await;
    assert_eq!(
        verify_journal(&store, &connection(), None).await.unwrap(),
        [],
        "what is left is a whole chain"
    );
    assert_eq!(verify_journal(&store, &connection(), Some(head.hash)).await.unwrap().len(), 1);
    fixture.backend.lose(audit[audit.len() - 2]).await;
    let damages = verify(&store, &connection()).await.unwrap().damages;
    assert!(damages.iter().any(|damage| damage.what.contains("snapshot")), "{damages:?}");
}

#[tokio::test]
async fn gc_refuses_where_a_log_can_not_be_read_whole() {
    let (fixture, store, stored) = backed_up(5).await;
    for path in stored.iter().filter(|path| path.as_ref().contains("/log/")) {
        fixture.backend.lose(path).await;
    }
    for path in fixture
        .backend
        .paths()
        .await
        .iter()
        .filter(|path| path.as_ref().contains("rollup"))
    {
        fixture.backend.overwrite(path, "nonsense".into()).await;
    }
    let log = stored.iter().find(|path| path.as_ref().contains("/log/")).unwrap();
    fixture.backend.overwrite(log, "nonsense".into()).await;
    let before = fixture.backend.paths().await.len();
    let mut journal = Journal::open(&store, &connection()).await.unwrap();
    let mut claimed = claim(&store).await.unwrap();
    let refused = gc(&mut claimed, &mut journal, &actor()).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(
        fixture.backend.paths().await.len(),
        before + 1,
        "but for the claim nothing changed"
    );
}

#[tokio::test]
async fn gc_takes_what_was_never_committed_and_fences_its_writer_out() {
    let mut host = Host::new(6).await;
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    stage(0, &mut staged).await.unwrap();
    let mut host = host.restart().await;
    host.fixture.backend.refuse_deletions();
    let refused = gc(&mut host.claim, &mut host.journal, &actor()).await.unwrap();
    let kept = refused.kept.first().unwrap().to_string();
    assert_eq!((refused.objects, refused.kept.len()), (0, 1), "{kept}");
    assert!(
        kept.contains("acme/sales/blobs/") && kept.contains("permission denied"),
        "{kept}"
    );
    host.fixture.backend.heal().await;
    let collected = gc(&mut host.claim, &mut host.journal, &actor()).await.unwrap();
    assert_eq!((collected.objects, collected.kept.len()), (1, 0), "the blob");
    assert!(matches!(
        writer.commit(staged, commit(NextStep::Done)).await,
        Err(StoreError::Lost { .. })
    ));
    assert_eq!(
        host.journal.entries().last().unwrap().body.event,
        Event::GarbageCollected { objects: 1, bytes: 16 }
    );
}

#[tokio::test]
async fn gc_removes_a_pruned_snapshot_and_leaves_what_others_share() {
    let (fixture, store, _) = backed_up(7).await;
    let mut journal = Journal::open(&store, &connection()).await.unwrap();
    let pruned = journal.state().snapshots()[0].id;
    let mut claimed = claim(&store).await.unwrap();
    let mut writer = begin_with(&mut claimed, &mut journal, begin(), None).await.unwrap();
    let mut staged = writer.stage();
    assert!(staged.reuse_blob("file-1").await.unwrap().is_some());
    writer.commit(staged, commit(NextStep::Done)).await.unwrap();
    let reader = writer.reader();
    writer.complete(&mut journal, &actor()).await.unwrap();
    journal
        .append(&actor(), Event::SnapshotPruned { snapshot: pruned })
        .await
        .unwrap();
    drop(claimed);
    let mut claimed = claim(&store).await.unwrap();
    gc(&mut claimed, &mut journal, &actor()).await.unwrap();
    let left = fixture.backend.paths().await;
    assert!(
        !left
            .iter()
            .any(|path| path.as_ref().contains(&pruned.to_string()) || path.as_ref().contains("/segments/"))
    );
    assert_eq!(left.iter().filter(|path| path.as_ref().contains("/blobs/")).count(), 1);
    assert!(reader.blob("file-1").unwrap().stream().await.is_ok());
    assert_eq!(verify(&store, &connection()).await.unwrap().damages, []);
}

#[tokio::test]
async fn gc_sweeps_what_a_crash_left_in_a_local_folder() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(8);
    let store = Store::open(folder.path().to_str().unwrap(), fixture.seams().clone())
        .await
        .unwrap();
    let mut journal = Journal::open(&store, &connection()).await.unwrap();
    crate::testing::fixture::add(&mut journal).await.unwrap();
    let audit = folder.path().join("acme/sales/audit");
    let write = |name: &str, age: u64| {
        let file = std::fs::File::create(audit.join(name)).unwrap();
        let now = std::time::UNIX_EPOCH + Duration::from_millis(store.clock().now().0);
        file.set_modified(now - Duration::from_secs(age)).unwrap();
    };
    write("0000000002.json#1", 7200);
    write("0000000003.json#1", 60);
    write("other", 7200);
    let mut claimed = claim(&store).await.unwrap();
    assert_eq!(gc(&mut claimed, &mut journal, &actor()).await.unwrap().leftovers, 1);
    assert!(audit.join("0000000003.json#1").exists(), "it may still be written");
    assert!(audit.join("other").exists());
}
