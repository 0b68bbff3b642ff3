//! `cargo xtask bench restores`: what it costs in counted requests to give back what was deleted, ours and other tools'.
//!
//! Each tool gets a fake org of its own, made from the same seed, of which the same records were deleted. The others are told what is
//! gone, and what referred to it; ours finds out.

mod bound;
mod loss;

use super::books::{Books, OpenBooks};
use super::clients::{BenchClient, PassSpan};
use super::requests::BenchTarget;
use super::table::{Table, count, times};
use super::{Bench, CONNECTION, Findings};
use crate::running::HostProgram;
use anyhow::{Context, Result};
use clap::ValueEnum;
use loss::{HeldRecords, Loss};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// Percent of the org's requests that our connection may use: far more than it needs.
const USAGE_LIMIT: u64 = 50;

/// The org that is measured by itself.
const ORG: &str = "bench-s,OpportunityLineItem=0,Task=0";
/// Percent of its records that are deleted.
const PERCENT: u64 = 5;

/// Which org, and how much of it is deleted.
#[derive(clap::Args)]
pub struct RestoresOptions {
    /// Any size that fake-salesforce knows.
    #[arg(long, default_value = ORG)]
    org: String,
    /// Equal seeds make equal orgs, and equal losses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many of a hundred records are deleted, before those that go with them.
    #[arg(long, default_value_t = PERCENT)]
    percent: u64,
    /// Only these tools; by default all.
    #[arg(long, value_enum, value_delimiter = ',')]
    tools: Vec<RestoreTool>,
}

impl RestoresOptions {
    /// Of the usual org, by these tools; by all where there are none.
    pub fn usual(seed: u64, tools: Vec<RestoreTool>) -> Self {
        Self {
            org: ORG.to_owned(),
            seed,
            percent: PERCENT,
            tools,
        }
    }
}

/// Who restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreTool {
    /// This project.
    Ours,
    /// What `sf data import tree` calls.
    SfTree,
    /// jsforce's create and update of many records.
    JsforceCollections,
    /// jsforce's bulk2 ingest.
    JsforceBulk,
}

impl RestoreTool {
    fn title(self) -> &'static str {
        match self {
            RestoreTool::Ours => "this project",
            RestoreTool::SfTree => "`sf data import tree` (plugin-data 4.0.115)",
            RestoreTool::JsforceCollections => "jsforce 3.9.1, `create` and `update`",
            RestoreTool::JsforceBulk => "jsforce 3.9.1, `bulk2` ingest",
        }
    }

    fn way(self) -> &'static str {
        match self {
            RestoreTool::Ours => "ours",
            RestoreTool::SfTree => "tree",
            RestoreTool::JsforceCollections => "collections",
            RestoreTool::JsforceBulk => "bulk",
        }
    }
}

/// What one tool's restore cost and brought.
#[derive(Serialize)]
struct Restored {
    tool: RestoreTool,
    books: Books,
    /// Records that were there before and are not now; fewer than none where there are too many.
    missing: i64,
    /// References that led to a record before and don't now.
    missing_references: i64,
    seconds: f64,
    failed: BTreeMap<String, String>,
}

impl Restored {
    fn is_whole(&self) -> bool {
        self.missing == 0 && self.missing_references == 0
    }
}

/// Measures the wanted tools one after another.
pub fn run(bench: &Bench<'_>, options: &RestoresOptions) -> Result<Findings> {
    let tools = match options.tools.is_empty() {
        true => RestoreTool::value_variants().to_vec(),
        false => options.tools.clone(),
    };
    let (mut restored, mut loss) = (Vec::new(), None);
    for tool in tools {
        eprintln!("{} of {}, seed {}", tool.title(), options.org, options.seed);
        let (one, of_one) = measure(bench, options, tool).with_context(|| format!("{} was not measured", tool.title()))?;
        eprintln!("    {} requests: {}", one.books.counted, one.books.in_words());
        restored.push(one);
        loss.get_or_insert(of_one);
    }
    let loss = loss.context("no tool to measure")?;
    let bound = bound::of(&loss);
    let targets = judge(&restored, bound.all());
    Ok(Findings {
        text: told(options, &restored, &loss, &bound, &targets),
        reached: !targets.iter().any(BenchTarget::is_missed),
        json: json!({
            "benchmark": "restores", "size": options.org, "seed": options.seed, "percent": options.percent,
            "lost": loss.lost(), "bound": bound, "tools": restored, "targets": targets,
        }),
    })
}

fn measure(bench: &Bench<'_>, options: &RestoresOptions, tool: RestoreTool) -> Result<(Restored, Loss)> {
    let fake = bench.org(&options.org, options.seed, 60)?;
    let folder = bench.folder("restores").join(tool.way());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let host = match tool {
        RestoreTool::Ours => {
            let host = HostProgram::new(&bench.programs, folder.clone(), fake.client_secret())?;
            let mut configuration = fake.configuration(USAGE_LIMIT);
            configuration["file_requests"] = 0.into();
            host.connect(CONNECTION, &configuration)?;
            host.json(&["backup", CONNECTION]).context("our backup did not complete")?;
            Some(host)
        }
        _ => {
            fs::create_dir_all(&folder)?;
            None
        }
    };
    let loss = Loss::inflict(&fake, options.percent, options.seed)?;
    let client = match tool {
        RestoreTool::Ours => None,
        _ => {
            fs::write(folder.join("wanted.json"), serde_json::to_vec(&loss.wanted())?)?;
            Some(BenchClient::node(bench, "restores", tool.way())?)
        }
    };
    let opened = OpenBooks::now(&fake)?;
    let started = Instant::now();
    let failed = match (&host, &client) {
        (Some(host), _) => ours(host, &loss)?,
        (_, Some(client)) => {
            let span = PassSpan {
                incremental: false,
                since: "",
                until: "",
            };
            client.run(&fake, &folder, &span)?.failed
        }
        _ => BTreeMap::new(),
    };
    let seconds = started.elapsed().as_secs_f64();
    let books = opened.close(&fake)?;
    let (before, now) = (&loss.before, HeldRecords::of(&fake, &loss.before)?);
    bench.tidy(&folder)?;
    let restored = Restored {
        tool,
        books,
        missing: before.records() - now.records(),
        missing_references: before.references() - now.references(),
        seconds,
        failed,
    };
    Ok((restored, loss))
}

/// Restores, and gives what failed, one of each kind; the books tell whether it counts.
fn ours(host: &HostProgram, loss: &Loss) -> Result<BTreeMap<String, String>> {
    let mut arguments = vec!["restore", CONNECTION, "latest", "--yes", "--json"];
    arguments.extend(loss.before.names().flat_map(|name| ["--object", name]));
    let output = host.command(&arguments).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    let result: Value = serde_json::from_str(last)
        .with_context(|| format!("our restore gave no JSON: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
    let told = ["failed", "ambiguous", "incomplete"]
        .into_iter()
        .flat_map(|kind| result[kind].as_array().into_iter().flatten());
    let texts = told.filter_map(|record| Some((record["object"].as_str()?.to_owned(), record["error"].as_str()?.to_owned())));
    Ok(texts.collect())
}

fn judge(restored: &[Restored], bound: u64) -> Vec<BenchTarget> {
    let Some(ours) = restored.iter().find(|one| one.tool == RestoreTool::Ours) else {
        return Vec::new();
    };
    let differences = ours.missing.unsigned_abs() + ours.missing_references.unsigned_abs();
    vec![
        BenchTarget::whole("restore", differences),
        BenchTarget::near_bound("restore", ours.books.counted, bound),
    ]
}

fn told(
    options: &RestoresOptions,
    restored: &[Restored],
    loss: &Loss,
    bound: &bound::RestoreBound,
    targets: &[BenchTarget],
) -> String {
    let mut text = format!(
        "{}, seed {}: {} records of {} objects, of which {} were deleted, and {} others referred to those.\n\n",
        options.org,
        options.seed,
        count(loss.before.records().unsigned_abs()),
        loss.before.names().len(),
        count(loss.lost()),
        count(loss.touched()),
    );
    let mut table = Table::new(&[
        "tool",
        "requests",
        "records missing",
        "references missing",
        "times ours",
        "seconds",
    ]);
    let ours = restored
        .iter()
        .find(|one| one.tool == RestoreTool::Ours)
        .map_or(0, |one| one.books.counted);
    for one in restored {
        table.row(vec![
            one.tool.title().to_owned(),
            count(one.books.counted),
            one.missing.to_string(),
            one.missing_references.to_string(),
            times(one.books.counted, ours),
            format!("{:.0}", one.seconds),
        ]);
    }
    table.row(vec!["lower bound".to_owned(), count(bound.all())]);
    text.push_str(&table.markdown());
    text.push_str(&format!("\nlower bound: {}\n\n", bound.in_words()));
    for one in restored {
        text.push_str(&format!("{}: {}\n", one.tool.title(), one.books.in_words()));
        if !one.is_whole() {
            for (object, why) in &one.failed {
                text.push_str(&format!("    {object}: {why}\n"));
            }
        }
    }
    for target in targets {
        text.push_str(&target.line());
    }
    text
}
