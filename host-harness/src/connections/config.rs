//! The configuration of a connection, parsed.
//!
//! `instance_url`, `usage_limit`, `full_every`, `accept_warnings` and `auth` are the host's. All other members (`api_version` is one)
//! are the connector's and checked against the schema that it describes.

use super::error::ConfigError;
use super::members::members;
use super::warnings;
use crate::credentials::Auth;
use crate::http::Origin;
use crate::nearest::did_you_mean;
use backup_store::Percent;
use serde_json::{Map, Value};

const AUTH: &str = "auth";
const INSTANCE_URL: &str = "instance_url";
const USAGE_LIMIT: &str = "usage_limit";
const FULL_EVERY: &str = "full_every";
const ACCEPT_WARNINGS: &str = "accept_warnings";

/// The host's own members.
const OWN: [&str; 5] = [INSTANCE_URL, USAGE_LIMIT, FULL_EVERY, ACCEPT_WARNINGS, AUTH];

/// About once a month, where a backup runs daily.
const DEFAULT_FULL_EVERY: u32 = 30;

/// A configuration that the host understood.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Where requests go; `None` where the token answer tells it.
    pub origin: Option<Origin>,
    /// Percent of max that all applications together may have used.
    pub usage_limit: Percent,
    /// Every so many backups one is full; 1: each.
    pub full_every: u32,
    /// Codes of warnings that a person knows of.
    pub accept_warnings: Vec<String>,
    /// How to get in, secrets included.
    pub auth: Auth,
    /// The connector's own members.
    settings: Map<String, Value>,
}

/// What `connection set` is told.
#[derive(Clone, Debug)]
pub enum ConfigChange {
    /// Members and their new values as text; an empty one takes the member away.
    Members(Vec<(String, String)>),
    /// A whole configuration file. Without `auth` the credentials stay.
    File(Vec<u8>),
}

/// A configuration that was changed.
#[derive(Debug)]
pub struct ChangedConfig {
    /// What the journal keeps.
    pub kept: Value,
    /// New credentials.
    pub auth: Option<Auth>,
}

impl ConnectionConfig {
    /// Parses a file's content. Nothing is read from elsewhere, and no secret is opened.
    pub fn parse(text: &[u8]) -> Result<ConnectionConfig, ConfigError> {
        let mut settings = members(text)?;
        let auth = Auth::parse(&settings.remove(AUTH).ok_or(ConfigError::Missing(AUTH))?)?;
        let usage_limit = take_usage_limit(&mut settings)?.unwrap_or(Percent::DEFAULT);
        let Own {
            origin,
            full_every,
            accept_warnings,
        } = Own::take(&mut settings)?;
        if origin.is_none() && !auth.tells_origin() {
            return Err(ConfigError::Missing(INSTANCE_URL));
        }
        Ok(ConnectionConfig {
            origin,
            usage_limit,
            full_every,
            accept_warnings,
            auth,
            settings,
        })
    }

    /// Checks the connector's part against the JSON Schema it describes.
    pub fn check_schema(&self, schema: &str) -> Result<(), ConfigError> {
        check_settings(&self.settings, self.origin.as_ref(), schema)
    }

    /// What the journal keeps: everything but the secrets.
    pub fn without_secrets(&self) -> Value {
        let own = Own {
            origin: self.origin.clone(),
            full_every: self.full_every,
            accept_warnings: self.accept_warnings.clone(),
        };
        own.kept(self.settings.clone(), self.auth.description())
    }
}

impl ChangedConfig {
    /// Applies a change to the stored configuration `kept`; `limit`: the connection's lasting usage limit.
    pub fn of(kept: &Value, limit: Percent, change: &ConfigChange, schema: &str) -> Result<ChangedConfig, ConfigError> {
        let mut before = kept.as_object().cloned().unwrap_or_default();
        let description = before.remove(AUTH).unwrap_or_default();
        let address = before.get(INSTANCE_URL).cloned();
        // What an older version took and nobody reads goes with the first change.
        let unread: Vec<String> = unread_names(kept, schema);
        before.retain(|name, _| !unread.contains(name));
        let mut settings = match change {
            ConfigChange::File(text) => members(text)?,
            ConfigChange::Members(changes) => with_members(before, changes)?,
        };
        let auth = settings.remove(AUTH).map(|auth| Auth::parse(&auth)).transpose()?;
        if take_usage_limit(&mut settings)?.is_some_and(|told| told != limit) {
            return Err(ConfigError::LimitElsewhere);
        }
        if let Some(address) = &address {
            settings.entry(INSTANCE_URL).or_insert_with(|| address.clone());
        }
        let own = Own::take(&mut settings)?;
        if own.origin.as_ref().map(ToString::to_string) != address.as_ref().and_then(Value::as_str).map(str::to_owned) {
            return Err(ConfigError::OtherAddress);
        }
        check_settings(&settings, own.origin.as_ref(), schema)?;
        let description = auth.as_ref().map_or(description, Auth::description);
        Ok(ChangedConfig {
            kept: own.kept(settings, description),
            auth,
        })
    }
}

fn with_members(mut before: Map<String, Value>, changes: &[(String, String)]) -> Result<Map<String, Value>, ConfigError> {
    for (name, text) in changes {
        match name.as_str() {
            USAGE_LIMIT => return Err(ConfigError::LimitElsewhere),
            AUTH => return Err(ConfigError::WholeFileOnly(AUTH)),
            name if text.is_empty() => drop(before.remove(name)),
            name => drop(before.insert(name.to_owned(), value_of(name, text))),
        }
    }
    Ok(before)
}

/// A number or a truth value where it reads as one, a list of codes, else a text.
fn value_of(name: &str, text: &str) -> Value {
    if name == ACCEPT_WARNINGS {
        return text.split(',').map(|code| Value::from(code.trim())).collect();
    }
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => text.into(),
    }
}

/// The host's own members that the journal keeps as they are.
struct Own {
    origin: Option<Origin>,
    full_every: u32,
    accept_warnings: Vec<String>,
}

impl Own {
    /// Takes them from among the others.
    fn take(members: &mut Map<String, Value>) -> Result<Own, ConfigError> {
        let full_every = match members.remove(FULL_EVERY) {
            None => DEFAULT_FULL_EVERY,
            Some(value) => parse_full_every(&value).ok_or(ConfigError::FullEvery(value))?,
        };
        let accept_warnings = match members.remove(ACCEPT_WARNINGS) {
            None => Vec::new(),
            Some(value) => parse_codes(value)?,
        };
        let origin = match members.remove(INSTANCE_URL) {
            Some(Value::String(url)) => Some(Origin::parse(&url).map_err(ConfigError::InstanceUrl)?),
            Some(_) => return Err(ConfigError::NotText(INSTANCE_URL)),
            None => None,
        };
        Ok(Own {
            origin,
            full_every,
            accept_warnings,
        })
    }

    fn kept(self, mut settings: Map<String, Value>, auth: Value) -> Value {
        if let Some(origin) = &self.origin {
            settings.insert(INSTANCE_URL.to_owned(), origin.to_string().into());
        }
        if !self.accept_warnings.is_empty() {
            settings.insert(ACCEPT_WARNINGS.to_owned(), self.accept_warnings.into());
        }
        settings.insert(FULL_EVERY.to_owned(), self.full_every.into());
        settings.insert(AUTH.to_owned(), auth);
        Value::Object(settings)
    }
}

/// Every so many backups one is full, from what the journal keeps.
pub fn full_every(kept: &Value) -> u32 {
    kept.get(FULL_EVERY).and_then(parse_full_every).unwrap_or(DEFAULT_FULL_EVERY)
}

/// Codes of warnings that a person knows of, from what the journal keeps.
pub fn accepted_warnings(kept: Option<&Value>) -> Vec<String> {
    let codes = kept.and_then(|kept| kept.get(ACCEPT_WARNINGS)?.as_array());
    let codes = codes.into_iter().flatten().filter_map(Value::as_str);
    codes.map(str::to_owned).collect()
}

/// Members of what the journal keeps that nobody reads, each with what may be meant: an older version took them.
pub(crate) fn unread_members(kept: &Value, schema: &str) -> Vec<ConfigError> {
    let schema = serde_json::from_str(schema).unwrap_or_default();
    let mut settings = kept.as_object().cloned().unwrap_or_default();
    settings.retain(|name, _| !OWN.contains(&name.as_str()));
    unknown(&settings, &schema).collect()
}

fn unread_names(kept: &Value, schema: &str) -> Vec<String> {
    let named = unread_members(kept, schema).into_iter().filter_map(|error| match error {
        ConfigError::Unknown { name, .. } => Some(name),
        _ => None,
    });
    named.collect()
}

/// What the connector is told, from what the journal keeps and the origin in force.
pub(crate) fn for_connector(kept: &Value, origin: &Origin) -> String {
    let mut settings = kept.as_object().cloned().unwrap_or_default();
    settings.retain(|name, _| !OWN.contains(&name.as_str()));
    settings_with_origin(&settings, Some(origin)).to_string()
}

fn check_settings(settings: &Map<String, Value>, origin: Option<&Origin>, schema: &str) -> Result<(), ConfigError> {
    let schema = serde_json::from_str(schema).map_err(|e| ConfigError::Schema(format!("its own schema is not JSON: {e}")))?;
    if let Some(error) = unknown(settings, &schema).next() {
        return Err(error);
    }
    let validator =
        jsonschema::validator_for(&schema).map_err(|e| ConfigError::Schema(format!("its own schema is not valid: {e}")))?;
    let configuration = settings_with_origin(settings, origin);
    match validator.iter_errors(&configuration).next() {
        None => Ok(()),
        Some(error) => {
            let member = error.instance_path().to_string();
            Err(ConfigError::Schema(if member.is_empty() {
                error.to_string()
            } else {
                format!("{member}: {error}")
            }))
        }
    }
}

/// Members that a closed schema doesn't have.
fn unknown<'a>(settings: &'a Map<String, Value>, schema: &'a Value) -> impl Iterator<Item = ConfigError> + 'a {
    let closed = schema["additionalProperties"] == Value::Bool(false);
    let known = || {
        schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    };
    let unread = settings
        .keys()
        .filter(move |name| closed && !known().any(|known| known == *name));
    unread.map(move |name| ConfigError::Unknown {
        name: name.clone(),
        meant: did_you_mean(name, known().chain(OWN)),
    })
}

fn settings_with_origin(settings: &Map<String, Value>, origin: Option<&Origin>) -> Value {
    let mut settings = settings.clone();
    if let Some(origin) = origin {
        settings.insert(INSTANCE_URL.to_owned(), origin.to_string().into());
    }
    Value::Object(settings)
}

fn take_usage_limit(members: &mut Map<String, Value>) -> Result<Option<Percent>, ConfigError> {
    match members.remove(USAGE_LIMIT) {
        None => Ok(None),
        Some(value) => parse_percent(&value).map(Some).ok_or(ConfigError::UsageLimit(value)),
    }
}

fn parse_full_every(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|every| *every >= 1)
}

fn parse_codes(value: Value) -> Result<Vec<String>, ConfigError> {
    let codes: Option<Vec<String>> = value
        .as_array()
        .and_then(|codes| codes.iter().map(|code| code.as_str().map(str::to_owned)).collect());
    let codes = codes.ok_or(ConfigError::AcceptWarnings(value))?;
    match codes.iter().find(|code| !warnings::CODES.contains(&code.as_str())) {
        None => Ok(codes),
        Some(code) => Err(ConfigError::UnknownWarning {
            code: code.clone(),
            meant: did_you_mean(code, warnings::CODES),
        }),
    }
}

fn parse_percent(value: &Value) -> Option<Percent> {
    Percent::new(u8::try_from(value.as_u64()?).ok()?)
}

#[cfg(test)]
mod tests;
