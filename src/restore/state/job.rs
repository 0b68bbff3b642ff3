//! Where a restore stands, but for its records, of which the [`super::records`] tells.
//!
//! It is a value and not the checkpoint: values are durable before a request is sent, so that a crash in the middle of a batch
//! loses nothing of what was written. The checkpoint only names it.

use crate::READS_STATE_VERSIONS;
use crate::host::{ConnectorError, Failure, Host, Tally};
use crate::restore::request::{Form, Placed};
use crate::salesforce::limits::{COLLECTION_RECORDS, MAX_FILE_BYTES};
use crate::values::{self, Entry, key as value_key};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

fn key(space: &str) -> String {
    format!("{space}job")
}

/// What is restored, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Whole objects.
    pub objects: BTreeSet<String>,
    /// Single records, by object.
    #[serde(default)]
    pub records: BTreeMap<String, BTreeSet<String>>,
    /// With the records that these need, and those that belong to them.
    #[serde(default)]
    pub with_related: bool,
    /// Conditions, by object.
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
    /// Fields that identify records, by object.
    #[serde(default)]
    pub external_ids: BTreeMap<String, String>,
    /// Read back and compare.
    #[serde(default)]
    pub verify: bool,
    /// Records that were changed since the snapshot get its values back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
    /// But for those that were changed after this moment, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_changed_since: Option<u64>,
    /// References of records that are there stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_relink: bool,
    /// What the source's Ids belong to.
    #[serde(default)]
    pub source: String,
    /// The snapshot, as the host names it.
    #[serde(default)]
    pub snapshot: String,
}

impl Selection {
    /// Tells selections apart.
    pub fn fingerprint(&self) -> Result<String, ConnectorError> {
        let digest = Sha256::digest(written(self)?);
        let mut hex = String::with_capacity(32);
        for byte in &digest[..16] {
            let _ = write!(hex, "{byte:02x}"); // writing to a String can't fail
        }
        Ok(hex)
    }
}

/// What is done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Finds the records that are asked for.
    #[default]
    Select,
    /// Finds the records that belong to them.
    Relate,
    /// Asks how objects are written.
    Describe,
    /// Finds what they refer to.
    Refer,
    /// Asks which of all these the target has.
    LookUp,
    /// Finds by name what has another Id there.
    Name,
    /// Reads what has a new stamp: it may have the snapshot's values all the same.
    Compare,
    /// Goes through it without sending, to tell what will become of each.
    Rehearse,
    /// Creates and updates.
    Write,
    /// Sets references that could not be set before.
    Connect,
    /// Reads back.
    Verify,
    /// Nothing is left.
    Done,
}

/// What a walk over the records still waits for. Each is left only when nothing more can be done by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitFor {
    /// A record is created once all that it refers to is there, or stands before it in the request; but for objects that come later.
    /// One that is changed and refers to what is created waits until all that can be is: then changes fill their requests to the last
    /// place.
    #[default]
    #[serde(rename = "full")]
    AllReferences,
    /// What is changed may refer to what the same request creates.
    #[serde(rename = "some")]
    OtherRequests,
    /// Nothing is waited for that a record can be without: they refer to each other in a circle.
    #[serde(rename = "none")]
    Nothing,
}

/// A place in a walk over objects and their records.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Number of the object.
    pub object: usize,
    /// The key that comes before.
    pub after: String,
}

/// Records of an object that are written with their files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Records that share requests.
    pub together: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Records that have a request each.
    pub alone: u64,
}

impl Files {
    /// Requests that writing them takes.
    pub fn requests(self) -> u64 {
        self.together
            .div_ceil(COLLECTION_RECORDS as u64)
            .max(self.bytes.div_ceil(MAX_FILE_BYTES))
            + self.alone
    }

    /// Requests that writing so many of them takes.
    pub fn left(self, open: u64) -> u64 {
        let all = (self.together + self.alone).max(1);
        (self.requests() * open.min(all)).div_ceil(all)
    }
}

/// Where a restore stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is restored.
    pub selection: Selection,
    /// What is done next.
    pub stage: Stage,
    /// Where in it.
    pub at: Place,
    /// Something was found, or written, since the stage last began to go through all objects.
    #[serde(default)]
    pub moved: bool,
    /// What the walk waits for.
    #[serde(rename = "patience", default)]
    pub wait_for: WaitFor,
    /// Objects by the first three characters of their Ids, as the snapshot's records have them.
    #[serde(default)]
    pub prefixes: BTreeMap<String, String>,
    /// All objects that records of the table are of, sorted; in the order of writing from [`Stage::Rehearse`] on.
    #[serde(default)]
    pub objects: Vec<String>,
    /// Objects of which nothing (more) is written, with the code and the text that says why.
    #[serde(default)]
    pub closed: BTreeMap<String, (String, String)>,
    /// Objects whose records don't have the first of [`STAMPS`], and which of them is tried.
    #[serde(default)]
    pub stamps: BTreeMap<String, usize>,
    /// Objects of which records are gone and will be created.
    #[serde(default)]
    pub creating: BTreeSet<String>,
    /// Objects that are looked up by query, not by collections.
    #[serde(default)]
    pub by_query: BTreeSet<String>,
    /// Objects whose records that Salesforce created by itself were looked for.
    #[serde(default)]
    pub adopted: BTreeSet<String>,
    /// The same, as far as their parents were created so far.
    #[serde(default)]
    pub looked_for: BTreeSet<String>,
    /// What was done, by object.
    #[serde(default)]
    pub tallies: BTreeMap<String, Tally>,
    /// Records that are still to be written, by object.
    #[serde(default)]
    pub open: BTreeMap<String, u64>,
    /// How many of these are changed, and not created.
    #[serde(default)]
    pub updates: BTreeMap<String, u64>,
    /// What is written with files, by object.
    #[serde(default)]
    pub files: BTreeMap<String, Files>,
    /// Bytes of records that share composite requests, by object, as planned.
    #[serde(default)]
    pub bytes: BTreeMap<String, u64>,
    /// New records that refer to others of their object, by object.
    #[serde(default)]
    pub to_own: BTreeMap<String, u64>,
    /// Objects that are written by bulk jobs, and how many of their records one takes.
    #[serde(default)]
    pub bulk: BTreeMap<String, u64>,
    /// Records that go in collections of their own.
    #[serde(default)]
    pub literal: u64,
    /// Requests that the others take, as planned.
    #[serde(default)]
    pub composites: u64,
    /// Records that share these.
    #[serde(default)]
    pub together: u64,
    /// Records that wait for others of a circle, and come with the next walk.
    #[serde(default)]
    pub waiting: u64,
    /// Requests that planning sent.
    #[serde(default)]
    pub asked: u64,
    /// Records whose references are to be set in the end.
    #[serde(default)]
    pub unconnected: u64,
    /// Records were refused for a lock, so often at most: they are tried again a little later, each time after twice as long.
    #[serde(default)]
    pub locked: u8,
    /// Objects of which a lock refused records that are still to be written.
    #[serde(default)]
    pub locked_of: BTreeSet<String>,
    /// Restricted picklists are known not to take what their describes don't have.
    #[serde(default)]
    pub refuses_values: bool,
    /// The org gives no records to inactive users, for this connection's user.
    #[serde(default)]
    pub refuses_inactive: bool,
    /// How many records a condition holds for, and of how many, by object.
    #[serde(default)]
    pub matches: BTreeMap<String, (u64, u64)>,
    /// How many records are only given their references back, by object.
    #[serde(default)]
    pub relinks: BTreeMap<String, u64>,
    /// Objects of which the target has records under other Ids.
    #[serde(default)]
    pub mapped: BTreeSet<String>,
    /// Objects that give no references with a look, so that none of theirs is set.
    #[serde(default)]
    pub without_references: BTreeSet<String>,
    /// What wasn't found is read back by queries of all.
    #[serde(default)]
    pub verifies_archived: bool,
    /// How many records have values that can't be restored, by object and field.
    #[serde(default)]
    pub lost: BTreeMap<String, BTreeMap<String, u64>>,
    /// Objects of which records sound gone that are still to be looked up.
    #[serde(default)]
    pub doubted: BTreeSet<String>,
    /// Objects that aren't as they were described: they are described anew.
    #[serde(default)]
    pub to_describe: BTreeSet<String>,
    /// Objects that were.
    #[serde(default)]
    pub described_anew: BTreeSet<String>,
    /// How many parts were made of what was refused as a whole.
    #[serde(default)]
    pub parts: u32,
    /// How many records of an object were refused each alone, of what was refused as a whole.
    #[serde(default)]
    pub alone: BTreeMap<String, u32>,
    /// Fields that whole collections were refused for, by object, and the record that was found to be the cause.
    #[serde(default)]
    pub culprits: BTreeMap<String, BTreeMap<String, String>>,
    /// Fields that all records of an object are written without, and why.
    #[serde(default)]
    pub left_out: BTreeMap<String, BTreeMap<String, String>>,
    /// Requests that write, one after the other, of which no answer came.
    #[serde(default)]
    pub unanswered: u8,
    /// Calls that ended, one after the other, since the org took no more at this moment.
    #[serde(default)]
    pub busy: u8,
    /// How far the org's clock is ahead of the host's, in milliseconds.
    #[serde(default)]
    pub ahead: i64,
}

/// Fields that tell when a record was last changed, the best first.
pub const STAMPS: [&str; 2] = ["SystemModstamp", "LastModifiedDate"];

impl Job {
    /// The field that tells when a record of this object was last changed; none where none does.
    pub fn stamp(&self, object: &str) -> Option<&'static str> {
        STAMPS.get(self.stamps.get(object).copied().unwrap_or_default()).copied()
    }

    /// The restore that is kept there.
    pub fn load<H: Host>(host: &H, space: &str) -> Result<Option<Job>, ConnectorError> {
        values::load(host, &key(space))
    }

    /// Forgets the restore that is kept there, but for what it created, and what it may have created.
    pub fn forget<H: Host>(host: &H, space: &str) -> Result<(), ConnectorError> {
        loop {
            let keys = host.keys(space, "", 500)?;
            if keys.is_empty() {
                return Ok(());
            }
            host.put(keys.into_iter().map(values::removal).collect())?;
        }
    }

    /// As an entry to be put.
    pub fn entry(&self, space: &str) -> Result<Entry, ConnectorError> {
        values::entry(key(space), self)
    }

    /// A checkpoint that names it.
    pub fn checkpoint(&self) -> Result<Vec<u8>, ConnectorError> {
        written(&Checkpoint {
            restore: self.selection.fingerprint()?,
        })
    }

    /// What an object's records came to.
    pub fn tally(&mut self, object: &str) -> &mut Tally {
        self.tallies.entry(object.to_owned()).or_default()
    }

    /// A record will be written in this form.
    pub fn count_form(&mut self, record: &Placed) {
        self.literal += u64::from(record.form == Form::Collection);
        let Some(file) = &record.file else {
            *self.bytes.entry(record.object.clone()).or_default() += record.json.len() as u64;
            return;
        };
        let files = self.files.entry(record.object.clone()).or_default();
        if record.form == Form::Files {
            files.together += 1;
            files.bytes += file.bytes;
        } else {
            files.alone += 1;
        }
    }

    /// Another stage begins, from the first object.
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.wait_for = WaitFor::default();
        self.again();
    }

    /// A walk found nothing that can be done: less is waited for, if that leaves anything to be done. `all_sent`: nothing is under
    /// way that others could refer to.
    pub fn wait_for_less(&mut self, all_sent: bool) -> bool {
        self.wait_for = match self.wait_for {
            WaitFor::AllReferences => WaitFor::OtherRequests,
            WaitFor::OtherRequests if all_sent => WaitFor::Nothing,
            WaitFor::OtherRequests | WaitFor::Nothing => return false,
        };
        true
    }

    /// From the first object again, in the same stage.
    pub fn again(&mut self) {
        self.at = Place::default();
        self.moved = false;
    }
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// Fingerprint of the selection.
    restore: String,
}

/// Whether a checkpoint is that of a restore.
pub fn is_restore(at: &[u8]) -> bool {
    serde_json::from_slice::<Checkpoint>(at).is_ok()
}

/// The restore that a checkpoint names.
pub fn at_checkpoint<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<Job, ConnectorError> {
    if !READS_STATE_VERSIONS.contains(&state_version) {
        return Err(ConnectorError::State(Failure::new(
            "checkpoint",
            format!("the checkpoint has state version {state_version}, this connector reads {READS_STATE_VERSIONS:?}"),
        )));
    }
    let checkpoint: Checkpoint = serde_json::from_slice(at).map_err(|error| unreadable(&error))?;
    match Job::load(host, value_key::RESTORE)? {
        Some(job) if job.selection.fingerprint()? == checkpoint.restore => Ok(job),
        _ => Err(ConnectorError::State(
            Failure::new(
                "restore",
                "what this restore had learnt is gone, or another one was begun since",
            )
            .remedy("restore again: what was written is known and isn't written twice"),
        )),
    }
}

fn written(what: &impl Serialize) -> Result<Vec<u8>, ConnectorError> {
    serde_json::to_vec(what).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> ConnectorError {
    ConnectorError::State(
        Failure::new(
            "restore",
            format!("where the restore stands can't be read or written: {error}"),
        )
        .remedy("restore again: what was written is known and isn't written twice"),
    )
}
