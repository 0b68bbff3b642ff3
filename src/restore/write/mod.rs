//! The export `run-batch` of a restore: creates and updates, a thousand records a request, and never one twice.
//!
//! One request at a time. Before it is sent, what it will create is durable ([`crate::restore::state::intent`]); what came of it becomes durable
//! together with what the next one will create. So a crash, or a cut connection, leaves at most one request of which nobody knows
//! whether it had its effect, and that one is looked for before anything else is sent ([`crate::restore::write::settle`]).

pub(in crate::restore) mod adopt;
pub(in crate::restore) mod again;
mod culprits;
pub(in crate::restore) mod documents;
pub(in crate::restore) mod fill;
pub(in crate::restore) mod ingest;
pub(in crate::restore) mod results;
pub(in crate::restore) mod settle;
pub(in crate::restore) mod verify;

use crate::halt::{Halt, Step};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Level, Method, Next};
use crate::org::{Org, SendFailure};
use crate::restore::request::{COLLECTIONS, Form, Placed, Request, Verb};
use crate::restore::run::Run;
use crate::restore::state::intent::{Created, Intent};
use crate::restore::state::job::{Stage, at_checkpoint};
use crate::restore::state::records::Pages;
use crate::restore::write::fill::FillResult;
use crate::restore::write::results::Refusals;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Part, Saved, read_parts};
use crate::values::key;
use crate::{BATCH_REQUESTS, STATE_VERSION};

/// Seconds until records are tried again that a lock refused; each time twice as many, two and a half minutes in all.
const LOCKED_SECONDS: u32 = 5;

/// Of so many requests in a row that write no answer came: then it isn't the request.
const MAX_UNANSWERED: u8 = 5;

/// Goes on with a restore.
pub fn run_batch<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<BatchResult, ConnectorError> {
    let job = at_checkpoint(host, state_version, at)?;
    let org = Org::open(host)?;
    let mut run = Run::open(&org, key::RESTORE, job)?;
    let batch = run.batch();
    if let Err(Halt::Failed(error)) = batch {
        return Err(*error);
    }
    let busy = run.seconds_to_wait(batch.as_ref().err().and_then(Halt::send_failure));
    run.save()?;
    run.tell_tallies();
    let needed = run.needed();
    host.needed(needed);
    let more = || Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).clamp(1, BATCH_REQUESTS));
    let next = match batch {
        _ if run.job.stage == Stage::Done => Next::Done,
        Err(Halt::Failed(error)) => return Err(*error),
        Err(Halt::Blocked(failure)) => Next::Blocked(*failure),
        Err(Halt::Wait(seconds)) => Next::AgainAfter(seconds),
        Err(Halt::Send(failure)) => match *failure {
            SendFailure::Host(error) => return Err(*error),
            _ if busy.is_some() => busy.map_or(Next::Done, Next::AgainAfter),
            failure @ SendFailure::Later => return Err(failure.into_error()),
            failure if !Run::<H>::is_normal(&failure) && !run.got_somewhere => return Err(failure.into_error()),
            _ => more(),
        },
        Err(Halt::Call) | Ok(()) => more(),
    };
    Ok(BatchResult::new(STATE_VERSION, run.job.checkpoint()?, next))
}

impl<H: Host> Run<'_, '_, H> {
    fn batch(&mut self) -> Step {
        self.settle()?;
        // Planning's look-ups have asked it, or what was lost; where none was sent in this run, it is asked before anything is written.
        self.org.confirm()?;
        let mut sent = 0;
        while self.job.stage < Stage::Done {
            if self.must_end() || sent >= BATCH_REQUESTS {
                return Err(Halt::Call);
            }
            self.find_out()?;
            if self.job.stage == Stage::Verify {
                self.verify()?;
                continue;
            }
            if self.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            let mut request = Request::default();
            let more = match self.fill(&mut request) {
                Ok(FillResult::Yes { more }) => more,
                Ok(FillResult::MustEnd) if request.is_empty() => return Err(Halt::Call),
                // Filling it took the call's time: it is sent all the same, so that the next one doesn't begin with it again.
                Ok(FillResult::MustEnd) => true,
                Err(halt) => {
                    if !request.is_empty() {
                        self.job.again();
                        self.job.moved = true;
                    }
                    return Err(halt);
                }
            };
            if !request.is_empty() {
                sent += 1;
                self.send(&request)?;
                if self.job.locked > 0 {
                    let times = std::mem::take(&mut self.job.locked);
                    return Err(Halt::Wait(LOCKED_SECONDS << (times - 1)));
                }
            }
            if !more {
                self.end_of_walk()?;
            }
        }
        Err(Halt::Call)
    }

    /// All records were gone through: again, where some are left that could be written now; else the next stage.
    fn end_of_walk(&mut self) -> Step {
        if self.job.stage == Stage::Write {
            self.find_documents()?;
        }
        let left = self.job.stage == Stage::Write && self.job.open.values().any(|open| *open > 0);
        if self.job.moved && (left || self.job.stage == Stage::Connect) {
            self.job.again();
        } else if self.job.stage == Stage::Write {
            if left {
                self.give_up_circles()?;
            }
            self.job.unconnected = self.count_unconnected()?;
            self.job.enter(Stage::Connect);
        } else {
            self.job.unconnected = 0;
            self.job.enter(if self.job.selection.verify {
                Stage::Verify
            } else {
                Stage::Done
            });
        }
        Ok(())
    }

    fn count_unconnected(&mut self) -> Result<u64, ConnectorError> {
        let mut count = 0;
        for object in self.job.objects.clone() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.records, &object)? {
                count += some.iter().filter(|(_, entry)| entry.is_unconnected()).count() as u64;
            }
        }
        Ok(count)
    }

    /// What nothing moves any more: records that need each other in a circle.
    fn give_up_circles(&mut self) -> Result<(), ConnectorError> {
        for object in self.job.objects.clone() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.records, &object)? {
                for (key, entry) in some.into_iter().filter(|(_, entry)| entry.is_unwritten()) {
                    let why = if entry.comes_by_itself() {
                        Failure::new("not-created", "the record that it comes to be with could not be written")
                    } else {
                        Failure::new(
                            "circle",
                            "it needs a record that needs it in turn, or one that could not be written",
                        )
                    };
                    self.fail(&object, &key, &entry, why)?;
                }
            }
        }
        Ok(())
    }

    /// Sends a request, and takes in what became of its records.
    fn send(&mut self, request: &Request) -> Step {
        let intent = Intent::of(request, self.org.now());
        // It takes the place of the last one.
        self.settled = false;
        let mut entries = self.unsaved()?;
        entries.push(intent.entry()?);
        self.host().put(entries)?;
        let parts = match self.answer(request) {
            Ok(parts) => parts,
            Err(stopped) => return self.not_answered(request, stopped),
        };
        self.got_somewhere = true;
        self.job.unanswered = 0;
        let mut refusals = Refusals::default();
        let mut unclear = Vec::new();
        for (n, collection) in request.collections.iter().enumerate() {
            // Of what has no answer nothing is known.
            let missing = Part::missing();
            let part = parts.get(n).unwrap_or(&missing);
            let saved = part.read::<Vec<Saved>>().ok();
            match saved.filter(|saved| part.status < 300 && saved.len() == collection.records.len()) {
                Some(saved) => {
                    for (record, saved) in collection.records.iter().zip(saved) {
                        self.take_result(collection.verb, record, saved, &mut refusals)?;
                    }
                }
                None => {
                    if again::is_unclear(part.status) && collection.verb == Verb::Create {
                        unclear.extend(collection.records.iter().map(Created::of));
                    }
                    self.collection_refused(&collection.records, part, &mut refusals)?;
                }
            }
        }
        self.spare(&refusals)?;
        self.settle_parts(intent.at, unclear)
    }

    /// Sends a request, and reads its answer: a part for each of its collections.
    fn answer(&mut self, request: &Request) -> Result<Vec<Part>, SendFailure> {
        let verb = request.collections.first().map(|collection| collection.verb);
        let method = match verb {
            Some(Verb::Update) if request.form() != Form::Composite => Method::Patch,
            _ => Method::Post,
        };
        let org = self.org;
        let pending = match request.form() {
            Form::Composite => org.write(method, "composite", request.body(|resource| org.path(resource)))?,
            Form::Collection => org.write(method, COLLECTIONS, request.collection_body())?,
            Form::Files => org.write_form(method, COLLECTIONS, request.parts())?,
            Form::Single => {
                let record = request.collections.iter().flat_map(|collection| &collection.records).next();
                let resource = record.map(Placed::address).unwrap_or_default();
                org.write_form(method, &resource, request.parts())?
            }
        };
        match (request.form(), org.finish(pending)) {
            (Form::Composite, Ok(mut body)) => {
                let mut parts = read_parts(&mut body).map_err(|why| body.parse_failed(&why))?;
                let singles = parts.split_off(parts.len().min(COMPOSITE_QUERIES));
                parts.extend(singles.into_iter().map(Part::of_record));
                Ok(parts)
            }
            (Form::Single, Ok(mut body)) => Part::of_one(&mut body)
                .map(|part| vec![part])
                .map_err(|why| body.parse_failed(&why)),
            (_, Ok(mut body)) => Part::alone(&mut body)
                .map(|part| vec![part])
                .map_err(|why| body.parse_failed(&why)),
            (Form::Single, Err(SendFailure::Refused(refused))) if refused.is_about_a_record() => {
                Ok(vec![Part::refused_one(&refused.errors)])
            }
            (_, Err(stopped)) => Err(stopped),
        }
    }

    /// A request of which no whole answer came. Where it can't have had an effect, its records are as they were.
    fn not_answered(&mut self, request: &Request, stopped: SendFailure) -> Step {
        let without_effect = match &stopped {
            SendFailure::AllowanceSpent | SendFailure::DailyLimit | SendFailure::Later | SendFailure::NotSent(_) => true,
            SendFailure::Refused(refused) => refused.status < 500,
            SendFailure::TooLarge(_) | SendFailure::Broken(_) | SendFailure::Differs(_) | SendFailure::Host(_) => false,
        };
        self.host().log(
            Level::Warn,
            "a request that writes got no answer",
            &[("records", request.len().to_string()), ("why", format!("{stopped:?}"))],
        );
        // Whatever came of it, its records are gone through again.
        self.job.again();
        self.job.moved = true;
        if let SendFailure::Refused(refused) = &stopped
            && self.request_refused(request, refused)?
        {
            self.got_somewhere = true;
            self.settled = true;
            return Ok(());
        }
        if without_effect {
            self.settled = true;
            return Err(stopped.into());
        }
        match stopped {
            SendFailure::Host(error) => Err((*error).into()),
            stopped if self.host().requests_left() == 0 || self.org.asks_to_wait().is_some() => {
                // The next call begins with what came of it.
                Err(stopped.into())
            }
            stopped => {
                self.job.unanswered = self.job.unanswered.saturating_add(1);
                let times = self.job.unanswered;
                self.settle()?;
                if times > MAX_UNANSWERED {
                    // The host tries again, and then ends the restore; the same restore goes on later.
                    self.got_somewhere = false;
                    return Err(stopped.into());
                }
                match times {
                    0 | 1 => Ok(()),
                    _ => Err(Halt::Wait(LOCKED_SECONDS << (times - 1))),
                }
            }
        }
    }
}
