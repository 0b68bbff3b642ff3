//! Objects of the org: what describe says of one, and the ways in which real ones misbehave when they are queried.
//!
//! A behaviour is data that the query engine consults; nothing here runs a query.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::org::{
    field::Field,
    record_id::{KeyPrefix, RecordId},
    row::Scan,
    table::{Rows, Table},
    viewer::Viewer,
};

/// What *Set Audit Fields upon Record Creation* lets be given.
const AUDIT_FIELDS: [&str; 4] = ["CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate"];
/// The standard objects for which it does, as documented; custom objects do all.
const WITH_AUDIT_FIELDS: &[&str] = &[
    "Account",
    "Attachment",
    "CampaignMember",
    "Case",
    "CaseComment",
    "Contact",
    "ContentVersion",
    "Contract",
    "Event",
    "Idea",
    "IdeaComment",
    "Lead",
    "Opportunity",
    "Question",
    "Task",
    "Vote",
];

/// An answer that refuses: the status, and the one entry of its body `[{"message","errorCode"}]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Salesforce's `errorCode`.
    pub error_code: String,
    /// Text, in the org's language.
    pub message: String,
}

/// A filter without which an object refuses to be queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredFilter {
    /// One of these fields must be compared by `=` or `IN`.
    pub one_of: Vec<String>,
    /// The answer to a query without it.
    pub refusal: Refusal,
    /// Not needed by a user with *Query All Files* (ContentDocumentLink since v59).
    pub lifted_by_query_all_files: bool,
}

/// Where a query of an object silently ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// The number of rows after which `done` is true, whatever is left.
    pub after_rows: u64,
    /// Whether `totalSize` tells the true number of rows (FieldPermissions), or the cut one (OauthToken).
    pub honest_total: bool,
}

/// How an object departs from the ordinary when it is queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Every query is refused.
    pub refuses_query: Option<Refusal>,
    /// Queries are refused but for those with a filter.
    pub required_filter: Option<RequiredFilter>,
    /// `COUNT()` is refused, though rows can be read.
    pub refuses_count: Option<Refusal>,
    /// More than a page is refused: no `nextRecordsUrl` ever (EntityDefinition). The answer to a query that would need one.
    pub refuses_query_more: Option<Refusal>,
    /// The answer to a filter or an ORDER BY on Id, where Id takes neither.
    pub refuses_id_filter: Option<Refusal>,
    /// `totalSize` is −1 (external objects).
    pub unknown_total: bool,
    /// Queries silently end early.
    pub truncation: Option<Truncation>,
    /// Every row's Id is `000000000000000AAA`.
    pub shared_id: bool,
    /// Has archived rows, that only queryAll shows.
    pub archives: bool,
    /// Listed by `/limits/recordCount`.
    pub in_record_count: bool,
    /// Bulk query jobs take it.
    pub bulk: bool,
    /// Rows are seen by everybody, or only by their owner and users with View All Data.
    pub owner_visible_only: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            refuses_query: None,
            required_filter: None,
            refuses_count: None,
            refuses_query_more: None,
            refuses_id_filter: None,
            unknown_total: false,
            truncation: None,
            shared_id: false,
            archives: false,
            in_record_count: true,
            bulk: true,
            owner_visible_only: false,
        }
    }
}

/// An active record type of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordType {
    /// Its id.
    pub id: RecordId,
    /// Its developer name, equal over orgs.
    pub developer_name: String,
    /// Its label.
    pub name: String,
}

/// An object's describe.
#[derive(Debug, Clone)]
pub struct ObjectSchema {
    /// API name, in describe's case.
    pub name: String,
    /// Label.
    pub label: String,
    /// Label of many.
    pub label_plural: String,
    /// First characters of its ids; `None` where describe says null.
    pub key_prefix: Option<KeyPrefix>,
    /// Made in this org or by a package.
    pub custom: bool,
    /// A custom setting.
    pub custom_setting: bool,
    /// Whether rows can be created.
    pub createable: bool,
    /// Whether rows can be changed.
    pub updateable: bool,
    /// Whether rows can be deleted.
    pub deletable: bool,
    /// Whether rows can come back from the bin.
    pub undeletable: bool,
    /// Describe's `queryable`. Some objects say true and refuse all the same.
    pub queryable: bool,
    /// Whether getUpdated and getDeleted take it.
    pub replicateable: bool,
    /// Whether a row can be read by id.
    pub retrieveable: bool,
    /// Whether search finds it.
    pub searchable: bool,
    /// Has layouts.
    pub layoutable: bool,
    /// Takes triggers.
    pub triggerable: bool,
    /// Rows can be merged.
    pub mergeable: bool,
    /// Kept in "recently used" lists.
    pub mru_enabled: bool,
    /// Has feeds.
    pub feed_enabled: bool,
    /// Can be activated (orders, contracts).
    pub activateable: bool,
    /// `associateEntityType` (`History`, `Share`, `Feed`, `ChangeEvent`).
    pub associate_entity_type: Option<String>,
    /// `associateParentEntity`.
    pub associate_parent_entity: Option<String>,
    /// Fields, in describe's order.
    pub fields: Vec<Field>,
    /// Record types but Master.
    pub record_types: Vec<RecordType>,
    /// What is odd about querying it.
    pub behaviour: Behaviour,
}

/// An object: its schema and its rows. A clone shares both until either side changes.
#[derive(Debug, Clone)]
pub struct Object {
    /// What describe says.
    pub schema: Arc<ObjectSchema>,
    /// When its definition last changed.
    pub definition_changed: DateTime<Utc>,
    pub(crate) table: Table,
    names: Arc<FieldIndex>,
}

/// Where fields are found by name, all in lower case.
#[derive(Debug)]
struct FieldIndex {
    fields: HashMap<String, usize>,
    relationships: HashMap<String, usize>,
}

impl FieldIndex {
    fn of(schema: &ObjectSchema) -> FieldIndex {
        let there = || schema.fields.iter().enumerate().filter(|(_, f)| !f.removed);
        FieldIndex {
            fields: there().map(|(i, f)| (f.name.to_ascii_lowercase(), i)).collect(),
            relationships: there()
                .filter_map(|(i, f)| Some((f.relationship_name.as_ref()?.to_ascii_lowercase(), i)))
                .collect(),
        }
    }
}

impl Object {
    pub(crate) fn new(schema: ObjectSchema, table: Table, definition_changed: DateTime<Utc>) -> Object {
        Object {
            names: Arc::new(FieldIndex::of(&schema)),
            schema: Arc::new(schema),
            definition_changed,
            table,
        }
    }

    /// Changes what describe says.
    pub(crate) fn redefine(&mut self, changed: DateTime<Utc>, change: impl FnOnce(&mut ObjectSchema)) {
        change(Arc::make_mut(&mut self.schema));
        self.names = Arc::new(FieldIndex::of(&self.schema));
        self.definition_changed = changed;
    }

    /// API name.
    pub fn name(&self) -> &str {
        &self.schema.name
    }

    /// The index of a field in `schema.fields`, by its name in any case, whoever may see it.
    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.names.fields.get(&name.to_ascii_lowercase()).copied()
    }

    /// A field by its name in any case, if this user may see it.
    pub fn field(&self, viewer: &Viewer, name: &str) -> Option<(usize, &Field)> {
        let index = self.field_index(name)?;
        let field = &self.schema.fields[index];
        viewer.sees_field(&self.schema.name, &field.name).then_some((index, field))
    }

    /// The reference field that a relationship name (`Owner`) goes through, if this user may see it.
    pub fn relationship(&self, viewer: &Viewer, name: &str) -> Option<(usize, &Field)> {
        let index = *self.names.relationships.get(&name.to_ascii_lowercase())?;
        let field = &self.schema.fields[index];
        viewer.sees_field(&self.schema.name, &field.name).then_some((index, field))
    }

    /// The fields that a user sees, with their index, in describe's order.
    pub fn visible_fields<'a>(&'a self, viewer: &'a Viewer) -> impl Iterator<Item = (usize, &'a Field)> {
        self.schema
            .fields
            .iter()
            .enumerate()
            .filter(|(_, f)| !f.removed && viewer.sees_field(&self.schema.name, &f.name))
    }

    /// Whether a user may give a field at create. Audit fields can be given with a permission, for some objects.
    pub fn takes_at_create(&self, viewer: &Viewer, field: &Field) -> bool {
        field.createable || viewer.set_audit_fields && self.takes_audit_fields() && AUDIT_FIELDS.contains(&field.name.as_str())
    }

    fn takes_audit_fields(&self) -> bool {
        let is_record = self.schema.custom && self.schema.createable && self.name().ends_with("__c");
        is_record && !self.schema.custom_setting || WITH_AUDIT_FIELDS.contains(&self.name())
    }

    /// The rows that a user sees, in order of Id (of creation, where ids are shared).
    pub fn rows<'a>(&'a self, viewer: &'a Viewer, scan: Scan) -> Rows<'a> {
        Rows::new(self, viewer, scan, 0)
    }

    /// The rows with an Id above this one. O(1) to begin.
    pub fn rows_after<'a>(&'a self, viewer: &'a Viewer, scan: Scan, id: RecordId) -> Rows<'a> {
        Rows::new(self, viewer, scan, self.table.first_ordinal_after(id))
    }

    /// The rows from a position that [`crate::org::Row::ordinal`] told. For query locators.
    pub fn rows_from<'a>(&'a self, viewer: &'a Viewer, scan: Scan, ordinal: u64) -> Rows<'a> {
        Rows::new(self, viewer, scan, ordinal)
    }

    /// The row with this Id, if the scan and the user let it be seen.
    pub fn row<'a>(&'a self, viewer: &'a Viewer, scan: Scan, id: RecordId) -> Option<crate::org::OrgRow<'a>> {
        self.row_at(viewer, scan, self.table.ordinal(id)?)
    }

    /// The row at a position that [`crate::org::Row::ordinal`] told, if the scan and the user let it be seen.
    pub fn row_at<'a>(&'a self, viewer: &'a Viewer, scan: Scan, ordinal: u64) -> Option<crate::org::OrgRow<'a>> {
        self.rows_from(viewer, scan, ordinal)
            .next()
            .filter(|row| row.ordinal() == ordinal)
    }

    /// One past the last ordinal.
    pub fn end(&self) -> u64 {
        self.table.end()
    }

    /// How many rows [`Object::rows`] would give. O(changed rows) for a user who sees all, else a scan.
    pub fn count(&self, viewer: &Viewer, scan: Scan) -> u64 {
        self.count_from(viewer, scan, 0)
    }

    /// How many rows [`Object::rows_after`] would give.
    pub fn count_after(&self, viewer: &Viewer, scan: Scan, id: RecordId) -> u64 {
        self.count_from(viewer, scan, self.table.first_ordinal_after(id))
    }

    /// Whether [`Object::rows_after`] would give any.
    pub fn any_after(&self, viewer: &Viewer, scan: Scan, id: RecordId) -> bool {
        self.rows_after(viewer, scan, id).next().is_some()
    }

    /// How many rows [`Object::rows_from`] would give.
    pub fn count_from(&self, viewer: &Viewer, scan: Scan, ordinal: u64) -> u64 {
        self.count_between(viewer, scan, ordinal, u64::MAX)
    }

    /// How many rows [`Object::rows_from`] would give before it comes to ordinal `end`.
    pub fn count_between(&self, viewer: &Viewer, scan: Scan, ordinal: u64, end: u64) -> u64 {
        if self.schema.behaviour.owner_visible_only && !viewer.view_all_data {
            let rows = self.rows_from(viewer, scan, ordinal);
            rows.take_while(|row| row.ordinal() < end).count() as u64
        } else {
            self.table.count_between(scan, ordinal, end)
        }
    }
}
