//! The results of a job: which rows, in which order, on which pages.
//!
//! Rule: rows are positions in an org that is kept as it was; values are made when a page is read. Without ORDER BY and LIMIT rows come
//! chunk by chunk in an order that only the job's seed knows, the same each time.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::BulkRules;
use super::csv::Dialect;
use crate::org::{FieldType, Org, Scan};
use crate::soql::{Cursor, Found};

/// Rows whose length is taken for that of all.
const SAMPLE_ROWS: u64 = 100;

/// Rows that lie side by side.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    /// The first ordinal, or place in the cursor's list.
    from: u64,
    /// One past the last.
    to: u64,
    /// Rows before it, in the order of the results.
    before: u64,
}

/// The results of a job.
#[derive(Debug)]
pub struct Results {
    org: Arc<Org>,
    cursor: Arc<Cursor>,
    kinds: Vec<Option<FieldType>>,
    chunks: Vec<Chunk>,
    rows: u64,
    row_bytes: u64,
}

/// A place in the results.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    chunk: usize,
    /// The next ordinal, or place in the cursor's list; none: the chunk's first.
    next: Option<u64>,
}

/// A page of results.
#[derive(Clone, Debug)]
pub struct ResultPage {
    /// Of these.
    pub results: Arc<Results>,
    /// Its form.
    pub dialect: Dialect,
    /// The offset of its first row.
    pub first: u64,
    /// Its rows.
    pub rows: u64,
}

impl ResultPage {
    /// The offset of the next page; none where this is the last.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let next = self.first + self.rows;
        (next < self.results.rows).then_some(next)
    }

    /// The line of column names.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        let names = self.results.cursor.cells().iter().map(|(name, _)| name.as_str());
        self.dialect.write_texts(names, &mut head);
        head
    }
}

impl Results {
    /// The results of a query on an org as it is in this copy.
    #[must_use]
    pub fn new(org: Arc<Org>, cursor: Arc<Cursor>, rules: BulkRules, seed: u64) -> Self {
        let kinds = org.object(cursor.object()).map_or_else(Vec::new, |object| {
            let cells = cursor.cells().iter();
            cells.map(|(_, access)| access.field(&org, object).map(|f| f.kind)).collect()
        });
        let mut results = Self {
            chunks: chunks(&org, &cursor, rules.chunk_rows.max(1), seed),
            rows: cursor.available(),
            org,
            cursor,
            kinds,
            row_bytes: 0,
        };
        results.row_bytes = results.sampled_row_bytes();
        results
    }

    /// The object's name as describe spells it.
    #[must_use]
    pub fn object(&self) -> &str {
        self.cursor.object()
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes in all, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rows.saturating_mul(self.row_bytes)
    }

    /// The page from an offset on. A caller's own number of rows is kept as far as the page doesn't get too long.
    #[must_use]
    pub fn page(self: &Arc<Self>, first: u64, max_records: Option<u64>, dialect: Dialect, rules: BulkRules) -> ResultPage {
        let by_bytes = (rules.page_bytes / self.row_bytes.max(1)).max(1);
        let wanted = max_records.unwrap_or(rules.page_rows).max(1);
        ResultPage {
            results: Arc::clone(self),
            dialect,
            first,
            rows: wanted.min(by_bytes).min(self.rows.saturating_sub(first)),
        }
    }

    /// The place of an offset.
    #[must_use]
    pub fn place(&self, offset: u64) -> Place {
        let chunk = self.chunks.partition_point(|c| c.before <= offset).saturating_sub(1);
        let mut place = Place { chunk, next: None };
        let inside = self.chunks.get(chunk).map_or(0, |c| offset - c.before);
        if inside > 0 {
            place.next = match self.cursor.found() {
                Found::Listed(_) => self.chunks.get(chunk).map(|c| c.from + inside),
                Found::Between => self.ordinals(chunk, None).nth(inside as usize),
            };
        }
        place
    }

    /// The ordinals of a chunk's rows, from one on.
    fn ordinals(&self, chunk: usize, from: Option<u64>) -> Box<dyn Iterator<Item = u64> + '_> {
        let (Some(chunk), Some(object)) = (self.chunks.get(chunk), self.org.object(self.cursor.object())) else {
            return Box::new(std::iter::empty());
        };
        let rows = object.rows_from(self.cursor.viewer(), self.cursor.scan(), from.unwrap_or(chunk.from));
        Box::new(rows.map(|row| row.ordinal()).take_while(|ordinal| *ordinal < chunk.to))
    }

    /// Writes up to so many rows, as long as there are fewer than so many bytes; moves the place, gives the number of rows.
    pub fn write(&self, place: &mut Place, dialect: Dialect, rows: u64, up_to_bytes: usize, out: &mut Vec<u8>) -> u64 {
        let mut written = 0;
        while written < rows && out.len() < up_to_bytes {
            let Some(chunk) = self.chunks.get(place.chunk) else { break };
            let left = |written: u64, out: &Vec<u8>| written < rows && out.len() < up_to_bytes;
            match self.cursor.found() {
                Found::Listed(list) => {
                    let mut at = place.next.unwrap_or(chunk.from);
                    while at < chunk.to && left(written, out) {
                        self.write_row(list[at as usize], dialect, out);
                        (at, written) = (at + 1, written + 1);
                    }
                    place.next = (at < chunk.to).then_some(at);
                }
                Found::Between => {
                    let mut rest = self.ordinals(place.chunk, place.next);
                    place.next = None;
                    for ordinal in rest.by_ref() {
                        if !left(written, out) {
                            place.next = Some(ordinal);
                            break;
                        }
                        self.write_row(ordinal, dialect, out);
                        written += 1;
                    }
                }
            }
            if place.next.is_none() {
                place.chunk += 1;
            }
        }
        written
    }

    fn write_row(&self, ordinal: u64, dialect: Dialect, out: &mut Vec<u8>) {
        let viewer = self.cursor.viewer();
        let object = self.org.object(self.cursor.object());
        if let Some(row) = object.and_then(|o| o.row_at(viewer, Scan::QUERY_ALL, ordinal)) {
            let cells = self.cursor.cells().iter().zip(&self.kinds);
            let values = cells.map(|((_, access), kind)| (access.value(&row, &self.org, viewer), *kind));
            dialect.write_values(values, out);
        }
    }

    /// The length of a row, from some of the first and some in the middle.
    fn sampled_row_bytes(&self) -> u64 {
        let mut out = Vec::new();
        let mut rows = 0;
        for offset in [0, self.rows / 2] {
            let mut place = self.place(offset);
            rows += self.write(&mut place, Dialect::default(), SAMPLE_ROWS, usize::MAX, &mut out);
        }
        (out.len() as u64).div_ceil(rows.max(1)).max(1)
    }
}

/// The rows of a query in pieces, shuffled where the query sets no order.
fn chunks(org: &Org, cursor: &Cursor, chunk_rows: u64, seed: u64) -> Vec<Chunk> {
    let available = cursor.available();
    let (from, to) = match cursor.found() {
        Found::Listed(list) => (0, list.len() as u64),
        Found::Between => cursor.ordinals(org),
    };
    if cursor.is_ordered() {
        return vec![Chunk { from, to, before: 0 }];
    }
    let mut chunks: Vec<Chunk> = (from..to)
        .step_by(usize::try_from(chunk_rows).unwrap_or(usize::MAX))
        .map(|start| Chunk {
            from: start,
            to: to.min(start.saturating_add(chunk_rows)),
            before: 0,
        })
        .collect();
    chunks.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let object = org.object(cursor.object());
    let mut before = 0;
    for chunk in &mut chunks {
        chunk.before = before;
        before += match cursor.found() {
            Found::Listed(_) => chunk.to - chunk.from,
            Found::Between => object.map_or(0, |o| o.count_between(cursor.viewer(), cursor.scan(), chunk.from, chunk.to)),
        };
    }
    debug_assert!(before >= available, "the chunks of {} rows have {before}", available);
    chunks.retain(|c| c.before < before || before == 0);
    chunks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::org::OrgSpec;
    use crate::soql::{QueryRequest, SoqlRules, open};

    fn results(soql: &str, chunk_rows: u64, seed: u64) -> Arc<Results> {
        let org = Arc::new(Org::generate(&OrgSpec::tiny(5)));
        let request = QueryRequest {
            text: soql.to_owned(),
            scan: Scan::QUERY,
            batch_size: None,
            now: org.created_at(),
        };
        let viewer = Arc::new(org.administrator());
        let cursor = open(&org, &viewer, &request, SoqlRules::default()).unwrap();
        let rules = BulkRules {
            chunk_rows,
            ..BulkRules::default()
        };
        Arc::new(Results::new(org, cursor, rules, seed))
    }

    fn lines(results: &Results, first: u64, rows: u64, piece_bytes: usize) -> Vec<String> {
        let mut place = results.place(first);
        let (mut all, mut left) = (Vec::new(), rows);
        while left > 0 {
            let mut piece = Vec::new();
            let written = results.write(&mut place, Dialect::default(), left, piece_bytes, &mut piece);
            assert!(written > 0, "{left} rows are missing");
            left -= written;
            all.extend(piece);
        }
        String::from_utf8(all).unwrap().lines().map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pages_of_any_length_give_every_row_once_whatever_the_chunks(
            chunk_rows in 1u64..200, page_rows in 1u64..80, piece_bytes in 1usize..400, seed in any::<u64>(), filtered in any::<bool>(),
        ) {
            let filter = if filtered { " WHERE Stage__c = 'Open'" } else { "" };
            let soql = format!("SELECT Id FROM Invoice__c{filter}");
            let results = results(&soql, chunk_rows, seed);
            let whole = lines(&results, 0, results.rows(), usize::MAX);
            let mut paged = Vec::new();
            let mut next = (results.rows() > 0).then_some(0);
            while let Some(first) = next {
                let page = results.page(first, Some(page_rows), Dialect::default(), BulkRules::default());
                paged.extend(lines(&results, first, page.rows, piece_bytes));
                next = page.next();
            }
            prop_assert_eq!(&paged, &whole);
            let mut sorted = whole;
            sorted.sort();
            let mut expected = lines(&super::tests::results(&format!("{soql} ORDER BY Id"), chunk_rows, seed), 0, results.rows(), usize::MAX);
            expected.sort();
            prop_assert_eq!(sorted, expected);
        }
    }
}
