//! Rows as bulk results have them: every value in quotes, null and empty text alike `""`, line ends inside of values kept.
//!
//! Values look different from REST's in two ways that were seen in the field: a moment ends in `Z` instead of `+0000`, and a number
//! of a type with a fraction is printed as Java prints a double (`12.0`, `1.23E7`) where REST printed an integer.
//! Rule: no digit is lost: a number with more digits than a double holds keeps them.

use crate::org::{FieldType, Value};

/// What parts columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Salesforce's own")]
pub enum Delimiter {
    Backquote,
    Caret,
    #[default]
    Comma,
    Pipe,
    Semicolon,
    Tab,
}

impl Delimiter {
    const ALL: [(Self, &'static str, u8); 6] = [
        (Self::Backquote, "BACKQUOTE", b'`'),
        (Self::Caret, "CARET", b'^'),
        (Self::Comma, "COMMA", b','),
        (Self::Pipe, "PIPE", b'|'),
        (Self::Semicolon, "SEMICOLON", b';'),
        (Self::Tab, "TAB", b'\t'),
    ];

    /// By its name in the API.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, _)| *n == name).map(|(d, _, _)| *d)
    }

    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(d, _, _)| *d == self).map_or("COMMA", |(_, n, _)| n)
    }

    /// The sign itself.
    #[must_use]
    pub fn sign(self) -> u8 {
        Self::ALL.iter().find(|(d, _, _)| *d == self).map_or(b',', |(_, _, s)| *s)
    }
}

/// What ends a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Salesforce's own")]
pub enum LineEnding {
    #[default]
    Lf,
    Crlf,
}

impl LineEnding {
    /// By its name in the API.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "LF" => Some(Self::Lf),
            "CRLF" => Some(Self::Crlf),
            _ => None,
        }
    }

    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lf => "LF",
            Self::Crlf => "CRLF",
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// What parts columns.
    pub delimiter: Delimiter,
    /// What ends a row.
    pub line_ending: LineEnding,
}

impl Dialect {
    /// Adds a row of texts.
    pub fn write_texts<'a>(self, texts: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        for (place, text) in texts.enumerate() {
            if place > 0 {
                out.push(self.delimiter.sign());
            }
            quote(text, out);
        }
        self.end_row(out);
    }

    /// Adds a row of values, each with its field's type where it has one.
    pub fn write_values(self, values: impl Iterator<Item = (Value, Option<FieldType>)>, out: &mut Vec<u8>) {
        for (place, (value, kind)) in values.enumerate() {
            if place > 0 {
                out.push(self.delimiter.sign());
            }
            match &value {
                Value::Null => out.extend_from_slice(b"\"\""),
                Value::Text(text) => quote(text, out),
                Value::Number(digits) => quote(&printed_number(digits, kind), out),
                Value::DateTime(_) => quote(&value.to_plain().replace("+0000", "Z"), out),
                other => quote(&other.to_plain(), out),
            }
        }
        self.end_row(out);
    }

    fn end_row(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.line_ending {
            LineEnding::Lf => b"\n",
            LineEnding::Crlf => b"\r\n",
        });
    }
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        out.extend_from_slice(&rest.as_bytes()[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Digits that a double holds without loss.
const DOUBLE_DIGITS: usize = 15;

/// Integers of types with a fraction as Java prints doubles; everything else as it is.
fn printed_number(digits: &str, kind: Option<FieldType>) -> String {
    let has_fraction = matches!(kind, Some(FieldType::Double | FieldType::Currency | FieldType::Percent));
    let (sign, whole) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let is_integer = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    if !has_fraction || !is_integer || whole.len() > DOUBLE_DIGITS {
        return digits.to_owned();
    }
    if whole.len() <= 7 {
        return format!("{sign}{whole}.0");
    }
    let (lead, rest) = whole.split_at(1);
    let rest = rest.trim_end_matches('0');
    format!(
        "{sign}{lead}.{}E{}",
        if rest.is_empty() { "0" } else { rest },
        whole.len() - 1
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn row(values: Vec<(Value, Option<FieldType>)>, dialect: Dialect) -> String {
        let mut out = Vec::new();
        dialect.write_values(values.into_iter(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_quoted_and_null_is_an_empty_text() {
        let values = vec![
            (Value::Text("a \"b\"\nc".into()), Some(FieldType::Textarea)),
            (Value::Null, Some(FieldType::Int)),
            (Value::Bool(true), Some(FieldType::Boolean)),
            (
                Value::DateTime(chrono::DateTime::from_timestamp(1_697_955_912, 0).unwrap()),
                Some(FieldType::Datetime),
            ),
        ];
        assert_eq!(
            row(values, Dialect::default()),
            "\"a \"\"b\"\"\nc\",\"\",\"true\",\"2023-10-22T06:25:12.000Z\"\n"
        );
    }

    #[test]
    fn delimiter_and_line_ending_are_those_asked_for() {
        let dialect = Dialect {
            delimiter: Delimiter::named("PIPE").unwrap(),
            line_ending: LineEnding::named("CRLF").unwrap(),
        };
        let text = |t: &str| (Value::Text(t.into()), None);
        assert_eq!(row(vec![text("a"), text("b")], dialect), "\"a\"|\"b\"\r\n");
    }

    #[test]
    fn integers_of_fractional_types_look_like_doubles() {
        let double = Some(FieldType::Double);
        assert_eq!(printed_number("12", double), "12.0");
        assert_eq!(printed_number("-12300", Some(FieldType::Currency)), "-12300.0");
        assert_eq!(printed_number("12345678", double), "1.2345678E7");
        assert_eq!(printed_number("30000000", double), "3.0E7");
        assert_eq!(printed_number("123456789012345678", double), "123456789012345678");
        assert_eq!(printed_number("1.6147805824397E13", double), "1.6147805824397E13");
        assert_eq!(printed_number("12", Some(FieldType::Int)), "12");
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(number in any::<i64>()) {
            let digits = number.to_string();
            let before = Value::Number(digits.clone());
            let after = Value::Number(printed_number(&digits, Some(FieldType::Double)));
            prop_assert_eq!(before.compare(&after), Some(std::cmp::Ordering::Equal));
        }
    }
}
