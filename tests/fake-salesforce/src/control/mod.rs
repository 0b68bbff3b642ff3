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
//! | `POST sessions` | any of `expire`, `open`, `revoke_refresh_tokens`, `expire_locators` |
//! | `POST user` | `kind` and any permission by name, `hide_fields` as `[["Account","Phone"]]` |
//! | `POST rules` | any of the switches of [`crate::rest::Rules`] |
//! | `GET objects` | every object with its number of live rows |
//! | `GET oracle/X` | the rows of X; `fields=`, `deleted=true`, `archived=true`, `version=` |
//! | `POST rows` | a list of writes by somebody else: `{"create":{"object":…,"fields":{…}}}`, `{"update":{"id":…,"fields":{…}}}`, and `delete`, `undelete`, `purge` with `{"id":…}` |

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
use crate::oracle::{Lines, Wanted};
use crate::org::{RecordId, Scan, SentFields};
use crate::quota::{Edition, HeaderForm, Traffic};
use crate::server::Shared;

/// The routes.
pub(crate) fn router(shared: Shared) -> Router<Shared> {
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
        .route("/oracle/{object}", get(oracle))
        .route("/rows", post(rows))
        .with_state(shared)
}

async fn stats(State(shared): State<Shared>) -> Json<Value> {
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

async fn requests(State(shared): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Response {
    let after = query.get("after").and_then(|n| n.parse().ok()).unwrap_or(0);
    Json(shared.log.entries_after(after)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_ms: Option<i64>,
    set_ms: Option<i64>,
}

async fn clock(State(shared): State<Shared>, Json(to): Json<Move>) -> Json<Value> {
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

async fn quota(State(shared): State<Shared>, Json(change): Json<QuotaChange>) -> Json<Value> {
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
enum Rules {
    Many(Vec<Rule>),
    One(Rule),
}

async fn add_faults(State(shared): State<Shared>, Json(rules): Json<Rules>) -> StatusCode {
    match rules {
        Rules::One(rule) => shared.faults.add(rule),
        Rules::Many(rules) => rules.into_iter().for_each(|rule| shared.faults.add(rule)),
    }
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<Shared>) -> StatusCode {
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
}

async fn sessions(State(shared): State<Shared>, Json(change): Json<SessionChange>) -> StatusCode {
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
    #[serde(default)]
    hide_fields: Vec<(String, String)>,
    #[serde(default)]
    hide_objects: Vec<String>,
}

async fn user(State(shared): State<Shared>, Json(change): Json<UserChange>) -> Response {
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
}

async fn rules(State(shared): State<Shared>, Json(change): Json<RulesChange>) -> StatusCode {
    let mut rules = shared.service.rules.write().unwrap_or_else(PoisonError::into_inner);
    let soql = &mut rules.soql;
    soql.max_cells = change.max_cells.unwrap_or(soql.max_cells);
    soql.long_text_rows = change.long_text_rows.unwrap_or(soql.long_text_rows);
    soql.max_formulas = change.max_formulas.unwrap_or(soql.max_formulas);
    rules.locators_count_as_queries = change.locators_count_as_queries.unwrap_or(rules.locators_count_as_queries);
    rules.refuse_chain = change.refuse_chain.unwrap_or(rules.refuse_chain);
    rules.oldest_transaction_ms = change.oldest_transaction_ms.unwrap_or(rules.oldest_transaction_ms);
    rules.deleted_log_ms = change.deleted_log_ms.unwrap_or(rules.deleted_log_ms);
    rules.token_requests_count = change.token_requests_count.unwrap_or(rules.token_requests_count);
    StatusCode::NO_CONTENT
}

async fn objects(State(shared): State<Shared>) -> Json<Value> {
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

async fn oracle(
    State(shared): State<Shared>,
    Path(object): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let is_set = |name: &str| query.get(name).is_some_and(|v| v == "true");
    let mut wanted = Wanted {
        scan: Scan {
            deleted: is_set("deleted"),
            archived: is_set("archived"),
        },
        fields: query
            .get("fields")
            .map(|names| names.split(',').map(|n| n.trim().to_owned()).collect()),
        ..Wanted::default()
    };
    if let Some(version) = query.get("version") {
        wanted.version.clone_from(version);
    }
    if shared.service.org().object(&object).is_none() {
        return (StatusCode::NOT_FOUND, format!("no object `{object}`\n")).into_response();
    }
    let lines = Lines::new(Arc::clone(&shared.service.org), shared.service.viewer(), &object, &wanted);
    let pieces = futures::stream::iter(std::iter::from_fn({
        let mut lines = lines;
        move || lines.next_bytes().map(Ok::<_, std::convert::Infallible>)
    }));
    ([("content-type", "application/x-ndjson")], Body::from_stream(pieces)).into_response()
}

/// One write by somebody else.
///
/// Tagged from outside: a tag inside would have serde buffer the fields, and numbers would lose their digits.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Write {
    Create { object: String, fields: SentFields },
    Update { id: String, fields: SentFields },
    Delete { id: String },
    Undelete { id: String },
    Purge { id: String },
}

/// Writes as an administrator; gives the ids in the order of the writes, or says which write failed and stops there.
async fn rows(State(shared): State<Shared>, Json(writes): Json<Vec<Write>>) -> Response {
    let now = shared.service.now();
    let mut org = shared.service.org_mut();
    let everybody = org.administrator();
    let mut ids = Vec::new();
    for write in writes {
        let parse = |id: &str| id.parse::<RecordId>().map_err(|e| e.to_string());
        let done = match &write {
            Write::Create { object, fields } => org.create(&everybody, object, fields, now).map_err(|e| e.to_string()),
            Write::Update { id, fields } => parse(id).and_then(|id| {
                org.update(&everybody, id, fields, now)
                    .map(|()| id)
                    .map_err(|e| e.to_string())
            }),
            Write::Delete { id } => {
                parse(id).and_then(|id| org.delete(&everybody, id, now).map(|()| id).map_err(|e| e.to_string()))
            }
            Write::Undelete { id } => {
                parse(id).and_then(|id| org.undelete(&everybody, id, now).map(|()| id).map_err(|e| e.to_string()))
            }
            Write::Purge { id } => {
                parse(id).and_then(|id| org.purge(&everybody, id, now).map(|()| id).map_err(|e| e.to_string()))
            }
        };
        match done {
            Ok(id) => ids.push(id.to_string()),
            Err(error) => {
                let message = format!("write {} failed: {error}\n", ids.len() + 1);
                return (StatusCode::BAD_REQUEST, message).into_response();
            }
        }
    }
    Json(ids).into_response()
}
