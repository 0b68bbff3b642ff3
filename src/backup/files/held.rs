//! How many rows of an object had their files in the store when it was last backed up, so that a full backup's plan doesn't count
//! what won't be fetched again.
//!
//! An estimate, kept in values: what is fetched goes by source keys alone.

use crate::host::{ConnectorError, Host};
use crate::values::{self, key};

/// Keeps the number.
pub fn keep<H: Host>(host: &H, object: &str, rows: u64) -> Result<(), ConnectorError> {
    Ok(host.put(vec![values::entry(key::held_files(object), &rows)?])?)
}

/// The numbers of these objects, in their order.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<u64>>, ConnectorError> {
    values::cached_each(host, objects.iter().map(|object| key::held_files(object)))
}
