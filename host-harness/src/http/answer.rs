//! An answer as it came: status and headers, and a body that is still on its way.

use super::transport::{TransportError, TransportResponse};
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, StatusCode, header};

/// An answer whose body is still on its way.
pub(super) struct ReceivedAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: BoxStream<'static, Result<Bytes, TransportError>>,
    /// The host's number of the request.
    pub(super) number: u64,
    /// Attempts that it took.
    pub(super) attempts: u32,
}

impl ReceivedAnswer {
    pub(super) fn new(response: TransportResponse, number: u64, attempts: u32) -> ReceivedAnswer {
        let mut headers = response.headers;
        // A session cookie is a credential: not for guests.
        headers.remove(header::SET_COOKIE);
        ReceivedAnswer {
            status: response.status,
            headers,
            body: response.body,
            number,
            attempts,
        }
    }
}
