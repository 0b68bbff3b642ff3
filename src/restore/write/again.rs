//! What a refusal leaves open is found out before it is acted upon: a record that sounds gone is looked up, an object that isn't as
//! described is described anew, and what was refused as a whole is sent in smaller parts until the culprit is alone.
//!
//! The rule it keeps: an error text is no knowledge of the org.

use crate::halt::Step;
use crate::host::{ConnectorError, Failure, Host};
use crate::org::{Refused, SendFailure};
use crate::restore::refused::{self, Whole};
use crate::restore::request::{Placed, Request, Verb};
use crate::restore::run::Run;
use crate::restore::state::intent::{Created, Intent};
use crate::restore::state::job::Place;
use crate::restore::state::record::{Apart, RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::restore::write::results::{MAX_TRIES, Refusals};
use crate::salesforce::limits::{COMPOSITE_QUERIES, SUBREQUESTS};
use crate::salesforce::{Part, SaveError};
use crate::schema::describes;

/// Where so many records of an object were refused each alone, and none of it was ever written, its parts are not split any more.
const ALONE: u32 = 100;

/// Whether an answer that doesn't tell of its records leaves open whether they were written.
pub(in crate::restore) fn is_unclear(status: u16) -> bool {
    !(300..500).contains(&status)
}

/// What a record that a server's failure refused alone counts for: it is sent twice more.
const FAILED_ALONE: u8 = MAX_TRIES / 2 + 1;

impl<H: Host> Run<'_, '_, H> {
    /// A change was refused as if the record were gone: it is looked up before anything else is done with it.
    pub(in crate::restore) fn doubt(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
        error: &SaveError,
    ) -> Result<(), ConnectorError> {
        self.records.set_error(object, key, &error.text())?;
        self.records
            .set(object, key, RecordEntry::new(RecordState::Doubted).with_id(entry.id.clone()))?;
        self.job.doubted.insert(object.to_owned());
        self.job.moved = true;
        Ok(())
    }

    /// Finds out what refusals left open.
    pub(in crate::restore) fn find_out(&mut self) -> Step {
        if self.job.to_describe.is_empty() && self.job.doubted.is_empty() {
            return Ok(());
        }
        self.describe_anew()?;
        self.look_again()
    }

    /// Asks anew how objects are written that the org says are otherwise.
    pub(in crate::restore) fn describe_anew(&mut self) -> Step {
        let objects: Vec<String> = self.job.to_describe.iter().cloned().collect();
        for some in objects.chunks(SUBREQUESTS) {
            if self.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            let parts = describes::subrequests(self.org, some.iter().map(|object| (object.as_str(), None)));
            self.ask_describes(some, &parts)?;
            for object in some {
                self.job.to_describe.remove(object);
                self.job.described_anew.insert(object.clone());
                self.tell_lost(object)?;
                self.fail_closed(object)?;
            }
            self.save()?;
        }
        Ok(())
    }

    /// What is left of an object that can't be written after all.
    fn fail_closed(&mut self, object: &str) -> Result<(), ConnectorError> {
        let Some((code, why)) = self.job.closed.get(object).cloned() else {
            return Ok(());
        };
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            for (key, entry) in some.into_iter().filter(|(_, entry)| entry.is_unwritten()) {
                self.fail(object, &key, &entry, Failure::new(&code, why.clone()))?;
            }
        }
        Ok(())
    }

    /// Looks up what sounded gone.
    fn look_again(&mut self) -> Step {
        if self.job.doubted.is_empty() {
            return Ok(());
        }
        self.job.at = Place::default();
        let looked = self.look_up_doubted();
        self.job.again();
        self.job.moved = true;
        looked?;
        self.job.doubted.clear();
        Ok(())
    }

    /// What a look told of a record that sounded gone.
    pub(in crate::restore) fn take_second_look(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
        found: bool,
    ) -> Result<(), ConnectorError> {
        if found {
            let why = self.records.error(object, key)?;
            let failure = Failure::new("refused", format!("{why}; the org has the record, and did not change it"));
            return self.fail(object, key, entry, failure);
        }
        self.job.creating.insert(object.to_owned());
        self.records.set(object, key, RecordEntry::new(RecordState::Create))
    }

    /// Nobody may look a record up that sounded gone.
    pub(in crate::restore) fn not_looked_up(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
    ) -> Result<(), ConnectorError> {
        let why = self.records.error(object, key)?;
        let failure = Failure::new(
            "refused",
            format!("{why}; whether the org still has the record can't be looked up"),
        );
        self.fail(object, key, entry, failure)
    }

    /// A whole collection was refused, or has no answer that tells of its records.
    pub(in crate::restore) fn collection_refused(
        &mut self,
        records: &[Placed],
        part: &Part,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let errors = part.errors();
        let error = part.save_error();
        let kind = refused::whole(part.status, &errors);
        if kind == Whole::Parts && !is_unclear(part.status) && records.len() > 1 && self.is_hopeless(records) {
            return self.give_up_all(records, &error, refusals);
        }
        // Of a failure of the server it isn't known whether it had its effect, nor whether it passes.
        let server_failed = kind == Whole::Parts && is_unclear(part.status);
        if server_failed {
            self.job.locked = self.job.locked.max(1);
        }
        if kind == Whole::Parts && records.len() > 1 {
            return self.split(records, false);
        }
        for record in records {
            let (object, key) = (record.object.as_str(), record.key.as_str());
            let Some(entry) = self.records.get(object, key)? else {
                continue;
            };
            if kind == Whole::Parts && !is_unclear(part.status) {
                self.refused_alone(record, &entry, &error, refusals)?;
                continue;
            }
            if server_failed {
                self.records.set_error(object, key, &error.text())?;
                let tries = entry.tries + FAILED_ALONE;
                self.records.set(object, key, RecordEntry { tries, ..entry })?;
                self.job.moved = true;
                continue;
            }
            if entry.tries >= MAX_TRIES {
                refusals.failed.push((record.clone(), entry, error.clone()));
                continue;
            }
            if kind != Whole::Halted {
                self.job.locked = self.job.locked.max(entry.tries + 1);
            }
            self.try_again(object, key, &entry)?;
        }
        Ok(())
    }

    /// The culprit of what was refused as a whole is alone.
    fn refused_alone(
        &mut self,
        record: &Placed,
        entry: &RecordEntry,
        error: &SaveError,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let alone = self.job.alone.entry(record.object.clone()).or_default();
        *alone = alone.saturating_add(1);
        let verb = if record.id.is_some() { Verb::Update } else { Verb::Create };
        self.blame_fields(verb, record, error)?;
        self.refused(verb, record, entry, error, refusals)
    }

    /// Whether so many records of these objects were refused alone, and none was ever written, that smaller parts tell nothing new.
    fn is_hopeless(&mut self, records: &[Placed]) -> bool {
        records.iter().all(|record| {
            let tally = *self.job.tally(&record.object);
            let written = tally.created + tally.updated + tally.relinked;
            written == 0 && self.job.alone.get(&record.object).is_some_and(|alone| *alone >= ALONE)
        })
    }

    fn give_up_all(&mut self, records: &[Placed], error: &SaveError, refusals: &mut Refusals) -> Result<(), ConnectorError> {
        for record in records {
            if let Some(entry) = self.records.get(&record.object, &record.key)? {
                refusals.failed.push((record.clone(), entry, error.clone()));
            }
        }
        Ok(())
    }

    /// What was refused as a whole comes again in smaller parts: a fifth of it each, then each record alone.
    fn split(&mut self, records: &[Placed], whole_request: bool) -> Result<(), ConnectorError> {
        let size = match (whole_request, records.len()) {
            (true, all) => all.div_ceil(2),
            (false, all) if all > SUBREQUESTS => all.div_ceil(COMPOSITE_QUERIES),
            _ => 1,
        };
        for some in records.chunks(size) {
            self.job.parts += 1;
            let part = self.job.parts;
            for record in some {
                if let Some(mut entry) = self.records.get(&record.object, &record.key)? {
                    entry.apart = Some(Apart { part, whole_request });
                    self.records.set(&record.object, &record.key, entry)?;
                }
            }
        }
        self.job.moved = true;
        Ok(())
    }

    /// A request was refused as a whole: whether that can be its records' fault. Then they come in smaller requests, and one that was
    /// alone in it was refused.
    pub(in crate::restore) fn request_refused(&mut self, request: &Request, refused: &Refused) -> Result<bool, ConnectorError> {
        let about_records = matches!(refused.status, 400 | 413)
            && refused::whole(refused.status, &refused.errors) == Whole::Parts
            && !refused.errors.is_empty();
        if !about_records {
            return Ok(false);
        }
        let records: Vec<Placed> = request
            .collections
            .iter()
            .flat_map(|collection| collection.records.iter().cloned())
            .collect();
        let mut refusals = Refusals::default();
        let error = refused.errors.first().map(SaveError::of_api).unwrap_or_default();
        match records.as_slice() {
            [record] => {
                if let Some(entry) = self.records.get(&record.object, &record.key)? {
                    self.refused_alone(record, &entry, &error, &mut refusals)?;
                }
            }
            records if self.is_hopeless(records) => self.give_up_all(records, &error, &mut refusals)?,
            records => self.split(records, true)?,
        }
        self.spare(&refusals)?;
        Ok(true)
    }

    /// Some collections that create have an answer which doesn't tell whether they had their effect: that is found out before anything
    /// else is sent.
    pub(in crate::restore) fn settle_parts(&mut self, at: u64, creates: Vec<Created>) -> Step {
        if creates.is_empty() {
            self.settled = true;
            return Ok(());
        }
        let mut entries = self.unsaved()?;
        entries.push(Intent { at, creates }.entry()?);
        self.host().put(entries)?;
        self.settle()
    }
}
