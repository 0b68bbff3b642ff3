//! `/jobs/query` and what lies below it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::csv::{Delimiter, Dialect, LineEnding};
use super::job::{JobState, QueryJob, QueryJobRequest};
use super::results::Results;
use super::{BulkRules, refusals};
use crate::org::{RecordId, Scan};
use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody, TABLE_TYPE};
use crate::rest::call::Call;
use crate::soql::{QueryRequest, open, parse};

/// The first version with bulk queries.
const FIRST_VERSION: u32 = 47;
/// The first version with `resultPages`.
const FIRST_PARALLEL_VERSION: u32 = 58;
/// Jobs on a page of the list.
const LISTED_JOBS: usize = 1_000;
/// Links on an answer of `resultPages`.
const LISTED_PAGES: usize = 5;
/// What `Sforce-Locator` says on the last page.
const NO_LOCATOR: &str = "null";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewQueryJob {
    operation: String,
    query: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
}

#[derive(Debug, Deserialize)]
struct QueryStateChange {
    state: String,
}

/// Serves a call below `/jobs/query`.
pub(crate) fn serve(service: &Service, call: &Call, path: &[&str]) -> Answer {
    if call.major_version() < FIRST_VERSION {
        return Answer::not_found();
    }
    match (call.method.as_str(), path) {
        ("POST", []) => create(service, call),
        ("GET", []) => list(service, call),
        (_, [id, rest @ ..]) => match find(service, call, id) {
            Ok(job) => of_job(service, call, &job, rest),
            Err(answer) => *answer,
        },
        (other, []) => Answer::method_not_allowed(other, "GET, POST"),
    }
}

/// The job, for callers of the version that created it.
fn find(service: &Service, call: &Call, id: &str) -> Result<std::sync::Arc<QueryJob>, Box<Answer>> {
    let id: RecordId = id.parse().map_err(|_| Box::new(Answer::not_found()))?;
    let job = service
        .bulk
        .job(id, service.clock.now_ms())
        .ok_or_else(|| Box::new(Answer::not_found()))?;
    if job.version() != &*call.version {
        let message = format!(
            "The job was created with API version {}; use the same version to get its results",
            job.version().trim_start_matches('v')
        );
        return Err(Box::new(Answer::refusal(409, "CONFLICT", &message)));
    }
    Ok(job)
}

fn of_job(service: &Service, call: &Call, job: &std::sync::Arc<QueryJob>, path: &[&str]) -> Answer {
    let now_ms = service.clock.now_ms();
    match (call.method.as_str(), path) {
        ("GET", []) => Answer::json(&job.details(now_ms)),
        ("PATCH", []) => abort(call, job, now_ms),
        ("DELETE", []) => {
            if !job.state(now_ms).is_final() {
                return wrong_state("deleted", job.state(now_ms));
            }
            service.bulk.delete(job.id());
            Answer::empty(204)
        }
        ("GET", ["results"]) => results(service, call, job),
        ("GET", ["resultPages"]) if call.major_version() >= FIRST_PARALLEL_VERSION => result_pages(service, call, job),
        (other, []) => Answer::method_not_allowed(other, "GET, PATCH, DELETE"),
        (other, ["results" | "resultPages"]) if other != "GET" => Answer::method_not_allowed(other, "GET"),
        _ => Answer::not_found(),
    }
}

fn create(service: &Service, call: &Call) -> Answer {
    let wanted: NewQueryJob = match serde_json::from_slice(&call.body) {
        Ok(wanted) => wanted,
        Err(error) => return Answer::unreadable(&error.to_string()),
    };
    let (operation, scan) = match wanted.operation.as_str() {
        "query" => ("query", Scan::QUERY),
        "queryAll" => ("queryAll", Scan::QUERY_ALL),
        other => return no_such_value("operation", other),
    };
    if let Some(other) = wanted.content_type.filter(|kind| kind != "CSV") {
        return no_such_value("contentType", &other);
    }
    let dialect = match dialect(wanted.column_delimiter.as_deref(), wanted.line_ending.as_deref()) {
        Ok(dialect) => dialect,
        Err(answer) => return *answer,
    };
    let now_ms = service.clock.now_ms();
    if let Err(limit) = service.bulk.admit(now_ms) {
        return Answer::refusal(400, "LIMIT_EXCEEDED", &limit.to_string());
    }
    let rules = service.rules();
    let results = match run(service, &wanted.query, scan, rules.bulk) {
        Ok(results) => results,
        Err(answer) => return *answer,
    };
    let object = results.object().to_owned();
    let created_by = service.viewer().user_id;
    let job = service.bulk.enter(now_ms, rules.bulk, results, |id| QueryJobRequest {
        id,
        operation,
        object,
        created_by,
        version: std::sync::Arc::clone(&call.version),
        dialect,
    });
    Answer::json(&job.summary(now_ms))
}

/// How tables of a job are written, by the names in its creation.
pub(super) fn dialect(delimiter: Option<&str>, line_ending: Option<&str>) -> Result<Dialect, Box<Answer>> {
    let bad = |property: &str, name: Option<&str>| Box::new(no_such_value(property, name.unwrap_or_default()));
    Ok(Dialect {
        delimiter: delimiter
            .map_or(Some(Delimiter::default()), Delimiter::named)
            .ok_or_else(|| bad("columnDelimiter", delimiter))?,
        line_ending: line_ending
            .map_or(Some(LineEnding::default()), LineEnding::named)
            .ok_or_else(|| bad("lineEnding", line_ending))?,
    })
}

/// Finds the rows of a query, in a copy of the org.
fn run(service: &Service, query: &str, scan: Scan, rules: BulkRules) -> Result<Results, Box<Answer>> {
    if let Some(answer) = refusals::by_text(query) {
        return Err(Box::new(answer));
    }
    let org = std::sync::Arc::new(service.org().clone());
    let viewer = service.viewer();
    let named = parse(query).map_err(|e| Box::new(e.into()))?.from.text;
    if let Some(object) = org.visible_object(&viewer, &named)
        && object.schema.queryable
        && object.schema.behaviour.refuses_query.is_none()
        && !object.schema.behaviour.bulk
    {
        return Err(Box::new(refusals::not_supported(object.name())));
    }
    let request = QueryRequest {
        text: query.to_owned(),
        scan,
        batch_size: None,
        now: service.now(),
    };
    let cursor = open(&org, &viewer, &request, service.rules().soql).map_err(|e| Box::new(e.into()))?;
    if let Some(answer) = refusals::by_query(&org, &cursor) {
        return Err(Box::new(answer));
    }
    // Another order for each job, the same ones in each org of one seed.
    let seed = org.seed().rotate_left(32) ^ service.bulk.created();
    Ok(Results::new(org, cursor, rules, seed))
}

fn list(service: &Service, call: &Call) -> Answer {
    let now_ms = service.clock.now_ms();
    let first = match call.parameter("queryLocator").map(offset_of) {
        None => 0,
        Some(Some(first)) => first,
        Some(None) => return bad_locator(),
    };
    let jobs = service.bulk.all(now_ms);
    let rest = jobs.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
    let records: Vec<_> = rest.take(LISTED_JOBS).map(|job| job.entry(now_ms)).collect();
    let next = first + records.len() as u64;
    let done = next >= jobs.len() as u64;
    let next_url = (!done).then(|| format!("/services/data/{}/jobs/query?queryLocator={}", call.version, locator_of(next)));
    Answer::json(&json!({ "done": done, "records": records, "nextRecordsUrl": next_url }))
}

fn abort(call: &Call, job: &QueryJob, now_ms: i64) -> Answer {
    match serde_json::from_slice::<QueryStateChange>(&call.body) {
        Ok(change) if change.state == "Aborted" => {
            if job.abort(now_ms) {
                Answer::json(&job.entry(now_ms))
            } else {
                wrong_state("aborted", job.state(now_ms))
            }
        }
        Ok(change) => no_such_value("state", &change.state),
        Err(error) => Answer::unreadable(&error.to_string()),
    }
}

/// The offset that a call asks from, where the job has results.
fn asked_offset(service: &Service, call: &Call, job: &QueryJob) -> Result<u64, Box<Answer>> {
    let state = job.state(service.clock.now_ms());
    if state != JobState::JobComplete {
        return Err(Box::new(wrong_state("read", state)));
    }
    match call.parameter("locator").filter(|locator| !locator.is_empty()) {
        None => Ok(0),
        Some(locator) => offset_of(locator)
            .filter(|offset| *offset < job.results().rows())
            .ok_or_else(|| Box::new(bad_locator())),
    }
}

fn max_records(call: &Call) -> Option<u64> {
    call.parameter("maxRecords")
        .and_then(|text| text.parse().ok())
        .filter(|n| *n > 0)
}

fn results(service: &Service, call: &Call, job: &QueryJob) -> Answer {
    let first = match asked_offset(service, call, job) {
        Ok(first) => first,
        Err(answer) => return *answer,
    };
    let page = job
        .results()
        .page(first, max_records(call), job.dialect(), service.rules().bulk);
    let locator = page.next().map_or_else(|| NO_LOCATOR.to_owned(), locator_of);
    let rows = page.rows.to_string();
    Answer::of(AnswerBody::Results(page))
        .with_header("Content-Type", TABLE_TYPE.to_owned())
        .with_header("Sforce-NumberOfRecords", rows)
        .with_header("Sforce-Locator", locator)
}

fn result_pages(service: &Service, call: &Call, job: &QueryJob) -> Answer {
    let first = match asked_offset(service, call, job) {
        Ok(first) => first,
        Err(answer) => return *answer,
    };
    let wanted = max_records(call);
    let base = format!("/services/data/{}/jobs/query/{}", call.version, job.id());
    let with_max = wanted.map_or_else(String::new, |n| format!("&maxRecords={n}"));
    let mut pages = Vec::new();
    let mut next = Some(first);
    while let (Some(from), true) = (next, pages.len() < LISTED_PAGES) {
        let url = format!("{base}/results?locator={}{with_max}", locator_of(from));
        pages.push(json!({ "resultUrl": url }));
        next = job.results().page(from, wanted, job.dialect(), service.rules().bulk).next();
    }
    let next_url = next.map(|from| format!("{base}/resultPages?locator={}{with_max}", locator_of(from)));
    Answer::json(&json!({ "resultPages": pages, "done": next.is_none(), "nextRecordsUrl": next_url }))
}

/// Locators hide the offset as Salesforce's do.
pub(super) fn locator_of(offset: u64) -> String {
    STANDARD_NO_PAD.encode(offset.to_string())
}

pub(super) fn offset_of(locator: &str) -> Option<u64> {
    let decoded = STANDARD_NO_PAD.decode(locator.trim_end_matches('=')).ok()?;
    std::str::from_utf8(&decoded).ok()?.parse().ok()
}

pub(super) fn bad_locator() -> Answer {
    Answer::refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
}

pub(super) fn no_such_value(property: &str, value: &str) -> Answer {
    Answer::refusal(400, "API_ERROR", &format!("Invalid value for property {property}: {value}"))
}

fn wrong_state(what: &str, state: JobState) -> Answer {
    wrong_state_named(what, state.name())
}

/// A job that isn't in a state for something.
pub(super) fn wrong_state_named(what: &str, state: &str) -> Answer {
    let message = format!("The job can't be {what} in state {state}");
    Answer::refusal(400, "INVALIDJOBSTATE", &message)
}
