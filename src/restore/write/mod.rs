//! The export `run-batch` of a restore: creates and updates, a thousand records a request, and never one twice.
//!
//! One request at a time. Before it is sent, what it will create is durable ([`crate::restore::state::intent`]); what came of it
//! becomes durable together with what the next one will create. So a crash, or a cut connection, leaves at most one request of which
//! nobody knows whether it had its effect, and that one is looked for before anything else is sent ([`crate::restore::settle`]).

mod adopt;
mod documents;
mod fill;
mod ingest;
mod send;

use crate::halt::{Halt, Step};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Next};
use crate::org::{Org, SendFailure};
use crate::restore::context::{Context, is_normal};
use crate::restore::request::Request;
use crate::restore::settle::Settler;
use crate::restore::state::job::{Stage, at_checkpoint};
use crate::restore::state::objects::{Description, ObjectJob};
use crate::restore::state::records::Pages;
use crate::restore::target::describe::Describer;
use crate::restore::target::lookup::Lookup;
use crate::restore::target::verify::Verifier;
use crate::restore::write::fill::{FillResult, Passed};
use crate::values::key;
use crate::{BATCH_REQUESTS, STATE_VERSION};

/// Seconds until records are tried again that a lock refused; each time twice as many, two and a half minutes in all.
const LOCKED_SECONDS: u32 = 5;

/// Goes on with a restore.
pub fn run_batch<H: Host>(host: &H, state_version: u32, at: &[u8]) -> Result<BatchResult, ConnectorError> {
    let job = at_checkpoint(host, state_version, at)?;
    let org = Org::open(host)?;
    let mut context = Context::open(&org, key::RESTORE, job)?;
    let batch = Writer::new(&mut context).batch();
    if let Err(Halt::Failed(error)) = batch {
        return Err(*error);
    }
    let busy = context.seconds_to_wait(batch.as_ref().err().and_then(Halt::send_failure));
    context.save()?;
    context.tell_tallies();
    let needed = context.job.needed();
    host.needed(needed);
    let more = || Next::Batch(u32::try_from(needed).unwrap_or(u32::MAX).clamp(1, BATCH_REQUESTS));
    let next = match batch {
        _ if context.job.stage == Stage::Done => Next::Done,
        Err(Halt::Failed(error)) => return Err(*error),
        Err(Halt::Blocked(failure)) => Next::Blocked(*failure),
        Err(Halt::Wait(seconds)) => Next::AgainAfter(seconds),
        Err(Halt::Send(failure)) => match *failure {
            SendFailure::Host(error) => return Err(*error),
            _ if busy.is_some() => busy.map_or(Next::Done, Next::AgainAfter),
            failure @ SendFailure::Later => return Err(failure.into_error()),
            failure if !is_normal(&failure) && !context.got_somewhere => return Err(failure.into_error()),
            _ => more(),
        },
        Err(Halt::Call) | Ok(()) => more(),
    };
    Ok(BatchResult::new(STATE_VERSION, context.job.checkpoint()?, next))
}

/// Writes records.
struct Writer<'c, 'o, 'h, H: Host> {
    context: &'c mut Context<'o, 'h, H>,
    /// What the walk passed by.
    passed: Passed,
}

impl<'c, 'o, 'h, H: Host> Writer<'c, 'o, 'h, H> {
    fn new(context: &'c mut Context<'o, 'h, H>) -> Writer<'c, 'o, 'h, H> {
        Writer {
            context,
            passed: Passed::default(),
        }
    }

    fn batch(&mut self) -> Step {
        Settler::new(self.context).settle()?;
        // Planning's look-ups have asked it, or what was lost; where none was sent in this run, it is asked before anything is written.
        self.context.org.confirm()?;
        let mut sent = 0;
        while self.context.job.stage < Stage::Done {
            if self.context.must_end() || sent >= BATCH_REQUESTS {
                return Err(Halt::Call);
            }
            self.find_out()?;
            if self.context.job.stage == Stage::Verify {
                Verifier::new(self.context).verify()?;
                continue;
            }
            if self.context.host().requests_left() == 0 {
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
                        self.context.job.again();
                        self.context.job.moved = true;
                    }
                    return Err(halt);
                }
            };
            if !request.is_empty() {
                sent += 1;
                self.send(&request)?;
                if self.context.job.locked > 0 {
                    let times = std::mem::take(&mut self.context.job.locked);
                    return Err(Halt::Wait(LOCKED_SECONDS << (times - 1)));
                }
            }
            if !more {
                self.end_of_walk()?;
            }
        }
        Err(Halt::Call)
    }

    /// Finds out what refusals left open.
    fn find_out(&mut self) -> Step {
        let is_open = |object: &ObjectJob| object.doubted || object.description == Description::Doubted;
        if !self.context.job.objects.iter().any(is_open) {
            return Ok(());
        }
        Describer::new(self.context).renew()?;
        Lookup::new(self.context).look_again()
    }

    /// All records were gone through: again, where some are left that could be written now; else the next stage.
    fn end_of_walk(&mut self) -> Step {
        if self.context.job.stage == Stage::Write {
            self.find_documents()?;
        }
        let left = self.context.job.stage == Stage::Write && self.context.job.open() > 0;
        if self.context.job.moved && (left || self.context.job.stage == Stage::Connect) {
            self.context.job.again();
        } else if self.context.job.stage == Stage::Write {
            if left {
                self.give_up_circles()?;
            }
            self.context.job.unconnected = self.count_unconnected()?;
            self.context.job.enter(Stage::Connect);
        } else {
            self.context.job.unconnected = 0;
            self.context.job.enter(if self.context.job.selection.verify {
                Stage::Verify
            } else {
                Stage::Done
            });
        }
        Ok(())
    }

    fn count_unconnected(&mut self) -> Result<u64, ConnectorError> {
        let mut count = 0;
        for object in self.context.job.objects.walk() {
            let mut pages = Pages::default();
            while let Some(page) = pages.next(&mut self.context.records, &object)? {
                count += page.iter().filter(|(_, entry)| entry.is_unconnected()).count() as u64;
            }
        }
        Ok(count)
    }

    /// What nothing moves any more: records that need each other in a circle.
    fn give_up_circles(&mut self) -> Result<(), ConnectorError> {
        for object in self.context.job.objects.walk() {
            let mut pages = Pages::default();
            while let Some(page) = pages.next(&mut self.context.records, &object)? {
                for (key, entry) in page.into_iter().filter(|(_, entry)| entry.is_unwritten()) {
                    let why = if entry.comes_by_itself() {
                        Failure::new("not-created", "the record that it comes to be with could not be written")
                    } else {
                        Failure::new(
                            "circle",
                            "it needs a record that needs it in turn, or one that could not be written",
                        )
                    };
                    self.context.fail(&object, &key, &entry, why)?;
                }
            }
        }
        Ok(())
    }
}
