//! Writes by somebody else: one at a time, or as a transaction that commits later with the stamps of its begin.
//!
//! Not for: what a write may do and how it is refused; that is `write`. Rule: what an open transaction wrote is seen by nobody, and
//! from its commit on it looks as if it had been there since the begin.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::org::{Org, RecordId, SentFields, WriteError, table::RowState};

/// One write.
///
/// Tagged from outside: a tag inside would have serde buffer the fields, and numbers would lose their digits.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A new row.
    Create {
        /// Of this object.
        object: String,
        /// With these fields.
        fields: SentFields,
    },
    /// Other values.
    Update {
        /// Of this row.
        id: String,
        /// For these fields.
        fields: SentFields,
    },
    /// Into the bin.
    Delete {
        /// This row.
        id: String,
    },
    /// Out of the bin.
    Undelete {
        /// This row.
        id: String,
    },
    /// Away for good, from the bin or past it; getDeleted tells of it.
    Purge {
        /// This row.
        id: String,
    },
    /// Away for good, and nothing tells of it.
    Vanish {
        /// This row.
        id: String,
    },
}

/// Writes that wait for their commit.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    number: u64,
    begun: DateTime<Utc>,
    /// Rows that have their Ids already: index of the object and ordinal.
    created: Vec<(usize, u64)>,
    /// The rest.
    later: Vec<Change>,
}

/// There's no open transaction of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no transaction {0} is open: it was never begun, or is committed")]
pub struct NoSuchTransaction(pub u64);

/// Why a transaction isn't committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It isn't open.
    #[error(transparent)]
    NotOpen(#[from] NoSuchTransaction),
    /// One of its writes is refused by now.
    #[error(transparent)]
    Refused(#[from] WriteError),
}

impl Org {
    /// Writes as an administrator; gives the row's id.
    ///
    /// # Errors
    /// What is wrong with the write.
    pub fn apply(&mut self, change: &Change, now: DateTime<Utc>) -> Result<RecordId, WriteError> {
        let everybody = self.administrator();
        let parse = |id: &str| id.parse::<RecordId>().map_err(|e| WriteError::malformed_id(&e));
        match change {
            Change::Create { object, fields } => self.create(&everybody, object, fields, now),
            Change::Update { id, fields } => {
                let id = parse(id)?;
                self.update(&everybody, id, fields, now).map(|()| id)
            }
            Change::Delete { id } => {
                let id = parse(id)?;
                self.delete(&everybody, id, now).map(|()| id)
            }
            Change::Undelete { id } => {
                let id = parse(id)?;
                self.undelete(&everybody, id, now).map(|()| id)
            }
            Change::Purge { id } => {
                let id = parse(id)?;
                self.purge(&everybody, id, now).map(|()| id)
            }
            Change::Vanish { id } => {
                let id = parse(id)?;
                self.purge(&everybody, id, now)?;
                self.set_state(id, RowState::Vanished, now);
                Ok(id)
            }
        }
    }

    /// Begins a transaction with all its writes: new rows take their Ids now, in front of those of later writers. Gives its number and
    /// the new rows' ids.
    ///
    /// # Errors
    /// What is wrong with a row to be created; then nothing is begun.
    pub fn begin(&mut self, changes: Vec<Change>, now: DateTime<Utc>) -> Result<(u64, Vec<RecordId>), WriteError> {
        let before = self.savepoint();
        let ends: Vec<u64> = self.objects.iter().map(|o| o.table.end()).collect();
        let mut ids = Vec::new();
        let mut later = Vec::new();
        for change in changes {
            if !matches!(change, Change::Create { .. }) {
                later.push(change);
                continue;
            }
            match self.apply(&change, now) {
                Ok(id) => ids.push(id),
                Err(error) => {
                    self.roll_back(before);
                    return Err(error);
                }
            }
        }
        // A write can create more than one row: a file's first version brings its document and a link.
        let created: Vec<(usize, u64)> = ends
            .into_iter()
            .enumerate()
            .flat_map(|(at, end)| (end..self.objects[at].table.end()).map(move |ordinal| (at, ordinal)))
            .collect();
        for (object, ordinal) in &created {
            self.objects[*object].table.restate(*ordinal, RowState::Uncommitted);
        }
        self.transactions_begun += 1;
        let number = self.transactions_begun;
        self.transactions.push(Transaction {
            number,
            begun: now,
            created,
            later,
        });
        Ok((number, ids))
    }

    /// Commits a transaction: its rows appear, with the stamps of its begin.
    ///
    /// # Errors
    /// Where it isn't open, or one of its writes is refused by now; those before it stay.
    pub fn commit(&mut self, number: u64) -> Result<(), CommitError> {
        let at = self.transactions.iter().position(|t| t.number == number);
        let transaction = self.transactions.remove(at.ok_or(NoSuchTransaction(number))?);
        for (object, ordinal) in transaction.created {
            self.objects[object].table.restate(ordinal, RowState::Live);
        }
        for change in &transaction.later {
            self.apply(change, transaction.begun)?;
        }
        Ok(())
    }

    /// When the oldest transaction that still runs was begun: nothing older will turn up any more.
    #[must_use]
    pub fn oldest_transaction(&self) -> Option<DateTime<Utc>> {
        let begun = self.transactions.iter().map(|t| t.begun);
        begun.chain(self.oldest_running()).min()
    }
}
