//! A condition that chooses records: `StageName = 'Closed Won' AND Amount >= 1000`.
//!
//! Pure; by the snapshot's own values, so that no request is needed. Comparisons as SOQL writes them, joined by AND. Numbers are
//! compared as numbers where both sides are, everything else as text, in which dates and moments of the snapshot's form sort
//! right. `LIKE` takes `%` at either end.

use crate::host::Failure;
use crate::restore::rules::Values;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Vec<Comparison>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    field: String,
    operator: Operator,
    /// `None`: null.
    value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// Longer ones first: `<=` begins with `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("LIKE ", Operator::Like),
];

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Condition, Failure> {
        let comparisons: Result<Vec<Comparison>, String> = split(text).into_iter().map(comparison).collect();
        comparisons.map(Condition).map_err(|why| {
            Failure::new("condition", format!("the condition {text:?} can't be read: {why}"))
                .remedy("write it as Field = 'value' AND Other >= 10; operators are = != < <= > >= LIKE")
        })
    }

    /// The same with the fields as an object has them, which may be written in any case; a field that it doesn't have, where it names
    /// one.
    pub fn of_fields(mut self, known: &BTreeSet<String>) -> Result<Condition, String> {
        for comparison in &mut self.0 {
            if known.contains(&comparison.field) {
                continue;
            }
            match known.iter().find(|field| field.eq_ignore_ascii_case(&comparison.field)) {
                Some(field) => comparison.field.clone_from(field),
                None => return Err(comparison.field.clone()),
            }
        }
        Ok(self)
    }

    /// Whether it holds for a record. A field that the record doesn't have is null.
    pub fn holds(&self, values: &Values) -> bool {
        self.0.iter().all(|comparison| comparison.holds(values))
    }
}

impl Comparison {
    fn holds(&self, values: &Values) -> bool {
        let value = values.get(&self.field).map_or("null", |value| value.get());
        let text = match serde_json::from_str::<serde_json::Value>(value) {
            Ok(serde_json::Value::String(text)) => Some(text),
            Ok(serde_json::Value::Null) | Err(_) => None,
            Ok(_) => Some(value.to_owned()),
        };
        let (Some(text), Some(wanted)) = (&text, &self.value) else {
            return match self.operator {
                Operator::Equal => text == self.value,
                Operator::NotEqual => text != self.value,
                _ => false,
            };
        };
        let order = compare(text, wanted);
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Like => like(text, wanted),
        }
    }
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        // As SOQL compares text.
        _ => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let inner = pattern.trim_matches('%');
    match (pattern.starts_with('%'), pattern.ends_with('%')) {
        (true, true) => text.contains(inner),
        (true, false) => text.ends_with(inner),
        (false, true) => text.starts_with(inner),
        (false, false) => text == inner,
    }
}

/// At each AND that isn't within quotes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            _ if !quoted && at >= from && text.get(at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case(" AND ")) => {
                parts.push(&text[from..at]);
                from = at + 5;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Whether a value needs no quotes: a number, a date or moment, true or false.
fn is_bare(value: &str) -> bool {
    let is_word = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    let begins = value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    is_word
        || begins
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | ':'))
}

fn comparison(text: &str) -> Result<Comparison, String> {
    let text = text.trim();
    let name = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (field, rest) = text.split_at(name);
    if field.is_empty() {
        return Err(format!("{text:?} doesn't begin with a field"));
    }
    let rest = rest.trim_start();
    let starts = |word: &str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let Some((word, operator)) = OPERATORS.into_iter().find(|(word, _)| starts(word)) else {
        return Err(format!("after {field} comes no operator"));
    };
    let value = rest[word.len()..].trim();
    let value = if value.eq_ignore_ascii_case("null") {
        None
    } else if let Some(inner) = value.strip_prefix('\'') {
        let inner = inner
            .strip_suffix('\'')
            .ok_or_else(|| format!("the quote of {value} isn't closed"))?;
        Some(inner.replace("\\'", "'").replace("\\\\", "\\"))
    } else if !is_bare(value) {
        return Err(format!("{value} is no value: text goes in single quotes, {field} = 'text'"));
    } else {
        Some(value.to_owned())
    };
    Ok(Comparison {
        field: field.to_owned(),
        operator,
        value,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn holds(condition: &str) -> bool {
        let values = r#"{"Name":"Acme AND 'Co'","Amount":1000.50,"Closed":true,"Empty":null,"Date":"2026-01-02"}"#;
        Condition::parse(condition)
            .unwrap()
            .holds(&serde_json::from_str(values).unwrap())
    }

    #[test]
    fn conditions_hold_as_soql_has_them() {
        for condition in [
            "Amount > 1000",
            "Amount = 1000.5",
            "Amount >= 1000.50 and Closed = true",
            "Name = 'acme AND \\'Co\\''",
            "Name LIKE 'Acme%'",
            "Name like '%\\'co\\''",
            "Empty = null AND Nothing = null",
            "Name != null",
            "Date < '2026-02-01'",
            "Date>=2026-01-02",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in [
            "Amount < 1000",
            "Closed != true",
            "Empty > 1",
            "Name LIKE 'x%'",
            "Name = null",
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_says_where() {
        for text in [
            "",
            "Name",
            "Name ~ 1",
            "= 1",
            "Name = 'x",
            "Name = a b",
            "Name = \"x\"",
            "Name = x",
            "A = 1 AND ",
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_are_written_in_any_case_and_have_to_be_there() {
        let known: BTreeSet<String> = ["Name".to_owned(), "Amount".to_owned()].into();
        let condition = |text: &str| Condition::parse(text).unwrap().of_fields(&known);
        assert_eq!(
            condition("NAME = 'x' AND amount > 1"),
            Condition::parse("Name = 'x' AND Amount > 1").map_err(|_| String::new())
        );
        assert_eq!(condition("Name = 'x' AND Nope__c = 1"), Err("Nope__c".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Condition::parse(&text);
        }
    }
}
