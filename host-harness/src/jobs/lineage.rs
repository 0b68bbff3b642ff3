//! What a backup continues, or starts from: the policy that makes it full or incremental.
//!
//! An incremental one needs a complete snapshot that holds all of what is asked for. Every so many backups one is full all the
//! same, since some values change without a trace at the source, and only reading everything finds these.

use super::error::JobError;
use super::session::Session;
use crate::connections::full_every;
use crate::connections::warnings::DAMAGED_BASE;
use backup_contract::Failure;
use backup_store::{Damage, Event, JournalState, ObjectName, Snapshot, SnapshotId};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a backup starts from.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The open snapshot, which is continued.
    pub(super) open: Option<Snapshot>,
    /// The base of a new one; `None`: it is full.
    pub(super) predecessor: Option<SnapshotId>,
    /// What is damaged, so that it is no base.
    pub(super) warnings: Vec<Failure>,
}

/// What a backup of these objects (empty: all) continues or starts from. An open snapshot that doesn't fit what is asked for, or
/// that is too damaged to be continued, is closed and stays readable. Without a base a backup is full: a damaged one would fail
/// each time.
pub(super) async fn start(session: &Session, objects: &[ObjectName], full: bool) -> Result<Start, JobError> {
    let mut start = Start::default();
    if !full && let Some(open) = open_snapshot(session, objects).await {
        let open = opened(session, open).await?;
        // Of one whose log has ended nothing is left to be done.
        let damage = if open.fold().ended { None } else { open.unusable().await? };
        match damage {
            None => {
                start.open = Some(open);
                return Ok(start);
            }
            Some(damage) => start.warnings.push(damaged_base(open.info().id, &damage)),
        }
    }
    let closed = |state: &JournalState| {
        let open = state.open_snapshot()?;
        Some(Event::SnapshotSuperseded { snapshot: open.id })
    };
    session.journal.lock().await.append_with(&session.actor, closed).await?;
    if !full {
        let (predecessor, warning) = usable_predecessor(session, objects).await?;
        start.predecessor = predecessor;
        start.warnings.extend(warning);
    }
    Ok(start)
}

/// The base of a new snapshot, or why it can't be the one that it would be.
pub(super) async fn usable_predecessor(
    session: &Session,
    objects: &[ObjectName],
) -> Result<(Option<SnapshotId>, Option<Failure>), JobError> {
    let Some(id) = predecessor(session, objects).await else {
        return Ok((None, None));
    };
    Ok(match opened(session, id).await?.unusable().await? {
        None => (Some(id), None),
        Some(damage) => (None, Some(damaged_base(id, &damage))),
    })
}

/// The open snapshot, where it is one of these objects.
pub(super) async fn open_snapshot(session: &Session, objects: &[ObjectName]) -> Option<SnapshotId> {
    let journal = session.journal.lock().await;
    let open = journal.state().open_snapshot()?;
    let as_set = |objects: &[ObjectName]| objects.iter().cloned().collect::<BTreeSet<_>>();
    (as_set(&open.objects) == as_set(objects)).then_some(open.id)
}

async fn opened(session: &Session, id: SnapshotId) -> Result<Snapshot, JobError> {
    let journal = session.journal.lock().await;
    Ok(Snapshot::open(session.host.store(), &session.name, journal.state(), id).await?)
}

/// The same, by the connection's journal and configuration.
pub(super) async fn predecessor(session: &Session, objects: &[ObjectName]) -> Option<SnapshotId> {
    let journal = session.journal.lock().await;
    let full_every = journal.state().config().map_or_else(|| full_every(&Value::Null), full_every);
    predecessor_by(journal.state(), objects, full_every)
}

fn damaged_base(id: SnapshotId, damage: &Damage) -> Failure {
    Failure {
        code: DAMAGED_BASE.to_owned(),
        message: format!("snapshot {id} can't be gone on from, so this backup reads everything that it needs anew: {damage}"),
        remedy: Some("run `backup-host check` to see all that is damaged".to_owned()),
        object: None,
        details: Vec::new(),
    }
}

/// The base of a backup of these objects (empty: all); `None`: it is full. `full_every`: 1 is always.
fn predecessor_by(state: &JournalState, objects: &[ObjectName], full_every: u32) -> Option<SnapshotId> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use backup_seams::{SeededRandomness, Timestamp, VirtualClock};
    use backup_store::{Actor, ConnectionName, Event, Journal, Percent, Seams, Sha256, SnapshotKind, Store};
    use std::sync::Arc;

    struct Past {
        journal: Journal,
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Past {
        async fn new() -> Past {
            let folder = tempfile::tempdir().unwrap();
            let seams = Seams {
                clock: Arc::new(VirtualClock::new(Timestamp(1_790_000_000_000))),
                randomness: Arc::new(SeededRandomness::new(1)),
            };
            let store = Store::open(folder.path().to_str().unwrap(), seams).await.unwrap();
            let connection: ConnectionName = "acme".parse().unwrap();
            let journal = Journal::open(&store, &connection).await.unwrap();
            let mut past = Past {
                journal,
                store,
                _folder: folder,
            };
            past.add().await;
            past
        }

        async fn add(&mut self) {
            let added = Event::ConnectionAdded {
                config: serde_json::json!({}),
                usage_limit: Percent::DEFAULT,
            };
            self.tell(added).await;
        }

        async fn tell(&mut self, event: Event) {
            self.journal.append(&Actor::host(), event).await.unwrap();
        }

        fn next(&self, objects: &[ObjectName], full_every: u32) -> Option<SnapshotId> {
            predecessor_by(self.journal.state(), objects, full_every)
        }

        async fn begin(&mut self, predecessor: Option<SnapshotId>, objects: &[ObjectName]) -> SnapshotId {
            let seams = self.store.seams();
            let snapshot = SnapshotId::generate(&*seams.clock, &*seams.randomness);
            let kind = match predecessor {
                Some(_) => SnapshotKind::Incremental,
                None => SnapshotKind::Full,
            };
            let begun = Event::SnapshotBegun {
                snapshot,
                kind,
                predecessor,
                objects: objects.to_vec(),
                connector: Sha256::ZERO,
            };
            self.tell(begun).await;
            snapshot
        }

        /// A backup as the policy has it.
        async fn backup(&mut self, objects: &[ObjectName], full_every: u32) -> (SnapshotId, Option<SnapshotId>) {
            let predecessor = self.next(objects, full_every);
            let snapshot = self.begin(predecessor, objects).await;
            let log_head = Sha256::ZERO;
            self.tell(Event::SnapshotCompleted {
                snapshot,
                log_head,
                incomplete: false,
            })
            .await;
            (snapshot, predecessor)
        }
    }

    #[tokio::test]
    async fn the_first_backup_and_every_nth_are_full() {
        for (full_every, expected) in [(1, "fffff"), (2, "fififi"), (3, "fiifiif"), (30, "fiiiii")] {
            let mut past = Past::new().await;
            let mut kinds = String::new();
            let mut last = None;
            for _ in expected.chars() {
                let (snapshot, predecessor) = past.backup(&[], full_every).await;
                assert!(predecessor.is_none() || predecessor == last);
                kinds.push(if predecessor.is_some() { 'i' } else { 'f' });
                last = Some(snapshot);
            }
            assert_eq!(kinds, expected, "every {full_every}");
        }
    }

    #[tokio::test]
    async fn only_a_complete_snapshot_of_all_that_is_asked_for_is_a_base() {
        let [account, contact]: [ObjectName; 2] = ["Account", "Contact"].map(|name| name.parse().unwrap());
        let mut past = Past::new().await;
        let (all, _) = past.backup(&[], 30).await;
        let (one, of) = past.backup(std::slice::from_ref(&account), 30).await;
        assert_eq!(of, Some(all));
        assert_eq!(past.next(&[], 30), Some(all), "not from one that holds Account alone");
        assert_eq!(past.next(std::slice::from_ref(&account), 30), Some(one));
        assert_eq!(past.next(&[account, contact], 30), Some(all));
        past.begin(Some(all), &[]).await;
        assert_eq!(past.next(&[], 30), Some(all), "the newest one is partial");
    }

    #[tokio::test]
    async fn a_connection_that_was_removed_has_no_base() {
        let mut past = Past::new().await;
        past.backup(&[], 30).await;
        past.tell(Event::ConnectionRemoved).await;
        past.add().await;
        assert_eq!(past.next(&[], 30), None);
    }
}
