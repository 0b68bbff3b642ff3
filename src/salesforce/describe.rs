//! An object's describe, condensed to what reading its records needs: a few kilobytes of the megabyte that it can be.

use super::{ApiError, Bodies};
use serde::de::{MapAccess, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

/// What reading an object needs to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Describe {
    /// Fields that are read, in the org's order. Without base64 fields, of which a query gives only an address, and without
    /// compound ones (address, geolocation), whose parts are fields of their own.
    pub fields: Vec<String>,
    /// Base64 fields: each record's content is a request of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<String>,
    /// The field that tells the last modification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Records can be read in the order of their Ids, and from an Id on.
    #[serde(default)]
    pub keyset: bool,
    /// Has a DurableId, which then is the key, and whether it can be filtered and sorted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable_id: Option<bool>,
    /// Has archived records, which only `queryAll` gives, together with deleted ones.
    #[serde(default)]
    pub archived: bool,
}

/// A describe, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Describe was refused.
    Refused(ApiError),
    /// Describe says what describe global didn't: no queries.
    NotQueryable,
}

/// Fields that tell the last modification, best first.
const REVISIONS: [&str; 4] = ["SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime"];

#[derive(Deserialize)]
struct Whole {
    #[serde(default = "yes")]
    queryable: bool,
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default = "yes")]
    filterable: bool,
    #[serde(default = "yes")]
    sortable: bool,
}

fn yes() -> bool {
    true
}

impl From<Whole> for Result<Describe, Skip> {
    fn from(whole: Whole) -> Result<Describe, Skip> {
        if !whole.queryable {
            return Err(Skip::NotQueryable);
        }
        let has = |name: &str| whole.fields.iter().any(|f| f.name == name);
        let ordered = |name: &str| {
            whole
                .fields
                .iter()
                .find(|f| f.name == name)
                .map(|f| f.filterable && f.sortable)
        };
        let (bodies, readable): (Vec<&Field>, Vec<&Field>) = whole
            .fields
            .iter()
            .filter(|f| !matches!(f.kind.as_str(), "address" | "location"))
            .partition(|f| f.kind == "base64");
        let names = |fields: Vec<&Field>| fields.into_iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        Ok(Describe {
            fields: names(readable),
            bodies: names(bodies),
            revision: REVISIONS.iter().find(|name| has(name)).map(|name| (*name).to_owned()),
            keyset: ordered("Id") == Some(true),
            durable_id: ordered("DurableId"),
            archived: has("IsArchived") && has("IsDeleted"),
        })
    }
}

/// Reads the describes of a composite answer.
pub struct DescribeBodies;

impl Bodies for DescribeBodies {
    type Body = Result<Describe, Skip>;

    fn read<'de, M: MapAccess<'de>>(&mut self, _: usize, body: M) -> Result<Self::Body, M::Error> {
        Whole::deserialize(MapAccessDeserializer::new(body)).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{SubBody, read_composite};

    fn read(describe: &str) -> Result<Describe, Skip> {
        let text = format!(r#"{{"compositeResponse":[{{"body":{describe},"httpStatusCode":200}}]}}"#);
        let mut subs = Vec::new();
        read_composite(text.as_bytes(), &mut DescribeBodies, &mut subs).unwrap();
        match subs.remove(0).body {
            SubBody::Read(read) => read,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contents_and_compound_fields_are_not_read_with_the_rows() {
        let describe = read(
            r#"{"name":"Attachment","queryable":true,"childRelationships":[{}],"fields":[
            {"name":"Id","type":"id","filterable":true,"sortable":true,"picklistValues":[{"value":"x"}]},{"name":"Body","type":"base64"},
            {"name":"Place","type":"location"},{"name":"Address","type":"address"},{"name":"CreatedDate","type":"datetime"},
            {"name":"LastModifiedDate","type":"datetime"},{"name":"IsArchived","type":"boolean"},{"name":"IsDeleted","type":"boolean"}]}"#,
        )
        .unwrap();
        assert_eq!(
            describe.fields,
            ["Id", "CreatedDate", "LastModifiedDate", "IsArchived", "IsDeleted"]
        );
        assert_eq!(describe.bodies, ["Body"]);
        assert_eq!(describe.revision.as_deref(), Some("LastModifiedDate"));
        assert!(describe.keyset && describe.archived);
        assert_eq!(describe.durable_id, None);
    }

    #[test]
    fn an_id_that_cannot_be_sorted_is_no_keyset() {
        let describe = read(
            r#"{"fields":[{"name":"Id","type":"id","filterable":true,"sortable":false},{"name":"DurableId","type":"string"}]}"#,
        )
        .unwrap();
        assert!(!describe.keyset);
        assert_eq!(describe.durable_id, Some(true));
    }

    #[test]
    fn describe_may_say_that_there_are_no_queries() {
        assert_eq!(read(r#"{"queryable":false,"fields":[]}"#), Err(Skip::NotQueryable));
    }
}
