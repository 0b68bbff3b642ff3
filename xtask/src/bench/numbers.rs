//! Numbers in JSON in one way of writing, with all their digits: `12`, `12.0` and `1.2E1` are one number.
//!
//! The rule: nothing is rounded and no number goes through a float.

use std::ops::Range;

/// Writes a line of JSON with every number in the one way; everything else stays byte by byte.
pub fn write_plainly(line: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let taken = match rest[0] {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => number_length(rest),
            _ => 1,
        };
        match rest[0] {
            b'-' | b'0'..=b'9' => write_number(&rest[..taken], out),
            _ => out.extend_from_slice(&rest[..taken]),
        }
        at += taken;
    }
}

/// Whether two JSON values are the same but for how numbers are written.
pub fn are_equal(left: &str, right: &str) -> bool {
    let plain = |text: &str| {
        let mut out = Vec::new();
        write_plainly(text.as_bytes(), &mut out);
        out
    };
    left == right || plain(left) == plain(right)
}

fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn number_length(text: &[u8]) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len())
}

/// As its significant digits and a power of ten.
fn write_number(text: &[u8], out: &mut Vec<u8>) {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let exponent_at = text.iter().position(|byte| b"eE".contains(byte));
    let (mantissa, exponent) = match exponent_at {
        Some(at) => (
            &text[..at],
            std::str::from_utf8(&text[at + 1..]).ok().and_then(|e| e.parse::<i64>().ok()),
        ),
        None => (text, Some(0)),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let Some((exponent, kept)) = exponent.zip(significant(&digits)) else {
        // Zero, however it is written; or no number, which then stays as it is.
        match digits.iter().all(|digit| *digit == b'0') && !digits.is_empty() {
            true => out.push(b'0'),
            false => out.extend_from_slice(text),
        }
        return;
    };
    let power = point as i64 - kept.end as i64 + exponent;
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[kept]);
    out.extend_from_slice(format!("e{power}").as_bytes());
}

/// Where the digits are without the zeros around them; none where there are zeros only.
fn significant(digits: &[u8]) -> Option<Range<usize>> {
    let first = digits.iter().position(|digit| *digit != b'0')?;
    let last = digits.iter().rposition(|digit| *digit != b'0')?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::are_equal;

    #[test]
    fn ways_of_writing_one_number_are_equal() {
        for (left, right) in [
            ("12", "12.0"),
            ("12", "1.2E1"),
            ("9.305438E-9", "0.000000009305438"),
            ("1.6147805824397E13", "16147805824397"),
            ("-3.4383706E8", "-343837060"),
            ("0", "0.0"),
            ("-0.0", "0"),
            ("[100,1e+2]", "[1e2,100.00]"),
        ] {
            assert!(are_equal(left, right), "{left} {right}");
        }
    }

    #[test]
    fn other_numbers_and_other_texts_are_not() {
        for (left, right) in [
            ("12", "120"),
            ("12", "-12"),
            ("1234567890123456789", "1234567890123456788"),
            ("0.1", "0.10000000000000001"),
            ("\"12\"", "\"12.0\""),
            ("\"a\\\"1\"", "\"a\\\"1.0\""),
            ("null", "0"),
        ] {
            assert!(!are_equal(left, right), "{left} {right}");
        }
    }
}
