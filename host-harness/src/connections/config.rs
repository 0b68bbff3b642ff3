//! The configuration file of a connection, parsed: `{"instance_url", "api_version", "usage_limit", "full_every", "auth"}`.
//!
//! `instance_url`, `usage_limit`, `full_every` and `auth` are the host's. The rest is the connector's and checked against the schema that it
//! describes.

use crate::credentials::{Auth, AuthError};
use crate::http::{Origin, OriginError};
use backup_store::Percent;
use serde_json::{Map, Value};

const FULL_EVERY: &str = "full_every";

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
    /// How to get in, secrets included.
    pub auth: Auth,
    /// The connector's own members.
    settings: Map<String, Value>,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON.
    #[error("the configuration is not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON, but not an object.
    #[error("the configuration has to be one JSON object, such as {{\"instance_url\": \"https://…\", \"auth\": {{…}}}}")]
    NotAnObject,
    /// A member that has to be there.
    #[error("\"{0}\" is missing from the configuration")]
    Missing(&'static str),
    /// Not a percentage.
    #[error("\"usage_limit\" is {0}; it has to be a whole number from 1 to 100")]
    UsageLimit(Value),
    /// Not a number of backups.
    #[error("\"full_every\" is {0}; it has to be a whole number of backups, at least 1")]
    FullEvery(Value),
    /// Not a place to send to.
    #[error("\"instance_url\": {0}")]
    InstanceUrl(OriginError),
    /// Not a text.
    #[error("\"{0}\" has to be a text")]
    NotText(&'static str),
    /// See there.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The connector's schema says no.
    #[error("the connector doesn't take the configuration: {0}")]
    Schema(String),
}

impl ConnectionConfig {
    /// Parses a file's content. Nothing is read from elsewhere, and no secret is opened.
    pub fn parse(text: &[u8]) -> Result<ConnectionConfig, ConfigError> {
        let Value::Object(mut members) = serde_json::from_slice(text).map_err(ConfigError::Json)? else {
            return Err(ConfigError::NotAnObject);
        };
        let auth = Auth::parse(&members.remove("auth").ok_or(ConfigError::Missing("auth"))?)?;
        let usage_limit = match members.remove("usage_limit") {
            None => Percent::DEFAULT,
            Some(value) => parse_percent(&value).ok_or(ConfigError::UsageLimit(value))?,
        };
        let full_every = match members.remove(FULL_EVERY) {
            None => DEFAULT_FULL_EVERY,
            Some(value) => parse_full_every(&value).ok_or(ConfigError::FullEvery(value))?,
        };
        let origin = match members.remove("instance_url") {
            Some(Value::String(url)) => Some(Origin::parse(&url).map_err(ConfigError::InstanceUrl)?),
            Some(_) => return Err(ConfigError::NotText("instance_url")),
            None if auth.tells_origin() => None,
            None => return Err(ConfigError::Missing("instance_url")),
        };
        Ok(ConnectionConfig {
            origin,
            usage_limit,
            full_every,
            auth,
            settings: members,
        })
    }

    /// Checks the connector's part against the JSON Schema it describes.
    pub fn check_schema(&self, schema: &str) -> Result<(), ConfigError> {
        let schema =
            serde_json::from_str(schema).map_err(|e| ConfigError::Schema(format!("its own schema is not JSON: {e}")))?;
        let validator =
            jsonschema::validator_for(&schema).map_err(|e| ConfigError::Schema(format!("its own schema is not valid: {e}")))?;
        let configuration = settings_with_origin(&self.settings, self.origin.as_ref().map(ToString::to_string));
        match validator.iter_errors(&configuration).next() {
            None => Ok(()),
            Some(error) => {
                let at = error.instance_path().to_string();
                Err(ConfigError::Schema(if at.is_empty() {
                    error.to_string()
                } else {
                    format!("{at}: {error}")
                }))
            }
        }
    }

    /// What the journal keeps: everything but the secrets.
    pub fn without_secrets(&self) -> Value {
        let mut kept = self.settings.clone();
        if let Some(origin) = &self.origin {
            kept.insert("instance_url".to_owned(), origin.to_string().into());
        }
        kept.insert(FULL_EVERY.to_owned(), self.full_every.into());
        kept.insert("auth".to_owned(), self.auth.description());
        Value::Object(kept)
    }
}

/// Every so many backups one is full, from what the journal keeps.
pub fn full_every(kept: &Value) -> u32 {
    kept.get(FULL_EVERY).and_then(parse_full_every).unwrap_or(DEFAULT_FULL_EVERY)
}

/// What the connector is told, from what the journal keeps and the origin in force.
pub(crate) fn for_connector(kept: &Value, origin: &Origin) -> String {
    let mut settings = kept.as_object().cloned().unwrap_or_default();
    settings.remove("auth");
    settings.remove(FULL_EVERY);
    settings_with_origin(&settings, Some(origin.to_string())).to_string()
}

fn settings_with_origin(settings: &Map<String, Value>, origin: Option<String>) -> Value {
    let mut settings = settings.clone();
    if let Some(origin) = origin {
        settings.insert("instance_url".to_owned(), origin.into());
    }
    Value::Object(settings)
}

fn parse_full_every(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|every| *every >= 1)
}

fn parse_percent(value: &Value) -> Option<Percent> {
    Percent::new(u8::try_from(value.as_u64()?).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<ConnectionConfig, ConfigError> {
        ConnectionConfig::parse(value.to_string().as_bytes())
    }

    #[test]
    fn the_limit_is_50_unless_told_and_secrets_stay_out_of_what_is_kept() {
        let config = parse(
            &json!({"instance_url": "https://x.my.salesforce.com/", "api_version": "v62.0",
            "auth": {"kind": "access-token", "token": "00Dxx!secret"}}),
        )
        .unwrap();
        assert_eq!(config.usage_limit.get(), 50);
        let kept = config.without_secrets();
        assert!(!kept.to_string().contains("secret\""), "{kept}");
        let origin = config.origin.clone().unwrap();
        assert_eq!(
            for_connector(&kept, &origin),
            r#"{"api_version":"v62.0","instance_url":"https://x.my.salesforce.com"}"#
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let auth = json!({"kind": "access-token", "token": "t"});
        for (value, part) in [
            (json!({"instance_url": "https://x"}), "\"auth\" is missing"),
            (json!({"auth": auth}), "\"instance_url\" is missing"),
            (json!({"auth": auth, "instance_url": "http://example.com"}), "loopback"),
            (
                json!({"auth": auth, "instance_url": "https://x", "usage_limit": 0}),
                "1 to 100",
            ),
            (
                json!({"auth": auth, "instance_url": "https://x", "usage_limit": 101}),
                "1 to 100",
            ),
            (
                json!({"auth": auth, "instance_url": "https://x", "usage_limit": "50"}),
                "1 to 100",
            ),
            (
                json!({"auth": auth, "instance_url": "https://x", "full_every": 0}),
                "at least 1",
            ),
            (json!([1]), "one JSON object"),
        ] {
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn how_often_a_backup_is_full_is_the_hosts_and_what_it_does_not_know_is_the_connectors() {
        let auth = json!({"kind": "access-token", "token": "t"});
        let config = parse(&json!({"auth": auth, "instance_url": "https://x", "full_every": 7, "file_requests": 500})).unwrap();
        let schema = json!({"type": "object", "properties": {"instance_url": {}, "file_requests": {"type": "integer"}},
            "additionalProperties": false})
        .to_string();
        config.check_schema(&schema).unwrap();
        let kept = config.without_secrets();
        assert_eq!((full_every(&kept), full_every(&json!({}))), (7, 30));
        assert_eq!(
            for_connector(&kept, config.origin.as_ref().unwrap()),
            r#"{"file_requests":500,"instance_url":"https://x"}"#
        );
    }

    #[test]
    fn the_connectors_schema_is_kept_to() {
        let schema = json!({"type": "object", "properties": {"instance_url": {"type": "string"}, "api_version": {"pattern": "^v[0-9]+\\.0$"}},
            "additionalProperties": false})
        .to_string();
        let auth = json!({"kind": "access-token", "token": "t"});
        let config =
            |extra: &str, value: &str| parse(&json!({"auth": auth, "instance_url": "https://x", extra: value})).unwrap();
        assert!(config("api_version", "v62.0").check_schema(&schema).is_ok());
        assert!(config("api_version", "62").check_schema(&schema).is_err());
        assert!(config("api_versoin", "v62.0").check_schema(&schema).is_err());
    }
}
