//! Garbage.

use crate::error::StoreError;
use crate::journal::{Actor, Journal};
use crate::scope::Claim;

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects deleted.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes what no log names.
pub async fn gc(claim: &mut Claim, journal: &mut Journal, actor: &Actor) -> Result<Collected, StoreError> {
    let _ = (claim, journal, actor);
    unimplemented!()
}
