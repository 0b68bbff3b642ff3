//! Where a restore stands, but for its records, of which the [`super::records`] tells.
//!
//! Version 2; [`super::v1`] reads the one before. It is a value and not the checkpoint: values are durable before a request is sent, so that a crash in the middle of a batch
//! loses nothing of what was written. The checkpoint only names it.

use crate::READS_STATE_VERSIONS;
use crate::host::{ConnectorError, Failure, Host};
use crate::restore::request::{Form, Placed};
use crate::restore::rules;
use crate::restore::state::objects::{Adoption, Closed, ObjectJob, ObjectJobs, Strategy, is_default};
use crate::restore::state::v1;
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

impl Place {
    /// Goes on to the first record of the next object.
    pub fn next_object(&mut self) {
        self.object += 1;
        self.after.clear();
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
    pub place: Place,
    /// Something was found, or written, since the stage last began to go through all objects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moved: bool,
    /// What the walk waits for.
    #[serde(default)]
    pub wait_for: WaitFor,
    /// All objects that it has to do with.
    pub objects: ObjectJobs,
    /// Objects by the first three characters of their Ids, as the snapshot's records have them: looked up by these.
    #[serde(default)]
    pub prefixes: BTreeMap<String, String>,
    /// What refusals have told of the org.
    #[serde(default)]
    pub learnt: Learnt,
    /// What planning came to.
    #[serde(default)]
    pub plan: PlanTotals,
    /// Records whose references are to be set in the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unconnected: u64,
    /// Records were refused for a lock, so often at most: they are tried again a little later, each time after twice as long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub locked: u8,
    /// Records that weren't found when they were read back are asked for by queries of all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub verifies_archived: bool,
    /// How many parts were made of what was refused as a whole.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: u32,
    /// Requests that write, one after the other, of which no answer came.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unanswered: u8,
    /// Calls that ended, one after the other, since the org took no more at this moment.
    #[serde(default, skip_serializing_if = "is_default")]
    pub busy: u8,
}

/// What answers have told of the org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learnt {
    /// Restricted picklists don't take what their describes don't have.
    pub refuses_values: bool,
    /// It gives no records to inactive users, for this connection's user.
    pub refuses_inactive: bool,
    /// How far its clock is ahead of the host's, in milliseconds.
    pub clock_ahead_ms: i64,
}

/// What planning came to, of all objects together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanTotals {
    /// Records that go in collections of their own.
    pub literal: u64,
    /// Requests that the others take.
    pub composites: u64,
    /// Records that share these.
    pub together: u64,
    /// Records that wait for others of a circle, and come with the next walk.
    pub waiting: u64,
    /// Requests that planning sent.
    pub asked: u64,
}

/// Version of the shape in which a [`Job`] is stored.
const VERSION: u32 = 2;

/// A [`Job`] as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<J> {
    version: u32,
    job: J,
}

/// The version of a stored job; version 1 doesn't name it.
#[derive(Deserialize)]
struct StoredVersion {
    #[serde(default)]
    version: Option<u32>,
}

impl Job {
    /// What is known of an object; of one that the restore has nothing to do with, nothing.
    pub fn object(&self, name: &str) -> &ObjectJob {
        self.objects.get(name)
    }

    /// What is known of an object, to be changed.
    pub fn object_mut(&mut self, name: &str) -> &mut ObjectJob {
        self.objects.get_mut(name)
    }

    /// Nothing (more) of an object is written.
    pub fn close(&mut self, object: &str, code: &str, message: &str) {
        self.object_mut(object).closed = Some(Closed {
            code: code.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Something was created, by which Salesforce may have created other records.
    pub fn look_for_created(&mut self) {
        for rules::CreatedWithParent { object, .. } in rules::CREATED_WITH_PARENT {
            if self.object(object).adoption == Adoption::SoFar {
                self.object_mut(object).adoption = Adoption::NotAsked;
            }
        }
    }

    /// The restore that is kept there.
    pub fn load<H: Host>(host: &H, space: &str) -> Result<Option<Job>, ConnectorError> {
        let key = key(space);
        let Some(stored) = values::load::<StoredVersion, _>(host, &key)? else {
            return Ok(None);
        };
        match stored.version {
            None => Ok(values::load::<v1::Job, _>(host, &key)?.map(Job::from)),
            Some(VERSION) => Ok(values::load::<Stored<Job>, _>(host, &key)?.map(|stored| stored.job)),
            Some(version) => Err(ConnectorError::State(
                Failure::new(
                    "restore",
                    format!(
                        "where the restore stands is kept in version {version}, this connector reads versions 1 to {VERSION}"
                    ),
                )
                .remedy("go on with a newer version of the connector"),
            )),
        }
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
        values::entry(
            key(space),
            &Stored {
                version: VERSION,
                job: self,
            },
        )
    }

    /// A checkpoint that names it.
    pub fn checkpoint(&self) -> Result<Vec<u8>, ConnectorError> {
        written(&Checkpoint {
            restore: self.selection.fingerprint()?,
        })
    }

    /// A record will be written in this form.
    pub fn count_form(&mut self, record: &Placed) {
        self.plan.literal += u64::from(record.form == Form::Collection);
        let object = self.object_mut(&record.object);
        let Some(file) = &record.file else {
            object.bytes += record.json.len() as u64;
            return;
        };
        let mut files = object.strategy.files().unwrap_or_default();
        if record.form == Form::Files {
            files.together += 1;
            files.bytes += file.bytes;
        } else {
            files.alone += 1;
        }
        object.strategy = Strategy::Files(files);
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
        self.place = Place::default();
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
