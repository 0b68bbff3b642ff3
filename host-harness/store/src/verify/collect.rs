//! Deletes what no log names: data of batches that were never committed, checkpoints that were overtaken, pruned snapshots.
//!
//! The order keeps it safe: the claim keeps other writers out, a fence ends whoever wrote the open log, and the journal says what
//! is about to be deleted before anything is. A log that can't be read whole stops it: it may name what looks unreferenced.

use crate::backend::Store;
use crate::error::StoreError;
use crate::journal::{Actor, Event, Journal, SnapshotStanding};
use crate::scope::Claim;
use crate::snapshot::{self, Fold};
use crate::values::Values;
use object_store::path::Path;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Data objects deleted.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of values that a newer one stands for.
    pub values: u64,
    /// Files that writes cut short by a crash left in a local folder.
    pub leftovers: u64,
    /// What should have gone and is still there.
    pub kept: Vec<Kept>,
}

/// Something that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{place}, {what}: {why}")]
pub struct Kept {
    /// What it is.
    pub what: &'static str,
    /// Where: a path below the root of the store.
    #[serde(rename = "where")]
    pub place: String,
    /// Why it could not.
    pub why: String,
}

const UNREFERENCED: &str = "which no snapshot refers to";
const LEFTOVER: &str = "a file that a write left when it was cut short";

/// How old a file of an unfinished write has to be before it is taken for one that a crash left.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Collects. The claim has to be the connection's; it is still held afterwards.
pub async fn gc(claim: &mut Claim, journal: &mut Journal, actor: &Actor) -> Result<Collected, StoreError> {
    let store = claim.store().clone();
    let connection = claim.connection().clone();
    if journal.connection() != &connection {
        return Err(StoreError::State(format!(
            "a claim for {connection} does not allow to collect {}",
            journal.connection()
        )));
    }
    journal.refresh().await?;
    if let Some(open) = journal.state().open_snapshot().map(|open| open.id) {
        snapshot::fence(claim, journal, open).await?;
    }
    let dir = store.connection_dir(&connection);
    let mut used = HashSet::new();
    let mut garbage = Vec::new();
    for record in journal.state().snapshots() {
        if record.standing == SnapshotStanding::Pruned {
            garbage.extend(store.list_below(&snapshot::dir(&store, &connection, record.id)).await?);
        } else {
            let (_, fold) = snapshot::load_strictly(&store, &connection, record.id).await?;
            used.extend(named(&dir, &fold));
            if let Some(base) = fold.base.filter(|_| !fold.ended && record.standing.may_go_on()) {
                // What its job has replaced it may still look at.
                let inherited = snapshot::inherited_of(&store, &connection, record.id, base).await?;
                used.extend(named(&dir, &inherited));
            }
        }
    }
    for folder in ["segments", "notes", "blobs", "checkpoints"] {
        let found = store.list_below(&dir.clone().join(folder)).await?;
        garbage.extend(
            found
                .into_iter()
                .filter(|(path, _)| !used.contains(path) && is_older(path, claim.epoch())),
        );
    }
    // Sorted, so that one seed gives one run whatever order the store lists in.
    garbage.sort();
    if !garbage.is_empty() {
        let event = Event::GarbageCollected {
            objects: garbage.len() as u64,
            bytes: garbage.iter().map(|(_, size)| size).sum(),
        };
        journal.append(actor, event).await?;
    }
    let mut collected = Collected::default();
    for (path, size) in &garbage {
        if !claim.still_held() {
            return Err(StoreError::Lost {
                what: "the lease has run out".to_owned(),
            });
        }
        match store.delete(path).await {
            Ok(()) => {
                collected.objects += 1;
                collected.bytes += size;
            }
            // The others can go all the same.
            Err(error) => collected.keep(UNREFERENCED, path, &error),
        }
    }
    collected.values = Values::open(&store, &connection).await?.compact(&store, claim).await?;
    sweep_leftovers(&store, &dir, &mut collected);
    Ok(collected)
}

impl Collected {
    fn keep(&mut self, what: &'static str, place: impl ToString, why: &impl ToString) {
        self.kept.push(Kept {
            what,
            place: place.to_string(),
            why: why.to_string(),
        });
    }
}

/// All data objects that a snapshot consists of.
fn named(dir: &Path, fold: &Fold) -> Vec<Path> {
    let segments = fold.objects.values().flat_map(|object| &object.segments);
    let segments = segments
        .chain(&fold.notes)
        .map(|placed| snapshot::segment_path(dir, &placed.segment));
    let blobs = fold
        .blobs
        .values()
        .chain(fold.work.values())
        .map(|blob| snapshot::blob_path(dir, &blob.name));
    let checkpoints = fold
        .kept_checkpoints
        .iter()
        .map(|kept| snapshot::checkpoint_path(dir, kept.sha256));
    segments.chain(blobs).chain(checkpoints).collect()
}

/// Whether an older epoch wrote it. Checkpoints don't tell, and need not: under this claim nobody else writes one.
fn is_older(path: &Path, epoch: u64) -> bool {
    let written = path
        .filename()
        .and_then(|name| name.split_once('-'))
        .and_then(|(epoch, _)| epoch.parse::<u64>().ok());
    written.is_none_or(|written| written < epoch)
}

/// A local put writes `name#1` first; a crash leaves that file, which `list` doesn't show. Nothing here is worth an error.
fn sweep_leftovers(store: &Store, dir: &Path, collected: &mut Collected) {
    let Some(root) = store.folder() else { return };
    let now = store.clock().now();
    let mut folders = vec![root.join(dir.as_ref())];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = entry.file_name();
            let unfinished = name
                .to_str()
                .and_then(|name| name.rsplit_once('#'))
                .is_some_and(|(_, number)| number.parse::<u32>().is_ok());
            let written = entry.metadata().and_then(|found| found.modified()).ok();
            let written = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let old = written.is_some_and(|at| Duration::from_millis(now.0).saturating_sub(at) > LEFTOVER_AGE);
            if !unfinished || !old {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => collected.leftovers += 1,
                Err(error) => {
                    let below = path.strip_prefix(root).unwrap_or(&path);
                    collected.keep(LEFTOVER, below.display(), &error);
                }
            }
        }
    }
}
