//! Whatever numbers a connector or an org tells: no command ends for them, and what was committed can be read.

use backup_store::{Actor, ObjectState};
use end_to_end::program::{Program, last_json};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::faults::{Fault, When};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use host_harness::jobs::{PlanRequest, Silent};
use serde_json::{Value, json};
use std::process::Output;

const MAX: u64 = 5_000;

/// What a number may be at its edges: each place gets each of them in one case.
const EDGES: [u64; 9] = [
    0,
    1,
    (1 << 53) + 1,
    1 << 61,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
    253_402_300_800_000, // the year 10000, in milliseconds
];

/// What only reads, for one connection.
const READING: [&[&str]; 9] = [
    &["status"],
    &["snapshots"],
    &["ls", "latest"],
    &["ls", "latest", "Thing"],
    &["restores"],
    &["limit"],
    &["audit"],
    &["connection", "show"],
    &["check"],
];

fn options(spec: OrgSpec) -> Options {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    Options {
        quota,
        ..Options::of(spec)
    }
}

/// Runs a command, which may fail, but only as a command may: with its own exit code, and JSON where that was asked for.
fn run(program: &Program, arguments: &[&str]) -> Output {
    let output = program.run(arguments);
    let said = || format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(
        matches!(output.status.code(), Some(0..=4 | 11 | 12)),
        "{:?} of {}",
        output.status,
        said()
    );
    if arguments.contains(&"--json") {
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line} of {}", said());
        }
        drop(last_json(&output));
    }
    output
}

/// A command that has to succeed, as text and as JSON.
fn reads(program: &Program, command: &[&str], name: &str) {
    // The name stands behind the command's own words.
    let words = if command[0] == "connection" { 2 } else { 1 };
    for json in [&[][..], &["--json"]] {
        let arguments = [&command[..words], &[name], &command[words..], json].concat();
        let output = run(program, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
}

#[test]
fn no_number_of_a_connector_ends_a_command_or_hides_what_is_committed() {
    let program = Program::new();
    let rotated = (0..EDGES.len()).map(|by| {
        let mut numbers = EDGES;
        numbers.rotate_left(by);
        numbers.to_vec()
    });
    let cases: Vec<Vec<u64>> = rotated.chain([vec![u64::MAX]]).collect();
    for (case, numbers) in cases.iter().enumerate() {
        let name = format!("case-{case}");
        let name = name.as_str();
        // Each an org of its own, since what is told of the quota ends all that is sent.
        let fake = Fake::start(options(OrgSpec::tiny(2))).unwrap();
        let config = json!({"instance_url": fake.url(), "behaviour": "tell-numbers", "numbers": numbers, "total": 3, "scope": name,
            "path": "/services/data/v62.0/sobjects", "auth": {"kind": "access-token", "token": fake.access_token()}});
        assert!(program.add_of("hostile", name, &config).status.success());
        run(&program, &["plan", name]);
        run(&program, &["plan", name, "--json"]);
        let complete = last_json(&run(&program, &["backup", name, "--json"]));
        assert_eq!(complete["state"], "complete", "{numbers:?}: {complete}");
        run(&program, &["backup", name]);
        run(&program, &["restore", name, "latest", "--all", "--dry-run"]);
        run(&program, &["restore", name, "latest", "--all", "--yes", "--json"]);
        for command in READING {
            reads(&program, command, name);
        }
        let exported = run(&program, &["export", name, "latest", "Thing"]);
        let lines = exported.stdout.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((exported.status.code(), lines), (Some(0), 3), "{numbers:?}");
    }
    for list in [&["connection", "list"][..], &["connection", "list", "--json"]] {
        assert_eq!(run(&program, list).status.code(), Some(0));
    }
}

/// Members of answers that tell numbers.
const TOLD: [&[&str]; 3] = [
    // How much there is.
    &["count", "totalSize", "size", "numberRecordsProcessed", "retries"],
    // How long it is.
    &[
        "length",
        "BodyLength",
        "ContentSize",
        "byteLength",
        "precision",
        "digits",
        "scale",
    ],
    // How much may be sent.
    &["Max", "Remaining"],
];

/// What an org may say where a count is due.
const SAID: [&str; 7] = [
    "-1",
    "1.5",
    "1e300",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "null",
];

#[tokio::test]
async fn no_number_of_an_org_ends_a_command() {
    let cases = TOLD.iter().flat_map(|members| SAID.iter().map(move |said| (*members, *said)));
    let program = Program::new();
    for (members, said) in cases {
        let rig = Rig::new(RigOptions::of(options(OrgSpec::tiny(2)))).await;
        let about = format!("{said} in {members:?}");
        let members = members.iter().map(ToString::to_string).collect();
        let says = said.to_owned();
        rig.fake.faults().always(When::default(), Fault::Told { members, says });
        let planned = rig
            .host
            .plan(&rig.name, &Actor::host(), &PlanRequest::default(), &Silent)
            .await;
        let backed_up = rig.backup().await;
        let failed = backed_up.as_ref().ok().and_then(|result| result.failed.clone());
        for text in [format!("{planned:?}"), format!("{:?} {failed:?}", backed_up.as_ref().err())] {
            assert!(!text.contains("trap") && !text.contains("unreachable"), "{about}: {text}");
        }
        for command in [&["status", "acme", "--json"][..], &["snapshots", "acme"]] {
            let mut command = program.command(command);
            let output = command.env("BACKUP_HOST_DATA", &rig.data).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{about}: {output:?}");
        }
        let Ok(result) = backed_up else { continue };
        let mut committed = rig.records(&result.snapshot).await;
        for object in result.objects.iter().filter(|object| object.state == ObjectState::Complete) {
            // What they say is what the org said, numbers too.
            let records = committed.remove(&object.name).unwrap_or_default().len();
            let there = rig.oracle(&object.name).len();
            assert_eq!((records, object.records), (there, there as u64), "{about}: {}", object.name);
        }
    }
}
