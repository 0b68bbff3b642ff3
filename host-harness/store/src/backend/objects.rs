//! One object at a time: create and be sure, read patiently, list.

use super::Store;
use crate::error::StoreError;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::time::Duration;

/// How often something that may pass is tried.
const TRIES: u32 = 5;

/// What creating an object came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It holds what was given.
    Mine,
    /// It holds something else.
    Theirs(Bytes),
}

impl Store {
    /// Writes an object that nobody has written before, and is sure of it when it returns.
    ///
    /// `Full`: it is provably absent. `Unsettled`: it is absent now but may yet appear, or can't be asked for.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<Created, StoreError> {
        for attempt in 1.. {
            let put = self
                .backend()
                .put_opts(path, PutPayload::from_bytes(bytes.clone()), PutMode::Create.into());
            let Err(error) = put.await else { return Ok(Created::Mine) };
            match self.read(path).await {
                Ok(Some(found)) if found == bytes => return Ok(Created::Mine),
                Ok(Some(found)) => return Ok(Created::Theirs(found)),
                Ok(None) if is_full(&error) => return Err(StoreError::Full { what: path.to_string() }),
                Ok(None) if is_final(&error) => {
                    return Err(StoreError::Unavailable {
                        what: path.to_string(),
                        source: error,
                    });
                }
                Ok(None) if attempt < TRIES => self.back_off(attempt).await,
                Ok(None) | Err(_) => {
                    tracing::warn!(%path, %error, "not known whether it was written");
                    return Err(StoreError::Unsettled { what: path.to_string() });
                }
            }
        }
        unreachable!("the loop returns at the last try")
    }

    /// Replaces what is there. For caches only, where being wrong is found and does no harm.
    pub(crate) async fn replace_cache(&self, path: &Path, bytes: Bytes) {
        if let Err(error) = self.backend().put(path, bytes.into()).await {
            tracing::debug!(%path, %error, "a cache was not written");
        }
    }

    /// All of an object; `None` where there is none.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<Bytes>, StoreError> {
        self.patiently(path, || async { self.backend().get(path).await?.bytes().await })
            .await
    }

    /// A part of an object; `None` where there is none. The range has to lie within it.
    pub(crate) async fn read_range(&self, path: &Path, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let range = &range;
        self.patiently(path, || async { self.backend().get_range(path, range.clone()).await })
            .await
    }

    // Takes a closure that gives a future and not an `AsyncFn`: of what that gives it can't be said yet that it is `Send`.
    async fn patiently<T, F>(&self, path: &Path, ask: impl Fn() -> F) -> Result<Option<T>, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for attempt in 1.. {
            match ask().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) if is_final(&error) || attempt == TRIES => {
                    return Err(StoreError::Unavailable {
                        what: path.to_string(),
                        source: error,
                    });
                }
                Err(_) => self.back_off(attempt).await,
            }
        }
        unreachable!("the loop returns at the last try")
    }

    /// Names of the objects directly in a folder, with their sizes, in no order.
    pub(crate) async fn list(&self, dir: &Path) -> Result<Vec<(String, u64)>, StoreError> {
        let below = self.list_below(dir).await?;
        let names = below.into_iter().filter_map(|(path, size)| {
            let mut rest = path.prefix_match(dir)?;
            let name = rest.next()?.as_ref().to_owned();
            rest.next().is_none().then_some((name, size))
        });
        Ok(names.collect())
    }

    /// Paths below a folder, however deep, with their sizes, in no order.
    pub(crate) async fn list_below(&self, dir: &Path) -> Result<Vec<(Path, u64)>, StoreError> {
        let list = || async {
            let listed = self.backend().list(Some(dir)).map_ok(|meta| (meta.location, meta.size));
            listed.try_collect::<Vec<_>>().await
        };
        Ok(self.patiently(dir, list).await?.unwrap_or_default())
    }

    /// Names of the folders directly in a folder, in no order.
    pub(crate) async fn folders(&self, dir: Option<&Path>) -> Result<Vec<String>, StoreError> {
        let root = Path::default();
        let what = dir.unwrap_or(&root);
        let list = || async { self.backend().list_with_delimiter(dir).await };
        let listed = self.patiently(what, list).await?;
        let prefixes = listed.map(|listed| listed.common_prefixes).unwrap_or_default();
        Ok(prefixes.iter().filter_map(|p| p.filename().map(str::to_owned)).collect())
    }

    /// Deletes an object. That it is gone already is fine.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let delete = || async { self.backend().delete(path).await };
        self.patiently(path, delete).await.map(drop)
    }

    async fn back_off(&self, attempt: u32) {
        self.clock().sleep(Duration::from_millis(50 << attempt)).await;
    }
}

/// Whether there is no room, which waiting doesn't change.
pub(crate) fn is_full(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{QuotaExceeded, StorageFull};
            if matches!(error.kind(), StorageFull | QuotaExceeded) {
                return true;
            }
        }
        cause = error.source();
    }
    false
}

/// Whether trying again can't help.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}
