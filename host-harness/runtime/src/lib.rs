//! Loads connector components and runs their exports in a sandbox. This is what a platform embeds: it knows wasmtime and the
//! contract, and nothing of HTTP, stores or jobs, which come in through the traits of [`imports`]. What exports take and give are
//! the shapes of [`backup_contract`].
//!
//! [`Runtime::load`] takes a component's bytes, refuses what imports anything but the contract, and gives a [`Connector`] with
//! one method for each export. The rule: every call runs in an instance of its own within limits ([`RuntimeConfig`]), and whatever
//! a component does there ends as a typed [`CallError`] of that one call and hurts no other.
//!
//! `examples/embed.rs` shows all of it with imports that are held in memory.

mod bindings;
mod config;
mod connector;
mod error;
mod gate;
mod handles;
mod imported;
pub mod imports;
mod limits;
mod memory;
mod processor;
mod runtime;
mod sandbox;

pub use config::{Processor, RuntimeConfig};
pub use connector::{CallStats, Connector};
pub use error::{CallError, LoadError, RuntimeError};
pub use runtime::Runtime;
pub use sandbox::Occupancy;

/// The version of the contract that this host speaks: that of `wit/world.wit`.
pub const CONTRACT_VERSION: &str = "0.1.0-alpha.1";
