//! Conversions, in one place: a field that one side gains and the other lacks shows here as a compile error.

use super::{connector, http, log, report, storage, types};
use backup_contract::{
    BackupOptions, BatchResult, Body, Checked, Checkpoint, ConnectorError, Content, Description, Failure, FormPart, HeldBlob,
    Hour, Level, Method, NamedValue, Next, Note, ObjectKey, Pause, Planned, Reading, ReadingSource, RecordOutcome, Request,
    RestoreSelection, Row, SendError, Standing, StorageError, Tally, Tombstone, Verdict, Which,
};

impl From<types::NamedValue> for NamedValue {
    fn from(v: types::NamedValue) -> Self {
        NamedValue {
            name: v.name,
            value: v.value,
        }
    }
}

impl From<NamedValue> for types::NamedValue {
    fn from(v: NamedValue) -> Self {
        types::NamedValue {
            name: v.name,
            value: v.value,
        }
    }
}

fn all<A, B: From<A>>(values: Vec<A>) -> Vec<B> {
    values.into_iter().map(B::from).collect()
}

impl From<types::Failure> for Failure {
    fn from(v: types::Failure) -> Self {
        Failure {
            code: v.code,
            message: v.message,
            remedy: v.remedy,
            object: v.object,
            details: all(v.details),
        }
    }
}

// Requests and what they meet.

impl From<http::Method> for Method {
    fn from(v: http::Method) -> Self {
        match v {
            http::Method::Get => Method::Get,
            http::Method::Head => Method::Head,
            http::Method::Post => Method::Post,
            http::Method::Put => Method::Put,
            http::Method::Patch => Method::Patch,
            http::Method::Delete => Method::Delete,
        }
    }
}

impl From<http::Content> for Content {
    fn from(v: http::Content) -> Self {
        match v {
            http::Content::Bytes(bytes) => Content::Bytes(bytes),
            http::Content::Blob(key) => Content::Blob(key),
        }
    }
}

impl From<http::FormPart> for FormPart {
    fn from(v: http::FormPart) -> Self {
        FormPart {
            headers: all(v.headers),
            content: v.content.into(),
        }
    }
}

impl From<http::Body> for Body {
    fn from(v: http::Body) -> Self {
        match v {
            http::Body::None => Body::None,
            http::Body::Bytes(bytes) => Body::Bytes(bytes),
            http::Body::Blob(key) => Body::Blob(key),
            http::Body::Form(parts) => Body::Form(all(parts)),
        }
    }
}

impl From<http::Request> for Request {
    fn from(v: http::Request) -> Self {
        Request {
            method: v.method.into(),
            path: v.path,
            headers: all(v.headers),
            body: v.body.into(),
            cost: v.cost,
            repeatable: v.repeatable,
            options: all(v.options),
        }
    }
}

impl From<SendError> for http::SendError {
    fn from(v: SendError) -> Self {
        match v {
            SendError::AllowanceSpent => http::SendError::AllowanceSpent,
            SendError::NotPermitted(why) => http::SendError::NotPermitted(why),
            SendError::NotSent(why) => http::SendError::NotSent(why),
            SendError::OutcomeUnknown(why) => http::SendError::OutcomeUnknown(why),
            SendError::TooLarge(limit) => http::SendError::TooLarge(limit),
            SendError::Other(other) => http::SendError::Other(other.into()),
        }
    }
}

// Storage.

impl From<StorageError> for storage::StorageError {
    fn from(v: StorageError) -> Self {
        match v {
            StorageError::Full => storage::StorageError::Full,
            StorageError::BadName(why) => storage::StorageError::BadName(why),
            StorageError::TooLarge(limit) => storage::StorageError::TooLarge(limit),
            StorageError::Sealed(why) => storage::StorageError::Sealed(why),
            StorageError::Unavailable(why) => storage::StorageError::Unavailable(why),
            StorageError::Other(other) => storage::StorageError::Other(other.into()),
        }
    }
}

impl From<storage::Row> for Row {
    fn from(v: storage::Row) -> Self {
        Row {
            key: v.key,
            revision: v.revision,
            body: v.body,
        }
    }
}

impl From<Row> for storage::Row {
    fn from(v: Row) -> Self {
        storage::Row {
            key: v.key,
            revision: v.revision,
            body: v.body,
        }
    }
}

impl From<storage::Tombstone> for Tombstone {
    fn from(v: storage::Tombstone) -> Self {
        Tombstone { key: v.key, at: v.at }
    }
}

impl From<storage::Note> for Note {
    fn from(v: storage::Note) -> Self {
        Note {
            key: v.key,
            body: v.body,
        }
    }
}

impl From<storage::Which> for Which {
    fn from(v: storage::Which) -> Self {
        match v {
            storage::Which::Current => Which::Current,
            storage::Which::Predecessor => Which::Predecessor,
            storage::Which::Source => Which::Source,
        }
    }
}

impl From<types::ReadingSource> for ReadingSource {
    fn from(v: types::ReadingSource) -> Self {
        match v {
            types::ReadingSource::ResponseHeader => ReadingSource::ResponseHeader,
            types::ReadingSource::LimitsResource => ReadingSource::LimitsResource,
            types::ReadingSource::Refusal => ReadingSource::Refusal,
            types::ReadingSource::Other => ReadingSource::Other,
        }
    }
}

impl From<ReadingSource> for types::ReadingSource {
    fn from(v: ReadingSource) -> Self {
        match v {
            ReadingSource::ResponseHeader => types::ReadingSource::ResponseHeader,
            ReadingSource::LimitsResource => types::ReadingSource::LimitsResource,
            ReadingSource::Refusal => types::ReadingSource::Refusal,
            ReadingSource::Other => types::ReadingSource::Other,
        }
    }
}

impl From<types::Reading> for Reading {
    fn from(v: types::Reading) -> Self {
        Reading {
            quota: v.quota,
            used: v.used,
            max: v.max,
            observed_at: v.observed_at,
            source: v.source.into(),
            request: v.request,
        }
    }
}

impl From<Reading> for types::Reading {
    fn from(v: Reading) -> Self {
        types::Reading {
            quota: v.quota,
            used: v.used,
            max: v.max,
            observed_at: v.observed_at,
            source: v.source.into(),
            request: v.request,
        }
    }
}

impl From<Standing> for storage::Standing {
    fn from(v: Standing) -> Self {
        storage::Standing {
            last: v.last.into(),
            own_since: v.own_since,
            in_flight: v.in_flight,
        }
    }
}

impl From<Hour> for storage::Hour {
    fn from(v: Hour) -> Self {
        storage::Hour {
            start: v.start,
            sent: v.sent,
        }
    }
}

impl From<log::Level> for Level {
    fn from(v: log::Level) -> Self {
        match v {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        }
    }
}

// What the exports take.

impl From<Checkpoint> for types::Checkpoint {
    fn from(v: Checkpoint) -> Self {
        types::Checkpoint {
            state_version: v.state_version,
            data: v.data,
        }
    }
}

impl From<BackupOptions> for connector::BackupOptions {
    fn from(v: BackupOptions) -> Self {
        connector::BackupOptions {
            objects: v.objects,
            full: v.full,
            details: all(v.details),
        }
    }
}

impl From<ObjectKey> for connector::ObjectKey {
    fn from(v: ObjectKey) -> Self {
        connector::ObjectKey {
            object: v.object,
            key: v.key,
        }
    }
}

impl From<RestoreSelection> for connector::RestoreSelection {
    fn from(v: RestoreSelection) -> Self {
        connector::RestoreSelection {
            objects: v.objects,
            records: all(v.records),
            with_related: v.with_related,
            details: all(v.details),
        }
    }
}

// What the exports give.

impl From<types::Checkpoint> for Checkpoint {
    fn from(v: types::Checkpoint) -> Self {
        Checkpoint {
            state_version: v.state_version,
            data: v.data,
        }
    }
}

impl From<types::ConnectorError> for ConnectorError {
    fn from(v: types::ConnectorError) -> Self {
        match v {
            types::ConnectorError::Configuration(f) => ConnectorError::Configuration(f.into()),
            types::ConnectorError::Authorization(f) => ConnectorError::Authorization(f.into()),
            types::ConnectorError::Source(f) => ConnectorError::Source(f.into()),
            types::ConnectorError::State(f) => ConnectorError::State(f.into()),
            types::ConnectorError::Unsupported(f) => ConnectorError::Unsupported(f.into()),
            types::ConnectorError::Host(f) => ConnectorError::Host(f.into()),
            types::ConnectorError::Other(f) => ConnectorError::Other(f.into()),
        }
    }
}

impl From<connector::Description> for Description {
    fn from(v: connector::Description) -> Self {
        Description {
            name: v.name,
            version: v.version,
            quota: v.quota,
            state_version: v.state_version,
            reads_state_versions: v.reads_state_versions,
            configuration_schema: v.configuration_schema,
            facts: all(v.facts),
        }
    }
}

impl From<connector::Checked> for Checked {
    fn from(v: connector::Checked) -> Self {
        Checked {
            scope: v.scope,
            facts: all(v.facts),
        }
    }
}

impl From<connector::Pause> for Pause {
    fn from(v: connector::Pause) -> Self {
        Pause {
            reason: v.reason,
            used: v.used,
            max: v.max,
            ceiling: v.ceiling,
            recheck_after: v.recheck_after,
        }
    }
}

impl From<connector::Next> for Next {
    fn from(v: connector::Next) -> Self {
        match v {
            connector::Next::Batch(requests) => Next::Batch(requests),
            connector::Next::AgainAfter(seconds) => Next::AgainAfter(seconds),
            connector::Next::Pause(p) => Next::Pause(p.into()),
            connector::Next::Blocked(f) => Next::Blocked(f.into()),
            connector::Next::Done => Next::Done,
            connector::Next::Other(f) => Next::Other(f.into()),
        }
    }
}

impl From<connector::BatchResult> for BatchResult {
    fn from(v: connector::BatchResult) -> Self {
        BatchResult {
            at: v.at.into(),
            next: v.next.into(),
        }
    }
}

impl From<connector::Planned> for Planned {
    fn from(v: connector::Planned) -> Self {
        match v {
            connector::Planned::Ready(first) => Planned::Ready(first.into()),
            connector::Planned::More(requests) => Planned::More(requests),
            connector::Planned::AgainAfter(seconds) => Planned::AgainAfter(seconds),
            connector::Planned::Blocked(f) => Planned::Blocked(f.into()),
            connector::Planned::Other(f) => Planned::Other(f.into()),
        }
    }
}

impl From<connector::Verdict> for Verdict {
    fn from(v: connector::Verdict) -> Self {
        match v {
            connector::Verdict::Proceed(requests) => Verdict::Proceed(requests),
            connector::Verdict::Probe(requests) => Verdict::Probe(requests),
            connector::Verdict::Pause(p) => Verdict::Pause(p.into()),
            connector::Verdict::Other(f) => Verdict::Other(f.into()),
        }
    }
}

impl From<HeldBlob> for storage::HeldBlob {
    fn from(v: HeldBlob) -> Self {
        storage::HeldBlob {
            key: v.key,
            bytes: v.bytes,
        }
    }
}

impl From<report::Tally> for Tally {
    fn from(v: report::Tally) -> Self {
        Tally {
            created: v.created,
            updated: v.updated,
            relinked: v.relinked,
            skipped: v.skipped,
            failed: v.failed,
            ambiguous: v.ambiguous,
        }
    }
}

impl From<report::Outcome> for RecordOutcome {
    fn from(v: report::Outcome) -> Self {
        match v {
            report::Outcome::Failed => RecordOutcome::Failed,
            report::Outcome::Ambiguous => RecordOutcome::Ambiguous,
            report::Outcome::Incomplete => RecordOutcome::Incomplete,
            report::Outcome::Differs => RecordOutcome::Differs,
        }
    }
}
