//! `limit`: shows or sets the usage limit. Its only store is the journal, so every change is in the audit trail.

use crate::args::UntilArgument;
use crate::failure::CommandError;
use crate::open::{Opened, actor};
use crate::output::{json, line};
use backup_store::journal::{JournalState, Until};
use backup_store::{ConnectionName, Percent};
use serde_json::json;
use std::process::ExitCode;

/// What `limit` is to change.
pub struct LimitRequest {
    /// The new limit; `None`: it is only shown.
    pub percent: Option<Percent>,
    /// When it goes back by itself; `None`: it lasts.
    pub until: Option<UntilArgument>,
    /// Who changes it, for the audit trail; `None`: the user who runs the program.
    pub by: Option<String>,
}

pub async fn run(open: &Opened, name: &ConnectionName, request: LimitRequest, as_json: bool) -> Result<ExitCode, CommandError> {
    let LimitRequest { percent, until, by } = request;
    let mut journal = open.journal(name).await?;
    if !journal.state().exists() {
        return Err(CommandError::unknown(name));
    }
    let now = open.clock().now();
    if let Some(percent) = percent {
        journal
            .set_usage_limit(&actor(by.as_deref()), percent, until.map(|until| until.at(now)), now)
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
