#![allow(clippy::unwrap_used)]
use super::*;
use crate::http::tests::doubles::{Bench, get};
use crate::http::tests::server::{Seen, Server, answer};
use backup_contract::{Body, Content, FormPart, Method, NamedValue, Request, Row, SendError};
use backup_runtime::imports::Http;
use backup_seams::{SeededRandomness, Timestamp, VirtualClock};
use backup_store::{Actor, Begin, Claim, ClaimRequest, ConnectionName, Event, Journal, Percent, Scope, Seams, Sha256};
use backup_store::{ClaimedJournal, Commit, NextStep, SnapshotWriter, Spending, Store};

/// A snapshot that was just begun, in a folder.
async fn begun(folder: &std::path::Path) -> (SnapshotWriter, Claim) {
    let seams = Seams {
        clock: Arc::new(VirtualClock::new(Timestamp(1_790_000_000_000))),
        randomness: Arc::new(SeededRandomness::new(1)),
    };
    let store = Store::open(folder.join("data").to_str().unwrap(), seams).await.unwrap();
    let connection: ConnectionName = "acme".parse().unwrap();
    let mut journal = Journal::open(&store, &connection).await.unwrap();
    let added = Event::ConnectionAdded {
        config: serde_json::json!({}),
        usage_limit: Percent::DEFAULT,
    };
    journal.append(&Actor::host(), added).await.unwrap();
    let request = ClaimRequest {
        connection: connection.clone(),
        purpose: "test".to_owned(),
        host: "here".to_owned(),
    };
    let mut claim = Claim::acquire(&store, &Scope::own(&connection), request).await.unwrap();
    let begin = Begin {
        predecessor: None,
        objects: Vec::new(),
        connector: Sha256::ZERO,
        warnings: Vec::new(),
    };
    let spending = claim.spending();
    let actor = Actor::host();
    let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &actor).unwrap();
    let writer = SnapshotWriter::begin(&mut claimed, begin, None, spending).await.unwrap();
    (writer, claim)
}

/// As a backup has them.
fn blobs_of(outcome: &CallOutcome) -> JobBlobs {
    JobBlobs {
        outcome: outcome.clone(),
        source: None,
    }
}

#[tokio::test]
async fn bodies_come_at_once_and_the_batch_is_free_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _claim) = begun(folder.path()).await;
    let outcome = CallOutcome::new(Some(writer.stage()));
    let blobs = blobs_of(&outcome);
    let mut first = blobs.stage("Document/1/Body/r1").await.unwrap();
    first.write(Bytes::from_static(b"one")).await.unwrap();
    let mut second = blobs.stage("Document/2/Body/r1").await.unwrap();
    second.write(Bytes::from_static(b"two")).await.unwrap();
    let row = Row {
        key: "1".to_owned(),
        revision: 1,
        body: b"{}".to_vec(),
    };
    let object = "Document".parse().unwrap();
    outcome
        .staged
        .lock()
        .await
        .as_mut()
        .unwrap()
        .append(&object, vec![row])
        .await
        .unwrap();
    second.finish().await.unwrap();
    first.write(Bytes::from_static(b", whole")).await.unwrap();
    let abandoned = blobs.stage("Document/3/Body/r1").await.unwrap();
    drop(abandoned);
    first.finish().await.unwrap();
    let mut staged = outcome.take_staged().await.unwrap();
    assert_eq!(staged.read_blob("Document/1/Body/r1", 0, 99).await.unwrap(), "one, whole");
    assert_eq!(staged.read_blob("Document/2/Body/r1", 0, 99).await.unwrap(), "two");
    assert!(staged.read_blob("Document/3/Body/r1", 0, 99).await.is_err());
    assert!(blobs.stage("late").await.is_err(), "the batch is over");
}

#[tokio::test]
async fn a_large_body_is_written_as_it_comes_and_read_back_in_parts() {
    const PIECES: u8 = 40;
    let folder = tempfile::tempdir().unwrap();
    let (writer, _claim) = begun(folder.path()).await;
    let outcome = CallOutcome::new(Some(writer.stage()));
    let mut sink = blobs_of(&outcome).stage("work/page").await.unwrap();
    let stored = || -> u64 {
        let blobs = std::fs::read_dir(folder.path().join("data/default/acme/blobs"))
            .into_iter()
            .flatten()
            .flatten();
        blobs.map(|blob| blob.metadata().unwrap().len()).sum()
    };
    for piece in 0..PIECES {
        sink.write(vec![piece; 1 << 20].into()).await.unwrap();
        // At most the part that is being filled, and one piece on its way, are in memory.
        assert!(
            stored() + (10 << 20) >= u64::from(piece + 1) << 20,
            "{} after {piece}",
            stored()
        );
    }
    sink.finish().await.unwrap();
    let mut staged = outcome.take_staged().await.unwrap();
    let part = staged.read_blob("work/page", (7 << 20) - 1, 2).await.unwrap();
    assert_eq!(part, vec![6, 7]);
    assert!(
        staged
            .read_blob("work/page", u64::from(PIECES) << 20, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Commits what is staged.
async fn committed(writer: &mut SnapshotWriter, staged: backup_store::Staged) {
    let commit = Commit {
        step: backup_store::Step::Batch,
        began_at: Timestamp(0),
        checkpoint: None,
        next: NextStep::Batch { requests: 1 },
        grant: None,
        spending: Spending::default(),
        objects: Vec::new(),
        warnings: Vec::new(),
        readings: Vec::new(),
        requests: 0,
        connector: Sha256::ZERO,
        journal_head: Sha256::ZERO,
    };
    writer.commit(staged, commit).await.unwrap();
}

async fn save(blobs: &JobBlobs, key: &str, content: &[u8]) {
    let mut sink = blobs.stage(key).await.unwrap();
    for piece in content.chunks(1 << 20) {
        sink.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    sink.finish().await.unwrap();
}

/// Puts these blobs, each as a part of one form, and gives what the server saw.
async fn sent(server: &Server, blobs: JobBlobs, keys: &[&str]) -> Result<Vec<Seen>, SendError> {
    let bench = Bench::new(&server.origin);
    let part = |key: &&str| FormPart {
        headers: vec![NamedValue::new("Content-Disposition", format!("form-data; name=\"{key}\""))],
        content: Content::Blob((*key).to_owned()),
    };
    let request = Request {
        method: Method::Post,
        body: Body::Form(keys.iter().map(part).collect()),
        repeatable: false,
        ..get("/x")
    };
    let gate = bench.gate.clone();
    let mut client = bench.client_of(gate, Arc::new(blobs));
    client.start(request).await?.finish().await?;
    Ok(server.seen())
}

/// The parts of a form as it was seen; its length was told beforehand, or the server would not have taken it.
fn parts(seen: &Seen) -> Vec<Vec<u8>> {
    let kind = seen.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(seen.header("content-length").unwrap(), seen.body.len().to_string());
    let (mut rest, mut found) = (&seen.body[..], Vec::new());
    let find = |in_what: &[u8], what: &str| in_what.windows(what.len()).position(|part| part == what.as_bytes());
    while let Some(head) = find(rest, "\r\n\r\n") {
        let content = &rest[head + 4..];
        let end = find(content, &format!("\r\n--{boundary}")).unwrap();
        found.push(content[..end].to_vec());
        rest = &content[end + 2..];
    }
    found
}

#[tokio::test]
async fn a_backup_sends_what_it_staged_and_what_it_committed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _claim) = begun(folder.path()).await;
    let outcome = CallOutcome::new(Some(writer.stage()));
    save(&blobs_of(&outcome), "Document/1/Body/r1", b"committed").await;
    committed(&mut writer, outcome.take_staged().await.unwrap()).await;
    let outcome = CallOutcome::new(Some(writer.stage()));
    let large: Vec<u8> = (0..9_000_001_u32).map(|n| (n % 251) as u8).collect();
    save(&blobs_of(&outcome), "work/large", &large).await;
    let server = Server::start(|_, _| answer(201, "")).await;
    let keys = ["Document/1/Body/r1", "work/large"];
    let seen = sent(&server, blobs_of(&outcome), &keys).await.unwrap();
    assert!(parts(&seen[0]) == [b"committed".to_vec(), large]);
    assert!(outcome.take_staged().await.is_some(), "the batch is free");
}

/// As a restore has them, of a snapshot with one blob; and the file that it lies in.
async fn source(folder: &std::path::Path) -> (JobBlobs, std::path::PathBuf) {
    let (mut writer, _claim) = begun(folder).await;
    let outcome = CallOutcome::new(Some(writer.stage()));
    save(&blobs_of(&outcome), "ContentVersion/068/VersionData/r1", &[7; 300_000]).await;
    committed(&mut writer, outcome.take_staged().await.unwrap()).await;
    let blobs = JobBlobs {
        outcome: CallOutcome::new(None),
        source: Some(writer.reader()),
    };
    let mut stored = std::fs::read_dir(folder.join("data/default/acme/blobs")).unwrap();
    (blobs, stored.next().unwrap().unwrap().path())
}

#[tokio::test]
async fn a_restore_sends_and_reads_blobs_of_its_source_and_saves_none() {
    let folder = tempfile::tempdir().unwrap();
    let (blobs, _) = source(folder.path()).await;
    let server = Server::start(|_, _| answer(201, "")).await;
    let key = "ContentVersion/068/VersionData/r1";
    let part = blobs
        .outcome
        .blob(blobs.source.as_ref(), key)
        .await
        .unwrap()
        .part(299_999, 9)
        .await;
    assert_eq!(part.unwrap(), vec![7]);
    assert!(blobs.stage("work/1").await.is_err());
    let seen = sent(&server, blobs, &[key]).await.unwrap();
    assert!(parts(&seen[0]) == [vec![7; 300_000]]);
}

#[tokio::test]
async fn nothing_is_sent_of_a_form_with_a_blob_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| answer(201, "")).await;
    let told = |error: &SendError| matches!(error, SendError::Other(other) if other.name == "storage");
    for gone in ["ContentVersion/068/VersionData/r2", "ContentVersion/068/VersionData/r1"] {
        let folder = folder.path().join(gone);
        let (blobs, file) = source(&folder).await;
        std::fs::remove_file(file).unwrap();
        let unsent = sent(&server, blobs, &[gone]).await.unwrap_err();
        assert!(told(&unsent), "{unsent:?}");
    }
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn the_source_never_has_all_of_a_blob_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| answer(201, "")).await;
    let (blobs, file) = source(folder.path()).await;
    let mut content = std::fs::read(&file).unwrap();
    content[5] ^= 1;
    std::fs::write(&file, content).unwrap();
    let cut = sent(&server, blobs, &["ContentVersion/068/VersionData/r1"])
        .await
        .unwrap_err();
    assert!(
        matches!(&cut, SendError::Other(other) if other.name == "storage" && other.value.contains("hash")),
        "{cut:?}"
    );
    assert_eq!(server.seen().len(), 0, "it came in part at most");
}
