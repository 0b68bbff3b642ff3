//! The standard library that components are compiled with: the active toolchain has it, or rustup adds it.
//!
//! A `targets` line in a rust-toolchain file would do that too, but where rustup can't download, it makes every cargo command fail.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// The target that components are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Sees to it that the active toolchain can compile for [`TARGET`]. The error says what to do where rustup can't add it.
pub fn ensure_target() -> Result<()> {
    if has_target()? {
        return Ok(());
    }
    println!("adding {TARGET} to the active toolchain by rustup");
    add_target().with_context(|| {
        format!(
            "the active toolchain can't compile for {TARGET}, and rustup did not add it; install its rust-std by hand, as \
             CONTRIBUTING.md says under \"Set up\""
        )
    })
}

/// Makes a cargo command compile for [`TARGET`]. `flags` are rustc's, in place of whatever the caller's environment says: flags for
/// this machine's processor are not the component's.
pub fn target(cargo: &mut Command, flags: &[String]) {
    cargo
        .args(["--target", TARGET])
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
}

fn add_target() -> Result<()> {
    process::run(Command::new("rustup").args(["target", "add", TARGET]))?;
    ensure!(has_target()?, "rustup added it to another toolchain than the active one");
    Ok(())
}

/// Whether the active toolchain holds the target's standard library.
fn has_target() -> Result<bool> {
    let libraries = process::output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    Ok(holds_core(Path::new(&libraries)))
}

/// A folder alone proves nothing: an interrupted download may have left it.
fn holds_core(libraries: &Path) -> bool {
    let Ok(entries) = libraries.read_dir() else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_library_folder_without_core_is_not_taken_for_the_target() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!holds_core(&folder.path().join("absent")));
        assert!(!holds_core(folder.path()));
        std::fs::write(folder.path().join("libcore-0123.rmeta"), "").unwrap();
        assert!(!holds_core(folder.path()));
        std::fs::write(folder.path().join("libcore-0123.rlib"), "").unwrap();
        assert!(holds_core(folder.path()));
    }
}
