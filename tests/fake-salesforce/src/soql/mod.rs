//! SOQL: a real grammar, bound to what one user sees, run against the org page by page.
//!
//! Not for: locators, HTTP and JSON envelopes, which `rest` has.
//! Rule: a query holds positions, never rows; values are read when a page is written.

mod ast;
mod bind;
mod bound;
mod dates;
mod error;
mod filter;
mod parse;
mod render;
mod run;

pub use self::error::SoqlError;
pub use self::filter::AccessPath;
pub use self::parse::{MAX_CHARS, parse};
pub use self::render::Projection;
pub use self::run::{Cursor, Found, QueryPage, QueryRequest, open};

/// The double's own rules, where Salesforce documents none in numbers.
///
/// A page has 2,000 rows, or the caller's batch size (200 to 2,000), and fewer where rows are wide:
/// - no page has more than `max_cells` values (rows × columns), but always one row: pages get shorter from 101 columns on;
/// - two or more custom long text fields make it `long_text_rows` at most, as the documentation of the query batch size says.
///
/// More than `max_formulas` calculated fields in one query answer `QUERY_TOO_COMPLICATED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoqlRules {
    /// Values on a page.
    pub max_cells: usize,
    /// Rows of a page with two or more custom long text fields.
    pub long_text_rows: usize,
    /// Calculated fields in one query.
    pub max_formulas: usize,
}

/// Rows of a page where nothing shortens it.
pub const FULL_PAGE_ROWS: usize = 2_000;
/// The least rows that a caller can ask for on a page.
pub const LEAST_PAGE_ROWS: usize = 200;

impl Default for SoqlRules {
    fn default() -> Self {
        Self {
            max_cells: 200_000,
            long_text_rows: 200,
            max_formulas: 300,
        }
    }
}

impl SoqlRules {
    /// Rows of a page.
    #[must_use]
    pub fn page_rows(self, columns: usize, long_texts: usize, batch_size: Option<usize>) -> usize {
        let asked = batch_size.unwrap_or(FULL_PAGE_ROWS).clamp(LEAST_PAGE_ROWS, FULL_PAGE_ROWS);
        let by_text = if long_texts >= 2 {
            self.long_text_rows
        } else {
            FULL_PAGE_ROWS
        };
        asked.min(by_text).min(self.max_cells / columns.max(1)).max(1)
    }
}

#[cfg(test)]
mod tests;
