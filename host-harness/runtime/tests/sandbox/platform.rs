//! A platform held in memory, for tests: what the connector is told, how its source answers, and all that it did.

use async_trait::async_trait;
use backup_contract::{
    Failure, Hour, Level, NamedValue, Note, Reading, RecordOutcome, Request, Row, SendError, Standing, StorageError, Tally,
    Tombstone, Which,
};
use backup_runtime::imports::{Http, Imports, Job, Log, Pending, Report, Response, Snapshot, Storage};
use backup_seams::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// How the source answers each request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Source {
    /// At once, with `{"used", "max"}`.
    #[default]
    Answers,
    /// Never.
    Silent,
    /// Begins a body and cuts it.
    CutsBodies,
}

/// All that happened.
#[derive(Default)]
pub struct Done {
    pub left: u32,
    pub started: u32,
    pub rows: Vec<(String, Row)>,
    pub values: BTreeMap<String, Bytes>,
    pub readings: Vec<Reading>,
    pub progress: Vec<(String, u64)>,
    /// Requests that were neither finished nor dropped.
    pub under_way: u32,
}

/// One connection.
#[derive(Clone, Default)]
pub struct Platform {
    configuration: String,
    source: Source,
    done: Arc<Mutex<Done>>,
}

impl Platform {
    /// A connection whose connector is configured so.
    pub fn new(configuration: &str) -> Self {
        Platform {
            configuration: configuration.into(),
            ..Platform::default()
        }
    }

    /// One whose connector does this while a batch runs.
    pub fn behaving(behaviour: &str) -> Self {
        Platform::new(&format!(r#"{{"behaviour":"{behaviour}"}}"#))
    }

    pub fn with_source(self, source: Source) -> Self {
        Platform { source, ..self }
    }

    pub fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap()
    }

    /// Imports of one call that may send `left` requests.
    pub fn imports(&self, left: u32) -> Imports {
        self.done().left = left;
        Imports {
            job: Box::new(self.clone()),
            http: Some(Box::new(self.clone())),
            storage: Box::new(self.clone()),
            report: Box::new(self.clone()),
            log: Box::new(self.clone()),
        }
    }
}

impl Job for Platform {
    fn configuration(&self) -> String {
        self.configuration.clone()
    }

    fn usage_limit(&self) -> u8 {
        50
    }

    fn requests_left(&self) -> u32 {
        self.done().left
    }

    fn ends_at(&self) -> Timestamp {
        Timestamp(u64::MAX)
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
impl Http for Platform {
    async fn start(&mut self, request: Request) -> Result<Box<dyn Pending>, SendError> {
        let mut done = self.done();
        done.left = done.left.checked_sub(request.cost).ok_or(SendError::AllowanceSpent)?;
        done.started += 1;
        done.under_way += 1;
        Ok(Box::new(Exchange {
            number: done.started.into(),
            body: Bytes::from(format!(r#"{{"used":{},"max":1000}}"#, done.started)),
            platform: self.clone(),
        }))
    }
}

struct Exchange {
    number: u64,
    body: Bytes,
    platform: Platform,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.platform.done().under_way -= 1;
    }
}

#[async_trait]
impl Pending for Exchange {
    async fn answered(&mut self) {
        if self.platform.source == Source::Silent {
            std::future::pending::<()>().await;
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Response>, SendError> {
        self.answered().await;
        Ok(self)
    }
}

#[async_trait]
impl Response for Exchange {
    fn status(&self) -> u16 {
        200
    }

    fn header(&self, _name: &str) -> Option<String> {
        None
    }

    fn request_number(&self) -> u64 {
        self.number
    }

    fn attempts(&self) -> u32 {
        1
    }

    async fn read(&mut self, max: u32) -> Result<Bytes, SendError> {
        if self.body.is_empty() && self.platform.source == Source::CutsBodies {
            return Err(SendError::OutcomeUnknown("the connection was cut in the body".into()));
        }
        Ok(self.body.split_to(self.body.len().min(max as usize)))
    }

    async fn save(&mut self, _blob: &str) -> Result<u64, SendError> {
        unreachable!("the hostile connector saves nothing")
    }
}

#[async_trait]
impl Storage for Platform {
    async fn append(&mut self, object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        self.done().rows.extend(rows.into_iter().map(|row| (object.to_owned(), row)));
        Ok(())
    }

    async fn bury(&mut self, _object: &str, _rows: Vec<Tombstone>) -> Result<(), StorageError> {
        Ok(())
    }

    async fn annotate(&mut self, _notes: Vec<Note>) -> Result<(), StorageError> {
        Ok(())
    }

    async fn replace_inherited(&mut self, _object: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn drop_blob(&mut self, _key: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn reuse_blob(&mut self, _key: &str) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    async fn read_blob(&mut self, _key: &str, _offset: u64, _max: u32) -> Result<Bytes, StorageError> {
        Ok(Bytes::new())
    }

    async fn open(&mut self, _which: Which) -> Result<Option<Box<dyn Snapshot>>, StorageError> {
        Ok(None)
    }

    async fn put(&mut self, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StorageError> {
        let entries = entries.into_iter().filter_map(|(key, value)| Some((key, value?)));
        self.done().values.extend(entries);
        Ok(())
    }

    async fn get(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError> {
        Ok(keys.iter().map(|key| self.done().values.get(key).cloned()).collect())
    }

    async fn keys(&mut self, _prefix: &str, _after: &str, _max: u32) -> Result<Vec<String>, StorageError> {
        Ok(self.done().values.keys().cloned().collect())
    }

    async fn observe(&mut self, reading: Reading) -> Result<(), StorageError> {
        self.done().readings.push(reading);
        Ok(())
    }

    async fn readings(&mut self) -> Result<Vec<Standing>, StorageError> {
        let standing = |last| Standing {
            last,
            own_since: 0,
            in_flight: 0,
        };
        Ok(self.done().readings.last().cloned().into_iter().map(standing).collect())
    }

    async fn own_requests(&mut self, _hours: u32) -> Result<Vec<Hour>, StorageError> {
        Ok(vec![])
    }
}

impl Report for Platform {
    fn progress(&mut self, object: &str, records: u64, _total: Option<u64>) {
        self.done().progress.push((object.into(), records));
    }

    fn skipped(&mut self, _object: &str, _why: Failure) {}

    fn remark(&mut self, _object: &str, _what: Failure) {}

    fn failed(&mut self, _object: &str, _why: Failure) {}

    fn part_failed(&mut self, _object: &str, _part: &str, _why: Failure) {}

    fn warning(&mut self, _what: Failure) {}

    fn uncounted(&mut self, _object: &str, _what: &str, _expected: Option<u64>) {}

    fn finished(&mut self, _object: &str) {}

    fn estimate(&mut self, _object: &str, _way: &str, _requests: u64, _records: u64, _bytes: u64) {}

    fn expected(&mut self, _: &str, _: Tally) {}

    fn restored(&mut self, _: &str, _: Tally) {}

    fn record_outcome(&mut self, _: &str, _: &str, _: RecordOutcome, _: Failure) {}

    fn needed(&mut self, _: u64) {}
}

impl Log for Platform {
    fn write(&mut self, _at: Level, _message: &str, _fields: Vec<NamedValue>) {}
}
