//! Clients that were written for the real Salesforce, run against the double: jsforce (npm) and simple-salesforce (PyPI).
//!
//! What they check stands in clients/*/check.*; here they are installed once, at the versions of their lock files, into a cache folder
//! outside the repository, and run. A machine without node or python fails these tests and says what to install.

#![allow(clippy::unwrap_used)]

use std::{
    collections::hash_map::DefaultHasher,
    ffi::OsStr,
    fs,
    hash::{Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use fake_salesforce::{ClockMode, Fake, Options, org::OrgSpec};

fn sources(client: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(client)
}

/// The folder of an installed client, installed by `install` where it isn't yet. Its name holds the lock file's digest, so that another
/// version gets another folder; it takes its place only once whole, so that a broken installation isn't taken for one.
fn installed(client: &str, lock_file: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let mut digest = DefaultHasher::new();
    fs::read(sources(client).join(lock_file)).unwrap().hash(&mut digest);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let folder = cache.join(format!("{client}-{:016x}", digest.finish()));
    let whole = folder.join("installed");
    if !whole.exists() {
        let _ = fs::remove_dir_all(&folder); // what an interrupted installation left
        fs::create_dir_all(&folder).unwrap();
        install(&folder);
        fs::write(whole, "").unwrap();
    }
    folder
}

fn run(command: &mut Command, remedy: &str) {
    let program = command.get_program().to_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("can't run {}: {error}; {remedy}", program.display()));
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{} ended with {}\n{said}\n{complained}",
        program.display(),
        output.status
    );
    println!("{said}");
}

/// Runs a client's check against a double of its own.
fn check(program: impl AsRef<OsStr>, script: &Path, remedy: &str) {
    let mut options = Options::of(OrgSpec::small(1));
    // Clients wait for bulk jobs on the wall clock.
    options.clock = ClockMode::Real;
    (options.rules.bulk.queue_ms, options.rules.bulk.base_ms) = (10, 50);
    let fake = Fake::start(options).unwrap();
    let oauth = fake.oauth().options();
    let mut command = Command::new(program);
    command
        .arg(script)
        .env("FAKE_URL", fake.url())
        .env("ACCESS_TOKEN", &oauth.access_token)
        .env("CLIENT_ID", &oauth.client_id)
        .env("CLIENT_SECRET", &oauth.client_secret)
        .env("REFRESH_TOKEN", &oauth.refresh_token);
    for proxy in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(proxy); // the double is on this machine
    }
    run(&mut command, remedy);
}

#[test]
fn jsforce_works_against_the_double_as_against_salesforce() {
    let remedy = "install Node.js 18 or newer with npm";
    let folder = installed("jsforce", "package-lock.json", |folder| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(sources("jsforce").join(file), folder.join(file)).unwrap();
        }
        run(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(folder),
            remedy,
        );
    });
    // Node looks for modules from where the script is.
    let script = folder.join("check.mjs");
    fs::copy(sources("jsforce").join("check.mjs"), &script).unwrap();
    check("node", &script, remedy);
}

#[test]
fn simple_salesforce_works_against_the_double_as_against_salesforce() {
    let remedy = "install Python 3.9 or newer with venv";
    let folder = installed("simple_salesforce", "requirements.txt", |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), remedy);
        let pip = folder.join("venv/bin/pip");
        let requirements = sources("simple_salesforce").join("requirements.txt");
        run(
            Command::new(pip)
                .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
                .arg(requirements),
            remedy,
        );
    });
    check(
        folder.join("venv/bin/python"),
        &sources("simple_salesforce").join("check.py"),
        remedy,
    );
}
