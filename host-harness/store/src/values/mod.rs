//! A connector's small durable values: cached answers, intents, id maps. Every put is one entry of a hash-chained list; the values
//! are its fold, held in memory.
//!
//! gc writes the fold anew as *base* entries and drops what lies before them, so the list doesn't grow with what was overwritten.

#[cfg(test)]
mod tests;

use crate::backend::Store;
use crate::chain::{Chain, Entry};
use crate::error::{Damage, StoreError};
use crate::names::ConnectionName;
use crate::scope::Claim;
use backup_contract::rules::{MAX_KEY_BYTES, MAX_VALUE_BYTES, is_key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What one base entry holds, about, in bytes.
const BASE_PART: usize = 4 << 20;
/// How many entries may lie before compaction is worth it.
const COMPACT_AFTER: u64 = 64;

/// One value in an entry: as text where it is text, so that people can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredValue {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// An entry's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum ValuesRecord {
    /// One put: an entry without text or base64 deletes.
    Put {
        #[serde(rename = "values")]
        values: Vec<StoredValue>,
    },
    /// A part of the whole. Where all parts of it follow each other, they stand for everything before.
    Base {
        part: u64,
        parts: u64,
        #[serde(rename = "values")]
        values: Vec<StoredValue>,
    },
}

impl StoredValue {
    fn new(key: &str, value: Option<&Bytes>) -> StoredValue {
        let text = value.and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned);
        StoredValue {
            key: key.to_owned(),
            base64: value.filter(|_| text.is_none()).map(|value| BASE64_STANDARD.encode(value)),
            text,
        }
    }

    /// `None` deletes. What isn't base64 can't have been written: the entry's hash was right.
    fn value(self) -> Option<Bytes> {
        match (self.text, self.base64) {
            (Some(text), _) => Some(text.into()),
            (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).ok().map(Bytes::from),
            (None, None) => None,
        }
    }
}

/// The values of a connection.
#[derive(Debug)]
pub struct Values {
    connection: ConnectionName,
    chain: Chain<ValuesRecord>,
    values: BTreeMap<String, Bytes>,
    /// Parts of a base that isn't whole yet.
    base: BTreeMap<String, Bytes>,
    base_parts: u64,
    /// Number of the first entry that is there, and of the first that counts.
    first: u64,
    counts_from: u64,
    has_base: bool,
}

pub(crate) fn dir(store: &Store, connection: &ConnectionName) -> Path {
    store.connection_dir(connection).join("values")
}

impl Values {
    /// Reads them.
    pub async fn open(store: &Store, connection: &ConnectionName) -> Result<Values, StoreError> {
        let (chain, entries) = Chain::open_compacted(store, dir(store, connection)).await?;
        let first = entries.first().map_or(1, |entry| entry.seq);
        let mut values = Values {
            connection: connection.clone(),
            chain,
            values: BTreeMap::new(),
            base: BTreeMap::new(),
            base_parts: 0,
            first,
            counts_from: first,
            has_base: false,
        };
        entries.into_iter().for_each(|entry| values.fold(entry));
        match values.lost_beginning() {
            Some(damage) => Err(damage.into()),
            None => Ok(values),
        }
    }

    /// Only what a whole base stands for may be gone from the beginning.
    fn lost_beginning(&self) -> Option<Damage> {
        let whole = self.first == 1 || self.has_base;
        (!whole).then(|| {
            Damage::new(
                self.chain.dir(),
                format!("its first entries are missing: it begins with entry {}", self.first),
                "bring them back from a copy of the store",
            )
        })
    }

    /// Makes all entries durable together; `None` deletes. Under the claim: losing the entry means that another host took over.
    pub async fn put(&mut self, claim: &Claim, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StoreError> {
        self.check_claim(claim)?;
        for (key, value) in &entries {
            check(key, value.as_ref())?;
        }
        if entries.is_empty() {
            return Ok(());
        }
        let values = entries
            .iter()
            .map(|(key, value)| StoredValue::new(key, value.as_ref()))
            .collect();
        let entry = self
            .chain
            .append_exclusive(claim.epoch(), ValuesRecord::Put { values })
            .await?;
        self.fold(entry);
        Ok(())
    }

    /// One value.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.values.get(key).cloned()
    }

    /// At most `max` keys that begin with `prefix` and come after `after`, sorted bytewise.
    pub fn keys(&self, prefix: &str, after: &str, max: u32) -> Vec<String> {
        let from = if after >= prefix {
            Bound::Excluded(after)
        } else {
            Bound::Included(prefix)
        };
        let keys = self.values.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix))
            .take(max as usize)
            .cloned()
            .collect()
    }

    /// Writes the fold anew and deletes what lies before it, where that is worth it. How many entries were deleted.
    pub(crate) async fn compact(&mut self, store: &Store, claim: &Claim) -> Result<u64, StoreError> {
        self.check_claim(claim)?;
        if self.chain.head().seq.saturating_sub(self.counts_from) >= COMPACT_AFTER {
            let parts = self.base();
            let count = parts.len() as u64;
            for (part, values) in (1..).zip(parts) {
                let record = ValuesRecord::Base {
                    part,
                    parts: count,
                    values,
                };
                let entry = self.chain.append_exclusive(claim.epoch(), record).await?;
                self.fold(entry);
            }
        }
        // In order, so that what is left after a crash is still one list.
        let mut deleted = 0;
        while self.first < self.counts_from {
            store.delete(&crate::chain::entry_path(self.chain.dir(), self.first)).await?;
            self.first += 1;
            deleted += 1;
        }
        Ok(deleted)
    }

    fn base(&self) -> Vec<Vec<StoredValue>> {
        let mut parts = vec![Vec::new()];
        let mut size = 0;
        for (key, value) in &self.values {
            if size > BASE_PART {
                parts.push(Vec::new());
                size = 0;
            }
            size += key.len() + value.len();
            if let Some(part) = parts.last_mut() {
                part.push(StoredValue::new(key, Some(value)));
            }
        }
        parts
    }

    fn fold(&mut self, entry: Entry<ValuesRecord>) {
        match entry.body {
            ValuesRecord::Put { values } => {
                self.base_parts = 0;
                for stored in values {
                    let key = stored.key.clone();
                    match stored.value() {
                        Some(value) => self.values.insert(key, value),
                        None => self.values.remove(&key),
                    };
                }
            }
            ValuesRecord::Base { part, parts, values } => {
                if part == 1 {
                    self.base.clear();
                    self.base_parts = 0;
                }
                let follows = part == self.base_parts + 1;
                self.base_parts = if follows { part } else { 0 };
                self.base.extend(
                    values
                        .into_iter()
                        .filter_map(|stored| Some((stored.key.clone(), stored.value()?))),
                );
                if follows && part == parts {
                    self.values = std::mem::take(&mut self.base);
                    self.counts_from = entry.seq + 1 - parts;
                    self.has_base = true;
                }
            }
        }
    }

    fn check_claim(&self, claim: &Claim) -> Result<(), StoreError> {
        if claim.connection() == &self.connection {
            return Ok(());
        }
        Err(StoreError::State(format!(
            "a claim for {} does not allow to write {}",
            claim.connection(),
            self.connection
        )))
    }
}

fn check(key: &str, value: Option<&Bytes>) -> Result<(), StoreError> {
    if !is_key(key) {
        return Err(StoreError::BadRow {
            what: "a value".to_owned(),
            why: format!("its key has {} bytes; 1 to {MAX_KEY_BYTES} are allowed", key.len()),
        });
    }
    if value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
        return Err(StoreError::TooLarge {
            what: format!("value \"{key}\""),
            limit: MAX_VALUE_BYTES as u64,
        });
    }
    Ok(())
}
