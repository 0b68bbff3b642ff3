//! A connector that misbehaves on demand, to test the limits of the sandbox. What it does is chosen by the connection's
//! configuration, see `guest/configuration.rs`; by default it is well-behaved, and a small example of a whole connector.
//!
//! It exists on wasm32 only: natively this crate is empty, so that the workspace builds as one.

#[cfg(target_arch = "wasm32")]
mod guest;
