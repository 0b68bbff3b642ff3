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
            predecessor(self.journal.state(), objects, full_every)
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
            self.tell(Event::SnapshotCompleted { snapshot, log_head }).await;
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
    async fn only_a_complete_snapshot_that_holds_all_of_it_is_gone_on_from() {
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
    async fn nothing_goes_on_from_a_connection_that_was_removed() {
        let mut past = Past::new().await;
        past.backup(&[], 30).await;
        past.tell(Event::ConnectionRemoved).await;
        past.add().await;
        assert_eq!(past.next(&[], 30), None);
    }
}
