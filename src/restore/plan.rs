//! The export `plan-restore`: which records, in which order, what will become of each, and what that costs.
//!
//! It goes from stage to stage ([`Stage`]); each may be cut at any request. Only what reads is sent: how objects are written, and
//! which of the records, and of those that they refer to, the target has. The rest is told by the snapshot.

use super::condition::Condition;
use super::job::{Job, Selection, Stage};
use super::order::{self, References};
use super::prepare::{Outcome, Preparation};
use super::request::Request;
use super::roll::{DRY_RUN, RESTORE};
use super::rules;
use super::run::Run;
use super::standing::{Standing, What};
use super::write;
use crate::backup::MAX_REQUESTS;
use crate::backup::describe_key;
use crate::host::{BatchResult, ConnectorError, Failure, Host, Next, Planned, RecordOutcome, Row, Snapshot, Tally};
use crate::org::{Org, Stopped};
use crate::salesforce::Writable;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that one call goes through: some seconds.
const ROWS_A_CALL: usize = 40_000;

/// Rows that are asked of the snapshot at once.
const ROWS_AT_ONCE: u32 = 1_000;

/// Records that one counted request writes.
const RECORDS_A_REQUEST: u64 = 1_000;

/// Describes are tried again after so many seconds where the org is busy.
const BUSY_SECONDS: u32 = 10;

/// Why a stage isn't over.
pub(super) enum Ended {
    /// It is; the next one can begin.
    Stage,
    /// This call is, and planning goes on in the next.
    Call,
    /// A request stopped.
    Stopped(Stopped),
    /// There will be no plan.
    Blocked(Failure),
}

/// Plans a restore. `runs`: it will be run; otherwise people only want to see what it would do.
pub fn plan_restore<H: Host>(host: &H, selection: Selection, runs: bool) -> Result<Planned, ConnectorError> {
    let org = Org::open(host)?;
    let space = if runs { RESTORE } else { DRY_RUN };
    // What an earlier restore may have created is found out while its records are still known.
    if runs && let Some(earlier) = Job::load(host, space)? {
        let mut run = Run::open(&org, space, earlier)?;
        if let Some(planned) = run.settle_first()? {
            return Ok(planned);
        }
    }
    let job = match Job::load(host, space)? {
        Some(job) if job.selection == selection && job.stage != Stage::Done => job,
        _ => {
            Job::forget(host, space)?;
            Job {
                selection,
                ..Job::default()
            }
        }
    };
    let mut run = Run::open(&org, space, job)?;
    let mut budget = ROWS_A_CALL;
    while run.job.stage < Stage::Write {
        let ended = run.plan_stage(&mut budget)?;
        run.save()?;
        match ended {
            Ended::Stage => {}
            Ended::Call => return Ok(Planned::More(1)),
            Ended::Blocked(failure) => return Ok(Planned::Blocked(failure)),
            Ended::Stopped(Stopped::Host(error)) => return Err(*error),
            Ended::Stopped(Stopped::Later) => return Ok(Planned::AgainAfter(BUSY_SECONDS)),
            Ended::Stopped(stopped) if Run::<H>::is_normal(&stopped) || run.got_somewhere => {
                return Ok(Planned::More(run.requests_to_plan()?));
            }
            Ended::Stopped(stopped) => return Err(stopped.into_error()),
        }
    }
    run.tell_plan();
    if !runs {
        Job::forget(host, space)?;
    }
    let needed = run.needed();
    host.needed(needed);
    Ok(Planned::Ready(BatchResult {
        at: run.job.checkpoint()?,
        next: Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).min(MAX_REQUESTS)),
    }))
}

impl<H: Host> Run<'_, '_, H> {
    fn settle_first(&mut self) -> Result<Option<Planned>, ConnectorError> {
        let ended = self.settle()?;
        self.save()?;
        Ok(match ended {
            None => None,
            Some(write::Ended::Call) => Some(Planned::More(1)),
            Some(write::Ended::Wait(seconds)) => Some(Planned::AgainAfter(seconds)),
            Some(write::Ended::Stopped(Stopped::Later)) => Some(Planned::AgainAfter(BUSY_SECONDS)),
            Some(write::Ended::Stopped(stopped)) if Run::<H>::is_normal(&stopped) => Some(Planned::More(1)),
            Some(write::Ended::Stopped(stopped)) => return Err(stopped.into_error()),
        })
    }

    fn plan_stage(&mut self, budget: &mut usize) -> Result<Ended, ConnectorError> {
        match self.job.stage {
            Stage::Select => self.select(budget),
            Stage::Relate => self.relate(budget),
            Stage::Describe => self.describe(),
            Stage::Refer => self.refer(budget),
            Stage::LookUp => self.look_up(),
            _ => self.rehearse(budget),
        }
    }

    /// Finds the records that are asked for.
    fn select(&mut self, budget: &mut usize) -> Result<Ended, ConnectorError> {
        let held: BTreeSet<String> = self.source.objects()?.into_iter().collect();
        if self.job.prefixes.is_empty() {
            if let Some(unknown) = self.unknown(&held)? {
                return Ok(Ended::Blocked(unknown));
            }
            self.learn_prefixes(&held)?;
            self.select_records()?;
        }
        let objects: Vec<String> = self.job.selection.objects.iter().cloned().collect();
        while let Some(object) = objects.get(self.job.at.object) {
            let condition = match self.job.selection.conditions.get(object).map(|text| Condition::parse(text)) {
                Some(Ok(condition)) => Some(condition),
                Some(Err(failure)) => return Ok(Ended::Blocked(failure.about(object))),
                None => None,
            };
            loop {
                if *budget == 0 || self.must_end() {
                    return Ok(Ended::Call);
                }
                let (rows, cursor) = self.source.read(object, &self.job.at.after, ROWS_AT_ONCE)?;
                *budget = budget.saturating_sub(rows.len());
                for row in rows {
                    let chosen = match &condition {
                        Some(condition) => condition.holds(&rules::values(object, &row)?),
                        None => true,
                    };
                    if chosen {
                        self.want(object, &row.key)?;
                    }
                }
                self.job.at.after = cursor;
                if self.job.at.after.is_empty() {
                    break;
                }
            }
            self.job.at.object += 1;
        }
        let next = if self.job.selection.with_related {
            Stage::Relate
        } else {
            Stage::Describe
        };
        self.job.enter(next);
        Ok(Ended::Stage)
    }

    fn unknown(&self, held: &BTreeSet<String>) -> Result<Option<Failure>, ConnectorError> {
        let selection = &self.job.selection;
        let named = selection.objects.iter().chain(selection.records.keys());
        let missing: Vec<&str> = named.filter(|object| !held.contains(*object)).map(String::as_str).collect();
        if !missing.is_empty() {
            let failure = Failure::new(
                "unknown-object",
                format!("the snapshot has no records of {}", missing.join(", ")),
            );
            return Ok(Some(
                failure.remedy("write the API name of an object that `ls` shows of this snapshot"),
            ));
        }
        for (object, keys) in &selection.records {
            let keys: Vec<String> = keys.iter().cloned().collect();
            let found = self.source.find(object, &keys)?;
            let missing: Vec<&str> = keys
                .iter()
                .zip(&found)
                .filter(|(_, row)| row.is_none())
                .map(|(key, _)| key.as_str())
                .collect();
            if !missing.is_empty() {
                let failure = Failure::new(
                    "unknown-record",
                    format!("the snapshot has no {object} {}", missing.join(", ")),
                );
                return Ok(Some(failure.remedy("look for it in another snapshot").about(object)));
            }
        }
        Ok(None)
    }

    /// Which object an Id is of is told by its first characters, which each org gives to custom objects as they come.
    fn learn_prefixes(&mut self, held: &BTreeSet<String>) -> Result<(), ConnectorError> {
        for object in held {
            let (rows, _) = self.source.read(object, "", 1)?;
            let prefix = rows
                .first()
                .and_then(|row| row.key.get(..3))
                .filter(|prefix| *prefix != "000");
            if let Some(prefix) = prefix {
                self.job.prefixes.entry(prefix.to_owned()).or_insert_with(|| object.clone());
            }
        }
        Ok(())
    }

    fn select_records(&mut self) -> Result<(), ConnectorError> {
        for (object, keys) in self.job.selection.records.clone() {
            for key in keys {
                self.want(&object, &key)?;
            }
        }
        Ok(())
    }

    /// A record is part of the restore. Whether that is new.
    fn want(&mut self, object: &str, key: &str) -> Result<bool, ConnectorError> {
        let new = self.roll.get(object, key)?.is_none_or(|standing| !standing.is_wanted());
        if new {
            self.roll.set(object, key, Standing::new(What::Wanted))?;
            self.takes_part(object);
        }
        Ok(new)
    }

    fn takes_part(&mut self, object: &str) {
        if let Err(place) = self.job.objects.binary_search_by(|other| other.as_str().cmp(object)) {
            self.job.objects.insert(place, object.to_owned());
        }
    }

    /// Finds the records that belong to those that are wanted: all that name one of them in a field that can be set.
    fn relate(&mut self, budget: &mut usize) -> Result<Ended, ConnectorError> {
        let held = self.source.objects()?;
        while let Some(object) = held.get(self.job.at.object) {
            let fields = self.parents(object)?;
            while !fields.is_empty() {
                if *budget == 0 || self.must_end() {
                    return Ok(Ended::Call);
                }
                let (rows, cursor) = self.source.read(object, &self.job.at.after, ROWS_AT_ONCE)?;
                *budget = budget.saturating_sub(rows.len());
                for row in rows {
                    if self.belongs(object, &fields, &row)? && self.want(object, &row.key)? {
                        self.job.moved = true;
                    }
                }
                self.job.at.after = cursor;
                if self.job.at.after.is_empty() {
                    break;
                }
            }
            self.job.at.after.clear();
            self.job.at.object += 1;
        }
        if self.job.moved {
            // What was found may have records of its own.
            self.job.again();
        } else {
            self.job.enter(Stage::Describe);
        }
        Ok(Ended::Stage)
    }

    /// Fields of an object that name a parent of which records are wanted; none where its records can't be restored.
    fn parents(&mut self, object: &str) -> Result<Vec<(String, Vec<String>)>, ConnectorError> {
        if rules::never(object).is_some() {
            return Ok(Vec::new());
        }
        let note = self.source.notes(&[describe_key(object)])?.into_iter().next().flatten();
        let Some(described) = note
            .as_deref()
            .and_then(Writable::of_describe)
            .filter(|described| described.createable)
        else {
            return Ok(Vec::new());
        };
        let mut fields = Vec::new();
        for field in described.fields {
            let about_people = matches!(field.name.as_str(), "OwnerId" | "CreatedById" | "LastModifiedById");
            if field.refers_to.is_empty() || !field.create || about_people {
                continue;
            }
            if field
                .refers_to
                .iter()
                .any(|parent| self.job.objects.binary_search(parent).is_ok())
            {
                fields.push((field.name, field.refers_to));
            }
        }
        Ok(fields)
    }

    fn belongs(&mut self, object: &str, fields: &[(String, Vec<String>)], row: &Row) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        for (field, refers_to) in fields {
            let Some(id) = rules::text(&values, field) else {
                continue;
            };
            if let Some(parent) = self.object_of(refers_to, &id)
                && self.roll.get(&parent, &id)?.is_some_and(|standing| standing.is_wanted())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds what the wanted records refer to.
    fn refer(&mut self, budget: &mut usize) -> Result<Ended, ConnectorError> {
        // Objects that are only referred to come to this list while it is walked; they have nothing to be walked for.
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            let writable = self.writable(object)?.filter(|_| !self.job.closed.contains_key(object));
            while let Some(writable) = &writable {
                if *budget == 0 || self.must_end() {
                    // The list may have grown before this place.
                    self.job.at.object = self.place_of(object);
                    return Ok(Ended::Call);
                }
                let some = self.roll.after(object, &self.job.at.after)?;
                let Some((last, _)) = some.last() else { break };
                let last = last.clone();
                let keys: Vec<String> = some.into_iter().filter(|(_, s)| s.is_wanted()).map(|(key, _)| key).collect();
                *budget = budget.saturating_sub(keys.len());
                let preparation = Preparation {
                    object,
                    writable,
                    without: &[],
                };
                for row in self.rows(object, &keys)?.into_iter().flatten() {
                    for (refers_to, id, required) in preparation.references(&row)? {
                        self.referred(refers_to, &id, required)?;
                    }
                }
                self.job.at.after = last;
            }
            self.job.at.after.clear();
            self.job.at.object = self.place_of(object) + 1;
            if self.job.objects.len() != objects.len() {
                return Ok(Ended::Stage);
            }
        }
        self.job.enter(Stage::LookUp);
        Ok(Ended::Stage)
    }

    fn place_of(&self, object: &str) -> usize {
        let place = self.job.objects.binary_search_by(|other| other.as_str().cmp(object));
        place.unwrap_or(self.job.at.object)
    }

    fn referred(&mut self, refers_to: &[String], id: &str, required: bool) -> Result<(), ConnectorError> {
        let Some(object) = self.object_of(refers_to, id) else {
            return Ok(());
        };
        let what = if required { What::Needed } else { What::Referred };
        match self.roll.get(&object, id)?.map(|standing| standing.what) {
            None => {
                self.roll.set(&object, id, Standing::new(what))?;
                self.takes_part(&object);
            }
            Some(What::Referred) if required => self.roll.set(&object, id, Standing::new(what))?,
            // It was looked up for one that could be without it.
            Some(What::Gone) if required && self.job.selection.with_related => {
                self.needed_and_gone(&object, id)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A record that can't be done without is gone: it becomes part of the restore, where the snapshot has it.
    pub(super) fn needed_and_gone(&mut self, object: &str, id: &str) -> Result<(), ConnectorError> {
        let has = self
            .source
            .find(object, &[id.to_owned()])?
            .into_iter()
            .flatten()
            .next()
            .is_some();
        let what = if has && rules::never(object).is_none() {
            self.job.moved = true;
            What::Create
        } else {
            What::Gone
        };
        self.roll.set(object, id, Standing::new(what))
    }

    /// Goes through all records in order, without sending, to tell what will become of each.
    fn rehearse(&mut self, budget: &mut usize) -> Result<Ended, ConnectorError> {
        if self.job.at.object == 0 && self.job.at.after.is_empty() && self.job.open.is_empty() {
            self.put_in_order()?;
        }
        let objects = self.job.objects.clone();
        let place: BTreeMap<&str, usize> = objects.iter().enumerate().map(|(n, object)| (object.as_str(), n)).collect();
        while let Some(object) = objects.get(self.job.at.object) {
            let writable = self.writable(object)?.filter(|_| !self.job.closed.contains_key(object));
            while let Some(writable) = &writable {
                if *budget == 0 || self.must_end() {
                    return Ok(Ended::Call);
                }
                let some = self.roll.after(object, &self.job.at.after)?;
                let Some((last, _)) = some.last() else { break };
                let last = last.clone();
                let open: Vec<(String, Standing)> = some.into_iter().filter(|(_, s)| s.is_open()).collect();
                *budget = budget.saturating_sub(open.len());
                self.rehearse_some(object, writable, &open, &place)?;
                self.job.at.after = last;
            }
            self.job.at.after.clear();
            self.job.at.object += 1;
        }
        self.job.enter(Stage::Write);
        Ok(Ended::Stage)
    }

    fn rehearse_some(
        &mut self,
        object: &str,
        writable: &Writable,
        open: &[(String, Standing)],
        place: &BTreeMap<&str, usize>,
    ) -> Result<(), ConnectorError> {
        let keys: Vec<String> = open.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.rows(object, &keys)?;
        let here = place.get(object).copied().unwrap_or_default();
        let empty = Request::default();
        for ((key, standing), row) in open.iter().zip(rows) {
            let outcome = match row {
                Some(row) => {
                    let preparation = Preparation {
                        object,
                        writable,
                        without: &[],
                    };
                    let target = standing.in_target(key);
                    preparation.prepare(&row, target, &mut |refers_to, id| {
                        let written = |of: &str| {
                            let there = place.get(of).copied().unwrap_or_default();
                            there < here || (there == here && id < key.as_str())
                        };
                        self.resolve(&empty, refers_to, id, &written)
                    })?
                }
                None => Outcome::Cannot(Failure::new("not-in-snapshot", "the snapshot no longer has it")),
            };
            let cannot = match (standing.what, outcome) {
                (What::Create, _) if !writable.createable => Some(not_allowed("created")),
                (What::Update, _) if !writable.updateable => Some(not_allowed("changed")),
                // It will be there, once its parent is.
                (What::Create, Outcome::Cannot(failure)) if failure.code == rules::BY_SALESFORCE && object == "Contact" => None,
                (_, Outcome::Cannot(failure)) => Some(failure),
                (_, Outcome::Ready(prepared)) => {
                    self.job.unconnected += u64::from(prepared.record.later);
                    self.tell_left_out(object, key, prepared.left_out);
                    None
                }
                (_, Outcome::NotYet) => None,
            };
            match cannot {
                Some(failure) => {
                    self.roll.set(object, key, Standing::new(What::Failed))?;
                    self.job.tally(object).failed += 1;
                    self.tell(object, key, RecordOutcome::Failed, failure);
                }
                None => {
                    *self.job.open.entry(object.to_owned()).or_default() += 1;
                    if standing.what == What::Update {
                        *self.job.updates.entry(object.to_owned()).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// The order of writing, of objects that records are written of; others are no longer needed.
    fn put_in_order(&mut self) -> Result<(), ConnectorError> {
        let mut objects: BTreeMap<String, References> = BTreeMap::new();
        for object in self.job.objects.clone() {
            let Some(writable) = self.writable(&object)?.filter(|_| !self.job.closed.contains_key(&object)) else {
                continue;
            };
            let mut refers = References::default();
            for field in writable.fields.iter().filter(|field| field.create) {
                let needed = field.required || !field.update;
                let set = if needed { &mut refers.needs } else { &mut refers.likes };
                set.extend(field.refers_to.iter().cloned());
            }
            objects.insert(object, refers);
        }
        self.job.objects = order::order(&objects).into_iter().flatten().collect();
        Ok(())
    }

    /// Tells people what will be done, object by object in the order of writing.
    fn tell_plan(&self) {
        let host = self.host();
        let mut before = 0;
        for object in &self.job.objects {
            let tally = self.job.tallies.get(object).copied().unwrap_or_default();
            let open = self.job.open.get(object).copied().unwrap_or_default();
            let done = tally.created + tally.updated;
            if open == 0 && tally == Tally::default() {
                continue;
            }
            let requests = (before + open).div_ceil(RECORDS_A_REQUEST) - before.div_ceil(RECORDS_A_REQUEST);
            before += open;
            let way = "collections of 200, five to a composite request";
            host.estimate(object, way, requests, open + done, 0);
            host.expected(object, self.expected(object, tally));
        }
        for (object, (code, why)) in &self.job.closed {
            host.skipped(object, Failure::new(code, why).about(object));
        }
    }

    fn expected(&self, object: &str, so_far: Tally) -> Tally {
        let updates = self.job.updates.get(object).copied().unwrap_or_default();
        let open = self.job.open.get(object).copied().unwrap_or_default();
        Tally {
            created: so_far.created + open.saturating_sub(updates),
            updated: so_far.updated + updates.min(open),
            ..so_far
        }
    }

    /// Requests that writing still needs.
    pub(super) fn needed(&self) -> u64 {
        let open: u64 = self.job.open.values().sum();
        let verify = if self.job.selection.verify {
            let written: u64 = self.job.tallies.values().map(|tally| tally.created + tally.updated).sum();
            (written + open).div_ceil(super::verify::RECORDS_A_REQUEST)
        } else {
            0
        };
        open.div_ceil(RECORDS_A_REQUEST) + self.job.unconnected.div_ceil(RECORDS_A_REQUEST) + verify
    }
}

fn not_allowed(done: &str) -> Failure {
    Failure::new(
        "not-allowed",
        format!("records of this object can't be {done} by the connection's user"),
    )
    .remedy("give the user the permission, or use another one")
}
