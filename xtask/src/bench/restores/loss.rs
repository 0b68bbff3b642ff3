//! What is deleted of an org, and what would have to be written to have it back, by the org's own books.

use crate::running::FakeProcess;
use anyhow::{Context, Result};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Set-up, which is neither deleted nor restored.
const SETUP: [&str; 5] = ["Group", "Profile", "RecordType", "User", "UserRole"];
/// Objects whose records stay: those of others refuse to go without them.
const KEPT: [&str; 3] = ["Product2", "Pricebook2", "PricebookEntry"];

type Values = IndexMap<String, Box<RawValue>>;

/// Records that can be written, by object.
pub struct HeldRecords {
    objects: BTreeMap<String, HeldObject>,
}

struct HeldObject {
    /// All that can be set at creation, Id first.
    fields: Vec<String>,
    references: BTreeSet<String>,
    records: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct ObjectDescribe {
    createable: bool,
    queryable: bool,
    deletable: bool,
    fields: Vec<FieldDescribe>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldDescribe {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    createable: bool,
    reference_to: Vec<String>,
}

impl HeldRecords {
    fn described(fake: &FakeProcess) -> Result<HeldRecords> {
        let mut objects = BTreeMap::new();
        for object in fake
            .objects()?
            .into_iter()
            .filter(|object| !object.refuses_query && object.rows > 0)
        {
            let described: ObjectDescribe = serde_json::from_value(fake.api(&format!("sobjects/{}/describe", object.name))?)?;
            let is_data = described.createable && described.queryable && described.deletable;
            if !is_data || SETUP.contains(&object.name.as_str()) {
                continue;
            }
            let written = described
                .fields
                .iter()
                .filter(|field| field.createable && field.kind != "base64");
            let fields = std::iter::once("Id".to_owned()).chain(written.map(|field| field.name.clone()));
            let references = described
                .fields
                .iter()
                .filter(|field| field.createable && !field.reference_to.is_empty());
            let held = HeldObject {
                fields: fields.collect(),
                references: references.map(|field| field.name.clone()).collect(),
                records: BTreeMap::new(),
            };
            objects.insert(object.name, held);
        }
        Ok(HeldRecords { objects })
    }

    /// Of an org as it is now, by the objects and fields of how it was.
    pub fn of(fake: &FakeProcess, was: &HeldRecords) -> Result<HeldRecords> {
        let mut objects = BTreeMap::new();
        for (name, object) in &was.objects {
            let mut records = BTreeMap::new();
            let (mut lines, mut line) = (fake.records(name, &object.fields)?, Vec::new());
            while lines.next_into(&mut line)? {
                let values: Values = serde_json::from_slice(&line)?;
                records.insert(text(&values, "Id").context("a record has no Id")?, values);
            }
            let held = HeldObject {
                fields: object.fields.clone(),
                references: object.references.clone(),
                records,
            };
            objects.insert(name.clone(), held);
        }
        Ok(HeldRecords { objects })
    }

    /// Objects that have records.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// How many records there are.
    pub fn records(&self) -> i64 {
        self.rows().sum::<u64>().cast_signed()
    }

    /// How many records each object has.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        self.objects.values().map(|object| object.records.len() as u64)
    }

    /// How many references lead to one of these records.
    pub fn references(&self) -> i64 {
        let known = |id: &String| self.object_of(id).is_some();
        let of_object = |object: &HeldObject| {
            let referring = object.records.values();
            referring
                .flat_map(|values| object.references.iter().filter_map(|field| text(values, field)))
                .filter(known)
                .count()
        };
        self.objects.values().map(of_object).sum::<usize>() as i64
    }

    fn object_of(&self, id: &str) -> Option<&str> {
        let found = self.objects.iter().find(|(_, object)| object.records.contains_key(id));
        found.map(|(name, _)| name.as_str())
    }
}

/// An org before and after something was deleted.
pub struct Loss {
    /// What it held.
    pub before: HeldRecords,
    after: HeldRecords,
}

impl Loss {
    /// Deletes at random, as people do: lookups that referred to what is gone are empty then.
    pub fn inflict(fake: &FakeProcess, percent: u64, seed: u64) -> Result<Loss> {
        let described = HeldRecords::described(fake)?;
        let before = HeldRecords::of(fake, &described)?;
        fake.post("writing", &json!({"clear_lookups": true}))?;
        // Records of owners who left can be given back to them.
        fake.post("user", &json!({"update_inactive_owners": true}))?;
        let objects: Vec<&String> = before.objects.keys().filter(|name| !KEPT.contains(&name.as_str())).collect();
        fake.post(
            "delete_random",
            &json!({"percent": percent, "seed": seed, "objects": objects}),
        )?;
        fake.advance_minutes(30)?;
        let after = HeldRecords::of(fake, &before)?;
        Ok(Loss { before, after })
    }

    /// Records that are gone.
    pub fn lost(&self) -> u64 {
        (self.before.records() - self.after.records()).unsigned_abs()
    }

    /// Records that lost a reference.
    pub fn touched(&self) -> u64 {
        self.back().values().map(|records| records.len() as u64).sum()
    }

    /// How many records of each object have to be created, and how many changed: what one operation can do.
    pub fn written(&self) -> impl Iterator<Item = u64> {
        let created = self.before.objects.keys().map(|name| self.gone(name).count() as u64);
        let changed = self.back().into_values().map(|records| records.len() as u64);
        created.chain(changed)
    }

    /// What another tool is told: by object, those first that others refer to, the records that are gone; and those that lost
    /// references, with what these were.
    pub fn wanted(&self) -> Value {
        let objects = self.in_order().into_iter().map(|name| {
            let records: Vec<Value> = self.gone(name).map(|values| self.plain(name, values)).collect();
            json!({"name": name, "records": records})
        });
        json!({"objects": objects.collect::<Vec<_>>(), "back": self.back()})
    }

    fn gone(&self, name: &str) -> impl Iterator<Item = &Values> {
        let after = &self.after.objects[name].records;
        let before = self.before.objects[name].records.iter();
        before.filter(|(id, _)| !after.contains_key(*id)).map(|(_, values)| values)
    }

    /// A record as it is sent, without what is empty, and without references to what was gone before.
    fn plain(&self, name: &str, values: &Values) -> Value {
        let references = &self.before.objects[name].references;
        let leads_nowhere = |id: &str| {
            let prefix = id.get(..3);
            let objects = self.before.objects.values();
            let of_object = |object: &HeldObject| object.records.keys().next().is_some_and(|other| other.get(..3) == prefix);
            self.before.object_of(id).is_none() && objects.into_iter().any(of_object)
        };
        let is_sent = |field: &String, value: &RawValue| {
            let leads_nowhere = references.contains(field) && text(values, field).is_some_and(|id| leads_nowhere(&id));
            value.get() != "null" && !leads_nowhere
        };
        let sent = values.iter().filter(|(field, value)| is_sent(field, value));
        sent.map(|(field, value)| (field.clone(), serde_json::from_str(value.get()).unwrap_or(Value::Null)))
            .collect()
    }

    fn back(&self) -> BTreeMap<&String, Vec<Value>> {
        let mut back: BTreeMap<&String, Vec<Value>> = BTreeMap::new();
        for (name, object) in &self.before.objects {
            for (id, values) in &self.after.objects[name].records {
                let Some(was) = object.records.get(id) else { continue };
                let lost: Vec<(&String, String)> = object
                    .references
                    .iter()
                    .filter(|field| text(values, field).is_none())
                    .filter_map(|field| Some((field, text(was, field)?)))
                    .collect();
                if !lost.is_empty() {
                    let mut record = json!({"Id": id});
                    for (field, target) in lost {
                        record[field] = target.into();
                    }
                    back.entry(name).or_default().push(record);
                }
            }
        }
        back
    }

    /// Objects of which records are gone, each after those that its records refer to, as far as there is such an order.
    fn in_order(&self) -> Vec<&str> {
        let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, object) in &self.before.objects {
            let mut refers = BTreeSet::new();
            for values in self.gone(name) {
                let targets = object.references.iter().filter_map(|field| text(values, field));
                refers.extend(
                    targets
                        .filter_map(|id| self.before.object_of(&id))
                        .filter(|target| target != name),
                );
            }
            if self.gone(name).next().is_some() {
                left.insert(name, refers);
            }
        }
        let mut ordered = Vec::new();
        while !left.is_empty() {
            let open = |refers: &BTreeSet<&str>| refers.iter().filter(|name| left.contains_key(*name)).count();
            let Some(next) = left.iter().min_by_key(|(_, refers)| open(refers)).map(|(name, _)| *name) else {
                break;
            };
            left.remove(next);
            ordered.push(next);
        }
        ordered
    }
}

fn text(values: &Values, field: &str) -> Option<String> {
    serde_json::from_str(values.get(field)?.get()).ok()
}
