//! Finds dependencies that a manifest names and no source file of the package does.
//!
//! A dependency that isn't for tests alone has to be named by the library or a program. One that is wanted for its features only is
//! named by `use CRATE as _;`.

use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand, Package, TargetKind};
use std::fs;
use std::path::Path;

/// Names every dead dependency.
pub fn check(workspace: &Workspace) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.root().join("Cargo.toml"))
        // What other machines need isn't downloaded on this one.
        .other_options(["--filter-platform".to_owned(), "host-tuple".to_owned()])
        .exec()?;
    let mut dead = Vec::new();
    for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
        if !metadata.workspace_members.contains(&node.id) {
            continue;
        }
        let package = &metadata[&node.id];
        let (all, shipped) = (sources(package, true)?, sources(package, false)?);
        for dependency in &node.deps {
            let mut kinds = dependency.dep_kinds.iter();
            let sources = match kinds.all(|info| info.kind == DependencyKind::Development) {
                true => &all,
                false => &shipped,
            };
            if !sources.iter().any(|source| is_named(&dependency.name, source)) {
                dead.push(format!("`{}` of {}", dependency.name, package.name));
            }
        }
    }
    ensure!(dead.is_empty(), "no source file names {}", dead.join(", "));
    Ok(())
}

/// The package's source files; those of tests, benchmarks and examples only where they are asked for.
fn sources(package: &Package, with_tests: bool) -> Result<Vec<String>> {
    let for_tests = [TargetKind::Test, TargetKind::Bench, TargetKind::Example];
    let mut sources = Vec::new();
    for target in &package.targets {
        if with_tests || !for_tests.iter().any(|kind| target.is_kind(kind.clone())) {
            let folder = target.src_path.parent();
            read_sources(folder.unwrap_or(&target.src_path).as_std_path(), &mut sources)?;
        }
    }
    Ok(sources)
}

fn read_sources(folder: &Path, sources: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_sources(&path, sources)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            sources.push(fs::read_to_string(path)?);
        }
    }
    Ok(())
}

/// Whether a path begins with the crate's name, or it is used as a whole; a module of the same name is in a longer path.
fn is_named(name: &str, source: &str) -> bool {
    source.match_indices(name).any(|(place, _)| {
        let before = source[..place].chars().next_back();
        let after = &source[place + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            && ["::", ";", " as "].iter().any(|next| after.starts_with(next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_by_a_path_that_begins_with_it() {
        for source in [
            "use hex::encode;",
            "hex::encode(x)",
            "#[hex::main]",
            "use hex as _;",
            "{hex::decode}",
        ] {
            assert!(is_named("hex", source), "{source}");
        }
        for source in [
            "in hex, as ever",
            "crate::hex::encode",
            "my_hex::encode",
            "hexagon::new()",
            "let hex = 1",
        ] {
            assert!(!is_named("hex", source), "{source}");
        }
    }
}
