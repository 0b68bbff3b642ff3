//! The durable side of a backup host: journals, claims, snapshots and values of connections, on any object store.
//!
//! Three rules hold everywhere. **Nothing is overwritten**: a name is used once, caches (`rollup/`) apart. **Data first, then one
//! log entry**: what isn't in a log does not exist. **Never go on while unknown**: after an error the store is asked what it
//! holds before anything else is written.
//!
//! Not here: when to send, how much is left, what a record means. Numbers about requests ([`Spending`]) are kept, not computed.
//!
//! | path | what |
//! |---|---|
//! | [`Store`] | a root: format, tenants, connections |
//! | [`journal`] | what happened to a connection; its audit trail |
//! | [`scope`] | who may send and commit, and what was granted and spent |
//! | [`snapshot`] | committed batches: records, blobs, checkpoints |
//! | [`values`] | a connector's small durable values |
//! | [`verify`] | reads everything again; collects garbage |

mod backend;
mod canonical;
pub mod chain;
mod error;
pub mod journal;
mod names;
pub mod scope;
pub mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod values;
pub mod verify;

pub use backend::{Acquired, FileLocks, LeaseOnly, Lock, Seams, Store};
pub use error::{Damage, StoreError};
pub use journal::{Actor, Event, Journal, JournalState, Percent};
pub use names::{ConnectionName, NameError, ObjectName, Scope, Sha256, SnapshotId, TenantName};
pub use scope::{Claim, ClaimRequest, Grant, GrantPurpose, Hour, Reading, ReadingSource, Spending, Standing, Unsettled};
pub use snapshot::{
    Begin, Checkpoint, Commit, Committed, Failure, Next, ObjectReport, ObjectState, Row, Selected, Snapshot, SnapshotInfo,
    SnapshotKind, SnapshotState, SnapshotWriter, Staged, Step, Tombstone,
};
pub use values::Values;
