//! An org too large to be read here: our plan for it, against what the others would need by arithmetic.
//!
//! Planning is measured, and its count of requests is the plan's own estimate. The others' numbers are computed in their favour: a
//! page is only short where two long texts make it so, a job needs one look and gives one page, describes are given to them.

use super::bound::{self, pages_of_one_query};
use super::targets::{BenchTarget, FULL_FACTOR};
use super::truth;
use super::{Bench, Findings, RequestsOptions};
use crate::bench::CONNECTION;
use crate::bench::books::OpenBooks;
use crate::bench::table::{Table, count, times};
use crate::running::HostProgram;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Instant;

/// Creating a job, one look whether it is done, one page of results.
const REQUESTS_OF_A_JOB: u64 = 3;

/// Plans the org.
pub fn run(bench: &Bench<'_>, options: &RequestsOptions) -> Result<Findings> {
    let fake = bench.org(&options.size(), options.seed, 0)?;
    let truth = truth::at_rest(&fake)?;
    let host = HostProgram::new(
        &bench.programs,
        bench.folder("requests").join("planned"),
        fake.client_secret(),
    )?;
    host.connect(CONNECTION, &super::configuration(&fake))?;
    let opened = OpenBooks::now(&fake)?;
    let started = Instant::now();
    let plan = host.json(&["plan", CONNECTION])?;
    let seconds = started.elapsed().as_secs_f64();
    let sent = opened.close(&fake)?.counted;
    bench.tidy(host.folder())?;

    let estimated = plan
        .pointer("/calls/estimated")
        .and_then(Value::as_u64)
        .context("the plan has no estimate")?;
    let records = truth.values().map(|object| object.rows).sum::<u64>();
    let by_query: u64 = truth
        .values()
        .map(|object| pages_of_one_query(object.rows, object.long_texts))
        .sum();
    let by_job = truth.len() as u64 * REQUESTS_OF_A_JOB;
    let bound = bound::full(&truth);

    let mut table = Table::new(&["tool", "requests", "how known", "requests per 10,000 records"]);
    for (tool, requests, known) in [
        ("this project", estimated, format!("its plan, made with {sent} requests")),
        (
            "any tool that reads pages one by one",
            by_query,
            "computed: one request a page".to_owned(),
        ),
        (
            "any tool that makes a bulk job an object",
            by_job,
            "computed: at least three requests a job".to_owned(),
        ),
        ("lower bound", bound.lower_bound, "computed".to_owned()),
    ] {
        table.row(vec![
            tool.to_owned(),
            count(requests),
            known,
            times(requests * 10_000, records),
        ]);
    }
    let targets = [
        BenchTarget::fewer(
            "full, planned",
            FULL_FACTOR,
            estimated,
            Some(("pages one by one, computed", by_query)),
        )
        .only_told(),
        BenchTarget::fewer(
            "full, planned",
            FULL_FACTOR,
            estimated,
            Some(("a bulk job an object, computed", by_job)),
        )
        .only_told(),
        BenchTarget::near_bound("full, planned", estimated, bound.lower_bound).only_told(),
    ];
    let text = format!(
        "{}, seed {}: {} objects, {} records, planned in {seconds:.0} s and not read. The others' numbers are computed.\n\n{}\n{}",
        options.size(),
        options.seed,
        count(truth.len() as u64),
        count(records),
        table.markdown(),
        targets.iter().map(BenchTarget::line).collect::<String>(),
    );
    Ok(Findings {
        text,
        reached: !targets.iter().any(BenchTarget::is_missed),
        json: json!({
            "benchmark": "requests", "size": options.size(), "seed": options.seed, "planned_only": true,
            "objects": truth.len(), "records": records, "planning_requests": sent, "seconds": seconds,
            "estimated": estimated, "computed": {"pages": by_query, "jobs": by_job}, "bound": bound, "targets": targets,
        }),
    })
}
