//! Binds a parsed query to the org as one user sees it: names become fields, literals become values of the field's type,
//! and everything that Salesforce refuses before it reads a row is refused here.
//!
//! Not for: reading rows.
//! Rule: a field that field-level security hides is a field that doesn't exist.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::SoqlRules;
use super::ast::{Condition, FieldsSet, Literal, LiteralValue, Name, Operator, Query, Select, SelectItem};
use super::bound::{Bound, Cell, IdBounds, Output, SortKey};
use super::error::SoqlError;
use super::filter::{AccessPath, Like, Predicate};
use super::render::{Column, Projection};
use crate::org::{Field, FieldType, Object, Org, Refusal, Scan, Value, Viewer};

/// The most rows that OFFSET skips.
const MAX_OFFSET: u64 = 2_000;
/// The most rows of a query with FIELDS(ALL) or FIELDS(CUSTOM).
const MAX_FIELDS_LIMIT: u64 = 200;
/// The longest chain of relationships in a field path.
const MAX_HOPS: usize = 5;

/// For whom and when a query is bound.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The org.
    pub org: &'a Org,
    /// The asking user.
    pub viewer: &'a Viewer,
    /// Now, for date literals.
    pub now: DateTime<Utc>,
    /// Which rows are read besides live ones.
    pub scan: Scan,
    /// `batchSize` of `Sforce-Query-Options`.
    pub batch_size: Option<usize>,
    /// The double's own rules.
    pub rules: SoqlRules,
}

/// Binds a query.
///
/// # Errors
/// What Salesforce says of the query, or what the object refuses.
pub fn bind(text: &str, query: &Query, context: Context<'_>) -> Result<Bound, SoqlError> {
    let object = context
        .org
        .visible_object(context.viewer, &query.from.text)
        .ok_or_else(|| SoqlError::no_such_object(text, query.from.at, &query.from.text))?;
    Binder {
        text,
        query,
        context,
        object,
    }
    .bind()
}

struct Binder<'a> {
    text: &'a str,
    query: &'a Query,
    context: Context<'a>,
    object: &'a Object,
}

impl<'a> Binder<'a> {
    fn bind(&self) -> Result<Bound, SoqlError> {
        let query = self.query;
        self.refuse_by_object()?;
        if query.all_rows {
            return Err(SoqlError::new("MALFORMED_QUERY", "ALL ROWS not allowed in this context"));
        }
        let offset = query.offset.unwrap_or(0);
        if offset > MAX_OFFSET {
            let message = format!("Maximum SOQL offset allowed is {MAX_OFFSET}");
            return Err(SoqlError::new("NUMBER_OUTSIDE_VALID_RANGE", message));
        }
        let (output, cells, long_texts) = self.output()?;
        let mut ids = IdBounds::default();
        let filter = match &query.filter {
            None => None,
            Some(condition) => {
                let predicate = self.predicate(condition)?;
                self.take_id_bounds(predicate, &mut ids)
            }
        };
        let order = self.order()?;
        if self.formulas(&output, filter.as_ref()) > self.context.rules.max_formulas {
            let message = "Query is either selecting too many fields or the filter conditions are too complicated.";
            return Err(SoqlError::new("QUERY_TOO_COMPLICATED", message));
        }
        Ok(Bound {
            object: self.object.name().to_owned(),
            scan: self.context.scan,
            output,
            ids,
            filter,
            ordered: !query.order_by.is_empty(),
            order,
            limit: query.limit,
            offset,
            page_rows: self.context.rules.page_rows(cells, long_texts, self.context.batch_size),
        })
    }

    /// What the object refuses whatever is asked of it, and filters that it can't do without.
    fn refuse_by_object(&self) -> Result<(), SoqlError> {
        let behaviour = &self.object.schema.behaviour;
        if let Some(refusal) = &behaviour.refuses_query {
            return Err(refused(refusal));
        }
        if !self.object.schema.queryable {
            let message = format!("entity type {} does not support query", self.object.name());
            return Err(SoqlError::new("INVALID_TYPE_FOR_OPERATION", message));
        }
        if let (Select::Count, Some(refusal)) = (&self.query.select, &behaviour.refuses_count) {
            return Err(refused(refusal));
        }
        if let Some(required) = &behaviour.required_filter {
            let lifted = required.lifted_by_query_all_files && self.context.viewer.query_all_files;
            let given = self
                .query
                .filter
                .as_ref()
                .is_some_and(|f| compares_one_of(f, &required.one_of));
            if !lifted && !given {
                return Err(refused(&required.refusal));
            }
        }
        Ok(())
    }

    /// What is selected, how many columns, and how many of them hold long texts.
    fn output(&self) -> Result<(Output, usize, usize), SoqlError> {
        let items = match &self.query.select {
            Select::Count if self.query.group_by.is_empty() => return Ok((Output::Count, 1, 0)),
            Select::Count => return Err(SoqlError::new("MALFORMED_QUERY", "Grouped query must not use COUNT()")),
            Select::Items(items) => items,
        };
        let has_aggregate = items.iter().any(|i| matches!(i, SelectItem::Aggregate { .. }));
        if has_aggregate || !self.query.group_by.is_empty() {
            return Ok((self.groups(items)?, items.len(), 0));
        }
        let mut projection = Projection::default();
        let mut seen = HashSet::new();
        let mut long_texts = 0;
        let mut cells = Vec::new();
        for item in items {
            match item {
                SelectItem::Field(name) => {
                    let path = self.own_path(&name.text);
                    if !seen.insert(path.to_ascii_lowercase()) {
                        let text = format!("duplicate field selected: {}", name.text);
                        return Err(SoqlError::at("INVALID_FIELD", self.text, name.at, &text));
                    }
                    let parts: Vec<&str> = path.split('.').collect();
                    let access = self.access(name, &parts)?;
                    let mut spelled = path.to_owned();
                    if let AccessPath::Own(index) = &access {
                        let field = &self.object.schema.fields[*index];
                        long_texts += usize::from(is_long_custom_text(field));
                        spelled.clone_from(&field.name);
                    }
                    cells.push((spelled, access));
                    projection.add(self.context.org, self.object, self.context.viewer, &parts);
                }
                SelectItem::Fields(set) => {
                    let small = self.query.limit.is_some_and(|l| l <= MAX_FIELDS_LIMIT);
                    if *set != FieldsSet::Standard && !small {
                        let message = "The SOQL FIELDS function must have a LIMIT of at most 200";
                        return Err(SoqlError::new("MALFORMED_QUERY", message));
                    }
                    for (index, field) in self.object.visible_fields(self.context.viewer) {
                        let wanted = match set {
                            FieldsSet::All => true,
                            FieldsSet::Standard => !field.custom,
                            FieldsSet::Custom => field.custom,
                        };
                        if wanted && seen.insert(field.name.to_ascii_lowercase()) {
                            cells.push((field.name.clone(), AccessPath::Own(index)));
                            projection.columns.push(Column::field(index, &field.name));
                        }
                    }
                }
                SelectItem::Aggregate { .. } => {} // taken above
            }
        }
        let columns = cells.len();
        Ok((Output::Records { projection, cells }, columns, long_texts))
    }

    fn groups(&self, items: &[SelectItem]) -> Result<Output, SoqlError> {
        let mut by = Vec::new();
        for name in &self.query.group_by {
            let access = self.field(name)?;
            self.check_field(name, &access, "grouped", |f| f.groupable)?;
            by.push((
                self.own_path(&name.text).rsplit('.').next().unwrap_or_default().to_owned(),
                access,
            ));
        }
        let mut cells = Vec::new();
        let mut unnamed = 0;
        for item in items {
            match item {
                SelectItem::Field(name) => {
                    let access = self.field(name)?;
                    let Some(place) = by.iter().position(|(_, a)| *a == access) else {
                        let text = format!("Field must be grouped or aggregated: {}", name.text);
                        return Err(SoqlError::at("MALFORMED_QUERY", self.text, name.at, &text));
                    };
                    cells.push(Cell::Key(place));
                }
                SelectItem::Aggregate { function, field, alias } => {
                    let of = self.field(field)?;
                    let name = alias.clone().unwrap_or_else(|| {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    });
                    cells.push(Cell::Aggregate {
                        name,
                        function: *function,
                        of,
                    });
                }
                SelectItem::Fields(_) => {
                    return Err(SoqlError::new(
                        "MALFORMED_QUERY",
                        "The SOQL FIELDS function is not supported in grouped queries",
                    ));
                }
            }
        }
        Ok(Output::Groups { by, cells })
    }

    fn order(&self) -> Result<Vec<SortKey>, SoqlError> {
        let mut keys = Vec::new();
        for term in &self.query.order_by {
            let access = self.field(&term.field)?;
            self.check_field(&term.field, &access, "sorted", |f| f.sortable)?;
            if self.is_id(&access) {
                self.refuse_id()?;
            }
            keys.push(SortKey {
                access,
                descending: term.descending,
                nulls_last: term.nulls_last,
            });
        }
        // By Id upwards is the table's own order, and nothing that comes after a unique key changes it.
        let own_order = keys.first().is_some_and(|k| self.is_id(&k.access) && !k.descending);
        Ok(if own_order { Vec::new() } else { keys })
    }

    fn predicate(&self, condition: &Condition) -> Result<Predicate, SoqlError> {
        Ok(match condition {
            Condition::All(terms) => Predicate::All(terms.iter().map(|t| self.predicate(t)).collect::<Result<_, _>>()?),
            Condition::Any(terms) => Predicate::Any(terms.iter().map(|t| self.predicate(t)).collect::<Result<_, _>>()?),
            Condition::Not(term) => Predicate::Not(Box::new(self.predicate(term)?)),
            Condition::Compare { field, operator, value } => {
                let (access, schema) = self.filter_field(field)?;
                match (&value.value, operator) {
                    (LiteralValue::Literal(literal), operator) => {
                        if !matches!(schema.kind, FieldType::Date | FieldType::Datetime) {
                            return Err(self.wrong_type(schema, value));
                        }
                        Predicate::Span {
                            access,
                            operator: *operator,
                            span: literal.span(self.context.now),
                        }
                    }
                    (LiteralValue::Text(pattern), Operator::Like) => {
                        if !schema.kind.is_text() {
                            return Err(self.wrong_operator(field, schema));
                        }
                        Predicate::Like {
                            access,
                            like: Like::new(pattern),
                        }
                    }
                    _ => Predicate::Compare {
                        access,
                        operator: *operator,
                        value: self.value(schema, value)?,
                        exact_case: schema.case_sensitive,
                    },
                }
            }
            Condition::Within { field, negated, values } => {
                let (access, schema) = self.filter_field(field)?;
                let values = values.iter().map(|v| self.value(schema, v)).collect::<Result<Vec<_>, _>>()?;
                Predicate::within(access, values, *negated)
            }
            Condition::Includes { field, negated, values } => {
                let (access, schema) = self.filter_field(field)?;
                if schema.kind != FieldType::Multipicklist {
                    return Err(self.wrong_operator(field, schema));
                }
                let sets = values.iter().map(|v| v.split(';').map(str::to_owned).collect()).collect();
                Predicate::Includes {
                    access,
                    sets,
                    negated: *negated,
                }
            }
        })
    }

    /// A field that a filter may use, and what describe says of it.
    fn filter_field(&self, name: &Name) -> Result<(AccessPath, &'a Field), SoqlError> {
        let access = self.field(name)?;
        self.check_field(name, &access, "filtered", |f| f.filterable)?;
        if self.is_id(&access) {
            self.refuse_id()?;
        }
        let schema = self
            .schema_of(&access)
            .ok_or_else(|| self.no_such_field(name, self.object.name(), &name.text))?;
        Ok((access, schema))
    }

    fn refuse_id(&self) -> Result<(), SoqlError> {
        self.object
            .schema
            .behaviour
            .refuses_id_filter
            .as_ref()
            .map_or(Ok(()), |refusal| Err(refused(refusal)))
    }

    /// Takes from a conjunction what the table's order answers, and gives back the rest.
    fn take_id_bounds(&self, predicate: Predicate, ids: &mut IdBounds) -> Option<Predicate> {
        if self.object.schema.behaviour.shared_id {
            return Some(predicate);
        }
        match predicate {
            Predicate::All(terms) => {
                let mut rest: Vec<Predicate> = terms.into_iter().filter_map(|t| self.take_id_bounds(t, ids)).collect();
                if rest.len() > 1 {
                    Some(Predicate::All(rest))
                } else {
                    rest.pop()
                }
            }
            Predicate::Compare {
                access,
                operator,
                value: Value::Id(id),
                ..
            } if self.is_id(&access) && operator != Operator::NotEqual => {
                ids.narrow(operator, id);
                None
            }
            Predicate::AmongIds {
                access,
                ids: among,
                negated: false,
            } if self.is_id(&access) => {
                ids.keep_among(among);
                None
            }
            other => Some(other),
        }
    }

    fn is_id(&self, access: &AccessPath) -> bool {
        matches!(access, AccessPath::Own(index) if self.object.schema.fields[*index].kind == FieldType::Id)
    }

    /// A literal as a value of the field's type.
    fn value(&self, field: &Field, literal: &Literal) -> Result<Value, SoqlError> {
        let wrong = || self.wrong_type(field, literal);
        Ok(match (&literal.value, field.kind) {
            (LiteralValue::Null, _) => Value::Null,
            (LiteralValue::Boolean(b), FieldType::Boolean) => Value::Bool(*b),
            (LiteralValue::Text(text), FieldType::Id | FieldType::Reference) => Value::Id(text.parse().map_err(|_| {
                let message = format!("invalid ID field: {text}");
                SoqlError::at("INVALID_QUERY_FILTER_OPERATOR", self.text, literal.at, &message)
            })?),
            (LiteralValue::Text(text), kind) if kind.is_text() || kind == FieldType::AnyType => Value::text(text.clone()),
            (LiteralValue::Number(digits), kind) if kind.is_number() => Value::Number(digits.clone()),
            (LiteralValue::Date(day), FieldType::Date) => Value::Date(*day),
            (LiteralValue::DateTime(at), FieldType::Datetime) => Value::DateTime(*at),
            _ => return Err(wrong()),
        })
    }

    fn wrong_type(&self, field: &Field, literal: &Literal) -> SoqlError {
        let soap_name = field.kind.soap_name();
        let kind = soap_name.split(':').next_back().unwrap_or(soap_name);
        let quotes = if matches!(kind, "string" | "ID") {
            "should"
        } else {
            "should not"
        };
        let text = format!(
            "value of filter criterion for field '{}' must be of type {kind} and {quotes} be enclosed in quotes",
            field.name
        );
        SoqlError::at("INVALID_FIELD", self.text, literal.at, &text)
    }

    fn wrong_operator(&self, name: &Name, field: &Field) -> SoqlError {
        let text = format!("invalid operator on {} field", field.kind.name());
        SoqlError::at("INVALID_QUERY_FILTER_OPERATOR", self.text, name.at, &text)
    }

    fn check_field(&self, name: &Name, access: &AccessPath, verb: &str, may: impl Fn(&Field) -> bool) -> Result<(), SoqlError> {
        match self.schema_of(access) {
            Some(field) if !may(field) => {
                let text = format!("field '{}' can not be {verb} in a query call", field.name);
                Err(SoqlError::at("INVALID_FIELD", self.text, name.at, &text))
            }
            _ => Ok(()),
        }
    }

    /// The field that an access ends in; of several possible parents, the first's.
    fn schema_of(&self, access: &AccessPath) -> Option<&'a Field> {
        access.field(self.context.org, self.object)
    }

    /// A path without the object's own name or alias before it.
    fn own_path<'n>(&self, text: &'n str) -> &'n str {
        let Some((first, rest)) = text.split_once('.') else {
            return text;
        };
        let is_own = self.query.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(first))
            || (first.eq_ignore_ascii_case(self.object.name())
                && self.object.relationship(self.context.viewer, first).is_none());
        if is_own { rest } else { text }
    }

    fn field(&self, name: &Name) -> Result<AccessPath, SoqlError> {
        let parts: Vec<&str> = self.own_path(&name.text).split('.').collect();
        self.access(name, &parts)
    }

    fn access(&self, name: &Name, parts: &[&str]) -> Result<AccessPath, SoqlError> {
        if parts.len() > MAX_HOPS + 1 {
            return Err(SoqlError::no_such_relationship(self.text, name.at, parts[MAX_HOPS]));
        }
        self.access_from(self.object, name, parts)
    }

    fn access_from(&self, object: &Object, name: &Name, parts: &[&str]) -> Result<AccessPath, SoqlError> {
        let viewer = self.context.viewer;
        match parts {
            [] => Err(self.no_such_field(name, object.name(), "")),
            [field] => match object.field(viewer, field) {
                Some((index, _)) => Ok(AccessPath::Own(index)),
                None => Err(self.no_such_field(name, object.name(), field)),
            },
            [relationship, rest @ ..] => {
                let (reference, field) = object
                    .relationship(viewer, relationship)
                    .ok_or_else(|| SoqlError::no_such_relationship(self.text, name.at, relationship))?;
                let parents = field
                    .reference_to
                    .iter()
                    .filter_map(|n| self.context.org.visible_object(viewer, n));
                let mut targets = Vec::new();
                let mut first_error = None;
                for parent in parents {
                    let access = match (field.polymorphic(), rest) {
                        (true, [word]) if word.eq_ignore_ascii_case("Type") => Ok(AccessPath::TypeName),
                        _ => self.access_from(parent, name, rest),
                    };
                    match access {
                        Ok(access) => targets.push((parent.name().to_owned(), access)),
                        Err(error) => first_error = first_error.or(Some(error)),
                    }
                }
                match (targets.is_empty(), first_error) {
                    (false, _) => Ok(AccessPath::Parent { reference, targets }),
                    (true, Some(error)) => Err(error),
                    (true, None) => Err(SoqlError::no_such_relationship(self.text, name.at, relationship)),
                }
            }
        }
    }

    fn no_such_field(&self, name: &Name, object: &str, field: &str) -> SoqlError {
        SoqlError::no_such_field(self.text, name.at, object, field)
    }

    /// How many formulas a query expands.
    fn formulas(&self, output: &Output, filter: Option<&Predicate>) -> usize {
        let is_formula = |index: usize| self.object.schema.fields[index].calculated;
        let selected = match output {
            Output::Records { projection, .. } => projection.own_fields().filter(|i| is_formula(*i)).count(),
            _ => 0,
        };
        let mut filtered = 0;
        if let Some(filter) = filter {
            filter.visit(&mut |access| filtered += usize::from(matches!(access, AccessPath::Own(i) if is_formula(*i))));
        }
        selected + filtered
    }
}

/// A custom text field of more than 255 characters.
fn is_long_custom_text(field: &Field) -> bool {
    field.custom && field.kind == FieldType::Textarea && field.length > 255
}

fn refused(refusal: &Refusal) -> SoqlError {
    SoqlError {
        status: refusal.status,
        code: refusal.error_code.clone(),
        message: refusal.message.clone(),
    }
}

/// Whether a condition pins one of these fields by `=` or `IN`, whatever else it asks.
fn compares_one_of(condition: &Condition, fields: &[String]) -> bool {
    let is_one = |name: &Name| {
        let last = name.text.rsplit('.').next().unwrap_or_default();
        fields
            .iter()
            .any(|f| f.eq_ignore_ascii_case(last) || f.eq_ignore_ascii_case(&name.text))
    };
    match condition {
        Condition::All(terms) => terms.iter().any(|t| compares_one_of(t, fields)),
        Condition::Any(terms) => terms.iter().all(|t| compares_one_of(t, fields)),
        Condition::Compare {
            field,
            operator: Operator::Equal,
            ..
        }
        | Condition::Within {
            field, negated: false, ..
        } => is_one(field),
        _ => false,
    }
}
