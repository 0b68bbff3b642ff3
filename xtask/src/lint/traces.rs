//! Finds files in the repository that tell about the machine they were made on.
//!
//! That is: folders of this machine, and lock files that name the host a package came from (a mirror, which others can't
//! reach). Looked at is what git holds or would add.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Cargo.lock may say that crates come from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Folders that hold other people's things too; what lies in them is no trace of this checkout.
const SHARED_FOLDERS: [&str; 9] = ["/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr", "/var"];

/// Names every line that gives something away.
pub fn check(workspace: &Workspace) -> Result<()> {
    let folders = telling_folders(workspace.root());
    let listed = process::output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(workspace.root()),
    )?;
    let mut found = Vec::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        // A file that git still lists but that is gone, or that is no text, has no lines to read.
        let Ok(text) = fs::read_to_string(workspace.root().join(name)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = trace(name, line, &folders) {
                found.push(format!("{name}:{}: {what}", number + 1));
            }
        }
    }
    if !found.is_empty() {
        bail!("{} lines tell about this machine:\n  {}", found.len(), found.join("\n  "));
    }
    Ok(())
}

/// The checkout, the folder it lies in, and the caller's own folders.
fn telling_folders(root: &Path) -> Vec<String> {
    let mut folders = vec![root.to_owned()];
    folders.extend(root.parent().map(Path::to_owned));
    folders.extend(
        ["CARGO_HOME", "RUSTUP_HOME", "HOME"]
            .iter()
            .filter_map(std::env::var_os)
            .map(PathBuf::from),
    );
    let folders = folders.into_iter().filter(|folder| folder.is_absolute());
    let folders = folders.map(|folder| folder.to_string_lossy().into_owned());
    folders.filter(|folder| !SHARED_FOLDERS.contains(&folder.as_str())).collect()
}

/// What a line gives away, if anything.
fn trace(file: &str, line: &str, folders: &[String]) -> Option<String> {
    if let Some(folder) = folders.iter().find(|folder| names_folder(line, folder)) {
        return Some(format!("names {folder}"));
    }
    let base = Path::new(file).file_name()?.to_str()?;
    let value = line.trim();
    match base {
        "package-lock.json" | "npm-shrinkwrap.json" if value.starts_with("\"resolved\"") => {
            Some("names the host of a package (omit-lockfile-registry-resolved=true)".to_owned())
        }
        "Cargo.lock" if value.starts_with("source = ") && !value.contains(CRATES_IO) => {
            Some("a crate from somewhere else than crates.io".to_owned())
        }
        _ => None,
    }
}

/// Whether a path in the line is the folder or begins with it; `/work` is not in `/homework` or `./work`.
fn names_folder(line: &str, folder: &str) -> bool {
    let is_path = |c: char| c.is_alphanumeric() || "._-/~>}".contains(c);
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        !before.is_some_and(is_path) && after == Some('/')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folders() -> Vec<String> {
        vec!["/build".to_owned(), "/build/checkout".to_owned()]
    }

    #[test]
    fn a_path_of_this_machine_is_found_wherever_it_stands() {
        for line in ["at /build/checkout/src/lib.rs:1", "\"/build/other\"", "x=/build/y", "/build/"] {
            assert!(trace("docs/A.md", line, &folders()).is_some(), "{line}");
        }
    }

    #[test]
    fn paths_that_only_look_alike_are_left_alone() {
        for line in [
            "target/build/x",
            "./build/x",
            "/builder/x",
            "run /build",
            "<root>/build/x",
            "${X}/build/x",
        ] {
            assert_eq!(trace("docs/A.md", line, &folders()), None, "{line}");
        }
    }

    #[test]
    fn a_lock_file_that_names_a_host_is_found() {
        let resolved = "  \"resolved\": \"http://localhost/jsforce.tgz\",";
        assert!(trace("tests/clients/package-lock.json", resolved, &[]).is_some());
        assert_eq!(trace("docs/A.json", resolved, &[]), None);
        assert_eq!(trace("Cargo.lock", &format!("source = \"{CRATES_IO}\""), &[]), None);
        assert!(trace("Cargo.lock", "source = \"registry+http://localhost/index\"", &[]).is_some());
    }

    #[test]
    fn folders_that_everybody_has_are_no_trace() {
        let found = telling_folders(Path::new("/tmp/checkout"));
        assert!(found.contains(&"/tmp/checkout".to_owned()));
        assert!(!found.contains(&"/tmp".to_owned()));
        assert!(telling_folders(Path::new("/build/checkout")).contains(&"/build".to_owned()));
    }
}
