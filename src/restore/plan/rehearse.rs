//! Goes through all records in the order of writing, without sending, to tell what will become of each.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, HeldBlob, Host, RecordOutcome, Row};
use crate::restore::context::ToCome;
use crate::restore::order::{self, References};
use crate::restore::plan::Planner;
use crate::restore::plan::rehearsal::Rehearsal;
use crate::restore::prepare::{Outcome, Preparation, Prepared};
use crate::restore::request::{Form, Verb};
use crate::restore::rules::{self, Companion, FILE_DOCUMENT};
use crate::restore::state::job::{Place, Stage};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Records;
use crate::salesforce::{Writable, WritableField};
use std::collections::BTreeMap;

/// A record that will be written.
#[derive(Clone, Copy)]
struct Rehearsed<'a> {
    object: &'a str,
    /// Objects that come before it in the order of writing, and its own.
    before: &'a [String],
    writable: &'a Writable,
    key: &'a str,
    entry: &'a RecordEntry,
}

impl Rehearsed<'_> {
    /// Why it can't be written, whatever is sent of it.
    fn forbidden(&self) -> Option<Failure> {
        match self.entry.what {
            RecordState::Create if self.object == FILE_DOCUMENT.brings => Some(no_version()),
            RecordState::Create if !self.writable.createable => Some(not_allowed("created")),
            RecordState::Update | RecordState::Relink if !self.writable.updateable => Some(not_allowed("changed")),
            _ => None,
        }
    }

    /// Why it can't be written, first what forbids it whatever is sent.
    fn failure(&self, why: Failure) -> Failure {
        self.forbidden().unwrap_or(why)
    }

    /// It can't be created, since it comes to be with a person's account.
    fn comes_with_account(&self, why: &Failure) -> bool {
        self.entry.what == RecordState::Create && why.code == rules::BY_SALESFORCE && self.object == "Contact"
    }
}

impl<H: Host> Planner<'_, '_, '_, H> {
    /// Goes through all records in order, without sending, to tell what will become of each.
    pub(super) fn rehearse(&mut self) -> Step {
        if self.context.job.place == Place::default() && self.context.job.open() == 0 {
            self.put_in_order()?;
        }
        let objects = self.context.job.objects.walk();
        let mut rehearsal = Rehearsal::default();
        while let Some(object) = objects.get(self.context.job.place.object) {
            let writable = self
                .context
                .writable(object)?
                .filter(|_| !self.context.job.object(object).is_closed());
            while let Some(writable) = &writable {
                if self.must_end() {
                    self.context.job.plan.composites += rehearsal.requests();
                    return Err(Halt::Call);
                }
                let Some((mut page, last)) = self.context.page(object)? else {
                    break;
                };
                self.relink(object, writable, &mut page)?;
                let open: Records = page.into_iter().filter(|(_, entry)| entry.is_open()).collect();
                self.spend(open.len());
                self.rehearse_page(&objects[..=self.context.job.place.object], writable, &open, &mut rehearsal)?;
                self.context.job.place.after = last;
            }
            self.context.job.place.next_object();
        }
        self.context.job.plan.composites += rehearsal.requests();
        self.context.job.choose_bulk();
        self.context.job.enter(Stage::Write);
        Ok(())
    }

    /// Deleting a record empties references to it, and doesn't always tell by their records' `SystemModstamp`. Where they led to what
    /// this or an earlier restore created, and nobody has set them to something else, they are set again.
    fn relink(&mut self, object: &str, writable: &Writable, page: &mut [(String, RecordEntry)]) -> Result<(), ConnectorError> {
        let new = |object: &String| {
            let object = self.context.job.object(object);
            object.creates || object.mapped
        };
        let fields: Vec<&WritableField> = writable
            .fields
            .iter()
            .filter(|field| rules::may_be_relinked(field) && field.refers_to.iter().any(new))
            .collect();
        let without = self.context.job.selection.no_relink || self.context.job.object(object).without_references;
        if fields.is_empty() || !writable.updateable || without {
            return Ok(());
        }
        let same: Vec<&mut (String, RecordEntry)> =
            page.iter_mut().filter(|(_, entry)| entry.what == RecordState::Same).collect();
        let keys: Vec<String> = same.iter().map(|(key, _)| key.clone()).collect();
        for ((key, entry), row) in same.into_iter().zip(self.context.rows(object, &keys)?) {
            let Some(row) = row else { continue };
            if self.leads_to_new(object, &fields, &row)? {
                entry.what = RecordState::Relink;
                self.context.records.set(object, key, entry.clone())?;
                let skipped = &mut self.context.job.object_mut(object).tally_mut().skipped;
                *skipped = skipped.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Whether one of these fields, that nobody has set since, led to what this or an earlier restore created.
    fn leads_to_new(&mut self, object: &str, fields: &[&WritableField], row: &Row) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        let kept = self.context.records.kept(object, &row.key)?;
        for field in fields.iter().filter(|field| !kept.contains(&field.name)) {
            let Some(id) = rules::text(&values, &field.name) else {
                continue;
            };
            let Some(target) = self.context.object_of(&field.refers_to, &id) else {
                continue;
            };
            let Some(entry) = self.context.records.get(&target, &id)? else {
                continue;
            };
            let created_before = entry.in_target(&id).is_some_and(|now| now != id);
            if matches!(entry.what, RecordState::Create | RecordState::WithParent) || created_before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same, with records of the last of these objects.
    fn rehearse_page(
        &mut self,
        objects: &[String],
        writable: &Writable,
        open: &[(String, RecordEntry)],
        rehearsal: &mut Rehearsal,
    ) -> Result<(), ConnectorError> {
        let Some(object) = objects.last() else { return Ok(()) };
        let keys: Vec<String> = open.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.context.rows(object, &keys)?;
        let blobs = self.context.blobs(object, writable, &keys)?;
        for (((key, entry), row), blobs) in open.iter().zip(rows).zip(&blobs) {
            let due = Rehearsed {
                object,
                before: objects,
                writable,
                key,
                entry,
            };
            let cannot = match &row {
                Some(row) => self.rehearse_record(&due, row, blobs, rehearsal)?,
                None => Some(due.failure(Failure::new("not-in-snapshot", "the snapshot no longer has it"))),
            };
            if let Some(failure) = cannot {
                self.context.records.set(object, key, RecordEntry::new(RecordState::Failed))?;
                self.context.job.object_mut(object).tally_mut().failed += 1;
                self.context.tell(object, key, RecordOutcome::Failed, failure);
            }
        }
        Ok(())
    }

    /// Tells what will become of a record; why it can't be written, where it can't.
    fn rehearse_record(
        &mut self,
        due: &Rehearsed<'_>,
        row: &Row,
        blobs: &[HeldBlob],
        rehearsal: &mut Rehearsal,
    ) -> Result<Option<Failure>, ConnectorError> {
        let Rehearsed {
            object,
            writable,
            key,
            entry,
            ..
        } = *due;
        let comes = entry.what == RecordState::Create && self.context.will_come(object, writable, row)?;
        let expected = if comes { RecordState::Adopted } else { entry.what };
        self.expect_document(object, entry, row)?;
        let outcome = self.rehearsed_outcome(due, row, blobs, rehearsal)?;
        if let Some(failure) = due.forbidden() {
            return Ok(Some(failure));
        }
        match outcome {
            // It will be there, once its parent is.
            Outcome::Cannot(failure) if due.comes_with_account(&failure) => {}
            Outcome::Cannot(failure) => return Ok(Some(failure)),
            Outcome::Ready(prepared) => self.rehearse_write(due, row, *prepared, rehearsal)?,
            Outcome::Nothing { left_out, refers_to_new } => {
                // What it leads to is still to come.
                self.context.tell_left_out(object, key, &left_out);
                rehearsal.add_last();
                let entry = RecordEntry {
                    later: refers_to_new,
                    ..entry.clone()
                };
                self.context.records.set(object, key, entry)?;
            }
            Outcome::NotYet => self.context.job.plan.waiting += 1,
        }
        self.expect_write(object, expected);
        Ok(None)
    }

    /// What would be sent of a record.
    fn rehearsed_outcome(
        &mut self,
        due: &Rehearsed<'_>,
        row: &Row,
        blobs: &[HeldBlob],
        rehearsal: &Rehearsal,
    ) -> Result<Outcome, ConnectorError> {
        let (object, target) = (due.object, due.entry.in_target(due.key));
        let kept = self.context.records.kept(object, due.key)?;
        let preparation = Preparation {
            object,
            writable: due.writable,
            without: &[],
            blobs,
            by_picklists: self.context.job.learnt.refuses_values,
            relinks: due.entry.is_relink().then_some(&kept),
        };
        let to_come = |other: &str| match target.is_some() || due.before.iter().any(|object| object == other) {
            true => ToCome::Written,
            false => ToCome::InTheEnd,
        };
        let mut resolve = |refers_to: &[String], id: &str| self.context.resolve(rehearsal.request(), refers_to, id, &to_come);
        preparation.prepare(row, target, &mut resolve)
    }

    /// A record will be written so.
    fn rehearse_write(
        &mut self,
        due: &Rehearsed<'_>,
        row: &Row,
        prepared: Prepared,
        rehearsal: &mut Rehearsal,
    ) -> Result<(), ConnectorError> {
        let (object, key, entry) = (due.object, due.key, due.entry);
        self.context.job.unconnected += u64::from(prepared.record.later);
        self.context.job.count_form(&prepared.record);
        self.context.count_lost(object, due.writable, entry.verb(), row)?;
        self.context.tell_left_out(object, key, &prepared.left_out);
        if entry.what == RecordState::Create && prepared.refers_to_own {
            self.context.job.object_mut(object).to_own += 1;
        }
        match entry.verb() {
            _ if prepared.record.form != Form::Composite => {}
            Verb::Update if prepared.refers_to_new => {
                rehearsal.add_last();
                let entry = RecordEntry {
                    later: true,
                    ..entry.clone()
                };
                self.context.records.set(object, key, entry)?;
            }
            verb => rehearsal.add(verb, prepared.after, prepared.record),
        }
        Ok(())
    }

    fn expect_write(&mut self, object: &str, what: RecordState) {
        let object = self.context.job.object_mut(object);
        object.open += 1;
        match what {
            RecordState::Update => object.updates += 1,
            RecordState::Relink => object.relinks += 1,
            _ => {}
        }
    }

    /// A version that is to be created brings its document, where the target doesn't have it.
    fn expect_document(&mut self, object: &str, entry: &RecordEntry, row: &Row) -> Result<(), ConnectorError> {
        let Companion {
            of: version,
            field,
            brings: document,
        } = FILE_DOCUMENT;
        if object != version || entry.what != RecordState::Create {
            return Ok(());
        }
        let Some(id) = rules::text(&rules::values(object, row)?, field) else {
            return Ok(());
        };
        let known = self.context.records.get(document, &id)?.map(|entry| entry.what);
        if matches!(known, Some(RecordState::Create | RecordState::Gone)) {
            self.context
                .records
                .set(document, &id, RecordEntry::new(RecordState::WithParent))?;
            self.expect_write(document, RecordState::WithParent);
        }
        Ok(())
    }

    /// The order of writing, of objects that records are written of; others are no longer needed.
    fn put_in_order(&mut self) -> Result<(), ConnectorError> {
        let mut objects: BTreeMap<String, References> = BTreeMap::new();
        for object in self.context.job.objects.walk() {
            let Some(writable) = self
                .context
                .writable(&object)?
                .filter(|_| !self.context.job.object(&object).is_closed())
            else {
                continue;
            };
            let mut refers = References::default();
            for field in writable.fields.iter().filter(|field| field.create) {
                let needed = field.required || !field.update;
                let set = if needed { &mut refers.needs } else { &mut refers.likes };
                set.extend(field.refers_to.iter().cloned());
            }
            if object == FILE_DOCUMENT.of {
                refers.needs.remove(FILE_DOCUMENT.brings);
            } else if object == FILE_DOCUMENT.brings {
                refers.needs.insert(FILE_DOCUMENT.of.to_owned());
            }
            objects.insert(object, refers);
        }
        // Documents come to be with their versions, whether they were asked for or not.
        if objects.contains_key(FILE_DOCUMENT.of) {
            objects.entry(FILE_DOCUMENT.brings.to_owned()).or_insert_with(|| References {
                needs: std::iter::once(FILE_DOCUMENT.of.to_owned()).collect(),
                ..References::default()
            });
        }
        let order: Vec<String> = order::order(&objects).into_iter().flatten().collect();
        self.context.job.objects.walk_in(&order);
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
