//! What the connector reads of a connection's configuration. Credentials, the address and the usage limit are the host's.

use crate::host::{ConnectorError, Failure};
use serde::Deserialize;

/// JSON Schema of a connection's configuration.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Salesforce connection",
  "type": "object",
  "properties": {
    "instance_url": {
      "type": "string",
      "format": "uri",
      "description": "The org's My Domain, e.g. https://example.my.salesforce.com"
    },
    "api_version": {
      "type": "string",
      "pattern": "^v(4[1-9]|[5-9][0-9]|[1-9][0-9]{2})\\.0$",
      "default": "v62.0",
      "description": "REST API version; 41 or newer"
    },
    "bulk_rows": {
      "type": "integer",
      "minimum": 0,
      "description": "An object with so many records or more is read by bulk query jobs. Left out: by whatever takes fewer requests"
    },
    "file_requests": {
      "type": "integer",
      "minimum": 0,
      "description": "The most requests for files that one backup sends, beside the usage limit. Left out: as many as there are files"
    },
    "rich_text_images": {
      "type": "boolean",
      "default": true,
      "description": "Back up images within rich text, a request each. false: leave them out"
    }
  },
  "additionalProperties": false
}"#;

const DEFAULT_VERSION: &str = "v62.0";

/// Older versions are retired, or about to be.
const OLDEST_VERSION: u16 = 41;

/// A connection's configuration, as far as the connector needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// As it stands in paths, e.g. `v62.0`.
    pub api_version: String,
    /// An object with so many records or more is read by bulk query jobs; `None`: by whatever takes fewer requests.
    pub bulk_rows: Option<u64>,
    /// The most requests for files that one backup sends.
    pub file_requests: Option<u64>,
    /// Images within rich text are backed up.
    pub rich_text_images: bool,
}

impl Configuration {
    /// Reads it from JSON. Members that belong to others are left alone.
    pub fn parse(json: &str) -> Result<Configuration, ConnectorError> {
        #[derive(Deserialize)]
        struct Members {
            api_version: Option<String>,
            bulk_rows: Option<u64>,
            file_requests: Option<u64>,
            rich_text_images: Option<bool>,
        }
        let Members {
            api_version,
            bulk_rows,
            file_requests,
            rich_text_images,
        } = serde_json::from_str(json).map_err(|error| {
            ConnectorError::Configuration(
                Failure::new("configuration", format!("the configuration can't be read: {error}"))
                    .remedy("write it as one JSON object"),
            )
        })?;
        let api_version = api_version.unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let number = api_version.strip_prefix('v').and_then(|rest| rest.strip_suffix(".0"));
        let digits = number.filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        match digits.and_then(|n| n.parse::<u16>().ok()) {
            Some(number) if number >= OLDEST_VERSION => Ok(Configuration {
                api_version,
                bulk_rows,
                file_requests,
                rich_text_images: rich_text_images.unwrap_or(true),
            }),
            _ => Err(ConnectorError::Configuration(
                Failure::new(
                    "api-version",
                    format!("api_version is {api_version:?}, which is no version that can be used"),
                )
                .remedy(format!("write it as {DEFAULT_VERSION}; v{OLDEST_VERSION}.0 is the oldest")),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_is_taken_only_in_the_form_of_paths() {
        assert_eq!(Configuration::parse("{}").unwrap().api_version, "v62.0");
        assert_eq!(
            Configuration::parse(r#"{"api_version":"v66.0","instance_url":"x"}"#)
                .unwrap()
                .api_version,
            "v66.0"
        );
        for version in ["62.0", "v62", "v40.0", "v62.0/../x", "v+62.0", "v.0", "", "v99999999.0"] {
            assert!(
                Configuration::parse(&format!(r#"{{"api_version":"{version}"}}"#)).is_err(),
                "{version}"
            );
        }
        assert!(Configuration::parse("[]").is_err() && Configuration::parse("").is_err());
    }

    #[test]
    fn the_schema_is_json() {
        assert!(serde_json::from_str::<serde_json::Value>(SCHEMA).unwrap().is_object());
    }
}
