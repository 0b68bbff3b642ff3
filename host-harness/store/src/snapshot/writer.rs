//! The one writer of a snapshot's log.
//!
//! The order keeps the promise: data objects first, then the checkpoint, then one entry. Until the entry is durable nothing of a
//! batch exists; once it is, all of it does.

use super::checkpoint::{read_checkpoint, write_checkpoint};
use super::claimed_journal::ClaimedJournal;
use super::entry::{Commit, NextStep, Step};
use super::fold::Fold;
use super::inherited::Inherited;
use super::log::{EntryKind, LogRecord, log_dir};
use super::reader::Snapshot;
use super::rollup::{self, cut_log};
use super::stage::{Staged, WriterShared, WrittenBatch};
use crate::chain::{Chain, Head};
use crate::error::StoreError;
use crate::journal::{Actor, Event, Journal, JournalState, Paused, SnapshotKind, SnapshotRecord, SnapshotStanding};
use crate::names::{ObjectName, Sha256, SnapshotId};
use crate::scope::Claim;
use crate::spending::{Grant, Spending};
use backup_contract::{Checkpoint, Failure};
use std::sync::Arc;

/// What a snapshot is begun with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The base of an incremental snapshot, whose job has ended; `None`: a full one.
    pub predecessor: Option<SnapshotId>,
    /// Objects asked for; empty: all.
    pub objects: Vec<ObjectName>,
    /// Digest of the connector.
    pub connector: Sha256,
    /// What the host itself warns of.
    pub warnings: Vec<Failure>,
}

/// A commit that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The log's new head.
    pub head: Head,
    /// Whether the log has ended: call [`SnapshotWriter::complete`].
    pub ended: bool,
}

/// Writes a snapshot under a claim. After an error that leaves open what was written it refuses to continue: resume anew, which
/// finds out.
#[derive(Debug)]
pub struct SnapshotWriter {
    shared: Arc<WriterShared>,
    record: SnapshotRecord,
    chain: Chain<LogRecord>,
    fold: Arc<Fold>,
    unknown: bool,
}

impl Begin {
    fn kind(&self) -> SnapshotKind {
        match self.predecessor {
            Some(_) => SnapshotKind::Incremental,
            None => SnapshotKind::Full,
        }
    }
}

impl SnapshotWriter {
    /// Begins a snapshot: journal, scope's journal, then the log's first entry (a fence), which carries the first grant, what is
    /// spent, and what is inherited from a predecessor. One that was open is closed as superseded and stays readable.
    pub async fn begin(
        claimed: &mut ClaimedJournal<'_>,
        begin: Begin,
        grant: Option<Grant>,
        spending: Spending,
    ) -> Result<SnapshotWriter, StoreError> {
        let ClaimedJournal { claim, journal, actor } = claimed;
        journal.refresh().await?;
        if let Some(predecessor) = begin.predecessor {
            complete(journal.state(), predecessor)?;
        }
        let seams = claim.store().seams();
        let id = SnapshotId::generate(&*seams.clock, &*seams.randomness);
        let supersede = |state: &JournalState| {
            state
                .open_snapshot()
                .map(|open| Event::SnapshotSuperseded { snapshot: open.id })
        };
        journal.append_with(actor, supersede).await?;
        let begun = Event::SnapshotBegun {
            snapshot: id,
            kind: begin.kind(),
            predecessor: begin.predecessor,
            objects: begin.objects,
            connector: begin.connector,
        };
        journal.append(actor, begun).await?;
        let fence = Fence {
            warnings: begin.warnings,
            ..Fence::new(grant, spending)
        };
        SnapshotWriter::open(claimed, id, fence).await
    }

    /// Continues a snapshot: journals that where it was paused, and fences out whoever wrote before; the fence carries the first
    /// grant and what is spent. Where the log has ended already nothing is fenced, and only [`SnapshotWriter::complete`] is left
    /// to do.
    pub async fn resume(
        claimed: &mut ClaimedJournal<'_>,
        snapshot: SnapshotId,
        grant: Option<Grant>,
        spending: Spending,
    ) -> Result<SnapshotWriter, StoreError> {
        claimed.journal.refresh().await?;
        let record = record_of(claimed.journal.state(), snapshot)?;
        if !record.standing.may_go_on() {
            return Err(StoreError::State(format!("snapshot {snapshot} is closed; begin a new one")));
        }
        let writer = SnapshotWriter::open(claimed, snapshot, Fence::new(grant, spending)).await?;
        let resumed = |state: &JournalState| {
            let open = state
                .snapshot(snapshot)
                .is_some_and(|record| record.standing == SnapshotStanding::Open);
            (!open).then_some(Event::SnapshotResumed { snapshot })
        };
        claimed.journal.append_with(claimed.actor, resumed).await?;
        Ok(writer)
    }

    async fn open(claimed: &mut ClaimedJournal<'_>, id: SnapshotId, fence: Fence) -> Result<SnapshotWriter, StoreError> {
        let ClaimedJournal { claim, journal, .. } = claimed;
        let record = record_of(journal.state(), id)?;
        let earlier = match record.kind {
            SnapshotKind::Full => back_to_the_last_complete(journal.state(), id),
            SnapshotKind::Incremental => Vec::new(),
        };
        let (chain, fold) = open_log(claim, journal, record, fence).await?;
        let shared = WriterShared {
            store: claim.store().clone(),
            connection: claim.connection().clone(),
            dir: claim.store().connection_dir(claim.connection()),
            epoch: Arc::clone(claim.shared_epoch()),
            id,
            base: fold.base,
            earlier,
            earlier_blobs: tokio::sync::OnceCell::new(),
            predecessor: tokio::sync::OnceCell::new(),
        };
        Ok(SnapshotWriter {
            shared: Arc::new(shared),
            record: record.clone(),
            chain,
            fold: Arc::new(fold),
            unknown: false,
        })
    }

    /// Which snapshot.
    pub fn id(&self) -> SnapshotId {
        self.record.id
    }

    /// Full or incremental.
    pub fn kind(&self) -> SnapshotKind {
        self.record.kind
    }

    /// A reader of an incremental snapshot's base, as it was inherited; `None`: it is full.
    pub async fn predecessor(&self) -> Result<Option<Snapshot>, StoreError> {
        let fold = self.shared.predecessor().await?;
        let WriterShared { store, connection, .. } = &*self.shared;
        Ok(fold.map(|fold| Snapshot::of(store, connection, self.record.clone(), Arc::clone(fold), None)))
    }

    /// What is committed: next step, objects, requests.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Where the job stands; `None` while planning isn't ready.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        match self.fold.checkpoint {
            Some(reference) => read_checkpoint(&self.shared.store, &self.shared.dir, reference)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Room for the next batch's data. Independent of the writer, so that it can be given to the sandbox.
    pub fn stage(&self) -> Staged {
        Staged::new(Arc::clone(&self.shared), Arc::clone(&self.fold))
    }

    /// Makes all of a step durable as one entry: data first, then the entry. On an error nothing of it is visible; after
    /// `Unsettled` that is not known yet, and after `Lost` another host goes on.
    pub async fn commit(&mut self, staged: Staged, commit: Commit) -> Result<Committed, StoreError> {
        self.may_commit(&staged)?;
        let mut staged = staged;
        let ended = commit.next == NextStep::Done;
        if ended {
            staged.end_work();
        }
        let WrittenBatch {
            segments,
            blobs,
            dropped_blobs,
            replaced,
        } = staged.write_out().await?;
        let checkpoint = match commit.checkpoint {
            Some(checkpoint) => {
                let WriterShared { store, dir, .. } = &*self.shared;
                Some(write_checkpoint(store, dir, checkpoint).await?)
            }
            None => None,
        };
        // Writing may have taken long.
        if !self.shared.epoch.still_held() {
            return Err(lease_over());
        }
        let kind = match commit.step {
            _ if ended => EntryKind::End,
            Step::Plan => EntryKind::Plan,
            Step::Batch => EntryKind::Batch,
        };
        let spending = self.shared.epoch.next_version(commit.spending);
        let record = LogRecord {
            kind,
            began_at: commit.began_at,
            journal_head: commit.journal_head,
            connector: Some(commit.connector),
            requests: commit.requests,
            spending: spending.clone(),
            grant: commit.grant,
            checkpoint,
            next: Some(commit.next),
            inherited: None,
            replaced,
            objects: commit.objects,
            warnings: commit.warnings,
            readings: commit.readings,
            segments,
            dropped_blobs,
            blobs,
        };
        let entry = match self.chain.append_exclusive(self.shared.epoch.number(), record).await {
            Ok(entry) => entry,
            Err(error) => {
                // Only a full store tells that the entry is provably not there.
                self.unknown = !matches!(error, StoreError::Full { .. } | StoreError::BadRow { .. });
                return Err(error);
            }
        };
        self.shared.epoch.committed(entry.at, spending);
        Arc::make_mut(&mut self.fold).fold(&entry);
        if ended || entry.seq % rollup::EVERY == 0 {
            rollup::write(&self.shared.store, &self.shared.connection, self.record.id, &self.fold).await;
        }
        Ok(Committed {
            head: entry.head(),
            ended,
        })
    }

    /// Journals a pause. The partial snapshot stands.
    pub async fn pause(&mut self, journal: &mut Journal, actor: &Actor, pause: Paused) -> Result<(), StoreError> {
        let paused = Event::SnapshotPaused {
            snapshot: self.record.id,
            pause,
            log_head: self.fold.head.hash,
        };
        journal.append(actor, paused).await.map(drop)
    }

    /// Journals that its job has ended: complete, or incomplete where something failed. The log has to have ended.
    pub async fn complete(self, journal: &mut Journal, actor: &Actor) -> Result<(), StoreError> {
        let id = self.record.id;
        if !self.fold.ended {
            return Err(StoreError::State(format!(
                "snapshot {id} can not be complete: its log has not ended"
            )));
        }
        let (log_head, incomplete) = (self.fold.head.hash, self.fold.has_failed());
        let completed = |state: &JournalState| {
            let complete = state
                .snapshot(id)
                .is_some_and(|record| matches!(record.standing, SnapshotStanding::Complete { .. }));
            (!complete).then_some(Event::SnapshotCompleted {
                snapshot: id,
                log_head,
                incomplete,
            })
        };
        journal.append_with(actor, completed).await.map(drop)
    }

    /// A reader of what is committed now.
    pub fn reader(&self) -> Snapshot {
        Snapshot::of(
            &self.shared.store,
            &self.shared.connection,
            self.record.clone(),
            Arc::clone(&self.fold),
            None,
        )
    }

    fn may_commit(&self, staged: &Staged) -> Result<(), StoreError> {
        let state = |why: &str| Err(StoreError::State(format!("snapshot {}: {why}", self.record.id)));
        if self.unknown {
            return state("it is not known what the last commit wrote; resume it anew");
        }
        if self.fold.ended {
            return state("its log has ended");
        }
        if !staged.belongs_to(&self.shared) {
            return state("the data was staged for another writer");
        }
        if self.shared.epoch.still_held() {
            Ok(())
        } else {
            Err(lease_over())
        }
    }
}

fn lease_over() -> StoreError {
    StoreError::Lost {
        what: "the lease has run out".to_owned(),
    }
}

fn record_of(state: &JournalState, id: SnapshotId) -> Result<&SnapshotRecord, StoreError> {
    state
        .snapshot(id)
        .ok_or_else(|| StoreError::NotFound(format!("snapshot {id}")))
}

/// A full snapshot may use again what was read since the last one that has everything.
fn back_to_the_last_complete(state: &JournalState, id: SnapshotId) -> Vec<SnapshotId> {
    let mut earlier = Vec::new();
    for other in state.snapshots().iter().rev() {
        if other.id == id || other.standing == SnapshotStanding::Pruned {
            continue;
        }
        earlier.push(other.id);
        if matches!(other.standing, SnapshotStanding::Complete { .. }) && other.objects.is_empty() {
            break;
        }
    }
    earlier
}

/// A snapshot that may be a base, and the head of its log.
fn complete(state: &JournalState, id: SnapshotId) -> Result<Sha256, StoreError> {
    match state.snapshot(id).map(|record| &record.standing) {
        Some(SnapshotStanding::Complete { log_head, .. }) => Ok(*log_head),
        Some(_) => Err(StoreError::State(format!(
            "nothing can go on from snapshot {id}, which is not complete or was given up; begin a new one with `backup --full`"
        ))),
        None => Err(StoreError::NotFound(format!("snapshot {id}"))),
    }
}

/// What a fence carries besides keeping out whoever wrote before.
struct Fence {
    grant: Option<Grant>,
    spending: Spending,
    warnings: Vec<Failure>,
    inherited: Option<Inherited>,
}

impl Fence {
    fn new(grant: Option<Grant>, spending: Spending) -> Fence {
        Fence {
            grant,
            spending,
            warnings: Vec::new(),
            inherited: None,
        }
    }
}

/// Opens a snapshot's log for this epoch alone. The first time, what is inherited from the predecessor is listed in it.
async fn open_log(
    claim: &mut Claim,
    journal: &Journal,
    record: &SnapshotRecord,
    mut fence: Fence,
) -> Result<(Chain<LogRecord>, Fold), StoreError> {
    let (store, connection) = (claim.store().clone(), claim.connection().clone());
    let (chain, fold) = rollup::load_strictly(&store, &connection, record.id).await?;
    fence.inherited = match record.predecessor {
        Some(predecessor) if fold.base.is_none() => {
            let log_head = complete(journal.state(), predecessor)?;
            let (_, past) = rollup::load_strictly(&store, &connection, predecessor).await?;
            if past.head.hash != log_head {
                return Err(cut_log(&log_dir(&store, &connection, predecessor)).into());
            }
            Some(Inherited::of(predecessor, &past, &record.objects))
        }
        _ => None,
    };
    fence_log(claim, journal, record.id, (chain, fold), fence).await
}

/// Opens a log for this epoch alone: whoever wrote it before loses the next entry. A log that has ended needs no fence.
pub(crate) async fn fence(claim: &mut Claim, journal: &Journal, id: SnapshotId) -> Result<(), StoreError> {
    let loaded = rollup::load_strictly(claim.store(), claim.connection(), id).await?;
    let fence = Fence::new(None, claim.spending());
    fence_log(claim, journal, id, loaded, fence).await.map(drop)
}

async fn fence_log(
    claim: &mut Claim,
    journal: &Journal,
    id: SnapshotId,
    (mut chain, mut fold): (Chain<LogRecord>, Fold),
    fence: Fence,
) -> Result<(Chain<LogRecord>, Fold), StoreError> {
    if fold.ended {
        return Ok((chain, fold));
    }
    claim.writing(id).await?;
    let spending = claim.shared_epoch().next_version(fence.spending);
    let record = LogRecord {
        grant: fence.grant,
        inherited: fence.inherited,
        warnings: fence.warnings,
        ..LogRecord::fence(claim.store().clock().now(), journal.head().hash, spending.clone())
    };
    let entry = chain.append_exclusive(claim.epoch(), record).await?;
    claim.shared_epoch().committed(entry.at, spending);
    fold.fold(&entry);
    tracing::debug!(log = %log_dir(claim.store(), claim.connection(), id), epoch = claim.epoch(), "fenced");
    Ok((chain, fold))
}
