//! The double's own interface under `/__fake`, for other processes: steering and questions that Salesforce doesn't have.
//!
//! Rule: nothing here is ever counted, logged or struck by a fault.
//!
//! | request | does |
//! |---|---|
//! | `GET stats` | usage, totals, clock, number of requests and of faults that struck |
//! | `GET requests?after=N` | the log, or what came after number N |
//! | `POST clock` | `{"advance_ms":…}` or `{"set_ms":…}` |
//! | `POST quota` | any of `max`, `used`, `others_send`, `header`, `edition`, `header_lag_ms` with `limits_lag_ms`, `traffic` |
//! | `POST faults`, `DELETE faults` | adds one rule or a list; takes all away |
//! | `POST sessions` | any of `expire`, `open`, `revoke_refresh_tokens`, `expire_locators`, `expire_bulk_jobs` |
//! | `POST bulk` | any of `max_jobs`, `max_mb`, `others_jobs`, `others_mb`; `fail_next` with `message`; `slow_next` with `by_ms`; `expire_bulk_jobs`; for ingest `max_batches`, `others_batches`, `fail_next_ingest` |
//! | `POST user` | `kind` and any permission by name, `hide_fields` as `[["Account","Phone"]]` |
//! | `POST rules` | any of the switches of [`crate::rest::Rules`]; those of bulk jobs as `bulk_queue_ms`, `bulk_base_ms`, … |
//! | `GET objects` | every object with its number of live rows |
//! | `GET oracle/X` | the rows of X; `fields=`, `deleted=true`, `archived=true`, `version=` |
//! | `GET oracle/X/ID/FIELD` | the bytes of a body |
//! | `GET bodies/X` | each body of X as a line: `id`, `field`, `length`, `md5` |
//! | `POST bodies` | `{"id":…,"field":…,"length":…}`: gives a row a body of so many bytes, made when it's read |
//! | `POST rows` | a list of writes by somebody else: `{"create":{"object":…,"fields":{…}}}`, `{"update":{"id":…,"fields":{…}}}`, and `delete`, `undelete`, `purge` (getDeleted tells of it), `vanish` (nothing does) with `{"id":…}` |
//! | `POST churn` | random changes as of [`crate::org::Churn`]; tells how many rows of each object |
//! | `POST delete_random` | `{"percent":30,"seed":7}` with `objects`, `hard`: deletes so many of the rows, and what goes with them; gives the ids by object |
//! | `POST writing` | switches on any of `validations`, `duplicates`, `triggers`, `locks`, `assign_to`, `storage_left`, `clear_lookups` (see [`crate::org::WriteRules`]) |
//! | `DELETE writing` | switches all of them off |
//! | `POST transactions` | a list of writes that commit later; gives `transaction` and the `ids` of created rows |
//! | `POST transactions/N/commit` | commits; the rows have the stamps of the begin |
//! | `POST definitions` | a list of `{"add-field":{"object":…,"name":…,"kind":…,"filled":…}}`, `{"remove-field":{"object":…,"field":…}}`, `{"add-object":{"name":…}}` |

mod writing;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Rule;
use crate::oracle::{self, OracleLines, OracleQuery};
use crate::org::{Change, Churn, NewField, RecordId, Scan};
use crate::quota::{Edition, HeaderForm, Traffic};
use crate::rest;
use crate::rest::answer::{BodyStream, FILE_TYPE};
use crate::server::ServerState;

/// With which message a bulk job fails where none is given.
const BULK_FAILURE: &str = "InternalServerError : An unexpected error occurred. The query was retried 15 times.";

/// The routes.
pub(crate) fn router(shared: ServerState) -> Router<ServerState> {
    Router::new()
        .route("/stats", get(stats))
        .route("/requests", get(requests))
        .route("/clock", post(clock))
        .route("/quota", post(quota))
        .route("/faults", post(add_faults).delete(clear_faults))
        .route("/sessions", post(sessions))
        .route("/user", post(user))
        .route("/rules", post(rules))
        .route("/objects", get(objects))
        .route("/oracle/{object}", get(oracle_of_rows))
        .route("/oracle/{object}/{id}/{field}", get(oracle_of_body))
        .route("/bodies/{object}", get(bodies))
        .route("/bodies", post(set_body))
        .route("/churn", post(churn))
        .route("/transactions", post(begin))
        .route("/transactions/{number}/commit", post(commit))
        .route("/definitions", post(definitions))
        .route("/bulk", post(bulk))
        .route("/rows", post(rows))
        .route("/writing", post(writing::switch_on).delete(writing::switch_off))
        .route("/delete_random", post(writing::delete_random))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), settle))
        .with_state(shared)
}

/// What was due by now has happened before anything is asked.
async fn settle(State(shared): State<ServerState>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    shared.service.settle();
    next.run(request).await
}

async fn stats(State(shared): State<ServerState>) -> Json<Value> {
    let quota = &shared.service.quota;
    let usage = quota.usage();
    Json(json!({
        "now_ms": shared.service.clock.now_ms(),
        "used": usage.total(),
        "used_by_client": usage.client,
        "used_by_others": usage.others,
        "max": quota.max(),
        "totals": quota.totals(),
        "requests": shared.log.len(),
        "faults_struck": shared.faults.struck(),
    }))
}

async fn requests(State(shared): State<ServerState>, Query(query): Query<HashMap<String, String>>) -> Response {
    let after = query.get("after").and_then(|n| n.parse().ok()).unwrap_or(0);
    Json(shared.log.entries_after(after)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_ms: Option<i64>,
    set_ms: Option<i64>,
}

async fn clock(State(shared): State<ServerState>, Json(to): Json<Move>) -> Json<Value> {
    let clock = &shared.service.clock;
    clock.advance(to.advance_ms.unwrap_or(0));
    if let Some(set_ms) = to.set_ms {
        clock.set(set_ms);
    }
    Json(json!({ "now_ms": clock.now_ms() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaChange {
    max: Option<u64>,
    used: Option<u64>,
    others_send: Option<u64>,
    header: Option<HeaderForm>,
    edition: Option<Edition>,
    header_lag_ms: Option<i64>,
    limits_lag_ms: Option<i64>,
    traffic: Option<Traffic>,
}

async fn quota(State(shared): State<ServerState>, Json(change): Json<QuotaChange>) -> Json<Value> {
    let quota = &shared.service.quota;
    if let Some(edition) = change.edition {
        quota.set_edition(edition);
    }
    if let Some(max) = change.max {
        quota.set_max(max);
    }
    if let Some(traffic) = change.traffic {
        quota.set_traffic(traffic);
    }
    if let Some(used) = change.used {
        quota.set_used(used);
    }
    quota.others_send(change.others_send.unwrap_or(0));
    if let Some(header) = change.header {
        quota.set_header_form(header);
    }
    if change.header_lag_ms.is_some() || change.limits_lag_ms.is_some() {
        quota.set_lags(change.header_lag_ms.unwrap_or(0), change.limits_lag_ms.unwrap_or(0));
    }
    Json(json!({ "used": quota.used(), "max": quota.max() }))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FaultRules {
    Many(Vec<Rule>),
    One(Rule),
}

async fn add_faults(State(shared): State<ServerState>, Json(rules): Json<FaultRules>) -> StatusCode {
    match rules {
        FaultRules::One(rule) => shared.faults.add(rule),
        FaultRules::Many(rules) => rules.into_iter().for_each(|rule| shared.faults.add(rule)),
    }
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<ServerState>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionChange {
    #[serde(default)]
    expire: bool,
    open: Option<String>,
    #[serde(default)]
    revoke_refresh_tokens: bool,
    #[serde(default)]
    expire_locators: bool,
    #[serde(default)]
    expire_bulk_jobs: bool,
}

async fn sessions(State(shared): State<ServerState>, Json(change): Json<SessionChange>) -> StatusCode {
    if change.expire {
        shared.oauth.expire_sessions();
    }
    if let Some(token) = &change.open {
        shared.oauth.open_session(token);
    }
    if change.revoke_refresh_tokens {
        shared.oauth.revoke_refresh_tokens();
    }
    if change.expire_locators {
        shared.service.locators.expire_all();
    }
    if change.expire_bulk_jobs {
        shared.service.bulk.expire_all();
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    kind: Option<String>,
    api_enabled: Option<bool>,
    view_all_data: Option<bool>,
    modify_all_data: Option<bool>,
    view_setup: Option<bool>,
    query_all_files: Option<bool>,
    view_encrypted_data: Option<bool>,
    manage_users: Option<bool>,
    set_audit_fields: Option<bool>,
    update_inactive_owners: Option<bool>,
    #[serde(default)]
    hide_fields: Vec<(String, String)>,
    #[serde(default)]
    hide_objects: Vec<String>,
}

async fn user(State(shared): State<ServerState>, Json(change): Json<UserChange>) -> Response {
    let mut viewer = match change.kind.as_deref() {
        None => (*shared.service.viewer()).clone(),
        Some("administrator") => shared.service.org().administrator(),
        Some("standard") => shared.service.org().standard_user(),
        Some(other) => {
            return (
                StatusCode::BAD_REQUEST,
                format!("no user `{other}`: administrator or standard\n"),
            )
                .into_response();
        }
    };
    let changes = [
        (&mut viewer.api_enabled, change.api_enabled),
        (&mut viewer.view_all_data, change.view_all_data),
        (&mut viewer.modify_all_data, change.modify_all_data),
        (&mut viewer.view_setup, change.view_setup),
        (&mut viewer.query_all_files, change.query_all_files),
        (&mut viewer.view_encrypted_data, change.view_encrypted_data),
        (&mut viewer.manage_users, change.manage_users),
        (&mut viewer.set_audit_fields, change.set_audit_fields),
        (&mut viewer.update_inactive_owners, change.update_inactive_owners),
    ];
    for (permission, wanted) in changes {
        *permission = wanted.unwrap_or(*permission);
    }
    for (object, field) in change.hide_fields {
        viewer = viewer.without_field(&object, &field);
    }
    viewer.hidden_objects.extend(change.hide_objects);
    *shared.service.viewer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(viewer);
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesChange {
    max_cells: Option<usize>,
    long_text_rows: Option<usize>,
    max_formulas: Option<usize>,
    locators_count_as_queries: Option<bool>,
    refuse_chain: Option<bool>,
    oldest_transaction_ms: Option<i64>,
    deleted_log_ms: Option<i64>,
    token_requests_count: Option<bool>,
    files_tell_usage: Option<bool>,
    bulk_queue_ms: Option<i64>,
    bulk_base_ms: Option<i64>,
    bulk_ms_per_100k_rows: Option<i64>,
    bulk_chunk_rows: Option<u64>,
    bulk_page_rows: Option<u64>,
    bulk_page_bytes: Option<u64>,
    bulk_tells_usage: Option<bool>,
}

async fn rules(State(shared): State<ServerState>, Json(change): Json<RulesChange>) -> StatusCode {
    let mut rules = shared.service.rules.write().unwrap_or_else(PoisonError::into_inner);
    let soql = &mut rules.soql;
    soql.max_cells = change.max_cells.unwrap_or(soql.max_cells);
    soql.long_text_rows = change.long_text_rows.unwrap_or(soql.long_text_rows);
    soql.max_formulas = change.max_formulas.unwrap_or(soql.max_formulas);
    let bulk = &mut rules.bulk;
    bulk.queue_ms = change.bulk_queue_ms.unwrap_or(bulk.queue_ms);
    bulk.base_ms = change.bulk_base_ms.unwrap_or(bulk.base_ms);
    bulk.ms_per_100k_rows = change.bulk_ms_per_100k_rows.unwrap_or(bulk.ms_per_100k_rows);
    bulk.chunk_rows = change.bulk_chunk_rows.unwrap_or(bulk.chunk_rows);
    bulk.page_rows = change.bulk_page_rows.unwrap_or(bulk.page_rows);
    bulk.page_bytes = change.bulk_page_bytes.unwrap_or(bulk.page_bytes);
    bulk.tells_usage = change.bulk_tells_usage.unwrap_or(bulk.tells_usage);
    rules.files_tell_usage = change.files_tell_usage.unwrap_or(rules.files_tell_usage);
    rules.locators_count_as_queries = change.locators_count_as_queries.unwrap_or(rules.locators_count_as_queries);
    rules.refuse_chain = change.refuse_chain.unwrap_or(rules.refuse_chain);
    rules.oldest_transaction_ms = change.oldest_transaction_ms.unwrap_or(rules.oldest_transaction_ms);
    rules.deleted_log_ms = change.deleted_log_ms.unwrap_or(rules.deleted_log_ms);
    rules.token_requests_count = change.token_requests_count.unwrap_or(rules.token_requests_count);
    StatusCode::NO_CONTENT
}

async fn objects(State(shared): State<ServerState>) -> Json<Value> {
    let viewer = shared.service.viewer();
    let org = shared.service.org();
    let all = org.objects().iter().filter(|o| viewer.sees_object(o.name()));
    let all: Vec<Value> = all
        .map(|o| {
            let refuses = o.schema.behaviour.refuses_query.is_some() || !o.schema.queryable;
            json!({ "name": o.name(), "rows": o.count(&viewer, Scan::QUERY), "refuses_query": refuses })
        })
        .collect();
    Json(json!(all))
}

async fn oracle_of_rows(
    State(shared): State<ServerState>,
    Path(object): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let is_set = |name: &str| query.get(name).is_some_and(|v| v == "true");
    let mut wanted = OracleQuery {
        scan: Scan {
            deleted: is_set("deleted"),
            archived: is_set("archived"),
        },
        fields: query
            .get("fields")
            .map(|names| names.split(',').map(|n| n.trim().to_owned()).collect()),
        ..OracleQuery::default()
    };
    if let Some(version) = query.get("version") {
        wanted.version.clone_from(version);
    }
    if shared.service.org().object(&object).is_none() {
        return (StatusCode::NOT_FOUND, format!("no object `{object}`\n")).into_response();
    }
    let lines = OracleLines::new(Arc::clone(&shared.service.org), shared.service.viewer(), &object, &wanted);
    let pieces = futures::stream::iter(std::iter::from_fn({
        let mut lines = lines;
        move || lines.next_bytes().map(Ok::<_, std::convert::Infallible>)
    }));
    ([("content-type", "application/x-ndjson")], Body::from_stream(pieces)).into_response()
}

/// Writes as an administrator; gives the ids in the order of the writes, or says which write failed and stops there.
async fn rows(State(shared): State<ServerState>, Json(writes): Json<Vec<Change>>) -> Response {
    let now = shared.service.now();
    let mut org = shared.service.org_mut();
    let mut ids = Vec::new();
    for write in &writes {
        match org.apply(write, now) {
            Ok(id) => ids.push(id.to_string()),
            Err(error) => return refused(&format!("write {} failed: {error}", ids.len() + 1)),
        }
    }
    Json(ids).into_response()
}

fn refused(what: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{what}\n")).into_response()
}

async fn churn(State(shared): State<ServerState>, Json(wanted): Json<Churn>) -> Response {
    let now = shared.service.now();
    Json(shared.service.org_mut().churn(&wanted, now)).into_response()
}

async fn begin(State(shared): State<ServerState>, Json(writes): Json<Vec<Change>>) -> Response {
    let now = shared.service.now();
    match shared.service.org_mut().begin(writes, now) {
        Ok((number, ids)) => Json(json!({ "transaction": number, "ids": ids })).into_response(),
        Err(error) => refused(&error.to_string()),
    }
}

async fn commit(State(shared): State<ServerState>, Path(number): Path<u64>) -> Response {
    match shared.service.org_mut().commit(number) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error.to_string()),
    }
}

/// One change of a definition.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Redefinition {
    AddField {
        object: String,
        name: String,
        kind: String,
        #[serde(default)]
        filled: u8,
    },
    RemoveField {
        object: String,
        field: String,
    },
    AddObject {
        name: String,
    },
}

async fn definitions(State(shared): State<ServerState>, Json(changes): Json<Vec<Redefinition>>) -> Response {
    let now = shared.service.now();
    let mut org = shared.service.org_mut();
    for change in changes {
        let done = match change {
            Redefinition::AddField {
                object,
                name,
                kind,
                filled,
            } => org.add_field(&object, &NewField { name, kind, filled }, now),
            Redefinition::RemoveField { object, field } => org.remove_field(&object, &field, now),
            Redefinition::AddObject { name } => org.add_object(&name, now),
        };
        if let Err(error) = done {
            return refused(&error.to_string());
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkChange {
    max_jobs: Option<u64>,
    max_mb: Option<u64>,
    #[serde(default)]
    others_jobs: u64,
    #[serde(default)]
    others_mb: u64,
    #[serde(default)]
    fail_next: u64,
    message: Option<String>,
    #[serde(default)]
    slow_next: u64,
    #[serde(default)]
    by_ms: i64,
    #[serde(default)]
    expire_bulk_jobs: bool,
    max_batches: Option<u64>,
    #[serde(default)]
    others_batches: u64,
    #[serde(default)]
    fail_next_ingest: u64,
}

async fn bulk(State(shared): State<ServerState>, Json(change): Json<BulkChange>) -> Json<Value> {
    let now_ms = shared.service.clock.now_ms();
    let jobs = &shared.service.bulk;
    jobs.set_limits(change.max_jobs, change.max_mb.map(|mb| mb * 1024));
    jobs.others_use(now_ms, change.others_jobs, change.others_mb * 1024);
    let message = change.message.unwrap_or_else(|| BULK_FAILURE.to_owned());
    if change.fail_next > 0 {
        jobs.fail_next(change.fail_next, &message);
    }
    let ingest = &shared.service.ingest;
    ingest.set_batches(now_ms, change.max_batches, change.others_batches);
    if change.fail_next_ingest > 0 {
        ingest.fail_next(change.fail_next_ingest, &message);
    }
    if change.slow_next > 0 {
        jobs.slow_next(change.slow_next, change.by_ms);
    }
    if change.expire_bulk_jobs {
        jobs.expire_all();
    }
    let (count, storage) = (jobs.jobs_used(now_ms), jobs.megabytes_used(now_ms));
    let batches = ingest.batches_used(now_ms);
    Json(json!({
        "jobs": { "used": count.used, "max": count.max },
        "mb": { "used": storage.used, "max": storage.max },
        "batches": { "used": batches.used, "max": batches.max },
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBody {
    id: String,
    field: String,
    length: u64,
}

async fn set_body(State(shared): State<ServerState>, Json(wanted): Json<NewBody>) -> Response {
    let now = shared.service.now();
    let Ok(id) = wanted.id.parse::<RecordId>() else {
        return refused(&format!("`{}` is no id", wanted.id));
    };
    match shared.service.org_mut().set_body(id, &wanted.field, wanted.length, now) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error.to_string()),
    }
}

async fn oracle_of_body(
    State(shared): State<ServerState>,
    Path((object, id, field)): Path<(String, String, String)>,
) -> Response {
    let found = id
        .parse()
        .ok()
        .and_then(|id| oracle::body(&shared.service.org(), &object, id, &field));
    let Some(blob) = found else {
        return (StatusCode::NOT_FOUND, format!("{object} {id} has no body {field}\n")).into_response();
    };
    let length = blob.length();
    let stream = BodyStream::new(Arc::clone(&shared.service.org), rest::answer::AnswerBody::Blob(blob));
    let headers = [("content-type", FILE_TYPE.to_owned()), ("content-length", length.to_string())];
    (headers, Body::from_stream(stream)).into_response()
}

async fn bodies(State(shared): State<ServerState>, Path(object): Path<String>) -> Response {
    if shared.service.org().object(&object).is_none() {
        return (StatusCode::NOT_FOUND, format!("no object `{object}`\n")).into_response();
    }
    let lines = oracle::bodies(&shared.service.org(), &shared.service.viewer(), &object);
    ([("content-type", "application/x-ndjson")], lines).into_response()
}
