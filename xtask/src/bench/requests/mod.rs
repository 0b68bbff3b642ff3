//! `cargo xtask bench requests`: what a full backup, an incremental one and restores cost in counted requests, ours and other tools'.
//!
//! Each tool gets a fake org of its own, made from the same seed, and the same changes between its two passes. Orgs that are too
//! large to be read here are planned only, and compared with what the others would need by arithmetic. Restores are measured by
//! [`super::restores`], of an org of their own.

mod bound;
mod measured;
mod planned;
mod targets;
mod tool;
mod truth;

pub use targets::BenchTarget;

use super::{Bench, Findings, restores};
use crate::running::FakeProcess;
use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use tool::Tool;

/// Percent of the org's requests that our connection may use: far more than it needs.
const USAGE_LIMIT: u64 = 50;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MeasuredPart {
    /// A full backup, and an incremental one a day later.
    Backups,
    /// Restores of what was deleted, of the org that `bench restores` takes by itself.
    Restores,
}

/// Which org is read, and by which tools.
#[derive(clap::Args)]
pub struct RequestsOptions {
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
    /// Only these parts; by default all.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<MeasuredPart>,
}

impl RequestsOptions {
    fn measures(&self, part: MeasuredPart) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// How restores are measured beside the backups; not at all where the wanted tools only read.
    fn restores(&self) -> Option<restores::RestoresOptions> {
        let tools: Vec<_> = self.tools.iter().filter_map(|tool| tool.restores()).collect();
        (self.tools.is_empty() || !tools.is_empty()).then(|| restores::RestoresOptions::usual(self.seed, tools))
    }

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
fn configuration(fake: &FakeProcess) -> Value {
    let mut configuration = fake.configuration(USAGE_LIMIT);
    configuration["file_requests"] = 0.into();
    configuration
}

/// Measures each part, or plans.
pub fn run(bench: &Bench<'_>, options: &RequestsOptions) -> Result<Findings> {
    let mut findings = match (options.measures(MeasuredPart::Backups), options.org.as_str()) {
        (false, _) => Findings {
            text: String::new(),
            json: json!({"benchmark": "requests"}),
            reached: true,
        },
        (true, "l") => planned::run(bench, options)?,
        (true, _) => measured::run(bench, options)?,
    };
    if let Some(wanted) = options.restores().filter(|_| options.measures(MeasuredPart::Restores)) {
        let restored = restores::run(bench, &wanted)?;
        let gap = if findings.text.is_empty() { "" } else { "\n" };
        findings.text.push_str(&format!("{gap}Restores\n\n{}", restored.text));
        findings.json["restores"] = restored.json;
        findings.reached &= restored.reached;
    }
    ensure!(!findings.text.is_empty(), "none of these tools restores anything");
    Ok(findings)
}
