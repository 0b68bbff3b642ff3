//! What is stored and read back; `storage` in `wit/`.

use crate::NamedValue;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identifies it within its object, 1–255 bytes.
    pub key: String,
    /// When the source last modified it, in milliseconds since 1970; 0 where it doesn't tell.
    pub revision: u64,
    /// One JSON object without a line break.
    pub body: Vec<u8>,
}

/// A record that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its key.
    pub key: String,
    /// When it went, in milliseconds since 1970.
    pub at: u64,
}

/// What a snapshot says besides records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Identifies it within its snapshot, 1–255 bytes.
    pub key: String,
    /// One JSON object of at most [`crate::rules::MAX_NOTE_BYTES`] without a line break.
    pub body: Vec<u8>,
}

/// A blob that a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBlob {
    /// Its source key.
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A snapshot, by what it is to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that the job writes, as committed so far.
    Current,
    /// The one that the job goes on from.
    Predecessor,
    /// The one that a restore reads.
    Source,
}

/// Why something was not stored or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room.
    #[error("the store is full")]
    Full,
    /// A name, key or row that can't be stored.
    #[error("bad name: {0}")]
    BadName(String),
    /// Over the limit, in bytes.
    #[error("over the limit of {0} bytes")]
    TooLarge(u64),
    /// Encrypted to a key that isn't here.
    #[error("sealed: {0}")]
    Sealed(String),
    /// The store doesn't answer.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Anything else, by its name.
    #[error("{0}")]
    Other(NamedValue),
}

impl StorageError {
    /// One that the contract has no variant for.
    pub fn other(name: &str, text: impl Into<String>) -> StorageError {
        StorageError::Other(NamedValue::new(name, text))
    }
}
