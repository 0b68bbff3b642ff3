//! One binary: written as it streams in, never whole in memory; small ones in one put, large ones in parts.

use super::entry::BlobRef;
use crate::backend::{Created, Store, is_full};
use crate::epoch::Epoch;
use crate::error::{Damage, StoreError};
use crate::names::Sha256;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};
use sha2::Digest;
use std::pin::pin;

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

/// What is put at once, and the size of a part.
const PART: usize = 8 << 20;

/// Where a blob lies.
pub(crate) fn blob_path(connection_dir: &Path, name: &str) -> Path {
    connection_dir.clone().join("blobs").join(name)
}

/// Writes a stream under a new name.
pub(super) async fn save<E>(
    store: &Store,
    connection_dir: &Path,
    epoch: &Epoch,
    source_key: &str,
    content: impl Stream<Item = Result<Bytes, E>> + Send,
) -> Result<BlobRef, SaveError<E>> {
    let mut content = pin!(content);
    let mut hash = sha2::Sha256::new();
    let mut length = 0;
    let mut part = BytesMut::new();
    let mut parts: Option<Parts> = None;
    loop {
        let chunk = match content.next().await {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => {
                if let Some(parts) = parts {
                    parts.abort().await;
                }
                return Err(SaveError::Source(error));
            }
            None => break,
        };
        hash.update(&chunk);
        length += chunk.len() as u64;
        part.extend_from_slice(&chunk);
        while part.len() >= PART {
            let upload = match &mut parts {
                Some(parts) => parts,
                None => parts.insert(Parts::begin(store, connection_dir, epoch).await?),
            };
            upload.put(part.split_to(PART).freeze()).await?;
        }
    }
    let sha256 = Sha256(hash.finalize().into());
    let name = match parts {
        None => create(store, |name| blob_path(connection_dir, name), epoch, part.freeze()).await?,
        Some(mut parts) => {
            if !part.is_empty() {
                parts.put(part.freeze()).await?;
            }
            parts.complete(length, sha256).await?
        }
    };
    Ok(BlobRef {
        key: source_key.to_owned(),
        name,
        length,
        sha256,
    })
}

/// Creates a data object under the next name that nobody has used. (A connection whose scope changes starts with low epochs
/// again, so a name may be taken.)
pub(super) async fn create(
    store: &Store,
    path: impl Fn(&str) -> Path,
    epoch: &Epoch,
    bytes: Bytes,
) -> Result<String, StoreError> {
    loop {
        let name = epoch.next_name();
        if store.create(&path(&name), bytes.clone()).await? == Created::Mine {
            return Ok(name);
        }
    }
}

/// A large blob under way.
struct Parts {
    store: Store,
    path: Path,
    name: String,
    upload: Box<dyn MultipartUpload>,
}

impl Parts {
    async fn begin(store: &Store, connection_dir: &Path, epoch: &Epoch) -> Result<Parts, StoreError> {
        // There is no "create" for parts. Names are given once an epoch, and what an older epoch left is seen here.
        let (name, path) = loop {
            let name = epoch.next_name();
            let path = blob_path(connection_dir, &name);
            match store.backend().head(&path).await {
                Err(object_store::Error::NotFound { .. }) => break (name, path),
                Ok(_) => {}
                Err(error) => return Err(unavailable(&path, error)),
            }
        };
        let upload = store
            .backend()
            .put_multipart(&path)
            .await
            .map_err(|error| unavailable(&path, error))?;
        Ok(Parts {
            store: store.clone(),
            path,
            name,
            upload,
        })
    }

    async fn put(&mut self, part: Bytes) -> Result<(), StoreError> {
        match self.upload.put_part(part.into()).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.taken_back(error).await),
        }
    }

    /// Takes back what is written already, and says why nothing came of it; what could not be taken back too.
    async fn taken_back(&mut self, error: object_store::Error) -> StoreError {
        let mut what = self.path.to_string();
        if let Err(kept) = self.upload.abort().await {
            what = format!("{what} (what was written of it could not be removed: {kept}; `gc` removes it later)");
        }
        unavailable(what, error)
    }

    async fn complete(mut self, length: u64, sha256: Sha256) -> Result<String, StoreError> {
        if let Err(error) = self.upload.complete().await {
            // It may be there for all that.
            if stored(&self.store, &self.path).await != Some((length, sha256)) {
                return Err(self.taken_back(error).await);
            }
        }
        Ok(self.name)
    }

    /// The parts are not to become a blob. What can't be taken back is swept by gc.
    async fn abort(mut self) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(path = %self.path, %error, "what was written of a file that ended early could not be removed; `gc` removes it later");
        }
    }
}

/// Length and hash of what is there, where that can be read.
async fn stored(store: &Store, path: &Path) -> Option<(u64, Sha256)> {
    let mut content = store.backend().get(path).await.ok()?.into_stream();
    let mut check = BlobCheck::default();
    while let Some(chunk) = content.try_next().await.ok()? {
        check.add(&chunk);
    }
    Some(check.finish())
}

fn unavailable(what: impl ToString, source: object_store::Error) -> StoreError {
    let what = what.to_string();
    if is_full(&source) {
        StoreError::Full { what }
    } else {
        StoreError::Unavailable { what, source }
    }
}

/// Length and hash of what passes by.
#[derive(Default)]
pub(crate) struct BlobCheck {
    length: u64,
    hash: sha2::Sha256,
}

impl BlobCheck {
    /// The next bytes.
    pub fn add(&mut self, chunk: &[u8]) {
        self.length += chunk.len() as u64;
        self.hash.update(chunk);
    }

    /// Of all of them.
    pub fn finish(self) -> (u64, Sha256) {
        (self.length, Sha256(self.hash.finalize().into()))
    }
}

/// A blob that can be read, apart from the snapshot or batch that named it.
#[derive(Clone, Debug)]
pub struct StoredBlob {
    store: Store,
    connection_dir: Path,
    blob: BlobRef,
}

impl StoredBlob {
    pub(super) fn new(store: &Store, connection_dir: &Path, blob: &BlobRef) -> StoredBlob {
        StoredBlob {
            store: store.clone(),
            connection_dir: connection_dir.clone(),
            blob: blob.clone(),
        }
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.blob.length
    }

    /// Its content from the first byte. One that isn't what was stored ends with an error before its last piece is given: whoever
    /// passes it on never has it whole.
    pub async fn stream(self) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let path = blob_path(&self.connection_dir, &self.blob.name);
        let found = match self.store.backend().get(&path).await {
            Ok(found) if found.meta.size == self.blob.length => found,
            Ok(_) => return Err(changed(&path).into()),
            Err(object_store::Error::NotFound { .. }) => return Err(missing(&path).into()),
            Err(error) => return Err(unavailable(&path, error)),
        };
        let reading = CheckedStream {
            content: found.into_stream(),
            check: BlobCheck::default(),
            held_back: None,
            path,
            blob: self.blob,
        };
        let checked = futures::stream::try_unfold(Some(reading), |reading| async {
            match reading {
                Some(reading) => reading.next().await,
                None => Ok(None),
            }
        });
        Ok(checked.boxed())
    }

    /// At most `max` bytes from `offset`; empty at the end. Its hash can't be checked so; [`StoredBlob::stream`] and `check` do.
    pub async fn part(&self, offset: u64, max: u32) -> Result<Bytes, StoreError> {
        let end = offset.saturating_add(u64::from(max)).min(self.blob.length);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let path = blob_path(&self.connection_dir, &self.blob.name);
        let found = self.store.read_range(&path, offset..end).await?;
        found.ok_or_else(|| missing(&path).into())
    }
}

/// A blob that is read, one piece behind its check.
struct CheckedStream {
    content: BoxStream<'static, object_store::Result<Bytes>>,
    check: BlobCheck,
    held_back: Option<Bytes>,
    path: Path,
    blob: BlobRef,
}

impl CheckedStream {
    /// The next piece, and how to go on.
    async fn next(mut self) -> Result<Option<(Bytes, Option<CheckedStream>)>, StoreError> {
        loop {
            match self
                .content
                .try_next()
                .await
                .map_err(|error| unavailable(&self.path, error))?
            {
                Some(piece) => {
                    self.check.add(&piece);
                    if let Some(before) = self.held_back.replace(piece) {
                        return Ok(Some((before, Some(self))));
                    }
                }
                None if self.check.finish() == (self.blob.length, self.blob.sha256) => {
                    return Ok(self.held_back.map(|last| (last, None)));
                }
                None => return Err(changed(&self.path).into()),
            }
        }
    }
}

pub(crate) fn missing(path: &Path) -> Damage {
    Damage::new(
        path,
        "it is missing",
        "bring it back from a copy of the store, or take a new full backup",
    )
}

pub(crate) fn changed(path: &Path) -> Damage {
    Damage::new(
        path,
        "its hash is not the one in the log",
        "bring it back from a copy of the store, or take a new full backup",
    )
}
