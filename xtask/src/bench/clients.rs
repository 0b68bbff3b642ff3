//! The tools that are measured against: installed from their lock files, run against a fake, and asked what they have read.
//!
//! Installed once, into a folder whose name holds the lock file's digest; it takes its place only once whole. What each tool does
//! stands in tests/bench-clients.

use super::Bench;
use crate::process;
use crate::running::FakeProcess;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that could lead a client away from this machine.
const PROXIES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// What a client says that it has read; held against the org, not believed.
#[derive(Debug, Default, Deserialize)]
pub struct Heard {
    /// Live records by object.
    pub records: BTreeMap<String, u64>,
    /// Deletions found by object.
    pub deleted: BTreeMap<String, u64>,
    /// Objects that it could not read, and why.
    pub failed: BTreeMap<String, String>,
}

/// Which pass a client makes, and between which moments of the org's clock.
pub struct PassSpan<'a> {
    /// Only what has changed since.
    pub incremental: bool,
    /// The org's clock when the pass before began.
    pub since: &'a str,
    /// The org's clock now.
    pub until: &'a str,
}

/// A client, ready to run.
pub struct BenchClient {
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

impl BenchClient {
    /// A Python tool with its own environment.
    pub fn python(bench: &Bench<'_>, name: &str) -> Result<Self> {
        let sources = sources(bench, name);
        let folder = installed(bench, name, "requirements.txt", |folder| {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))
                .context("it takes Python 3.9 or newer with venv")?;
            process::run(
                Command::new(folder.join("venv/bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
                    .arg(sources.join("requirements.txt")),
            )
        })?;
        Ok(Self {
            program: folder.join("venv/bin/python"),
            arguments: vec![sources.join("run.py")],
        })
    }

    /// A Node tool with its own modules, and an argument for its script.
    pub fn node(bench: &Bench<'_>, name: &str, argument: &str) -> Result<Self> {
        let sources = sources(bench, name);
        let folder = installed(bench, name, "package-lock.json", |folder| {
            for file in ["package.json", "package-lock.json"] {
                fs::copy(sources.join(file), folder.join(file))?;
            }
            process::run(
                Command::new("npm")
                    .args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .current_dir(folder),
            )
            .context("it takes Node.js 18 or newer with npm")
        })?;
        // Node looks for modules from where the script is.
        let script = folder.join("run.mjs");
        fs::copy(sources.join("run.mjs"), &script)?;
        Ok(Self {
            program: "node".into(),
            // It holds all rows of an object at once.
            arguments: vec!["--max-old-space-size=12288".into(), script, argument.into()],
        })
    }

    /// Runs one pass to its end.
    pub fn run(&self, fake: &FakeProcess, folder: &Path, span: &PassSpan<'_>) -> Result<Heard> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(fake.environment());
        PROXIES.iter().for_each(|proxy| {
            command.env_remove(proxy);
        });
        let log = folder.join("log");
        let output = command
            .env("BENCH_PASS", if span.incremental { "incremental" } else { "full" })
            .env("BENCH_FOLDER", folder)
            .env("BENCH_SINCE", span.since)
            .env("BENCH_UNTIL", span.until)
            .stdin(Stdio::null())
            .stderr(fs::File::options().create(true).append(true).open(&log)?)
            .output()
            .with_context(|| format!("{} could not be started", self.program.display()))?;
        ensure!(
            output.status.success(),
            "{} ended with {}; what it said is in {}",
            self.program.display(),
            output.status,
            log.display()
        );
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("not what a client says at its end: `{last}`"))
    }
}

fn sources(bench: &Bench<'_>, name: &str) -> PathBuf {
    bench.workspace.root().join("tests/bench-clients").join(name)
}

fn installed(bench: &Bench<'_>, name: &str, lock_file: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let lock = fs::read(sources(bench, name).join(lock_file)).with_context(|| format!("no lock file of {name}"))?;
    let digest = hex::encode(Sha256::digest(&lock));
    let folder = bench.folder("clients").join(format!("{name}-{}", &digest[..16]));
    let whole = folder.join("installed");
    if !whole.exists() {
        eprintln!("installing {name}");
        if folder.exists() {
            // What an interrupted installation left.
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        install(&folder).with_context(|| format!("{name} could not be installed"))?;
        fs::write(whole, "")?;
    }
    Ok(folder)
}
