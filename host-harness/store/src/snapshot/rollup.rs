//! The fold of a log up to an entry, stored beside it so that opening a long log takes two reads. A cache: wrong or absent, the
//! log is read instead.

use super::fold::Fold;
use super::log::{LogRecord, dir, log_dir};
use crate::backend::Store;
use crate::canonical;
use crate::chain::{Chain, Head};
use crate::error::{Damage, StoreError};
use crate::names::{ConnectionName, Sha256, SnapshotId};
use object_store::path::Path;
use serde::Deserialize;

/// One is written every so many entries, and at the end.
pub(super) const EVERY: u64 = 64;

const LEVEL: i32 = 3;

#[derive(Deserialize)]
struct Rollup {
    fold: serde_json::Value,
    hash: Sha256,
}

/// Writes the rollup of a fold. Not being able to is no error.
pub(super) async fn write(store: &Store, connection: &ConnectionName, id: SnapshotId, fold: &Fold) {
    let bytes = serde_json::to_value(fold).ok().and_then(|value| {
        let hash = Sha256::of(&canonical::to_bytes(&value).ok()?);
        let bytes = canonical::to_bytes(&serde_json::json!({"fold": value, "hash": hash})).ok()?;
        zstd::encode_all(&*bytes, LEVEL).ok()
    });
    if let Some(bytes) = bytes {
        store
            .replace_cache(&path(store, connection, id, fold.head.seq), bytes.into())
            .await;
    }
}

fn path(store: &Store, connection: &ConnectionName, id: SnapshotId, seq: u64) -> Path {
    dir(store, connection, id).join("rollup").join(format!("{seq}.json.zst"))
}

/// The newest rollup that is whole.
async fn newest(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Result<Option<Fold>, StoreError> {
    let names = store.list(&dir(store, connection, id).join("rollup")).await?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|(name, _)| name.strip_suffix(".json.zst")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    while let Some(seq) = numbers.pop() {
        if let Some(bytes) = store.read(&path(store, connection, id, seq)).await?
            && let Some(fold) = parse(&bytes)
            && fold.head.seq == seq
        {
            return Ok(Some(fold));
        }
    }
    Ok(None)
}

fn parse(bytes: &[u8]) -> Option<Fold> {
    let text = zstd::decode_all(bytes).ok()?;
    let rollup: Rollup = serde_json::from_slice(&text).ok()?;
    let right = Sha256::of(&canonical::to_bytes(&rollup.fold).ok()?) == rollup.hash;
    if right {
        serde_json::from_value(rollup.fold).ok()
    } else {
        None
    }
}

/// A log as far as it can be read, and what is damaged in it.
pub(crate) struct Loaded {
    pub fold: Fold,
    pub damage: Option<Damage>,
    /// Whether the newest rollup was of use.
    pub from_rollup: bool,
}

/// Reads a log as far as it can be read. The rollup may reach beyond a damaged entry.
pub(crate) async fn load(store: &Store, connection: &ConnectionName, id: SnapshotId) -> Result<Loaded, StoreError> {
    let rollup = newest(store, connection, id).await?;
    let log_dir = log_dir(store, connection, id);
    let chain = Chain::<LogRecord>::at(store, log_dir.clone(), Head::START);
    if let Some(fold) = rollup {
        // The log decides: a rollup of entries that aren't those is passed over.
        let damage = match chain.read_entry(fold.head.seq).await {
            Ok(Some(entry)) if entry.hash == fold.head.hash => Some(None),
            Ok(Some(_)) => None,
            Ok(None) => Some(Some(chain.missing(fold.head.seq))),
            Err(StoreError::Damaged(damage)) => Some(Some(damage)),
            Err(other) => return Err(other),
        };
        if let Some(damage) = damage {
            let mut loaded = read_on(store, log_dir, fold).await?;
            loaded.damage = damage.or(loaded.damage);
            loaded.from_rollup = true;
            return Ok(loaded);
        }
    }
    read_on(store, log_dir, Fold::default()).await
}

async fn read_on(store: &Store, log_dir: Path, mut fold: Fold) -> Result<Loaded, StoreError> {
    let from = fold.head;
    let damage = match Chain::<LogRecord>::open_after(store, log_dir, from, |entry| fold.fold(&entry)).await {
        Ok(_) => None,
        Err(StoreError::Damaged(damage)) => Some(damage),
        Err(other) => return Err(other),
    };
    Ok(Loaded {
        fold,
        damage,
        from_rollup: false,
    })
}

/// Reads a log for going on with it: damage is an error.
pub(crate) async fn load_strictly(
    store: &Store,
    connection: &ConnectionName,
    id: SnapshotId,
) -> Result<(Chain<LogRecord>, Fold), StoreError> {
    let Loaded { fold, damage, .. } = load(store, connection, id).await?;
    match damage {
        Some(damage) => Err(damage.into()),
        None => Ok((Chain::at(store, log_dir(store, connection, id), fold.head), fold)),
    }
}

/// A log that ends before the journal says so.
pub(super) fn cut_log(log_dir: &Path) -> Damage {
    Damage::new(
        log_dir,
        "its last entries are missing: the journal knows another end of it",
        "bring them back from a copy of the store",
    )
}
