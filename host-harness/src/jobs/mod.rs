//! Jobs: what runs a connector forward, and the only code that does.
//!
//! A job is a loop of steps (decide → batch → commit) in a [`Session`](session): a claimed scope with its gate, and a loaded
//! connector. [`drive`] claims, waits and claims again around them. Executed twice, the second step loses cleanly; killed anywhere, the next run continues from the last committed entry and
//! takes what may have been spent as spent.
//!
//! Not here: what a person reads (`bin/backup-host`), what a record is (the connector), how anything is stored (`backup_store`).

mod backup;
mod blobs;
mod check;
mod chosen;
mod drive;
mod error;
mod host;
mod identity;
mod imports;
mod lineage;
mod login;
mod opening;
mod pace;
mod plan;
mod priority;
mod progress;
mod raised_limit;
mod rehearsal;
mod reports;
mod restore;
mod restore_request;
mod restore_results;
mod restore_source;
mod results;
mod session;
mod step;
mod step_outcome;
mod usage;

pub use backup::BackupRequest;
pub use check::CheckRequest;
pub use error::{JobError, Reached};
pub use host::{AddConnection, Host, HostParts, SetConnection};
pub use imports::StopSignal;
pub use plan::PlanRequest;
pub use progress::{Progress, ProgressEvent, Silent};
pub use restore_request::RestoreRequest;
pub use restore_results::{CannotResult, RecordResult, RestoreResult, RestoreState, RestoredObjectResult};
pub use results::{
    BackupResult, BackupState, Calls, CheckResult, ObjectResult, PlanResult, PlannedObject, Uncounted, WarningResult,
};
pub use usage::{PauseResult, Usage};
