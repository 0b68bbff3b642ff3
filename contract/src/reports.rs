//! What a connector tells while it works; `report` and `log` in `wit/`.

use serde::{Deserialize, Serialize};

/// What becomes of the records that a restore writes back, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Tally {
    /// Were gone, and were created anew.
    pub created: u64,
    /// Were there, and were given the snapshot's values.
    pub updated: u64,
    /// Were there, and only references that were empty were set again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub relinked: u64,
    /// Were there as they are in the snapshot.
    pub skipped: u64,
    /// Could not be written.
    pub failed: u64,
    /// May have been written, and nothing tells.
    pub ambiguous: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// With each number as `f` has it.
    #[must_use]
    pub fn map(self, f: impl Fn(u64) -> u64) -> Tally {
        Tally {
            created: f(self.created),
            updated: f(self.updated),
            relinked: f(self.relinked),
            skipped: f(self.skipped),
            failed: f(self.failed),
            ambiguous: f(self.ambiguous),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Tally) -> Tally {
        Tally {
            created: self.created.saturating_add(other.created),
            updated: self.updated.saturating_add(other.updated),
            relinked: self.relinked.saturating_add(other.relinked),
            skipped: self.skipped.saturating_add(other.skipped),
            failed: self.failed.saturating_add(other.failed),
            ambiguous: self.ambiguous.saturating_add(other.ambiguous),
        }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(tallies: I) -> Tally {
        tallies.fold(Tally::default(), Tally::and)
    }
}

/// What people should know of one record that a restore did not write back as it was; `outcome` in `wit/report.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordOutcome {
    /// Not written.
    Failed,
    /// May have been written; not sent again.
    Ambiguous,
    /// Written, but not with all of its values.
    Incomplete,
    /// Written, and reads back with another value than was sent.
    Differs,
}

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every decision.
    Debug,
    /// Milestones.
    Info,
    /// Something went another way than planned.
    Warn,
    /// Something failed.
    Error,
}
