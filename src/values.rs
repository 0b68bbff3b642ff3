//! Small durable values of a connection: all their keys, and how they are read and written.
//!
//! A key begins with the version of what is stored, and then says of what it is. The rules it keeps: a value that only saves requests is
//! as good as none where it can't be read ([`cached`]); one that says what was written to an org has to be read ([`load`]).

use crate::host::{ConnectorError, Failure, Host};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A key and its new value; `None` deletes it.
pub type Entry = (String, Option<Vec<u8>>);

/// Keys of one `get`: a value has a few kilobytes, and one call gives so much only.
const AT_ONCE: usize = 100;

/// Keys.
pub mod key {
    /// What planning a backup has learnt so far.
    pub const PLAN: &str = "v1/plan";
    /// How far the org's clock is ahead of the host's, in milliseconds.
    pub const CLOCK: &str = "v1/clock";
    /// What the write request under way is to create.
    pub const INTENT: &str = "v1/intent";
    /// What a search for records of a write request without an answer has found.
    pub const SEARCH: &str = "v1/search";
    /// Keys of a restore begin with this.
    pub const RESTORE: &str = "v1/restore/";
    /// Keys of a dry run (`--dry-run`) begin with this.
    pub const DRY_RUN: &str = "v1/dry-run/";

    /// An object's describe, condensed.
    pub fn describe(object: &str) -> String {
        format!("v1/describe/{object}")
    }

    /// All of an object's describe, deflated.
    pub fn whole_describe(object: &str) -> String {
        format!("v1/schema/{object}")
    }

    /// How many of an object's files are in the store.
    pub fn held_files(object: &str) -> String {
        format!("v1/held/{object}")
    }

    /// How many images an object's rich text had.
    pub fn images(object: &str) -> String {
        format!("v1/images/{object}")
    }

    /// A piece of the list of an object's files that are to be fetched.
    pub fn due_files(object: &str, piece: u32) -> String {
        format!("v1/files/{object}/{piece}")
    }

    /// When an object that failed is tried again.
    pub fn failed(object: &str) -> String {
        format!("v1/failed/{object}")
    }

    /// When an object's records and files that failed are tried again.
    pub fn failed_parts(object: &str) -> String {
        format!("v1/failed-parts/{object}")
    }

    /// The Id map of an object: Ids of the org `source` → Ids of this org.
    pub fn ids(source: &str, object: &str) -> String {
        format!("v1/ids/{source}/{object}")
    }

    /// A part of what a search has found.
    pub fn search_page(number: u32) -> String {
        format!("{SEARCH}/{number}")
    }

    /// The bulk job under way of a restore.
    pub fn ingest() -> String {
        format!("{RESTORE}ingest")
    }

    /// One piece of that job's rows.
    pub fn ingest_piece(number: u32) -> String {
        format!("{RESTORE}ingest/{number}")
    }
}

/// The bytes of a value.
pub fn bytes<H: Host>(host: &H, key: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
    Ok(host.get(vec![key.to_owned()])?.into_iter().next().flatten())
}

/// A value without which nothing may go on: one that can't be read is an error.
pub fn load<T: DeserializeOwned, H: Host>(host: &H, key: &str) -> Result<Option<T>, ConnectorError> {
    let value = bytes(host, key)?;
    let read = value.map(|value| serde_json::from_slice(&value));
    read.transpose().map_err(|error| broken(key, "read", &error))
}

/// A value that only saves requests: one that can't be read is as good as none.
pub fn cached<T: DeserializeOwned, H: Host>(host: &H, key: &str) -> Result<Option<T>, ConnectorError> {
    Ok(bytes(host, key)?.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// The same for many, in the order of their keys.
pub fn cached_each<T: DeserializeOwned, H: Host>(
    host: &H,
    keys: impl IntoIterator<Item = String>,
) -> Result<Vec<Option<T>>, ConnectorError> {
    let keys: Vec<String> = keys.into_iter().collect();
    let mut found = Vec::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE) {
        let values = host.get(some.to_vec())?;
        found.extend((0..some.len()).map(|position| serde_json::from_slice(values.get(position)?.as_deref()?).ok()));
    }
    Ok(found)
}

/// A value as an entry to be put.
pub fn entry<T: Serialize + ?Sized>(key: impl Into<String>, value: &T) -> Result<Entry, ConnectorError> {
    let key = key.into();
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok((key, Some(bytes))),
        Err(error) => Err(broken(&key, "written", &error)),
    }
}

/// The same; without a value the entry deletes it.
pub fn entry_or_removal<T: Serialize>(key: String, value: Option<&T>) -> Result<Entry, ConnectorError> {
    match value {
        Some(value) => entry(key, value),
        None => Ok(removal(key)),
    }
}

/// The entry that deletes a value.
pub fn removal(key: impl Into<String>) -> Entry {
    (key.into(), None)
}

fn broken(key: &str, what: &str, error: &serde_json::Error) -> ConnectorError {
    ConnectorError::State(
        Failure::new("value", format!("the stored value {key} can't be {what}: {error}"))
            .remedy("bring the connection's values back from a copy of the store"),
    )
}
