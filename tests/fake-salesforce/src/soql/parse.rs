//! From a SOQL text to its tree, through the grammar in `soql.pest`.
//!
//! Not for: whether the names exist; that's bound later, against what a user sees.
//! Rule: a text that the grammar refuses points at the first place where no valid query could go on.

use chrono::{DateTime, NaiveDate};
use pest::Parser;
use pest::error::InputLocation;
use pest::iterators::{Pair, Pairs};

use super::ast::{Condition, FieldsSet, Function, Literal, LiteralValue, Name, Operator, OrderTerm, Query, Select, SelectItem};
use super::dates::DateLiteral;
use super::error::SoqlError;

/// The longest query text that Salesforce takes, in characters.
pub const MAX_CHARS: usize = 100_000;

mod grammar {
    #![allow(missing_docs, reason = "generated from soql.pest, which is commented")]
    #[derive(pest_derive::Parser)]
    #[grammar = "soql/soql.pest"]
    pub struct Soql;
}
use grammar::{Rule, Soql};

/// Parses a query.
///
/// # Errors
/// `MALFORMED_QUERY` with the place, or where the text is too long.
pub fn parse(text: &str) -> Result<Query, SoqlError> {
    if text.chars().count() > MAX_CHARS {
        let message = format!("SOQL statements can not be longer than {MAX_CHARS} characters");
        return Err(SoqlError::new("MALFORMED_QUERY", message));
    }
    let mut pairs = Soql::parse(Rule::query, text).map_err(|error| {
        let offset = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        SoqlError::unexpected(text, offset)
    })?;
    match pairs.next() {
        Some(query) => Builder { text }.query(query.into_inner()),
        None => Err(SoqlError::unexpected(text, 0)),
    }
}

struct Builder<'t> {
    text: &'t str,
}

impl Builder<'_> {
    fn query(&self, parts: Pairs<'_, Rule>) -> Result<Query, SoqlError> {
        let mut query = Query {
            select: Select::Count,
            from: Name {
                text: String::new(),
                at: 0,
            },
            alias: None,
            filter: None,
            group_by: Vec::new(),
            order_by: Vec::new(),
            limit: None,
            offset: None,
            all_rows: false,
        };
        for part in parts {
            match part.as_rule() {
                Rule::selection => query.select = selection(part),
                Rule::object => query.from = name(&part),
                Rule::alias => query.alias = Some(part.as_str().trim().to_owned()),
                Rule::condition => query.filter = Some(self.condition(part)?),
                Rule::grouping => query.group_by = part.into_inner().map(|p| name(&p)).collect(),
                Rule::ordering => query.order_by = part.into_inner().map(order_term).collect(),
                Rule::limit => query.limit = Some(self.count(&part)?),
                Rule::offset => query.offset = Some(self.count(&part)?),
                Rule::all_rows => query.all_rows = true,
                _ => {} // keywords, the scope's name, the end
            }
        }
        Ok(query)
    }

    fn count(&self, part: &Pair<'_, Rule>) -> Result<u64, SoqlError> {
        part.as_str()
            .parse()
            .map_err(|_| SoqlError::unexpected(self.text, part.as_span().start()))
    }

    fn condition(&self, part: Pair<'_, Rule>) -> Result<Condition, SoqlError> {
        let mut terms = Vec::new();
        let mut any = false;
        for inner in part.into_inner() {
            match inner.as_rule() {
                Rule::term => terms.push(self.term(inner)?),
                kind => {
                    any = kind == Rule::any_of;
                    for term in inner.into_inner().filter(|p| p.as_rule() == Rule::term) {
                        terms.push(self.term(term)?);
                    }
                }
            }
        }
        Ok(match (terms.len(), any) {
            (1, _) => terms.remove(0),
            (_, true) => Condition::Any(terms),
            (_, false) => Condition::All(terms),
        })
    }

    fn term(&self, part: Pair<'_, Rule>) -> Result<Condition, SoqlError> {
        let at = part.as_span().start();
        for inner in part.into_inner() {
            match inner.as_rule() {
                Rule::condition => return self.condition(inner),
                Rule::comparison => return self.comparison(inner),
                Rule::negation => {
                    let term = inner.into_inner().find(|p| p.as_rule() == Rule::term);
                    return term.map_or_else(
                        || Err(SoqlError::unexpected(self.text, at)),
                        |t| Ok(Condition::Not(Box::new(self.term(t)?))),
                    );
                }
                _ => {}
            }
        }
        Err(SoqlError::unexpected(self.text, at))
    }

    fn comparison(&self, part: Pair<'_, Rule>) -> Result<Condition, SoqlError> {
        let at = part.as_span().start();
        let mut inner = part.into_inner();
        let (Some(field), Some(test)) = (inner.next(), inner.next()) else {
            return Err(SoqlError::unexpected(self.text, at));
        };
        let field = name(&field);
        let kind = test.as_rule();
        let negated = |p: &Pair<'_, Rule>| {
            ["not", "excludes"]
                .iter()
                .any(|w| p.as_str().to_ascii_lowercase().starts_with(w))
        };
        let mut is_negated = false;
        let mut operator = Operator::Equal;
        let mut values = Vec::new();
        for piece in test.into_inner() {
            match piece.as_rule() {
                Rule::in_list | Rule::includes => is_negated = negated(&piece),
                Rule::LIKE => operator = Operator::Like,
                Rule::operator => operator = comparison_operator(piece.as_str()),
                Rule::value => values.push(self.value(piece)?),
                Rule::string => {
                    values.push(Literal {
                        at: piece.as_span().start(),
                        value: LiteralValue::Text(unescape(piece)),
                    });
                }
                _ => {}
            }
        }
        match kind {
            Rule::membership => Ok(Condition::Within {
                field,
                negated: is_negated,
                values,
            }),
            Rule::inclusion => {
                let texts = values
                    .into_iter()
                    .filter_map(|v| if let LiteralValue::Text(t) = v.value { Some(t) } else { None });
                Ok(Condition::Includes {
                    field,
                    negated: is_negated,
                    values: texts.collect(),
                })
            }
            _ => match values.pop() {
                Some(value) => Ok(Condition::Compare { field, operator, value }),
                None => Err(SoqlError::unexpected(self.text, at)),
            },
        }
    }

    fn value(&self, part: Pair<'_, Rule>) -> Result<Literal, SoqlError> {
        let at = part.as_span().start();
        let unexpected = || SoqlError::unexpected(self.text, at);
        let inner = part.into_inner().next().ok_or_else(unexpected)?;
        let text = inner.as_str();
        let value = match inner.as_rule() {
            Rule::string => LiteralValue::Text(unescape(inner)),
            Rule::number => LiteralValue::Number(text.trim_start_matches('+').to_owned()),
            Rule::null => LiteralValue::Null,
            Rule::boolean => LiteralValue::Boolean(text.eq_ignore_ascii_case("true")),
            Rule::date => LiteralValue::Date(NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| unexpected())?),
            Rule::datetime => LiteralValue::DateTime(datetime(text).ok_or_else(unexpected)?),
            _ => LiteralValue::Literal(DateLiteral::parse(text).ok_or_else(unexpected)?),
        };
        Ok(Literal { value, at })
    }
}

/// A point in time with any of the zones that the grammar takes.
fn datetime(text: &str) -> Option<DateTime<chrono::Utc>> {
    let upper = text.to_ascii_uppercase();
    let parsed = DateTime::parse_from_rfc3339(&upper).or_else(|_| DateTime::parse_from_str(&upper, "%Y-%m-%dT%H:%M:%S%.f%z"));
    parsed.ok().map(|at| at.to_utc())
}

fn name(part: &Pair<'_, Rule>) -> Name {
    Name {
        text: part.as_str().to_owned(),
        at: part.as_span().start(),
    }
}

fn selection(part: Pair<'_, Rule>) -> Select {
    let mut items = Vec::new();
    for inner in part.into_inner() {
        if inner.as_rule() == Rule::count_all {
            return Select::Count;
        }
        items.extend(inner.into_inner().next().map(select_item));
    }
    Select::Items(items)
}

fn select_item(part: Pair<'_, Rule>) -> SelectItem {
    match part.as_rule() {
        Rule::fields_of => {
            let set = part.into_inner().find(|p| p.as_rule() == Rule::fields_set);
            let word = set.map(|p| p.as_str().to_ascii_lowercase()).unwrap_or_default();
            SelectItem::Fields(match word.as_str() {
                "standard" => FieldsSet::Standard,
                "custom" => FieldsSet::Custom,
                _ => FieldsSet::All,
            })
        }
        Rule::aggregate => {
            let mut function = Function::Count;
            let mut field = Name {
                text: String::new(),
                at: part.as_span().start(),
            };
            let mut alias = None;
            for inner in part.into_inner() {
                match inner.as_rule() {
                    Rule::function => {
                        function = match inner.as_str().to_ascii_lowercase().as_str() {
                            "count_distinct" => Function::CountDistinct,
                            "min" => Function::Min,
                            "max" => Function::Max,
                            _ => Function::Count,
                        }
                    }
                    Rule::field => field = name(&inner),
                    Rule::alias => alias = Some(inner.as_str().trim().to_owned()),
                    _ => {}
                }
            }
            SelectItem::Aggregate { function, field, alias }
        }
        _ => SelectItem::Field(name(&part)),
    }
}

fn order_term(part: Pair<'_, Rule>) -> OrderTerm {
    let mut term = OrderTerm {
        field: Name {
            text: String::new(),
            at: part.as_span().start(),
        },
        descending: false,
        nulls_last: false,
    };
    for inner in part.into_inner() {
        match inner.as_rule() {
            Rule::field => term.field = name(&inner),
            Rule::direction => term.descending = inner.as_str().to_ascii_lowercase().starts_with("desc"),
            Rule::nulls => term.nulls_last = inner.as_str().to_ascii_lowercase().starts_with("last"),
            _ => {}
        }
    }
    term
}

fn comparison_operator(text: &str) -> Operator {
    match text {
        "!=" | "<>" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        _ => Operator::Equal,
    }
}

/// The text of a string literal. `\_` and `\%` keep their backslash, which LIKE reads.
fn unescape(string: Pair<'_, Rule>) -> String {
    let mut text = String::new();
    for piece in string.into_inner() {
        let raw = piece.as_str();
        match (piece.as_rule(), raw.chars().nth(1)) {
            (Rule::escape, Some('n' | 'N')) => text.push('\n'),
            (Rule::escape, Some('r' | 'R')) => text.push('\r'),
            (Rule::escape, Some('t' | 'T')) => text.push('\t'),
            (Rule::escape, Some('b' | 'B')) => text.push('\u{8}'),
            (Rule::escape, Some('f' | 'F')) => text.push('\u{c}'),
            (Rule::escape, Some('u')) if raw.len() == 6 => {
                let code = u32::from_str_radix(&raw[2..], 16).unwrap_or(0);
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (Rule::escape, Some('_' | '%')) => text.push_str(raw),
            (Rule::escape, Some(other)) => text.push(other),
            _ => text.push_str(raw),
        }
    }
    text
}
