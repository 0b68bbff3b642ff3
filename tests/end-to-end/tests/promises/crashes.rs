//! kill -9 at any moment.

use end_to_end::Rig;
use end_to_end::program::{Program, last_json};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const KILLS: u64 = 50;
/// Requests of one batch, and of one planning step, at most.
const BATCH: u64 = 8;

#[test]
fn killed_at_fifty_points_the_snapshot_equals_the_org_and_at_most_a_batch_is_repeated_each_time() {
    let spec = || OrgSpec::small(11);
    let uninterrupted = {
        let (fake, program) = (start(spec()), Program::new());
        assert!(program.add("acme", &fake, 50).status.success());
        program.json(&["backup", "acme", "--json"])["calls"]["sent"].as_u64().unwrap()
    };

    let (fake, program) = (start(spec()), Program::new());
    assert!(program.add("acme", &fake, 50).status.success());
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

fn start(spec: OrgSpec) -> Fake {
    let quota = QuotaOptions {
        max: 100_000,
        ..QuotaOptions::default()
    };
    Fake::start(Options {
        quota,
        ..Options::of(spec)
    })
    .unwrap()
}
