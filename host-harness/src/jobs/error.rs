use crate::connections::ConfigError;
use crate::credentials::{CredentialError, SecretsError};
use backup_contract::{ConnectorError, Failure};
use backup_runtime::{CallError, LoadError, RuntimeError};
use backup_seams::Timestamp;
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
        /// What the connection is pinned to.
        digest: Sha256,
        /// The connection that is pinned to it.
        connection: ConnectionName,
    },
    /// The sandbox.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The connector ended a call with an error.
    #[error("{}", describe(.0.failure()))]
    Connector(Box<ConnectorError>),
    /// The sandbox ended a call.
    #[error("the connector failed in `{export}`: {error}")]
    Call {
        /// Which export.
        export: &'static str,
        /// What ended it.
        error: CallError,
    },
    /// The connector says that the job can't continue.
    #[error("{}", describe(.0))]
    Blocked(Box<Failure>),
    /// It was removed while a job ran.
    #[error("the connection {0} was removed while this ran: nothing more is sent for it, and what is committed stays readable")]
    Removed(ConnectionName),
    /// Nothing is known of what is used, and the source was asked not long ago.
    #[error(
        "it isn't known how many requests are used, and the org was asked a short while ago: it is asked again at {}, whoever asks, so that asking never uses up the org's requests; run it again then",
        next.rfc3339()
    )]
    AskedLately {
        /// When it may be asked again.
        next: Timestamp,
    },
    /// Another org answers at the connection's address.
    #[error(
        "{connection} is a connection of the org {known}, but at its address the org {other} answers now: nothing of that one was stored; check instance_url and the credential (My Domain moved, a sandbox was refreshed), or add another connection for it"
    )]
    OtherOrg {
        /// The connection whose address it is.
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
    /// Chosen in a way that can't be.
    #[error("{0}")]
    Choice(String),
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
    #[error("{0}")]
    LimitReached(Box<Reached>),
}

/// Where a usage limit leaves no request, and when the org may be asked whether it still is so.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Used by all applications.
    pub used: u64,
    /// Of so many.
    pub max: u64,
    /// Where to stop.
    pub ceiling: u64,
    /// Whose limit.
    pub connection: ConnectionName,
    /// When the org last answered, or was asked.
    pub asked_at: Option<Timestamp>,
    /// When it may be asked next.
    pub next: Timestamp,
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Reached {
            used,
            max,
            ceiling,
            connection,
            ..
        } = self;
        let asked_at = self.asked_at.map_or_else(|| "never".to_owned(), Timestamp::rfc3339);
        write!(
            f,
            "the usage limit leaves no request for this (a token was to be had): {used} of {max} requests are used, and the usage limit is \
             {ceiling} of them; raise it with `backup-host limit {connection} PERCENT`, or ask the org whether requests have come free with \
             --check-now (last asked at {asked_at}; possible from {} on)",
            self.next.rfc3339()
        )
    }
}

impl JobError {
    /// Whether the source refused who asks, and so has told nothing else.
    pub fn is_refused_credential(&self) -> bool {
        match self {
            JobError::Connector(error) => matches!(**error, ConnectorError::Authorization(_)),
            JobError::Credentials(error) => !error.is_passing(),
            JobError::NoSecrets(_) => true,
            _ => false,
        }
    }

    /// Whether what was asked for can't be, and not what came of it: nothing was sent.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            JobError::ConnectionExists(_)
            | JobError::NothingSelected
            | JobError::OtherTenant(_)
            | JobError::Choice(_)
            | JobError::NoRecord(_) => true,
            JobError::Blocked(failure) => is_wrong_choice(failure),
            _ => false,
        }
    }

    /// Whether trying the same again can help: not where configuration, permission or state are wrong, nor where it is refused.
    pub(super) fn may_pass(&self) -> bool {
        use ConnectorError::{Authorization, Configuration, Host, State, Unsupported};
        match self {
            // A failure of the host's own store is not cured by sending the same again.
            JobError::Connector(error) => !matches!(
                **error,
                Configuration(_) | Authorization(_) | Host(_) | State(_) | Unsupported(_)
            ),
            JobError::Call { .. } => true,
            _ => false,
        }
    }
}

/// Whether a connector says that what was chosen isn't in the snapshot, or can't be read.
pub(super) fn is_wrong_choice(failure: &Failure) -> bool {
    matches!(
        failure.code.as_str(),
        "condition" | "unknown-field" | "unknown-object" | "unknown-record"
    )
}

/// A message beside the name of the object or field that it is about, which stands in front of it: once, also where the message begins
/// with it.
pub(super) fn without_subject<'a>(object: &str, message: &'a str) -> &'a str {
    let rest = message.strip_prefix(object).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(message)
}

/// A failure as one sentence with its remedy.
pub(crate) fn describe(failure: &Failure) -> String {
    let (object, message) = match &failure.object {
        Some(object) => (format!("{object}: "), without_subject(object, &failure.message)),
        None => (String::new(), failure.message.as_str()),
    };
    let remedy = failure
        .remedy
        .as_ref()
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default();
    format!("{object}{message}{remedy} [{}]", failure.code)
}
