//! One batch: sends requests, hands on what comes, and ends at a point that can be committed.
//!
//! Composite requests under way at once are for different objects, and never more than an eighth of what may still be sent:
//! towards the ceiling they become one after the other. A batch that got anywhere is committed even where it then failed; the next
//! one meets the same trouble first and says so. A page of bulk results that is in the store is read by a batch that sends nothing,
//! so that a crash while it is read costs no request.

use super::again::Parts;
use super::changed::Changed;
use super::packing::{self, Load, Part};
use super::requests::SubRequests;
use super::trouble::can_be_narrowed;
use super::{Checkpoint, Event, Object};
use crate::halt::Halt;
use crate::host::{BatchResult, ConnectorError, Host, Level, Next, Pause};
use crate::org::{Org, SendFailure};
use crate::salesforce::{ApiError, Describe};
use crate::schema::describes;
use crate::values::{self, key};
use crate::{BATCH_REQUESTS, STATE_VERSION};
use std::collections::{BTreeMap, BTreeSet};

/// More at once gain nothing: Salesforce answers composite requests in seconds, and allows few long ones.
const MAX_AT_ONCE: usize = 4;

/// An answer's budget is never cut to less than this.
const MIN_ANSWER_BYTES: u64 = 1024 * 1024;

/// Goes on from a checkpoint.
pub fn run_batch<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<BatchResult, ConnectorError> {
    let checkpoint = Checkpoint::read(state_version, at)?;
    let org = Org::open(host)?;
    org.set_ahead(checkpoint.ahead);
    let mut batch = Batch {
        org: &org,
        checkpoint,
        describes: BTreeMap::new(),
        changes: Changed::default(),
        finished: Vec::new(),
        files_ready: Vec::new(),
        lists_ready: Vec::new(),
        failed_parts: BTreeMap::new(),
        sent: 0,
        halt: None,
    };
    if !batch.checkpoint.begun {
        batch.checkpoint.begun = true;
        // From now on planning is over; the next backup plans anew.
        host.put(vec![values::removal(key::PLAN)])?;
    }
    let pause = batch.run()?;
    if let Some(failure) = batch.fruitless_failure(state_version, at)? {
        return Err(failure.into_error());
    }
    batch.result(pause)
}

/// A request under way.
struct UnderWay<P> {
    pending: P,
    load: Load,
    asked: Option<SubRequests>,
}

pub(super) struct Batch<'o, 'h, H: Host> {
    pub(super) org: &'o Org<'h, H>,
    pub(super) checkpoint: Checkpoint,
    pub(super) describes: BTreeMap<usize, Describe>,
    pub(super) changes: Changed,
    /// Objects of which all is read since the batch began.
    pub(super) finished: Vec<usize>,
    /// Objects whose rows were all committed before the batch began, and whose files are to be fetched.
    pub(super) files_ready: Vec<usize>,
    /// Objects that are read by lists of Ids which were all committed before the batch began.
    pub(super) lists_ready: Vec<usize>,
    /// Files that failed in earlier backups, by object.
    pub(super) failed_parts: BTreeMap<usize, Parts>,
    /// Requests of this batch.
    pub(super) sent: u32,
    /// Why nothing more is sent. What is under way then is answered all the same, and what is read is kept.
    pub(super) halt: Option<Halt>,
}

impl<'h, H: Host> Batch<'_, 'h, H> {
    pub(super) fn host(&self) -> &'h H {
        self.org.host()
    }

    /// Gives what another daily limit is to be waited for with, where nothing can be done without it.
    fn run(&mut self) -> Result<Option<Pause>, ConnectorError> {
        if self.read_saved()? {
            return Ok(None);
        }
        self.files_ready = self.files_ready();
        self.lists_ready = self.lists_ready()?;
        self.confirm_org()?;
        // Jobs are begun before everything else: they run while queries are sent.
        self.begin_jobs()?;
        self.run_composites()?;
        let pause = self.advance_jobs()?;
        self.fetch_files()?;
        self.catch_up()?;
        Ok(pause)
    }

    /// Nothing more is sent, for this reason. The first one stands: what comes after it is its consequence, or the same, unless it
    /// says more.
    pub(super) fn end(&mut self, why: Halt) {
        let says_more = |halt: &Halt| weight(&why) > weight(halt);
        if self.halt.as_ref().is_none_or(says_more) {
            self.halt = Some(why);
        }
    }

    /// The org takes no more at this moment.
    pub(super) fn end_busy(&mut self) {
        self.end(SendFailure::Later.into());
    }

    /// Before anything else is sent, this run has to know whose org it is: a composite request tells it on the way. Files and jobs
    /// that are under way are named by Ids of the org's own, so that another org has none of them.
    fn confirm_org(&mut self) -> Result<(), ConnectorError> {
        if self.org.is_confirmed() {
            return Ok(());
        }
        if packing::next(&self.checkpoint, &BTreeSet::new()).is_some() {
            return self.run_composites();
        }
        if !self.checkpoint.has_planned_jobs() || !self.may_send(0) {
            return Ok(());
        }
        self.sent += 1;
        let confirmed = self.org.confirm().err();
        self.stopped(confirmed)
    }

    fn run_composites(&mut self) -> Result<(), ConnectorError> {
        let mut under_way: Vec<UnderWay<H::Pending>> = Vec::new();
        loop {
            while self.may_send(under_way.len()) {
                let Some(next) = self.start(&under_way)? else { break };
                under_way.push(next);
                self.sent += 1;
            }
            if under_way.is_empty() {
                return Ok(());
            }
            let pending: Vec<&H::Pending> = under_way.iter().map(|flight| &flight.pending).collect();
            let answered = self.host().wait_any(&pending).min(under_way.len() - 1);
            let answered = under_way.remove(answered);
            self.answered(answered)?;
        }
    }

    /// Whether a request may be sent beside so many that are under way.
    pub(super) fn may_send(&self, under_way: usize) -> bool {
        let host = self.host();
        let at_once = (host.requests_left() as usize / 8).clamp(1, MAX_AT_ONCE);
        self.halt.is_none()
            && self.org.asks_to_wait().is_none()
            && self.sent < BATCH_REQUESTS
            && under_way < at_once
            && (under_way == 0 || self.org.is_confirmed())
            && host.requests_left() > 0
            && !host.should_stop()
            && host.now() < host.ends_at()
    }

    /// Sends the next composite request. `None`: there is none to be sent now.
    fn start(&mut self, under_way: &[UnderWay<H::Pending>]) -> Result<Option<UnderWay<H::Pending>>, ConnectorError> {
        let busy: BTreeSet<usize> = under_way.iter().flat_map(|flight| flight.load.objects()).collect();
        self.load_ids(&busy)?;
        loop {
            let Some(mut load) = packing::next(&self.checkpoint, &busy) else {
                return Ok(None);
            };
            if !self.org.is_confirmed() {
                load.leave_a_part_free();
            }
            // What is still to be heard of may fill the places that would be left empty.
            if !load.is_full() && !under_way.is_empty() {
                return Ok(None);
            }
            let (subrequests, asked) = match &load {
                Load::Describes(objects) => (
                    describes::subrequests(self.org, objects.iter().map(|object_ix| (self.name(*object_ix), None))),
                    None,
                ),
                Load::Reads(parts, addresses) => {
                    if !self.describes_known(&load.objects())? {
                        continue;
                    }
                    let (subrequests, asked) = self.subrequests(parts, addresses);
                    (subrequests, Some(asked))
                }
            };
            let is_sent_once = |object_ix: &usize| self.checkpoint.objects[*object_ix].is_sent_once();
            self.org.send_once(load.objects().iter().all(is_sent_once));
            let sent = self.org.composite(&subrequests);
            self.org.send_once(false);
            return match sent {
                Ok(pending) => Ok(Some(UnderWay { pending, load, asked })),
                Err(SendFailure::Host(error)) => Err(*error),
                Err(failure) => {
                    self.end(failure.into());
                    Ok(None)
                }
            };
        }
    }

    pub(super) fn name(&self, object: usize) -> &str {
        &self.checkpoint.objects[object].name
    }

    fn answered(&mut self, flight: UnderWay<H::Pending>) -> Result<(), ConnectorError> {
        let mut objects = flight.load.objects();
        objects.sort_unstable();
        objects.dedup();
        let (stopped, whole) = match self.org.finish(flight.pending) {
            Ok(body) => {
                let stopped = match (&flight.load, flight.asked) {
                    (Load::Reads(..), Some(asked)) => {
                        let (stopped, missed) = self.read_reads(body, asked)?;
                        objects.retain(|object_ix| missed.contains(object_ix));
                        self.count_changes()?;
                        stopped
                    }
                    (load, _) => {
                        let (stopped, missed) = self.read_describes(body, &load.objects())?;
                        objects = missed;
                        stopped
                    }
                };
                (stopped, false)
            }
            Err(stopped) => (Some(stopped), true),
        };
        match stopped {
            Some(SendFailure::TooLarge(limit)) => {
                self.ask_for_less(&flight.load, limit)?;
                Ok(())
            }
            Some(stopped) if can_be_narrowed(&stopped) => self.narrow(&objects, whole, stopped),
            stopped => self.stopped(stopped),
        }
    }

    /// Takes note of how a request ended.
    pub(super) fn stopped(&mut self, stopped: Option<SendFailure>) -> Result<(), ConnectorError> {
        match stopped {
            None => self.answer_came(),
            Some(SendFailure::Host(error)) => return Err(*error),
            Some(SendFailure::Later) => self.org_is_busy(),
            Some(failure) => {
                self.log("a request gave no answer that could be read", &failure);
                self.end(failure.into());
            }
        }
        Ok(())
    }

    /// The answer is paid for, and lost: the next one is to be smaller. Which of its pages was too large isn't known, so each is
    /// taken to weigh its share: the next requests have fewer, until one alone is too large. Then it becomes shorter.
    fn ask_for_less(&mut self, load: &Load, limit: u64) -> Result<(), ConnectorError> {
        self.checkpoint.answer_bytes = self.checkpoint.answer_bytes.min(limit / 2).max(MIN_ANSWER_BYTES);
        let mut events = Vec::new();
        match load {
            Load::Reads(parts, addresses) if addresses.is_empty() && matches!(parts[..], [Part { places: 1, .. }]) => {
                let object = parts[0].object;
                self.checkpoint.objects[object].page_too_large(&mut events);
                self.tell(object, events)?;
            }
            Load::Reads(parts, _) => {
                let places: usize = parts.iter().map(|part| part.places).sum();
                for part in parts {
                    packing::weigh_page(
                        &mut self.checkpoint.objects[part.object],
                        limit.max(MIN_ANSWER_BYTES) / places.max(1) as u64,
                    );
                }
            }
            Load::Describes(objects) => {
                let error = ApiError {
                    code: "TOO_LARGE".to_owned(),
                    message: format!("an answer with its describe has more than the {limit} bytes that the host takes"),
                };
                for object_ix in objects {
                    let mut events = Vec::new();
                    self.checkpoint.objects[*object_ix].try_again("answer-too-large", &error, &mut events);
                    self.tell(*object_ix, events)?;
                }
            }
        }
        self.host().log(
            Level::Warn,
            "an answer was larger than the host takes",
            &[("next", self.checkpoint.answer_bytes.to_string())],
        );
        Ok(())
    }

    /// Tells people, and takes note of what has ended.
    pub(super) fn tell(&mut self, object: usize, events: Vec<Event>) -> Result<(), ConnectorError> {
        let host = self.host();
        for event in events {
            let Object { name, replaces, .. } = &self.checkpoint.objects[object];
            match event {
                Event::Read if *replaces => host.replace_inherited(name)?,
                Event::Read => {}
                Event::Finished => self.finished.push(object),
                Event::Skipped(why) => host.skipped(name, why),
                Event::Failed(why) => self.object_failed(object, why)?,
                Event::Remark(what) => {
                    host.remark(name, what);
                    // A field may be left out from now on.
                    self.describes.remove(&object);
                }
                Event::RecordFailed(id, why) => self.record_failed(object, &id, why)?,
                Event::RecordCame(id) => self.failed_parts(object)?.came(&id),
                Event::Busy => self.end_busy(),
            }
        }
        Ok(())
    }

    pub(super) fn log(&self, message: &str, stopped: &SendFailure) {
        let why = match stopped {
            SendFailure::NotSent(failure) | SendFailure::Broken(failure) => failure.message.clone(),
            other => format!("{other:?}"),
        };
        self.host().log(Level::Warn, message, &[("why", why)]);
    }

    /// Why the batch ended, where that is no normal end and the checkpoint says nothing that it didn't say before.
    fn fruitless_failure(&self, state_version: u32, at: &[u8]) -> Result<Option<SendFailure>, ConnectorError> {
        let failure = match self.halt.as_ref().and_then(Halt::send_failure) {
            None | Some(SendFailure::AllowanceSpent | SendFailure::DailyLimit | SendFailure::Later) => return Ok(None),
            Some(failure) => failure,
        };
        let mut before = Checkpoint::read(state_version, at)?;
        // What was merely begun or sent is nothing learnt.
        (before.begun, before.file_requests) = (true, self.checkpoint.file_requests);
        Ok((before.json()? == self.checkpoint.json()?).then(|| failure.clone()))
    }

    fn result(mut self, pause: Option<Pause>) -> Result<BatchResult, ConnectorError> {
        self.settle()?;
        self.checkpoint.ahead = self.org.ahead();
        let is_left_alone = self.org.asks_to_wait().is_some();
        let next = match self.halt.take() {
            _ if self.checkpoint.is_done() => Next::Done,
            Some(Halt::Blocked(failure)) => {
                self.checkpoint.troubled.clear();
                Next::Blocked(*failure)
            }
            _ if self.checkpoint.saved_page().is_some() && !is_left_alone => Next::Batch(0),
            Some(halt) if halt.send_failure() == Some(&SendFailure::Later) => Next::AgainAfter(self.seconds_to_wait()),
            _ if is_left_alone => Next::AgainAfter(self.seconds_to_wait()),
            _ => match (pause, self.checkpoint.waits_for_jobs(self.host().now())) {
                (Some(pause), _) => Next::Pause(pause),
                (None, Some(seconds)) => Next::AgainAfter(seconds),
                (None, None) => Next::Batch(next_batch(&self.checkpoint)),
            },
        };
        Ok(BatchResult::new(STATE_VERSION, self.checkpoint.write()?, next))
    }
}

/// How much a reason says: an outage is known after several failures, a daily limit concerns all requests alike, and a refusal for
/// now says less than one that stays.
fn weight(halt: &Halt) -> u8 {
    match halt {
        Halt::Blocked(_) => 4,
        Halt::Send(failure) => match **failure {
            SendFailure::AllowanceSpent => 0,
            SendFailure::Later => 1,
            SendFailure::DailyLimit => 3,
            _ => 2,
        },
        _ => 0,
    }
}

/// Requests of the next batch, as far as is known.
pub fn next_batch(checkpoint: &Checkpoint) -> u32 {
    checkpoint.requests().clamp(1, BATCH_REQUESTS)
}
