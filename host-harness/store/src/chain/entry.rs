//! One entry: how it becomes bytes, and how bytes are believed.

use crate::canonical;
use crate::error::{Damage, StoreError};
use crate::names::Sha256;
use backup_seams::Timestamp;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The last entry of a list: enough to find out later whether anything before it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 where there is none.
    pub seq: u64,
    /// Its hash; zero where there is none.
    pub hash: Sha256,
}

impl Head {
    /// Before the first entry.
    pub const START: Head = Head {
        seq: 0,
        hash: Sha256::ZERO,
    };
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<B> {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Under which claim; 0 where it needed none.
    pub epoch: u64,
    /// Tells its writer from any other who wanted the same number.
    pub nonce: String,
    /// Hash of the entry before; zero in the first.
    pub prev: Sha256,
    /// Its own.
    pub hash: Sha256,
    /// What it says.
    pub body: B,
}

impl<B> Entry<B> {
    /// The list's head while this is its last entry.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

const HASH: &str = "hash";

/// Where an entry lies.
pub(crate) fn path(dir: &Path, seq: u64) -> Path {
    dir.clone().join(format!("{seq:010}.json"))
}

/// The number that a file's name tells; `None` for anything else that lies there.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let plain = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&seq| plain && seq > 0)
}

/// Makes the entry after `head`, and its bytes.
pub(super) fn seal<B: Serialize>(
    head: Head,
    at: Timestamp,
    epoch: u64,
    nonce: String,
    body: B,
) -> Result<(Entry<B>, Vec<u8>), StoreError> {
    let mut entry = Entry {
        seq: head.seq + 1,
        at,
        epoch,
        nonce,
        prev: head.hash,
        hash: Sha256::ZERO,
        body,
    };
    let unfit = |error: &dyn std::fmt::Display| StoreError::BadRow {
        what: format!("entry {}", head.seq + 1),
        why: error.to_string(),
    };
    let mut value = serde_json::to_value(&entry).map_err(|e| unfit(&e))?;
    let fields = value.as_object_mut().ok_or_else(|| unfit(&"it is not an object"))?;
    fields.remove(HASH);
    let bytes = canonical::to_bytes(&value).map_err(|e| unfit(&e))?;
    entry.hash = Sha256::of(&bytes);
    if let Some(fields) = value.as_object_mut() {
        fields.insert(HASH.to_owned(), entry.hash.to_string().into());
    }
    let bytes = canonical::to_bytes(&value).map_err(|e| unfit(&e))?;
    Ok((entry, bytes))
}

/// Believes bytes only where they are, to the byte, what [`seal`] would have written.
pub(super) fn parse<B: DeserializeOwned>(path: &Path, seq: u64, bytes: &[u8]) -> Result<Entry<B>, Damage> {
    let damaged = |what: String| Damage::new(path, what, "bring it back from a copy of the store");
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| damaged(format!("it is not JSON ({e})")))?;
    if canonical::to_bytes(&value).map_err(|e| damaged(e.to_string()))? != bytes {
        return Err(damaged("it is not spelled as it was written".to_owned()));
    }
    let hash = value.as_object_mut().and_then(|fields| fields.remove(HASH));
    let unhashed = canonical::to_bytes(&value).map_err(|e| damaged(e.to_string()))?;
    let right = Sha256::of(&unhashed).to_string();
    if hash.as_ref().and_then(|hash| hash.as_str()) != Some(right.as_str()) {
        return Err(damaged("its hash does not match".to_owned()));
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert(HASH.to_owned(), right.into());
    }
    let entry: Entry<B> = serde_json::from_value(value).map_err(|e| {
        Damage::new(
            path,
            format!("this version can't read it ({e})"),
            "use the version that wrote it, or a newer one",
        )
    })?;
    if entry.seq != seq {
        return Err(damaged(format!("it says that it is entry {}", entry.seq)));
    }
    Ok(entry)
}
