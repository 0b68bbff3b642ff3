//! Reads everything that is stored of a connection again, and names what is not as it was written. Deletes what no log names.
//!
//! What is checked against what: entries against their own hash and the one before; the log's end against the journal, the
//! journal's against the logs; segments, blobs and checkpoints against the log. Against a whole store that was put back to an
//! older state only a head kept elsewhere helps (`expect`).

mod collect;
#[cfg(test)]
mod tests;

pub use collect::{Collected, Kept, gc};

use crate::backend::Store;
use crate::chain::{Chain, Entry};
use crate::error::{Damage, StoreError};
use crate::journal::{self, Event, JournalState, Record, RestoreRecord, RestoreStanding, SnapshotRecord, SnapshotStanding};
use crate::names::{ConnectionName, Scope, Sha256};
use crate::restore::{self, RestoreEntry};
use crate::scope::ScopeRecord;
use crate::snapshot::{self, BlobCheck, BlobRef, CheckpointRef, LogRecord, SegmentReader, SegmentRef};
use crate::values::{self, Values, ValuesRecord};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::collections::HashSet;

/// What was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyResult {
    /// Entries of journal, scope journals, logs and values.
    pub entries: u64,
    /// Segments.
    pub segments: u64,
    /// Blobs.
    pub blobs: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes of segments, blobs and checkpoints.
    pub bytes: u64,
    /// What is not as it was written.
    pub damages: Vec<Damage>,
}

/// Checks the journal's chain; with `expect`, that this head is one of its entries. A tail that was cut off can only be found so:
/// what is left is a whole chain. (Where a snapshot's log knows an entry that is gone, [`verify`] finds that too.)
pub async fn verify_journal(
    store: &Store,
    connection: &ConnectionName,
    expect: Option<Sha256>,
) -> Result<Vec<Damage>, StoreError> {
    let dir = journal::dir(store, connection);
    let (entries, mut damages) = Chain::<Record>::scan(store, dir.clone(), Some(1)).await?;
    if let Some(expect) = expect
        && expect != Sha256::ZERO
        && !entries.iter().any(|entry| entry.hash == expect)
    {
        damages.push(cut(&dir, &format!("entry with hash {expect}, which you expect,")));
    }
    Ok(damages)
}

fn cut(journal: &Path, which: &str) -> Damage {
    Damage::new(
        journal,
        format!("the {which} is not there: the journal's end was cut off, or the whole store put back to an older state"),
        "bring it back from a copy of the store, and find out who could change it",
    )
}

/// Reads all that is stored of a connection and checks every hash. Nothing is changed.
pub async fn verify(store: &Store, connection: &ConnectionName) -> Result<VerifyResult, StoreError> {
    let mut check = Verification {
        store,
        connection,
        dir: store.connection_dir(connection),
        done: HashSet::new(),
        checked: VerifyResult::default(),
    };
    let journal_dir = journal::dir(store, connection);
    let journal = check.list::<Record>(journal_dir.clone(), Some(1)).await?;
    let mut state = JournalState::default();
    journal.iter().for_each(|entry| state.fold(entry));

    check.list::<ValuesRecord>(values::dir(store, connection), None).await?;
    if let Err(StoreError::Damaged(damage)) = Values::open(store, connection).await
        && !check.checked.damages.contains(&damage)
    {
        check.checked.damages.push(damage);
    }
    let own = Scope::own(connection);
    for scope in [Some(&own), state.scope()].into_iter().flatten() {
        check
            .list::<ScopeRecord>(store.scope_dir(connection.tenant(), scope), Some(1))
            .await?;
    }
    let known: HashSet<Sha256> = journal.iter().map(|entry| entry.hash).collect();
    for record in state
        .snapshots()
        .iter()
        .filter(|record| record.standing != SnapshotStanding::Pruned)
    {
        check.snapshot(record, &journal, &known).await?;
    }
    for record in state.restores() {
        check.restore(record, &known).await?;
    }
    for folder in store.folders(Some(&check.dir.clone().join("snapshots"))).await? {
        if !state.snapshots().iter().any(|record| record.id.to_string() == folder) {
            check.checked.damages.push(cut(
                &journal_dir,
                &format!("beginning of snapshot {folder}, which has a folder,"),
            ));
        }
    }
    Ok(check.checked)
}

struct Verification<'a> {
    store: &'a Store,
    connection: &'a ConnectionName,
    dir: Path,
    /// Data objects that were read: snapshots may share them.
    done: HashSet<Path>,
    checked: VerifyResult,
}

impl Verification<'_> {
    async fn list<B: serde::Serialize + serde::de::DeserializeOwned>(
        &mut self,
        dir: Path,
        first: Option<u64>,
    ) -> Result<Vec<Entry<B>>, StoreError> {
        let (entries, damages) = Chain::<B>::scan(self.store, dir, first).await?;
        self.checked.entries += entries.len() as u64;
        self.checked.damages.extend(damages);
        Ok(entries)
    }

    /// A restore's log, against the journal and the other way round.
    async fn restore(&mut self, record: &RestoreRecord, known: &HashSet<Sha256>) -> Result<(), StoreError> {
        let log_dir = restore::log_dir(self.store, self.connection, record.id);
        let log = self.list::<RestoreEntry>(log_dir.clone(), Some(1)).await?;
        if let RestoreStanding::Complete { log_head, .. } = record.standing
            && !log.iter().any(|entry| entry.hash == log_head)
        {
            let what = format!("the entry with hash {log_head}, which the journal names, is not in it");
            let damage = Damage::new(&log_dir, what, "bring it back from a copy of the store");
            self.checked.damages.push(damage);
        }
        let heads: HashSet<Sha256> = log.iter().map(|entry| entry.body.journal_head).collect();
        let journal_dir = journal::dir(self.store, self.connection);
        for head in heads.difference(known) {
            let which = format!("entry with hash {head}, which the log of restore {} names,", record.id);
            self.checked.damages.push(cut(&journal_dir, &which));
        }
        Ok(())
    }

    async fn snapshot(
        &mut self,
        record: &SnapshotRecord,
        journal: &[Entry<Record>],
        known: &HashSet<Sha256>,
    ) -> Result<(), StoreError> {
        let log_dir = snapshot::log_dir(self.store, self.connection, record.id);
        let log = self.list::<LogRecord>(log_dir.clone(), Some(1)).await?;
        let hashes: HashSet<Sha256> = log.iter().map(|entry| entry.hash).collect();
        // What the journal says of the log's end has to be in the log, and the other way round.
        let told = journal.iter().filter_map(|entry| match &entry.body.event {
            Event::SnapshotPaused { snapshot, log_head, .. } | Event::SnapshotCompleted { snapshot, log_head, .. }
                if *snapshot == record.id =>
            {
                Some(*log_head)
            }
            _ => None,
        });
        for head in told {
            if head != Sha256::ZERO && !hashes.contains(&head) {
                let what = format!("the entry with hash {head}, which the journal names, is not in it");
                self.checked
                    .damages
                    .push(Damage::new(&log_dir, what, "bring it back from a copy of the store"));
            }
        }
        let journal_dir = journal::dir(self.store, self.connection);
        let cut_off: HashSet<Sha256> = log
            .iter()
            .map(|entry| entry.body.journal_head)
            .filter(|head| *head != Sha256::ZERO)
            .collect();
        for head in cut_off.difference(known) {
            self.checked.damages.push(cut(
                &journal_dir,
                &format!("entry with hash {head}, which the log of snapshot {} names,", record.id),
            ));
        }
        let mut fold = snapshot::Fold::default();
        for entry in &log {
            fold.fold(entry);
        }
        self.data(&fold).await?;
        if let Some(base) = fold.base.filter(|_| !fold.ended && record.standing.may_go_on())
            && let Some(entry) = log.iter().find(|entry| entry.seq == base.entry)
        {
            // Its job may still look at what was there, though it doesn't count any more.
            let mut inherited = snapshot::Fold::default();
            inherited.fold(entry);
            self.data(&inherited).await?;
        }
        for checkpoint in fold.kept_checkpoints {
            self.checkpoint(checkpoint).await?;
        }
        Ok(())
    }

    /// What a snapshot consists of. What was replaced or dropped is no part of it, and may be collected.
    async fn data(&mut self, fold: &snapshot::Fold) -> Result<(), StoreError> {
        let rows = fold.objects.values().flat_map(|object| &object.segments);
        for placed in rows.chain(&fold.notes) {
            self.segment(&placed.segment).await?;
        }
        for blob in fold.blobs.values().chain(fold.work.values()) {
            self.blob(blob).await?;
        }
        Ok(())
    }

    async fn segment(&mut self, reference: &SegmentRef) -> Result<(), StoreError> {
        let path = snapshot::segment_path(&self.dir, reference);
        if !self.done.insert(path.clone()) {
            return Ok(());
        }
        self.checked.segments += 1;
        let remedy = "bring it back from a copy of the store, or take a new full backup; the other segments are readable";
        let Some(bytes) = self.store.read(&path).await? else {
            self.checked.damages.push(Damage::new(&path, "it is missing", remedy));
            return Ok(());
        };
        self.checked.bytes += bytes.len() as u64;
        let read = SegmentReader::open(path.as_ref(), reference, bytes).and_then(|reader| reader.check(reference));
        self.checked.damages.extend(read.err());
        Ok(())
    }

    async fn blob(&mut self, reference: &BlobRef) -> Result<(), StoreError> {
        let path = snapshot::blob_path(&self.dir, &reference.name);
        if !self.done.insert(path.clone()) {
            return Ok(());
        }
        self.checked.blobs += 1;
        let unavailable = |source| StoreError::Unavailable {
            what: path.to_string(),
            source,
        };
        let mut content = match self.store.backend().get(&path).await {
            Ok(found) => found.into_stream(),
            Err(object_store::Error::NotFound { .. }) => {
                self.checked.damages.push(snapshot::missing(&path));
                return Ok(());
            }
            Err(error) => return Err(unavailable(error)),
        };
        let mut check = BlobCheck::default();
        while let Some(chunk) = content.try_next().await.map_err(unavailable)? {
            check.add(&chunk);
        }
        let (length, sha256) = check.finish();
        self.checked.bytes += length;
        if (length, sha256) != (reference.length, reference.sha256) {
            self.checked.damages.push(snapshot::changed(&path));
        }
        Ok(())
    }

    async fn checkpoint(&mut self, reference: CheckpointRef) -> Result<(), StoreError> {
        let path = snapshot::checkpoint_path(&self.dir, reference.sha256);
        if !self.done.insert(path.clone()) {
            return Ok(());
        }
        self.checked.checkpoints += 1;
        match snapshot::read_checkpoint(self.store, &self.dir, reference).await {
            Ok(checkpoint) => self.checked.bytes += checkpoint.data.len() as u64,
            Err(StoreError::Damaged(damage)) => self.checked.damages.push(damage),
            Err(other) => return Err(other),
        }
        Ok(())
    }
}
