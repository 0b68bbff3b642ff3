//! Talks with the org: builds requests, and hears in each answer what concerns every request alike — usage, refusals, a session
//! that is over — before anybody reads its body.
//!
//! It doesn't know what is asked for. The rule it keeps: a reading is told to the host the moment its header is there, and a 403
//! of the daily limit is told as a refusal, whatever its header says.

mod body;
mod configuration;
mod identity;
mod refused;

pub use body::Body;
pub use configuration::{Configuration, SCHEMA};
pub use refused::Refused;

use crate::host::{
    Answer, ConnectorError, Failure, FormPart, Host, Method, NamedValue, Reading, ReadingSource, Request, SendError, Standing,
    StorageError,
};
use crate::quota::{self, Usage};
use crate::salesforce::{Class, classify, http_moment, read_errors};
use serde::Serialize;
use std::cell::Cell;

/// Of an error's body no more is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Why a request gave nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// What may be sent is spent; a normal end.
    AllowanceSpent,
    /// The org has no requests left today. The host knows it by now.
    DailyLimit,
    /// Too much at once: the same again, a little later.
    Later,
    /// The answer has more bytes than the host takes.
    TooLarge(u64),
    /// It did not reach the org. The same again may work.
    NotSent(Failure),
    /// No whole answer came, or one that makes no sense. The same again may work, where it does no harm.
    Broken(Failure),
    /// A body that was to be saved is not what its record says: nothing of it is stored.
    Differs(Failure),
    /// The org refused this request.
    Refused(Refused),
    /// The host can't go on.
    Host(Box<ConnectorError>),
}

impl SendFailure {
    /// As the error that ends a call which has nothing to commit. For a spent allowance, which is none, that too.
    pub fn into_error(self) -> ConnectorError {
        match self {
            SendFailure::AllowanceSpent => ConnectorError::Source(
                Failure::new("allowance-spent", "no request is left for this call")
                    .remedy("raise the usage limit, or wait until requests come free"),
            ),
            SendFailure::DailyLimit => ConnectorError::Source(
                Failure::new("org-limit", "the org has used up its daily API requests")
                    .remedy("wait until requests come free: Salesforce counts the last 24 hours"),
            ),
            SendFailure::Later => ConnectorError::Source(
                Failure::new("org-busy", "the org takes no more requests at this moment").remedy("try again in a minute"),
            ),
            SendFailure::TooLarge(limit) => ConnectorError::Source(Failure::new(
                "answer-too-large",
                format!("an answer has more than the {limit} bytes that the host takes"),
            )),
            SendFailure::NotSent(failure) | SendFailure::Broken(failure) | SendFailure::Differs(failure) => {
                ConnectorError::Source(failure)
            }
            SendFailure::Refused(refused) => refused.into_error(),
            SendFailure::Host(error) => *error,
        }
    }
}

/// One part of a composite request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subrequest {
    method: &'static str,
    url: String,
    #[serde(rename = "referenceId")]
    reference: String,
    #[serde(rename = "httpHeaders", skip_serializing_if = "Option::is_none")]
    headers: Option<SubHeaders>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct SubHeaders {
    #[serde(rename = "Sforce-Query-Options", skip_serializing_if = "Option::is_none")]
    query_options: Option<String>,
    #[serde(rename = "If-Modified-Since", skip_serializing_if = "Option::is_none")]
    modified_since: Option<String>,
}

impl Subrequest {
    /// Reads `url`: a path, or a reference to one.
    pub fn get(url: String, reference: String) -> Subrequest {
        Subrequest {
            method: "GET",
            url,
            reference,
            headers: None,
            body: None,
        }
    }

    /// Whether it counts among the five queries and collections that a composite request may have.
    fn is_query(&self) -> bool {
        ["/query", "/composite/", "@{"].iter().any(|mark| self.url.contains(mark))
    }

    /// Asks `url` with a body, for what only reads all the same.
    pub fn post(url: String, reference: String, body: serde_json::Value) -> Subrequest {
        Subrequest {
            method: "POST",
            body: Some(body),
            ..Subrequest::get(url, reference)
        }
    }

    /// The same, with pages of at most so many rows.
    #[must_use]
    pub fn batch_size(mut self, rows: u32) -> Subrequest {
        let headers = self.headers.get_or_insert_default();
        headers.query_options = Some(format!("batchSize={rows}"));
        self
    }

    /// The same, answered only where something was changed since this date.
    #[must_use]
    pub fn modified_since(mut self, date: String) -> Subrequest {
        self.headers.get_or_insert_default().modified_since = Some(date);
        self
    }
}

/// The org that a connection is of.
pub struct Org<'h, H: Host> {
    host: &'h H,
    configuration: Configuration,
    /// How far the org's clock is ahead of the host's, in milliseconds, as the last answer told.
    ahead: Cell<i64>,
    /// The request that is finished next asks who the org is.
    asks_identity: Cell<bool>,
    /// Who the org is, is what this call is to find out.
    is_check: bool,
    /// The host makes one attempt of each request.
    once: Cell<bool>,
    /// Seconds that the org asks to be left alone for.
    asks_to_wait: Cell<u32>,
}

/// Of everything that writes records: Salesforce's duplicate rules are for people who type, its assignment rules for records that
/// are new.
pub const WRITE_HEADERS: [(&str, &str); 2] = [
    ("Sforce-Duplicate-Rule-Header", "allowSave=true"),
    ("Sforce-Auto-Assign", "FALSE"),
];

/// The host waits no longer than this, in seconds, whatever it is asked.
const LONGEST_WAIT: u32 = 3_600;

/// Clocks that differ by no more are the same, in milliseconds.
const CLOCK_ERROR_MS: i64 = 30_000;

/// Types of answers.
const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const ANY: &str = "*/*";

impl<'h, H: Host> Org<'h, H> {
    /// By the connection's configuration.
    pub fn open(host: &'h H) -> Result<Org<'h, H>, ConnectorError> {
        let configuration = Configuration::parse(&host.configuration())?;
        Ok(Org {
            host,
            configuration,
            ahead: Cell::new(0),
            asks_identity: Cell::new(false),
            is_check: false,
            once: Cell::new(false),
            asks_to_wait: Cell::new(0),
        })
    }

    /// The same for a call that asks who the org is: nothing of it is confirmed on the way.
    pub fn open_for_check(host: &'h H) -> Result<Org<'h, H>, ConnectorError> {
        Ok(Org {
            is_check: true,
            ..Org::open(host)?
        })
    }

    /// How far the org's clock is ahead of the host's, in milliseconds, as the last answer told.
    pub fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// The same, as an earlier call was told.
    pub fn set_ahead(&self, milliseconds: i64) {
        self.ahead.set(milliseconds);
    }

    /// The time by the org's clock, in milliseconds since 1970: what spans of changes are asked by.
    pub fn now(&self) -> u64 {
        self.host.now().saturating_add_signed(self.ahead.get())
    }

    /// The connection's configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The host.
    pub fn host(&self) -> &'h H {
        self.host
    }

    /// The path of a resource, e.g. of `sobjects`.
    pub fn path(&self, resource: &str) -> String {
        format!("/services/data/{}/{resource}", self.configuration.api_version)
    }

    /// Sends a `GET` of a resource.
    pub fn get(&self, resource: &str) -> Result<H::Pending, SendFailure> {
        self.send(reads(Method::Get, self.path(resource), JSON, Vec::new()))
    }

    /// Sends a `GET` of a file.
    pub fn start_file(&self, resource: &str) -> Result<H::Pending, SendFailure> {
        self.send(reads(Method::Get, self.path(resource), ANY, Vec::new()))
    }

    /// A `GET` of a resource, and its answer.
    pub fn ask(&self, resource: &str) -> Result<Body<H::Answer>, SendFailure> {
        self.finish(self.get(resource)?)
    }

    /// A `GET` of a resource that answers CSV, and its answer.
    pub fn ask_csv(&self, resource: &str) -> Result<Body<H::Answer>, SendFailure> {
        self.finish(self.send(reads(Method::Get, self.path(resource), CSV, Vec::new()))?)
    }

    /// A `POST` to a resource that does no harm when it is sent twice, and its answer.
    pub fn post(&self, resource: &str, body: &impl Serialize) -> Result<Body<H::Answer>, SendFailure> {
        self.finish(self.send(reads(Method::Post, self.path(resource), JSON, written(body)?))?)
    }

    /// A `PATCH` of a resource that does no harm when it is sent twice, and its answer.
    pub fn patch(&self, resource: &str, body: &impl Serialize) -> Result<Body<H::Answer>, SendFailure> {
        self.finish(self.send(reads(Method::Patch, self.path(resource), JSON, written(body)?))?)
    }

    /// Uploads a table to a job, which takes it once.
    pub fn upload(&self, resource: &str, table: Vec<u8>) -> Result<Body<H::Answer>, SendFailure> {
        self.finish(self.send(Request {
            content_type: CSV,
            ..reads(Method::Put, self.path(resource), JSON, table)
        })?)
    }

    /// Sends what may create records, which the host never sends again by itself.
    pub fn write(&self, method: Method, resource: &str, body: Vec<u8>) -> Result<H::Pending, SendFailure> {
        self.send(Request {
            repeatable: false,
            headers: &WRITE_HEADERS,
            ..reads(method, self.path(resource), JSON, body)
        })
    }

    /// The same, with files.
    pub fn write_form(&self, method: Method, resource: &str, form: Vec<FormPart>) -> Result<H::Pending, SendFailure> {
        self.send(Request {
            repeatable: false,
            headers: &WRITE_HEADERS,
            form,
            ..reads(method, self.path(resource), JSON, Vec::new())
        })
    }

    /// Sends a composite request: it counts as one, whatever it has within.
    ///
    /// As long as this run doesn't know whose org it is, the request asks for that too: then it is the next one to be finished, and
    /// read by [`Org::read_composite`].
    pub fn composite(&self, parts: &[Subrequest]) -> Result<H::Pending, SendFailure> {
        #[derive(Serialize)]
        struct Composite<'a> {
            #[serde(rename = "allOrNone")]
            all_or_none: bool,
            #[serde(rename = "compositeRequest")]
            parts: Vec<&'a Subrequest>,
        }
        let question = identity::question(self, parts);
        let body = written(&Composite {
            all_or_none: false,
            parts: question.iter().chain(parts).collect(),
        })?;
        let pending = self.send(reads(Method::Post, self.path("composite"), JSON, body))?;
        self.asks_identity.set(question.is_some());
        Ok(pending)
    }

    /// Sends a request as it is.
    pub fn send(&self, mut request: Request) -> Result<H::Pending, SendFailure> {
        if self.host.requests_left() == 0 {
            return Err(SendFailure::AllowanceSpent);
        }
        request.repeatable &= !self.once.get();
        self.host.start(request).map_err(stopped)
    }

    /// Waits for an answer, tells its reading, and gives its body where it is one to read.
    pub fn finish(&self, pending: H::Pending) -> Result<Body<H::Answer>, SendFailure> {
        let answer = self.host.finish(pending).map_err(|error| {
            self.asks_identity.set(false);
            stopped(error)
        })?;
        let request = answer.request_number();
        let usage = answer.header(quota::HEADER).as_deref().and_then(quota::parse_limit_info);
        if let Some(usage) = usage {
            self.observe(usage, ReadingSource::ResponseHeader, request)?;
        }
        if let Some(date) = answer.header("Date").as_deref().and_then(http_moment) {
            let ahead = i64::try_from(date).unwrap_or(0) - i64::try_from(self.host.now()).unwrap_or(0);
            // The header has seconds, and the answer took a while.
            self.ahead.set(if ahead.abs() > CLOCK_ERROR_MS { ahead } else { 0 });
        }
        let status = answer.status();
        let wait = answer.header("Retry-After").and_then(|text| self.seconds(text.trim()));
        let mut body = Body::new(answer, usage.is_some(), self.asks_identity.take());
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let errors = read_errors(&body.at_most(MAX_ERROR_BYTES)).unwrap_or_default();
        let class = classify(status, &errors);
        if let Some(seconds) = wait.filter(|_| matches!(class, Class::Later | Class::TimedOut)) {
            self.asks_to_wait.set(self.asks_to_wait.get().max(seconds));
        }
        match class {
            Class::DailyLimit => {
                self.refused_by_daily_limit(usage, Some(request))?;
                Err(SendFailure::DailyLimit)
            }
            Class::Later if status == 403 => Err(SendFailure::Later),
            _ => Err(SendFailure::Refused(Refused { status, errors })),
        }
    }

    /// Seconds of a `Retry-After`: a number, or a date.
    fn seconds(&self, text: &str) -> Option<u32> {
        let seconds = match text.parse::<u64>() {
            Ok(seconds) => seconds,
            Err(_) => http_moment(text)?.saturating_sub(self.now()).div_ceil(1_000),
        };
        Some(u32::try_from(seconds).map_or(LONGEST_WAIT, |seconds| seconds.min(LONGEST_WAIT)))
    }

    /// Seconds that the org asked to be left alone for, with a refusal that may pass: more than the host waits by itself. Whoever hears
    /// it sends nothing more, and has the host wait.
    pub fn asks_to_wait(&self) -> Option<u32> {
        Some(self.asks_to_wait.get()).filter(|seconds| *seconds > 0)
    }

    /// Requests are sent once from now on, or again where they may be: for what failed in an earlier run one attempt is enough.
    pub fn send_once(&self, once: bool) {
        self.once.set(once);
    }

    /// Tells the host that the org has none left. `usage`: as the same answer's header has it.
    pub fn refused_by_daily_limit(&self, usage: Option<Usage>, request: Option<u64>) -> Result<(), SendFailure> {
        let known = match usage {
            Some(usage) => usage,
            None => self.last_usage()?.unwrap_or(Usage { used: 0, max: 0 }),
        };
        let used = known.used.max(known.max);
        self.tell(Reading {
            quota: quota::DAILY_API_REQUESTS.to_owned(),
            used,
            max: known.max,
            observed_at: self.host.now(),
            source: ReadingSource::Refusal,
            request,
        })
    }

    /// Tells a reading of the daily API requests.
    pub fn observe(&self, usage: Usage, source: ReadingSource, request: u64) -> Result<(), SendFailure> {
        self.tell(Reading {
            quota: quota::DAILY_API_REQUESTS.to_owned(),
            used: usage.used,
            max: usage.max,
            observed_at: self.host.now(),
            source,
            request: Some(request),
        })
    }

    fn tell(&self, reading: Reading) -> Result<(), SendFailure> {
        self.host
            .observe(reading)
            .map_err(|error| SendFailure::Host(Box::new(error.into())))
    }

    fn last_usage(&self) -> Result<Option<Usage>, SendFailure> {
        let standing = daily_standing(self.host).map_err(|error| SendFailure::Host(Box::new(error.into())))?;
        Ok(standing.map(|standing| Usage {
            used: standing.last.used,
            max: standing.last.max,
        }))
    }
}

/// The last reading of the daily API requests, and what was sent since.
pub fn daily_standing<H: Host>(host: &H) -> Result<Option<Standing>, StorageError> {
    let mut standings = host.readings()?.into_iter();
    Ok(standings.find(|standing| standing.last.quota == quota::DAILY_API_REQUESTS))
}

/// A request that does no harm when it is sent twice.
fn reads(method: Method, path: String, accept: &'static str, body: Vec<u8>) -> Request {
    Request {
        method,
        path,
        accept,
        body,
        content_type: JSON,
        form: Vec::new(),
        headers: &[],
        repeatable: true,
    }
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, SendFailure> {
    serde_json::to_vec(body).map_err(|error| {
        SendFailure::Broken(Failure::new(
            "request",
            format!("a request can't be written as JSON: {error}"),
        ))
    })
}

fn stopped(error: SendError) -> SendFailure {
    let unanswered =
        |text: String| Failure::new("no-answer", text).remedy("check the network, and the instance URL of the connection");
    match error {
        SendError::AllowanceSpent => SendFailure::AllowanceSpent,
        SendError::TooLarge(limit) => SendFailure::TooLarge(limit),
        SendError::NotPermitted(why) => SendFailure::Host(Box::new(ConnectorError::Host(Failure::new(
            "not-permitted",
            format!("the host refuses the request: {why}"),
        )))),
        SendError::NotSent(why) => SendFailure::NotSent(unanswered(format!("the request could not be sent: {why}"))),
        SendError::OutcomeUnknown(why) => SendFailure::Broken(unanswered(format!("no whole answer came: {why}"))),
        SendError::Other(NamedValue { name, value }) => match name.as_str() {
            "content-differs" => SendFailure::Differs(Failure::new(
                "content-differs",
                format!("the content is not what its record says: {value}"),
            )),
            "storage" => SendFailure::Host(Box::new(ConnectorError::Host(
                Failure::new("storage", format!("the host's store: {value}")).remedy(
                    "make room for it, or repair it; what is committed stands, and the same run again continues from there",
                ),
            ))),
            "credentials-refused" => SendFailure::Host(Box::new(ConnectorError::Authorization(
                Failure::new("credentials-refused", value)
                    .remedy("renew the connection's credential; its user must be active and may use the API"),
            ))),
            _ => SendFailure::Broken(unanswered(format!("{name}: {value}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::scripted::{Reply, ScriptedHost};

    fn ask(reply: Reply) -> (ScriptedHost, Result<String, SendFailure>) {
        let host = ScriptedHost::new(5, move |_| reply.clone());
        let result = {
            let org = Org::open(&host).unwrap();
            let pending = org.get("limits").unwrap();
            org.finish(pending)
                .map(|mut body| String::from_utf8(body.at_most(1_000)).unwrap())
        };
        (host, result)
    }

    #[test]
    fn a_failure_of_the_host_s_own_store_is_none_of_the_org() {
        let told = stopped(SendError::other("storage", "no space left on device"));
        let SendFailure::Host(error) = told else { panic!("{told:?}") };
        assert!(matches!(*error, ConnectorError::Host(ref why) if !why.message.contains("network")));
        let told = stopped(SendError::other("credentials-refused", "invalid_grant"));
        assert!(matches!(told, SendFailure::Host(error) if matches!(*error, ConnectorError::Authorization(_))));
    }

    #[test]
    fn a_reading_is_told_with_its_request_before_the_body_is_read() {
        let (host, result) = ask(Reply::ok("body").usage(10, 100).cut_at(0));
        assert_eq!(result.unwrap(), "");
        let told = host.told();
        assert_eq!(
            (told[0].used, told[0].max, told[0].source, told[0].request),
            (10, 100, ReadingSource::ResponseHeader, Some(1))
        );
    }

    #[test]
    fn the_daily_limit_is_told_as_a_refusal_whatever_the_header_says() {
        let refusal = r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
        let (host, result) = ask(Reply::status(403, refusal).usage(10, 100));
        assert_eq!(result, Err(SendFailure::DailyLimit));
        let told = host.told();
        assert_eq!(
            (told[1].used, told[1].max, told[1].source),
            (100, 100, ReadingSource::Refusal)
        );
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn too_much_at_once_is_no_daily_limit() {
        let refusal = r#"[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
        let (host, result) = ask(Reply::status(403, refusal));
        assert_eq!(result, Err(SendFailure::Later));
        assert!(host.told().is_empty());
    }

    #[test]
    fn nothing_is_sent_where_nothing_is_left() {
        let host = ScriptedHost::new(0, |_| Reply::ok("{}"));
        let org = Org::open(&host).unwrap();
        assert_eq!(org.get("limits").err(), Some(SendFailure::AllowanceSpent));
        assert_eq!(host.sent(), 0);
    }

    #[test]
    fn refusals_end_as_errors_that_say_what_to_do() {
        for (status, body, expected) in [
            (
                401,
                r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
                "session-refused",
            ),
            (
                403,
                r#"[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]"#,
                "api-disabled",
            ),
            (403, r#"[{"message":"no","errorCode":"FORBIDDEN"}]"#, "forbidden"),
            (
                404,
                r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#,
                "not-found",
            ),
            (503, "<html>maintenance</html>", "org-unavailable"),
            (406, "", "unexpected-answer"),
        ] {
            let (_, result) = ask(Reply::status(status, body));
            let error = result.unwrap_err().into_error();
            let failure = match &error {
                ConnectorError::Authorization(f) | ConnectorError::Configuration(f) | ConnectorError::Source(f) => f,
                other => panic!("{other:?}"),
            };
            assert_eq!(failure.code, expected);
            assert!(failure.remedy.is_some() || status == 406);
        }
    }
}
