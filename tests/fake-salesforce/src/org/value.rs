//! Values of fields, how they compare in SOQL, and the exact JSON that REST gives for them.
//!
//! Rule kept here: a number is its printed digits. It is never taken through a float, in or out.

use std::{cmp::Ordering, io::Write as _, sync::Arc};

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::org::{filed::FiledBody, generate::dice, record_id::RecordId};

/// The value of one field of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Checkbox.
    Bool(bool),
    /// Any text, picklist values too.
    Text(String),
    /// A number as it is printed: `12`, `1234567890123456.78`, `1.6147805824397E13`.
    Number(String),
    /// A day.
    Date(NaiveDate),
    /// A moment; Salesforce keeps whole seconds.
    DateTime(DateTime<Utc>),
    /// Milliseconds after midnight.
    Time(u32),
    /// An id, the row's own or of a row that it refers to.
    Id(RecordId),
    /// An address.
    Address(Box<Address>),
    /// A place: latitude and longitude as printed.
    Location(String, String),
    /// A binary body. JSON shows where to get it.
    Blob(Blob),
}

/// The parts of a compound address; each may be null.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the parts are named as in the answer")]
pub struct Address {
    pub city: Option<String>,
    pub country: Option<String>,
    pub geocode_accuracy: Option<String>,
    /// Digits.
    pub latitude: Option<String>,
    /// Digits.
    pub longitude: Option<String>,
    pub postal_code: Option<String>,
    pub state: Option<String>,
    pub street: Option<String>,
}

/// A binary body: made from a seed when it is read, or as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// So many bytes, each a function of the seed and its place.
    Generated {
        /// Bytes.
        length: u64,
        /// What they come from.
        seed: u64,
    },
    /// Bytes that a client sent.
    Stored(Arc<[u8]>),
    /// So many bytes that a client sent that they lie in a file.
    Filed(Arc<FiledBody>),
}

impl Blob {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Blob::Generated { length, .. } => *length,
            Blob::Stored(bytes) => bytes.len() as u64,
            Blob::Filed(body) => body.length(),
        }
    }

    /// The bytes from `offset`, at most `max` of them; none at the end. Costs no memory but for what it gives.
    pub fn read(&self, offset: u64, max: usize) -> Vec<u8> {
        let end = self.length().min(offset.saturating_add(max as u64));
        match self {
            Blob::Generated { seed, .. } => {
                let mut bytes = Vec::with_capacity(end.saturating_sub(offset) as usize + 8);
                let mut word = offset / 8;
                while word * 8 < end {
                    bytes.extend_from_slice(&dice(*seed, word).to_le_bytes());
                    word += 1;
                }
                let skip = (offset % 8) as usize;
                bytes.drain(..skip.min(bytes.len()));
                bytes.truncate(end.saturating_sub(offset) as usize);
                bytes
            }
            Blob::Filed(body) => body.read(offset, end.saturating_sub(offset) as usize),
            Blob::Stored(bytes) => bytes.get(offset as usize..end as usize).unwrap_or_default().to_vec(),
        }
    }
}

impl Value {
    /// Text, or null where it is empty: Salesforce keeps no empty texts.
    pub fn text(text: impl Into<String>) -> Value {
        let text = text.into();
        if text.is_empty() { Value::Null } else { Value::Text(text) }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The order of two values as SOQL sees it: numbers exactly by their digits, texts without regard to case, ids by ASCII.
    /// `None` where the types don't compare. Null is below everything.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        Some(match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => compare_texts(a, b),
            (Value::Number(a), Value::Number(b)) => compare_digits(a, b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
            (Value::DateTime(a), Value::Date(b)) => a.date_naive().cmp(b),
            (Value::Date(a), Value::DateTime(b)) => a.cmp(&b.date_naive()),
            (Value::Time(a), Value::Time(b)) => a.cmp(b),
            (Value::Id(a), Value::Id(b)) => a.cmp(b),
            (Value::Id(a), Value::Text(b)) => a.cmp(&b.parse().ok()?),
            (Value::Text(a), Value::Id(b)) => a.parse::<RecordId>().ok()?.cmp(b),
            _ => return None,
        })
    }

    /// Adds the value as JSON. `body_path` is where the body is read from, for blobs (`/services/data/v62.0/sobjects/…/Body`).
    pub fn write_json(&self, out: &mut Vec<u8>, body_path: impl FnOnce() -> String) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Text(text) => write_json_string(out, text),
            Value::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Value::Id(id) => {
                out.push(b'"');
                out.extend_from_slice(&id.bytes_18());
                out.push(b'"');
            }
            Value::Date(_) | Value::DateTime(_) | Value::Time(_) => {
                out.push(b'"');
                self.write_plain(out);
                out.push(b'"');
            }
            Value::Address(address) => address.write_json(out),
            Value::Location(latitude, longitude) => {
                let _ = write!(out, "{{\"latitude\":{latitude},\"longitude\":{longitude}}}"); // a Vec takes every write
            }
            Value::Blob(_) => write_json_string(out, &body_path()),
        }
    }

    /// The value as plain text: what stands between the quotes, empty for null.
    pub fn to_plain(&self) -> String {
        let mut out = Vec::new();
        self.write_plain(&mut out);
        String::from_utf8(out).unwrap_or_default() // made of texts alone
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        // Writing into a Vec can't fail.
        let _ = match self {
            Value::Null | Value::Blob(_) => Ok(()),
            Value::Bool(value) => write!(out, "{value}"),
            Value::Text(text) | Value::Number(text) => out.write_all(text.as_bytes()),
            Value::Date(d) => write!(out, "{:04}-{:02}-{:02}", d.year(), d.month(), d.day()),
            Value::DateTime(at) => write!(
                out,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+0000",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute(),
                at.second(),
                at.timestamp_subsec_millis()
            ),
            Value::Time(ms) => {
                write!(
                    out,
                    "{:02}:{:02}:{:02}.{:03}Z",
                    ms / 3_600_000,
                    ms / 60_000 % 60,
                    ms / 1000 % 60,
                    ms % 1000
                )
            }
            Value::Id(id) => out.write_all(&id.bytes_18()),
            Value::Address(address) => {
                address.write_json(out);
                Ok(())
            }
            Value::Location(latitude, longitude) => write!(out, "{latitude},{longitude}"),
        };
    }
}

impl Address {
    fn write_json(&self, out: &mut Vec<u8>) {
        let parts = [
            ("city", &self.city, true),
            ("country", &self.country, true),
            ("geocodeAccuracy", &self.geocode_accuracy, true),
            ("latitude", &self.latitude, false),
            ("longitude", &self.longitude, false),
            ("postalCode", &self.postal_code, true),
            ("state", &self.state, true),
            ("street", &self.street, true),
        ];
        for (i, (name, part, quoted)) in parts.into_iter().enumerate() {
            out.push(if i == 0 { b'{' } else { b',' });
            write_json_string(out, name);
            out.push(b':');
            match part {
                None => out.extend_from_slice(b"null"),
                Some(text) if quoted => write_json_string(out, text),
                Some(digits) => out.extend_from_slice(digits.as_bytes()),
            }
        }
        out.push(b'}');
    }

    /// Whether no part has a value; the whole is then null.
    pub fn is_empty(&self) -> bool {
        *self == Address::default()
    }
}

/// Adds a text as JSON string: UTF-8 as it is, control characters, quotes and backslashes escaped.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    // Serialising a str into a Vec can't fail.
    let _ = serde_json::to_writer(out, text);
}

fn compare_texts(a: &str, b: &str) -> Ordering {
    a.chars()
        .flat_map(char::to_lowercase)
        .cmp(b.chars().flat_map(char::to_lowercase))
}

/// The exact order of two printed numbers of any length.
fn compare_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (Decimal::parse(a), Decimal::parse(b));
    match (a.negative, b.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => a.compare_size(&b),
        (true, true) => b.compare_size(&a),
    }
}

/// Digits without leading zeros, and how many of them stand before the point.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn parse(text: &str) -> Decimal {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(0)),
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = all.iter().take_while(|d| **d == b'0').count();
        let mut digits = all[zeros..].to_vec();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let zero = digits.is_empty();
        let point = if zero {
            0
        } else {
            whole.len() as i64 - zeros as i64 + exponent
        };
        Decimal {
            negative: negative && !zero,
            digits,
            point,
        }
    }

    fn compare_size(&self, other: &Decimal) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn json(value: &Value) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out, || "/body".into());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_printed_as_rest_prints_them() {
        let at = DateTime::from_timestamp(1_603_400_603, 0).unwrap();
        assert_eq!(json(&Value::DateTime(at)), "\"2020-10-22T21:03:23.000+0000\"");
        assert_eq!(
            json(&Value::Date(NaiveDate::from_ymd_opt(2010, 1, 1).unwrap())),
            "\"2010-01-01\""
        );
        assert_eq!(json(&Value::Time(47_110_005)), "\"13:05:10.005Z\"");
        assert_eq!(json(&Value::Number("1.6147805824397E13".into())), "1.6147805824397E13");
        assert_eq!(json(&Value::Text("a\"b\\c\n\u{1f600}".into())), "\"a\\\"b\\\\c\\n\u{1f600}\"");
        assert_eq!(json(&Value::Blob(Blob::Generated { length: 5, seed: 1 })), "\"/body\"");
        let address = Address {
            country: Some("US".into()),
            ..Address::default()
        };
        assert_eq!(
            json(&Value::Address(Box::new(address))),
            "{\"city\":null,\"country\":\"US\",\"geocodeAccuracy\":null,\"latitude\":null,\"longitude\":null,\"postalCode\":null,\"state\":null,\"street\":null}"
        );
    }

    #[test]
    fn eighteen_digits_compare_exactly() {
        let number = |digits: &str| Value::Number(digits.into());
        let order = |a, b| number(a).compare(&number(b)).unwrap();
        assert_eq!(order("999999999999999998", "999999999999999999"), Ordering::Less);
        assert_eq!(order("1.6147805824397E13", "16147805824397"), Ordering::Equal);
        assert_eq!(order("-0.50", "-0.5"), Ordering::Equal);
        assert_eq!(order("0", "-0.0"), Ordering::Equal);
        assert_eq!(order("-2", "1e-3"), Ordering::Less);
        assert_eq!(order("0.05", "0.5"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn integers_compare_as_numbers(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(compare_digits(&a.to_string(), &b.to_string()), a.cmp(&b));
        }

        #[test]
        fn a_body_read_in_pieces_is_the_body(length in 0u64..5000, seed in any::<u64>(), piece in 1usize..700) {
            let blob = Blob::Generated { length, seed };
            let whole = blob.read(0, usize::MAX);
            let mut pieces = Vec::new();
            loop {
                let next = blob.read(pieces.len() as u64, piece);
                if next.is_empty() { break }
                pieces.extend(next);
            }
            prop_assert_eq!(whole.len() as u64, length);
            prop_assert_eq!(whole, pieces);
        }
    }
}
