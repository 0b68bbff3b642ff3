//! The fake Salesforce as a process of its own, and its books: what it counted, by its own account.
//!
//! It ends with the demo, however that ends: its standard input is a pipe that closes then.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The variable from which the connection takes its client secret.
pub const SECRET_VARIABLE: &str = "ACME_CLIENT_SECRET";
/// Largest answer of the fake's control interface that is read, in bytes.
const LARGEST_ANSWER: u64 = 1 << 30;

/// A running fake.
pub struct Org {
    process: Child,
    access: Access,
}

/// What the fake says when it is ready.
#[derive(Deserialize)]
struct Access {
    url: String,
    client_id: String,
    client_secret: String,
}

/// The fake's books.
pub struct Stats {
    /// Requests in the last 24 hours, by all applications.
    pub used: u64,
    /// Requests of this demo's connection since the start.
    pub client: u64,
}

impl Org {
    /// Starts it on a port that the system chooses, with requests of other applications some minutes ago.
    pub fn start(workspace: &Workspace, max: u64, others: u64, minutes_ago: u64) -> Result<Self> {
        let mut fake = Command::new(workspace.release().join("fake-salesforce"));
        fake.args(["--size", "real", "--end-with-stdin"]);
        for (option, value) in [("--max", max), ("--used", others), ("--used-minutes-ago", minutes_ago)] {
            fake.args([option, &value.to_string()]);
        }
        let mut process = fake
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the fake Salesforce does not start")?;
        let stdout = process.stdout.take().context("the fake Salesforce has no output")?;
        let mut ready = String::new();
        BufReader::new(stdout).read_line(&mut ready)?;
        let access = serde_json::from_str(&ready)
            .with_context(|| format!("the fake Salesforce did not get ready, it said `{ready}`"))?;
        Ok(Self { process, access })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.access.url
    }

    /// What [`SECRET_VARIABLE`] has to hold.
    pub fn client_secret(&self) -> &str {
        &self.access.client_secret
    }

    /// A connection's configuration file.
    pub fn configuration(&self, usage_limit: u64) -> Value {
        json!({
            "instance_url": self.access.url,
            "api_version": "v62.0",
            "usage_limit": usage_limit,
            "auth": {
                "kind": "client-credentials",
                "login_url": self.access.url,
                "client_id": self.access.client_id,
                "client_secret": {"env": SECRET_VARIABLE},
            },
        })
    }

    /// What it counted.
    pub fn stats(&self) -> Result<Stats> {
        let stats: Value = serde_json::from_slice(&self.get("stats")?)?;
        Ok(Stats {
            used: super::number(&stats, "/used")?,
            client: super::number(&stats, "/totals/client")?,
        })
    }

    /// The most that was in use after any request.
    pub fn highest_usage(&self) -> Result<u64> {
        let requests: Vec<Value> = serde_json::from_slice(&self.get("requests")?)?;
        requests
            .iter()
            .map(|request| super::number(request, "/used"))
            .try_fold(0, |highest, used| Ok(highest.max(used?)))
    }

    /// The records of an object as the org would answer a query of these fields, one a line.
    pub fn records(&self, object: &str, fields: &[String]) -> Result<Vec<u8>> {
        self.get(&format!("oracle/{object}?fields={}", fields.join(",")))
    }

    /// Moves the org's clock ahead.
    pub fn advance_minutes(&self, minutes: u64) -> Result<()> {
        ureq::post(self.control("clock")).send_json(json!({"advance_ms": minutes * 60_000}))?;
        Ok(())
    }

    fn get(&self, what: &str) -> Result<Vec<u8>> {
        let mut answer = ureq::get(self.control(what)).call()?;
        Ok(answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?)
    }

    fn control(&self, what: &str) -> String {
        format!("{}/__fake/{what}", self.access.url)
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends by itself now; where it can't be waited for, nothing is left to do about it.
        let _ = self.process.wait();
    }
}
