//! Fills requests with the records that come next, so that as few requests as possible write them all.
//!
//! A walk goes through all objects in the order of writing. A record waits for the records that it refers to, unless they in turn wait
//! for it ([`WaitFor`]): setting a reference at creation saves a second write. And a walk fills a request to the last place before it
//! goes back to the first record that had none.

use crate::halt::Step;
use crate::host::{ConnectorError, Failure, HeldBlob, Host, Row};
use crate::restore::context::ToCome;
use crate::restore::prepare::{Outcome, Preparation, Prepared};
use crate::restore::refusals::MAX_TRIES;
use crate::restore::request::{Added, Request, Verb};
use crate::restore::rules;
use crate::restore::state::job::{Place, Stage, WaitFor};
use crate::restore::state::record::RecordEntry;
use crate::restore::state::records::{Pages, Records};
use crate::restore::write::Writer;
use crate::restore::write::adopt::AdoptionStep;
use crate::salesforce::Writable;

/// Rows that are asked of the snapshot at once.
pub(super) const ROWS_AT_ONCE: usize = 200;

/// So many records are looked at beyond the first one that has no room, for others that have.
const LOOKED_AT: usize = 20_000;

/// A record that is to be written.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub object: &'a str,
    pub writable: &'a Writable,
    /// Objects whose records it waits for.
    pub awaits: &'a [String],
    pub key: &'a str,
    pub entry: &'a RecordEntry,
}

impl Due<'_> {
    fn verb(&self) -> Verb {
        self.entry.verb()
    }
}

/// What a walk over the records came to.
pub(super) enum FillResult {
    /// The request is full, or the walk is over: is there more to come?
    Yes { more: bool },
    /// The call must end.
    MustEnd,
}

/// What a walk passed by.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// So many records may have a place once others are in.
    records: u64,
    /// Before the first record that had no room.
    no_room: Option<Place>,
    /// So many records were looked at since.
    looked_at: usize,
}

impl<H: Host> Writer<'_, '_, '_, H> {
    /// Fills a request with the records that come next.
    pub(super) fn fill(&mut self, request: &mut Request) -> Step<FillResult> {
        loop {
            let (had, whole) = (request.len(), self.context.job.place == Place::default());
            self.passed = Passed::default();
            let filled = self.fill_on(request);
            if !matches!(filled, Ok(FillResult::Yes { more: false })) {
                if let Some(place) = self.passed.no_room.take() {
                    self.context.job.place = place;
                }
                return filled;
            }
            let others = self.left() > request.len() as u64;
            if self.passed.records == 0 && (whole || !others) {
                return filled;
            }
            // What was passed by, or refused before, may have a place now; else less is waited for.
            let progress = request.len() > had;
            if whole && !progress && !self.context.job.wait_for_less(request.is_empty()) {
                return filled;
            }
            let moved = self.context.job.moved;
            self.context.job.again();
            self.context.job.moved = moved || progress;
        }
    }

    /// Records that are still to be written in this stage.
    fn left(&self) -> u64 {
        match self.context.job.stage {
            Stage::Write => self.context.job.open(),
            _ => self.context.job.unconnected,
        }
    }

    /// The same, until all objects were gone through.
    fn fill_on(&mut self, request: &mut Request) -> Step<FillResult> {
        let objects = self.context.job.objects.walk();
        while let Some(object) = objects.get(self.context.job.place.object) {
            let writing = self.context.job.stage == Stage::Write;
            // What was written of an object before it was closed gets its references all the same.
            let closed = writing && self.context.job.object(object).is_closed();
            let writable = self.context.writable(object)?.filter(|_| !closed);
            if let Some(writable) = &writable {
                if writing {
                    let mut step = self.adoption_step(object, request)?;
                    if step == AdoptionStep::LookFor {
                        if let Some(filled) = self.adopt_first()? {
                            return Ok(filled);
                        }
                        step = self.adoption_step(object, request)?;
                    }
                    if step == AdoptionStep::NextWalk {
                        self.passed.records += 1;
                        self.context.job.moved = true;
                        self.context.job.place.object += 1;
                        continue;
                    }
                }
                if self.ingests(object) {
                    if !request.is_empty() {
                        return Ok(FillResult::Yes { more: true });
                    }
                    self.ingest(object, writable)?;
                }
                if let Some(filled) = self.fill_from(request, &objects[..=self.context.job.place.object], writable)? {
                    return Ok(filled);
                }
            }
            self.context.job.place.next_object();
        }
        Ok(FillResult::Yes { more: false })
    }

    /// The same, with the records of the last of these objects.
    fn fill_from(&mut self, request: &mut Request, objects: &[String], writable: &Writable) -> Step<Option<FillResult>> {
        let Some(object) = objects.last() else { return Ok(None) };
        if self.context.job.place.after.is_empty() && self.context.job.object(object).locked {
            let locked = self.locked_by_parent(object, writable)?;
            if locked.is_empty() {
                self.context.job.object_mut(object).locked = false;
            }
            for records in locked.chunks(ROWS_AT_ONCE) {
                let is_full = self.fill_with(request, objects, writable, records)?;
                self.context.job.place.after.clear();
                if is_full {
                    return Ok(Some(FillResult::Yes { more: true }));
                }
            }
        }
        loop {
            if self.context.must_end() {
                return Ok(Some(FillResult::MustEnd));
            }
            let Some((page, last)) = self.context.page(object)? else {
                return Ok(None);
            };
            let looked_at = page.len();
            let waits = |entry: &RecordEntry| entry.comes_last() && !self.context.is_due(entry);
            let waiting = page.iter().filter(|(_, entry)| waits(entry)).count() as u64;
            let due = page.into_iter().filter(|(_, entry)| self.context.is_due(entry));
            let (may_fit, no_room): (Vec<_>, Vec<_>) = due.partition(|(_, entry)| request.has_room(entry.verb()));
            self.passed.records += waiting;
            if !no_room.is_empty() {
                self.had_no_room();
            }
            for records in may_fit.chunks(ROWS_AT_ONCE) {
                if self.fill_with(request, objects, writable, records)? {
                    return Ok(Some(FillResult::Yes { more: true }));
                }
            }
            self.context.job.place.after = last;
            if self.passed.no_room.is_some() {
                self.passed.looked_at += looked_at;
                if request.is_full() || self.passed.looked_at >= LOOKED_AT {
                    return Ok(Some(FillResult::Yes { more: true }));
                }
            }
        }
    }

    /// Records that a lock refused, those of one parent together: for one whose parent is locked, Salesforce refuses all of its
    /// transaction, so the fewer transactions have one the better.
    fn locked_by_parent(&mut self, object: &str, writable: &Writable) -> Result<Records, ConnectorError> {
        let mut locked = Vec::new();
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            let is_locked = |entry: &RecordEntry| self.context.is_due(entry) && entry.tries > 0;
            locked.extend(page.into_iter().filter(|(_, entry)| is_locked(entry)));
        }
        let preparation = Preparation::of_references(object, writable, self.context.job.learnt.refuses_values);
        let mut by_parent = Vec::with_capacity(locked.len());
        for records in locked.chunks(ROWS_AT_ONCE) {
            let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
            for (record, row) in records.iter().zip(self.context.rows(object, &keys)?) {
                let parent = match row {
                    Some(row) => preparation.parent(&row)?,
                    None => None,
                };
                by_parent.push((parent, record.clone()));
            }
        }
        by_parent.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(by_parent.into_iter().map(|(_, record)| record).collect())
    }

    fn had_no_room(&mut self) {
        self.passed.records += 1;
        self.context.job.moved = true;
        let here = &self.context.job.place;
        self.passed.no_room.get_or_insert_with(|| here.clone());
    }

    /// Puts these records into the request; true where it is full.
    fn fill_with(
        &mut self,
        request: &mut Request,
        objects: &[String],
        writable: &Writable,
        records: &[(String, RecordEntry)],
    ) -> Result<bool, ConnectorError> {
        let Some(object) = objects.last() else { return Ok(false) };
        let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.context.rows(object, &keys)?;
        let blobs = self.context.blobs(object, writable, &keys)?;
        for (((key, entry), row), blobs) in records.iter().zip(rows).zip(&blobs) {
            if request.has(key) {
                continue;
            }
            let due = Due {
                object,
                writable,
                awaits: objects,
                key,
                entry,
            };
            let Some(Prepared {
                mut record,
                after,
                left_out,
                ..
            }) = self.fitting(request, &due, row.as_ref(), blobs)?
            else {
                continue;
            };
            record.apart = entry.apart;
            match request.add(due.verb(), after, record) {
                Added::Yes => {}
                Added::Full => return Ok(true),
                Added::NotThis => {
                    self.had_no_room();
                    continue;
                }
            }
            self.context.tell_left_out(object, key, &left_out);
            self.context.job.place.after.clone_from(key);
        }
        Ok(false)
    }

    /// What is sent of a record, if that may stand in this request.
    fn fitting(
        &mut self,
        request: &Request,
        due: &Due<'_>,
        row: Option<&Row>,
        blobs: &[HeldBlob],
    ) -> Result<Option<Prepared>, ConnectorError> {
        let Some(prepared) = self.prepared(request, due, row, blobs)? else {
            return Ok(None);
        };
        // What it refers to may be refused again, and all that stands beside it with it: it waits until that is there.
        if prepared.after.is_some() && (due.entry.tries > 0 || due.entry.apart.is_some()) {
            self.passed.records += 1;
            self.context.job.moved = true;
            return Ok(None);
        }
        Ok(Some(prepared))
    }

    /// What is sent of a record in this stage; none where nothing can be yet, or has to be.
    pub(super) fn prepared(
        &mut self,
        request: &Request,
        due: &Due<'_>,
        row: Option<&Row>,
        blobs: &[HeldBlob],
    ) -> Result<Option<Prepared>, ConnectorError> {
        let Due {
            object,
            writable,
            awaits,
            key,
            entry,
        } = *due;
        let Some(row) = row else {
            let why = Failure::new("not-in-snapshot", "the snapshot no longer has it");
            self.context.fail(object, key, entry, why)?;
            return Ok(None);
        };
        if entry.tries > MAX_TRIES {
            let why = self.context.records.error(object, key)?;
            self.context.fail(object, key, entry, Failure::new("refused", why))?;
            return Ok(None);
        }
        let mut without = self.context.records.without(object, key)?;
        without.extend(self.context.job.object(object).fields_left_out());
        let kept = self.context.records.kept(object, key)?;
        let preparation = Preparation {
            object,
            writable,
            without: &without,
            blobs,
            by_picklists: self.context.job.learnt.refuses_values,
            relinks: entry.is_relink().then_some(&kept),
        };
        let (stage, target) = (self.context.job.stage, entry.in_target(key));
        let patient = self.context.job.wait_for != WaitFor::Nothing;
        let to_come = |other: &str| match patient && (target.is_some() || awaits.iter().any(|awaited| awaited == other)) {
            true => ToCome::Awaited,
            false => ToCome::InTheEnd,
        };
        let mut resolve = |refers_to: &[String], id: &str| self.context.resolve(request, refers_to, id, &to_come);
        let target = match (stage, target) {
            (Stage::Write, target) => {
                let outcome = preparation.prepare(row, target, &mut resolve)?;
                return self.due_now(due, row, outcome);
            }
            (_, Some(target)) => target,
            (_, None) => return Ok(None),
        };
        match preparation.prepare_later(row, target, &mut resolve)? {
            Some(prepared) if prepared.record.sets > 0 => Ok(Some(prepared)),
            nothing => {
                let left_out = nothing.map(|prepared| prepared.left_out).unwrap_or_default();
                self.context.tell_left_out(object, key, &left_out);
                self.context.connected(object, key, entry)?;
                Ok(None)
            }
        }
    }

    /// What is sent of a record while records are written.
    fn due_now(&mut self, due: &Due<'_>, row: &Row, outcome: Outcome) -> Result<Option<Prepared>, ConnectorError> {
        let Due {
            object,
            writable,
            key,
            entry,
            ..
        } = *due;
        match outcome {
            Outcome::Ready(prepared) if entry.is_relink() && prepared.record.sets == 0 => {
                // All of it is set in the end.
                self.context.updated(&prepared.record, entry)?;
            }
            Outcome::Ready(prepared) => return Ok(Some(*prepared)),
            Outcome::Nothing { left_out, .. } => {
                self.context.tell_left_out(object, key, &left_out);
                self.context.left_alone(object, key, entry)?;
            }
            Outcome::NotYet => self.passed.records += 1,
            Outcome::Cannot(failure)
                if failure.code == rules::BY_SALESFORCE && self.context.comes_with_another(object, writable, row)? =>
            {
                self.passed.records += 1;
            }
            Outcome::Cannot(failure) => self.context.fail(object, key, entry, failure)?,
        }
        Ok(None)
    }
}
