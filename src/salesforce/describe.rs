//! An object's describe: condensed to what reading its records needs, and whole, to be kept.

use super::value::{Kind, compact};
use super::{ApiError, Bodies};
use serde::de::{self, MapAccess};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A field that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// API name.
    #[serde(rename = "n")]
    pub name: String,
    /// The form of its values.
    #[serde(rename = "k", default, skip_serializing_if = "is_text")]
    pub kind: Kind,
    /// A custom field of long text: two of them in a query make Salesforce's pages short.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// A formula: what a query expands, and what changes without the record's stamp.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub formula: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_text(kind: &Kind) -> bool {
    *kind == Kind::Text
}

/// What reading an object needs to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Describe {
    /// Fields that are read, in the org's order. Without base64 fields, of which a query gives only an address, and without
    /// compound ones (address, geolocation), whose parts are fields of their own.
    pub fields: Vec<Field>,
    /// Base64 fields: each record's content is a request of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<String>,
    /// Rich-text fields: each image within is a request of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The field that tells the last modification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Records can be asked for by their last modification.
    #[serde(default)]
    pub since: bool,
    /// Records can be read in the order of their Ids, and from an Id on.
    #[serde(default)]
    pub keyset: bool,
    /// Has a DurableId, which then is the key, and whether it can be filtered and sorted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable_id: Option<bool>,
    /// Has archived records, which only `queryAll` gives, together with deleted ones.
    #[serde(default)]
    pub archived: bool,
    /// Salesforce tells which of its records were changed and which deleted.
    #[serde(default)]
    pub replicated: bool,
}

impl Describe {
    /// Names of the fields that are read.
    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|field| field.name.as_str()).collect()
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Custom fields of long text.
    pub fn long_texts(&self) -> usize {
        self.fields.iter().filter(|field| field.long).count()
    }

    /// CSV tells every value as it is.
    pub fn fits_csv(&self) -> bool {
        self.fields.iter().all(|field| field.kind != Kind::Any)
    }

    /// The field that tells how long a base64 field's value is.
    pub fn length_field(&self) -> Option<&str> {
        ["ContentSize", "BodyLength"]
            .into_iter()
            .find(|name| self.field(name).is_some())
    }

    /// Its files can be told apart by their content.
    pub fn has_checksum(&self) -> bool {
        self.field("Checksum").is_some()
    }
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

/// A describe as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What reading needs.
    pub condensed: Result<Describe, Skip>,
    /// All of it, as one line of JSON, deflated: an answer has 25 of them, some of megabytes.
    pub packed: Vec<u8>,
}

/// The describe that was [`Described::packed`]; `None` where the bytes are no such thing.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MAX_DESCRIBE_BYTES).ok()
}

/// No describe is longer.
const MAX_DESCRIBE_BYTES: usize = 32 * 1024 * 1024;

/// Of 1 to 10: describes are full of repetitions.
const DEFLATE_LEVEL: u8 = 6;

/// A text area that may be longer is a long one.
const MAX_SHORT_TEXT: u64 = 255;

/// Fields that tell the last modification, best first.
const REVISIONS: [&str; 4] = ["SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime"];

#[derive(Deserialize)]
struct RawField {
    name: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default = "yes")]
    filterable: bool,
    #[serde(default = "yes")]
    sortable: bool,
    #[serde(default)]
    calculated: bool,
    #[serde(rename = "htmlFormatted", default)]
    html: bool,
    #[serde(rename = "extraTypeInfo", default)]
    extra: Option<String>,
    #[serde(default)]
    length: u64,
}

fn yes() -> bool {
    true
}

impl RawField {
    fn kind(&self) -> Kind {
        match self.kind.as_str() {
            "int" | "long" | "double" | "currency" | "percent" => Kind::Number,
            "boolean" => Kind::Boolean,
            "datetime" => Kind::DateTime,
            "anyType" | "complexvalue" | "json" => Kind::Any,
            _ => Kind::Text,
        }
    }

    fn is_long_custom_text(&self) -> bool {
        self.kind == "textarea" && self.length > MAX_SHORT_TEXT && self.name.ends_with("__c")
    }

    fn has_images(&self) -> bool {
        self.extra.as_deref() == Some("richtextarea") || (self.html && self.kind == "textarea" && !self.calculated)
    }
}

fn condense(queryable: bool, replicateable: bool, raw: &[RawField]) -> Result<Describe, Skip> {
    if !queryable {
        return Err(Skip::NotQueryable);
    }
    let find = |name: &str| raw.iter().find(|field| field.name == name);
    let revision = REVISIONS.iter().find_map(|name| find(name));
    let (bodies, readable): (Vec<&RawField>, Vec<&RawField>) = raw
        .iter()
        .filter(|field| !matches!(field.kind.as_str(), "address" | "location"))
        .partition(|field| field.kind == "base64");
    let ordered = |field: &RawField| field.filterable && field.sortable;
    Ok(Describe {
        bodies: bodies.iter().map(|field| field.name.clone()).collect(),
        images: readable
            .iter()
            .filter(|field| field.has_images())
            .map(|field| field.name.clone())
            .collect(),
        fields: readable
            .iter()
            .map(|field| Field {
                name: field.name.clone(),
                kind: field.kind(),
                formula: field.calculated,
                long: field.is_long_custom_text(),
            })
            .collect(),
        since: revision.is_some_and(|field| field.filterable),
        revision: revision.map(|field| field.name.clone()),
        keyset: find("Id").is_some_and(ordered),
        durable_id: find("DurableId").map(ordered),
        archived: find("IsArchived").is_some() && find("IsDeleted").is_some(),
        replicated: replicateable,
    })
}

/// Reads the describes of a composite answer.
pub struct DescribeBodies;

impl Bodies for DescribeBodies {
    type Body = Described;

    fn read<'de, M: MapAccess<'de>>(&mut self, _: usize, mut body: M) -> Result<Described, M::Error> {
        let (mut queryable, mut replicateable, mut fields) = (true, false, None);
        let mut whole = vec![b'{'];
        while let Some((name, value)) = body.next_entry::<String, Box<RawValue>>()? {
            let text = value.get();
            match name.as_str() {
                "queryable" => queryable = serde_json::from_str(text).map_err(de::Error::custom)?,
                "replicateable" => replicateable = serde_json::from_str(text).map_err(de::Error::custom)?,
                "fields" => fields = Some(serde_json::from_str::<Vec<RawField>>(text).map_err(de::Error::custom)?),
                _ => {}
            }
            if whole.len() > 1 {
                whole.push(b',');
            }
            serde_json::to_writer(&mut whole, &name).map_err(de::Error::custom)?;
            whole.push(b':');
            compact(&mut whole, text);
        }
        whole.push(b'}');
        let fields = fields.ok_or_else(|| de::Error::missing_field("fields"))?;
        Ok(Described {
            condensed: condense(queryable, replicateable, &fields),
            packed: miniz_oxide::deflate::compress_to_vec(&whole, DEFLATE_LEVEL),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{SubBody, read_composite};

    fn read(describe: &str) -> Result<Describe, Skip> {
        whole(describe).condensed
    }

    fn whole(describe: &str) -> Described {
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
            describe.names(),
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
    fn all_of_a_describe_is_kept() {
        let text = r#"{"name":"X","fields":[{"name":"Id","type":"id","label":"Ré \"1\""}],"more":{"a":[1,2.50]},"urls":null}"#;
        let packed = whole(&text.replace(",\"", " ,\n  \"")).packed;
        assert_eq!(String::from_utf8(unpack(&packed).unwrap()).unwrap(), text);
        assert_eq!(unpack(b"no deflate"), None);
    }

    #[test]
    fn the_form_of_values_comes_from_the_type() {
        let describe = read(
            r#"{"replicateable":true,"fields":[{"name":"Amount","type":"currency"},{"name":"Closed","type":"boolean"},
            {"name":"SystemModstamp","type":"datetime"},{"name":"Old","type":"anyType"},{"name":"Age","type":"double","calculated":true},
            {"name":"Notes","type":"textarea","extraTypeInfo":"richtextarea","htmlFormatted":true}]}"#,
        )
        .unwrap();
        let kinds: Vec<(Kind, bool)> = describe.fields.iter().map(|field| (field.kind, field.formula)).collect();
        let plain = |kind| (kind, false);
        assert_eq!(
            kinds,
            [
                plain(Kind::Number),
                plain(Kind::Boolean),
                plain(Kind::DateTime),
                plain(Kind::Any),
                (Kind::Number, true),
                plain(Kind::Text)
            ]
        );
        assert!(describe.replicated && describe.since && !describe.fits_csv());
        assert_eq!(describe.images, ["Notes"]);
    }

    #[test]
    fn describe_may_say_that_there_are_no_queries() {
        assert_eq!(read(r#"{"queryable":false,"fields":[]}"#), Err(Skip::NotQueryable));
    }
}
