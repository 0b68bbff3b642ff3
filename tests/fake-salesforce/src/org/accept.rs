//! What a write sends, checked against the object's fields and brought into the form that rows keep.
//!
//! Nothing here changes a row: the answer is the values to store, or what is wrong with them, in Salesforce's words.

use std::collections::BTreeMap;

use base64::Engine as _;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike as _, Utc};

use crate::org::{Blob, Field, FieldType, Object, Org, RecordId, Scan, Sent, SentFields, Value, Viewer, WriteError};

/// What a write does, for the checks that differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Create,
    Update,
}

impl Org {
    /// Checks what was sent and gives the values to store.
    pub(crate) fn checked_values(
        &self,
        viewer: &Viewer,
        object: &Object,
        fields: &SentFields,
        act: Act,
        own: Option<RecordId>,
    ) -> Result<BTreeMap<usize, Value>, WriteError> {
        let mut values = BTreeMap::new();
        let mut unwritable = Vec::new();
        for (name, sent) in fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("attributes")) {
            if let Sent::Nested(key) = sent {
                let (index, id) = self.by_external_key(viewer, object, name, key)?;
                values.insert(index, Value::Id(id));
                continue;
            }
            let (index, field) = object.field(viewer, name).ok_or_else(|| no_such_column(object, name))?;
            if act == Act::Update && field.kind == FieldType::Id {
                continue;
            }
            if !(if act == Act::Create {
                field.createable
            } else {
                field.updateable
            }) {
                unwritable.push(field.name.as_str());
                continue;
            }
            values.insert(index, self.converted(viewer, field, sent)?);
        }
        if !unwritable.is_empty() {
            let list = unwritable.join(", ");
            let message = format!(
                "Unable to create/update fields: {list}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
            );
            return Err(WriteError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &unwritable));
        }
        let schema_fields = object.schema.fields.iter().enumerate();
        let missing: Vec<&str> = schema_fields
            .filter(|(index, field)| match values.get(index) {
                None => act == Act::Create && field.required(),
                Some(value) => value.is_null() && !field.nillable && !(act == Act::Create && field.defaulted_on_create),
            })
            .map(|(_, field)| field.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(WriteError::new("REQUIRED_FIELD_MISSING", message, &missing));
        }
        for (index, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            let field = &object.schema.fields[*index];
            if !field.unique {
                continue;
            }
            let others = self.rows_with_key(&self.administrator(), object.name(), &field.name, &value.to_plain());
            if let Some(other) = others.into_iter().find(|other| Some(*other) != own) {
                let message = format!(
                    "duplicate value found: {} duplicates value on record with id: {}",
                    field.name,
                    other.as_15()
                );
                return Err(WriteError::new("DUPLICATE_VALUE", message, &[]));
            }
        }
        Ok(values)
    }

    /// The parent that `"Account": {"Key__c": "x"}` means.
    fn by_external_key(
        &self,
        viewer: &Viewer,
        object: &Object,
        name: &str,
        key: &SentFields,
    ) -> Result<(usize, RecordId), WriteError> {
        let (index, field) = object
            .relationship(viewer, name)
            .ok_or_else(|| no_such_column(object, name))?;
        let said = key.attributes_type();
        let parent = field
            .reference_to
            .iter()
            .find(|to| said.is_none_or(|said| said.eq_ignore_ascii_case(to)));
        let sent = key.iter().find(|(name, _)| !name.eq_ignore_ascii_case("attributes"));
        let (Some(parent), Some((key_field, Sent::Text(value) | Sent::Number(value)))) = (parent, sent) else {
            return Err(WriteError::new(
                "INVALID_FIELD",
                format!("No external id given for relationship {name}"),
                &[name],
            ));
        };
        match self.row_to_upsert(viewer, parent, key_field, value) {
            Ok(Some(id)) => Ok((index, id)),
            _ => {
                let message = format!(
                    "Foreign key external ID: {} not found for field {key_field} in entity {parent}",
                    value.to_lowercase()
                );
                Err(WriteError::new("INVALID_FIELD", message, &[]))
            }
        }
    }

    /// A sent value as the field's type keeps it.
    fn converted(&self, viewer: &Viewer, field: &Field, sent: &Sent) -> Result<Value, WriteError> {
        let of_wrong_type = || {
            let message = format!(
                "Cannot deserialize instance of {} from {} value",
                field.kind.name(),
                describe(sent)
            );
            WriteError::new("JSON_PARSER_ERROR", message, &[])
        };
        let text = match sent {
            Sent::Null => {
                return Ok(if field.kind == FieldType::Boolean {
                    Value::Bool(false)
                } else {
                    Value::Null
                });
            }
            Sent::Bool(value) if field.kind == FieldType::Boolean => return Ok(Value::Bool(*value)),
            Sent::Number(digits) | Sent::Text(digits) if field.kind.is_number() => {
                let numeric = digits.parse::<f64>().is_ok_and(f64::is_finite);
                return if numeric {
                    Ok(Value::Number(digits.clone()))
                } else {
                    Err(of_wrong_type())
                };
            }
            Sent::Text(text) => text,
            Sent::Number(digits) if field.kind.is_text() => digits,
            _ => return Err(of_wrong_type()),
        };
        if text.is_empty() {
            return Ok(Value::Null);
        }
        match field.kind {
            FieldType::Boolean => text.parse().map(Value::Bool).map_err(|_| of_wrong_type()),
            FieldType::Date => NaiveDate::parse_from_str(text.get(..10).unwrap_or(text), "%Y-%m-%d")
                .map(Value::Date)
                .map_err(|_| of_wrong_type()),
            FieldType::Datetime => moment(text).map(Value::DateTime).ok_or_else(of_wrong_type),
            FieldType::Time => time_of_day(text).map(Value::Time).ok_or_else(of_wrong_type),
            FieldType::Base64 => {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .map_err(|_| of_wrong_type())?;
                Ok(Value::Blob(Blob::Stored(bytes.into())))
            }
            FieldType::Reference | FieldType::Id => self.reference(viewer, field, text),
            FieldType::Picklist if field.restricted_picklist && !field.picklist.iter().any(|entry| entry.value == *text) => {
                let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
                Err(WriteError::new(
                    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    message,
                    &[&field.name],
                ))
            }
            _ if text.chars().count() > field.length as usize => {
                let head: String = text.chars().take(255).collect();
                let message = format!("{}: data value too large: {head} (max length={})", field.label, field.length);
                Err(WriteError::new("STRING_TOO_LONG", message, &[&field.name]))
            }
            _ => Ok(Value::Text(text.clone())),
        }
    }

    fn reference(&self, viewer: &Viewer, field: &Field, text: &str) -> Result<Value, WriteError> {
        let malformed = || {
            WriteError::new(
                "MALFORMED_ID",
                format!("{}: id value of incorrect type: {text}", field.label),
                &[&field.name],
            )
        };
        let id: RecordId = text.parse().map_err(|_| malformed())?;
        let target = self
            .object_of(id)
            .filter(|target| field.reference_to.iter().any(|to| to == target.name()))
            .ok_or_else(malformed)?;
        match target.row(viewer, Scan::QUERY_ALL, id) {
            Some(row) if row.is_deleted() => Err(WriteError::new("ENTITY_IS_DELETED", "entity is deleted", &[])),
            Some(_) => Ok(Value::Id(id)),
            None => Err(invalid_cross_reference_of(&field.name)),
        }
    }
}

fn describe(sent: &Sent) -> String {
    match sent {
        Sent::Null => "null".to_owned(),
        Sent::Bool(value) => format!("VALUE_{}", value.to_string().to_uppercase()),
        Sent::Number(digits) => format!("VALUE_NUMBER {digits}"),
        Sent::Text(text) => format!("VALUE_STRING {text}"),
        Sent::Nested(_) => "START_OBJECT".to_owned(),
        Sent::List(_) => "START_ARRAY".to_owned(),
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    // REST prints the offset without a colon, people write it with one, or `Z`.
    let read = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    let at = read.ok()?.to_utc();
    DateTime::from_timestamp(at.timestamp(), 0) // Salesforce keeps whole seconds
}

fn time_of_day(text: &str) -> Option<u32> {
    let time = NaiveTime::parse_from_str(text.trim_end_matches('Z'), "%H:%M:%S%.f").ok()?;
    Some(time.num_seconds_from_midnight() * 1000 + time.nanosecond() / 1_000_000)
}

fn no_such_column(object: &Object, name: &str) -> WriteError {
    WriteError::new(
        "INVALID_FIELD",
        format!("No such column '{name}' on sobject of type {}", object.name()),
        &[],
    )
}

fn invalid_cross_reference_of(field: &str) -> WriteError {
    WriteError::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[field])
}
