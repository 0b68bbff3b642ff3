//! The fields of a record as a client sent them, kept as they were written: a number stays its digits.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::org::Blob;

/// One sent value.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's digits.
    Number(String),
    /// A text.
    Text(String),
    /// An object, as `"Account": {"Key__c": "x"}` refers to a parent by external id.
    Nested(SentFields),
    /// The bytes of a part of a multipart request.
    File(Blob),
    /// An array, which no field takes; its JSON.
    List(String),
}

/// Names and values in the order sent. `attributes` is among them, where it was sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SentFields(Vec<(String, Sent)>);

impl SentFields {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Where the text is no JSON object.
    pub fn parse(json: &str) -> Result<SentFields, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The value of a field, by its name in any case.
    pub fn get(&self, name: &str) -> Option<&Sent> {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Sent> {
        let at = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(self.0.remove(at).1)
    }

    /// Sets a field, in place where it was sent already.
    pub fn set(&mut self, name: &str, value: Sent) {
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// All of them, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sent)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What `attributes.type` says.
    pub fn attributes_type(&self) -> Option<&str> {
        match self.get("attributes")? {
            Sent::Nested(attributes) => match attributes.get("type")? {
                Sent::Text(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromIterator<(String, Sent)> for SentFields {
    fn from_iter<I: IntoIterator<Item = (String, Sent)>>(fields: I) -> SentFields {
        SentFields(fields.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for SentFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SentFields, D::Error> {
        struct Fields;
        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = SentFields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object of fields")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<SentFields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(SentFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sent, D::Error> {
        use serde::de::Error;
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Sent::Null,
            Some(b't') => Sent::Bool(true),
            Some(b'f') => Sent::Bool(false),
            Some(b'"') => Sent::Text(serde_json::from_str(text).map_err(D::Error::custom)?),
            Some(b'{') => Sent::Nested(serde_json::from_str(text).map_err(D::Error::custom)?),
            Some(b'[') => Sent::List(text.to_owned()),
            _ => Sent::Number(text.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_keep_every_digit_that_was_sent() {
        let fields = SentFields::parse(r#"{"A":1234567890123456.78,"b":999999999999999999,"C":1.50,"D":"x"}"#).unwrap();
        assert_eq!(fields.get("a"), Some(&Sent::Number("1234567890123456.78".into())));
        assert_eq!(fields.get("B"), Some(&Sent::Number("999999999999999999".into())));
        assert_eq!(fields.get("c"), Some(&Sent::Number("1.50".into())));
    }

    #[test]
    fn the_type_is_read_from_attributes() {
        let fields = SentFields::parse(r#"{"attributes":{"type":"Account"},"Name":"A","Parent":{"Key__c":"k"}}"#).unwrap();
        assert_eq!(fields.attributes_type(), Some("Account"));
        assert!(matches!(fields.get("Parent"), Some(Sent::Nested(_))));
    }
}
