//! A query whose names are fields and whose literals are values: what binding makes and running takes.

use std::collections::HashSet;

use super::ast::{Function, Operator};
use super::filter::{AccessPath, Predicate};
use super::render::Projection;
use crate::org::{RecordId, Scan};

/// A query that can be run.
#[derive(Debug)]
pub struct Bound {
    /// The object's name as describe spells it.
    pub object: String,
    /// Which rows are read besides live ones.
    pub scan: Scan,
    /// What comes out.
    pub output: Output,
    /// What Ids must be, as far as the table's own order answers it.
    pub ids: IdBounds,
    /// What rows must be otherwise.
    pub filter: Option<Predicate>,
    /// Whether the text has an ORDER BY.
    pub ordered: bool,
    /// How rows are sorted; empty is by Id.
    pub order: Vec<SortKey>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: u64,
    /// Rows of a page, from width and the caller's batch size.
    pub page_rows: usize,
}

/// What comes out of a query.
#[derive(Debug)]
pub enum Output {
    /// Only the number of rows.
    Count,
    /// Records.
    Records {
        /// As JSON.
        projection: Projection,
        /// As a table: each column's name, and the way to its value.
        cells: Vec<(String, AccessPath)>,
    },
    /// Groups of rows, or all rows as one group.
    Groups {
        /// GROUP BY, each with its name in the answer.
        by: Vec<(String, AccessPath)>,
        /// What is said of each group, in the order selected.
        cells: Vec<Cell>,
    },
}

/// One value of a group.
#[derive(Debug)]
pub enum Cell {
    /// The group's own value, by its place in GROUP BY.
    Key(usize),
    /// An aggregate, with its name in the answer.
    Aggregate {
        /// Its name.
        name: String,
        /// Which.
        function: Function,
        /// Of what.
        of: AccessPath,
    },
}

/// One key of ORDER BY.
#[derive(Debug)]
pub struct SortKey {
    /// What is sorted by.
    pub access: AccessPath,
    /// DESC.
    pub descending: bool,
    /// NULLS LAST.
    pub nulls_last: bool,
}

/// What Ids must be.
#[derive(Debug, Default)]
pub struct IdBounds {
    /// Above this one.
    pub above: Option<RecordId>,
    /// This one or above.
    pub from: Option<RecordId>,
    /// Below this one.
    pub below: Option<RecordId>,
    /// This one or below.
    pub to: Option<RecordId>,
    /// One of these.
    pub among: Option<HashSet<RecordId>>,
}

impl IdBounds {
    /// Keeps ids that a comparison lets through.
    pub(super) fn narrow(&mut self, operator: Operator, id: RecordId) {
        let higher = |old: Option<RecordId>| Some(old.map_or(id, |o| o.max(id)));
        let lower = |old: Option<RecordId>| Some(old.map_or(id, |o| o.min(id)));
        match operator {
            Operator::Greater => self.above = higher(self.above),
            Operator::GreaterOrEqual => self.from = higher(self.from),
            Operator::Less => self.below = lower(self.below),
            Operator::LessOrEqual => self.to = lower(self.to),
            _ => self.keep_among(HashSet::from([id])),
        }
    }

    /// Keeps ids that are also among these.
    pub(super) fn keep_among(&mut self, ids: HashSet<RecordId>) {
        self.among = Some(match self.among.take() {
            None => ids,
            Some(old) => old.intersection(&ids).copied().collect(),
        });
    }
}
