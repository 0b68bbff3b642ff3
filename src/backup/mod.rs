//! The export `run-batch`: reads the objects of a plan, from checkpoint to checkpoint.
//!
//! [`Checkpoint`] says where each object stands; [`packing`] fills a composite request's five places with what comes next;
//! [`object`] moves an object on by what came back; `batch` sends, streams rows to the host, and decides when to end.
//! The rule it keeps: a cursor moves only over rows that were handed to the host before.

mod batch;
mod checkpoint;
mod object;
pub mod packing;
mod rows;

pub use batch::{MAX_REQUESTS, next_batch, run_batch};
pub use checkpoint::{Chain, Checkpoint};
pub use object::{Cursor, Event, Object, Outcome, PAGE_ROWS, Phase, Way, skipped};

#[cfg(test)]
mod tests;
