//! Runs a bound query: which rows it gives, in which order, in pages.
//!
//! Responsible for: the walk along the table, sorting, grouping, totalSize and done, and the ways in which single objects
//! depart from that.
//! Rule: a query in the order of Ids without further condition keeps two positions and counts without reading; every other
//! query keeps the positions of its rows, eight bytes each, and no values.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::SoqlRules;
use super::ast::Function;
use super::bind::{Context, bind};
use super::bound::{Bound, Cell, Output};
use super::error::SoqlError;
use super::filter::AccessPath;
use super::parse::parse;
use crate::org::{Object, Org, OrgRow, Scan, Value, Viewer, write_json_string};

/// The most groups that a grouped query answers.
const MAX_GROUPS: usize = 2_000;

/// A query as a client sends it.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The text.
    pub text: String,
    /// Which rows are read besides live ones.
    pub scan: Scan,
    /// `batchSize` of `Sforce-Query-Options`.
    pub batch_size: Option<usize>,
    /// Now, for date literals.
    pub now: DateTime<Utc>,
}

/// A query under way.
#[derive(Debug)]
pub struct Cursor {
    bound: Bound,
    viewer: Arc<Viewer>,
    rows: Positions,
    /// What `totalSize` says.
    total_size: i64,
    /// Rows that the query gives in all, LIMIT and truncation considered.
    available: u64,
    /// Rows of groups as finished JSON.
    groups: Vec<Vec<u8>>,
}

/// Where the rows are.
#[derive(Debug)]
enum Positions {
    /// All rows that the scan takes from one ordinal up to another, without it.
    Range { start: u64, end: u64 },
    /// These ordinals, in this order.
    List(Vec<u64>),
}

/// How a query's rows are kept.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// All rows that the scan takes between two ordinals.
    Between,
    /// These ordinals, in this order.
    Listed(&'a [u64]),
}

/// Some rows of a query.
#[derive(Clone, Debug)]
pub struct QueryPage {
    cursor: Arc<Cursor>,
    ordinals: Vec<u64>,
    first: u64,
    /// Where the next page begins in the table, if that is known.
    resume: Option<u64>,
}

/// Binds a query and finds its rows.
///
/// # Errors
/// What Salesforce or the object refuses.
pub fn open(org: &Org, viewer: &Arc<Viewer>, request: &QueryRequest, rules: SoqlRules) -> Result<Arc<Cursor>, SoqlError> {
    let query = parse(&request.text)?;
    let context = Context {
        org,
        viewer,
        now: request.now,
        scan: request.scan,
        batch_size: request.batch_size,
        rules,
    };
    let bound = bind(&request.text, &query, context)?;
    let object = org
        .object(&bound.object)
        .ok_or_else(|| SoqlError::no_such_object(&request.text, query.from.at, &query.from.text))?;
    let mut cursor = Cursor {
        bound,
        viewer: Arc::clone(viewer),
        rows: Positions::List(Vec::new()),
        total_size: 0,
        available: 0,
        groups: Vec::new(),
    };
    cursor.find_rows(org, object)?;
    if let (Some(refusal), true) = (
        &object.schema.behaviour.refuses_query_more,
        cursor.available > cursor.bound.page_rows as u64,
    ) {
        return Err(SoqlError {
            status: refusal.status,
            code: refusal.error_code.clone(),
            message: refusal.message.clone(),
        });
    }
    Ok(Arc::new(cursor))
}

impl Cursor {
    fn find_rows(&mut self, org: &Org, object: &Object) -> Result<(), SoqlError> {
        if let Output::Groups { .. } = self.bound.output {
            self.groups = self.grouped(org, object)?;
            self.available = self.groups.len() as u64;
            self.total_size = i64::try_from(self.available).unwrap_or(i64::MAX);
            return Ok(());
        }
        let found = self.positions(org, object);
        let matching = match &found {
            Positions::Range { start, end } => {
                let count = |from| object.count_from(&self.viewer, self.bound.scan, from);
                count(*start).saturating_sub(if *end == u64::MAX { 0 } else { count(*end) })
            }
            Positions::List(ordinals) => ordinals.len() as u64,
        };
        self.rows = self.skip_offset(object, found);
        let mut total = matching
            .saturating_sub(self.bound.offset)
            .min(self.bound.limit.unwrap_or(u64::MAX));
        self.available = total;
        let behaviour = &object.schema.behaviour;
        if let Some(truncation) = behaviour.truncation {
            self.available = self.available.min(truncation.after_rows);
            if !truncation.honest_total && !matches!(self.bound.output, Output::Count) {
                total = self.available;
            }
        }
        if matches!(self.bound.output, Output::Count) {
            self.available = 0;
        }
        self.total_size = if behaviour.unknown_total {
            -1
        } else {
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        Ok(())
    }

    /// The rows before OFFSET and LIMIT.
    fn positions(&self, org: &Org, object: &Object) -> Positions {
        let bound = &self.bound;
        let viewer = &self.viewer;
        let (start, end) = self.bounds(object);
        if bound.filter.is_none() && bound.order.is_empty() && bound.ids.among.is_none() {
            return Positions::Range { start, end };
        }
        let holds = |row: &OrgRow<'_>| bound.filter.as_ref().is_none_or(|f| f.holds(row, org, viewer));
        let mut ordinals: Vec<u64> = match &bound.ids.among {
            Some(ids) => {
                let rows = ids.iter().filter_map(|id| object.row(viewer, bound.scan, *id));
                let mut found: Vec<u64> = rows
                    .filter(|r| r.ordinal() >= start && r.ordinal() < end && holds(r))
                    .map(|r| r.ordinal())
                    .collect();
                found.sort_unstable();
                found
            }
            None => {
                // In the order of the table, what lies past LIMIT needn't be looked at.
                let needed = match (bound.limit, bound.order.is_empty()) {
                    (Some(limit), true) => bound.offset.saturating_add(limit),
                    _ => u64::MAX,
                };
                let rows = object.rows_from(viewer, bound.scan, start).take_while(|r| r.ordinal() < end);
                rows.filter(holds)
                    .map(|r| r.ordinal())
                    .take(usize::try_from(needed).unwrap_or(usize::MAX))
                    .collect()
            }
        };
        if !bound.order.is_empty() {
            ordinals = self.sorted(org, object, ordinals);
        }
        Positions::List(ordinals)
    }

    /// The ordinals from which, and up to which, Ids are within the bounds.
    fn bounds(&self, object: &Object) -> (u64, u64) {
        let (ids, scan, viewer) = (&self.bound.ids, self.bound.scan, &*self.viewer);
        let after = |id| object.rows_after(viewer, scan, id).next().map_or(u64::MAX, |r| r.ordinal());
        let at_or_after = |id| object.row(viewer, scan, id).map_or_else(|| after(id), |r| r.ordinal());
        let start = ids.above.map_or(0, after).max(ids.from.map_or(0, at_or_after));
        let end = ids.below.map_or(u64::MAX, at_or_after).min(ids.to.map_or(u64::MAX, after));
        (start, end.max(start))
    }

    fn sorted(&self, org: &Org, object: &Object, ordinals: Vec<u64>) -> Vec<u64> {
        let viewer = &*self.viewer;
        let keys_of = |ordinal: u64| -> Option<(Vec<Value>, u64)> {
            let row = object.row_at(viewer, Scan::QUERY_ALL, ordinal)?;
            Some((
                self.bound.order.iter().map(|k| k.access.value(&row, org, viewer)).collect(),
                ordinal,
            ))
        };
        let mut keyed: Vec<(Vec<Value>, u64)> = ordinals.into_iter().filter_map(keys_of).collect();
        keyed.sort_by(|(a, at), (b, bt)| {
            let mut order = Ordering::Equal;
            for ((a, b), key) in a.iter().zip(b).zip(&self.bound.order) {
                order = match (a.is_null(), b.is_null()) {
                    (true, true) => Ordering::Equal,
                    (true, false) if key.nulls_last => Ordering::Greater,
                    (true, false) => Ordering::Less,
                    (false, true) if key.nulls_last => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => {
                        let plain = a.compare(b).unwrap_or(Ordering::Equal);
                        if key.descending { plain.reverse() } else { plain }
                    }
                };
                if order != Ordering::Equal {
                    break;
                }
            }
            order.then(at.cmp(bt))
        });
        keyed.into_iter().map(|(_, ordinal)| ordinal).collect()
    }

    fn skip_offset(&self, object: &Object, found: Positions) -> Positions {
        let skipped = usize::try_from(self.bound.offset).unwrap_or(usize::MAX);
        if skipped == 0 {
            return found;
        }
        match found {
            Positions::Range { start, end } => {
                let first = object.rows_from(&self.viewer, self.bound.scan, start).nth(skipped);
                Positions::Range {
                    start: first.map_or(end, |r| r.ordinal().min(end)),
                    end,
                }
            }
            Positions::List(mut ordinals) => Positions::List(ordinals.split_off(skipped.min(ordinals.len()))),
        }
    }

    /// The object's name as describe spells it.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.bound.object
    }

    /// The user who asks.
    #[must_use]
    pub fn viewer(&self) -> &Arc<Viewer> {
        &self.viewer
    }

    /// Which rows it takes besides live ones.
    #[must_use]
    pub fn scan(&self) -> Scan {
        self.bound.scan
    }

    /// Its columns, each with the way to its value; none where it counts or groups.
    #[must_use]
    pub fn cells(&self) -> &[(String, AccessPath)] {
        match &self.bound.output {
            Output::Records { cells, .. } => cells,
            Output::Count | Output::Groups { .. } => &[],
        }
    }

    /// Whether it has ORDER BY, LIMIT, or an end of its own: the order of its rows, or which of them come, isn't left to the server.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.bound.ordered || self.bound.limit.is_some() || self.available < self.total_size.unsigned_abs()
    }

    /// Whether it skips rows.
    #[must_use]
    pub fn has_offset(&self) -> bool {
        self.bound.offset > 0
    }

    /// How its rows are kept.
    #[must_use]
    pub fn found(&self) -> Found<'_> {
        match &self.rows {
            Positions::Range { .. } => Found::Between,
            Positions::List(ordinals) => Found::Listed(ordinals),
        }
    }

    /// The ordinals between which its rows are, where they aren't listed.
    #[must_use]
    pub fn ordinals(&self, org: &Org) -> (u64, u64) {
        let last = org.object(&self.bound.object).map_or(0, Object::end);
        match self.rows {
            Positions::Range { start, end } => (start.min(last), end.min(last)),
            Positions::List(_) => (0, last),
        }
    }

    /// What `totalSize` says: rows in all, or −1 where nobody knows.
    #[must_use]
    pub fn total_size(&self) -> i64 {
        self.total_size
    }

    /// Rows that all pages give together.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.available
    }

    /// The page that begins after `offset` rows. `known` may name an offset at or before it and the ordinal there, which
    /// saves the walk.
    #[must_use]
    pub fn page(self: &Arc<Self>, org: &Org, offset: u64, known: Option<(u64, u64)>) -> QueryPage {
        let left = self.available.saturating_sub(offset);
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(self.bound.page_rows);
        let mut page = QueryPage {
            cursor: Arc::clone(self),
            ordinals: Vec::new(),
            first: offset,
            resume: None,
        };
        match (&self.rows, org.object(&self.bound.object)) {
            _ if !self.groups.is_empty() => page.ordinals = (offset..offset + rows as u64).collect(),
            (Positions::List(ordinals), _) => {
                page.ordinals = ordinals
                    .iter()
                    .skip(usize::try_from(offset).unwrap_or(usize::MAX))
                    .take(rows)
                    .copied()
                    .collect();
            }
            (Positions::Range { start, end }, Some(object)) if rows > 0 => {
                let (from_offset, from) = known.filter(|(o, _)| *o <= offset).unwrap_or((0, *start));
                let skip = usize::try_from(offset - from_offset).unwrap_or(usize::MAX);
                let walk = object.rows_from(&self.viewer, self.bound.scan, from).map(|r| r.ordinal());
                let mut walk = walk.take_while(|o| o < end).skip(skip);
                page.ordinals = walk.by_ref().take(rows).collect();
                page.resume = walk.next();
            }
            _ => {}
        }
        page
    }

    fn grouped(&self, org: &Org, object: &Object) -> Result<Vec<Vec<u8>>, SoqlError> {
        let Output::Groups { by, cells } = &self.bound.output else {
            return Ok(Vec::new());
        };
        let viewer = &*self.viewer;
        let aggregates: Vec<_> = cells
            .iter()
            .filter_map(|c| {
                if let Cell::Aggregate { function, of, .. } = c {
                    Some((*function, of))
                } else {
                    None
                }
            })
            .collect();
        // Grouped by their printed values, which are equal just where the values are.
        let mut groups: BTreeMap<Vec<String>, (Vec<Value>, Vec<Aggregate>)> = BTreeMap::new();
        let ordinals: Box<dyn Iterator<Item = u64>> = match self.positions(org, object) {
            Positions::List(list) => Box::new(list.into_iter()),
            Positions::Range { start, end } => {
                let rows = object.rows_from(viewer, self.bound.scan, start);
                Box::new(rows.map(|r| r.ordinal()).take_while(move |o| *o < end))
            }
        };
        if by.is_empty() {
            groups.insert(
                Vec::new(),
                (Vec::new(), aggregates.iter().map(|_| Aggregate::default()).collect()),
            );
        }
        for row in ordinals.filter_map(|o| object.row_at(viewer, Scan::QUERY_ALL, o)) {
            let values: Vec<Value> = by.iter().map(|(_, access)| access.value(&row, org, viewer)).collect();
            let key = values.iter().map(Value::to_plain).collect();
            let (_, sums) = groups
                .entry(key)
                .or_insert_with(|| (values, aggregates.iter().map(|_| Aggregate::default()).collect()));
            for (sum, (function, of)) in sums.iter_mut().zip(&aggregates) {
                sum.add(*function, of.value(&row, org, viewer));
            }
        }
        let wanted = usize::try_from(self.bound.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let skipped = usize::try_from(self.bound.offset).unwrap_or(usize::MAX);
        if groups.len() > MAX_GROUPS && wanted > MAX_GROUPS {
            let message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch";
            return Err(SoqlError::new("EXCEEDED_ID_LIMIT", message));
        }
        Ok(groups
            .into_values()
            .skip(skipped)
            .take(wanted)
            .map(|(keys, sums)| group_json(by, cells, &keys, &sums))
            .collect())
    }
}

fn group_json(by: &[(String, AccessPath)], cells: &[Cell], keys: &[Value], sums: &[Aggregate]) -> Vec<u8> {
    let mut json = b"{\"attributes\":{\"type\":\"AggregateResult\"}".to_vec();
    let mut next_sum = sums.iter();
    for cell in cells {
        json.push(b',');
        let (name, value) = match cell {
            Cell::Key(place) => (by[*place].0.as_str(), keys[*place].clone()),
            Cell::Aggregate { name, function, .. } => {
                (name.as_str(), next_sum.next().map_or(Value::Null, |s| s.value(*function)))
            }
        };
        write_json_string(&mut json, name);
        json.push(b':');
        value.write_json(&mut json, String::new);
    }
    json.push(b'}');
    json
}

/// What is gathered of one aggregate in one group.
#[derive(Debug, Default)]
struct Aggregate {
    rows: u64,
    distinct: HashSet<String>,
    best: Option<Value>,
}

impl Aggregate {
    fn add(&mut self, function: Function, value: Value) {
        if value.is_null() {
            return;
        }
        self.rows += 1;
        let wanted = match function {
            Function::Count => return,
            Function::CountDistinct => {
                self.distinct.insert(value.to_plain().to_lowercase());
                return;
            }
            Function::Min => Ordering::Less,
            Function::Max => Ordering::Greater,
        };
        if self.best.as_ref().is_none_or(|best| value.compare(best) == Some(wanted)) {
            self.best = Some(value);
        }
    }

    fn value(&self, function: Function) -> Value {
        match function {
            Function::Count => Value::Number(self.rows.to_string()),
            Function::CountDistinct => Value::Number(self.distinct.len().to_string()),
            Function::Min | Function::Max => self.best.clone().unwrap_or(Value::Null),
        }
    }
}

impl QueryPage {
    /// Rows on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ordinals.len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ordinals.is_empty()
    }

    /// Rows given with this page and those before it: where the next one begins.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.first + self.ordinals.len() as u64
    }

    /// The ordinal at which the next page begins, where the walk has found it.
    #[must_use]
    pub fn resume(&self) -> Option<u64> {
        self.resume
    }

    /// Whether it is the last.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.ordinals.is_empty() || self.next_offset() >= self.cursor.available
    }

    /// What `totalSize` says.
    #[must_use]
    pub fn total_size(&self) -> i64 {
        self.cursor.total_size
    }

    /// The query that it's a page of.
    #[must_use]
    pub fn cursor(&self) -> &Arc<Cursor> {
        &self.cursor
    }

    /// Adds record `index` of the page as JSON. Nothing is added, and false given, where the row is gone for good by now.
    pub fn write_record(&self, org: &Org, index: usize, version: &str, out: &mut Vec<u8>) -> bool {
        let Some(ordinal) = self.ordinals.get(index) else {
            return false;
        };
        let cursor = &*self.cursor;
        if let Some(group) = usize::try_from(*ordinal).ok().and_then(|at| cursor.groups.get(at)) {
            out.extend_from_slice(group);
            return true;
        }
        let Output::Records { projection, .. } = &cursor.bound.output else {
            return false;
        };
        let row = org
            .object(&cursor.bound.object)
            .and_then(|object| object.row_at(&cursor.viewer, Scan::QUERY_ALL, *ordinal));
        row.map(|row| projection.write(&row, org, &cursor.viewer, version, out))
            .is_some()
    }
}
