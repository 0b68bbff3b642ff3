//! The real `backup-host` as a process of its own, on real time.

use fake_salesforce::Fake;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A data folder, a secrets folder and a program to run on them.
pub struct Program {
    folder: TempDir,
}

impl Program {
    /// Nothing in it yet.
    pub fn new() -> Program {
        Program {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The data root.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a configuration for an org and adds a connection with it. Files are left out.
    pub fn add(&self, name: &str, fake: &Fake, limit: u8) -> Output {
        self.add_with(
            name,
            &json!({"instance_url": fake.url(), "api_version": "v62.0", "usage_limit": limit,
            "file_requests": 0, "auth": {"kind": "access-token", "token": fake.access_token()}}),
        )
    }

    /// Adds a connection with this configuration.
    pub fn add_with(&self, name: &str, config: &Value) -> Output {
        let file = self.folder.path().join(format!("{}.json", name.replace('/', "-")));
        std::fs::write(&file, config.to_string()).unwrap();
        self.run(&["connection", "add", name, "--config", file.to_str().unwrap()])
    }

    /// Adds a connection of another connector than the built-in one.
    pub fn add_of(&self, component: &str, name: &str, config: &Value) -> Output {
        let file = self.folder.path().join(format!("{component}.wasm"));
        std::fs::write(&file, crate::component(component)).unwrap();
        let config_file = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&config_file, config.to_string()).unwrap();
        let [config_file, file] = [&config_file, &file].map(|path| path.to_str().unwrap());
        self.run(&["connection", "add", name, "--config", config_file, "--connector", file])
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that has to succeed and gives the last line of its output as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        last_json(&self.run(arguments))
    }

    /// A command, not started yet; its output is piped.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(path());
        command.args(arguments);
        command
            .env("BACKUP_HOST_DATA", self.data())
            .env("BACKUP_HOST_SECRETS", self.folder.path().join("secrets"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The folder that holds data and secrets.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for Program {
    fn default() -> Self {
        Program::new()
    }
}

/// The last line of a program's output as JSON.
pub fn last_json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// `backup-host` beside the tests. `cargo xtask build` makes it.
fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("backup-host");
    assert!(path.exists(), "{} is not built; run `cargo xtask build`", path.display());
    path
}
