//! `cargo xtask package`: what a platform needs to run this connector, in one folder (`target/package`).
//!
//! The component, its digest, the documented contract (text and binary), the licence, and a manifest that lists them. The
//! folder is made anew each time, and nothing goes in that fails a check: foreign imports, an undocumented contract.

use crate::build;
use crate::component::{self, Interfaces};
use crate::contract::Contract;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// `manifest.json`.
#[derive(Serialize)]
struct Manifest<'a> {
    name: &'a str,
    version: String,
    description: Option<&'a str>,
    authors: &'a [String],
    license: Option<&'a str>,
    source: Option<&'a str>,
    /// The WIT package that the component was built against.
    contract: String,
    imports: Vec<String>,
    exports: Vec<String>,
    files: Vec<FileEntry>,
}

/// One file beside the manifest.
#[derive(Serialize)]
struct FileEntry {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Builds the components and lays the package out. Gives the folder.
pub fn lay_out(workspace: &Workspace) -> Result<PathBuf> {
    build::components(workspace)?;
    let component = fs::read(component::shipped(workspace))?;
    let contract = Contract::read(&workspace.contract())?;
    let contract_bytes = contract.encode()?;
    let undocumented = Contract::decode(&contract_bytes)?.undocumented();
    ensure!(
        undocumented.is_empty(),
        "{} has no documentation of {}",
        contract.name(),
        undocumented.join(", ")
    );

    let folder = workspace.target().join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut layout = Layout {
        folder: &folder,
        files: Vec::new(),
    };
    layout.add("salesforce.wasm", &component)?;
    let digest = hex::encode(Sha256::digest(&component));
    layout.add("salesforce.wasm.sha256", format!("{digest}  salesforce.wasm\n").as_bytes())?;
    layout.add("backup-connector.wit.wasm", &contract_bytes)?;
    for source in wit_files(&workspace.contract())? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        layout.add(&format!("wit/{name}"), &fs::read(&source)?)?;
    }
    layout.add("LICENSE", &fs::read(workspace.root().join("LICENSE"))?)?;

    let package = workspace.package("salesforce")?;
    let interfaces = Interfaces::of(&component)?;
    let manifest = Manifest {
        name: &package.name,
        version: package.version.to_string(),
        description: package.description.as_deref(),
        authors: &package.authors,
        license: package.license.as_deref(),
        source: package.repository.as_deref(),
        contract: contract.name(),
        imports: interfaces.imports,
        exports: interfaces.exports,
        files: layout.files,
    };
    let mut text = serde_json::to_string_pretty(&manifest)?;
    text.push('\n');
    fs::write(folder.join("manifest.json"), text)?;
    println!(
        "package: {} ({} {}, sha256 {digest})",
        workspace.shown(&folder),
        manifest.name,
        manifest.version
    );
    Ok(folder)
}

/// The folder as far as it is filled.
struct Layout<'a> {
    folder: &'a Path,
    files: Vec<FileEntry>,
}

impl Layout<'_> {
    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.folder.join(path);
        component::write_if_changed(&file, bytes)?;
        self.files.push(FileEntry {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
        });
        Ok(())
    }
}

fn wit_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("{} could not be listed", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
