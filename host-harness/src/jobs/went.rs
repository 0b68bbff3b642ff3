//! What a call of the connector gave, as a job goes on with it: the same for backups and restores.

use super::error::JobError;
use super::imports::{Outcome, Readable};
use super::session::Session;
use backup_contract::{BatchResult, Checkpoint, Next, Planned};
use backup_store::NextStep;
use backup_store::journal::Paused;

/// What an export gave.
pub(super) struct Went {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) next: NextStep,
    /// Where the connector itself says that it is to pause.
    pub(super) pause: Option<Paused>,
}

impl Went {
    /// No further: this comes next.
    pub(super) fn stays(next: NextStep) -> Went {
        Went {
            checkpoint: None,
            next,
            pause: None,
        }
    }
}

impl Session {
    /// What planning gave.
    pub(super) fn planned(&self, planned: Planned) -> Result<Went, JobError> {
        match planned {
            Planned::Ready(first) => Ok(self.went_to(first)),
            Planned::More(requests) => Ok(Went::stays(NextStep::Plan {
                requests: u64::from(requests.max(1)),
            })),
            Planned::AgainAfter(seconds) => Ok(Went::stays(NextStep::AgainAfter {
                seconds: u64::from(seconds),
            })),
            Planned::Blocked(failure) | Planned::Other(failure) => Err(JobError::Blocked(Box::new(failure))),
        }
    }

    /// Runs a batch.
    pub(super) async fn batch(&self, outcome: &Outcome, readable: Readable, at: Checkpoint) -> Result<Went, JobError> {
        let imports = self.imports(true, outcome, readable);
        let result = self.answered("run-batch", self.connector.run_batch(imports, at).await)?;
        Ok(self.went_to(result))
    }

    fn went_to(&self, result: BatchResult) -> Went {
        let pause = match &result.next {
            Next::Pause(pause) => Some(self.paused(pause.clone())),
            _ => None,
        };
        Went {
            checkpoint: Some(result.at),
            next: next_step(result.next),
            pause,
        }
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
