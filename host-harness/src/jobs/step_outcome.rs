//! What a call of the connector came to, as a job goes on with it: the same for backups and restores.

use super::error::JobError;
use super::imports::{CallOutcome, Readable};
use super::session::Session;
use super::step::paused;
use backup_contract::{BatchResult, Checkpoint, Next, Planned};
use backup_store::NextStep;
use backup_store::journal::Paused;

/// What an export came to.
pub(super) struct StepOutcome {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) next: NextStep,
    /// Where the connector itself says that it is to pause.
    pub(super) pause: Option<Paused>,
}

impl StepOutcome {
    /// No further: this comes next.
    pub(super) fn stays(next: NextStep) -> StepOutcome {
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
        Planned::More(requests) => Ok(StepOutcome::stays(NextStep::Plan {
            requests: u64::from(requests.max(1)),
        })),
        Planned::AgainAfter(seconds) => Ok(StepOutcome::stays(NextStep::AgainAfter {
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
    let result = session.answered("run-batch", session.connector.run_batch(imports, at).await)?;
    Ok(outcome(session, result))
}

fn outcome(session: &Session, result: BatchResult) -> StepOutcome {
    let pause = match &result.next {
        Next::Pause(pause) => Some(paused(session, pause.clone())),
        _ => None,
    };
    StepOutcome {
        checkpoint: Some(result.at),
        next: next_step(result.next),
        pause,
    }
}

/// What comes after a batch, as the store keeps it: with planning steps among what may come, and without the pause's numbers, which
/// the journal has.
fn next_step(next: Next) -> NextStep {
    match next {
        Next::Batch(requests) => NextStep::Batch {
            requests: u64::from(requests),
        },
        Next::AgainAfter(seconds) => NextStep::AgainAfter {
            seconds: u64::from(seconds),
        },
        Next::Pause(_) => NextStep::Pause,
        Next::Blocked(why) | Next::Other(why) => NextStep::Blocked(why),
        Next::Done => NextStep::Done,
    }
}
