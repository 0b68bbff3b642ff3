//! A host for tests: answers requests from a script, keeps what is staged and told, and counts what is sent. No threads, no time
//! but what the script says; the oldest request under way is the first to answer, or, on demand, the newest.

use super::shelf::{Shelf, Staged};
use crate::host::{
    Answer, Failure, HeldBlob, Host, Hour, Level, Note, Reading, RecordOutcome, Request, Row, SendError, Snapshot, Standing,
    StorageError, Tally, Tombstone, Which,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One answer of the script.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    cut_at: Option<usize>,
    error: Option<SendError>,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply::status(200, body)
    }

    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            body: body.into(),
            headers: Vec::new(),
            cut_at: None,
            error: None,
        }
    }

    pub fn error(error: SendError) -> Reply {
        Reply {
            error: Some(error),
            ..Reply::ok("")
        }
    }

    pub fn usage(mut self, used: u64, max: u64) -> Reply {
        self.headers
            .push(("sforce-limit-info".into(), format!("api-usage={used}/{max}")));
        self
    }

    /// The body breaks off after so many bytes.
    pub fn cut_at(mut self, bytes: usize) -> Reply {
        self.cut_at = Some(bytes);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn body_len(&self) -> usize {
        self.body.len()
    }
}

pub(crate) struct ScriptedAnswer {
    reply: Reply,
    number: u64,
    at: Cell<usize>,
    staged: Rc<RefCell<Staged>>,
}

impl Answer for ScriptedAnswer {
    fn status(&self) -> u16 {
        self.reply.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.reply
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.clone())
    }

    fn request_number(&self) -> u64 {
        self.number
    }

    fn read(&self, max: u32) -> Result<Vec<u8>, SendError> {
        let at = self.at.get();
        let end = self.reply.cut_at.unwrap_or(usize::MAX).min(self.reply.body.len());
        if at == end && self.reply.cut_at.is_some() {
            return Err(SendError::OutcomeUnknown("cut".into()));
        }
        // Odd pieces: nothing may depend on where they end.
        let to = end.min(at + (max as usize).min(1_013));
        self.at.set(to);
        Ok(self.reply.body[at..to].to_vec())
    }

    fn save(&self, blob: &str) -> Result<u64, SendError> {
        if self.reply.cut_at.is_some() {
            return Err(SendError::OutcomeUnknown("cut".into()));
        }
        self.staged
            .borrow_mut()
            .blobs
            .insert(blob.to_owned(), self.reply.body.clone());
        Ok(self.reply.body.len() as u64)
    }
}

impl Snapshot for Shelf {
    fn read(&self, object: &str, cursor: &str, max: u32) -> Result<(Vec<Row>, String), StorageError> {
        let rows = self.rows.get(object).into_iter().flatten();
        let mut after = rows.filter(|(key, _)| key.as_str() > cursor).map(|(_, row)| row.clone());
        // Fewer than asked for are not the end.
        let some: Vec<Row> = after.by_ref().take((max as usize).min(7)).collect();
        let next = after.next().and_then(|_| some.last().map(|row| row.key.clone()));
        Ok((some, next.unwrap_or_default()))
    }

    fn find(&self, object: &str, keys: &[String]) -> Result<Vec<Option<Row>>, StorageError> {
        let rows = self.rows.get(object);
        Ok(keys.iter().map(|key| rows.and_then(|rows| rows.get(key)).cloned()).collect())
    }

    fn objects(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.rows.keys().cloned().collect())
    }

    fn damaged(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.damaged.clone())
    }

    fn notes(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        Ok(keys.iter().map(|key| self.notes.get(key).cloned()).collect())
    }

    fn blobs(&self, object: &str, keys: &[String]) -> Result<Vec<Vec<HeldBlob>>, StorageError> {
        let held = |key: &String| {
            let of_row = format!("{object}/{key}/");
            let blobs = self.blobs.iter().filter(|(name, _)| name.starts_with(&of_row));
            let held = |(name, blob): (&String, &Vec<u8>)| HeldBlob {
                key: name.clone(),
                bytes: blob.len() as u64,
            };
            blobs.map(held).collect()
        };
        Ok(keys.iter().map(held).collect())
    }
}

/// A request under way.
pub(crate) struct ScriptedPending {
    number: u64,
    reply: Reply,
}

/// What was told of an object while planning: way, requests, records, bytes.
pub(crate) type Estimate = (String, u64, u64, u64);

/// Answers a request.
type Script = Box<dyn FnMut(&Request) -> Reply>;

pub(crate) struct ScriptedHost {
    script: RefCell<Script>,
    left: Cell<u32>,
    sent: Cell<u64>,
    requests: RefCell<Vec<Request>>,
    under_way: Cell<usize>,
    pub most_under_way: Cell<usize>,
    pub newest_first: Cell<bool>,
    pub stop: Cell<bool>,
    pub now: Cell<u64>,
    pub store_is_full: Cell<bool>,
    staged: Rc<RefCell<Staged>>,
    /// As committed.
    pub current: RefCell<Shelf>,
    /// What this backup goes on from.
    pub predecessor: RefCell<Option<Shelf>>,
    /// What this restore reads.
    pub source: RefCell<Option<Shelf>>,
    pub configuration: RefCell<String>,
    pub values: RefCell<BTreeMap<String, Vec<u8>>>,
    told: RefCell<Vec<Reading>>,
    pub standings: RefCell<Vec<Standing>>,
    pub skips: RefCell<BTreeMap<String, Failure>>,
    pub failures: RefCell<BTreeMap<String, Failure>>,
    /// By object and part.
    pub failed_parts: RefCell<BTreeMap<(String, String), Failure>>,
    /// By code and object.
    pub warnings: RefCell<BTreeMap<(String, Option<String>), Failure>>,
    /// By object, what they are and how many are expected.
    pub uncounted: RefCell<BTreeMap<String, (String, Option<u64>)>>,
    /// The organization that the connection knows, until it is confirmed.
    pub scope: RefCell<Option<String>>,
    pub remarks: RefCell<Vec<(String, Failure)>>,
    pub ends: RefCell<Vec<String>>,
    pub estimates: RefCell<BTreeMap<String, Estimate>>,
    /// Expected while planning, in order.
    pub expected: RefCell<Vec<(String, Tally)>>,
    pub restored: RefCell<BTreeMap<String, Tally>>,
    pub outcomes: RefCell<BTreeMap<(String, String, RecordOutcome), Failure>>,
    pub needed: Cell<u64>,
    /// Puts until the guest crashes.
    puts_left: Cell<u64>,
}

impl ScriptedHost {
    pub fn new(left: u32, script: impl FnMut(&Request) -> Reply + 'static) -> ScriptedHost {
        ScriptedHost {
            script: RefCell::new(Box::new(script)),
            left: Cell::new(left),
            sent: Cell::new(0),
            requests: RefCell::default(),
            under_way: Cell::new(0),
            most_under_way: Cell::new(0),
            newest_first: Cell::new(false),
            stop: Cell::new(false),
            now: Cell::new(1_800_000_000_000),
            store_is_full: Cell::new(false),
            staged: Rc::default(),
            current: RefCell::default(),
            predecessor: RefCell::default(),
            source: RefCell::default(),
            configuration: RefCell::new(r#"{"instance_url":"https://example.my.salesforce.com","api_version":"v62.0"}"#.into()),
            values: RefCell::default(),
            told: RefCell::default(),
            standings: RefCell::default(),
            skips: RefCell::default(),
            failures: RefCell::default(),
            failed_parts: RefCell::default(),
            warnings: RefCell::default(),
            uncounted: RefCell::default(),
            scope: RefCell::default(),
            remarks: RefCell::default(),
            ends: RefCell::default(),
            estimates: RefCell::default(),
            expected: RefCell::default(),
            restored: RefCell::default(),
            outcomes: RefCell::default(),
            needed: Cell::new(0),
            puts_left: Cell::new(u64::MAX),
        }
    }

    pub fn allow(&self, left: u32) {
        self.left.set(left);
    }

    /// After so many more puts, nothing more is kept: the guest crashed.
    pub fn crash_after_puts(&self, puts: u64) {
        self.puts_left.set(puts);
    }

    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    pub fn told(&self) -> Vec<Reading> {
        self.told.borrow().clone()
    }

    /// Commits what is staged; the rows of it.
    pub fn commit(&self) -> BTreeMap<String, Vec<Row>> {
        let staged = self.staged.take();
        let rows = staged.rows.clone();
        self.current.borrow_mut().commit(staged);
        rows
    }

    /// What is staged is lost.
    pub fn discard(&self) {
        self.staged.take();
    }

    /// The next backup goes on from what this one has.
    pub fn begin_incremental(&self) {
        let mut current = self.current.borrow_mut();
        *self.predecessor.borrow_mut() = Some(current.clone());
        current.inherit();
    }
}

impl Host for ScriptedHost {
    type Pending = ScriptedPending;
    type Answer = ScriptedAnswer;
    type Snapshot = Shelf;

    fn configuration(&self) -> String {
        self.configuration.borrow().clone()
    }

    fn usage_limit(&self) -> u8 {
        50
    }

    fn requests_left(&self) -> u32 {
        self.left.get()
    }

    fn ends_at(&self) -> u64 {
        1_900_000_000_000
    }

    fn scope_to_confirm(&self) -> Option<String> {
        self.scope.borrow().clone()
    }

    fn confirm_scope(&self, scope: &str) -> bool {
        let mut known = self.scope.borrow_mut();
        let same = known.as_deref().is_none_or(|known| known == scope);
        if same {
            *known = None;
        }
        same
    }

    fn should_stop(&self) -> bool {
        self.stop.get()
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn start(&self, request: Request) -> Result<ScriptedPending, SendError> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(SendError::AllowanceSpent);
        };
        self.left.set(left);
        self.sent.set(self.sent.get() + 1);
        self.under_way.set(self.under_way.get() + 1);
        self.most_under_way.set(self.most_under_way.get().max(self.under_way.get()));
        let reply = (self.script.borrow_mut())(&request);
        self.requests.borrow_mut().push(request);
        Ok(ScriptedPending {
            number: self.sent.get(),
            reply,
        })
    }

    fn wait_any(&self, of: &[&ScriptedPending]) -> usize {
        if self.newest_first.get() { of.len() - 1 } else { 0 }
    }

    fn finish(&self, pending: ScriptedPending) -> Result<ScriptedAnswer, SendError> {
        self.under_way.set(self.under_way.get() - 1);
        match pending.reply.error {
            Some(error) => Err(error),
            None => Ok(ScriptedAnswer {
                reply: pending.reply,
                number: pending.number,
                at: Cell::new(0),
                staged: Rc::clone(&self.staged),
            }),
        }
    }

    fn append(&self, object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        if self.store_is_full.get() {
            return Err(StorageError::Full);
        }
        self.staged
            .borrow_mut()
            .rows
            .entry(object.to_owned())
            .or_default()
            .extend(rows);
        Ok(())
    }

    fn bury(&self, object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError> {
        self.staged
            .borrow_mut()
            .gone
            .entry(object.to_owned())
            .or_default()
            .extend(rows);
        Ok(())
    }

    fn annotate(&self, notes: Vec<Note>) -> Result<(), StorageError> {
        let notes = notes.into_iter().map(|note| (note.key, note.body));
        self.staged.borrow_mut().notes.extend(notes);
        Ok(())
    }

    fn replace_inherited(&self, object: &str) -> Result<(), StorageError> {
        self.staged.borrow_mut().replaced.push(object.to_owned());
        Ok(())
    }

    fn reuse_blob(&self, key: &str) -> Result<Option<u64>, StorageError> {
        let length = |blobs: &BTreeMap<String, Vec<u8>>| blobs.get(key).map(|blob| blob.len() as u64);
        Ok(length(&self.staged.borrow().blobs).or_else(|| length(&self.current.borrow().blobs)))
    }

    fn drop_blob(&self, key: &str) -> Result<(), StorageError> {
        self.staged.borrow_mut().dropped.push(key.to_owned());
        Ok(())
    }

    fn read_blob(&self, key: &str, offset: u64, max: u32) -> Result<Vec<u8>, StorageError> {
        let (staged, current) = (self.staged.borrow(), self.current.borrow());
        let blob = staged.blobs.get(key).or_else(|| current.blobs.get(key));
        let blob = blob.ok_or_else(|| StorageError::other("no-blob", key))?;
        let from = (offset as usize).min(blob.len());
        let to = blob.len().min(from + (max as usize).min(1_019));
        Ok(blob[from..to].to_vec())
    }

    fn open(&self, which: Which) -> Result<Option<Shelf>, StorageError> {
        Ok(match which {
            Which::Current => Some(self.current.borrow().clone()),
            Which::Predecessor => self.predecessor.borrow().clone(),
            Which::Source => self.source.borrow().clone(),
        })
    }

    fn put(&self, entries: Vec<(String, Option<Vec<u8>>)>) -> Result<(), StorageError> {
        let Some(left) = self.puts_left.get().checked_sub(1) else {
            return Err(StorageError::other("crashed", "the guest is gone"));
        };
        self.puts_left.set(left);
        let mut values = self.values.borrow_mut();
        for (key, value) in entries {
            match value {
                Some(value) => values.insert(key, value),
                None => values.remove(&key),
            };
        }
        Ok(())
    }

    fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let values = self.values.borrow();
        Ok(keys.iter().map(|key| values.get(key).cloned()).collect())
    }

    fn keys(&self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError> {
        let values = self.values.borrow();
        let keys = values.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        Ok(keys.take(max as usize).cloned().collect())
    }

    fn observe(&self, reading: Reading) -> Result<(), StorageError> {
        self.told.borrow_mut().push(reading);
        Ok(())
    }

    fn readings(&self) -> Result<Vec<Standing>, StorageError> {
        Ok(self.standings.borrow().clone())
    }

    fn own_requests(&self, _: u32) -> Result<Vec<Hour>, StorageError> {
        Ok(Vec::new())
    }

    fn progress(&self, _: &str, _: u64, _: Option<u64>) {}

    fn skipped(&self, object: &str, why: Failure) {
        self.skips.borrow_mut().insert(object.to_owned(), why);
    }

    fn failed(&self, object: &str, why: Failure) {
        self.failures.borrow_mut().insert(object.to_owned(), why);
    }

    fn part_failed(&self, object: &str, part: &str, why: Failure) {
        let key = (object.to_owned(), part.to_owned());
        self.failed_parts.borrow_mut().insert(key, why);
    }

    fn warning(&self, what: Failure) {
        let key = (what.code.clone(), what.object.clone());
        self.warnings.borrow_mut().insert(key, what);
    }

    fn uncounted(&self, object: &str, what: &str, expected: Option<u64>) {
        self.uncounted
            .borrow_mut()
            .insert(object.to_owned(), (what.to_owned(), expected));
    }

    fn remark(&self, object: &str, what: Failure) {
        self.remarks.borrow_mut().push((object.to_owned(), what));
    }

    fn finished(&self, object: &str) {
        self.ends.borrow_mut().push(object.to_owned());
    }

    fn estimate(&self, object: &str, way: &str, requests: u64, records: u64, bytes: u64) {
        self.estimates
            .borrow_mut()
            .insert(object.to_owned(), (way.to_owned(), requests, records, bytes));
    }

    fn expected(&self, object: &str, what: Tally) {
        self.expected.borrow_mut().push((object.to_owned(), what));
    }

    fn restored(&self, object: &str, what: Tally) {
        self.restored.borrow_mut().insert(object.to_owned(), what);
    }

    fn record_outcome(&self, object: &str, key: &str, what: RecordOutcome, why: Failure) {
        let key = (object.to_owned(), key.to_owned(), what);
        self.outcomes.borrow_mut().insert(key, why);
    }

    fn needed(&self, requests: u64) {
        self.needed.set(requests);
    }

    fn log(&self, _: Level, _: &str, _: &[(&str, String)]) {}
}
