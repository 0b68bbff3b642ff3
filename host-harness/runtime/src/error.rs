//! Why a runtime, a load or a call failed. A call's error names the limit that it met, so that the host can tell a person what to
//! change; what the connector itself answers is [`backup_contract::ConnectorError`] and no error here.

use crate::config::Processor;
use std::time::Duration;

/// The runtime can't be set up on this machine.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// wasmtime refuses the configuration, or the machine gives no room for the pool.
    #[error(
        "the sandbox can't be set up for {calls} calls at once: {message}; give less `memory_for_guests`, or raise the limit of address space (ulimit -v)"
    )]
    Engine {
        /// Calls that were to have room.
        calls: u32,
        /// wasmtime's words.
        message: String,
    },
    /// The folder for compiled components can't be used.
    #[error("compiled components can't be kept: {message}; name another folder, or none")]
    Cache {
        /// wasmtime's words.
        message: String,
    },
    /// The thread that ticks can't be started.
    #[error("the thread that counts processor time can't be started: {0}")]
    Ticker(#[from] std::io::Error),
}

/// A component that isn't loaded, and why.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes aren't a WebAssembly component.
    #[error(
        "this is no WebAssembly component ({message}); build one with `cargo xtask build`, or check that the file is whole"
    )]
    NotAComponent {
        /// What is wrong with the bytes.
        message: String,
    },
    /// It wants something that no connector is given.
    #[error(
        "the component imports `{name}`, which no connector is given: only interfaces of `backup:connector` are; where it is of WASI, build for wasm32-unknown-unknown and without std's files, clock, randomness and environment"
    )]
    ForbiddenImport {
        /// The import's name as the component has it.
        name: String,
    },
    /// It speaks another version of the contract.
    #[error(
        "the component uses `{name}`, this host speaks version {host}; build it against the host's wit, or take another host"
    )]
    OtherVersion {
        /// The import or export as the component has it.
        name: String,
        /// The contract's version here.
        host: &'static str,
    },
    /// Names fit, types or functions don't.
    #[error("the component doesn't fit the contract {host}: {message}; build it against the host's wit")]
    DoesNotFit {
        /// wasmtime's words.
        message: String,
        /// The contract's version here.
        host: &'static str,
    },
    /// It can't be compiled.
    #[error("the component can't be compiled: {message}")]
    Compile {
        /// wasmtime's words.
        message: String,
    },
    /// `describe` didn't answer.
    #[error("the component was asked to describe itself: {0}")]
    Describe(#[source] CallError),
    /// `describe` answered something that the contract doesn't allow.
    #[error("the component describes itself in a way that the contract doesn't allow: {message}")]
    Description {
        /// Which field, and what it has to be.
        message: String,
    },
}

/// A call that was ended from outside or couldn't begin. What it staged is to be discarded; the connector can be called again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The guest trapped: a bug of the connector.
    #[error("the connector trapped: {message}")]
    Trapped {
        /// The trap.
        message: String,
        /// Where in the component, one frame a line; empty where that isn't known.
        backtrace: String,
    },
    /// It used an import where the contract doesn't let it.
    #[error("the connector used `{import}` in `{export}`, where the contract doesn't let it")]
    NotPermitted {
        /// Interface and function.
        import: &'static str,
        /// The export under way.
        export: &'static str,
    },
    /// It computed for too long.
    #[error("the connector used more than {limit} in one call and was stopped")]
    CpuExceeded {
        /// The limit.
        limit: Processor,
    },
    /// It took too long, waiting included.
    #[error("the call took longer than {limit:?} and was stopped")]
    WallClockExceeded {
        /// The limit.
        limit: Duration,
    },
    /// It trapped after more memory had been refused to it.
    #[error("the connector wanted more than {limit} bytes of memory in one call")]
    MemoryExceeded {
        /// The limit, bytes.
        limit: usize,
    },
    /// One import call or result carried too much.
    #[error("the connector handed over more than {limit} bytes at once")]
    TooMuchData {
        /// The limit, bytes.
        limit: usize,
    },
    /// It held too many handles.
    #[error("the connector held more than {limit} requests, answers and snapshots at once")]
    TooManyHandles {
        /// The limit.
        limit: usize,
    },
    /// Its checkpoint is over the limit.
    #[error("the connector's checkpoint has {bytes} bytes, more than the {limit} that are allowed")]
    CheckpointTooLarge {
        /// What it has.
        bytes: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// The call couldn't begin: no room among the running ones.
    #[error("no room to run the connector: {message}; try again later, or give the host more memory for guests")]
    Unavailable {
        /// What there was no room in.
        message: String,
    },
}

/// A limit of the sandbox that made the host itself raise a trap; found again in wasmtime's error by its type.
#[derive(Debug, thiserror::Error)]
pub enum SandboxLimitExceeded {
    #[error("`{import}` may not be used in `{export}`")]
    NotPermitted { import: &'static str, export: &'static str },
    #[error("processor time is used up")]
    Cpu,
    #[error("too many handles")]
    Handles,
    #[error("`http.wait-any` of nothing")]
    WaitAnyOfNothing,
    #[error("a handle that doesn't exist")]
    NoSuchHandle,
}
