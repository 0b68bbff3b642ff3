//! Warnings as people read them, and what they make of an exit code.

use crate::failure::{CommandError, WARNED};
use crate::open::Opened;
use crate::output::line;
use backup_store::{ConnectionName, Journal};
use host_harness::connections::accepted_warnings;
use host_harness::jobs::{Host, WarningResult};
use std::process::ExitCode;

/// `warning: …` lines; of accepted ones only that they are so.
pub fn print(warnings: &[WarningResult]) -> Result<(), CommandError> {
    warnings.iter().try_for_each(|warning| {
        let object = warning
            .object
            .as_ref()
            .map(|object| format!("{object}: "))
            .unwrap_or_default();
        let remedy = warning
            .remedy
            .as_ref()
            .map(|remedy| format!("; {remedy}"))
            .unwrap_or_default();
        let accepted = if warning.accepted { " (accepted)" } else { "" };
        line(&format!(
            "warning: {object}{}{remedy} [{}]{accepted}",
            warning.message, warning.code
        ))
    })
}

/// Whether there is one that nobody has accepted.
pub fn are_unaccepted(warnings: &[WarningResult]) -> bool {
    warnings.iter().any(|warning| !warning.accepted)
}

/// Of a command that did what it was told.
pub fn exit_code(warnings: &[WarningResult]) -> ExitCode {
    match are_unaccepted(warnings) {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(WARNED),
    }
}

/// Codes that the connection accepts.
pub async fn accepted(open: &Opened, name: &ConnectionName) -> Result<Vec<String>, CommandError> {
    let journal = Journal::open(&open.store, name).await?;
    Ok(accepted_warnings(journal.state().config()))
}

/// Says which members of the stored configuration nobody reads: a misspelt limit is none.
pub async fn of_configuration(host: &Host, name: &ConnectionName) -> Result<(), CommandError> {
    for unread in host.unread_members(name).await? {
        eprintln!(
            "warning: {unread}; it was stored by an older version and has no effect. `backup-host connection set {name} KEY=VALUE` sets the right one"
        );
    }
    Ok(())
}
