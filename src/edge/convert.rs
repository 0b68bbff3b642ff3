//! Between the library's types and the contract's.

use super::bindings::backup::connector::{http, log, report, storage, types};
use super::bindings::exports::backup::connector::connector as exports;
use crate::host;
use crate::restore::Selection;

impl From<host::Failure> for types::Failure {
    fn from(failure: host::Failure) -> types::Failure {
        types::Failure {
            code: failure.code,
            message: failure.message,
            remedy: failure.remedy,
            object: failure.object,
            details: named(failure.details),
        }
    }
}

fn named(pairs: Vec<(String, String)>) -> Vec<types::NamedValue> {
    pairs
        .into_iter()
        .map(|(name, value)| types::NamedValue { name, value })
        .collect()
}

impl From<host::ConnectorError> for types::ConnectorError {
    fn from(error: host::ConnectorError) -> types::ConnectorError {
        match error {
            host::ConnectorError::Configuration(f) => types::ConnectorError::Configuration(f.into()),
            host::ConnectorError::Authorization(f) => types::ConnectorError::Authorization(f.into()),
            host::ConnectorError::Source(f) => types::ConnectorError::Source(f.into()),
            host::ConnectorError::State(f) => types::ConnectorError::State(f.into()),
            host::ConnectorError::Unsupported(f) => types::ConnectorError::Unsupported(f.into()),
            host::ConnectorError::Host(f) => types::ConnectorError::Host(f.into()),
        }
    }
}

impl From<host::Checked> for exports::Checked {
    fn from(checked: host::Checked) -> exports::Checked {
        exports::Checked {
            scope: checked.scope,
            facts: named(checked.facts),
        }
    }
}

impl From<host::Next> for exports::Next {
    fn from(next: host::Next) -> exports::Next {
        match next {
            host::Next::Batch(requests) => exports::Next::Batch(requests),
            host::Next::AgainAfter(seconds) => exports::Next::AgainAfter(seconds),
            host::Next::Pause(pause) => exports::Next::Pause(exports::Pause {
                reason: pause.reason.to_owned(),
                used: pause.used,
                max: pause.max,
                ceiling: pause.ceiling,
                recheck_after: pause.recheck_after,
            }),
            host::Next::Blocked(failure) => exports::Next::Blocked(failure.into()),
            host::Next::Done => exports::Next::Done,
        }
    }
}

impl From<host::BatchResult> for exports::BatchResult {
    fn from(result: host::BatchResult) -> exports::BatchResult {
        exports::BatchResult {
            at: types::Checkpoint {
                state_version: crate::STATE_VERSION,
                data: result.at,
            },
            next: result.next.into(),
        }
    }
}

impl From<host::Planned> for exports::Planned {
    fn from(planned: host::Planned) -> exports::Planned {
        match planned {
            host::Planned::Ready(result) => exports::Planned::Ready(result.into()),
            host::Planned::More(requests) => exports::Planned::More(requests),
            host::Planned::AgainAfter(seconds) => exports::Planned::AgainAfter(seconds),
            host::Planned::Blocked(failure) => exports::Planned::Blocked(failure.into()),
        }
    }
}

impl From<host::Request> for http::Request {
    fn from(request: host::Request) -> http::Request {
        let mut headers = vec![header("Accept", request.accept.to_owned())];
        if !request.body.is_empty() {
            headers.push(header("Content-Type", request.content_type.to_owned()));
        }
        headers.extend(request.headers.iter().map(|(name, value)| header(name, (*value).to_owned())));
        http::Request {
            method: match request.method {
                host::Method::Get => http::Method::Get,
                host::Method::Post => http::Method::Post,
                host::Method::Patch => http::Method::Patch,
                host::Method::Put => http::Method::Put,
            },
            path: request.path,
            headers,
            body: if !request.form.is_empty() {
                http::Body::Form(request.form.into_iter().map(Into::into).collect())
            } else if request.body.is_empty() {
                http::Body::None
            } else {
                http::Body::Bytes(request.body)
            },
            // A composite request counts as one, whatever it has within.
            cost: 1,
            repeatable: request.repeatable,
            options: Vec::new(),
        }
    }
}

impl From<exports::RestoreSelection> for Selection {
    fn from(given: exports::RestoreSelection) -> Selection {
        let mut selection = Selection {
            objects: given.objects.into_iter().collect(),
            with_related: given.with_related,
            ..Selection::default()
        };
        for record in given.records {
            selection.records.entry(record.object).or_default().insert(record.key);
        }
        for types::NamedValue { name, value } in given.details {
            match name.split_once(':') {
                Some(("where", object)) => {
                    selection.conditions.insert(object.to_owned(), value);
                }
                Some(("external-id", object)) => {
                    selection.external_ids.insert(object.to_owned(), value);
                }
                None if name == "mode" => selection.overwrite = value == "overwrite",
                None if name == "keep-changed-since" => selection.keep_changed_since = value.parse().ok(),
                None if name == "no-relink" => selection.no_relink = true,
                None if name == "verify" => selection.verify = true,
                None if name == "source-scope" => selection.source = value,
                None if name == "snapshot" => selection.snapshot = value,
                _ => {}
            }
        }
        selection
    }
}

impl From<host::FormPart> for http::FormPart {
    fn from(part: host::FormPart) -> http::FormPart {
        http::FormPart {
            headers: part.headers.into_iter().map(|(name, value)| header(name, value)).collect(),
            content: match part.content {
                host::Content::Bytes(bytes) => http::Content::Bytes(bytes),
                host::Content::Blob(key) => http::Content::Blob(key),
            },
        }
    }
}

fn header(name: &str, value: String) -> types::NamedValue {
    types::NamedValue {
        name: name.to_owned(),
        value,
    }
}

impl From<host::Tally> for report::Tally {
    fn from(tally: host::Tally) -> report::Tally {
        report::Tally {
            created: tally.created,
            updated: tally.updated,
            relinked: tally.relinked,
            skipped: tally.skipped,
            failed: tally.failed,
            ambiguous: tally.ambiguous,
        }
    }
}

impl From<host::RecordOutcome> for report::Outcome {
    fn from(outcome: host::RecordOutcome) -> report::Outcome {
        match outcome {
            host::RecordOutcome::Failed => report::Outcome::Failed,
            host::RecordOutcome::Ambiguous => report::Outcome::Ambiguous,
            host::RecordOutcome::Incomplete => report::Outcome::Incomplete,
            host::RecordOutcome::Differs => report::Outcome::Differs,
        }
    }
}

impl From<http::SendError> for host::SendError {
    fn from(error: http::SendError) -> host::SendError {
        match error {
            http::SendError::AllowanceSpent => host::SendError::AllowanceSpent,
            http::SendError::NotPermitted(why) => host::SendError::NotPermitted(why),
            http::SendError::NotSent(why) => host::SendError::NotSent(why),
            http::SendError::OutcomeUnknown(why) => host::SendError::OutcomeUnknown(why),
            http::SendError::TooLarge(bytes) => host::SendError::TooLarge(bytes),
            http::SendError::Other(other) => match other.name.as_str() {
                "content-differs" => host::SendError::ContentDiffers(other.value),
                "storage" => host::SendError::Store(other.value),
                "credentials-refused" => host::SendError::CredentialRefused(other.value),
                _ => host::SendError::Other(format!("{}: {}", other.name, other.value)),
            },
        }
    }
}

impl From<storage::StorageError> for host::StorageError {
    fn from(error: storage::StorageError) -> host::StorageError {
        host::StorageError(match error {
            storage::StorageError::Full => "it is full".to_owned(),
            storage::StorageError::BadName(why) => format!("it takes no such name: {why}"),
            storage::StorageError::TooLarge(bytes) => format!("it takes at most {bytes} bytes"),
            storage::StorageError::Sealed(why) => format!("the data is sealed: {why}"),
            storage::StorageError::Unavailable(why) => format!("it doesn't answer: {why}"),
            storage::StorageError::Other(other) => format!("{}: {}", other.name, other.value),
        })
    }
}

impl From<host::Row> for storage::Row {
    fn from(row: host::Row) -> storage::Row {
        storage::Row {
            key: row.key,
            revision: row.revision,
            body: row.body,
        }
    }
}

impl From<host::Reading> for types::Reading {
    fn from(reading: host::Reading) -> types::Reading {
        types::Reading {
            quota: reading.quota,
            used: reading.used,
            max: reading.max,
            observed_at: reading.observed_at,
            source: match reading.source {
                host::ReadingSource::ResponseHeader => types::ReadingSource::ResponseHeader,
                host::ReadingSource::LimitsResource => types::ReadingSource::LimitsResource,
                host::ReadingSource::Refusal => types::ReadingSource::Refusal,
                host::ReadingSource::Other => types::ReadingSource::Other,
            },
            request: reading.request,
        }
    }
}

impl From<types::Reading> for host::Reading {
    fn from(reading: types::Reading) -> host::Reading {
        host::Reading {
            quota: reading.quota,
            used: reading.used,
            max: reading.max,
            observed_at: reading.observed_at,
            source: match reading.source {
                types::ReadingSource::ResponseHeader => host::ReadingSource::ResponseHeader,
                types::ReadingSource::LimitsResource => host::ReadingSource::LimitsResource,
                types::ReadingSource::Refusal => host::ReadingSource::Refusal,
                types::ReadingSource::Other => host::ReadingSource::Other,
            },
            request: reading.request,
        }
    }
}

impl From<storage::Standing> for host::Standing {
    fn from(standing: storage::Standing) -> host::Standing {
        host::Standing {
            last: standing.last.into(),
            own_since: standing.own_since,
            in_flight: standing.in_flight,
        }
    }
}

impl From<host::Level> for log::Level {
    fn from(level: host::Level) -> log::Level {
        match level {
            host::Level::Debug => log::Level::Debug,
            host::Level::Info => log::Level::Info,
            host::Level::Warn => log::Level::Warn,
        }
    }
}

impl From<storage::Row> for host::Row {
    fn from(row: storage::Row) -> host::Row {
        host::Row {
            key: row.key,
            revision: row.revision,
            body: row.body,
        }
    }
}

impl From<host::Which> for storage::Which {
    fn from(which: host::Which) -> storage::Which {
        match which {
            host::Which::Current => storage::Which::Current,
            host::Which::Predecessor => storage::Which::Predecessor,
            host::Which::Source => storage::Which::Source,
        }
    }
}
