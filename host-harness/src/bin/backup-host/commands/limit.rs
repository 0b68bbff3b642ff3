//! `limit`: shows or sets the usage limit. Its only store is the journal, so every change is in the audit trail.

use crate::args::UntilArgument;
use crate::failure::Failure;
use crate::open::{Opened, actor};
use crate::output::{json, line};
use backup_store::journal::{JournalState, Until};
use backup_store::{ConnectionName, Percent};
use serde_json::json;
use std::process::ExitCode;

pub async fn run(
    open: &Opened,
    name: &ConnectionName,
    percent: Option<Percent>,
    until: Option<UntilArgument>,
    by: Option<&str>,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let mut journal = open.journal(name).await?;
    if !journal.state().exists() {
        return Err(Failure::unknown(name));
    }
    let now = open.clock().now();
    if let Some(percent) = percent {
        journal
            .set_usage_limit(&actor(by), percent, until.map(|until| until.at(now)), now)
            .await?;
    }
    let state = journal.state();
    let limit = state.usage_limit(now);
    let (until, then) = ending(state, limit);
    if as_json {
        json(&json!({"connection": name.to_string(), "percent": limit.get(), "until": until, "then": then.map(Percent::get)}))?;
    } else {
        let end = match (&until, then) {
            (Some(until), Some(then)) => format!(" until {until}, then {} %", then.get()),
            _ => String::new(),
        };
        line(&format!(
            "{name}: usage limit {} %{end}; backups stop when {} % of the org's requests remain",
            limit.get(),
            100 - limit.get()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// When a limit goes back by itself, and to what.
pub fn ending(state: &JournalState, limit: Percent) -> (Option<String>, Option<Percent>) {
    match state.temporary_limit() {
        Some(temporary) if temporary.percent == limit => {
            let until = match temporary.until {
                Until::FirstBackupComplete => "first-backup-complete".to_owned(),
                Until::At(at) => at.rfc3339(),
                Until::RestoreEnded(_) => "restore-ended".to_owned(),
            };
            (Some(until), Some(state.lasting_limit()))
        }
        _ => (None, None),
    }
}
