//! What a job tells while it runs, for whoever shows it.

use super::usage::{PauseResult, Usage};
use backup_contract::Tally;
use backup_store::SnapshotKind;
use serde::Serialize;
use std::time::Duration;

/// Takes events of a job under way. Called from the job: it has to return at once.
pub trait Progress: Send + Sync {
    /// One event.
    fn tell(&self, event: &ProgressEvent);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&self, _: &ProgressEvent) {}
}

/// Something happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ProgressEvent {
    /// The snapshot that this run writes.
    Snapshot {
        /// Its id, as commands take it.
        snapshot: String,
        /// False: an earlier run began it.
        new: bool,
    },
    /// The restore that this run works on.
    Restore {
        /// Its id, as `restores` lists it.
        restore: String,
        /// False: an earlier run began it.
        new: bool,
    },
    /// A step of a restore is committed.
    Restoring {
        /// What was done so far.
        done: Tally,
        /// Records to be written in all.
        records: u64,
        /// Requests sent by this run.
        sent: u64,
        /// Requests still needed.
        needed: u64,
        /// What is known.
        usage: Option<Usage>,
    },
    /// A planning step is committed.
    Planning {
        /// Requests sent by this run.
        sent: u64,
        /// What is known.
        usage: Option<Usage>,
    },
    /// The plan is ready.
    Planned {
        /// Full or incremental.
        kind: SnapshotKind,
        /// Objects to read, or to check for changes.
        objects: u64,
        /// Objects that can't be read.
        skipped: u64,
        /// Estimate, planning included.
        requests: u64,
        /// Estimate.
        records: u64,
    },
    /// A batch is committed.
    Batch {
        /// Records in the snapshot.
        records: u64,
        /// Records expected in all.
        expected: u64,
        /// Objects that are complete.
        objects_complete: u64,
        /// Objects to read.
        objects: u64,
        /// Requests sent by this run.
        sent: u64,
        /// Requests sent for the snapshot, by all runs.
        requests: u64,
        /// Requests of the whole backup, as far as is known; grows where more is found than was planned.
        estimated: u64,
        /// What is known.
        usage: Option<Usage>,
    },
    /// A step failed and is tried again.
    Retrying {
        /// The step's error, for people.
        reason: String,
        /// Tries so far.
        tries: u32,
        /// Wait before the next.
        wait: Duration,
    },
    /// A short wait within the run.
    Waiting {
        /// How long.
        wait: Duration,
    },
    /// The quota was asked for.
    Probed {
        /// What is known now.
        usage: Option<Usage>,
    },
    /// A restore of the scope goes first: the backup waits until it ends.
    GivingWay {
        /// The restore, and on which host.
        to: String,
    },
    /// The restore waits until a backup that has the scope yields.
    WaitingFor {
        /// The backup, and on which host.
        whom: String,
    },
    /// The backup pauses.
    Paused {
        /// Why, and the numbers.
        pause: PauseResult,
        /// Until it is looked at again.
        wait: Duration,
    },
    /// Nothing is known of what is used, and the source was asked a short while ago: the job waits until it may be asked again.
    WaitingToAsk {
        /// When; RFC 3339, UTC.
        next: String,
        /// Until then.
        wait: Duration,
    },
    /// It continues after a pause, or after yielding, within this run.
    Resuming,
}
