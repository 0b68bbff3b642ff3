//! `connection add | list | show | check | remove`.

use crate::args::ConnectionCommand;
use crate::failure::Failure;
use crate::open::{Opened, actor, connector};
use crate::output::{json, line, table};
use crate::progress::usage_text;
use backup_store::{ConnectionName, Journal};
use host_harness::connections::{ConnectionConfig, full_every};
use host_harness::jobs::AddConnection;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub async fn run(command: ConnectionCommand, open: &Opened) -> Result<ExitCode, Failure> {
    match command {
        ConnectionCommand::Add {
            name,
            config,
            connector,
            json,
        } => add(open, name, &config, connector.as_ref(), json).await?,
        ConnectionCommand::List { json } => list(open, json).await?,
        ConnectionCommand::Show { name, json } => show(open, &name, json).await?,
        ConnectionCommand::Check { name, json } => check(open, &name, json).await?,
        ConnectionCommand::Remove { name } => {
            open.host()?.remove_connection(&name, &actor(None)).await?;
            line(&format!(
                "{name} is removed and its secrets are forgotten; its snapshots stay readable"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(
    open: &Opened,
    name: ConnectionName,
    config: &Path,
    component: Option<&PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let text = std::fs::read(config).map_err(|e| Failure::wrong_use(format!("{} can't be read: {e}", config.display())))?;
    let config = ConnectionConfig::parse(&text).map_err(|e| Failure::wrong_use(format!("{}: {e}", config.display())))?;
    let connector = connector(component)?;
    let (place, limit) = (config.origin.as_ref().map(ToString::to_string), config.usage_limit);
    open.host()?
        .add_connection(AddConnection {
            name: name.clone(),
            config,
            connector,
            actor: actor(None),
        })
        .await?;
    if as_json {
        return json(&described(&Journal::open(&open.store, &name).await?, open));
    }
    let place = place.unwrap_or_else(|| "the instance that the token answer names".to_owned());
    line(&format!(
        "{name} is added: {place}, usage limit {} %. Nothing was sent; `backup-host connection check {name}` asks the org.",
        limit.get()
    ))
}

async fn list(open: &Opened, as_json: bool) -> Result<(), Failure> {
    let (mut connections, mut damaged) = (Vec::new(), Vec::new());
    for name in open.store.connections().await? {
        match Journal::open(&open.store, &name).await {
            Ok(journal) if journal.state().exists() => connections.push(described(&journal, open)),
            Ok(_) => {}
            Err(error) => {
                connections.push(json!({"connection": name.to_string(), "damaged": error.to_string()}));
                damaged.push(format!("{name}: {error}"));
            }
        }
    }
    if as_json {
        json(&connections)?;
    } else {
        list_table(&connections)?;
    }
    if damaged.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(damaged.join("; ")))
}

fn list_table(connections: &[Value]) -> Result<(), Failure> {
    let cell = |connection: &Value, field: &str| connection.get(field).map(text).unwrap_or_default();
    let fields = ["connection", "instance_url", "usage_limit", "scope"];
    let rows: Vec<Vec<String>> = connections
        .iter()
        .map(|c| fields.iter().map(|field| cell(c, field)).collect())
        .collect();
    table(&["CONNECTION", "INSTANCE", "LIMIT %", "ORG"], &rows)
}

async fn show(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<(), Failure> {
    let journal = open.journal(name).await?;
    if !journal.state().exists() {
        return Err(Failure::unknown(name));
    }
    let described = described(&journal, open);
    if as_json {
        return json(&described);
    }
    let Value::Object(members) = described else { return Ok(()) };
    members
        .iter()
        .try_for_each(|(member, value)| line(&format!("{member:<14} {}", text(value))))
}

/// What is known of a connection without asking its org; secrets are shown as where they come from.
fn described(journal: &Journal, open: &Opened) -> Value {
    let state = journal.state();
    let mut described = state.config().cloned().unwrap_or_else(|| json!({}));
    described["connection"] = json!(journal.connection().to_string());
    described["usage_limit"] = json!(state.usage_limit(open.clock().now()).get());
    described["full_every"] = json!(full_every(&described));
    described["connector"] = json!(state.connector().map(|digest| digest.to_string()));
    described["scope"] = json!(state.scope().map(ToString::to_string));
    described
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn check(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<(), Failure> {
    let checked = open.host()?.check_connection(name, &actor(None)).await?;
    if as_json {
        return json(&checked);
    }
    line(&format!("{name} works{}", usage_text(checked.usage.as_ref())))?;
    line(&format!("{:<32} {}", "org", checked.scope))?;
    checked
        .facts
        .iter()
        .try_for_each(|(fact, value)| line(&format!("{fact:<32} {value}")))?;
    line(&format!("{:<32} {} %", "usage limit", checked.limit_percent))?;
    line(&format!("{:<32} {}", "requests of this check", checked.calls.sent))
}
