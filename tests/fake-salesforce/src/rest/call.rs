//! One request to a resource, whether it came by itself or inside a composite or a batch.
//!
//! Not for: sessions and quota, which are settled before a call is made.

use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

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
    /// The body.
    pub body: Bytes,
}

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
        }
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
