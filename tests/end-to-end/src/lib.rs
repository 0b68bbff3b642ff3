//! What the end-to-end tests stand on: the real component in the real host over real HTTP against the fake Salesforce, on one
//! virtual clock that both sides share.
//!
//! [`Rig`] is that whole, in one process. [`program`] runs the real `backup-host` as a process of its own.

#![allow(clippy::unwrap_used, reason = "a rig that can't be built is a failed test")]

mod bodies;
mod clock;
mod components;
mod folder;
mod likeness;
pub mod program;
mod repeats;
mod rig;
mod transport;

pub use bodies::bodies;
pub use clock::SharedClock;
pub use components::component;
pub(crate) use folder::folder;
pub use likeness::Likeness;
pub use repeats::{asks_who, repeated};
pub use rig::{Rig, RigOptions, lines};
pub use transport::BeforeSend;
