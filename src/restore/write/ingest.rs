//! Writes an object's records by Bulk 2.0 ingest jobs, where they are so many that this takes fewer requests: puts the table together,
//! and begins the job. [`crate::restore::settle`] goes on with it.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::org::SendFailure;
use crate::restore::context::is_normal;
use crate::restore::limits::{MAX_JOB_BYTES, MAX_JOB_ROWS, MIN_JOB_ROWS};
use crate::restore::request::{Request, Verb};
use crate::restore::settle::ingest::{Ingest, IngestStage, SentRow, broken};
use crate::restore::state::job::Stage;
use crate::restore::state::record::RecordEntry;
use crate::restore::state::records::Records;
use crate::restore::write::Writer;
use crate::restore::write::fill::{Due, ROWS_AT_ONCE};
use crate::salesforce::{NewIngest, Table, Writable, read_job};

/// Requests that it takes to begin a job, which is done in one call.
const REQUESTS_TO_BEGIN: u32 = 3;

/// A job's table, and what is in it.
struct Filled {
    table: Table,
    verb: Verb,
    rows: Vec<SentRow>,
}

impl Filled {
    fn is_full(&self) -> bool {
        self.table.rows() >= MAX_JOB_ROWS || self.table.bytes() >= MAX_JOB_BYTES
    }
}

impl<H: Host> Writer<'_, '_, '_, H> {
    /// Whether records of this object go by bulk jobs now.
    pub(super) fn ingests(&self, object: &str) -> bool {
        let job = &self.context.job;
        let known = job.object(object);
        let left = match job.stage {
            Stage::Write => known.open,
            _ => job.unconnected,
        };
        job.place.after.is_empty() && left >= MIN_JOB_ROWS as u64 && known.strategy.rows_a_job().is_some()
    }

    /// Begins the next job of an object. `Ok`: what is left goes another way.
    pub(super) fn ingest(&mut self, object: &str, writable: &Writable) -> Step {
        if self.context.host().requests_left() < REQUESTS_TO_BEGIN {
            // The next call may have them.
            return if self.context.got_somewhere { Err(Halt::Call) } else { Ok(()) };
        }
        let Some(filled) = self.gather(object, writable)? else {
            return Ok(());
        };
        if filled.rows.len() < MIN_JOB_ROWS {
            return if self.context.must_end() { Err(Halt::Call) } else { Ok(()) };
        }
        let creates = filled.verb == Verb::Create;
        let created = self.context.org.post("jobs/ingest", &NewIngest::new(object, creates));
        let id = match created.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why))) {
            Ok(job) => job.id,
            Err(SendFailure::Refused(refused)) if refused.status < 500 => {
                self.context.not_by_bulk(object, refused.code());
                return Ok(());
            }
            Err(stopped) => return Err(stopped.into()),
        };
        self.context.got_somewhere = true;
        let mut job = Ingest::create(self.context.host(), id, object, creates, &filled.rows)?;
        job.keep(self.context)?;
        let table = filled.table.finish().map_err(|why| broken(object, &why.0))?;
        match self.context.org.upload(&format!("{}/batches", job.resource()), table) {
            Ok(_) => {}
            // It has one already: the host sent it twice.
            Err(SendFailure::Refused(refused)) if refused.status == 400 => {}
            Err(stopped) => {
                // Each job that is begun again would cost as much: what is left goes another way.
                if !is_normal(&stopped) && stopped != SendFailure::Later {
                    self.context.not_by_bulk(object, "its table could not be sent");
                }
                return Err(stopped.into());
            }
        }
        job.stage = IngestStage::Filled;
        job.keep(self.context)?;
        job.begin(self.context)
    }

    /// The rows that come next, as a table; `None` where there are none.
    fn gather(&mut self, object: &str, writable: &Writable) -> Result<Option<Filled>, ConnectorError> {
        // Of its own object a job's rows can't wait for each other.
        let before: Vec<String> = self.context.job.objects.walk();
        let before = &before[..self.context.job.place.object.min(before.len())];
        let mut filled: Option<Filled> = None;
        let mut after = String::new();
        loop {
            let page = self.context.records.after(object, &after)?;
            let Some((last, _)) = page.last() else {
                return Ok(filled);
            };
            after.clone_from(last);
            // What was refused before goes where it is told at once what came of it.
            let may_go = |entry: &RecordEntry| self.context.is_due(entry) && entry.tries == 0 && entry.apart.is_none();
            let due: Records = page.into_iter().filter(|(_, entry)| may_go(entry)).collect();
            for records in due.chunks(ROWS_AT_ONCE) {
                if self.context.must_end() || filled.as_ref().is_some_and(Filled::is_full) {
                    return Ok(filled);
                }
                self.gather_page(object, writable, before, records, &mut filled)?;
            }
        }
    }

    /// Adds these records to the table.
    fn gather_page(
        &mut self,
        object: &str,
        writable: &Writable,
        before: &[String],
        records: &[(String, RecordEntry)],
        filled: &mut Option<Filled>,
    ) -> Result<(), ConnectorError> {
        let request = Request::default();
        let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
        for ((key, entry), row) in records.iter().zip(self.context.rows(object, &keys)?) {
            let due = Due {
                object,
                writable,
                awaits: before,
                key,
                entry,
            };
            let verb = entry.verb();
            let Some(prepared) = self.prepared(&request, &due, row.as_ref(), &[])? else {
                continue;
            };
            let into = match filled {
                Some(filled) => filled,
                None => filled.insert(Filled {
                    table: Table::new(columns(writable, verb), MAX_JOB_BYTES).map_err(|why| broken(object, &why.0))?,
                    verb,
                    rows: Vec::new(),
                }),
            };
            if into.verb != verb {
                continue;
            }
            let fields = serde_json::from_str(&prepared.record.json).map_err(|why| broken(object, &why.to_string()))?;
            let Some(row) = into.table.add(&fields).map_err(|why| broken(object, &why.0))? else {
                continue;
            };
            into.rows
                .push(SentRow(key.clone(), format!("{row:032x}"), prepared.record.later));
            self.context.tell_left_out(object, key, &prepared.left_out);
        }
        Ok(())
    }
}

/// Columns of a job's table: all that can be set.
fn columns(writable: &Writable, verb: Verb) -> Vec<String> {
    let set = writable
        .fields
        .iter()
        .filter(|field| !field.binary)
        .filter(|field| match verb {
            Verb::Create => field.create,
            Verb::Update => field.update,
        });
    let id = (verb == Verb::Update).then(|| "Id".to_owned());
    id.into_iter().chain(set.map(|field| field.name.clone())).collect()
}
