//! Connector components, stored by their SHA-256 as `.connectors/<sha256>.wasm`. No tenant's name begins with a dot, so none collides.
//!
//! A connection is pinned to a digest by its journal; what a digest names never changes.

use crate::backend::{Created, Store};
use crate::error::{Damage, StoreError};
use crate::names::Sha256;
use bytes::Bytes;
use object_store::path::Path;

impl Store {
    /// Keeps a component and gives its digest. Keeping it again changes nothing.
    pub async fn put_component(&self, component: Bytes) -> Result<Sha256, StoreError> {
        let digest = Sha256::of(&component);
        if self.component(digest).await?.is_some() {
            return Ok(digest);
        }
        match self.create(&path(digest), component).await? {
            Created::Mine => Ok(digest),
            Created::Theirs(_) => Err(damaged(digest).into()),
        }
    }

    /// The component of a digest, checked against it; `None` where it isn't kept here.
    pub async fn component(&self, digest: Sha256) -> Result<Option<Bytes>, StoreError> {
        let component = self.read(&path(digest)).await?;
        match component {
            Some(found) if Sha256::of(&found) != digest => Err(damaged(digest).into()),
            other => Ok(other),
        }
    }
}

fn path(digest: Sha256) -> Path {
    Path::from_iter([".connectors".to_owned(), format!("{digest}.wasm")])
}

fn damaged(digest: Sha256) -> Damage {
    Damage::new(
        path(digest),
        "it is not the component of its digest",
        "delete it and install the connector again",
    )
}
