//! Answers that a fault alters after they were made: bytes within, or the sub-answers of certain parts of a composite request.

use axum::body::{Body as HttpBody, to_bytes};
use axum::http::header;
use axum::response::Response;
use serde_json::{Value, json};

/// Changes the body of an answer.
async fn with_body(response: Response, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, HttpBody::from(change(bytes.to_vec())))
}

/// Every occurrence of a text is replaced by these bytes.
pub(super) async fn replaced(response: Response, text: &str, with: &[u8]) -> Response {
    with_body(response, |bytes| {
        let mut changed = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(text.len().max(1)).position(|window| window == text.as_bytes()) {
            changed.extend_from_slice(&rest[..at]);
            changed.extend_from_slice(with);
            rest = &rest[at + text.len()..];
        }
        changed.extend_from_slice(rest);
        changed
    })
    .await
}

/// The parts of a composite request whose URL has this text are refused.
pub(super) async fn refused(response: Response, request: &[u8], part: &str, status: u16, error: Value) -> Response {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    with_body(response, |bytes| {
        let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else {
            return bytes;
        };
        let parts = request["compositeRequest"].as_array().into_iter().flatten();
        for (n, asked) in parts.enumerate() {
            if asked["url"].as_str().is_some_and(|url| url.contains(part))
                && let Some(sub) = answer.get_mut("compositeResponse").and_then(|subs| subs.get_mut(n))
            {
                sub["httpStatusCode"] = json!(status);
                sub["body"] = json!([error.clone()]);
            }
        }
        answer.to_string().into_bytes()
    })
    .await
}
