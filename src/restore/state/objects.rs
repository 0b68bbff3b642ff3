//! What a restore knows of each object: how its records are looked up and written, and how far that has come.
//!
//! One list. First the objects whose records are walked through, in the order in which every stage does it (by name while planning
//! finds more of them, in the order of writing afterwards); behind them those of which only something is known. Names and positions
//! are kept here alone, so that the one can't leave the other behind.

use crate::host::Tally;
use crate::restore::prepare::LeftOut;
use crate::salesforce::limits::{COLLECTION_RECORDS, MAX_FILE_BYTES};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// What a restore knows of an object, and has done of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectJob {
    name: String,
    #[serde(skip_serializing_if = "is_default")]
    walked: bool,
    /// Why nothing (more) of it is written; `None`: it is.
    #[serde(skip_serializing_if = "is_default")]
    pub closed: Option<Closed>,
    /// What became of its records; `None`: nothing was counted yet.
    #[serde(skip_serializing_if = "is_default")]
    pub tally: Option<Tally>,
    /// Records that are still to be written.
    #[serde(skip_serializing_if = "is_default")]
    pub open: u64,
    /// How many of these are changed, as planned.
    #[serde(skip_serializing_if = "is_default")]
    pub updates: u64,
    /// How many are only given their references back, as planned.
    #[serde(skip_serializing_if = "is_default")]
    pub relinks: u64,
    /// New records that refer to others of the object, as planned.
    #[serde(skip_serializing_if = "is_default")]
    pub to_own: u64,
    /// Bytes of records without files, as planned.
    #[serde(skip_serializing_if = "is_default")]
    pub bytes: u64,
    /// By which requests its records are written.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// By which requests its records are looked up.
    #[serde(skip_serializing_if = "is_default")]
    pub lookup: LookupBy,
    /// The field that tells when a record was last changed.
    #[serde(skip_serializing_if = "is_default")]
    pub stamp: Stamp,
    /// A look-up gives none of its references, so that none of them is set again.
    #[serde(skip_serializing_if = "is_default")]
    pub without_references: bool,
    /// Records of it are gone, and are created.
    #[serde(skip_serializing_if = "is_default")]
    pub creates: bool,
    /// The target has records of it under other Ids.
    #[serde(skip_serializing_if = "is_default")]
    pub mapped: bool,
    /// Whether records that Salesforce created by itself were looked for.
    #[serde(skip_serializing_if = "is_default")]
    pub adoption: Adoption,
    /// Whether its describe holds.
    #[serde(skip_serializing_if = "is_default")]
    pub description: Description,
    /// Records of it sound gone, and are still to be looked up.
    #[serde(skip_serializing_if = "is_default")]
    pub doubted: bool,
    /// A lock refused records of it that are still to be written.
    #[serde(skip_serializing_if = "is_default")]
    pub locked: bool,
    /// How many records its condition holds for; `None`: no record was compared with one.
    #[serde(skip_serializing_if = "is_default")]
    pub matches: Option<Matches>,
    /// How many records have values that can't be restored, by field.
    #[serde(skip_serializing_if = "is_default")]
    pub lost: BTreeMap<String, u64>,
    /// How many records were refused each alone, of what was refused as a whole.
    #[serde(skip_serializing_if = "is_default")]
    pub refused_alone: u32,
    /// Fields that whole collections were refused for, and the key of the record that was found to be the cause.
    #[serde(skip_serializing_if = "is_default")]
    pub culprits: BTreeMap<String, String>,
    /// Fields that all of its records are written without, and why.
    #[serde(skip_serializing_if = "is_default")]
    pub left_out: BTreeMap<String, String>,
}

/// Why nothing (more) of an object is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// How many of an object's records a condition holds for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Records that it holds for.
    pub matching: u64,
    /// Records that were compared with it.
    pub all: u64,
}

/// By which requests an object's records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Collections that share composite requests with other objects'.
    #[default]
    Collections,
    /// Some of them with their files.
    Files(Files),
    /// Bulk jobs.
    Bulk {
        /// Records that one job takes.
        rows_a_job: u64,
    },
}

impl Strategy {
    /// What is written with files; `None` where nothing is.
    pub fn files(self) -> Option<Files> {
        match self {
            Strategy::Files(files) => Some(files),
            Strategy::Collections | Strategy::Bulk { .. } => None,
        }
    }

    /// How many records a bulk job takes; `None` where none are written by one.
    pub fn rows_a_job(self) -> Option<u64> {
        match self {
            Strategy::Bulk { rows_a_job } => Some(rows_a_job),
            Strategy::Collections | Strategy::Files(_) => None,
        }
    }
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

/// By which requests an object's records are looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupBy {
    /// Collections of Ids.
    #[default]
    Collections,
    /// Queries, where an object takes no collections.
    Query,
}

/// The field that tells when a record was last changed; the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// Changed by everything.
    #[default]
    SystemModstamp,
    /// Changed by people.
    LastModifiedDate,
    /// The object has neither.
    Missing,
}

impl Stamp {
    /// API name of the field; `None` where there is none.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Stamp::SystemModstamp => Some("SystemModstamp"),
            Stamp::LastModifiedDate => Some("LastModifiedDate"),
            Stamp::Missing => None,
        }
    }

    /// What is tried where an object doesn't have this one.
    pub fn next(self) -> Stamp {
        match self {
            Stamp::SystemModstamp => Stamp::LastModifiedDate,
            Stamp::LastModifiedDate | Stamp::Missing => Stamp::Missing,
        }
    }
}

/// Whether records of an object that Salesforce created by itself were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adoption {
    /// Not since something was created.
    #[default]
    NotAsked,
    /// As far as their parents were created so far.
    SoFar,
    /// All of them.
    Done,
}

/// Whether an object is as it was described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Description {
    /// Nothing says otherwise.
    #[default]
    Holds,
    /// The org says otherwise: it is described anew.
    Doubted,
    /// It was described anew, which is not done twice.
    Renewed,
}

impl ObjectJob {
    /// API name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing (more) of it is written.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// What became of its records, to be counted.
    pub fn tally_mut(&mut self) -> &mut Tally {
        self.tally.get_or_insert_default()
    }

    /// Records that were written.
    pub fn written(&self) -> u64 {
        let tally = self.tally.unwrap_or_default();
        tally.created + tally.updated + tally.relinked
    }

    /// A record is no longer to be written.
    pub fn one_less(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Fields that all of its records are written without.
    pub fn fields_left_out(&self) -> impl Iterator<Item = LeftOut> {
        self.left_out.iter().map(|(field, why)| LeftOut {
            field: field.clone(),
            why: why.clone(),
        })
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<ObjectJob>")]
pub struct ObjectJobs {
    list: Vec<ObjectJob>,
    positions: BTreeMap<String, usize>,
    /// What is known of an object that isn't in the list.
    unknown: ObjectJob,
}

impl ObjectJobs {
    /// What is known of an object; of one that isn't there, nothing.
    pub fn get(&self, name: &str) -> &ObjectJob {
        self.positions
            .get(name)
            .map_or(&self.unknown, |position| &self.list[*position])
    }

    /// What is known of an object, to be changed; it is added where it isn't there.
    pub fn get_mut(&mut self, name: &str) -> &mut ObjectJob {
        let position = self.positions.get(name).copied().unwrap_or_else(|| {
            self.list.push(ObjectJob {
                name: name.to_owned(),
                ..ObjectJob::default()
            });
            self.positions.insert(name.to_owned(), self.list.len() - 1);
            self.list.len() - 1
        });
        &mut self.list[position]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &ObjectJob> {
        self.list.iter()
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut ObjectJob> {
        self.list.iter_mut()
    }

    /// All of them, by name.
    pub fn by_name(&self) -> impl Iterator<Item = &ObjectJob> {
        self.positions.values().map(|position| &self.list[*position])
    }

    /// Those that are walked through, in order.
    pub fn walked(&self) -> &[ObjectJob] {
        &self.list[..self.list.partition_point(|object| object.walked)]
    }

    /// The names of those that are walked through, in order.
    pub fn walk(&self) -> Vec<String> {
        self.walked().iter().map(|object| object.name.clone()).collect()
    }

    /// The position of an object in the walk; `None` where it isn't in it.
    pub fn position(&self, name: &str) -> Option<usize> {
        let position = *self.positions.get(name)?;
        self.list[position].walked.then_some(position)
    }

    /// An object is walked through, in its place by name.
    pub fn join(&mut self, name: &str) {
        if self.position(name).is_some() {
            return;
        }
        self.get_mut(name).walked = true;
        self.arrange(|object| (!object.walked, object.name.clone()));
    }

    /// These objects are walked through, in this order, and no others.
    pub fn walk_in(&mut self, order: &[String]) {
        for name in order {
            self.get_mut(name);
        }
        let places: BTreeMap<&str, usize> = order.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        for object in &mut self.list {
            object.walked = places.contains_key(object.name.as_str());
        }
        self.arrange(|object| {
            (
                places.get(object.name.as_str()).copied().unwrap_or(usize::MAX),
                object.name.clone(),
            )
        });
    }

    fn arrange<K: Ord>(&mut self, key: impl Fn(&ObjectJob) -> K) {
        self.list.sort_by_cached_key(key);
        let named = self.list.iter().enumerate();
        self.positions = named.map(|(position, object)| (object.name.clone(), position)).collect();
    }
}

impl From<Vec<ObjectJob>> for ObjectJobs {
    fn from(list: Vec<ObjectJob>) -> ObjectJobs {
        let mut objects = ObjectJobs {
            list,
            ..ObjectJobs::default()
        };
        objects.arrange(|object| !object.walked);
        objects
    }
}

impl Serialize for ObjectJobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

/// Whether a member needs no place in what is stored.
pub(in crate::restore) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_object_is_found_by_name_wherever_it_is_moved_to() {
        let mut objects = ObjectJobs::default();
        for (open, name) in (1..).zip(["Contact", "Lead", "Account", "Case"]) {
            if name != "Lead" {
                objects.join(name);
            }
            objects.get_mut(name).open = open;
        }
        assert_eq!(objects.walk(), ["Account", "Case", "Contact"]);
        objects.walk_in(&["Contact".into(), "Document".into(), "Account".into()]);
        assert_eq!(objects.walk(), ["Contact", "Document", "Account"]);
        let text = serde_json::to_string(&objects).unwrap();
        let read: ObjectJobs = serde_json::from_str(&text).unwrap();
        assert_eq!(read, objects);
        let open = ["Account", "Case", "Contact", "Document", "Lead", "Other"].map(|name| read.get(name).open);
        assert_eq!(open, [3, 4, 1, 0, 2, 0]);
        assert_eq!((read.position("Account"), read.position("Case")), (Some(2), None));
        let names: Vec<&str> = read.by_name().map(ObjectJob::name).collect();
        assert_eq!(names, ["Account", "Case", "Contact", "Document", "Lead"]);
    }
}
