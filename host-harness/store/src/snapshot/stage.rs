//! A batch's data before its commit. Nothing of it is visible, and dropping it discards it: what was written out is garbage that
//! gc collects.

use super::blob;
use super::entry::{BlobRef, SegmentRef};
use super::fold::Fold;
use super::merge::segment_path;
use super::rollup;
use super::segment::{self, Built, Row, Tombstone};
use crate::backend::Store;
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, SnapshotId};
use crate::scope::ClaimState;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Rows that are held in memory, all objects together.
const MAX_STAGED: usize = 32 << 20;
/// Objects that are written at once.
pub(super) const WRITES_AT_ONCE: usize = 8;
/// Longest source key of a blob, in bytes.
const MAX_SOURCE_KEY: usize = 1024;

/// Why a blob was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError<E> {
    /// Its stream failed.
    #[error("{0}")]
    Source(E),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a writer and the data staged for it share.
#[derive(Debug)]
pub(super) struct Shared {
    pub store: Store,
    pub connection: ConnectionName,
    pub dir: Path,
    pub claim: Arc<ClaimState>,
    /// Snapshots whose blobs may be used again, newest first.
    pub earlier: Vec<SnapshotId>,
    pub earlier_blobs: OnceCell<HashMap<String, BlobRef>>,
}

impl Shared {
    /// Blobs of earlier snapshots, read when first asked for.
    async fn earlier_blob(&self, source_key: &str) -> Result<Option<&BlobRef>, StoreError> {
        let read = || async {
            let mut blobs = HashMap::new();
            for id in &self.earlier {
                // Of a damaged log the good part counts: a blob that it names is there.
                let loaded = rollup::load(&self.store, &self.connection, *id).await?;
                for (key, blob) in loaded.fold.blobs {
                    blobs.entry(key).or_insert(blob);
                }
            }
            Ok::<_, StoreError>(blobs)
        };
        Ok(self.earlier_blobs.get_or_try_init(read).await?.get(source_key))
    }
}

#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Row>,
    bytes: usize,
}

/// Data for one batch. Belongs to the writer that made it, and to that batch.
#[derive(Debug)]
pub struct Staged {
    shared: Arc<Shared>,
    committed: Arc<Fold>,
    rows: BTreeMap<ObjectName, Rows>,
    bytes: usize,
    appended: u64,
    tombstones: BTreeMap<ObjectName, Vec<Tombstone>>,
    written: Vec<SegmentRef>,
    blobs: BTreeMap<String, BlobRef>,
}

impl Staged {
    pub(super) fn new(shared: Arc<Shared>, committed: Arc<Fold>) -> Staged {
        Staged {
            shared,
            committed,
            rows: BTreeMap::new(),
            bytes: 0,
            appended: 0,
            tombstones: BTreeMap::new(),
            written: Vec::new(),
            blobs: BTreeMap::new(),
        }
    }

    /// Stages rows. Memory stays bounded: where all staged rows pass 32 MiB, those of the largest object are written out.
    pub async fn append(&mut self, object: &ObjectName, rows: Vec<Row>) -> Result<(), StoreError> {
        // All or none: a row that can't be stored leaves what was staged as it was.
        rows.iter().try_for_each(|row| row.check(object))?;
        let bytes: usize = rows.iter().map(Row::staged_bytes).sum();
        self.appended += rows.len() as u64;
        self.bytes += bytes;
        let staged = self.rows.entry(object.clone()).or_default();
        staged.rows.extend(rows);
        staged.bytes += bytes;
        while self.bytes > MAX_STAGED
            && let Some(largest) = self
                .rows
                .iter()
                .max_by_key(|(_, staged)| staged.bytes)
                .map(|(object, _)| object.clone())
            && let Some(staged) = self.rows.remove(&largest)
        {
            self.bytes -= staged.bytes;
            for built in segment::build(&largest, staged.rows)? {
                self.written.push(write(&self.shared, built).await?);
            }
        }
        Ok(())
    }

    /// Stages deletions. A tombstone hides every row of its key committed in the same or an earlier batch.
    pub async fn bury(&mut self, object: &ObjectName, rows: Vec<Tombstone>) -> Result<(), StoreError> {
        rows.iter()
            .try_for_each(|tombstone| segment::check_key(object, &tombstone.key))?;
        self.tombstones.entry(object.clone()).or_default().extend(rows);
        Ok(())
    }

    /// Writes a stream to a blob; its length in bytes.
    pub async fn save_blob<E>(
        &mut self,
        source_key: &str,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, SaveError<E>> {
        check_source_key(source_key)?;
        let shared = &self.shared;
        let blob = blob::save(&shared.store, &shared.dir, &shared.claim, source_key, content).await?;
        let length = blob.length;
        self.blobs.insert(source_key.to_owned(), blob);
        Ok(length)
    }

    /// Length of the blob of this source key where this or an earlier snapshot of the connection holds it; it then belongs to
    /// this batch too.
    pub async fn reuse_blob(&mut self, source_key: &str) -> Result<Option<u64>, StoreError> {
        if let Some(blob) = self.own_blob(source_key) {
            return Ok(Some(blob.length));
        }
        let Some(blob) = self.shared.earlier_blob(source_key).await? else {
            return Ok(None);
        };
        let (length, blob) = (blob.length, blob.clone());
        self.blobs.insert(source_key.to_owned(), blob);
        Ok(Some(length))
    }

    /// At most `max` bytes of a staged or committed blob from `offset`; empty at the end.
    pub async fn read_blob(&mut self, source_key: &str, offset: u64, max: u32) -> Result<Bytes, StoreError> {
        let Some(blob) = self.own_blob(source_key) else {
            return Err(StoreError::NotFound(format!("blob \"{source_key}\"")));
        };
        blob::part(&self.shared.store, &self.shared.dir, blob, offset, max).await
    }

    /// Rows appended so far.
    pub fn rows(&self) -> u64 {
        self.appended
    }

    #[cfg(test)]
    pub(super) fn staged_bytes(&self) -> usize {
        self.bytes
    }

    fn own_blob(&self, source_key: &str) -> Option<&BlobRef> {
        self.blobs.get(source_key).or_else(|| self.committed.blobs.get(source_key))
    }

    /// Writes what is still in memory, and names all that the batch consists of.
    pub(super) async fn write_out(self) -> Result<(Vec<SegmentRef>, Vec<BlobRef>), StoreError> {
        let rows = self
            .rows
            .into_iter()
            .map(|(object, staged)| segment::build(&object, staged.rows));
        let tombstones = self
            .tombstones
            .into_iter()
            .map(|(object, buried)| segment::build_tombstones(&object, buried));
        // Compressed as they are due, not all beforehand; at most eight are on their way.
        let built = futures::stream::iter(rows.chain(tombstones)).flat_map(|built| {
            let built: Vec<_> = built.map_or_else(|error| vec![Err(error)], |built| built.into_iter().map(Ok).collect());
            futures::stream::iter(built)
        });
        let shared = &self.shared;
        let mut segments = self.written;
        let rest: Vec<SegmentRef> = built
            .map(|built| async move { write(shared, built?).await })
            .buffered(WRITES_AT_ONCE)
            .try_collect()
            .await?;
        segments.extend(rest);
        Ok((segments, self.blobs.into_values().collect()))
    }

    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }
}

async fn write(shared: &Shared, built: Built) -> Result<SegmentRef, StoreError> {
    let mut reference = built.reference;
    let path = |name: &str| {
        let mut named = reference.clone();
        name.clone_into(&mut named.name);
        segment_path(&shared.dir, &named)
    };
    reference.name = blob::create(&shared.store, path, &shared.claim, built.bytes).await?;
    Ok(reference)
}

fn check_source_key(source_key: &str) -> Result<(), StoreError> {
    if (1..=MAX_SOURCE_KEY).contains(&source_key.len()) {
        return Ok(());
    }
    Err(StoreError::BadRow {
        what: "a blob".to_owned(),
        why: format!(
            "its source key has {} bytes; 1 to {MAX_SOURCE_KEY} are allowed",
            source_key.len()
        ),
    })
}
