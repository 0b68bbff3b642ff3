//! The bound on numbers that a connector reports: a source, or a connector, may name any, and sums of them have to stay numbers.

/// The largest number of records, requests or bytes that is taken for one of an object.
pub const MAX_COUNT: u64 = 1 << 43;

/// A reported number as it is taken: at most [`MAX_COUNT`].
pub fn clamp_count(number: u64) -> u64 {
    number.min(MAX_COUNT)
}
