//! What happened to a connection: configuration, usage limit, snapshots, connectors, probes. The only place where any of it is
//! kept, so no change can go unrecorded.
//!
//! Anybody may append at any time, a limit change beside a running backup too: losing an entry to somebody else means to fold it
//! and try again. Who may send and commit is [`crate::scope`]'s.

mod event;
mod state;
#[cfg(test)]
mod tests;

pub use event::{Actor, Cause, Event, Paused, Percent, Record, RestoreRequested, SnapshotKind, Until};
pub use state::{JournalState, RestoreRecord, RestoreStanding, SnapshotRecord, SnapshotStanding, Temporary};

use crate::backend::Store;
use crate::chain::{Appended, Chain, Entry, Head};
use crate::error::StoreError;
use crate::names::ConnectionName;
use backup_seams::Timestamp;
use object_store::path::Path;

/// How often an entry may be lost to others before something is wrong.
const TRIES: u32 = 1000;

/// A connection's journal, read up to its head.
#[derive(Debug)]
pub struct Journal {
    connection: ConnectionName,
    chain: Chain<Record>,
    entries: Vec<Entry<Record>>,
    state: JournalState,
}

impl Journal {
    /// Reads it. A connection that was never added has an empty one.
    pub async fn open(store: &Store, connection: &ConnectionName) -> Result<Journal, StoreError> {
        let (chain, entries) = Chain::open(store, dir(store, connection)).await?;
        let mut state = JournalState::default();
        entries.iter().for_each(|entry| state.fold(entry));
        Ok(Journal {
            connection: connection.clone(),
            chain,
            entries,
            state,
        })
    }

    /// Picks up what others have appended: one read where there is nothing. True where there was something.
    pub async fn refresh(&mut self) -> Result<bool, StoreError> {
        let news = self.chain.refresh().await?;
        let changed = !news.is_empty();
        self.take(news);
        Ok(changed)
    }

    /// Appends an event, after whatever others append meanwhile.
    pub async fn append(&mut self, actor: &Actor, event: Event) -> Result<Head, StoreError> {
        self.append_with(actor, |_| Some(event.clone()))
            .await
            .map(|head| head.unwrap_or(self.chain.head()))
    }

    /// Appends what `decide` makes of the state; it is asked again whenever others were first. `None` appends nothing.
    pub async fn append_with(
        &mut self,
        actor: &Actor,
        decide: impl Fn(&JournalState) -> Option<Event>,
    ) -> Result<Option<Head>, StoreError> {
        for _ in 0..TRIES {
            let Some(event) = decide(&self.state) else { return Ok(None) };
            let record = Record {
                actor: actor.clone(),
                event,
            };
            match self.chain.append(0, record).await? {
                Appended::Written(entry) => {
                    self.take(vec![entry]);
                    return Ok(Some(self.chain.head()));
                }
                Appended::Behind(news) => self.take(news),
            }
        }
        Err(StoreError::Unsettled {
            what: self.chain.dir().to_string(),
        })
    }

    /// Sets the usage limit, for good or until something. Nothing is written where it is so already.
    pub async fn set_usage_limit(
        &mut self,
        actor: &Actor,
        to: Percent,
        until: Option<Until>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.note_limit_gone_back(now).await?;
        let set = |state: &JournalState| {
            let from = state.usage_limit(now);
            let same = from == to && until.is_none() && state.temporary_limit().is_none();
            (!same).then_some(Event::UsageLimitChanged {
                from,
                to,
                until,
                cause: Cause::Asked,
            })
        };
        self.append_with(actor, set).await.map(drop)
    }

    /// Where a limit that was set with an end has gone back, makes that an entry of the audit trail. True where it has.
    pub async fn note_limit_gone_back(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let noted = self.append_with(&Actor::host(), |state| state.limit_gone_back(now)).await?;
        Ok(noted.is_some())
    }

    /// What it folds to.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// All of its entries, oldest first.
    pub fn entries(&self) -> &[Entry<Record>] {
        &self.entries
    }

    /// Its last entry: what to keep elsewhere, to find a cut tail with.
    pub fn head(&self) -> Head {
        self.chain.head()
    }

    /// Whose it is.
    pub fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// The audit trail as `audit --json` gives it, oldest first.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        self.entries.iter().map(audit_line).collect()
    }

    fn take(&mut self, news: Vec<Entry<Record>>) {
        for entry in news {
            self.state.fold(&entry);
            self.entries.push(entry);
        }
    }
}

pub(crate) fn dir(store: &Store, connection: &ConnectionName) -> Path {
    store.connection_dir(connection).join("audit")
}

/// One line of `audit --json`: the documented fields, and beside them what else the event tells.
fn audit_line(entry: &Entry<Record>) -> serde_json::Value {
    // Serialising plain data to a JSON value doesn't fail: no maps with other keys than text, no failing `Serialize`.
    let body = serde_json::to_value(&entry.body).unwrap_or_default();
    let mut line = body.as_object().cloned().unwrap_or_default();
    times_as_text(&mut line);
    line.insert("seq".to_owned(), entry.seq.into());
    line.insert("at".to_owned(), entry.at.rfc3339().into());
    for optional in ["from", "to"] {
        line.entry(optional).or_insert(serde_json::Value::Null);
    }
    for (name, hash) in [("prev", entry.prev), ("hash", entry.hash)] {
        line.insert(name.to_owned(), hash.to_string().into());
    }
    line.into()
}

/// Moments within an event, as text too: they are kept in milliseconds.
fn times_as_text(line: &mut serde_json::Map<String, serde_json::Value>) {
    let text = |at: &serde_json::Value| at.as_u64().map(|at| Timestamp(at).rfc3339().into());
    if let Some(at) = line.get("until").and_then(|until| until.get("at")).and_then(text) {
        line.insert("until".to_owned(), at);
    }
    let is_settled = line.get("event").is_some_and(|event| event == "predecessor-settled");
    let names: &[&str] = if is_settled { &["from", "until"] } else { &["recheck_at"] };
    for name in names {
        if let Some(at) = line.get(*name).and_then(text) {
            line.insert((*name).to_owned(), at);
        }
    }
    if let Some(reading) = line.get_mut("reading").and_then(|reading| reading.as_object_mut())
        && let Some(at) = reading.get("observed_at").and_then(text)
    {
        reading.insert("observed_at".to_owned(), at);
    }
}
