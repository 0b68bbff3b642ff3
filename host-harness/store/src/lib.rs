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
//! | [`restore`] | what was written back |
//! | [`values`] | a connector's small durable values |
//! | [`verify`] | reads everything again; collects garbage |

mod backend;
mod canonical;
pub mod chain;
mod components;
mod epoch;
mod error;
pub mod journal;
mod names;
pub mod restore;
pub mod scope;
pub mod snapshot;
mod spending;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod values;
pub mod verify;

pub use backend::{Acquired, FileLocks, LeaseOnly, Lock, ProcessLocks, Seams, Store};
pub use error::{Damage, StoreError};
pub use journal::{Actor, Event, Journal, JournalState, Percent};
pub use names::{ConnectionName, NameError, ObjectName, RestoreId, Scope, Sha256, SnapshotId, TenantName};
pub use restore::{RestoreCommit, RestoreFold, RestoreLog, RestoreReport, RestoredObject};
pub use scope::{Claim, ClaimRequest};
pub use snapshot::{
    Begin, ClaimedJournal, Commit, Committed, NextStep, ObjectReport, ObjectState, Selected, Snapshot, SnapshotInfo,
    SnapshotKind, SnapshotState, SnapshotWriter, SourceKey, Staged, Step,
};
pub use spending::{Grant, GrantPurpose, Spending, Unsettled};
pub use values::Values;

/// Whoever drives jobs from several threads needs the futures to be `Send`; this doesn't compile where one isn't.
#[cfg(test)]
#[allow(dead_code, clippy::too_many_arguments)]
fn futures_can_be_sent(
    store: &Store,
    claim: &mut Claim,
    journal: &mut Journal,
    writer: &mut SnapshotWriter,
    snapshot: &mut Snapshot,
    mut staged: Staged,
    commit: Commit,
    object: &ObjectName,
    request: ClaimRequest,
    scope: &Scope,
) {
    fn sent<T: Send>(_: T) {}
    sent(staged.append(object, Vec::new()));
    sent(staged.bury(object, Vec::new()));
    sent(staged.annotate(Vec::new()));
    sent(staged.save_blob("", futures::stream::empty::<Result<bytes::Bytes, StoreError>>()));
    sent(staged.reuse_blob(""));
    sent(writer.commit(staged, commit));
    sent(snapshot.read(object, "", 1));
    sent(snapshot.find(object, &[]));
    sent(snapshot.notes(&[]));
    sent(writer.predecessor());
    sent(Claim::acquire(store, scope, request));
    sent(verify::verify(store, journal.connection()));
    sent(verify::gc(claim, journal, &Actor::host()));
}
