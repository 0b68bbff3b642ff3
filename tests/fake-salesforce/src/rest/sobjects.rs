//! `/sobjects`: describes, single rows, upserts by external id, blobs.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Service;
use super::answer::{Answer, AnswerBody, ApiError, FILE_TYPE};
use super::call::Call;
use super::changes;
use crate::log::Written;
use crate::org::{DescribeOptions, Object, Org, RecordId, Scan, Sent, SentFields, Viewer, WriteError, http_date};
use crate::soql::Projection;

pub(super) fn serve(service: &Service, call: &Call, path: &[&str]) -> Answer {
    let method = call.method.as_str();
    match path {
        [] => match method {
            "GET" => describe_global(service, call),
            other => Answer::method_not_allowed(other, "GET"),
        },
        [name, rest @ ..] => {
            let viewer = service.viewer();
            // The lock isn't held while an answer is made: writes take it anew.
            let known = service.org().visible_object(&viewer, name).map(|o| o.name().to_owned());
            let Some(object) = known else { return Answer::not_found() };
            match (method, rest) {
                ("GET", []) => basic(service, call, &object),
                ("POST", []) => create(service, call, &object),
                ("GET", ["describe"]) => describe(service, call, &object, &viewer),
                ("GET", ["updated"]) => with_object(service, &object, |org, o| changes::updated(service, org, call, o)),
                ("GET", ["deleted"]) => with_object(service, &object, |org, o| changes::deleted(service, org, call, o)),
                ("GET", [id]) => by_id(id, |id| read(service, call, &object, id)),
                ("PATCH", [id]) => by_id(id, |id| update(service, call, &object, id)),
                ("DELETE", [id]) => by_id(id, |id| delete(service, call, &object, id)),
                ("GET", [id, "richTextImageFields", field, image]) => rich_text_image(service, &object, id, field, image),
                (_, [key, value]) => by_key(service, call, &object, key, value),
                (other, [] | ["describe" | "updated" | "deleted"] | [_]) => {
                    Answer::method_not_allowed(other, "GET, POST, PATCH, DELETE")
                }
                _ => Answer::not_found(),
            }
        }
    }
}

/// Takes the org's lock once; what `answer` calls must not take it again.
fn with_object(service: &Service, name: &str, answer: impl FnOnce(&Org, &Object) -> Answer) -> Answer {
    let org = service.org();
    match org.object(name) {
        Some(object) => answer(&org, object),
        None => Answer::not_found(),
    }
}

fn by_id(id: &str, answer: impl FnOnce(RecordId) -> Answer) -> Answer {
    match id.parse() {
        Ok(id) => answer(id),
        Err(_) => no_such_key(id),
    }
}

/// In recorded words.
fn no_such_key(key: &str) -> Answer {
    Answer::refusal(
        404,
        "NOT_FOUND",
        &format!("Provided external ID field does not exist or is not accessible: {key}"),
    )
}

// ---- describes

fn describe_global(service: &Service, call: &Call) -> Answer {
    let org = service.org();
    let body = || AnswerBody::Json(org.describe_global(&service.viewer(), options(service, call)));
    unless_unmodified(org.definitions_changed(), call, body)
}

fn basic(service: &Service, call: &Call, name: &str) -> Answer {
    with_object(service, name, |org, object| {
        let description = org.describe_basic(object, options(service, call));
        Answer::json(&json!({ "objectDescribe": description, "recentItems": [] }))
    })
}

fn describe(service: &Service, call: &Call, name: &str, viewer: &Viewer) -> Answer {
    with_object(service, name, |org, object| {
        unless_unmodified(object.definition_changed, call, || {
            AnswerBody::Json(org.describe(object, viewer, options(service, call)))
        })
    })
}

fn options<'a>(service: &'a Service, call: &'a Call) -> DescribeOptions<'a> {
    DescribeOptions {
        version: &call.version,
        instance_url: &service.instance_url,
    }
}

/// 304 where the caller has it. Choice: only changes of definitions move the stamp, not what is hidden from the user.
fn unless_unmodified(changed: DateTime<Utc>, call: &Call, body: impl FnOnce() -> AnswerBody) -> Answer {
    let since = call
        .header("if-modified-since")
        .and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    if since.is_some_and(|since| since >= changed) {
        return Answer::empty(304);
    }
    Answer::of(body()).with_header("Last-Modified", http_date(changed))
}

// ---- rows

fn read(service: &Service, call: &Call, object: &str, id: RecordId) -> Answer {
    let viewer = service.viewer();
    let org = service.org();
    let Some(object) = org.object(object) else {
        return Answer::not_found();
    };
    let Some(row) = object.row(&viewer, Scan::QUERY_ALL, id) else {
        return Answer::not_found();
    };
    if row.is_deleted() {
        return Answer::refusal(404, "ENTITY_IS_DELETED", "entity is deleted");
    }
    let projection = match call.parameter("fields") {
        None => Projection::all_fields(object, &viewer),
        Some(names) => match selected(&org, object, &viewer, names) {
            Ok(projection) => projection,
            Err(answer) => return *answer,
        },
    };
    let mut out = Vec::new();
    projection.write(&row, &org, &viewer, &call.version, &mut out);
    Answer::of(AnswerBody::Json(out))
}

/// The columns that `fields=` names.
fn selected(org: &Org, object: &Object, viewer: &Viewer, names: &str) -> Result<Projection, Box<Answer>> {
    let mut projection = Projection::default();
    for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let before = projection.columns.len();
        projection.add(org, object, viewer, &name.split('.').collect::<Vec<_>>());
        if projection.columns.len() == before && !name.contains('.') {
            let message = format!("No such column '{name}' on sobject of type {}", object.name());
            return Err(Box::new(Answer::refusal(400, "INVALID_FIELD", &message)));
        }
    }
    Ok(projection)
}

fn create(service: &Service, call: &Call, object: &str) -> Answer {
    let fields = match sent(call) {
        Ok(fields) => fields,
        Err(answer) => return *answer,
    };
    create_from(service, call, object, &fields, None)
}

fn create_from(service: &Service, call: &Call, object: &str, fields: &SentFields, by_upsert: Option<bool>) -> Answer {
    let viewer = service.viewer();
    let by = call.writing(&viewer, service.now());
    let saved = service.org_mut().create_by(&by, object, fields);
    let answer = match &saved {
        Ok(id) => created(call, object, *id, by_upsert),
        Err(error) => refused_write(error),
    };
    logged(answer, object, "create", saved.map(Some))
}

/// Tells the log of a row.
fn logged(answer: Answer, object: &str, operation: &'static str, saved: Result<Option<RecordId>, WriteError>) -> Answer {
    let written = Written {
        object: object.to_owned(),
        operation,
        id: saved.as_ref().ok().copied().flatten().map(|id| id.to_string()),
        error: saved.err().map(|error| error.status_code),
    };
    Answer {
        written: vec![written],
        ..answer
    }
}

/// The recorded answer of a create; upserts say in it whether they created.
fn created(call: &Call, object: &str, id: RecordId, by_upsert: Option<bool>) -> Answer {
    let mut body = json!({ "id": id.to_string(), "success": true, "errors": [] });
    if let Some(is_new) = by_upsert {
        body["created"] = json!(is_new);
    }
    let status = if by_upsert == Some(false) { 200 } else { 201 };
    let answer = Answer::json_with(status, &body);
    if status == 201 {
        answer.with_header("Location", format!("/services/data/{}/sobjects/{object}/{id}", call.version))
    } else {
        answer
    }
}

fn update(service: &Service, call: &Call, object: &str, id: RecordId) -> Answer {
    let fields = match sent(call) {
        Ok(fields) => fields,
        Err(answer) => return *answer,
    };
    update_from(service, call, object, id, &fields, || Answer::empty(204))
}

fn update_from(
    service: &Service,
    call: &Call,
    object: &str,
    id: RecordId,
    fields: &SentFields,
    saved_answer: impl FnOnce() -> Answer,
) -> Answer {
    let viewer = service.viewer();
    let by = call.writing(&viewer, service.now());
    let saved = service.org_mut().update_by(&by, id, fields);
    let answer = match &saved {
        Ok(()) => saved_answer(),
        Err(error) => refused_write(error),
    };
    logged(answer, object, "update", saved.map(|()| Some(id)))
}

fn delete(service: &Service, call: &Call, object: &str, id: RecordId) -> Answer {
    let viewer = service.viewer();
    let by = call.writing(&viewer, service.now());
    let gone = service.org_mut().delete_by(&by, id);
    let answer = match &gone {
        Ok(_) => Answer::empty(204),
        Err(error) => refused_write(error),
    };
    logged(answer, object, "delete", gone.map(|_| Some(id)))
}

/// `/sobjects/X/key/value`: a blob where `key` is an id and `value` a base64 field, else a row by its external id.
fn by_key(service: &Service, call: &Call, object: &str, key: &str, value: &str) -> Answer {
    let viewer = service.viewer();
    let field = service.org().object(object).and_then(|o| {
        o.field(&viewer, key)
            .map(|(_, f)| (f.external_id || f.id_lookup, f.name.clone()))
    });
    match (call.method.as_str(), field) {
        ("GET", None) => by_id(key, |id| blob(service, object, id, value)),
        (_, None | Some((false, _))) => no_such_key(key),
        (method, Some((true, field))) => {
            let found = service.org().row_to_upsert(&viewer, object, &field, value);
            match (method, found) {
                (_, Err(several)) => {
                    let urls: Vec<String> = several
                        .0
                        .iter()
                        .map(|id| format!("/services/data/{}/sobjects/{object}/{id}", call.version))
                        .collect();
                    Answer::json_with(300, &urls)
                }
                ("GET", Ok(Some(id))) => read(service, call, object, id),
                ("DELETE", Ok(Some(id))) => delete(service, call, object, id),
                ("GET" | "DELETE", Ok(None)) => Answer::not_found(),
                ("PATCH" | "POST", Ok(id)) => upsert(service, call, object, &field, value, id),
                (other, _) => Answer::method_not_allowed(other, "GET, PATCH, DELETE"),
            }
        }
    }
}

fn upsert(service: &Service, call: &Call, object: &str, field: &str, value: &str, id: Option<RecordId>) -> Answer {
    let mut fields = match sent(call) {
        Ok(fields) => fields,
        Err(answer) => return *answer,
    };
    match id {
        Some(id) => update_from(service, call, object, id, &fields, || created(call, object, id, Some(false))),
        None => {
            if !field.eq_ignore_ascii_case("Id") {
                fields.set(field, Sent::Text(value.to_owned()));
            }
            create_from(service, call, object, &fields, Some(true))
        }
    }
}

fn blob(service: &Service, object: &str, id: RecordId, field: &str) -> Answer {
    let viewer = service.viewer();
    let org = service.org();
    let found = org.object(object).and_then(|object| {
        let row = object.row(&viewer, Scan::QUERY_ALL, id)?;
        let (index, _) = object.field(&viewer, field)?;
        row.blob(index)
    });
    match found {
        Some(blob) => Answer::of(AnswerBody::Blob(blob)).with_header("Content-Type", FILE_TYPE.to_owned()),
        None => Answer::not_found(),
    }
}

/// An image in a rich text.
fn rich_text_image(service: &Service, object: &str, id: &str, field: &str, image: &str) -> Answer {
    let viewer = service.viewer();
    let (Ok(id), Ok(image)) = (id.parse(), image.parse()) else {
        return Answer::not_found();
    };
    let org = service.org();
    let found = org
        .object(object)
        .and_then(|object| object.rich_text_image(&viewer, id, field, image));
    match found {
        Some(blob) => Answer::of(AnswerBody::Blob(blob)).with_header("Content-Type", "image/png".to_owned()),
        None => Answer::not_found(),
    }
}

fn sent(call: &Call) -> Result<SentFields, Box<Answer>> {
    let text = std::str::from_utf8(&call.body).map_err(|e| Box::new(Answer::unreadable(&e.to_string())))?;
    let mut fields = SentFields::parse(text).map_err(|e| Box::new(Answer::unreadable(&e.to_string())))?;
    // The part of a multipart request that is a file has the name of its field.
    for (field, file) in call.files.iter() {
        fields.set(field, Sent::File(file.clone()));
    }
    Ok(fields)
}

/// One refused write as a body of its own.
fn refused_write(error: &WriteError) -> Answer {
    let entry = ApiError {
        message: error.message.clone(),
        error_code: error.status_code.clone(),
        fields: Some(error.fields.clone()),
    };
    Answer::json_with(error.http_status, &[entry])
}
