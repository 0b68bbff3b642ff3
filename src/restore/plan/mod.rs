//! The export `plan-restore`: which records, in which order, what will become of each, and what that costs.
//!
//! It goes from stage to stage ([`Stage`]); each may be cut at any request. Only what reads is sent: how objects are written, and
//! which of the records, and of those that they refer to, the target has. The rest is told by the snapshot.

mod describe;
pub(in crate::restore) mod estimate;
pub(in crate::restore) mod lookup;
mod lost;
mod names;
pub(in crate::restore) mod rehearsal;
mod select;

use crate::BATCH_REQUESTS;
use crate::halt::{Halt, Step};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Next, Planned, RecordOutcome, Row, Snapshot};
use crate::org::{Org, SendFailure};
use crate::restore::order::{self, References};
use crate::restore::plan::rehearsal::Rehearsal;
use crate::restore::prepare::{Outcome, Preparation};
use crate::restore::request::{Form, Verb};
use crate::restore::rules;
use crate::restore::run::{Run, ToCome};
use crate::restore::state::job::{Job, Selection, Stage};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::salesforce::{Writable, WritableField};
use crate::values::key;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Rows that one call goes through: some seconds.
const ROWS_A_CALL: usize = 40_000;

/// Rows that are asked of the snapshot at once.
pub(in crate::restore) const ROWS_AT_ONCE: u32 = 1_000;

/// Plans a restore. `runs`: it will be run; otherwise people only want to see what it would do.
pub fn plan_restore<H: Host>(host: &H, selection: Selection, runs: bool) -> Result<Planned, ConnectorError> {
    let org = Org::open(host)?;
    let space = if runs { key::RESTORE } else { key::DRY_RUN };
    // What an earlier restore may have created is found out while its records are still known.
    if runs && let Some(earlier) = Job::load(host, space)? {
        let mut run = Run::open(&org, space, earlier)?;
        if let Some(planned) = run.settle_first()? {
            return Ok(planned);
        }
    }
    let job = match Job::load(host, space)? {
        Some(job) if job.selection == selection && job.stage != Stage::Done => job,
        _ => {
            Job::forget(host, space)?;
            Job {
                selection,
                ..Job::default()
            }
        }
    };
    let mut run = Run::open(&org, space, job)?;
    // What may be refused is told before; a run tries it.
    run.job.refuses_inactive |= !runs;
    run.job.refuses_values |= !runs;
    let mut budget = ROWS_A_CALL;
    while run.job.stage < Stage::Write {
        let planned = run.plan_stage(&mut budget);
        if let Err(Halt::Failed(error)) = planned {
            return Err(*error);
        }
        let busy = run.seconds_to_wait(planned.as_ref().err().and_then(Halt::send_failure));
        run.save()?;
        if let Some(seconds) = busy {
            return Ok(Planned::AgainAfter(seconds));
        }
        match planned {
            Ok(()) => {}
            Err(Halt::Call) => return Ok(Planned::More(1)),
            Err(Halt::Wait(seconds)) => return Ok(Planned::AgainAfter(seconds)),
            Err(Halt::Blocked(failure)) => return Ok(Planned::Blocked(*failure)),
            Err(Halt::Failed(error)) => return Err(*error),
            Err(Halt::Send(failure)) => match *failure {
                SendFailure::Host(error) => return Err(*error),
                failure @ SendFailure::Later => return Err(failure.into_error()),
                failure if Run::<H>::is_normal(&failure) || run.got_somewhere => {
                    let (planning, all) = run.needed_at_most()?;
                    host.needed(all);
                    return Ok(Planned::More(u32::try_from(planning).unwrap_or(u32::MAX).min(BATCH_REQUESTS)));
                }
                failure => return Err(failure.into_error()),
            },
        }
    }
    run.tell_plan()?;
    if !runs {
        Job::forget(host, space)?;
    }
    // What people only looked at is planned again when it is run.
    let again = if runs { 0 } else { run.job.asked };
    let needed = run.needed();
    host.needed(needed + again);
    Ok(Planned::Ready(BatchResult {
        at: run.job.checkpoint()?,
        next: Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).min(BATCH_REQUESTS)),
    }))
}

impl<H: Host> Run<'_, '_, H> {
    fn settle_first(&mut self) -> Result<Option<Planned>, ConnectorError> {
        let settled = self.settle();
        if let Err(Halt::Failed(error)) = settled {
            return Err(*error);
        }
        let busy = match &settled {
            Err(Halt::Send(failure)) => self.seconds_to_wait(Some(failure)),
            _ => None,
        };
        self.save()?;
        Ok(match settled {
            Ok(()) => None,
            Err(Halt::Call) => Some(Planned::More(1)),
            Err(Halt::Wait(seconds)) => Some(Planned::AgainAfter(seconds)),
            Err(Halt::Blocked(failure)) => Some(Planned::Blocked(*failure)),
            Err(Halt::Failed(error)) => return Err(*error),
            Err(Halt::Send(_)) if busy.is_some() => busy.map(Planned::AgainAfter),
            Err(Halt::Send(failure)) if Run::<H>::is_normal(&failure) => Some(Planned::More(1)),
            Err(Halt::Send(failure)) => return Err(failure.into_error()),
        })
    }

    fn plan_stage(&mut self, budget: &mut usize) -> Step {
        match self.job.stage {
            Stage::Select => self.select(budget),
            Stage::Relate => self.relate(budget),
            Stage::Describe => self.describe(),
            Stage::Refer => self.refer(budget),
            Stage::LookUp => self.look_up(),
            Stage::Name => self.find_by_name(),
            Stage::Compare => self.compare(),
            _ => self.rehearse(budget),
        }
    }

    /// Finds what the wanted records refer to.
    fn refer(&mut self, budget: &mut usize) -> Step {
        // Objects that are only referred to come to this list while it is walked; they have nothing to be walked for.
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            let writable = self.writable(object)?.filter(|_| !self.job.closed.contains_key(object));
            while let Some(writable) = &writable {
                if *budget == 0 || self.must_end() {
                    // The list may have grown before this place.
                    self.job.at.object = self.place_of(object);
                    return Err(Halt::Call);
                }
                let some = self.records.after(object, &self.job.at.after)?;
                let Some((last, _)) = some.last() else { break };
                let last = last.clone();
                let keys: Vec<String> = some.into_iter().filter(|(_, s)| s.is_wanted()).map(|(key, _)| key).collect();
                *budget = budget.saturating_sub(keys.len());
                let preparation = Preparation::of_references(object, writable, self.job.refuses_values);
                for row in self.rows(object, &keys)?.into_iter().flatten() {
                    for (refers_to, id, required) in preparation.references(&row)? {
                        self.referred(refers_to, &id, required)?;
                    }
                }
                self.job.at.after = last;
            }
            self.job.at.after.clear();
            self.job.at.object = self.place_of(object) + 1;
            if self.job.objects.len() != objects.len() {
                return Ok(());
            }
        }
        self.job.enter(Stage::LookUp);
        Ok(())
    }

    fn place_of(&self, object: &str) -> usize {
        let place = self.job.objects.binary_search_by(|other| other.as_str().cmp(object));
        place.unwrap_or(self.job.at.object)
    }

    fn referred(&mut self, refers_to: &[String], id: &str, required: bool) -> Result<(), ConnectorError> {
        let Some(object) = self.object_of(refers_to, id) else {
            return Ok(());
        };
        let what = if required {
            RecordState::RequiredReference
        } else {
            RecordState::Reference
        };
        match self.records.get(&object, id)?.map(|entry| entry.what) {
            None => {
                self.records.set(&object, id, RecordEntry::new(what))?;
                self.takes_part(&object);
            }
            Some(RecordState::Excluded) => self.records.set(&object, id, RecordEntry::new(what))?,
            Some(RecordState::Reference) if required => self.records.set(&object, id, RecordEntry::new(what))?,
            // It was looked up for one that could be without it.
            Some(RecordState::Gone) if required && self.job.selection.with_related => {
                self.needed_and_gone(&object, id)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A record that can't be done without is gone: it becomes part of the restore, where the snapshot has it.
    pub(in crate::restore) fn needed_and_gone(&mut self, object: &str, id: &str) -> Result<(), ConnectorError> {
        let has = self
            .source
            .find(object, &[id.to_owned()])?
            .into_iter()
            .flatten()
            .next()
            .is_some();
        let what = if has && rules::never(object).is_none() {
            self.job.moved = true;
            self.job.creating.insert(object.to_owned());
            RecordState::Create
        } else {
            RecordState::Gone
        };
        self.records.set(object, id, RecordEntry::new(what))
    }

    /// Goes through all records in order, without sending, to tell what will become of each.
    fn rehearse(&mut self, budget: &mut usize) -> Step {
        if self.job.at.object == 0 && self.job.at.after.is_empty() && self.job.open.is_empty() {
            self.put_in_order()?;
        }
        let objects = self.job.objects.clone();
        let place: BTreeMap<&str, usize> = objects.iter().enumerate().map(|(n, object)| (object.as_str(), n)).collect();
        let mut rehearsal = Rehearsal::default();
        while let Some(object) = objects.get(self.job.at.object) {
            let writable = self.writable(object)?.filter(|_| !self.job.closed.contains_key(object));
            while let Some(writable) = &writable {
                if *budget == 0 || self.must_end() {
                    self.job.composites += rehearsal.requests();
                    return Err(Halt::Call);
                }
                let mut some = self.records.after(object, &self.job.at.after)?;
                let Some((last, _)) = some.last() else { break };
                let last = last.clone();
                self.relink(object, writable, &mut some)?;
                let open: Vec<(String, RecordEntry)> = some.into_iter().filter(|(_, s)| s.is_open()).collect();
                *budget = budget.saturating_sub(open.len());
                self.rehearse_some(object, writable, &open, &place, &mut rehearsal)?;
                self.job.at.after = last;
            }
            self.job.at.after.clear();
            self.job.at.object += 1;
        }
        self.job.composites += rehearsal.requests();
        self.choose_bulk();
        self.job.enter(Stage::Write);
        Ok(())
    }

    /// Deleting a record empties references to it, and doesn't always tell by their records' `SystemModstamp`. Where they led to what
    /// this or an earlier restore created, and nobody has set them to something else, they are set again.
    fn relink(&mut self, object: &str, writable: &Writable, some: &mut [(String, RecordEntry)]) -> Result<(), ConnectorError> {
        let new = |of: &String| self.job.creating.contains(of) || self.job.mapped.contains(of);
        let fields: Vec<&WritableField> = writable
            .fields
            .iter()
            .filter(|field| rules::may_be_relinked(field) && field.refers_to.iter().any(new))
            .collect();
        let without = self.job.selection.no_relink || self.job.without_references.contains(object);
        if fields.is_empty() || !writable.updateable || without {
            return Ok(());
        }
        let same: Vec<usize> = (0..some.len()).filter(|n| some[*n].1.what == RecordState::Same).collect();
        let keys: Vec<String> = same.iter().map(|n| some[*n].0.clone()).collect();
        for (n, row) in same.into_iter().zip(self.rows(object, &keys)?) {
            let Some(row) = row else { continue };
            if self.leads_to_new(object, &fields, &row)? {
                let (key, entry) = &mut some[n];
                entry.what = RecordState::Relink;
                self.records.set(object, key, entry.clone())?;
                let skipped = &mut self.job.tally(object).skipped;
                *skipped = skipped.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Whether one of these fields, that nobody has set since, led to what this or an earlier restore created.
    fn leads_to_new(&mut self, object: &str, fields: &[&WritableField], row: &Row) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        let kept = self.records.kept(object, &row.key)?;
        for field in fields.iter().filter(|field| !kept.contains(&field.name)) {
            let Some(id) = rules::text(&values, &field.name) else {
                continue;
            };
            let Some(of) = self.object_of(&field.refers_to, &id) else {
                continue;
            };
            let Some(entry) = self.records.get(&of, &id)? else {
                continue;
            };
            let created_before = entry.in_target(&id).is_some_and(|now| now != id);
            if matches!(entry.what, RecordState::Create | RecordState::WithParent) || created_before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one record from row to request, as a restore would write it"
    )]
    fn rehearse_some(
        &mut self,
        object: &str,
        writable: &Writable,
        open: &[(String, RecordEntry)],
        place: &BTreeMap<&str, usize>,
        rehearsal: &mut Rehearsal,
    ) -> Result<(), ConnectorError> {
        let keys: Vec<String> = open.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.rows(object, &keys)?;
        let blobs = self.blobs(object, writable, &keys)?;
        let here = place.get(object).copied().unwrap_or_default();
        let (refers_to_new, refers_to_own) = (Cell::new(false), Cell::new(false));
        for (((key, entry), row), blobs) in open.iter().zip(rows).zip(&blobs) {
            let mut expected = entry.what;
            let outcome = match &row {
                Some(row) => {
                    if expected == RecordState::Create && self.will_come(object, writable, row)? {
                        expected = RecordState::Adopted;
                    }
                    self.expect_document(object, entry, row)?;
                    let kept = self.records.kept(object, key)?;
                    let preparation = Preparation {
                        object,
                        writable,
                        without: &[],
                        blobs,
                        by_picklists: self.job.refuses_values,
                        relinks: entry.is_relink().then_some(&kept),
                    };
                    let target = entry.in_target(key);
                    refers_to_new.set(false);
                    refers_to_own.set(false);
                    let to_come = |of: &str| {
                        refers_to_new.set(true);
                        refers_to_own.set(refers_to_own.get() || of == object);
                        match target.is_some() || place.get(of).is_some_and(|there| *there <= here) {
                            true => ToCome::Written,
                            false => ToCome::InTheEnd,
                        }
                    };
                    let mut resolve =
                        |refers_to: &[String], id: &str| self.resolve(rehearsal.request(), refers_to, id, &to_come);
                    preparation.prepare(row, target, &mut resolve)?
                }
                None => Outcome::Cannot(Failure::new("not-in-snapshot", "the snapshot no longer has it")),
            };
            let cannot = match (entry.what, outcome) {
                (RecordState::Create, _) if object == rules::BROUGHT.2 => Some(no_version()),
                (RecordState::Create, _) if !writable.createable => Some(not_allowed("created")),
                (RecordState::Update | RecordState::Relink, _) if !writable.updateable => Some(not_allowed("changed")),
                // It will be there, once its parent is.
                (RecordState::Create, Outcome::Cannot(failure))
                    if failure.code == rules::BY_SALESFORCE && object == "Contact" =>
                {
                    None
                }
                (_, Outcome::Cannot(failure)) => Some(failure),
                (_, Outcome::Ready(prepared)) => {
                    self.job.unconnected += u64::from(prepared.record.later);
                    self.job.count_form(&prepared.record);
                    if let Some(row) = &row {
                        self.count_lost(object, writable, entry.verb(), row)?;
                    }
                    self.tell_left_out(object, key, &prepared.left_out);
                    if entry.what == RecordState::Create && refers_to_own.get() {
                        *self.job.to_own.entry(object.to_owned()).or_default() += 1;
                    }
                    match entry.verb() {
                        _ if prepared.record.form != Form::Composite => {}
                        Verb::Update if refers_to_new.get() => {
                            rehearsal.add_last();
                            let entry = RecordEntry {
                                later: true,
                                ..entry.clone()
                            };
                            self.records.set(object, key, entry)?;
                        }
                        verb => rehearsal.add(verb, prepared.after, prepared.record),
                    }
                    None
                }
                (_, Outcome::Nothing(left_out)) => {
                    // What it leads to is still to come.
                    self.tell_left_out(object, key, &left_out);
                    rehearsal.add_last();
                    let later = refers_to_new.get();
                    self.records.set(object, key, RecordEntry { later, ..entry.clone() })?;
                    None
                }
                (_, Outcome::NotYet) => {
                    self.job.waiting += 1;
                    None
                }
            };
            match cannot {
                Some(failure) => {
                    self.records.set(object, key, RecordEntry::new(RecordState::Failed))?;
                    self.job.tally(object).failed += 1;
                    self.tell(object, key, RecordOutcome::Failed, failure);
                }
                None => self.expect_write(object, expected),
            }
        }
        Ok(())
    }

    fn expect_write(&mut self, object: &str, what: RecordState) {
        *self.job.open.entry(object.to_owned()).or_default() += 1;
        let counts = match what {
            RecordState::Update => &mut self.job.updates,
            RecordState::Relink => &mut self.job.relinks,
            _ => return,
        };
        *counts.entry(object.to_owned()).or_default() += 1;
    }

    /// A version that is to be created brings its document, where the target doesn't have it.
    fn expect_document(&mut self, object: &str, entry: &RecordEntry, row: &Row) -> Result<(), ConnectorError> {
        let (version, field, document) = rules::BROUGHT;
        if object != version || entry.what != RecordState::Create {
            return Ok(());
        }
        let Some(id) = rules::text(&rules::values(object, row)?, field) else {
            return Ok(());
        };
        let known = self.records.get(document, &id)?.map(|entry| entry.what);
        if matches!(known, Some(RecordState::Create | RecordState::Gone)) {
            self.records.set(document, &id, RecordEntry::new(RecordState::WithParent))?;
            self.expect_write(document, RecordState::WithParent);
        }
        Ok(())
    }

    /// The order of writing, of objects that records are written of; others are no longer needed.
    fn put_in_order(&mut self) -> Result<(), ConnectorError> {
        let mut objects: BTreeMap<String, References> = BTreeMap::new();
        for object in self.job.objects.clone() {
            let Some(writable) = self.writable(&object)?.filter(|_| !self.job.closed.contains_key(&object)) else {
                continue;
            };
            let mut refers = References::default();
            for field in writable.fields.iter().filter(|field| field.create) {
                let needed = field.required || !field.update;
                let set = if needed { &mut refers.needs } else { &mut refers.likes };
                set.extend(field.refers_to.iter().cloned());
            }
            if object == rules::BROUGHT.0 {
                refers.needs.remove(rules::BROUGHT.2);
            } else if object == rules::BROUGHT.2 {
                refers.needs.insert(rules::BROUGHT.0.to_owned());
            }
            objects.insert(object, refers);
        }
        // Documents come to be with their versions, whether they were asked for or not.
        if objects.contains_key(rules::BROUGHT.0) {
            objects.entry(rules::BROUGHT.2.to_owned()).or_insert_with(|| References {
                needs: std::iter::once(rules::BROUGHT.0.to_owned()).collect(),
                ..References::default()
            });
        }
        self.job.objects = order::order(&objects).into_iter().flatten().collect();
        Ok(())
    }
}

fn no_version() -> Failure {
    Failure::new(
        "no-version",
        "a file comes to be with its first version, and no version of it can be restored",
    )
    .remedy("restore its ContentVersion records too, from a snapshot that has them")
}

fn not_allowed(done: &str) -> Failure {
    Failure::new(
        "not-allowed",
        format!("records of this object can't be {done} by the connection's user"),
    )
    .remedy("give the user the permission, or use another one")
}
