//! What a write sends, checked against the object's fields and brought into the form that rows keep.
//!
//! Nothing here changes a row: the answer is the values to store, or what is wrong with them, in Salesforce's words.

use std::collections::BTreeMap;

use base64::Engine as _;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike as _, Utc};

use crate::org::{
    Blob, Field, FieldType, Object, Org, RecordId, Scan, Sent, SentFields, Value, Viewer, WriteError,
    write::{RowValues, locked},
};

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
        self.check_person(object, fields, own)?;
        let is_person = self.is_person(object, fields, own) == Some(true);
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
            let is_writable = match act {
                Act::Create => object.takes_at_create(viewer, field),
                Act::Update => field.updateable,
            };
            if !is_writable {
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
            // A person's name is made of others.
            .filter(|(_, field)| !(is_person && field.name == "Name"))
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
            let mut written = object.table.written_with_key(*index, &value.to_plain());
            if let Some(other) = written.find(|ordinal| object.table.is_uncommitted(*ordinal)) {
                return Err(locked(&[object.table.ids.id(other)]));
            }
        }
        self.check_owner(viewer, object, &values)?;
        check_record_type(object, &values)?;
        check_audit_dates(object, &values)?;
        Ok(values)
    }

    /// Records are given to active users alone, without a permission.
    fn check_owner(&self, viewer: &Viewer, object: &Object, values: &RowValues) -> Result<(), WriteError> {
        let sent = object.field_index("OwnerId").and_then(|index| values.get(&index));
        let (Some(Value::Id(owner)), false) = (sent, viewer.update_inactive_owners) else {
            return Ok(());
        };
        if self.value_at(*owner, "IsActive") == Value::Bool(false) {
            let name = object.name();
            let message = format!(
                "operation performed with inactive user [{owner}] as owner of {}",
                name.to_lowercase()
            );
            return Err(WriteError::new("INACTIVE_OWNER_OR_USER", message, &["OwnerId"]));
        }
        Ok(())
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
    pub(super) fn converted(&self, viewer: &Viewer, field: &Field, sent: &Sent) -> Result<Value, WriteError> {
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
            Sent::File(body) if field.kind == FieldType::Base64 => return Ok(Value::Blob(body.clone())),
            Sent::Bool(value) if field.kind == FieldType::Boolean => return Ok(Value::Bool(*value)),
            Sent::Number(digits) | Sent::Text(digits) if field.kind.is_number() => {
                let numeric = digits.parse::<f64>().is_ok_and(f64::is_finite);
                return match numeric {
                    _ if digits.is_empty() => Ok(Value::Null),
                    true => in_range(field, digits),
                    false => Err(of_wrong_type()),
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
            None if target.row(&self.administrator(), Scan::QUERY, id).is_some() => {
                let message = format!("insufficient access rights on cross-reference id: {id}");
                Err(WriteError::new("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message, &[]))
            }
            None => Err(invalid_cross_reference_of(&field.name)),
        }
    }
}

/// A number that its field has places for.
fn in_range(field: &Field, digits: &str) -> Result<Value, WriteError> {
    let places = if field.kind == FieldType::Int {
        field.digits
    } else {
        field.precision.saturating_sub(field.scale)
    };
    let bound = Value::Number(format!("1{}", "0".repeat(places as usize)));
    let size = Value::Number(digits.trim_start_matches(['-', '+']).to_owned());
    if places > 0 && size.compare(&bound) != Some(std::cmp::Ordering::Less) {
        let message = format!("{}: value outside of valid range on numeric field: {digits}", field.label);
        return Err(WriteError::new("NUMBER_OUTSIDE_VALID_RANGE", message, &[&field.name]));
    }
    Ok(Value::Number(digits.to_owned()))
}

/// The record type is one of the object's.
fn check_record_type(object: &Object, values: &RowValues) -> Result<(), WriteError> {
    let sent = object.field_index("RecordTypeId").and_then(|index| values.get(&index));
    let Some(Value::Id(id)) = sent else { return Ok(()) };
    if object.schema.record_types.iter().any(|own| own.id == *id) {
        return Ok(());
    }
    let message = format!("Record Type ID: this ID value isn't valid for the user: {id}");
    Err(WriteError::new("INVALID_CROSS_REFERENCE_KEY", message, &["RecordTypeId"]))
}

/// Dates of creation and change that were given are in their order.
fn check_audit_dates(object: &Object, values: &RowValues) -> Result<(), WriteError> {
    let at = |field: &str| object.field_index(field).and_then(|index| values.get(&index));
    if let (Some(Value::DateTime(created)), Some(Value::DateTime(changed))) = (at("CreatedDate"), at("LastModifiedDate"))
        && changed < created
    {
        let message = "LastModifiedDate must not be before CreatedDate";
        return Err(WriteError::new("FIELD_INTEGRITY_EXCEPTION", message, &["LastModifiedDate"]));
    }
    Ok(())
}

fn describe(sent: &Sent) -> String {
    match sent {
        Sent::Null => "null".to_owned(),
        Sent::Bool(value) => format!("VALUE_{}", value.to_string().to_uppercase()),
        Sent::Number(digits) => format!("VALUE_NUMBER {digits}"),
        Sent::Text(text) => format!("VALUE_STRING {text}"),
        Sent::Nested(_) | Sent::File(_) => "START_OBJECT".to_owned(),
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
