//! `cargo xtask bench`: what the tests have no time for, measured against a fake org whose books tell the truth.
//!
//! Requests against other tools and against the lower bound; every value of large orgs; memory. The rule: nothing is taken from
//! what a tool says of itself but which records it has read, and that is held against the org. Targets that are missed make the
//! command fail, as does a value that differs.

mod books;
mod clients;
mod compare;
mod difference;
mod files;
mod memory;
pub(crate) mod numbers;
mod requests;
mod restores;
mod table;
mod values;

use crate::build;
use crate::running::{FakeOptions, FakeProcess};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::PathBuf;

/// Requests that an org of a benchmark may have in 24 hours: enough for every tool.
const MAX: u64 = 5_000_000;
/// Name of the measured connection.
const CONNECTION: &str = "bench";

/// What is measured, and how it is told.
#[derive(clap::Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// The last line of the output is everything as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Folder with backup-host, salesforce.wasm and fake-salesforce, instead of building them.
    #[arg(long, global = true, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// What each tool leaves on disk stays there.
    #[arg(long, global = true)]
    keep: bool,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Counted requests of a full backup, an incremental one and restores: ours, other tools', and the lower bound.
    Requests(requests::RequestsOptions),
    /// The restores alone, of any org.
    Restores(restores::RestoresOptions),
    /// Every value of every record of generated orgs, by each way of reading.
    Values(values::ValuesOptions),
    /// The host's memory with a 2 GB file, a 1 GB bulk result and 800 fields.
    Memory(memory::MemoryOptions),
}

/// Some target was missed, or some value differs, and the output has said which.
#[derive(Debug)]
pub struct Missed;

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the benchmark did not reach what is promised")
    }
}

impl std::error::Error for Missed {}

/// Where a benchmark finds its programs and leaves its files.
struct Bench<'a> {
    workspace: &'a Workspace,
    programs: PathBuf,
    folder: PathBuf,
    keep: bool,
}

/// What a benchmark found: for people, for programs, and whether it is what was promised.
struct Findings {
    text: String,
    json: Value,
    reached: bool,
}

impl Bench<'_> {
    /// A folder for one tool's files.
    fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts an org that nobody has used yet, its clock so many minutes behind at first.
    fn org(&self, size: &str, seed: u64, minutes_behind: u64) -> Result<FakeProcess> {
        let options = FakeOptions {
            size,
            seed,
            max: MAX,
            used: 0,
            used_minutes_ago: 0,
            minutes_behind,
        };
        FakeProcess::start(&self.programs, &options)
    }

    /// Takes away what a tool left, unless it is to be kept.
    fn tidy(&self, folder: &std::path::Path) -> Result<()> {
        if !self.keep && folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("{} can't be removed", folder.display()))?;
        }
        Ok(())
    }
}

/// Builds, measures, tells.
pub fn run(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    let bench = Bench {
        workspace,
        programs: build::shipped(workspace, arguments.programs.as_deref())?,
        folder: workspace.target().join("bench"),
        keep: arguments.keep,
    };
    fs::create_dir_all(&bench.folder)?;
    let findings = match &arguments.benchmark {
        Benchmark::Requests(options) => requests::run(&bench, options)?,
        Benchmark::Restores(options) => restores::run(&bench, options)?,
        Benchmark::Values(options) => values::run(&bench, options)?,
        Benchmark::Memory(options) => memory::run(&bench, options)?,
    };
    println!("{}", findings.text);
    if arguments.json {
        println!("{}", findings.json);
    }
    match findings.reached {
        true => Ok(()),
        false => Err(Missed.into()),
    }
}
