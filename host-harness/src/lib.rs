//! The reference host: runs backup jobs on connectors, within their usage limit.
//!
//! | module | responsible for |
//! |---|---|
//! | [`connections`] | what a person configures, and where each part of it goes |
//! | [`jobs`] | the step and the loop that calls it |
//! | [`quota`] | the host's own arithmetic, and the gate before every attempt |
//! | [`http`] | requests to the connection's origin: transport, retries |
//! | [`nearest`] | what may be meant by a name that isn't one |
//! | [`credentials`] | the four kinds of `auth`, tokens, the secrets folder |
//!
//! Built on `backup_runtime` (the sandbox) and `backup_store` (everything durable). The command line is the binary `backup-host`.

pub mod connections;
pub mod credentials;
pub mod http;
pub mod jobs;
pub mod nearest;
pub mod quota;
