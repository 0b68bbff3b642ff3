//! What a connection's journal can say. The events that concern people are its audit trail.

use crate::names::{ConnectionName, ObjectName, RestoreId, Scope, Sha256, SnapshotId};
use backup_contract::Reading;
use backup_seams::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a snapshot is self-contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// Everything was read.
    Full,
    /// Only what changed since an earlier one was read.
    Incremental,
}

/// Who did it: a person's name, or the part of the host that acts by itself, such as `scheduler`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// The host by itself.
    pub fn host() -> Actor {
        Actor("host".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A usage limit: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// What a connection has unless told otherwise.
    pub const DEFAULT: Percent = Percent(50);

    /// `None` outside of 1 to 100.
    pub const fn new(percent: u8) -> Option<Percent> {
        if percent >= 1 && percent <= 100 {
            Some(Percent(percent))
        } else {
            None
        }
    }

    /// As a number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = String;
    fn try_from(percent: u8) -> Result<Self, String> {
        Percent::new(percent).ok_or_else(|| format!("{percent} is not a percentage of 1 to 100"))
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

/// When a usage limit goes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// When the next backup is complete.
    FirstBackupComplete,
    /// At that moment.
    At(Timestamp),
    /// When the restore that it was raised for has ended, or at that moment: a restore that died ends by nothing else.
    RestoreEnded(Timestamp),
}

/// Why a usage limit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody asked for it.
    Asked,
    /// What was set with an end went back at that end. `at` of the entry is when this was noticed.
    WentBack,
}

/// Why a job pauses, and the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// `usage-limit`, `org-limit`, `bulk-limit`.
    pub reason: String,
    /// Used by all applications.
    pub used: u64,
    /// The source's own limit.
    pub max: u64,
    /// What may be used under the usage limit.
    pub ceiling: u64,
    /// The usage limit in force.
    pub limit_percent: Percent,
    /// When the source is asked again.
    pub recheck_at: Timestamp,
    /// When it was last asked, or told by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
}

/// What is restored, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequested {
    /// Whose snapshot.
    pub source: ConnectionName,
    /// Id of the snapshot.
    pub snapshot: SnapshotId,
    /// Whole objects.
    pub objects: Vec<ObjectName>,
    /// Single records: objects and keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<(ObjectName, String)>,
    /// With the records that these need, and those that belong to them.
    pub with_related: bool,
    /// Conditions, fields that identify records, and whether to read back, as the connector's selection has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

/// One thing that happened to a connection. An event that a newer version wrote reads as [`Event::Unknown`]; its entry still
/// verifies and is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Event {
    /// The first event.
    ConnectionAdded {
        /// What it was added with, without any secret.
        config: serde_json::Value,
        /// Its usage limit.
        usage_limit: Percent,
    },
    /// Its configuration changed.
    ConnectionChanged {
        /// The new one, without any secret.
        config: serde_json::Value,
    },
    /// It is no longer used. What was stored stays.
    ConnectionRemoved,
    /// The usage limit changed.
    UsageLimitChanged {
        /// In force until this event.
        from: Percent,
        /// In force from this event on.
        to: Percent,
        /// When it goes back by itself, if it does.
        until: Option<Until>,
        /// What changed it: somebody, or its own end.
        cause: Cause,
    },
    /// The source told what shares its quota.
    ScopeKnown {
        /// The org.
        scope: Scope,
    },
    /// A snapshot exists from here on.
    SnapshotBegun {
        /// Id of the snapshot.
        snapshot: SnapshotId,
        /// Full or incremental.
        kind: SnapshotKind,
        /// The base of an incremental one; `None`: it is full.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predecessor: Option<SnapshotId>,
        /// Objects asked for; empty: all.
        objects: Vec<ObjectName>,
        /// Digest of the connector.
        connector: Sha256,
    },
    /// It pauses; what is committed stands.
    SnapshotPaused {
        /// Id of the snapshot.
        snapshot: SnapshotId,
        /// Why, and the numbers.
        #[serde(flatten)]
        pause: Paused,
        /// Head of its log.
        log_head: Sha256,
    },
    /// It goes on.
    SnapshotResumed {
        /// Id of the snapshot.
        snapshot: SnapshotId,
    },
    /// Its job has ended.
    SnapshotCompleted {
        /// Id of the snapshot.
        snapshot: SnapshotId,
        /// Head of its log.
        log_head: Sha256,
        /// Objects or parts of them failed: the log names them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        incomplete: bool,
    },
    /// Another one was begun before it was complete. It stays readable.
    SnapshotSuperseded {
        /// Id of the snapshot.
        snapshot: SnapshotId,
    },
    /// The job failed. What is committed stays readable, and a command given by hand continues it.
    SnapshotFailed {
        /// Id of the snapshot.
        snapshot: SnapshotId,
        /// The last step's error, for people.
        reason: String,
    },
    /// It was given up; its data may be collected.
    SnapshotPruned {
        /// Id of the snapshot.
        snapshot: SnapshotId,
    },
    /// Records of a snapshot are written back from here on.
    RestoreBegun {
        /// Id of the restore.
        restore: RestoreId,
        /// What is restored.
        #[serde(flatten)]
        what: RestoreRequested,
        /// Digest of the connector.
        connector: Sha256,
    },
    /// It pauses; what was written stands.
    RestorePaused {
        /// Id of the restore.
        restore: RestoreId,
        /// Why, and the numbers.
        #[serde(flatten)]
        pause: Paused,
    },
    /// It goes on.
    RestoreResumed {
        /// Id of the restore.
        restore: RestoreId,
    },
    /// It ran to its end.
    RestoreCompleted {
        /// Id of the restore.
        restore: RestoreId,
        /// Some records could not be written, or nobody knows whether they were.
        incomplete: bool,
        /// Head of its log.
        log_head: Sha256,
    },
    /// It stopped. Restoring the same again continues from there, and writes nothing twice.
    RestoreFailed {
        /// Id of the restore.
        restore: RestoreId,
        /// The last step's error, or the limit that it stopped at; for people.
        reason: String,
        /// Requests that it still needs, as far as is known.
        needed: u64,
    },
    /// Another one was begun instead of going on.
    RestoreSuperseded {
        /// Id of the restore.
        restore: RestoreId,
    },
    /// A connector was installed for this connection.
    ConnectorInstalled {
        /// As the connector describes itself.
        name: String,
        /// The same.
        version: String,
        /// Digest of the component.
        digest: Sha256,
    },
    /// Another connector took over.
    ConnectorSwapped {
        /// Digest of the one before.
        from: Sha256,
        /// Digest of the one now.
        to: Sha256,
        /// Its version.
        version: String,
    },
    /// A probe was sent: it may have cost requests of the reserve.
    QuotaProbed {
        /// Whether a person asked for it.
        by_hand: bool,
        /// Requests that it sent.
        requests: u64,
        /// What it told, if anything.
        reading: Option<Reading>,
    },
    /// A host was found dead, and what it may have sent counts as sent.
    PredecessorSettled {
        /// Its epoch.
        epoch: u64,
        /// Requests that it may have sent beyond those known.
        requests: u64,
        /// When the first of its grants was given.
        from: Timestamp,
        /// When it was found dead.
        until: Timestamp,
    },
    /// Unreferenced objects are about to be deleted.
    GarbageCollected {
        /// Files in the store, not objects of the source.
        objects: u64,
        /// What they take together.
        bytes: u64,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// What a journal's entry carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Who made it happen.
    pub actor: Actor,
    /// Its fields stand beside `actor` in the entry.
    #[serde(flatten)]
    pub event: Event,
}
