//! `cargo xtask bench requests`: what a full and an incremental backup cost in counted requests, ours and other tools'.
//!
//! Each tool gets a fake org of its own, made from the same seed, and the same changes between its two passes. Orgs that are too
//! large to be read here are planned only, and compared with what the others would need by arithmetic.

mod bound;
mod measured;
mod planned;
mod targets;
mod tool;
mod truth;

pub use targets::Target;

use super::{Bench, Findings};
use crate::running::Fake;
use anyhow::Result;
use serde_json::Value;
use tool::Tool;

/// Percent of the org's requests that our connection may use: far more than it needs.
const USAGE_LIMIT: u64 = 50;

/// Which org is read, and by which tools.
#[derive(clap::Args)]
pub struct Options {
    /// s (20 objects), m (150 objects, 1.2 million records), l (800 objects, 200 million records, planned only); or any size that
    /// fake-salesforce knows.
    #[arg(long, default_value = "m")]
    org: String,
    /// Equal seeds make equal orgs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these tools; by default all.
    #[arg(long, value_enum, value_delimiter = ',')]
    tools: Vec<Tool>,
}

impl Options {
    /// The fake's name of the size.
    fn size(&self) -> String {
        match self.org.as_str() {
            letter @ ("s" | "m" | "l") => format!("bench-{letter}"),
            other => other.to_owned(),
        }
    }

    /// Whether what is promised is promised of this org.
    fn is_promised(&self) -> bool {
        self.org == "m"
    }

    fn tools(&self) -> Vec<Tool> {
        match self.tools.is_empty() {
            true => Tool::ALL.to_vec(),
            false => self.tools.clone(),
        }
    }
}

/// Our connection: without files, since no other tool reads any, and one takes a request of its own.
fn configuration(fake: &Fake) -> Value {
    let mut configuration = fake.configuration(USAGE_LIMIT);
    configuration["file_requests"] = 0.into();
    configuration
}

/// Measures, or plans.
pub fn run(bench: &Bench<'_>, options: &Options) -> Result<Findings> {
    match options.org.as_str() {
        "l" => planned::run(bench, options),
        _ => measured::run(bench, options),
    }
}
