//! Writes an object's records by Bulk 2.0 ingest jobs, where they are so many that this takes fewer requests.
//!
//! One job at a time, and nothing else is written while it runs. Before a job is told that its table is complete, it is durable
//! which records are in it; from then on its results tell what came of each, however often they are asked for. So a lost answer
//! leaves no doubt here: a job that wasn't told so never runs, and what is in the others is known. Rows come back in no order, and
//! are told by what was sent of them; of two that are the same in all that was sent, either may become either.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Level, RecordOutcome};
use crate::org::SendFailure;
use crate::restore::request::{Placed, RECORDS_A_REQUEST, Request, Verb};
use crate::restore::run::Run;
use crate::restore::state::intent::Created;
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::DOUBTFUL;
use crate::restore::write::fill::{Due, ROWS_AT_ONCE};
use crate::restore::write::results::Refusals;
use crate::salesforce::{
    Fingerprint, IngestResult, Job, JobState, NewIngest, SaveError, Table, Writable, read_ingest_results, read_job,
};
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// Records of a job: preparing them takes some seconds.
const MAX_ROWS: usize = 40_000;

/// Bytes of a job's table: it passes through here.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Fewer records are not worth a job.
const MIN_ROWS: usize = 2_000;

/// Requests that it takes to begin a job, which is done in one call.
const REQUESTS_TO_BEGIN: u32 = 3;

/// Requests that a job takes: to create, fill and begin it, two looks, and its results.
const REQUESTS_A_JOB: u64 = 6;

/// Rows that are kept together: a value has at most 1 MiB.
const PIECE_ROWS: usize = 12_000;

/// Seconds until the first look at a job; each wait is twice the last.
const FIRST_LOOK: u32 = 20;

/// Seconds between looks at most.
const LONGEST_WAIT: u32 = 320;

/// How many records of an object one job takes, where jobs take clearly fewer requests; `bytes`: of all of them as JSON; `to_own`:
/// how many refer to others of them, which a job can't, so that they are written again.
pub(in crate::restore) fn rows_a_job(records: u64, bytes: u64, to_own: u64) -> Option<u64> {
    let each = (bytes / records.max(1)).max(1);
    let rows = (MAX_BYTES as u64 / each).clamp(1, MAX_ROWS as u64);
    let others = records.div_ceil(RECORDS_A_REQUEST);
    let jobs = requests(records, rows) + to_own.div_ceil(RECORDS_A_REQUEST);
    (jobs * 5 <= others * 4).then_some(rows)
}

/// Requests that writing so many records takes.
pub(in crate::restore) fn requests(records: u64, rows_a_job: u64) -> u64 {
    records.div_ceil(rows_a_job.max(1)) * REQUESTS_A_JOB
}

/// Where the job under way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    /// It is there, and may have its table.
    Open,
    /// It has its table, and may have been told that this is all.
    Filled,
    /// It runs, or has ended.
    Running,
    /// It has ended; rows were refused, or not.
    Ended { refused: bool },
    /// What it wrote is taken in; what it refused isn't.
    Written,
}

/// The job under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ingest {
    id: String,
    object: String,
    creates: bool,
    at: At,
    /// Values that hold its rows.
    pieces: u32,
    /// How often it was looked at.
    looks: u32,
    /// Rows that it wrote, and that nobody can tell which they are.
    unknown: u64,
}

/// A row of a job: its key, what tells it, and whether something of it is to be set in the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sent(String, String, bool);

/// A job's table, and what is in it.
struct Filled {
    table: Table,
    verb: Verb,
    rows: Vec<Sent>,
}

impl Ingest {
    fn resource(&self) -> String {
        format!("jobs/ingest/{}", self.id)
    }

    fn entry(&self) -> Result<Entry, ConnectorError> {
        values::entry(key::ingest(), self)
    }

    /// The entries that say that it is over.
    fn over(&self) -> Vec<Entry> {
        let pieces = (0..self.pieces).map(|number| values::removal(key::ingest_piece(number)));
        std::iter::once(values::removal(key::ingest())).chain(pieces).collect()
    }
}

impl<H: Host> Run<'_, '_, H> {
    /// Whether records of this object go by bulk jobs now.
    pub(in crate::restore) fn ingests(&self, object: &str) -> bool {
        let left = match self.job.stage {
            Stage::Write => self.left_of(object),
            _ => self.job.unconnected,
        };
        self.job.at.after.is_empty() && left >= MIN_ROWS as u64 && self.job.bulk.contains_key(object)
    }

    /// Begins the next job of an object. `Ok`: what is left goes another way.
    pub(in crate::restore) fn ingest(&mut self, object: &str, writable: &Writable) -> Step {
        if self.host().requests_left() < REQUESTS_TO_BEGIN {
            // The next call may have them.
            return if self.got_somewhere { Err(Halt::Call) } else { Ok(()) };
        }
        let Some(filled) = self.gather(object, writable)? else {
            return Ok(());
        };
        if filled.rows.len() < MIN_ROWS {
            return if self.must_end() { Err(Halt::Call) } else { Ok(()) };
        }
        let creates = filled.verb == Verb::Create;
        let created = self.org.post("jobs/ingest", &NewIngest::new(object, creates));
        let id = match created.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why))) {
            Ok(job) => job.id,
            Err(SendFailure::Refused(refused)) if refused.status < 500 => {
                self.not_by_bulk(object, refused.code());
                return Ok(());
            }
            Err(stopped) => return Err(stopped.into()),
        };
        self.got_somewhere = true;
        let mut job = Ingest {
            id,
            object: object.to_owned(),
            creates,
            at: At::Open,
            pieces: 0,
            looks: 0,
            unknown: 0,
        };
        for some in filled.rows.chunks(PIECE_ROWS) {
            self.host().put(vec![values::entry(key::ingest_piece(job.pieces), some)?])?;
            job.pieces += 1;
        }
        self.keep(&job)?;
        let table = filled.table.finish().map_err(|why| broken(object, &why.0))?;
        match self.org.upload(&format!("{}/batches", job.resource()), table) {
            Ok(_) => {}
            // It has one already: the host sent it twice.
            Err(SendFailure::Refused(refused)) if refused.status == 400 => {}
            Err(stopped) => {
                // Each job that is begun again would cost as much: what is left goes another way.
                if !Self::is_normal(&stopped) && stopped != SendFailure::Later {
                    self.not_by_bulk(object, "its table could not be sent");
                }
                return Err(stopped.into());
            }
        }
        job.at = At::Filled;
        self.keep(&job)?;
        self.begin_job(job)
    }

    /// The rows that come next, as a table; `None` where there are none.
    fn gather(&mut self, object: &str, writable: &Writable) -> Result<Option<Filled>, ConnectorError> {
        let request = Request::default();
        // Of its own object a job's rows can't wait for each other.
        let before: Vec<String> = self.job.objects.iter().take(self.job.at.object).cloned().collect();
        let mut filled: Option<Filled> = None;
        let mut after = String::new();
        loop {
            let some = self.records.after(object, &after)?;
            let Some((last, _)) = some.last() else {
                return Ok(filled);
            };
            after.clone_from(last);
            // What was refused before goes where it is told at once what came of it.
            let due: Vec<(String, RecordEntry)> = some
                .into_iter()
                .filter(|(_, s)| self.is_due(s) && s.tries == 0 && s.apart.is_none())
                .collect();
            for some in due.chunks(ROWS_AT_ONCE) {
                let full = |filled: &Filled| filled.table.rows() >= MAX_ROWS || filled.table.bytes() >= MAX_BYTES;
                if self.must_end() || filled.as_ref().is_some_and(full) {
                    return Ok(filled);
                }
                let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
                for ((key, entry), row) in some.iter().zip(self.rows(object, &keys)?) {
                    let due = Due {
                        object,
                        writable,
                        awaits: &before,
                        key,
                        entry,
                    };
                    let verb = entry.verb();
                    let Some(prepared) = self.prepared(&request, &due, row.as_ref(), &[])? else {
                        continue;
                    };
                    let into = match &mut filled {
                        Some(filled) => filled,
                        None => filled.insert(Filled {
                            table: Table::new(columns(writable, verb), MAX_BYTES).map_err(|why| broken(object, &why.0))?,
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
                        .push(Sent(key.clone(), format!("{row:032x}"), prepared.record.later));
                    self.tell_left_out(object, key, &prepared.left_out);
                }
            }
        }
    }

    /// Goes on with the job under way, where there is one.
    pub(in crate::restore) fn finish_ingest(&mut self) -> Step {
        // Each step is durable: what is kept tells what comes next.
        while let Some(mut job) = values::load::<Ingest, _>(self.host(), &key::ingest())? {
            match job.at {
                // It was never told to run: it is ended, and its records come again.
                At::Open => self.abort(&job)?,
                At::Filled => self.begin_job(job)?,
                At::Running => self.look(&mut job)?,
                At::Ended { refused } => self.take_written(&mut job, refused)?,
                At::Written => self.take_refused(&job)?,
            }
        }
        Ok(())
    }

    /// Tells a job that its table is complete.
    fn begin_job(&mut self, mut job: Ingest) -> Step {
        match self.org.patch(&job.resource(), &json!({ "state": "UploadComplete" })) {
            Ok(_) => {}
            // It may have been told so before; a look tells.
            Err(SendFailure::Refused(refused)) if refused.status == 400 => {}
            Err(stopped) => return Err(stopped.into()),
        }
        self.got_somewhere = true;
        job.at = At::Running;
        self.keep(&job)?;
        Err(Halt::Wait(FIRST_LOOK))
    }

    fn abort(&mut self, job: &Ingest) -> Step {
        match self.org.patch(&job.resource(), &json!({ "state": "Aborted" })) {
            Ok(_) | Err(SendFailure::Refused(_)) => self.end_job(job),
            Err(stopped) => Err(stopped.into()),
        }
    }

    /// Looks whether a job has ended.
    fn look(&mut self, job: &mut Ingest) -> Step {
        let answer = self.org.ask(&job.resource());
        let info: Job = match answer.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why))) {
            Ok(info) => info,
            Err(SendFailure::Refused(refused)) if refused.status == 404 => {
                // Somebody deleted it, or a week has passed: nobody can tell what it wrote.
                job.unknown = u64::MAX;
                return self.end_job(job);
            }
            Err(stopped) => return Err(stopped.into()),
        };
        self.got_somewhere = true;
        match info.state {
            JobState::Running => {
                let wait = FIRST_LOOK
                    .saturating_mul(2_u32.saturating_pow(job.looks + 1))
                    .min(LONGEST_WAIT);
                job.looks = (job.looks + 1).min(16);
                self.keep(job)?;
                return Err(Halt::Wait(wait));
            }
            // It took no table, and so doesn't run.
            JobState::Open => {
                self.not_by_bulk(&job.object, "its table was refused");
                return self.abort(job);
            }
            JobState::JobComplete => {}
            JobState::Failed | JobState::Aborted => {
                self.not_by_bulk(&job.object, &info.error_message.unwrap_or_default());
            }
        }
        job.at = At::Ended {
            refused: info.number_records_failed > 0 || info.state != JobState::JobComplete,
        };
        self.keep(job)?;
        Ok(())
    }

    /// Takes in what a job wrote.
    fn take_written(&mut self, job: &mut Ingest, refused: bool) -> Step {
        let written = self.results(job, "successfulResults")?;
        let mut rows = self.sent_rows(job)?;
        for result in written {
            let Some((key, later)) = rows.get_mut(&result.row).and_then(Vec::pop) else {
                job.unknown = job.unknown.saturating_add(1);
                continue;
            };
            let object = job.object.as_str();
            let Some(entry) = self.records.get(object, &key)? else {
                continue;
            };
            if self.job.stage == Stage::Connect {
                self.connected(object, &key, &entry)?;
            } else if job.creates {
                let created = Created::of(&Placed::named(object, &key, later));
                self.was_created(&created, &result.id)?;
            } else {
                self.updated(&Placed::named(object, &key, later), &entry)?;
            }
        }
        if !refused {
            return self.end_job(job);
        }
        job.at = At::Written;
        self.keep(job)?;
        Ok(())
    }

    /// Takes in what a job refused, and lets go of it.
    fn take_refused(&mut self, job: &Ingest) -> Step {
        let failed = self.results(job, "failedResults")?;
        let mut rows = self.sent_rows(job)?;
        let verb = if job.creates { Verb::Create } else { Verb::Update };
        let mut refusals = Refusals::default();
        for result in failed {
            let Some((key, later)) = rows.get_mut(&result.row).and_then(Vec::pop) else {
                continue;
            };
            let Some(entry) = self.records.get(&job.object, &key)? else {
                continue;
            };
            let error = SaveError::of_bulk(&result.error);
            if error.code == "DUPLICATES_DETECTED" {
                // Only a collection can say that it may be saved all the same.
                let next = RecordEntry {
                    tries: entry.tries + 1,
                    ..entry
                };
                self.records.set(&job.object, &key, next)?;
                continue;
            }
            let record = Placed::named(&job.object, &key, later);
            self.refused(verb, &record, &entry, &error, &mut refusals)?;
        }
        self.spare(&refusals)?;
        self.end_job(job)
    }

    /// Lets go of a job. What of it nobody can tell is told; what it never wrote comes again.
    fn end_job(&mut self, job: &Ingest) -> Step {
        let doubtful = job.creates && job.unknown > 0 && self.job.stage == Stage::Write;
        if doubtful {
            let object = job.object.as_str();
            for (key, _) in self.sent_rows(job)?.into_values().flatten() {
                self.records.set(object, &key, RecordEntry::new(RecordState::Ambiguous))?;
                self.records.map(object, &key, DOUBTFUL)?;
                self.job.tally(object).ambiguous += 1;
                self.one_less(object);
                let why = Failure::new(
                    "ambiguous",
                    "a bulk job that was to create it has rows of which nobody can tell which they are",
                );
                self.tell(
                    object,
                    &key,
                    RecordOutcome::Ambiguous,
                    why.remedy("look for it in the org, by hand"),
                );
            }
        }
        self.job.again();
        self.job.moved = true;
        let mut entries = self.unsaved()?;
        entries.extend(job.over());
        self.host().put(entries)?;
        Ok(())
    }

    fn results(&mut self, job: &Ingest, which: &str) -> Result<Vec<IngestResult>, SendFailure> {
        let mut body = self.org.ask_csv(&format!("{}/{which}", job.resource()))?;
        let mut results = Vec::new();
        read_ingest_results(&mut body, |result| results.push(result)).map_err(|why| body.parse_failed(&why))?;
        self.got_somewhere = true;
        Ok(results)
    }

    /// Rows of a job of which it isn't known yet what came of them.
    fn sent_rows(&mut self, job: &Ingest) -> Result<HashMap<Fingerprint, Vec<(String, bool)>>, ConnectorError> {
        let mut rows: HashMap<Fingerprint, Vec<(String, bool)>> = HashMap::new();
        for number in 0..job.pieces {
            let piece: Option<Vec<Sent>> = values::load(self.host(), &key::ingest_piece(number))?;
            let piece = piece.ok_or_else(|| broken(&job.object, "a part of its rows is gone"))?;
            for Sent(key, row, later) in piece {
                let due = self.records.get(&job.object, &key)?.is_some_and(|entry| self.is_due(&entry));
                if let (true, Ok(row)) = (due, Fingerprint::from_str_radix(&row, 16)) {
                    rows.entry(row).or_default().push((key, later));
                }
            }
        }
        Ok(rows)
    }

    fn keep(&mut self, job: &Ingest) -> Result<(), ConnectorError> {
        let mut entries = self.unsaved()?;
        entries.push(job.entry()?);
        Ok(self.host().put(entries)?)
    }

    /// Records of this object go another way from now on.
    fn not_by_bulk(&mut self, object: &str, why: &str) {
        self.job.bulk.remove(object);
        let fields = [("object", object.to_owned()), ("why", why.to_owned())];
        self.host().log(Level::Warn, "records are not written by bulk jobs", &fields);
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

fn broken(object: &str, why: &str) -> ConnectorError {
    let failure = Failure::new("bulk", format!("what goes by bulk jobs can't be read or written: {why}"));
    ConnectorError::State(failure.about(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_taken_where_they_take_clearly_fewer_requests() {
        assert_eq!(rows_a_job(5_000, 5_000 * 300, 0), None, "five composite requests");
        assert_eq!(rows_a_job(20_000, 20_000 * 300, 0), Some(40_000));
        assert_eq!(rows_a_job(20_000, 20_000 * 300, 12_000), None, "most would be written twice");
        assert_eq!(
            rows_a_job(100_000, 100_000 * 40_000, 0),
            None,
            "rows are so wide that a job takes few"
        );
        assert_eq!(requests(100_000, 40_000), 18);
    }
}
