//! Reading.

use super::fold::Fold;
use super::segment::Row;
use super::{SnapshotKind, SnapshotState};
use crate::backend::Store;
use crate::error::{Damage, StoreError};
use crate::journal::{JournalState, Standing};
use crate::names::{ConnectionName, ObjectName, SnapshotId};
use backup_seams::Timestamp;
use bytes::Bytes;
use futures::stream::BoxStream;

/// A snapshot in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Which.
    pub id: SnapshotId,
    /// Whether it is all there.
    pub state: SnapshotState,
    /// Where it stands, by the journal.
    pub standing: Standing,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// Records of all objects.
    pub records: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// Requests sent for it.
    pub calls: u64,
}

/// Some rows and where to go on; an empty cursor is the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows by key.
    pub rows: Vec<Row>,
    /// The next cursor.
    pub cursor: String,
}

/// What is committed of a snapshot, complete or not. Every segment's hash is checked when it is read; a damaged one is an error
/// that names it, and the others stay readable.
#[derive(Debug)]
pub struct Snapshot {}

impl Snapshot {
    /// Opens it as it is committed now.
    pub async fn open(
        store: &Store,
        connection: &ConnectionName,
        journal: &JournalState,
        id: SnapshotId,
    ) -> Result<Snapshot, StoreError> {
        let _ = (store, connection, journal, id);
        unimplemented!()
    }

    /// For a list.
    pub fn info(&self) -> SnapshotInfo {
        unimplemented!()
    }

    /// Objects, segments, blobs.
    pub fn fold(&self) -> &Fold {
        unimplemented!()
    }

    /// A damaged entry of its log, if there is one. What was committed before it is readable, what came after is not.
    pub fn damage(&self) -> Option<&Damage> {
        unimplemented!()
    }

    /// All rows of an object by key, merged.
    pub fn rows(&self, object: &ObjectName) -> BoxStream<'static, Result<Row, StoreError>> {
        let _ = object;
        unimplemented!()
    }

    /// At most `max` rows with keys after `cursor` (empty: from the first).
    pub async fn read(&mut self, object: &ObjectName, cursor: &str, max: u32) -> Result<Page, StoreError> {
        let _ = (object, cursor, max);
        unimplemented!()
    }

    /// The rows of these keys, in their order.
    pub async fn find(&self, object: &ObjectName, keys: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        let _ = (object, keys);
        unimplemented!()
    }

    /// A blob's content; its hash is checked at the end.
    pub async fn blob(&self, source_key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let _ = source_key;
        unimplemented!()
    }
}
