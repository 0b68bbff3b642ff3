//! The active toolchain, and what rustup can add to it.

use super::TARGET;
use crate::process;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest time that rustup may take; about 20 MB are to be fetched.
const ADDING: Duration = Duration::from_secs(180);

/// Whether the active toolchain holds the target's standard library.
pub fn has_target() -> Result<bool> {
    let libraries = process::output(rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
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

/// `rustup target add`, ended where it takes too long.
pub fn add_target() -> Result<()> {
    eprintln!("adding {TARGET} to the active toolchain: rustup target add {TARGET}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).stdin(Stdio::null());
    // Its refusal is to be one line, whatever the caller wants to see of crashes.
    rustup.env("RUST_BACKTRACE", "0");
    match process::run_bounded(&mut rustup, ADDING, || {})? {
        None => bail!("it took longer than {} s and was ended", ADDING.as_secs()),
        Some(status) if !status.success() => bail!("it failed ({status})"),
        Some(_) if !has_target()? => bail!("it succeeded, but the active toolchain is not one of rustup's"),
        Some(_) => Ok(()),
    }
}

/// The active toolchain's folder.
pub fn sysroot() -> Result<PathBuf> {
    process::output(rustc().args(["--print", "sysroot"])).map(PathBuf::from)
}

/// Name of the machine that the active toolchain compiles on, for instance `x86_64-unknown-linux-gnu`.
pub fn host() -> Result<String> {
    let version = process::output(rustc().arg("-vV"))?;
    match version.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` does not name its host"),
    }
}

/// The active toolchain's compiler.
fn rustc() -> Command {
    Command::new("rustc")
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
