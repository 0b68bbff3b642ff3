//! Reads what a component imports before anything of it is compiled, and judges what it says of itself. The rule: a component
//! gets the contract's interfaces and nothing else, and what is refused is named.

use crate::CONTRACT_VERSION;
use crate::error::LoadError;
use backup_contract::Description;
use semver::Version;
use wasmparser::{Encoding, Parser, Payload};

/// Interfaces that a component may import. `types` holds no function.
const OFFERED: [&str; 7] = ["clock", "http", "job", "log", "report", "storage", "types"];

/// Refuses bytes that are no component, and components that import more than the contract.
pub fn check_imports(bytes: &[u8]) -> Result<(), LoadError> {
    let not_a_component = |message: String| LoadError::NotAComponent { message };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| not_a_component(e.to_string()))? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(not_a_component("it is a core module".into()));
                }
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            // Imports of nested components are given by the outer one.
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(|e| not_a_component(e.to_string()))?;
                    check_import(import.name.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_import(name: &str) -> Result<(), LoadError> {
    let forbidden = || LoadError::ForbiddenImport { name: name.to_owned() };
    let interface = name.strip_prefix("backup:connector/").ok_or_else(forbidden)?;
    let (interface, version) = interface.split_once('@').ok_or_else(forbidden)?;
    if !OFFERED.contains(&interface) {
        return Err(forbidden());
    }
    if !speaks(version, CONTRACT_VERSION) {
        return Err(LoadError::OtherVersion {
            name: name.to_owned(),
            host: CONTRACT_VERSION,
        });
    }
    Ok(())
}

/// Whether a component of version `theirs` may run on a host of version `ours`: within 0.1.x any, since what is added there is
/// only functions, and a missing one is told by the linker; of pre-releases only the same one.
fn speaks(theirs: &str, ours: &str) -> bool {
    match (Version::parse(theirs), Version::parse(ours)) {
        (Ok(theirs), Ok(ours)) if theirs.pre.is_empty() && ours.pre.is_empty() => {
            theirs.major == ours.major && theirs.minor == ours.minor
        }
        _ => theirs == ours,
    }
}

/// Refuses a description that the contract doesn't allow.
pub fn check_description(description: &Description) -> Result<(), LoadError> {
    let refuse = |message: String| Err(LoadError::Description { message });
    let Description { name, version, .. } = description;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return refuse(format!(
            "`name` is {name:?}, it has to be 1–64 of a–z 0–9 - and begin with a letter"
        ));
    }
    if let Err(error) = Version::parse(version) {
        return refuse(format!("`version` is {version:?}, which is no semantic version: {error}"));
    }
    if description.quota.is_empty() {
        return refuse("`quota` is empty, it has to name what a request spends".into());
    }
    if !description.reads_state_versions.contains(&description.state_version) {
        return refuse(format!(
            "`reads-state-versions` is {:?} and lacks the connector's own, {}",
            description.reads_state_versions, description.state_version
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_is_the_contracts() {
        let world = include_str!("../../../wit/world.wit");
        assert!(world.contains(&format!("package backup:connector@{CONTRACT_VERSION};")));
    }

    #[test]
    fn wasi_is_refused_by_name() {
        for evil in [
            "wasi:cli/environment@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "backup:connector/secrets@0.1.0-alpha.1",
            "backup:connector/http",
            "http",
        ] {
            let component = wat::parse_str(format!("(component (import \"{evil}\" (instance)))")).unwrap();
            let Err(LoadError::ForbiddenImport { name }) = check_imports(&component) else {
                panic!("{evil}");
            };
            assert_eq!(name, evil);
        }
    }

    #[test]
    fn what_the_contract_offers_passes_in_its_version_only() {
        let import = |version: &str| {
            wat::parse_str(format!("(component (import \"backup:connector/http@{version}\" (instance)))")).unwrap()
        };
        check_imports(&import(CONTRACT_VERSION)).unwrap();
        assert!(matches!(check_imports(&import("0.2.0")), Err(LoadError::OtherVersion { .. })));
    }

    #[test]
    fn a_nested_components_imports_are_not_the_components() {
        let component = wat::parse_str("(component (component (import \"inner\" (instance))))").unwrap();
        check_imports(&component).unwrap();
    }

    #[test]
    fn modules_text_and_cut_files_are_no_components() {
        let module = wat::parse_str("(module)").unwrap();
        let component = wat::parse_str("(component (core module))").unwrap();
        for bytes in [&module[..], b"hello", b"", &component[..component.len() - 1]] {
            assert!(
                matches!(check_imports(bytes), Err(LoadError::NotAComponent { .. })),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn releases_of_one_minor_speak_to_each_other_and_pre_releases_only_to_themselves() {
        assert!(speaks("0.1.0", "0.1.3"));
        assert!(speaks("0.1.3", "0.1.0"));
        assert!(!speaks("0.2.0", "0.1.0"));
        assert!(speaks("0.1.0-alpha.1", "0.1.0-alpha.1"));
        assert!(!speaks("0.1.0-alpha.1", "0.1.0"));
        assert!(!speaks("0.1.0-alpha.2", "0.1.0-alpha.1"));
        assert!(!speaks("", "0.1.0"));
    }

    #[test]
    fn a_description_has_to_make_sense() {
        let good = Description {
            name: "salesforce".into(),
            version: "1.0.0-rc.1".into(),
            quota: "DailyApiRequests".into(),
            state_version: 2,
            reads_state_versions: vec![1, 2],
            configuration_schema: "{}".into(),
            facts: vec![],
        };
        check_description(&good).unwrap();
        let spoilt: [fn(&mut Description); 4] = [
            |d| d.name = "../Sales".into(),
            |d| d.version = "1".into(),
            |d| d.quota.clear(),
            |d| d.reads_state_versions = vec![1],
        ];
        for spoil in spoilt {
            let mut description = good.clone();
            spoil(&mut description);
            assert!(matches!(check_description(&description), Err(LoadError::Description { .. })));
        }
    }
}
