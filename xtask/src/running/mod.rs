//! The two programs that xtask runs against each other: the fake Salesforce and the real `backup-host`.
//!
//! Not for: what is shown or measured; the demo and the benchmarks do that. The rule: what is started here ends with xtask,
//! and what either side counted is taken from the fake's own books.

pub mod fake;
pub mod host;
pub mod records;

pub use fake::{FakeOptions, FakeProcess};
pub use host::HostProgram;
