//! Why a call ends before its work is done: one value, for planning and for batches, backups and restores; an error for `?` wherever
//! nothing is under way that has to be answered first.
//!
//! A halt is mostly a normal end: what the call has learnt and done is kept. Only [`Halt::Failed`] gives that up.

use crate::host::{ConnectorError, Failure, StorageError};
use crate::org::SendFailure;

/// What a part of the work gives, or why the call ends.
pub type Step<T = ()> = Result<T, Halt>;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It did what one call may.
    Call,
    /// Nothing can be done for so many seconds.
    Wait(u32),
    /// The job can't begin, for this reason.
    Blocked(Box<Failure>),
    /// A request gave nothing to read.
    Send(Box<SendFailure>),
    /// The call can't go on, and gives nothing to commit.
    Failed(Box<ConnectorError>),
}

impl Halt {
    /// What happened to the request, where that is why.
    pub fn send_failure(&self) -> Option<&SendFailure> {
        match self {
            Halt::Send(failure) => Some(failure),
            _ => None,
        }
    }
}

impl From<SendFailure> for Halt {
    fn from(failure: SendFailure) -> Halt {
        Halt::Send(Box::new(failure))
    }
}

impl From<ConnectorError> for Halt {
    fn from(error: ConnectorError) -> Halt {
        Halt::Failed(Box::new(error))
    }
}

impl From<StorageError> for Halt {
    fn from(error: StorageError) -> Halt {
        ConnectorError::from(error).into()
    }
}
