//! Changes of random rows over many objects, as other applications make them between two backups.
//!
//! Rule: equal seeds on equal orgs make equal changes; numbers are met over all objects together, so that small objects get their share
//! by chance; nothing is deleted that other rows live and die with, so that no more goes than was asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::org::{
    Field, FieldType, Object, Org, OrgRow, RecordId, Scan, Value, Viewer,
    generate::{dice, seed_of},
    table::{RowState, StoredRow},
};

/// How many rows are looked at for each one to be deleted: most of some objects' rows have others that belong to them.
const CANDIDATES: u64 = 12;

/// What should change.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// Percent of the rows that get other values.
    pub changed_percent: f64,
    /// Percent of the rows that are deleted.
    pub deleted_percent: f64,
    /// Which part (0 to 1) of those passes the bin by: queryAll doesn't show them, getDeleted does.
    pub hard_deleted_share: f64,
    /// Which part (0 to 1) of those that pass the bin by leaves no trace at all.
    pub unlogged_share: f64,
    /// Percent of the rows that are created.
    pub created_percent: f64,
    /// Which rows, and which values.
    pub seed: u64,
    /// These objects only.
    pub objects: Option<Vec<String>>,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            changed_percent: 0.0,
            deleted_percent: 0.0,
            hard_deleted_share: 0.0,
            unlogged_share: 0.0,
            created_percent: 0.0,
            seed: 1,
            objects: None,
        }
    }
}

/// What changed of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Churned {
    /// Rows with other values.
    pub changed: u64,
    /// New rows.
    pub created: u64,
    /// Rows that went into the bin.
    pub deleted: u64,
    /// Rows that are gone for good.
    pub hard_deleted: u64,
}

/// Splits a percentage over objects so that the sum comes out, whatever each of them rounds to.
struct Share {
    percent: f64,
    rest: f64,
}

impl Share {
    fn of(&mut self, rows: u64) -> u64 {
        self.rest += rows as f64 * self.percent.max(0.0) / 100.0;
        let whole = self.rest.floor();
        self.rest -= whole;
        whole as u64
    }
}

impl Org {
    /// Changes rows at random; tells what changed, by object.
    pub fn churn(&mut self, wanted: &Churn, now: DateTime<Utc>) -> BTreeMap<String, Churned> {
        let everybody = self.administrator();
        let is_wanted = |object: &Object| {
            let named = wanted.objects.as_ref();
            named.is_none_or(|names| names.iter().any(|n| n.eq_ignore_ascii_case(object.name())))
        };
        let chosen: Vec<usize> = (0..self.objects.len())
            .filter(|at| is_wanted(&self.objects[*at]) && can_change(&self.objects[*at]))
            .collect();
        let share = |percent| Share {
            percent,
            // By half, so that a share of less than one row of all happens every other time.
            rest: 0.5,
        };
        let (mut change, mut create, mut delete) = (
            share(wanted.changed_percent),
            share(wanted.created_percent),
            share(wanted.deleted_percent),
        );
        let mut told: BTreeMap<String, Churned> = BTreeMap::new();
        let mut deletions: Vec<(usize, u64)> = Vec::new();
        for at in chosen {
            let object = &self.objects[at];
            let rows = object.count(&everybody, Scan::QUERY);
            let seed = seed_of(wanted.seed, object.name());
            let entry = told.entry(object.name().to_owned()).or_default();
            let changed = pick(object, &everybody, seed, change.of(rows));
            entry.changed = changed.len() as u64;
            for ordinal in changed {
                self.change_at_random(at, ordinal, dice(seed, !ordinal), &everybody, now);
            }
            if !lives_alone(&self.objects[at]) {
                continue;
            }
            for number in 0..create.of(rows) {
                if self.create_at_random(at, dice(seed, number << 32), &everybody, now) {
                    entry.created += 1;
                }
            }
            deletions.push((at, delete.of(rows)));
        }
        for (at, ordinal) in self.deletable(&deletions, wanted.seed, &everybody) {
            let roll = dice(dice(wanted.seed, at as u64), ordinal);
            let part = |place| (dice(roll, place) % 10_000) as f64 / 10_000.0;
            let hard = part(1) < wanted.hard_deleted_share;
            let state = match hard {
                false => RowState::Deleted,
                true if part(2) < wanted.unlogged_share => RowState::Vanished,
                true => RowState::Purged,
            };
            let entry = told.entry(self.objects[at].name().to_owned()).or_default();
            *(if hard { &mut entry.hard_deleted } else { &mut entry.deleted }) += 1;
            let id = self.objects[at].table.ids.id(ordinal);
            self.set_state(id, state, now);
        }
        told.retain(|_, churned| *churned != Churned::default());
        told
    }

    /// Gives one or two fields of a row other values.
    fn change_at_random(&mut self, at: usize, ordinal: u64, seed: u64, viewer: &Viewer, now: DateTime<Utc>) {
        let object = &self.objects[at];
        let Some(row) = object.row_at(viewer, Scan::QUERY, ordinal) else {
            return;
        };
        let fields: Vec<(usize, &Field)> = object.visible_fields(viewer).filter(|(_, f)| is_free(f)).collect();
        let mut values = BTreeMap::new();
        for number in 0..=dice(seed, 0) % 2 {
            let Some(place) = (dice(seed, number + 1)).checked_rem(fields.len() as u64) else {
                break;
            };
            let (index, field) = fields[place as usize];
            let old = row.value(index);
            let rolls = (0..8).map(|roll| field.shape.by_chance(&row, field, dice(seed, roll + 16)));
            if let Some(value) = rolls.into_iter().find(|value| *value != old && !value.is_null()) {
                values.insert(index, value);
            }
        }
        for (name, value) in [
            ("LastModifiedDate", Value::DateTime(now)),
            ("LastModifiedById", Value::Id(viewer.user_id)),
        ] {
            if let Some(index) = object.field_index(name) {
                values.insert(index, value);
            }
        }
        let name = object.name().to_owned();
        self.change(&name, ordinal, now, |stored| stored.values.append(&mut values));
    }

    /// Creates a row; doesn't where the object wants something that chance can't give.
    fn create_at_random(&mut self, at: usize, seed: u64, viewer: &Viewer, now: DateTime<Utc>) -> bool {
        let object = &self.objects[at];
        let ordinal = object.table.end();
        let row = OrgRow {
            object,
            viewer,
            ordinal,
            stored: None,
        };
        let mut values = BTreeMap::new();
        for (index, field) in object.visible_fields(viewer).filter(|(_, f)| f.createable) {
            let roll = dice(seed, index as u64);
            if field.required() || field.unique || dice(roll, 9) % 100 < u64::from(field.shape.filled) {
                let value = field.shape.by_chance(&row, field, roll);
                if value.is_null() && field.required() {
                    return false;
                }
                values.insert(index, value);
            }
        }
        self.default_values(viewer, &self.objects[at], &mut values, now);
        self.objects[at].table.add(StoredRow {
            values,
            state: RowState::Live,
            stamp: now,
        });
        true
    }

    /// As many rows as wanted of each object, or in their stead of others, that no row belongs to.
    fn deletable(&self, wanted: &[(usize, u64)], seed: u64, viewer: &Viewer) -> Vec<(usize, u64)> {
        let mut candidates: HashMap<RecordId, (usize, u64)> = HashMap::new();
        let mut by_object: Vec<(usize, u64, BTreeSet<u64>)> = Vec::new();
        for (at, count) in wanted.iter().filter(|(_, count)| *count > 0) {
            let object = &self.objects[*at];
            let seed = seed_of(!seed, object.name());
            let ordinals = pick(object, viewer, seed, count * CANDIDATES + CANDIDATES);
            candidates.extend(ordinals.iter().map(|o| (object.table.ids.id(*o), (*at, *o))));
            by_object.push((*at, *count, ordinals));
        }
        let held = self.holding(&candidates, viewer);
        let mut missing = 0;
        let mut taken = Vec::new();
        let mut spare = Vec::new();
        for (at, count, ordinals) in by_object {
            let mut free = ordinals.into_iter().filter(|ordinal| !held.contains(&(at, *ordinal)));
            let before = taken.len() as u64;
            taken.extend(free.by_ref().take(count as usize).map(|ordinal| (at, ordinal)));
            missing += count - (taken.len() as u64 - before);
            spare.extend(free.map(|ordinal| (at, ordinal)));
        }
        taken.extend(spare.into_iter().take(missing as usize));
        taken
    }

    /// Those of the candidates that other rows belong to.
    fn holding(&self, candidates: &HashMap<RecordId, (usize, u64)>, viewer: &Viewer) -> HashSet<(usize, u64)> {
        let mut held = HashSet::new();
        let parents: HashSet<&str> = candidates.values().map(|(at, _)| self.objects[*at].name()).collect();
        for child in &self.objects {
            let through: Vec<usize> = child
                .visible_fields(viewer)
                .filter(|(_, f)| f.cascade_delete || f.restricted_delete)
                .filter(|(_, f)| f.reference_to.iter().any(|to| parents.contains(to.as_str())))
                .map(|(index, _)| index)
                .collect();
            if through.is_empty() {
                continue;
            }
            for row in child.rows(viewer, Scan::QUERY_ALL) {
                let parents = through.iter().map(|index| row.value(*index));
                held.extend(parents.filter_map(|value| match value {
                    Value::Id(id) => candidates.get(&id).copied(),
                    _ => None,
                }));
            }
        }
        held
    }
}

/// Whether other applications change its rows.
fn can_change(object: &Object) -> bool {
    object.schema.updateable && !object.schema.behaviour.shared_id && object.field_index("SystemModstamp").is_some()
}

/// Whether rows come and go by themselves, unlike users and what else the set-up is made of.
fn lives_alone(object: &Object) -> bool {
    // A document comes with a file, which isn't created through the API by itself but by people all the same.
    let is_created = object.schema.createable || object.name() == "ContentDocument";
    is_created && object.schema.deletable && object.field_index("IsDeleted").is_some()
}

/// Whether a value may be any that chance gives.
fn is_free(field: &Field) -> bool {
    let plain = !matches!(
        field.kind,
        FieldType::Reference | FieldType::Id | FieldType::Base64 | FieldType::AnyType | FieldType::ComplexValue
    );
    plain && field.updateable && !field.unique && !field.kind.is_compound()
}

/// Up to so many different rows, by chance, in the order of their Ids.
fn pick(object: &Object, viewer: &Viewer, seed: u64, count: u64) -> BTreeSet<u64> {
    let rows = object.count(viewer, Scan::QUERY);
    if count >= rows / 2 {
        let all = object.rows(viewer, Scan::QUERY).map(|row| row.ordinal());
        return all.take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
    }
    let end = object.table.end();
    let mut picked = BTreeSet::new();
    let mut throw = 0;
    // At least half of the rows can still be picked, and most ordinals have a row: that ends soon.
    while (picked.len() as u64) < count && throw < 64 * (count + 16) {
        let ordinal = dice(seed, throw) % end.max(1);
        throw += 1;
        if object.row_at(viewer, Scan::QUERY, ordinal).is_some() {
            picked.insert(ordinal);
        }
    }
    picked
}
