//! What a backup goes on from: the policy that makes it full or incremental.
//!
//! An incremental one needs a complete snapshot that holds all of what is asked for. Every so many backups one is full all the
//! same, since some values change without a trace at the source, and only reading everything finds these.

use backup_store::{JournalState, ObjectName, SnapshotId};

/// The snapshot that a backup of these objects (empty: all) goes on from; `None`: it is full. `full_every`: 1 is always.
pub(super) fn predecessor(state: &JournalState, objects: &[ObjectName], full_every: u32) -> Option<SnapshotId> {
    let covers = |held: &[ObjectName]| held.is_empty() || (!objects.is_empty() && objects.iter().all(|o| held.contains(o)));
    let newest = state.predecessors().find(|record| covers(&record.objects))?;
    let backups_since_full = since_full(state, newest.id);
    (backups_since_full < full_every).then_some(newest.id)
}

/// Backups from the full one up to this one, both counted.
fn since_full(state: &JournalState, id: SnapshotId) -> u32 {
    let before = |id: &SnapshotId| state.snapshot(*id)?.predecessor;
    let backups = std::iter::successors(Some(id), before).count();
    u32::try_from(backups).unwrap_or(u32::MAX)
}
