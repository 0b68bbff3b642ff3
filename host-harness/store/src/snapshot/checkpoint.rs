//! Checkpoints of a connection's jobs, each stored under its hash.

use super::entry::CheckpointRef;
use super::fold::Fold;
use crate::backend::{Created, Store};
use crate::error::{Damage, StoreError};
use crate::names::{ConnectionName, Sha256};
use backup_contract::Checkpoint;
use backup_contract::rules::MAX_CHECKPOINT_BYTES;
use object_store::path::Path;

/// Stores a checkpoint under its hash.
pub(super) async fn write_checkpoint(
    store: &Store,
    connection_dir: &Path,
    checkpoint: Checkpoint,
) -> Result<CheckpointRef, StoreError> {
    if checkpoint.data.len() > MAX_CHECKPOINT_BYTES {
        return Err(StoreError::TooLarge {
            what: "the checkpoint".to_owned(),
            limit: MAX_CHECKPOINT_BYTES as u64,
        });
    }
    let reference = CheckpointRef {
        state_version: checkpoint.state_version,
        length: checkpoint.data.len() as u64,
        sha256: Sha256::of(&checkpoint.data),
    };
    let path = checkpoint_path(connection_dir, reference.sha256);
    match store.create(&path, checkpoint.data.into()).await? {
        Created::Mine => Ok(reference),
        Created::Theirs(_) => Err(damaged_checkpoint(&path, "its hash is not its name").into()),
    }
}

/// Where a checkpoint lies.
pub(crate) fn checkpoint_path(connection_dir: &Path, sha256: Sha256) -> Path {
    connection_dir.clone().join("checkpoints").join(sha256.to_string())
}

/// Reads a checkpoint and checks its hash.
pub(crate) async fn read_checkpoint(
    store: &Store,
    connection_dir: &Path,
    reference: CheckpointRef,
) -> Result<Checkpoint, StoreError> {
    let path = checkpoint_path(connection_dir, reference.sha256);
    let data = store
        .read(&path)
        .await?
        .ok_or_else(|| damaged_checkpoint(&path, "it is missing"))?;
    if Sha256::of(&data) != reference.sha256 {
        return Err(damaged_checkpoint(&path, "its hash is not its name").into());
    }
    Ok(Checkpoint {
        state_version: reference.state_version,
        data: data.into(),
    })
}

fn damaged_checkpoint(path: &Path, what: &str) -> Damage {
    Damage::new(
        path,
        what,
        "bring it back from a copy of the store, or begin a new snapshot with `backup --full`; what is committed stays readable",
    )
}

/// The checkpoint of a connection's snapshot, for a dry migration.
pub(crate) async fn checkpoint_of(
    store: &Store,
    connection: &ConnectionName,
    fold: &Fold,
) -> Result<Option<Checkpoint>, StoreError> {
    match fold.checkpoint {
        Some(reference) => read_checkpoint(store, &store.connection_dir(connection), reference)
            .await
            .map(Some),
        None => Ok(None),
    }
}
