//! The shapes of Salesforce's answers, condensed to what reading needs, and what its refusals mean.
//!
//! Pure: bytes in, values out; nothing is sent or stored. The rule it keeps: no answer of a server can make it panic, and what
//! it gives on is verbatim (numbers keep their digits) or not at all.
//!
//! Sources: Salesforce REST API developer guide (query, composite, describe, record count, limits, getUpdated,
//! getDeleted, status codes and error responses) and Bulk API 2.0 developer guide (query and ingest jobs), release v62–v68.

mod changes;
mod collections;
mod composite;
mod counts;
mod csv_page;
mod describe;
mod global;
mod ingest;
mod job;
pub mod limits;
mod page;
mod permissions;
mod record;
mod refusal;
mod value;
mod writable;

pub use changes::{Deleted, Updated, http_date, http_moment, moment, moment_url, read_deleted, read_updated};
pub use collections::{Found, Part, SaveError, Saved, read_parts};
pub use composite::{Bodies, Broken, Sub, SubBody, read_composite};
pub use counts::{read_counts, told};
pub use csv_page::{CsvColumns, CsvEnd, read_csv_header, read_csv_rows};
pub use describe::{Describe, DescribeBodies, Described, Field, Skip, unpack};
pub use global::{GlobalObject, read_global};
pub use ingest::{Fingerprint, IngestResult, NewIngest, Table, read_ingest_results};
pub use job::{Job, JobState, NewJob, read_job, read_jobs};
pub use page::{Ids, Page, PageBodies, RecordSink, read_record};
pub use permissions::{PERMISSIONS, Permission, PermissionRows, is_granted, permission_queries};
pub use record::{Extracted, NO_ID, Shape, row};
pub use refusal::{ApiError, Class, classify, named_column, read_errors, refusal};
pub use value::{Kind, canonical};
pub use writable::{LostField, Writable, WritableBodies, WritableField};

/// The parser takes single bytes, which only a buffer gives fast.
fn buffered<R: std::io::Read>(body: R) -> std::io::BufReader<R> {
    std::io::BufReader::with_capacity(64 * 1024, body)
}
