//! What can go wrong, each with what it is about and what to do.

use crate::names::NameError;
use backup_seams::Timestamp;
use serde::Serialize;

/// Why the store could not.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing of what was being written is visible.
    #[error("the store is full: {what} was not written; free some room, or run `gc`, and run the command again")]
    Full {
        /// What was being written.
        what: String,
    },
    /// The store doesn't answer, tried several times.
    #[error("the store does not answer ({what}): {source}; check that it can be reached, and run the command again")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What it answered last.
        #[source]
        source: object_store::Error,
    },
    /// It is not known whether an entry was written. The writer must be opened again, which finds out.
    #[error("it is not known whether {what} was written, since the store does not answer; run the command again")]
    Unsettled {
        /// What was being written.
        what: String,
    },
    /// The store can't be used, or its URL not understood.
    #[error("\"{location}\" can not be used as a store: {why}")]
    Refused {
        /// The folder or URL as it was given, or the name of a lock.
        location: String,
        /// As a clause, for people.
        why: String,
    },
    /// There is none yet, and the command makes none.
    #[error(
        "{0} is no backup store; name one with --data or BACKUP_HOST_DATA, or make one there with `backup-host connection add`"
    )]
    NoStore(String),
    /// Written by a newer version than this one reads.
    #[error("the store has format {format}, this version reads up to {reads}: use a newer backup-host")]
    NewerFormat {
        /// Least version that reads it.
        format: u32,
        /// What this version reads.
        reads: u32,
    },
    /// A name that can't be stored.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// A row, tombstone or value that can't be stored.
    #[error("{what} can not be stored: {why}")]
    BadRow {
        /// Object and key.
        what: String,
        /// The rule that it breaks.
        why: String,
    },
    /// Over a documented limit.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// `the checkpoint`, for instance.
        what: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Another host sends and commits for this scope. Nothing was sent.
    #[error("{scope} is in use by {by} since {}; wait until it ends, or stop it", .since.rfc3339())]
    Held {
        /// The scope, or the connection.
        scope: String,
        /// The other host and what it does.
        by: String,
        /// What it does alone, as it said when it claimed; empty where that isn't known yet.
        purpose: String,
        /// When it claimed the scope.
        since: Timestamp,
    },
    /// Another host took over. Stop at once: nothing more may be sent or committed.
    #[error("another host took over ({what}); this one stops")]
    Lost {
        /// The entry that another one wrote.
        what: String,
    },
    /// Something stored is not what was written, or is gone.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// More than one thing is meant.
    #[error("{what} is ambiguous: {candidates}")]
    Ambiguous {
        /// What was given.
        what: String,
        /// What it may mean.
        candidates: String,
    },
    /// What can't be done in this state, such as committing to a snapshot that is complete.
    #[error("{0}")]
    State(String),
}

/// Something stored that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[error("{place} is damaged: {what}; {remedy}")]
pub struct Damage {
    /// What is wrong.
    pub what: String,
    /// Where: a path below the root of the store.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do.
    pub remedy: String,
}

impl Damage {
    pub(crate) fn new(place: impl std::fmt::Display, what: impl Into<String>, remedy: impl Into<String>) -> Damage {
        Damage {
            what: what.into(),
            place: place.to_string(),
            remedy: remedy.into(),
        }
    }
}
