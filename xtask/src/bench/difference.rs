//! How an object of a snapshot differs from the org.

use serde::Serialize;

/// How an object's records differ.
#[derive(Debug, Serialize)]
pub struct ObjectDifference {
    /// Which object.
    pub object: String,
    /// Records of the org that the snapshot has otherwise or not at all.
    pub of_the_org: u64,
    /// Records of the snapshot that the org has otherwise or not at all.
    pub of_the_snapshot: u64,
    /// In words, some of it.
    pub examples: Vec<String>,
}

impl ObjectDifference {
    /// Where nothing is counted.
    pub fn in_words(object: &str, said: String) -> Self {
        Self {
            object: object.to_owned(),
            of_the_org: 0,
            of_the_snapshot: 0,
            examples: vec![said],
        }
    }
}
