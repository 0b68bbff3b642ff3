//! A batch's data before its commit. Nothing of it is visible, and dropping it discards it: what was written out is garbage that
//! gc collects.

use super::blob::{self, SaveError, StoredBlob};
use super::entry::{BlobRef, SegmentRef};
use super::fold::Fold;
use super::inherit::inherited_of;
use super::inherited::BaseRef;
use super::merge::segment_path;
use super::rollup;
use super::segment::{self, Built};
use super::source_key::{self, SourceKey};
use crate::backend::Store;
use crate::epoch::Epoch;
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, SnapshotId};
use backup_contract::{Note, Row, Tombstone};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Rows and notes that are held in memory, all together.
const MAX_STAGED: usize = 32 << 20;
/// Objects that are written at once.
pub(super) const WRITES_AT_ONCE: usize = 8;
/// Longest source key of a blob, in bytes.
const MAX_SOURCE_KEY: usize = 1024;

/// What a writer and the data staged for it share.
#[derive(Debug)]
pub(super) struct WriterShared {
    pub store: Store,
    pub connection: ConnectionName,
    pub dir: Path,
    pub epoch: Arc<Epoch>,
    /// The snapshot that is written.
    pub id: SnapshotId,
    /// What an incremental one continues from.
    pub base: Option<BaseRef>,
    /// For a full one: snapshots whose blobs may be used again, newest first.
    pub earlier: Vec<SnapshotId>,
    pub earlier_blobs: OnceCell<BlobIndex>,
    /// The base, as the snapshot inherited it.
    pub predecessor: OnceCell<Arc<Fold>>,
}

/// Blobs to be found by what they hold.
#[derive(Debug, Default)]
pub(super) struct BlobIndex {
    by_key: HashMap<String, BlobRef>,
    /// Source keys by checksum.
    by_checksum: HashMap<String, String>,
}

impl BlobIndex {
    fn of<'a>(blobs: impl Iterator<Item = &'a BlobRef>) -> BlobIndex {
        let mut known = BlobIndex::default();
        blobs.for_each(|blob| known.add(blob));
        known
    }

    /// What is known already stays.
    fn add(&mut self, blob: &BlobRef) {
        if let Some(checksum) = source_key::checksum(&blob.key) {
            self.by_checksum
                .entry(checksum.to_owned())
                .or_insert_with(|| blob.key.clone());
        }
        self.by_key.entry(blob.key.clone()).or_insert_with(|| blob.clone());
    }

    /// By its key, else by its content.
    fn find(&self, source_key: &str) -> Option<&BlobRef> {
        self.by_key.get(source_key).or_else(|| self.same_content(source_key))
    }

    fn same_content(&self, source_key: &str) -> Option<&BlobRef> {
        self.by_key.get(self.by_checksum.get(source_key::checksum(source_key)?)?)
    }
}

impl WriterShared {
    /// The base, as the snapshot inherited it, whatever has become of it since.
    pub async fn predecessor(&self) -> Result<Option<&Arc<Fold>>, StoreError> {
        let Some(base) = self.base else { return Ok(None) };
        let read = || async { inherited_of(&self.store, &self.connection, self.id, base).await.map(Arc::new) };
        self.predecessor.get_or_try_init(read).await.map(Some)
    }

    /// Blobs of earlier snapshots, read when first asked for.
    async fn earlier_blob(&self, source_key: &str) -> Result<Option<&BlobRef>, StoreError> {
        let read = || async {
            let mut blobs = BlobIndex::default();
            if let Some(predecessor) = self.predecessor().await? {
                predecessor.blobs.values().for_each(|blob| blobs.add(blob));
            }
            for id in &self.earlier {
                // Of a damaged log the good part counts: a blob that it names is there.
                let loaded = rollup::load(&self.store, &self.connection, *id).await?;
                loaded.fold.blobs.values().for_each(|blob| blobs.add(blob));
            }
            Ok::<_, StoreError>(blobs)
        };
        Ok(self.earlier_blobs.get_or_try_init(read).await?.find(source_key))
    }
}

#[derive(Debug, Default)]
struct StagedRows {
    rows: Vec<Row>,
    bytes: usize,
}

/// Data for one batch. Belongs to the writer that made it, and to that batch.
#[derive(Debug)]
pub struct Staged {
    shared: Arc<WriterShared>,
    committed: Arc<Fold>,
    rows: BTreeMap<ObjectName, StagedRows>,
    bytes: usize,
    appended: u64,
    tombstones: BTreeMap<ObjectName, Vec<Tombstone>>,
    notes: StagedRows,
    written: Vec<SegmentRef>,
    blobs: BTreeMap<String, BlobRef>,
    /// Committed ones that are no longer part of the snapshot.
    dropped_blobs: BTreeSet<String>,
    replaced: BTreeSet<ObjectName>,
    /// Committed blobs, once one was asked for by its content.
    committed_blobs: OnceCell<BlobIndex>,
}

/// All that a batch consists of, written out.
pub(super) struct WrittenBatch {
    pub segments: Vec<SegmentRef>,
    pub blobs: Vec<BlobRef>,
    pub dropped_blobs: Vec<String>,
    pub replaced: Vec<ObjectName>,
}

/// A blob to be written, apart from the batch that it's for: several can be under way, and the batch is free meanwhile.
#[derive(Debug)]
pub struct Saving {
    shared: Arc<WriterShared>,
    source_key: String,
}

/// A blob that is written; it becomes part of the batch by [`Staged::saved`].
#[derive(Debug)]
pub struct Saved(BlobRef);

impl Saving {
    /// Writes a stream, never whole in memory.
    pub async fn save<E>(self, content: impl Stream<Item = Result<Bytes, E>> + Send) -> Result<Saved, SaveError<E>> {
        let WriterShared { store, dir, epoch, .. } = &*self.shared;
        blob::save(store, dir, epoch, &self.source_key, content).await.map(Saved)
    }
}

impl Staged {
    pub(super) fn new(shared: Arc<WriterShared>, committed: Arc<Fold>) -> Staged {
        Staged {
            shared,
            committed,
            rows: BTreeMap::new(),
            bytes: 0,
            appended: 0,
            tombstones: BTreeMap::new(),
            notes: StagedRows::default(),
            written: Vec::new(),
            blobs: BTreeMap::new(),
            dropped_blobs: BTreeSet::new(),
            replaced: BTreeSet::new(),
            committed_blobs: OnceCell::new(),
        }
    }

    /// Stages rows. Memory stays bounded: where all staged rows pass 32 MiB, those of the largest object are written out.
    pub async fn append(&mut self, object: &ObjectName, rows: Vec<Row>) -> Result<(), StoreError> {
        // All or none: a row that can't be stored leaves what was staged as it was.
        rows.iter().try_for_each(|row| segment::check_row(object, row))?;
        let bytes: usize = rows.iter().map(segment::staged_bytes).sum();
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

    /// Stages notes; the last one of a key stands. Memory stays bounded as with rows.
    pub async fn annotate(&mut self, notes: Vec<Note>) -> Result<(), StoreError> {
        let rows = notes.into_iter().map(segment::note_row).collect::<Result<Vec<_>, _>>()?;
        self.notes.bytes += rows.iter().map(segment::staged_bytes).sum::<usize>();
        self.notes.rows.extend(rows);
        if self.notes.bytes > MAX_STAGED {
            for built in segment::build_notes(std::mem::take(&mut self.notes).rows)? {
                self.written.push(write(&self.shared, built).await?);
            }
        }
        Ok(())
    }

    /// With this batch nothing that was inherited of the object counts any more; what this snapshot's own batches brought stays.
    pub fn replace_inherited(&mut self, object: &ObjectName) {
        self.replaced.insert(object.clone());
    }

    /// Stages deletions. A tombstone hides every row of its key committed in the same or an earlier batch, and the record's blobs
    /// are no longer part of the snapshot.
    pub async fn bury(&mut self, object: &ObjectName, rows: Vec<Tombstone>) -> Result<(), StoreError> {
        rows.iter()
            .try_for_each(|tombstone| segment::check_key(object, &tombstone.key))?;
        for Tombstone { key, .. } in &rows {
            let of_record = format!("{object}/{key}/");
            self.drop_blobs_where(&of_record, |other| {
                SourceKey::parse(other).is_some_and(|parsed| parsed.row == key)
            });
        }
        self.tombstones.entry(object.clone()).or_default().extend(rows);
        Ok(())
    }

    /// Writes a stream to a blob; its length in bytes.
    pub async fn save_blob<E>(
        &mut self,
        source_key: &str,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, SaveError<E>> {
        let saved = self.saving(source_key)?.save(content).await?;
        Ok(self.saved(saved))
    }

    /// Begins a blob whose content comes while other things are staged.
    pub fn saving(&self, source_key: &str) -> Result<Saving, StoreError> {
        check_source_key(source_key)?;
        Ok(Saving {
            shared: Arc::clone(&self.shared),
            source_key: source_key.to_owned(),
        })
    }

    /// Makes a blob that is written part of the batch; its length in bytes.
    pub fn saved(&mut self, Saved(blob): Saved) -> u64 {
        let length = blob.length;
        self.add_blob(blob);
        length
    }

    /// Length of the blob of this source key, or of one of the same content, where this or an earlier snapshot of the connection
    /// holds it; it then belongs to this batch too.
    pub async fn reuse_blob(&mut self, source_key: &str) -> Result<Option<u64>, StoreError> {
        check_source_key(source_key)?;
        if let Some(blob) = self.own_blob(source_key) {
            return Ok(Some(blob.length));
        }
        let Some(found) = self.known_blob(source_key).await? else {
            return Ok(None);
        };
        let length = found.length;
        self.add_blob(BlobRef {
            key: source_key.to_owned(),
            ..found
        });
        Ok(Some(length))
    }

    /// Takes a blob out of the snapshot.
    pub fn drop_blob(&mut self, source_key: &str) {
        self.drop_blobs_where(source_key, |other| other == source_key);
    }

    /// A blob that need not be fetched: of this batch, of this snapshot, of an earlier one.
    async fn known_blob(&self, source_key: &str) -> Result<Option<BlobRef>, StoreError> {
        if source_key::is_work(source_key) {
            return Ok(None);
        }
        if let Some(checksum) = source_key::checksum(source_key) {
            let mut staged = self.blobs.values();
            if let Some(same) = staged.find(|blob| source_key::checksum(&blob.key) == Some(checksum)) {
                return Ok(Some(same.clone()));
            }
            let index = || async { BlobIndex::of(self.committed.blobs.values()) };
            if let Some(same) = self.committed_blobs.get_or_init(index).await.same_content(source_key) {
                return Ok(Some(same.clone()));
            }
        }
        Ok(self.shared.earlier_blob(source_key).await?.cloned())
    }

    /// Of one field's values the one that came last stays.
    fn add_blob(&mut self, blob: BlobRef) {
        if let Some(slot) = source_key::slot(&blob.key) {
            self.drop_blobs_where(slot, |other| other != blob.key && source_key::slot(other) == Some(slot));
        }
        self.blobs.insert(blob.key.clone(), blob);
    }

    fn drop_blobs_where(&mut self, prefix: &str, mut is_meant: impl FnMut(&str) -> bool) {
        let from = || prefix.to_owned()..;
        let staged = self.blobs.range(from()).map(|(key, _)| key);
        let staged = staged.take_while(|key| key.starts_with(prefix));
        let staged: Vec<String> = staged.filter(|key| is_meant(key)).cloned().collect();
        staged.iter().for_each(|key| drop(self.blobs.remove(key)));
        for committed in [&self.committed.blobs, &self.committed.work] {
            let keys = committed.range(from()).map(|(key, _)| key);
            let keys = keys.take_while(|key| key.starts_with(prefix)).filter(|key| is_meant(key));
            self.dropped_blobs.extend(keys.cloned());
        }
    }

    /// Its job is over: what was only for it goes.
    pub(super) fn end_work(&mut self) {
        self.drop_blobs_where(source_key::WORK, |_| true);
    }

    /// At most `max` bytes of a staged or committed blob from `offset`; empty at the end.
    pub async fn read_blob(&mut self, source_key: &str, offset: u64, max: u32) -> Result<Bytes, StoreError> {
        self.blob(source_key)?.part(offset, max).await
    }

    /// A staged or committed blob, to be read while other things are staged.
    pub fn blob(&self, source_key: &str) -> Result<StoredBlob, StoreError> {
        let blob = self
            .own_blob(source_key)
            .ok_or_else(|| StoreError::NotFound(format!("blob \"{source_key}\"")))?;
        Ok(StoredBlob::new(&self.shared.store, &self.shared.dir, blob))
    }

    /// Rows appended so far.
    pub fn rows(&self) -> u64 {
        self.appended
    }

    /// Whether it changes nothing of the snapshot.
    pub fn is_empty(&self) -> bool {
        let data = self.rows.is_empty() && self.tombstones.is_empty() && self.notes.rows.is_empty() && self.written.is_empty();
        data && self.blobs.is_empty() && self.dropped_blobs.is_empty() && self.replaced.is_empty()
    }

    #[cfg(test)]
    pub(super) fn staged_bytes(&self) -> usize {
        self.bytes
    }

    fn own_blob(&self, source_key: &str) -> Option<&BlobRef> {
        let committed = || {
            self.committed
                .blob(source_key)
                .filter(|_| !self.dropped_blobs.contains(source_key))
        };
        self.blobs.get(source_key).or_else(committed)
    }

    /// Writes what is still in memory, and names all that the batch consists of.
    pub(super) async fn write_out(self) -> Result<WrittenBatch, StoreError> {
        let rows = self
            .rows
            .into_iter()
            .map(|(object, staged)| segment::build(&object, staged.rows));
        let tombstones = self
            .tombstones
            .into_iter()
            .map(|(object, buried)| segment::build_tombstones(&object, buried));
        let notes = std::iter::once(self.notes.rows).map(segment::build_notes);
        // Compressed as they are due, not all beforehand; at most eight are on their way.
        let built = futures::stream::iter(rows.chain(tombstones).chain(notes)).flat_map(|built| {
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
        Ok(WrittenBatch {
            segments,
            blobs: self.blobs.into_values().collect(),
            dropped_blobs: self.dropped_blobs.into_iter().collect(),
            replaced: self.replaced.into_iter().collect(),
        })
    }

    pub(super) fn belongs_to(&self, shared: &Arc<WriterShared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }
}

async fn write(shared: &WriterShared, built: Built) -> Result<SegmentRef, StoreError> {
    let mut reference = built.reference;
    let path = |name: &str| {
        let mut named = reference.clone();
        name.clone_into(&mut named.name);
        segment_path(&shared.dir, &named)
    };
    reference.name = blob::create(&shared.store, path, &shared.epoch, built.bytes).await?;
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
