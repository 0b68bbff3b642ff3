//! Finds a compiler with a standard library for wasm32-unknown-unknown, or fetches one.
//!
//! Not every machine can download by rustup, so there are three ways, tried in this order: the active toolchain has the target;
//! what an earlier run fetched; `rustup target add`; Debian's compiler, fetched but not installed. Which one was taken is said
//! in one line (`Display`). A `targets` line in a rust-toolchain file is not among them: where rustup can't download, it makes
//! every cargo command fail.

mod debian;
mod rustup;

use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use std::fmt;
use std::process::Command;

/// The target that components are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler that can build for [`TARGET`].
pub enum WasmToolchain {
    /// The active toolchain.
    Active {
        /// Whether this run added the target to it.
        added: bool,
    },
    /// Debian's compiler beside the active toolchain's cargo; the standard library is compiled from source.
    Debian(debian::Toolchain),
}

impl WasmToolchain {
    /// The first way that works. The error names all three and why each one failed.
    pub fn find(workspace: &Workspace) -> Result<Self> {
        if rustup::has_target()? {
            return Ok(Self::Active { added: false });
        }
        let cache = debian::Cache::of(workspace);
        if let Some(toolchain) = cache.fetched_before()? {
            return Ok(Self::Debian(toolchain));
        }
        let no_rustup = match rustup::add_target() {
            Ok(()) => return Ok(Self::Active { added: true }),
            Err(error) => error,
        };
        let minimum = workspace.package("salesforce")?.rust_version.clone();
        let no_debian = match cache.fetch(minimum.as_ref()) {
            Ok(toolchain) => return Ok(Self::Debian(toolchain)),
            Err(error) => error,
        };
        Err(anyhow!(
            "no compiler for {TARGET} was found, and none could be fetched. Three ways lead to one:\n  \
             1. a Rust toolchain that has the target: the active one has not\n  \
             2. `rustup target add {TARGET}`: {no_rustup:#}\n  \
             3. Debian's packages, as a user who may run apt-get: {no_debian:#}\n\
             Do one of these by hand and run the command again."
        ))
    }

    /// Makes a cargo command compile for [`TARGET`] with this toolchain. `flags` are rustc's.
    pub fn apply(&self, cargo: &mut Command, mut flags: Vec<String>) {
        cargo.args(["--target", TARGET]);
        if let Self::Debian(toolchain) = self {
            toolchain.apply(cargo, &mut flags);
        }
        // Instead of whatever the caller's environment says: flags for this machine's processor are not the component's.
        cargo
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }

    /// Whether clippy can check code for [`TARGET`]. It brings its own compiler, which can't read what Debian's has compiled.
    pub fn has_clippy(&self) -> bool {
        matches!(self, Self::Active { .. })
    }
}

impl fmt::Display for WasmToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active { added: false } => write!(f, "the active toolchain has {TARGET}"),
            Self::Active { added: true } => write!(f, "added {TARGET} to the active toolchain by rustup"),
            Self::Debian(toolchain) => toolchain.fmt(f),
        }
    }
}
