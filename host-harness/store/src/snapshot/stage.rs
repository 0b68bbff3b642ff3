//! Staging.

use super::segment::{Row, Tombstone};
use crate::error::StoreError;
use crate::names::ObjectName;
use bytes::Bytes;
use futures::Stream;

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

/// A batch's data before its commit. Dropping it discards it: nothing of it is visible.
#[derive(Debug)]
pub struct Staged {}

impl Staged {
    /// Stages rows. Memory stays bounded: the largest object is written out as a segment where all staged ones pass 32 MiB.
    pub async fn append(&mut self, object: &ObjectName, rows: Vec<Row>) -> Result<(), StoreError> {
        let _ = (object, rows);
        unimplemented!()
    }

    /// Stages deletions. A tombstone hides every row of its key committed in the same or an earlier batch.
    pub async fn bury(&mut self, object: &ObjectName, rows: Vec<Tombstone>) -> Result<(), StoreError> {
        let _ = (object, rows);
        unimplemented!()
    }

    /// Writes a stream to a blob; its length in bytes.
    pub async fn save_blob<E>(
        &mut self,
        source_key: &str,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, SaveError<E>> {
        let _ = (source_key, content);
        unimplemented!()
    }

    /// Length of the blob of this source key where this or an earlier snapshot of the connection holds it; it then belongs to
    /// this batch too.
    pub async fn reuse_blob(&mut self, source_key: &str) -> Result<Option<u64>, StoreError> {
        let _ = source_key;
        unimplemented!()
    }

    /// At most `max` bytes of a staged or committed blob from `offset`; empty at the end.
    pub async fn read_blob(&mut self, source_key: &str, offset: u64, max: u32) -> Result<Bytes, StoreError> {
        let _ = (source_key, offset, max);
        unimplemented!()
    }

    /// Rows staged so far.
    pub fn rows(&self) -> u64 {
        unimplemented!()
    }
}
