//! What a call of the connector came to, as a job goes on with it: the same for backups and restores.

use super::error::{JobError, describe};
use super::imports::{CallOutcome, Readable, failure};
use super::session::Session;
use super::step::paused;
use backup_runtime::exports::{self, Planned};
use backup_store::journal::Paused;
use backup_store::{Checkpoint, Next};

/// What an export came to.
pub(super) struct StepOutcome {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) next: Next,
    /// Where the connector itself says that it is to pause.
    pub(super) pause: Option<Paused>,
}

impl StepOutcome {
    /// No further: this comes next.
    pub(super) fn stays(next: Next) -> StepOutcome {
        StepOutcome {
            checkpoint: None,
            next,
            pause: None,
        }
    }
}

/// What planning came to.
pub(super) fn planned(session: &Session, planned: Planned) -> Result<StepOutcome, JobError> {
    match planned {
        Planned::Ready(first) => Ok(outcome(session, first)),
        Planned::More(requests) => Ok(StepOutcome::stays(Next::Plan {
            requests: u64::from(requests.max(1)),
        })),
        Planned::AgainAfter(seconds) => Ok(StepOutcome::stays(Next::AgainAfter {
            seconds: u64::from(seconds),
        })),
        Planned::Blocked(failure) | Planned::Other(failure) => Err(JobError::Blocked(Box::new(failure))),
    }
}

/// Runs a batch from a checkpoint. `call`: what it leaves behind; `readable`: the snapshots that it may read.
pub(super) async fn run_batch(
    session: &Session,
    at: Checkpoint,
    call: &CallOutcome,
    readable: Readable,
) -> Result<StepOutcome, JobError> {
    let imports = session.imports(true, call, readable);
    let at = exports::Checkpoint {
        state_version: at.state_version,
        data: at.data.to_vec(),
    };
    let result = session.answered("run-batch", session.connector.run_batch(imports, at).await)?;
    Ok(outcome(session, result))
}

fn outcome(session: &Session, result: exports::BatchResult) -> StepOutcome {
    let pause = match &result.next {
        exports::Next::Pause(pause) => Some(paused(session, pause.clone())),
        _ => None,
    };
    StepOutcome {
        checkpoint: Some(checkpoint(result.at)),
        next: next(result.next),
        pause,
    }
}

fn checkpoint(at: exports::Checkpoint) -> Checkpoint {
    Checkpoint {
        state_version: at.state_version,
        data: at.data.into(),
    }
}

fn next(next: exports::Next) -> Next {
    match next {
        exports::Next::Batch(requests) => Next::Batch {
            requests: u64::from(requests),
        },
        exports::Next::AgainAfter(seconds) => Next::AgainAfter {
            seconds: u64::from(seconds),
        },
        exports::Next::Pause(_) => Next::Pause,
        exports::Next::Blocked(why) | exports::Next::Other(why) => Next::Blocked(failure(why)),
        exports::Next::Done => Next::Done,
    }
}

/// Why a job can't go on, for people.
pub(super) fn describe_blocked(failure: &backup_store::Failure) -> String {
    let backup_store::Failure {
        code,
        message,
        remedy,
        object,
        ..
    } = failure.clone();
    describe(&backup_runtime::imports::Failure {
        code,
        message,
        remedy,
        object,
        details: Vec::new(),
    })
}
