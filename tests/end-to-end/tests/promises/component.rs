//! The built component itself: what it imports, and that it decides as its native code does.

use async_trait::async_trait;
use backup_contract::{
    Failure, Hour, Level, NamedValue, Note, Reading, ReadingSource, RecordOutcome, Row, Standing, StorageError, Tally,
    Tombstone, Verdict, Which,
};
use backup_runtime::imports::{self, Imports};
use backup_runtime::{Runtime, RuntimeConfig};
use backup_seams::{Timestamp, VirtualClock};
use bytes::Bytes;
use end_to_end::component;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use salesforce::quota::{Facts, Percent, decide};
use std::sync::Arc;

const NOW: u64 = 1_800_000_000_000;

#[test]
fn the_component_imports_nothing_but_the_contract() {
    let wit_component::DecodedWasm::Component(resolve, world) = wit_component::decode(&component("salesforce")).unwrap() else {
        panic!("not a component");
    };
    let world = &resolve.worlds[world];
    assert!(!world.imports.is_empty());
    for (key, _) in &world.imports {
        let name = resolve.name_world_key(key);
        assert!(name.starts_with("backup:connector/"), "the component imports {name}");
    }
}

#[derive(Clone, Debug)]
struct Case {
    reading: Option<(u64, u64, bool, u64)>,
    own_since: u64,
    in_flight: u32,
    limit: u8,
    hours: Vec<(u64, u64)>,
    cost: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    let reading = proptest::option::weighted(
        0.95,
        (0u64..12_000, 0u64..12_000, prop::bool::weighted(0.1), 0u64..200_000_000),
    );
    let hours = prop::collection::vec((0u64..40, 0u64..500), 0..25);
    (reading, 0u64..1_000, 0u32..5, 1u8..=100, hours, 0u32..1_000).prop_map(
        |(reading, own_since, in_flight, limit, mut hours, cost)| {
            hours.sort_by_key(|(ago, _)| std::cmp::Reverse(*ago));
            Case {
                reading,
                own_since,
                in_flight,
                limit,
                hours,
                cost,
            }
        },
    )
}

impl Case {
    fn hours(&self) -> impl Iterator<Item = Hour> + '_ {
        self.hours.iter().map(|(ago, sent)| Hour {
            start: (NOW / 3_600_000 - ago) * 3_600_000,
            sent: *sent,
        })
    }

    fn standing(&self) -> Option<Standing> {
        let (used, max, refused, age) = self.reading?;
        let source = if refused {
            ReadingSource::Refusal
        } else {
            ReadingSource::ResponseHeader
        };
        Some(Standing {
            last: Reading {
                quota: salesforce::quota::DAILY_API_REQUESTS.to_owned(),
                used,
                max,
                observed_at: NOW - age,
                source,
                request: Some(1),
            },
            own_since: self.own_since,
            in_flight: self.in_flight,
        })
    }

    fn natively(&self) -> Verdict {
        let own: Vec<Hour> = self.hours().collect();
        decide(
            &Facts {
                standing: self.standing().as_ref(),
                limit: Percent::new(self.limit).unwrap(),
                own: &own,
                now_ms: NOW,
            },
            self.cost,
        )
    }

    fn imports(&self) -> Imports {
        Imports {
            job: Box::new(self.clone()),
            http: None,
            storage: Box::new(self.clone()),
            report: Box::new(self.clone()),
            log: Box::new(self.clone()),
        }
    }
}

#[tokio::test]
async fn the_component_decides_as_the_native_code_in_10_000_cases() {
    let clock = Arc::new(VirtualClock::new(Timestamp(NOW)));
    let runtime = Runtime::new(RuntimeConfig {
        clock,
        ..RuntimeConfig::default()
    })
    .unwrap();
    let connector = runtime.load(&component("salesforce")).await.unwrap();
    let mut runner = TestRunner::deterministic();
    for _ in 0..10_000 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let through = connector.decide(case.imports(), case.cost).await.unwrap().unwrap();
        assert_eq!(case.natively(), through, "{case:?}: natively, and through the component");
    }
}

impl imports::Job for Case {
    fn configuration(&self) -> String {
        r#"{"instance_url":"https://example.my.salesforce.com"}"#.to_owned()
    }
    fn usage_limit(&self) -> u8 {
        self.limit
    }
    fn requests_left(&self) -> u32 {
        0
    }
    fn ends_at(&self) -> Timestamp {
        Timestamp(NOW + 600_000)
    }
    fn scope_to_confirm(&self) -> Option<String> {
        None
    }
    fn confirm_scope(&mut self, _scope: &str) -> bool {
        true
    }
    fn should_stop(&self) -> bool {
        false
    }
}

#[async_trait]
impl imports::Storage for Case {
    async fn append(&mut self, _: &str, _: Vec<Row>) -> Result<(), StorageError> {
        unreachable!("decide appends nothing")
    }
    async fn bury(&mut self, _: &str, _: Vec<Tombstone>) -> Result<(), StorageError> {
        unreachable!("decide buries nothing")
    }
    async fn annotate(&mut self, _: Vec<Note>) -> Result<(), StorageError> {
        unreachable!("decide says nothing of a snapshot")
    }
    async fn replace_inherited(&mut self, _: &str) -> Result<(), StorageError> {
        unreachable!("decide replaces nothing")
    }
    async fn drop_blob(&mut self, _: &str) -> Result<(), StorageError> {
        unreachable!("decide has no blobs")
    }
    async fn reuse_blob(&mut self, _: &str) -> Result<Option<u64>, StorageError> {
        unreachable!("decide has no blobs")
    }
    async fn read_blob(&mut self, _: &str, _: u64, _: u32) -> Result<Bytes, StorageError> {
        unreachable!("decide has no blobs")
    }
    async fn open(&mut self, _: Which) -> Result<Option<Box<dyn imports::Snapshot>>, StorageError> {
        unreachable!("decide reads no snapshot")
    }
    async fn put(&mut self, _: Vec<(String, Option<Bytes>)>) -> Result<(), StorageError> {
        unreachable!("decide puts nothing")
    }
    async fn get(&mut self, _: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError> {
        unreachable!("decide gets nothing")
    }
    async fn keys(&mut self, _: &str, _: &str, _: u32) -> Result<Vec<String>, StorageError> {
        unreachable!("decide lists nothing")
    }
    async fn observe(&mut self, _: Reading) -> Result<(), StorageError> {
        unreachable!("decide tells no reading")
    }
    async fn readings(&mut self) -> Result<Vec<Standing>, StorageError> {
        Ok(self.standing().into_iter().collect())
    }
    async fn own_requests(&mut self, _: u32) -> Result<Vec<Hour>, StorageError> {
        Ok(self.hours().collect())
    }
}

impl imports::Report for Case {
    fn progress(&mut self, _: &str, _: u64, _: Option<u64>) {}
    fn skipped(&mut self, _: &str, _: Failure) {}
    fn remark(&mut self, _: &str, _: Failure) {}
    fn failed(&mut self, _: &str, _: Failure) {}
    fn part_failed(&mut self, _: &str, _: &str, _: Failure) {}
    fn warning(&mut self, _: Failure) {}
    fn uncounted(&mut self, _: &str, _: &str, _: Option<u64>) {}
    fn finished(&mut self, _: &str) {}
    fn estimate(&mut self, _: &str, _: &str, _: u64, _: u64, _: u64) {}

    fn expected(&mut self, _: &str, _: Tally) {}

    fn restored(&mut self, _: &str, _: Tally) {}

    fn record_outcome(&mut self, _: &str, _: &str, _: RecordOutcome, _: Failure) {}

    fn needed(&mut self, _: u64) {}
}

impl imports::Log for Case {
    fn write(&mut self, _: Level, _: &str, _: Vec<NamedValue>) {}
}
