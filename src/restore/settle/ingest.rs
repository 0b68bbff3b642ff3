//! Goes on with the bulk job under way, and takes in what it wrote and refused.
//!
//! One job at a time, and nothing else is written while it runs. Before a job is told that its table is complete, it is durable
//! which records are in it; from then on its results tell what came of each, however often they are asked for. So a lost answer
//! leaves no doubt here: a job that wasn't told so never runs, and what is in the others is known. Rows come back in no order, and
//! are told by what was sent of them; of two that are the same in all that was sent, either may become either.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Level};
use crate::org::SendFailure;
use crate::restore::context::Context;
use crate::restore::refusals::Refusals;
use crate::restore::request::{Placed, Verb};
use crate::restore::settle::Settler;
use crate::restore::state::intent::Created;
use crate::restore::state::job::Stage;
use crate::restore::state::objects::Strategy;
use crate::restore::state::record::RecordEntry;
use crate::salesforce::{Fingerprint, IngestResult, Job, JobState, SaveError, read_ingest_results, read_job};
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// Rows that are kept together: a value has at most 1 MiB.
const PIECE_ROWS: usize = 12_000;

/// Seconds until the first look at a job; each wait is twice the last.
const FIRST_LOOK: u32 = 20;

/// Seconds between looks at most.
const LONGEST_WAIT: u32 = 320;

/// Where the job under way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::restore) enum IngestStage {
    /// It is there, and may have its table.
    Open,
    /// It has its table, and may have been told that this is all.
    Filled,
    /// It runs, or has ended.
    Running,
    /// It has ended.
    Ended {
        /// Rows of it were refused.
        refused: bool,
    },
    /// What it wrote is taken in; what it refused isn't.
    Written,
}

/// The job under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::restore) struct Ingest {
    /// Its Id.
    pub id: String,
    /// API name of the object.
    pub object: String,
    /// It creates records; otherwise it changes them.
    pub creates: bool,
    /// Where it stands.
    #[serde(rename = "at")]
    pub stage: IngestStage,
    /// Values that hold its rows.
    pub pieces: u32,
    /// How often it was looked at.
    pub looks: u32,
    /// Rows that it wrote, and that nobody can tell which they are.
    pub unknown: u64,
}

/// A row of a job: its key, what tells it, and whether something of it is to be set in the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::restore) struct SentRow(pub String, pub String, pub bool);

impl Ingest {
    /// One that was created, and has no table yet; its rows become durable.
    pub(in crate::restore) fn create<H: Host>(
        host: &H,
        id: String,
        object: &str,
        creates: bool,
        rows: &[SentRow],
    ) -> Result<Ingest, ConnectorError> {
        let mut job = Ingest {
            id,
            object: object.to_owned(),
            creates,
            stage: IngestStage::Open,
            pieces: 0,
            looks: 0,
            unknown: 0,
        };
        for piece in rows.chunks(PIECE_ROWS) {
            host.put(vec![values::entry(key::ingest_piece(job.pieces), piece)?])?;
            job.pieces += 1;
        }
        Ok(job)
    }

    /// The job under way; `None` where there is none.
    pub(in crate::restore) fn load<H: Host>(host: &H) -> Result<Option<Ingest>, ConnectorError> {
        values::load(host, &key::ingest())
    }

    /// All of its rows.
    pub(in crate::restore) fn rows<H: Host>(&self, host: &H) -> Result<Vec<SentRow>, ConnectorError> {
        let mut rows = Vec::new();
        for number in 0..self.pieces {
            let piece: Option<Vec<SentRow>> = values::load(host, &key::ingest_piece(number))?;
            rows.extend(piece.ok_or_else(|| broken(&self.object, "a part of its rows is gone"))?);
        }
        Ok(rows)
    }

    /// Where it stands at the org.
    pub(in crate::restore) fn resource(&self) -> String {
        format!("jobs/ingest/{}", self.id)
    }

    /// Makes it durable, with all that is known.
    pub(in crate::restore) fn keep<H: Host>(&self, context: &mut Context<'_, '_, H>) -> Result<(), ConnectorError> {
        let mut entries = context.unsaved()?;
        entries.push(values::entry(key::ingest(), self)?);
        Ok(context.host().put(entries)?)
    }

    /// Tells it that its table is complete.
    pub(in crate::restore) fn begin<H: Host>(mut self, context: &mut Context<'_, '_, H>) -> Step {
        match context.org.patch(&self.resource(), &json!({ "state": "UploadComplete" })) {
            Ok(_) => {}
            // It may have been told so before; a look tells.
            Err(SendFailure::Refused(refused)) if refused.status == 400 => {}
            Err(stopped) => return Err(stopped.into()),
        }
        context.got_somewhere = true;
        self.stage = IngestStage::Running;
        self.keep(context)?;
        Err(Halt::Wait(FIRST_LOOK))
    }

    /// The entries that say that it is over.
    pub(in crate::restore) fn over(&self) -> Vec<Entry> {
        let pieces = (0..self.pieces).map(|number| values::removal(key::ingest_piece(number)));
        std::iter::once(values::removal(key::ingest())).chain(pieces).collect()
    }
}

impl<H: Host> Context<'_, '_, H> {
    /// Records of this object go another way from now on.
    pub(in crate::restore) fn not_by_bulk(&mut self, object: &str, why: &str) {
        let known = self.job.object_mut(object);
        if known.strategy.rows_a_job().is_some() {
            known.strategy = Strategy::Collections;
        }
        let fields = [("object", object.to_owned()), ("why", why.to_owned())];
        self.host().log(Level::Warn, "records are not written by bulk jobs", &fields);
    }
}

impl<H: Host> Settler<'_, '_, '_, H> {
    /// Goes on with the job under way, where there is one.
    pub(super) fn finish_ingest(&mut self) -> Step {
        // Each step is durable: what is kept tells what comes next.
        while let Some(mut job) = Ingest::load(self.context.host())? {
            match job.stage {
                // It was never told to run: it is ended, and its records come again.
                IngestStage::Open => self.abort(&job)?,
                IngestStage::Filled => job.begin(self.context)?,
                IngestStage::Running => self.look(&mut job)?,
                IngestStage::Ended { refused } => self.take_written(&mut job, refused)?,
                IngestStage::Written => self.take_refused(&job)?,
            }
        }
        Ok(())
    }

    fn abort(&mut self, job: &Ingest) -> Step {
        match self.context.org.patch(&job.resource(), &json!({ "state": "Aborted" })) {
            Ok(_) | Err(SendFailure::Refused(_)) => self.end_job(job),
            Err(stopped) => Err(stopped.into()),
        }
    }

    /// Looks whether a job has ended.
    fn look(&mut self, job: &mut Ingest) -> Step {
        let answer = self.context.org.ask(&job.resource());
        let info: Job = match answer.and_then(|mut body| read_job(&mut body).map_err(|why| body.parse_failed(&why))) {
            Ok(info) => info,
            Err(SendFailure::Refused(refused)) if refused.status == 404 => {
                // Somebody deleted it, or a week has passed: nobody can tell what it wrote.
                job.unknown = u64::MAX;
                return self.end_job(job);
            }
            Err(stopped) => return Err(stopped.into()),
        };
        self.context.got_somewhere = true;
        match info.state {
            JobState::Running => {
                let wait = FIRST_LOOK
                    .saturating_mul(2_u32.saturating_pow(job.looks + 1))
                    .min(LONGEST_WAIT);
                job.looks = (job.looks + 1).min(16);
                job.keep(self.context)?;
                return Err(Halt::Wait(wait));
            }
            // It took no table, and so doesn't run.
            JobState::Open => {
                self.context.not_by_bulk(&job.object, "its table was refused");
                return self.abort(job);
            }
            JobState::JobComplete => {}
            JobState::Failed | JobState::Aborted => {
                self.context.not_by_bulk(&job.object, &info.error_message.unwrap_or_default());
            }
        }
        job.stage = IngestStage::Ended {
            refused: info.number_records_failed > 0 || info.state != JobState::JobComplete,
        };
        job.keep(self.context)?;
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
            let Some(entry) = self.context.records.get(object, &key)? else {
                continue;
            };
            if self.context.job.stage == Stage::Connect {
                self.context.connected(object, &key, &entry)?;
            } else if job.creates {
                let created = Created::of(&Placed::named(object, &key, later));
                self.context.was_created(&created, &result.id)?;
            } else {
                self.context.updated(&Placed::named(object, &key, later), &entry)?;
            }
        }
        if !refused {
            return self.end_job(job);
        }
        job.stage = IngestStage::Written;
        job.keep(self.context)?;
        Ok(())
    }

    /// Takes in what a job refused, and lets go of it.
    fn take_refused(&mut self, job: &Ingest) -> Step {
        let failed = self.results(job, "failedResults")?;
        let mut rows = self.sent_rows(job)?;
        let verb = if job.creates { Verb::Create } else { Verb::Update };
        let mut refusals = Refusals::new(self.context);
        for result in failed {
            let Some((key, later)) = rows.get_mut(&result.row).and_then(Vec::pop) else {
                continue;
            };
            let Some(entry) = refusals.context.records.get(&job.object, &key)? else {
                continue;
            };
            let error = SaveError::of_bulk(&result.error);
            if error.code == "DUPLICATES_DETECTED" {
                // Only a collection can say that it may be saved all the same.
                let next = RecordEntry {
                    tries: entry.tries + 1,
                    ..entry
                };
                refusals.context.records.set(&job.object, &key, next)?;
                continue;
            }
            let record = Placed::named(&job.object, &key, later);
            refusals.refused(verb, &record, &entry, &error)?;
        }
        refusals.close()?;
        self.end_job(job)
    }

    /// Closes a job: rows with an unknown outcome are reported as ambiguous, rows that it never wrote are queued again.
    fn end_job(&mut self, job: &Ingest) -> Step {
        let doubtful = job.creates && job.unknown > 0 && self.context.job.stage == Stage::Write;
        if doubtful {
            let object = job.object.as_str();
            for (key, _) in self.sent_rows(job)?.into_values().flatten() {
                let why = Failure::new(
                    "ambiguous",
                    "a bulk job that was to create it has rows of which nobody can tell which they are",
                )
                .remedy("look for it in the org, by hand");
                self.context.is_ambiguous(object, &key, why)?;
            }
        }
        self.context.job.again();
        self.context.job.moved = true;
        let mut entries = self.context.unsaved()?;
        entries.extend(job.over());
        self.context.host().put(entries)?;
        Ok(())
    }

    fn results(&mut self, job: &Ingest, which: &str) -> Result<Vec<IngestResult>, SendFailure> {
        let mut body = self.context.org.ask_csv(&format!("{}/{which}", job.resource()))?;
        let mut results = Vec::new();
        read_ingest_results(&mut body, |result| results.push(result)).map_err(|why| body.parse_failed(&why))?;
        self.context.got_somewhere = true;
        Ok(results)
    }

    /// Rows of a job of which it isn't known yet what came of them.
    fn sent_rows(&mut self, job: &Ingest) -> Result<HashMap<Fingerprint, Vec<(String, bool)>>, ConnectorError> {
        let mut rows: HashMap<Fingerprint, Vec<(String, bool)>> = HashMap::new();
        for SentRow(key, row, later) in job.rows(self.context.host())? {
            let entry = self.context.records.get(&job.object, &key)?;
            let due = entry.is_some_and(|entry| self.context.is_due(&entry));
            if let (true, Ok(row)) = (due, Fingerprint::from_str_radix(&row, 16)) {
                rows.entry(row).or_default().push((key, later));
            }
        }
        Ok(rows)
    }
}

/// What goes by bulk jobs can't be read or written.
pub(in crate::restore) fn broken(object: &str, why: &str) -> ConnectorError {
    let failure = Failure::new("bulk", format!("what goes by bulk jobs can't be read or written: {why}"));
    ConnectorError::State(failure.about(object))
}
