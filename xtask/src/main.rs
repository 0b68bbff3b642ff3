//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! Each command is a module of its own; this file only reads the command line. The rule: a fresh clone and a Rust toolchain
//! are enough. What else a command needs it finds or fetches itself, and says so in one line.

mod archive;
mod bench;
mod build;
mod component;
mod contract;
mod demo;
mod lint;
mod package;
mod process;
mod running;
mod test;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use workspace::Workspace;

/// Builds, checks and shows this project.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the connector component, the host and the fake Salesforce.
    Build,
    /// Builds everything and runs all tests of the workspace.
    Test {
        /// Handed to the test runner, for instance a part of a test's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        runner: Vec<OsString>,
    },
    /// Formatting, clippy, dead dependencies, compatibility of the contract, traces of this machine.
    Lint,
    /// Backs up a fake org within its usage limit, pauses, resumes, restores, and checks all of it.
    Demo(demo::DemoArguments),
    /// Measures: requests against other tools', every value, memory.
    Bench(bench::BenchArguments),
    /// Keeps a small repository as this or an older version writes it, for tests to read for ever.
    Archive(archive::ArchiveArguments),
    /// Lays the component, its digest and the documented contract together to be shipped.
    Package,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A test runner or a benchmark has said what failed; its summary stays the last thing on the screen.
            if !error.is::<test::Failed>() && !error.is::<bench::Missed>() {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Build => build::everything(&workspace),
        Task::Test { runner } => test::run(&workspace, &runner),
        Task::Lint => lint::run(&workspace),
        Task::Demo(arguments) => demo::run(&workspace, &arguments),
        Task::Bench(arguments) => bench::run(&workspace, &arguments),
        Task::Archive(arguments) => archive::run(&workspace, &arguments),
        Task::Package => package::lay_out(&workspace).map(drop),
    }
}
