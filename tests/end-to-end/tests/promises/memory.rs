//! Memory is bounded, whatever the org's size. The guest's is by the sandbox: a call that passes 64 MiB ends.

use end_to_end::program::{Program, last_json};
use fake_salesforce::org::{OrgSpec, Scan};
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::rest::Rules;
use fake_salesforce::soql::SoqlRules;
use fake_salesforce::{ClockMode, Fake, Options};

const HOST_LIMIT: u64 = 300 << 20;

/// The most memory that a process held while it ran, bytes, and its output.
fn run(program: &Program, arguments: &[&str]) -> (u64, std::process::Output) {
    let mut command = program.command(arguments);
    // Written to a file: nobody reads a pipe while the process is watched.
    let out = program.folder().join("out");
    command
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(&status_file).unwrap_or_default();
        let high_water = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = high_water.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()) {
            peak = peak.max(kib << 10);
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    };
    let stdout = std::fs::read(out).unwrap();
    (
        peak,
        std::process::Output {
            status,
            stdout,
            stderr: Vec::new(),
        },
    )
}

/// Backs up an org, and holds it against the org's own counts.
fn backs_up_within_memory(options: Options) -> u64 {
    let quota = QuotaOptions {
        max: 100_000,
        ..QuotaOptions::default()
    };
    // Query jobs take their time, on the clock that the program waits by.
    let clock = ClockMode::Real;
    let fake = Fake::start(Options { quota, clock, ..options }).unwrap();
    let program = Program::new();
    assert!(program.add("acme", &fake, 50).status.success());
    let (peak, output) = run(&program, &["backup", "acme", "--json"]);
    let result = last_json(&output);
    assert_eq!(
        (output.status.code(), result["state"].as_str()),
        (Some(0), Some("complete")),
        "{result}"
    );
    assert!(peak > 0 && peak < HOST_LIMIT, "{} MiB", peak >> 20);
    let objects = result["objects"].as_array().unwrap();
    for object in objects.iter().filter(|object| object["state"] == "complete") {
        let (name, records) = (object["name"].as_str().unwrap(), object["records"].as_u64().unwrap());
        assert_eq!(
            records,
            fake.count(
                name,
                Scan {
                    deleted: false,
                    archived: true
                }
            ),
            "{name}"
        );
    }
    println!(
        "{} records, {} requests, {} MiB",
        result["records"],
        result["calls"]["sent"],
        peak >> 20
    );
    result["records"].as_u64().unwrap()
}

#[test]
fn a_million_records_of_sixty_objects_are_read_in_bounded_memory() {
    // Of the million some are in the recycle bin.
    let records = backs_up_within_memory(Options::of(OrgSpec::million(1)));
    assert!(records > 950_000, "{records}");
}

#[test]
fn answers_of_150_megabytes_are_read_in_bounded_memory() {
    // Pages stay at 2,000 rows however wide they are.
    let soql = SoqlRules {
        max_cells: usize::MAX,
        long_text_rows: 2_000,
        ..SoqlRules::default()
    };
    backs_up_within_memory(Options {
        rules: Rules {
            soql,
            ..Rules::default()
        },
        ..Options::of(OrgSpec::wide(1))
    });
}
