//! Bulk API 2.0 jobs: what is asked for of queries, and what the resources of jobs of either kind answer.

use super::{Broken, buffered};
use serde::{Deserialize, Serialize};
use std::io;

/// Asks for a job: the body of `POST jobs/query`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewJob<'a> {
    operation: &'static str,
    query: &'a str,
    content_type: &'static str,
    column_delimiter: &'static str,
    line_ending: &'static str,
}

impl<'a> NewJob<'a> {
    /// A job of this query; `all`: deleted and archived records too.
    pub fn new(query: &'a str, all: bool) -> NewJob<'a> {
        NewJob {
            operation: if all { "queryAll" } else { "query" },
            query,
            content_type: "CSV",
            column_delimiter: "COMMA",
            line_ending: "LF",
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum JobState {
    /// An ingest job that waits for its table, or to be told that it is complete.
    Open,
    /// Its results can be fetched.
    JobComplete,
    /// Salesforce gave it up.
    Failed,
    /// Somebody ended it.
    Aborted,
    /// Queued or running.
    #[serde(other)]
    Running,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed.
    #[serde(default)]
    pub error_message: Option<String>,
    /// Rows of an ingest job that were refused.
    #[serde(default)]
    pub number_records_failed: u64,
}

/// The answer of `POST jobs/query` and of `GET jobs/query/{id}`, and the same of `jobs/ingest`.
pub fn read_job<R: io::Read>(body: R) -> Result<Job, Broken> {
    let job: Job = serde_json::from_reader(buffered(body))?;
    // It becomes part of paths.
    if job.id.is_empty() || !job.id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Broken(format!("{:?} is no id of a job", job.id)));
    }
    Ok(job)
}

/// The first page of the answer of `GET jobs/query`: jobs of the org, those of other applications too.
pub fn read_jobs<R: io::Read>(body: R) -> Result<Vec<Job>, Broken> {
    #[derive(Deserialize)]
    struct Jobs {
        records: Vec<Job>,
    }
    let Jobs { records } = serde_json::from_reader(buffered(body))?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_is_asked_for_as_csv_with_plain_lines() {
        assert_eq!(
            serde_json::to_string(&NewJob::new("SELECT Id FROM Task", true)).unwrap(),
            r#"{"operation":"queryAll","query":"SELECT Id FROM Task","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"LF"}"#
        );
    }

    #[test]
    fn states_that_are_not_an_end_are_running() {
        for (state, read) in [
            ("UploadComplete", JobState::Running),
            ("InProgress", JobState::Running),
            ("JobComplete", JobState::JobComplete),
            ("Failed", JobState::Failed),
            ("Aborted", JobState::Aborted),
        ] {
            let body = format!(r#"{{"id":"750R0000000zlh9IAA","operation":"query","state":"{state}","apiVersion":62.0}}"#);
            assert_eq!(read_job(body.as_bytes()).unwrap().state, read);
            let list = format!(r#"{{"done":true,"records":[{body}],"nextRecordsUrl":null}}"#);
            assert_eq!(read_jobs(list.as_bytes()).unwrap()[0].state, read);
        }
        assert!(read_job(r#"{"id":"../x","state":"Failed"}"#.as_bytes()).is_err());
        assert!(read_job("[]".as_bytes()).is_err() && read_jobs("{}".as_bytes()).is_err());
    }
}
