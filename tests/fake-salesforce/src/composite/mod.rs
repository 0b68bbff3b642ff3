//! `/composite`: a series of up to 25 calls that counts as one request.
//!
//! Responsible for: the series' own limits, references between its calls, what `allOrNone` takes back.
//! Rule: calls are served in order, each by the same resources as alone; what they answer stays as positions until it's
//! written, so that five pages of 2,000 rows cost no memory.
//!
//! Choices where nothing is documented: the texts of the refusals for too many calls and too many queries; a refused chain
//! answers like a resource that doesn't exist.

pub mod batch;
pub mod collections;
pub mod graph;
mod reference;
pub mod tree;

use std::collections::HashMap;
use std::sync::PoisonError;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::log::Subrequest;
use crate::org::Org;
use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody, ApiError, Piece};
use crate::rest::call::{Call, Target};

/// The most calls of a series.
pub const MAX_CALLS: usize = 25;
/// The most queries and collections operations among them.
pub const MAX_QUERIES: usize = 5;
/// Headers that a call takes from the series and can't have of its own.
const OUTER_HEADERS: [&str; 3] = ["accept", "authorization", "content-type"];
/// What a call that was taken back answers, in recorded words.
const ROLLED_BACK: &str = "The transaction was rolled back since another operation in the same transaction failed.";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    #[serde(default)]
    all_or_none: bool,
    composite_request: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    method: String,
    url: String,
    reference_id: String,
    #[serde(default)]
    http_headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// Serves a series; tells also what its calls were, for the log.
#[must_use]
pub fn serve(service: &Service, call: &Call) -> (Answer, Vec<Subrequest>) {
    if call.method != "POST" {
        return (Answer::method_not_allowed(&call.method, "POST"), Vec::new());
    }
    let series: Series = match serde_json::from_slice(&call.body) {
        Ok(series) => series,
        Err(error) => return (Answer::unreadable(&error.to_string()), Vec::new()),
    };
    match refuse(service, &series) {
        Some(answer) => (answer, Vec::new()),
        None => run(service, call, &series),
    }
}

/// What is refused as a whole.
fn refuse(service: &Service, series: &Series) -> Option<Answer> {
    let parts = &series.composite_request;
    let invalid = |message: String| Some(Answer::refusal(400, "INVALID_INPUT", &message));
    if parts.is_empty() {
        return invalid("compositeRequest must not be empty".to_owned());
    }
    if parts.len() > MAX_CALLS {
        let message = format!(
            "The composite request has {} subrequests, {MAX_CALLS} are allowed",
            parts.len()
        );
        return Some(Answer::refusal(400, "LIMIT_EXCEEDED", &message));
    }
    let locators_count = service.rules().locators_count_as_queries;
    let queries = parts.iter().filter(|p| counts_as_query(&p.url, locators_count)).count();
    if queries > MAX_QUERIES {
        let message = format!("The composite request has {queries} query or collections operations, {MAX_QUERIES} are allowed");
        return Some(Answer::refusal(400, "LIMIT_EXCEEDED", &message));
    }
    bad_reference_id(parts)
}

/// The refusal of a reference id that isn't one, or isn't the only one of its name.
fn bad_reference_id(parts: &[Part]) -> Option<Answer> {
    let invalid = |message: String| Some(Answer::refusal(400, "INVALID_INPUT", &message));
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let valid = !part.reference_id.is_empty() && part.reference_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return invalid(format!("Invalid reference id: {}", part.reference_id));
        }
        if !seen.insert(part.reference_id.as_str()) {
            return invalid(format!("Duplicate reference id: {}", part.reference_id));
        }
    }
    None
}

/// Whether a URL is one of the five queries and collections operations.
fn counts_as_query(url: &str, locators_count: bool) -> bool {
    if url.starts_with("@{") {
        return locators_count;
    }
    let Ok(target) = Target::parse(url) else { return false };
    match target.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["query" | "queryAll"] | ["composite", "sobjects", ..] => true,
        ["query" | "queryAll", _] => locators_count,
        _ => false,
    }
}

fn run(service: &Service, outer: &Call, series: &Series) -> (Answer, Vec<Subrequest>) {
    // Between the savepoint and the end nobody else writes: it would be taken back with the series.
    let turn = series
        .all_or_none
        .then(|| service.turn.write().unwrap_or_else(PoisonError::into_inner));
    let alone = turn.as_ref().map(|_| service.within_turn());
    let service = alone.as_ref().unwrap_or(service);
    let before = series.all_or_none.then(|| service.org_mut().savepoint());
    let mut answers: Vec<(&str, Answer)> = Vec::with_capacity(series.composite_request.len());
    let mut log = Vec::with_capacity(series.composite_request.len());
    let mut failed = false;
    for part in &series.composite_request {
        let (url, answer) = if failed && series.all_or_none {
            (part.url.clone(), halted(ROLLED_BACK))
        } else {
            serve_part(service, outer, part, &answers)
        };
        failed |= !answer.is_success() || answer.failed_rows;
        let method = part.method.to_ascii_uppercase();
        log.push(Subrequest {
            reference: part.reference_id.clone(),
            method,
            url,
            status: answer.status,
        });
        answers.push((&part.reference_id, answer));
    }
    if let (Some(savepoint), true) = (before, failed) {
        service.org_mut().roll_back(savepoint);
        let rows = answers.iter_mut().flat_map(|(_, answer)| &mut answer.written);
        rows.filter(|row| row.error.is_none())
            .for_each(|row| row.error = Some("PROCESSING_HALTED".to_owned()));
        // Collections keep their results: rows that were taken back may still show success there, as documented.
        for (_, answer) in answers.iter_mut().filter(|(_, a)| a.is_success() && !a.failed_rows) {
            let written = std::mem::take(&mut answer.written);
            *answer = Answer {
                written,
                ..halted(ROLLED_BACK)
            };
        }
    }
    let rows = answers.iter_mut().flat_map(|(_, answer)| std::mem::take(&mut answer.written));
    let rows = rows.collect();
    let answer = Answer {
        written: rows,
        ..Answer::of(AnswerBody::Pieces(written(answers)))
    };
    (answer, log)
}

/// Serves one call of the series; gives also its URL with references resolved, as far as they could be.
fn serve_part(service: &Service, outer: &Call, part: &Part, earlier: &[(&str, Answer)]) -> (String, Answer) {
    if service.rules().refuse_chain && part.url.contains(".nextRecordsUrl}") {
        return (part.url.clone(), Answer::not_found());
    }
    let resolved = {
        let org = service.org();
        let look_up = |reference: &reference::Reference| value_of(&org, earlier, reference);
        let url = reference::resolve(&part.url, &look_up);
        let body = part
            .body
            .as_ref()
            .map(|b| reference::resolve_json(b.get(), &look_up))
            .transpose();
        url.and_then(|url| Ok((url, body?)))
    };
    let (url, body) = match resolved {
        Ok(resolved) => resolved,
        Err(unresolved) => return (part.url.clone(), halted(&unresolved.to_string())),
    };
    let Ok(target) = Target::parse(&url) else {
        return (url, Answer::not_found());
    };
    if !is_allowed(service, &part.method, &target) {
        return (url, Answer::not_found());
    }
    let own = part.http_headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone()));
    let headers = own.filter(|(n, _)| !OUTER_HEADERS.contains(&n.as_str()));
    let shared = outer
        .headers
        .iter()
        .filter(|(n, _)| OUTER_HEADERS.contains(&n.as_str()))
        .cloned();
    let call = Call::new(
        &part.method,
        target,
        headers.chain(shared).collect(),
        Bytes::from(body.unwrap_or_default()),
    );
    (url, service.serve(&call))
}

/// Only rows, queries and collections go into a series, and no blobs.
fn is_allowed(service: &Service, method: &str, target: &Target) -> bool {
    match target.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sobjects", object, id, field] if method.eq_ignore_ascii_case("GET") => {
            let org = service.org();
            let is_blob = id.parse::<crate::org::RecordId>().is_ok()
                && org
                    .object(object)
                    .and_then(|o| Some(&o.schema.fields[o.field_index(field)?]))
                    .is_some_and(|f| f.kind == crate::org::FieldType::Base64);
            !is_blob
        }
        ["sobjects", _, _, "richTextImageFields", ..] => false,
        ["sobjects", ..] | ["query" | "queryAll"] | ["query" | "queryAll", _] | ["composite", "sobjects", ..] => true,
        _ => false,
    }
}

/// What an earlier answer has at a reference.
fn value_of(org: &Org, earlier: &[(&str, Answer)], wanted: &reference::Reference) -> Option<Box<RawValue>> {
    let (_, answer) = earlier.iter().find(|(id, _)| *id == wanted.id)?;
    match &answer.body {
        AnswerBody::Json(json) => reference::navigate(std::str::from_utf8(json).ok()?, &wanted.path),
        // A record of a page is written alone, not the page for its sake.
        AnswerBody::QueryPage(page) => match wanted.path.as_slice() {
            [reference::PathStep::Field(name), reference::PathStep::Index(index), rest @ ..] if name == "records" => {
                reference::navigate(std::str::from_utf8(&page.record(org, *index)?).ok()?, rest)
            }
            [reference::PathStep::Field(name), ..] if name != "records" => {
                let head = serde_json::json!({
                    "totalSize": page.page.total_size(),
                    "done": page.next_records_url.is_none(),
                    "nextRecordsUrl": page.next_records_url,
                });
                reference::navigate(&head.to_string(), &wanted.path)
            }
            path => reference::navigate(std::str::from_utf8(&page.to_bytes(org)).ok()?, path),
        },
        _ => None,
    }
}

fn halted(message: &str) -> Answer {
    let error = ApiError {
        message: message.to_owned(),
        error_code: "PROCESSING_HALTED".to_owned(),
        fields: None,
    };
    Answer::json_with(400, &[error])
}

/// The answer of the series, each body in its own pieces.
fn written(answers: Vec<(&str, Answer)>) -> Vec<Piece> {
    let mut pieces = vec![text("{\"compositeResponse\":[")];
    for (place, (reference, answer)) in answers.into_iter().enumerate() {
        pieces.push(text(if place == 0 { "{\"body\":" } else { ",{\"body\":" }));
        match answer.body {
            AnswerBody::Empty => pieces.push(text("null")),
            body => pieces.extend(body.into_pieces()),
        }
        let headers: HashMap<&str, &str> = answer
            .headers
            .iter()
            .filter(|(n, _)| *n != "Content-Type")
            .map(|(n, v)| (*n, v.as_str()))
            .collect();
        let tail = format!(
            ",\"httpHeaders\":{},\"httpStatusCode\":{},\"referenceId\":\"{reference}\"}}",
            serde_json::to_string(&headers).unwrap_or_else(|_| "{}".to_owned()),
            answer.status
        );
        pieces.push(Piece::Bytes(tail.into()));
    }
    pieces.push(text("]}"));
    pieces
}

fn text(text: &'static str) -> Piece {
    Piece::Bytes(Bytes::from_static(text.as_bytes()))
}
