//! The org that the double pretends to be: its objects, their fields and rows, who sees what, and writes.
//!
//! It knows nothing of HTTP, SOQL or quota: the rest of the crate asks it. An org comes whole from an [`OrgSpec`] (seed and sizes) and
//! two orgs of one spec are equal byte for byte. Generated rows cost no memory; written ones lie over them. A clone of an org is that org
//! as it was, and shares with it whatever hasn't changed since.

mod accept;
mod body;
mod change;
mod churn;
mod definition;
mod deletion;
mod describe;
mod field;
mod filed;
mod find;
mod generate;
mod incoming;
mod object;
mod record_id;
mod row;
mod rules;
mod running;
mod savepoint;
mod spec;
mod standard;
mod table;
#[cfg(test)]
mod tests;
mod upsert;
mod value;
mod viewer;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::{
    change::{Change, CommitError, NoSuchTransaction},
    churn::{Churn, Churned},
    definition::{DefinitionError, NewField, http_date},
    deletion::DeleteRandom,
    describe::DescribeOptions,
    field::{Field, FieldType, PicklistEntry},
    filed::{FiledBody, Filing},
    incoming::{Sent, SentFields},
    object::{Behaviour, Object, ObjectSchema, RecordType, Refusal, RequiredFilter, Truncation},
    record_id::{KeyPrefix, MalformedId, RecordId},
    row::{OrgRow, Scan},
    rules::{DuplicateRule, RecordLock, SetField, Touch, Trigger, Validation, WriteRules},
    savepoint::Savepoint,
    spec::{Language, ObjectSpec, OrgSpec, ReferenceKind, ReferenceSpec, UnknownPreset},
    table::Rows,
    upsert::{UpsertError, Upserted},
    value::{Address, Blob, Value, write_json_string},
    viewer::Viewer,
    write::{AmbiguousKey, WriteError, Writing},
};

/// An org.
#[derive(Debug, Clone)]
pub struct Org {
    spec: Arc<OrgSpec>,
    id: RecordId,
    now: DateTime<Utc>,
    administrator: RecordId,
    standard_user: RecordId,
    objects: Vec<Object>,
    by_name: Arc<HashMap<String, usize>>,
    by_prefix: Arc<HashMap<KeyPrefix, usize>>,
    transactions: Vec<change::Transaction>,
    transactions_begun: u64,
    running: Vec<running::Running>,
    rules: WriteRules,
}

impl Org {
    /// Makes the org that a spec describes.
    pub fn generate(spec: &OrgSpec) -> Org {
        generate::org(spec)
    }

    pub(crate) fn assemble(spec: &OrgSpec, objects: Vec<Object>) -> Org {
        let by_name = objects
            .iter()
            .enumerate()
            .map(|(i, o)| (o.name().to_ascii_lowercase(), i))
            .collect();
        // History objects share one prefix: the first of them stands for it.
        let by_prefix = objects
            .iter()
            .enumerate()
            .rev()
            .map(|(i, o)| (o.table.ids.prefix, i))
            .collect();
        let mut org = Org {
            spec: Arc::new(spec.clone()),
            id: RecordId::EMPTY,
            now: spec.now,
            administrator: RecordId::EMPTY,
            standard_user: RecordId::EMPTY,
            objects,
            by_name: Arc::new(by_name),
            by_prefix: Arc::new(by_prefix),
            transactions: Vec::new(),
            transactions_begun: 0,
            running: Vec::new(),
            rules: WriteRules::default(),
        };
        let id_at = |object: &str, ordinal| org.object(object).map_or(RecordId::EMPTY, |o| o.table.ids.id(ordinal));
        (org.id, org.administrator, org.standard_user) = (id_at("Organization", 0), id_at("User", 0), id_at("User", 1));
        org
    }

    /// The org's id (`00D…`).
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What everything random in it comes from.
    pub fn seed(&self) -> u64 {
        self.spec.seed
    }

    /// The moment at which the org was made: every generated row is older. A virtual clock begins here.
    pub fn created_at(&self) -> DateTime<Utc> {
        self.now
    }

    /// A user who sees and may do everything.
    pub fn administrator(&self) -> Viewer {
        Viewer::administrator(self.administrator)
    }

    /// A user with the API and nothing else: own rows only where sharing is private, encrypted fields masked, and of each object some
    /// permissionable fields hidden by field-level security.
    pub fn standard_user(&self) -> Viewer {
        let mut viewer = Viewer {
            view_all_data: false,
            modify_all_data: false,
            view_setup: false,
            query_all_files: false,
            view_encrypted_data: false,
            manage_users: false,
            update_inactive_owners: false,
            ..Viewer::administrator(self.standard_user)
        };
        for object in &self.objects {
            for field in object
                .schema
                .fields
                .iter()
                .filter(|f| f.permissionable && f.nillable)
                .skip(2)
                .step_by(7)
            {
                viewer = viewer.without_field(object.name(), &field.name);
            }
        }
        viewer
    }

    /// All objects, in the order of describe global.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// An object by its name in any case.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.by_name
            .get(&name.to_ascii_lowercase())
            .map(|index| &self.objects[*index])
    }

    /// An object by its name in any case, if this user may read it.
    pub fn visible_object(&self, viewer: &Viewer, name: &str) -> Option<&Object> {
        self.object(name).filter(|object| viewer.sees_object(object.name()))
    }

    /// The object whose ids begin like this one.
    pub fn object_of(&self, id: RecordId) -> Option<&Object> {
        self.by_prefix.get(&id.key_prefix()).map(|index| &self.objects[*index])
    }

    /// The row with this Id, of whatever object, if the user sees it.
    pub fn row<'a>(&'a self, viewer: &'a Viewer, scan: Scan, id: RecordId) -> Option<OrgRow<'a>> {
        self.object_of(id)?.row(viewer, scan, id)
    }
}
