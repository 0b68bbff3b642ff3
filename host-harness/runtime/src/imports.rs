//! What a platform implements so that a connector can work: one trait for each interface that the contract imports, over the
//! shapes of [`backup_contract`]. Nothing here knows wasmtime; `bindings` converts.
//!
//! Each call of an export gets its own [`Imports`]. What a call may do is decided by what it's given: where [`Imports::http`] is
//! `None`, `http.start` answers `not-permitted`.

use async_trait::async_trait;
use backup_contract::{
    Failure, HeldBlob, Hour, Level, NamedValue, Note, Reading, RecordOutcome, Request, Row, SendError, Standing, StorageError,
    Tally, Tombstone, Which,
};
use backup_seams::Timestamp;
use bytes::Bytes;

/// All that one call of an export may use.
pub struct Imports {
    /// What the call works for.
    pub job: Box<dyn Job>,
    /// Sending; `None` where the call may not.
    pub http: Option<Box<dyn Http>>,
    /// Records, blobs, values, readings.
    pub storage: Box<dyn Storage>,
    /// What people see.
    pub report: Box<dyn Report>,
    /// What operators see.
    pub log: Box<dyn Log>,
}

/// Interface `job`. Cheap and synchronous: a connector may ask before every send.
pub trait Job: Send {
    /// The connection's configuration as JSON, without credentials.
    fn configuration(&self) -> String;
    /// The usage limit in force, 1–100.
    fn usage_limit(&self) -> u8;
    /// Counted requests that the call may still send.
    fn requests_left(&self) -> u32;
    /// When the call should be over.
    fn ends_at(&self) -> Timestamp;
    /// What shares the quota, as long as this run has not confirmed it.
    fn scope_to_confirm(&self) -> Option<String>;
    /// The source says that it is this one; false where the connection's is another.
    fn confirm_scope(&mut self, scope: &str) -> bool;
    /// Whether somebody waits for the batch to end.
    fn should_stop(&self) -> bool;
}

/// Interface `http`.
#[async_trait]
pub trait Http: Send {
    /// Admits and sends; returns while the answer is on its way.
    async fn start(&mut self, request: Request) -> Result<Box<dyn Pending>, SendError>;
}

/// A request under way.
#[async_trait]
pub trait Pending: Send {
    /// Resolves when status and headers are there or there will be none. May be dropped and called again.
    async fn answered(&mut self);
    /// Waits for status and headers.
    async fn finish(self: Box<Self>) -> Result<Box<dyn Response>, SendError>;
}

/// An answer whose body is still to be read.
#[async_trait]
pub trait Response: Send {
    /// HTTP status.
    fn status(&self) -> u16;
    /// First value of a header, any case.
    fn header(&self, name: &str) -> Option<String>;
    /// The host's number of the request.
    fn request_number(&self) -> u64;
    /// Attempts on the wire.
    fn attempts(&self) -> u32;
    /// At most `max` bytes; empty at the end.
    async fn read(&mut self, max: u32) -> Result<Bytes, SendError>;
    /// The rest of the body into a staged blob; its length in bytes.
    async fn save(&mut self, blob: &str) -> Result<u64, SendError>;
}

/// Interface `storage`. Calls within one instance come one at a time.
#[async_trait]
pub trait Storage: Send {
    /// Stages rows.
    async fn append(&mut self, object: &str, rows: Vec<Row>) -> Result<(), StorageError>;
    /// Stages deletions.
    async fn bury(&mut self, object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError>;
    /// Stages notes.
    async fn annotate(&mut self, notes: Vec<Note>) -> Result<(), StorageError>;
    /// Gives up what the snapshot took over of an object.
    async fn replace_inherited(&mut self, object: &str) -> Result<(), StorageError>;
    /// Length of a known blob, which joins the snapshot.
    async fn reuse_blob(&mut self, key: &str) -> Result<Option<u64>, StorageError>;
    /// Takes a blob out of the snapshot.
    async fn drop_blob(&mut self, key: &str) -> Result<(), StorageError>;
    /// Bytes of a blob.
    async fn read_blob(&mut self, key: &str, offset: u64, max: u32) -> Result<Bytes, StorageError>;
    /// A snapshot to read.
    async fn open(&mut self, which: Which) -> Result<Option<Box<dyn Snapshot>>, StorageError>;
    /// Durable at once; `None` deletes.
    async fn put(&mut self, entries: Vec<(String, Option<Bytes>)>) -> Result<(), StorageError>;
    /// Values in the order of the keys.
    async fn get(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError>;
    /// Sorted keys with a prefix, after another.
    async fn keys(&mut self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError>;
    /// Takes a reading; lowers what is left at once.
    async fn observe(&mut self, reading: Reading) -> Result<(), StorageError>;
    /// What is known of each quota.
    async fn readings(&mut self) -> Result<Vec<Standing>, StorageError>;
    /// Own requests by hour.
    async fn own_requests(&mut self, hours: u32) -> Result<Vec<Hour>, StorageError>;
}

/// Resource `storage.snapshot`.
#[async_trait]
pub trait Snapshot: Send {
    /// Names of its objects.
    async fn objects(&mut self) -> Result<Vec<String>, StorageError>;
    /// Names of the objects of which something stored is missing or not what was stored.
    async fn damaged(&mut self) -> Result<Vec<String>, StorageError>;
    /// Rows after a cursor, and the next cursor; an empty one is the end.
    async fn read(&mut self, object: &str, cursor: &str, max: u32) -> Result<(Vec<Row>, String), StorageError>;
    /// Rows of these keys, in their order.
    async fn find(&mut self, object: &str, keys: Vec<String>) -> Result<Vec<Option<Row>>, StorageError>;
    /// Bodies of the notes of these keys, in their order.
    async fn notes(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, StorageError>;
    /// Blobs of the rows of these keys, in their order.
    async fn blobs(&mut self, object: &str, keys: Vec<String>) -> Result<Vec<Vec<HeldBlob>>, StorageError>;
}

/// Interface `report`.
pub trait Report: Send {
    /// Records so far, and how many there are.
    fn progress(&mut self, object: &str, records: u64, total: Option<u64>);
    /// Not read by its nature, and why.
    fn skipped(&mut self, object: &str, why: Failure);
    /// Could not be read, and why.
    fn failed(&mut self, object: &str, why: Failure);
    /// A part of it could not be had, and why.
    fn part_failed(&mut self, object: &str, part: &str, why: Failure);
    /// Something hides data.
    fn warning(&mut self, what: Failure);
    /// Read, with something to know about it.
    fn remark(&mut self, object: &str, what: Failure);
    /// All read.
    fn finished(&mut self, object: &str);
    /// The way it will be read, and what that costs.
    fn estimate(&mut self, object: &str, way: &str, requests: u64, records: u64, bytes: u64);
    /// Requests that can't be counted beforehand, and how many an earlier backup took.
    fn uncounted(&mut self, object: &str, what: &str, expected: Option<u64>);
    /// While planning a restore: what will become of an object's records.
    fn expected(&mut self, object: &str, what: Tally);
    /// What a restore has done with an object's records so far.
    fn restored(&mut self, object: &str, what: Tally);
    /// What people should know of one record that wasn't restored as it was.
    fn record_outcome(&mut self, object: &str, key: &str, what: RecordOutcome, why: Failure);
    /// Requests that the job still needs.
    fn needed(&mut self, requests: u64);
}

/// Interface `log`.
pub trait Log: Send {
    /// One event.
    fn write(&mut self, at: Level, message: &str, fields: Vec<NamedValue>);
}
