//! The export `run-batch`: reads the objects of a plan, from checkpoint to checkpoint.
//!
//! Pure: [`Checkpoint`] says where each object stands and [`object`](Object) moves one on by what came back; [`packing`] fills a
//! composite request with what comes next; `strategies` tells what reads an object with the fewest requests; [`ranges`] cuts large
//! objects. With the host: `batch` sends and decides when to end, `requests` asks and reads composite requests, `bulk` query jobs,
//! `files` files; `rows` hands rows on, `changed` counts them, `scan` finds deletions by Ids, `trouble` narrows what fails, [`again`]
//! tells when that is tried again, `lists` loads the Ids that some objects are read by, `ends` marks what is done.
//!
//! The rule it keeps: a cursor moves only over rows that were handed to the host before.

pub mod again;
mod batch;
mod bulk;
mod changed;
mod checkpoint;
mod ends;
pub mod files;
mod lists;
mod object;
pub mod packing;
pub mod ranges;
mod requests;
mod rows;
mod scan;
mod strategies;
mod trouble;
mod unreadable;

pub use batch::{next_batch, run_batch};
pub use checkpoint::{BulkJobs, Chain, Checkpoint};
pub use object::{
    Bulk, Cursor, Event, FileWalk, Listed, Object, ObjectEstimate, ObjectFiles, Outcome, PageStep, Phase, QueryPages, Range,
    RangeState, RowCounts, Since, Strategy, by_nature, skipped,
};
pub use strategies::by_bulk;

#[cfg(test)]
mod tests;
