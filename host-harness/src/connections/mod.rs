//! Connections: what a person configures, and where each part of it goes.
//!
//! The rule: secrets go to the secrets folder and nowhere else; everything else is an event of the connection's journal.

mod config;
mod error;
mod members;
pub mod warnings;

pub use config::{ChangedConfig, ConfigChange, ConnectionConfig, accepted_warnings, full_every};
pub(crate) use config::{for_connector, unread_members};
pub use error::ConfigError;
