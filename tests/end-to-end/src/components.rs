use std::path::PathBuf;

/// A built component by its name, `salesforce` or `hostile`.
///
/// # Panics
/// Where it isn't built: `cargo xtask build` does that.
pub fn component(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask build`, or name the folder of components in BACKUP_TEST_COMPONENTS",
            path.display()
        )
    })
}

/// `BACKUP_TEST_COMPONENTS`, else `components` in the target folder that this test was built into.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("BACKUP_TEST_COMPONENTS") {
        return folder.into();
    }
    target().join("components")
}

/// Where what is compiled of them is kept between tests.
pub(crate) fn compiled() -> PathBuf {
    target().join("compiled-components")
}

fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}
