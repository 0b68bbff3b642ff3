//! Reads everything again.

mod collect;

pub use collect::{Collected, gc};

use crate::backend::Store;
use crate::error::{Damage, StoreError};
use crate::names::{ConnectionName, Sha256};

/// What was read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries of journal, scope journal, logs and values.
    pub entries: u64,
    /// Segments.
    pub segments: u64,
    /// Blobs.
    pub blobs: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is not as it was written.
    pub damages: Vec<Damage>,
}

/// Reads all that is stored of a connection and checks every hash.
pub async fn verify(store: &Store, connection: &ConnectionName) -> Result<Checked, StoreError> {
    let _ = (store, connection);
    unimplemented!()
}

/// Checks the journal's chain; with `expect`, that this head is one of its entries.
pub async fn verify_journal(
    store: &Store,
    connection: &ConnectionName,
    expect: Option<Sha256>,
) -> Result<Vec<Damage>, StoreError> {
    let _ = (store, connection, expect);
    unimplemented!()
}
