//! A host whose steps a test writes itself: one connection under one claim.
#![allow(clippy::unwrap_used)]

use crate::error::StoreError;
use crate::journal::{Event, Journal};
use crate::names::SnapshotId;
use crate::scope::Claim;
use crate::snapshot::{Begin, NextStep, ObjectReport, ObjectState, Snapshot, SnapshotWriter, Staged};
use crate::testing::fixture::{Fixture, actor, begin, begin_with, claim, commit, connection, object, resume};
use crate::verify::{gc, verify};
use crate::{ObjectName, Store};
use bytes::Bytes;
use futures::TryStreamExt;
use std::convert::Infallible;

pub struct Host {
    pub fixture: Fixture,
    pub store: Store,
    pub journal: Journal,
    pub claim: Claim,
}

impl Host {
    pub async fn new(seed: u64) -> Host {
        let fixture = Fixture::new(seed);
        let (store, journal) = fixture.added().await;
        let claim = claim(&store).await.unwrap();
        Host {
            fixture,
            store,
            journal,
            claim,
        }
    }

    /// The host dies and is started anew.
    pub async fn restart(mut self) -> Host {
        drop(self.claim);
        self.claim = claim(&self.store).await.unwrap();
        self.journal.refresh().await.unwrap();
        self
    }

    pub async fn begin(&mut self, predecessor: Option<SnapshotId>) -> Result<SnapshotWriter, StoreError> {
        let begin = Begin { predecessor, ..begin() };
        self.begin_with(begin).await
    }

    pub async fn begin_with(&mut self, begin: Begin) -> Result<SnapshotWriter, StoreError> {
        // So that ids and windows tell snapshots apart.
        self.fixture.clock.advance(std::time::Duration::from_secs(60));
        begin_with(&mut self.claim, &mut self.journal, begin, None).await
    }

    pub async fn resume(&mut self, id: SnapshotId) -> Result<SnapshotWriter, StoreError> {
        resume(&mut self.claim, &mut self.journal, id, None).await
    }

    /// Commits the last batch: the object is complete, and so is the snapshot.
    pub async fn end(&mut self, mut writer: SnapshotWriter, staged: Staged) -> Result<SnapshotId, StoreError> {
        let id = writer.id();
        let mut last = commit(NextStep::Done);
        last.objects = vec![complete(&object())];
        writer.commit(staged, last).await?;
        writer.complete(&mut self.journal, &actor()).await?;
        Ok(id)
    }

    pub async fn open(&self, id: SnapshotId) -> Snapshot {
        Snapshot::open(&self.store, &connection(), self.journal.state(), id)
            .await
            .unwrap()
    }

    /// Gives a snapshot up, and collects what nothing refers to.
    pub async fn prune(&mut self, id: SnapshotId) {
        let pruned = Event::SnapshotPruned { snapshot: id };
        self.journal.append(&actor(), pruned).await.unwrap();
        self.collect().await;
    }

    /// Collects as a later epoch does: what this one wrote is old then.
    pub async fn collect(&mut self) {
        let spending = self.claim.spending();
        self.claim.release(spending).await.unwrap();
        self.claim = claim(&self.store).await.unwrap();
        gc(&mut self.claim, &mut self.journal, &actor()).await.unwrap();
        assert_eq!(verify(&self.store, &connection()).await.unwrap().damages, []);
    }

    pub async fn stored(&self, folder: &str) -> usize {
        let stored = self.fixture.backend.paths().await;
        stored.iter().filter(|path| path.as_ref().contains(folder)).count()
    }
}

pub async fn batch(writer: &mut SnapshotWriter, staged: Staged) {
    writer.commit(staged, commit(NextStep::Batch { requests: 1 })).await.unwrap();
}

pub fn complete(object: &ObjectName) -> ObjectReport {
    let mut report = ObjectReport::new(object.clone());
    report.state = Some(ObjectState::Complete);
    report
}

pub async fn save(staged: &mut Staged, key: &str, content: &str) {
    let content = Ok::<_, Infallible>(Bytes::copy_from_slice(content.as_bytes()));
    staged.save_blob(key, futures::stream::iter([content])).await.unwrap();
}

pub async fn blob_of(snapshot: &Snapshot, key: &str) -> String {
    let chunks: Vec<Bytes> = snapshot
        .blob(key)
        .unwrap()
        .stream()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}
