//! `backup-host`: the reference host's command line. Arguments in, text or JSON out; everything else is the library's.
//!
//! Exit codes: 0 done, 1 failed (or another host has the connection), 2 wrong use, 3 paused at the limit.

mod args;
mod commands;
mod failure;
mod open;
mod output;
mod progress;
mod restore_args;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&Failure::failed(format!("no runtime could be started: {error}"))),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => tell(&failure),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "backup-host", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let open = open::Opened::open(&cli.global).await?;
    commands::run(cli.command, &open).await
}

/// A broken pipe is somebody who has read enough.
fn tell(failure: &Failure) -> ExitCode {
    if !failure.is_closed_pipe() {
        // Where standard error is gone too nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "error: {failure}");
    }
    failure.code()
}

fn start_log(verbose: bool) {
    let default = if verbose { "info,wasmtime=warn" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("BACKUP_HOST_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
