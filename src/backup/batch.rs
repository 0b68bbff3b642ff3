//! One batch: sends composite requests, several at once, streams their rows to the host, and ends at a point that can be
//! committed.
//!
//! Requests under way at once are for different objects, and never more than an eighth of what may still be sent: towards the
//! ceiling they become one after the other. A batch that got anywhere is committed even where it then failed; the next one
//! meets the same trouble first and says so.

use super::packing::{self, Load, Part};
use super::rows::{Place, Rows};
use super::{Chain, Checkpoint, Cursor, Event, Object, Outcome, Phase, Way};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Level, Next};
use crate::org::{Body, Org, Stopped, Subrequest};
use crate::plan::describes;
use crate::salesforce::{ApiError, Broken, Describe, DescribeBodies, Page, PageBodies, Sub, SubBody, classify, read_composite};
use crate::soql::{Bound, Query};
use std::collections::{BTreeMap, BTreeSet};

/// A batch sends no more. Small enough that what a crash repeats is little, large enough that commits are few.
pub const MAX_REQUESTS: u32 = 8;

/// More at once gain nothing: Salesforce answers composite requests in seconds, and allows few long ones.
const MAX_AT_ONCE: usize = 4;

/// An answer's budget is never cut to less than this.
const MIN_ANSWER_BYTES: u64 = 1024 * 1024;

/// Seconds to wait after refusals for too much at once, one after the other.
const WAITS: [u32; 4] = [5, 10, 20, 30];

/// Goes on from a checkpoint.
pub fn run_batch<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<BatchResult, ConnectorError> {
    let checkpoint = Checkpoint::read(state_version, at)?;
    let org = Org::open(host)?;
    let mut batch = Batch {
        org: &org,
        checkpoint,
        describes: BTreeMap::new(),
        ends: None,
        got_somewhere: false,
        busy: false,
    };
    if !batch.checkpoint.begun {
        batch.checkpoint.begun = true;
        // From now on planning is over; the next backup plans anew.
        crate::plan::forget(host)?;
    }
    batch.run()?;
    batch.result()
}

/// A request under way.
struct UnderWay<P> {
    pending: P,
    load: Load,
    /// The `LIMIT` of each part's pages.
    limits: Vec<Option<u32>>,
}

struct Batch<'o, 'h, H: Host> {
    org: &'o Org<'h, H>,
    checkpoint: Checkpoint,
    describes: BTreeMap<usize, Describe>,
    /// Nothing more is sent, and why.
    ends: Option<Stopped>,
    /// An answer was read.
    got_somewhere: bool,
    /// The org takes no more at this moment.
    busy: bool,
}

impl<'h, H: Host> Batch<'_, 'h, H> {
    fn host(&self) -> &'h H {
        self.org.host()
    }

    fn run(&mut self) -> Result<(), ConnectorError> {
        let mut under_way: Vec<UnderWay<H::Pending>> = Vec::new();
        let mut sent = 0;
        loop {
            while sent < MAX_REQUESTS && self.may_send(under_way.len()) {
                let Some(next) = self.start(&under_way)? else { break };
                under_way.push(next);
                sent += 1;
            }
            if under_way.is_empty() {
                return Ok(());
            }
            let pending: Vec<&H::Pending> = under_way.iter().map(|one| &one.pending).collect();
            let answered = self.host().wait_any(&pending).min(under_way.len() - 1);
            let answered = under_way.remove(answered);
            self.answered(answered)?;
        }
    }

    fn may_send(&self, under_way: usize) -> bool {
        let host = self.host();
        let at_once = (host.requests_left() as usize / 8).clamp(1, MAX_AT_ONCE);
        self.ends.is_none()
            && !self.busy
            && under_way < at_once
            && host.requests_left() > 0
            && !host.should_stop()
            && host.now() < host.ends_at()
    }

    /// Sends the next request. `None`: there is none to be sent now.
    fn start(&mut self, under_way: &[UnderWay<H::Pending>]) -> Result<Option<UnderWay<H::Pending>>, ConnectorError> {
        let busy: BTreeSet<usize> = under_way.iter().flat_map(|one| one.load.objects()).collect();
        loop {
            let Some(load) = packing::next(&self.checkpoint, &busy) else {
                return Ok(None);
            };
            // What is still to be heard of may fill the places that would be left empty.
            if !load.is_full() && !under_way.is_empty() {
                return Ok(None);
            }
            let (parts, limits) = match &load {
                Load::Describes(objects) => (
                    describes::subrequests(self.org, objects.iter().map(|n| self.name(*n))),
                    Vec::new(),
                ),
                Load::Queries(parts) => {
                    if !self.describes_known(parts)? {
                        continue;
                    }
                    self.queries(parts)
                }
            };
            return match self.org.composite(&parts) {
                Ok(pending) => Ok(Some(UnderWay { pending, load, limits })),
                Err(Stopped::Host(error)) => Err(*error),
                Err(stopped) => {
                    self.ends = Some(stopped);
                    Ok(None)
                }
            };
        }
    }

    fn name(&self, object: usize) -> &str {
        &self.checkpoint.objects[object].name
    }

    /// Loads the describes of these objects. False where one is missing, or makes too long a query: pack again without it.
    fn describes_known(&mut self, parts: &[Part]) -> Result<bool, ConnectorError> {
        let missing: Vec<usize> = parts
            .iter()
            .map(|part| part.object)
            .filter(|n| !self.describes.contains_key(n))
            .collect();
        let names: Vec<&str> = missing.iter().map(|n| self.name(*n)).collect();
        let found = describes::load(self.host(), &names)?;
        let mut all = true;
        for (n, found) in missing.into_iter().zip(found) {
            let object = &mut self.checkpoint.objects[n];
            let Some(describe) = found else {
                object.phase = Phase::Describing;
                all = false;
                continue;
            };
            if let Some(error) = describes::too_long(&object.name, &describe) {
                let mut events = Vec::new();
                object.skip("field-list-too-long", &error, &mut events);
                self.tell(n, events);
                all = false;
                continue;
            }
            self.describes.insert(n, describe);
        }
        Ok(all)
    }

    fn queries(&self, parts: &[Part]) -> (Vec<Subrequest>, Vec<Option<u32>>) {
        let mut subrequests = Vec::new();
        let mut limits = Vec::new();
        for part in parts {
            let object = &self.checkpoint.objects[part.object];
            let Some(describe) = self.describes.get(&part.object) else {
                continue;
            }; // loaded by `describes_known`
            let by_record = part.places > 1 && self.checkpoint.chain == Chain::LastRecord && object.way == Way::Keyset;
            let limit = match object.way {
                Way::Limited(rows) => Some(rows),
                Way::Keyset if by_record => Some(object.rows_a_page()),
                Way::Keyset | Way::Plain => None,
            };
            for nth in 0..part.places {
                let reference = format!("o{}p{nth}", part.object);
                let previous = format!("o{}p{}", part.object, nth.saturating_sub(1));
                let url = match (object.phase, nth) {
                    (Phase::Counting, _) => self.query_url(object, describe, &["COUNT()".to_owned()], None, None),
                    (_, 0) => self.first_page_url(object, describe, limit),
                    _ => match limit {
                        None => format!("@{{{previous}.nextRecordsUrl}}"),
                        Some(limit) => {
                            let field = object.key_field(describe);
                            let last = Bound::Reference(format!("{previous}.records[{}].{field}", limit.saturating_sub(1)));
                            self.query_url(object, describe, &describe.fields, Some(last), Some(limit))
                        }
                    },
                };
                let subrequest = Subrequest::get(url, reference);
                subrequests.push(match object.batch_size {
                    Some(rows) => subrequest.batch_size(rows),
                    None => subrequest,
                });
            }
            limits.push(limit);
        }
        (subrequests, limits)
    }

    fn first_page_url(&self, object: &Object, describe: &Describe, limit: Option<u32>) -> String {
        let after = match &object.cursor {
            Cursor::Locator(url) => return url.clone(),
            Cursor::After(key) => Some(Bound::Text(key.clone())),
            Cursor::Start => None,
        };
        self.query_url(object, describe, &describe.fields, after, limit)
    }

    fn query_url(
        &self,
        object: &Object,
        describe: &Describe,
        select: &[String],
        after: Option<Bound>,
        limit: Option<u32>,
    ) -> String {
        let key = object.key_field(describe);
        let reads = object.phase != Phase::Counting;
        let query = Query {
            select,
            from: &object.name,
            not_deleted: describe.archived,
            after: after.map(|bound| (key, bound)),
            order_by: (reads && object.way != Way::Plain).then_some(key),
            limit,
        };
        let resource = if describe.archived { "queryAll" } else { "query" };
        self.org.path(&format!("{resource}?q={}", query.encoded()))
    }

    fn answered(&mut self, one: UnderWay<H::Pending>) -> Result<(), ConnectorError> {
        let stopped = match self.org.finish(one.pending) {
            Ok(body) => match &one.load {
                Load::Queries(parts) => self.read_pages(body, parts, &one.limits)?,
                Load::Describes(objects) => self.read_describes(body, objects)?,
            },
            Err(stopped) => Some(stopped),
        };
        match stopped {
            None => self.checkpoint.refused_in_a_row = 0,
            Some(Stopped::Host(error)) => return Err(*error),
            Some(Stopped::Later) => self.busy = true,
            Some(Stopped::TooLarge(limit)) => self.ask_for_less(&one.load, limit),
            // The first reason stands: what comes after it is its consequence, or the same.
            Some(stopped) => {
                self.log("a request gave no answer that could be read", &stopped);
                self.ends.get_or_insert(stopped);
            }
        }
        Ok(())
    }

    /// Reads rows to the host, then moves the objects on.
    fn read_pages(
        &mut self,
        mut body: Body<H::Answer>,
        parts: &[Part],
        limits: &[Option<u32>],
    ) -> Result<Option<Stopped>, ConnectorError> {
        let mut places = Vec::new();
        for part in parts {
            let object = &self.checkpoint.objects[part.object];
            for _ in 0..part.places {
                places.push(Place {
                    object: part.object,
                    name: object.name.clone(),
                    revision: self
                        .describes
                        .get(&part.object)
                        .and_then(|describe| describe.revision.clone()),
                    hashed: object.hashed,
                });
            }
        }
        let mut rows = Rows::new(self.host(), places);
        let mut subs = Vec::new();
        let read = read_composite(&mut body, &mut PageBodies { sink: &mut rows }, &mut subs);
        rows.flush()?;
        let too_large = std::mem::take(&mut rows.too_large);
        let request = body.request_number();
        let mut outcomes = subs.into_iter().map(outcome);
        for (part, limit) in parts.iter().zip(limits) {
            let came: Vec<Outcome> = (0..part.places)
                .map(|_| outcomes.next().unwrap_or(Outcome::Missing))
                .collect();
            self.got_somewhere |= came.iter().any(|outcome| *outcome != Outcome::Missing);
            let before = self.checkpoint.chain;
            let events = self.checkpoint.objects[part.object].apply(came, *limit, &mut self.checkpoint.chain);
            if self.checkpoint.chain != before {
                let chain = format!("{:?}", self.checkpoint.chain);
                self.host().log(
                    Level::Warn,
                    "the org refused to chain pages within a request",
                    &[("now", chain)],
                );
            }
            let object = &self.checkpoint.objects[part.object];
            self.host()
                .progress(&object.name, object.received, object.expected.or(object.counted));
            if events.contains(&Event::DailyLimit) && self.ends != Some(Stopped::DailyLimit) {
                match self.org.refused_by_daily_limit(None, Some(request)) {
                    Ok(()) => self.ends = Some(Stopped::DailyLimit),
                    Err(stopped) => return Ok(Some(stopped)),
                }
            }
            self.tell(part.object, events);
        }
        for (n, key) in too_large {
            let name = self.name(n);
            let remark = Failure::new(
                "record-too-large",
                format!("{name} {key} has more than 7 MiB and is not stored"),
            )
            .about(name)
            .detail("id", &key);
            self.host().remark(name, remark);
        }
        match read {
            Ok(()) if outcomes.next().is_none() => Ok(None),
            Ok(()) => Ok(Some(
                body.gave_up(&Broken("it has more sub-answers than were asked for".to_owned())),
            )),
            Err(why) => Ok(Some(body.gave_up(&why))),
        }
    }

    fn read_describes(&mut self, mut body: Body<H::Answer>, objects: &[usize]) -> Result<Option<Stopped>, ConnectorError> {
        let mut subs = Vec::new();
        let read = read_composite(&mut body, &mut DescribeBodies, &mut subs);
        for (n, sub) in objects.iter().zip(subs) {
            let object = &mut self.checkpoint.objects[*n];
            let mut events = Vec::new();
            match describes::outcome(sub) {
                describes::Answered::Described(describe) => {
                    describes::store(self.org.host(), &object.name, &describe)?;
                    object.described_again = true;
                    object.described(&describe);
                    self.describes.remove(n);
                }
                describes::Answered::Refused(error) => object.skip("not-visible", &error, &mut events),
                describes::Answered::Later(error) => {
                    self.busy = true;
                    object.try_again("not-answered", &error, &mut events);
                }
            }
            self.got_somewhere = true;
            self.tell(*n, events);
        }
        Ok(read.err().map(|why| body.gave_up(&why)))
    }

    /// The answer is paid for, and lost: the next one is to be smaller. Which of its pages was too large isn't known, so each is
    /// taken to weigh its share: the next requests have fewer, until one alone is too large. Then it becomes shorter.
    fn ask_for_less(&mut self, load: &Load, limit: u64) {
        self.checkpoint.answer_bytes = self.checkpoint.answer_bytes.min(limit / 2).max(MIN_ANSWER_BYTES);
        match load {
            Load::Queries(parts) if matches!(parts[..], [Part { places: 1, .. }]) => {
                let object = parts[0].object;
                let mut events = Vec::new();
                self.checkpoint.objects[object].page_too_large(&mut events);
                self.tell(object, events);
            }
            Load::Queries(parts) => {
                let places: usize = parts.iter().map(|part| part.places).sum();
                for part in parts {
                    packing::weigh_page(
                        &mut self.checkpoint.objects[part.object],
                        limit.max(MIN_ANSWER_BYTES) / places.max(1) as u64,
                    );
                }
            }
            Load::Describes(objects) => {
                let error = ApiError {
                    code: "TOO_LARGE".to_owned(),
                    message: format!("an answer with its describe has more than the {limit} bytes that the host takes"),
                };
                for n in objects {
                    let mut events = Vec::new();
                    self.checkpoint.objects[*n].try_again("answer-too-large", &error, &mut events);
                    self.tell(*n, events);
                }
            }
        }
        self.got_somewhere = true; // it's known now how large an answer may be
        self.host().log(
            Level::Warn,
            "an answer was larger than the host takes",
            &[("next", self.checkpoint.answer_bytes.to_string())],
        );
    }

    fn tell(&mut self, object: usize, events: Vec<Event>) {
        let (host, name) = (self.host(), &self.checkpoint.objects[object].name);
        for event in events {
            match event {
                Event::Finished => host.finished(name),
                Event::Skipped(why) => host.skipped(name, why),
                Event::Remark(what) => host.remark(name, what),
                Event::Busy => self.busy = true,
                Event::DailyLimit => {}
            }
        }
    }

    fn log(&self, message: &str, stopped: &Stopped) {
        let why = match stopped {
            Stopped::Broken(failure) => failure.message.clone(),
            other => format!("{other:?}"),
        };
        self.host().log(Level::Warn, message, &[("why", why)]);
    }

    fn result(mut self) -> Result<BatchResult, ConnectorError> {
        if let Some(stopped) = self.ends.take() {
            let normal_end = matches!(stopped, Stopped::AllowanceSpent | Stopped::DailyLimit);
            if !normal_end && !self.got_somewhere {
                return Err(stopped.into_error());
            }
        }
        let next = if self.checkpoint.is_done() {
            Next::Done
        } else if self.busy {
            let wait = WAITS[usize::from(self.checkpoint.refused_in_a_row).min(WAITS.len() - 1)];
            self.checkpoint.refused_in_a_row = self.checkpoint.refused_in_a_row.saturating_add(1);
            Next::AgainAfter(wait)
        } else {
            Next::Batch(next_batch(&self.checkpoint))
        };
        Ok(BatchResult {
            at: self.checkpoint.write()?,
            next,
        })
    }
}

/// Requests of the next batch, as far as is known.
pub fn next_batch(checkpoint: &Checkpoint) -> u32 {
    checkpoint.requests().clamp(1, MAX_REQUESTS)
}

fn outcome(sub: Sub<Page>) -> Outcome {
    match sub.body {
        SubBody::Read(page) if sub.status < 300 => Outcome::Page(page),
        SubBody::Refused(errors) => {
            let class = classify(sub.status, &errors);
            Outcome::Refused(class, errors.into_iter().next().unwrap_or_else(|| status_alone(sub.status)))
        }
        SubBody::Read(_) | SubBody::Empty => Outcome::Refused(classify(sub.status, &[]), status_alone(sub.status)),
    }
}

fn status_alone(status: u16) -> ApiError {
    ApiError {
        code: format!("HTTP_{status}"),
        message: "no reason given".to_owned(),
    }
}
