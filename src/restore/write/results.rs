//! Takes in what became of the records of a request: written, refused for now, or refused for good.

use crate::host::{ConnectorError, Failure, Host, RecordOutcome};
use crate::restore::prepare::{self, LeftOut};
use crate::restore::refused::{self, Refused};
use crate::restore::request::{Placed, Verb};
use crate::restore::rules;
use crate::restore::run::Run;
use crate::restore::state::intent::Created;
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::salesforce::{SaveError, Saved, Writable};

/// A record that a lock refused is tried so often.
pub(in crate::restore) const MAX_TRIES: u8 = 5;

/// What one answer refused.
#[derive(Default)]
pub(in crate::restore) struct Refusals {
    pub(in crate::restore) failed: Vec<(Placed, RecordEntry, SaveError)>,
    /// The org takes no more data.
    full: bool,
}

impl<H: Host> Run<'_, '_, H> {
    /// What became of one record.
    pub(in crate::restore) fn take_result(
        &mut self,
        verb: Verb,
        record: &Placed,
        saved: Saved,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let Some(entry) = self.records.get(&record.object, &record.key)? else {
            return Ok(());
        };
        match (saved.success, saved.id) {
            (true, Some(id)) if verb == Verb::Create => self.was_created(&Created::of(record), &id),
            (true, _) if self.job.stage == Stage::Connect => self.connected(&record.object, &record.key, &entry),
            (true, _) => self.updated(record, &entry),
            (false, _) => {
                let error = refused::decisive(saved.errors);
                self.refused(verb, record, &entry, &error, refusals)
            }
        }
    }

    /// A record was created under this Id.
    pub(in crate::restore) fn was_created(&mut self, created: &Created, id: &str) -> Result<(), ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let mut entry = RecordEntry::new(RecordState::Created).with_id(Some(id.to_owned()));
        entry.later = created.later;
        self.records.set(object, key, entry)?;
        self.records.map(object, key, id)?;
        self.job.tally(object).created += 1;
        self.job.looked_for.clear();
        self.one_less(object);
        if let Some(brought) = &created.brings {
            let begun = RecordEntry::new(RecordState::AwaitingId).with_id(Some(id.to_owned()));
            self.records.set(rules::BROUGHT.2, brought, begun)?;
        }
        Ok(())
    }

    pub(in crate::restore) fn updated(&mut self, record: &Placed, entry: &RecordEntry) -> Result<(), ConnectorError> {
        let tally = self.job.tally(&record.object);
        let what = match entry.what {
            RecordState::Relink => {
                tally.relinked += 1;
                RecordState::Relinked
            }
            // It was gone, and came with its parent.
            RecordState::Adopted => {
                tally.created += 1;
                RecordState::Created
            }
            _ => {
                tally.updated += 1;
                RecordState::Updated
            }
        };
        let mut now = RecordEntry::new(what).with_id(entry.id.clone());
        now.later = record.later;
        self.records.set(&record.object, &record.key, now)?;
        self.one_less(&record.object);
        Ok(())
    }

    /// Nothing of a record is to be changed after all.
    pub(in crate::restore) fn left_alone(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
    ) -> Result<(), ConnectorError> {
        self.records
            .set(object, key, RecordEntry::new(RecordState::Same).with_id(entry.id.clone()))?;
        self.job.tally(object).skipped += 1;
        self.one_less(object);
        Ok(())
    }

    pub(in crate::restore) fn connected(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        self.job.unconnected = self.job.unconnected.saturating_sub(1);
        let now = RecordEntry {
            later: false,
            ..entry.clone()
        };
        self.records.set(object, key, now)
    }

    /// A record can't be written.
    pub(in crate::restore) fn fail(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
        why: Failure,
    ) -> Result<(), ConnectorError> {
        if entry.is_unwritten() {
            self.records.set(object, key, RecordEntry::new(RecordState::Failed))?;
            self.job.tally(object).failed += 1;
            self.one_less(object);
            self.tell(object, key, RecordOutcome::Failed, why);
        } else {
            // It is written, but for what should have been set in the end.
            self.connected(object, key, entry)?;
            self.tell(object, key, RecordOutcome::Incomplete, why);
        }
        Ok(())
    }

    pub(in crate::restore) fn one_less(&mut self, object: &str) {
        self.job.moved = true;
        if let Some(open) = self.job.open.get_mut(object) {
            *open = open.saturating_sub(1);
        }
    }

    /// The org did not write a record.
    pub(in crate::restore) fn refused(
        &mut self,
        verb: Verb,
        record: &Placed,
        entry: &RecordEntry,
        error: &SaveError,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let (object, key) = (record.object.as_str(), record.key.as_str());
        let again = entry.tries < MAX_TRIES;
        let named = refused::with_fields(error, &record.json);
        if named != *error {
            // With others it would have had them refused too.
            self.blame_fields(verb, record, &named)?;
        }
        let error = &named;
        if refused::is_about_describe(verb == Verb::Create, error) && !self.job.described_anew.contains(object) {
            self.job.to_describe.insert(object.to_owned());
            self.job.moved = true;
            return Ok(());
        }
        match refused::meaning(error) {
            Refused::Locked if again => {
                self.job.locked = self.job.locked.max(entry.tries + 1);
                self.job.locked_of.insert(object.to_owned());
                self.try_again(object, key, entry)
            }
            Refused::Early if again => self.try_again(object, key, entry),
            // Who has the value may be set back too, and give it up.
            Refused::Taken if again && self.job.updates.get(object).is_some_and(|updates| *updates > 0) => {
                self.try_again(object, key, entry)
            }
            Refused::Gone if verb == Verb::Update && entry.is_open() => self.doubt(object, key, entry, error),
            Refused::Fields(fields) if again && self.goes_without(verb, record, &fields, error)? => {
                self.try_again(object, key, entry)
            }
            meaning => {
                refusals.full |= meaning == Refused::StorageFull;
                refusals.failed.push((record.clone(), entry.clone(), error.clone()));
                Ok(())
            }
        }
    }

    /// Leaves out of a record what the org refused of it, where the record can be without; whether that is something new.
    fn goes_without(
        &mut self,
        verb: Verb,
        record: &Placed,
        refused: &[String],
        error: &SaveError,
    ) -> Result<bool, ConnectorError> {
        let (object, key) = (record.object.as_str(), record.key.as_str());
        let writable = self.writable(object)?.unwrap_or_default();
        let inactive = error.code == refused::INACTIVE_OWNER;
        let named: Vec<String> = if inactive && refused.is_empty() {
            self.inactive_users(object, key, &writable)?
        } else {
            let known = writable.fields.iter();
            let known = known.filter(|field| refused.iter().any(|name| name.eq_ignore_ascii_case(&field.name)));
            known.map(|field| field.name.clone()).collect()
        };
        let required = |name: &String| writable.field(name).is_none_or(|field| field.required);
        if verb == Verb::Create && named.iter().any(required) {
            return Ok(false);
        }
        let why = |field: &str| match inactive {
            true => prepare::inactive_user(field),
            false => format!("the org refused it ({})", error.text()),
        };
        let left_out: Vec<LeftOut> = named.into_iter().map(|field| LeftOut { why: why(&field), field }).collect();
        // What would be refused for the same is sent without it at once.
        self.job.refuses_inactive |= inactive;
        self.job.refuses_values |= error.code == refused::NOT_IN_PICKLIST;
        self.records.leave_out(object, key, &left_out)
    }

    /// Fields of a record by which it names inactive users; where none is known to be, all that may.
    fn inactive_users(&mut self, object: &str, key: &str, writable: &Writable) -> Result<Vec<String>, ConnectorError> {
        let Some(row) = self.rows(object, &[key.to_owned()])?.into_iter().flatten().next() else {
            return Ok(Vec::new());
        };
        let values = rules::values(object, &row)?;
        let (mut inactive, mut named) = (Vec::new(), Vec::new());
        for field in rules::OF_ACTIVE_USERS {
            let can_be_set = writable.field(field).is_some_and(|field| field.create || field.update);
            let Some(user) = rules::text(&values, field).filter(|_| can_be_set) else {
                continue;
            };
            let known = self.records.get(rules::INACTIVE.0, &user)?;
            if known.is_some_and(|entry| entry.what == RecordState::Inactive) {
                inactive.push(field.to_owned());
            }
            named.push(field.to_owned());
        }
        Ok(if inactive.is_empty() { named } else { inactive })
    }

    /// A record is written again with a later request.
    pub(in crate::restore) fn try_again(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        self.job.moved = true;
        let mut next = entry.clone();
        next.tries += 1;
        self.records.set(object, key, next)
    }

    /// Takes note of what was refused for good. A full storage closes the object: its other records would only cost requests. No
    /// other refusal does, however many records get it: what was refused says nothing of what wasn't tried.
    pub(in crate::restore) fn spare(&mut self, refusals: &Refusals) -> Result<(), ConnectorError> {
        for (record, entry, error) in &refusals.failed {
            self.fail(&record.object, &record.key, entry, refused::failure(error))?;
        }
        if !refusals.full {
            return Ok(());
        }
        let full = |error: &SaveError| refused::meaning(error) == Refused::StorageFull;
        for (record, _, error) in refusals.failed.iter().filter(|(.., error)| full(error)) {
            let object = record.object.as_str();
            if self.job.closed.contains_key(object) {
                continue;
            }
            let left = self.left_of(object);
            let why = format!("{}; its {left} other records were not sent", error.text());
            self.close(object, "storage-full", &why);
            self.job.tally(object).failed += left;
            self.job.open.insert(object.to_owned(), 0);
        }
        Ok(())
    }
}
