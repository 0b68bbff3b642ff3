//! `/composite/batch`: up to 25 independent calls, each of which counts as a request of its own.
//!
//! Rule: batching saves round trips and nothing else; calls beyond the daily limit are refused one by one.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody, Piece};
use crate::rest::call::{Call, Target};

/// The most calls of a batch.
const MAX_CALLS: usize = 25;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(default)]
    halt_on_error: bool,
    batch_requests: Vec<BatchPart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchPart {
    method: String,
    url: String,
    #[serde(default)]
    rich_input: Option<Box<RawValue>>,
}

/// Serves a batch, and tells how many requests it counted. Its calls are charged here, one by one; a batch without any that
/// can be read counts as one request.
#[must_use]
pub fn serve(service: &Service, call: &Call) -> (Answer, u64) {
    if call.method != "POST" {
        return one_charged(service, Answer::method_not_allowed(&call.method, "POST"));
    }
    let batch: Batch = match serde_json::from_slice(&call.body) {
        Ok(batch) => batch,
        Err(error) => return one_charged(service, Answer::unreadable(&error.to_string())),
    };
    if batch.batch_requests.is_empty() || batch.batch_requests.len() > MAX_CALLS {
        let message = format!("A batch has 1 to {MAX_CALLS} subrequests, not {}", batch.batch_requests.len());
        return one_charged(service, Answer::refusal(400, "LIMIT_EXCEEDED", &message));
    }
    let mut has_errors = false;
    let mut counted = 0;
    let mut results: Vec<Piece> = Vec::new();
    let mut written = Vec::new();
    for part in &batch.batch_requests {
        let mut answer = if has_errors && batch.halt_on_error {
            Answer::refusal(412, "BATCH_PROCESSING_HALTED", "Batch processing halted per request")
        } else {
            serve_part(service, call, part, &mut counted)
        };
        has_errors |= !answer.is_success();
        written.append(&mut answer.written);
        results.push(text(if results.is_empty() { "{\"result\":" } else { ",{\"result\":" }));
        match answer.body {
            AnswerBody::Empty => results.push(text("null")),
            body => results.extend(body.into_pieces()),
        }
        results.push(Piece::Bytes(format!(",\"statusCode\":{}}}", answer.status).into()));
    }
    let mut pieces = vec![Piece::Bytes(format!("{{\"hasErrors\":{has_errors},\"results\":[").into())];
    pieces.extend(results);
    pieces.push(text("]}"));
    let answer = Answer {
        written,
        ..Answer::of(AnswerBody::Pieces(pieces))
    };
    (answer, counted)
}

fn serve_part(service: &Service, outer: &Call, part: &BatchPart, counted: &mut u64) -> Answer {
    // URLs of a batch may begin at the version.
    let url = if part.url.starts_with('/') {
        part.url.clone()
    } else {
        format!("/services/data/{}", part.url)
    };
    let Ok(target) = Target::parse(&url) else {
        return Answer::not_found();
    };
    if target.path.first().is_some_and(|p| p == "composite") && target.path.get(1).is_none_or(|p| p != "sobjects") {
        return Answer::not_found();
    }
    if target.path.first().is_some_and(|p| p == "jobs") {
        return Answer::not_found();
    }
    match service.quota.charge(1) {
        Ok(()) => *counted += 1,
        Err(exceeded) => {
            *counted += exceeded.counted;
            return Answer::daily_limit();
        }
    }
    let body = part
        .rich_input
        .as_ref()
        .map_or_else(Bytes::new, |b| b.get().to_owned().into());
    service.serve(&Call::new(&part.method, target, outer.headers.clone(), body))
}

fn one_charged(service: &Service, answer: Answer) -> (Answer, u64) {
    match service.quota.charge(1) {
        Ok(()) => (answer, 1),
        Err(exceeded) => (Answer::daily_limit(), exceeded.counted),
    }
}

fn text(text: &'static str) -> Piece {
    Piece::Bytes(Bytes::from_static(text.as_bytes()))
}
