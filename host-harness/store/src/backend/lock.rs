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
}

/// No lock beside the store: a claim is a lease.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaseOnly;

impl Lock for LeaseOnly {
    fn try_acquire(&self, _name: &str) -> io::Result<Acquired> {
        Ok(Acquired::LeaseOnly)
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
}

impl Lock for FileLocks {
    fn try_acquire(&self, name: &str) -> io::Result<Acquired> {
        std::fs::create_dir_all(&self.folder)?;
        let file: File = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(format!("{name}.lock")))?;
        match file.try_lock() {
            Ok(()) => Ok(Acquired::Guarded(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(Acquired::Taken),
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
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
