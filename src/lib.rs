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

/// Version of the checkpoints that this connector writes.
pub const STATE_VERSION: u32 = 2;

/// Versions of checkpoints that it reads.
pub const READS_STATE_VERSIONS: [u32; 2] = [1, STATE_VERSION];

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

/// A checkpoint of a version that this connector reads, in the one that it writes. Those of restores are the same in both.
pub fn migrate_state(state_version: u32, at: Vec<u8>, to: u32) -> Result<Vec<u8>, host::ConnectorError> {
    if to != STATE_VERSION || !READS_STATE_VERSIONS.contains(&state_version) {
        let message = format!(
            "state version {state_version} can't be made {to}: this connector reads {READS_STATE_VERSIONS:?}, and writes {STATE_VERSION}"
        );
        return Err(host::ConnectorError::Unsupported(host::Failure::new("unsupported", message)));
    }
    if state_version == STATE_VERSION || restore::is_restore(&at) {
        return Ok(at);
    }
    backup::Checkpoint::read(state_version, &at)?.write()
}

/// The connector's name in `describe`.
pub const NAME: &str = "salesforce";
