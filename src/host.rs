//! What the connector needs of its host: the imports of `wit/` as traits, over the shapes of [`backup_contract`].
//!
//! The whole connector is written against [`Host`]; `edge` implements it over the component's imports, tests over a scripted one.
//! Nothing here does anything. The rule it keeps: no type that wit-bindgen makes up passes this line.

pub use backup_contract::{
    BatchResult, Checked, Checkpoint, ConnectorError, Content, Failure, FormPart, HeldBlob, Hour, Level, Method, NamedValue,
    Next, Note, Pause, Planned, Reading, ReadingSource, RecordOutcome, Row, SendError, Standing, StorageError, Tally,
    Tombstone, Verdict, Which,
};

/// A request to the connection's origin. Each counts as one: this connector sends none that counts as more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: String,
    /// The type of answer that is asked for.
    pub accept: &'static str,
    /// A body; none where empty.
    pub body: Vec<u8>,
    /// The type of `body`.
    pub content_type: &'static str,
    /// A multipart body in place of `body`; none where empty.
    pub form: Vec<FormPart>,
    /// Other headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// It only reads, or has the same effect when it is sent twice: the host may try again by itself.
    pub repeatable: bool,
}

/// An answer whose body is still to be read.
pub trait Answer {
    /// HTTP status.
    fn status(&self) -> u16;
    /// First value of a header, its name in any case.
    fn header(&self, name: &str) -> Option<String>;
    /// The host's number of the request.
    fn request_number(&self) -> u64;
    /// The next bytes of the body, at most `max`; empty at the end.
    fn read(&self, max: u32) -> Result<Vec<u8>, SendError>;
    /// Stages the rest of the body as the blob of this source key; its length in bytes.
    fn save(&self, blob: &str) -> Result<u64, SendError>;
}

/// A snapshot that can be read.
pub trait Snapshot {
    /// Names of the objects that it holds records of.
    fn objects(&self) -> Result<Vec<String>, StorageError>;
    /// Names of the objects of which something stored is missing or not what was stored.
    fn damaged(&self) -> Result<Vec<String>, StorageError>;
    /// At most `max` rows after a cursor (empty: from the first), by key, and the next cursor; empty at the end.
    fn read(&self, object: &str, cursor: &str, max: u32) -> Result<(Vec<Row>, String), StorageError>;
    /// The rows of these keys, in their order.
    fn find(&self, object: &str, keys: &[String]) -> Result<Vec<Option<Row>>, StorageError>;
    /// The notes of these keys, in their order.
    fn notes(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError>;
    /// The blobs of these rows, in their order.
    fn blobs(&self, object: &str, keys: &[String]) -> Result<Vec<Vec<HeldBlob>>, StorageError>;
}

/// The contract's imports.
pub trait Host {
    /// A request under way.
    type Pending;
    /// Its answer.
    type Answer: Answer;
    /// A snapshot.
    type Snapshot: Snapshot;

    /// The connection's configuration as JSON.
    fn configuration(&self) -> String;
    /// The usage limit in force, in percent.
    fn usage_limit(&self) -> u8;
    /// Requests that this call may still send.
    fn requests_left(&self) -> u32;
    /// When to return, in milliseconds since 1970.
    fn ends_at(&self) -> u64;
    /// The organization's id as the connection knows it, as long as this run has not confirmed it.
    fn scope_to_confirm(&self) -> Option<String>;
    /// Salesforce says that it is this organization; false where the connection's is another.
    fn confirm_scope(&self, scope: &str) -> bool;
    /// Whether somebody waits for this call to end.
    fn should_stop(&self) -> bool;
    /// Milliseconds since 1970.
    fn now(&self) -> u64;

    /// Sends; the answer is on its way when it returns.
    fn start(&self, request: Request) -> Result<Self::Pending, SendError>;
    /// Waits until one has answered or failed; its index. `of` is not empty.
    fn wait_any(&self, of: &[&Self::Pending]) -> usize;
    /// Waits for status and headers.
    fn finish(&self, pending: Self::Pending) -> Result<Self::Answer, SendError>;

    /// Stages rows until the batch commits.
    fn append(&self, object: &str, rows: Vec<Row>) -> Result<(), StorageError>;
    /// Stages deletions until the batch commits.
    fn bury(&self, object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError>;
    /// Stages notes until the batch commits.
    fn annotate(&self, notes: Vec<Note>) -> Result<(), StorageError>;
    /// With the batch, what was taken over of an object from the predecessor is no longer part of the snapshot.
    fn replace_inherited(&self, object: &str) -> Result<(), StorageError>;
    /// Length of the blob of this source key, where it is there already; it is then part of this snapshot too.
    fn reuse_blob(&self, key: &str) -> Result<Option<u64>, StorageError>;
    /// With the batch, the blob is no longer part of the snapshot.
    fn drop_blob(&self, key: &str) -> Result<(), StorageError>;
    /// At most `max` bytes of a blob from `offset`; empty at the end.
    fn read_blob(&self, key: &str, offset: u64, max: u32) -> Result<Vec<u8>, StorageError>;
    /// A snapshot, where this job has it.
    fn open(&self, which: Which) -> Result<Option<Self::Snapshot>, StorageError>;
    /// Keeps small values, durable when it returns.
    fn put(&self, entries: Vec<(String, Option<Vec<u8>>)>) -> Result<(), StorageError>;
    /// Gives values, in the order of the keys.
    fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StorageError>;
    /// At most `max` keys of values that begin with `prefix` and come after `after`, sorted.
    fn keys(&self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError>;
    /// Tells a reading.
    fn observe(&self, reading: Reading) -> Result<(), StorageError>;
    /// The last reading of each quota.
    fn readings(&self) -> Result<Vec<Standing>, StorageError>;
    /// Own requests of the last hours, oldest first.
    fn own_requests(&self, hours: u32) -> Result<Vec<Hour>, StorageError>;

    /// Tells how far an object is read.
    fn progress(&self, object: &str, records: u64, total: Option<u64>);
    /// Tells that an object isn't read by its nature, and why.
    fn skipped(&self, object: &str, why: Failure);
    /// Tells that an object could not be read, and why.
    fn failed(&self, object: &str, why: Failure);
    /// Tells that a part of an object (a file) could not be had, and why.
    fn part_failed(&self, object: &str, part: &str, why: Failure);
    /// Tells what hides data.
    fn warning(&self, what: Failure);
    /// Tells something that people should know of an object that is read.
    fn remark(&self, object: &str, what: Failure);
    /// Tells that an object is read.
    fn finished(&self, object: &str);
    /// Tells how an object will be read, and what that costs.
    fn estimate(&self, object: &str, way: &str, requests: u64, records: u64, bytes: u64);
    /// Tells of requests that can't be counted beforehand, and how many an earlier backup took.
    fn uncounted(&self, object: &str, what: &str, expected: Option<u64>);
    /// While planning a restore: tells what will become of an object's records.
    fn expected(&self, object: &str, what: Tally);
    /// Tells what a restore has done with an object's records so far.
    fn restored(&self, object: &str, what: Tally);
    /// Tells of one record that a restore did not write back as it was.
    fn record_outcome(&self, object: &str, key: &str, what: RecordOutcome, why: Failure);
    /// Tells how many requests the job still needs.
    fn needed(&self, requests: u64);
    /// Tells operators.
    fn log(&self, at: Level, message: &str, fields: &[(&str, String)]);
}
