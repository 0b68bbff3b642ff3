//! A flipped byte or a missing file is found and named.

use end_to_end::program::{Program, last_json};
use end_to_end::{Rig, lines};
use fake_salesforce::org::{Churn, OrgSpec};
use fake_salesforce::{Fake, Options};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn backed_up() -> (Fake, Program) {
    let (fake, program) = (Fake::start(Options::of(OrgSpec::tiny(12))).unwrap(), Program::new());
    assert!(program.add("acme", &fake, 50).status.success());
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
    (fake, program)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// One file of each kind: a segment, a log entry, a journal entry.
fn one_of_each(program: &Program) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(&program.data().join("default/acme"), &mut all);
    all.sort();
    let one = |part: &str| {
        all.iter()
            .find(|path| path.to_string_lossy().contains(part))
            .unwrap_or_else(|| panic!("{part}: {all:?}"))
            .clone()
    };
    vec![one("/segments/Account/"), one("/log/0000000002"), one("/audit/0000000002")]
}

#[test]
fn a_flipped_byte_is_found_and_named() {
    let (_fake, program) = backed_up();
    for path in one_of_each(&program) {
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let output = program.run(&["check", "acme", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        assert_named(&last_json(&output), &path);
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0));
}

#[test]
fn a_missing_file_is_found_and_named() {
    let (_fake, program) = backed_up();
    for path in one_of_each(&program) {
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let output = program.run(&["check", "acme", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        assert_named(&last_json(&output), &path);
        std::fs::write(&path, whole).unwrap();
    }
}

fn assert_named(checked: &serde_json::Value, path: &Path) {
    let name = path
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    let named = checked["damages"]
        .as_array()
        .unwrap()
        .iter()
        .any(|damage| damage["where"].as_str().unwrap().contains(&name));
    assert!(named, "{} is not named: {checked}", path.display());
}

#[test]
fn a_changed_audit_trail_is_found_and_a_cut_tail_with_the_head_kept_elsewhere() {
    let (_fake, program) = backed_up();
    assert!(program.run(&["limit", "acme", "60", "--by", "ana"]).status.success());
    let head = program.json(&["status", "acme", "--json"])["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let trail = program.json(&["audit", "acme", "--json"]);
    let last = trail.as_array().unwrap().last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["actor"].as_str(), &last["from"], &last["to"]),
        (Some("usage-limit-changed"), Some("ana"), &50.into(), &60.into())
    );
    assert_eq!(last["hash"].as_str(), Some(head.as_str()));
    assert_eq!(
        program.run(&["audit", "acme", "--verify", "--expect", &head]).status.code(),
        Some(0)
    );

    let tail = program
        .data()
        .join(format!("default/acme/audit/{:010}.json", last["seq"].as_u64().unwrap()));
    let entry = std::fs::read(&tail).unwrap();
    std::fs::remove_file(&tail).unwrap();
    assert_eq!(
        program.run(&["audit", "acme", "--verify"]).status.code(),
        Some(0),
        "what is left is a whole chain"
    );
    assert_eq!(
        program.run(&["audit", "acme", "--verify", "--expect", &head]).status.code(),
        Some(1)
    );

    let changed = String::from_utf8(entry).unwrap().replace("\"to\":60", "\"to\":61");
    std::fs::write(&tail, changed).unwrap();
    let output = program.run(&["audit", "acme", "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains(tail.file_name().unwrap().to_str().unwrap()));
}

#[test]
fn an_incremental_backup_reads_an_object_in_full_whose_segment_is_damaged_and_that_heals_it() {
    let (fake, program) = backed_up();
    let mut segments = Vec::new();
    files(&program.data().join("default/acme"), &mut segments);
    segments.retain(|path| path.to_string_lossy().contains("/segments/Account/"));
    for segment in &segments {
        let mut bytes = std::fs::read(segment).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(segment, bytes).unwrap();
    }
    fake.churn(&Churn {
        changed_percent: 5.0,
        seed: 3,
        ..Churn::default()
    });
    fake.clock().advance(24 * 3_600_000);

    let output = program.run(&["backup", "acme", "--json"]);
    let healed = last_json(&output);
    assert_eq!(
        (output.status.code(), &healed["kind"], &healed["state"]),
        (Some(4), &"incremental".into(), &"complete".into()),
        "{healed}"
    );
    let warnings = healed["warnings"].as_array().unwrap();
    let named: Vec<_> = warnings
        .iter()
        .map(|warning| (warning["code"].as_str(), warning["object"].as_str()))
        .collect();
    assert_eq!(named, [(Some("damaged-base"), Some("Account"))], "{healed}");
    for object in ["Account", "Contact"] {
        let exported = program.run(&["export", "acme", "latest", object]);
        assert_eq!(exported.status.code(), Some(0), "{object}");
        let exported: BTreeSet<String> = lines(&exported.stdout).into_iter().collect();
        assert!(exported == Rig::oracle_of(&fake, object).into_iter().collect(), "{object}");
    }
    let next = program.run(&["backup", "acme", "--json"]);
    assert_eq!((next.status.code(), &last_json(&next)["warnings"]), (Some(0), &json!([])));
}
