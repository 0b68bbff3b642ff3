//! Builds the text of queries, and encodes it for the URL of a request or of a composite's subrequest.
//!
//! It knows no object and judges nothing. The rule it keeps: whatever a value holds, it stays one literal of the query, and one
//! parameter of the URL; only a reference to an earlier subrequest (`@{…}`) passes unencoded, since Salesforce resolves it
//! before it decodes.

use std::fmt::Write as _;

/// The most characters that Salesforce takes as one query.
pub const MAX_QUERY_CHARS: usize = 100_000;

/// What a field is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A text literal.
    Text(String),
    /// A value out of an earlier subrequest's answer, e.g. `p1.records[1999].Id`.
    Reference(String),
}

/// `SELECT fields FROM object [WHERE …] [ORDER BY order] [LIMIT limit]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Names of fields, or `COUNT()`.
    pub select: &'a [String],
    /// The object's name.
    pub from: &'a str,
    /// Without deleted rows; needed where `queryAll` is used to see archived ones.
    pub not_deleted: bool,
    /// `field > bound`
    pub after: Option<(&'a str, Bound)>,
    /// A field.
    pub order_by: Option<&'a str>,
    /// The most rows.
    pub limit: Option<u32>,
}

impl Query<'_> {
    /// The query as the value of a URL's `q` parameter.
    pub fn encoded(&self) -> String {
        let mut url = String::with_capacity(self.select.iter().map(|f| f.len() + 1).sum::<usize>() + 200);
        url.push_str("SELECT+");
        for (n, field) in self.select.iter().enumerate() {
            if n > 0 {
                url.push(',');
            }
            encode_into(&mut url, field);
        }
        url.push_str("+FROM+");
        encode_into(&mut url, self.from);
        let mut joint = "+WHERE+";
        if self.not_deleted {
            url.push_str(joint);
            url.push_str("IsDeleted+%3D+false");
            joint = "+AND+";
        }
        if let Some((field, bound)) = &self.after {
            url.push_str(joint);
            encode_into(&mut url, field);
            url.push_str("+%3E+");
            match bound {
                Bound::Text(text) => encode_into(&mut url, &literal(text)),
                Bound::Reference(path) => {
                    let _ = write!(url, "%27@{{{path}}}%27"); // writing to a String can't fail
                }
            }
        }
        if let Some(field) = self.order_by {
            url.push_str("+ORDER+BY+");
            encode_into(&mut url, field);
        }
        if let Some(limit) = self.limit {
            let _ = write!(url, "+LIMIT+{limit}"); // as above
        }
        url
    }

    /// Characters of the query's text, as Salesforce counts them.
    pub fn chars(&self) -> usize {
        let encoded = self.encoded();
        encoded.len() - 2 * encoded.bytes().filter(|b| *b == b'%').count()
    }
}

/// A text literal: quoted, `\` and `'` escaped.
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Percent-encodes for a URL's query: a blank becomes `+`, `+` becomes `%2B` (a datetime's offset would be lost otherwise).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    encode_into(&mut encoded, text);
    encoded
}

fn encode_into(url: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b',' => url.push(char::from(byte)),
            b' ' => url.push('+'),
            byte => {
                let _ = write!(url, "%{byte:02X}"); // writing to a String can't fail
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn decode(url: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = url.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                }
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    fn fields(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_full_query_reads_as_written() {
        let select = fields(&["Id", "Name"]);
        let query = Query {
            select: &select,
            from: "Task",
            not_deleted: true,
            after: Some(("Id", Bound::Text("00T1".into()))),
            order_by: Some("Id"),
            limit: Some(2_000),
        };
        let text = "SELECT Id,Name FROM Task WHERE IsDeleted = false AND Id > '00T1' ORDER BY Id LIMIT 2000";
        assert_eq!(decode(&query.encoded()), text);
        assert_eq!(query.chars(), text.len());
    }

    #[test]
    fn a_reference_passes_unencoded_within_its_quotes() {
        let select = fields(&["Id"]);
        let query = Query {
            select: &select,
            from: "Lead",
            not_deleted: false,
            after: Some(("Id", Bound::Reference("p1.records[1999].Id".into()))),
            order_by: None,
            limit: None,
        };
        assert!(query.encoded().ends_with("WHERE+Id+%3E+%27@{p1.records[1999].Id}%27"));
    }

    #[test]
    fn an_offset_keeps_its_plus() {
        assert_eq!(encode("2026-01-02T03:04:05.000+0000"), "2026-01-02T03%3A04%3A05.000%2B0000");
    }

    proptest! {
        #[test]
        fn any_text_survives_encoding(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(!encoded.contains(['&', '#', '?', '"', '\\']));
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn any_value_stays_one_literal(text in any::<String>()) {
            let quoted = literal(&text);
            let inner = quoted.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                prop_assert!(c != '\'', "an unescaped quote ends the literal");
                if c == '\\' {
                    prop_assert!(chars.next().is_some(), "a dangling backslash would escape the closing quote");
                }
            }
        }
    }
}
