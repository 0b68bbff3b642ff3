//! What a connector's exports take and give; `connector` in `wit/`.

use crate::{Failure, NamedValue};

/// Where a job stands, in the connector's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Version of `data`'s format.
    pub state_version: u32,
    /// The connector's bytes, at most [`crate::rules::MAX_CHECKPOINT_BYTES`].
    pub data: Vec<u8>,
}

/// What a connector says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Names the source.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// The quota that requests spend.
    pub quota: String,
    /// What it writes.
    pub state_version: u32,
    /// What it can go on from or migrate, `state_version` included.
    pub reads_state_versions: Vec<u32>,
    /// JSON Schema of the configuration.
    pub configuration_schema: String,
    /// Extra facts.
    pub facts: Vec<NamedValue>,
}

/// Who a connection is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What shares one quota; for Salesforce the organization's id.
    pub scope: String,
    /// For people.
    pub facts: Vec<NamedValue>,
}

/// What a backup is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupOptions {
    /// Empty: all that can be read.
    pub objects: Vec<String>,
    /// Or going on from the predecessor.
    pub full: bool,
    /// Extra facts.
    pub details: Vec<NamedValue>,
}

/// Names one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey {
    /// Its object.
    pub object: String,
    /// Its key within the object.
    pub key: String,
}

/// What a restore is asked to write back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreSelection {
    /// Whole objects.
    pub objects: Vec<String>,
    /// Single records.
    pub records: Vec<ObjectKey>,
    /// With the records that these need, and those that belong to them.
    pub with_related: bool,
    /// Extra facts.
    pub details: Vec<NamedValue>,
}

/// Not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `usage-limit`, `org-limit`, `bulk-limit`.
    pub reason: String,
    /// Requests used by all applications.
    pub used: u64,
    /// Requests there are.
    pub max: u64,
    /// Where to stop.
    pub ceiling: u64,
    /// Seconds until asking again may show something else.
    pub recheck_after: u32,
}

/// What comes after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another batch, of about so many requests.
    Batch(u32),
    /// Nothing for so many seconds.
    AgainAfter(u32),
    /// What was done is committed; more needs another daily limit, and that one is spent.
    Pause(Pause),
    /// What was done is committed; the job can't go on.
    Blocked(Failure),
    /// The job is complete.
    Done,
    /// A name from a newer contract.
    Other(Failure),
}

/// Where a batch ended, and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// Where the job stands now.
    pub at: Checkpoint,
    /// What comes next.
    pub next: Next,
}

impl BatchResult {
    /// A checkpoint of this version and bytes, and what comes after it.
    pub fn new(state_version: u32, data: Vec<u8>, next: Next) -> BatchResult {
        BatchResult {
            at: Checkpoint { state_version, data },
            next,
        }
    }
}

/// Where planning stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// The first checkpoint, and what comes next.
    Ready(BatchResult),
    /// Call again with about so many requests.
    More(u32),
    /// Call again after so many seconds.
    AgainAfter(u32),
    /// There will be no plan.
    Blocked(Failure),
    /// A name from a newer contract.
    Other(Failure),
}

/// May the next step be sent?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many requests of it: at least 1, but for a step that costs none.
    Proceed(u32),
    /// Spend so many requests on `read-quota`, then ask again.
    Probe(u32),
    /// Not now.
    Pause(Pause),
    /// A name from a newer contract.
    Other(Failure),
}
