//! Makes the row that is stored of a record as a query gave it.
//!
//! The body is the record without `attributes` and without blanks between its tokens, its fields in their order, each value in
//! the form that [`super::value`] gives it. Which key a row gets depends on the row alone.

use super::value;
use crate::host::Row;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{borrow::Cow, fmt};

/// The Id that rows of objects without one have.
pub const NO_ID: &str = "000000000000000AAA";

/// The most bytes of a key.
const MAX_KEY: usize = 255;

/// How an object's rows are keyed and dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The field that holds the time of the last modification.
    pub revision: Option<&'a str>,
    /// Ids of this object are not unique: the key gets a hash of the body too.
    pub hashed: bool,
}

/// A record made ready to be stored, and the values that a cursor can go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The row.
    pub row: Row,
    /// Its Id, where it has one of its own.
    pub id: Option<String>,
    /// Its DurableId, where it has one.
    pub durable_id: Option<String>,
}

/// Makes a record's row.
pub fn row(record: &str, shape: Shape<'_>) -> Result<Extracted, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(record);
    let parts = de::Deserializer::deserialize_map(
        &mut json,
        Record {
            revision: shape.revision,
            room: record.len(),
        },
    )?;
    let id = parts.id.filter(|id| !id.is_empty() && id != NO_ID);
    let durable_id = parts.durable.filter(|d| !d.is_empty());
    let name = durable_id.clone().or_else(|| id.clone());
    let key = match name {
        Some(name) if !shape.hashed && name.len() <= MAX_KEY => name,
        Some(name) if name.len() <= 100 => format!("{name}-{}", hash(&parts.body)),
        _ => hash(&parts.body),
    };
    Ok(Extracted {
        row: Row {
            key,
            revision: parts.revision,
            body: parts.body,
        },
        id,
        durable_id,
    })
}

/// 128 bits of SHA-256 in hex.
fn hash(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

struct Parts {
    id: Option<String>,
    durable: Option<String>,
    revision: u64,
    body: Vec<u8>,
}

struct Record<'a> {
    revision: Option<&'a str>,
    room: usize,
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Parts, M::Error> {
        let mut parts = Parts {
            id: None,
            durable: None,
            revision: 0,
            body: Vec::with_capacity(self.room),
        };
        parts.body.push(b'{');
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let value: &RawValue = map.next_value()?;
            let (name, value) = (name.0.as_ref(), value.get());
            if name == "attributes" {
                continue;
            }
            match name {
                "Id" => parts.id = text(value),
                "DurableId" => parts.durable = text(value),
                _ => {}
            }
            if self.revision == Some(name) {
                parts.revision = text(value).as_deref().and_then(milliseconds).unwrap_or(0);
            }
            if parts.body.len() > 1 {
                parts.body.push(b',');
            }
            serde_json::to_writer(&mut parts.body, name).map_err(de::Error::custom)?;
            parts.body.push(b':');
            value::write_json(&mut parts.body, value);
        }
        parts.body.push(b'}');
        Ok(parts)
    }
}

/// A field's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> de::Deserialize<'de> for Name<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The text of a JSON string; `None` for everything else.
pub(super) fn text(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// `2026-01-02T03:04:05.000+0000` (REST) or `…Z` (bulk), in milliseconds since 1970; `None` before that.
pub(super) fn milliseconds(datetime: &str) -> Option<u64> {
    let parsed = chrono::DateTime::parse_from_str(datetime, "%Y-%m-%dT%H:%M:%S%.f%z")
        .or_else(|_| chrono::DateTime::parse_from_rfc3339(datetime))
        .ok()?;
    u64::try_from(parsed.timestamp_millis()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const BY_STAMP: Shape<'static> = Shape {
        revision: Some("SystemModstamp"),
        hashed: false,
    };

    fn made(record: &str) -> (Row, Option<String>, String) {
        let Extracted { row, id, .. } = row(record, BY_STAMP).unwrap();
        let body = String::from_utf8(row.body.clone()).unwrap();
        (row, id, body)
    }

    #[test]
    fn digits_order_and_text_are_kept() {
        let record = r#"{ "attributes" : { "type":"X", "url":"/a" }, "Id":"001", "Long":123456789012345678, "Exp" : 1.6147805824397E13,
            "Zero": 1.10, "Text":"a\u00e9\n \"b\" {", "Addr": { "city" : "a  b", "n" : [ 1 , 2 ] }, "None":null,
            "SystemModstamp":"2023-10-22T06:25:12.123+0000" }"#;
        let (row, id, body) = made(record);
        assert_eq!((row.key.as_str(), id.as_deref()), ("001", Some("001")));
        assert_eq!(row.revision, 1_697_955_912_123);
        assert_eq!(
            body,
            r#"{"Id":"001","Long":123456789012345678,"Exp":16147805824397,"Zero":1.1,"Text":"aé\n \"b\" {","Addr":{"city":"a  b","n":[1,2]},"None":null,"SystemModstamp":"2023-10-22T06:25:12.123+0000"}"#
        );
    }

    #[test]
    fn rows_without_an_id_of_their_own_are_keyed_by_durable_id_or_by_what_they_say() {
        let (row, id, _) = made(r#"{"Id":"000000000000000AAA","DurableId":"standard__Sales"}"#);
        assert_eq!((row.key.as_str(), id), ("standard__Sales", None));
        let (one, _, _) = made(r#"{"Id":"000000000000000AAA","Name":"a"}"#);
        let (again, _, _) = made(r#"{ "Id" : "000000000000000AAA", "Name" : "a" }"#);
        let (other, _, _) = made(r#"{"Id":"000000000000000AAA","Name":"b"}"#);
        assert_eq!(one.key, again.key);
        assert_ne!(one.key, other.key);
    }

    #[test]
    fn repeated_ids_are_told_apart_by_what_the_rows_say() {
        let shape = Shape {
            revision: None,
            hashed: true,
        };
        let a = row(r#"{"Id":"x","N":1}"#, shape).unwrap().row;
        let b = row(r#"{"Id":"x","N":2}"#, shape).unwrap().row;
        assert!(a.key.starts_with("x-") && b.key.starts_with("x-") && a.key != b.key);
    }

    #[test]
    fn what_is_no_time_is_no_revision() {
        for stamp in ["null", "\"\"", "\"yesterday\"", "17", "\"1960-01-01T00:00:00.000+0000\""] {
            assert_eq!(made(&format!(r#"{{"Id":"1","SystemModstamp":{stamp}}}"#)).0.revision, 0);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn any_record_keeps_its_values_on_one_line(fields in prop::collection::btree_map(any::<String>(), any_json(), 0..6), id in "[a-zA-Z0-9]{18}") {
            let mut record: serde_json::Map<String, Value> = fields.into_iter().collect();
            record.insert("Id".into(), id.clone().into());
            record.remove("DurableId");
            record.insert("attributes".into(), serde_json::json!({"type": "X"}));
            let pretty = serde_json::to_string_pretty(&record).unwrap();
            let row = row(&pretty, BY_STAMP).unwrap().row;
            prop_assert!(!row.body.contains(&b'\n') && !row.body.contains(&b'\r'));
            record.remove("attributes");
            prop_assert_eq!(serde_json::from_slice::<Value>(&row.body).unwrap(), Value::Object(record));
            prop_assert_eq!(row.key, id);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = row(&text, BY_STAMP);
        }
    }
}
