//! Segments.

use backup_seams::Timestamp;
use bytes::Bytes;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identifies it within its object, 1–255 bytes.
    pub key: String,
    /// Greater is newer.
    pub revision: u64,
    /// One JSON object without a line break.
    pub body: Bytes,
}

/// A record that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its key.
    pub key: String,
    /// When it went.
    pub at: Timestamp,
}
