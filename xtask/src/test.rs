//! `cargo xtask test`: builds the components, then runs every test of the workspace.
//!
//! By cargo-nextest where it is installed, else by `cargo test`. Documentation tests, which nextest leaves out, come first, so
//! that the runner's own summary is the last thing printed. The tests find the components by `BACKUP_TEST_COMPONENTS`, the
//! programs beside themselves.

use crate::build;
use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fmt;
use std::process::{Command, Stdio};

/// All packages but the hostile connector, which is only ever compiled for wasm32.
const SELECTION: [&str; 4] = ["--release", "--workspace", "--exclude", "hostile"];

/// Some test failed, and the runner has said which.
#[derive(Debug)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tests failed")
    }
}

impl std::error::Error for Failed {}

/// Runs all tests. `arguments` go to the runner; documentation tests are then left out, since they are for its tests.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    build::components(workspace)?;
    // Programs beside the tests and by the same features: a test that starts one gets what was built from this source.
    process::run(workspace.cargo("build").args(SELECTION).args(["--bins", "--tests"]))?;
    let documentation_passed =
        !arguments.is_empty() || passes(workspace, workspace.cargo("test").args(SELECTION).arg("--doc"))?;

    let mut runner = match has_nextest(workspace) {
        true => {
            let mut nextest = workspace.cargo("nextest");
            nextest.arg("run").args(SELECTION);
            nextest
        }
        false => {
            let mut test = workspace.cargo("test");
            test.args(SELECTION)
                .args(["--no-fail-fast", "--lib", "--bins", "--tests", "--examples"]);
            test
        }
    };
    let tests_passed = passes(workspace, runner.args(arguments))?;
    if tests_passed && !documentation_passed {
        eprintln!("error: documentation tests failed, see above");
    }
    match tests_passed && documentation_passed {
        true => Ok(()),
        false => Err(Failed.into()),
    }
}

fn passes(workspace: &Workspace, command: &mut Command) -> Result<bool> {
    command.env("BACKUP_TEST_COMPONENTS", workspace.components());
    Ok(command.status().context("cargo could not be started")?.success())
}

fn has_nextest(workspace: &Workspace) -> bool {
    let mut version = workspace.cargo("nextest");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
