//! Which columns a query selects, and a row's JSON with them.
//!
//! Rule: values are written by the org's own writer, so that a number keeps its digits; `attributes` comes first, then the
//! columns as selected, names in describe's spelling.

use crate::org::{Object, Org, OrgRow, Scan, Value, Viewer, write_json_string};

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// A field of the row.
    Field {
        /// Its index in the schema.
        index: usize,
        /// `"Name":`
        key: Vec<u8>,
    },
    /// An object with fields of the parent row.
    Parent {
        /// The reference field.
        reference: usize,
        /// `"Owner":`
        key: Vec<u8>,
        /// The columns for each object that the parent may be.
        targets: Vec<(String, Projection)>,
    },
    /// The name of the row's object, for polymorphic parents.
    TypeName,
}

impl Column {
    /// A field of the row.
    #[must_use]
    pub fn field(index: usize, name: &str) -> Self {
        Self::Field { index, key: key(name) }
    }
}

/// The columns of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// In the order selected.
    pub columns: Vec<Column>,
}

impl Projection {
    /// Adds a field by its path, which is known to be valid for at least one possible parent.
    pub fn add(&mut self, org: &Org, object: &Object, viewer: &Viewer, path: &[&str]) {
        match path {
            [] => {}
            [field] => {
                if let Some((index, field)) = object.field(viewer, field) {
                    self.columns.push(Column::field(index, &field.name));
                } else if field.eq_ignore_ascii_case("Type") {
                    self.columns.push(Column::TypeName);
                }
            }
            [relationship, rest @ ..] => {
                let Some((wanted, field)) = object.relationship(viewer, relationship) else {
                    return;
                };
                let parents: Vec<&Object> = field
                    .reference_to
                    .iter()
                    .filter_map(|n| org.visible_object(viewer, n))
                    .collect();
                let known = self
                    .columns
                    .iter()
                    .position(|c| matches!(c, Column::Parent { reference, .. } if *reference == wanted));
                let place = known.unwrap_or_else(|| {
                    let name = field.relationship_name.as_deref().unwrap_or(relationship);
                    let targets = parents.iter().map(|p| (p.name().to_owned(), Self::default())).collect();
                    self.columns.push(Column::Parent {
                        reference: wanted,
                        key: key(name),
                        targets,
                    });
                    self.columns.len() - 1
                });
                if let Column::Parent { targets, .. } = &mut self.columns[place] {
                    for ((_, projection), parent) in targets.iter_mut().zip(parents) {
                        projection.add(org, parent, viewer, rest);
                    }
                }
            }
        }
    }

    /// Every field of an object that a user sees, in describe's order.
    #[must_use]
    pub fn all_fields(object: &Object, viewer: &Viewer) -> Self {
        Self {
            columns: object
                .visible_fields(viewer)
                .map(|(index, field)| Column::field(index, &field.name))
                .collect(),
        }
    }

    /// The row's own fields in it.
    pub fn own_fields(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter_map(|c| {
            if let Column::Field { index, .. } = c {
                Some(*index)
            } else {
                None
            }
        })
    }

    /// Adds a row as JSON with `attributes`.
    pub fn write(&self, row: &OrgRow<'_>, org: &Org, viewer: &Viewer, version: &str, out: &mut Vec<u8>) {
        out.push(b'{');
        row.write_attributes(version, out);
        if !self.columns.is_empty() {
            out.push(b',');
        }
        self.write_columns(row, org, viewer, version, out);
        out.push(b'}');
    }

    /// Adds a row as JSON without `attributes` of its own.
    pub fn write_plain(&self, row: &OrgRow<'_>, org: &Org, viewer: &Viewer, version: &str, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_columns(row, org, viewer, version, out);
        out.push(b'}');
    }

    fn write_columns(&self, row: &OrgRow<'_>, org: &Org, viewer: &Viewer, version: &str, out: &mut Vec<u8>) {
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match column {
                Column::Field { index, key } => {
                    out.extend_from_slice(key);
                    row.write_value(*index, version, out);
                }
                Column::TypeName => {
                    out.extend_from_slice(b"\"Type\":");
                    write_json_string(out, row.object().name());
                }
                Column::Parent { reference, key, targets } => {
                    out.extend_from_slice(key);
                    let parent = match row.value(*reference) {
                        Value::Id(id) => org.row(viewer, Scan::QUERY_ALL, id),
                        _ => None,
                    };
                    let found = parent.and_then(|p| Some((targets.iter().find(|(n, _)| n == p.object().name())?, p)));
                    match found {
                        Some(((_, projection), parent)) => projection.write(&parent, org, viewer, version, out),
                        None => out.extend_from_slice(b"null"),
                    }
                }
            }
        }
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    write_json_string(&mut key, name);
    key.push(b':');
    key
}
