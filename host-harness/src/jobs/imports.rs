//! What one call of a connector's export works with: adapters from the runtime's import traits to the gate, the staged batch, the
//! values and the reports of the job.
//!
//! The rule: a call is given exactly what the contract lets it use. `decide` gets readings and no http, a check can't append.

use super::identity::Identity;
use super::reports::Reports;
use crate::quota::ScopeGate;
use async_trait::async_trait;
use backup_contract::{
    Failure, HeldBlob, Hour, Level, NamedValue, Note, Reading, RecordOutcome, Row, Standing, StorageError, Tally, Tombstone,
    Which,
};
use backup_runtime::imports::{self, Imports};
use backup_seams::{Clock, Timestamp};
use backup_store::snapshot::{StoredBlob, clamp_count};
use backup_store::{Claim, ObjectName, Snapshot, Staged, StoreError, Values};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{MappedMutexGuard, MutexGuard};

/// How long a call is asked to take; the runtime's wall clock is longer.
const CALL_TIME: Duration = Duration::from_secs(10 * 60);

/// Set from outside to end the batch under way at its next committable point.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Asks the job to end after what is under way.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a call leaves behind: the staged batch and what was told. Shared between the host and the sandbox for one call.
#[derive(Clone)]
pub(super) struct CallOutcome {
    pub(super) staged: Arc<tokio::sync::Mutex<Option<Staged>>>,
    reports: Arc<Mutex<Reports>>,
    readings: Arc<Mutex<Vec<Reading>>>,
}

impl CallOutcome {
    pub(super) fn new(staged: Option<Staged>) -> CallOutcome {
        CallOutcome {
            staged: Arc::new(tokio::sync::Mutex::new(staged)),
            reports: Arc::default(),
            readings: Arc::default(),
        }
    }

    /// The staged batch, once.
    pub(super) async fn take_staged(&self) -> Option<Staged> {
        self.staged.lock().await.take()
    }

    /// A blob that may be read back: of the batch, where there is one; of `source`, in a restore.
    pub(super) async fn blob(&self, source: Option<&Snapshot>, key: &str) -> Result<StoredBlob, StorageError> {
        let found = match (&*self.staged.lock().await, source) {
            (Some(staged), _) => staged.blob(key),
            (None, Some(source)) => source.blob(key),
            (None, None) => return Err(no_batch()),
        };
        found.map_err(storage_error)
    }

    pub(super) fn take_reports(&self) -> Reports {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a restore told, and the requests that it still needs.
    pub(super) fn take_restored(&self) -> (Vec<backup_store::RestoreReport>, Option<u64>) {
        let reports = self.take_reports();
        let needed = reports.needed;
        (reports.into_restored(), needed)
    }

    pub(super) fn take_readings(&self) -> Vec<Reading> {
        std::mem::take(&mut *self.readings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The snapshots that a call may read.
#[derive(Default)]
pub(super) struct Readable {
    /// The one that its job writes, as it is committed.
    pub(super) current: Option<Snapshot>,
    /// The one that its job goes on from.
    pub(super) predecessor: Option<Snapshot>,
    /// The one that it restores from.
    pub(super) source: Option<Snapshot>,
}

/// What all calls of one session share.
#[derive(Clone)]
pub(super) struct CallParts {
    pub(super) gate: Arc<ScopeGate>,
    pub(super) claim: Arc<tokio::sync::Mutex<Claim>>,
    pub(super) values: Arc<tokio::sync::Mutex<Values>>,
    pub(super) clock: Arc<dyn Clock>,
    /// Asked for from outside.
    pub(super) stop: StopSignal,
    /// Asked for by a restore, which goes first in the scope.
    pub(super) yield_requested: StopSignal,
    pub(super) configuration: String,
    /// Whose quota it is, and whether this run has seen that it still is.
    pub(super) identity: Arc<Identity>,
}

impl CallParts {
    /// Whether the job is to end after what is under way.
    pub(super) fn should_stop(&self) -> bool {
        self.stop.is_set() || self.yield_requested.is_set()
    }

    /// Imports of one call. `http`: `None` where it may not send. `readable`: what it may read back.
    pub(super) fn imports(&self, http: Option<Box<dyn imports::Http>>, outcome: &CallOutcome, readable: Readable) -> Imports {
        Imports {
            job: Box::new(JobImport {
                parts: self.clone(),
                ends_at: self.clock.now().after(CALL_TIME),
            }),
            http,
            storage: Box::new(StorageImport {
                parts: self.clone(),
                outcome: outcome.clone(),
                readable,
            }),
            report: Box::new(ReportImport(Arc::clone(&outcome.reports))),
            log: Box::new(LogImport),
        }
    }
}

struct JobImport {
    parts: CallParts,
    ends_at: Timestamp,
}

impl imports::Job for JobImport {
    fn configuration(&self) -> String {
        self.parts.configuration.clone()
    }

    fn usage_limit(&self) -> u8 {
        self.parts.gate.limit().get()
    }

    fn requests_left(&self) -> u32 {
        self.parts.gate.left()
    }

    fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    fn scope_to_confirm(&self) -> Option<String> {
        self.parts.identity.to_confirm()
    }

    fn confirm_scope(&mut self, scope: &str) -> bool {
        let same = self.parts.identity.confirm(scope);
        if !same {
            // Nothing more is sent to an org that isn't the connection's.
            self.parts.gate.close_grant();
        }
        same
    }

    fn should_stop(&self) -> bool {
        self.parts.should_stop()
    }
}

struct StorageImport {
    parts: CallParts,
    outcome: CallOutcome,
    readable: Readable,
}

const NO_BATCH: &str = "this call has no snapshot: nothing can be staged, and there are no blobs";

impl StorageImport {
    /// The staged batch, where this call has one.
    async fn batch(&self) -> Result<MappedMutexGuard<'_, Staged>, StorageError> {
        MutexGuard::try_map(self.outcome.staged.lock().await, Option::as_mut).map_err(|_| no_batch())
    }

    fn object(name: &str) -> Result<ObjectName, StorageError> {
        name.parse()
            .map_err(|e: backup_store::NameError| StorageError::BadName(e.to_string()))
    }
}

pub(super) fn no_batch() -> StorageError {
    StorageError::other("not-permitted", NO_BATCH)
}

#[async_trait]
impl imports::Storage for StorageImport {
    async fn append(&mut self, object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        let object = Self::object(object)?;
        self.batch().await?.append(&object, rows).await.map_err(storage_error)
    }

    async fn bury(&mut self, object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError> {
        let object = Self::object(object)?;
        self.batch().await?.bury(&object, rows).await.map_err(storage_error)
    }

    async fn annotate(&mut self, notes: Vec<Note>) -> Result<(), StorageError> {
        self.batch().await?.annotate(notes).await.map_err(storage_error)
    }

    async fn replace_inherited(&mut self, object: &str) -> Result<(), StorageError> {
        let object = Self::object(object)?;
        self.batch().await?.replace_inherited(&object);
        Ok(())
    }

    async fn drop_blob(&mut self, key: &str) -> Result<(), StorageError> {
        self.batch().await?.drop_blob(key);
        Ok(())
    }

    async fn reuse_blob(&mut self, key: &str) -> Result<Option<u64>, StorageError> {
        self.batch().await?.reuse_blob(key).await.map_err(storage_error)
    }

    async fn read_blob(&mut self, key: &str, offset: u64, max: u32) -> Result<Bytes, StorageError> {
        let blob = self.outcome.blob(self.readable.source.as_ref(), key).await?;
        blob.part(offset, max).await.map_err(storage_error)
    }

    async fn open(&mut self, which: Which) -> Result<Option<Box<dyn imports::Snapshot>>, StorageError> {
        let snapshot = match which {
            Which::Current => self.readable.current.clone(),
            Which::Predecessor => self.readable.predecessor.clone(),
            Which::Source => self.readable.source.clone(),
        };
        Ok(snapshot.map(|snapshot| Box::new(SnapshotImport(snapshot)) as Box<dyn imports::Snapshot>))
    }

    async fn put(&mut self, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StorageError> {
        let claim = self.parts.claim.lock().await;
        self.parts
            .values
            .lock()
            .await
            .put(&claim, entries)
            .await
            .map_err(storage_error)
    }

    async fn get(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError> {
        let values = self.parts.values.lock().await;
        Ok(keys.iter().map(|key| values.get(key)).collect())
    }

    async fn keys(&mut self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError> {
        Ok(self.parts.values.lock().await.keys(prefix, after, max))
    }

    async fn observe(&mut self, reading: Reading) -> Result<(), StorageError> {
        self.outcome
            .readings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reading.clone());
        self.parts.gate.observe(reading);
        Ok(())
    }

    async fn readings(&mut self) -> Result<Vec<Standing>, StorageError> {
        Ok(self.parts.gate.standings())
    }

    async fn own_requests(&mut self, hours: u32) -> Result<Vec<Hour>, StorageError> {
        Ok(self.parts.gate.own_requests(hours))
    }
}

struct SnapshotImport(Snapshot);

#[async_trait]
impl imports::Snapshot for SnapshotImport {
    async fn objects(&mut self) -> Result<Vec<String>, StorageError> {
        Ok(self.0.fold().objects.keys().map(ToString::to_string).collect())
    }

    async fn damaged(&mut self) -> Result<Vec<String>, StorageError> {
        let damaged = self.0.damaged().await.map_err(storage_error)?;
        Ok(damaged.iter().map(ToString::to_string).collect())
    }

    async fn read(&mut self, object: &str, cursor: &str, max: u32) -> Result<(Vec<Row>, String), StorageError> {
        let page = self
            .0
            .read(&StorageImport::object(object)?, cursor, max)
            .await
            .map_err(storage_error)?;
        Ok((page.rows, page.cursor))
    }

    async fn find(&mut self, object: &str, keys: Vec<String>) -> Result<Vec<Option<Row>>, StorageError> {
        self.0
            .find(&StorageImport::object(object)?, &keys)
            .await
            .map_err(storage_error)
    }

    async fn notes(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.0.notes(&keys).await.map_err(storage_error)
    }

    async fn blobs(&mut self, object: &str, keys: Vec<String>) -> Result<Vec<Vec<HeldBlob>>, StorageError> {
        Ok(self.0.blobs_of(&StorageImport::object(object)?, &keys))
    }
}

struct ReportImport(Arc<Mutex<Reports>>);

impl ReportImport {
    fn record(&self, object: &str, report: impl FnOnce(&mut backup_store::ObjectReport)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).record(object, report);
    }
}

impl imports::Report for ReportImport {
    fn progress(&mut self, object: &str, records: u64, total: Option<u64>) {
        self.record(object, |report| {
            report.records = Some(clamp_count(records));
            report.total = total.map(clamp_count).or(report.total);
        });
    }

    fn skipped(&mut self, object: &str, why: Failure) {
        self.record(object, |report| {
            report.state = Some(backup_store::ObjectState::Skipped);
            report.skipped = Some(why);
        });
    }

    fn failed(&mut self, object: &str, why: Failure) {
        self.record(object, |report| {
            report.state = Some(backup_store::ObjectState::Failed);
            report.failed = Some(why);
        });
    }

    fn part_failed(&mut self, object: &str, part: &str, why: Failure) {
        self.record(object, |report| {
            report.failed_parts.insert(part.to_owned(), why);
        });
    }

    fn warning(&mut self, what: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).warnings.push(what);
    }

    fn uncounted(&mut self, object: &str, what: &str, expected: Option<u64>) {
        self.record(object, |report| {
            report.uncounted.insert(what.to_owned(), expected.map(clamp_count));
        });
    }

    fn remark(&mut self, object: &str, what: Failure) {
        self.record(object, |report| report.remarks.push(what));
    }

    fn finished(&mut self, object: &str) {
        self.record(object, |report| {
            report.state = Some(backup_store::ObjectState::Complete);
            report.failed = None;
        });
    }

    fn estimate(&mut self, object: &str, way: &str, requests: u64, records: u64, bytes: u64) {
        let way = way.to_owned();
        self.record(object, |report| {
            report.estimate = Some(backup_store::snapshot::Estimate {
                way,
                requests: clamp_count(requests),
                records: clamp_count(records),
                bytes: clamp_count(bytes),
            })
        });
    }

    fn expected(&mut self, object: &str, what: Tally) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = reports.expected;
        reports.expected += 1;
        reports.record_restored(object, |report| {
            report.place = Some(place);
            report.expected = Some(what.map(clamp_count));
        });
    }

    fn restored(&mut self, object: &str, what: Tally) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.record_restored(object, |report| report.done = Some(what.map(clamp_count)));
    }

    fn record_outcome(&mut self, object: &str, key: &str, what: RecordOutcome, why: Failure) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.record_restored(object, |report| {
            report.records.push((key.to_owned(), what, why));
        });
    }

    fn needed(&mut self, requests: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).needed = Some(clamp_count(requests));
    }
}

/// The connector's log goes where the host's own goes.
struct LogImport;

impl imports::Log for LogImport {
    fn write(&mut self, at: Level, message: &str, fields: Vec<NamedValue>) {
        let fields = fields
            .iter()
            .map(|field| format!("{}={}", field.name, field.value))
            .collect::<Vec<_>>()
            .join(" ");
        match at {
            Level::Debug => tracing::debug!(target: "connector", "{message} {fields}"),
            Level::Info => tracing::info!(target: "connector", "{message} {fields}"),
            Level::Warn => tracing::warn!(target: "connector", "{message} {fields}"),
            Level::Error => tracing::error!(target: "connector", "{message} {fields}"),
        }
    }
}

/// What the connector is told of a store's error.
pub(super) fn storage_error(error: StoreError) -> StorageError {
    match error {
        StoreError::Full { .. } => StorageError::Full,
        StoreError::BadName(e) => StorageError::BadName(e.to_string()),
        StoreError::BadRow { .. } => StorageError::BadName(error.to_string()),
        StoreError::TooLarge { limit, .. } => StorageError::TooLarge(limit),
        StoreError::Unavailable { .. } | StoreError::Unsettled { .. } => StorageError::Unavailable(error.to_string()),
        other => StorageError::other("store", other.to_string()),
    }
}
