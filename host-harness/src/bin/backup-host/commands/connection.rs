//! `connection add | list | show | check | set | remove`.

use super::warnings;
use crate::args::ConnectionCommand;
use crate::failure::{CommandError, WARNED};
use crate::open::{Opened, actor, connector};
use crate::output::{json, line, table};
use crate::progress::{Show, usage_text};
use backup_store::{ConnectionName, Journal};
use host_harness::connections::{ConfigChange, ConnectionConfig, full_every};
use host_harness::jobs::{AddConnection, CheckRequest, SetConnection};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub async fn run(command: ConnectionCommand, open: &Opened) -> Result<ExitCode, CommandError> {
    match command {
        ConnectionCommand::Add {
            name,
            config,
            connector,
            json,
        } => add(open, name, &config, connector.as_ref(), json).await?,
        ConnectionCommand::List { json } => list(open, json).await?,
        ConnectionCommand::Show { name, json } => show(open, &name, json).await?,
        ConnectionCommand::Check { name, check_now, json } => {
            return check(open, &name, CheckRequest { check_now }, json).await;
        }
        ConnectionCommand::Set {
            name,
            members,
            config,
            json,
        } => set(open, &name, members, config.as_deref(), json).await?,
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
) -> Result<(), CommandError> {
    let config =
        ConnectionConfig::parse(&read(config)?).map_err(|e| CommandError::wrong_use(format!("{}: {e}", config.display())))?;
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

async fn set(
    open: &Opened,
    name: &ConnectionName,
    members: Vec<(String, String)>,
    config: Option<&Path>,
    as_json: bool,
) -> Result<(), CommandError> {
    let change = match config {
        Some(file) => ConfigChange::File(read(file)?),
        None => ConfigChange::Members(members),
    };
    let set = SetConnection {
        name: name.clone(),
        change,
        actor: actor(None),
    };
    let changed = open.host()?.set_connection(set).await?;
    if as_json {
        return json(&described(&Journal::open(&open.store, name).await?, open));
    }
    line(&if changed {
        format!(
            "{name} is changed, from the next backup on; its snapshots stay, and the next backup continues from them. No API request was made."
        )
    } else {
        format!("{name} is so already; nothing was changed")
    })
}

fn read(config: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(config).map_err(|e| CommandError::wrong_use(format!("{} can't be read: {e}", config.display())))
}

async fn list(open: &Opened, as_json: bool) -> Result<(), CommandError> {
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
    Err(CommandError::failed(damaged.join("; ")))
}

fn list_table(connections: &[Value]) -> Result<(), CommandError> {
    let cell = |connection: &Value, field: &str| connection.get(field).map(text).unwrap_or_default();
    let fields = ["connection", "instance_url", "usage_limit", "scope"];
    let rows: Vec<Vec<String>> = connections
        .iter()
        .map(|c| fields.iter().map(|field| cell(c, field)).collect())
        .collect();
    table(&["CONNECTION", "INSTANCE", "LIMIT %", "ORG"], &rows)
}

async fn show(open: &Opened, name: &ConnectionName, as_json: bool) -> Result<(), CommandError> {
    let journal = open.journal(name).await?;
    if !journal.state().exists() {
        return Err(CommandError::unknown(name));
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

async fn check(open: &Opened, name: &ConnectionName, request: CheckRequest, as_json: bool) -> Result<ExitCode, CommandError> {
    let host = open.host()?;
    let show = Show::new(as_json);
    let checked = host.check_connection_with(name, &actor(None), request, &show).await;
    show.end();
    let checked = checked?;
    let missing = checked.missing_permissions(&warnings::accepted(open, name).await?).len();
    if as_json {
        json(&checked)?;
    } else {
        let state = match missing {
            0 => "connected".to_owned(),
            1 => "connected, 1 permission missing".to_owned(),
            more => format!("connected, {more} permissions missing"),
        };
        line(&format!("{name}: {state}{}", usage_text(checked.usage.as_ref())))?;
        line(&format!("{:<32} {}", "org", checked.scope))?;
        for (fact, value) in &checked.facts {
            line(&format!("{fact:<32} {value}"))?;
        }
        line(&format!("{:<32} {} %", "usage limit", checked.limit_percent))?;
        line(&format!("{:<32} {}", "requests of this check", checked.calls.sent))?;
        warnings::of_configuration(&host, name).await?;
    }
    Ok(if missing > 0 {
        ExitCode::from(WARNED)
    } else {
        ExitCode::SUCCESS
    })
}
