//! What happens to a request before and after a resource serves it: log, faults, length limits, session, quota, headers.
//!
//! Rule: a request is counted once, before it's served, and every answer under `/services/data` but the list of versions
//! carries the usage as it is after that (bulk jobs and files where the rules say so). Results of bulk jobs are always compressed,
//! files never.
//!
//! Choices where nothing is documented: what the edge refuses (414, 431), a request without a session, and a request to
//! the token endpoint don't count and carry no usage; a request that a resource refuses counts.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use bytes::Bytes;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use super::cut::Cut;
use super::{ServerState, altered, multipart};
use crate::composite;
use crate::control;
use crate::faults::{Fault, Seen};
use crate::log::Subrequest;
use crate::org::{Blob, http_date};
use crate::quota::HEADER_NAME;
use crate::rest::answer::{Answer, AnswerBody, BodyStream, FILE_TYPE, TABLE_TYPE};
use crate::rest::call::{Call, NoTarget, Target, decode_query};
use crate::rest::versions;

/// URI and headers together may have so many bytes.
const MAX_HEAD_BYTES: usize = 16_384;
/// The largest body that is taken: files in JSON are at most 50 MB.
const MAX_BODY_BYTES: usize = 52_428_800;
/// The largest table of a bulk job: 150 MB once it's base64.
const MAX_TABLE_BYTES: usize = 150 * 1024 * 1024 / 4 * 3;
/// The largest file of one version.
const MAX_VERSION_BYTES: u64 = 2 << 30;
/// The largest files of any other request together.
const MAX_FILES_BYTES: u64 = 500 << 20;
/// Bodies up to this size are kept in the log.
const LOGGED_BODY_BYTES: usize = 1 << 20;

/// Everything that the double answers.
pub(super) fn router(shared: ServerState) -> Router {
    let may_be_compressed =
        |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| extensions.get::<AsItIs>().is_none();
    let dated = axum::middleware::map_response_with_state(shared.clone(), by_its_own_clock);
    Router::new()
        .nest("/__fake", control::router(shared.clone()))
        .fallback(serve)
        .with_state(shared)
        .layer(dated)
        .layer(axum::middleware::from_fn(leave_refusals))
        .layer(
            CompressionLayer::new()
                .gzip(true)
                .quality(CompressionLevel::Fastest)
                .compress_when(
                    DefaultPredicate::new()
                        .and(NotForContentType::const_new(FILE_TYPE))
                        .and(may_be_compressed),
                ),
        )
        .layer(axum::middleware::map_request(compress_results))
}

/// Each answer is dated, by the clock that rows are stamped by.
async fn by_its_own_clock(State(shared): State<ServerState>, mut response: Response) -> Response {
    if let Ok(date) = HeaderValue::try_from(http_date(shared.service.now())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The caller doesn't take compressed answers, and gets one all the same where it is a page of results.
#[derive(Clone, Copy)]
struct Forced;

/// An answer that isn't compressed.
#[derive(Clone, Copy)]
struct AsItIs;

/// Results of bulk jobs are compressed whether the caller takes that or not.
async fn compress_results(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.contains("/jobs/query/") && path.trim_end_matches('/').ends_with("/results") {
        let gzip = HeaderValue::from_static("gzip");
        let before = request.headers_mut().insert(header::ACCEPT_ENCODING, gzip);
        let takes_it = before.is_some_and(|value| value.to_str().is_ok_and(|v| v.contains("gzip")));
        if !takes_it {
            request.extensions_mut().insert(Forced);
        }
    }
    request
}

/// What comes in the place of results is compressed only for callers that take it.
async fn leave_refusals(request: Request, next: axum::middleware::Next) -> Response {
    let forced = request.extensions().get::<Forced>().is_some();
    let mut response = next.run(request).await;
    let is_table = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == TABLE_TYPE);
    if forced && !is_table {
        response.extensions_mut().insert(AsItIs);
    }
    response
}

/// A request as it came.
struct Incoming {
    method: String,
    /// Path and query.
    uri: String,
    path: String,
    headers: Vec<(String, String)>,
    head_bytes: usize,
    /// Of a multipart request the part that isn't a file.
    body: Bytes,
    files: Arc<HashMap<String, Blob>>,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What became of a request.
struct Served {
    answer: Answer,
    cost: u64,
    /// Whether the answer tells the usage.
    tells_usage: bool,
    subrequests: Vec<Subrequest>,
}

impl Served {
    fn uncounted(answer: Answer) -> Self {
        Self {
            answer,
            cost: 0,
            tells_usage: false,
            subrequests: Vec::new(),
        }
    }
}

async fn serve(State(shared): State<ServerState>, request: Request) -> Response {
    shared.service.settle();
    let incoming = match read(request).await {
        Ok(incoming) => incoming,
        Err(answer) => return respond(&shared, answer, None),
    };
    let (number, faults) = begin(&shared, &incoming);
    let mut after = None;
    for fault in faults {
        match fault {
            Fault::Delay { ms } => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
            other => after = Some(other),
        }
    }
    let served = match &after {
        Some(Fault::CutAndCommitLater { after_ms }) => committed_later(&shared, &incoming, *after_ms),
        Some(fault) => match instead(&shared, fault) {
            Some(Some(served)) => served,
            Some(None) => return cut(Cut::Now),
            None => route(&shared, &incoming),
        },
        None => route(&shared, &incoming),
    };
    let usage = if served.tells_usage {
        shared.service.quota.header_value()
    } else {
        None
    };
    let used = shared.service.quota.used();
    let arrives = !matches!(after, Some(Fault::CutAfterEffect | Fault::CutAndCommitLater { .. }));
    shared.log.amend(number, |e| {
        e.cost = served.cost;
        e.status = arrives.then_some(served.answer.status);
        e.subrequests = served.subrequests;
        e.written = served.answer.written.clone();
        e.used = used;
    });
    match after {
        Some(Fault::CutAfterEffect | Fault::CutAndCommitLater { .. }) => cut(Cut::Now),
        Some(Fault::ErrorAfterEffect { status }) => {
            let answer = match status {
                503 => Answer::refusal(503, "SERVER_UNAVAILABLE", "Server too busy. Please try again later."),
                other => Answer::refusal(other, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
            };
            shared.log.amend(number, |e| e.status = Some(status));
            respond(&shared, answer, usage)
        }
        Some(Fault::CutMidBody { after_bytes }) => {
            let mut response = respond(&shared, served.answer, usage);
            response.extensions_mut().insert(Cut::After(after_bytes));
            response
        }
        Some(Fault::MalformedBody) => {
            let broken = b"{\"totalSize\":1,\"done\":true,\"records\":[{\"attributes\":".to_vec();
            respond(
                &shared,
                Answer {
                    body: AnswerBody::Json(broken),
                    ..served.answer
                },
                usage,
            )
        }
        Some(Fault::Told { members, says }) => altered::told(respond(&shared, served.answer, usage), &members, &says).await,
        Some(Fault::Replaced { text, with }) => altered::replaced(respond(&shared, served.answer, usage), &text, &with).await,
        Some(Fault::PartRefused {
            part,
            status,
            code,
            message,
        }) => {
            let error = serde_json::json!({ "message": message, "errorCode": code });
            let response = respond(&shared, served.answer, usage);
            altered::refused(response, &incoming.body, &part, status, error).await
        }
        _ => respond(&shared, served.answer, usage),
    }
}

/// Logs a request, and gives its number with the faults that are due for it.
fn begin(shared: &ServerState, incoming: &Incoming) -> (u64, Vec<Fault>) {
    let body = (incoming.method != "GET" && incoming.body.len() <= LOGGED_BODY_BYTES)
        .then(|| String::from_utf8_lossy(&incoming.body).into_owned());
    let number = shared
        .log
        .begin(shared.service.clock.now_ms(), &incoming.method, &incoming.uri, body);
    let faults = shared.faults.pick(Seen {
        number,
        method: &incoming.method,
        path: &incoming.uri,
        body: &incoming.body,
    });
    if !faults.is_empty() {
        shared
            .log
            .amend(number, |e| e.faults = faults.iter().map(|f| format!("{f:?}")).collect());
    }
    (number, faults)
}

/// What a fault puts in the place of serving: nothing (`None`), a cut connection, or an answer.
fn instead(shared: &ServerState, fault: &Fault) -> Option<Option<Served>> {
    let tells_usage = true;
    Some(match fault {
        Fault::Status {
            status,
            body,
            content_type,
            counted,
        } => {
            // Counted or not, it's this answer that arrives: a fault isn't refused for the daily limit.
            let cost = u64::from(*counted && shared.service.quota.charge(1).is_ok());
            let content_type = content_type
                .clone()
                .unwrap_or_else(|| "application/json;charset=UTF-8".to_owned());
            let answer = Answer {
                body: AnswerBody::Json(body.clone().into_bytes()),
                ..Answer::empty(*status)
            };
            Some(Served {
                answer: answer.with_header("Content-Type", content_type),
                cost,
                tells_usage,
                subrequests: Vec::new(),
            })
        }
        Fault::Html { status } => {
            let html = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We are setting things up for you.</body></html>";
            let answer = Answer {
                body: AnswerBody::Json(html.into()),
                ..Answer::empty(*status)
            };
            Some(Served::uncounted(
                answer.with_header("Content-Type", "text/html;charset=UTF-8".to_owned()),
            ))
        }
        Fault::ExpiredSession => Some(Served::uncounted(no_session())),
        Fault::CutBeforeEffect => None,
        Fault::Delay { .. }
        | Fault::CutAfterEffect
        | Fault::CutAndCommitLater { .. }
        | Fault::ErrorAfterEffect { .. }
        | Fault::CutMidBody { .. }
        | Fault::Replaced { .. }
        | Fault::Told { .. }
        | Fault::PartRefused { .. }
        | Fault::MalformedBody => return None,
    })
}

/// Serves a request whose effect shows later. Nobody else writes meanwhile: it would be put off too.
fn committed_later(shared: &ServerState, incoming: &Incoming, after_ms: i64) -> Served {
    let service = &shared.service;
    let _turn = service.turn.write().unwrap_or_else(PoisonError::into_inner);
    let alone = ServerState {
        service: service.within_turn(),
        ..shared.clone()
    };
    let (begun, before) = (service.now(), service.org().savepoint());
    let served = route(&alone, incoming);
    let commits_at = begun + chrono::TimeDelta::milliseconds(after_ms.max(0));
    service.org_mut().postpone(before, begun, commits_at);
    served
}

fn route(shared: &ServerState, incoming: &Incoming) -> Served {
    if incoming.uri.len() > MAX_HEAD_BYTES {
        return Served::uncounted(Answer::refusal(414, "URI_TOO_LONG", "URI Too Long"));
    }
    if incoming.head_bytes > MAX_HEAD_BYTES {
        return Served::uncounted(Answer::refusal(
            431,
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
            "Request Header Fields Too Large",
        ));
    }
    match incoming.path.trim_end_matches('/') {
        "/services/data" => Served::uncounted(versions()),
        "/services/oauth2/token" => token(shared, incoming),
        "/services/oauth2/revoke" => {
            let form = decode_query(&String::from_utf8_lossy(&incoming.body));
            let token = form
                .iter()
                .chain(&decode_query(query_of(incoming)))
                .find(|(n, _)| n == "token")
                .map(|(_, v)| v.clone());
            Served::uncounted(shared.oauth.revoke(&token.unwrap_or_default()))
        }
        path if path.starts_with("/services/data/") => resource(shared, incoming),
        _ => Served::uncounted(Answer::not_found()),
    }
}

fn query_of(incoming: &Incoming) -> &str {
    incoming.uri.split_once('?').map_or("", |(_, query)| query)
}

fn resource(shared: &ServerState, incoming: &Incoming) -> Served {
    if !shared.oauth.is_session(incoming.header("authorization")) {
        return Served::uncounted(no_session());
    }
    let service = &shared.service;
    let target = Target::parse(&incoming.uri);
    // A batch is charged by its calls.
    let is_batch = target.as_ref().is_ok_and(|t| t.path == ["composite", "batch"]);
    let mut cost = 0;
    if !is_batch {
        match service.quota.charge(1) {
            Ok(()) => cost = 1,
            Err(exceeded) => {
                return Served {
                    answer: Answer::daily_limit(),
                    cost: exceeded.counted,
                    tells_usage: true,
                    subrequests: Vec::new(),
                };
            }
        }
    }
    let rules = service.rules();
    let is_job = target.as_ref().is_ok_and(|t| t.path.first().is_some_and(|p| p == "jobs"));
    let mut subrequests = Vec::new();
    let answer = match target {
        _ if !service.viewer().api_enabled => {
            Answer::refusal(403, "API_CURRENTLY_DISABLED", "API is currently disabled for this user")
        }
        Err(NoTarget::Retired) => {
            let message = "The requested API version has been retired or is not supported";
            Answer::refusal(410, "UNSUPPORTED_API_VERSION", message)
        }
        Err(NoTarget::Unknown) => Answer::not_found(),
        Ok(target) => {
            let call = Call::new(&incoming.method, target, incoming.headers.clone(), incoming.body.clone())
                .with_files(Arc::clone(&incoming.files));
            if call.path == ["composite"] {
                let (answer, calls) = composite::serve(service, &call);
                subrequests = calls;
                answer
            } else if call.path == ["composite", "graph"] {
                let (answer, calls) = composite::graph::serve(service, &call);
                subrequests = calls;
                answer
            } else if is_batch {
                let (answer, counted) = composite::batch::serve(service, &call);
                cost = counted;
                answer
            } else {
                service.serve(&call)
            }
        }
    };
    let is_file = matches!(answer.body, AnswerBody::Blob(_));
    Served {
        tells_usage: (rules.bulk.tells_usage || !is_job) && (rules.files_tell_usage || !is_file),
        answer,
        cost,
        subrequests,
    }
}

fn token(shared: &ServerState, incoming: &Incoming) -> Served {
    if incoming.method != "POST" {
        return Served::uncounted(Answer::method_not_allowed(&incoming.method, "POST"));
    }
    let mut cost = 0;
    if shared.service.rules().token_requests_count {
        if shared.service.quota.charge(1).is_err() {
            return Served::uncounted(Answer::daily_limit());
        }
        cost = 1;
    }
    let form = decode_query(&String::from_utf8_lossy(&incoming.body));
    let basic = incoming.header("authorization").and_then(basic_credentials);
    let org_and_user = format!("{}/{}", shared.service.org().id(), shared.service.viewer().user_id);
    let answer = shared.oauth.token(&form, basic, &shared.service.instance_url, &org_and_user);
    Served {
        cost,
        ..Served::uncounted(answer)
    }
}

/// Client id and secret of `Authorization: Basic`.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn no_session() -> Answer {
    Answer::refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
}

async fn read(request: Request) -> Result<Incoming, Answer> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (body, files) = match multipart::boundary(content_type) {
        Some(boundary) => {
            let is_version = path.to_ascii_lowercase().contains("/sobjects/contentversion");
            let most = if is_version { MAX_VERSION_BYTES } else { MAX_FILES_BYTES };
            let form = multipart::read(body, boundary, most).await?;
            (form.record, form.files)
        }
        None => {
            let is_table = path.contains("/jobs/ingest/") && path.trim_end_matches('/').ends_with("/batches");
            let most = if is_table { MAX_TABLE_BYTES } else { MAX_BODY_BYTES };
            let refusal = |_| Answer::refusal(413, "REQUEST_ENTITY_TOO_LARGE", "The request body is too large or broke off");
            (to_bytes(body, most).await.map_err(refusal)?, HashMap::new())
        }
    };
    let uri = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let head_bytes = uri.len() + headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>();
    Ok(Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        uri,
        headers,
        head_bytes,
        body,
        files: Arc::new(files),
    })
}

fn cut(how: Cut) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(how);
    response
}

/// An answer as HTTP. Bodies of unknown length are streamed, without Content-Length.
fn respond(shared: &ServerState, answer: Answer, usage: Option<String>) -> Response {
    let length = answer.body.length();
    let body = match answer.body {
        AnswerBody::Json(json) => HttpBody::from(json),
        AnswerBody::Empty => HttpBody::empty(),
        other => HttpBody::from_stream(BodyStream::new(shared.service.org.clone(), other)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if length != Some(0) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json;charset=UTF-8"),
        );
    }
    let usage = usage.map(|value| (HEADER_NAME, value));
    for (name, value) in answer.headers.into_iter().chain(usage) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    // 204 and 304 have no body, and so no length of one.
    if let (Some(length), false) = (length, matches!(answer.status, 204 | 304)) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
