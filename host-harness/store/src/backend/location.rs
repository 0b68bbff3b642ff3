//! From what a person writes (`--data`) to a backend and the lock that goes with it.

use super::{FileLocks, Lock, ProcessLocks};
use crate::error::StoreError;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

pub(super) struct Location {
    pub backend: Arc<dyn ObjectStore>,
    pub lock: Arc<dyn Lock>,
    pub folder: Option<PathBuf>,
}

pub(super) fn resolve(location: &str) -> Result<Location, StoreError> {
    let refuse = |why: String| StoreError::Refused {
        location: location.to_owned(),
        why,
    };
    // A path may hold a colon; a URL of a store has `://`.
    let Some((scheme, _)) = location.split_once("://") else {
        return folder(FilePath::new(location)).map_err(refuse);
    };
    let url = url::Url::parse(location).map_err(|e| refuse(e.to_string()))?;
    match scheme {
        "file" => {
            let path = url
                .to_file_path()
                .map_err(|()| refuse("it is not a path of this machine".to_owned()))?;
            folder(&path).map_err(refuse)
        }
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
