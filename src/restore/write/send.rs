//! Sends a request, and takes in what became of its records.

use crate::halt::{Halt, Step};
use crate::host::{Host, Level, Method};
use crate::org::SendFailure;
use crate::restore::refusals::Refusals;
use crate::restore::refusals::whole::is_unclear;
use crate::restore::request::{COLLECTIONS, Form, Placed, Request, Verb};
use crate::restore::settle::Settler;
use crate::restore::state::intent::{Created, Intent};
use crate::restore::write::{LOCKED_SECONDS, Writer};
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Part, Saved, read_parts};

/// Of so many requests in a row that write no answer came: then it isn't the request.
const MAX_UNANSWERED: u8 = 5;

impl<H: Host> Writer<'_, '_, '_, H> {
    /// Sends a request, and takes in what became of its records.
    pub(super) fn send(&mut self, request: &Request) -> Step {
        let intent = Intent::of(request, self.context.org.now());
        // It takes the place of the last one.
        self.context.settled = false;
        let mut entries = self.context.unsaved()?;
        entries.push(intent.entry()?);
        self.context.host().put(entries)?;
        let parts = match self.answer(request) {
            Ok(parts) => parts,
            Err(stopped) => return self.not_answered(request, stopped),
        };
        self.context.got_somewhere = true;
        self.context.job.unanswered = 0;
        let mut refusals = Refusals::new(self.context);
        let mut unclear = Vec::new();
        // Of what has no answer nothing is known.
        let missing = Part::missing();
        for (position, collection) in request.collections.iter().enumerate() {
            let part = parts.get(position).unwrap_or(&missing);
            let saved = part.read::<Vec<Saved>>().ok();
            match saved.filter(|saved| part.status < 300 && saved.len() == collection.records.len()) {
                Some(saved) => {
                    for (record, saved) in collection.records.iter().zip(saved) {
                        refusals.take_result(collection.verb, record, saved)?;
                    }
                }
                None => {
                    if is_unclear(part.status) && collection.verb == Verb::Create {
                        unclear.extend(collection.records.iter().map(Created::of));
                    }
                    refusals.collection_refused(&collection.records, part)?;
                }
            }
        }
        refusals.close()?;
        Settler::new(self.context).settle_parts(intent.at, unclear)
    }

    /// Sends a request, and reads its answer: a part for each of its collections.
    fn answer(&mut self, request: &Request) -> Result<Vec<Part>, SendFailure> {
        let verb = request.collections.first().map(|collection| collection.verb);
        let method = match verb {
            Some(Verb::Update) if request.form() != Form::Composite => Method::Patch,
            _ => Method::Post,
        };
        let org = self.context.org;
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
        self.context.host().log(
            Level::Warn,
            "a request that writes got no answer",
            &[("records", request.len().to_string()), ("why", format!("{stopped:?}"))],
        );
        // Whatever came of it, its records are gone through again.
        self.context.job.again();
        self.context.job.moved = true;
        if let SendFailure::Refused(refused) = &stopped
            && Refusals::new(self.context).request_refused(request, refused)?
        {
            self.context.got_somewhere = true;
            self.context.settled = true;
            return Ok(());
        }
        if without_effect {
            self.context.settled = true;
            return Err(stopped.into());
        }
        match stopped {
            SendFailure::Host(error) => Err((*error).into()),
            stopped if self.context.host().requests_left() == 0 || self.context.org.asks_to_wait().is_some() => {
                // The next call begins with what came of it.
                Err(stopped.into())
            }
            stopped => {
                self.context.job.unanswered = self.context.job.unanswered.saturating_add(1);
                let times = self.context.job.unanswered;
                Settler::new(self.context).settle()?;
                if times > MAX_UNANSWERED {
                    // The host tries again, and then ends the restore; the same restore goes on later.
                    self.context.got_somewhere = false;
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
