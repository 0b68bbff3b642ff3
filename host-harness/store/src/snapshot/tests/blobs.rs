#![allow(clippy::unwrap_used)]
use crate::testing::fixture::{object, row};
use crate::testing::host::{Host, batch, blob_of, save};
use backup_contract::{HeldBlob, Tombstone};

const SUM: &str = "md5:0123456789abcdef0123456789abcdef:7";

fn keys(snapshot: &crate::Snapshot) -> Vec<String> {
    snapshot.fold().blobs.keys().cloned().collect()
}

#[tokio::test]
async fn the_last_value_of_a_field_stays_with_all_its_parts() {
    let mut host = Host::new(1).await;
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    save(&mut staged, "Document/015/Body/r1", "first").await;
    save(&mut staged, "Document/015/Body/r2", "second").await;
    save(&mut staged, "Document/015/Text/part:a", "image a").await;
    save(&mut staged, "Document/015/Text/part:b", "image b").await;
    save(&mut staged, "Document/0155/Body/r1", "another record").await;
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    save(&mut staged, "Document/015/Body/r3", "third").await;
    save(&mut staged, "Document/015/Text/part:c", "image c").await;
    staged.drop_blob("Document/015/Text/part:a");
    assert!(
        staged.read_blob("Document/015/Body/r2", 0, 9).await.is_err(),
        "a later one stands"
    );
    let id = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(id).await;
    assert_eq!(
        keys(&snapshot),
        [
            "Document/015/Body/r3",
            "Document/015/Text/part:b",
            "Document/015/Text/part:c",
            "Document/0155/Body/r1"
        ]
    );
    assert_eq!(blob_of(&snapshot, "Document/015/Body/r3").await, "third");
    host.collect().await;
    assert_eq!(host.stored("/blobs/").await, 4, "the others are collected");
}

#[tokio::test]
async fn the_blobs_of_a_record_that_is_gone_go_with_it() {
    let mut host = Host::new(2).await;
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    staged
        .append(&object(), vec![row("1", 1, "goes"), row("12", 1, "stays")])
        .await
        .unwrap();
    for key in ["Account/1/Body/r1", "Account/1/Text/part:a", "Account/12/Body/r1"] {
        save(&mut staged, key, key).await;
    }
    let first = host.end(writer, staged).await.unwrap();
    writer = host.begin(Some(first)).await.unwrap();
    let mut staged = writer.stage();
    let gone = Tombstone {
        key: "1".to_owned(),
        at: 1,
    };
    staged.bury(&object(), vec![gone]).await.unwrap();
    let second = host.end(writer, staged).await.unwrap();
    assert_eq!(keys(&host.open(second).await), ["Account/12/Body/r1"]);
    assert_eq!(keys(&host.open(first).await).len(), 3, "the older snapshot keeps them");
}

#[tokio::test]
async fn a_row_has_its_own_blobs_and_not_those_of_a_longer_key() {
    let mut host = Host::new(6).await;
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    for key in [
        "Account/1/Body/r1",
        "Account/1/Logo/part:a",
        "Account/1/2/Body/r1",
        "Account/12/Body/r1",
    ] {
        save(&mut staged, key, "content").await;
    }
    let snapshot = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(snapshot).await;
    let held = snapshot.blobs_of(&object(), &["1/2", "1", "9"].map(str::to_owned));
    let held_blob = |key: &&str| HeldBlob {
        key: (*key).to_owned(),
        bytes: 7,
    };
    let of = |keys: &[&str]| keys.iter().map(held_blob).collect::<Vec<HeldBlob>>();
    assert_eq!(
        held,
        [
            of(&["Account/1/2/Body/r1"]),
            of(&["Account/1/Body/r1", "Account/1/Logo/part:a"]),
            of(&[])
        ]
    );
}

#[tokio::test]
async fn content_that_is_known_by_its_checksum_is_not_asked_for_again() {
    let mut host = Host::new(3).await;
    let key = |id: &str| format!("ContentVersion/{id}/VersionData/{SUM}");
    let mut writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.reuse_blob(&key("068a")).await.unwrap(), None);
    save(&mut staged, &key("068a"), "content").await;
    assert_eq!(staged.reuse_blob(&key("068b")).await.unwrap(), Some(7), "of the same batch");
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    assert_eq!(staged.reuse_blob(&key("068c")).await.unwrap(), Some(7), "of an earlier batch");
    let other = "ContentVersion/068d/VersionData/md5:0123456789abcdef0123456789abcdef:8";
    assert_eq!(staged.reuse_blob(other).await.unwrap(), None, "another length");
    let first = host.end(writer, staged).await.unwrap();

    // A full one reads everything, but for what it knows.
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.reuse_blob(&key("068e")).await.unwrap(), Some(7));
    let full = host.end(writer, staged).await.unwrap();
    assert_eq!(keys(&host.open(full).await), [key("068e")]);

    let writer = host.begin(Some(first)).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.reuse_blob(&key("068f")).await.unwrap(), Some(7));
    staged.drop_blob(&key("068a"));
    assert_eq!(
        staged.reuse_blob(&key("068a")).await.unwrap(),
        Some(7),
        "dropped, and wanted again"
    );
    let last = host.end(writer, staged).await.unwrap();
    let snapshot = host.open(last).await;
    assert_eq!(snapshot.info().blobs, 4);
    for id in ["068a", "068b", "068c", "068f"] {
        assert_eq!(blob_of(&snapshot, &key(id)).await, "content");
    }
    assert_eq!(host.stored("/blobs/").await, 1, "one file for all of them");
    host.collect().await;
}

#[tokio::test]
async fn a_working_blob_outlives_batches_and_hosts_and_ends_with_its_job() {
    let mut host = Host::new(4).await;
    let mut writer = host.begin(None).await.unwrap();
    let id = writer.id();
    let mut staged = writer.stage();
    save(&mut staged, "work/page/1", "0123456789").await;
    save(&mut staged, "work/page/2", "parsed").await;
    assert_eq!(staged.read_blob("work/page/1", 8, 5).await.unwrap(), "89", "in its own batch");
    batch(&mut writer, staged).await;
    drop(writer);

    let mut host = host.restart().await;
    let mut writer = host.resume(id).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.read_blob("work/page/1", 3, 4).await.unwrap(), "3456");
    assert_eq!(staged.read_blob("work/page/1", 10, 4).await.unwrap(), "");
    staged.drop_blob("work/page/2");
    assert!(staged.read_blob("work/page/2", 0, 1).await.is_err());
    batch(&mut writer, staged).await;
    let info = writer.reader().info();
    assert_eq!((info.blobs, info.bytes), (0, 0), "no part of what people see");
    host.collect().await;
    assert_eq!(host.stored("/blobs/").await, 1);

    let writer = host.resume(id).await.unwrap();
    let mut staged = writer.stage();
    assert_eq!(staged.read_blob("work/page/1", 0, 1).await.unwrap(), "0");
    save(&mut staged, "work/page/3", "of the last batch").await;
    let id = host.end(writer, staged).await.unwrap();
    assert!(host.open(id).await.fold().work.is_empty());
    host.collect().await;
    assert_eq!(host.stored("/blobs/").await, 0);
    let writer = host.begin(Some(id)).await.unwrap();
    assert_eq!(writer.stage().reuse_blob("work/page/1").await.unwrap(), None);
}

#[tokio::test]
async fn several_blobs_are_written_at_once_while_the_batch_is_free() {
    let mut host = Host::new(5).await;
    let writer = host.begin(None).await.unwrap();
    let mut staged = writer.stage();
    let (first, second) = (
        staged.saving("Document/1/Body/r1").unwrap(),
        staged.saving("Document/2/Body/r1").unwrap(),
    );
    let piece = |text: &'static str| futures::stream::iter([Ok::<_, std::convert::Infallible>(text.into())]);
    staged.append(&object(), vec![row("1", 1, "meanwhile")]).await.unwrap();
    let (first, second) = futures::join!(first.save(piece("one")), second.save(piece("two")));
    assert_eq!((staged.saved(second.unwrap()), staged.saved(first.unwrap())), (3, 3));
    let id = host.end(writer, staged).await.unwrap();
    assert_eq!(blob_of(&host.open(id).await, "Document/2/Body/r1").await, "two");
}
