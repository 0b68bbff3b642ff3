//! Salesforce's own limits of one request, as far as this connector counts on them.
//!
//! Source: REST API Developer Guide, the chapter in brackets. What this connector chooses by itself, below a limit, stands where it is
//! used.

/// Queries and collections that a composite request may have (*Composite Resource Limits*).
pub const COMPOSITE_QUERIES: usize = 5;

/// Subrequests that a composite request may have.
pub const SUBREQUESTS: usize = 25;

/// Subrequests of a composite that are left for single records beside its queries and collections.
pub const SINGLES: usize = SUBREQUESTS - COMPOSITE_QUERIES;

/// Rows of a page of a query; longer ones come in pages of so many.
pub const PAGE_ROWS: u32 = 2_000;

/// The smallest page that can be asked for, and the largest of objects with two or more custom fields of long text (*Query Options
/// Header*).
pub const MIN_PAGE_ROWS: u32 = 200;

/// Records that a collection creates or updates (*sObject Collections*).
pub const COLLECTION_RECORDS: usize = 200;

/// Records of one type in a row are worked through together; a collection may have so many such runs.
pub const COLLECTION_RUNS: usize = 10;

/// Ids that a collection reads (`GET`/`POST composite/sobjects/NAME`).
pub const COLLECTION_IDS: usize = 2_000;

/// Bytes of a multipart body with files: Salesforce takes 500 MB (*Insert or Update Blob Data*), of which base64 and headers are part.
pub const MAX_FILE_BYTES: u64 = 400 * 1024 * 1024;
