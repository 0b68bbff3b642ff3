//! The rolling window of 24 hours over which an org's requests are counted.
//!
//! Responsible for: who sent how many at which time, and how many of them count at a given time.
//! Rule: a request counts from the moment it was made until exactly 24 hours later; there is no hour of reset.

use std::collections::VecDeque;

use crate::clock::{DAY_MS, HOUR_MS};

/// Whose request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The client that is being tested.
    Client,
    /// Every other application of the org.
    Others,
}

/// Requests of one millisecond.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at_ms: i64,
    client: u64,
    others: u64,
}

/// How many count at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowUsage {
    /// Requests of the client that is being tested.
    pub client: u64,
    /// Requests of all other applications.
    pub others: u64,
}

impl WindowUsage {
    /// Of all applications together: what Salesforce reports.
    #[must_use]
    pub fn total(self) -> u64 {
        self.client + self.others
    }
}

/// How far back a reading may lag behind; moments are kept that much longer than they count.
pub const LONGEST_LAG_MS: i64 = HOUR_MS;

/// Requests by time, oldest first.
#[derive(Debug, Default)]
pub struct RequestWindow {
    moments: VecDeque<Moment>,
}

impl RequestWindow {
    /// Enters requests made at a time. Times may come in any order.
    pub fn record(&mut self, at_ms: i64, by: By, count: u64) {
        if count == 0 {
            return;
        }
        let index = self.moments.partition_point(|m| m.at_ms < at_ms);
        if self.moments.get(index).is_none_or(|m| m.at_ms != at_ms) {
            self.moments.insert(
                index,
                Moment {
                    at_ms,
                    client: 0,
                    others: 0,
                },
            );
        }
        let moment = &mut self.moments[index];
        match by {
            By::Client => moment.client += count,
            By::Others => moment.others += count,
        }
    }

    /// What counts at a time: everything made in the 24 hours up to it.
    #[must_use]
    pub fn usage_at(&self, at_ms: i64) -> WindowUsage {
        self.moments
            .iter()
            .filter(|m| m.at_ms <= at_ms && m.at_ms > at_ms - DAY_MS)
            .fold(WindowUsage::default(), |sum, m| WindowUsage {
                client: sum.client + m.client,
                others: sum.others + m.others,
            })
    }

    /// Forgets what can't count any more, in no reading however late.
    pub fn forget_before(&mut self, now_ms: i64) {
        while self
            .moments
            .front()
            .is_some_and(|m| m.at_ms <= now_ms - DAY_MS - LONGEST_LAG_MS)
        {
            self.moments.pop_front();
        }
    }

    /// Takes requests away, oldest first and those of others first: how a test makes the reading fall.
    pub fn remove(&mut self, mut count: u64) {
        for by in [By::Others, By::Client] {
            for moment in &mut self.moments {
                let held = match by {
                    By::Client => &mut moment.client,
                    By::Others => &mut moment.others,
                };
                let taken = count.min(*held);
                *held -= taken;
                count -= taken;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::HOUR_MS;

    #[test]
    fn the_worked_example_of_the_documentation_holds() {
        // Developer Edition, 15,000: 14,500 at 05:00 on Wednesday, 499 at 23:00; one more until 05:00 on Thursday.
        let mut window = RequestWindow::default();
        window.record(5 * HOUR_MS, By::Others, 14_500);
        window.record(23 * HOUR_MS, By::Client, 499);
        assert_eq!(window.usage_at(24 * HOUR_MS).total(), 14_999);
        assert_eq!(window.usage_at(29 * HOUR_MS - 1).total(), 14_999);
        assert_eq!(window.usage_at(29 * HOUR_MS).total(), 499);
    }

    proptest! {
        #[test]
        fn usage_is_the_sum_of_the_last_day_whatever_the_order(
            events in prop::collection::vec((0i64..3 * DAY_MS, 0u64..50, any::<bool>()), 0..60),
            at in 0i64..3 * DAY_MS,
        ) {
            let mut window = RequestWindow::default();
            for (at_ms, count, client) in &events {
                window.record(*at_ms, if *client { By::Client } else { By::Others }, *count);
            }
            let expected: u64 = events.iter().filter(|(t, _, _)| *t <= at && *t > at - DAY_MS).map(|(_, n, _)| n).sum();
            prop_assert_eq!(window.usage_at(at).total(), expected);
            window.forget_before(at);
            prop_assert_eq!(window.usage_at(at).total(), expected);
        }

        #[test]
        fn taking_away_takes_exactly_that_much(first in 0u64..100, second in 0u64..100, taken in 0u64..250) {
            let mut window = RequestWindow::default();
            window.record(1, By::Client, first);
            window.record(2, By::Others, second);
            window.remove(taken);
            prop_assert_eq!(window.usage_at(2).total(), (first + second).saturating_sub(taken));
        }
    }
}
