//! The root of a store: where it is, whether it can be trusted, and how one object is written once.
//!
//! Everything else writes through [`Store::create`], which keeps the rule *never go on while unknown*: after any error, and after
//! `AlreadyExists` too, it reads back what is there. A stored put can answer 500, and a 409 can have stored nothing.

mod location;
mod lock;
mod objects;
mod probe;
#[cfg(test)]
mod tests;

pub use lock::{Acquired, FileLocks, LeaseOnly, Lock, ProcessLocks};
pub(crate) use objects::{Created, is_full};

use location::Location;

use crate::error::StoreError;
use crate::names::{ConnectionName, SCOPES, Scope, Sha256, TenantName};
use backup_seams::{Clock, Randomness};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

/// Where the format is said: what has it is a store.
const FORMAT_FILE: &str = "format.json";

/// How long a claim outlives its last durable entry where no lock tells a dead host from a slow one.
pub(crate) const LEASE: Duration = Duration::from_secs(600);

/// Time and randomness, as the host gives them.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The host's time.
    pub clock: Arc<dyn Clock>,
    /// The host's randomness.
    pub randomness: Arc<dyn Randomness>,
}

/// A root folder or bucket with all its tenants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<StoreInner>,
}

#[derive(Debug)]
struct StoreInner {
    backend: Arc<dyn ObjectStore>,
    lock: Arc<dyn Lock>,
    seams: Seams,
    /// Where the store is a local folder.
    folder: Option<PathBuf>,
}

/// `format.json`.
#[derive(Serialize, Deserialize)]
struct FormatFile {
    format: u32,
    min_reader: u32,
}

impl Store {
    /// Opens a folder or URL, and makes it a store where it is none yet. A folder is created, and written with fsync.
    pub async fn open(location: &str, seams: Seams) -> Result<Store, StoreError> {
        let store = Store::at(location::resolve(location)?, seams);
        store.check_format(location).await?;
        Ok(store)
    }

    /// Opens what is a store already; makes nothing, no folder either.
    pub async fn open_existing(location: &str, seams: Seams) -> Result<Store, StoreError> {
        // Before it is resolved, which makes a folder.
        if let Some(folder) = location::folder_of(location)?
            && !folder.join(FORMAT_FILE).exists()
        {
            let absolute = std::path::absolute(&folder).unwrap_or(folder);
            return Err(StoreError::NoStore(absolute.display().to_string()));
        }
        let store = Store::at(location::resolve(location)?, seams);
        if store.read(&Path::from(FORMAT_FILE)).await?.is_none() {
            return Err(StoreError::NoStore(location.to_owned()));
        }
        store.check_format(location).await?;
        Ok(store)
    }

    /// A store on any backend, for tests and simulations.
    pub async fn with_backend(backend: Arc<dyn ObjectStore>, lock: Arc<dyn Lock>, seams: Seams) -> Result<Store, StoreError> {
        let location = backend.to_string();
        let resolved = Location {
            backend,
            lock,
            folder: None,
        };
        let store = Store::at(resolved, seams);
        store.check_format(&location).await?;
        Ok(store)
    }

    /// What is there hasn't been looked at yet.
    fn at(location: Location, seams: Seams) -> Store {
        let Location { backend, lock, folder } = location;
        Store {
            inner: Arc::new(StoreInner {
                backend,
                lock,
                seams,
                folder,
            }),
        }
    }

    /// Reads `format.json`; at first use asks whether the backend keeps the one promise that all rests on, then writes it.
    async fn check_format(&self, location: &str) -> Result<(), StoreError> {
        let path = Path::from(FORMAT_FILE);
        let ours = FormatFile {
            format: FORMAT,
            min_reader: FORMAT,
        };
        let bytes = match self.read(&path).await? {
            Some(bytes) => bytes,
            None => {
                probe::refuse_a_store_that_creates_twice(self, location).await?;
                let ours = serde_json::to_vec(&ours).map_err(|e| StoreError::State(e.to_string()))?;
                match self.create(&path, ours.clone().into()).await? {
                    Created::Mine => ours.into(),
                    Created::Theirs(theirs) => theirs,
                }
            }
        };
        let found: FormatFile = serde_json::from_slice(&bytes).map_err(|_| StoreError::Refused {
            location: location.to_owned(),
            why: "its format.json is not one of a backup store".to_owned(),
        })?;
        if found.min_reader > FORMAT {
            return Err(StoreError::NewerFormat {
                format: found.min_reader,
                reads: FORMAT,
            });
        }
        Ok(())
    }

    /// The host's time and randomness.
    pub fn seams(&self) -> &Seams {
        &self.inner.seams
    }

    /// Every connection that was ever added, removed ones included, sorted.
    pub async fn connections(&self) -> Result<Vec<ConnectionName>, StoreError> {
        let mut found = Vec::new();
        for tenant in self.folders(None).await? {
            if tenant.parse::<TenantName>().is_err() {
                continue;
            }
            for connection in self.folders(Some(&Path::from(tenant.as_str()))).await? {
                if connection != SCOPES {
                    found.extend(format!("{tenant}/{connection}").parse::<ConnectionName>());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The folder of a connection.
    pub(crate) fn connection_dir(&self, name: &ConnectionName) -> Path {
        Path::from_iter([name.tenant().as_str(), name.connection()])
    }

    /// The folder of a scope's journal.
    pub(crate) fn scope_dir(&self, tenant: &TenantName, scope: &Scope) -> Path {
        let hash = Sha256::of(scope.as_str().as_bytes()).to_string();
        Path::from_iter([tenant.as_str(), SCOPES, hash.as_str()])
    }

    pub(crate) fn backend(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.backend
    }

    pub(crate) fn lock(&self) -> &dyn Lock {
        &*self.inner.lock
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.seams.clock
    }

    pub(crate) fn nonce(&self) -> String {
        let mut bytes = [0; 16];
        self.inner.seams.randomness.fill(&mut bytes);
        hex::encode(bytes)
    }

    /// Where the store is a local folder.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.inner.folder.as_deref()
    }
}
