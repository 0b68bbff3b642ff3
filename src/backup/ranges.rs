//! Ranges of Ids for the jobs of a large object, so that a job that is lost begins a part of it again and not all.
//!
//! Pure. An Id is a prefix of three characters that tells the object, and twelve digits to the base 62; Salesforce compares its
//! first 15 characters bytewise. What a range has of rows depends on how the Ids are spread; that together the ranges are all,
//! and no two have a row in common, doesn't.

/// A range has no more records than about so many.
const RANGE_ROWS: u64 = 5_000_000;

/// Nor more bytes of them: a job gives its records in no order, so that whoever reads them by key has all of a range before them.
const RANGE_BYTES: u64 = 640 * 1024 * 1024;

/// A checkpoint has all of them; counts that would need more are a mistake.
const MOST_RANGES: usize = 1_000;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of an Id that say which record it is.
const ID_CHARS: usize = 15;
const PREFIX_CHARS: usize = 3;

/// Into how many ranges so many records of so many bytes go.
pub fn how_many(rows: u64, row_bytes: u32) -> usize {
    let bytes = rows.saturating_mul(u64::from(row_bytes));
    let ranges = rows.div_ceil(RANGE_ROWS).max(bytes.div_ceil(RANGE_BYTES));
    usize::try_from(ranges).unwrap_or(MOST_RANGES).clamp(1, MOST_RANGES)
}

/// Ids that divide those from `first` to `last` in so many parts; fewer, where there aren't so many between them.
pub fn bounds(first: &str, last: &str, parts: usize) -> Vec<String> {
    let (Some(from), Some(to)) = (number(first), number(last)) else {
        return Vec::new();
    };
    if first.get(..PREFIX_CHARS) != last.get(..PREFIX_CHARS) || from >= to {
        return Vec::new();
    }
    let prefix = &first[..PREFIX_CHARS];
    let mut bounds: Vec<String> = (1..parts as u128)
        .map(|part| id(prefix, from + (to - from) / parts as u128 * part))
        .collect();
    bounds.dedup();
    bounds
}

fn number(id: &str) -> Option<u128> {
    let digits = id.as_bytes().get(PREFIX_CHARS..ID_CHARS)?;
    digits.iter().try_fold(0u128, |number, digit| {
        let value = DIGITS.iter().position(|known| known == digit)?;
        Some(number * 62 + value as u128)
    })
}

fn id(prefix: &str, mut number: u128) -> String {
    let mut digits = [b'0'; ID_CHARS - PREFIX_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    format!("{prefix}{}", String::from_utf8_lossy(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_is_bounded_by_records_and_by_bytes() {
        assert_eq!(
            (how_many(0, 500), how_many(300_000, 500), how_many(1_300_000, 500)),
            (1, 1, 1)
        );
        assert_eq!((how_many(5_000_001, 1), how_many(1_500_000, 1_400)), (2, 4));
    }

    #[test]
    fn what_is_no_span_of_ids_stays_one_range() {
        let id = "001000000000001AAA";
        assert!(bounds(id, id, 4).is_empty());
        assert!(bounds(id, "003000000000001AAA", 4).is_empty(), "another object's prefix");
        assert!(bounds("", "x", 4).is_empty() && bounds("001-00000000001", id, 4).is_empty());
        assert_eq!(bounds("001000000000000AAA", "001000000000004AAA", 2), ["001000000000002"]);
    }

    proptest! {
        #[test]
        fn bounds_rise_within_the_span(a in "[0-9A-Za-z]{12}", b in "[0-9A-Za-z]{12}", parts in 2usize..50) {
            let (first, last) = (format!("a0B{}", (&a).min(&b)), format!("a0B{}", (&a).max(&b)));
            let bounds = bounds(&first, &last, parts);
            prop_assert!(bounds.len() < parts);
            prop_assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(bounds.iter().all(|bound| bound.len() == 15 && *bound >= first && *bound <= last));
        }
    }
}
