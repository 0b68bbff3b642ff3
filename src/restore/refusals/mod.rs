//! What one answer refused: what each refusal means for its record, and what is done about it.
//!
//! A record may be written again later, without a field, or not at all. Nothing is sent here.

mod culprits;
pub(in crate::restore) mod whole;

use crate::host::{ConnectorError, Host};
use crate::restore::context::Context;
use crate::restore::prepare::{self, LeftOut};
use crate::restore::request::{Placed, Verb};
use crate::restore::rules;
use crate::restore::state::intent::Created;
use crate::restore::state::job::Stage;
use crate::restore::state::objects::Description;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::write_error::{self, WriteError};
use crate::salesforce::{SaveError, Saved, Writable};

/// A record that a lock refused is tried so often.
pub(in crate::restore) const MAX_TRIES: u8 = 5;

/// See the module. What is refused for good is taken down by [`Refusals::close`].
pub(in crate::restore) struct Refusals<'c, 'o, 'h, H: Host> {
    pub(in crate::restore) context: &'c mut Context<'o, 'h, H>,
    failed: Vec<(Placed, RecordEntry, SaveError)>,
    /// The org takes no more data.
    full: bool,
}

impl<'c, 'o, 'h, H: Host> Refusals<'c, 'o, 'h, H> {
    /// Of one answer.
    pub(in crate::restore) fn new(context: &'c mut Context<'o, 'h, H>) -> Refusals<'c, 'o, 'h, H> {
        Refusals {
            context,
            failed: Vec::new(),
            full: false,
        }
    }

    /// What became of one record.
    pub(in crate::restore) fn take_result(&mut self, verb: Verb, record: &Placed, saved: Saved) -> Result<(), ConnectorError> {
        let Some(entry) = self.context.records.get(&record.object, &record.key)? else {
            return Ok(());
        };
        match (saved.success, saved.id) {
            (true, Some(id)) if verb == Verb::Create => self.context.was_created(&Created::of(record), &id),
            (true, _) if self.context.job.stage == Stage::Connect => {
                self.context.connected(&record.object, &record.key, &entry)
            }
            (true, _) => self.context.updated(record, &entry),
            (false, _) => {
                let error = write_error::decisive(saved.errors);
                self.refused(verb, record, &entry, &error)
            }
        }
    }

    /// The org did not write a record.
    pub(in crate::restore) fn refused(
        &mut self,
        verb: Verb,
        record: &Placed,
        entry: &RecordEntry,
        error: &SaveError,
    ) -> Result<(), ConnectorError> {
        let (object, key) = (record.object.as_str(), record.key.as_str());
        let again = entry.tries < MAX_TRIES;
        let named = write_error::with_fields(error, &record.json);
        if named != *error {
            // With others it would have had them refused too.
            self.blame_fields(verb, record, &named)?;
        }
        let error = &named;
        let renewed = self.context.job.object(object).description == Description::Renewed;
        if write_error::is_about_describe(verb == Verb::Create, error) && !renewed {
            self.context.job.object_mut(object).description = Description::Doubted;
            self.context.job.moved = true;
            return Ok(());
        }
        match write_error::meaning(error) {
            WriteError::Locked if again => {
                self.context.job.locked = self.context.job.locked.max(entry.tries + 1);
                self.context.job.object_mut(object).locked = true;
                self.context.try_again(object, key, entry)
            }
            WriteError::Early if again => self.context.try_again(object, key, entry),
            // Who has the value may be set back too, and give it up.
            WriteError::Taken if again && self.context.job.object(object).updates > 0 => {
                self.context.try_again(object, key, entry)
            }
            WriteError::Gone if verb == Verb::Update && entry.is_open() => self.doubt(object, key, entry, error),
            WriteError::Fields(fields) if again && self.goes_without(verb, record, &fields, error)? => {
                self.context.try_again(object, key, entry)
            }
            meaning => {
                self.full |= meaning == WriteError::StorageFull;
                self.failed.push((record.clone(), entry.clone(), error.clone()));
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
        let writable = self.context.writable(object)?.unwrap_or_default();
        let inactive = error.code == write_error::INACTIVE_OWNER;
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
        self.context.job.learnt.refuses_inactive |= inactive;
        self.context.job.learnt.refuses_values |= error.code == write_error::NOT_IN_PICKLIST;
        self.context.records.leave_out(object, key, &left_out)
    }

    /// Fields of a record by which it names inactive users; where none is known to be, all that may.
    fn inactive_users(&mut self, object: &str, key: &str, writable: &Writable) -> Result<Vec<String>, ConnectorError> {
        let Some(row) = self.context.row(object, key)? else {
            return Ok(Vec::new());
        };
        let values = rules::values(object, &row)?;
        let (mut inactive, mut named) = (Vec::new(), Vec::new());
        for field in rules::OF_ACTIVE_USERS {
            let can_be_set = writable.field(field).is_some_and(|field| field.create || field.update);
            let Some(user) = rules::text(&values, field).filter(|_| can_be_set) else {
                continue;
            };
            let known = self.context.records.get(rules::INACTIVE.0, &user)?;
            if known.is_some_and(|entry| entry.what == RecordState::Inactive) {
                inactive.push(field.to_owned());
            }
            named.push(field.to_owned());
        }
        Ok(if inactive.is_empty() { named } else { inactive })
    }

    /// A change was refused as if the record were gone: it is looked up before anything else is done with it.
    fn doubt(&mut self, object: &str, key: &str, entry: &RecordEntry, error: &SaveError) -> Result<(), ConnectorError> {
        let context = &mut *self.context;
        context.records.set_error(object, key, &error.text())?;
        context
            .records
            .set(object, key, RecordEntry::new(RecordState::Doubted).with_id(entry.id.clone()))?;
        context.job.object_mut(object).doubted = true;
        context.job.moved = true;
        Ok(())
    }

    /// Takes note of what was refused for good. A full storage closes the object: its other records would only cost requests. No
    /// other refusal does, however many records get it: what was refused says nothing of what wasn't tried.
    pub(in crate::restore) fn close(self) -> Result<(), ConnectorError> {
        let Refusals { context, failed, full } = self;
        for (record, entry, error) in &failed {
            context.fail(&record.object, &record.key, entry, write_error::failure(error))?;
        }
        if !full {
            return Ok(());
        }
        let is_full = |error: &SaveError| write_error::meaning(error) == WriteError::StorageFull;
        for (record, _, error) in failed.iter().filter(|(.., error)| is_full(error)) {
            let object = record.object.as_str();
            if context.job.object(object).is_closed() {
                continue;
            }
            let left = context.job.object(object).open;
            let why = format!("{}; its {left} other records were not sent", error.text());
            context.close(object, "storage-full", &why);
            let closed = context.job.object_mut(object);
            closed.tally_mut().failed += left;
            closed.open = 0;
        }
        Ok(())
    }
}
