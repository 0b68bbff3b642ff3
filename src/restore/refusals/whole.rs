//! What was refused as a whole, a collection or a request, is sent in smaller parts until the culprit is alone.

use crate::host::{ConnectorError, Host};
use crate::org::Refused;
use crate::restore::refusals::{MAX_TRIES, Refusals};
use crate::restore::request::{Placed, Request, Verb};
use crate::restore::state::record::{Apart, RecordEntry};
use crate::restore::write_error::{self, Whole};
use crate::salesforce::limits::{COMPOSITE_QUERIES, SUBREQUESTS};
use crate::salesforce::{Part, SaveError};

/// Where so many records of an object were refused each alone, and none of it was ever written, its parts are not split any more.
const ALONE: u32 = 100;

/// What a record that a server's failure refused alone counts for: it is sent twice more.
const FAILED_ALONE: u8 = MAX_TRIES / 2 + 1;

/// Whether an answer that doesn't tell of its records leaves open whether they were written.
pub(in crate::restore) fn is_unclear(status: u16) -> bool {
    !(300..500).contains(&status)
}

impl<H: Host> Refusals<'_, '_, '_, H> {
    /// A whole collection was refused, or has no answer that tells of its records.
    pub(in crate::restore) fn collection_refused(&mut self, records: &[Placed], part: &Part) -> Result<(), ConnectorError> {
        let errors = part.errors();
        let error = part.save_error();
        let kind = write_error::whole(part.status, &errors);
        if kind == Whole::Parts && !is_unclear(part.status) && records.len() > 1 && self.is_hopeless(records) {
            return self.give_up_all(records, &error);
        }
        // Of a failure of the server it isn't known whether it had its effect, nor whether it passes.
        let server_failed = kind == Whole::Parts && is_unclear(part.status);
        if server_failed {
            self.context.job.locked = self.context.job.locked.max(1);
        }
        if kind == Whole::Parts && records.len() > 1 {
            return self.split(records, false);
        }
        for record in records {
            let (object, key) = (record.object.as_str(), record.key.as_str());
            let Some(entry) = self.context.records.get(object, key)? else {
                continue;
            };
            if kind == Whole::Parts && !is_unclear(part.status) {
                self.refused_alone(record, &entry, &error)?;
                continue;
            }
            if server_failed {
                self.context.records.set_error(object, key, &error.text())?;
                let tries = entry.tries + FAILED_ALONE;
                self.context.records.set(object, key, RecordEntry { tries, ..entry })?;
                self.context.job.moved = true;
                continue;
            }
            if entry.tries >= MAX_TRIES {
                self.failed.push((record.clone(), entry, error.clone()));
                continue;
            }
            if kind != Whole::Halted {
                self.context.job.locked = self.context.job.locked.max(entry.tries + 1);
            }
            self.context.try_again(object, key, &entry)?;
        }
        Ok(())
    }

    /// The culprit of what was refused as a whole is alone.
    fn refused_alone(&mut self, record: &Placed, entry: &RecordEntry, error: &SaveError) -> Result<(), ConnectorError> {
        let object = self.context.job.object_mut(&record.object);
        object.refused_alone = object.refused_alone.saturating_add(1);
        let verb = if record.id.is_some() { Verb::Update } else { Verb::Create };
        self.blame_fields(verb, record, error)?;
        self.refused(verb, record, entry, error)
    }

    /// Whether so many records of these objects were refused alone, and none was ever written, that smaller parts tell nothing new.
    fn is_hopeless(&self, records: &[Placed]) -> bool {
        records.iter().all(|record| {
            let object = self.context.job.object(&record.object);
            object.written() == 0 && object.refused_alone >= ALONE
        })
    }

    fn give_up_all(&mut self, records: &[Placed], error: &SaveError) -> Result<(), ConnectorError> {
        for record in records {
            if let Some(entry) = self.context.records.get(&record.object, &record.key)? {
                self.failed.push((record.clone(), entry, error.clone()));
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
        for chunk in records.chunks(size) {
            self.context.job.parts += 1;
            let part = self.context.job.parts;
            for record in chunk {
                if let Some(mut entry) = self.context.records.get(&record.object, &record.key)? {
                    entry.apart = Some(Apart { part, whole_request });
                    self.context.records.set(&record.object, &record.key, entry)?;
                }
            }
        }
        self.context.job.moved = true;
        Ok(())
    }

    /// A request was refused as a whole: whether that can be its records' fault. Then they come in smaller requests, and one that was
    /// alone in it was refused.
    pub(in crate::restore) fn request_refused(mut self, request: &Request, refused: &Refused) -> Result<bool, ConnectorError> {
        let about_records = matches!(refused.status, 400 | 413)
            && write_error::whole(refused.status, &refused.errors) == Whole::Parts
            && !refused.errors.is_empty();
        if !about_records {
            return Ok(false);
        }
        let records: Vec<Placed> = request
            .collections
            .iter()
            .flat_map(|collection| collection.records.iter().cloned())
            .collect();
        let error = refused.errors.first().map(SaveError::of_api).unwrap_or_default();
        match records.as_slice() {
            [record] => {
                if let Some(entry) = self.context.records.get(&record.object, &record.key)? {
                    self.refused_alone(record, &entry, &error)?;
                }
            }
            records if self.is_hopeless(records) => self.give_up_all(records, &error)?,
            records => self.split(records, true)?,
        }
        self.close()?;
        Ok(true)
    }
}
