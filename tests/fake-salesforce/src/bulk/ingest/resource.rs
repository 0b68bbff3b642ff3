//! `/jobs/ingest` and what lies below it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::job::{IngestJob, IngestJobRequest, IngestState, Operation, ResultSet};
use crate::bulk::refusals;
use crate::bulk::resource::{bad_locator, dialect, locator_of, no_such_value, offset_of, wrong_state_named};
use crate::org::RecordId;
use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody, TABLE_TYPE};
use crate::rest::call::Call;

/// The first version with ingest jobs.
const FIRST_VERSION: u32 = 41;
/// Jobs on a page of the list.
const LISTED_JOBS: usize = 1_000;
/// The longest table that comes with the creation of its job, in characters.
const MAX_MULTIPART_CHARACTERS: usize = 100_000;
/// The part of a multipart creation with the table.
const TABLE_PART: &str = "content";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewIngestJob {
    operation: String,
    object: String,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
}

#[derive(Debug, Deserialize)]
struct IngestStateChange {
    state: String,
}

/// Serves a call below `/jobs/ingest`.
pub(crate) fn serve(service: &Service, call: &Call, path: &[&str]) -> Answer {
    if call.major_version() < FIRST_VERSION {
        return Answer::not_found();
    }
    match (call.method.as_str(), path) {
        ("POST", []) => create(service, call),
        ("GET", []) => list(service, call),
        (_, [id, rest @ ..]) => match id.parse() {
            Ok(id) => of_job(service, call, id, rest),
            Err(_) => Answer::not_found(),
        },
        (other, []) => Answer::method_not_allowed(other, "GET, POST"),
    }
}

fn create(service: &Service, call: &Call) -> Answer {
    let wanted: NewIngestJob = match serde_json::from_slice(&call.body) {
        Ok(wanted) => wanted,
        Err(error) => return Answer::unreadable(&error.to_string()),
    };
    if let Some(other) = wanted.content_type.filter(|kind| kind != "CSV") {
        return no_such_value("contentType", &other);
    }
    let dialect = match dialect(wanted.column_delimiter.as_deref(), wanted.line_ending.as_deref()) {
        Ok(dialect) => dialect,
        Err(answer) => return *answer,
    };
    let operation = match (wanted.operation.as_str(), wanted.external_id_field_name) {
        ("insert", _) => Operation::Insert,
        ("update", _) => Operation::Update,
        ("delete", _) => Operation::Delete,
        ("hardDelete", _) => Operation::HardDelete,
        ("upsert", Some(key)) => Operation::Upsert(key),
        ("upsert", None) => {
            let message = "InvalidJob : External ID was blank for an upsert operation";
            return Answer::refusal(400, "INVALIDJOB", message);
        }
        (other, _) => return no_such_value("operation", other),
    };
    let (viewer, now_ms) = (service.viewer(), service.clock.now_ms());
    let object = match allowed_object(service, &wanted.object, &operation) {
        Ok(object) => object,
        Err(answer) => return *answer,
    };
    let table = match call.files.get(TABLE_PART) {
        None => None,
        Some(part) => {
            let bytes = part.read(0, usize::try_from(part.length()).unwrap_or(usize::MAX));
            if String::from_utf8_lossy(&bytes).chars().count() > MAX_MULTIPART_CHARACTERS {
                let message = format!("The content of a multipart job has at most {MAX_MULTIPART_CHARACTERS} characters");
                return Answer::refusal(400, "LIMIT_EXCEEDED", &message);
            }
            Some(Bytes::from(bytes))
        }
    };
    let org = service.org();
    let mut store = service.ingest.lock();
    store.jobs.retain(|_, job| !job.is_expired(now_ms));
    let id = store.next_id();
    let mut job = IngestJob::new(IngestJobRequest {
        id,
        operation,
        object,
        created_by: viewer.user_id,
        version: std::sync::Arc::clone(&call.version),
        dialect,
        created_ms: now_ms,
    });
    if let Some(table) = table {
        job.fill(table);
        let rows = job.read(&org, &viewer).unwrap_or(0);
        let failure = store.take_batches(now_ms, rows).err().or_else(|| store.destined_failure());
        job.close(now_ms, service.rules().bulk, failure);
    }
    let answer = Answer::json(&job.summary());
    store.jobs.insert(id, job);
    answer
}

/// The object's name, where bulk jobs may do this to it.
fn allowed_object(service: &Service, name: &str, operation: &Operation) -> Result<String, Box<Answer>> {
    let (org, viewer) = (service.org(), service.viewer());
    let Some(object) = org.visible_object(&viewer, name) else {
        let message = format!("InvalidJob : The object {name} was not found or isn't accessible");
        return Err(Box::new(Answer::refusal(400, "INVALIDJOB", &message)));
    };
    if !object.schema.behaviour.bulk {
        return Err(Box::new(refusals::not_supported(object.name())));
    }
    let schema = &object.schema;
    let can = match operation {
        Operation::Insert => schema.createable,
        Operation::Update => schema.updateable,
        Operation::Upsert(_) => schema.createable && schema.updateable,
        Operation::Delete | Operation::HardDelete => schema.deletable,
    };
    if !can {
        let message = format!(
            "InvalidJob : entity type {} does not support {}",
            object.name(),
            operation.name()
        );
        return Err(Box::new(Answer::refusal(400, "INVALIDJOB", &message)));
    }
    if let Operation::Upsert(key) = operation {
        let is_key = object
            .field(&viewer, key)
            .is_some_and(|(_, field)| field.external_id || field.id_lookup);
        if !is_key {
            let message = format!(
                "InvalidJob : Field name provided, {key} does not match an External ID for {}",
                object.name()
            );
            return Err(Box::new(Answer::refusal(400, "INVALIDJOB", &message)));
        }
    }
    Ok(object.name().to_owned())
}

fn of_job(service: &Service, call: &Call, id: RecordId, path: &[&str]) -> Answer {
    let (viewer, now_ms) = (service.viewer(), service.clock.now_ms());
    // The org before the jobs, as everywhere.
    let org = service.org();
    let mut store = service.ingest.lock();
    let Some(mut job) = store.jobs.remove(&id).filter(|job| !job.is_expired(now_ms)) else {
        return Answer::not_found();
    };
    let mut keeps = true;
    let answer = match (call.method.as_str(), path) {
        ("GET", []) => Answer::json(&job.details(now_ms)),
        ("PUT", ["batches"]) => fill(&mut job, call),
        ("PATCH", []) => match serde_json::from_slice::<IngestStateChange>(&call.body) {
            Err(error) => Answer::unreadable(&error.to_string()),
            Ok(change) => match change.state.as_str() {
                "UploadComplete" if job.state() != IngestState::Open => wrong_state("closed", &job),
                "UploadComplete" if !job.has_content() => wrong_state("closed without data", &job),
                "UploadComplete" => {
                    let rows = job.read(&org, &viewer).unwrap_or(0);
                    let failure = store.take_batches(now_ms, rows).err().or_else(|| store.destined_failure());
                    job.close(now_ms, service.rules().bulk, failure);
                    Answer::json(&job.summary())
                }
                "Aborted" if job.abort(now_ms) => Answer::json(&job.summary()),
                "Aborted" => wrong_state("aborted", &job),
                other => no_such_value("state", other),
            },
        },
        ("DELETE", []) if matches!(job.state(), IngestState::Open | IngestState::InProgress) => wrong_state("deleted", &job),
        ("DELETE", []) => {
            keeps = false;
            Answer::empty(204)
        }
        ("GET", ["successfulResults"]) => results(&job, ResultSet::Successful),
        ("GET", ["failedResults"]) => results(&job, ResultSet::Failed),
        ("GET", ["unprocessedrecords"]) => results(&job, ResultSet::Unprocessed),
        (other, [] | ["batches" | "successfulResults" | "failedResults" | "unprocessedrecords"]) => {
            Answer::method_not_allowed(other, "GET, PUT, PATCH, DELETE")
        }
        _ => Answer::not_found(),
    };
    if keeps {
        store.jobs.insert(id, job);
    }
    answer
}

/// Takes the table, once.
fn fill(job: &mut IngestJob, call: &Call) -> Answer {
    if job.state() != IngestState::Open {
        return wrong_state("filled", job);
    }
    if job.has_content() {
        // Recorded.
        let message = format!(
            "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.",
            job.wanted().id
        );
        return Answer::refusal(400, "API_ERROR", &message);
    }
    let is_table = call.header("content-type").is_some_and(|kind| kind.starts_with("text/csv"));
    if !is_table {
        return Answer::refusal(400, "CLIENT_ERROR", "Content-Type must be text/csv");
    }
    job.fill(call.body.clone());
    Answer::empty(201)
}

fn results(job: &IngestJob, which: ResultSet) -> Answer {
    if !job.state().is_final() {
        return wrong_state("read", job);
    }
    Answer::of(AnswerBody::Json(job.results(which))).with_header("Content-Type", TABLE_TYPE.to_owned())
}

fn list(service: &Service, call: &Call) -> Answer {
    let now_ms = service.clock.now_ms();
    let first = match call.parameter("queryLocator").map(offset_of) {
        None => 0,
        Some(Some(first)) => first,
        Some(None) => return bad_locator(),
    };
    let store = service.ingest.lock();
    let jobs: Vec<&IngestJob> = store.jobs.values().filter(|job| !job.is_expired(now_ms)).collect();
    let rest = jobs.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
    let records: Vec<_> = rest.take(LISTED_JOBS).map(|job| job.entry()).collect();
    let next = first + records.len() as u64;
    let done = next >= jobs.len() as u64;
    let next_url = (!done).then(|| {
        format!(
            "/services/data/{}/jobs/ingest?queryLocator={}",
            call.version,
            locator_of(next)
        )
    });
    Answer::json(&json!({ "done": done, "records": records, "nextRecordsUrl": next_url }))
}

fn wrong_state(what: &str, job: &IngestJob) -> Answer {
    wrong_state_named(what, job.state().name())
}
