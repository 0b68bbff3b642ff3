//! Reads what is committed of a snapshot, complete or not.

use super::blob::StoredBlob;
use super::checkpoint::checkpoint_of;
use super::entry::BlobRef;
use super::fold::Fold;
use super::held::HeldSegments;
use super::inherited::{Inherited, PlacedSegment};
use super::log::log_dir;
use super::merge::{self, KeyVersions, Merge};
use super::rollup::{self, cut_log};
use super::segment::note_of_row;
use super::source_key::SourceKey;
use super::{SnapshotKind, SnapshotState};
use crate::backend::Store;
use crate::error::{Damage, StoreError};
use crate::journal::{JournalState, SnapshotRecord, SnapshotStanding};
use crate::names::{ConnectionName, ObjectName, SnapshotId};
use backup_contract::{Checkpoint, HeldBlob, Row};
use backup_seams::Timestamp;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A snapshot in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// What commands take, whole or as a unique beginning.
    pub id: SnapshotId,
    /// Whether it is all there.
    pub state: SnapshotState,
    /// Where it stands, by the journal.
    pub standing: SnapshotStanding,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// The base of an incremental one; `None`: it is full.
    pub predecessor: Option<SnapshotId>,
    /// Objects asked for; empty: all.
    pub objects: Vec<ObjectName>,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When its job ended.
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

/// What is committed of a snapshot when it was opened. Every segment's hash is checked when it is read; a damaged one is an error
/// that names it, and the others stay readable.
#[derive(Debug)]
pub struct Snapshot {
    store: Store,
    connection: ConnectionName,
    dir: Path,
    record: SnapshotRecord,
    fold: Arc<Fold>,
    damage: Option<Damage>,
    /// Shared by all readers of it.
    held: Arc<HeldSegments>,
    /// Where the last page ended, so that the next one needn't open segments anew.
    paging: Option<(ObjectName, String, Merge)>,
}

/// Another reader of the same commit, which pages on its own.
impl Clone for Snapshot {
    fn clone(&self) -> Self {
        Snapshot {
            store: self.store.clone(),
            connection: self.connection.clone(),
            dir: self.dir.clone(),
            record: self.record.clone(),
            fold: Arc::clone(&self.fold),
            damage: self.damage.clone(),
            held: Arc::clone(&self.held),
            paging: None,
        }
    }
}

impl Snapshot {
    /// Opens it as it is committed now.
    pub async fn open(
        store: &Store,
        connection: &ConnectionName,
        journal: &JournalState,
        id: SnapshotId,
    ) -> Result<Snapshot, StoreError> {
        let record = journal
            .snapshot(id)
            .filter(|record| record.standing != SnapshotStanding::Pruned);
        let record = record.ok_or_else(|| StoreError::NotFound(format!("snapshot {id}")))?;
        let loaded = rollup::load(store, connection, id).await?;
        let mut damage = loaded.damage.clone();
        if let SnapshotStanding::Complete { log_head, .. } = record.standing
            && loaded.fold.head.hash != log_head
            && damage.is_none()
        {
            damage = Some(cut_log(&log_dir(store, connection, id)));
        }
        let mut loaded = loaded;
        if let Some(predecessor) = record.predecessor
            && loaded.fold.base.is_none()
            && loaded.damage.is_none()
            && journal
                .snapshot(predecessor)
                .is_some_and(|past| past.standing != SnapshotStanding::Pruned)
        {
            // Begun, and its host died before that was in its log.
            let past = rollup::load(store, connection, predecessor).await?;
            let inherited = Inherited::of(predecessor, &past.fold, &record.objects);
            damage = damage.or(past.damage);
            loaded.fold.inherit(&inherited, 0, record.begun_at);
        }
        if loaded.fold.ended && !loaded.from_rollup && damage.is_none() {
            rollup::write(store, connection, id, &loaded.fold).await;
        }
        Ok(Snapshot::of(store, connection, record.clone(), Arc::new(loaded.fold), damage))
    }

    pub(super) fn of(
        store: &Store,
        connection: &ConnectionName,
        record: SnapshotRecord,
        fold: Arc<Fold>,
        damage: Option<Damage>,
    ) -> Snapshot {
        Snapshot {
            store: store.clone(),
            dir: store.connection_dir(connection),
            connection: connection.clone(),
            record,
            fold,
            damage,
            held: Arc::default(),
            paging: None,
        }
    }

    /// For a list.
    pub fn info(&self) -> SnapshotInfo {
        let completed_at = match self.record.standing {
            SnapshotStanding::Complete { at, .. } => Some(at),
            _ => None,
        };
        SnapshotInfo {
            id: self.record.id,
            state: SnapshotState::of(&self.record.standing),
            objects: self.record.objects.clone(),
            standing: self.record.standing.clone(),
            kind: self.record.kind,
            predecessor: self.record.predecessor,
            started_at: self.record.begun_at,
            completed_at,
            records: self.fold.records(),
            blobs: self.fold.blobs.len() as u64,
            bytes: self.fold.stored_bytes(),
            calls: self.fold.requests,
        }
    }

    /// Objects, segments, blobs.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// A damaged entry of its log, if there is one. What was committed before it is readable; what came after is too where a
    /// rollup has it, and not otherwise.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Where the job stands.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        checkpoint_of(&self.store, &self.connection, &self.fold).await
    }

    /// All rows of an object by key, merged. A damaged segment is one error, after which the stream goes on without it.
    pub fn rows(&self, object: &ObjectName) -> BoxStream<'static, Result<Row, StoreError>> {
        let merge = self.merge(self.segments(object));
        futures::stream::unfold(Some(merge), |merge| async {
            let mut merge = merge?;
            match merge.next().await {
                Ok(Some(row)) => Some((Ok(row), Some(merge))),
                Ok(None) => None,
                Err(StoreError::Damaged(damage)) => Some((Err(damage.into()), Some(merge))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// Objects of which a segment is missing or isn't what was written: every one is read, and its hash compared.
    pub async fn damaged(&self) -> Result<Vec<ObjectName>, StoreError> {
        let mut damaged = Vec::new();
        for (name, object) in &self.fold.objects {
            for placed in &object.segments {
                match merge::open(&self.store, &self.dir, placed).await {
                    Ok(_) => {}
                    Err(StoreError::Damaged(_)) => {
                        damaged.push(name.clone());
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(damaged)
    }

    /// What keeps a job from going on with it: a damaged entry of its log, or damaged notes, without which nobody knows how far each
    /// object was read. Every segment of notes is read.
    pub async fn unusable(&self) -> Result<Option<Damage>, StoreError> {
        if self.damage.is_some() {
            return Ok(self.damage.clone());
        }
        for placed in &self.fold.notes {
            match merge::open(&self.store, &self.dir, placed).await {
                Ok(_) => {}
                Err(StoreError::Damaged(damage)) => return Ok(Some(damage)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// At most `max` rows with keys after `cursor` (empty: from the first).
    pub async fn read(&mut self, object: &ObjectName, cursor: &str, max: u32) -> Result<Page, StoreError> {
        let mut merge = match self.paging.take() {
            Some((paged, position, merge)) if paged == *object && position == cursor => merge,
            _ => Merge::new(&self.store, &self.dir, self.segments(object), cursor),
        };
        let mut page = Page::default();
        for _ in 0..max.max(1) {
            let Some(row) = merge.next().await? else { return Ok(page) };
            page.rows.push(row);
        }
        if let Some(last) = page.rows.last() {
            page.cursor.clone_from(&last.key);
        }
        self.paging = Some((object.clone(), page.cursor.clone(), merge));
        Ok(page)
    }

    /// The rows of these keys, in their order. Opens only segments that may hold one of them, and keeps some of them open.
    pub async fn find(&self, object: &ObjectName, keys: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        self.find_in(self.segments(object), keys).await
    }

    /// What the snapshot says besides records, under these keys, in their order.
    pub async fn notes(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut found: HashMap<String, Bytes> = HashMap::new();
        let mut wanted: BTreeSet<String> = keys.iter().cloned().collect();
        // Of one key the last one stands: older segments are opened only for what newer ones don't have.
        for placed in self.fold.notes.iter().rev() {
            let within = wanted.range(placed.segment.min.clone()..=placed.segment.max.clone());
            let within: Vec<String> = within.cloned().collect();
            for row in self
                .find_in(std::slice::from_ref(placed), &within)
                .await?
                .into_iter()
                .flatten()
            {
                let place = merge::segment_path(&self.dir, &placed.segment);
                let note = note_of_row(place.as_ref(), row)?;
                wanted.remove(&note.key);
                found.insert(note.key, note.body.into());
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn find_in(&self, segments: &[PlacedSegment], keys: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        let wanted: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let mut known: HashMap<String, KeyVersions> = HashMap::new();
        for (ordinal, placed) in segments.iter().enumerate() {
            let segment = &placed.segment;
            let within: Vec<&str> = wanted.range(segment.min.as_str()..=segment.max.as_str()).copied().collect();
            if within.is_empty() {
                continue;
            }
            for row in self.held.find(&self.store, &self.dir, placed, &within).await? {
                let versions = known.entry(row.key.clone()).or_default();
                versions.add(segment.kind, (placed.age(), ordinal), segment.latest, row);
            }
        }
        let found: HashMap<String, Row> = known
            .into_iter()
            .filter_map(|(key, versions)| Some((key, versions.row()?)))
            .collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// The blobs of these rows, in their order.
    pub fn blobs_of(&self, object: &ObjectName, keys: &[String]) -> Vec<Vec<HeldBlob>> {
        let of_row = |key: &String| {
            let begins = format!("{object}/{key}/");
            let held = self.fold.blobs.range(begins.clone()..);
            let held = held.take_while(|(name, _)| name.starts_with(&begins));
            // Another row's key may begin with this one's and a slash.
            let own = held.filter(|(name, _)| SourceKey::parse(name).is_some_and(|parsed| parsed.row == key));
            let held = |(name, blob): (&String, &BlobRef)| HeldBlob {
                key: name.clone(),
                bytes: blob.length,
            };
            own.map(held).collect()
        };
        keys.iter().map(of_row).collect()
    }

    /// A blob, by its source key.
    pub fn blob(&self, source_key: &str) -> Result<StoredBlob, StoreError> {
        let Some(blob) = self.fold.blobs.get(source_key) else {
            return Err(StoreError::NotFound(format!(
                "blob \"{source_key}\" in snapshot {}",
                self.record.id
            )));
        };
        Ok(StoredBlob::new(&self.store, &self.dir, blob))
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.bytes()
    }

    /// A walk over rows that lie in these segments.
    pub(super) fn merge(&self, segments: &[PlacedSegment]) -> Merge {
        Merge::new(&self.store, &self.dir, segments, "")
    }

    pub(super) fn segments(&self, object: &ObjectName) -> &[PlacedSegment] {
        self.fold.objects.get(object).map_or(&[], |object| &object.segments)
    }
}
