//! A connector's small durable values: append-only, folded.

use crate::backend::Store;
use crate::error::StoreError;
use crate::names::ConnectionName;
use crate::scope::Claim;
use bytes::Bytes;

/// The values of a connection.
#[derive(Debug)]
pub struct Values {}

impl Values {
    /// Reads them.
    pub async fn open(store: &Store, connection: &ConnectionName) -> Result<Values, StoreError> {
        let _ = (store, connection);
        unimplemented!()
    }

    /// Makes all entries durable together; `None` deletes. Under the claim.
    pub async fn put(&mut self, claim: &Claim, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StoreError> {
        let _ = (claim, entries);
        unimplemented!()
    }

    /// One value.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        let _ = key;
        unimplemented!()
    }

    /// At most `max` keys that begin with `prefix` and come after `after`, sorted bytewise.
    pub fn keys(&self, prefix: &str, after: &str, max: u32) -> Vec<String> {
        let _ = (prefix, after, max);
        unimplemented!()
    }
}
