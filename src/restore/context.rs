//! What all parts of a restore share: the org, the snapshot that it reads, the restore's state, and what references lead to.
//!
//! Each part borrows it: who plans can't write, and who writes can't plan. It sends only what reads.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, HeldBlob, Host, RecordOutcome, Row, Snapshot, Which};
use crate::org::{Body, Org, SendFailure, Subrequest};
use crate::restore::prepare::{LeftOut, Resolved, Target};
use crate::restore::request::Request;
use crate::restore::rules;
use crate::restore::state::intent::Intent;
use crate::restore::state::job::{Job, Place, Stage, WaitFor};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::{Pages, RecordTable, Records};
use crate::salesforce::{Part, Writable};
use crate::soql::encode;
use crate::values;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is made of a reference to a record that is still to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::restore) enum ToCome {
    /// It will have been written by then, for who goes through it without sending.
    Written,
    /// It is waited for.
    Awaited,
    /// The reference is set in the end.
    InTheEnd,
}

/// Seconds until the org is asked again that took no more, at first and at most.
const FIRST_WAIT: u32 = 5;
const LONGEST_WAIT: u32 = 300;

/// So many times in a row a restore bears with it.
const MAX_BUSY: u8 = 8;

/// Of any object.
pub(in crate::restore) const IN_THE_END: fn(&str) -> ToCome = |_| ToCome::InTheEnd;

/// See the module.
pub struct Context<'o, 'h, H: Host> {
    pub(in crate::restore) org: &'o Org<'h, H>,
    pub(in crate::restore) source: H::Snapshot,
    pub(in crate::restore) job: Job,
    pub(in crate::restore) records: RecordTable<'h, H>,
    space: &'static str,
    writables: BTreeMap<String, Option<Rc<Writable>>>,
    /// It is known what came of the last request, and not durable yet.
    pub(in crate::restore) settled: bool,
    /// An answer was read.
    pub(in crate::restore) got_somewhere: bool,
}

impl<'o, 'h, H: Host> Context<'o, 'h, H> {
    /// Of this job, which is kept there.
    pub fn open(org: &'o Org<'h, H>, space: &'static str, job: Job) -> Result<Context<'o, 'h, H>, ConnectorError> {
        let source = org.host().open(Which::Source)?.ok_or_else(|| {
            ConnectorError::Host(Failure::new(
                "no-source",
                "the host gives this restore no snapshot to read from",
            ))
        })?;
        org.set_ahead(job.learnt.clock_ahead_ms);
        let records = RecordTable::new(org.host(), space, &job.selection.source);
        Ok(Context {
            org,
            space,
            source,
            job,
            records,
            writables: BTreeMap::new(),
            settled: false,
            got_somewhere: false,
        })
    }

    pub(in crate::restore) fn host(&self) -> &'h H {
        self.org.host()
    }

    /// Makes all that is known durable.
    pub(in crate::restore) fn save(&mut self) -> Result<(), ConnectorError> {
        let entries = self.unsaved()?;
        Ok(self.host().put(entries)?)
    }

    /// All that is known and not durable yet, as entries to be put.
    pub(in crate::restore) fn unsaved(&mut self) -> Result<Vec<crate::values::Entry>, ConnectorError> {
        self.job.learnt.clock_ahead_ms = self.org.ahead();
        let mut entries = self.records.changes()?;
        entries.push(self.job.entry(self.space)?);
        if std::mem::take(&mut self.settled) {
            entries.push(Intent::settled());
        }
        Ok(entries)
    }

    /// Whether somebody waits for this call to end, or its time is up.
    pub(in crate::restore) fn must_end(&self) -> bool {
        self.host().should_stop() || self.host().now() >= self.host().ends_at()
    }

    /// What is known about writing an object; `None` where it can't be.
    pub(in crate::restore) fn writable(&mut self, object: &str) -> Result<Option<Rc<Writable>>, ConnectorError> {
        if let Some(known) = self.writables.get(object) {
            return Ok(known.clone());
        }
        let known = values::cached(self.host(), &self.writable_key(object))?.map(Rc::new);
        self.writables.insert(object.to_owned(), known.clone());
        Ok(known)
    }

    /// Key of what is known about writing an object.
    fn writable_key(&self, object: &str) -> String {
        format!("{}writable/{object}", self.space)
    }

    /// Whether it is known how an object is written, or that it can't be.
    pub(in crate::restore) fn is_described(&mut self, object: &str) -> Result<bool, ConnectorError> {
        Ok(self.job.object(object).is_closed() || self.writable(object)?.is_some())
    }

    /// Takes what was learnt about writing an object.
    pub(in crate::restore) fn set_writable(&mut self, object: &str, writable: Writable) -> Result<(), ConnectorError> {
        self.host().put(vec![values::entry(self.writable_key(object), &writable)?])?;
        self.writables.insert(object.to_owned(), Some(Rc::new(writable)));
        Ok(())
    }

    /// Nothing (more) of an object is written.
    pub(in crate::restore) fn close(&mut self, object: &str, code: &str, why: &str) {
        self.host().skipped(object, Failure::new(code, why).about(object));
        self.job.close(object, code, why);
    }

    /// The object whose records an Id is one of.
    pub(in crate::restore) fn object_of(&self, refers_to: &[String], id: &str) -> Option<String> {
        if let [only] = refers_to {
            return Some(only.clone());
        }
        let object = self.job.prefixes.get(id.get(..3)?)?;
        refers_to.contains(object).then(|| object.clone())
    }

    /// Records of an object after the walk's place, as many as are kept together, and the key of the last; `None` at the end.
    pub(in crate::restore) fn page(&mut self, object: &str) -> Result<Option<(Records, String)>, ConnectorError> {
        let page = self.records.after(object, &self.job.place.after)?;
        let last = page.last().map(|(key, _)| key.clone());
        Ok(last.map(|last| (page, last)))
    }

    /// Whether records of an object are part of what is restored.
    pub(in crate::restore) fn is_wanted(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.records, object)? {
            if page.iter().any(|(_, entry)| entry.is_wanted()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a record is to be written in this walk.
    pub(in crate::restore) fn is_due(&self, entry: &RecordEntry) -> bool {
        match self.job.stage {
            Stage::Write => entry.is_open() && !(self.job.wait_for == WaitFor::AllReferences && entry.comes_last()),
            _ => entry.is_unconnected(),
        }
    }

    /// A record that can't be done without is gone: it becomes part of the restore, where the snapshot has it.
    pub(in crate::restore) fn needed_and_gone(&mut self, object: &str, id: &str) -> Result<(), ConnectorError> {
        let has = self.row(object, id)?.is_some();
        let what = if has && rules::never(object).is_none() {
            self.job.moved = true;
            self.job.object_mut(object).creates = true;
            RecordState::Create
        } else {
            RecordState::Gone
        };
        self.records.set(object, id, RecordEntry::new(what))
    }

    /// What a reference leads to. `request`: what is under way. `to_come`: what is made of records of an object that are still to be
    /// created.
    pub(in crate::restore) fn resolve(
        &mut self,
        request: &Request,
        refers_to: &[String],
        id: &str,
        to_come: &dyn Fn(&str) -> ToCome,
    ) -> Result<Resolved, ConnectorError> {
        let same = || Ok(Target::Id(id.to_owned()).into());
        // Of objects that the snapshot has nothing of, nothing can be known: the org will tell.
        let Some(object) = self.object_of(refers_to, id) else {
            return same();
        };
        let Some(entry) = self.records.get(&object, id)? else {
            return same();
        };
        if let Some(now) = entry.in_target(id) {
            let now = now.to_owned();
            let target = match request.changes(id) {
                Some(collection) => Target::Changing(now, collection),
                None if entry.what == RecordState::Inactive && self.job.learnt.refuses_inactive => Target::Inactive(now),
                None => Target::Id(now),
            };
            return Ok(target.into());
        }
        let target = match entry.what {
            RecordState::Create | RecordState::WithParent | RecordState::AwaitingId => {
                let target = match (entry.what, request.place(id), to_come(&object)) {
                    (RecordState::Create, Some(place), _) => Target::InRequest(place),
                    (RecordState::Create | RecordState::WithParent, _, ToCome::Written) => Target::Id(id.to_owned()),
                    (RecordState::WithParent, ..) if !request.brings(id) => Target::Coming,
                    (.., ToCome::Awaited) => Target::Awaited,
                    _ => Target::Later,
                };
                return Ok(Resolved {
                    target,
                    new_of: Some(object),
                });
            }
            RecordState::Reference | RecordState::RequiredReference | RecordState::Selected | RecordState::Excluded => {
                Target::Id(id.to_owned())
            }
            RecordState::Failed | RecordState::Ambiguous => Target::Failed,
            _ => Target::Gone,
        };
        Ok(target.into())
    }

    /// The rows of these records.
    pub(in crate::restore) fn rows(&self, object: &str, keys: &[String]) -> Result<Vec<Option<Row>>, ConnectorError> {
        Ok(self.source.find(object, keys)?)
    }

    /// The row of one record; `None` where the snapshot doesn't have it.
    pub(in crate::restore) fn row(&self, object: &str, key: &str) -> Result<Option<Row>, ConnectorError> {
        Ok(self.rows(object, &[key.to_owned()])?.into_iter().next().flatten())
    }

    /// The blobs of these records, in their order: of objects that have files.
    pub(in crate::restore) fn blobs(
        &self,
        object: &str,
        writable: &Writable,
        keys: &[String],
    ) -> Result<Vec<Vec<HeldBlob>>, ConnectorError> {
        if writable.fields.iter().any(|field| field.binary) {
            Ok(self.source.blobs(object, keys)?)
        } else {
            Ok(vec![Vec::new(); keys.len()])
        }
    }

    /// Tells people of one record.
    pub(in crate::restore) fn tell(&self, object: &str, key: &str, what: RecordOutcome, why: Failure) {
        self.host().record_outcome(object, key, what, why.about(object));
    }

    /// Tells people what a record is written without.
    pub(in crate::restore) fn tell_left_out(&self, object: &str, key: &str, left_out: &[LeftOut]) {
        if left_out.is_empty() {
            return;
        }
        // The last one told of a record stands, so that all of it is told at once.
        let all: Vec<String> = left_out.iter().map(|left| format!("{}: {}", left.field, left.why)).collect();
        let fields: Vec<&str> = left_out.iter().map(|left| left.field.as_str()).collect();
        let why = Failure::new("left-out", all.join("; ")).detail("field", fields.join(","));
        self.tell(object, key, RecordOutcome::Incomplete, why);
    }

    /// Sends a composite request that only reads, and its parts' answers.
    pub(in crate::restore) fn ask(&mut self, parts: &[Subrequest]) -> Result<Vec<Part>, SendFailure> {
        let mut body = self.answer_to(parts)?;
        self.org.read_parts(&mut body)
    }

    /// Sends queries, at most as many as a request takes, and their answers.
    pub(in crate::restore) fn ask_queries(
        &mut self,
        queries: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Part>, SendFailure> {
        let path = |query: &String| self.org.path(&format!("query?q={}", encode(query)));
        let parts: Vec<Subrequest> = queries
            .into_iter()
            .enumerate()
            .map(|(position, query)| Subrequest::get(path(&query), format!("q{position}")))
            .collect();
        let parts = self.ask(&parts)?;
        self.got_somewhere = true;
        Ok(parts)
    }

    /// Sends a composite request that only reads.
    pub(in crate::restore) fn answer_to(&mut self, parts: &[Subrequest]) -> Result<Body<H::Answer>, SendFailure> {
        let pending = self.org.composite(parts)?;
        if self.job.stage < Stage::Write {
            self.job.plan.asked += 1;
        }
        self.org.finish(pending)
    }

    /// Tells people what was done so far.
    pub(in crate::restore) fn tell_tallies(&self) {
        for object in self.job.objects.by_name() {
            if let Some(tally) = object.tally {
                self.host().restored(object.name(), tally);
            }
        }
    }

    /// Seconds until the next request, where a call ended since the org takes no more at this moment: twice as long each time, or what
    /// the org asks for. `None`: it isn't so, or was too often in a row.
    pub(in crate::restore) fn seconds_to_wait(&mut self, stopped: Option<&SendFailure>) -> Option<u32> {
        let asked = self.org.asks_to_wait();
        if !stopped.is_some_and(|stopped| *stopped == SendFailure::Later || asked.is_some()) {
            self.job.busy = 0;
            return None;
        }
        self.job.busy = self.job.busy.saturating_add(1);
        let own = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(u32::from(self.job.busy - 1)));
        let wait = own.min(LONGEST_WAIT).max(asked.unwrap_or_default());
        (self.job.busy <= MAX_BUSY).then_some(wait)
    }

    /// What a request gave; where it gave nothing, the walk goes back to where it was, so that the same is asked for again.
    pub(in crate::restore) fn or_back_to<T>(&mut self, from: Place, asked: Result<T, impl Into<Halt>>) -> Step<T> {
        asked.map_err(|why| {
            self.job.place = from;
            why.into()
        })
    }
}

/// Whether a request that stopped is a normal end: of what may be sent, or of the org's day.
pub(in crate::restore) fn is_normal(stopped: &SendFailure) -> bool {
    matches!(stopped, SendFailure::AllowanceSpent | SendFailure::DailyLimit)
}
