//! Fills requests without sending them, to tell how many it will take.
//!
//! Pure. As [`crate::restore::write::fill`] does it, but in one walk.

use crate::restore::request::{Added, Placed, Request, Verb};
use crate::salesforce::limits::{COLLECTION_RECORDS, COMPOSITE_QUERIES, SINGLES, SUBREQUESTS};

/// See the module.
#[derive(Debug, Default)]
pub struct Rehearsal {
    request: Request,
    /// Records that had no room in it: the next one has them.
    passed: Vec<(Verb, Placed)>,
    /// Requests that were full.
    full: u64,
    /// Records that are changed when all others are there.
    last: u64,
}

impl Rehearsal {
    /// The request that is being filled.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// A record comes next.
    pub fn add(&mut self, verb: Verb, after: Option<usize>, record: Placed) {
        match self.request.add(verb, after, record.clone()) {
            Added::Yes => {}
            Added::NotThis => self.passed.push((verb, record)),
            Added::Full => {
                self.next();
                self.add(verb, None, record);
            }
        }
    }

    /// A record is changed when all others are there.
    pub fn add_last(&mut self) {
        self.last += 1;
    }

    /// Another request begins.
    fn next(&mut self) {
        self.full += 1;
        self.request = Request::default();
        for (verb, record) in std::mem::take(&mut self.passed) {
            if self.request.add(verb, None, record.clone()) != Added::Yes {
                self.passed.push((verb, record));
            }
        }
    }

    /// Requests that it takes.
    pub fn requests(mut self) -> u64 {
        while !self.passed.is_empty() {
            self.next();
        }
        let parts = self.request.collections.len();
        let free = match self.request.is_empty() {
            true => 0,
            false => {
                COMPOSITE_QUERIES.saturating_sub(parts) * COLLECTION_RECORDS
                    + SUBREQUESTS.saturating_sub(parts.max(COMPOSITE_QUERIES))
            }
        };
        let others = self.last.saturating_sub(free as u64);
        self.full
            + u64::from(!self.request.is_empty())
            + others.div_ceil((COMPOSITE_QUERIES * COLLECTION_RECORDS + SINGLES) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: usize) -> Placed {
        Placed::named("A", &format!("A{n:05}"), false)
    }

    fn of(created: usize, changed: usize) -> u64 {
        let mut rehearsal = Rehearsal::default();
        for n in 0..created {
            rehearsal.add(Verb::Create, None, record(n));
        }
        for _ in 0..changed {
            rehearsal.add_last();
        }
        rehearsal.requests()
    }

    #[test]
    fn what_is_changed_last_shares_a_request_with_what_is_created() {
        assert_eq!([of(0, 0), of(1, 0), of(0, 1), of(1, 1)], [0, 1, 1, 1]);
        assert_eq!([of(1_000, 1), of(1_000, 21), of(800, 220), of(800, 221)], [1, 2, 1, 2]);
        assert_eq!([of(3_107, 1_211), of(2_000, 2_000)], [5, 4]);
    }

    #[test]
    fn what_has_no_room_is_in_the_next_request() {
        let mut rehearsal = Rehearsal::default();
        for n in 0..SUBREQUESTS {
            rehearsal.add(Verb::Create, n.checked_sub(1), record(n));
        }
        rehearsal.add(Verb::Create, Some(SUBREQUESTS - 1), record(99));
        assert_eq!(rehearsal.requests(), 2);
    }
}
