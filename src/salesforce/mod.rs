//! The shapes of Salesforce's answers, condensed to what reading needs, and what its refusals mean.
//!
//! Pure: bytes in, values out; nothing is sent or stored. The rule it keeps: no answer of a server can make it panic, and what
//! it gives on is verbatim (numbers keep their digits) or not at all.
//!
//! Sources: Salesforce REST API developer guide (query, composite, describe, record count, limits, status codes and error
//! responses), release v62–v68.

mod composite;
mod counts;
mod describe;
mod global;
mod page;
mod record;
mod refusal;

pub use composite::{Bodies, Broken, Sub, SubBody, read_composite};
pub use counts::read_counts;
pub use describe::{Describe, DescribeBodies, Skip};
pub use global::{GlobalObject, read_global};
pub use page::{Ids, Page, PageBodies, RecordSink, read_page};
pub use record::{Extracted, NO_ID, Shape, row};
pub use refusal::{ApiError, Class, classify, read_errors};

/// The parser takes single bytes, which only a buffer gives fast.
fn buffered<R: std::io::Read>(body: R) -> std::io::BufReader<R> {
    std::io::BufReader::with_capacity(64 * 1024, body)
}
