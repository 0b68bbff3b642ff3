//! Transactions that go on after their connection is gone: what a request wrote, put off until a later moment of the clock.
//!
//! Rule: until it commits nobody sees any of it, but what it wrote to is held: other writes of those rows, and rows with the same
//! unique values, are refused as locked. Afterwards it looks as if it had been there since it began.

use chrono::{DateTime, Utc};

use crate::org::{
    Object, Org, Savepoint,
    table::{RowState, StoredRow},
};

/// A transaction that still runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    begun: DateTime<Utc>,
    commits_at: DateTime<Utc>,
    /// Index of the object, ordinal, and what the row will be.
    rows: Vec<(usize, u64, StoredRow)>,
}

impl Org {
    /// Takes back what was written since a savepoint, to be committed at a later moment. New rows keep their Ids.
    pub fn postpone(&mut self, since: Savepoint, begun: DateTime<Utc>, commits_at: DateTime<Utc>) {
        let mut rows = Vec::new();
        for (at, (object, before)) in self.objects.iter_mut().zip(since.0).enumerate() {
            let end = before.end();
            let written = object.table.stored.iter();
            let changed: Vec<(u64, StoredRow)> = written
                .filter(|(ordinal, row)| before.stored.get(ordinal) != Some(row))
                .map(|(ordinal, row)| (*ordinal, row.clone()))
                .collect();
            object.table.roll_back(before);
            for (ordinal, row) in changed {
                if ordinal >= end {
                    let mut uncommitted = row.clone();
                    uncommitted.state = RowState::Uncommitted;
                    object.table.put(ordinal, uncommitted);
                }
                rows.push((at, ordinal, row));
            }
        }
        self.running.push(Running { begun, commits_at, rows });
    }

    /// Commits what is due.
    pub fn commit_due(&mut self, now: DateTime<Utc>) {
        let (due, later) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|transaction| transaction.commits_at <= now);
        self.running = later;
        for (object, ordinal, row) in due.into_iter().flat_map(|transaction: Running| transaction.rows) {
            self.objects[object].table.put(ordinal, row);
        }
    }

    /// When the next transaction commits.
    #[must_use]
    pub fn next_commit(&self) -> Option<DateTime<Utc>> {
        self.running.iter().map(|transaction| transaction.commits_at).min()
    }

    /// When the oldest of them began.
    pub(super) fn oldest_running(&self) -> Option<DateTime<Utc>> {
        self.running.iter().map(|transaction| transaction.begun).min()
    }

    /// Whether one of them has written to a row.
    pub(super) fn is_held(&self, object: &Object, ordinal: u64) -> bool {
        !self.running.is_empty()
            && self
                .running
                .iter()
                .flat_map(|transaction| &transaction.rows)
                .any(|(at, held, _)| *held == ordinal && self.objects[*at].name() == object.name())
    }
}
