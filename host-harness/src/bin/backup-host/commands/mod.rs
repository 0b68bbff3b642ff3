//! One module for each group of commands.

mod backup;
mod connection;
mod diff;
mod export;
mod files;
mod limit;
mod restore;
mod snapshots;
mod verify;

use crate::args::Command;
use crate::failure::Failure;
use crate::open::Opened;
use host_harness::jobs::StopSignal;
use std::process::ExitCode;

pub async fn run(command: Command, open: &Opened) -> Result<ExitCode, Failure> {
    match command {
        Command::Connection(command) => connection::run(command, open).await,
        Command::Plan {
            name,
            full,
            objects,
            json,
        } => {
            let request = host_harness::jobs::PlanRequest { objects, full };
            backup::plan(open, &name, &request, json).await
        }
        Command::Backup {
            name,
            full,
            objects,
            wait,
            json,
        } => {
            let request = host_harness::jobs::BackupRequest {
                objects,
                full,
                wait,
                ..Default::default()
            };
            backup::backup(open, &name, request, json).await
        }
        Command::Restore(args) => restore::restore(open, *args).await,
        Command::Restores { name, json } => restore::list(open, &name, json).await,
        Command::Status { name, json } => snapshots::status(open, &name, json).await,
        Command::Snapshots { name, json } => snapshots::list(open, &name, json).await,
        Command::Ls {
            name,
            snapshot,
            object,
            json,
        } => snapshots::ls(open, &name, &snapshot, object.as_ref(), json).await,
        Command::Export {
            name,
            snapshot,
            object,
            format: _,
            files: _,
            schema: true,
        } => export::schema(open, &name, &snapshot, &object).await,
        Command::Export {
            name,
            snapshot,
            object,
            format,
            files,
            schema: false,
        } => export::run(open, &name, &snapshot, &object, format, files.as_deref()).await,
        Command::Diff {
            name,
            before,
            after,
            objects,
            json,
        } => diff::run(open, &name, &before, &after, &objects, json).await,
        Command::Limit {
            name,
            percent,
            until,
            by,
            json,
        } => limit::run(open, &name, percent, until, by.as_deref(), json).await,
        Command::Audit {
            name,
            verify,
            expect,
            json,
        } => verify::audit(open, &name, verify, expect, json).await,
        Command::Check { name, json } => verify::check(open, &name, json).await,
        Command::Gc { name, json } => verify::gc(open, &name, json).await,
        // Needs no store; done before one is opened.
        Command::Completions { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Runs a job to its end. An interrupt ends it after what is under way is committed; a second one ends the process, which loses
/// nothing but that batch.
async fn until_interrupted<T>(job: impl Future<Output = T>, stop: &StopSignal, interrupted: &str) -> Result<T, Failure> {
    let mut job = std::pin::pin!(job);
    tokio::select! {
        done = &mut job => Ok(done),
        _ = tokio::signal::ctrl_c() => {
            stop.stop();
            tokio::select! {
                done = &mut job => Ok(done),
                _ = tokio::signal::ctrl_c() => Err(Failure::failed(interrupted)),
            }
        }
    }
}
