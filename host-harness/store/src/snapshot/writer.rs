//! Writing.

use super::entry::{Checkpoint, Commit};
use super::fold::Fold;
use super::reader::Snapshot;
use super::stage::Staged;
use super::{SnapshotKind, SnapshotState};
use crate::chain::Head;
use crate::error::StoreError;
use crate::journal::{Actor, Journal, Paused};
use crate::names::{ObjectName, Sha256, SnapshotId};
use crate::scope::{Claim, Grant, Spending};

/// What a snapshot is begun with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// Objects asked for; empty: all.
    pub objects: Vec<ObjectName>,
    /// Digest of the connector.
    pub connector: Sha256,
}

/// A commit that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The log's new head.
    pub head: Head,
    /// Whether the log has ended: call [`SnapshotWriter::complete`].
    pub ended: bool,
}

/// The one writer of a snapshot's log, under a claim. After an error it refuses to go on: resume anew, which finds out what was
/// written.
#[derive(Debug)]
pub struct SnapshotWriter {}

impl SnapshotWriter {
    /// Begins a snapshot: journal, scope's journal, then the log's first entry (a fence), which carries the first grant.
    pub async fn begin(
        claim: &mut Claim,
        journal: &mut Journal,
        actor: &Actor,
        begin: Begin,
        grant: Option<Grant>,
        spending: Spending,
    ) -> Result<SnapshotWriter, StoreError> {
        let _ = (claim, journal, actor, begin, grant, spending);
        unimplemented!()
    }

    /// Goes on with a snapshot: journals that where it was paused, and fences out whoever wrote before; the fence carries the
    /// first grant. Where the log has ended already only [`SnapshotWriter::complete`] is left to do.
    pub async fn resume(
        claim: &mut Claim,
        journal: &mut Journal,
        actor: &Actor,
        snapshot: SnapshotId,
        grant: Option<Grant>,
        spending: Spending,
    ) -> Result<SnapshotWriter, StoreError> {
        let _ = (claim, journal, actor, snapshot, grant, spending);
        unimplemented!()
    }

    /// Which snapshot.
    pub fn id(&self) -> SnapshotId {
        unimplemented!()
    }

    /// What is committed: next step, objects, requests.
    pub fn fold(&self) -> &Fold {
        unimplemented!()
    }

    /// Where the job stands; `None` while planning isn't ready.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        unimplemented!()
    }

    /// Room for the next batch's data. Independent of the writer, so that it can be given to the sandbox.
    pub fn stage(&self) -> Staged {
        unimplemented!()
    }

    /// Makes all of a step durable as one entry: data first, then the entry. On an error nothing of it is visible, but for
    /// `Unsettled`, where that is not known yet.
    pub async fn commit(&mut self, staged: Staged, commit: Commit) -> Result<Committed, StoreError> {
        let _ = (staged, commit);
        unimplemented!()
    }

    /// Journals a pause.
    pub async fn pause(&mut self, journal: &mut Journal, actor: &Actor, pause: Paused) -> Result<(), StoreError> {
        let _ = (journal, actor, pause);
        unimplemented!()
    }

    /// Journals that it is complete. The log has to have ended.
    pub async fn complete(self, journal: &mut Journal, actor: &Actor) -> Result<(), StoreError> {
        let _ = (journal, actor);
        unimplemented!()
    }

    /// A reader of what is committed now.
    pub fn reader(&self) -> Snapshot {
        let _ = SnapshotState::Partial;
        unimplemented!()
    }
}
