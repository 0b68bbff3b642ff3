//! The exports `plan-restore` and `run-batch` of a restore: writes records of a snapshot back, each once.
//!
//! Pure: [`order`] of objects, [`prepare`] (what is sent of a record), [`request`] (a thousand records in one), [`refused`] (what a
//! refusal means), [`rules`] (what Salesforce wants of single objects), [`condition`]. Kept in the host's values:
//! `job` (where the restore stands) and `records` (every record that it has to do with), in `table`s; `intent` (what the
//! request under way is to create). Planning: `plan`, by `select` (which records), `describe` (how they are written), `lookup` and
//! `names` (which of them the target has), `rehearsal` and `estimate`. Writing: `write`, which sends what `fill` puts together and
//! gives the answers to `results`, and to `again` where they leave something open; `ingest` (by bulk jobs), `settle` (after an answer was lost), `adopt` (records that Salesforce
//! creates by itself), `documents` (those of files), `verify`.
//!
//! The rule it keeps: nothing is sent that may create a record before it is durable what it will create, and nothing else is
//! sent before it is known what came of it.

pub mod condition;
pub mod order;
mod plan;
pub mod prepare;
pub mod refused;
pub mod request;
pub mod rules;
mod run;
mod state;
mod write;

pub use plan::plan_restore;
pub use state::job::{Selection, is_restore};
pub use write::run_batch;

#[cfg(test)]
mod tests;
