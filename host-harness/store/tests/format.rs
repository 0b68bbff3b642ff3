//! What docs/FORMAT.md promises: a stranger reads a snapshot with zstd and jq alone. The script that it shows is run as it stands
//! there, on snapshots in a local folder, and has to give what the reader gives.
#![allow(clippy::unwrap_used)]

use backup_contract::{Note, Row, Tombstone};
use backup_seams::{Clock, SystemClock, SystemRandomness};
use backup_store::{
    Actor, Begin, Claim, ClaimRequest, ClaimedJournal, Commit, ConnectionName, Event, Journal, NextStep, ObjectName,
    ObjectReport, ObjectState, Percent, Scope, Seams, Sha256, Snapshot, SnapshotId, SnapshotWriter, Spending, Staged, Step,
    Store,
};
use bytes::Bytes;
use futures::TryStreamExt;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The script of docs/FORMAT.md, in a file.
fn script(folder: &Path) -> PathBuf {
    let document = include_str!("../../../docs/FORMAT.md");
    let (_, script) = document.split_once("```bash\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let path = folder.join("read-snapshot.sh");
    std::fs::write(&path, script).unwrap();
    path
}

struct Stranger {
    script: PathBuf,
    folder: PathBuf,
}

impl Stranger {
    fn reads(&self, snapshot: SnapshotId, what: &[&str]) -> String {
        let run = Command::new("bash")
            .arg(&self.script)
            .arg(&self.folder)
            .arg(snapshot.to_string())
            .args(what)
            .output()
            .expect("bash, zstd and jq are there");
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && errors.is_empty(), "{errors}");
        String::from_utf8(run.stdout).unwrap()
    }

    /// Everything that the snapshot holds, as this program reads it and as the stranger does.
    async fn agrees(&self, snapshot: &Snapshot, notes: &[&str]) {
        let id = snapshot.info().id;
        for object in snapshot.fold().objects.keys() {
            let rows: Vec<Row> = snapshot.rows(object).try_collect().await.unwrap();
            let lines: Vec<u8> = rows.iter().flat_map(|row| [&row.body[..], b"\n"].concat()).collect();
            let read = self.reads(id, &["records", object.as_str()]);
            assert_eq!(read, String::from_utf8(lines).unwrap(), "{object} of {id}");
        }
        for key in notes {
            let note = snapshot.notes(&[(*key).to_owned()]).await.unwrap().remove(0);
            let read = self.reads(id, &["note", key]);
            let note = note.map(|note| serde_json::from_slice::<serde_json::Value>(&note).unwrap());
            assert_eq!(serde_json::from_str(&read).ok(), note, "{key}");
        }
        let files = self.reads(id, &["files"]);
        let files: Vec<Vec<&str>> = files.lines().map(|line| line.split('\t').collect()).collect();
        let keys: Vec<&str> = files.iter().map(|file| file[2]).collect();
        assert_eq!(keys, snapshot.fold().blobs.keys().collect::<Vec<_>>());
        for file in files {
            let content = std::fs::read(self.folder.join(file[1])).unwrap();
            assert_eq!(Sha256::of(&content).to_string(), file[0]);
        }
    }
}

fn row(key: &str, revision: u64, body: &str) -> Row {
    Row {
        key: key.to_owned(),
        revision,
        body: body.as_bytes().to_vec(),
    }
}

async fn save(staged: &mut Staged, key: &str, content: &'static str) {
    let content = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(content.as_bytes()))]);
    staged.save_blob(key, content).await.unwrap();
}

fn commit(next: NextStep, objects: Vec<ObjectReport>) -> Commit {
    Commit {
        step: Step::Batch,
        began_at: SystemClock.now(),
        checkpoint: None,
        next,
        grant: None,
        spending: Spending::default(),
        objects,
        warnings: Vec::new(),
        readings: Vec::new(),
        requests: 1,
        connector: Sha256::ZERO,
        journal_head: Sha256::ZERO,
    }
}

async fn batch(writer: &mut SnapshotWriter, staged: Staged) {
    let commit = commit(NextStep::Batch { requests: 1 }, Vec::new());
    writer.commit(staged, commit).await.unwrap();
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a story: written, then read by foreign tools alone")]
async fn a_stranger_reads_a_snapshot_with_zstd_and_jq() {
    let root = tempfile::tempdir().unwrap();
    let seams = Seams {
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
    };
    let store = Store::open(root.path().join("data").to_str().unwrap(), seams).await.unwrap();
    let connection: ConnectionName = "acme/sales".parse().unwrap();
    let stranger = Stranger {
        script: script(root.path()),
        folder: root.path().join("data/acme/sales"),
    };
    let (actor, account): (_, ObjectName) = (Actor::host(), "Account".parse().unwrap());
    let contact: ObjectName = "Contact".parse().unwrap();
    let mut journal = Journal::open(&store, &connection).await.unwrap();
    let added = Event::ConnectionAdded {
        config: serde_json::json!({}),
        usage_limit: Percent::DEFAULT,
    };
    journal.append(&actor, added).await.unwrap();
    let request = ClaimRequest {
        connection: connection.clone(),
        purpose: "test".to_owned(),
        host: "here".to_owned(),
    };
    let mut claim = Claim::acquire(&store, &Scope::own(&connection), request).await.unwrap();
    let begin = |predecessor| Begin {
        predecessor,
        objects: Vec::new(),
        connector: Sha256::ZERO,
        warnings: Vec::new(),
    };
    let spending = claim.spending();

    // A full one, with what text can be awkward in: tabs, quotes, line separators, digits that no float has.
    let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &actor).unwrap();
    let mut writer = SnapshotWriter::begin(&mut claimed, begin(None), None, spending.clone())
        .await
        .unwrap();
    let mut staged = writer.stage();
    let rows = vec![
        row("1", 7, "{\"Id\":\"1\",\t\"n\":12345678901234567890.10}"),
        row("ä\t\"\\\n", 1, "{\"text\":\"a \\\"b\\\"\\n\\tc\u{2028}\\u0000\"}"),
        row("2", 5, "{\"Id\":\"2\",\"v\":\"older\"}"),
        row("3", 5, "{\"Id\":\"3\"}"),
        row("4", 5, "{\"Id\":\"4\"}"),
    ];
    staged.append(&account, rows).await.unwrap();
    staged.append(&contact, vec![row("c", 1, "{\"Id\":\"c\"}")]).await.unwrap();
    let notes = ["describe/Account", "mark"].map(|key| Note {
        key: key.to_owned(),
        body: b"{\"fields\":[\"Id\"],\"n\":1}".to_vec(),
    });
    staged.annotate(notes.to_vec()).await.unwrap();
    save(&mut staged, "Account/1/Photo/r1", "a picture").await;
    save(&mut staged, "Account/3/Photo/r1", "of one that goes").await;
    save(&mut staged, "work/page", "only for the job").await;
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    let gone = |key: &str| Tombstone {
        key: key.to_owned(),
        at: 9,
    };
    staged
        .append(&account, vec![row("2", 5, "{\"Id\":\"2\",\"v\":\"later\"}")])
        .await
        .unwrap();
    staged.bury(&account, vec![gone("4")]).await.unwrap();
    batch(&mut writer, staged).await;
    let keys = ["describe/Account", "mark", "none"];
    stranger.agrees(&writer.reader(), &keys).await;
    writer
        .commit(writer.stage(), commit(NextStep::Done, Vec::new()))
        .await
        .unwrap();
    let full = writer.id();
    writer.complete(&mut journal, &actor).await.unwrap();

    // Two incrementals: changed, gone, come back, read anew.
    let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &actor).unwrap();
    let mut writer = SnapshotWriter::begin(&mut claimed, begin(Some(full)), None, spending.clone())
        .await
        .unwrap();
    stranger.agrees(&writer.reader(), &keys).await;
    let mut staged = writer.stage();
    let rows = vec![
        row("2", 4, "{\"Id\":\"2\",\"v\":\"too old\"}"),
        row("1", 8, "{\"Id\":\"1\",\"n\":0.10}"),
    ];
    staged.append(&account, rows).await.unwrap();
    staged.bury(&account, vec![gone("3")]).await.unwrap();
    staged.replace_inherited(&contact);
    save(&mut staged, "Account/1/Photo/r2", "another picture").await;
    batch(&mut writer, staged).await;
    let mut staged = writer.stage();
    staged
        .append(&account, vec![row("4", 1, "{\"Id\":\"4\",\"v\":\"back\"}")])
        .await
        .unwrap();
    staged.append(&contact, vec![row("d", 1, "{\"Id\":\"d\"}")]).await.unwrap();
    let mark = Note {
        key: "mark".to_owned(),
        body: b"{\"n\":2}".to_vec(),
    };
    staged.annotate(vec![mark]).await.unwrap();
    let mut report = ObjectReport::new(account.clone());
    report.state = Some(ObjectState::Complete);
    writer.commit(staged, commit(NextStep::Done, vec![report])).await.unwrap();
    let incremental = writer.id();
    writer.complete(&mut journal, &actor).await.unwrap();

    let mut claimed = ClaimedJournal::new(&mut claim, &mut journal, &actor).unwrap();
    let writer = SnapshotWriter::begin(&mut claimed, begin(Some(incremental)), None, spending.clone())
        .await
        .unwrap();
    let last = writer.id();
    for id in [full, incremental, last] {
        let snapshot = Snapshot::open(&store, &connection, journal.state(), id).await.unwrap();
        stranger.agrees(&snapshot, &keys).await;
    }
    let text = stranger.reads(last, &["records", "Account"]);
    assert!(
        text.contains("\"n\":0.10") && text.contains("back") && !text.contains("\"3\""),
        "{text}"
    );
    assert_eq!(stranger.reads(last, &["records", "Contact"]), "{\"Id\":\"d\"}\n");
    assert_eq!(stranger.reads(last, &["note", "mark"]), "{\"n\":2}\n");
}
