//! What people and programs are told where something could not be done; `types` in `wit/`.

use crate::StorageError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A name and its value: a header, or an extra fact under a documented name. Stored as a pair, `["name","value"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct NamedValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl NamedValue {
    /// A value under its name.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> NamedValue {
        NamedValue {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl From<(String, String)> for NamedValue {
    fn from((name, value): (String, String)) -> NamedValue {
        NamedValue { name, value }
    }
}

impl From<NamedValue> for (String, String) {
    fn from(named: NamedValue) -> (String, String) {
        (named.name, named.value)
    }
}

impl fmt::Display for NamedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

/// Text for people beside a code for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, lower case, words joined by `-`.
    pub code: String,
    /// What happened, to what. One sentence.
    pub message: String,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<NamedValue>,
}

impl Failure {
    /// A failure with a code and a text.
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.into(),
            ..Failure::default()
        }
    }

    /// The same, with what a person can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, about an object. The message doesn't begin with its name: who shows it puts that in front.
    #[must_use]
    pub fn about(mut self, object: &str) -> Failure {
        self.object = Some(object.to_owned());
        self
    }

    /// The same, with one more fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl ToString) -> Failure {
        self.details.push(NamedValue::new(name, value.to_string()));
        self
    }
}

/// A call that gave nothing to commit. The variant tells the host what to do, the failure tells people why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The connection's configuration can't work.
    #[error("configuration: {}", .0.message)]
    Configuration(Failure),
    /// The credential is refused or may not do this.
    #[error("authorization: {}", .0.message)]
    Authorization(Failure),
    /// The source answered something that can't be gone on from.
    #[error("source: {}", .0.message)]
    Source(Failure),
    /// The checkpoint or a stored value can't be read.
    #[error("state: {}", .0.message)]
    State(Failure),
    /// The connector doesn't do that (yet).
    #[error("unsupported: {}", .0.message)]
    Unsupported(Failure),
    /// The host answered something that can't be gone on from.
    #[error("host: {}", .0.message)]
    Host(Failure),
    /// A name from a newer contract.
    #[error("{}", .0.message)]
    Other(Failure),
}

impl ConnectorError {
    /// What people are told about it.
    pub fn failure(&self) -> &Failure {
        match self {
            ConnectorError::Configuration(failure)
            | ConnectorError::Authorization(failure)
            | ConnectorError::Source(failure)
            | ConnectorError::State(failure)
            | ConnectorError::Unsupported(failure)
            | ConnectorError::Host(failure)
            | ConnectorError::Other(failure) => failure,
        }
    }
}

/// What a connector answers that can't go on without the host's store.
impl From<StorageError> for ConnectorError {
    fn from(error: StorageError) -> ConnectorError {
        let why = match error {
            StorageError::Full => "it is full".to_owned(),
            StorageError::BadName(why) => format!("it takes no such name: {why}"),
            StorageError::TooLarge(bytes) => format!("it takes at most {bytes} bytes"),
            StorageError::Sealed(why) => format!("the data is sealed: {why}"),
            StorageError::Unavailable(why) => format!("it doesn't answer: {why}"),
            StorageError::Other(other) => other.to_string(),
        };
        ConnectorError::Host(
            Failure::new("storage", format!("the host's store: {why}"))
                .remedy("see the host's log; the job goes on from the last committed batch"),
        )
    }
}
