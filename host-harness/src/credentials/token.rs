//! One token request and its answer, read: OAuth 2.0 as Salesforce speaks it. Which secrets go in, and what becomes of what comes
//! out, is `access`'s.

use super::secret::Secret;
use crate::http::{Origin, Transport, TransportBody, TransportError, TransportRequest};
use backup_seams::{Clock, Randomness};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{self, Either};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use std::time::Duration;
use url::form_urlencoded;

/// Where each `login_url` takes token requests.
const TOKEN_PATH: &str = "/services/oauth2/token";
const WITHIN: Duration = Duration::from_secs(60);
const ANSWER_BYTES: usize = 64 << 10;
const DESCRIPTION_CHARACTERS: usize = 300;

/// What a login host gave.
pub(super) struct Token {
    pub(super) access_token: Secret,
    /// Only where it rotates, or comes with the first authorisation.
    pub(super) refresh_token: Option<Secret>,
    pub(super) instance_url: Option<String>,
}

/// Why it gave nothing.
pub(super) enum TokenRefusal {
    /// By its own word: `error` and `error_description`.
    Refused { code: String, description: String },
    /// No word, or one that passes: another time may do.
    Passing(String),
    /// An answer that no login host gives.
    Strange(String),
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    refresh_token: Option<Secret>,
    instance_url: Option<String>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Sends one token request, once.
pub(super) async fn request(
    transport: &dyn Transport,
    clock: &dyn Clock,
    login: &Origin,
    fields: &[(&str, &str)],
) -> Result<Token, TokenRefusal> {
    let url = login
        .url(TOKEN_PATH, TOKEN_PATH.len())
        .map_err(|error| TokenRefusal::Strange(error.to_string()))?;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = TransportRequest {
        method: Method::POST,
        url,
        headers: HeaderMap::from_iter([
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ]),
        body: TransportBody::Bytes(Bytes::from(body)),
    };
    let exchange = std::pin::pin!(async {
        let mut response = transport.send(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = response.body.next().await {
            body.extend_from_slice(&piece?);
            if body.len() > ANSWER_BYTES {
                break;
            }
        }
        Ok((response.status, zeroize::Zeroizing::new(body)))
    });
    let (status, body) = match future::select(exchange, clock.deadline(WITHIN)).await {
        Either::Left((Ok(answer), _)) => answer,
        Either::Left((Err(error @ (TransportError::NotSent(_) | TransportError::OutcomeUnknown(_))), _)) => {
            return Err(TokenRefusal::Passing(error.to_string()));
        }
        Either::Right(_) => {
            return Err(TokenRefusal::Passing(format!(
                "no answer within {} seconds",
                WITHIN.as_secs()
            )));
        }
    };
    read(status, &body)
}

fn read(status: StatusCode, body: &[u8]) -> Result<Token, TokenRefusal> {
    if status == StatusCode::OK {
        // The text of a serde error may quote what it read: only where it broke off is told.
        let granted: Granted = serde_json::from_slice(body).map_err(|error| {
            TokenRefusal::Strange(format!(
                "status 200 with no token in it (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        return Ok(Token {
            access_token: granted.access_token,
            refresh_token: granted.refresh_token,
            instance_url: granted.instance_url,
        });
    }
    if crate::http::is_passing(status) {
        return Err(TokenRefusal::Passing(format!("status {}", status.as_u16())));
    }
    match serde_json::from_slice::<Denied>(body) {
        // "unknown_error, retry your request" and the login rate are said with status 400.
        Ok(denied)
            if matches!(
                denied.error.as_str(),
                "unknown_error" | "rate_limit_exceeded" | "temporarily_unavailable"
            ) =>
        {
            Err(TokenRefusal::Passing(format!(
                "{}: {}",
                plain(&denied.error),
                plain(&denied.error_description)
            )))
        }
        Ok(denied) => Err(TokenRefusal::Refused {
            code: plain(&denied.error),
            description: plain(&denied.error_description),
        }),
        Err(_) => Err(TokenRefusal::Strange(format!(
            "status {} without an \"error\"",
            status.as_u16()
        ))),
    }
}

/// Another host's words, for a line of ours.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(DESCRIPTION_CHARACTERS)
        .collect()
}

/// How long to wait before a token request is tried again.
pub(super) fn pause(failures: u32, randomness: &dyn Randomness) -> Duration {
    crate::http::back_off(failures, randomness)
}
