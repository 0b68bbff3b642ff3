//! Where things are: the checkout, cargo's target folder, and what is built into it.
//!
//! The target folder is cargo's to choose (`CARGO_TARGET_DIR`, `build.target-dir`); it is asked for, never assumed. Everything
//! that xtask makes lies below it.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages built as components for tests and for use.
pub const COMPONENTS: [&str; 2] = ["salesforce", "hostile"];

/// This checkout, as cargo sees it.
pub struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        // As `cargo run` says now, not as it was compiled: checkouts that share a target folder share this program too.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(&package).join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo could not describe the workspace")?;
        Ok(Self { metadata })
    }

    /// The folder with the root Cargo.toml.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Cargo's target folder.
    pub fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Where `--release` puts programs; the connector's component stands beside them.
    pub fn release(&self) -> PathBuf {
        self.target().join("release")
    }

    /// Every component, for the tests.
    pub fn components(&self) -> PathBuf {
        self.target().join("components")
    }

    /// The contract's sources.
    pub fn contract(&self) -> PathBuf {
        self.root().join("wit")
    }

    /// What a manifest says of one package of the workspace.
    pub fn package(&self, name: &str) -> Result<&Package> {
        let mut packages = self.metadata.packages.iter();
        packages
            .find(|package| package.name.as_str() == name)
            .with_context(|| format!("the workspace has no package `{name}`"))
    }

    /// A path as one would type it in the checkout.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root()).unwrap_or(path).display().to_string()
    }

    /// A cargo command, run in the checkout by the cargo that runs xtask, as if it had been typed in a shell.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg(subcommand).current_dir(self.root());
        // What `cargo run` tells xtask about itself. Build scripts (ring's) watch these names, and would run again, and all that
        // depends on them be compiled again, whenever somebody went from `cargo xtask` to plain cargo and back.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(tells_of_xtask) {
                cargo.env_remove(name);
            }
        }
        cargo
    }
}

/// Whether `cargo run` sets this variable for the program it runs.
fn tells_of_xtask(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
        || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&variable)
}
