//! One request to a resource, whether it came by itself or inside a composite or a batch.
//!
//! Not for: sessions and quota, which are settled before a call is made.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use crate::org::{Blob, Sent, SentFields, Viewer, Writing};

/// A request to a resource under `/services/data/vXX.X`.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method in upper case.
    pub method: String,
    /// `v62.0`
    pub version: Arc<str>,
    /// The path after the version, decoded, without empty parts.
    pub path: Vec<String>,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; of a multipart request the part with the record, or the records.
    pub body: Bytes,
    /// The other parts of a multipart request, by name.
    pub files: Arc<HashMap<String, Blob>>,
}

/// A record names a part that the request hasn't got.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Multipart message must include a part named {0}")]
pub struct NoSuchPart(pub String);

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The major version.
    pub version: u32,
    /// The path after the version.
    pub path: Vec<String>,
    /// The query.
    pub query: Vec<(String, String)>,
}

/// Why a URL leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// It isn't under `/services/data/vXX.X`.
    Unknown,
    /// A version that was retired.
    Retired,
}

/// The newest version of the API.
pub const NEWEST_VERSION: u32 = 67;
/// The oldest version that still answers.
pub const OLDEST_VERSION: u32 = 31;

impl Target {
    /// Reads a URL's path and query.
    ///
    /// # Errors
    /// Where it leads to no version that answers.
    pub fn parse(url: &str) -> Result<Self, NoTarget> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let rest = path.strip_prefix("/services/data/v").ok_or(NoTarget::Unknown)?;
        let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let version: u32 = version
            .strip_suffix(".0")
            .and_then(|v| v.parse().ok())
            .ok_or(NoTarget::Unknown)?;
        if version > NEWEST_VERSION {
            return Err(NoTarget::Unknown);
        }
        if version < OLDEST_VERSION {
            return Err(NoTarget::Retired);
        }
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path = rest.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
        Ok(Self {
            version,
            path,
            query: decode_query(query),
        })
    }
}

/// The pairs of a query or a form, decoded: `+` is a space.
#[must_use]
pub fn decode_query(query: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|p| {
            p.split_once('=')
                .map_or_else(|| (decoded(p), String::new()), |(k, v)| (decoded(k), decoded(v)))
        })
        .collect()
}

impl Call {
    /// A call to a target.
    #[must_use]
    pub fn new(method: &str, target: Target, headers: Vec<(String, String)>, body: Bytes) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            version: format!("v{}.0", target.version).into(),
            path: target.path,
            query: target.query,
            headers,
            body,
            files: Arc::default(),
        }
    }

    /// The same with files.
    #[must_use]
    pub fn with_files(self, files: Arc<HashMap<String, Blob>>) -> Self {
        Self { files, ..self }
    }

    /// A write as its headers want it.
    #[must_use]
    pub fn writing<'a>(&self, viewer: &'a Viewer, now: DateTime<Utc>) -> Writing<'a> {
        let says = |header: &str, what: &str| self.header(header).is_some_and(|value| value.eq_ignore_ascii_case(what));
        let allows = self.header("sforce-duplicate-rule-header").is_some_and(|value| {
            let mut settings = value.split([',', ';']).map(|setting| setting.replace(' ', ""));
            settings.any(|setting| setting.eq_ignore_ascii_case("allowSave=true"))
        });
        Writing {
            allows_duplicates: allows,
            assigns: !says("sforce-auto-assign", "false"),
            ..Writing::of_client(viewer, now)
        }
    }

    /// Puts the file that a record's attributes name into its field.
    ///
    /// # Errors
    /// Where there's no such part.
    pub fn put_file(&self, record: &mut SentFields) -> Result<(), NoSuchPart> {
        let named = match record.get("attributes") {
            Some(Sent::Nested(attributes)) => (attributes.get("binaryPartName"), attributes.get("binaryPartNameAlias")),
            _ => return Ok(()),
        };
        if let (Some(Sent::Text(part)), Some(Sent::Text(field))) = named {
            let file = self.files.get(part).ok_or_else(|| NoSuchPart(part.clone()))?.clone();
            let field = field.clone();
            record.set(&field, Sent::File(file));
        }
        Ok(())
    }

    /// A parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The major version.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        self.version
            .trim_start_matches('v')
            .split('.')
            .next()
            .and_then(|v| v.parse().ok())
            .unwrap_or(OLDEST_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_with_spaces_plus_signs_and_escapes() {
        let url = "/services/data/v62.0/query/?q=SELECT Id+FROM%20Account WHERE X__c = 'a%2Bb'";
        let target = Target::parse(url).map_err(|e| format!("{e:?}"));
        let expected = Target {
            version: 62,
            path: vec!["query".to_owned()],
            query: vec![("q".to_owned(), "SELECT Id FROM Account WHERE X__c = 'a+b'".to_owned())],
        };
        assert_eq!(target, Ok(expected));
    }

    #[test]
    fn old_versions_are_retired_and_others_unknown() {
        assert_eq!(Target::parse("/services/data/v30.0/limits"), Err(NoTarget::Retired));
        assert_eq!(Target::parse("/services/data/v99.0/limits"), Err(NoTarget::Unknown));
        assert_eq!(Target::parse("/services/data/latest/limits"), Err(NoTarget::Unknown));
        assert_eq!(Target::parse("/elsewhere"), Err(NoTarget::Unknown));
    }
}
