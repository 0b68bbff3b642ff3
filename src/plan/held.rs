//! How many rows of an object had their files in the store when it was last backed up, so that a full backup's plan doesn't count
//! what won't be fetched again.
//!
//! An estimate, kept in values: what is fetched goes by source keys alone.

use crate::host::{ConnectorError, Host};

/// Values are asked for so many at once.
const VALUES_AT_ONCE: usize = 100;

fn key(object: &str) -> String {
    format!("v1/held/{object}")
}

/// Keeps the number.
pub fn keep<H: Host>(host: &H, object: &str, rows: u64) -> Result<(), ConnectorError> {
    Ok(host.put(vec![(key(object), Some(rows.to_string().into_bytes()))])?)
}

/// The numbers of these objects, in their order.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<u64>>, ConnectorError> {
    let mut known = Vec::with_capacity(objects.len());
    for some in objects.chunks(VALUES_AT_ONCE) {
        let values = host.get(some.iter().map(|object| key(object)).collect())?;
        known.extend((0..some.len()).map(|n| serde_json::from_slice(values.get(n)?.as_deref()?).ok()));
    }
    Ok(known)
}
