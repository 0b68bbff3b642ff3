//! Changes of definitions, as an administrator of the org makes them: a field more, a field less, an object more.
//!
//! Rule: each change moves the object's `definition_changed`, which conditional describes and `EntityDefinition` tell, by at least a
//! second, since both tell whole seconds. Rows' stamps stay, as in a real org.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::org::{
    Org, Value,
    generate::{self, Shape, new_field},
    spec::ObjectSpec,
    table::StoredRow,
};

/// A field to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewField {
    /// API name.
    pub name: String,
    /// Type: text, area, rich-text, number, checkbox, date, datetime, picklist or formula.
    pub kind: String,
    /// Percent of the rows there are that have a value at once, without their stamps moving: as of a formula, or a default.
    pub filled: u8,
}

/// Why a definition isn't changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No such object.
    #[error("there is no object `{0}`")]
    NoObject(String),
    /// The name is taken.
    #[error("there is an object `{0}` already")]
    ObjectExists(String),
    /// No such field.
    #[error("`{object}` has no field `{field}`")]
    NoField {
        /// The object.
        object: String,
        /// The field.
        field: String,
    },
    /// The name is taken.
    #[error("`{object}` has a field `{field}` already")]
    FieldExists {
        /// The object.
        object: String,
        /// The field.
        field: String,
    },
    /// Not one that can be taken away.
    #[error("`{object}.{field}` comes with Salesforce; only custom fields (`__c`) can be taken away")]
    NotCustom {
        /// The object.
        object: String,
        /// The field.
        field: String,
    },
    /// A type that isn't offered.
    #[error(
        "no field is made of type `{0}`: text, area, rich-text, number, checkbox, date, datetime, picklist and formula are offered"
    )]
    NoKind(String),
}

impl Org {
    /// Adds a field.
    ///
    /// # Errors
    /// No such object or type, or the name is taken.
    pub fn add_field(&mut self, object: &str, wanted: &NewField, now: DateTime<Utc>) -> Result<(), DefinitionError> {
        let at = self.index_of(object)?;
        if self.objects[at].field_index(&wanted.name).is_some() {
            return Err(DefinitionError::FieldExists {
                object: object.to_owned(),
                field: wanted.name.clone(),
            });
        }
        let field = new_field(&wanted.name, &wanted.kind).ok_or_else(|| DefinitionError::NoKind(wanted.kind.clone()))?;
        let filled = wanted.filled.min(100);
        self.redefine(at, now, |schema| {
            schema.fields.push(crate::org::Field {
                shape: Shape { filled, ..field.shape },
                ..field
            });
        });
        Ok(())
    }

    /// Takes a custom field away, and with it its values.
    ///
    /// # Errors
    /// No such object or field, or one that comes with Salesforce.
    pub fn remove_field(&mut self, object: &str, field: &str, now: DateTime<Utc>) -> Result<(), DefinitionError> {
        let at = self.index_of(object)?;
        let names = || (object.to_owned(), field.to_owned());
        let index = self.objects[at].field_index(field).ok_or_else(|| {
            let (object, field) = names();
            DefinitionError::NoField { object, field }
        })?;
        if !self.objects[at].schema.fields[index].custom {
            let (object, field) = names();
            return Err(DefinitionError::NotCustom { object, field });
        }
        self.redefine(at, now, |schema| {
            let field = &mut schema.fields[index];
            (field.removed, field.nillable, field.unique) = (true, true, false);
            (field.createable, field.updateable) = (false, false);
            field.reference_to.clear();
        });
        Ok(())
    }

    /// Adds an object, without rows: give it some by [`Org::create`].
    ///
    /// # Errors
    /// Where the name is taken.
    pub fn add_object(&mut self, name: &str, now: DateTime<Utc>) -> Result<(), DefinitionError> {
        if self.object(name).is_some() {
            return Err(DefinitionError::ObjectExists(name.to_owned()));
        }
        Arc::make_mut(&mut self.spec).objects.push(ObjectSpec::named(name));
        let Some(mut object) = generate::objects(&self.spec).pop() else {
            return Err(DefinitionError::NoObject(name.to_owned()));
        };
        object.definition_changed = now.trunc_subsecs(0);
        let at = self.objects.len();
        Arc::make_mut(&mut self.by_name).insert(object.name().to_ascii_lowercase(), at);
        Arc::make_mut(&mut self.by_prefix)
            .entry(object.table.ids.prefix)
            .or_insert(at);
        self.objects.push(object);
        self.tell_definition(at);
        Ok(())
    }

    /// When any definition last changed.
    #[must_use]
    pub fn definitions_changed(&self) -> DateTime<Utc> {
        self.objects.iter().map(|o| o.definition_changed).max().unwrap_or(self.now)
    }

    fn index_of(&self, object: &str) -> Result<usize, DefinitionError> {
        let found = self.by_name.get(&object.to_ascii_lowercase()).copied();
        found.ok_or_else(|| DefinitionError::NoObject(object.to_owned()))
    }

    fn redefine(&mut self, at: usize, now: DateTime<Utc>, change: impl FnOnce(&mut crate::org::ObjectSchema)) {
        let object = &mut self.objects[at];
        let changed = now
            .trunc_subsecs(0)
            .max(object.definition_changed.trunc_subsecs(0) + TimeDelta::seconds(1));
        object.redefine(changed, change);
        self.tell_definition(at);
    }

    /// Writes what `EntityDefinition` says of an object. Its rows stand in the order of the objects.
    fn tell_definition(&mut self, at: usize) {
        let object = &self.objects[at];
        let told = [
            ("DurableId", Value::text(object.name())),
            ("QualifiedApiName", Value::text(object.name())),
            ("Label", Value::text(object.schema.label.clone())),
            (
                "KeyPrefix",
                object.schema.key_prefix.map_or(Value::Null, |p| Value::text(p.as_str())),
            ),
            ("LastModifiedDate", Value::DateTime(object.definition_changed)),
        ];
        let stamp = object.definition_changed;
        let Some(entities) = self.object_mut("EntityDefinition") else {
            return;
        };
        let values = told
            .into_iter()
            .filter_map(|(name, value)| Some((entities.field_index(name)?, value)));
        let row = StoredRow {
            values: values.collect(),
            state: crate::org::table::RowState::Live,
            stamp,
        };
        let table = &mut entities.table;
        if at as u64 >= table.end() {
            table.created = at as u64 + 1 - table.generated;
        }
        table.put(at as u64, row);
    }
}

/// A moment as HTTP tells it.
#[must_use]
pub fn http_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
