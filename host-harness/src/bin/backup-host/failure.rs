//! How a command ends when it doesn't succeed, and which exit code says so.

use backup_store::{ConnectionName, NameError, StoreError};
use host_harness::connections::ConfigError;
use host_harness::jobs::JobError;
use serde_json::{Value, json};
use std::fmt;
use std::process::ExitCode;

/// It could not be done, or not for all of it.
pub const FAILED: u8 = 1;
/// It was asked for in a way that can't be.
pub const WRONG_USE: u8 = 2;
/// Stopped at the limit.
pub const PAUSED: u8 = 3;
/// Done, with warnings that nobody has accepted.
pub const WARNED: u8 = 4;
/// Another host, or another job, has it.
pub const BUSY: u8 = 11;
/// The credentials are refused.
pub const REFUSED: u8 = 12;

/// A text for people, and the exit code for programs.
#[derive(Debug)]
pub struct CommandError {
    text: String,
    exit: u8,
    closed_pipe: bool,
    unknown: Option<ConnectionName>,
}

impl CommandError {
    fn new(exit: u8, text: impl Into<String>) -> CommandError {
        CommandError {
            text: text.into(),
            exit,
            closed_pipe: false,
            unknown: None,
        }
    }

    /// It could not be done.
    pub fn failed(text: impl Into<String>) -> CommandError {
        CommandError::new(FAILED, text)
    }

    /// It was asked for in a way that can't be.
    pub fn wrong_use(text: impl Into<String>) -> CommandError {
        CommandError::new(WRONG_USE, text)
    }

    /// No such connection.
    pub fn unknown(name: &ConnectionName) -> CommandError {
        let failure = CommandError::wrong_use(JobError::NoConnection(name.clone()).to_string());
        CommandError {
            unknown: Some(name.clone()),
            ..failure
        }
    }

    /// Says where there is no such connection: most often it is in another place.
    pub fn within(mut self, place: &str) -> CommandError {
        if let Some(name) = &self.unknown {
            self.text = format!(
                "there is no connection {name} in {place}; name another place with --data or BACKUP_HOST_DATA, or add it with \
                 `backup-host connection add {name} --config FILE.json`"
            );
        }
        self
    }

    /// What a program sees.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.closed_pipe { 0 } else { self.exit })
    }

    /// Whether the reader of the output has gone.
    pub fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }

    /// The last line of `--json` where there is no result.
    pub fn event(&self) -> Value {
        // Texts say what to do after the first semicolon.
        let (message, remedy) = match self.text.split_once("; ") {
            Some((message, remedy)) => (message, Some(remedy)),
            None => (self.text.as_str(), None),
        };
        let code = match self.exit {
            WRONG_USE => "wrong-use",
            PAUSED => "limit-reached",
            BUSY => "busy",
            REFUSED => "credentials-refused",
            _ => "failed",
        };
        json!({"event": "error", "code": code, "message": message, "remedy": remedy, "exit_code": self.exit})
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<JobError> for CommandError {
    fn from(error: JobError) -> CommandError {
        match error {
            JobError::Config(error) => error.into(),
            JobError::Name(error) => error.into(),
            JobError::Store(error) => error.into(),
            JobError::NoConnection(name) => CommandError::unknown(&name),
            JobError::LimitReached(_) | JobError::AskedLately { .. } => CommandError::new(PAUSED, error.to_string()),
            error if error.is_refused_credential() => CommandError::new(REFUSED, error.to_string()),
            wrong if wrong.is_wrong_use() => CommandError::wrong_use(wrong.to_string()),
            other => CommandError::failed(other.to_string()),
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> CommandError {
        CommandError::wrong_use(error.to_string())
    }
}

impl From<NameError> for CommandError {
    fn from(error: NameError) -> CommandError {
        CommandError::wrong_use(error.to_string())
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        let exit = match &error {
            StoreError::Held { .. } | StoreError::Lost { .. } => BUSY,
            StoreError::NotFound(_)
            | StoreError::Ambiguous { .. }
            | StoreError::BadName(_)
            | StoreError::Refused { .. }
            | StoreError::NoStore(_) => WRONG_USE,
            _ => FAILED,
        };
        CommandError::new(exit, error.to_string())
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> CommandError {
        CommandError {
            closed_pipe: error.kind() == std::io::ErrorKind::BrokenPipe,
            ..CommandError::failed(format!("the output can't be written: {error}"))
        }
    }
}

/// How a job ended that gave a result: where several fit, the first of them in this order is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending<'a> {
    /// Why it failed, as the result says.
    pub failed: Option<&'a str>,
    /// It ended without all of it, for another reason than the limit.
    pub incomplete: bool,
    /// It stopped at the limit.
    pub paused: bool,
    /// It has warnings that nobody has accepted.
    pub warned: bool,
}

impl Ending<'_> {
    /// As a program sees it. An interrupt, which goes before all, is the process's.
    pub fn exit_code(self) -> ExitCode {
        // A failure's text ends with its code.
        let is_refused = |reason: &str| REFUSED_CODES.iter().any(|code| reason.ends_with(&format!("[{code}]")));
        ExitCode::from(match self {
            Ending {
                failed: Some(reason), ..
            } if is_refused(reason) => REFUSED,
            Ending { paused: true, .. } if self.failed.is_none_or(|_| !self.incomplete) => PAUSED,
            Ending { failed: Some(_), .. } | Ending { incomplete: true, .. } => FAILED,
            Ending { warned: true, .. } => WARNED,
            _ => 0,
        })
    }
}

/// Codes of failures by which the source, or its login host, refuses who asks.
const REFUSED_CODES: [&str; 5] = [
    "credentials-refused",
    "session-refused",
    "api-disabled",
    "transaction-security",
    "forbidden",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_endings_the_worst_is_said() {
        let code = |ending: Ending<'_>| format!("{:?}", ending.exit_code());
        let is = |exit: u8| format!("{:?}", ExitCode::from(exit));
        assert_eq!(code(Ending::default()), is(0));
        let all = Ending {
            failed: Some("the org answered 401 [session-refused]"),
            incomplete: true,
            paused: true,
            warned: true,
        };
        assert_eq!(code(all), is(REFUSED));
        assert_eq!(
            code(Ending {
                failed: Some("x [y]"),
                ..all
            }),
            is(FAILED)
        );
        assert_eq!(
            code(Ending {
                failed: None,
                incomplete: false,
                ..all
            }),
            is(PAUSED)
        );
        assert_eq!(
            code(Ending {
                warned: true,
                ..Ending::default()
            }),
            is(WARNED)
        );
    }

    #[test]
    fn an_error_line_says_what_to_do_apart() {
        let event = CommandError::wrong_use("there is no such thing; make one").event();
        assert_eq!(
            event,
            json!({"event": "error", "code": "wrong-use", "message": "there is no such thing", "remedy": "make one", "exit_code": 2})
        );
    }
}
