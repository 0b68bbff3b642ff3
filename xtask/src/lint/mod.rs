//! `cargo xtask lint`: what a reviewer should not have to look for.
//!
//! Formatting, clippy without a warning (the components' code for wasm32 too), dependencies that nothing uses, the contract's
//! compatibility with what was released, and files that tell about the machine they were made on. All of them are run; the first failure doesn't hide the
//! next.

mod dependencies;
mod traces;

use crate::contract;
use crate::process;
use crate::toolchain;
use crate::workspace::{COMPONENTS, Workspace};
use anyhow::{Result, bail};

/// One check: what it is called, and what it does.
type Check = (&'static str, fn(&Workspace) -> Result<()>);

const CHECKS: [Check; 6] = [
    ("formatting", formatting),
    ("clippy", clippy),
    ("clippy for wasm32", clippy_for_wasm),
    ("dependencies", dependencies::check),
    ("contract", contract_keeps_its_promise),
    ("traces of this machine", traces::check),
];

/// Runs every check, and fails where one did.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        println!("lint: {name}");
        if let Err(error) = check(workspace) {
            eprintln!("error: {name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    println!("lint: all {} checks passed", CHECKS.len());
    Ok(())
}

fn formatting(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo("fmt").args(["--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let mut clippy = workspace.cargo("clippy");
    clippy.args([
        "--release",
        "--workspace",
        "--exclude",
        "hostile",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]);
    process::run(&mut clippy)
}

fn clippy_for_wasm(workspace: &Workspace) -> Result<()> {
    toolchain::ensure_target()?;
    let mut clippy = workspace.cargo("clippy");
    clippy.args(COMPONENTS.map(|name| format!("--package={name}")));
    clippy
        .args(["--lib", "--profile", "component", "--target-dir"])
        .arg(workspace.target().join("wasm"));
    toolchain::target(&mut clippy, &[]);
    process::run(clippy.args(["--", "--deny", "warnings"]))
}

fn contract_keeps_its_promise(workspace: &Workspace) -> Result<()> {
    let compared = contract::keeps_what_was_released(&workspace.contract())?;
    match compared.is_empty() {
        true => println!("lint: no released version that the contract has to keep"),
        false => println!(
            "lint: compatible with {}",
            compared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
    Ok(())
}
