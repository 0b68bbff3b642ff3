//! One module for each command or group of commands. To add one: a variant of `args::Command`, a line in [`run`], a module here.

mod backup;
mod connection;
mod diff;
mod export;
mod files;
mod held;
mod limit;
mod pause;
mod plan;
mod restore;
mod snapshots;
mod status;
mod verify;
mod warnings;

use crate::args::Command;
use crate::failure::CommandError;
use crate::open::Opened;
use host_harness::jobs::StopSignal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{Signal, SignalKind};

#[expect(clippy::too_many_lines, reason = "a dispatch: one arm a command")]
pub async fn run(command: Command, open: &Opened) -> Result<ExitCode, CommandError> {
    match command {
        Command::Connection(command) => connection::run(command, open).await,
        Command::Plan {
            name,
            full,
            objects,
            check_now,
            all,
            json,
        } => {
            let request = host_harness::jobs::PlanRequest {
                objects,
                full,
                check_now,
            };
            plan::run(open, &name, &request, all, json).await
        }
        Command::Backup {
            name,
            full,
            objects,
            wait,
            check_now,
            json,
        } => {
            let request = host_harness::jobs::BackupRequest {
                objects,
                full,
                wait,
                check_now,
                ..Default::default()
            };
            backup::backup(open, &name, request, json).await
        }
        Command::Restore(args) => restore::restore(open, *args).await,
        Command::Restores { name, json } => restore::list(open, &name, json).await,
        Command::Status { name, json } => status::run(open, &name, json).await,
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
        } => {
            let request = export::ExportRequest {
                snapshot,
                object,
                format,
                files,
            };
            export::run(open, &name, &request).await
        }
        Command::Diff {
            name,
            before,
            after,
            objects,
            check_now,
            json,
        } => {
            let asked = diff::Diff {
                before,
                after,
                objects,
                check_now,
            };
            diff::run(open, &name, &asked, json).await
        }
        Command::Limit {
            name,
            percent,
            until,
            by,
            json,
        } => {
            let request = limit::LimitRequest { percent, until, by };
            limit::run(open, &name, request, json).await
        }
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

/// The exit code of the signal that ended a job.
static INTERRUPTED: AtomicU8 = AtomicU8::new(0);

/// The exit code of the signal that came, if one came.
pub fn interrupted() -> Option<u8> {
    Some(INTERRUPTED.load(Ordering::Relaxed)).filter(|code| *code != 0)
}

/// Waits for SIGINT or SIGTERM: the next of them ends the process as it does by itself, but with its exit code.
async fn signal(terminate: &mut Signal) {
    let code = tokio::select! {
        _ = tokio::signal::ctrl_c() => 130,
        _ = terminate.recv() => 143,
    };
    INTERRUPTED.store(code, Ordering::Relaxed);
}

/// Runs a job to its end. An interrupt ends it after what is under way is committed; a second one ends the process, which loses
/// nothing but that batch.
async fn until_interrupted<T>(job: impl Future<Output = T>, stop: &StopSignal, interrupted: &str) -> Result<T, CommandError> {
    let mut job = std::pin::pin!(job);
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    tokio::select! {
        done = &mut job => Ok(done),
        () = signal(&mut terminate) => {
            stop.stop();
            tokio::select! {
                done = &mut job => Ok(done),
                () = signal(&mut terminate) => Err(CommandError::failed(interrupted)),
            }
        }
    }
}
