//! Finds the components that tests run; they are built by `cargo xtask build`.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    match std::env::var_os("BACKUP_TEST_COMPONENTS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("components"),
    }
}

/// The connector that misbehaves on demand.
pub fn hostile() -> Vec<u8> {
    let path = folder().join("hostile.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask build`, or name the folder of built components in BACKUP_TEST_COMPONENTS",
            path.display()
        )
    })
}
