//! The library's [`Host`], over the component's imports.

use super::bindings::backup::connector::{clock, http, job, log, report, storage};
use crate::host::{
    Answer, Failure, HeldBlob, Host, Hour, Level, NamedValue, Note, Reading, RecordOutcome, Request, Row, SendError, Snapshot,
    Standing, StorageError, Tally, Tombstone, Which,
};

/// The imports. They are functions, so there's nothing to hold.
pub(super) struct Imports;

impl Answer for http::Response {
    fn status(&self) -> u16 {
        http::Response::status(self)
    }

    fn header(&self, name: &str) -> Option<String> {
        http::Response::header(self, name)
    }

    fn request_number(&self) -> u64 {
        http::Response::request_number(self)
    }

    fn read(&self, max: u32) -> Result<Vec<u8>, SendError> {
        http::Response::read(self, max)
    }

    fn save(&self, blob: &str) -> Result<u64, SendError> {
        http::Response::save(self, blob)
    }
}

impl Snapshot for storage::Snapshot {
    fn read(&self, object: &str, cursor: &str, max: u32) -> Result<(Vec<Row>, String), StorageError> {
        storage::Snapshot::read(self, object, cursor, max)
    }

    fn find(&self, object: &str, keys: &[String]) -> Result<Vec<Option<Row>>, StorageError> {
        storage::Snapshot::find(self, object, keys)
    }

    fn objects(&self) -> Result<Vec<String>, StorageError> {
        storage::Snapshot::objects(self)
    }

    fn damaged(&self) -> Result<Vec<String>, StorageError> {
        storage::Snapshot::damaged(self)
    }

    fn notes(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        storage::Snapshot::notes(self, keys)
    }

    fn blobs(&self, object: &str, keys: &[String]) -> Result<Vec<Vec<HeldBlob>>, StorageError> {
        storage::Snapshot::blobs(self, object, keys)
    }
}

impl Host for Imports {
    type Pending = http::Pending;
    type Answer = http::Response;
    type Snapshot = storage::Snapshot;

    fn configuration(&self) -> String {
        job::configuration()
    }

    fn usage_limit(&self) -> u8 {
        job::usage_limit()
    }

    fn requests_left(&self) -> u32 {
        job::requests_left()
    }

    fn ends_at(&self) -> u64 {
        job::ends_at()
    }

    fn scope_to_confirm(&self) -> Option<String> {
        job::scope_to_confirm()
    }

    fn confirm_scope(&self, scope: &str) -> bool {
        job::confirm_scope(scope)
    }

    fn should_stop(&self) -> bool {
        job::should_stop()
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    fn start(&self, request: Request) -> Result<http::Pending, SendError> {
        http::start(&request.into())
    }

    fn wait_any(&self, of: &[&http::Pending]) -> usize {
        http::wait_any(of) as usize
    }

    fn finish(&self, pending: http::Pending) -> Result<http::Response, SendError> {
        pending.finish()
    }

    fn append(&self, object: &str, rows: Vec<Row>) -> Result<(), StorageError> {
        storage::append(object, &rows)
    }

    fn bury(&self, object: &str, rows: Vec<Tombstone>) -> Result<(), StorageError> {
        storage::bury(object, &rows)
    }

    fn annotate(&self, notes: Vec<Note>) -> Result<(), StorageError> {
        storage::annotate(&notes)
    }

    fn replace_inherited(&self, object: &str) -> Result<(), StorageError> {
        storage::replace_inherited(object)
    }

    fn reuse_blob(&self, key: &str) -> Result<Option<u64>, StorageError> {
        storage::reuse_blob(key)
    }

    fn drop_blob(&self, key: &str) -> Result<(), StorageError> {
        storage::drop_blob(key)
    }

    fn read_blob(&self, key: &str, offset: u64, max: u32) -> Result<Vec<u8>, StorageError> {
        storage::read_blob(key, offset, max)
    }

    fn open(&self, which: Which) -> Result<Option<storage::Snapshot>, StorageError> {
        storage::open(which)
    }

    fn put(&self, entries: Vec<(String, Option<Vec<u8>>)>) -> Result<(), StorageError> {
        let entries: Vec<storage::Entry> = entries
            .into_iter()
            .map(|(key, value)| storage::Entry { key, value })
            .collect();
        storage::put(&entries)
    }

    fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        storage::get(&keys)
    }

    fn keys(&self, prefix: &str, after: &str, max: u32) -> Result<Vec<String>, StorageError> {
        storage::keys(prefix, after, max)
    }

    fn observe(&self, reading: Reading) -> Result<(), StorageError> {
        storage::observe(&reading)
    }

    fn readings(&self) -> Result<Vec<Standing>, StorageError> {
        storage::readings()
    }

    fn own_requests(&self, hours: u32) -> Result<Vec<Hour>, StorageError> {
        storage::own_requests(hours)
    }

    fn progress(&self, object: &str, records: u64, total: Option<u64>) {
        report::progress(object, records, total);
    }

    fn skipped(&self, object: &str, why: Failure) {
        report::skipped(object, &why);
    }

    fn failed(&self, object: &str, why: Failure) {
        report::failed(object, &why);
    }

    fn part_failed(&self, object: &str, part: &str, why: Failure) {
        report::part_failed(object, part, &why);
    }

    fn warning(&self, what: Failure) {
        report::warning(&what);
    }

    fn uncounted(&self, object: &str, what: &str, expected: Option<u64>) {
        report::uncounted(object, what, expected);
    }

    fn remark(&self, object: &str, what: Failure) {
        report::remark(object, &what);
    }

    fn finished(&self, object: &str) {
        report::finished(object);
    }

    fn estimate(&self, object: &str, way: &str, requests: u64, records: u64, bytes: u64) {
        report::estimate(object, way, requests, records, bytes);
    }

    fn expected(&self, object: &str, what: Tally) {
        report::expected(object, what);
    }

    fn restored(&self, object: &str, what: Tally) {
        report::restored(object, what);
    }

    fn record_outcome(&self, object: &str, key: &str, what: RecordOutcome, why: Failure) {
        report::record_outcome(object, key, what, &why);
    }

    fn needed(&self, requests: u64) {
        report::needed(requests);
    }

    fn log(&self, at: Level, message: &str, fields: &[(&str, String)]) {
        let fields: Vec<NamedValue> = fields.iter().map(|(name, value)| NamedValue::new(*name, value)).collect();
        log::write(at, message, &fields);
    }
}
