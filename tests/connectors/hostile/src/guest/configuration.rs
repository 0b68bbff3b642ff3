//! What the connector is told to do.

use super::backup::connector::job;
use super::backup::connector::types::ConnectorError;
use super::failure;
use serde::Deserialize;

/// `job.configuration`; all of it may be left out.
#[derive(Deserialize)]
#[serde(default)]
pub struct Configuration {
    pub behaviour: Behaviour,
    /// The export that misbehaves.
    #[serde(rename = "in")]
    pub export: Export,
    /// Path of all requests.
    pub path: String,
    /// `cost` of each request.
    pub cost: u32,
    /// `repeatable` of each request.
    pub repeatable: bool,
    /// Requests of one batch.
    pub requests: u32,
    /// Answers that make the backup complete.
    pub total: u64,
    /// The object that answers are kept in.
    pub object: String,
    /// What `check` gives.
    pub scope: String,
    /// How large the huge thing is, where the behaviour has one.
    pub bytes: Option<usize>,
    /// What it tells where the contract wants a number, by place; from the first again after the last.
    pub numbers: Vec<u64>,
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration {
            behaviour: Behaviour::WellBehaved,
            export: Export::RunBatch,
            path: "/".into(),
            cost: 1,
            repeatable: true,
            requests: 5,
            total: 10,
            object: "Thing".into(),
            scope: "hostile".into(),
            bytes: None,
            numbers: vec![],
        }
    }
}

impl Configuration {
    pub fn read() -> Result<Self, ConnectorError> {
        let text = job::configuration();
        serde_json::from_str(&text).map_err(|error| ConnectorError::Configuration(failure("unreadable", error.to_string())))
    }

    /// The number of a place.
    pub fn number(&self, place: usize) -> u64 {
        let numbers = self.numbers.len().max(1);
        self.numbers.get(place % numbers).copied().unwrap_or_default()
    }
}

/// Where it misbehaves.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    Check,
    PlanBackup,
    RunBatch,
    Decide,
    ReadQuota,
}

/// How it misbehaves.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// It doesn't.
    WellBehaved,
    /// Computes for ever.
    Loop,
    /// Takes all the memory it can get, then traps for want of more.
    BombMemory,
    /// Holds `bytes` of memory for a while, then behaves.
    HoldMemory,
    /// Calls itself without end.
    OverflowStack,
    /// Traps at once.
    Trap,
    /// Sends one request, tells its reading, traps.
    TrapAfterObserve,
    /// Sends a request that costs one more than is left, and then all that it can; `decide` proceeds always.
    AskMoreThanLeft,
    /// Tells that nothing is used, whatever the answer says, and sends all that it can; `decide` proceeds always.
    InventReadings,
    /// Gives a checkpoint of `bytes` (one over 1 MiB).
    HugeCheckpoint,
    /// Appends rows of `bytes` (one over 8 MiB) at once.
    HugeAppend,
    /// Starts requests and lets none go.
    HandleBomb,
    /// Tries paths and headers that lead elsewhere.
    OtherOrigin,
    /// Tries names that lead out of the connection.
    ForeignKey,
    /// Sends one request, then fails.
    FailAlways,
    /// `decide` says `proceed` of all that there is, a batch sends until nothing is left.
    ProceedAlways,
    /// Starts a request and waits for it.
    WaitForEver,
    /// Waits for any of no requests.
    WaitAnyOfNothing,
    /// Finishes a request twice.
    FinishTwice,
    /// Says that it has read everything, and far more than there is.
    LieAboutProgress,
    /// Tells `numbers` wherever the contract wants one that says what is, and otherwise behaves; it restores too.
    TellNumbers,
    /// Reports that its object can't be read, and is done.
    FailObject,
    /// Sends one request, and is where it was.
    GoNowhere,
    /// Uses `report` where that may not be.
    ReportAnywhere,
    /// Sends, whatever the export.
    SendAnywhere,
}
