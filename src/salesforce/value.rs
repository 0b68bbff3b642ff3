//! One form for each value, however it came: a record read by REST and by bulk gives the same bytes.
//!
//! REST writes datetimes as `2026-01-02T03:04:05.000+0000`, bulk as `…Z`; both write the same number as `12`, `12.0` or `1.2E1`;
//! JSON may escape what CSV doesn't, and CSV has one empty value for null and for the empty text, which Salesforce stores as null.
//! What is kept is REST's datetime, a number's digits without an exponent and without zeros that say nothing, and the shortest
//! escapes. No number passes through a float: all of its digits stay.

use serde::{Deserialize, Serialize};

/// What a field's values look like, as far as their form depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Text, and all that is written as one: ids, picklists, dates, times.
    #[default]
    #[serde(rename = "t")]
    Text,
    /// A number of any precision.
    #[serde(rename = "n")]
    Number,
    /// `true` or `false`.
    #[serde(rename = "b")]
    Boolean,
    /// A moment.
    #[serde(rename = "d")]
    DateTime,
    /// Any JSON value: CSV can't tell which one.
    #[serde(rename = "a")]
    Any,
}

/// A plain number has no more digits than this; a longer one keeps an exponent.
const MAX_PLAIN_DIGITS: i64 = 40;

/// A REST value in the one form that is kept.
pub fn canonical(value: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(value.len());
    write_json(&mut written, value);
    written
}

/// Writes a REST value: a JSON value without blanks around it.
pub(super) fn write_json(into: &mut Vec<u8>, value: &str) {
    match value.as_bytes().first() {
        Some(b'{' | b'[') => compact(into, value),
        Some(b'"') if value.contains('\\') => match serde_json::from_str::<String>(value) {
            Ok(text) => write_text(into, &text),
            // Half of a pair of surrogates: no text, but what the org says.
            Err(_) => into.extend_from_slice(value.as_bytes()),
        },
        Some(b'-' | b'0'..=b'9') => write_number(into, value),
        _ => into.extend_from_slice(value.as_bytes()),
    }
}

/// Writes a CSV value of a field as the JSON that REST gives of it.
pub(super) fn write_csv(into: &mut Vec<u8>, kind: Kind, value: &str) {
    match (kind, value) {
        (_, "") => into.extend_from_slice(b"null"),
        (Kind::Number, number) if is_number(number) => write_number(into, number),
        (Kind::Boolean, "true" | "false") => into.extend_from_slice(value.as_bytes()),
        (Kind::DateTime, moment) => match moment.strip_suffix('Z') {
            Some(utc) => write_text(into, &format!("{utc}+0000")),
            None => write_text(into, moment),
        },
        (_, text) => write_text(into, text),
    }
}

fn write_text(into: &mut Vec<u8>, text: &str) {
    // Writing a text to memory can't fail.
    let _ = serde_json::to_writer(into, text);
}

/// Whether a text is a JSON number.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        && matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
}

/// Writes a JSON number without exponent and without zeros that say nothing.
fn write_number(into: &mut Vec<u8>, number: &str) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let (Ok(exponent), true) = (exponent.parse::<i64>(), all.bytes().all(|byte| byte.is_ascii_digit())) else {
        into.extend_from_slice(number.as_bytes());
        return;
    };
    let digits = all.trim_start_matches('0');
    // Where the point stands, counted from the first digit that says something.
    let lead = i64::try_from(all.len() - digits.len()).unwrap_or(0);
    let point = i64::try_from(whole.len()).unwrap_or(0) - lead;
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        into.push(b'0');
        return;
    }
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let point = point.saturating_add(exponent);
    if negative {
        into.push(b'-');
    }
    if point.max(count) > MAX_PLAIN_DIGITS || count.saturating_sub(point) > MAX_PLAIN_DIGITS {
        into.extend_from_slice(&digits.as_bytes()[..1]);
        if count > 1 {
            into.push(b'.');
            into.extend_from_slice(&digits.as_bytes()[1..]);
        }
        into.extend_from_slice(format!("E{}", point.saturating_sub(1)).as_bytes());
        return;
    }
    let zeros = |into: &mut Vec<u8>, many: i64| into.extend((0..many).map(|_| b'0'));
    if point <= 0 {
        into.extend_from_slice(b"0.");
        zeros(into, -point);
        into.extend_from_slice(digits.as_bytes());
    } else if point >= count {
        into.extend_from_slice(digits.as_bytes());
        zeros(into, point - count);
    } else {
        let split = usize::try_from(point).unwrap_or(0);
        into.extend_from_slice(&digits.as_bytes()[..split]);
        into.push(b'.');
        into.extend_from_slice(&digits.as_bytes()[split..]);
    }
}

/// Copies a JSON value without blanks outside of strings.
pub(super) fn compact(into: &mut Vec<u8>, value: &str) {
    let (mut in_string, mut escaped) = (false, false);
    for byte in value.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        into.push(byte);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn json(value: &str) -> String {
        let mut into = Vec::new();
        write_json(&mut into, value);
        String::from_utf8(into).unwrap()
    }

    fn csv(kind: Kind, value: &str) -> String {
        let mut into = Vec::new();
        write_csv(&mut into, kind, value);
        String::from_utf8(into).unwrap()
    }

    #[test]
    fn the_same_value_has_one_form_however_it_came() {
        for (kind, rest, bulk, kept) in [
            (
                Kind::DateTime,
                "\"2023-10-22T06:25:12.000+0000\"",
                "2023-10-22T06:25:12.000Z",
                "\"2023-10-22T06:25:12.000+0000\"",
            ),
            (Kind::Number, "0", "0.0", "0"),
            (Kind::Number, "-0.0", "-0", "0"),
            (Kind::Number, "1.6147805824397E13", "16147805824397", "16147805824397"),
            (
                Kind::Number,
                "123456789012345678",
                "1.23456789012345678E17",
                "123456789012345678",
            ),
            (Kind::Number, "-1.5e-3", "-0.0015", "-0.0015"),
            (Kind::Number, "100.0", "1E2", "100"),
            (Kind::Number, "10.10", "10.1", "10.1"),
            (Kind::Number, "1E300", "1.0E+300", "1E300"),
            (Kind::Boolean, "true", "true", "true"),
            (Kind::Text, "null", "", "null"),
            (Kind::Text, "\"a\\u0026b\\/\\r\\nc\"", "a&b/\r\nc", "\"a&b/\\r\\nc\""),
            (Kind::Text, "\"12.0\"", "12.0", "\"12.0\""),
            (Kind::Text, "\"2023-10-22\"", "2023-10-22", "\"2023-10-22\""),
            (Kind::Text, "\"08:00:00.000Z\"", "08:00:00.000Z", "\"08:00:00.000Z\""),
        ] {
            assert_eq!(json(rest), kept, "by REST");
            assert_eq!(csv(kind, bulk), kept, "by bulk");
        }
    }

    #[test]
    fn what_does_not_fit_its_kind_stays_as_text() {
        assert_eq!(csv(Kind::Number, "n/a"), "\"n/a\"");
        assert_eq!(csv(Kind::Boolean, "TRUE"), "\"TRUE\"");
        assert_eq!(csv(Kind::DateTime, "yesterday"), "\"yesterday\"");
        assert_eq!(json(r#""\ud800""#), r#""\ud800""#);
    }

    proptest! {
        #[test]
        fn any_text_is_the_same_by_both_ways(text in ".+") {
            prop_assert_eq!(json(&serde_json::to_string(&text).unwrap()), csv(Kind::Text, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&csv(Kind::Text, &text)).unwrap(), text);
        }

        #[test]
        fn a_number_keeps_its_value(number in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?") {
            let kept = json(&number);
            let (a, b): (f64, f64) = (number.parse().unwrap(), kept.parse().unwrap());
            prop_assert_eq!(a, b, "{}", kept);
            prop_assert_eq!(json(&kept), kept.clone(), "the form is its own form");
            prop_assert_eq!(csv(Kind::Number, &number), kept);
        }

        #[test]
        fn no_value_makes_it_panic(value in any::<String>()) {
            json(&value);
            csv(Kind::Number, &value);
        }
    }
}
