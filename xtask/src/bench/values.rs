//! `cargo xtask bench values`: every value of every record of generated orgs, by each way of reading, full and incremental.
//!
//! Beside the values stands what each backup was planned with. The small orgs are the end-to-end tests' business; this is for those
//! that take minutes.

use super::books::OpenBooks;
use super::compare::{self, Comparison};
use super::table::{Table, count};
use super::{Bench, CONNECTION, Findings};
use crate::running::HostProgram;
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

/// Percent of the org's requests that may be used.
const USAGE_LIMIT: u64 = 50;
/// A day passes between two backups.
const MINUTES_BEFORE_CHANGES: u64 = 23 * 60;
const MINUTES_AFTER_CHANGES: u64 = 60;
/// Percent of what is sent that a plan may be off; of few requests one.
const PLAN_PERCENT: u64 = 10;

/// Which orgs, by which ways, how often.
#[derive(clap::Args)]
pub struct ValuesOptions {
    /// Sizes that fake-salesforce knows.
    #[arg(long, value_delimiter = ',', default_value = "small,real,files,widest,bench-s,bench-m")]
    orgs: Vec<String>,
    /// Each org is made from each of these.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// How records are read.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "rest,bulk,mixed")]
    ways: Vec<Way>,
    /// Incremental backups after the full one.
    #[arg(long, default_value_t = 2)]
    incrementals: u64,
}

/// How records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// As the planner decides.
    Planner,
    /// Pages only.
    Rest,
    /// Bulk jobs wherever an object can be read by them.
    Bulk,
    /// Bulk jobs for objects of some hundred records and more.
    Mixed,
}

impl Way {
    /// From how many records on an object is read by bulk.
    fn bulk_rows(self) -> Option<u64> {
        match self {
            Way::Planner => None,
            Way::Rest => Some(1_000_000_000),
            Way::Bulk => Some(0),
            Way::Mixed => Some(300),
        }
    }
}

/// One backup, compared.
#[derive(Serialize)]
struct Compared {
    org: String,
    seed: u64,
    way: Way,
    /// 0 is the full one.
    incremental: u64,
    /// Requests by the plan.
    planned: u64,
    /// Requests that were then sent, but for images.
    sent: u64,
    /// Requests for images within rich text, which nobody can foresee before the text is read.
    images: u64,
    /// Bulk jobs that the org refused to begin, which no plan foresees: each saves a request, and makes some elsewhere.
    refused_jobs: u64,
    comparison: Comparison,
}

impl Compared {
    /// Only a full backup can be planned to a tenth: how much was changed since the last one shows while it is read.
    fn is_as_planned(&self) -> bool {
        let off = (self.sent * PLAN_PERCENT / 100).max(1) + self.refused_jobs;
        self.incremental > 0 || self.planned.abs_diff(self.sent) <= off
    }
}

/// Backs up and compares them all.
pub fn run(bench: &Bench<'_>, options: &ValuesOptions) -> Result<Findings> {
    let mut compared = Vec::new();
    for org in &options.orgs {
        for seed in &options.seeds {
            for way in &options.ways {
                let name = format!("{org}, seed {seed}, {way:?}");
                series(bench, options, org, *seed, *way, &mut compared).with_context(|| format!("{name} was not compared"))?;
            }
        }
    }
    let mut table = Table::new(&[
        "org",
        "seed",
        "way",
        "backup",
        "planned",
        "sent",
        "images",
        "refused jobs",
        "objects",
        "records",
        "values",
        "files",
        "differences",
    ]);
    let mut faults = String::new();
    for one in &compared {
        let found = &one.comparison;
        table.row(vec![
            one.org.clone(),
            one.seed.to_string(),
            format!("{:?}", one.way).to_lowercase(),
            backup_name(one.incremental),
            count(one.planned),
            count(one.sent),
            count(one.images),
            count(one.refused_jobs),
            count(found.objects),
            count(found.records),
            count(found.values),
            count(found.files),
            found.differences.len().to_string(),
        ]);
        if !one.is_as_planned() {
            faults.push_str(&format!(
                "OFF      {} {} {:?} {}: planned {}, sent {}\n",
                one.org,
                one.seed,
                one.way,
                backup_name(one.incremental),
                count(one.planned),
                count(one.sent),
            ));
        }
        for difference in &found.differences {
            faults.push_str(&format!(
                "DIFFERS  {} {} {:?} {}, {}: {} of the org's records, {} of the snapshot's\n         {}\n",
                one.org,
                one.seed,
                one.way,
                backup_name(one.incremental),
                difference.object,
                difference.of_the_org,
                difference.of_the_snapshot,
                difference.examples.join("\n         "),
            ));
        }
    }
    Ok(Findings {
        text: format!("{}\n{faults}", table.markdown()),
        reached: faults.is_empty(),
        json: json!({"benchmark": "values", "compared": compared}),
    })
}

fn series(
    bench: &Bench<'_>,
    options: &ValuesOptions,
    org: &str,
    seed: u64,
    way: Way,
    compared: &mut Vec<Compared>,
) -> Result<()> {
    let fake = bench.org(
        org,
        seed,
        options.incrementals * (MINUTES_BEFORE_CHANGES + MINUTES_AFTER_CHANGES),
    )?;
    let host = HostProgram::new(&bench.programs, bench.folder("values"), fake.client_secret())?;
    let mut configuration = fake.configuration(USAGE_LIMIT);
    if let Some(rows) = way.bulk_rows() {
        configuration["bulk_rows"] = rows.into();
    }
    host.connect(CONNECTION, &configuration)?;
    for incremental in 0..=options.incrementals {
        if incremental > 0 {
            fake.advance_minutes(MINUTES_BEFORE_CHANGES)?;
            fake.churn(&json!({
                "changed_percent": 2.0, "created_percent": 0.5, "deleted_percent": 0.5, "hard_deleted_share": 0.3,
                "seed": seed + incremental,
            }))?;
            fake.advance_minutes(MINUTES_AFTER_CHANGES)?;
        }
        let plan = host.json(&["plan", CONNECTION])?;
        let opened = OpenBooks::now(&fake)?;
        host.json(&["backup", CONNECTION])?;
        let books = opened.close(&fake)?;
        let comparison = compare::newest_snapshot(&host, &fake, CONNECTION, &[])?;
        eprintln!(
            "{org}, seed {seed}, {way:?}, {}: {} requests, {} values, {} objects differ",
            backup_name(incremental),
            count(books.counted),
            count(comparison.values),
            comparison.differences.len()
        );
        compared.push(Compared {
            org: org.to_owned(),
            seed,
            way,
            incremental,
            planned: plan
                .pointer("/calls/estimated")
                .and_then(Value::as_u64)
                .context("the plan has no estimate")?,
            sent: books.counted - books.images(),
            images: books.images(),
            refused_jobs: books.refused_jobs,
            comparison,
        });
    }
    bench.tidy(host.folder())
}

fn backup_name(incremental: u64) -> String {
    match incremental {
        0 => "full".to_owned(),
        number => format!("incremental {number}"),
    }
}
