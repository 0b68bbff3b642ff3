//! One job that writes: what was asked, where it stands, and what became of each row.

use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use super::moment;
use super::table::CsvTable;
use crate::bulk::csv::Dialect;
use crate::bulk::{BulkRules, JOB_LIFE_MS};
use crate::org::{Org, RecordId, Sent, SentFields, Value, Viewer, WriteError, Writing};

/// Rows of a chunk.
const CHUNK_ROWS: usize = 200;

/// What a job does with its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Insert,
    Update,
    /// By this key.
    Upsert(String),
    Delete,
    HardDelete,
}

impl Operation {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert(_) => "upsert",
            Self::Delete => "delete",
            Self::HardDelete => "hardDelete",
        }
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct IngestJobRequest {
    pub id: RecordId,
    pub operation: Operation,
    pub object: String,
    pub created_by: RecordId,
    /// `v62.0`
    pub version: Arc<str>,
    pub dialect: Dialect,
    pub created_ms: i64,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IngestState {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl IngestState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

/// A row that was processed.
#[derive(Debug)]
struct Processed {
    row: usize,
    outcome: Result<(RecordId, bool), (Option<RecordId>, String)>,
}

/// A job.
#[derive(Debug)]
pub(super) struct IngestJob {
    wanted: IngestJobRequest,
    state: IngestState,
    changed_ms: i64,
    content: Option<Bytes>,
    table: Option<CsvTable>,
    /// Once it's closed: when it begins to run, and how long it runs.
    begins_ms: i64,
    runs_ms: i64,
    failure: Option<String>,
    processed: Vec<Processed>,
}

/// Which results are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResultSet {
    Successful,
    Failed,
    Unprocessed,
}

impl IngestJob {
    pub fn new(wanted: IngestJobRequest) -> Self {
        Self {
            changed_ms: wanted.created_ms,
            wanted,
            state: IngestState::Open,
            content: None,
            table: None,
            begins_ms: 0,
            runs_ms: 0,
            failure: None,
            processed: Vec::new(),
        }
    }

    pub fn wanted(&self) -> &IngestJobRequest {
        &self.wanted
    }

    pub fn state(&self) -> IngestState {
        self.state
    }

    pub fn has_content(&self) -> bool {
        self.content.is_some()
    }

    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms - self.wanted.created_ms >= JOB_LIFE_MS
    }

    /// Takes its table, once.
    pub fn fill(&mut self, content: Bytes) {
        self.content = Some(content);
    }

    /// Reads its table once it's whole; gives the number of its rows, none where the job will fail for it.
    pub fn read(&mut self, org: &Org, viewer: &Viewer) -> Option<u64> {
        let content = self.content.as_ref()?;
        let object = org.object(&self.wanted.object)?;
        match CsvTable::read(content, self.wanted.dialect, org, viewer, object) {
            Ok(table) => {
                let rows = table.len() as u64;
                self.table = Some(table);
                Some(rows)
            }
            Err(why) => {
                self.failure = Some(why);
                None
            }
        }
    }

    /// Closes it: from now on it waits for its turn.
    pub fn close(&mut self, now_ms: i64, rules: BulkRules, failure: Option<String>) {
        self.state = IngestState::UploadComplete;
        self.changed_ms = now_ms;
        let queue_ms = rules.queue_ms.clamp(0, rules.base_ms.max(0));
        let rows = self.table.as_ref().map_or(0, CsvTable::len) as i64;
        self.begins_ms = now_ms + queue_ms;
        self.runs_ms = rules.base_ms.max(0) - queue_ms + rows * rules.ms_per_100k_rows.max(0) / 100_000;
        self.failure = self.failure.take().or(failure);
    }

    /// Aborts it; false where it has ended already.
    pub fn abort(&mut self, now_ms: i64) -> bool {
        let can = !self.state.is_final();
        if can {
            (self.state, self.changed_ms) = (IngestState::Aborted, now_ms);
        }
        can
    }

    /// Whether it has something to do by now.
    pub fn is_due(&self, now_ms: i64) -> bool {
        matches!(self.state, IngestState::UploadComplete | IngestState::InProgress) && self.next_ms() <= now_ms
    }

    /// When it has something to do next.
    pub fn next_ms(&self) -> i64 {
        let rows = self.table.as_ref().map_or(0, CsvTable::len);
        match self.state {
            IngestState::UploadComplete => self.begins_ms,
            _ if rows == 0 => self.begins_ms + self.runs_ms,
            _ => {
                let done = (self.processed.len() + CHUNK_ROWS).min(rows);
                self.begins_ms + (self.runs_ms as i128 * done as i128 / rows as i128) as i64
            }
        }
    }

    /// Does the next of what is due: begins, writes a chunk, or ends.
    pub fn go_on(&mut self, org: &mut Org, viewer: &Viewer, now_ms: i64) {
        let at_ms = self.next_ms().min(now_ms);
        if self.state == IngestState::UploadComplete {
            self.state = if self.failure.is_some() {
                IngestState::Failed
            } else {
                IngestState::InProgress
            };
            self.changed_ms = at_ms;
            return;
        }
        let rows = self.table.as_ref().map_or(0, CsvTable::len);
        let from = self.processed.len();
        for row in from..(from + CHUNK_ROWS).min(rows) {
            let fields = self.table.as_ref().map(|table| table.sent(row)).unwrap_or_default();
            let by = Writing {
                // Only a job that names a rule runs it, and none here can.
                assigns: false,
                ..Writing::of_client(viewer, moment(at_ms))
            };
            let outcome = self.write(org, &by, fields);
            let outcome = outcome.map_err(|(id, error)| (id, printed(&error)));
            self.processed.push(Processed { row, outcome });
        }
        if self.processed.len() == rows {
            (self.state, self.changed_ms) = (IngestState::JobComplete, at_ms);
        }
    }

    fn write(
        &self,
        org: &mut Org,
        by: &Writing<'_>,
        mut fields: SentFields,
    ) -> Result<(RecordId, bool), (Option<RecordId>, WriteError)> {
        match &self.wanted.operation {
            Operation::Insert => {
                let id = org.create_by(by, &self.wanted.object, &fields).map_err(|e| (None, e))?;
                Ok((id, true))
            }
            Operation::Upsert(key) => {
                let done = org.upsert_by(by, &self.wanted.object, key, &fields);
                done.map(|done| (done.id, done.created)).map_err(|e| (e.id, e.error))
            }
            operation => {
                let id = own_id(&mut fields).map_err(|e| (None, e))?;
                let fits = org.object_of(id).is_some_and(|o| o.name() == self.wanted.object);
                if !fits {
                    let message = format!("id value of incorrect type: {id}");
                    return Err((Some(id), WriteError::new("MALFORMED_ID", message, &["Id"])));
                }
                match operation {
                    Operation::Update => org.update_by(by, id, &fields),
                    _ => delete(org, by, id, *operation == Operation::HardDelete),
                }
                .map_err(|e| (Some(id), e))?;
                Ok((id, false))
            }
        }
    }

    /// A table of results, in an order of its own.
    pub fn results(&self, which: ResultSet) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(table) = &self.table else { return out };
        let dialect = self.wanted.dialect;
        let told: &[&str] = match which {
            ResultSet::Successful => &["sf__Id", "sf__Created"],
            ResultSet::Failed => &["sf__Id", "sf__Error"],
            ResultSet::Unprocessed => &[],
        };
        dialect.write_texts(told.iter().copied().chain(table.header()), &mut out);
        let mut rows: Vec<(Vec<String>, usize)> = match which {
            ResultSet::Unprocessed => (self.processed.len()..table.len()).map(|row| (Vec::new(), row)).collect(),
            _ => self
                .processed
                .iter()
                .filter(|p| p.outcome.is_ok() == (which == ResultSet::Successful))
                .map(|p| match &p.outcome {
                    Ok((id, created)) => (vec![id.to_string(), created.to_string()], p.row),
                    Err((id, error)) => {
                        let id = id.map(|id| id.to_string()).unwrap_or_default();
                        (vec![id, error.clone()], p.row)
                    }
                })
                .collect(),
        };
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(self.wanted.id.counter().unwrap_or_default()));
        for (told, row) in rows {
            dialect.write_texts(told.iter().map(String::as_str).chain(table.texts(row)), &mut out);
        }
        out
    }

    /// What its creation and every change of its state answer.
    pub fn summary(&self) -> Json {
        let wanted = &self.wanted;
        let api_version: f64 = wanted.version.trim_start_matches('v').parse().unwrap_or_default();
        let mut told = json!({
            "id": wanted.id,
            "operation": wanted.operation.name(),
            "object": wanted.object,
            "createdById": wanted.created_by,
            "createdDate": Value::DateTime(moment(wanted.created_ms)).to_plain(),
            "systemModstamp": Value::DateTime(moment(self.changed_ms)).to_plain(),
            "state": self.state.name(),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": api_version,
            "lineEnding": wanted.dialect.line_ending.name(),
            "columnDelimiter": wanted.dialect.delimiter.name(),
        });
        if let Operation::Upsert(key) = &wanted.operation {
            told["externalIdFieldName"] = json!(key);
        }
        if self.state == IngestState::Open {
            let path = format!("services/data/{}/jobs/ingest/{}/batches", wanted.version, wanted.id);
            told["contentUrl"] = json!(path);
        }
        told
    }

    /// What the list of jobs says of it.
    pub fn entry(&self) -> Json {
        let mut told = self.summary();
        told["jobType"] = json!("V2Ingest");
        told
    }

    /// What its own resource says of it.
    pub fn details(&self, now_ms: i64) -> Json {
        let mut told = self.entry();
        let failed = self.processed.iter().filter(|p| p.outcome.is_err()).count();
        let until = if self.state.is_final() { self.changed_ms } else { now_ms };
        let ran_ms = match self.state {
            IngestState::Open | IngestState::UploadComplete => 0,
            _ => (until - self.begins_ms).max(0),
        };
        told["numberRecordsProcessed"] = json!(self.processed.len());
        told["numberRecordsFailed"] = json!(failed);
        told["retries"] = json!(0);
        told["totalProcessingTime"] = json!(ran_ms);
        told["apiActiveProcessingTime"] = json!(ran_ms);
        told["apexProcessingTime"] = json!(0);
        if let (IngestState::Failed, Some(message)) = (self.state, &self.failure) {
            told["errorMessage"] = json!(message);
        }
        told
    }
}

fn own_id(fields: &mut SentFields) -> Result<RecordId, WriteError> {
    match fields.remove("Id") {
        Some(Sent::Text(text)) => text.parse().map_err(|e| WriteError::malformed_id(&e)),
        _ => Err(WriteError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[])),
    }
}

fn delete(org: &mut Org, by: &Writing<'_>, id: RecordId, past_bin: bool) -> Result<(), WriteError> {
    let gone = org.delete_by(by, id)?;
    if past_bin {
        let everybody = org.administrator();
        for id in gone {
            // Rows of objects without a bin are gone already.
            let _ = org.purge(&everybody, id, by.now);
        }
    }
    Ok(())
}

/// An error as results have it: `CODE:message:fields --`.
fn printed(error: &WriteError) -> String {
    let fields = error.fields.join(",");
    let gap = if fields.is_empty() { "" } else { " " };
    format!("{}:{}:{fields}{gap}--", error.status_code, error.message)
}
