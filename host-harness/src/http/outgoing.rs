//! A connector's request, checked: what it may not set is refused by name, what it may is ready to be sent any number of times.

use super::blobs::Blobs;
use super::limits::Limits;
use super::transport::TransportBody;
use backup_contract::{Body, Content, FormPart, Method, NamedValue, Request, SendError, StorageError};
use backup_seams::Randomness;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::sync::{Arc, OnceLock};

/// Headers that are the host's or the connection's. `proxy-…` belongs to them too.
const FORBIDDEN: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::COOKIE,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
];

/// What is sent, but for origin and credentials.
pub(super) struct Outgoing {
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) cost: u32,
    pub(super) repeatable: bool,
    body: OutgoingBody,
}

/// Why a body could not be read to its end while it was sent, if so: the source then never had all of it.
#[derive(Clone, Default)]
pub(super) struct BrokenOff(Arc<OnceLock<SendError>>);

impl BrokenOff {
    fn tell(&self, error: &StorageError) {
        // The first one stands.
        let _ = self.0.set(storage_error(error.clone()));
    }

    pub(super) fn why(&self) -> Option<SendError> {
        self.0.get().cloned()
    }
}

enum OutgoingBody {
    Empty,
    Bytes(Bytes),
    /// In this order, one after the other.
    Pieces(Vec<Piece>),
}

/// What can be sent again as often as it has to.
enum Piece {
    Bytes(Bytes),
    /// By its source key.
    Blob(String),
}

impl Outgoing {
    pub(super) fn check(request: Request, limits: &Limits, randomness: &dyn Randomness) -> Result<Outgoing, SendError> {
        if request.cost == 0 {
            return Err(SendError::NotPermitted("a request costs at least 1".to_owned()));
        }
        let mut headers = checked_headers(&request.headers, limits)?;
        let body = match request.body {
            Body::None => OutgoingBody::Empty,
            Body::Bytes(bytes) => OutgoingBody::Bytes(bytes.into()),
            Body::Blob(key) => OutgoingBody::Pieces(vec![Piece::Blob(key)]),
            Body::Form(parts) => {
                if headers.contains_key(header::CONTENT_TYPE) {
                    let text = "header content-type: of a form it is the host's, which chooses the boundary";
                    return Err(SendError::NotPermitted(text.to_owned()));
                }
                let boundary = format!("{:016x}{:016x}", randomness.next(), randomness.next());
                let value = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
                    .map_err(|error| SendError::other("form", error.to_string()))?;
                headers.insert(header::CONTENT_TYPE, value);
                OutgoingBody::Pieces(form(parts, &boundary, limits)?)
            }
        };
        Ok(Outgoing {
            method: match request.method {
                Method::Get => http::Method::GET,
                Method::Head => http::Method::HEAD,
                Method::Post => http::Method::POST,
                Method::Put => http::Method::PUT,
                Method::Patch => http::Method::PATCH,
                Method::Delete => http::Method::DELETE,
            },
            path: request.path,
            headers,
            cost: request.cost,
            repeatable: request.repeatable,
            body,
        })
    }

    /// The body for one attempt, and where it is told whether it broke off: blobs are opened anew.
    pub(super) async fn body(&self, blobs: &dyn Blobs) -> Result<(TransportBody, BrokenOff), SendError> {
        let broken_off = BrokenOff::default();
        let pieces = match &self.body {
            OutgoingBody::Empty => return Ok((TransportBody::Empty, broken_off)),
            OutgoingBody::Bytes(bytes) => return Ok((TransportBody::Bytes(bytes.clone()), broken_off)),
            OutgoingBody::Pieces(pieces) => pieces,
        };
        let mut length = 0;
        let mut streams: Vec<BoxStream<'static, std::io::Result<Bytes>>> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    length += bytes.len() as u64;
                    let bytes = bytes.clone();
                    streams.push(stream::once(async move { Ok(bytes) }).boxed());
                }
                Piece::Blob(key) => {
                    let blob = blobs.open(key).await.map_err(storage_error)?;
                    length += blob.length;
                    let broken_off = broken_off.clone();
                    let told = move |error: StorageError| {
                        broken_off.tell(&error);
                        std::io::Error::other(error)
                    };
                    streams.push(blob.bytes.map_err(told).boxed());
                }
            }
        }
        let body = TransportBody::Stream {
            length,
            bytes: stream::iter(streams).flatten().boxed(),
        };
        Ok((body, broken_off))
    }
}

/// What a connector is told when a blob can't be read or written.
pub(super) fn storage_error(error: StorageError) -> SendError {
    SendError::other("storage", error.to_string())
}

fn checked_headers(given: &[NamedValue], limits: &Limits) -> Result<HeaderMap, SendError> {
    let bytes: usize = given.iter().map(|header| header.name.len() + header.value.len()).sum();
    if given.len() > limits.headers || bytes > limits.header_bytes {
        return Err(SendError::NotPermitted(format!(
            "{} headers of {bytes} bytes; at most {} of {} bytes are sent",
            given.len(),
            limits.headers,
            limits.header_bytes
        )));
    }
    let mut headers = HeaderMap::with_capacity(given.len());
    for NamedValue { name, value } in given {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| SendError::NotPermitted(format!("header {name:?}: not a header's name")))?;
        if FORBIDDEN.contains(&name) || name.as_str().starts_with("proxy-") {
            return Err(SendError::NotPermitted(format!("header {name}: it is the host's")));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| SendError::NotPermitted(format!("header {name}: its value can't be sent")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn form(parts: Vec<FormPart>, boundary: &str, limits: &Limits) -> Result<Vec<Piece>, SendError> {
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    let mut between = BytesMut::new();
    for part in parts {
        between.put_slice(format!("--{boundary}\r\n").as_bytes());
        for (name, value) in &checked_headers(&part.headers, limits)? {
            between.put_slice(name.as_str().as_bytes());
            between.put_slice(b": ");
            between.put_slice(value.as_bytes());
            between.put_slice(b"\r\n");
        }
        between.put_slice(b"\r\n");
        pieces.push(Piece::Bytes(between.split().freeze()));
        pieces.push(match part.content {
            Content::Bytes(bytes) => Piece::Bytes(bytes.into()),
            Content::Blob(key) => Piece::Blob(key),
        });
        between.put_slice(b"\r\n");
    }
    between.put_slice(format!("--{boundary}--\r\n").as_bytes());
    pieces.push(Piece::Bytes(between.freeze()));
    Ok(pieces)
}
