//! What the connector needs of its host, and what it answers it: the contract of `wit/` in plain Rust.
//!
//! The whole connector is written against [`Host`]; `edge` implements it over the component's imports, tests over a scripted one.
//! Nothing here does anything: types and one trait. The rule it keeps: no type of wit-bindgen passes this line.

use std::fmt;

/// HTTP methods that this connector sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `PUT`
    Put,
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// Its own headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its content.
    pub content: Content,
}

/// Bytes, or a blob that the host sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// From guest memory.
    Bytes(Vec<u8>),
    /// By its source key.
    Blob(String),
}

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

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Nothing was sent: what is left doesn't cover it.
    AllowanceSpent,
    /// Nothing was sent: the host refuses it.
    NotPermitted(String),
    /// It did not reach the source.
    NotSent(String),
    /// It was sent, and no (whole) answer came.
    OutcomeUnknown(String),
    /// The answer is larger than the host takes, in bytes.
    TooLarge(u64),
    /// The body that was to be saved is not what its source key says; nothing was stored.
    ContentDiffers(String),
    /// The host's own store failed.
    Store(String),
    /// The credential was refused, and there is no other.
    CredentialRefused(String),
    /// Something that this connector doesn't know.
    Other(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::AllowanceSpent => f.write_str("the allowance is spent"),
            SendError::NotPermitted(why) => write!(f, "the host refuses the request: {why}"),
            SendError::NotSent(why) => write!(f, "the request could not be sent: {why}"),
            SendError::OutcomeUnknown(why) => write!(f, "no whole answer came: {why}"),
            SendError::TooLarge(limit) => write!(f, "the answer has more than the {limit} bytes that the host takes"),
            SendError::ContentDiffers(why) => write!(f, "the content is not what its record says: {why}"),
            SendError::Store(why) => write!(f, "the host's store: {why}"),
            SendError::CredentialRefused(why) => write!(f, "the credential is refused: {why}"),
            SendError::Other(what) => f.write_str(what),
        }
    }
}

/// Why the host could not store or give something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// One record, as it will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Identifies it within its object; 1–255 bytes.
    pub key: String,
    /// Milliseconds of its last modification; 0 where the source has none.
    pub revision: u64,
    /// One JSON object without a line break.
    pub body: Vec<u8>,
}

/// A record that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its key.
    pub key: String,
    /// When it went, in milliseconds since 1970.
    pub at: u64,
}

/// A snapshot, by what it is to this job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is written, as committed so far.
    Current,
    /// The one that this backup goes on from.
    Predecessor,
    /// The one that this restore reads.
    Source,
}

/// What becomes of the records that a restore writes back, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Were gone, and were created anew.
    pub created: u64,
    /// Were there, and were given the snapshot's values.
    pub updated: u64,
    /// Were there, and only references that were empty were set again.
    #[serde(default)]
    pub relinked: u64,
    /// Were there as they are in the snapshot.
    pub skipped: u64,
    /// Could not be written.
    pub failed: u64,
    /// May have been written, and nothing tells.
    pub ambiguous: u64,
}

/// What people should know of one record that a restore did not write back as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordOutcome {
    /// Not written.
    Failed,
    /// May have been written; not sent again.
    Ambiguous,
    /// Written, but not with all of its values.
    Incomplete,
    /// Written, and reads back with another value than was sent.
    Differs,
}

/// How a reading was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingSource {
    /// A header of an answer.
    ResponseHeader,
    /// The limits resource.
    LimitsResource,
    /// A refusal: nothing is left.
    Refusal,
    /// Another one, from a newer contract.
    Other,
}

/// What the source said of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Salesforce's name of it.
    pub quota: String,
    /// By all applications together.
    pub used: u64,
    /// How many there are.
    pub max: u64,
    /// When it was seen, in milliseconds since 1970.
    pub observed_at: u64,
    /// How it was come by.
    pub source: ReadingSource,
    /// The host's number of the request whose answer told it.
    pub request: Option<u64>,
}

/// A reading, and what was sent since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last reading.
    pub last: Reading,
    /// Own requests that it doesn't count yet.
    pub own_since: u64,
    /// Sent before it and not answered yet.
    pub in_flight: u32,
}

/// Own requests of one clock hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Its first millisecond.
    pub start: u64,
    /// Requests sent in it.
    pub sent: u64,
}

/// Text for people beside a code for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Stable, lower case, joined by `-`.
    pub code: String,
    /// What happened, to what.
    pub message: String,
    /// What a person can do about it.
    pub remedy: Option<String>,
    /// The object that it is about.
    pub object: Option<String>,
    /// Further facts, as names and values.
    pub details: Vec<(String, String)>,
}

impl Failure {
    /// A failure with a code and a text.
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.into(),
            ..Failure::default()
        }
    }

    /// The same, with what a person can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, about an object. The message doesn't begin with its name: who shows it puts that in front.
    #[must_use]
    pub fn about(mut self, object: &str) -> Failure {
        self.object = Some(object.to_owned());
        self
    }

    /// The same, with one more fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl ToString) -> Failure {
        self.details.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A call that gave nothing to commit. The variant tells the host what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The configuration can't work.
    #[error("configuration: {}", .0.message)]
    Configuration(Failure),
    /// The credential is refused or may not do this.
    #[error("authorization: {}", .0.message)]
    Authorization(Failure),
    /// The org answered something that can't be gone on from.
    #[error("source: {}", .0.message)]
    Source(Failure),
    /// The checkpoint or a stored value can't be read.
    #[error("state: {}", .0.message)]
    State(Failure),
    /// Not done yet.
    #[error("unsupported: {}", .0.message)]
    Unsupported(Failure),
    /// The host answered something that can't be gone on from.
    #[error("host: {}", .0.message)]
    Host(Failure),
}

impl From<StorageError> for ConnectorError {
    fn from(error: StorageError) -> ConnectorError {
        ConnectorError::Host(
            Failure::new("storage", format!("the host's store: {error}"))
                .remedy("see the host's log; the job goes on from the last committed batch"),
        )
    }
}

/// What comes after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another batch, of about so many requests.
    Batch(u32),
    /// Nothing for so many seconds.
    AgainAfter(u32),
    /// Another daily limit than that of API requests is spent.
    Pause(Pause),
    /// The job can't go on.
    Blocked(Failure),
    /// The job is complete.
    Done,
}

/// A pause for another daily limit than that of API requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The contract's name of the reason.
    pub reason: &'static str,
    /// API requests used by all applications, as last read.
    pub used: u64,
    /// Of so many.
    pub max: u64,
    /// Where to stop.
    pub ceiling: u64,
    /// Seconds until it is worth another look.
    pub recheck_after: u32,
}

/// What a batch gave: a checkpoint's bytes, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// The checkpoint's data, of state version [`crate::STATE_VERSION`].
    pub at: Vec<u8>,
    /// What comes next.
    pub next: Next,
}

/// Where planning stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// The first checkpoint.
    Ready(BatchResult),
    /// Call again; about so many requests are still needed.
    More(u32),
    /// Call again after so many seconds.
    AgainAfter(u32),
    /// There will be no plan.
    Blocked(Failure),
}

/// Who the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The organization's id.
    pub scope: String,
    /// For people, as names and values.
    pub facts: Vec<(String, String)>,
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
    /// Source keys and lengths of the blobs of these rows, in their order.
    fn blobs(&self, object: &str, keys: &[String]) -> Result<Vec<Vec<(String, u64)>>, StorageError>;
}

/// How much an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every decision.
    Debug,
    /// Milestones.
    Info,
    /// Something went another way than planned.
    Warn,
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
    /// Stages notes, keys and JSON objects, until the batch commits.
    fn annotate(&self, notes: Vec<(String, Vec<u8>)>) -> Result<(), StorageError>;
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
