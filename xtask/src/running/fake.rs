//! The fake Salesforce as a process of its own: its books, its truth and its clock, by its control interface.
//!
//! It ends with xtask, however that ends: its standard input is a pipe that closes then.

use super::records::{self, Records};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The variable from which a connection takes its client secret.
pub const SECRET_VARIABLE: &str = "ACME_CLIENT_SECRET";
/// The API version that connections and direct questions use.
pub const API_VERSION: &str = "v62.0";
/// Largest answer of the fake that is held in memory, in bytes.
const LARGEST_ANSWER: u64 = 1 << 30;

/// Which org, and what others have used of its requests.
pub struct FakeOptions<'a> {
    /// The preset, with overrides as `fake-salesforce --size` takes them.
    pub size: &'a str,
    /// Equal seeds make equal orgs.
    pub seed: u64,
    /// Requests that the org may have in 24 hours.
    pub max: u64,
    /// Requests that other applications have sent before.
    pub used: u64,
    /// How long before, in minutes.
    pub used_minutes_ago: u64,
    /// How many minutes its clock is behind the machine's at first. Nobody's clock is ahead of the other programs' for long:
    /// an org in which days are to pass begins behind.
    pub minutes_behind: u64,
}

/// A running fake.
pub struct FakeProcess {
    process: Child,
    access: OAuthAccess,
}

/// What the fake says when it is ready.
#[derive(Deserialize)]
struct OAuthAccess {
    url: String,
    access_token: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

/// The fake's books.
pub struct Stats {
    /// Requests in the last 24 hours, by all applications.
    pub used: u64,
    /// Counted requests of its client since the start.
    pub client: u64,
    /// Requests in the log, counted or not.
    pub logged: u64,
    /// Its clock, in milliseconds since 1970.
    pub now_ms: i64,
}

/// One request in the fake's log.
#[derive(Deserialize)]
pub struct Logged {
    /// Its method.
    pub method: String,
    /// Its path and query, as sent.
    pub path: String,
    /// The status of its answer; none where the connection was cut.
    #[serde(default)]
    pub status: Option<u16>,
    /// The subrequests of a composite.
    pub subrequests: Vec<LoggedPart>,
    /// How many requests it counted.
    pub cost: u64,
}

/// One subrequest in the fake's log.
#[derive(Deserialize)]
pub struct LoggedPart {
    /// Its URL, references resolved.
    pub url: String,
}

/// One object of the org.
#[derive(Deserialize)]
pub struct OrgObject {
    /// Its name.
    pub name: String,
    /// Its live rows.
    pub rows: u64,
    /// Whether it can't be queried at all, or not without a filter.
    pub refuses_query: bool,
}

/// What other applications did to one object's rows.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct ChurnCounts {
    /// Rows with other values.
    pub changed: u64,
    /// Rows that went into the recycle bin.
    pub deleted: u64,
    /// Rows that are gone for good.
    pub hard_deleted: u64,
}

/// A file body of a row.
#[derive(Deserialize)]
pub struct FileBody {
    /// The row's.
    pub id: String,
    /// In which field.
    pub field: String,
    /// Bytes.
    pub length: u64,
}

impl FakeProcess {
    /// Starts the one in a folder of programs on a port that the system chooses, with a clock that runs.
    pub fn start(programs: &Path, options: &FakeOptions<'_>) -> Result<Self> {
        let mut fake = Command::new(programs.join("fake-salesforce"));
        fake.args(["--end-with-stdin", "--size", options.size]);
        let numbers = [
            ("--seed", options.seed),
            ("--max", options.max),
            ("--used", options.used),
            ("--used-minutes-ago", options.used_minutes_ago),
            ("--clock-behind-minutes", options.minutes_behind),
        ];
        for (option, value) in numbers {
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
            .with_context(|| format!("the fake Salesforce did not get ready, it said `{}`", ready.trim()))?;
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

    /// What a client of another make needs to get in, as variables of its environment.
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("FAKE_URL", &self.access.url),
            ("ACCESS_TOKEN", &self.access.access_token),
            ("CLIENT_ID", &self.access.client_id),
            ("CLIENT_SECRET", &self.access.client_secret),
            ("REFRESH_TOKEN", &self.access.refresh_token),
        ]
    }

    /// A connection's configuration file.
    pub fn configuration(&self, usage_limit: u64) -> Value {
        json!({
            "instance_url": self.access.url,
            "api_version": API_VERSION,
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
        let stats: Value = self.control_json("stats")?;
        let number = |pointer: &str| {
            let found = stats.pointer(pointer).and_then(Value::as_u64);
            found.with_context(|| format!("no number at {pointer} in the fake's books"))
        };
        Ok(Stats {
            used: number("/used")?,
            client: number("/totals/client")?,
            logged: number("/requests")?,
            now_ms: i64::try_from(number("/now_ms")?)?,
        })
    }

    /// The most that was in use after any request.
    pub fn highest_usage(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct RequestUsage {
            used: u64,
        }
        let requests: Vec<RequestUsage> = self.control_json("requests")?;
        Ok(requests.iter().map(|request| request.used).max().unwrap_or(0))
    }

    /// What came after request number `after`.
    pub fn requests_after(&self, after: u64) -> Result<Vec<Logged>> {
        self.control_json(&format!("requests?after={after}"))
    }

    /// Every object that is there.
    pub fn objects(&self) -> Result<Vec<OrgObject>> {
        self.control_json("objects")
    }

    /// The records of an object, archived ones too, as the org would answer a query of these fields.
    pub fn records(&self, object: &str, fields: &[String]) -> Result<Records> {
        let stream = |group: &[String]| -> Result<Box<dyn BufRead>> {
            let what = format!("oracle/{object}?archived=true&fields={}", group.join(","));
            let answer = ureq::get(self.control(&what))
                .call()
                .with_context(|| format!("the fake doesn't tell the records of {object}"))?;
            Ok(Box::new(BufReader::with_capacity(1 << 18, unlimited(answer))))
        };
        Ok(Records::new(
            records::groups(fields).into_iter().map(stream).collect::<Result<_>>()?,
        ))
    }

    /// Every file body that rows of an object have.
    pub fn bodies(&self, object: &str) -> Result<Vec<FileBody>> {
        let answer = ureq::get(self.control(&format!("bodies/{object}")))
            .call()
            .with_context(|| format!("the fake doesn't tell the files of {object}"))?;
        let lines = serde_json::Deserializer::from_reader(BufReader::new(unlimited(answer))).into_iter();
        lines
            .collect::<Result<_, _>>()
            .context("the fake tells its files in an unknown way")
    }

    /// The bytes of one of them.
    pub fn body(&self, object: &str, body: &FileBody) -> Result<impl Read + use<>> {
        let what = format!("oracle/{object}/{}/{}", body.id, body.field);
        let answer = ureq::get(self.control(&what))
            .call()
            .with_context(|| format!("the fake doesn't tell {what}"))?;
        Ok(unlimited(answer))
    }

    /// Moves the org's clock ahead.
    pub fn advance_minutes(&self, minutes: u64) -> Result<()> {
        self.post("clock", &json!({"advance_ms": minutes * 60_000})).map(drop)
    }

    /// Has other applications change, create and delete rows at random; gives what they did, by object.
    pub fn churn(&self, wanted: &Value) -> Result<BTreeMap<String, ChurnCounts>> {
        let answer = self.post("churn", wanted)?;
        serde_json::from_slice(&answer).context("the fake tells in an unknown way what it changed")
    }

    /// Steers it.
    pub fn post(&self, what: &str, body: &Value) -> Result<Vec<u8>> {
        let agent = ureq::Agent::from(ureq::config::Config::builder().http_status_as_error(false).build());
        let mut answer = agent.post(self.control(what)).send_json(body)?;
        let said = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        ensure!(
            answer.status().is_success(),
            "the fake refused `{what}` with {body}: {}",
            String::from_utf8_lossy(&said).trim()
        );
        Ok(said)
    }

    /// What the API says, asked for as any client would: `sobjects`, `sobjects/Account/describe`. It is counted.
    pub fn api(&self, resource: &str) -> Result<Value> {
        let url = format!("{}/services/data/{API_VERSION}/{resource}", self.access.url);
        let mut answer = ureq::get(url)
            .header("authorization", format!("Bearer {}", self.access.access_token))
            .call()
            .with_context(|| format!("the fake refused `{resource}`"))?;
        Ok(answer.body_mut().with_config().limit(LARGEST_ANSWER).read_json()?)
    }

    fn control_json<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T> {
        let mut answer = ureq::get(self.control(what)).call()?;
        Ok(answer.body_mut().with_config().limit(LARGEST_ANSWER).read_json()?)
    }

    fn control(&self, what: &str) -> String {
        format!("{}/__fake/{what}", self.access.url)
    }
}

/// The answer's body as it comes, however long.
fn unlimited(answer: ureq::http::Response<ureq::Body>) -> Box<dyn Read> {
    Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader())
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends by itself now; where it can't be waited for, nothing is left to do about it.
        let _ = self.process.wait();
    }
}
