//! The real `backup-host` as a process of its own, on real time.

use crate::folder;
use fake_salesforce::Fake;
use serde_json::{Value, json};
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, symlink};
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
        let folder = folder();
        let secrets = folder.path().join(SECRETS);
        DirBuilder::new().mode(0o700).create(&secrets).unwrap();
        // As on a host that has run before: compiling takes longer than most of what is tested.
        let compiled = crate::components::compiled();
        std::fs::create_dir_all(&compiled).unwrap();
        symlink(compiled, secrets.join("compiled")).unwrap();
        Program { folder }
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
        let mut command = self.prepared(Command::new(path()));
        command.args(arguments);
        command
    }

    fn prepared(&self, mut command: Command) -> Command {
        command
            .env("BACKUP_HOST_DATA", self.data())
            .env("BACKUP_HOST_SECRETS", self.folder.path().join(SECRETS));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command on a terminal of its own (`script` of util-linux makes one), where this is typed and nothing more. Gives its exit
    /// code, and all that the terminal shows.
    pub fn on_a_terminal(&self, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
        let program = std::iter::once(path().to_str().unwrap().to_owned());
        let words: Vec<String> = program.chain(arguments.iter().map(|word| format!("'{word}'"))).collect();
        let mut script = self.prepared(Command::new("script"));
        script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
        let mut script = script.stdin(Stdio::piped()).spawn().expect("`script` of util-linux");
        script.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = script.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
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

const SECRETS: &str = "secrets";

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
