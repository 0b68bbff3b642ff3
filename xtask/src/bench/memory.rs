//! `cargo xtask bench memory`: the most memory that the host's process holds while it reads what is large.
//!
//! The guest's memory needs no measuring: the sandbox ends a call that passes 64 MiB.

use super::compare::{self, Comparison};
use super::table::{Table, count};
use super::{Bench, CONNECTION, Findings};
use crate::running::HostProgram;
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// What the host may hold, bytes.
const PROMISED: u64 = 300 << 20;
/// Percent of the org's requests that may be used.
const USAGE_LIMIT: u64 = 50;

/// Nothing to choose but which.
#[derive(clap::Args)]
pub struct MemoryOptions {
    /// Only the cases whose names hold this text.
    #[arg(long)]
    only: Option<String>,
}

/// Something large.
struct Case {
    name: &'static str,
    size: &'static str,
    bulk_rows: Option<u64>,
    /// Where records are meant, none or few: images are thousands of small files.
    file_requests: Option<u64>,
    objects: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case {
        name: "a file of 2 GB",
        size: "tiny,ContentDocument=2,ContentVersion=3,ContentVersion.body=2000000000",
        bulk_rows: None,
        file_requests: None,
        objects: &["ContentVersion"],
    },
    Case {
        name: "a bulk result of 1 GB",
        size: "tiny,Account=1500000",
        bulk_rows: Some(0),
        file_requests: Some(0),
        objects: &["Account"],
    },
    Case {
        name: "a bulk result of 1 GB, walked over for images",
        size: "tiny,Account=1500000",
        bulk_rows: Some(0),
        file_requests: Some(200),
        objects: &["Account"],
    },
    Case {
        name: "objects of 800 and 1,700 fields, by pages",
        size: "widest",
        bulk_rows: Some(1_000_000_000),
        file_requests: Some(0),
        objects: &[],
    },
    Case {
        name: "objects of 800 and 1,700 fields, by bulk",
        size: "widest",
        bulk_rows: Some(0),
        file_requests: Some(0),
        objects: &[],
    },
];

/// What a case took.
#[derive(Serialize)]
struct HeldMemory {
    case: &'static str,
    records: u64,
    blobs: u64,
    bytes: u64,
    requests: u64,
    /// The process's high-water mark, bytes.
    peak: u64,
    /// Whether it is all there.
    comparison: Comparison,
}

/// Backs up each of them.
pub fn run(bench: &Bench<'_>, options: &MemoryOptions) -> Result<Findings> {
    let wanted = |case: &&Case| options.only.as_ref().is_none_or(|text| case.name.contains(text.as_str()));
    let mut table = Table::new(&[
        "what",
        "records",
        "files",
        "MB",
        "requests",
        "host, at most",
        "promised",
        "differences",
    ]);
    let mut held = Vec::new();
    for case in CASES.iter().filter(wanted) {
        eprintln!("{}", case.name);
        let one = measure(bench, case).with_context(|| format!("{} was not measured", case.name))?;
        table.row(vec![
            one.case.to_owned(),
            count(one.records),
            count(one.blobs),
            count(one.bytes / 1_000_000),
            count(one.requests),
            format!("{} MiB", one.peak >> 20),
            format!("{} MiB", PROMISED >> 20),
            one.comparison.differences.len().to_string(),
        ]);
        held.push(one);
    }
    Ok(Findings {
        text: table.markdown(),
        reached: held
            .iter()
            .all(|one| one.peak > 0 && one.peak <= PROMISED && one.comparison.differences.is_empty()),
        json: json!({"benchmark": "memory", "promised": PROMISED, "cases": held}),
    })
}

fn measure(bench: &Bench<'_>, case: &Case) -> Result<HeldMemory> {
    let fake = bench.org(case.size, 1, 0)?;
    // As large as a page of results gets, as Salesforce's own.
    fake.post("rules", &json!({"bulk_page_rows": 100_000_000}))?;
    let host = HostProgram::new(&bench.programs, bench.folder("memory"), fake.client_secret())?;
    let mut configuration = fake.configuration(USAGE_LIMIT);
    if let Some(rows) = case.bulk_rows {
        configuration["bulk_rows"] = rows.into();
    }
    if let Some(files) = case.file_requests {
        configuration["file_requests"] = files.into();
    }
    host.connect(CONNECTION, &configuration)?;
    let mut arguments = vec!["backup", CONNECTION];
    for object in case.objects {
        arguments.extend(["--object", object]);
    }
    let (result, peak) = host.watched(&arguments)?;
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let held = HeldMemory {
        case: case.name,
        records: number("/records"),
        blobs: number("/blobs"),
        bytes: number("/bytes"),
        requests: number("/calls/sent"),
        peak,
        comparison: compare::newest_snapshot(&host, &fake, CONNECTION, case.objects)?,
    };
    bench.tidy(host.folder())?;
    Ok(held)
}
