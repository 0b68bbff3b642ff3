//! Asks the org how objects are written: 25 to a request, and none where a backup asked within a day. Where refusals say that an object
//! isn't as described, it is asked anew.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host};
use crate::org::SendFailure;
use crate::restore::context::Context;
use crate::restore::rules;
use crate::restore::state::job::Stage;
use crate::restore::state::objects::{Closed, Description};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::salesforce::limits::SUBREQUESTS;
use crate::salesforce::{ApiError, Class, SubBody, Writable, WritableBodies, refusal};
use crate::schema::describes;

/// A describe of a backup is believed for so long, in milliseconds.
const DESCRIBE_FRESH_MS: u64 = 24 * 3_600_000;

/// Asks how objects are written.
pub(in crate::restore) struct Describer<'c, 'o, 'h, H: Host> {
    pub(super) context: &'c mut Context<'o, 'h, H>,
}

impl<'c, 'o, 'h, H: Host> Describer<'c, 'o, 'h, H> {
    /// For this restore.
    pub(in crate::restore) fn new(context: &'c mut Context<'o, 'h, H>) -> Describer<'c, 'o, 'h, H> {
        Describer { context }
    }
    /// Asks how the objects are written of which records are wanted.
    pub(in crate::restore) fn describe(&mut self) -> Step {
        let mut wanted = Vec::new();
        for object in self.context.job.objects.walk() {
            if self.context.is_described(&object)? || !self.context.is_wanted(&object)? {
                continue;
            }
            if let Some((code, why)) = rules::never(&object) {
                self.context.close(&object, code, why);
            } else if let Some(known) = self.described_by_backup(&object)? {
                self.take_describe(&object, known)?;
            } else {
                wanted.push(object);
            }
        }
        for objects in wanted.chunks(SUBREQUESTS) {
            if self.context.must_end() {
                return Err(Halt::Call);
            }
            self.ask(objects)?;
        }
        self.spare_closed()?;
        self.context.job.enter(Stage::Refer);
        Ok(())
    }

    /// Records that can't be written are only looked up where others refer to them.
    fn spare_closed(&mut self) -> Result<(), ConnectorError> {
        for object in self.closed() {
            let mut pages = Pages::default();
            while let Some(page) = pages.next(&mut self.context.records, &object)? {
                for (key, _) in page.iter().filter(|(_, entry)| entry.what == RecordState::Selected) {
                    self.context
                        .records
                        .set(&object, key, RecordEntry::new(RecordState::Excluded))?;
                }
            }
        }
        Ok(())
    }

    fn closed(&self) -> Vec<String> {
        let objects = self.context.job.objects.by_name();
        let closed = objects.filter(|object| object.is_closed());
        closed.map(|object| object.name().to_owned()).collect()
    }

    /// Asks anew how objects are written that the org says are otherwise.
    pub(in crate::restore) fn renew(&mut self) -> Step {
        let objects = self.context.job.objects.by_name();
        let doubted = objects.filter(|object| object.description == Description::Doubted);
        let doubted: Vec<String> = doubted.map(|object| object.name().to_owned()).collect();
        for objects in doubted.chunks(SUBREQUESTS) {
            if self.context.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            self.ask(objects)?;
            for object in objects {
                self.context.job.object_mut(object).description = Description::Renewed;
                self.context.tell_lost(object)?;
                self.fail_closed(object)?;
            }
            self.context.save()?;
        }
        Ok(())
    }

    /// What is left of an object that can't be written after all.
    fn fail_closed(&mut self, object: &str) -> Result<(), ConnectorError> {
        let Some(Closed { code, message }) = self.context.job.object(object).closed.clone() else {
            return Ok(());
        };
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            for (key, entry) in page.into_iter().filter(|(_, entry)| entry.is_unwritten()) {
                self.context
                    .fail(object, &key, &entry, Failure::new(&code, message.clone()))?;
            }
        }
        Ok(())
    }

    fn described_by_backup(&self, object: &str) -> Result<Option<Writable>, ConnectorError> {
        let known = describes::known(self.context.host(), &[object])?.into_iter().next().flatten();
        let fresh = |asked_at: u64| self.context.host().now().saturating_sub(asked_at) < DESCRIBE_FRESH_MS;
        if known.is_none_or(|known| !fresh(known.asked_at)) {
            return Ok(None);
        }
        Ok(describes::whole(self.context.host(), object)?
            .as_deref()
            .and_then(Writable::of_describe))
    }

    fn ask(&mut self, objects: &[String]) -> Step {
        let parts = describes::subrequests(self.context.org, objects.iter().map(|object| (object.as_str(), None)));
        let mut body = self.context.answer_to(&parts)?;
        let mut subs = Vec::new();
        let stopped = self
            .context
            .org
            .read_composite(&mut body, &mut WritableBodies, &mut subs)
            .err();
        self.context.got_somewhere |= !subs.is_empty();
        for (object, sub) in objects.iter().zip(subs) {
            match sub.body {
                SubBody::Read(writable) if sub.status < 300 => self.take_describe(object, writable)?,
                SubBody::Read(_) | SubBody::Empty => self.context.not_described(object, &ApiError::of_status(sub.status)),
                SubBody::Refused(errors) => match refusal(sub.status, errors) {
                    (Class::Later | Class::TimedOut, _) => return Err(SendFailure::Later.into()),
                    (Class::DailyLimit, _) => return Err(SendFailure::DailyLimit.into()),
                    (_, error) => self.context.not_described(object, &error),
                },
            }
        }
        stopped.map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn take_describe(&mut self, object: &str, mut writable: Writable) -> Result<(), ConnectorError> {
        for field in writable.fields.iter_mut().filter(|field| rules::brings(object, &field.name)) {
            // The first one is created without.
            field.required = false;
        }
        if !writable.createable && !writable.updateable {
            self.context.close(
                object,
                "not-writable",
                "its records can't be written by API, or not by the connection's user",
            );
        }
        writable.lost = self.context.lost_fields(object, &writable)?;
        self.context.set_writable(object, writable)
    }
}

impl<H: Host> Context<'_, '_, H> {
    /// Nothing of an object is written, since nobody tells how.
    pub(super) fn not_described(&mut self, object: &str, error: &ApiError) {
        let why = format!("the org doesn't tell how it is written: {}", error.text());
        self.close(object, "not-visible", &why);
    }
}
