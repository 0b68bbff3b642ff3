//! Complete means complete: what failed is named, stale records are called so, and what hides data is warned of until it is gone
//! or accepted.

use end_to_end::program::{Program, last_json};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;

fn org() -> Fake {
    Fake::start(options()).unwrap()
}

fn options() -> Options {
    let quota = QuotaOptions {
        max: 1_000,
        ..QuotaOptions::default()
    };
    Options {
        quota,
        ..Options::of(OrgSpec::tiny(12))
    }
}

/// A connection whose connector keeps three records, or does as it is told.
fn add_example(program: &Program, fake: &Fake, name: &str, behaviour: &str) {
    let config = json!({"instance_url": fake.url(), "usage_limit": 50, "behaviour": behaviour, "total": 3,
        "path": "/services/data/v62.0/sobjects", "auth": {"kind": "access-token", "token": fake.access_token()}});
    let added = program.add_of("hostile", name, &config);
    assert!(added.status.success(), "{}", said(&added));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn codes(result: &Value) -> Vec<(&str, bool)> {
    let warnings = result["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| (warning["code"].as_str().unwrap(), warning["accepted"].as_bool().unwrap()))
        .collect()
}

#[test]
fn an_object_that_failed_makes_a_backup_incomplete_until_one_reads_it() {
    let (fake, program) = (org(), Program::new());
    add_example(&program, &fake, "acme", "well-behaved");
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));

    let set = |member: &str| {
        let output = program.run(&["connection", "set", "acme", member]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    };
    set("behaviour=fail-object");
    let limit = ["limit", "acme", "60", "--until", "first-backup-complete"];
    assert_eq!(program.run(&limit).status.code(), Some(0));
    let output = program.run(&["backup", "acme", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let failed = last_json(&output);
    assert_eq!(
        (&failed["state"], &failed["kind"]),
        (&"incomplete".into(), &"incremental".into())
    );
    let thing = &failed["objects"][0];
    assert_eq!(
        (&thing["state"], &thing["stale"], &thing["records"]),
        (&"failed".into(), &true.into(), &3.into()),
        "{failed}"
    );
    assert_eq!(codes(&failed), [("objects-failed", false)]);
    assert_eq!(
        program.json(&["limit", "acme", "--json"])["percent"],
        50,
        "an incomplete backup ends it too"
    );
    let exported = program.run(&["export", "acme", "latest", "Thing"]);
    let lines = exported.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((exported.status.code(), lines), (Some(0), 3));
    assert!(said(&exported).contains("stale"), "{}", said(&exported));
    let status = program.json(&["status", "acme", "--json"]);
    assert_eq!(
        (&status["last_complete"]["state"], &status["last_complete"]["id"]),
        (&"incomplete".into(), &failed["snapshot"])
    );
    assert_eq!(codes(&status), [("objects-failed", false)]);
    let text = program.run(&["status", "acme"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("warning: objects could not be read: Thing"));

    set("accept_warnings=objects-failed");
    let output = program.run(&["backup", "acme", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (&last_json(&output)["state"], codes(&last_json(&output))),
        (&"incomplete".into(), vec![("objects-failed", true)])
    );

    set("behaviour=well-behaved");
    let output = program.run(&["backup", "acme", "--json"]);
    let complete = last_json(&output);
    assert_eq!(
        (output.status.code(), &complete["state"], &complete["kind"]),
        (Some(0), &"complete".into(), &"incremental".into())
    );
    assert!(complete["objects"][0]["stale"].is_null());
    assert_eq!(codes(&program.json(&["status", "acme", "--json"])), []);
    let listed = program.json(&["snapshots", "acme", "--json"]);
    let states: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["state"].as_str())
        .collect();
    assert_eq!(states, ["complete", "incomplete", "incomplete", "complete"]);
}

#[test]
fn an_object_that_no_backup_has_read_never_exports_as_empty() {
    let (fake, program) = (org(), Program::new());
    add_example(&program, &fake, "acme", "fail-object");
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(4));
    let exported = program.run(&["export", "acme", "latest", "Thing"]);
    assert_eq!(exported.status.code(), Some(1));
    assert!(
        said(&exported).contains("it can't be read, as it was told to"),
        "{}",
        said(&exported)
    );
    let unknown = program.run(&["export", "acme", "latest", "Things"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("did you mean \"Thing\"?"), "{}", said(&unknown));
}

#[tokio::test]
async fn a_batch_that_sends_and_reads_nothing_is_no_progress() {
    let settings = json!({"behaviour": "go-nowhere", "path": "/services/data/v62.0/sobjects"});
    let rig = Rig::new(RigOptions {
        component: "hostile",
        settings,
        ..RigOptions::of(options())
    })
    .await;
    let result = rig.backup().await.unwrap();
    assert!(result.failed.is_some(), "{result:?}");
    assert!(rig.counted() <= 5, "{} requests", rig.counted());
}

#[test]
fn latest_is_a_backup_of_all_objects() {
    let (fake, program) = (org(), Program::new());
    program.add("acme", &fake, 50);
    assert_eq!(program.run(&["backup", "acme", "--object", "Contact"]).status.code(), Some(0));
    let output = program.run(&["ls", "acme", "latest"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("latest:Contact"), "{}", said(&output));
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
    assert_eq!(program.run(&["backup", "acme", "--object", "Contact"]).status.code(), Some(0));
    let listed = program.json(&["snapshots", "acme", "--json"]);
    let objects: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["objects"]).collect();
    assert_eq!(objects, [&json!(["Contact"]), &json!([]), &json!(["Contact"])]);
    let all = program.json(&["ls", "acme", "latest", "--json"]);
    assert!(all.as_array().unwrap().len() > 1, "{all}");
    let one = program.json(&["ls", "acme", "latest:contact", "--json"]);
    assert_eq!(one.as_array().unwrap().len(), 1, "{one}");
}

#[test]
fn a_connection_is_changed_without_losing_what_its_backups_go_on_from() {
    let (fake, program) = (org(), Program::new());
    let auth = json!({"kind": "access-token", "token": fake.access_token()});
    for (member, meant) in [
        ("usage_limt", "usage_limit"),
        ("file_request", "file_requests"),
        ("fullEvery", "full_every"),
    ] {
        let refused = program.add_with("acme", &json!({"instance_url": fake.url(), member: 5, "auth": auth}));
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            said(&refused).contains(&format!("did you mean \"{meant}\"?")),
            "{}",
            said(&refused)
        );
    }
    let old = program.add_with(
        "acme",
        &json!({"instance_url": fake.url(), "api_version": "v12.0", "auth": auth}),
    );
    assert_eq!(old.status.code(), Some(2), "{}", said(&old));

    program.add("acme", &fake, 50);
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
    let sent = fake.totals().client;
    let set = program.run(&["connection", "set", "acme", "full_every=9", "api_version=v63.0", "--json"]);
    assert_eq!(set.status.code(), Some(0), "{}", said(&set));
    let shown = last_json(&set);
    assert_eq!(
        [&shown["full_every"], &shown["api_version"], &shown["file_requests"]],
        [&json!(9), &json!("v63.0"), &json!(0)]
    );
    for wrong in ["usage_limit=70", "full_evry=9", "file_requests=many", "accept_warnings=x"] {
        assert_eq!(
            program.run(&["connection", "set", "acme", wrong]).status.code(),
            Some(2),
            "{wrong}"
        );
    }
    assert_eq!(fake.totals().client, sent, "nothing is sent");
    let trail = program.json(&["audit", "acme", "--json"]);
    assert_eq!(trail.as_array().unwrap().last().unwrap()["event"], "connection-changed");
    let next = program.json(&["backup", "acme", "--json"]);
    assert_eq!((&next["kind"], &next["state"]), (&"incremental".into(), &"complete".into()));
}

/// Files below a folder whose path has this part.
fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(part) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_backup_that_can_not_go_on_from_a_damaged_one_is_full_says_so_and_the_next_goes_on_from_it() {
    for (damaged, lost) in [("/notes/", ""), ("/log/", "/rollup/")] {
        let (fake, program) = (org(), Program::new());
        program.add("acme", &fake, 50);
        assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
        let data = program.data().join("default/acme");
        if !lost.is_empty() {
            files(&data, lost).iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
        let mut paths = files(&data, damaged);
        paths.sort();
        std::fs::write(&paths[0], b"{}").unwrap();

        let output = program.run(&["backup", "acme", "--json"]);
        let full = last_json(&output);
        assert_eq!(
            (output.status.code(), &full["kind"], &full["state"]),
            (Some(4), &"full".into(), &"complete".into()),
            "{damaged}: {full}"
        );
        assert_eq!(codes(&full), [("damaged-base", false)], "{damaged}");
        let next = program.run(&["backup", "acme", "--json"]);
        assert_eq!(
            (next.status.code(), &last_json(&next)["kind"]),
            (Some(0), &"incremental".into()),
            "{damaged}"
        );
    }
}

#[test]
fn a_user_who_may_not_see_all_is_warned_of_by_every_command_until_that_is_accepted() {
    let (fake, program) = (org(), Program::new());
    let mut viewer = (*fake.user()).clone();
    viewer.view_all_data = false;
    fake.set_user(viewer);
    assert!(program.add("acme", &fake, 100).status.success());
    let unaccepted = [("view-all-data-missing", false)];
    for command in [
        ["plan", "acme", "--json"].as_slice(),
        &["backup", "acme", "--json"],
        &["backup", "acme", "--json"],
    ] {
        let output = program.run(command);
        assert_eq!(output.status.code(), Some(4), "{command:?}: {}", said(&output));
        assert_eq!(codes(&last_json(&output)), unaccepted, "{command:?}");
    }
    assert_eq!(codes(&program.json(&["status", "acme", "--json"])), unaccepted);
    assert_eq!(program.run(&["connection", "check", "acme"]).status.code(), Some(4));

    let accept = ["connection", "set", "acme", "accept_warnings=view-all-data-missing"];
    assert_eq!(program.run(&accept).status.code(), Some(0));
    let accepted = program.run(&["backup", "acme", "--json"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", said(&accepted));
    assert_eq!(codes(&last_json(&accepted)), [("view-all-data-missing", true)]);
}
