//! The one clock of the double: quota windows, locators, sessions, `latestDateCovered` and the dates of SOQL
//! literals all read it, so that a test crosses 24 hours without waiting.
//!
//! Not for: delays of faults, which are real time on the wire.
//! Rule: the clock never goes backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of one minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds of one hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds of one day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// How a clock runs between the calls that move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It stands still until it is moved.
    Virtual,
    /// It follows the machine's clock, shifted by what it was advanced.
    Real,
}

/// A shared clock in milliseconds since 1970-01-01T00:00:00Z; clones are handles to the same clock.
#[derive(Clone, Debug)]
pub struct OrgClock {
    pace: Pace,
    /// Virtual: the time itself. Real: what is added to the machine's clock.
    value_ms: Arc<AtomicI64>,
}

impl OrgClock {
    /// A clock that stands at `now_ms` until it is moved.
    #[must_use]
    pub fn starting_at(now_ms: i64) -> Self {
        Self {
            pace: Pace::Virtual,
            value_ms: Arc::new(AtomicI64::new(now_ms)),
        }
    }

    /// A clock that runs with the machine's, and can be moved ahead of it.
    #[must_use]
    pub fn real() -> Self {
        Self::behind(0)
    }

    /// A clock that runs with the machine's, so many milliseconds behind it until it's moved.
    #[must_use]
    pub fn behind(by_ms: i64) -> Self {
        Self {
            pace: Pace::Real,
            value_ms: Arc::new(AtomicI64::new(-by_ms)),
        }
    }

    /// The time now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let value = self.value_ms.load(Ordering::SeqCst);
        match self.pace {
            Pace::Virtual => value,
            Pace::Real => machine_now_ms() + value,
        }
    }

    /// Moves the clock ahead; a negative amount is taken as none.
    pub fn advance(&self, by_ms: i64) {
        self.value_ms.fetch_add(by_ms.max(0), Ordering::SeqCst);
    }

    /// Moves the clock to a time; an earlier time than now changes nothing.
    pub fn set(&self, to_ms: i64) {
        let target = match self.pace {
            Pace::Virtual => to_ms,
            Pace::Real => to_ms - machine_now_ms(),
        };
        self.value_ms.fetch_max(target, Ordering::SeqCst);
    }
}

/// The machine's own clock; a machine before 1970 reads 0.
fn machine_now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_when_told_and_never_back() {
        let clock = OrgClock::starting_at(1_000);
        let handle = clock.clone();
        handle.advance(500);
        assert_eq!(clock.now_ms(), 1_500);
        clock.set(1_200);
        clock.advance(-300);
        assert_eq!(handle.now_ms(), 1_500);
        clock.set(9_000);
        assert_eq!(handle.now_ms(), 9_000);
    }

    #[test]
    fn a_clock_that_is_behind_catches_up_when_it_is_moved() {
        let clock = OrgClock::behind(DAY_MS);
        assert!(clock.now_ms() <= machine_now_ms() - DAY_MS);
        clock.advance(DAY_MS);
        assert!(machine_now_ms() - clock.now_ms() < MINUTE_MS);
    }

    #[test]
    fn a_real_clock_can_be_ahead_of_the_machine() {
        let clock = OrgClock::real();
        let before = machine_now_ms();
        clock.advance(DAY_MS);
        assert!(clock.now_ms() >= before + DAY_MS);
    }
}
