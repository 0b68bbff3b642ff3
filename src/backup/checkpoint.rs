//! Where a backup stands: JSON, deflated, so that 1,500 objects stay far below the contract's 1 MiB.

mod packed;
mod v1;

use super::{Object, packing};
use crate::host::{ConnectorError, Failure};
use crate::{READS_STATE_VERSIONS, STATE_VERSION};
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
#[serde(default)]
pub struct Checkpoint {
    /// The first batch was begun.
    pub begun: bool,
    /// How pages are chained.
    pub chain: Chain,
    /// An answer should not be larger, in bytes.
    pub answer_bytes: u64,
    /// Refusals for too much at once since the last answer; the wait grows with them.
    pub refused_in_a_row: u8,
    /// Of these, refusals of whole requests.
    pub busy_in_a_row: u8,
    /// Objects of requests that failed as a whole since the last answer, each once.
    pub troubled: Vec<usize>,
    /// Files fail one after the other: this backup asks for no more of them.
    pub files_deferred: Option<String>,
    /// Files that failed since the last one that came: how many, and how.
    pub failing_files: Option<(u32, String)>,
    /// When planning began, in milliseconds since 1970.
    pub began_at: u64,
    /// No change before this moment, in milliseconds since 1970, turns up after planning began.
    pub covered: u64,
    /// How far the org's clock is ahead of the host's, in milliseconds.
    pub ahead: i64,
    /// Passes over what was changed while the backup ran.
    pub catch_ups: u8,
    /// How long the pass before took, or the backup itself, in milliseconds.
    pub last_took: u64,
    /// Requests for files so far.
    pub file_requests: u64,
    /// What is known of bulk query jobs in this org.
    pub bulk: BulkJobs,
    /// All objects of the plan that aren't skipped from the first.
    pub objects: Vec<Object>,
}

/// What is known of bulk query jobs in this org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BulkJobs {
    /// The day's jobs, or results, were spent when it was last tried; milliseconds since 1970.
    pub spent_at: Option<u64>,
    /// All jobs can't be looked at by one request.
    pub one_by_one: bool,
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

    /// Reads one that was written by [`Self::write`], or by a program of an older state version.
    pub fn read(state_version: u32, data: &[u8]) -> Result<Checkpoint, ConnectorError> {
        let json = match state_version {
            1 => v1::migrated(data).map_err(|error| unreadable(&error.to_string()))?,
            STATE_VERSION => packed::unpack(data).map_err(|why| unreadable(&why))?,
            other => {
                return Err(unreadable(&format!(
                    "it has state version {other}, this connector reads {READS_STATE_VERSIONS:?}"
                )));
            }
        };
        serde_json::from_slice(&json).map_err(|error| unreadable(&error.to_string()))
    }

    /// As bytes of the state version that this connector writes.
    pub fn write(&self) -> Result<Vec<u8>, ConnectorError> {
        Ok(packed::pack(&self.json()?))
    }

    /// As JSON.
    pub(super) fn json(&self) -> Result<Vec<u8>, ConnectorError> {
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

impl Default for Checkpoint {
    fn default() -> Checkpoint {
        Checkpoint::new(Vec::new())
    }
}

fn unreadable(why: &str) -> ConnectorError {
    ConnectorError::State(
        Failure::new("checkpoint", format!("the checkpoint can't be read: {why}"))
            .remedy("begin a new backup with --full; what is committed stays readable"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backup::{
        Bulk, Cursor, FileWalk, ObjectFiles, PageStep, Phase, QueryPages, Range, RowCounts, Since, Strategy as ReadStrategy,
    };
    use proptest::prelude::*;

    fn any_phase() -> impl Strategy<Value = Phase> {
        let cursor = prop_oneof![
            Just(Cursor::Start),
            any::<String>().prop_map(Cursor::After),
            any::<String>().prop_map(Cursor::Locator)
        ];
        let step = prop_oneof![
            Just(PageStep::Rows),
            Just(PageStep::Counting),
            Just(PageStep::Confirming),
            Just(PageStep::Scanning)
        ];
        let pages = (step, cursor, any::<bool>()).prop_map(|(step, cursor, confirmed)| {
            Phase::Pages(QueryPages {
                step,
                cursor,
                confirmed,
                narrowing: None,
            })
        });
        let ranges = (1usize..4).prop_map(|ranges| {
            Phase::Bulk(Bulk {
                ranges: vec![Range::after("a".into()); ranges],
                most_records: None,
            })
        });
        let flat = prop_oneof![
            pages,
            ranges,
            (2usize..9).prop_map(Phase::Bounding),
            prop::collection::vec(any::<String>(), 1..4).prop_map(Phase::Singles),
            any::<(String, u64, bool)>().prop_map(|(after, rows, walked)| Phase::Files(FileWalk {
                after,
                rows,
                walked,
                ..FileWalk::default()
            })),
            Just(Phase::Looking),
            Just(Phase::Done),
            Just(Phase::Skipped),
            Just(Phase::Failed)
        ];
        (flat, any::<bool>()).prop_map(|(phase, describing)| match describing {
            true => Phase::Describing(Box::new(phase)),
            false => phase,
        })
    }

    fn any_object() -> impl Strategy<Value = Object> {
        let strategy = prop_oneof![
            Just(ReadStrategy::Keyset),
            Just(ReadStrategy::Plain),
            (200u32..2_000).prop_map(ReadStrategy::Limited)
        ];
        (
            "[A-Za-z_]{1,40}",
            strategy,
            any_phase(),
            any::<(u64, Option<u64>, Option<u64>, Option<u64>, bool, bool)>(),
            any::<(u32, u32, Option<u32>, u8, bool)>(),
        )
            .prop_map(|(name, strategy, phase, numbers, more)| {
                let mut object = Object::new(name, strategy, numbers.1, more.1);
                if numbers.4 {
                    object.read_since(Since::new(numbers.0, numbers.0, numbers.5), true);
                }
                object.phase = phase;
                object.counts = RowCounts {
                    received: numbers.0,
                    counted: numbers.1,
                    expected: numbers.2,
                    promised: numbers.2,
                    verified: numbers.3,
                    uncountable: numbers.5,
                };
                object.hashed = numbers.5;
                (object.page_rows, object.batch_size, object.tries, object.described_again) = (more.0, more.2, more.3, more.4);
                object.files = numbers.4.then(|| {
                    Box::new(ObjectFiles {
                        left: numbers.0,
                        ..ObjectFiles::default()
                    })
                });
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
        let objects = (0..1_500).map(|number| {
            let mut object = Object::new(format!("{number:0>40}__c"), ReadStrategy::Keyset, Some(u64::MAX), u32::MAX);
            object.go_on_at(Cursor::Locator(
                "/services/data/v62.0/query/0r8xx3d0KcJvR2NAAF-2000000000".into(),
            ));
            let counts = &mut object.counts;
            (counts.received, counts.expected, counts.verified) = (u64::MAX, Some(u64::MAX), Some(u64::MAX));
            object
        });
        assert!(Checkpoint::new(objects.collect()).write().unwrap().len() < 1024 * 1024);
    }

    #[test]
    fn what_can_not_be_read_says_why_and_what_to_do() {
        for (state_version, data, why) in [
            (3, &b"{}"[..], "it has state version 3, this connector reads [1, 2]"),
            (2, b"{}", "its bytes are cut, or none of a checkpoint"),
            (1, b"{", "EOF while parsing"),
            (1, br#"{"objects":[{"n":"X","p":"dancing"}]}"#, "unknown variant `dancing`"),
        ] {
            let Err(ConnectorError::State(failure)) = Checkpoint::read(state_version, data) else {
                panic!("{why}")
            };
            assert!(failure.message.contains(why), "{}", failure.message);
            assert!(failure.remedy.is_some());
        }
    }
}
