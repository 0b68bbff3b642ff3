//! Jobs: what runs a connector forward, and the only code that does.
//!
//! A job is a [`Session`](session) (a claimed scope with its gate, a loaded connector) and a loop of steps: decide → batch →
//! commit. Executed twice, the second step loses cleanly; killed anywhere, the next run goes on from the last committed entry and
//! takes what may have been spent as spent.
//!
//! Not here: what a person reads (`bin/backup-host`), what a record is (the connector), how anything is stored (`backup_store`).

mod backup;
mod blobs;
mod check;
mod chosen;
mod error;
mod host;
mod identity;
mod imports;
mod lineage;
mod login;
mod plan;
mod progress;
mod raised;
mod rehearsal;
mod reports;
mod restore;
mod restored;
mod results;
mod session;
mod step;
mod turn;
mod waiting;
mod went;

pub use backup::BackupRequest;
pub use check::CheckRequest;
pub use error::{JobError, Reached};
pub use host::{AddConnection, Host, HostParts, SetConnection};
pub use imports::StopSignal;
pub use plan::PlanRequest;
pub use progress::{Progress, ProgressEvent, Silent, Usage};
pub use restore::RestoreRequest;
pub use restored::{CannotResult, RecordResult, RestoreResult, RestoreState, RestoredObjectResult};
pub use results::{
    BackupResult, Calls, CheckResult, ObjectResult, PauseResult, PlanResult, PlannedObject, State, Uncounted, WarningResult,
};
