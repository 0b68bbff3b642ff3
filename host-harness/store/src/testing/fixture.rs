//! A small host for this crate's tests: one connection, and a backup of three batches that goes on where it stands.
#![allow(clippy::unwrap_used)]

use super::FaultyStore;
use crate::backend::{LeaseOnly, ProcessLocks};
use crate::journal::{Actor, Event, Journal, JournalState, Percent};
use crate::scope::{Claim, ClaimRequest};
use crate::snapshot::{
    Begin, ClaimedJournal, Commit, NextStep, ObjectReport, ObjectState, Snapshot, SnapshotWriter, Staged, Step,
};
use crate::spending::{Grant, GrantPurpose, Spending};
use crate::values::Values;
use crate::{ConnectionName, ObjectName, Scope, Seams, Sha256, SnapshotId, Store, StoreError};
use backup_contract::{Checkpoint, Row, Tombstone};
use backup_seams::{SeededRandomness, Timestamp, VirtualClock};
use bytes::Bytes;
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

pub const BATCHES: u64 = 3;

pub struct Fixture {
    pub backend: Arc<FaultyStore>,
    pub clock: Arc<VirtualClock>,
    pub locks: ProcessLocks,
    seams: Seams,
}

pub fn connection() -> ConnectionName {
    "acme/sales".parse().unwrap()
}

pub fn object() -> ObjectName {
    "Account".parse().unwrap()
}

pub fn scope() -> Scope {
    "00D000000000001".parse().unwrap()
}

pub fn actor() -> Actor {
    Actor("tester".to_owned())
}

pub fn row(key: &str, revision: u64, text: &str) -> Row {
    Row {
        key: key.to_owned(),
        revision,
        body: serde_json::json!({"Id": key, "text": text}).to_string().into(),
    }
}

pub fn commit(next: NextStep) -> Commit {
    Commit {
        step: Step::Batch,
        began_at: Timestamp(0),
        checkpoint: None,
        next,
        grant: None,
        spending: Spending::default(),
        objects: Vec::new(),
        warnings: Vec::new(),
        readings: Vec::new(),
        requests: 1,
        connector: Sha256::ZERO,
        journal_head: Sha256::ZERO,
    }
}

pub fn begin() -> Begin {
    Begin {
        predecessor: None,
        objects: Vec::new(),
        connector: Sha256::of(b"connector"),
        warnings: Vec::new(),
    }
}

/// A new snapshot, with what the claim knows as spent.
pub async fn begin_with(
    claim: &mut Claim,
    journal: &mut Journal,
    begin: Begin,
    grant: Option<Grant>,
) -> Result<SnapshotWriter, StoreError> {
    let spending = claim.spending();
    let actor = actor();
    let mut claimed = ClaimedJournal::new(claim, journal, &actor)?;
    SnapshotWriter::begin(&mut claimed, begin, grant, spending).await
}

/// The same of one that is there.
pub async fn resume(
    claim: &mut Claim,
    journal: &mut Journal,
    id: SnapshotId,
    grant: Option<Grant>,
) -> Result<SnapshotWriter, StoreError> {
    let spending = claim.spending();
    let actor = actor();
    let mut claimed = ClaimedJournal::new(claim, journal, &actor)?;
    SnapshotWriter::resume(&mut claimed, id, grant, spending).await
}

impl Fixture {
    pub fn new(seed: u64) -> Fixture {
        let clock = Arc::new(VirtualClock::new(Timestamp(1_790_000_000_000)));
        Fixture {
            backend: FaultyStore::new(),
            locks: ProcessLocks::default(),
            seams: Seams {
                clock: Arc::clone(&clock) as Arc<_>,
                randomness: Arc::new(SeededRandomness::new(seed)),
            },
            clock,
        }
    }

    pub fn seams(&self) -> &Seams {
        &self.seams
    }

    /// A host's view of the store.
    pub async fn store(&self) -> Result<Store, StoreError> {
        Store::with_backend(
            Arc::clone(&self.backend) as Arc<_>,
            Arc::new(self.locks.clone()),
            self.seams.clone(),
        )
        .await
    }

    /// The same where only leases tell a dead host from a slow one.
    pub async fn leased_store(&self) -> Store {
        Store::with_backend(Arc::clone(&self.backend) as Arc<_>, Arc::new(LeaseOnly), self.seams.clone())
            .await
            .unwrap()
    }

    pub async fn added(&self) -> (Store, Journal) {
        let store = self.store().await.unwrap();
        let mut journal = Journal::open(&store, &connection()).await.unwrap();
        add(&mut journal).await.unwrap();
        (store, journal)
    }
}

pub async fn add(journal: &mut Journal) -> Result<(), StoreError> {
    let added = Event::ConnectionAdded {
        config: serde_json::json!({"instance_url": "https://example.invalid"}),
        usage_limit: Percent::DEFAULT,
    };
    journal
        .append_with(&actor(), |state| (!state.exists()).then(|| added.clone()))
        .await
        .map(drop)
}

pub async fn claim(store: &Store) -> Result<Claim, StoreError> {
    let request = ClaimRequest {
        connection: connection(),
        purpose: "backup".to_owned(),
        host: "host-1".to_owned(),
    };
    Claim::acquire(store, &scope(), request).await
}

/// What batch `n` (from 0) reads: new records, one record again with a newer revision, one that is gone by the next batch.
pub async fn stage(n: u64, staged: &mut Staged) -> Result<(), StoreError> {
    let rows = vec![
        row(&format!("{n}-kept"), 1, "ä\u{2028}\"\\"),
        row(&format!("{n}-goes"), 1, "short-lived"),
        row("shared", 10 + n, &format!("as batch {n} read it")),
    ];
    staged.append(&object(), rows).await?;
    if n > 0 {
        let gone = Tombstone {
            key: format!("{}-goes", n - 1),
            at: n,
        };
        staged.bury(&object(), vec![gone]).await?;
    }
    let chunks = [Bytes::from(format!("body of {n}")), Bytes::from_static(b", whole")].map(Ok::<_, Infallible>);
    match staged.save_blob(&format!("file-{n}"), futures::stream::iter(chunks)).await {
        Ok(_) => Ok(()),
        Err(crate::snapshot::SaveError::Store(error)) => Err(error),
        Err(crate::snapshot::SaveError::Source(never)) => match never {},
    }
}

/// What is there after the first `batches` batches.
pub fn expected(batches: u64) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for n in 0..batches {
        rows.insert(format!("{n}-kept"), row(&format!("{n}-kept"), 1, "ä\u{2028}\"\\"));
        rows.insert(format!("{n}-goes"), row(&format!("{n}-goes"), 1, "short-lived"));
        rows.insert("shared".to_owned(), row("shared", 10 + n, &format!("as batch {n} read it")));
        if n > 0 {
            rows.remove(&format!("{}-goes", n - 1));
        }
    }
    rows
}

pub async fn rows_of(snapshot: &Snapshot) -> Result<BTreeMap<String, Row>, StoreError> {
    let rows: Vec<Row> = snapshot.rows(&object()).try_collect().await?;
    let count = rows.len();
    let map: BTreeMap<String, Row> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
    assert_eq!(map.len(), count, "each key once");
    Ok(map)
}

/// Runs the backup from where it stands to its end, as a host does that was started anew.
pub async fn run(fixture: &Fixture) -> Result<(), StoreError> {
    let store = fixture.store().await?;
    let mut journal = Journal::open(&store, &connection()).await?;
    add(&mut journal).await?;
    let known = |state: &JournalState| state.scope().is_none().then(|| Event::ScopeKnown { scope: scope() });
    journal.append_with(&actor(), known).await?;
    let mut claim = claim(&store).await?;
    let mut values = Values::open(&store, &connection()).await?;
    let runs = values.get("v1/runs").map_or(0, |runs| runs.len());
    values
        .put(&claim, vec![("v1/runs".to_owned(), Some(Bytes::from("x".repeat(runs + 1))))])
        .await?;
    let grant = || Some(Grant::new(5, GrantPurpose::Batch, fixture.seams()));
    let open = journal.state().open_snapshot().map(|open| open.id);
    let mut writer = match open {
        Some(id) => resume(&mut claim, &mut journal, id, grant()).await?,
        None if journal.state().latest_complete().is_some() => {
            let spending = claim.spending();
            return claim.release(spending).await;
        }
        None => begin_with(&mut claim, &mut journal, begin(), grant()).await?,
    };
    while !writer.fold().ended {
        let done = writer
            .checkpoint()
            .await?
            .map_or(0, |checkpoint| u64::from(checkpoint.data[0]));
        let mut staged = writer.stage();
        stage(done, &mut staged).await?;
        let last = done + 1 == BATCHES;
        let mut spending = claim.spending();
        spending.next_request_number += 1;
        let mut report = ObjectReport::new(object());
        report.state = last.then_some(ObjectState::Complete);
        let mut commit = commit(if last {
            NextStep::Done
        } else {
            NextStep::Batch { requests: 1 }
        });
        commit.checkpoint = Some(Checkpoint {
            state_version: 1,
            data: vec![u8::try_from(done).unwrap() + 1],
        });
        commit.grant = if last { None } else { grant() };
        commit.spending = spending;
        commit.objects = vec![report];
        commit.journal_head = journal.head().hash;
        writer.commit(staged, commit).await?;
    }
    writer.complete(&mut journal, &actor()).await?;
    let spending = claim.spending();
    claim.release(spending).await
}
