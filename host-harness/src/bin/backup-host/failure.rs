//! How a command ends when it doesn't succeed.

use backup_store::{NameError, StoreError};
use host_harness::connections::ConfigError;
use host_harness::jobs::JobError;
use std::fmt;
use std::process::ExitCode;

/// Exit code of a backup that pauses.
pub const PAUSED: u8 = 3;
const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;

/// A text for people, and the exit code for programs.
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: u8,
    closed_pipe: bool,
}

impl Failure {
    /// It could not be done.
    pub fn failed(text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            code: FAILED,
            closed_pipe: false,
        }
    }

    /// It was asked for in a way that can't be.
    pub fn wrong_use(text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            code: WRONG_USE,
            closed_pipe: false,
        }
    }

    /// What a program sees.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(if self.closed_pipe { 0 } else { self.code })
    }

    /// Whether the reader of the output has gone.
    pub fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        match error {
            JobError::Config(error) => error.into(),
            JobError::Name(error) => error.into(),
            wrong if wrong.is_wrong_use() => Failure::wrong_use(wrong.to_string()),
            other => Failure::failed(other.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::wrong_use(error.to_string())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Failure {
        Failure::wrong_use(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        let closed_pipe = error.kind() == std::io::ErrorKind::BrokenPipe;
        Failure {
            text: format!("the output can't be written: {error}"),
            code: FAILED,
            closed_pipe,
        }
    }
}
