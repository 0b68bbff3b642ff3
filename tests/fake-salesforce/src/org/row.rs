//! One row as one user sees it, its values computed only when asked for.

use chrono::{DateTime, Utc};

use crate::org::{
    field::Field,
    object::Object,
    record_id::RecordId,
    table::{RowState, StoredRow},
    value::{Blob, Value, write_json_string},
    viewer::Viewer,
};

/// Which rows a read takes besides the live ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Rows in the recycle bin.
    pub deleted: bool,
    /// Archived activities.
    pub archived: bool,
}

impl Scan {
    /// What `query` reads.
    pub const QUERY: Scan = Scan {
        deleted: false,
        archived: false,
    };
    /// What `queryAll` reads.
    pub const QUERY_ALL: Scan = Scan {
        deleted: true,
        archived: true,
    };
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct OrgRow<'a> {
    pub(crate) object: &'a Object,
    pub(crate) viewer: &'a Viewer,
    pub(crate) ordinal: u64,
    pub(crate) stored: Option<&'a StoredRow>,
}

impl<'a> OrgRow<'a> {
    /// The object.
    pub fn object(&self) -> &'a Object {
        self.object
    }

    /// The place in the table: rises with the Id, unique also where Ids are not.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// The Id as the API shows it: the empty one for objects without unique Ids.
    pub fn id(&self) -> RecordId {
        if self.object.schema.behaviour.shared_id {
            RecordId::EMPTY
        } else {
            self.object.table.ids.id(self.ordinal)
        }
    }

    pub(crate) fn state(&self) -> RowState {
        self.object.table.state(self.ordinal, self.stored)
    }

    /// Whether it is in the recycle bin.
    pub fn is_deleted(&self) -> bool {
        self.state() != RowState::Live
    }

    /// Whether it is archived.
    pub fn is_archived(&self) -> bool {
        self.object.table.is_archived(self.ordinal)
    }

    /// When it was last touched, by people or by the system. Rows without a stamp count from their creation.
    pub fn system_modstamp(&self) -> DateTime<Utc> {
        self.object.table.system_modstamp(self.ordinal, self.stored)
    }

    /// The value of a field, by its index in the schema. Encrypted texts are masked where the user may not see them.
    pub fn value(&self, field: usize) -> Value {
        let schema = &self.object.schema.fields[field];
        let value = self.unmasked(field, schema);
        match value {
            Value::Text(text) if schema.encrypted && !self.viewer.view_encrypted_data => {
                Value::Text("*".repeat(text.chars().count()))
            }
            other => other,
        }
    }

    fn unmasked(&self, index: usize, field: &Field) -> Value {
        match self.stored.and_then(|row| row.values.get(&index)) {
            Some(value) => value.clone(),
            None => field.shape.value(self, index, field),
        }
    }

    /// The value of a field by its name in any case; null where there is no such field.
    pub fn value_of(&self, field: &str) -> Value {
        self.object.field_index(field).map_or(Value::Null, |index| self.value(index))
    }

    /// The body that a base64 field holds.
    pub fn blob(&self, field: usize) -> Option<Blob> {
        match self.value(field) {
            Value::Blob(blob) => Some(blob),
            _ => None,
        }
    }

    /// `/services/data/vXX.X/sobjects/Object/Id`; `version` is `v62.0`.
    pub fn path(&self, version: &str) -> String {
        format!("/services/data/{version}/sobjects/{}/{}", self.object.name(), self.id())
    }

    /// Adds `"attributes":{"type":…,"url":…}`.
    pub fn write_attributes(&self, version: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"attributes\":{\"type\":");
        write_json_string(out, self.object.name());
        out.extend_from_slice(b",\"url\":");
        write_json_string(out, &self.path(version));
        out.push(b'}');
    }

    /// Adds the value of a field as JSON, without its name.
    pub fn write_value(&self, field: usize, version: &str, out: &mut Vec<u8>) {
        let body_path = || format!("{}/{}", self.path(version), self.object.schema.fields[field].name);
        self.value(field).write_json(out, body_path);
    }

    /// Adds the whole row `{"attributes":…,"Name":…}` with these fields.
    pub fn write_json(&self, fields: &[usize], version: &str, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_attributes(version, out);
        for field in fields {
            out.push(b',');
            write_json_string(out, &self.object.schema.fields[*field].name);
            out.push(b':');
            self.write_value(*field, version, out);
        }
        out.push(b'}');
    }
}
