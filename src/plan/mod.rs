//! The export `plan-backup`: which objects the org has, how each will be read, and what that costs.
//!
//! Planning may be cut at any request, by the limit or by a crash. What was learnt is in values by then, so the next call asks
//! for nothing again. The rule it keeps: a request is sent only for what no value tells.
//!
//! - [`state`]: what is known so far. [`describes`]: condensed describes, which batches use too.
//! - `discovery`: asks. `assembly`: makes the first checkpoint of what is known.

mod assembly;
pub mod describes;
mod discovery;
pub mod state;

pub use state::forget;

use crate::host::{ConnectorError, Host, Planned};
use crate::org::Org;
use discovery::Found;

/// Plans a backup of these objects, of all that can be read where none is named.
pub fn plan_backup<H: Host>(host: &H, objects: &[String]) -> Result<Planned, ConnectorError> {
    let org = Org::open(host)?;
    let mut state = state::State::load(host, objects)?;
    match discovery::discover(&org, &mut state)? {
        Found::All(known) => assembly::assemble(host, &state, known),
        Found::NotYet(planned) => Ok(planned),
    }
}

#[cfg(test)]
mod tests;
