//! An object being made: its schema, and what its rows should be like, before tables and references are known.

use crate::org::{
    field::{Field, FieldType},
    generate::{
        fields::{self, label_of, of_row},
        refusals::Oddity,
        shape::Kind,
    },
    object::{Behaviour, ObjectSchema},
    record_id::KeyPrefix,
};

/// Which of the fields that the system keeps an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audit {
    /// IsDeleted, creation, last change, SystemModstamp.
    Full,
    /// The same without a recycle bin.
    NoBin,
    /// IsDeleted and creation alone (history).
    Created,
    /// None at all.
    Nothing,
}

/// An object being made.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub schema: ObjectSchema,
    /// What its ids begin with, also where describe says null.
    pub id_prefix: Option<KeyPrefix>,
    pub audit: Audit,
    pub oddity: Option<Oddity>,
    /// Percent of the rows that are archived.
    pub archived_percent: u64,
    /// Developer names of its record types.
    pub record_types: &'static [&'static str],
}

impl Draft {
    /// An object that people work with: all flags on.
    pub fn business(name: &str, key_prefix: &str) -> Draft {
        let mut draft = Draft::setup(name, key_prefix);
        let schema = &mut draft.schema;
        (
            schema.undeletable,
            schema.searchable,
            schema.layoutable,
            schema.triggerable,
            schema.mru_enabled,
        ) = (true, true, true, true, true);
        draft
    }

    /// An object of the set-up: created and deleted through the API, without bin, layouts and triggers.
    pub fn setup(name: &str, key_prefix: &str) -> Draft {
        let label = label_of(name);
        let key_prefix = KeyPrefix::new(key_prefix);
        Draft {
            schema: ObjectSchema {
                name: name.to_owned(),
                label_plural: plural(&label),
                label,
                key_prefix,
                custom: false,
                custom_setting: false,
                createable: true,
                updateable: true,
                deletable: true,
                undeletable: false,
                queryable: true,
                replicateable: true,
                retrieveable: true,
                searchable: false,
                layoutable: false,
                triggerable: false,
                mergeable: false,
                mru_enabled: false,
                feed_enabled: false,
                activateable: false,
                associate_entity_type: None,
                associate_parent_entity: None,
                fields: Vec::new(),
                record_types: Vec::new(),
                behaviour: Behaviour::default(),
            },
            id_prefix: key_prefix,
            audit: Audit::Full,
            oddity: None,
            archived_percent: 0,
            record_types: &[],
        }
    }

    /// Can only be read.
    pub fn read_only(mut self) -> Draft {
        let schema = &mut self.schema;
        (schema.createable, schema.updateable, schema.deletable, schema.undeletable) = (false, false, false, false);
        self
    }

    /// Comes into being with other rows only.
    pub fn not_createable(mut self) -> Draft {
        self.schema.createable = false;
        self
    }

    /// Not taken by getUpdated and getDeleted.
    pub fn not_replicateable(mut self) -> Draft {
        self.schema.replicateable = false;
        self
    }

    pub fn audit(mut self, audit: Audit) -> Draft {
        self.audit = audit;
        self
    }

    pub fn with(mut self, fields: impl IntoIterator<Item = Field>) -> Draft {
        self.schema.fields.extend(fields);
        self
    }

    /// `OwnerId`; private: seen by the owner and users with View All Data alone.
    pub fn owned(mut self, by: &[&str], private: bool) -> Draft {
        self.schema.behaviour.owner_visible_only = private;
        let owner = fields::lookup("OwnerId", by).defaulted();
        self.schema.fields.push(Field {
            permissionable: false,
            ..owner
        });
        self
    }

    pub fn feeds(mut self) -> Draft {
        self.schema.feed_enabled = true;
        self
    }

    pub fn odd(mut self, oddity: Oddity) -> Draft {
        self.oddity = Some(oddity);
        self
    }

    pub fn typed(mut self, record_types: &'static [&'static str]) -> Draft {
        self.record_types = record_types;
        self.schema.fields.push(Field {
            permissionable: false,
            ..fields::lookup("RecordTypeId", &["RecordType"])
        });
        self
    }

    pub fn archives(mut self, percent: u64) -> Draft {
        self.archived_percent = percent;
        self.schema.behaviour.archives = true;
        self
    }

    /// Not listed by recordCount.
    pub fn uncounted(mut self) -> Draft {
        self.schema.behaviour.in_record_count = false;
        self
    }

    /// Not taken by bulk queries.
    pub fn not_bulk(mut self) -> Draft {
        self.schema.behaviour.bulk = false;
        self
    }

    /// Adds Id and the fields that the system keeps, where describe has them: Id and IsDeleted first, stamps last.
    pub fn finish_fields(&mut self) {
        let has_bin = matches!(self.audit, Audit::Full | Audit::Created);
        let mut first = Vec::new();
        if !self.schema.fields.iter().any(|f| f.kind == FieldType::Id) {
            first.push(Field {
                label: format!("{} ID", self.schema.label),
                ..of_row("Id", FieldType::Id, Kind::Id)
            });
        }
        if has_bin {
            first.push(Field {
                label: "Deleted".into(),
                ..of_row("IsDeleted", FieldType::Boolean, Kind::IsDeleted)
            });
        }
        self.schema.fields.splice(0..0, first);
        let by = |name: &str| {
            let user = fields::lookup(name, &["User"]).defaulted();
            Field {
                permissionable: false,
                ..user.read_only()
            }
        };
        if self.audit != Audit::Nothing {
            self.schema
                .fields
                .push(of_row("CreatedDate", FieldType::Datetime, Kind::CreatedDate));
            self.schema.fields.push(by("CreatedById"));
        }
        if matches!(self.audit, Audit::Full | Audit::NoBin) {
            self.schema
                .fields
                .push(of_row("LastModifiedDate", FieldType::Datetime, Kind::LastModifiedDate));
            self.schema.fields.push(by("LastModifiedById"));
            self.schema
                .fields
                .push(of_row("SystemModstamp", FieldType::Datetime, Kind::SystemModstamp));
        }
        if self.schema.behaviour.archives {
            self.schema
                .fields
                .push(of_row("IsArchived", FieldType::Boolean, Kind::IsArchived));
        }
    }
}

fn plural(label: &str) -> String {
    match label.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if label.ends_with('s') || label.ends_with("ch") => format!("{label}es"),
        _ => format!("{label}s"),
    }
}
