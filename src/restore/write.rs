//! The export `run-batch` of a restore: creates and updates, a thousand records a request, and never one twice.
//!
//! One request at a time. Before it is sent, what it will create is durable ([`super::intent`]); what came of it becomes durable
//! together with what the next one will create. So a crash, or a cut connection, leaves at most one request of which nobody knows
//! whether it had its effect, and that one is looked for before anything else is sent ([`super::settle`]).

use super::adopt::Adoption;
use super::intent::{Created, Intent};
use super::job::{Place, Stage, at_checkpoint};
use super::prepare::{Outcome, Preparation, Prepared};
use super::refused::{self, Refused};
use super::request::{Added, Form, Placed, Request, Verb};
use super::roll::{Pages, RESTORE};
use super::rules;
use super::run::Run;
use super::standing::{Standing, What};
use crate::backup::MAX_REQUESTS;
use crate::host::{BatchResult, ConnectorError, Failure, Host, Level, Method, Next, RecordOutcome, Row};
use crate::org::{Org, Stopped};
use crate::salesforce::{Part, SaveError, Saved, Writable, read_parts};
use std::collections::BTreeMap;

/// Rows that are asked of the snapshot at once.
pub(super) const ROWS_AT_ONCE: usize = 200;

/// A record that a lock refused is tried so often.
const MAX_TRIES: u8 = 5;

/// Seconds until records are tried again that a lock refused; each time twice as many, two and a half minutes in all.
const LOCKED_SECONDS: u32 = 5;

/// Where so many records of an object get one and the same refusal, and none is written, the others are spared.
const SAME_REFUSAL: usize = 100;

/// Goes on with a restore.
pub fn run_batch<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<BatchResult, ConnectorError> {
    let job = at_checkpoint(host, state_version, at)?;
    let org = Org::open(host)?;
    let mut run = Run::open(&org, RESTORE, job)?;
    let ended = run.batch()?;
    run.save()?;
    run.tell_tallies();
    let needed = run.needed();
    host.needed(needed);
    let next = match ended {
        _ if run.job.stage == Stage::Done => Next::Done,
        Ended::Stopped(Stopped::Host(error)) => return Err(*error),
        Ended::Stopped(Stopped::Later) => Next::AgainAfter(LOCKED_SECONDS),
        Ended::Stopped(stopped) if !Run::<H>::is_normal(&stopped) && !run.got_somewhere => return Err(stopped.into_error()),
        Ended::Wait(seconds) => Next::AgainAfter(seconds),
        Ended::Stopped(_) | Ended::Call => Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).clamp(1, MAX_REQUESTS)),
    };
    Ok(BatchResult {
        at: run.job.checkpoint()?,
        next,
    })
}

/// Why a batch ended.
pub(super) enum Ended {
    /// It did what it may.
    Call,
    /// Nothing can be done for so many seconds.
    Wait(u32),
    /// A request stopped.
    Stopped(Stopped),
}

/// A record that is to be written.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub object: &'a str,
    pub writable: &'a Writable,
    pub key: &'a str,
    pub standing: &'a Standing,
}

/// What a walk over the records came to.
pub(super) enum Filled {
    /// The request is full, or the walk is over: is there more to come?
    Yes { more: bool },
    /// The call must end.
    MustEnd,
    /// The batch ends.
    Ended(Ended),
}

impl<H: Host> Run<'_, '_, H> {
    fn batch(&mut self) -> Result<Ended, ConnectorError> {
        if let Some(ended) = self.settle()? {
            return Ok(ended);
        }
        let mut sent = 0;
        while self.job.stage < Stage::Done {
            if self.must_end() || sent >= MAX_REQUESTS {
                return Ok(Ended::Call);
            }
            if self.job.stage == Stage::Verify {
                match self.verify()? {
                    Some(ended) => return Ok(ended),
                    None => continue,
                }
            }
            if self.host().requests_left() == 0 {
                return Ok(Ended::Stopped(Stopped::AllowanceSpent));
            }
            let mut request = Request::default();
            let more = match self.fill(&mut request)? {
                Filled::Yes { more } => more,
                Filled::MustEnd if request.is_empty() => return Ok(Ended::Call),
                // Filling it took the call's time: it is sent all the same, so that the next one doesn't begin with it again.
                Filled::MustEnd => true,
                Filled::Ended(ended) => {
                    if !request.is_empty() {
                        self.job.again();
                        self.job.moved = true;
                    }
                    return Ok(ended);
                }
            };
            if !request.is_empty() {
                sent += 1;
                if let Some(ended) = self.send(&request)? {
                    return Ok(ended);
                }
                if self.job.locked > 0 {
                    let times = std::mem::take(&mut self.job.locked);
                    return Ok(Ended::Wait(LOCKED_SECONDS << (times - 1)));
                }
            }
            if !more && let Some(ended) = self.end_of_walk()? {
                return Ok(ended);
            }
        }
        Ok(Ended::Call)
    }

    /// All records were gone through: again, where some are left that could be written now; else the next stage.
    fn end_of_walk(&mut self) -> Result<Option<Ended>, ConnectorError> {
        if self.job.stage == Stage::Write
            && let Some(ended) = self.find_documents()?
        {
            return Ok(Some(ended));
        }
        let left = self.job.stage == Stage::Write && self.job.open.values().any(|open| *open > 0);
        if self.job.moved && (left || self.job.stage == Stage::Connect) {
            self.job.again();
        } else if self.job.stage == Stage::Write {
            if left {
                self.give_up_circles()?;
            }
            self.job.unconnected = self.count_unconnected()?;
            self.job.enter(Stage::Connect);
        } else {
            self.job.unconnected = 0;
            self.job.enter(if self.job.selection.verify {
                Stage::Verify
            } else {
                Stage::Done
            });
        }
        Ok(None)
    }

    fn count_unconnected(&mut self) -> Result<u64, ConnectorError> {
        let mut count = 0;
        for object in self.job.objects.clone() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.roll, &object)? {
                count += some.iter().filter(|(_, standing)| standing.later).count() as u64;
            }
        }
        Ok(count)
    }

    /// What nothing moves any more: records that need each other in a circle.
    fn give_up_circles(&mut self) -> Result<(), ConnectorError> {
        for object in self.job.objects.clone() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.roll, &object)? {
                let is_left = |standing: &Standing| standing.is_open() || standing.comes_by_itself();
                for (key, standing) in some.into_iter().filter(|(_, standing)| is_left(standing)) {
                    let why = if standing.comes_by_itself() {
                        Failure::new("not-created", "the record that it comes to be with could not be written")
                    } else {
                        Failure::new(
                            "circle",
                            "it needs a record that needs it in turn, or one that could not be written",
                        )
                    };
                    self.fail(&object, &key, &standing, why)?;
                }
            }
        }
        Ok(())
    }

    /// Fills a request with the records that come next.
    fn fill(&mut self, request: &mut Request) -> Result<Filled, ConnectorError> {
        loop {
            let (had, from_first) = (request.len(), self.job.at == Place::default());
            self.passed = 0;
            let filled = self.fill_on(request)?;
            let at_end = matches!(filled, Filled::Yes { more: false });
            // What was passed by may have a place now that others are in.
            if !at_end || self.passed == 0 || (request.len() == had && from_first) || request.is_empty() {
                return Ok(filled);
            }
            self.job.again();
            self.job.moved = true;
        }
    }

    /// The same, until all objects were gone through.
    fn fill_on(&mut self, request: &mut Request) -> Result<Filled, ConnectorError> {
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            let writable = self.writable(object)?.filter(|_| !self.job.closed.contains_key(object));
            if let Some(writable) = &writable {
                if self.job.stage == Stage::Write {
                    let mut adoption = self.adoption(object, request)?;
                    if adoption == Adoption::LookFor {
                        if let Some(filled) = self.adopt_first()? {
                            return Ok(filled);
                        }
                        adoption = self.adoption(object, request)?;
                    }
                    if adoption == Adoption::NextWalk {
                        self.job.moved = true;
                        self.job.at.object += 1;
                        continue;
                    }
                }
                if self.ingests(object) {
                    if !request.is_empty() {
                        return Ok(Filled::Yes { more: true });
                    }
                    if let Some(ended) = self.ingest(object, writable)? {
                        return Ok(Filled::Ended(ended));
                    }
                }
                loop {
                    if self.must_end() {
                        return Ok(Filled::MustEnd);
                    }
                    let some = self.roll.after(object, &self.job.at.after)?;
                    let Some((last, _)) = some.last() else { break };
                    let last = last.clone();
                    let due: Vec<(String, Standing)> = some.into_iter().filter(|(_, s)| self.is_due(s)).collect();
                    for some in due.chunks(ROWS_AT_ONCE) {
                        if self.fill_some(request, object, writable, some)? {
                            return Ok(Filled::Yes { more: true });
                        }
                    }
                    self.job.at.after = last;
                }
            }
            self.job.at.after.clear();
            self.job.at.object += 1;
        }
        Ok(Filled::Yes { more: false })
    }

    pub(super) fn is_due(&self, standing: &Standing) -> bool {
        match self.job.stage {
            Stage::Write => standing.is_open(),
            _ => standing.later && matches!(standing.what, What::Created | What::Updated),
        }
    }

    /// Puts these records into the request; true where it is full.
    fn fill_some(
        &mut self,
        request: &mut Request,
        object: &str,
        writable: &Writable,
        some: &[(String, Standing)],
    ) -> Result<bool, ConnectorError> {
        let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.rows(object, &keys)?;
        let blobs = self.blobs(object, writable, &keys)?;
        for (((key, standing), row), blobs) in some.iter().zip(rows).zip(&blobs) {
            if request.has(key) {
                continue;
            }
            let due = Due {
                object,
                writable,
                key,
                standing,
            };
            let Some((verb, prepared)) = self.prepared(request, &due, row.as_ref(), blobs)? else {
                continue;
            };
            let Prepared { record, after, left_out } = prepared;
            match request.add(verb, after, record) {
                Added::Yes => {}
                Added::Full => return Ok(true),
                Added::NotThis => {
                    // It comes with the next walk.
                    self.passed += 1;
                    self.job.moved = true;
                    continue;
                }
            }
            self.tell_left_out(object, key, left_out);
            self.job.at.after.clone_from(key);
        }
        Ok(false)
    }

    /// What is sent of a record in this stage; none where nothing can be, or has to be.
    pub(super) fn prepared(
        &mut self,
        request: &Request,
        due: &Due<'_>,
        row: Option<&Row>,
        blobs: &[(String, u64)],
    ) -> Result<Option<(Verb, Prepared)>, ConnectorError> {
        let Due {
            object,
            writable,
            key,
            standing,
        } = *due;
        let Some(row) = row else {
            let why = Failure::new("not-in-snapshot", "the snapshot no longer has it");
            self.fail(object, key, standing, why)?;
            return Ok(None);
        };
        let without = self.roll.without(object, key)?;
        let preparation = Preparation {
            object,
            writable,
            without: &without,
            blobs,
        };
        let (stage, target) = (self.job.stage, standing.in_target(key));
        let mut resolve = |refers_to: &[String], id: &str| self.resolve(request, refers_to, id, &|_| false);
        match (stage, target) {
            (Stage::Write, _) => match preparation.prepare(row, target, &mut resolve)? {
                // What it refers to may be refused again, and all that stands beside it with it: it waits until that is there.
                Outcome::Ready(prepared) if standing.tries > 0 && prepared.after.is_some() => {
                    self.passed += 1;
                    self.job.moved = true;
                    Ok(None)
                }
                Outcome::Ready(prepared) => {
                    let verb = if target.is_some() { Verb::Update } else { Verb::Create };
                    Ok(Some((verb, *prepared)))
                }
                Outcome::NotYet => {
                    self.passed += 1;
                    Ok(None)
                }
                Outcome::Cannot(failure) => {
                    self.fail(object, key, standing, failure)?;
                    Ok(None)
                }
            },
            (_, Some(target)) => match preparation.prepare_later(row, target, &mut resolve)? {
                Some(prepared) if prepared.record.sets > 0 => Ok(Some((Verb::Update, prepared))),
                nothing => {
                    self.tell_left_out(object, key, nothing.map(|prepared| prepared.left_out).unwrap_or_default());
                    self.connected(object, key, standing)?;
                    Ok(None)
                }
            },
            (_, None) => Ok(None),
        }
    }

    /// Sends a request, and takes in what became of its records; why the batch ends, where it does.
    fn send(&mut self, request: &Request) -> Result<Option<Ended>, ConnectorError> {
        let intent = Intent::of(request, self.org.now());
        // It takes the place of the last one.
        self.settled = false;
        let mut entries = self.unsaved()?;
        entries.push(intent.entry()?);
        self.host().put(entries)?;
        let parts = match self.answer(request) {
            Ok(parts) => parts,
            Err(stopped) => return self.not_answered(request, stopped),
        };
        self.got_somewhere = true;
        let mut refusals = Refusals::default();
        for (n, collection) in request.collections.iter().enumerate() {
            match parts.get(n) {
                Some(part) if part.status < 300 => match part.read::<Vec<Saved>>() {
                    Ok(saved) => {
                        for (record, saved) in collection.records.iter().zip(saved) {
                            self.take_result(collection.verb, record, saved, &mut refusals)?;
                        }
                    }
                    Err(_) => self.collection_refused(&collection.records, part, &mut refusals)?,
                },
                Some(part) => self.collection_refused(&collection.records, part, &mut refusals)?,
                None => {}
            }
        }
        self.spare(&refusals)?;
        self.settled = true;
        Ok(None)
    }

    /// Sends a request, and reads its answer: a part for each of its collections.
    fn answer(&mut self, request: &Request) -> Result<Vec<Part>, Stopped> {
        let verb = request.collections.first().map(|collection| collection.verb);
        let method = match verb {
            Some(Verb::Update) if request.form() != Form::Composite => Method::Patch,
            _ => Method::Post,
        };
        let org = self.org;
        let collections = "composite/sobjects";
        let pending = match request.form() {
            Form::Composite => org.write(method, "composite", request.body(&org.path(collections)))?,
            Form::Collection => org.write(method, collections, request.collection_body())?,
            Form::Files => org.write_form(method, collections, request.parts())?,
            Form::Single => {
                let resource = self.address(request)?;
                org.write_form(method, &resource, request.parts())?
            }
        };
        match (request.form(), org.finish(pending)) {
            (Form::Composite, Ok(mut body)) => read_parts(&mut body).map_err(|why| body.gave_up(&why)),
            (Form::Single, Ok(mut body)) => Part::of_one(&mut body)
                .map(|part| vec![part])
                .map_err(|why| body.gave_up(&why)),
            (_, Ok(mut body)) => Part::alone(&mut body)
                .map(|part| vec![part])
                .map_err(|why| body.gave_up(&why)),
            (Form::Single, Err(Stopped::Refused(refused))) if refused.is_about_a_record() => {
                Ok(vec![Part::refused_one(&refused.errors)])
            }
            (_, Err(stopped)) => Err(stopped),
        }
    }

    /// Where a record is created or changed that goes alone.
    fn address(&mut self, request: &Request) -> Result<String, Stopped> {
        let mut records = request.collections.iter().flat_map(|collection| &collection.records);
        let Some(record) = records.next() else {
            return Ok(String::new());
        };
        let standing = self
            .roll
            .get(&record.object, &record.key)
            .map_err(|error| Stopped::Host(Box::new(error)))?;
        let target = standing.as_ref().and_then(|standing| standing.in_target(&record.key));
        Ok(match target {
            Some(id) => format!("sobjects/{}/{id}", record.object),
            None => format!("sobjects/{}", record.object),
        })
    }

    /// A request of which no whole answer came. Where it can't have had an effect, its records are as they were.
    fn not_answered(&mut self, request: &Request, stopped: Stopped) -> Result<Option<Ended>, ConnectorError> {
        let without_effect = match &stopped {
            Stopped::AllowanceSpent | Stopped::DailyLimit | Stopped::Later | Stopped::NotSent(_) => true,
            Stopped::Refused(refused) => refused.status < 500,
            Stopped::TooLarge(_) | Stopped::Broken(_) | Stopped::Host(_) => false,
        };
        self.host().log(
            Level::Warn,
            "a request that writes got no answer",
            &[("records", request.len().to_string()), ("why", format!("{stopped:?}"))],
        );
        // Whatever came of it, its records are gone through again.
        self.job.again();
        self.job.moved = true;
        if without_effect {
            self.settled = true;
            return Ok(Some(Ended::Stopped(stopped)));
        }
        match stopped {
            Stopped::Host(error) => Err(*error),
            stopped if self.host().requests_left() == 0 => Ok(Some(Ended::Stopped(stopped))),
            _ => Ok(self.settle()?),
        }
    }

    fn take_result(
        &mut self,
        verb: Verb,
        record: &Placed,
        saved: Saved,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let Some(standing) = self.roll.get(&record.object, &record.key)? else {
            return Ok(());
        };
        refusals.written(&record.object, saved.success);
        match (saved.success, saved.id) {
            (true, Some(id)) if verb == Verb::Create => self.was_created(&Created::of(record), &id),
            (true, _) if self.job.stage == Stage::Connect => self.connected(&record.object, &record.key, &standing),
            (true, _) => self.updated(record, &standing),
            (false, _) => {
                let error = saved.errors.into_iter().next().unwrap_or_default();
                self.refused(verb, record, &standing, &error, refusals)
            }
        }
    }

    /// A record was created under this Id.
    pub(super) fn was_created(&mut self, created: &Created, id: &str) -> Result<(), ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let mut standing = Standing::new(What::Created).with_id(Some(id.to_owned()));
        standing.later = created.later;
        self.roll.set(object, key, standing)?;
        self.roll.map(object, key, id)?;
        self.job.tally(object).created += 1;
        self.job.looked_for.clear();
        self.one_less(object);
        if let Some(brought) = &created.brings {
            let begun = Standing::new(What::Begun).with_id(Some(id.to_owned()));
            self.roll.set(rules::BROUGHT.2, brought, begun)?;
        }
        Ok(())
    }

    pub(super) fn updated(&mut self, record: &Placed, standing: &Standing) -> Result<(), ConnectorError> {
        let mut now = Standing::new(What::Updated).with_id(standing.id.clone());
        now.later = record.later;
        self.roll.set(&record.object, &record.key, now)?;
        self.job.tally(&record.object).updated += 1;
        self.one_less(&record.object);
        Ok(())
    }

    pub(super) fn connected(&mut self, object: &str, key: &str, standing: &Standing) -> Result<(), ConnectorError> {
        self.job.unconnected = self.job.unconnected.saturating_sub(1);
        let now = Standing {
            later: false,
            ..standing.clone()
        };
        self.roll.set(object, key, now)
    }

    /// A record can't be written.
    pub(super) fn fail(&mut self, object: &str, key: &str, standing: &Standing, why: Failure) -> Result<(), ConnectorError> {
        if standing.is_open() || standing.comes_by_itself() {
            self.roll.set(object, key, Standing::new(What::Failed))?;
            self.job.tally(object).failed += 1;
            self.one_less(object);
            self.tell(object, key, RecordOutcome::Failed, why);
        } else {
            // It is written, but for what should have been set in the end.
            self.connected(object, key, standing)?;
            self.tell(object, key, RecordOutcome::Incomplete, why);
        }
        Ok(())
    }

    pub(super) fn one_less(&mut self, object: &str) {
        self.job.moved = true;
        if let Some(open) = self.job.open.get_mut(object) {
            *open = open.saturating_sub(1);
        }
    }

    /// The org did not write a record.
    pub(super) fn refused(
        &mut self,
        verb: Verb,
        record: &Placed,
        standing: &Standing,
        error: &SaveError,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let (object, key) = (record.object.as_str(), record.key.as_str());
        let again = standing.tries < MAX_TRIES;
        let mut next = standing.clone();
        next.tries += 1;
        match refused::meaning(error) {
            Refused::Locked if again => {
                self.job.locked = self.job.locked.max(next.tries);
                self.job.moved = true;
                self.roll.set(object, key, next)
            }
            Refused::Gone if verb == Verb::Update && standing.is_open() => {
                self.roll.set(object, key, Standing::new(What::Create))?;
                self.job.moved = true;
                Ok(())
            }
            Refused::Fields(fields) if again && !fields.is_empty() => {
                let needed = self.writable(object)?.unwrap_or_default();
                let required = |name: &String| needed.field(name).is_none_or(|field| field.required);
                if verb == Verb::Create && fields.iter().any(required) {
                    return self.fail(object, key, standing, refused::failure(error));
                }
                self.roll.leave_out(object, key, &fields)?;
                self.job.moved = true;
                self.tell(object, key, RecordOutcome::Incomplete, refused::failure(error));
                self.roll.set(object, key, next)
            }
            Refused::StorageFull => {
                refusals.full = true;
                refusals.failed.push((record.clone(), standing.clone(), error.clone()));
                Ok(())
            }
            _ => {
                refusals.failed.push((record.clone(), standing.clone(), error.clone()));
                Ok(())
            }
        }
    }

    /// A whole collection was refused. What referred to a record that wasn't created is tried again without it.
    fn collection_refused(&mut self, records: &[Placed], part: &Part, refusals: &mut Refusals) -> Result<(), ConnectorError> {
        let error = part.errors().into_iter().next().unwrap_or_default();
        let halted = error.code == "PROCESSING_HALTED" || part.status >= 500;
        for record in records {
            let Some(standing) = self.roll.get(&record.object, &record.key)? else {
                continue;
            };
            if halted && standing.tries < MAX_TRIES {
                let mut next = standing.clone();
                next.tries += 1;
                self.job.moved = true;
                self.roll.set(&record.object, &record.key, next)?;
            } else {
                refusals.written(&record.object, false);
                let error = SaveError {
                    code: error.code.clone(),
                    message: error.message.clone(),
                    fields: Vec::new(),
                };
                refusals.failed.push((record.clone(), standing, error));
            }
        }
        Ok(())
    }

    /// Takes note of what was refused for good. One and the same refusal of all records of an object, or a full storage, closes the
    /// object: its other records would only cost requests.
    pub(super) fn spare(&mut self, refusals: &Refusals) -> Result<(), ConnectorError> {
        for (record, standing, error) in &refusals.failed {
            self.fail(&record.object, &record.key, standing, refused::failure(error))?;
        }
        for (object, counts) in &refusals.counts {
            let of_object = |(record, _, error): &(Placed, Standing, SaveError)| {
                (record.object == *object).then(|| (error.code.clone(), error.message.clone()))
            };
            let errors: Vec<(String, String)> = refusals.failed.iter().filter_map(of_object).collect();
            let all_the_same = counts.0 == 0
                && errors.len() >= SAME_REFUSAL
                && errors
                    .iter()
                    .all(|(code, _)| Some(code) == errors.first().map(|(code, _)| code));
            let written = self.job.tally(object).created + self.job.tally(object).updated;
            if (refusals.full && !errors.is_empty()) || (all_the_same && written == 0) {
                let (code, message) = errors.into_iter().next().unwrap_or_default();
                let left = self.job.open.get(object).copied().unwrap_or_default();
                let why = format!("{code}: {message}; its {left} other records were not sent");
                let code = if refusals.full { "storage-full" } else { "refused" };
                self.close(object, code, &why);
                self.job.tally(object).failed += left;
                self.job.open.insert(object.clone(), 0);
            }
        }
        Ok(())
    }
}

/// What one answer refused.
#[derive(Default)]
pub(super) struct Refusals {
    failed: Vec<(Placed, Standing, SaveError)>,
    /// Records written, and not, by object.
    counts: BTreeMap<String, (usize, usize)>,
    /// The org takes no more data.
    full: bool,
}

impl Refusals {
    pub(super) fn written(&mut self, object: &str, success: bool) {
        let counts = self.counts.entry(object.to_owned()).or_default();
        if success {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
}
