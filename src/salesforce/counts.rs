//! The record count resource: about how many records each object has. Cached by Salesforce; without the recycle bin and archived
//! records; empty objects can be missing. An estimate to plan by, never a proof.

use super::{Broken, buffered};
use serde::Deserialize;
use std::{collections::BTreeMap, io};

/// More records than any org has: a number that is larger is none, and sums of them have to stay numbers.
const MOST: u64 = 1 << 40;

/// A number of records that the org told, as it is taken.
pub fn told(records: u64) -> u64 {
    records.min(MOST)
}

/// Counts by object.
pub fn read_counts<R: io::Read>(body: R) -> Result<BTreeMap<String, u64>, Broken> {
    #[derive(Deserialize)]
    struct Counts {
        #[serde(rename = "sObjects")]
        objects: Vec<Count>,
    }
    #[derive(Deserialize)]
    struct Count {
        name: String,
        count: i64,
    }
    let Counts { objects } = serde_json::from_reader(buffered(body))?;
    Ok(objects
        .into_iter()
        .filter_map(|object| Some((object.name, told(u64::try_from(object.count).ok()?))))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn counts_are_by_name_and_a_negative_one_is_unknown() {
        let body = r#"{"sObjects":[{"count":3,"name":"Account"},{"name":"X","count":-1}]}"#;
        assert_eq!(read_counts(body.as_bytes()).unwrap(), BTreeMap::from([("Account".into(), 3)]));
        assert!(read_counts("[]".as_bytes()).is_err());
    }
}
