//! What is promised of the numbers, and whether they keep it.

use crate::bench::table::times;
use serde::Serialize;

/// Fewer requests than the best of the others, by this factor, for a full backup.
pub const FULL_FACTOR: u64 = 5;
/// The same for an incremental.
pub const INCREMENTAL_FACTOR: u64 = 10;
/// Percent of the lower bound that may be used.
pub const BOUND_PERCENT: u64 = 110;

/// Something that numbers are held against.
#[derive(Debug, Serialize)]
pub struct BenchTarget {
    /// In words.
    pub wanted: String,
    /// In words, what was found.
    pub found: String,
    /// Whether it is so.
    pub reached: bool,
    /// Whether it is promised for this org; else it is only told.
    pub promised: bool,
}

impl BenchTarget {
    /// `ours` at least `factor` times in `theirs`; nobody to compare with is not reached.
    pub fn fewer(pass: &str, factor: u64, ours: u64, theirs: Option<(&str, u64)>) -> Self {
        Self {
            wanted: format!("{pass}: at least {factor} times fewer than the best other tool"),
            found: match theirs {
                Some((who, requests)) => {
                    format!("{} times fewer than {who} ({ours} against {requests})", times(requests, ours))
                }
                None => "no other tool has read everything".to_owned(),
            },
            reached: theirs.is_some_and(|(_, requests)| requests >= factor * ours),
            promised: true,
        }
    }

    /// `ours` within [`BOUND_PERCENT`] of the lower bound.
    pub fn near_bound(pass: &str, ours: u64, bound: u64) -> Self {
        Self {
            wanted: format!("{pass}: at most 1.10 times the lower bound"),
            found: match bound {
                0 => format!("{ours} against a bound of 0"),
                _ => format!("{:.2} times ({ours} against {bound})", ours as f64 / bound as f64),
            },
            reached: ours * 100 <= bound * BOUND_PERCENT,
            promised: true,
        }
    }

    /// All that was to be read is there.
    pub fn whole(pass: &str, differences: u64) -> Self {
        Self {
            wanted: format!("{pass}: every value of every record"),
            found: match differences {
                0 => "equal to the org's".to_owned(),
                some => format!("{some} records or objects differ"),
            },
            reached: differences == 0,
            promised: true,
        }
    }

    /// The same, but not promised.
    pub fn only_told(self) -> Self {
        Self { promised: false, ..self }
    }

    /// Whether a promise was broken.
    pub fn is_missed(&self) -> bool {
        self.promised && !self.reached
    }

    /// One line.
    pub fn line(&self) -> String {
        let verdict = match (self.reached, self.promised) {
            (true, _) => "reached",
            (false, true) => "MISSED",
            (false, false) => "not reached, not promised for this org",
        };
        format!("{verdict}: {}: {}\n", self.wanted, self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_factor_is_reached_and_one_request_more_is_not() {
        assert!(BenchTarget::fewer("full", 5, 100, Some(("x", 500))).reached);
        assert!(!BenchTarget::fewer("full", 5, 100, Some(("x", 499))).reached);
        assert!(!BenchTarget::fewer("full", 5, 100, None).reached);
    }

    #[test]
    fn what_is_only_told_is_never_missed() {
        let missed = BenchTarget::near_bound("full", 111, 100);
        assert!(missed.is_missed());
        assert!(!missed.only_told().is_missed());
    }

    #[test]
    fn ten_percent_over_the_bound_is_reached_and_more_is_not() {
        assert!(BenchTarget::near_bound("full", 110, 100).reached);
        assert!(!BenchTarget::near_bound("full", 111, 100).reached);
    }
}
