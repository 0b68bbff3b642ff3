//! The contract of `wit/` in plain Rust: the shapes that host and connector speak in, and the rules that names and rows keep.
//!
//! Each shape has the fields and cases of its namesake in `wit/`, in the same order and with the same types: the connector's
//! bindings read and write it directly (`wit_bindgen::generate!`'s `with`), the host's are converted in one file
//! (`runtime/src/bindings/convert.rs`). `tests/wit.rs` holds the order against the text of `wit/`.
//!
//! Some are stored as JSON: their serde attributes are the format of log entries and journals, and never change. Times are
//! milliseconds since 1970-01-01T00:00:00Z, as in `wit/types.wit`.
//!
//! Not here: what an error means to one side alone, traits, any arithmetic on usage. Host and connector compute the ceiling apart.

mod exports;
mod failure;
mod records;
mod reports;
mod requests;
pub mod rules;
mod usage;

pub use exports::{
    BackupOptions, BatchResult, Checked, Checkpoint, Description, Next, ObjectKey, Pause, Planned, RestoreSelection, Verdict,
};
pub use failure::{ConnectorError, Failure, NamedValue};
pub use records::{HeldBlob, Note, Row, StorageError, Tombstone, Which};
pub use reports::{Level, RecordOutcome, Tally};
pub use requests::{Body, Content, FormPart, Method, Request, SendError};
pub use usage::{Hour, Reading, ReadingSource, Standing};
