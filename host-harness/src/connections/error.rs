//! What can be wrong with a configuration.

use super::warnings;
use crate::credentials::AuthError;
use crate::http::OriginError;
use serde_json::Value;

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON.
    #[error("the configuration is not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON, but not an object.
    #[error("the configuration has to be one JSON object, such as {{\"instance_url\": \"https://…\", \"auth\": {{…}}}}")]
    NotAnObject,
    /// A member that has to be there.
    #[error("\"{0}\" is missing from the configuration")]
    Missing(&'static str),
    /// A member that nobody reads.
    #[error("a configuration has no \"{name}\"{meant}")]
    Unknown {
        /// As it stands in the configuration.
        name: String,
        /// What may be meant, as a clause.
        meant: String,
    },
    /// Not a percentage.
    #[error("\"usage_limit\" is {0}; it has to be a whole number from 1 to 100")]
    UsageLimit(Value),
    /// Not changed here.
    #[error(
        "the usage limit is set with `backup-host limit NAME PERCENT`, so that each change of it is in the audit trail by itself"
    )]
    LimitElsewhere,
    /// Not changed here.
    #[error("\"{0}\" can't be set by itself; give a whole configuration with --config FILE")]
    WholeFileOnly(&'static str),
    /// Another place to send to.
    #[error("a connection keeps its \"instance_url\"; add another connection for another org")]
    OtherAddress,
    /// Not a number of backups.
    #[error("\"full_every\" is {0}; it has to be a whole number of backups, at least 1")]
    FullEvery(Value),
    /// Not a list of codes.
    #[error("\"accept_warnings\" is {0}; it has to be a list of codes of warnings: {known}", known = warnings::CODES.join(", "))]
    AcceptWarnings(Value),
    /// Not a code.
    #[error("\"accept_warnings\" has {code:?}, which is no code of a warning{meant}; they are {known}", known = warnings::CODES.join(", "))]
    UnknownWarning {
        /// As it was given.
        code: String,
        /// What may be meant, as a clause.
        meant: String,
    },
    /// Not a place to send to.
    #[error("\"instance_url\": {0}")]
    InstanceUrl(OriginError),
    /// Not a text.
    #[error("\"{0}\" has to be a text")]
    NotText(&'static str),
    /// See there.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The connector's schema says no.
    #[error("the connector doesn't take the configuration: {0}")]
    Schema(String),
}
