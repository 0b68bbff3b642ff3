//! What a call of the connector gave, as a job goes on with it: the same for backups and restores.

use super::error::{JobError, told};
use super::imports::{Outcome, Readable, failure};
use super::session::Session;
use backup_runtime::exports::{self, Planned};
use backup_store::journal::Paused;
use backup_store::{Checkpoint, Next};

/// What an export gave.
pub(super) struct Went {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) next: Next,
    /// Where the connector itself says that it is to pause.
    pub(super) pause: Option<Paused>,
}

impl Went {
    /// No further: this comes next.
    pub(super) fn stays(next: Next) -> Went {
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
            Planned::More(requests) => Ok(Went::stays(Next::Plan {
                requests: u64::from(requests.max(1)),
            })),
            Planned::AgainAfter(seconds) => Ok(Went::stays(Next::AgainAfter {
                seconds: u64::from(seconds),
            })),
            Planned::Blocked(failure) | Planned::Other(failure) => Err(JobError::Blocked(Box::new(failure))),
        }
    }

    /// Runs a batch.
    pub(super) async fn batch(&self, outcome: &Outcome, readable: Readable, at: Checkpoint) -> Result<Went, JobError> {
        let imports = self.imports(true, outcome, readable);
        let at = exports::Checkpoint {
            state_version: at.state_version,
            data: at.data.to_vec(),
        };
        let result = self.answered("run-batch", self.connector.run_batch(imports, at).await)?;
        Ok(self.went_to(result))
    }

    fn went_to(&self, result: exports::BatchResult) -> Went {
        let pause = match &result.next {
            exports::Next::Pause(pause) => Some(self.paused(pause.clone())),
            _ => None,
        };
        Went {
            checkpoint: Some(checkpoint(result.at)),
            next: next(result.next),
            pause,
        }
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

/// What people are told where a job can't go on.
pub(super) fn blocked_text(failure: &backup_store::Failure) -> String {
    let backup_store::Failure {
        code,
        message,
        remedy,
        object,
        ..
    } = failure.clone();
    told(&backup_runtime::imports::Failure {
        code,
        message,
        remedy,
        object,
        details: Vec::new(),
    })
}
