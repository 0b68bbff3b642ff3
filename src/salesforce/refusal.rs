//! Error bodies, `[{"message":"…","errorCode":"…"}]`, and what a refused query means for the object.
//!
//! `errorCode` is the same in every org; messages are localised in some. So the code decides wherever it can, and a text that
//! isn't known is never read as more than "unclear": the caller then tries the plainer query before it gives the object up.

use crate::quota;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// One entry of an error body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Salesforce's code.
    #[serde(rename = "errorCode", default)]
    pub code: String,
    /// Its text, in the org's language.
    #[serde(default)]
    pub message: String,
}

impl ApiError {
    /// Of a refusal with a status and nothing else.
    pub fn of_status(status: u16) -> ApiError {
        ApiError {
            code: format!("HTTP_{status}"),
            message: "no reason given".to_owned(),
        }
    }

    /// Code and text in one line.
    pub fn text(&self) -> String {
        let message = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}: {message}", self.code)
    }
}

/// Reads an error body; `None` where the bytes are none.
pub fn read_errors(body: &[u8]) -> Option<Vec<ApiError>> {
    struct Errors(Vec<ApiError>);
    impl<'de> Deserialize<'de> for Errors {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Errors, D::Error> {
            deserializer.deserialize_seq(ErrorList).map(Errors)
        }
    }
    let Errors(errors) = serde_json::from_slice(body).ok()?;
    errors.iter().any(|e| !e.code.is_empty()).then_some(errors)
}

/// Reads the elements of an error body; those that aren't errors are left out.
pub(super) struct ErrorList;

impl<'de> Visitor<'de> for ErrorList {
    type Value = Vec<ApiError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of errors")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<ApiError>, S::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Error(ApiError),
            Else(IgnoredAny),
        }
        let mut errors = Vec::new();
        while let Some(entry) = seq.next_element()? {
            if let Entry::Error(error) = entry {
                errors.push(error);
            }
        }
        Ok(errors)
    }
}

/// What a refused query means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An earlier subrequest had nothing to refer to.
    Halted,
    /// The org has no requests left.
    DailyLimit,
    /// The day's bulk query jobs, or their results, are spent.
    BulkLimit,
    /// Too much at once, a lock, or the org is out of order: the same again, a little later.
    Later,
    /// The session was refused, for this request or this part of one.
    Session,
    /// It took too long: the same with fewer rows.
    TimedOut,
    /// The cursor is no longer known.
    LocatorExpired,
    /// The object gives no second page: read it by `LIMIT`.
    NoMorePages,
    /// The query expands to more than Salesforce takes.
    TooComplicated,
    /// A field isn't there (any more), or not for this user.
    UnknownField,
    /// The object can't be read this way, for the reason with this code.
    Never(&'static str),
    /// Refused, and the text doesn't say why in words that are known.
    Unclear(&'static str),
}

/// What a refusal means, and its first error; of one that has none the status stands for it.
pub fn refusal(status: u16, errors: Vec<ApiError>) -> (Class, ApiError) {
    let class = classify(status, &errors);
    let error = errors.into_iter().next().unwrap_or_else(|| ApiError::of_status(status));
    (class, error)
}

/// What a refusal means. `errors` may be empty: a sub-answer with a status and nothing else.
pub fn classify(status: u16, errors: &[ApiError]) -> Class {
    let Some(error) = errors.first() else {
        return by_status(status);
    };
    let says = |words: &str| error.message.to_ascii_lowercase().contains(words);
    if let Some(refusal) = quota::classify_refusal(&error.code, &error.message) {
        return match refusal {
            quota::Refusal::DailyLimit => Class::DailyLimit,
            quota::Refusal::Concurrency => Class::Later,
        };
    }
    match error.code.as_str() {
        "LIMIT_EXCEEDED" => Class::BulkLimit,
        _ if says("max bulk v2 query") => Class::BulkLimit,
        "PROCESSING_HALTED" => Class::Halted,
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" => Class::Session,
        "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" => Class::Later,
        "QUERY_TIMEOUT" | "OPERATION_TIMEOUT" | "REQUEST_RUNNING_TOO_LONG" => Class::TimedOut,
        "INVALID_QUERY_LOCATOR" => Class::LocatorExpired,
        "EXCEEDED_ID_LIMIT" => Class::NoMorePages,
        "QUERY_TOO_COMPLICATED" => Class::TooComplicated,
        "INVALID_TYPE_FOR_OPERATION" => Class::Never("no-query"),
        "INVALID_TYPE" | "NOT_FOUND" => Class::Never("not-visible"),
        "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION" => Class::Never("needs-filter"),
        "EXTERNAL_OBJECT_EXCEPTION" => Class::Never("external-object"),
        "DATACLOUD_API_DISABLED_EXCEPTION" => Class::Never("feature-disabled"),
        "BIG_OBJECT_UNSUPPORTED_OPERATION" => Class::Never("big-object"),
        "OPERATION_TOO_LARGE" => Class::Never("too-large-without-view-all-data"),
        "TXN_SECURITY_METERING_ERROR" | "TXN_SECURITY_NO_ACCESS" => Class::Never("transaction-security"),
        "INSUFFICIENT_ACCESS" | "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => {
            Class::Never("no-access")
        }
        "INVALID_FIELD" if says("no such column") => Class::UnknownField,
        "INVALID_FIELD" if says("can select only") => Class::Never("needs-filter"),
        "INVALID_FIELD" => Class::Unclear("needs-filter"),
        "MALFORMED_QUERY" if says("longer than") => Class::TooComplicated,
        "MALFORMED_QUERY" if says("querymore") => Class::NoMorePages,
        "MALFORMED_QUERY" if says("reified column") || says("requires a filter") || says("specified in your query") => {
            Class::Never("needs-filter")
        }
        "MALFORMED_QUERY" => Class::Unclear("needs-filter"),
        _ => by_status(status),
    }
}

/// What a refusal means whose code says nothing. Of those that Salesforce makes of its own trouble the status is all that is known.
fn by_status(status: u16) -> Class {
    match status {
        401 => Class::Session,
        406 | 408 | 420 | 429 | 500..=599 => Class::Later,
        _ => Class::Unclear("refused"),
    }
}

/// The column that a query was refused for, as the message names it: `No such column 'X' on entity 'Y'`.
pub fn named_column(message: &str) -> Option<&str> {
    let at = message.to_ascii_lowercase().find("no such column")?;
    let name = message.get(at..)?.split('\'').nth(1)?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn class(code: &str, message: &str) -> Class {
        classify(
            400,
            &[ApiError {
                code: code.into(),
                message: message.into(),
            }],
        )
    }

    #[test]
    fn refusals_of_real_orgs_are_told_apart() {
        for (code, message, expected) in [
            (
                "INVALID_TYPE_FOR_OPERATION",
                "entity type Name does not support query",
                Class::Never("no-query"),
            ),
            (
                "MALFORMED_QUERY",
                "PicklistValueInfo: a filter on a reified column is required [EntityParticleId,DurableId]",
                Class::Never("needs-filter"),
            ),
            (
                "MALFORMED_QUERY",
                "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId",
                Class::Never("needs-filter"),
            ),
            (
                "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
                "Where clauses should contain StatType",
                Class::Never("needs-filter"),
            ),
            (
                "INVALID_FIELD",
                "Can select only RecordId, a Has*Access field",
                Class::Never("needs-filter"),
            ),
            (
                "INVALID_FIELD",
                "field 'Id' can not be filtered in a query call",
                Class::Unclear("needs-filter"),
            ),
            (
                "INVALID_FIELD",
                "\nSELECT Nope FROM Account\nERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Account'.",
                Class::UnknownField,
            ),
            (
                "EXCEEDED_ID_LIMIT",
                "EntityDefinition does not support queryMore(), use LIMIT to restrict the results to a single batch",
                Class::NoMorePages,
            ),
            (
                "MALFORMED_QUERY",
                "SOQL statements can not be longer than 100000 characters",
                Class::TooComplicated,
            ),
            (
                "MALFORMED_QUERY",
                "Für diese Abfrage ist ein Filter erforderlich",
                Class::Unclear("needs-filter"),
            ),
            ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Class::DailyLimit),
            (
                "REQUEST_LIMIT_EXCEEDED",
                "ConcurrentPerOrgLongTxn Limit exceeded.",
                Class::Later,
            ),
            ("INVALID_QUERY_LOCATOR", "invalid query locator", Class::LocatorExpired),
            (
                "PROCESSING_HALTED",
                "Invalid reference specified. No value for p1.nextRecordsUrl found in p1",
                Class::Halted,
            ),
        ] {
            assert_eq!(class(code, message), expected, "{code} {message}");
        }
    }

    #[test]
    fn a_status_alone_says_little() {
        assert_eq!(classify(503, &[]), Class::Later);
        assert_eq!(classify(400, &[]), Class::Unclear("refused"));
    }

    #[test]
    fn of_a_code_that_is_not_known_the_status_decides() {
        let of = |status, code: &str| {
            let error = ApiError {
                code: code.into(),
                message: String::new(),
            };
            classify(status, &[error])
        };
        for status in [406, 408, 420, 429, 500, 502, 503] {
            for code in ["UNKNOWN_EXCEPTION", "INTERNAL_ERROR", "UNHEARD_OF"] {
                assert_eq!(of(status, code), Class::Later, "{status} {code}");
            }
        }
        assert_eq!(
            of(500, "INVALID_TYPE"),
            Class::Never("not-visible"),
            "a code that is known decides"
        );
        assert_eq!(of(400, "UNKNOWN_EXCEPTION"), Class::Unclear("refused"));
        for status in [400, 401, 403] {
            assert_eq!(of(status, "INVALID_SESSION_ID"), Class::Session);
        }
        assert_eq!(of(401, "UNHEARD_OF"), Class::Session);
    }

    #[test]
    fn a_message_names_its_column() {
        assert_eq!(
            named_column("\nERROR at Row:1:Column:8\nNo such column 'Case_Number__c' on entity 'Case'. If you"),
            Some("Case_Number__c")
        );
        for message in [
            "",
            "No such column",
            "No such column ''",
            "No such column 'a b' on",
            "sObject type 'X' is not supported",
        ] {
            assert_eq!(named_column(message), None, "{message}");
        }
    }

    #[test]
    fn only_error_arrays_are_errors() {
        assert_eq!(
            read_errors(br#"[{"message":"m","errorCode":"E","fields":[]}]"#).unwrap()[0].text(),
            "E: m"
        );
        for body in ["", "[]", "{}", "<html>", r#"{"error":"invalid_grant"}"#, "[1,2]", "[{}]"] {
            assert_eq!(read_errors(body.as_bytes()), None, "{body}");
        }
    }
}
