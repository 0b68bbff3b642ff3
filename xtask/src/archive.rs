//! `cargo xtask archive NAME`: a small repository as some version of `backup-host` writes it, kept in `tests/archives/` and read by a
//! test for ever.
//!
//! Three connections on one fake org: `acme` has a full snapshot, an incremental one and a restore; `half` a partial snapshot; `torn`
//! one of whose segments a byte is flipped. Beside the archive stands what that version itself read in it.

use crate::build;
use crate::process;
use crate::running::{FakeOptions, FakeProcess, HostProgram};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where archives are kept.
const FOLDER: &str = "tests/archives";
/// Requests that the org may have in 24 hours.
const MAX: u64 = 100_000;
/// So few for the connection that pauses.
const FEW_PERCENT: u64 = 1;
/// Files of a backup: they are most of an archive.
const FILES: u64 = 4;
/// What is deleted and restored.
const RESTORED: &str = "Lead";

/// What is archived.
#[derive(clap::Args)]
pub struct ArchiveArguments {
    /// Names the archive, for instance by the commit of the program.
    name: String,
    /// A folder with the `backup-host` and `salesforce.wasm` that write it, beside today's fake Salesforce, which has to be built;
    /// otherwise today's are built.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// Writes the archive, and what its writer reads in it.
pub fn run(workspace: &Workspace, arguments: &ArchiveArguments) -> Result<()> {
    let programs = build::shipped(workspace, arguments.programs.as_deref())?;
    let org = FakeProcess::start(
        &workspace.release(),
        &FakeOptions {
            size: "restore",
            seed: 3,
            max: MAX,
            used: 0,
            used_minutes_ago: 0,
            minutes_behind: 3 * 24 * 60,
        },
    )?;
    let host = HostProgram::new(&programs, workspace.target().join("archive"), org.client_secret())?;
    back_up_and_restore(&host, &org)?;
    pause(&host, &org)?;
    tear(&host, &org)?;
    let connections: Map<String, Value> = ["acme", "half", "torn"]
        .into_iter()
        .map(|name| Ok((name.to_owned(), read(&host, name)?)))
        .collect::<Result<_>>()?;

    let folder = workspace.root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    let expected = folder.join(format!("{}.json", arguments.name));
    fs::write(&expected, serde_json::to_string_pretty(&connections)? + "\n")?;
    let archive = folder.join(format!("{}.tar.zst", arguments.name));
    // Components would be most of it, and reading needs none.
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--use-compress-program",
        "zstd -19",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--exclude=.connectors",
    ]);
    process::run(
        tar.arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(host.folder())
            .arg("data"),
    )?;
    println!("wrote {} and {}", workspace.shown(&archive), workspace.shown(&expected));
    Ok(())
}

/// Files that are left for a later backup are no reason to fail; older versions don't know that they could be.
fn configuration(org: &FakeProcess, usage_limit: u64) -> Value {
    let mut configuration = org.configuration(usage_limit);
    configuration["file_requests"] = FILES.into();
    configuration
}

/// Backs up, where files may be left for the next backup.
fn back_up(host: &HostProgram, name: &str) -> Result<()> {
    let output = host.command(&["backup", name]).output()?;
    ensure!(
        matches!(output.status.code(), Some(0 | 4)),
        "the backup of `{name}` ended otherwise: {output:?}"
    );
    Ok(())
}

fn back_up_and_restore(host: &HostProgram, org: &FakeProcess) -> Result<()> {
    host.connect("acme", &configuration(org, 90))?;
    back_up(host, "acme")?;
    org.churn(&json!({"changed_percent": 10.0, "created_percent": 5.0}))?;
    org.advance_minutes(24 * 60)?;
    back_up(host, "acme")?;
    org.post("delete_random", &json!({"percent": 50, "seed": 1, "objects": [RESTORED]}))?;
    org.advance_minutes(24 * 60)?;
    // Older versions don't ask, and so know no answer.
    let asks = String::from_utf8_lossy(&host.output(&["restore", "--help"])?).contains("--yes");
    let mut restore = vec!["restore", "acme", "latest", "--object", RESTORED];
    restore.extend(asks.then_some("--yes"));
    host.output(&restore).map(drop)
}

fn pause(host: &HostProgram, org: &FakeProcess) -> Result<()> {
    host.connect("half", &configuration(org, FEW_PERCENT))?;
    let few = MAX * FEW_PERCENT / 100;
    org.post("quota", &json!({"others_send": few.saturating_sub(org.stats()?.used + 6)}))?;
    let paused = host.command(&["backup", "half"]).output()?;
    ensure!(
        paused.status.code() == Some(3),
        "the backup of `half` did not pause: {paused:?}"
    );
    Ok(())
}

fn tear(host: &HostProgram, org: &FakeProcess) -> Result<()> {
    host.connect("torn", &configuration(org, 90))?;
    back_up(host, "torn")?;
    let segments = host.folder().join("data/default/torn");
    let segment = first_file(&segments, &|path| path.to_string_lossy().contains("/segments/Account/"));
    let segment = segment.context("there is no segment of Account")?;
    let mut bytes = fs::read(&segment)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment, bytes)?;
    Ok(())
}

fn first_file(folder: &Path, is_it: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => first_file(&path, is_it),
        false => is_it(&path).then_some(path),
    })
}

/// What a version reads of a connection: a test compares it with what later ones read.
fn read(host: &HostProgram, name: &str) -> Result<Value> {
    let mut snapshots = Vec::new();
    for snapshot in host.json(&["snapshots", name])?.as_array().into_iter().flatten() {
        let id = snapshot["id"].as_str().context("a snapshot without an id")?;
        let mut objects = Map::new();
        for object in host.json(&["ls", name, id])?.as_array().into_iter().flatten() {
            let object = object["name"].as_str().context("an object without a name")?;
            // Of a pending object there is nothing to export, and of a damaged one not all.
            let exported = host.command(&["export", name, id, object]).output()?;
            if exported.status.success() && !exported.stdout.is_empty() {
                objects.insert(object.to_owned(), hex::encode(Sha256::digest(&exported.stdout)).into());
            }
        }
        snapshots.push(json!({"id": id, "kind": snapshot["kind"], "state": snapshot["state"], "records": snapshot["records"], "exported": objects}));
    }
    let restores = host.json(&["restores", name])?;
    let restores: Vec<Value> = restores
        .as_array()
        .into_iter()
        .flatten()
        .map(|restore| json!({"id": restore["id"], "state": restore["state"], "created": restore["created"]}))
        .collect();
    let checked = host.command(&["check", name]).output()?.status.code();
    let head = host.json(&["status", name])?["head"].clone();
    Ok(json!({"snapshots": snapshots, "restores": restores, "check": checked, "head": head}))
}
