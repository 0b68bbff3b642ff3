//! The export `plan-backup`: which objects the org has, how each will be read, and what that costs.
//!
//! Planning may be cut at any request, by the limit or by a crash. What was learnt is in values by then, so the next call asks
//! for nothing again. The rule it keeps: a request is sent only for what no value tells.
//!
//! - [`state`]: what is known so far. [`describes`]: condensed describes, which batches use too. [`held`], [`images`]: files that are there already, and images that
//!   can't be counted.
//! - `discovery`: asks, `tally`: also for what record counts leave out. `assembly`: makes the first checkpoint of what is known, `estimate`: tells what that
//!   costs, `predecessor`: and of what an earlier snapshot has.

mod assembly;
mod discovery;
mod estimate;
mod predecessor;
pub mod state;
mod tally;

use crate::host::{ConnectorError, Host, Planned, Which};
use crate::org::Org;
use discovery::Found;

/// What a backup is planned for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Empty: all that can be read.
    pub objects: &'a [String],
    /// Everything is read; otherwise only what was changed since the predecessor, where there is one.
    pub full: bool,
    /// A snapshot is being written: what is to be kept of describes goes into it.
    pub writes: bool,
}

/// Plans a backup.
pub fn plan_backup<H: Host>(host: &H, options: Options<'_>) -> Result<Planned, ConnectorError> {
    let org = Org::open(host)?;
    let predecessor = if options.full { None } else { host.open(Which::Predecessor)? };
    let mut state = state::State::load(host, options.objects, predecessor.is_none())?;
    match discovery::discover(&org, &mut state)? {
        Found::All(known) => assembly::assemble(&org, &state, &known, predecessor.as_ref(), options.writes),
        Found::NotYet(planned) => Ok(planned),
    }
}

#[cfg(test)]
mod tests;
