//! The exports `plan-restore` and `run-batch` of a restore: writes records of a snapshot back, each once.
//!
//! - Pure: [`order`] of objects, [`prepare`] (what is sent of a record), [`request`] (a thousand records in one), [`write_error`] (what a
//!   refusal means), [`rules`] (what Salesforce wants of single objects), [`condition`], `limits`.
//! - Kept in the host's values: `state` (where the restore stands, every record that it has to do with, what the request under way is
//!   to create).
//! - Shared: `context` (the org, the snapshot and the state), with `outcome` (what became of a record), `side_effects` (records that
//!   Salesforce creates by itself) and `estimate` (what it costs). `target` reads what the target has, `refusals` tells what is done
//!   about what it refused, `settle` finds out what came of a request without an answer, or of a bulk job.
//! - Planning: `plan`, whose planner can't write. Writing: `write`, whose writer can't plan.
//!
//! The rule it keeps: nothing is sent that may create a record before it is durable what it will create, and nothing else is
//! sent before it is known what came of it.

pub mod condition;
mod context;
mod estimate;
mod limits;
pub mod order;
mod outcome;
mod plan;
pub mod prepare;
mod refusals;
pub mod request;
pub mod rules;
mod settle;
mod side_effects;
mod state;
mod target;
mod write;
pub mod write_error;

pub use plan::plan_restore;
pub use state::job::{Selection, is_restore};
pub use write::run_batch;

#[cfg(test)]
mod tests;
