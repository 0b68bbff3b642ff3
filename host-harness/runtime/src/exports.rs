//! What a connector's exports take and give, without wasmtime: the types of interface `connector`.

use crate::imports::{Failure, NamedValue};

/// Where a job stands, in the connector's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Version of the format.
    pub state_version: u32,
    /// At most 1 MiB.
    pub data: Vec<u8>,
}

/// A call that gave nothing to commit; `connector-error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConnectorError {
    #[error("configuration: {}", .0.message)]
    Configuration(Failure),
    #[error("authorization: {}", .0.message)]
    Authorization(Failure),
    #[error("source: {}", .0.message)]
    Source(Failure),
    #[error("state: {}", .0.message)]
    State(Failure),
    #[error("unsupported: {}", .0.message)]
    Unsupported(Failure),
    #[error("host: {}", .0.message)]
    Host(Failure),
    #[error("{}", .0.message)]
    Other(Failure),
}

impl ConnectorError {
    /// What was told about it.
    pub fn failure(&self) -> &Failure {
        match self {
            ConnectorError::Configuration(f)
            | ConnectorError::Authorization(f)
            | ConnectorError::Source(f)
            | ConnectorError::State(f)
            | ConnectorError::Unsupported(f)
            | ConnectorError::Host(f)
            | ConnectorError::Other(f) => f,
        }
    }
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
    /// What it reads.
    pub reads_state_versions: Vec<u32>,
    /// JSON Schema of the configuration.
    pub configuration_schema: String,
    /// Extra facts.
    pub facts: Vec<NamedValue>,
}

/// Who the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What shares one quota.
    pub scope: String,
    /// For people.
    pub facts: Vec<NamedValue>,
}

/// What to back up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupOptions {
    /// Empty: all.
    pub objects: Vec<String>,
    /// Or going on from the predecessor.
    pub full: bool,
    /// Extra facts.
    pub details: Vec<NamedValue>,
}

/// What to write back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreSelection {
    /// Whole objects.
    pub objects: Vec<String>,
    /// Single records: object and key.
    pub records: Vec<(String, String)>,
    /// With what belongs to them.
    pub with_related: bool,
    /// Extra facts.
    pub details: Vec<NamedValue>,
}

/// Not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `usage-limit`, `org-limit`, `bulk-limit`.
    pub reason: String,
    /// Requests used by all.
    pub used: u64,
    /// Requests there are.
    pub max: u64,
    /// Where to stop.
    pub ceiling: u64,
    /// Seconds until asking again makes sense.
    pub recheck_after: u32,
}

/// What comes after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A batch of about so many requests.
    Batch(u32),
    /// Nothing for so many seconds.
    AgainAfter(u32),
    /// Committed; more needs a limit that is spent.
    Pause(Pause),
    /// Committed, but can't go on.
    Blocked(Failure),
    /// Complete.
    Done,
    /// A name from a newer contract.
    Other(Failure),
}

/// A batch's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// Where the job stands now.
    pub at: Checkpoint,
    /// What comes next.
    pub next: Next,
}

/// Where planning stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// First checkpoint, and what comes next.
    Ready(BatchResult),
    /// Call again with at least so many requests left.
    More(u32),
    /// Call again after so many seconds.
    AgainAfter(u32),
    /// There will be no plan.
    Blocked(Failure),
    /// A name from a newer contract.
    Other(Failure),
}

/// May a step be sent now?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many requests.
    Proceed(u32),
    /// So many on `read-quota` first.
    Probe(u32),
    /// No.
    Pause(Pause),
    /// A name from a newer contract.
    Other(Failure),
}
