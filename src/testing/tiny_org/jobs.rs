//! The tiny org's query jobs: begun, looked at alone or all at once, and their results in pages and in no order.

use super::TinyOrg;
use crate::testing::scripted::Reply;
use serde_json::{Value, json};

/// A query job.
#[derive(Clone, Debug)]
pub(super) struct TinyJob {
    query: String,
    looks: usize,
}

impl TinyOrg {
    pub(super) fn job(&mut self, rest: &str, body: &[u8]) -> Reply {
        let refused = |status: u16, code: &str, message: &str| {
            Reply::status(status, json!([{"errorCode": code, "message": message}]).to_string())
        };
        let ready = |job: &TinyJob, looks: usize| if job.looks > looks { "JobComplete" } else { "InProgress" };
        if rest.is_empty() {
            if self.jobs_spent {
                return refused(
                    400,
                    "LIMIT_EXCEEDED",
                    "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021).",
                );
            }
            let wanted: Value = serde_json::from_slice(body).unwrap();
            self.jobs.push(TinyJob {
                query: wanted["query"].as_str().unwrap().to_owned(),
                looks: 0,
            });
            let id = format!("750R{:011}AAA", self.jobs.len());
            return Reply::ok(json!({"id": id, "state": "UploadComplete"}).to_string());
        }
        if rest.starts_with("?jobType") {
            if self.refuses_list {
                return refused(404, "NOT_FOUND", "The requested resource does not exist");
            }
            self.jobs.iter_mut().for_each(|job| job.looks += 1);
            let looks = self.looks;
            let records: Vec<Value> = self
                .jobs
                .iter()
                .enumerate()
                .map(|(n, job)| json!({"id": format!("750R{:011}AAA", n + 1), "state": ready(job, looks)}))
                .collect();
            return Reply::ok(json!({"done": true, "records": records}).to_string());
        }
        let (id, results) = match rest[1..].split_once("/results?") {
            Some((id, parameters)) => (id, Some(parameters.to_owned())),
            None => (&rest[1..], None),
        };
        if self.jobs_expired {
            return refused(404, "NOT_FOUND", "The requested resource does not exist");
        }
        let nth = id[4..15].parse::<usize>().unwrap() - 1;
        let job = &mut self.jobs[nth];
        let Some(parameters) = results else {
            job.looks += 1;
            let state = ready(job, self.looks);
            return Reply::ok(json!({"id": id, "state": state}).to_string());
        };
        assert!(job.looks > self.looks, "results of a job that isn't ready");
        let at = parameters
            .split("locator=")
            .nth(1)
            .map_or(0, |locator| locator.parse().unwrap());
        let query = job.query.clone();
        self.results(&query, at)
    }

    fn results(&self, query: &str, at: usize) -> Reply {
        let (name, mut rows) = self.selected(query);
        // In no order.
        rows.sort_by_key(|nth| nth.wrapping_mul(7_919) % 1_009);
        let some: Vec<usize> = rows.iter().copied().skip(at).take(self.page_records).collect();
        let object = &self.objects[&name];
        let fields: Vec<&str> = query
            .strip_prefix("SELECT ")
            .unwrap()
            .split(" FROM ")
            .next()
            .unwrap()
            .split(',')
            .collect();
        let mut csv = fields
            .iter()
            .map(|field| format!("\"{field}\""))
            .collect::<Vec<_>>()
            .join(",")
            + "\n";
        for nth in &some {
            let record = Self::record(object, *nth);
            let value = |field: &&str| {
                let text = record[*field].as_str().unwrap_or_default();
                format!("\"{}\"", text.replace("+0000", "Z").replace('"', "\"\""))
            };
            csv += &(fields.iter().map(value).collect::<Vec<_>>().join(",") + "\n");
        }
        let next = at + some.len();
        let locator = if next < rows.len() { next.to_string() } else { "null".into() };
        Reply::ok(csv)
            .header("Sforce-Locator", &locator)
            .header("Sforce-NumberOfRecords", &some.len().to_string())
    }
}
