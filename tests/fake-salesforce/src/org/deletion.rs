//! Rows that go away and come back: the bin, what dies with its parent, what holds it back, and deletions at random.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::org::{
    Field, Object, Org, OrgRow, RecordId, Scan, Value, Viewer, WriteError,
    generate::{dice, seed_of},
    table::RowState,
    write::{Writing, invalid_cross_reference},
};

/// Which rows are deleted at random.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteRandom {
    /// So many of a hundred rows, before those that go with them.
    pub percent: f64,
    /// Which ones.
    pub seed: u64,
    /// Of these objects only; else of all whose rows people create and delete.
    pub objects: Option<Vec<String>>,
    /// Past the bin.
    pub hard: bool,
}

impl Default for DeleteRandom {
    fn default() -> Self {
        Self {
            percent: 30.0,
            seed: 1,
            objects: None,
            hard: false,
        }
    }
}

impl Org {
    /// Deletes rows at random as people do, with what goes with them; gives the ids of all that went, by object. Rows that can't be
    /// deleted, because others hold them, stay.
    pub fn delete_random(&mut self, wanted: &DeleteRandom, now: DateTime<Utc>) -> BTreeMap<String, Vec<RecordId>> {
        let everybody = self.administrator();
        let named = wanted.objects.as_ref();
        let mut chosen = Vec::new();
        for object in &self.objects {
            let is_named = named.map(|names| names.iter().any(|n| n.eq_ignore_ascii_case(object.name())));
            // A version, or a link, without its file is nothing that people delete.
            let is_part_of_file = matches!(object.name(), "ContentVersion" | "ContentDocumentLink");
            let is_peoples = object.field_index("IsDeleted").is_some() && object.schema.layoutable || object.schema.custom;
            let is_file = object.name() == "ContentDocument";
            if !object.schema.deletable || !is_named.unwrap_or(!is_part_of_file && (is_peoples || is_file)) {
                continue;
            }
            let seed = seed_of(wanted.seed, object.name());
            let falls = |row: &OrgRow<'_>| (dice(seed, row.ordinal()) % 1_000_000) as f64 <= wanted.percent * 10_000.0;
            chosen.extend(object.rows(&everybody, Scan::QUERY).filter(falls).map(|row| row.id()));
        }
        let mut told: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
        let by = Writing::past_rules(&everybody, now);
        for id in chosen {
            // It may have gone with another, or be held.
            let Ok(gone) = self.delete_by(&by, id) else { continue };
            for id in gone {
                if wanted.hard {
                    self.set_state(id, RowState::Purged, now);
                }
                if let Some(object) = self.object_of(id) {
                    told.entry(object.name().to_owned()).or_default().push(id);
                }
            }
        }
        told
    }

    /// Moves a row, and the rows that live and die with it, to the bin; objects without a bin lose it for good.
    ///
    /// # Errors
    /// Where the row is not there, not to be deleted, or it or one that would go with it is held by rows that refer to it.
    pub fn delete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        self.delete_by(&Writing::past_rules(viewer, now), id).map(|_| ())
    }

    /// The same, under the org's own rules; gives all rows that went.
    ///
    /// # Errors
    /// As [`Org::delete`].
    pub fn delete_by(&mut self, by: &Writing<'_>, id: RecordId) -> Result<Vec<RecordId>, WriteError> {
        let (object, _) = self.live_row(by.viewer, id)?;
        if !object.schema.deletable {
            let message = format!("entity type {} does not support delete", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        self.check_deletion(id)?;
        let mut doomed = vec![id];
        let mut at = 0;
        while at < doomed.len() {
            for (_, child) in self.children(doomed[at], |field| field.cascade_delete) {
                if !doomed.contains(&child) {
                    doomed.push(child);
                }
            }
            at += 1;
        }
        for goes in &doomed {
            let holders = self.children(*goes, |field| field.restricted_delete);
            if let Some((object, holder)) = holders.iter().find(|(_, holder)| !doomed.contains(holder)) {
                let message = format!(
                    "Your attempt to delete {id} could not be completed because it is associated with {object}: {holder}"
                );
                return Err(WriteError::new("DELETE_FAILED", message, &[]));
            }
        }
        for id in &doomed {
            self.touch_parents(by, *id);
            let has_bin = self.object_of(*id).is_some_and(|o| o.field_index("IsDeleted").is_some());
            let state = if has_bin { RowState::Deleted } else { RowState::Purged };
            self.set_state(*id, state, by.now);
        }
        if self.rules.clear_lookups {
            self.clear_lookups(&doomed, by.now);
        }
        Ok(doomed)
    }

    /// Takes the ids of deleted rows out of the lookups of live ones, as orgs do whose lookups are set so.
    ///
    /// Choice: SystemModstamp moves by it, as of any change by the system, and LastModifiedDate doesn't.
    fn clear_lookups(&mut self, gone: &[RecordId], now: DateTime<Utc>) {
        for id in gone {
            let keeps = |field: &Field| field.nillable && !field.cascade_delete && !field.restricted_delete;
            for (object, child) in self.children(*id, keeps) {
                let Some(object_of_child) = self.object(&object) else {
                    continue;
                };
                let everybody = self.administrator();
                let Some(row) = object_of_child.row(&everybody, Scan::QUERY_ALL, child) else {
                    continue;
                };
                let fields = object_of_child.schema.fields.iter().enumerate();
                let holding: Vec<usize> = fields
                    .filter(|(index, field)| field.updateable && keeps(field) && row.value(*index) == Value::Id(*id))
                    .map(|(index, _)| index)
                    .collect();
                let ordinal = row.ordinal();
                if holding.is_empty() {
                    continue;
                }
                self.change(&object, ordinal, now, |stored| {
                    stored.values.extend(holding.into_iter().map(|index| (index, Value::Null)));
                });
            }
        }
    }

    /// Takes a row out of the bin, and with it the rows that went into it at the same moment because they belong to it.
    ///
    /// # Errors
    /// Where the row is not in the bin, or its object has none.
    pub fn undelete(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let object = self.object_of(id).ok_or_else(invalid_cross_reference)?;
        if !object.schema.undeletable {
            let message = format!("entity type {} does not support undelete", object.name());
            return Err(WriteError::new("INVALID_TYPE_FOR_OPERATION", message, &[]));
        }
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        if !row.is_deleted() {
            return Err(WriteError::new("UNDELETE_FAILED", "Entity is not in the recycle bin", &[]));
        }
        let deleted_at = row.system_modstamp();
        let mut back = vec![id];
        let mut at = 0;
        while at < back.len() {
            let children = self.referring(back[at], |field| field.cascade_delete, RowState::Deleted);
            back.extend(
                children
                    .into_iter()
                    .filter(|(_, _, stamp)| *stamp == deleted_at)
                    .map(|(_, id, _)| id),
            );
            at += 1;
        }
        for id in back {
            self.set_state(id, RowState::Live, now);
        }
        Ok(())
    }

    /// Removes a row for good: from the bin, or past it. Only getDeleted still tells of it.
    ///
    /// # Errors
    /// Where the row is not there.
    pub fn purge(&mut self, viewer: &Viewer, id: RecordId, now: DateTime<Utc>) -> Result<(), WriteError> {
        let object = self.object_of(id).ok_or_else(invalid_cross_reference)?;
        let row = object.row(viewer, Scan::QUERY_ALL, id).ok_or_else(invalid_cross_reference)?;
        // What was in the bin was deleted when it went there.
        let when = if row.is_deleted() { row.system_modstamp() } else { now };
        self.set_state(id, RowState::Purged, when);
        Ok(())
    }
    /// Live rows that refer to `id` through a field that `by` takes: object and id.
    pub(super) fn children(&self, id: RecordId, by: impl Fn(&Field) -> bool) -> Vec<(String, RecordId)> {
        self.referring(id, by, RowState::Live)
            .into_iter()
            .map(|(object, id, _)| (object, id))
            .collect()
    }

    fn referring(&self, id: RecordId, by: impl Fn(&Field) -> bool, state: RowState) -> Vec<(String, RecordId, DateTime<Utc>)> {
        let Some(parent) = self.object_of(id).map(Object::name) else {
            return Vec::new();
        };
        let everybody = self.administrator();
        let mut found = Vec::new();
        for object in &self.objects {
            let fields = object.schema.fields.iter().enumerate();
            let through: Vec<usize> = fields
                .filter(|(_, field)| by(field) && field.reference_to.iter().any(|to| to == parent))
                .map(|(index, _)| index)
                .collect();
            if through.is_empty() {
                continue;
            }
            let rows = object.rows(&everybody, Scan::QUERY_ALL).filter(|row| row.state() == state);
            let referring = rows.filter(|row| through.iter().any(|index| row.value(*index) == Value::Id(id)));
            found.extend(referring.map(|row| {
                (
                    object.name().to_owned(),
                    row.object().table.ids.id(row.ordinal()),
                    row.system_modstamp(),
                )
            }));
        }
        found
    }
}
