//! The contract (`wit/`) as a thing to be checked and shipped: is it documented, and does it keep what was released.
//!
//! Released versions lie in `wit/released/<version>/`, and never change. A contract that a caret requirement on a released
//! version would accept has to be compatible with it: components that were built then must still load.

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::semver::{Version, VersionReq};
use std::path::{Path, PathBuf};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Docs, Function, FunctionKind, PackageId, Resolve};

/// One version of the contract.
pub struct Contract {
    resolve: Resolve,
    package: PackageId,
}

impl Contract {
    /// Parses the `.wit` files of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(folder)
            .with_context(|| format!("{} is not a WIT package", folder.display()))?;
        Ok(Self { resolve, package })
    }

    /// Decodes what [`Contract::encode`] made.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        match wit_component::decode(bytes)? {
            DecodedWasm::WitPackage(resolve, package) => Ok(Self { resolve, package }),
            DecodedWasm::Component(..) => bail!("it is a component, not a WIT package"),
        }
    }

    /// The binary form. It keeps the documentation, which a built component doesn't.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wit_component::encode(&self.resolve, self.package, false)
    }

    /// The text form, in one file.
    pub fn print(&self) -> Result<String> {
        let mut printer = WitPrinter::default();
        printer.print(&self.resolve, self.package, &[])?;
        Ok(printer.output.to_string())
    }

    /// For instance `backup:connector@0.1.0`.
    pub fn name(&self) -> String {
        self.resolve.packages[self.package].name.to_string()
    }

    /// The package's version, which every contract has.
    pub fn version(&self) -> Result<&Version> {
        self.resolve.packages[self.package]
            .name
            .version
            .as_ref()
            .context("the WIT package has no version")
    }

    /// Packages, worlds, interfaces, types and functions without a word of documentation. Fields and cases may do without,
    /// where their type's documentation says enough.
    pub fn undocumented(&self) -> Vec<String> {
        let package = &self.resolve.packages[self.package];
        let mut found = ContractChange::default();
        found.look(&package.docs, || "the package".to_owned());
        for (name, world) in &package.worlds {
            found.look(&self.resolve.worlds[*world].docs, || format!("world {name}"));
        }
        for (name, interface) in &package.interfaces {
            let interface = &self.resolve.interfaces[*interface];
            found.look(&interface.docs, || format!("interface {name}"));
            for (of, id) in &interface.types {
                let is_use = matches!(
                    self.resolve.types[*id].kind,
                    wit_parser::TypeDefKind::Type(wit_parser::Type::Id(_))
                );
                if !is_use {
                    found.look(&self.resolve.types[*id].docs, || format!("{name}.{of}"));
                }
            }
            for function in interface.functions.values() {
                found.look(&function.docs, || format!("{name}.{}", self.path(function)));
            }
        }
        found.names
    }

    /// A function's name, behind that of its resource.
    fn path(&self, function: &Function) -> String {
        match function.kind {
            FunctionKind::Method(of) | FunctionKind::Static(of) | FunctionKind::Constructor(of) => {
                let resource = self.resolve.types[of].name.as_deref().unwrap_or_default();
                format!("{resource}.{}", function.item_name())
            }
            _ => function.name.clone(),
        }
    }
}

#[derive(Default)]
struct ContractChange {
    names: Vec<String>,
}

impl ContractChange {
    fn look(&mut self, docs: &Docs, name: impl FnOnce() -> String) {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            self.names.push(name());
        }
    }
}

/// Checks the contract in `folder` against all that was released, and gives the versions it was compared to.
pub fn keeps_what_was_released(folder: &Path) -> Result<Vec<Version>> {
    let now = Contract::read(folder)?;
    let mut compared = Vec::new();
    for (version, released) in released_versions(&folder.join("released"))? {
        if VersionReq::parse(&format!("^{version}"))?.matches(now.version()?) {
            compatible(&released, folder).with_context(|| {
                format!(
                    "{} is not compatible with the released {version}: take that back, or count the version up",
                    now.name()
                )
            })?;
            compared.push(version);
        }
    }
    Ok(compared)
}

fn released_versions(folder: &Path) -> Result<Vec<(Version, PathBuf)>> {
    let Ok(entries) = folder.read_dir() else {
        return Ok(Vec::new());
    };
    let mut versions = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let version =
            Version::parse(&name).with_context(|| format!("{} is not named for a version", entry.path().display()))?;
        let says = Contract::read(&entry.path())?.version()?.clone();
        ensure!(says == version, "{} holds version {says}", entry.path().display());
        versions.push((version, entry.path()));
    }
    versions.sort();
    Ok(versions)
}

/// Whether components of the world in `old` can be loaded by a host of the world in `new`.
fn compatible(old: &Path, new: &Path) -> Result<()> {
    let (old_contract, new_contract) = (Contract::read(old)?, Contract::read(new)?);
    if old_contract.version()? == new_contract.version()? {
        let same = old_contract.print()? == new_contract.print()?;
        ensure!(same, "a released version changes no more, documentation included");
        return Ok(());
    }
    let mut both = Resolve::default();
    let (old, _) = both.push_dir(old)?;
    let (new, _) = both.push_dir(new)?;
    let old = both.select_world(&[old], None)?;
    let new = both.select_world(&[new], None)?;
    wit_component::semver_check(both, old, new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    const RELEASED: &str = "
        package backup:example@0.1.0;
        interface types { record reading { used: u64 } }
        interface storage { use types.{reading}; observe: func(what: reading); }
        interface connector { use types.{reading}; decide: func(last: reading) -> u32; }
        world plugin { import storage; export connector; }";

    /// A `wit` folder with one released version and a next one.
    fn folder(next: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let released = folder.path().join("released/0.1.0");
        fs::create_dir_all(&released).unwrap();
        fs::write(released.join("world.wit"), RELEASED).unwrap();
        fs::write(folder.path().join("world.wit"), next).unwrap();
        folder
    }

    fn next(version: &str, from: &str, to: &str) -> String {
        assert!(RELEASED.contains(from));
        RELEASED.replace("@0.1.0", version).replace(from, to)
    }

    #[test]
    fn a_new_import_function_keeps_what_was_released() {
        let folder = folder(&next("@0.1.1", "observe:", "forget: func(); observe:"));
        assert_eq!(keeps_what_was_released(folder.path()).unwrap(), [Version::new(0, 1, 0)]);
    }

    #[test]
    fn a_new_function_in_an_exported_interface_breaks_what_was_released() {
        let folder = folder(&next("@0.1.1", "decide:", "forget: func(); decide:"));
        let error = keeps_what_was_released(folder.path()).unwrap_err();
        assert!(error.to_string().contains("released 0.1.0"), "{error:#}");
    }

    #[test]
    fn a_changed_record_breaks_what_was_released_until_the_version_says_so() {
        let changed = folder(&next("@0.1.1", "used: u64", "used: u64, max: u64"));
        keeps_what_was_released(changed.path()).unwrap_err();
        let counted_up = folder(&next("@0.2.0", "used: u64", "used: u64, max: u64"));
        assert!(keeps_what_was_released(counted_up.path()).unwrap().is_empty());
    }

    #[test]
    fn a_released_version_does_not_change() {
        let same = folder(RELEASED);
        assert_eq!(keeps_what_was_released(same.path()).unwrap(), [Version::new(0, 1, 0)]);
        let touched = folder(
            &RELEASED
                .replace("forget", "")
                .replace("record reading", "/// New.\n record reading"),
        );
        keeps_what_was_released(touched.path()).unwrap_err();
    }

    #[test]
    fn what_lacks_documentation_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let wit = "/// P.\npackage backup:example@0.1.0;\n/// I.\ninterface types { /// T.\n record a { b: u8 } record c { d: u8 } resource r { m: func(); } f: func(); }";
        fs::write(folder.path().join("a.wit"), wit).unwrap();
        let contract = Contract::read(folder.path()).unwrap();
        assert_eq!(contract.undocumented(), ["types.c", "types.r", "types.r.m", "types.f"]);
    }

    #[test]
    fn the_shipped_contract_reads_as_a_manual() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let shipped = Contract::read(&wit).unwrap().encode().unwrap();
        let contract = Contract::decode(&shipped).unwrap();
        assert_eq!(contract.undocumented(), Vec::<String>::new());
    }
}
