//! What is true: the rows of an object as lines of JSON, past the API, its quota and its faults.
//!
//! Rule: a line has the very bytes of the REST record with the same fields, without its `attributes`.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use crate::org::{Blob, FieldType, Org, RecordId, Scan, Viewer};
use crate::rest::answer::SharedOrg;
use crate::soql::Projection;

/// Bytes of one piece.
const PIECE_BYTES: usize = 128 * 1024;

/// Which rows and fields are wanted.
#[derive(Clone, Debug)]
pub struct OracleQuery {
    /// Rows besides live ones.
    pub scan: Scan,
    /// Fields, relationship fields too; none means all that the user sees.
    pub fields: Option<Vec<String>>,
    /// The version in paths of blobs.
    pub version: String,
}

impl Default for OracleQuery {
    fn default() -> Self {
        Self {
            scan: Scan::QUERY,
            fields: None,
            version: "v62.0".to_owned(),
        }
    }
}

/// The lines, a piece at a time, by Id upwards.
pub struct OracleLines {
    org: SharedOrg,
    viewer: Arc<Viewer>,
    object: String,
    projection: Projection,
    scan: Scan,
    version: String,
    next: Option<u64>,
}

impl OracleLines {
    /// The lines of an object; none where there's no such object.
    #[must_use]
    pub fn new(org: SharedOrg, viewer: Arc<Viewer>, object: &str, wanted: &OracleQuery) -> Self {
        let mut projection = Projection::default();
        {
            let org = org.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(object) = org.object(object) {
                match &wanted.fields {
                    None => projection = Projection::all_fields(object, &viewer),
                    Some(names) => {
                        for name in names {
                            projection.add(&org, object, &viewer, &name.split('.').collect::<Vec<_>>());
                        }
                    }
                }
            }
        }
        Self {
            org,
            viewer,
            object: object.to_owned(),
            projection,
            scan: wanted.scan,
            version: wanted.version.clone(),
            next: Some(0),
        }
    }

    /// The next piece.
    pub fn next_bytes(&mut self) -> Option<Bytes> {
        let from = self.next.take()?;
        let org = self.org.read().unwrap_or_else(PoisonError::into_inner);
        let object = org.object(&self.object)?;
        let mut out = Vec::new();
        for row in object.rows_from(&self.viewer, self.scan, from) {
            self.projection.write_plain(&row, &org, &self.viewer, &self.version, &mut out);
            out.push(b'\n');
            if out.len() >= PIECE_BYTES {
                self.next = Some(row.ordinal() + 1);
                break;
            }
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// The body that a row's field holds, whoever may see it.
#[must_use]
pub fn body(org: &Org, object: &str, id: RecordId, field: &str) -> Option<Blob> {
    let everybody = org.administrator();
    let object = org.object(object)?;
    object.row(&everybody, Scan::QUERY_ALL, id)?.blob(object.field_index(field)?)
}

/// Every body of an object's live rows as a line of JSON: id, field, length and MD5.
#[must_use]
pub fn bodies(org: &Org, viewer: &Viewer, object: &str) -> String {
    let Some(object) = org.object(object) else {
        return String::new();
    };
    let fields: Vec<_> = object
        .visible_fields(viewer)
        .filter(|(_, f)| f.kind == FieldType::Base64)
        .collect();
    let mut lines = String::new();
    for row in object.rows(viewer, Scan::QUERY) {
        for (index, field) in &fields {
            if let Some(blob) = row.blob(*index) {
                let line = serde_json::json!({
                    "id": row.id(), "field": field.name, "length": blob.length(), "md5": blob.md5()
                });
                lines.push_str(&line.to_string());
                lines.push('\n');
            }
        }
    }
    lines
}
