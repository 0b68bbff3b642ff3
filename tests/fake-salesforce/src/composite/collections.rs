//! `/composite/sobjects`: up to 200 rows written, or 2,000 read, in one request.
//!
//! Rule: results stand in the order of the request, and the status is 200 even where every row failed.
//!
//! Choice: the words of the refusals for too many rows and too many chunks.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::log::Written;
use crate::org::{Org, RecordId, Scan, Sent, SentFields, WriteError, Writing};
use crate::rest::Service;
use crate::rest::answer::{Answer, AnswerBody};
use crate::rest::call::Call;
use crate::soql::Projection;

/// The most rows of one write.
pub const MAX_ROWS: usize = 200;
/// The most runs of rows of equal type in one create.
const MAX_CHUNKS: usize = 10;
/// The most rows of one read.
const MAX_IDS: usize = 2_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Write {
    #[serde(default)]
    all_or_none: bool,
    records: Vec<SentFields>,
}

#[derive(Debug, Deserialize)]
struct Read {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// What became of one row.
type RowOutcome = Result<SavedRow, (Option<RecordId>, WriteError)>;

/// A row that was written.
struct SavedRow {
    id: RecordId,
    /// Told by upserts only.
    created: Option<bool>,
}

impl From<RecordId> for SavedRow {
    fn from(id: RecordId) -> Self {
        Self { id, created: None }
    }
}

/// Serves a collections call.
#[must_use]
pub fn serve(service: &Service, call: &Call, path: &[&str]) -> Answer {
    match (call.method.as_str(), path) {
        ("POST", []) => write(service, call, "create", |org, by, row| {
            let object = row.attributes_type().unwrap_or_default().to_owned();
            let id = org.create_by(by, &object, row).map_err(|e| (None, e))?;
            Ok(id.into())
        }),
        ("PATCH", []) => write(service, call, "update", |org, by, row| {
            let (id, rest) = take_id(row)?;
            org.update_by(by, id, &rest).map_err(|e| (Some(id), e))?;
            Ok(id.into())
        }),
        ("PATCH", [object, key]) => write(service, call, "upsert", |org, by, row| {
            let done = org.upsert_by(by, object, key, row).map_err(|e| (e.id, e.error))?;
            Ok(SavedRow {
                id: done.id,
                created: Some(done.created),
            })
        }),
        ("DELETE", []) => delete(service, call),
        ("GET", [object]) => {
            let list = |name: &str| {
                call.parameter(name)
                    .unwrap_or_default()
                    .split(',')
                    .map(|s| s.trim().to_owned())
                    .collect()
            };
            read(
                service,
                call,
                object,
                &Read {
                    ids: list("ids"),
                    fields: list("fields"),
                },
            )
        }
        ("POST", [object]) => match serde_json::from_slice(&call.body) {
            Ok(wanted) => read(service, call, object, &wanted),
            Err(error) => Answer::unreadable(&error.to_string()),
        },
        (other, [] | [_] | [_, _]) => Answer::method_not_allowed(other, "GET, POST, PATCH, DELETE"),
        _ => Answer::not_found(),
    }
}

fn write(
    service: &Service,
    call: &Call,
    operation: &'static str,
    mut one: impl FnMut(&mut Org, &Writing<'_>, &SentFields) -> RowOutcome,
) -> Answer {
    let mut write: Write = match serde_json::from_slice(&call.body) {
        Ok(write) => write,
        Err(error) => return Answer::unreadable(&error.to_string()),
    };
    if let Some(answer) = too_many(&write.records, operation == "create") {
        return answer;
    }
    if let Some(refused) = service.org().refuses_whole(&write.records) {
        return Answer::refusal(400, &refused.status_code, &refused.message);
    }
    for row in &mut write.records {
        if let Err(missing) = call.put_file(row) {
            return Answer::refusal(400, "INVALID_MULTIPART_REQUEST", &missing.to_string());
        }
    }
    let objects: Vec<String> = write
        .records
        .iter()
        .map(|row| row.attributes_type().unwrap_or_default().to_owned())
        .collect();
    let rows = objects.into_iter().zip(write.records).collect();
    apply(service, call, operation, write.all_or_none, rows, |org, by, row| {
        one(org, by, &row)
    })
}

fn delete(service: &Service, call: &Call) -> Answer {
    let ids: Vec<(String, String)> = call
        .parameter("ids")
        .unwrap_or_default()
        .split(',')
        .map(|s| (String::new(), s.trim().to_owned()))
        .collect();
    if ids.len() > MAX_ROWS {
        return limit_exceeded(&format!("{} ids, {MAX_ROWS} are allowed", ids.len()));
    }
    let all_or_none = call.parameter("allOrNone").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    apply(service, call, "delete", all_or_none, ids, |org, by, id| {
        let id: RecordId = id.parse().map_err(|e| (None, WriteError::malformed_id(&e)))?;
        org.delete_by(by, id).map_err(|e| (Some(id), e))?;
        Ok(id.into())
    })
}

/// Writes row by row, and takes all back where that's asked and one failed. Each row comes with the name of its object, as far as known.
fn apply<T>(
    service: &Service,
    call: &Call,
    operation: &'static str,
    all_or_none: bool,
    rows: Vec<(String, T)>,
    mut one: impl FnMut(&mut Org, &Writing<'_>, T) -> RowOutcome,
) -> Answer {
    let viewer = service.viewer();
    let by = call.writing(&viewer, service.now());
    let mut org = service.org_mut();
    let savepoint = all_or_none.then(|| org.savepoint());
    let mut objects = Vec::with_capacity(rows.len());
    let mut outcomes: Vec<RowOutcome> = Vec::with_capacity(rows.len());
    for (object, row) in rows {
        objects.push(object);
        outcomes.push(one(&mut org, &by, row));
    }
    let failed = outcomes.iter().any(Result::is_err);
    if let (Some(savepoint), true) = (savepoint, failed) {
        org.roll_back(savepoint);
        for outcome in outcomes.iter_mut().filter(|o| o.is_ok()) {
            *outcome = Err((None, rolled_back()));
        }
    }
    let written = objects.into_iter().zip(&outcomes).map(|(object, outcome)| {
        let (id, error) = match outcome {
            Ok(saved) => (Some(saved.id), None),
            Err((id, error)) => (*id, Some(error.status_code.clone())),
        };
        let by_id = id.and_then(|id| org.object_of(id)).map(|o| o.name().to_owned());
        Written {
            object: by_id.unwrap_or(object),
            operation,
            id: id.map(|id| id.to_string()),
            error,
        }
    });
    let results: Vec<Value> = outcomes.iter().map(result).collect();
    Answer {
        failed_rows: failed,
        written: written.collect(),
        ..Answer::json(&results)
    }
}

fn result(outcome: &RowOutcome) -> Value {
    match outcome {
        Ok(SavedRow { id, created: None }) => json!({ "id": id.to_string(), "success": true, "errors": [] }),
        Ok(SavedRow {
            id,
            created: Some(created),
        }) => {
            json!({ "id": id.to_string(), "success": true, "errors": [], "created": created })
        }
        Err((id, error)) => {
            let mut failed = json!({ "success": false, "errors": [error_entry(error)] });
            if let Some(id) = id {
                failed["id"] = json!(id.to_string());
            }
            failed
        }
    }
}

/// An error as results hold it.
pub(super) fn error_entry(error: &WriteError) -> Value {
    json!({ "statusCode": error.status_code, "message": error.message, "fields": error.fields })
}

fn read(service: &Service, call: &Call, object: &str, wanted: &Read) -> Answer {
    if wanted.ids.len() > MAX_IDS {
        return limit_exceeded(&format!("{} ids, {MAX_IDS} are allowed", wanted.ids.len()));
    }
    let viewer = service.viewer();
    let org = service.org();
    let Some(object) = org.visible_object(&viewer, object) else {
        return Answer::not_found();
    };
    let mut projection = Projection::default();
    for name in &wanted.fields {
        let before = projection.columns.len();
        projection.add(&org, object, &viewer, &name.split('.').collect::<Vec<_>>());
        if projection.columns.len() == before && !name.contains('.') {
            let message = format!("No such column '{name}' on sobject of type {}", object.name());
            return Answer::refusal(400, "INVALID_FIELD", &message);
        }
    }
    let mut out = vec![b'['];
    for (place, id) in wanted.ids.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let row = id.parse().ok().and_then(|id| object.row(&viewer, Scan::QUERY, id));
        match row {
            Some(row) => projection.write(&row, &org, &viewer, &call.version, &mut out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Answer::of(AnswerBody::Json(out))
}

fn take_id(row: &SentFields) -> Result<(RecordId, SentFields), (Option<RecordId>, WriteError)> {
    let mut rest = row.clone();
    let text = match rest.remove("Id") {
        Some(Sent::Text(text)) => text,
        _ => {
            let error = WriteError {
                status_code: "MISSING_ARGUMENT".to_owned(),
                message: "Id not specified in an update call".to_owned(),
                fields: Vec::new(),
                http_status: 400,
            };
            return Err((None, error));
        }
    };
    let id = text.parse().map_err(|e| (None, WriteError::malformed_id(&e)))?;
    Ok((id, rest))
}

fn too_many(rows: &[SentFields], in_chunks: bool) -> Option<Answer> {
    if rows.len() > MAX_ROWS {
        return Some(limit_exceeded(&format!("{} records, {MAX_ROWS} are allowed", rows.len())));
    }
    let chunks = rows.chunk_by(|a, b| a.attributes_type() == b.attributes_type()).count();
    (in_chunks && chunks > MAX_CHUNKS)
        .then(|| limit_exceeded(&format!("{chunks} chunks of records of one type, {MAX_CHUNKS} are allowed")))
}

fn limit_exceeded(what: &str) -> Answer {
    Answer::refusal(400, "LIMIT_EXCEEDED", &format!("The request has {what}"))
}

fn rolled_back() -> WriteError {
    WriteError {
        status_code: "ALL_OR_NONE_OPERATION_ROLLED_BACK".to_owned(),
        message: "Record rolled back because not all records were valid and the request was using AllOrNone header".to_owned(),
        fields: Vec::new(),
        http_status: 400,
    }
}
