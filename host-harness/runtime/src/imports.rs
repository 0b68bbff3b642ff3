//! What a platform implements so that a connector can work: one trait for each interface that the contract imports, and the
//! types they speak in. Nothing here knows wasmtime; `bindings` converts.
//!
//! Each call of an export gets its own [`Imports`]. What a call may do is decided by what it's given: where [`Imports::http`] is
//! `None`, `http.start` answers `not-permitted`.

use async_trait::async_trait;
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

/// A name and its value; header or extra fact.
pub type NamedValue = (String, String);

/// HTTP methods of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// Bytes, or a blob by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// From guest memory.
    Bytes(Bytes),
    /// Staged or stored under this key.
    Blob(String),
}

/// One part of a `multipart/form-data` body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// The part's own headers.
    pub headers: Vec<NamedValue>,
    /// Its content.
    pub content: Content,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Body {
    None,
    Bytes(Bytes),
    Blob(String),
    Form(Vec<FormPart>),
}

/// A request as the connector asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers, without those that are the host's.
    pub headers: Vec<NamedValue>,
    /// Its body.
    pub body: Body,
    /// What the source counts for one attempt, at least 1.
    pub cost: u32,
    /// Sending it twice does no harm.
    pub repeatable: bool,
    /// Reserved.
    pub options: Vec<NamedValue>,
}

/// Why there is no answer; `http.send-error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing more was sent: what is left doesn't cover the cost.
    #[error("nothing more was sent: the allowance is spent")]
    AllowanceSpent,
    /// Nothing was sent: the call, the origin or a header is not permitted.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// It provably did not reach the source.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been sent; no answer came.
    #[error("no answer: {0}")]
    OutcomeUnknown(String),
    /// The body passed the limit, in bytes.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// Anything else, as a name and a text.
    #[error("{0}: {1}")]
    Other(String, String),
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

/// Why storage could not; `storage.storage-error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room.
    #[error("the store is full")]
    Full,
    /// A name, key or row that can't be stored.
    #[error("bad name: {0}")]
    BadName(String),
    /// Over the limit, in bytes.
    #[error("over the limit of {0} bytes")]
    TooLarge(u64),
    /// Encrypted to a key that isn't here.
    #[error("sealed: {0}")]
    Sealed(String),
    /// The store doesn't answer.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Anything else, as a name and a text.
    #[error("{0}: {1}")]
    Other(String, String),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identifies it within its object, 1–255 bytes.
    pub key: String,
    /// Greater is newer.
    pub revision: u64,
    /// One JSON object without a line break.
    pub body: Bytes,
}

/// A record that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its key.
    pub key: String,
    /// When it went.
    pub at: Timestamp,
}

/// What a snapshot says besides records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Identifies it within its snapshot, 1–255 bytes.
    pub key: String,
    /// One JSON object of at most 7 MiB without a line break.
    pub body: Bytes,
}

/// How a reading was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ReadingSource {
    ResponseHeader,
    LimitsResource,
    Refusal,
    Other,
}

/// What the source says of one quota at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The source's name of it.
    pub quota: String,
    /// By every application together.
    pub used: u64,
    /// How many there are.
    pub max: u64,
    /// When.
    pub observed_at: Timestamp,
    /// How.
    pub source: ReadingSource,
    /// The host's number of the request that told it.
    pub request: Option<u64>,
}

/// The last reading of a quota, and what was sent since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The reading.
    pub last: Reading,
    /// Own requests since.
    pub own_since: u64,
    /// Sent before the reading's request and not answered yet.
    pub in_flight: u32,
}

/// Own requests of one clock hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// A full hour.
    pub start: Timestamp,
    /// Requests sent in it.
    pub sent: u64,
}

/// Which snapshot to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Which {
    Current,
    Predecessor,
    Source,
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

/// A blob that a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBlob {
    /// Its source key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
}

/// A failure told by the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The object it is about.
    pub object: Option<String>,
    /// Extra facts.
    pub details: Vec<NamedValue>,
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
    fn record_outcome(&mut self, object: &str, key: &str, what: Outcome, why: Failure);
    /// Requests that the job still needs.
    fn needed(&mut self, requests: u64);
}

/// What becomes of the records that a restore writes back, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Tally {
    pub created: u64,
    pub updated: u64,
    pub relinked: u64,
    pub skipped: u64,
    pub failed: u64,
    pub ambiguous: u64,
}

/// What people should know of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Outcome {
    Failed,
    Ambiguous,
    Incomplete,
    Differs,
}

/// How much an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Interface `log`.
pub trait Log: Send {
    /// One event.
    fn write(&mut self, at: Level, message: &str, fields: Vec<NamedValue>);
}
