//! Fills requests with the records that come next, so that as few requests as possible write them all.
//!
//! A walk goes through all objects in the order of writing. It waits for what a record refers to as long as that comes to be
//! without it ([`WaitFor`]): each reference that is set at once is a second write less. And it fills a request to the last place
//! before it goes back to the first record that had none.

use crate::halt::Step;
use crate::host::{ConnectorError, Failure, HeldBlob, Host, Row};
use crate::restore::prepare::{Outcome, Preparation, Prepared};
use crate::restore::request::{Added, Request, Verb};
use crate::restore::rules;
use crate::restore::run::{Run, ToCome};
use crate::restore::state::job::{Place, Stage, WaitFor};
use crate::restore::state::record::RecordEntry;
use crate::restore::state::records::Pages;
use crate::restore::write::adopt::Adoption;
use crate::restore::write::results::MAX_TRIES;
use crate::salesforce::Writable;

/// Rows that are asked of the snapshot at once.
pub(in crate::restore) const ROWS_AT_ONCE: usize = 200;

/// So many records are looked at beyond the first one that has no room, for others that have.
const LOOKED_AT: usize = 20_000;

/// A record that is to be written.
#[derive(Clone, Copy)]
pub(in crate::restore) struct Due<'a> {
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
pub(in crate::restore) enum FillResult {
    /// The request is full, or the walk is over: is there more to come?
    Yes { more: bool },
    /// The call must end.
    MustEnd,
}

/// What a walk passed by.
#[derive(Debug, Default)]
pub(in crate::restore) struct Passed {
    /// So many records may have a place once others are in.
    records: u64,
    /// Before the first record that had no room.
    no_room: Option<Place>,
    /// So many records were looked at since.
    looked_at: usize,
}

impl<H: Host> Run<'_, '_, H> {
    /// Fills a request with the records that come next.
    pub(in crate::restore) fn fill(&mut self, request: &mut Request) -> Step<FillResult> {
        loop {
            let (had, whole) = (request.len(), self.job.at == Place::default());
            self.passed = Passed::default();
            let filled = self.fill_on(request);
            if !matches!(filled, Ok(FillResult::Yes { more: false })) {
                if let Some(place) = self.passed.no_room.take() {
                    self.job.at = place;
                }
                return filled;
            }
            let others = self.left() > request.len() as u64;
            if self.passed.records == 0 && (whole || !others) {
                return filled;
            }
            // What was passed by, or refused before, may have a place now; else less is waited for.
            let progress = request.len() > had;
            if whole && !progress && !self.job.wait_for_less(request.is_empty()) {
                return filled;
            }
            let moved = self.job.moved;
            self.job.again();
            self.job.moved = moved || progress;
        }
    }

    /// Records that are still to be written in this stage.
    fn left(&self) -> u64 {
        match self.job.stage {
            Stage::Write => self.job.open.values().sum(),
            _ => self.job.unconnected,
        }
    }

    /// The same, until all objects were gone through.
    fn fill_on(&mut self, request: &mut Request) -> Step<FillResult> {
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            // What was written of an object before it was closed gets its references all the same.
            let closed = self.job.stage == Stage::Write && self.job.closed.contains_key(object);
            let writable = self.writable(object)?.filter(|_| !closed);
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
                        self.passed.records += 1;
                        self.job.moved = true;
                        self.job.at.object += 1;
                        continue;
                    }
                }
                if self.ingests(object) {
                    if !request.is_empty() {
                        return Ok(FillResult::Yes { more: true });
                    }
                    self.ingest(object, writable)?;
                }
                if let Some(filled) = self.fill_from(request, &objects[..=self.job.at.object], writable)? {
                    return Ok(filled);
                }
            }
            self.job.at.after.clear();
            self.job.at.object += 1;
        }
        Ok(FillResult::Yes { more: false })
    }

    /// The same, with the records of the last of these objects.
    fn fill_from(&mut self, request: &mut Request, objects: &[String], writable: &Writable) -> Step<Option<FillResult>> {
        let Some(object) = objects.last() else { return Ok(None) };
        if self.job.at.after.is_empty() && self.job.locked_of.contains(object) {
            let locked = self.locked_by_parent(object, writable)?;
            if locked.is_empty() {
                self.job.locked_of.remove(object);
            }
            for some in locked.chunks(ROWS_AT_ONCE) {
                let is_full = self.fill_some(request, objects, writable, some)?;
                self.job.at.after.clear();
                if is_full {
                    return Ok(Some(FillResult::Yes { more: true }));
                }
            }
        }
        loop {
            if self.must_end() {
                return Ok(Some(FillResult::MustEnd));
            }
            let some = self.records.after(object, &self.job.at.after)?;
            let Some((last, _)) = some.last() else { return Ok(None) };
            let last = last.clone();
            let looked_at = some.len();
            self.passed.records += some.iter().filter(|(_, s)| s.comes_last() && !self.is_due(s)).count() as u64;
            let due: Vec<(String, RecordEntry)> = some.into_iter().filter(|(_, s)| self.is_due(s)).collect();
            let (may_fit, no_room): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, s)| request.has_room(s.verb()));
            if !no_room.is_empty() {
                self.had_no_room();
            }
            for some in may_fit.chunks(ROWS_AT_ONCE) {
                if self.fill_some(request, objects, writable, some)? {
                    return Ok(Some(FillResult::Yes { more: true }));
                }
            }
            self.job.at.after = last;
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
    fn locked_by_parent(&mut self, object: &str, writable: &Writable) -> Result<Vec<(String, RecordEntry)>, ConnectorError> {
        let mut locked = Vec::new();
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            locked.extend(some.into_iter().filter(|(_, s)| self.is_due(s) && s.tries > 0));
        }
        let preparation = Preparation::of_references(object, writable, self.job.refuses_values);
        let mut by_parent = Vec::with_capacity(locked.len());
        for some in locked.chunks(ROWS_AT_ONCE) {
            let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
            for (one, row) in some.iter().zip(self.rows(object, &keys)?) {
                let parent = match row {
                    Some(row) => preparation.parent(&row)?,
                    None => None,
                };
                by_parent.push((parent, one.clone()));
            }
        }
        by_parent.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(by_parent.into_iter().map(|(_, one)| one).collect())
    }

    pub(in crate::restore) fn is_due(&self, entry: &RecordEntry) -> bool {
        match self.job.stage {
            Stage::Write => entry.is_open() && !(self.job.wait_for == WaitFor::AllReferences && entry.comes_last()),
            _ => entry.is_unconnected(),
        }
    }

    fn had_no_room(&mut self) {
        self.passed.records += 1;
        self.job.moved = true;
        let here = &self.job.at;
        self.passed.no_room.get_or_insert_with(|| here.clone());
    }

    /// Puts these records into the request; true where it is full.
    fn fill_some(
        &mut self,
        request: &mut Request,
        objects: &[String],
        writable: &Writable,
        some: &[(String, RecordEntry)],
    ) -> Result<bool, ConnectorError> {
        let Some(object) = objects.last() else { return Ok(false) };
        let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.rows(object, &keys)?;
        let blobs = self.blobs(object, writable, &keys)?;
        for (((key, entry), row), blobs) in some.iter().zip(rows).zip(&blobs) {
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
            self.tell_left_out(object, key, &left_out);
            self.job.at.after.clone_from(key);
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
            self.job.moved = true;
            return Ok(None);
        }
        Ok(Some(prepared))
    }

    /// What is sent of a record in this stage; none where nothing can be yet, or has to be.
    pub(in crate::restore) fn prepared(
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
            self.fail(object, key, entry, why)?;
            return Ok(None);
        };
        if entry.tries > MAX_TRIES {
            let why = self.records.error(object, key)?;
            self.fail(object, key, entry, Failure::new("refused", why))?;
            return Ok(None);
        }
        let mut without = self.records.without(object, key)?;
        without.extend(self.left_out_of(object));
        let kept = self.records.kept(object, key)?;
        let preparation = Preparation {
            object,
            writable,
            without: &without,
            blobs,
            by_picklists: self.job.refuses_values,
            relinks: entry.is_relink().then_some(&kept),
        };
        let (stage, target) = (self.job.stage, entry.in_target(key));
        let patient = self.job.wait_for != WaitFor::Nothing;
        let to_come = |other: &str| match patient && (target.is_some() || awaits.iter().any(|awaited| awaited == other)) {
            true => ToCome::Awaited,
            false => ToCome::InTheEnd,
        };
        let mut resolve = |refers_to: &[String], id: &str| self.resolve(request, refers_to, id, &to_come);
        match (stage, target) {
            (Stage::Write, _) => match preparation.prepare(row, target, &mut resolve)? {
                Outcome::Ready(prepared) if entry.is_relink() && prepared.record.sets == 0 => {
                    // All of it is set in the end.
                    self.updated(&prepared.record, entry)?;
                    Ok(None)
                }
                Outcome::Ready(prepared) => Ok(Some(*prepared)),
                Outcome::Nothing(left_out) => {
                    self.tell_left_out(object, key, &left_out);
                    self.left_alone(object, key, entry)?;
                    Ok(None)
                }
                Outcome::NotYet => {
                    self.passed.records += 1;
                    Ok(None)
                }
                Outcome::Cannot(failure)
                    if failure.code == rules::BY_SALESFORCE && self.comes_with_another(object, writable, row)? =>
                {
                    self.passed.records += 1;
                    Ok(None)
                }
                Outcome::Cannot(failure) => {
                    self.fail(object, key, entry, failure)?;
                    Ok(None)
                }
            },
            (_, Some(target)) => match preparation.prepare_later(row, target, &mut resolve)? {
                Some(prepared) if prepared.record.sets > 0 => Ok(Some(prepared)),
                nothing => {
                    let left_out = nothing.map(|prepared| prepared.left_out).unwrap_or_default();
                    self.tell_left_out(object, key, &left_out);
                    self.connected(object, key, entry)?;
                    Ok(None)
                }
            },
            (_, None) => Ok(None),
        }
    }
}
