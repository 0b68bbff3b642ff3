//! The real `backup-host`, run as a user would run it, with data and secrets in a folder of its own.
//!
//! The rule: each call runs a command to its end, and an exit code that wasn't expected is an error with what it said.

use super::fake::SECRET_VARIABLE;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often a watched process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The program and the folder it works in.
pub struct HostProgram {
    program: PathBuf,
    folder: PathBuf,
    client_secret: String,
}

impl HostProgram {
    /// The one in a folder of programs, with an empty folder of its own.
    pub fn new(programs: &Path, folder: PathBuf, client_secret: &str) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self {
            program: programs.join("backup-host"),
            folder,
            client_secret: client_secret.to_owned(),
        })
    }

    /// Where it works.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a connection's configuration and adds the connection.
    pub fn connect(&self, name: &str, configuration: &Value) -> Result<()> {
        let file = format!("{name}.json");
        fs::write(self.folder.join(&file), serde_json::to_vec_pretty(configuration)?)?;
        self.output(&["connection", "add", name, "--config", &file]).map(drop)
    }

    /// What a command prints.
    pub fn output(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.command(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`backup-host {}` failed: {}",
            arguments.join(" "),
            said.trim()
        );
        Ok(output.stdout)
    }

    /// The same facts for a program: the last line of the command with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.output(&[arguments, &["--json"]].concat())?;
        let said = String::from_utf8_lossy(&output);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("`backup-host {} --json` gave no JSON", arguments.join(" ")))
    }

    /// What a command prints, line by line, while it runs.
    pub fn lines(&self, arguments: &[&str]) -> Result<Lines> {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("backup-host has no output")?;
        Ok(Lines {
            child,
            output: BufReader::with_capacity(1 << 18, stdout),
            what: arguments.join(" "),
        })
    }

    /// Runs a command with `--json`, and gives its last line and the most memory that its process held, in bytes.
    pub fn watched(&self, arguments: &[&str]) -> Result<(Value, u64)> {
        let all = [arguments, &["--json"]].concat();
        // Written to a file: nobody reads a pipe while the process is watched.
        let out = self.folder.join("watched.out");
        let mut child = self
            .command(&all)
            .stdout(File::create(&out)?)
            .stderr(Stdio::inherit())
            .spawn()?;
        let status_file = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak = 0;
        let status = loop {
            peak = peak.max(high_water_mark(&status_file));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        ensure!(status.success(), "`backup-host {}` ended with {status}", all.join(" "));
        let said = fs::read_to_string(out)?;
        let last = said.lines().last().unwrap_or_default();
        let result = serde_json::from_str(last).with_context(|| format!("`backup-host {}` gave no JSON", all.join(" ")))?;
        Ok((result, peak))
    }

    /// A command, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
            .env("BACKUP_HOST_DATA", self.folder.join("data"))
            .env("BACKUP_HOST_SECRETS", self.folder.join("secrets"));
        command
            .env(SECRET_VARIABLE, &self.client_secret)
            .env_remove("BACKUP_HOST_LOG");
        command
    }
}

/// A running command's output.
pub struct Lines {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    what: String,
}

impl Lines {
    /// Reads the next line into `line`, without its line break; `false` at the end of a command that succeeded.
    pub fn next_into(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        if self.output.read_until(b'\n', line)? == 0 {
            let status = self.child.wait()?;
            ensure!(status.success(), "`backup-host {}` ended with {status}", self.what);
            return Ok(false);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(true)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // One that wasn't read to its end is of no more use; where it has ended already, both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the system says was the most that a process held, in bytes; 0 where it has ended.
fn high_water_mark(status_file: &Path) -> u64 {
    let status = fs::read_to_string(status_file).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    kib.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kib| kib << 10)
}
