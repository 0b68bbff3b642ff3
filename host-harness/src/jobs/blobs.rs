//! Blobs of the batch under way, for bodies that are saved.
//!
//! The rule: the batch is locked only to begin a blob and to take it in. While a body comes, others come too, and other calls
//! stage what they have.

use super::imports::{Outcome, no_batch, storage_error};
use crate::http::{BlobBody, BlobSink, Blobs};
use async_trait::async_trait;
use backup_runtime::imports::StorageError;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, Either, select};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Blobs of the batch under way.
pub(super) struct StagedBlobs(pub(super) Outcome);

#[async_trait]
impl Blobs for StagedBlobs {
    async fn stage(&self, key: &str) -> Result<Box<dyn BlobSink>, StorageError> {
        let (pieces, mut received) = mpsc::channel::<Bytes>(1);
        let staged = Arc::clone(&self.0.staged);
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
        Err(StorageError::Other(
            "unsupported".to_owned(),
            format!("sending the blob {key} is not offered by this host yet"),
        ))
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use backup_seams::{SeededRandomness, Timestamp, VirtualClock};
    use backup_store::{Actor, Begin, Claim, ClaimRequest, ConnectionName, Event, Journal, Percent, Row, Scope, Seams, Sha256};
    use backup_store::{SnapshotWriter, Store};

    /// A snapshot that was just begun, in a folder.
    async fn begun(folder: &std::path::Path) -> (SnapshotWriter, Claim) {
        let seams = Seams {
            clock: Arc::new(VirtualClock::new(Timestamp(1_790_000_000_000))),
            randomness: Arc::new(SeededRandomness::new(1)),
        };
        let store = Store::open(folder.join("data").to_str().unwrap(), seams).await.unwrap();
        let connection: ConnectionName = "acme".parse().unwrap();
        let mut journal = Journal::open(&store, &connection).await.unwrap();
        let added = Event::ConnectionAdded {
            config: serde_json::json!({}),
            usage_limit: Percent::DEFAULT,
        };
        journal.append(&Actor::host(), added).await.unwrap();
        let request = ClaimRequest {
            connection: connection.clone(),
            purpose: "test".to_owned(),
            host: "here".to_owned(),
        };
        let mut claim = Claim::acquire(&store, &Scope::own(&connection), request).await.unwrap();
        let begin = Begin {
            predecessor: None,
            objects: Vec::new(),
            connector: Sha256::ZERO,
        };
        let spending = claim.spending();
        let writer = SnapshotWriter::begin(&mut claim, &mut journal, &Actor::host(), begin, None, spending)
            .await
            .unwrap();
        (writer, claim)
    }

    #[tokio::test]
    async fn bodies_come_at_once_and_the_batch_is_free_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _claim) = begun(folder.path()).await;
        let outcome = Outcome::new(Some(writer.stage()));
        let blobs = StagedBlobs(outcome.clone());
        let mut first = blobs.stage("Document/1/Body/r1").await.unwrap();
        first.write(Bytes::from_static(b"one")).await.unwrap();
        let mut second = blobs.stage("Document/2/Body/r1").await.unwrap();
        second.write(Bytes::from_static(b"two")).await.unwrap();
        let row = Row {
            key: "1".to_owned(),
            revision: 1,
            body: Bytes::from_static(b"{}"),
        };
        let object = "Document".parse().unwrap();
        outcome
            .staged
            .lock()
            .await
            .as_mut()
            .unwrap()
            .append(&object, vec![row])
            .await
            .unwrap();
        second.finish().await.unwrap();
        first.write(Bytes::from_static(b", whole")).await.unwrap();
        let abandoned = blobs.stage("Document/3/Body/r1").await.unwrap();
        drop(abandoned);
        first.finish().await.unwrap();
        let mut staged = outcome.take_staged().await.unwrap();
        assert_eq!(staged.read_blob("Document/1/Body/r1", 0, 99).await.unwrap(), "one, whole");
        assert_eq!(staged.read_blob("Document/2/Body/r1", 0, 99).await.unwrap(), "two");
        assert!(staged.read_blob("Document/3/Body/r1", 0, 99).await.is_err());
        assert!(blobs.stage("late").await.is_err(), "the batch is over");
    }

    #[tokio::test]
    async fn a_large_body_is_written_as_it_comes_and_read_back_in_parts() {
        const PIECES: u8 = 40;
        let folder = tempfile::tempdir().unwrap();
        let (writer, _claim) = begun(folder.path()).await;
        let outcome = Outcome::new(Some(writer.stage()));
        let mut sink = StagedBlobs(outcome.clone()).stage("work/page").await.unwrap();
        let stored = || -> u64 {
            let blobs = std::fs::read_dir(folder.path().join("data/default/acme/blobs"))
                .into_iter()
                .flatten()
                .flatten();
            blobs.map(|blob| blob.metadata().unwrap().len()).sum()
        };
        for piece in 0..PIECES {
            sink.write(vec![piece; 1 << 20].into()).await.unwrap();
            // At most the part that is being filled, and one piece on its way, are in memory.
            assert!(
                stored() + (10 << 20) >= u64::from(piece + 1) << 20,
                "{} after {piece}",
                stored()
            );
        }
        sink.finish().await.unwrap();
        let mut staged = outcome.take_staged().await.unwrap();
        let part = staged.read_blob("work/page", (7 << 20) - 1, 2).await.unwrap();
        assert_eq!(part, vec![6, 7]);
        assert!(
            staged
                .read_blob("work/page", u64::from(PIECES) << 20, 9)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
