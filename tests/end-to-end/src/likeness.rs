use bigdecimal::BigDecimal;
use fake_salesforce::Fake;
use fake_salesforce::oracle::OracleQuery;
use fake_salesforce::org::{FieldType, Scan};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Rounds in which records are told apart by what they refer to, and by what refers to them.
const ROUNDS: usize = 12;

/// How many differences an assertion shows.
const SHOWN: usize = 8;

/// All records of an org by what can be written of them, to be compared but for the Ids of records that were created anew.
///
/// Knows nothing of how a restore maps Ids: two records are the same if they have the same values, refer to the same records and
/// are referred to by the same ones. A record that is there under its old Id has to be that record.
#[derive(Clone)]
pub struct Likeness {
    records: BTreeMap<String, Record>,
}

#[derive(Clone)]
struct Record {
    object: String,
    values: BTreeMap<String, String>,
    refers: BTreeMap<String, String>,
    /// References that can only be set when a record is created.
    fixed: BTreeMap<String, String>,
}

/// Names of an object's references.
#[derive(Default)]
struct References {
    changeable: BTreeSet<String>,
    fixed: BTreeSet<String>,
}

impl Likeness {
    /// Of an org as it is now. `left_out`: objects and fields that are not compared.
    pub fn of(fake: &Fake, left_out: impl Fn(&str, &str) -> bool) -> Likeness {
        let viewer = fake.user();
        let names: Vec<String> = {
            let org = fake.org().read().unwrap();
            org.objects().iter().map(|object| object.name().to_owned()).collect()
        };
        let mut records = BTreeMap::new();
        for name in names {
            let (mut fields, mut references) = (vec!["Id".to_owned()], References::default());
            {
                let org = fake.org().read().unwrap();
                let object = org.object(&name).unwrap();
                for (_, field) in object.visible_fields(&viewer) {
                    let written = field.createable || field.updateable;
                    if !written || field.kind == FieldType::Base64 || left_out(&name, &field.name) {
                        continue;
                    }
                    fields.push(field.name.to_string());
                    if !field.reference_to.is_empty() {
                        let set = if field.updateable {
                            &mut references.changeable
                        } else {
                            &mut references.fixed
                        };
                        set.insert(field.name.to_string());
                    }
                }
            }
            let scan = Scan {
                deleted: false,
                archived: true,
            };
            let wanted = OracleQuery {
                scan,
                fields: Some(fields),
                ..OracleQuery::default()
            };
            let lines = fake.oracle_of(&name, &wanted);
            for line in std::str::from_utf8(&lines).unwrap().lines() {
                let (id, record) = Record::read(&name, line, &references);
                records.insert(id, record);
            }
        }
        Likeness { records }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What differs from another state of the same org; nothing where both are alike.
    ///
    /// What a record that was never gone refers to by a field that can't be changed any more is not compared: nothing can set it.
    pub fn differences(&self, now: &Likeness) -> Vec<String> {
        let mut found = Vec::new();
        let kept: BTreeSet<&String> = self.records.keys().filter(|id| now.records.contains_key(*id)).collect();
        let (was, is) = (self.with_fixed_unless(&kept), now.with_fixed_unless(&kept));
        was.differences_of(&is, &kept, &mut found);
        found
    }

    fn with_fixed_unless(&self, kept: &BTreeSet<&String>) -> Likeness {
        let mut all = self.clone();
        for (id, record) in &mut all.records {
            let fixed = std::mem::take(&mut record.fixed);
            if !kept.contains(id) {
                record.refers.extend(fixed);
            }
        }
        all
    }

    fn differences_of(&self, now: &Likeness, kept: &BTreeSet<&String>, found: &mut Vec<String>) {
        for id in kept {
            let (was, is) = (&self.records[*id], &now.records[*id]);
            for (field, value) in &was.values {
                if is.values.get(field) != Some(value) {
                    found.push(format!(
                        "{} {id}: {field} was {value} and is {:?}",
                        was.object,
                        is.values.get(field)
                    ));
                }
            }
            for (field, target) in &was.refers {
                let same = is.refers.get(field) == Some(target);
                if !same && (kept.contains(target) || !is.refers.get(field).is_some_and(|id| now.records.contains_key(id))) {
                    found.push(format!(
                        "{} {id}: {field} was {target} and is {:?}",
                        was.object,
                        is.refers.get(field)
                    ));
                }
            }
            for field in is.refers.keys().filter(|field| !was.refers.contains_key(*field)) {
                found.push(format!("{} {id}: {field} was empty and is {}", was.object, is.refers[field]));
            }
        }
        if !found.is_empty() {
            return;
        }
        let (mut was, mut is) = (self.colours(kept), now.colours(kept));
        for round in 0..ROUNDS {
            let (missing, extra) = (only_in(&was, &is), only_in(&is, &was));
            if !missing.is_empty() || !extra.is_empty() {
                let show = |what: &str, of: &Likeness, ids: Vec<&String>| -> Vec<String> {
                    ids.into_iter()
                        .map(|id| format!("{what} (round {round}): {}", of.shown(id)))
                        .collect()
                };
                found.extend(show("missing", self, missing));
                found.extend(show("not there before", now, extra));
                return;
            }
            (was, is) = (self.refined(&was), now.refined(&is));
        }
    }

    /// Asserts that another state of the same org is like this one.
    pub fn assert_like(&self, now: &Likeness, about: &str) {
        let differences = self.differences(now);
        assert!(
            differences.is_empty(),
            "{about}: {} differences, {} records before, {} now:\n{}",
            differences.len(),
            self.len(),
            now.len(),
            differences[..differences.len().min(SHOWN)].join("\n")
        );
    }

    fn colours(&self, kept: &BTreeSet<&String>) -> BTreeMap<String, u64> {
        let colour = |(id, record): (&String, &Record)| {
            let kept = kept.contains(id).then_some(id);
            (id.clone(), hash(&(&record.object, &record.values, kept)))
        };
        self.records.iter().map(colour).collect()
    }

    /// Each record's colour with those of its neighbours in it.
    fn refined(&self, colours: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut neighbours: BTreeMap<&String, Vec<(bool, &String, u64)>> = BTreeMap::new();
        for (id, record) in &self.records {
            for (field, target) in &record.refers {
                let colour = colours.get(target).copied().unwrap_or_else(|| hash(target));
                neighbours.entry(id).or_default().push((true, field, colour));
                neighbours.entry(target).or_default().push((false, field, colours[id]));
            }
        }
        let refine = |(id, colour): (&String, &u64)| {
            let mut around = neighbours.get(id).cloned().unwrap_or_default();
            around.sort_unstable();
            (id.clone(), hash(&(colour, around)))
        };
        colours.iter().map(refine).collect()
    }

    fn shown(&self, id: &str) -> String {
        let record = &self.records[id];
        let refers = record.refers.iter().map(|(field, target)| {
            let name = self.records.get(target).and_then(|record| record.values.get("Name"));
            format!("{field}={target} {}", name.map_or("", String::as_str))
        });
        format!(
            "{} {id} {:?} refers to {:?}",
            record.object,
            record.values,
            refers.collect::<Vec<_>>()
        )
    }
}

impl Record {
    fn read(object: &str, line: &str, references: &References) -> (String, Record) {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).unwrap();
        let mut record = Record {
            object: object.to_owned(),
            values: BTreeMap::new(),
            refers: BTreeMap::new(),
            fixed: BTreeMap::new(),
        };
        let mut own = String::new();
        for (name, value) in members {
            match serde_json::from_str::<Value>(value.get()).unwrap() {
                Value::String(id) if name == "Id" => own = id,
                Value::String(id) if references.changeable.contains(&name) => drop(record.refers.insert(name, id)),
                Value::String(id) if references.fixed.contains(&name) => drop(record.fixed.insert(name, id)),
                Value::Null if references.changeable.contains(&name) || references.fixed.contains(&name) => {}
                Value::Number(_) => {
                    let number: BigDecimal = value.get().parse().unwrap();
                    record.values.insert(name, number.normalized().to_string());
                }
                value => drop(record.values.insert(name, value.to_string())),
            }
        }
        (own, record)
    }
}

/// Records whose colour the other side has fewer of.
fn only_in<'a>(these: &'a BTreeMap<String, u64>, those: &BTreeMap<String, u64>) -> Vec<&'a String> {
    let mut left: BTreeMap<u64, usize> = BTreeMap::new();
    for colour in those.values() {
        *left.entry(*colour).or_default() += 1;
    }
    let mut only = Vec::new();
    for (id, colour) in these {
        match left.get_mut(colour).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => only.push(id),
        }
    }
    only
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(records: &[(&str, &str, Option<&str>)]) -> Likeness {
        let record = |(id, name, parent): &(&str, &str, Option<&str>)| {
            let record = Record {
                object: "A".into(),
                values: [("Name".to_owned(), (*name).to_owned())].into(),
                refers: parent.iter().map(|id| ("Parent".to_owned(), (*id).to_owned())).collect(),
                fixed: BTreeMap::new(),
            };
            ((*id).to_owned(), record)
        };
        Likeness {
            records: records.iter().map(record).collect(),
        }
    }

    #[test]
    fn records_of_other_ids_that_refer_to_each_other_alike_are_the_same() {
        let was = org(&[("1", "x", Some("2")), ("2", "y", Some("1")), ("3", "z", None)]);
        let is = org(&[("7", "y", Some("8")), ("8", "x", Some("7")), ("3", "z", None)]);
        assert_eq!(was.differences(&is), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_twice_or_refers_to_another_is_a_difference() {
        let was = org(&[
            ("1", "x", None),
            ("2", "x", None),
            ("3", "z", Some("1")),
            ("4", "z", Some("2")),
        ]);
        for is in [
            org(&[("7", "x", None), ("3", "z", Some("7"))]),
            org(&[
                ("7", "x", None),
                ("8", "x", None),
                ("9", "x", None),
                ("3", "z", Some("7")),
                ("4", "z", Some("8")),
            ]),
            org(&[
                ("7", "x", None),
                ("8", "x", None),
                ("3", "z", Some("7")),
                ("4", "z", Some("7")),
            ]),
            org(&[("7", "x", None), ("8", "x", None), ("3", "z", Some("7")), ("4", "z", None)]),
            org(&[
                ("1", "x", None),
                ("2", "y", None),
                ("3", "z", Some("1")),
                ("4", "z", Some("2")),
            ]),
            org(&[
                ("1", "x", None),
                ("2", "x", None),
                ("3", "z", Some("2")),
                ("4", "z", Some("2")),
            ]),
        ] {
            assert!(!was.differences(&is).is_empty());
        }
    }
}
