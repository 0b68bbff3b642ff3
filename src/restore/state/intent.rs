//! What a request is about to create, kept before it is sent: should its answer never come, these records are looked for before
//! anything else is sent.
//!
//! Changing a record twice does no harm, so that only what is created is in it. State version 1 called its members by one letter.

use crate::host::{ConnectorError, Host};
use crate::restore::request::{Placed, Request, Verb};
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// When it was sent by the org's clock, in milliseconds since 1970.
    pub at: u64,
    /// The records, in the request's order: what a record refers to comes before it.
    pub creates: Vec<Created>,
}

/// A record that is about to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// API name of its object.
    #[serde(alias = "o")]
    pub object: String,
    /// Its key in the snapshot.
    #[serde(alias = "k")]
    pub key: String,
    /// References that it is sent without.
    #[serde(alias = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// Something of it is to be set in the end.
    #[serde(alias = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// The key of a record that Salesforce creates together with it.
    #[serde(alias = "b", default, skip_serializing_if = "Option::is_none")]
    pub brings: Option<String>,
}

impl Created {
    /// Of a record in a request.
    pub fn of(record: &Placed) -> Created {
        Created {
            object: record.object.clone(),
            key: record.key.clone(),
            omitted: record.omitted.clone(),
            later: record.later,
            brings: record.brings.clone(),
        }
    }
}

impl Intent {
    /// Of a request that is about to be sent.
    pub fn of(request: &Request, at: u64) -> Intent {
        let creates = request
            .collections
            .iter()
            .filter(|collection| collection.verb == Verb::Create);
        let records = creates.flat_map(|collection| &collection.records);
        Intent {
            at,
            creates: records.map(Created::of).collect(),
        }
    }

    /// The one whose outcome isn't known, where there is one.
    pub fn load<H: Host>(host: &H) -> Result<Option<Intent>, ConnectorError> {
        values::load(host, key::INTENT)
    }

    /// As an entry to be put.
    pub fn entry(&self) -> Result<Entry, ConnectorError> {
        values::entry(key::INTENT, self)
    }

    /// The entry that says: it is known what came of the last one.
    pub fn settled() -> Entry {
        values::removal(key::INTENT)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_intent_of_version_1_is_read_and_written_with_names() {
        let old =
            r#"{"at":7,"creates":[{"o":"Account","k":"001","m":["ParentId"],"l":true,"b":"069"},{"o":"Case","k":"500"}]}"#;
        let intent: Intent = serde_json::from_str(old).unwrap();
        let account = Created {
            object: "Account".into(),
            key: "001".into(),
            omitted: vec!["ParentId".into()],
            later: true,
            brings: Some("069".into()),
        };
        assert_eq!((intent.at, &intent.creates[0], intent.creates.len()), (7, &account, 2));
        let new = serde_json::to_string(&intent).unwrap();
        assert!(new.contains(r#"{"object":"Case","key":"500"}"#), "{new}");
        assert_eq!(serde_json::from_str::<Intent>(&new).unwrap(), intent);
    }
}
