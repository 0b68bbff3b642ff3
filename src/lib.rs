//! The Salesforce connector: backs up an org within its API usage limit.
//!
//! Builds as a component of the world `plugin` (wasm32) and as an ordinary library, natively tested. Everything but `edge` is
//! written against [`host::Host`] and knows neither WebAssembly nor a network.
//!
//! - [`quota`]: what is known of the org's daily requests; `decide`.
//! - [`org`]: sends, and hears in every answer the usage and the refusals that concern all requests alike.
//! - [`salesforce`]: shapes of answers, limits of requests. [`soql`]: texts of queries. [`schema`]: what is known of definitions.
//!   [`values`]: what is kept between calls.
//! - [`check`]: who the connection is, and what it may see. [`plan`]: which objects there are, and how each will be read.
//! - [`backup`]: reads them, batch by batch, from checkpoint to checkpoint. [`restore`]: writes them back, each once.

pub mod backup;
pub mod check;
#[cfg(target_arch = "wasm32")]
mod edge;
mod halt;
pub mod host;
pub mod org;
pub mod plan;
pub mod quota;
pub mod restore;
pub mod salesforce;
pub mod schema;
pub mod soql;
#[cfg(test)]
mod testing;
pub mod values;
mod verdict;

pub use check::check;
pub use verdict::{decide, read_quota};

/// Version of the checkpoints and values that this connector writes, and the only one that it reads.
pub const STATE_VERSION: u32 = 1;

/// A batch sends no more. Small enough that what a crash repeats is little, large enough that commits are few.
pub const BATCH_REQUESTS: u32 = 8;

/// Goes on from a checkpoint: a backup's, or a restore's.
pub fn run_batch<H: host::Host>(host: &H, state_version: u32, at: &[u8]) -> Result<host::BatchResult, host::ConnectorError> {
    if restore::is_restore(at) {
        restore::run_batch(host, state_version, at)
    } else {
        backup::run_batch(host, state_version, at)
    }
}

/// The connector's name in `describe`.
pub const NAME: &str = "salesforce";
