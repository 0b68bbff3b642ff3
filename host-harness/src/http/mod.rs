//! What a connector's `http` import does: requests to the connection's own origin, with the host's credentials, counted and
//! retried by the rules that `wit/http.wit` states.
//!
//! [`Client`] serves one call of an export. It asks [`Gate`] before every attempt on the wire, and reaches the network through
//! the seam [`Transport`] only; [`Network`] is the real one. What the quota is, what is left of it, and where blobs are kept is
//! not known here: the traits [`Gate`] and [`Blobs`] stand for them.
//!
//! The rule: no attempt without admission, no admission that isn't settled (given back, or answered), no byte to another origin.

mod answer;
mod blobs;
mod client;
mod delivered;
mod exchange;
mod flights;
mod gate;
mod gzip;
mod limits;
mod network;
mod origin;
mod outgoing;
mod retry;
#[cfg(test)]
pub(crate) mod tests;
mod transport;

pub use blobs::{BlobBody, BlobSink, Blobs};
pub use client::{Client, ClientParts};
pub use gate::Gate;
pub use limits::Limits;
pub use network::{Network, NetworkError};
pub use origin::{Origin, OriginError, PathError};
pub use retry::RETRYING;
pub(crate) use retry::{ATTEMPTS, back_off, is_passing, say_retrying};
pub use transport::{Transport, TransportBody, TransportError, TransportRequest, TransportResponse};
