//! What a scope's journal says.

use crate::names::{ConnectionName, Scope, SnapshotId};
use crate::spending::{Grant, Spending};
use serde::{Deserialize, Serialize};

/// One entry. `spending` is always the whole, as it is from this entry on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum ScopeRecord {
    /// A host may send and commit from here on; the entry's number is its epoch.
    WriterClaimed {
        /// For which connection.
        connection: ConnectionName,
        /// What it is about to do, for people.
        purpose: String,
        /// Which host, for people.
        host: String,
        /// How long the claim outlives its last durable entry, in seconds; 0 where a lock decides.
        lease_seconds: u64,
        /// As recovered.
        spending: Spending,
    },
    /// Requests may be sent.
    Granted {
        /// Durable with this entry, before the first of its requests.
        grant: Grant,
        /// As before.
        spending: Spending,
    },
    /// A grant is over.
    Spent {
        /// Of a grant that an earlier entry has; empty: only numbers are noted.
        grant_id: String,
        /// What was sent is counted in.
        spending: Spending,
    },
    /// Grants and spending stand in this snapshot's log from here on.
    Writing {
        /// The connection that the snapshot is of.
        connection: ConnectionName,
        /// The one that is written.
        snapshot: SnapshotId,
        /// As before.
        spending: Spending,
    },
    /// What a connection spent before its scope was known.
    Adopted {
        /// The connection's own scope.
        from: Scope,
        /// With that counted in.
        spending: Spending,
    },
    /// The claim is over, and no grant is outstanding.
    WriterReleased {
        /// As it is.
        spending: Spending,
    },
}

impl ScopeRecord {
    pub(super) fn spending(&self) -> &Spending {
        match self {
            ScopeRecord::WriterClaimed { spending, .. }
            | ScopeRecord::Granted { spending, .. }
            | ScopeRecord::Spent { spending, .. }
            | ScopeRecord::Writing { spending, .. }
            | ScopeRecord::Adopted { spending, .. }
            | ScopeRecord::WriterReleased { spending } => spending,
        }
    }
}
