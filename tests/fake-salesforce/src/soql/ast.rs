//! What a SOQL text says, before anybody looks whether such objects and fields exist.
//!
//! Rule: every name and value keeps its byte offset in the text, since Salesforce's errors point there.

use chrono::{DateTime, NaiveDate, Utc};

use super::dates::DateLiteral;

/// One query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What is selected.
    pub select: Select,
    /// The object's name, in the case of the text.
    pub from: Name,
    /// The name given to the object.
    pub alias: Option<String>,
    /// WHERE.
    pub filter: Option<Condition>,
    /// GROUP BY.
    pub group_by: Vec<Name>,
    /// ORDER BY.
    pub order_by: Vec<OrderTerm>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: Option<u64>,
    /// ALL ROWS, which REST refuses.
    pub all_rows: bool,
}

/// A name, dotted where it goes through relationships, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text, for instance `Owner.Name`.
    pub text: String,
    /// Its byte offset in the query.
    pub at: usize,
}

/// What is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// `COUNT()`: only the number of rows.
    Count,
    /// Fields and aggregates.
    Items(Vec<SelectItem>),
}

/// One thing that is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectItem {
    /// A field.
    Field(Name),
    /// `FIELDS(ALL)` and its kin.
    Fields(FieldsSet),
    /// An aggregate of a field.
    Aggregate {
        /// Which.
        function: Function,
        /// Of what.
        field: Name,
        /// What the result is called; `expr0` and so on otherwise.
        alias: Option<String>,
    },
}

/// The argument of `FIELDS()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldsSet {
    /// All fields.
    All,
    /// Fields that come with Salesforce.
    Standard,
    /// Fields made in the org.
    Custom,
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Rows where the field isn't null.
    Count,
    /// Different values.
    CountDistinct,
    /// The lowest value.
    Min,
    /// The highest value.
    Max,
}

/// One term of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    /// The field.
    pub field: Name,
    /// DESC.
    pub descending: bool,
    /// NULLS LAST; nulls come first otherwise, in both directions.
    pub nulls_last: bool,
}

/// A condition of WHERE.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It doesn't hold.
    Not(Box<Condition>),
    /// A field is compared.
    Compare {
        /// The field.
        field: Name,
        /// How.
        operator: Operator,
        /// With what.
        value: Literal,
    },
    /// A field's value is in a list, or isn't.
    Within {
        /// The field.
        field: Name,
        /// NOT IN.
        negated: bool,
        /// The list.
        values: Vec<Literal>,
    },
    /// A multi-select picklist includes one of the combinations, or none of them.
    Includes {
        /// The field.
        field: Name,
        /// EXCLUDES.
        negated: bool,
        /// Combinations, each parted by semicolons.
        values: Vec<String>,
    },
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// A value in the text, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// The value.
    pub value: LiteralValue,
    /// Its byte offset in the query.
    pub at: usize,
}

/// A value in the text.
#[derive(Clone, Debug, PartialEq)]
pub enum LiteralValue {
    /// `null`
    Null,
    /// `true`
    Boolean(bool),
    /// `'It\'s'`, unescaped.
    Text(String),
    /// Digits as written.
    Number(String),
    /// `2024-02-29`
    Date(NaiveDate),
    /// `2024-02-29T00:00:00Z`
    DateTime(DateTime<Utc>),
    /// `LAST_N_DAYS:7`
    Literal(DateLiteral),
}
