//! Answers that a fault alters after they were made: bytes within, or the sub-answers of certain parts of a composite request.

use axum::body::{Body as HttpBody, to_bytes};
use axum::http::header;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

/// Members of these names say something else; what they said stays beside it, under another name.
pub(super) async fn told(mut response: Response, members: &[String], says: &str) -> Response {
    for member in members {
        let with = format!("\"{member}\":{says},\"was\":");
        response = replaced(response, &format!("\"{member}\":"), with.as_bytes()).await;
    }
    response
}

/// The parts of a composite request whose URL has this text are refused.
pub(super) async fn refused(response: Response, request: &[u8], part: &str, status: u16, error: Value) -> Response {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    with_body(response, |bytes| {
        // Read as it stands: what isn't refused keeps its digits.
        let Ok(mut answer) = serde_json::from_slice::<Composite>(&bytes) else {
            return bytes;
        };
        let parts = request["compositeRequest"].as_array().into_iter().flatten();
        for (sub, asked) in answer.subs.iter_mut().zip(parts) {
            if asked["url"].as_str().is_some_and(|url| url.contains(part)) {
                sub.insert("httpStatusCode".to_owned(), raw(&json!(status)));
                sub.insert("body".to_owned(), raw(&json!([error])));
            }
        }
        serde_json::to_vec(&answer).unwrap_or(bytes)
    })
    .await
}

#[derive(Deserialize, Serialize)]
struct Composite {
    #[serde(rename = "compositeResponse")]
    subs: Vec<BTreeMap<String, Box<RawValue>>>,
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap_or_default()
}
