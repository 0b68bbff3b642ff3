//! Requests of bulk query jobs: begins them, looks how they stand, fetches their pages, and reads the pages that are in the store.
//!
//! A job is begun before queries are sent and looked at when they are done: waiting costs nothing then. One request looks at all
//! jobs at once. Where the day's jobs are spent, queries take over if the allowance has room for them; else the backup pauses.

use super::batch::Batch;
use super::object::{Range, RangeState};
use super::requests::object_filters;
use super::rows::{Keep, Place, Rows};
use super::trouble::as_error;
use super::{Checkpoint, Cursor, Object, Strategy, packing, strategies};
use crate::host::{ConnectorError, Host, Level, Pause, StorageError};
use crate::org::{Refused, SendFailure, daily_standing};
use crate::quota;
use crate::salesforce::limits;
use crate::salesforce::{
    Broken, Class, Describe, JobState, NewJob, RecordSink, named_column, read_csv_header, read_csv_rows, read_job, read_jobs,
};
use crate::soql::{Bound, Filter, Operator, Query};
use std::io;

/// Of a saved page one batch reads no more: what a crash makes it read again stays little.
const READ_BYTES: u64 = 96 * 1024 * 1024;

/// Asked of the store at once.
const PIECE: u32 = 1024 * 1024;

/// After the day's jobs were spent, they are tried again no sooner, in milliseconds.
const SPENT_MS: u64 = 3_600_000;

impl Checkpoint {
    /// A page of results that is in the store and not read yet: index of the object, and of the range.
    pub fn saved_page(&self) -> Option<(usize, usize)> {
        self.jobs()
            .find(|(_, _, range)| matches!(range.state, RangeState::Saved { .. }))
            .map(|(object_ix, range_ix, _)| (object_ix, range_ix))
    }

    fn jobs(&self) -> impl Iterator<Item = (usize, usize, &Range)> {
        self.objects.iter().enumerate().flat_map(|(object_ix, object)| {
            let ranges = object.bulk().into_iter().flat_map(|bulk| bulk.ranges.iter().enumerate());
            ranges.map(move |(range_ix, range)| (object_ix, range_ix, range))
        })
    }

    /// Seconds until a job is worth a look, where nothing else is to be done.
    pub fn waits_for_jobs(&self, now: u64) -> Option<u32> {
        if self
            .objects
            .iter()
            .any(|object| !object.has_ended() && object.bulk().is_none() && !self.waits_for_principal(object))
        {
            return None;
        }
        let mut looks = Vec::new();
        for (_, _, range) in self.jobs() {
            match &range.state {
                RangeState::Running { look_at, .. } => looks.push(*look_at),
                RangeState::Planned | RangeState::Ready { .. } | RangeState::Saved { .. } => return None,
                RangeState::Done => {}
            }
        }
        // One look serves all jobs, and waits for the last of them.
        let look_at = if self.bulk.one_by_one {
            looks.into_iter().min()
        } else {
            looks.into_iter().max()
        };
        let wait = look_at?.saturating_sub(now).div_ceil(1_000);
        (wait > 0).then(|| u32::try_from(wait).unwrap_or(u32::MAX))
    }

    /// Jobs are to be begun.
    pub(super) fn has_planned_jobs(&self) -> bool {
        self.jobs().any(|(_, _, range)| range.state == RangeState::Planned)
    }

    fn jobs_are_spent(&self, now: u64) -> bool {
        self.bulk.spent_at.is_some_and(|at| now.saturating_sub(at) < SPENT_MS)
    }
}

impl<H: Host> Batch<'_, '_, H> {
    /// Begins a job for each range that has none.
    pub(super) fn begin_jobs(&mut self) -> Result<(), ConnectorError> {
        let planned: Vec<(usize, usize)> = self
            .checkpoint
            .jobs()
            .filter(|(_, _, range)| range.state == RangeState::Planned)
            .map(|(object_ix, range_ix, _)| (object_ix, range_ix))
            .collect();
        for (object_ix, range_ix) in planned {
            if self.checkpoint.jobs_are_spent(self.host().now()) {
                self.without_jobs(object_ix)?;
                continue;
            }
            if !self.may_send(0) {
                return Ok(());
            }
            if self.checkpoint.objects[object_ix].bulk().is_some() && self.describes_known(&[object_ix])? {
                self.begin_job(object_ix, range_ix)?;
            }
        }
        Ok(())
    }

    fn begin_job(&mut self, object_ix: usize, range_ix: usize) -> Result<(), ConnectorError> {
        let object = &self.checkpoint.objects[object_ix];
        let (Some(describe), Some(range)) = (self.describes.get(&object_ix), object.range(range_ix)) else {
            return Ok(());
        };
        let query = job_query(object, describe, range);
        self.org.send_once(object.failed_before);
        let answer = self.org.post("jobs/query", &NewJob::new(&query, describe.archived));
        self.org.send_once(false);
        self.sent += 1;
        let begun = answer.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why)));
        let now = self.host().now();
        match begun {
            Ok(job) => {
                self.checkpoint.objects[object_ix].job_begun(range_ix, job, now);
                self.stopped(None)
            }
            Err(stopped) if may_pass(&stopped) => {
                // Queries may be answered where jobs aren't.
                if self.alone_failed(object_ix, stopped) {
                    self.checkpoint.objects[object_ix].tries = 0;
                    self.checkpoint.objects[object_ix].read_by_queries();
                }
                Ok(())
            }
            Err(SendFailure::Refused(refused)) if !refused.ends_session() => self.job_refused(object_ix, &refused),
            Err(stopped) => self.stopped(Some(stopped)),
        }
    }

    fn job_refused(&mut self, object_ix: usize, refused: &Refused) -> Result<(), ConnectorError> {
        self.host().log(
            Level::Info,
            "a bulk query job was refused",
            &[
                ("object", self.name(object_ix).to_owned()),
                ("code", refused.code().to_owned()),
            ],
        );
        let object = &mut self.checkpoint.objects[object_ix];
        match refused.class() {
            Class::BulkLimit => {
                self.checkpoint.bulk.spent_at = Some(self.org.host().now());
                return self.without_jobs(object_ix);
            }
            Class::UnknownField => {
                let mut events = Vec::new();
                object.field_refused(&refused.error(), &mut events);
                return self.tell(object_ix, events);
            }
            Class::Later => self.end_busy(),
            _ => object.read_by_queries(),
        }
        Ok(())
    }

    /// The day's jobs are spent: queries, where the allowance has room for them; else the backup pauses for it.
    fn without_jobs(&mut self, object_ix: usize) -> Result<(), ConnectorError> {
        let needed = strategies::query_requests(&self.checkpoint.objects[object_ix]);
        let others = self
            .checkpoint
            .objects
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != object_ix)
            .map(|(_, object)| packing::pages(object))
            .sum::<u64>()
            / limits::COMPOSITE_QUERIES as u64;
        if self.allowance()? > needed + others {
            self.checkpoint.objects[object_ix].read_by_queries();
        }
        Ok(())
    }

    /// API requests under the ceiling, as far as is known.
    fn allowance(&self) -> Result<u64, StorageError> {
        let (used, _, ceiling) = self.usage()?;
        Ok(ceiling.saturating_sub(used))
    }

    /// Used, of how many, and the ceiling.
    fn usage(&self) -> Result<(u64, u64, u64), StorageError> {
        let Some(standing) = daily_standing(self.host())? else {
            return Ok((0, 0, 0));
        };
        let limit = quota::Percent::new(self.host().usage_limit());
        let ceiling = limit.map_or(0, |limit| limit.ceiling_of(standing.last.max));
        Ok((standing.last.used + standing.own_since, standing.last.max, ceiling))
    }

    /// Looks at jobs, and fetches a page of one that is ready. What queries still have to say comes first.
    pub(super) fn advance_jobs(&mut self) -> Result<Option<Pause>, ConnectorError> {
        if packing::next(&self.checkpoint, &std::collections::BTreeSet::new()).is_some() {
            return Ok(None);
        }
        self.look_at_jobs()?;
        while self.may_send(0) && self.checkpoint.saved_page().is_none() {
            let ready = self
                .checkpoint
                .jobs()
                .find(|(_, _, range)| matches!(range.state, RangeState::Ready { .. }))
                .map(|(object_ix, range_ix, _)| (object_ix, range_ix));
            let Some((object_ix, range_ix)) = ready else { break };
            self.fetch_page(object_ix, range_ix)?;
        }
        self.pause_for_jobs()
    }

    fn look_at_jobs(&mut self) -> Result<(), ConnectorError> {
        let now = self.host().now();
        let running: Vec<(usize, usize, String)> = self
            .checkpoint
            .jobs()
            .filter_map(|(object_ix, range_ix, range)| match &range.state {
                RangeState::Running { job, .. } => Some((object_ix, range_ix, job.clone())),
                _ => None,
            })
            .collect();
        let not_due = |range: &Range| matches!(range.state, RangeState::Running { .. }) && !range.is_due(now);
        if running.len() > 1 && !self.checkpoint.bulk.one_by_one {
            // One look serves all jobs: it waits for the last of them.
            if self.checkpoint.jobs().any(|(_, _, range)| not_due(range)) || !self.may_send(0) {
                return Ok(());
            }
            self.look_at_all(&running)?;
        }
        for (object_ix, range_ix, job) in running {
            let range = self.checkpoint.objects[object_ix].range(range_ix);
            if !self.may_send(0) || !range.is_some_and(|range| range.is_due(now)) {
                continue;
            }
            self.org.send_once(self.checkpoint.objects[object_ix].failed_before);
            let answer = self.org.ask(&format!("jobs/query/{job}"));
            self.org.send_once(false);
            self.sent += 1;
            match answer.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why))) {
                Ok(job) => {
                    self.answer_came();
                    self.looked(object_ix, range_ix, job.state, job.error_message.as_deref());
                }
                Err(stopped) if may_pass(&stopped) => self.job_waits(object_ix, stopped)?,
                Err(SendFailure::Refused(refused)) if !refused.ends_session() => {
                    self.checkpoint.objects[object_ix].job_lost(range_ix)
                }
                Err(stopped) => return self.stopped(Some(stopped)),
            }
        }
        Ok(())
    }

    /// All jobs by one request. Where it isn't answered, or doesn't name one of them, each is looked at by itself from then on.
    fn look_at_all(&mut self, running: &[(usize, usize, String)]) -> Result<(), ConnectorError> {
        let answer = self.org.ask("jobs/query?jobType=V2Query");
        self.sent += 1;
        match answer.and_then(|mut body| read_jobs(&mut body).map_err(|why| body.parse_failed(&why))) {
            Ok(jobs) => {
                for (object_ix, range_ix, id) in running {
                    // An id may come with or without its check characters.
                    let is_this = |job: &&crate::salesforce::Job| job.id.get(..15) == id.get(..15) || job.id == *id;
                    match jobs.iter().find(is_this) {
                        Some(job) => self.looked(*object_ix, *range_ix, job.state, job.error_message.as_deref()),
                        None => self.checkpoint.bulk.one_by_one = true,
                    }
                }
                Ok(())
            }
            Err(SendFailure::Refused(refused)) if refused.ends_session() => self.stopped(Some(SendFailure::Refused(refused))),
            Err(SendFailure::Refused(_) | SendFailure::NotSent(_) | SendFailure::Broken(_)) => {
                self.checkpoint.bulk.one_by_one = true;
                Ok(())
            }
            Err(stopped) => self.stopped(Some(stopped)),
        }
    }

    /// A job can't be looked at, or its results not be had, at the moment: it is kept, and asked again after a while.
    fn job_waits(&mut self, object_ix: usize, stopped: SendFailure) -> Result<(), ConnectorError> {
        let error = as_error(&stopped);
        let mut events = Vec::new();
        if self.alone_failed(object_ix, stopped) {
            self.checkpoint.objects[object_ix].fail("not-answered", &error, &mut events);
        }
        self.tell(object_ix, events)
    }

    fn looked(&mut self, object_ix: usize, range_ix: usize, state: JobState, why: Option<&str>) {
        if matches!(state, JobState::Failed | JobState::Aborted) {
            if named_column(why.unwrap_or_default()).is_some() {
                // The same query would fail again.
                self.checkpoint.objects[object_ix].read_by_queries();
            }
            let fields = [
                ("object", self.name(object_ix).to_owned()),
                ("why", why.unwrap_or("not said").to_owned()),
            ];
            self.host().log(Level::Warn, "a bulk query job failed", &fields);
        }
        let now = self.host().now();
        self.checkpoint.objects[object_ix].job_looked(range_ix, state, now);
    }

    fn fetch_page(&mut self, object_ix: usize, range_ix: usize) -> Result<(), ConnectorError> {
        let object = &self.checkpoint.objects[object_ix];
        let Some(range) = object.range(range_ix) else {
            return Ok(());
        };
        let RangeState::Ready { job, locator } = &range.state else {
            return Ok(());
        };
        let mut resource = format!("jobs/query/{job}/results?maxRecords={}", object.page_records());
        if let Some(locator) = locator {
            resource += &format!("&locator={}", crate::soql::encode(locator));
        }
        let blob = range.blob(&object.name);
        self.org.send_once(object.failed_before);
        let answer = self.org.ask_csv(&resource);
        self.org.send_once(false);
        self.sent += 1;
        let saved = answer.and_then(|body| {
            let next = body
                .header("Sforce-Locator")
                .filter(|locator| !locator.is_empty() && locator != "null");
            let rows = body.header("Sforce-NumberOfRecords").and_then(|rows| rows.parse().ok());
            body.save(&blob).map(|_| (next, rows))
        });
        match saved {
            Ok((next, rows)) => {
                self.checkpoint.objects[object_ix].page_saved(range_ix, next, rows);
                self.stopped(None)
            }
            Err(stopped) if may_pass(&stopped) => self.job_waits(object_ix, stopped),
            Err(SendFailure::Refused(refused)) if !refused.ends_session() => {
                self.checkpoint.objects[object_ix].job_lost(range_ix);
                Ok(())
            }
            Err(SendFailure::TooLarge(_)) => {
                self.checkpoint.objects[object_ix].results_too_large();
                Ok(())
            }
            Err(stopped) => self.stopped(Some(stopped)),
        }
    }

    /// Where only jobs are left that today can't be begun, the backup pauses for them.
    fn pause_for_jobs(&self) -> Result<Option<Pause>, ConnectorError> {
        let now = self.host().now();
        if !self.checkpoint.jobs_are_spent(now) {
            return Ok(None);
        }
        let waits_for_jobs = |object: &Object| {
            let blocked = |range: &Range| matches!(range.state, RangeState::Planned | RangeState::Done);
            object.bulk().is_some_and(|bulk| bulk.ranges.iter().all(blocked))
        };
        let left = self.checkpoint.objects.iter().filter(|object| !object.has_ended());
        let waits = |object: &Object| waits_for_jobs(object) || self.checkpoint.waits_for_principal(object);
        if left.clone().next().is_none() || !left.clone().all(waits) {
            return Ok(None);
        }
        let (used, max, ceiling) = self.usage()?;
        let spent_at = self.checkpoint.bulk.spent_at.unwrap_or(now);
        let seconds = (spent_at + SPENT_MS).saturating_sub(now).div_ceil(1_000).max(1);
        Ok(Some(Pause {
            reason: "bulk-limit".to_owned(),
            used,
            max,
            ceiling,
            recheck_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }))
    }

    /// Reads on in the page that is in the store, where there is one. Sends nothing.
    pub(super) fn read_saved(&mut self) -> Result<bool, ConnectorError> {
        let Some((object_ix, range_ix)) = self.checkpoint.saved_page() else {
            return Ok(false);
        };
        if !self.describes_known(&[object_ix])? {
            return Ok(false);
        }
        let object = &self.checkpoint.objects[object_ix];
        let (Some(describe), Some(range)) = (self.describes.get(&object_ix), object.range(range_ix)) else {
            return Ok(false);
        };
        let RangeState::Saved { at, .. } = range.state else {
            return Ok(false);
        };
        let blob = range.blob(&object.name);
        let place = Place {
            object: object_ix,
            name: object.name.clone(),
            revision: None,
            hashed: false,
            keep: Keep::stored(object.since.is_some()),
        };
        let mut rows = Rows::new(self.host(), vec![place]);
        let read = read_saved_page(self.host(), &blob, at, describe, &mut rows);
        let ended = match read {
            Ok(ended) => ended,
            Err(Unread::Store(error)) => return Err(error.into()),
            Err(Unread::Page(why)) => {
                let fields = [("object", object.name.clone()), ("why", why.0)];
                self.host().log(Level::Warn, "a page of bulk results can't be read", &fields);
                self.host().drop_blob(&blob)?;
                self.checkpoint.objects[object_ix].job_lost(range_ix);
                return Ok(true);
            }
        };
        rows.flush()?;
        let keys = rows.keys.into_values().flatten().collect();
        for (object_ix, key) in rows.too_large {
            self.too_large(object_ix, &key);
        }
        self.changes.appended(object_ix, keys);
        let object = &mut self.checkpoint.objects[object_ix];
        let first_rows = object.counts.received == 0;
        if first_rows && let Some(bytes) = (ended.to - at).checked_div(ended.rows) {
            object.row_bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        }
        object.page_read(range_ix, ended.rows, ended.to);
        let mut events = Vec::new();
        if ended.done {
            object.page_ended(range_ix, &mut events);
            self.org.host().drop_blob(&blob)?;
        }
        let object = &self.checkpoint.objects[object_ix];
        if object.since.is_none() {
            self.host().progress(
                &object.name,
                object.counts.received,
                object.counts.expected.or(object.counts.counted),
            );
        }
        self.tell(object_ix, events)?;
        self.count_changes()?;
        Ok(true)
    }

    /// An object of which the first page told how much it has goes on by a job, where that takes fewer requests.
    pub(super) fn bulk_where_cheaper(&mut self, object_ix: usize) {
        let spent = self.checkpoint.jobs_are_spent(self.host().now());
        let threshold = strategies::bulk_from(self.org.configuration().bulk_rows);
        let object = &mut self.checkpoint.objects[object_ix];
        let more = object
            .remaining()
            .is_some_and(|remaining| remaining >= threshold && remaining > 0);
        if spent
            || !more
            || object.narrowing().is_some()
            || !object.bulk_able
            || !object.reads_rows()
            || object.strategy != Strategy::Keyset
        {
            return;
        }
        if let Cursor::After(after) = object.cursor() {
            let range = Range::after(after.clone());
            object.read_by_job(range);
        }
    }
}

/// The same request may be answered a little later.
fn may_pass(stopped: &SendFailure) -> bool {
    match stopped {
        SendFailure::Broken(_) => true,
        SendFailure::Refused(refused) => refused.may_pass(),
        _ => false,
    }
}

fn job_query(object: &Object, describe: &Describe, range: &Range) -> String {
    let mut filters = object_filters(object, describe);
    let bounds = [(Operator::After, &range.after), (Operator::Until, &range.until)];
    for (operator, bound) in bounds {
        filters.extend(bound.as_ref().map(|id| Filter {
            field: "Id",
            operator,
            bound: Bound::Text(id.clone()),
        }));
    }
    // No order, no limit: either keeps Salesforce from cutting the job in chunks.
    Query {
        select: describe.names(),
        from: &object.name,
        filters,
        order_by: None,
        limit: None,
    }
    .text()
}

/// How far a page was read.
struct ReadTo {
    rows: u64,
    to: u64,
    done: bool,
}

/// Why a page wasn't read.
enum Unread {
    Store(StorageError),
    Page(Broken),
}

fn read_saved_page<H: Host>(
    host: &H,
    blob: &str,
    at: u64,
    describe: &Describe,
    rows: &mut Rows<'_, H>,
) -> Result<ReadTo, Unread> {
    let mut header = BlobReader::new(host, blob, 0);
    let columns = read_csv_header(&mut header, describe);
    let columns = columns.map_err(|why| header.failed.take().map_or(Unread::Page(why), Unread::Store))?;
    let at = at.max(columns.header_bytes);
    let mut body = BlobReader::new(host, blob, at);
    let ends_at = host.ends_at();
    let read = read_csv_rows(&mut body, &columns, |row, bytes| {
        rows.take(0, row).map_err(Broken)?;
        Ok(bytes < READ_BYTES && host.now() < ends_at)
    });
    match read {
        Ok(end) => Ok(ReadTo {
            rows: end.rows,
            to: at + end.bytes,
            done: end.done,
        }),
        Err(why) => Err(match body.failed.or_else(|| rows.failed.take()) {
            Some(error) => Unread::Store(error),
            None => Unread::Page(why),
        }),
    }
}

/// Reads a blob from somewhere on.
struct BlobReader<'a, H> {
    host: &'a H,
    blob: &'a str,
    at: u64,
    piece: Vec<u8>,
    given: usize,
    failed: Option<StorageError>,
}

impl<'a, H> BlobReader<'a, H> {
    fn new(host: &'a H, blob: &'a str, at: u64) -> BlobReader<'a, H> {
        BlobReader {
            host,
            blob,
            at,
            piece: Vec::new(),
            given: 0,
            failed: None,
        }
    }
}

impl<H: Host> io::Read for BlobReader<'_, H> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            self.piece = self.host.read_blob(self.blob, self.at, PIECE).map_err(|error| {
                self.failed = Some(error.clone());
                io::Error::other(error.to_string())
            })?;
            self.at += self.piece.len() as u64;
            self.given = 0;
        }
        let length = into.len().min(self.piece.len() - self.given);
        into[..length].copy_from_slice(&self.piece[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}
