//! Where a backup stands. Compact JSON: 1,500 objects stay well under the contract's 1 MiB.

use super::{Object, packing};
use crate::STATE_VERSION;
use crate::host::{ConnectorError, Failure};
use serde::{Deserialize, Serialize};

/// How this org lets a composite request go on from one page to the next within itself. Learnt by being refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// `@{p1.nextRecordsUrl}`: takes pages as short as they come.
    #[default]
    NextRecordsUrl,
    /// `Id > '@{p1.records[1999].Id}'`: only where pages have the length that was foreseen.
    LastRecord,
    /// Not at all: one page of an object in a request.
    None,
}

/// Where a backup stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The first batch was begun.
    #[serde(default)]
    pub begun: bool,
    /// How pages are chained.
    #[serde(default)]
    pub chain: Chain,
    /// An answer should not be larger, in bytes.
    pub answer_bytes: u64,
    /// Refusals for too much at once since the last answer; the wait grows with them.
    #[serde(default)]
    pub refused_in_a_row: u8,
    /// Of these, refusals of whole requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub busy_in_a_row: u8,
    /// Objects of requests that failed as a whole since the last answer, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubled: Vec<usize>,
    /// Files fail one after the other: this backup asks for no more of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_deferred: Option<String>,
    /// Files that failed since the last one that came: how many, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_files: Option<(u32, String)>,
    /// When planning began, in milliseconds since 1970.
    #[serde(default)]
    pub began_at: u64,
    /// No change before this moment, in milliseconds since 1970, turns up after planning began.
    #[serde(default)]
    pub covered: u64,
    /// How far the org's clock is ahead of the host's, in milliseconds.
    #[serde(default)]
    pub ahead: i64,
    /// Passes over what was changed while the backup ran.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub catch_ups: u8,
    /// How long the pass before took, or the backup itself, in milliseconds.
    #[serde(default)]
    pub last_took: u64,
    /// Requests for files so far.
    #[serde(default)]
    pub file_requests: u64,
    /// What is known of bulk query jobs in this org.
    #[serde(default)]
    pub bulk: BulkJobs,
    /// All objects of the plan that aren't skipped from the first.
    pub objects: Vec<Object>,
}

/// What is known of bulk query jobs in this org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJobs {
    /// The day's jobs, or results, were spent when it was last tried; milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_at: Option<u64>,
    /// All jobs can't be looked at by one request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_by_one: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Checkpoint {
    /// What answers may have where nothing else is known. They are read as streams, so this bounds time and what a cut
    /// connection costs, not memory; a composite of five full pages of 500 fields is just within.
    pub const ANSWER_BYTES: u64 = 192 * 1024 * 1024;

    /// Before the first batch.
    pub fn new(objects: Vec<Object>) -> Checkpoint {
        Checkpoint {
            begun: false,
            chain: Chain::default(),
            answer_bytes: Self::ANSWER_BYTES,
            refused_in_a_row: 0,
            busy_in_a_row: 0,
            troubled: Vec::new(),
            files_deferred: None,
            failing_files: None,
            began_at: 0,
            covered: 0,
            ahead: 0,
            catch_ups: 0,
            last_took: 0,
            file_requests: 0,
            bulk: BulkJobs::default(),
            objects,
        }
    }

    /// Reads one that was written by [`Self::write`].
    pub fn read(state_version: u32, data: &[u8]) -> Result<Checkpoint, ConnectorError> {
        let unreadable = |why: String| {
            ConnectorError::State(
                Failure::new("checkpoint", why).remedy("begin a new backup with --full; what is committed stays readable"),
            )
        };
        if state_version != STATE_VERSION {
            return Err(unreadable(format!(
                "the checkpoint has state version {state_version}, this connector reads {STATE_VERSION}"
            )));
        }
        serde_json::from_slice(data).map_err(|error| unreadable(format!("the checkpoint can't be read: {error}")))
    }

    /// As bytes.
    pub fn write(&self) -> Result<Vec<u8>, ConnectorError> {
        serde_json::to_vec(self).map_err(|error| {
            ConnectorError::State(Failure::new(
                "checkpoint",
                format!("the checkpoint can't be written: {error}"),
            ))
        })
    }

    /// Nothing is left to read.
    pub fn is_done(&self) -> bool {
        self.objects.iter().all(Object::has_ended)
    }

    /// Requests that all that is left will take, as far as is known; 0 where nothing is left.
    pub fn requests(&self) -> u32 {
        packing::requests(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backup::{Cursor, Phase, Range, Since, Way};
    use proptest::prelude::*;

    fn any_object() -> impl Strategy<Value = Object> {
        let way = prop_oneof![Just(Way::Keyset), Just(Way::Plain), (200u32..2_000).prop_map(Way::Limited)];
        let cursor = prop_oneof![
            Just(Cursor::Start),
            any::<String>().prop_map(Cursor::After),
            any::<String>().prop_map(Cursor::Locator)
        ];
        let phase = prop_oneof![
            Just(Phase::Reading),
            Just(Phase::Counting),
            Just(Phase::Confirming),
            Just(Phase::Describing),
            Just(Phase::Looking),
            Just(Phase::Bulk),
            Just(Phase::Files),
            Just(Phase::Done),
            Just(Phase::Skipped),
            Just(Phase::Failed)
        ];
        (
            "[A-Za-z_]{1,40}",
            way,
            cursor,
            phase,
            any::<(u64, Option<u64>, Option<u64>, Option<u64>, bool, bool)>(),
            any::<(u32, u32, Option<u32>, u8, bool)>(),
        )
            .prop_map(|(name, way, cursor, phase, numbers, more)| {
                let mut object = Object::new(name, way, numbers.1, more.1);
                (object.cursor, object.phase) = (cursor, phase);
                (object.received, object.expected, object.verified) = (numbers.0, numbers.2, numbers.3);
                (object.confirmed, object.hashed) = (numbers.4, numbers.5);
                (object.promised, object.uncountable) = (numbers.2, numbers.5);
                (object.page_rows, object.batch_size, object.tries, object.described_again) = (more.0, more.2, more.3, more.4);
                if object.phase == Phase::Bulk {
                    object.read_by_bulk(vec![Range::default(), Range::default()]);
                }
                if object.phase == Phase::Looking {
                    object.read_since(Since::new(numbers.0, numbers.0, numbers.4), true);
                }
                object
            })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(objects in prop::collection::vec(any_object(), 0..20), begun in any::<bool>(), bytes in any::<u64>()) {
            let checkpoint = Checkpoint { begun, answer_bytes: bytes, ..Checkpoint::new(objects) };
            prop_assert_eq!(&Checkpoint::read(STATE_VERSION, &checkpoint.write().unwrap()).unwrap(), &checkpoint);
        }

        #[test]
        fn bytes_of_others_are_a_state_error(data in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(matches!(Checkpoint::read(STATE_VERSION, &data), Err(ConnectorError::State(_))));
        }
    }

    #[test]
    fn another_state_version_is_a_state_error() {
        let data = Checkpoint::new(Vec::new()).write().unwrap();
        assert!(matches!(
            Checkpoint::read(STATE_VERSION + 1, &data),
            Err(ConnectorError::State(_))
        ));
    }

    #[test]
    fn fifteen_hundred_objects_under_way_fit_the_contract() {
        let objects = (0..1_500).map(|n| {
            let mut object = Object::new(format!("{n:0>40}__c"), Way::Keyset, Some(u64::MAX), u32::MAX);
            object.cursor = Cursor::Locator("/services/data/v62.0/query/0r8xx3d0KcJvR2NAAF-2000000000".into());
            (object.received, object.expected, object.verified) = (u64::MAX, Some(u64::MAX), Some(u64::MAX));
            object
        });
        assert!(Checkpoint::new(objects.collect()).write().unwrap().len() < 1024 * 1024);
    }
}
