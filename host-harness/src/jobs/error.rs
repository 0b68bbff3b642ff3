use crate::connections::ConfigError;
use crate::credentials::{CredentialError, SecretsError};
use backup_runtime::exports::ConnectorError;
use backup_runtime::imports::Failure;
use backup_runtime::{CallError, LoadError, RuntimeError};
use backup_store::{ConnectionName, NameError, Sha256, StoreError};

/// Why a job could not begin or go on. What is committed stands; nothing is half-written.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The store, or another host that has the scope.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such connection.
    #[error("there is no connection {0}; add it with `backup-host connection add {0} --config FILE.json`")]
    NoConnection(ConnectionName),
    /// It is there already.
    #[error("the connection {0} is there already; remove it first with `backup-host connection remove {0}`")]
    ConnectionExists(ConnectionName),
    /// A name that can't be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Tokens.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The secrets folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The secrets of this connection are on another host.
    #[error(
        "this host has no secrets of {0}; add the connection on this host, or name the folder that holds them with --secrets"
    )]
    NoSecrets(ConnectionName),
    /// The component that the connection is pinned to.
    #[error("the connector {digest} of {connection} is not in the store; install it with `--connector FILE.wasm`")]
    NoComponent {
        /// Which.
        digest: Sha256,
        /// Whose.
        connection: ConnectionName,
    },
    /// The sandbox.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The connector ended a call with an error.
    #[error("{}", told(.0.failure()))]
    Connector(Box<ConnectorError>),
    /// The sandbox ended a call.
    #[error("the connector failed in `{export}`: {error}")]
    Call {
        /// Which export.
        export: &'static str,
        /// What ended it.
        error: CallError,
    },
    /// The source can't be gone on with.
    #[error("{}", told(.0))]
    Blocked(Box<Failure>),
    /// Another org answers at the connection's address.
    #[error(
        "{connection} is a connection of the org {known}, but at its address the org {other} answers now: nothing of that one was stored; check instance_url and the credential (My Domain moved, a sandbox was refreshed), or add another connection for it"
    )]
    OtherOrg {
        /// Whose.
        connection: ConnectionName,
        /// The connection's org.
        known: backup_store::Scope,
        /// The one that answers.
        other: String,
    },
    /// It waited for another job of the scope.
    #[error("stopped while it waited for its turn; nothing was sent, run it again")]
    StoppedInLine,
    /// A restore of nothing.
    #[error("nothing is chosen to be restored: name objects with --object, records with --id, or all with --all")]
    NothingSelected,
    /// A snapshot of somebody else's.
    #[error("{0} belongs to another tenant; name a connection of the same one")]
    OtherTenant(ConnectionName),
    /// A record that the snapshot doesn't have.
    #[error("the snapshot has no record {0}; look for it in another snapshot")]
    NoRecord(String),
    /// Neither header nor limits resource tells anything.
    #[error(
        "the source tells no API usage, neither with its answers nor by its limits, so nothing may be sent; give the user the permission View Setup and Configuration"
    )]
    UsageUnknown,
    /// The usage limit leaves nothing for it.
    #[error(
        "the usage limit leaves no request for this: {used} of {max} are used, the ceiling is {ceiling}; raise it with `backup-host limit {connection} PERCENT`"
    )]
    LimitReached {
        /// Used by all applications.
        used: u64,
        /// Of so many.
        max: u64,
        /// Where to stop.
        ceiling: u64,
        /// Whose limit.
        connection: ConnectionName,
    },
}

impl JobError {
    /// Whether trying the same again can help: not where configuration, permission, state or this host are wrong, nor where it is
    /// refused.
    pub(super) fn may_pass(&self) -> bool {
        use ConnectorError::{Authorization, Configuration, Host, State, Unsupported};
        match self {
            JobError::Connector(error) => !matches!(
                **error,
                Configuration(_) | Authorization(_) | State(_) | Unsupported(_) | Host(_)
            ),
            JobError::Call { .. } => true,
            _ => false,
        }
    }
}

/// A failure as one sentence with its remedy.
pub(crate) fn told(failure: &Failure) -> String {
    let object = failure
        .object
        .as_ref()
        .map(|object| format!("{object}: "))
        .unwrap_or_default();
    let remedy = failure
        .remedy
        .as_ref()
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default();
    format!("{object}{}{remedy} [{}]", failure.message, failure.code)
}
