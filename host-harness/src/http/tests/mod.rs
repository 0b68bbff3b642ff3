//! The client against a scripted server over real loopback HTTP, with the virtual clock.

mod bodies;
pub(crate) mod doubles;
mod redirects;
mod refusals;
mod retries;
pub(crate) mod server;
mod tls;
mod unauthorized;
