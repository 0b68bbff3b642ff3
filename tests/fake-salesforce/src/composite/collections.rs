//! `/composite/sobjects`: up to 200 rows written, or 2,000 read, in one request.
//!
//! Rule: results stand in the order of the request, and the status is 200 even where every row failed.
//!
//! Choice: the words of the refusals for too many rows and too many chunks.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::org::{Org, RecordId, Scan, Sent, SentFields, Viewer, WriteError};
use crate::rest::Service;
use crate::rest::answer::{Answer, Body};
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
type Outcome = Result<Saved, (Option<RecordId>, WriteError)>;

/// A row that was written.
struct Saved {
    id: RecordId,
    /// Told by upserts only.
    created: Option<bool>,
}

/// Serves a collections call.
#[must_use]
pub fn serve(service: &Service, call: &Call, path: &[&str]) -> Answer {
    match (call.method.as_str(), path) {
        ("POST", []) => write(service, call, |org, viewer, row| {
            let object = row.attributes_type().unwrap_or_default().to_owned();
            let id = org.create(viewer, &object, row, service.now()).map_err(|e| (None, e))?;
            Ok(Saved { id, created: None })
        }),
        ("PATCH", []) => write(service, call, |org, viewer, row| {
            let (id, rest) = take_id(row)?;
            org.update(viewer, id, &rest, service.now()).map_err(|e| (Some(id), e))?;
            Ok(Saved { id, created: None })
        }),
        ("PATCH", [object, key]) => write(service, call, |org, viewer, row| {
            upsert(service, org, viewer, object, key, row)
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

fn write(service: &Service, call: &Call, mut one: impl FnMut(&mut Org, &Viewer, &SentFields) -> Outcome) -> Answer {
    let write: Write = match serde_json::from_slice(&call.body) {
        Ok(write) => write,
        Err(error) => return Answer::unreadable(&error.to_string()),
    };
    if let Some(answer) = too_many(&write.records) {
        return answer;
    }
    apply(service, write.all_or_none, write.records, |org, viewer, row| {
        one(org, viewer, &row)
    })
}

fn delete(service: &Service, call: &Call) -> Answer {
    let ids: Vec<String> = call
        .parameter("ids")
        .unwrap_or_default()
        .split(',')
        .map(|s| s.trim().to_owned())
        .collect();
    if ids.len() > MAX_ROWS {
        return limit_exceeded(&format!("{} ids, {MAX_ROWS} are allowed", ids.len()));
    }
    let all_or_none = call.parameter("allOrNone").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    apply(service, all_or_none, ids, |org, viewer, id| {
        let id: RecordId = id.parse().map_err(|_| (None, malformed_id(&id)))?;
        org.delete(viewer, id, service.now()).map_err(|e| (Some(id), e))?;
        Ok(Saved { id, created: None })
    })
}

/// Writes row by row, and takes all back where that's asked and one failed.
fn apply<T>(
    service: &Service,
    all_or_none: bool,
    rows: Vec<T>,
    mut one: impl FnMut(&mut Org, &Viewer, T) -> Outcome,
) -> Answer {
    let viewer = service.viewer();
    let mut org = service.org_mut();
    let savepoint = all_or_none.then(|| org.savepoint());
    let mut outcomes: Vec<Outcome> = rows.into_iter().map(|row| one(&mut org, &viewer, row)).collect();
    let failed = outcomes.iter().any(Result::is_err);
    if let (Some(savepoint), true) = (savepoint, failed) {
        org.roll_back(savepoint);
        for outcome in outcomes.iter_mut().filter(|o| o.is_ok()) {
            *outcome = Err((None, rolled_back()));
        }
    }
    let results: Vec<Value> = outcomes.iter().map(result).collect();
    Answer {
        failed_rows: failed,
        ..Answer::json(&results)
    }
}

fn result(outcome: &Outcome) -> Value {
    match outcome {
        Ok(Saved { id, created: None }) => json!({ "id": id.to_string(), "success": true, "errors": [] }),
        Ok(Saved {
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

fn upsert(service: &Service, org: &mut Org, viewer: &Viewer, object: &str, key: &str, row: &SentFields) -> Outcome {
    let mut row = row.clone();
    let value = match row.get(key) {
        Some(Sent::Text(text) | Sent::Number(text)) => Some(text.clone()),
        _ => None,
    };
    // Recorded: `/Account/Id` with a null Id creates.
    let is_id = key.eq_ignore_ascii_case("Id");
    let found = match &value {
        None if is_id => None,
        None => {
            return Err((
                None,
                WriteError {
                    status_code: "MISSING_ARGUMENT".to_owned(),
                    message: format!("{key} not specified"),
                    fields: Vec::new(),
                    http_status: 400,
                },
            ));
        }
        Some(value) if is_id => Some(value.parse().map_err(|_| (None, malformed_id(value)))?),
        Some(value) => org.row_to_upsert(viewer, object, key, value).map_err(|several| {
            let ids: Vec<String> = several.0.iter().map(ToString::to_string).collect();
            let message = format!(
                "{key}: more than one record found for external id field: [{}]",
                ids.join(", ")
            );
            (
                None,
                WriteError {
                    status_code: "DUPLICATE_VALUE".to_owned(),
                    message,
                    fields: Vec::new(),
                    http_status: 300,
                },
            )
        })?,
    };
    if is_id || found.is_some() {
        row.remove(key);
    }
    match found {
        Some(id) => {
            org.update(viewer, id, &row, service.now()).map_err(|e| (Some(id), e))?;
            Ok(Saved {
                id,
                created: Some(false),
            })
        }
        None => {
            let id = org.create(viewer, object, &row, service.now()).map_err(|e| (None, e))?;
            Ok(Saved { id, created: Some(true) })
        }
    }
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
    Answer::of(Body::Json(out))
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
    let id = text.parse().map_err(|_| (None, malformed_id(&text)))?;
    Ok((id, rest))
}

fn too_many(rows: &[SentFields]) -> Option<Answer> {
    if rows.len() > MAX_ROWS {
        return Some(limit_exceeded(&format!("{} records, {MAX_ROWS} are allowed", rows.len())));
    }
    let chunks = rows.chunk_by(|a, b| a.attributes_type() == b.attributes_type()).count();
    (chunks > MAX_CHUNKS).then(|| limit_exceeded(&format!("{chunks} chunks of records of one type, {MAX_CHUNKS} are allowed")))
}

fn limit_exceeded(what: &str) -> Answer {
    Answer::refusal(400, "LIMIT_EXCEEDED", &format!("The request has {what}"))
}

fn malformed_id(text: &str) -> WriteError {
    WriteError {
        status_code: "MALFORMED_ID".to_owned(),
        message: format!("malformed id {text}"),
        fields: vec!["Id".to_owned()],
        http_status: 400,
    }
}

fn rolled_back() -> WriteError {
    WriteError {
        status_code: "ALL_OR_NONE_OPERATION_ROLLED_BACK".to_owned(),
        message: "Record rolled back because not all records were valid and the request was using AllOrNone header".to_owned(),
        fields: Vec::new(),
        http_status: 400,
    }
}
