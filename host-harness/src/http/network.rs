//! The real transport: reqwest on rustls, with the system's roots (or those of `SSL_CERT_FILE`).
//!
//! It sends once. Redirects, reqwest's own retries and cookies are off. A request runs in a task of its own, as the seam
//! demands: it makes progress while the guest computes, and is abandoned with its future.

use super::gzip;
use super::origin::Origin;
use super::transport::{Transport, TransportBody, TransportError, TransportRequest, TransportResponse};
use async_trait::async_trait;
use futures::StreamExt;
use http::header;
use std::error::Error;
use std::time::Duration;
use tokio::task::JoinHandle;

/// DNS, TCP and TLS together.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Shorter than what servers and firewalls in between keep: a request on a connection that the other side just closed is one
/// whose outcome nobody knows.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
const ANSWER_HEADER_BYTES: u32 = 64 << 10;

/// Sends over the network.
#[derive(Clone, Debug)]
pub struct Network {
    /// For other machines; by the proxy of the environment, where there is one.
    far: reqwest::Client,
    /// For this machine: a proxy would be handed what may go over loopback in clear.
    near: reqwest::Client,
}

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("HTTPS can't be set up ({0}); check the system's root certificates and SSL_CERT_FILE")]
pub struct NetworkError(#[from] reqwest::Error);

impl Network {
    /// One per process is enough: connections are pooled.
    pub fn new() -> Result<Network, NetworkError> {
        // Err means that the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Network {
            far: settings().build()?,
            near: settings().no_proxy().build()?,
        })
    }
}

fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("backup-host/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // By default it repeats what an HTTP/2 peer refused: an attempt that nobody counted.
        .retry(reqwest::retry::never())
        .referer(false)
        // Its own stops after the first member; see `gzip`.
        .gzip(false)
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(IDLE_CONNECTION)
        .http2_max_header_list_size(ANSWER_HEADER_BYTES)
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let origin = Origin::of(&request.url).map_err(|error| TransportError::NotSent(error.to_string()))?;
        let client = if origin.is_loopback() { &self.near } else { &self.far };
        let mut prepared = reqwest::Request::new(request.method, request.url);
        *prepared.headers_mut() = request.headers;
        gzip::accept(prepared.headers_mut());
        match request.body {
            TransportBody::Empty => {}
            TransportBody::Bytes(bytes) => *prepared.body_mut() = Some(bytes.into()),
            TransportBody::Stream { length, bytes } => {
                // Without it the body would go out in chunks, which not every source takes.
                prepared.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                *prepared.body_mut() = Some(reqwest::Body::wrap_stream(bytes));
            }
        }
        let mut task = Abandoned(tokio::spawn(client.execute(prepared)));
        let response = match (&mut task.0).await {
            Ok(outcome) => outcome.map_err(|error| classified(&error))?,
            Err(error) => return Err(TransportError::OutcomeUnknown(error.to_string())),
        };
        let (status, mut headers) = (response.status(), response.headers().clone());
        let body = response
            .bytes_stream()
            .map(|piece| piece.map_err(|error| TransportError::OutcomeUnknown(chain(&error))))
            .boxed();
        let body = match gzip::takes_off(&mut headers) {
            true => gzip::decompressed(body),
            false => body,
        };
        Ok(TransportResponse { status, headers, body })
    }
}

/// Ends the task when nobody waits for it any more.
struct Abandoned<T>(JoinHandle<T>);

impl<T> Drop for Abandoned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Only what failed before there was a connection is provably not sent. hyper itself repeats what found a pooled connection
/// closed before the first byte; whatever else goes wrong may have gone wrong at the other side.
fn classified(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent(chain(error))
    } else {
        TransportError::OutcomeUnknown(chain(error))
    }
}

/// An error with its causes, without the URL (a query may hold content). Of a connection that there isn't only the last one says why.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_connect() => return format!("no connection: {}", root(error)),
        Some(error) if error.is_timeout() => "timed out".to_owned(),
        Some(error) if error.is_decode() => "the body can't be decompressed".to_owned(),
        Some(_) => "the exchange failed".to_owned(),
        None => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// The cause of all others, as people say it: "connection refused" and not "Connection refused (os error 111)".
fn root(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    let text = root.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
