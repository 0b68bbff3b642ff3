//! `backup-host`: the reference host's command line. Arguments in, text or JSON out; everything else is the library's.
//!
//! Exit codes: see [`failure`]. Where several fit: 130/143 (interrupted), 12, 11, 1, 3, 4.

mod args;
mod commands;
mod failure;
mod open;
mod output;
mod progress;
mod restore_args;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::CommandError;
use host_harness::http::RETRYING;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before the arguments are known to be right.
    let as_json = std::env::args_os().any(|argument| argument == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error, as_json),
    };
    start_log(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return tell(
                &CommandError::failed(format!("no runtime could be started: {error}")),
                as_json,
            );
        }
    };
    let code = match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => tell(&failure, as_json),
    };
    commands::interrupted().map_or(code, ExitCode::from)
}

/// Arguments that can't be: as the parser tells it, and for programs as any other error. Help and version are no errors.
fn misused(error: &clap::Error, as_json: bool) -> ExitCode {
    if as_json && error.use_stderr() {
        let text = error.to_string();
        let first = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        write_event(&CommandError::wrong_use(first));
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { failure::WRONG_USE } else { 0 })
}

async fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "backup-host", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let open = open::Opened::open(&cli.global, cli.command.may_make_a_store()).await?;
    commands::run(cli.command, &open)
        .await
        .map_err(|failure| failure.within(open.place()))
}

/// A broken pipe is somebody who has read enough.
fn tell(failure: &CommandError, as_json: bool) -> ExitCode {
    if !failure.is_closed_pipe() {
        // Where standard error is gone too nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "error: {failure}");
    }
    if as_json && !output::is_written() {
        write_event(failure);
    }
    failure.exit_code()
}

fn write_event(failure: &CommandError) {
    // Where standard output is gone nobody is left to tell.
    let _ = output::json_line(&failure.event());
}

fn start_log(verbose: bool) {
    let default = if verbose {
        "info,wasmtime=warn".to_owned()
    } else {
        format!("error,{RETRYING}=warn")
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("BACKUP_HOST_LOG").unwrap_or_else(|_| default.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if verbose || std::env::var_os("BACKUP_HOST_LOG").is_some() {
        log.init();
    } else {
        // Lines among those of the command, for people who wait.
        log.without_time().with_target(false).init();
    }
}
