//! Restores: a log of committed batches, and what they came to.
//!
//! A restore exists once the journal says so, and is the fold of its log. It holds no records: what was written is in the source,
//! and what the connector knows of it in its values, which are durable before a request is sent. Grants of its batches stand in the
//! scope's journal.

use crate::backend::Store;
use crate::chain::{Chain, Entry, Head};
use crate::error::StoreError;
use crate::names::{ConnectionName, ObjectName, RestoreId, Sha256};
use crate::scope::Claim;
use crate::snapshot::{Estimate, NextStep, clamp_count};
use backup_contract::{Checkpoint, Failure, Reading, RecordOutcome, Tally};
use backup_seams::Timestamp;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was told about an object in one step. What is `None` leaves what was told before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// API name of the object.
    pub object: ObjectName,
    /// Its place in the order of writing, from 0, as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// How it is written, as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What will become of its records, as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Tally>,
    /// What was done so far, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Tally>,
    /// Why nothing of it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Failure>,
    /// What people should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Failure>,
    /// Single records: keys, what became of them, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<(String, RecordOutcome, Failure)>,
}

impl RestoreReport {
    /// Nothing told yet.
    pub fn new(object: ObjectName) -> RestoreReport {
        RestoreReport {
            object,
            place: None,
            estimate: None,
            expected: None,
            done: None,
            skipped: None,
            remarks: Vec::new(),
            records: Vec::new(),
        }
    }
}

/// All that becomes durable of one step, as one entry.
#[derive(Clone, Debug)]
pub struct RestoreCommit {
    /// When it began.
    pub began_at: Timestamp,
    /// Where the job stands now; `None` while planning isn't ready.
    pub checkpoint: Option<Checkpoint>,
    /// What comes next. [`NextStep::Done`] ends the log.
    pub next: NextStep,
    /// Requests that this step sent, all attempts.
    pub requests: u64,
    /// Requests that the job still needs, where it was told.
    pub needed: Option<u64>,
    /// What was told about objects and records.
    pub objects: Vec<RestoreReport>,
    /// Readings that were told.
    pub readings: Vec<Reading>,
    /// Digest of the connector that ran it.
    pub connector: Sha256,
    /// Head of the connection's journal.
    pub journal_head: Sha256,
}

/// A checkpoint within an entry: a connector's values hold what is large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineCheckpoint {
    /// Version of its format.
    pub state_version: u32,
    /// The connector's bytes, base64.
    pub base64: String,
}

/// An entry's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoreEntry {
    /// When the step began.
    pub began_at: Timestamp,
    /// Head of the connection's journal when it was written.
    pub journal_head: Sha256,
    /// Digest of the connector.
    pub connector: Sha256,
    /// Requests that the step sent.
    pub requests: u64,
    /// Where the job stands; `None`: as before.
    pub checkpoint: Option<InlineCheckpoint>,
    /// What comes next.
    pub next: NextStep,
    /// Requests that the job still needs; `None`: as before.
    pub needed: Option<u64>,
    /// Told about objects and records.
    pub objects: Vec<RestoreReport>,
    /// Told readings.
    pub readings: Vec<Reading>,
}

/// An object of a restore, as its log tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoredObject {
    /// Its place in the order of writing.
    pub place: Option<u64>,
    /// How it is written.
    pub estimate: Option<Estimate>,
    /// As planned.
    pub expected: Option<Tally>,
    /// What was done.
    pub done: Tally,
    /// Why nothing (more) of it is written.
    pub skipped: Option<Failure>,
    /// What people should know about it.
    pub remarks: Vec<Failure>,
    /// Single records, by key and outcome.
    pub records: BTreeMap<(String, RecordOutcome), Failure>,
}

/// What a restore's log comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreFold {
    /// What comes next; `None` before the first step.
    pub next: Option<NextStep>,
    /// Where the job stands.
    pub checkpoint: Option<Checkpoint>,
    /// Requests of all steps.
    pub requests: u64,
    /// Of these, what planning took.
    pub planning: u64,
    /// What writing would take, as the plan told.
    pub writing: Option<u64>,
    /// Requests that it still needs.
    pub needed: Option<u64>,
    /// By name.
    pub objects: BTreeMap<ObjectName, RestoredObject>,
}

impl RestoreFold {
    /// What was done, in all.
    pub fn done(&self) -> Tally {
        self.objects.values().map(|object| object.done).sum()
    }

    /// Whether one of these was told of any record.
    pub fn any_record(&self, outcomes: &[RecordOutcome]) -> bool {
        let mut records = self.objects.values().flat_map(|object| object.records.keys());
        records.any(|(_, outcome)| outcomes.contains(outcome))
    }

    /// Takes in what a step told.
    pub fn apply(&mut self, reports: Vec<RestoreReport>) {
        for report in reports {
            let object = self.objects.entry(report.object).or_default();
            object.place = report.place.or(object.place);
            let estimate = report.estimate.map(|estimate| estimate.within());
            object.estimate = estimate.or_else(|| object.estimate.take());
            object.expected = report.expected.map(within).or(object.expected);
            object.done = report.done.map_or(object.done, within);
            object.skipped = report.skipped.or_else(|| object.skipped.take());
            for remark in report.remarks {
                if !object.remarks.contains(&remark) {
                    object.remarks.push(remark);
                }
            }
            for (key, outcome, why) in report.records {
                object.records.insert((key, outcome), why);
            }
        }
    }

    fn fold(&mut self, entry: RestoreEntry) {
        self.requests = self.requests.saturating_add(entry.requests);
        let needed = entry.needed.map(clamp_count);
        if self.checkpoint.is_none() {
            self.planning = self.planning.saturating_add(entry.requests);
            self.writing = needed.filter(|_| entry.checkpoint.is_some());
        }
        self.needed = needed.or(self.needed);
        self.next = Some(entry.next);
        if let Some(checkpoint) = entry.checkpoint
            // Its hash was right, so it is what was written.
            && let Ok(data) = BASE64_STANDARD.decode(checkpoint.base64)
        {
            self.checkpoint = Some(Checkpoint {
                state_version: checkpoint.state_version,
                data,
            });
        }
        self.apply(entry.objects);
    }
}

/// A tally with numbers as they are taken.
fn within(tally: Tally) -> Tally {
    tally.map(clamp_count)
}

/// The log of one restore.
#[derive(Debug)]
pub struct RestoreLog {
    chain: Chain<RestoreEntry>,
    fold: RestoreFold,
}

pub(crate) fn log_dir(store: &Store, connection: &ConnectionName, restore: RestoreId) -> Path {
    let dir = store.connection_dir(connection).join("restores");
    dir.join(restore.to_string()).join("log")
}

impl RestoreLog {
    /// Reads it.
    pub async fn open(store: &Store, connection: &ConnectionName, restore: RestoreId) -> Result<RestoreLog, StoreError> {
        let (chain, entries) = Chain::open(store, log_dir(store, connection, restore)).await?;
        let mut fold = RestoreFold::default();
        entries
            .into_iter()
            .for_each(|entry: Entry<RestoreEntry>| fold.fold(entry.body));
        Ok(RestoreLog { chain, fold })
    }

    /// What it comes to.
    pub fn fold(&self) -> &RestoreFold {
        &self.fold
    }

    /// Where it stands.
    pub fn head(&self) -> Head {
        self.chain.head()
    }

    /// Makes all of a step durable as one entry. Under the claim: losing the entry means that another host took over.
    pub async fn commit(&mut self, claim: &Claim, commit: RestoreCommit) -> Result<(), StoreError> {
        let entry = RestoreEntry {
            began_at: commit.began_at,
            journal_head: commit.journal_head,
            connector: commit.connector,
            requests: commit.requests,
            checkpoint: commit.checkpoint.map(|checkpoint| InlineCheckpoint {
                state_version: checkpoint.state_version,
                base64: BASE64_STANDARD.encode(&checkpoint.data),
            }),
            next: commit.next,
            needed: commit.needed,
            objects: commit.objects,
            readings: commit.readings,
        };
        if !claim.still_held() {
            return Err(StoreError::Lost {
                what: "the lease has run out".to_owned(),
            });
        }
        let entry = self.chain.append_exclusive(claim.epoch(), entry).await?;
        self.fold.fold(entry.body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::{Event, Journal, RestoreRequested};
    use crate::testing::fixture::{Fixture, actor, claim, connection, object, run};
    use crate::verify::verify;

    fn step(next: NextStep, done: u64, outcome: RecordOutcome) -> RestoreCommit {
        let why = Failure {
            code: "refused".to_owned(),
            message: format!("after {done}"),
            remedy: None,
            object: None,
            details: Vec::new(),
        };
        let report = RestoreReport {
            done: Some(Tally {
                created: done,
                ..Tally::default()
            }),
            records: vec![("001".to_owned(), outcome, why)],
            ..RestoreReport::new(object())
        };
        RestoreCommit {
            began_at: Timestamp(0),
            checkpoint: Some(Checkpoint {
                state_version: 1,
                data: done.to_be_bytes().to_vec(),
            }),
            next,
            requests: 2,
            needed: Some(10 - done),
            objects: vec![report],
            readings: Vec::new(),
            connector: Sha256::ZERO,
            journal_head: Sha256::ZERO,
        }
    }

    /// A restore with two steps in its log.
    async fn restored(fixture: &Fixture) -> (Store, Claim, RestoreId, RestoreLog) {
        run(fixture).await.unwrap();
        let store = fixture.store().await.unwrap();
        let claim = claim(&store).await.unwrap();
        let mut journal = Journal::open(&store, &connection()).await.unwrap();
        let seams = store.seams();
        let id = RestoreId::generate(&*seams.clock, &*seams.randomness);
        let begun = Event::RestoreBegun {
            restore: id,
            what: RestoreRequested {
                source: connection(),
                snapshot: journal.state().snapshots()[0].id,
                objects: vec![object()],
                records: Vec::new(),
                with_related: false,
                details: Vec::new(),
            },
            connector: Sha256::ZERO,
        };
        journal.append(&actor(), begun).await.unwrap();
        let mut log = RestoreLog::open(&store, &connection(), id).await.unwrap();
        for (done, outcome) in [(1, RecordOutcome::Ambiguous), (3, RecordOutcome::Failed)] {
            let mut commit = step(NextStep::Batch { requests: 1 }, done, outcome);
            commit.journal_head = journal.head().hash;
            log.commit(&claim, commit).await.unwrap();
        }
        (store, claim, id, log)
    }

    #[tokio::test]
    async fn a_restores_log_reads_back_with_the_last_tally_of_each_object() {
        let fixture = Fixture::new(1);
        let (store, _claim, id, written) = restored(&fixture).await;
        let read = RestoreLog::open(&store, &connection(), id).await.unwrap();
        assert_eq!(read.fold(), written.fold());
        let fold = read.fold();
        assert_eq!((fold.done().created, fold.requests, fold.needed), (3, 4, Some(7)));
        assert_eq!(fold.planning, 2, "the first step's, which gave a checkpoint");
        assert_eq!(fold.writing, Some(9), "as it told");
        assert_eq!(fold.checkpoint.as_ref().unwrap().data, 3_u64.to_be_bytes().as_slice());
        assert_eq!(fold.objects[&object()].records.len(), 2, "one for each outcome");
        assert!(fold.any_record(&[RecordOutcome::Failed]) && !fold.any_record(&[RecordOutcome::Differs]));
    }

    #[tokio::test]
    async fn a_changed_entry_of_a_restore_is_found() {
        let fixture = Fixture::new(2);
        let (store, _claim, id, _) = restored(&fixture).await;
        assert_eq!(verify(&store, &connection()).await.unwrap().damages, []);
        let path = crate::chain::entry_path(&log_dir(&store, &connection(), id), 1);
        let mut bad = fixture.backend.content(&path).await.unwrap().to_vec();
        bad[20] ^= 1;
        fixture.backend.overwrite(&path, bad.into()).await;
        let damages = verify(&store, &connection()).await.unwrap().damages;
        assert!(damages.iter().any(|damage| damage.place == path.to_string()), "{damages:?}");
    }

    #[tokio::test]
    async fn a_host_that_was_overtaken_commits_nothing_more() {
        let fixture = Fixture::new(3);
        let (store, claim, id, mut first) = restored(&fixture).await;
        let mut second = RestoreLog::open(&store, &connection(), id).await.unwrap();
        let next = || step(NextStep::Done, 4, RecordOutcome::Failed);
        second.commit(&claim, next()).await.unwrap();
        let lost = first.commit(&claim, next()).await;
        assert!(matches!(lost, Err(StoreError::Lost { .. })), "{lost:?}");
    }
}
