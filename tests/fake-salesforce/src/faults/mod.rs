//! Faults on demand: which request goes wrong, how often, and in which way.
//!
//! Responsible for: choosing. Carrying a fault out is the server's, which knows the connection.
//! Rule: a rule sees every request that matches it, also those that another rule turns into a fault.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::rest::call::Target;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// An answer of one's own choice instead of the real one; nothing takes effect.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body, as it is.
        body: String,
        /// The content type; JSON by default.
        #[serde(default)]
        content_type: Option<String>,
        /// Whether the request counts against the quota.
        #[serde(default)]
        counted: bool,
    },
    /// The request is served after a time on the wall clock.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The connection is cut before the request has any effect: not counted, not applied, no answer.
    CutBeforeEffect,
    /// The connection is cut after the effect: counted, applied, no answer.
    CutAfterEffect,
    /// The connection is cut, and the transaction goes on: counted, but what it writes commits only so many milliseconds of the
    /// double's clock later, with the stamps of now. Until then what it writes to is locked, and getUpdated doesn't reach past now.
    CutAndCommitLater {
        /// How much later.
        after_ms: i64,
    },
    /// Counted, applied, and an error is answered all the same.
    ErrorAfterEffect {
        /// The HTTP status: 500 or 503.
        status: u16,
    },
    /// Counted, applied, and the connection is cut in the middle of the answer's body.
    CutMidBody {
        /// Bytes of the body that still arrive.
        after_bytes: usize,
    },
    /// Counted, applied, and the answer's body is no JSON.
    MalformedBody,
    /// Counted, applied, and every occurrence of a text in the answer's body is replaced. A page that says `done: false` and not where
    /// it goes on (cartography#3005): `"nextRecordsUrl"` by `"goneRecordsUrl"`. A byte that is no UTF-8 (airbyte PR#12552): a text by
    /// `[0xDF]`. A length that the older field can't tell (object reference 264.0, `ContentSizeLong`): `"ContentSize":` by
    /// `"ContentSize":null,"Was":`.
    Replaced {
        /// What is looked for.
        text: String,
        /// What stands there then.
        with: Vec<u8>,
    },
    /// Counted, applied, and members of the answer's JSON say something else: a count that is no number that a count can be, a length
    /// of null (object reference 264.0, `ContentSizeLong`).
    Told {
        /// Their names.
        members: Vec<String>,
        /// What they say, in JSON.
        says: String,
    },
    /// Counted, applied, and the parts of a composite request whose URL has a text are refused, whatever they were answered:
    /// `500 UNKNOWN_EXCEPTION` of one query (salto#6177), a session refused for one part, a field that describe lists and a query
    /// doesn't know (salesforcedictionary.com, `INVALID_FIELD`), a locator that is stale, a query that takes too long (airbyte#17503).
    PartRefused {
        /// A part of the URL.
        part: String,
        /// The HTTP status of the sub-answer.
        status: u16,
        /// Its error's code.
        code: String,
        /// Its error's text.
        message: String,
    },
    /// A page in HTML instead of the answer, as in maintenance; nothing takes effect.
    Html {
        /// The HTTP status: 200, 502 and 503 happen.
        status: u16,
    },
    /// This one request is told that its session has expired.
    ExpiredSession,
}

impl Fault {
    /// A refusal with an error body of Salesforce's shape, not counted.
    #[must_use]
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!([{ "message": message, "errorCode": code }]).to_string();
        Self::Status {
            status,
            body,
            content_type: None,
            counted: false,
        }
    }

    /// The 403 of the daily limit, whatever the quota says.
    #[must_use]
    pub fn total_requests() -> Self {
        Self::refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    /// The 403 of too many long requests at once.
    #[must_use]
    pub fn concurrent_requests() -> Self {
        Self::refusal(
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        )
    }

    /// The 403 of too many long transactions of the org.
    #[must_use]
    pub fn concurrent_long_transactions() -> Self {
        Self::refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
    }

    /// The 503 of an overloaded server.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::refusal(503, "SERVER_UNAVAILABLE", "Server too busy. Please try again later.")
    }
}

/// Which requests a rule is about; what is left out matches all. Requests to the token endpoint are seen too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The request's number in the log, from 1.
    pub number: Option<u64>,
    /// The method, in upper case.
    pub method: Option<String>,
    /// A part of the path or query, as sent.
    pub path_contains: Option<String>,
    /// A part of the body.
    pub body_contains: Option<String>,
    /// Only requests that count against the quota: those to resources, not to the token endpoint.
    pub counted: bool,
    /// Only requests that write records.
    pub writes: bool,
    /// How many matching requests pass before the first fault.
    pub skip: u64,
}

/// How often a rule strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// The first time only.
    #[default]
    Once,
    /// That many times.
    Times(u64),
    /// Until the rules are cleared.
    Always,
}

/// One fault, for which requests, how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub when: When,
    /// How often.
    #[serde(default)]
    pub repeat: Repeat,
    /// What goes wrong.
    pub fault: Fault,
}

/// A request as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its number in the log.
    pub number: u64,
    /// Its method.
    pub method: &'a str,
    /// Its path and query.
    pub path: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

impl Seen<'_> {
    /// Whether it's for a resource under a version.
    fn is_counted(&self) -> bool {
        self.path.starts_with("/services/data/v")
    }

    /// Whether it asks to write records: by itself, or by one of the calls in it. Making, filling and closing a bulk job is writing.
    fn is_write(&self) -> bool {
        let Ok(target) = Target::parse(self.path) else { return false };
        let path: Vec<&str> = target.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["composite"] | ["composite", "graph" | "batch"] => {
                serde_json::from_slice(self.body).is_ok_and(|body: serde_json::Value| asks_to_write(&body))
            }
            path => writes(self.method, path),
        }
    }
}

fn writes(method: &str, path: &[&str]) -> bool {
    match path {
        ["composite", "sobjects", _] | ["jobs", "query", ..] | ["query" | "queryAll", ..] => false,
        ["sobjects" | "composite", ..] | ["jobs", "ingest", ..] => method != "GET",
        _ => false,
    }
}

/// Whether any call in the body of a series does.
fn asks_to_write(body: &serde_json::Value) -> bool {
    if let Some(list) = body.as_array() {
        return list.iter().any(asks_to_write);
    }
    let Some(object) = body.as_object() else { return false };
    if let (Some(method), Some(url)) = (body["method"].as_str(), body["url"].as_str()) {
        // URLs of a batch may begin at the version.
        let url = if url.starts_with('v') {
            format!("/services/data/{url}")
        } else {
            url.to_owned()
        };
        let path = Target::parse(&url).map(|target| target.path).unwrap_or_default();
        return writes(method, &path.iter().map(String::as_str).collect::<Vec<_>>());
    }
    ["graphs", "compositeRequest", "batchRequests"]
        .iter()
        .filter_map(|name| object.get(*name))
        .any(asks_to_write)
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    matched: u64,
    struck: u64,
}

/// A handle to the rules in force; clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Armed>>>,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.lock().push(Armed {
            rule,
            matched: 0,
            struck: 0,
        });
    }

    /// Adds a fault that strikes once, at the next request that matches.
    pub fn once(&self, when: When, fault: Fault) {
        self.add(Rule {
            when,
            repeat: Repeat::Once,
            fault,
        });
    }

    /// Adds a fault that strikes at every request that matches.
    pub fn always(&self, when: When, fault: Fault) {
        self.add(Rule {
            when,
            repeat: Repeat::Always,
            fault,
        });
    }

    /// Adds a fault for the request of that number in the log (from 1).
    pub fn at_request(&self, number: u64, fault: Fault) {
        self.once(
            When {
                number: Some(number),
                ..When::default()
            },
            fault,
        );
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How often faults have struck since the rules were cleared.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.lock().iter().map(|a| a.struck).sum()
    }

    /// The faults for a request: every delay, and the first of any other kind.
    #[must_use]
    pub fn pick(&self, seen: Seen<'_>) -> Vec<Fault> {
        let mut picked: Vec<Fault> = Vec::new();
        for armed in self.lock().iter_mut() {
            if !armed.rule.when.matches(seen) {
                continue;
            }
            armed.matched += 1;
            let left = match armed.rule.repeat {
                Repeat::Once => armed.struck == 0,
                Repeat::Times(times) => armed.struck < times,
                Repeat::Always => true,
            };
            let is_delay = matches!(armed.rule.fault, Fault::Delay { .. });
            let taken = !is_delay && picked.iter().any(|f| !matches!(f, Fault::Delay { .. }));
            if left && !taken && armed.matched > armed.rule.when.skip {
                armed.struck += 1;
                picked.push(armed.rule.fault.clone());
            }
        }
        picked
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl When {
    fn matches(&self, seen: Seen<'_>) -> bool {
        let contains = |needle: &str| needle.is_empty() || seen.body.windows(needle.len()).any(|w| w == needle.as_bytes());
        (!self.counted || seen.is_counted())
            && (!self.writes || seen.is_write())
            && self.number.is_none_or(|n| n == seen.number)
            && self.method.as_deref().is_none_or(|m| m == seen.method)
            && self.path_contains.as_deref().is_none_or(|p| seen.path.contains(p))
            && self.body_contains.as_deref().is_none_or(contains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64, path: &str) -> Seen<'_> {
        Seen {
            number,
            method: "GET",
            path,
            body: b"",
        }
    }

    #[test]
    fn a_rule_strikes_the_matching_requests_after_those_it_lets_pass() {
        let faults = Faults::default();
        let when = When {
            path_contains: Some("/query".into()),
            skip: 1,
            ..When::default()
        };
        faults.add(Rule {
            when,
            repeat: Repeat::Times(2),
            fault: Fault::CutBeforeEffect,
        });
        let struck: Vec<bool> = ["/query", "/limits", "/query", "/query", "/query"]
            .iter()
            .map(|p| !faults.pick(seen(1, p)).is_empty())
            .collect();
        assert_eq!(struck, [false, false, true, true, false]);
        assert_eq!(faults.struck(), 2);
    }

    #[test]
    fn a_delay_goes_together_with_one_other_fault() {
        let faults = Faults::default();
        faults.always(When::default(), Fault::Delay { ms: 5 });
        faults.at_request(3, Fault::MalformedBody);
        faults.always(When::default(), Fault::total_requests());
        assert_eq!(faults.pick(seen(3, "/")), [Fault::Delay { ms: 5 }, Fault::MalformedBody]);
        assert_eq!(faults.pick(seen(4, "/")), [Fault::Delay { ms: 5 }, Fault::total_requests()]);
    }
}
