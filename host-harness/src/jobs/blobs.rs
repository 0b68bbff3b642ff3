//! Blobs of a job: those of the batch under way, for bodies that are saved and sent; in a restore those of the snapshot that it
//! reads, to be sent.
//!
//! The rule: the batch is locked only to begin a blob and to take it in. While a body comes, others come too, and other calls
//! stage what they have.

use super::imports::{CallOutcome, no_batch, storage_error};
use crate::http::{BlobBody, BlobSink, Blobs};
use async_trait::async_trait;
use backup_contract::StorageError;
use backup_store::Snapshot;
use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use tokio::sync::mpsc;

/// See the module.
pub(super) struct JobBlobs {
    pub(super) outcome: CallOutcome,
    /// What a restore reads.
    pub(super) source: Option<Snapshot>,
}

#[async_trait]
impl Blobs for JobBlobs {
    async fn stage(&self, key: &str) -> Result<Box<dyn BlobSink>, StorageError> {
        let (pieces, mut received) = mpsc::channel::<Bytes>(1);
        let staged = Arc::clone(&self.outcome.staged);
        let saving = staged.lock().await.as_ref().ok_or_else(no_batch)?.saving(key);
        let saving = saving.map_err(storage_error)?;
        let work = async move {
            let pieces = futures::stream::poll_fn(move |cx| received.poll_recv(cx)).map(Ok::<_, std::convert::Infallible>);
            let saved = saving.save(pieces.boxed()).await.map_err(save_error)?;
            staged.lock().await.as_mut().ok_or_else(no_batch)?.saved(saved);
            Ok(())
        };
        Ok(Box::new(Sink {
            pieces: Some(pieces),
            work: Box::pin(work),
        }))
    }

    async fn open(&self, key: &str) -> Result<BlobBody, StorageError> {
        let blob = self.outcome.blob(self.source.as_ref(), key).await?;
        let length = blob.length();
        let bytes = blob.stream().await.map_err(storage_error)?;
        Ok(BlobBody {
            length,
            bytes: bytes.map_err(storage_error).boxed(),
        })
    }
}

/// Pieces go through a channel into the store's own stream; both sides are driven by whoever writes, so nothing is spawned.
struct Sink {
    pieces: Option<mpsc::Sender<Bytes>>,
    work: BoxFuture<'static, Result<(), StorageError>>,
}

#[async_trait]
impl BlobSink for Sink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let Some(pieces) = self.pieces.clone() else {
            return Err(no_batch());
        };
        match select(Box::pin(pieces.send(bytes)), &mut self.work).await {
            Either::Left(_) => Ok(()),
            Either::Right((ended, _)) => {
                self.pieces = None;
                ended
            }
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StorageError> {
        self.pieces = None;
        self.work.await
    }
}

fn save_error(error: backup_store::snapshot::SaveError<std::convert::Infallible>) -> StorageError {
    match error {
        backup_store::snapshot::SaveError::Store(error) => storage_error(error),
        backup_store::snapshot::SaveError::Source(never) => match never {},
    }
}

#[cfg(test)]
mod tests;
