//! Builds connectors for wasm32 and makes components of them.
//!
//! One component per package, with name, version, authors, licence, source and description in its metadata. What is tested is
//! byte for byte what is shipped. The rule kept here: a component imports nothing but the contract's own interfaces.

use crate::process;
use crate::toolchain::{self, TARGET};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use std::fs;
use std::path::{Path, PathBuf};
use wasm_metadata::{AddMetadata, AddMetadataField::Set, Authors, Description, Licenses, Source, Version};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The cargo profile for components, defined in the root Cargo.toml.
const PROFILE: &str = "component";
/// Where every import of a component comes from.
const CONTRACT: &str = "backup:connector/";

/// The component that is shipped.
pub const SHIPPED: &str = "salesforce";

/// Builds components into `target/components`, and the one that is shipped beside the host too.
pub fn build(workspace: &Workspace, names: &[&str]) -> Result<Vec<PathBuf>> {
    toolchain::ensure_target()?;
    let mut made = Vec::new();
    for name in names {
        let module = compile(workspace, name)?;
        let component = encode(&module, workspace.package(name)?).with_context(|| format!("no component of `{name}`"))?;
        let path = workspace.components().join(format!("{name}.wasm"));
        write_if_changed(&path, &component)?;
        made.push(path);
        if *name == SHIPPED {
            let beside_the_host = shipped(workspace);
            write_if_changed(&beside_the_host, &component)?;
            made.push(beside_the_host);
        }
    }
    Ok(made)
}

/// Where `backup-host` finds the connector by itself.
pub fn shipped(workspace: &Workspace) -> PathBuf {
    workspace.release().join("salesforce.wasm")
}

/// Names of the interfaces that a component imports and exports.
pub struct Interfaces {
    /// As the component names them, with their version.
    pub imports: Vec<String>,
    /// As the component names them, with their version.
    pub exports: Vec<String>,
}

impl Interfaces {
    /// Reads them from the component itself.
    pub fn of(component: &[u8]) -> Result<Self> {
        let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
            bail!("it is a WIT package, not a component");
        };
        let world = &resolve.worlds[world];
        Ok(Self {
            imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
            exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
        })
    }

    /// Imports that are not of the contract: there may be none, WASI included.
    pub fn foreign_imports(&self) -> Vec<&str> {
        self.imports
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with(CONTRACT))
            .collect()
    }
}

/// A core module, in a target folder of its own: its flags never make the host be built again.
fn compile(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target().join("wasm");
    let mut cargo = workspace.cargo("rustc");
    cargo
        .args(["--package", name, "--lib", "--profile", PROFILE, "--target-dir"])
        .arg(&folder);
    // The manifest names an rlib too, for native tests; beside one, the compiler can't optimise across crates.
    cargo.args(["--crate-type", "cdylib"]);
    toolchain::target(&mut cargo, &same_everywhere(workspace));
    process::run(&mut cargo)?;
    Ok(folder.join(TARGET).join(PROFILE).join(format!("{name}.wasm")))
}

/// Flags that keep this machine's folders out of the component (panic messages name source files), so that the same source
/// gives the same bytes anywhere.
fn same_everywhere(workspace: &Workspace) -> Vec<String> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registries = cargo_home.and_then(|home| home.join("registry/src").read_dir().ok());
    let mut folders: Vec<_> = registries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let crates = folders.into_iter().map(|folder| (folder, "crates"));
    let all = crates.chain([(workspace.root().to_owned(), "connector")]);
    all.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .collect()
}

fn encode(module: &Path, package: &Package) -> Result<Vec<u8>> {
    let module = fs::read(module).with_context(|| format!("{} could not be read", module.display()))?;
    let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
    let interfaces = Interfaces::of(&component)?;
    let foreign = interfaces.foreign_imports();
    if !foreign.is_empty() {
        bail!(
            "it imports {}, and a connector may import {CONTRACT}… only",
            foreign.join(", ")
        );
    }
    let component = describe(package)?.to_wasm(&component)?;
    Ok(component)
}

/// What the package's manifest says, as component metadata.
fn describe(package: &Package) -> Result<AddMetadata> {
    let field = |value: &Option<String>, what: &str| {
        value
            .clone()
            .with_context(|| format!("the manifest of `{}` has no {what}", package.name))
    };
    let mut metadata = AddMetadata::default();
    metadata.name = Set(package.name.to_string());
    metadata.version = Set(Version::new(package.version.to_string()));
    metadata.authors = Set(Authors::new(package.authors.join(", ")));
    metadata.licenses = Set(Licenses::new(&field(&package.license, "license")?)?);
    metadata.source = Set(Source::new(&field(&package.repository, "repository")?)?);
    metadata.description = Set(Description::new(field(&package.description, "description")?));
    Ok(metadata)
}

/// Keeps the file's time where the bytes are the same, so that whatever depends on it isn't made again.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // By way of a second name: a host that starts meanwhile reads the old file or the new one, never half of it.
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).with_context(|| format!("{} could not be written", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("{} could not be written", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{ManglingAndAbi, Resolve};

    /// A component that has the world's imports and exports and nothing in it.
    fn component_of(wit: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("a.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some("plugin")).unwrap();
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, true).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    #[test]
    fn an_import_from_outside_the_contract_is_named() {
        let ours = "package backup:connector@0.1.0; interface clock { now: func() -> u64; } world plugin { import clock; }";
        assert_eq!(
            Interfaces::of(&component_of(ours)).unwrap().foreign_imports(),
            Vec::<&str>::new()
        );
        assert_eq!(
            Interfaces::of(&component_of(ours)).unwrap().imports,
            ["backup:connector/clock@0.1.0"]
        );
        let theirs = "package wasi:clocks@0.2.0; interface clock { now: func() -> u64; } world plugin { import clock; }";
        assert_eq!(
            Interfaces::of(&component_of(theirs)).unwrap().foreign_imports(),
            ["wasi:clocks/clock@0.2.0"]
        );
    }

    #[test]
    fn a_component_says_who_made_it_from_what() {
        let workspace = crate::workspace::Workspace::find().unwrap();
        let component = component_of("package backup:connector@0.1.0; world plugin {}");
        let described = describe(workspace.package("salesforce").unwrap())
            .unwrap()
            .to_wasm(&component)
            .unwrap();
        let metadata = wasm_metadata::Payload::from_binary(&described).unwrap();
        let metadata = metadata.metadata();
        assert_eq!(metadata.name.as_deref(), Some("salesforce"));
        assert_eq!(metadata.version.as_ref().unwrap().to_string(), env!("CARGO_PKG_VERSION"));
        assert_eq!(metadata.licenses.as_ref().unwrap().to_string(), "Apache-2.0");
        assert_eq!(metadata.authors.as_ref().unwrap().to_string(), env!("CARGO_PKG_AUTHORS"));
        assert_eq!(metadata.source.as_ref().unwrap().to_string(), env!("CARGO_PKG_REPOSITORY"));
        assert!(metadata.description.as_ref().unwrap().to_string().contains("Salesforce"));
    }

    #[test]
    fn an_unchanged_file_keeps_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.wasm");
        write_if_changed(&path, b"one").unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        write_if_changed(&path, b"one").unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), long_ago);
        write_if_changed(&path, b"two").unwrap();
        assert_ne!(path.metadata().unwrap().modified().unwrap(), long_ago);
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
