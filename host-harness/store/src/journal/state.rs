//! The fold of a journal: what is so after its last entry.

use super::event::{Cause, Event, Paused, Percent, Record, RestoreRequested, SnapshotKind, Until};
use crate::chain::Entry;
use crate::names::{ObjectName, RestoreId, Scope, Sha256, SnapshotId};
use backup_seams::Timestamp;

/// Where a snapshot stands, by the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotStanding {
    /// A job works on it, or one that died did.
    Open,
    /// It goes on later.
    Paused(Paused),
    /// Its job has ended.
    Complete {
        /// When its last entry was journalled.
        at: Timestamp,
        /// Head of its log.
        log_head: Sha256,
        /// Objects or parts of them failed.
        incomplete: bool,
    },
    /// Another one was begun instead of going on.
    Superseded,
    /// Its job failed; a command given by hand continues it.
    Failed {
        /// The last step's error, for people.
        reason: String,
    },
    /// Given up.
    Pruned,
}

impl SnapshotStanding {
    /// Whether a job may continue it.
    pub fn may_go_on(&self) -> bool {
        matches!(
            self,
            SnapshotStanding::Open | SnapshotStanding::Paused(_) | SnapshotStanding::Failed { .. }
        )
    }
}

/// A snapshot, by the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Also the name of its folder.
    pub id: SnapshotId,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// The base of an incremental one; `None`: it is full.
    pub predecessor: Option<SnapshotId>,
    /// Objects asked for; empty: all.
    pub objects: Vec<ObjectName>,
    /// What its records' keys belong to: the scope of the connection when it was begun. The connection may have another one now.
    pub scope: Option<Scope>,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// Digest of the connector that began it.
    pub connector: Sha256,
    /// Where it stands.
    pub standing: SnapshotStanding,
}

/// Where a restore stands, by the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreStanding {
    /// A job works on it, or one that died did.
    Open,
    /// It goes on later.
    Paused(Paused),
    /// It ran to its end.
    Complete {
        /// Some records could not be written.
        incomplete: bool,
        /// Head of its log.
        log_head: Sha256,
    },
    /// It stopped; restoring the same again continues it.
    Failed {
        /// The last step's error, or the limit that it stopped at; for people.
        reason: String,
        /// Requests that it still needs.
        needed: u64,
    },
    /// Another one was begun instead of going on.
    Superseded,
}

impl RestoreStanding {
    /// Whether a job may continue it.
    pub fn may_go_on(&self) -> bool {
        !matches!(self, RestoreStanding::Complete { .. } | RestoreStanding::Superseded)
    }
}

/// A restore, by the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRecord {
    /// Also the name of its folder.
    pub id: RestoreId,
    /// What is restored.
    pub what: RestoreRequested,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Where it stands.
    pub standing: RestoreStanding,
}

/// A usage limit that goes back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// The limit while it lasts.
    pub percent: Percent,
    /// What ends it.
    pub until: Until,
    /// Whether a backup was completed since it was set.
    backup_completed: bool,
    /// Whether a restore has ended since it was set.
    restore_ended: bool,
}

impl Temporary {
    fn lasts(&self, at: Timestamp) -> bool {
        match self.until {
            Until::FirstBackupComplete => !self.backup_completed,
            Until::At(end) => at < end,
            Until::RestoreEnded(end) => !self.restore_ended && at < end,
        }
    }
}

/// A connection as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalState {
    added: bool,
    config: Option<serde_json::Value>,
    lasting_limit: Percent,
    temporary: Option<Temporary>,
    scope: Option<Scope>,
    snapshots: Vec<SnapshotRecord>,
    completed: Vec<SnapshotId>,
    /// How many of those belong to a connection of this name that was removed.
    completed_before_removal: usize,
    restores: Vec<RestoreRecord>,
    connector: Option<Sha256>,
    /// How often the connection was added.
    generation: u64,
}

impl Default for JournalState {
    fn default() -> Self {
        JournalState {
            added: false,
            config: None,
            lasting_limit: Percent::DEFAULT,
            temporary: None,
            scope: None,
            snapshots: Vec::new(),
            completed: Vec::new(),
            completed_before_removal: 0,
            restores: Vec::new(),
            connector: None,
            generation: 0,
        }
    }
}

impl JournalState {
    /// Whether the connection was added and not removed since.
    pub fn exists(&self) -> bool {
        self.added
    }

    /// Its configuration, without secrets.
    pub fn config(&self) -> Option<&serde_json::Value> {
        self.config.as_ref()
    }

    /// The usage limit in force at a moment: a limit with an end counts until then, whether or not its end was noted.
    pub fn usage_limit(&self, at: Timestamp) -> Percent {
        match &self.temporary {
            Some(temporary) if temporary.lasts(at) => temporary.percent,
            _ => self.lasting_limit,
        }
    }

    /// The limit with an end that was set last and not noted to be over.
    pub fn temporary_limit(&self) -> Option<&Temporary> {
        self.temporary.as_ref()
    }

    /// The limit to which one with an end goes back.
    pub fn lasting_limit(&self) -> Percent {
        self.lasting_limit
    }

    /// The event that tells that a limit with an end has gone back, where that is so and not noted yet.
    pub fn limit_gone_back(&self, at: Timestamp) -> Option<Event> {
        let over = self.temporary.as_ref().filter(|temporary| !temporary.lasts(at))?;
        Some(Event::UsageLimitChanged {
            from: over.percent,
            to: self.lasting_limit,
            until: None,
            cause: Cause::WentBack,
        })
    }

    /// What shares its quota, where the source has told.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// All snapshots, in the order in which they were begun.
    pub fn snapshots(&self) -> &[SnapshotRecord] {
        &self.snapshots
    }

    /// One snapshot.
    pub fn snapshot(&self, id: SnapshotId) -> Option<&SnapshotRecord> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    /// The snapshot that a backup continues: the newest one, where it isn't complete or closed.
    pub fn open_snapshot(&self) -> Option<&SnapshotRecord> {
        self.snapshots.last().filter(|snapshot| snapshot.standing.may_go_on())
    }

    /// The snapshot whose job ended last, complete or incomplete, and that is still there.
    pub fn latest_complete(&self) -> Option<&SnapshotRecord> {
        self.ended().next()
    }

    /// Snapshots whose job has ended and that are still there, newest first by when that was.
    pub fn ended(&self) -> impl Iterator<Item = &SnapshotRecord> {
        let ended = self.completed.iter().rev().filter_map(|id| self.snapshot(*id));
        ended.filter(|record| matches!(record.standing, SnapshotStanding::Complete { .. }))
    }

    /// The snapshots that may be the base of an incremental one, newest first by when their jobs ended. Incomplete ones are among them:
    /// what failed in one is read anew.
    pub fn predecessors(&self) -> impl Iterator<Item = &SnapshotRecord> {
        let own = self.completed.iter().skip(self.completed_before_removal).rev();
        own.filter_map(|id| self.snapshot(*id))
            .filter(|record| matches!(record.standing, SnapshotStanding::Complete { .. }))
    }

    /// All restores, in the order in which they were begun.
    pub fn restores(&self) -> &[RestoreRecord] {
        &self.restores
    }

    /// The restore that is continued, where the same is asked for: the newest one, where it isn't complete or closed.
    pub fn open_restore(&self) -> Option<&RestoreRecord> {
        self.restores.last().filter(|restore| restore.standing.may_go_on())
    }

    /// Digest of the connector that it uses, where one was installed or swapped for it.
    pub fn connector(&self) -> Option<Sha256> {
        self.connector
    }

    /// How often the connection was added: another number is another connection of the same name.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in the next entry.
    #[expect(clippy::too_many_lines, reason = "a dispatch: one arm an event")]
    pub(crate) fn fold(&mut self, entry: &Entry<Record>) {
        let at = entry.at;
        match &entry.body.event {
            Event::ConnectionAdded { config, usage_limit } => {
                self.added = true;
                self.generation += 1;
                self.config = Some(config.clone());
                self.lasting_limit = *usage_limit;
                self.temporary = None;
            }
            Event::ConnectionChanged { config } => self.config = Some(config.clone()),
            Event::ConnectionRemoved => {
                self.added = false;
                // Under the same name another org may be added: nothing continues from this one.
                self.scope = None;
                self.completed_before_removal = self.completed.len();
                let open = self.snapshots.iter_mut().filter(|snapshot| snapshot.standing.may_go_on());
                open.for_each(|snapshot| snapshot.standing = SnapshotStanding::Superseded);
                let open = self.restores.iter_mut().filter(|restore| restore.standing.may_go_on());
                open.for_each(|restore| restore.standing = RestoreStanding::Superseded);
            }
            Event::UsageLimitChanged {
                to, until: Some(until), ..
            } => {
                self.temporary = Some(Temporary {
                    percent: *to,
                    until: *until,
                    backup_completed: false,
                    restore_ended: false,
                });
            }
            Event::UsageLimitChanged { to, until: None, .. } => {
                self.lasting_limit = *to;
                self.temporary = None;
            }
            Event::ScopeKnown { scope } => self.scope = Some(scope.clone()),
            Event::SnapshotBegun {
                snapshot,
                kind,
                predecessor,
                objects,
                connector,
            } => self.snapshots.push(SnapshotRecord {
                id: *snapshot,
                kind: *kind,
                predecessor: *predecessor,
                objects: objects.clone(),
                scope: self.scope.clone(),
                begun_at: at,
                connector: *connector,
                standing: SnapshotStanding::Open,
            }),
            Event::SnapshotPaused { snapshot, pause, .. } => self.stands(*snapshot, SnapshotStanding::Paused(pause.clone())),
            Event::SnapshotResumed { snapshot } => self.stands(*snapshot, SnapshotStanding::Open),
            Event::SnapshotCompleted {
                snapshot,
                log_head,
                incomplete,
            } => {
                if self.is_closed(*snapshot) {
                    return;
                }
                let ended = SnapshotStanding::Complete {
                    at,
                    log_head: *log_head,
                    incomplete: *incomplete,
                };
                self.stands(*snapshot, ended);
                self.completed.push(*snapshot);
                if let Some(temporary) = &mut self.temporary {
                    temporary.backup_completed = true;
                }
            }
            Event::SnapshotSuperseded { snapshot } => self.stands(*snapshot, SnapshotStanding::Superseded),
            Event::SnapshotFailed { snapshot, reason } => {
                let reason = reason.clone();
                self.stands(*snapshot, SnapshotStanding::Failed { reason });
            }
            Event::SnapshotPruned { snapshot } => self.stands(*snapshot, SnapshotStanding::Pruned),
            Event::RestoreBegun { restore, what, .. } => self.restores.push(RestoreRecord {
                id: *restore,
                what: what.clone(),
                begun_at: at,
                changed_at: at,
                standing: RestoreStanding::Open,
            }),
            Event::RestorePaused { restore, pause } => {
                self.restore_stands(*restore, at, RestoreStanding::Paused(pause.clone()));
            }
            Event::RestoreResumed { restore } => self.restore_stands(*restore, at, RestoreStanding::Open),
            Event::RestoreCompleted {
                restore,
                incomplete,
                log_head,
            } => {
                let (incomplete, log_head) = (*incomplete, *log_head);
                self.restore_stands(*restore, at, RestoreStanding::Complete { incomplete, log_head });
            }
            Event::RestoreFailed { restore, reason, needed } => {
                let (reason, needed) = (reason.clone(), *needed);
                self.restore_stands(*restore, at, RestoreStanding::Failed { reason, needed });
            }
            Event::RestoreSuperseded { restore } => self.restore_stands(*restore, at, RestoreStanding::Superseded),
            Event::ConnectorInstalled { digest, .. } => self.connector = Some(*digest),
            Event::ConnectorSwapped { to, .. } => self.connector = Some(*to),
            Event::QuotaProbed { .. } | Event::PredecessorSettled { .. } | Event::GarbageCollected { .. } | Event::Unknown => {}
        }
    }

    /// What is closed stays closed, whatever a job says that doesn't know yet: its connection was removed.
    fn is_closed(&self, id: SnapshotId) -> bool {
        self.snapshot(id)
            .is_some_and(|snapshot| snapshot.standing == SnapshotStanding::Superseded)
    }

    fn stands(&mut self, id: SnapshotId, standing: SnapshotStanding) {
        if self.is_closed(id) && standing != SnapshotStanding::Pruned {
            return;
        }
        if let Some(snapshot) = self.snapshots.iter_mut().find(|snapshot| snapshot.id == id) {
            snapshot.standing = standing;
        }
    }

    fn restore_stands(&mut self, id: RestoreId, at: Timestamp, standing: RestoreStanding) {
        if let Some(temporary) = &mut self.temporary {
            let goes_on = matches!(standing, RestoreStanding::Open | RestoreStanding::Paused(_));
            // Another restore is closed where one begins; the limit is raised for the one that begins.
            temporary.restore_ended |= !goes_on && standing != RestoreStanding::Superseded;
        }
        if let Some(restore) = self.restores.iter_mut().find(|restore| restore.id == id)
            && restore.standing != RestoreStanding::Superseded
        {
            restore.standing = standing;
            restore.changed_at = at;
        }
    }
}
