//! What older versions stored is read by this one, byte for byte: see `tests/archives/README.md`.

use end_to_end::program::Program;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../archives");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut archives: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .collect();
    archives.sort();
    archives
}

fn expected(archive: &Path) -> Value {
    let beside = archive.to_str().unwrap().replace(".tar.zst", ".json");
    serde_json::from_slice(&std::fs::read(beside).unwrap()).unwrap()
}

#[test]
fn an_archive_of_any_older_version_is_read_as_that_version_read_it() {
    let archives = archives();
    assert!(!archives.is_empty());
    for archive in archives {
        let program = Program::new();
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--zstd", "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(program.folder());
        assert!(tar.status().unwrap().success());
        let place = archive.display();
        for (name, expected) in expected(&archive).as_object().unwrap() {
            for snapshot in expected["snapshots"].as_array().unwrap() {
                assert_same_snapshot(&program, name, snapshot, &format!("{place}, {name}"));
            }
            let restores = program.json(&["restores", name, "--json"]);
            for (restore, expected) in restores
                .as_array()
                .unwrap()
                .iter()
                .zip(expected["restores"].as_array().unwrap())
            {
                for field in ["id", "state", "created"] {
                    assert_eq!(restore[field], expected[field], "{place}, {name}");
                }
            }
            assert_eq!(
                restores.as_array().unwrap().len(),
                expected["restores"].as_array().unwrap().len(),
                "{place}, {name}"
            );
            let checked = program.run(&["check", name]).status.code();
            assert_eq!(checked.map(Value::from).unwrap(), expected["check"], "{place}, {name}");
            let head = expected["head"].as_str().unwrap();
            let verified = program.run(&["audit", name, "--verify", "--expect", head]);
            assert_eq!(verified.status.code(), Some(0), "{place}, {name}");
        }
    }
}

fn assert_same_snapshot(program: &Program, name: &str, expected: &Value, place: &str) {
    let id = expected["id"].as_str().unwrap();
    let snapshots = program.json(&["snapshots", name, "--json"]);
    let snapshot = snapshots.as_array().unwrap().iter().find(|snapshot| snapshot["id"] == id);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{place}: no {id}: {snapshots}"));
    for field in ["kind", "state", "records"] {
        assert_eq!(snapshot[field], expected[field], "{place}: {field} of {id}");
    }
    for (object, digest) in expected["exported"].as_object().unwrap() {
        let exported = program.run(&["export", name, id, object]);
        assert_eq!(
            hex::encode(Sha256::digest(&exported.stdout)),
            digest.as_str().unwrap(),
            "{place}: {object} of {id}: {}",
            String::from_utf8_lossy(&exported.stderr)
        );
    }
}
