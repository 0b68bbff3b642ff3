//! A snapshot's log: what one entry says, and where the log lies.

use super::entry::{BlobRef, CheckpointRef, NextStep, ObjectReport, SegmentRef};
use super::inherited::Inherited;
use crate::backend::Store;
use crate::chain::{Chain, Entry};
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, Sha256, SnapshotId};
use crate::spending::{Grant, Spending};
use backup_contract::{Failure, Reading};
use backup_seams::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// The first of an epoch: keeps out whoever wrote before. No data.
    Fence,
    /// A planning step. No data.
    Plan,
    /// A batch.
    Batch,
    /// The last batch: nothing comes after it.
    End,
}

/// An entry's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Its kind.
    pub kind: EntryKind,
    /// When the step began.
    pub began_at: Timestamp,
    /// Head of the connection's journal when it was written.
    pub journal_head: Sha256,
    /// Digest of the connector.
    pub connector: Option<Sha256>,
    /// Requests that the step sent.
    pub requests: u64,
    /// What is spent, whole.
    pub spending: Spending,
    /// What the next step may send.
    pub grant: Option<Grant>,
    /// Where the job stands; `None`: as before.
    pub checkpoint: Option<CheckpointRef>,
    /// What comes next; `None` (a fence): as before.
    pub next: Option<NextStep>,
    /// What the snapshot inherits from its base. Comes before any data, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// Objects of which nothing that was inherited counts any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<ObjectName>,
    /// Reports on objects.
    pub objects: Vec<ObjectReport>,
    /// Reports of what hides data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Failure>,
    /// Readings that answers carried.
    pub readings: Vec<Reading>,
    /// Segments that the step added.
    pub segments: Vec<SegmentRef>,
    /// Keys of blobs that are no longer part of it. They go before `blobs` come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_blobs: Vec<String>,
    /// Blobs that the step added or reused.
    pub blobs: Vec<BlobRef>,
}

impl LogRecord {
    /// The first entry of an epoch, which carries nothing but what is spent.
    pub(super) fn fence(began_at: Timestamp, journal_head: Sha256, spending: Spending) -> LogRecord {
        LogRecord {
            kind: EntryKind::Fence,
            began_at,
            journal_head,
            connector: None,
            requests: 0,
            spending,
            grant: None,
            checkpoint: None,
            next: None,
            inherited: None,
            replaced: Vec::new(),
            objects: Vec::new(),
            warnings: Vec::new(),
            readings: Vec::new(),
            segments: Vec::new(),
            dropped_blobs: Vec::new(),
            blobs: Vec::new(),
        }
    }
}

/// The folder of a snapshot.
pub(crate) fn dir(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Path {
    store.connection_dir(connection).join("snapshots").join(id.to_string())
}

/// The folder of its log.
pub(crate) fn log_dir(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Path {
    dir(store, connection, id).join("log")
}

/// The newest entry of a log; `None` where it has none.
pub(crate) async fn last_entry(
    store: &Store,
    connection: &ConnectionName,
    id: SnapshotId,
) -> Result<Option<Entry<LogRecord>>, StoreError> {
    let (_, mut tail) = Chain::<LogRecord>::open_tail(store, log_dir(store, connection, id), |_| true).await?;
    Ok(tail.pop())
}
