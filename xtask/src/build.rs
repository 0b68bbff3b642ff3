//! `cargo xtask build`: the components, the host and the fake Salesforce, into cargo's target folder.
//!
//! Says what was made and where. Where nothing changed it costs what asking cargo costs.

use crate::component;
use crate::process;
use crate::workspace::{COMPONENTS, Workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Builds all that a user or a test runs.
pub fn everything(workspace: &Workspace) -> Result<()> {
    let made = components(workspace)?;
    programs(workspace)?;
    for path in &made {
        println!("built {}", workspace.shown(path));
    }
    for program in ["backup-host", "fake-salesforce"] {
        println!("built {}", workspace.shown(&workspace.release().join(program)));
    }
    Ok(())
}

/// The folder with the connector's component, the host and the fake Salesforce: one that has them already, or where they are built.
pub fn shipped(workspace: &Workspace, built: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = built {
        return folder
            .canonicalize()
            .with_context(|| format!("no folder {}", folder.display()));
    }
    component::build(workspace, &[component::SHIPPED])?;
    programs(workspace)?;
    Ok(workspace.release())
}

/// Builds the components only.
pub fn components(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    component::build(workspace, &COMPONENTS)
}

/// Builds the host and the fake Salesforce.
///
/// Only these two: a build of the whole workspace would give them the features that the tests' packages ask for.
fn programs(workspace: &Workspace) -> Result<()> {
    process::run(
        workspace
            .cargo("build")
            .args(["--release", "--package", "host-harness", "--package", "fake-salesforce"]),
    )
}
