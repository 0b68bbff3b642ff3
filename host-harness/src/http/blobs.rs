//! What this module needs of blob storage: a place to put an answer's body, and bodies to send. Staging, keys and commit are the
//! implementor's.

use async_trait::async_trait;
use backup_contract::StorageError;
use bytes::Bytes;
use futures::stream::BoxStream;

/// Blobs of the batch under way.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Begins a staged blob under a source key.
    async fn stage(&self, key: &str) -> Result<Box<dyn BlobSink>, StorageError>;

    /// A staged or stored blob, to be sent. Asked again for each attempt.
    async fn open(&self, key: &str) -> Result<BlobBody, StorageError>;
}

/// A blob being written. Dropped without [`BlobSink::finish`] it was never there.
#[async_trait]
pub trait BlobSink: Send {
    /// Appends.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError>;

    /// The blob is whole.
    async fn finish(self: Box<Self>) -> Result<(), StorageError>;
}

/// A blob to be read once, from its beginning.
pub struct BlobBody {
    /// Bytes in all; the stream gives exactly as many.
    pub length: u64,
    /// Its content.
    pub bytes: BoxStream<'static, Result<Bytes, StorageError>>,
}
