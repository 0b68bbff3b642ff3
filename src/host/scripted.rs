//! A host for tests: answers requests from a script, keeps what is staged and told, and counts what is sent. No threads, no time
//! but what the script says; the oldest request under way is the first to answer, or, on demand, the newest.

use super::{Answer, Failure, Host, Hour, Level, Reading, Request, Row, SendError, Standing, StorageError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

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

    pub fn body_len(&self) -> usize {
        self.body.len()
    }
}

pub(crate) struct ScriptedAnswer {
    reply: Reply,
    number: u64,
    at: Cell<usize>,
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
    staged: RefCell<BTreeMap<String, Vec<Row>>>,
    pub values: RefCell<BTreeMap<String, Vec<u8>>>,
    told: RefCell<Vec<Reading>>,
    pub standings: RefCell<Vec<Standing>>,
    pub skips: RefCell<BTreeMap<String, Failure>>,
    pub remarks: RefCell<Vec<(String, Failure)>>,
    pub ends: RefCell<Vec<String>>,
    pub estimates: RefCell<BTreeMap<String, Estimate>>,
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
            staged: RefCell::default(),
            values: RefCell::default(),
            told: RefCell::default(),
            standings: RefCell::default(),
            skips: RefCell::default(),
            remarks: RefCell::default(),
            ends: RefCell::default(),
            estimates: RefCell::default(),
        }
    }

    pub fn allow(&self, left: u32) {
        self.left.set(left);
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

    /// Rows staged since the last call, as a commit would take them.
    pub fn take_staged(&self) -> BTreeMap<String, Vec<Row>> {
        self.staged.take()
    }
}

impl Host for ScriptedHost {
    type Pending = ScriptedPending;
    type Answer = ScriptedAnswer;

    fn configuration(&self) -> String {
        r#"{"instance_url":"https://example.my.salesforce.com","api_version":"v62.0"}"#.into()
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
            }),
        }
    }

    fn append(&self, object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        if self.store_is_full.get() {
            return Err(StorageError("full".into()));
        }
        self.staged.borrow_mut().entry(object.to_owned()).or_default().extend(rows);
        Ok(())
    }

    fn put(&self, entries: Vec<(String, Option<Vec<u8>>)>) -> Result<(), StorageError> {
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

    fn log(&self, _: Level, _: &str, _: &[(&str, String)]) {}
}
