//! Bulk ingest jobs of the [`TargetOrg`]: results come in no order, and a job takes one table.

use super::{Map, Method, Request, TargetOrg, Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Job {
    object: String,
    creates: bool,
    table: Option<Vec<u8>>,
    state: &'static str,
    /// Looks until it has ended.
    left: u32,
    successful: String,
    failed: String,
    refused: u64,
}

impl TargetOrg {
    pub(super) fn ingest(&mut self, request: &Request, path: &str) -> (u16, String) {
        let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut path = path.trim_start_matches('/').split('/');
        let id = path.next().unwrap_or_default();
        if id.is_empty() {
            self.jobs.push(Job {
                object: wanted["object"].as_str().unwrap().to_owned(),
                creates: wanted["operation"] == "insert",
                table: None,
                state: "Open",
                left: 1,
                successful: String::new(),
                failed: String::new(),
                refused: 0,
            });
            let nth = self.jobs.len() - 1;
            return (200, self.told(nth));
        }
        let nth: usize = id.strip_prefix("750").unwrap().parse().unwrap();
        match (request.method, path.next()) {
            (Method::Put, Some("batches")) if self.jobs[nth].table.is_some() => refused("Found multiple contents"),
            (Method::Put, Some("batches")) => {
                self.jobs[nth].table = Some(request.body.clone());
                (201, String::new())
            }
            (Method::Patch, None) if self.jobs[nth].state != "Open" => refused("it is not open"),
            (Method::Patch, None) if wanted["state"] == "Aborted" => {
                self.jobs[nth].state = "Aborted";
                (200, self.told(nth))
            }
            (Method::Patch, None) if self.jobs[nth].table.is_none() => refused("it has no table"),
            (Method::Patch, None) => {
                self.jobs[nth].state = "InProgress";
                self.work(nth);
                (200, self.told(nth))
            }
            (Method::Get, None) => {
                let job = &mut self.jobs[nth];
                if job.state == "InProgress" && job.left == 0 {
                    job.state = "JobComplete";
                }
                job.left = job.left.saturating_sub(1);
                (200, self.told(nth))
            }
            (Method::Get, Some("successfulResults")) => (200, self.jobs[nth].successful.clone()),
            (Method::Get, Some("failedResults")) => (200, self.jobs[nth].failed.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn told(&self, nth: usize) -> String {
        let job = &self.jobs[nth];
        json!({ "id": format!("750{nth}"), "state": job.state, "numberRecordsFailed": job.refused }).to_string()
    }

    fn work(&mut self, nth: usize) {
        let Job {
            object, creates, table, ..
        } = self.jobs[nth].clone();
        let table = table.unwrap();
        let mut csv = csv::Reader::from_reader(table.as_slice());
        let names = csv.headers().unwrap().clone();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for row in csv.records() {
            let row = row.unwrap();
            let mut record = Map::new();
            record.insert("attributes".into(), json!({ "type": object }));
            for (name, cell) in names.iter().zip(&row).filter(|(_, cell)| !cell.is_empty()) {
                let value = if cell == "#N/A" { Value::Null } else { json!(cell) };
                record.insert(name.to_owned(), value);
            }
            let saved = self.save(creates, &Value::Object(record));
            let mut told: Vec<String> = match saved["id"].as_str() {
                Some(id) => vec![id.to_owned(), creates.to_string()],
                None => vec![
                    String::new(),
                    format!("{}:refused:--", saved["errors"][0]["statusCode"].as_str().unwrap()),
                ],
            };
            told.extend(row.iter().map(ToOwned::to_owned));
            if saved["success"] == true {
                &mut successful
            } else {
                &mut failed
            }
            .push(told);
        }
        let written = |second: &str, rows: &[Vec<String>]| {
            let mut csv = csv::Writer::from_writer(Vec::new());
            csv.write_record(["sf__Id", second].into_iter().chain(&names)).unwrap();
            for row in rows.iter().rev() {
                csv.write_record(row).unwrap();
            }
            String::from_utf8(csv.into_inner().unwrap()).unwrap()
        };
        let job = &mut self.jobs[nth];
        job.successful = written("sf__Created", &successful);
        job.failed = written("sf__Error", &failed);
        job.refused = failed.len() as u64;
    }
}

fn refused(message: &str) -> (u16, String) {
    (400, json!([{ "errorCode": "API_ERROR", "message": message }]).to_string())
}
