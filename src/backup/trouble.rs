//! Requests that fail as a whole: narrowed to the objects that they were for, and told apart from an outage of the org.
//!
//! The rules of one object are in [`super::object`]; here is what concerns them all. Five different things that fail one after the
//! other, with no answer between them, are an outage: the run ends, nothing has failed by name, and the next one goes on.

use super::batch::Batch;
use super::object::Phase;
use crate::halt::Halt;
use crate::host::{ConnectorError, Failure, Host};
use crate::org::SendFailure;
use crate::salesforce::{ApiError, Class};

/// So many different things that fail one after the other are an outage.
const OUTAGE: usize = 5;

/// Seconds to wait after refusals, one after the other.
const WAITS: [u32; 4] = [5, 10, 20, 30];

/// The same where the org takes no more at once: that passes with the long requests of others, in minutes.
const BUSY_WAITS: [u32; 8] = [5, 10, 20, 30, 60, 120, 240, 300];

/// So many times in a row a run bears with it.
const MAX_BUSY: u8 = BUSY_WAITS.len() as u8;

/// The request failed for a reason that one of its parts may be the cause of, or that may pass.
pub(super) fn can_be_narrowed(stopped: &SendFailure) -> bool {
    match stopped {
        SendFailure::Broken(_) => true,
        SendFailure::Refused(refused) => {
            refused.may_pass() || (refused.status == 400 && refused.class() == Class::Unclear("refused"))
        }
        _ => false,
    }
}

/// The same as an error of Salesforce's, for texts.
pub(super) fn as_error(stopped: &SendFailure) -> ApiError {
    match stopped {
        SendFailure::Refused(refused) => refused.error(),
        SendFailure::NotSent(failure) | SendFailure::Broken(failure) | SendFailure::Differs(failure) => ApiError {
            code: failure.code.to_ascii_uppercase().replace('-', "_"),
            message: failure.message.clone(),
        },
        other => ApiError {
            code: "NOT_ANSWERED".to_owned(),
            message: format!("{other:?}"),
        },
    }
}

impl<H: Host> Batch<'_, '_, H> {
    /// A request for these objects failed as a whole, or broke off before it told of them. `whole`: the host had no answer.
    pub(super) fn narrow(&mut self, objects: &[usize], whole: bool, stopped: SendFailure) -> Result<(), ConnectorError> {
        let error = as_error(&stopped);
        let alone = matches!(objects, [object_ix] if self.checkpoint.objects[*object_ix].is_alone());
        self.log("a request gave no answer that could be read", &stopped);
        for object_ix in objects {
            let mut events = Vec::new();
            let object = &mut self.checkpoint.objects[*object_ix];
            if !object.has_ended() {
                object.request_failed(alone, whole, &error, &mut events);
            }
            self.tell(*object_ix, events)?;
        }
        if alone {
            self.end_busy();
        }
        if let Some(first) = objects.first() {
            self.troubled(*first, stopped);
        }
        Ok(())
    }

    /// A request of one object's own failed as a whole; true where that was once too often.
    pub(super) fn alone_failed(&mut self, object_ix: usize, stopped: SendFailure) -> bool {
        self.log("a request gave no answer that could be read", &stopped);
        self.end_busy();
        self.troubled(object_ix, stopped);
        self.checkpoint.objects[object_ix].failed_alone()
    }

    /// Takes note of what failed, and ends the run where it looks like an outage.
    pub(super) fn troubled(&mut self, object_ix: usize, stopped: SendFailure) {
        if !self.checkpoint.troubled.contains(&object_ix) {
            self.checkpoint.troubled.push(object_ix);
        }
        if self.checkpoint.troubled.len() >= OUTAGE {
            let failure = match stopped.into_error() {
                ConnectorError::Source(failure)
                | ConnectorError::Authorization(failure)
                | ConnectorError::Configuration(failure) => failure,
                other => Failure::new("org-unavailable", other.to_string()),
            };
            self.end(Halt::Blocked(Box::new(failure)));
        }
    }

    /// The org takes no more at this moment, whatever is asked for: that passes, or the run ends, and the next one goes on.
    pub(super) fn org_is_busy(&mut self) {
        self.end_busy();
        self.checkpoint.busy_in_a_row = self.checkpoint.busy_in_a_row.saturating_add(1);
        if self.checkpoint.busy_in_a_row > MAX_BUSY {
            self.checkpoint.busy_in_a_row = 0;
            let failure = Failure::new("org-busy", "the org takes no more requests at once, again and again")
                .remedy("find out what keeps it busy (its long-running requests); the same backup goes on later");
            self.end(Halt::Blocked(Box::new(failure)));
        }
    }

    /// Seconds until the next request, since the org is to be left alone for a while: what it asks for, or longer from one time to the
    /// next.
    pub(super) fn seconds_to_wait(&mut self) -> u32 {
        let own = match self.checkpoint.busy_in_a_row {
            0 => WAITS.get(usize::from(self.checkpoint.refused_in_a_row)).or(WAITS.last()),
            times => BUSY_WAITS.get(usize::from(times - 1)).or(BUSY_WAITS.last()),
        };
        self.checkpoint.refused_in_a_row = self.checkpoint.refused_in_a_row.saturating_add(1);
        self.org.asks_to_wait().max(own.copied()).unwrap_or_default()
    }

    /// An answer came.
    pub(super) fn answer_came(&mut self) {
        self.checkpoint.troubled.clear();
        (self.checkpoint.refused_in_a_row, self.checkpoint.busy_in_a_row) = (0, 0);
    }

    /// What failed is named, tried again by later backups, and read in full by them.
    pub(super) fn object_failed(&self, object_ix: usize, why: Failure) -> Result<(), ConnectorError> {
        let name = self.name(object_ix);
        super::again::failed(self.host(), name, &why)?;
        self.host().annotate(vec![crate::schema::no_mark(name)])?;
        self.host().failed(name, why);
        debug_assert_eq!(self.checkpoint.objects[object_ix].phase, Phase::Failed);
        Ok(())
    }
}
