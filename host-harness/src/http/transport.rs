//! The HTTP seam: one request goes out, status, headers and a body come back. No redirects, no retries, no credentials, no
//! counting: whoever implements it sends exactly once, and says honestly whether a request that failed can have been sent.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use std::fmt;
use url::Url;

/// Sends requests. Tests and the simulation replace it.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends once and waits for status and headers.
    ///
    /// Once this was polled the request makes progress by itself, also while nobody polls; dropping the future abandons it.
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError>;
}

/// A request, complete but for what the protocol adds (`Host`, `Content-Length`, `Accept-Encoding`).
#[derive(Debug)]
pub struct TransportRequest {
    /// Method.
    pub method: Method,
    /// Where to; `https`, or `http` for a loopback address.
    pub url: Url,
    /// Headers, credentials included.
    pub headers: HeaderMap,
    /// Body.
    pub body: TransportBody,
}

/// A body to send.
pub enum TransportBody {
    /// None at all.
    Empty,
    /// From memory.
    Bytes(Bytes),
    /// Of a known length, read as it is sent. An error in it cuts the request.
    Stream {
        /// Bytes in all.
        length: u64,
        /// The content.
        bytes: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

impl fmt::Debug for TransportBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies of token requests hold secrets: lengths only.
        match self {
            TransportBody::Empty => f.write_str("Empty"),
            TransportBody::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            TransportBody::Stream { length, .. } => write!(f, "Stream({length})"),
        }
    }
}

/// An answer whose body is still on its way.
pub struct TransportResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The decompressed body. An error in it means that it was cut or damaged.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Not a byte of the request reached the other side: no address, no connection, no TLS session.
    #[error("{0}")]
    NotSent(String),
    /// It may have been received, in part or as a whole.
    #[error("{0}")]
    OutcomeUnknown(String),
}
