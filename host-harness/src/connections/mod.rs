//! Connections: what a person configures, and where each part of it goes.
//!
//! The rule: secrets go to the secrets folder and nowhere else; everything else is an event of the connection's journal.

mod config;

pub(crate) use config::for_connector;
pub use config::{ConfigError, ConnectionConfig, full_every};
