//! A connector in a host of one's own, with imports that are held in memory:
//!
//!     cargo run --release -p backup-runtime --example embed -- target/release/hostile.wasm
//!
//! A real host sends real requests in `Http`, and makes what `Storage` was given durable together with each checkpoint.

use async_trait::async_trait;
use backup_contract::{
    BackupOptions, Failure, Hour, Level, NamedValue, Next, Note, Planned, Reading, RecordOutcome, Request, Row, SendError,
    Standing, StorageError, Tally, Tombstone, Verdict, Which,
};
use backup_runtime::imports::{Http, Imports, Job, Log, Pending, Report, Response, Snapshot, Storage};
use backup_runtime::{Runtime, RuntimeConfig};
use backup_seams::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard};

/// All that this host knows of one connection.
#[derive(Default)]
pub struct Known {
    /// Requests that were sent.
    pub sent: u32,
    /// Requests that the call under way may still send.
    pub left: u32,
    /// All that was staged.
    pub rows: Vec<Row>,
    values: BTreeMap<String, Bytes>,
    reading: Option<Reading>,
}

/// One call's imports: each of the traits below is implemented for it.
#[derive(Clone, Default)]
pub struct Connection(Arc<Mutex<Known>>);

impl Connection {
    /// What is known by now.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("no holder of the lock panics")
    }

    fn imports(&self, left: u32) -> Imports {
        self.known().left = left;
        let (job, http, storage, people) = (self.clone(), self.clone(), self.clone(), self.clone());
        Imports {
            job: Box::new(job),
            http: Some(Box::new(http)),
            storage: Box::new(storage),
            report: Box::new(people.clone()),
            log: Box::new(people),
        }
    }
}

/// Loads a component, and backs up until it says that it is done or has to pause.
pub async fn back_up(component: &[u8], connection: &Connection) -> Result<Next, Box<dyn Error>> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let connector = runtime.load(component).await?;
    println!(
        "{} {}, sha256 {}",
        connector.description().name,
        connector.description().version,
        connector.digest()
    );
    let Planned::Ready(mut stands) = connector
        .plan_backup(connection.imports(10), BackupOptions::default())
        .await??
    else {
        return Err("this host doesn't wait for a plan".into());
    };
    while let Next::Batch(cost) = stands.next {
        let granted = match connector.decide(connection.imports(0), cost).await?? {
            Verdict::Proceed(requests) => requests.min(cost),
            Verdict::Probe(requests) => {
                connector.read_quota(connection.imports(requests)).await??;
                continue;
            }
            verdict => {
                println!("not now: {verdict:?}");
                break;
            }
        };
        // What a batch staged and `stands.at` belong together: a real host makes them durable as one, here.
        stands = connector.run_batch(connection.imports(granted), stands.at).await??;
        let known = connection.known();
        println!("{} rows by {} requests", known.rows.len(), known.sent);
    }
    Ok(stands.next)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a component: embed FILE.wasm")?;
    let next = back_up(&std::fs::read(path)?, &Connection::default()).await?;
    println!("{next:?}");
    Ok(())
}

impl Job for Connection {
    fn configuration(&self) -> String {
        r#"{"path": "/things"}"#.into()
    }
    fn usage_limit(&self) -> u8 {
        50
    }
    fn requests_left(&self) -> u32 {
        self.known().left
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

/// A source of 100 requests that answers each with how many were used.
#[async_trait]
impl Http for Connection {
    async fn start(&mut self, request: Request) -> Result<Box<dyn Pending>, SendError> {
        let mut known = self.known();
        known.left = known.left.checked_sub(request.cost).ok_or(SendError::AllowanceSpent)?;
        known.sent += request.cost;
        let body = Bytes::from(format!(r#"{{"used": {}, "max": 100}}"#, known.sent));
        Ok(Box::new(Answer {
            number: known.sent.into(),
            body,
        }))
    }
}

struct Answer {
    number: u64,
    body: Bytes,
}

#[async_trait]
impl Pending for Answer {
    async fn answered(&mut self) {}
    async fn finish(self: Box<Self>) -> Result<Box<dyn Response>, SendError> {
        Ok(self)
    }
}

#[async_trait]
impl Response for Answer {
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
        Ok(self.body.split_to(self.body.len().min(max as usize)))
    }
    async fn save(&mut self, _blob: &str) -> Result<u64, SendError> {
        Err(SendError::other("no-blobs", "this host keeps none"))
    }
}

#[async_trait]
impl Storage for Connection {
    async fn append(&mut self, _object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        self.known().rows.extend(rows);
        Ok(())
    }
    async fn bury(&mut self, _object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError> {
        self.known().rows.retain(|row| rows.iter().all(|gone| gone.key != row.key));
        Ok(())
    }
    async fn annotate(&mut self, _notes: Vec<Note>) -> Result<(), StorageError> {
        Ok(())
    }
    async fn replace_inherited(&mut self, _object: &str) -> Result<(), StorageError> {
        // Every backup of this host reads everything: nothing was taken over.
        Ok(())
    }
    async fn drop_blob(&mut self, _key: &str) -> Result<(), StorageError> {
        Ok(())
    }
    async fn reuse_blob(&mut self, _key: &str) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }
    async fn read_blob(&mut self, key: &str, _offset: u64, _max: u32) -> Result<Bytes, StorageError> {
        Err(StorageError::BadName(key.into()))
    }
    async fn open(&mut self, _which: Which) -> Result<Option<Box<dyn Snapshot>>, StorageError> {
        Ok(None)
    }
    async fn put(&mut self, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StorageError> {
        for (key, value) in entries {
            match value {
                Some(value) => self.known().values.insert(key, value),
                None => self.known().values.remove(&key),
            };
        }
        Ok(())
    }
    async fn get(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError> {
        Ok(keys.iter().map(|key| self.known().values.get(key).cloned()).collect())
    }
    async fn keys(&mut self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError> {
        let known = self.known();
        let within = known
            .values
            .keys()
            .filter(|key| key.starts_with(prefix) && key.as_str() > after);
        Ok(within.take(max as usize).cloned().collect())
    }
    async fn observe(&mut self, reading: Reading) -> Result<(), StorageError> {
        self.known().reading = Some(reading);
        Ok(())
    }
    async fn readings(&mut self) -> Result<Vec<Standing>, StorageError> {
        // Nothing was sent since: each answer of this source tells a reading.
        let standing = |last| Standing {
            last,
            own_since: 0,
            in_flight: 0,
        };
        Ok(self.known().reading.clone().into_iter().map(standing).collect())
    }
    async fn own_requests(&mut self, _hours: u32) -> Result<Vec<Hour>, StorageError> {
        Ok(vec![Hour {
            start: 0,
            sent: self.known().sent.into(),
        }])
    }
}

impl Report for Connection {
    fn progress(&mut self, object: &str, records: u64, _total: Option<u64>) {
        println!("{object}: {records}");
    }
    fn skipped(&mut self, object: &str, why: Failure) {
        println!("{object} is skipped: {}", why.message);
    }
    fn remark(&mut self, object: &str, what: Failure) {
        println!("{object}: {}", what.message);
    }
    fn failed(&mut self, object: &str, why: Failure) {
        println!("{object} could not be read: {}", why.message);
    }
    fn part_failed(&mut self, object: &str, part: &str, why: Failure) {
        println!("{object}: {part} could not be had: {}", why.message);
    }
    fn warning(&mut self, what: Failure) {
        println!("warning: {}", what.message);
    }
    fn uncounted(&mut self, object: &str, what: &str, _expected: Option<u64>) {
        println!("{object}: and a request for each of its {what}");
    }
    fn finished(&mut self, object: &str) {
        println!("{object}: all of it");
    }
    fn estimate(&mut self, object: &str, way: &str, requests: u64, _records: u64, _bytes: u64) {
        println!("{object}: {requests} requests, {way}");
    }

    fn expected(&mut self, _: &str, _: Tally) {}

    fn restored(&mut self, _: &str, _: Tally) {}

    fn record_outcome(&mut self, _: &str, _: &str, _: RecordOutcome, _: Failure) {}

    fn needed(&mut self, _: u64) {}
}

impl Log for Connection {
    fn write(&mut self, at: Level, message: &str, _fields: Vec<NamedValue>) {
        println!("{at:?}: {message}");
    }
}
