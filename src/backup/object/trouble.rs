//! Trouble: requests for an object that fail as a whole, refusals that may pass, fields that queries refuse, and the end of an object
//! that can't be read.
//!
//! A request that fails as a whole (5xx, no answer, bytes that can't be read) is narrowed: each of the objects that it was for is
//! then asked for alone, and pages until the record is found that makes them fail ([`super::records`]). What can't be narrowed so is
//! sent alone three times at most; then the object has failed, by name, and the others go on. An object that failed in an earlier
//! backup gets one attempt.

use super::{Event, MAX_TRIES, Object, PageStep, Phase, Range, Strategy, skipped};
use crate::host::Failure;
use crate::salesforce::limits::MIN_PAGE_ROWS;
use crate::salesforce::{ApiError, Class, named_column};

/// From so many failures on it is asked for alone.
const ALONE: u8 = 2;

/// With so many it has failed: three of them alone.
const FAILED: u8 = ALONE + 3;

/// A refusal that nobody knows is tried once more.
const UNKNOWN_TRIES: u8 = 2;

/// What takes too long however little is asked for is tried twice more.
const TIMED_OUT_TRIES: u8 = 3;

/// A refusal of a page that may pass is narrowed from so many on.
const NARROWED_FROM: u8 = 3;

/// Codes of reasons that lie in an object's nature, where they come at its first read (61 of 406 objects of a recorded org).
const NATURES: [&str; 8] = [
    "needs-filter",
    "no-query",
    "not-visible",
    "no-access",
    "external-object",
    "feature-disabled",
    "big-object",
    "no-second-page",
];

/// Whether an object with this reason can't be read by its nature.
pub fn by_nature(code: &str) -> bool {
    NATURES.contains(&code)
}

impl Object {
    /// It is asked for in a request of its own.
    pub fn is_alone(&self) -> bool {
        self.failures >= ALONE || self.has_one_attempt() || self.narrowing().is_some() || self.asks_again()
    }

    /// Its next query asks for a record that an earlier backup could not read.
    pub fn asks_again(&self) -> bool {
        self.step() == Some(PageStep::Asking)
    }

    /// It failed in an earlier backup: what fails now isn't sent again.
    pub fn has_one_attempt(&self) -> bool {
        self.failed_before
    }

    /// The host makes one attempt of a request for it alone: what it would try again goes into the search.
    pub fn is_sent_once(&self) -> bool {
        self.has_one_attempt() || self.asks_again() || (self.is_alone() && self.can_be_narrowed())
    }

    /// A request for it alone has one page.
    pub fn has_one_page(&self) -> bool {
        self.narrowing().is_some() || (!self.can_be_narrowed() && !self.has_one_attempt())
    }

    /// A request failed as a whole that was for this object too. `alone`: for nothing else. `whole`: the host tried it as often as
    /// it does; what broke off within its body it had only once.
    pub fn request_failed(&mut self, alone: bool, whole: bool, error: &ApiError, events: &mut Vec<Event>) {
        if self.asks_again() {
            return self.asked_in_vain(error, events);
        }
        if alone && self.can_be_narrowed() && !self.has_one_attempt() {
            return self.narrow(error, events);
        }
        self.failures = match (alone, whole) {
            (true, _) => self.failures.max(ALONE) + 1,
            (false, true) => self.failures.max(ALONE),
            (false, false) => self.failures + 1,
        };
        if self.failures >= FAILED || (alone && self.has_one_attempt()) {
            self.fail("not-answered", error, events);
        } else if alone && !matches!(self.phase, Phase::Describing(_)) {
            self.batch_size = Some(MIN_PAGE_ROWS.min(self.rows_a_page()));
        }
    }

    /// A page of it was refused so often, each time for a reason that may pass, that one record may be the cause.
    fn is_worth_narrowing(&self) -> bool {
        let often = self.narrowing().is_some() || self.tries >= NARROWED_FROM;
        often && self.can_be_narrowed() && !self.has_one_attempt()
    }

    /// Something of it came: what failed before has passed.
    pub fn got_on(&mut self) {
        self.failures = 0;
    }

    /// A passing reason; one too many ends it.
    pub fn try_again(&mut self, code: &'static str, error: &ApiError, events: &mut Vec<Event>) {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= MAX_TRIES || self.has_one_attempt() {
            self.fail(code, error, events);
        }
    }

    /// A request of its own failed, by all attempts of the host; true with the third, or where it failed in an earlier backup.
    pub fn failed_alone(&mut self) -> bool {
        self.tries = self.tries.saturating_add(MAX_TRIES / 3);
        self.tries >= MAX_TRIES || self.failed_before
    }

    /// It took too long: fewer rows, then a job, which Salesforce cuts in chunks by itself.
    pub(super) fn timed_out(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        if self.rows_a_page() > MIN_PAGE_ROWS {
            self.batch_size = Some((self.rows_a_page() / 4).max(MIN_PAGE_ROWS));
            return;
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries < TIMED_OUT_TRIES && !self.has_one_attempt() {
            return;
        }
        if self.bulk_able && self.strategy == Strategy::Keyset && self.reads_rows() && !self.failed_before {
            self.tries = 0;
            self.read_by_job(Range::default());
            self.counts.received = 0;
            return;
        }
        self.fail("query-timeout", error, events);
    }

    /// A query names a column that isn't there. Its describe is asked for again once; what that lists all the same is left out.
    pub fn field_refused(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        let column = named_column(&error.message).filter(|name| *name != "Id");
        if !self.described_again {
            self.describe_again();
            return;
        }
        match column {
            Some(column) if !self.left_out.iter().any(|left_out| left_out == column) => {
                self.left_out.push(column.to_owned());
                events.push(Event::Remark(
                    Failure::new(
                        "fields-not-readable",
                        format!(
                            "{}: queries refuse the field {column}, though its describe lists it",
                            self.name
                        ),
                    )
                    .remedy("the records are read without it; the next backup tries it again")
                    .about(&self.name)
                    .detail("fields", column),
                ));
            }
            _ => self.fail("unknown-field", error, events),
        }
    }

    /// Refused in words that nobody knows: once more, then it has failed.
    pub fn refused_unclearly(&mut self, code: &'static str, error: &ApiError, events: &mut Vec<Event>) {
        if by_nature(code) {
            return self.skip(code, error, events);
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries >= UNKNOWN_TRIES || self.has_one_attempt() {
            self.fail(code, error, events);
        }
    }

    /// Gives it up, with the reason in Salesforce's own words: skipped where that lies in its nature, and failed where it was read
    /// before.
    pub fn skip(&mut self, code: &str, error: &ApiError, events: &mut Vec<Event>) {
        if self.came || self.since.is_some() || !by_nature(code) {
            return self.fail(code, error, events);
        }
        self.phase = Phase::Skipped;
        events.push(Event::Skipped(skipped(&self.name, code, error, self.counts.received)));
    }

    /// It could not be read.
    pub fn fail(&mut self, code: &str, error: &ApiError, events: &mut Vec<Event>) {
        self.phase = Phase::Failed;
        events.push(Event::Failed(skipped(&self.name, code, error, self.counts.received)));
    }

    /// A request for it was refused for a reason that has nothing to do with the kind of request; true where that was it.
    pub(super) fn refused_in_general(&mut self, class: Class, error: &ApiError, events: &mut Vec<Event>) -> bool {
        match class {
            // The batch hears it in the answer as a whole, and ends.
            Class::DailyLimit => {}
            Class::Later if self.is_worth_narrowing() => {
                events.push(Event::Busy);
                self.narrow(error, events);
            }
            Class::Later | Class::Session => {
                events.push(Event::Busy);
                self.try_again("not-answered", error, events);
            }
            _ => return false,
        }
        true
    }
}
