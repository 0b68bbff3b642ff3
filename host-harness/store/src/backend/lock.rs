//! Keeps two hosts apart on one scope, where the store alone can't tell a dead host from a slow one.

use std::collections::HashSet;
use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What came of asking for a lock.
pub enum Acquired {
    /// It is this host's until the guard is dropped or the process ends, however it ends.
    Guarded(Box<dyn Send + Sync>),
    /// A live host has it.
    Taken,
    /// There is no such lock here: leases decide.
    LeaseOnly,
}

/// Exclusion by name beside the object store, part of that seam.
pub trait Lock: Debug + Send + Sync {
    /// Asks once, never waits.
    fn try_acquire(&self, name: &str) -> io::Result<Acquired>;

    /// Whether a live host has it; `None` where leases decide. Keeps nobody out who has it or asks for it in earnest, but for the
    /// moment that looking takes where its last holder died.
    fn is_held(&self, name: &str) -> io::Result<Option<bool>>;
}

/// No lock beside the store: a claim is a lease.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaseOnly;

impl Lock for LeaseOnly {
    fn try_acquire(&self, _name: &str) -> io::Result<Acquired> {
        Ok(Acquired::LeaseOnly)
    }

    fn is_held(&self, _name: &str) -> io::Result<Option<bool>> {
        Ok(None)
    }
}

/// Locks on files of one folder. The system releases them when the process ends, so a killed host holds nothing.
#[derive(Clone, Debug)]
pub struct FileLocks {
    folder: PathBuf,
}

impl FileLocks {
    /// In this folder, which is created when first needed.
    pub fn new(folder: PathBuf) -> FileLocks {
        FileLocks { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.lock"))
    }
}

impl Lock for FileLocks {
    fn try_acquire(&self, name: &str) -> io::Result<Acquired> {
        std::fs::create_dir_all(&self.folder)?;
        let file: File = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Acquired::Guarded(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(Acquired::Taken),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_held(&self, name: &str) -> io::Result<Option<bool>> {
        let file = match File::open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(false)),
            file => file?,
        };
        // Together with others who only look.
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(false)),
            Err(TryLockError::WouldBlock) => Ok(Some(true)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Locks within one process, for stores that live in its memory. Clones share what is locked.
#[derive(Clone, Debug, Default)]
pub struct ProcessLocks {
    held: Arc<Mutex<HashSet<String>>>,
}

struct ProcessGuard {
    held: Arc<Mutex<HashSet<String>>>,
    name: String,
}

impl Lock for ProcessLocks {
    fn try_acquire(&self, name: &str) -> io::Result<Acquired> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.insert(name.to_owned()) {
            Ok(Acquired::Guarded(Box::new(ProcessGuard {
                held: Arc::clone(&self.held),
                name: name.to_owned(),
            })))
        } else {
            Ok(Acquired::Taken)
        }
    }

    fn is_held(&self, name: &str) -> io::Result<Option<bool>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(held.contains(name)))
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
