//! Conditions on rows, bound to fields: how each is decided for one row.
//!
//! Choice: SOQL's conditions are either true or false; a null field is unequal to every value and neither above nor
//! below it.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::ast::Operator;
use super::dates::Span;
use crate::org::{Field, Object, Org, OrgRow, RecordId, Scan, Value, Viewer};

/// The way from a row to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessPath {
    /// A field of the row itself, by its index in the schema.
    Own(usize),
    /// A field of the row that a reference points to.
    Parent {
        /// The reference field.
        reference: usize,
        /// For each object that the parent may be: the way on from there.
        targets: Vec<(String, AccessPath)>,
    },
    /// The name of the row's object, for polymorphic parents.
    TypeName,
}

impl AccessPath {
    /// The field that it ends in; of several possible parents, the first's.
    #[must_use]
    pub fn field<'o>(&self, org: &'o Org, object: &'o Object) -> Option<&'o Field> {
        match self {
            Self::Own(index) => object.schema.fields.get(*index),
            Self::Parent { targets, .. } => targets.iter().find_map(|(name, inner)| inner.field(org, org.object(name)?)),
            Self::TypeName => None,
        }
    }

    /// The value for a row; null where there is no parent, or none that has such a field.
    #[must_use]
    pub fn value(&self, row: &OrgRow<'_>, org: &Org, viewer: &Viewer) -> Value {
        match self {
            Self::Own(index) => row.value(*index),
            Self::TypeName => Value::Text(row.object().name().to_owned()),
            Self::Parent { reference, targets } => {
                let Value::Id(id) = row.value(*reference) else {
                    return Value::Null;
                };
                let Some(parent) = org.row(viewer, Scan::QUERY_ALL, id) else {
                    return Value::Null;
                };
                let target = targets.iter().find(|(name, _)| name == parent.object().name());
                target.map_or(Value::Null, |(_, access)| access.value(&parent, org, viewer))
            }
        }
    }
}

/// A condition.
#[derive(Debug, PartialEq)]
pub enum Predicate {
    /// All hold.
    All(Vec<Predicate>),
    /// At least one holds.
    Any(Vec<Predicate>),
    /// It doesn't hold.
    Not(Box<Predicate>),
    /// A comparison with a value.
    Compare {
        /// Of what.
        access: AccessPath,
        /// How.
        operator: Operator,
        /// With what.
        value: Value,
        /// Whether texts that differ in case only are different.
        exact_case: bool,
    },
    /// A comparison with a span of time.
    Span {
        /// Of what.
        access: AccessPath,
        /// How.
        operator: Operator,
        /// With what.
        span: Span,
    },
    /// A text is like a pattern.
    Like {
        /// Of what.
        access: AccessPath,
        /// The pattern.
        like: Like,
    },
    /// An id is among some.
    AmongIds {
        /// Of what.
        access: AccessPath,
        /// The ids.
        ids: HashSet<RecordId>,
        /// NOT IN.
        negated: bool,
    },
    /// A value is among some.
    Among {
        /// Of what.
        access: AccessPath,
        /// The values.
        values: Vec<Value>,
        /// NOT IN.
        negated: bool,
    },
    /// A multi-select picklist holds all of one of the sets.
    Includes {
        /// Of what.
        access: AccessPath,
        /// The sets.
        sets: Vec<Vec<String>>,
        /// EXCLUDES.
        negated: bool,
    },
}

impl Predicate {
    /// IN or NOT IN a list, with ids in a form that is fast to look up.
    #[must_use]
    pub fn within(access: AccessPath, values: Vec<Value>, negated: bool) -> Self {
        let ids: Option<HashSet<RecordId>> = values
            .iter()
            .map(|v| if let Value::Id(id) = v { Some(*id) } else { None })
            .collect();
        match ids {
            Some(ids) => Self::AmongIds { access, ids, negated },
            None => Self::Among { access, values, negated },
        }
    }

    /// Whether it holds for a row.
    #[must_use]
    pub fn holds(&self, row: &OrgRow<'_>, org: &Org, viewer: &Viewer) -> bool {
        let value = |access: &AccessPath| access.value(row, org, viewer);
        match self {
            Self::All(terms) => terms.iter().all(|t| t.holds(row, org, viewer)),
            Self::Any(terms) => terms.iter().any(|t| t.holds(row, org, viewer)),
            Self::Not(term) => !term.holds(row, org, viewer),
            Self::Compare {
                access,
                operator,
                value: wanted,
                exact_case,
            } => compares(&value(access), *operator, wanted, *exact_case),
            Self::Span { access, operator, span } => in_span(&value(access), *operator, *span),
            Self::Like { access, like } => matches!(value(access), Value::Text(text) if like.matches(&text)),
            Self::AmongIds { access, ids, negated } => matches!(value(access), Value::Id(id) if ids.contains(&id)) != *negated,
            Self::Among { access, values, negated } => {
                let actual = value(access);
                values.iter().any(|v| compares(&actual, Operator::Equal, v, false)) != *negated
            }
            Self::Includes { access, sets, negated } => {
                let Value::Text(text) = value(access) else { return *negated };
                let chosen: Vec<&str> = text.split(';').collect();
                sets.iter().any(|set| set.iter().all(|s| chosen.contains(&s.as_str()))) != *negated
            }
        }
    }

    /// Calls a function with every access in it.
    pub fn visit(&self, seen: &mut impl FnMut(&AccessPath)) {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter().for_each(|t| t.visit(seen)),
            Self::Not(term) => term.visit(seen),
            Self::Compare { access, .. }
            | Self::Span { access, .. }
            | Self::Like { access, .. }
            | Self::AmongIds { access, .. }
            | Self::Among { access, .. }
            | Self::Includes { access, .. } => seen(access),
        }
    }
}

fn compares(actual: &Value, operator: Operator, wanted: &Value, exact_case: bool) -> bool {
    let order = match (actual, wanted) {
        (Value::Text(a), Value::Text(b)) if exact_case => Some(a.cmp(b)),
        _ => actual.compare(wanted),
    };
    let either_null = actual.is_null() || wanted.is_null();
    match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        _ if either_null => false,
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Like => false, // LIKE has a predicate of its own
    }
}

fn in_span(actual: &Value, operator: Operator, span: Span) -> bool {
    let at = match actual {
        Value::DateTime(at) => *at,
        Value::Date(day) => day.and_time(chrono::NaiveTime::MIN).and_utc(),
        _ => return operator == Operator::NotEqual,
    };
    match operator {
        Operator::Equal => at >= span.start && at < span.end,
        Operator::NotEqual => at < span.start || at >= span.end,
        Operator::Less => at < span.start,
        Operator::LessOrEqual => at < span.end,
        Operator::Greater => at >= span.end,
        Operator::GreaterOrEqual => at >= span.start,
        Operator::Like => false,
    }
}

/// A pattern of LIKE: `%` is any text, `_` any one character, both without meaning after a backslash. Case doesn't count.
#[derive(Debug, PartialEq, Eq)]
pub struct Like {
    pieces: Vec<PatternPiece>,
}

#[derive(Debug, PartialEq, Eq)]
enum PatternPiece {
    Any,
    One,
    Exactly(char),
}

impl Like {
    /// Reads a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => pieces.push(PatternPiece::Any),
                '_' => pieces.push(PatternPiece::One),
                '\\' => pieces.extend(
                    chars
                        .next()
                        .into_iter()
                        .flat_map(char::to_lowercase)
                        .map(PatternPiece::Exactly),
                ),
                other => pieces.extend(other.to_lowercase().map(PatternPiece::Exactly)),
            }
        }
        Self { pieces }
    }

    /// Whether a text is like it.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        // The usual walk with one place to go back to: the last `%`, and how much it had swallowed.
        let (mut at, mut piece) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.pieces.get(piece) {
                Some(PatternPiece::Any) => {
                    back = Some((piece, at));
                    piece += 1;
                }
                Some(PatternPiece::One) => (at, piece) = (at + 1, piece + 1),
                Some(PatternPiece::Exactly(c)) if *c == text[at] => (at, piece) = (at + 1, piece + 1),
                _ => match back {
                    Some((any, swallowed)) => {
                        back = Some((any, swallowed + 1));
                        (at, piece) = (swallowed + 1, any + 1);
                    }
                    None => return false,
                },
            }
        }
        self.pieces[piece..].iter().all(|p| *p == PatternPiece::Any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn like_knows_its_wildcards_and_no_case() {
        for (pattern, text, expected) in [
            ("acme%", "ACME Corp", true),
            ("%corp", "Acme Corp", true),
            ("a_me", "acme", true),
            ("a_me", "aacme", false),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("%", "", true),
            ("%a%b%", "xxaxxbxx", true),
            ("%ab", "aab", true),
            ("", "x", false),
        ] {
            assert_eq!(Like::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn null_is_unequal_and_incomparable() {
        let one = Value::Number("1".to_owned());
        assert!(compares(&Value::Null, Operator::Equal, &Value::Null, false));
        assert!(compares(&Value::Null, Operator::NotEqual, &one, false));
        assert!(!compares(&Value::Null, Operator::Less, &one, false));
        assert!(!compares(&one, Operator::Greater, &Value::Null, false));
    }

    proptest! {
        #[test]
        fn a_text_is_like_itself_and_like_any_of_its_middles(text in "[a-c]{0,8}", from in 0usize..8, to in 0usize..8) {
            prop_assert!(Like::new(&text).matches(&text));
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            if from <= to {
                let pattern = format!("%{}%", &text[from..to]);
                prop_assert!(Like::new(&pattern).matches(&text));
            }
        }
    }
}
