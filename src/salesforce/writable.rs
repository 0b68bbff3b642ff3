//! What an object's describe says about writing it.

use super::Bodies;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Serialize};

/// A field, as far as writing it goes. Fields that can neither be set nor are references aren't kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableField {
    /// API name.
    #[serde(rename = "n")]
    pub name: String,
    /// Can be set when a record is created.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Can be set later.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub update: bool,
    /// A record can't be created without.
    #[serde(rename = "q", default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// May be empty.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub nillable: bool,
    /// Objects that it refers to.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub refers_to: Vec<String>,
    /// Its values are unique within the object and can be looked up by.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub identifies: bool,
    /// Binary content, sent apart.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
    /// Classic encryption: users without *View Encrypted Data* read asterisks.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// Of a restricted picklist: the values that it takes, but for inactive ones. Empty: it takes any.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl WritableField {
    /// The first of these values that a restricted picklist doesn't take; several are told apart by semicolons.
    pub fn not_taken<'v>(&self, value: &'v str) -> Option<&'v str> {
        // Salesforce takes them in any case.
        let is_taken = |one: &&str| self.values.iter().any(|value| value.eq_ignore_ascii_case(one));
        if self.values.is_empty() || is_taken(&value) {
            return None;
        }
        value.split(';').find(|one| !is_taken(one))
    }
}

/// What an object's describe says about writing it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writable {
    /// Records can be created.
    pub createable: bool,
    /// Records can be changed.
    pub updateable: bool,
    /// Fields that matter, in the org's order.
    pub fields: Vec<WritableField>,
    /// Fields of the snapshot that can't be set (any more).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostField>,
}

/// A field of the snapshot that can't be set (any more).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostField {
    /// API name.
    #[serde(rename = "n")]
    pub name: String,
    /// It could be set when a record was created.
    #[serde(rename = "c")]
    pub create: bool,
    /// It could be set later.
    #[serde(rename = "u")]
    pub update: bool,
}

impl Writable {
    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&WritableField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Of a describe as one JSON object; `None` where it is none.
    pub fn of_describe(describe: &[u8]) -> Option<Writable> {
        serde_json::from_slice::<RawObject>(describe).ok().map(Into::into)
    }
}

#[derive(Deserialize)]
struct RawObject {
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawField {
    name: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    createable: bool,
    #[serde(default)]
    updateable: bool,
    #[serde(default)]
    nillable: bool,
    #[serde(default)]
    defaulted_on_create: bool,
    #[serde(default)]
    reference_to: Vec<String>,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    restricted_picklist: bool,
    #[serde(default)]
    picklist_values: Vec<RawPicklistValue>,
}

#[derive(Deserialize)]
struct RawPicklistValue {
    value: String,
    #[serde(default)]
    active: bool,
}

impl From<RawObject> for Writable {
    fn from(raw: RawObject) -> Writable {
        let kept = |field: &RawField| {
            let compound = matches!(field.kind.as_str(), "address" | "location");
            !compound && (field.createable || field.updateable || field.kind == "reference")
        };
        let field = |field: RawField| WritableField {
            // A flag is never empty, and is false where it isn't set.
            required: field.createable && !field.nillable && !field.defaulted_on_create && field.kind != "boolean",
            identifies: field.external_id && field.unique,
            binary: field.kind == "base64",
            masked: field.kind == "encryptedstring",
            values: match field.restricted_picklist {
                true => {
                    let active = field.picklist_values.into_iter().filter(|value| value.active);
                    active.map(|value| value.value).collect()
                }
                false => Vec::new(),
            },
            create: field.createable,
            update: field.updateable,
            nillable: field.nillable,
            refers_to: field.reference_to,
            name: field.name,
        };
        Writable {
            createable: raw.createable,
            updateable: raw.updateable,
            fields: raw.fields.into_iter().filter(kept).map(field).collect(),
            lost: Vec::new(),
        }
    }
}

/// Reads the describes of a composite answer.
pub struct WritableBodies;

impl Bodies for WritableBodies {
    type Body = Writable;

    fn read<'de, M: MapAccess<'de>>(&mut self, _: usize, body: M) -> Result<Writable, M::Error> {
        RawObject::deserialize(MapAccessDeserializer::new(body)).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_describe_says_about_writing_is_kept() {
        let writable = Writable::of_describe(
            br#"{"name":"X","createable":true,"updateable":true,"fields":[
            {"name":"Id","type":"id","nillable":false},
            {"name":"Name","type":"string","createable":true,"updateable":true,"nillable":false},
            {"name":"Active","type":"boolean","createable":true,"updateable":true,"nillable":false},
            {"name":"Number","type":"string","nillable":false,"defaultedOnCreate":true,"autoNumber":true},
            {"name":"Parent","type":"reference","createable":true,"nillable":false,"referenceTo":["Y"],"cascadeDelete":true},
            {"name":"CreatedById","type":"reference","referenceTo":["User"],"nillable":false},
            {"name":"Key__c","type":"string","createable":true,"updateable":true,"nillable":true,"externalId":true,"unique":true},
            {"name":"Kind__c","type":"multipicklist","createable":true,"updateable":true,"nillable":true,"restrictedPicklist":true,
             "picklistValues":[{"value":"A","active":true},{"value":"B","active":true},{"value":"C","active":false}]},
            {"name":"Open__c","type":"picklist","createable":true,"nillable":true,"picklistValues":[{"value":"A","active":true}]},
            {"name":"Address","type":"address","createable":true},
            {"name":"Body","type":"base64","createable":true,"nillable":false}]}"#,
        )
        .unwrap();
        let names: Vec<&str> = writable.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Name",
                "Active",
                "Parent",
                "CreatedById",
                "Key__c",
                "Kind__c",
                "Open__c",
                "Body"
            ]
        );
        assert!(writable.field("Name").unwrap().required && !writable.field("Active").unwrap().required);
        let parent = writable.field("Parent").unwrap();
        assert!(parent.create && !parent.update && parent.required);
        assert_eq!(parent.refers_to, ["Y"]);
        assert!(writable.field("Key__c").unwrap().identifies && writable.field("Body").unwrap().binary);
        assert_eq!(Writable::of_describe(b"[]"), None);
        let not_taken = |field: &str, value: &'static str| writable.field(field).unwrap().not_taken(value);
        assert_eq!(not_taken("Open__c", "anything"), None);
        assert_eq!(
            [not_taken("Kind__c", "A;b"), not_taken("Kind__c", "A;C;D")],
            [None, Some("C")]
        );
    }
}
