//! The host's own promise that the reserve is not touched: arithmetic on typed readings, without knowing the source.
//!
//! [`Ledger`] counts and computes, and is pure. [`ScopeGate`] stands before every attempt on the wire: it looks up the usage
//! limit in force, whether the claim still holds, and asks the ledger. What the connector decides can only be less. [`forecast`] says
//! when a backup would be complete.

pub mod forecast;
mod gate;
mod ledger;
mod probes;

pub use gate::ScopeGate;
pub(crate) use ledger::from_import;
pub use ledger::{Ledger, NotAdmitted};
pub(crate) use probes::earliest;

use backup_store::Percent;

/// Where to stop: floor(max × limit / 100). The next request would be of the reserve.
pub fn ceiling(limit: Percent, max: u64) -> u64 {
    let ceiling = u128::from(max) * u128::from(limit.get()) / 100;
    u64::try_from(ceiling).unwrap_or(max) // never more than max, which is a u64
}
