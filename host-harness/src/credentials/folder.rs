//! The secrets folder: the one place of the host, outside the data root and its object store, where secrets are durable.
//!
//! `<tenant>/<connection>.json`, written whole (temporary file, fsync, rename, fsync of the folder); folders 0700, files 0600.
//! `<tenant>/<connection>.lock` is held by whoever renews the connection's tokens.

use super::auth::{Auth, AuthError};
use super::secret::Secret;
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// All connections' secrets of one data root.
#[derive(Clone, Debug)]
pub struct SecretsFolder {
    root: PathBuf,
}

/// One connection's place in the folder.
#[derive(Clone, Debug)]
pub struct Vault {
    file: PathBuf,
    lock: PathBuf,
}

/// What is kept for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// As configured, inline secrets included.
    pub auth: Auth,
    /// What the login host issued last.
    pub issued: Option<Issued>,
}

/// Tokens that came with one answer of the login host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Fingerprint of the `auth` it was issued to; under another one it counts for nothing.
    pub to: String,
    /// When the answer came.
    pub at: Timestamp,
    /// The access token in force. Kept so that a command line run needs no token request.
    pub access_token: Secret,
    /// The refresh token that replaced the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The source's origin, as that answer told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_url: Option<String>,
}

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Neither given nor to be derived.
    #[error("there is no place for secrets: set --secrets, BACKUP_HOST_SECRETS, XDG_STATE_HOME or HOME")]
    NoPlace,
    /// Within the data root, which is copied and shared.
    #[error("the secrets folder {} lies within the data root {}; choose a place outside with --secrets", folder.display(), data.display())]
    WithinData {
        /// The folder.
        folder: PathBuf,
        /// The data root.
        data: PathBuf,
    },
    /// A name that makes no file name.
    #[error("{0:?} can't be a tenant's or a connection's name: 1–200 characters of A–Z a–z 0–9 _ - . and no dot first")]
    Name(String),
    /// Others than the owner may read it.
    #[error("{} can be read by others (mode {mode:o}); take it as leaked, or run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not what this host writes.
    #[error("{} can't be read as a connection's secrets ({reason}); add the connection again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why; without content.
        reason: String,
    },
    /// The file system refuses.
    #[error("{} can't be {action}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// `read`, `written`, …
        action: &'static str,
        /// What the file system said.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Document {
    auth: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<Issued>,
}

impl SecretsFolder {
    /// The folder at `given`, or where secrets of this data root lie by default:
    /// `${XDG_STATE_HOME:-$HOME/.local/state}/backup-host/<16 hex of the data root's SHA-256>`. Creates nothing yet.
    ///
    /// `data_root` is a path or a URL; a local one is taken in its canonical form where it exists.
    pub fn locate(given: Option<&Path>, data_root: &str) -> Result<SecretsFolder, SecretsError> {
        let local = !data_root.contains("://");
        let data = if local {
            canonical(Path::new(data_root))?
        } else {
            PathBuf::from(data_root.trim_end_matches('/'))
        };
        let root = match given {
            Some(folder) => canonical(folder)?,
            None => default_place(&data, |name| {
                std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
            })?,
        };
        if local && root.starts_with(&data) {
            return Err(SecretsError::WithinData { folder: root, data });
        }
        Ok(SecretsFolder { root })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// One connection's place. Creates nothing yet.
    pub fn vault(&self, tenant: &str, connection: &str) -> Result<Vault, SecretsError> {
        let folder = self.root.join(checked_name(tenant)?);
        let connection = checked_name(connection)?;
        Ok(Vault {
            file: folder.join(format!("{connection}.json")),
            lock: folder.join(format!("{connection}.lock")),
        })
    }

    /// Keeps a connection's `auth` when it is added. Tokens issued to another `auth` are forgotten.
    pub fn store_config_auth(&self, tenant: &str, connection: &str, auth: &Auth) -> Result<(), SecretsError> {
        let vault = self.vault(tenant, connection)?;
        let _lock = vault.lock()?;
        vault.write(&Stored {
            auth: auth.clone(),
            issued: None,
        })
    }

    /// A connection's secrets, where there are any.
    pub fn load(&self, tenant: &str, connection: &str) -> Result<Option<Stored>, SecretsError> {
        self.vault(tenant, connection)?.read()
    }

    /// Forgets a connection. Nothing to forget is no error.
    pub fn remove(&self, tenant: &str, connection: &str) -> Result<(), SecretsError> {
        let vault = self.vault(tenant, connection)?;
        // Not in the middle of a renewal, which would write them anew.
        let _lock = vault.lock()?;
        match std::fs::remove_file(&vault.file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(&vault.file, "removed")(source)),
            _ => Ok(()),
        }
        // The lock file stays: whoever holds it would otherwise share the connection with whoever creates it anew.
    }
}

impl Vault {
    /// Reads what is kept.
    pub fn read(&self) -> Result<Option<Stored>, SecretsError> {
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => zeroize::Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(&self.file, "read")(source)),
        };
        let metadata = std::fs::metadata(&self.file).map_err(failed(&self.file, "read"))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::Exposed {
                path: self.file.clone(),
                mode,
            });
        }
        let damaged = |reason: String| SecretsError::Damaged {
            path: self.file.clone(),
            reason,
        };
        // serde_json's own texts may quote a value: line and column are enough.
        let document: Document = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        let auth = Auth::parse(&document.auth).map_err(|error: AuthError| damaged(error.to_string()))?;
        Ok(Some(Stored {
            auth,
            issued: document.issued,
        }))
    }

    /// Replaces what is kept; durable when it returns.
    pub fn write(&self, stored: &Stored) -> Result<(), SecretsError> {
        let document = Document {
            auth: serde_json::to_value(&stored.auth).map_err(|error| failed(&self.file, "written")(error.into()))?,
            issued: stored.issued.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&document).map_err(|error| failed(&self.file, "written")(error.into()))?;
        let bytes = zeroize::Zeroizing::new(bytes);
        let folder = self.folder()?;
        // Same folder, so that the rename can't cross file systems; tempfile creates it 0600 and removes it on failure.
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .map_err(failed(folder, "written"))?;
        temporary.write_all(&bytes).map_err(failed(&self.file, "written"))?;
        temporary.as_file().sync_all().map_err(failed(&self.file, "written"))?;
        temporary
            .persist(&self.file)
            .map_err(|error| failed(&self.file, "written")(error.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed(folder, "written"))
    }

    /// Waits until no other process or thread renews this connection's tokens, and keeps them out until it is dropped.
    pub fn lock(&self) -> Result<File, SecretsError> {
        self.folder()?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&self.lock)
            .map_err(failed(&self.lock, "opened"))?;
        file.lock().map_err(failed(&self.lock, "locked"))?;
        Ok(file)
    }

    /// The folder of the tenant, made where it doesn't exist.
    fn folder(&self) -> Result<&Path, SecretsError> {
        // A vault's file always lies in a tenant's folder.
        let folder = self.file.parent().unwrap_or(&self.file);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder, "created"))?;
        Ok(folder)
    }
}

pub(super) fn default_place(data: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, SecretsError> {
    let state = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .ok_or(SecretsError::NoPlace)?;
    let hash = hex::encode(Sha256::digest(data.as_os_str().as_encoded_bytes()));
    Ok(state.join("backup-host").join(&hash[..16]))
}

/// Absolute, with links followed as far as the path exists.
fn canonical(path: &Path) -> Result<PathBuf, SecretsError> {
    let absolute = std::path::absolute(path).map_err(failed(path, "found"))?;
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        match existing.canonicalize() {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match (existing.parent(), existing.file_name()) {
                (Some(parent), Some(name)) => {
                    missing.push(name.to_owned());
                    existing = parent;
                }
                _ => return Ok(absolute),
            },
            Err(source) => return Err(failed(path, "found")(source)),
        }
    }
}

fn checked_name(name: &str) -> Result<&str, SecretsError> {
    let fits = (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fits {
        Ok(name)
    } else {
        Err(SecretsError::Name(name.to_owned()))
    }
}

fn failed(path: &Path, action: &'static str) -> impl Fn(io::Error) -> SecretsError {
    let path = path.to_owned();
    move |source| SecretsError::Io {
        path: path.clone(),
        action,
        source,
    }
}
