//! From what a person writes (`--data`) to a backend and the lock that goes with it. Nobody else takes a URL apart.

use super::{FileLocks, Lock, ProcessLocks};
use crate::error::StoreError;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use url::Url;

pub(super) struct Location {
    pub backend: Arc<dyn ObjectStore>,
    pub lock: Arc<dyn Lock>,
    pub folder: Option<PathBuf>,
}

fn refused(location: &str, why: impl ToString) -> StoreError {
    StoreError::Refused {
        location: location.to_owned(),
        why: why.to_string(),
    }
}

/// The scheme, where it is a URL: a path may hold a colon, a URL of a store has `://`.
fn scheme(location: &str) -> Option<&str> {
    location.split_once("://").map(|(scheme, _)| scheme)
}

fn url(location: &str) -> Result<Url, StoreError> {
    Url::parse(location).map_err(|error| refused(location, error))
}

/// The folder that is meant, whether or not there is one; `None` for what is no folder of this machine.
pub(super) fn folder_of(location: &str) -> Result<Option<PathBuf>, StoreError> {
    match scheme(location) {
        None => Ok(Some(PathBuf::from(location))),
        Some("file") => {
            let path = url(location)?.to_file_path();
            path.map(Some)
                .map_err(|()| refused(location, "it is not a path of this machine"))
        }
        Some(_) => Ok(None),
    }
}

/// The backend and its lock. A folder is made where there is none.
pub(super) fn resolve(location: &str) -> Result<Location, StoreError> {
    let refuse = |why: String| refused(location, why);
    if let Some(path) = folder_of(location)? {
        return folder(&path).map_err(refuse);
    }
    let url = url(location)?;
    match url.scheme() {
        "memory" => Ok(Location {
            backend: Arc::new(InMemory::new()),
            lock: Arc::new(ProcessLocks::default()),
            folder: None,
        }),
        #[cfg(feature = "s3")]
        "s3" | "s3a" => {
            // Credentials and region come from the environment, as other tools for S3 have it.
            let options = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
            let options = options.map(|(name, value)| (name.to_ascii_lowercase(), value));
            let (backend, prefix) = object_store::parse_url_opts(&url, options).map_err(|e| refuse(e.to_string()))?;
            Ok(Location {
                backend: Arc::new(object_store::prefix::PrefixStore::new(backend, prefix)),
                lock: Arc::new(super::LeaseOnly),
                folder: None,
            })
        }
        #[cfg(not(feature = "s3"))]
        "s3" | "s3a" => Err(refuse(
            "this build has no S3 client: build it with the feature `s3`".to_owned(),
        )),
        other => Err(refuse(format!("`{other}://` is not known; a folder, file:// and s3:// are"))),
    }
}

fn folder(path: &FilePath) -> Result<Location, String> {
    std::fs::create_dir_all(path).map_err(|e| e.to_string())?;
    // Absolute, so that a later change of the working directory moves nothing.
    let path = path.canonicalize().map_err(|e| e.to_string())?;
    let backend = LocalFileSystem::new_with_prefix(&path)
        .map_err(|e| e.to_string())?
        .with_fsync(true);
    Ok(Location {
        backend: Arc::new(backend),
        // Beside the tenants; names of tenants don't begin with a dot, so it is never listed as one.
        lock: Arc::new(FileLocks::new(path.join(".locks"))),
        folder: Some(path),
    })
}
