//! kill -9 at any moment.

use end_to_end::Rig;
use end_to_end::program::{Program, last_json};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{ClockMode, Fake, Options};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const KILLS: u64 = 50;
/// Requests of one batch, and of one planning step, at most.
const BATCH: u64 = 8;

#[test]
fn a_backup_killed_at_fifty_points_equals_the_org_and_repeats_at_most_a_batch_each_time() {
    let spec = || OrgSpec::small(11);
    let uninterrupted = {
        let (fake, program) = (start(spec()), Program::new());
        assert!(program.add("acme", &fake, 50).status.success());
        program.json(&["backup", "acme", "--json"])["calls"]["sent"].as_u64().unwrap()
    };

    let (fake, program) = (start(spec()), Program::new());
    assert!(program.add("acme", &fake, 50).status.success());
    // A first question whose answer is lost isn't asked again within half an hour, which a program spends in real time.
    assert!(program.run(&["connection", "check", "acme"]).status.success());
    let mut kills = 0;
    for round in 0..KILLS {
        let begun = fake.log().len();
        // A different place each time: so many requests later, and then so many milliseconds.
        let (requests, pause) = (round % 4, Duration::from_millis(round * 7 % 23));
        let mut child = program.command(&["backup", "acme", "--json"]).spawn().unwrap();
        while fake.log().len() < begun + requests && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let at = Instant::now();
        while at.elapsed() < pause && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills > KILLS / 3, "only {kills} runs were alive when they were to be killed");

    let output = program.run(&["backup", "acme", "--json"]);
    let result = last_json(&output);
    assert_eq!(
        (output.status.code(), result["state"].as_str()),
        (Some(0), Some("complete")),
        "{result}"
    );
    let sent = fake.totals().client;
    // A run after the last kill may have been complete already, and begun another snapshot: each of them counts once.
    let snapshots = program.json(&["snapshots", "acme", "--json"]).as_array().unwrap().len() as u64;
    assert!(
        sent <= snapshots * uninterrupted + kills * BATCH,
        "{sent} requests, {snapshots} snapshots of {uninterrupted}, {kills} kills"
    );

    let id = result["snapshot"].as_str().unwrap();
    for object in result["objects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|object| object["state"] == "complete")
    {
        let name = object["name"].as_str().unwrap();
        let exported = program.run(&["export", "acme", id, name]);
        let exported: BTreeSet<String> = end_to_end::lines(&exported.stdout).into_iter().collect();
        let expected: BTreeSet<String> = Rig::oracle_of(&fake, name).into_iter().collect();
        assert!(
            exported == expected,
            "{name}: {} of {} records",
            exported.len(),
            expected.len()
        );
    }
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0));
    assert_eq!(program.run(&["audit", "acme", "--verify"]).status.code(), Some(0));
}

/// Files of the logs of all snapshots: one more for each batch that is committed.
fn committed(program: &Program) -> usize {
    let snapshots = program.data().join("default/acme/snapshots");
    let logs = std::fs::read_dir(snapshots).into_iter().flatten().flatten();
    // Not those that are being written, which end otherwise.
    let is_entry = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().ends_with(".json");
    logs.filter_map(|snapshot| std::fs::read_dir(snapshot.path().join("log")).ok())
        .map(|log| log.flatten().filter(is_entry).count())
        .sum()
}

#[test]
fn a_backup_killed_while_it_reads_a_saved_page_of_results_spends_no_request_again() {
    let spec = OrgSpec::of(3, &[("Account", 60_000)]);
    let fake = Fake::start(Options {
        // Jobs take their time, on the clock that the program waits by.
        clock: ClockMode::Real,
        ..options(spec)
    })
    .unwrap();
    let program = Program::new();
    let config = json!({"instance_url": fake.url(), "api_version": "v62.0", "usage_limit": 50, "bulk_rows": 1,
        "file_requests": 0, "auth": {"kind": "access-token", "token": fake.access_token()}});
    assert!(program.add_with("acme", &config).status.success());
    let pages = || {
        let requests = fake.requests();
        requests
            .iter()
            .filter(|entry| entry.path.contains("/results") && entry.status.is_some())
            .count()
    };

    // The page is in the store once the batch that fetched it is committed: what is killed then has nothing to do but to read it.
    let mut child = program
        .command(&["backup", "acme", "--json", "--object", "Account"])
        .spawn()
        .unwrap();
    while pages() == 0 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let entries = committed(&program);
    while committed(&program) == entries && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let mut killed = u64::from(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let (sent, entries) = (fake.totals().client, committed(&program));
    // Once more, each time a little later.
    for round in 1..=6 {
        let mut child = program
            .command(&["backup", "acme", "--json", "--object", "Account"])
            .spawn()
            .unwrap();
        let at = Instant::now();
        while at.elapsed() < Duration::from_millis(round * 60)
            && committed(&program) <= entries
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        killed += u64::from(child.try_wait().unwrap().is_none() && fake.totals().client == sent);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(killed >= 4, "only {killed} were killed before anything else was sent");

    let output = program.run(&["backup", "acme", "--json", "--object", "Account"]);
    let result = last_json(&output);
    assert_eq!(
        (output.status.code(), result["state"].as_str()),
        (Some(0), Some("complete")),
        "{result}"
    );
    assert_eq!(end_to_end::repeated(&fake), [""; 0]);
    let exported = program.run(&["export", "acme", result["snapshot"].as_str().unwrap(), "Account"]);
    let rows = end_to_end::lines(&exported.stdout);
    let read: BTreeSet<String> = rows.iter().cloned().collect();
    let expected: BTreeSet<String> = Rig::oracle_of(&fake, "Account").into_iter().collect();
    assert!(rows.len() == expected.len() && read == expected, "each once");
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0));
}

fn start(spec: OrgSpec) -> Fake {
    Fake::start(options(spec)).unwrap()
}

fn options(spec: OrgSpec) -> Options {
    let quota = QuotaOptions {
        max: 100_000,
        ..QuotaOptions::default()
    };
    Options {
        quota,
        ..Options::of(spec)
    }
}
