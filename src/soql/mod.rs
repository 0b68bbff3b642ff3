//! Builds the text of queries, and encodes it for the URL of a request or of a composite's subrequest.
//!
//! It knows no object and judges nothing. The rule it keeps: whatever a value holds, it stays one literal of the query, and one
//! parameter of the URL; only a reference to an earlier subrequest (`@{…}`) passes unencoded, since Salesforce resolves it
//! before it decodes.

/// The most characters that Salesforce takes as one query.
pub const MAX_QUERY_CHARS: usize = 100_000;

/// What a field is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A text literal.
    Text(String),
    /// A value out of an earlier subrequest's answer, e.g. `p1.records[1999].Id`.
    Reference(String),
    /// A moment, in milliseconds since 1970; the second that it is in.
    Moment(u64),
    /// `true` or `false`
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// Text literals, one of which it is.
    Texts(Vec<String>),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `>`
    After,
    /// `>=`
    From,
    /// `<=`
    Until,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Operator::Equal => "=",
            Operator::After => ">",
            Operator::From => ">=",
            Operator::Until => "<=",
            Operator::In => "IN",
            Operator::NotIn => "NOT IN",
        }
    }
}

/// `field operator bound`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// A field.
    pub field: &'a str,
    /// How it is compared.
    pub operator: Operator,
    /// To what.
    pub bound: Bound,
}

impl Filter<'static> {
    /// What a query of all rows needs to leave out those in the recycle bin.
    pub fn not_deleted() -> Self {
        Filter {
            field: "IsDeleted",
            operator: Operator::Equal,
            bound: Bound::Flag(false),
        }
    }
}

/// `SELECT fields FROM object [WHERE filter AND …] [ORDER BY order] [LIMIT limit]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// Names of fields, or `COUNT()`.
    pub select: Vec<&'a str>,
    /// The object's name.
    pub from: &'a str,
    /// All of them must hold.
    pub filters: Vec<Filter<'a>>,
    /// A field.
    pub order_by: Option<&'a str>,
    /// The most rows.
    pub limit: Option<u32>,
}

impl Query<'_> {
    /// The query as Salesforce reads it.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.select.iter().map(|field| field.len() + 1).sum::<usize>() + 200);
        self.write(&mut text, &mut |text, part| text.push_str(part));
        text
    }

    /// The query as the value of a URL's `q` parameter.
    pub fn encoded(&self) -> String {
        let mut url = String::with_capacity(self.select.iter().map(|field| field.len() + 1).sum::<usize>() + 200);
        self.write(&mut url, &mut encode_into);
        url
    }

    /// `put` writes everything but references, which pass as they are.
    fn write(&self, text: &mut String, put: &mut dyn FnMut(&mut String, &str)) {
        put(text, "SELECT ");
        for (n, field) in self.select.iter().enumerate() {
            if n > 0 {
                put(text, ",");
            }
            put(text, field);
        }
        put(text, " FROM ");
        put(text, self.from);
        for (n, filter) in self.filters.iter().enumerate() {
            put(text, if n == 0 { " WHERE " } else { " AND " });
            put(text, &format!("{} {} ", filter.field, filter.operator.text()));
            match &filter.bound {
                Bound::Text(value) => put(text, &literal(value)),
                Bound::Reference(path) => {
                    put(text, "'");
                    text.push_str(&format!("@{{{path}}}"));
                    put(text, "'");
                }
                Bound::Moment(at) => put(text, &datetime(*at)),
                Bound::Flag(flag) => put(text, if *flag { "true" } else { "false" }),
                Bound::Number(number) => put(text, &number.to_string()),
                Bound::Texts(values) => {
                    let literals: Vec<String> = values.iter().map(|value| literal(value)).collect();
                    put(text, &format!("({})", literals.join(",")));
                }
            }
        }
        if let Some(field) = self.order_by {
            put(text, " ORDER BY ");
            put(text, field);
        }
        if let Some(limit) = self.limit {
            put(text, &format!(" LIMIT {limit}"));
        }
    }
}

/// A datetime literal of the second that a moment is in.
pub fn datetime(at: u64) -> String {
    i64::try_from(at / 1_000)
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
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
    use std::fmt::Write as _;

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

    fn filter(field: &str, operator: Operator, bound: Bound) -> Filter<'_> {
        Filter { field, operator, bound }
    }

    #[test]
    fn a_full_query_reads_as_written() {
        let query = Query {
            select: vec!["Id", "Name"],
            from: "Task",
            filters: vec![
                filter("IsDeleted", Operator::Equal, Bound::Flag(false)),
                filter("SystemModstamp", Operator::From, Bound::Moment(1_767_323_045_678)),
                filter("Id", Operator::After, Bound::Text("00T1".into())),
                filter("Id", Operator::Until, Bound::Text("00T9".into())),
            ],
            order_by: Some("Id"),
            limit: Some(2_000),
        };
        let text = "SELECT Id,Name FROM Task WHERE IsDeleted = false AND SystemModstamp >= 2026-01-02T03:04:05Z \
                    AND Id > '00T1' AND Id <= '00T9' ORDER BY Id LIMIT 2000";
        assert_eq!(query.text(), text);
        assert_eq!(decode(&query.encoded()), text);
    }

    #[test]
    fn a_reference_passes_unencoded_within_its_quotes() {
        let query = Query {
            select: vec!["Id"],
            from: "Lead",
            filters: vec![filter("Id", Operator::After, Bound::Reference("p1.records[1999].Id".into()))],
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
