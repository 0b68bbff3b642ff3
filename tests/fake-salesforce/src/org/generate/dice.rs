//! Randomness by address: the number at a place is a function of seed and place, so that any cell of any row can be computed alone.
//! A generator with a state can't do that, and one with a counter (ChaCha) costs more than the value made from it.

use chrono::{DateTime, Utc};

/// The random number at `place` of the sequence of `seed` (the finaliser of SplitMix64, twice).
pub(crate) fn dice(seed: u64, place: u64) -> u64 {
    scramble(scramble(seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The seed of something that has a name.
pub(crate) fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |seed, byte| dice(seed, u64::from(byte)))
}

/// When the generated rows of an object were created and touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// Seconds since 1970 of the first row.
    pub first: i64,
    /// Seconds in which all rows were created; the org is looked at right after.
    pub span: i64,
    /// Rows.
    pub rows: u64,
    /// So many rows in turn share one stamp.
    pub rows_per_stamp: u64,
    pub seed: u64,
}

impl Stamps {
    /// No row is touched later.
    pub fn latest(&self) -> DateTime<Utc> {
        at(self.first + self.span)
    }

    /// Rises with the ordinal.
    pub fn created(&self, ordinal: u64) -> DateTime<Utc> {
        at(self.created_seconds(ordinal))
    }

    fn created_seconds(&self, ordinal: u64) -> i64 {
        let block = ordinal - ordinal % self.rows_per_stamp;
        let share = u128::from(block) * self.span.unsigned_abs() as u128 / u128::from(self.rows.max(1));
        self.first + share as i64
    }

    /// At creation for rows of a bulk load and for a third of the others, later for the rest.
    pub fn last_modified(&self, ordinal: u64) -> DateTime<Utc> {
        let created = self.created_seconds(ordinal);
        let roll = dice(self.seed, ordinal);
        if self.rows_per_stamp > 1 || roll.is_multiple_of(3) {
            return at(created);
        }
        let rest = (self.first + self.span - created).max(1).unsigned_abs();
        at(created + (dice(self.seed, !ordinal) % rest) as i64)
    }

    /// Of people's last change, or a little later where the system touched the row itself.
    pub fn system_modstamp(&self, ordinal: u64) -> DateTime<Utc> {
        let modified = self.last_modified(ordinal);
        if self.rows_per_stamp == 1 && dice(self.seed, ordinal) % 8 == 1 {
            let latest = self.latest();
            return (modified + chrono::TimeDelta::seconds(2)).min(latest.max(modified));
        }
        modified
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
