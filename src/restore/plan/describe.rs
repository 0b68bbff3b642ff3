//! Asks the org, while a restore is planned, how objects are written: 25 to a request, and none where a backup asked within a day.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::org::{SendFailure, Subrequest};
use crate::restore::rules;
use crate::restore::run::Run;
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::salesforce::limits::SUBREQUESTS;
use crate::salesforce::{ApiError, Class, SubBody, Writable, WritableBodies, refusal};
use crate::schema::describes;

/// A describe of a backup is believed for so long, in milliseconds.
const DESCRIBE_FRESH_MS: u64 = 24 * 3_600_000;

impl<H: Host> Run<'_, '_, H> {
    /// Asks how the objects are written of which records are wanted.
    pub(in crate::restore) fn describe(&mut self) -> Step {
        let mut wanted = Vec::new();
        for object in self.job.objects.clone() {
            if self.is_described(&object)? || !self.is_wanted(&object)? {
                continue;
            }
            if let Some((code, why)) = rules::never(&object) {
                self.close(&object, code, why);
            } else if let Some(known) = self.described_by_backup(&object)? {
                self.take_describe(&object, known)?;
            } else {
                wanted.push(object);
            }
        }
        for some in wanted.chunks(SUBREQUESTS) {
            if self.must_end() {
                return Err(Halt::Call);
            }
            let parts = describes::subrequests(self.org, some.iter().map(|object| (object.as_str(), None)));
            self.ask_describes(some, &parts)?;
        }
        self.spare_closed()?;
        self.job.enter(Stage::Refer);
        Ok(())
    }

    /// Records that can't be written are only looked up where others refer to them.
    fn spare_closed(&mut self) -> Result<(), ConnectorError> {
        for object in self.job.closed.keys().cloned().collect::<Vec<_>>() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.records, &object)? {
                for (key, _) in some.iter().filter(|(_, entry)| entry.what == RecordState::Selected) {
                    self.records.set(&object, key, RecordEntry::new(RecordState::Excluded))?;
                }
            }
        }
        Ok(())
    }

    pub(in crate::restore) fn is_wanted(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            if some.iter().any(|(_, entry)| entry.is_wanted()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn described_by_backup(&self, object: &str) -> Result<Option<Writable>, ConnectorError> {
        let known = describes::known(self.host(), &[object])?.into_iter().next().flatten();
        let fresh = |asked_at: u64| self.host().now().saturating_sub(asked_at) < DESCRIBE_FRESH_MS;
        if known.is_none_or(|known| !fresh(known.asked_at)) {
            return Ok(None);
        }
        Ok(describes::whole(self.host(), object)?
            .as_deref()
            .and_then(Writable::of_describe))
    }

    pub(in crate::restore) fn ask_describes(&mut self, objects: &[String], parts: &[Subrequest]) -> Step {
        let mut body = self.answer_to(parts)?;
        let mut subs = Vec::new();
        let stopped = self.org.read_composite(&mut body, &mut WritableBodies, &mut subs).err();
        self.got_somewhere |= !subs.is_empty();
        for (object, sub) in objects.iter().zip(subs) {
            match sub.body {
                SubBody::Read(writable) if sub.status < 300 => self.take_describe(object, writable)?,
                SubBody::Read(_) | SubBody::Empty => self.not_described(object, &ApiError::of_status(sub.status)),
                SubBody::Refused(errors) => match refusal(sub.status, errors) {
                    (Class::Later | Class::TimedOut, _) => return Err(SendFailure::Later.into()),
                    (Class::DailyLimit, _) => return Err(SendFailure::DailyLimit.into()),
                    (_, error) => self.not_described(object, &error),
                },
            }
        }
        stopped.map_or(Ok(()), |failure| Err(failure.into()))
    }

    pub(in crate::restore) fn not_described(&mut self, object: &str, error: &ApiError) {
        let why = format!("the org doesn't tell how it is written: {}", error.text());
        self.close(object, "not-visible", &why);
    }

    fn take_describe(&mut self, object: &str, mut writable: Writable) -> Result<(), ConnectorError> {
        for field in writable.fields.iter_mut().filter(|field| rules::brings(object, &field.name)) {
            // The first one is created without.
            field.required = false;
        }
        if !writable.createable && !writable.updateable {
            self.close(
                object,
                "not-writable",
                "its records can't be written by API, or not by the connection's user",
            );
        }
        writable.lost = self.lost_fields(object, &writable)?;
        self.set_writable(object, writable)
    }
}
