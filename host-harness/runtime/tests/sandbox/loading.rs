use super::{component, config};
use backup_runtime::{CONTRACT_VERSION, CallError, LoadError, Runtime};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// A component of the contract as `change` leaves it, whose functions all trap.
fn trapping_component(change: impl Fn(&str) -> String) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let changed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let text = change(&std::fs::read_to_string(file.path()).unwrap());
        std::fs::write(changed.path().join(file.file_name()), text).unwrap();
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(changed.path()).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn unchanged(wit: &str) -> String {
    wit.into()
}

#[tokio::test]
async fn a_component_is_known_by_its_digest_and_description() {
    let bytes = component::hostile();
    let connector = Runtime::new(config()).unwrap().load(&bytes).await.unwrap();
    assert_eq!(connector.description().name, "hostile");
    assert_eq!(
        connector.describe().await.unwrap(),
        *connector.description(),
        "always the same answer"
    );
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    assert_eq!(connector.digest(), hex::encode(digest));
}

#[tokio::test]
async fn a_component_that_wants_wasi_is_refused_by_name() {
    let component = wat::parse_str(r#"(component (import "wasi:filesystem/preopens@0.2.0" (instance)))"#).unwrap();
    let error = Runtime::new(config()).unwrap().load(&component).await.unwrap_err();
    assert!(
        matches!(&error, LoadError::ForbiddenImport { name } if name == "wasi:filesystem/preopens@0.2.0"),
        "{error}"
    );
    assert!(error.to_string().contains("wasi:filesystem/preopens@0.2.0"), "{error}");
}

#[tokio::test]
async fn a_component_that_traps_in_describe_is_not_loaded() {
    let error = Runtime::new(config())
        .unwrap()
        .load(&trapping_component(unchanged))
        .await
        .unwrap_err();
    let LoadError::Describe(CallError::Trapped { message, backtrace }) = &error else {
        panic!("{error}");
    };
    assert!(message.contains("unreachable"), "{message}");
    assert!(!backtrace.is_empty());
}

#[tokio::test]
async fn a_changed_record_of_an_export_is_found_by_the_probe() {
    let component = trapping_component(|wit| wit.replace("    quota: string,\n    /// What this", "    /// What this"));
    let error = Runtime::new(config()).unwrap().load(&component).await.unwrap_err();
    assert!(matches!(error, LoadError::DoesNotFit { .. }), "{error}");
}

#[tokio::test]
async fn an_import_function_that_this_host_lacks_is_named() {
    let component = trapping_component(|wit| {
        wit.replace(
            "  usage-limit: func() -> u8;",
            "  usage-limit: func() -> u8;\n  fortune: func();",
        )
    });
    let error = Runtime::new(config()).unwrap().load(&component).await.unwrap_err();
    assert!(matches!(error, LoadError::DoesNotFit { .. }), "{error}");
    assert!(error.to_string().contains("fortune"), "{error}");
}

#[tokio::test]
async fn another_version_of_the_contract_is_told_as_such() {
    let component = trapping_component(|wit| wit.replace(&format!("@{CONTRACT_VERSION};"), "@0.2.0;"));
    let error = Runtime::new(config()).unwrap().load(&component).await.unwrap_err();
    assert!(
        matches!(&error, LoadError::OtherVersion { name, .. } if name.contains("@0.2.0")),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_without_the_connectors_exports_does_not_fit() {
    let component = wat::parse_str("(component)").unwrap();
    let error = Runtime::new(config()).unwrap().load(&component).await.unwrap_err();
    assert!(matches!(error, LoadError::DoesNotFit { .. }), "{error}");
}

#[tokio::test]
async fn a_compiled_component_is_kept_for_the_next_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let config = backup_runtime::RuntimeConfig {
        compilation_cache: Some(folder.path().join("compiled")),
        ..config()
    };
    let bytes = component::hostile();
    Runtime::new(config.clone()).unwrap().load(&bytes).await.unwrap();
    assert!(
        folder.path().join("compiled").read_dir().unwrap().next().is_some(),
        "something is kept"
    );
    Runtime::new(config).unwrap().load(&bytes).await.unwrap();
}
