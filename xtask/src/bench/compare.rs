//! Every value of a snapshot against the org's own: the bytes of each record, which fields there are, and file bodies.
//!
//! Numbers are equal where their digits are, however they are written: an org itself writes them otherwise from API to API. Records are compared as sets of digests, so that neither side has to be held in memory; where they differ, a few are read again
//! to say in which fields. The rule: an object that can't be compared is a difference.

use super::difference::ObjectDifference;
use super::{files, numbers};
use crate::running::{FakeProcess, HostProgram};
use anyhow::{Context, Result};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// Records of an object that are looked at closely where they differ.
const EXAMPLES: usize = 3;
/// Fields that no record holds: compound ones are there by their parts, files as blobs.
const BY_OTHER_MEANS: [&str; 3] = ["address", "location", "base64"];

/// What a comparison found.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// Objects of the snapshot that were compared.
    pub objects: u64,
    /// Records of the org in them.
    pub records: u64,
    /// Values of those records.
    pub values: u64,
    /// File bodies of those records.
    pub files: u64,
    /// What differs, by object.
    pub differences: Vec<ObjectDifference>,
}

/// Compares each object that the snapshot says is complete; one that it says is not is a difference where the org has it.
/// `only` names the objects that are meant to be there; none means all.
pub fn newest_snapshot(host: &HostProgram, fake: &FakeProcess, connection: &str, only: &[&str]) -> Result<Comparison> {
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        state: String,
        reason: Option<String>,
    }
    let listed: Vec<Listed> = serde_json::from_value(host.json(&["ls", connection, "latest"])?)?;
    let listed: HashMap<&str, &Listed> = listed.iter().map(|object| (object.name.as_str(), object)).collect();
    let mut found = Comparison::default();
    let is_meant = |name: &str| only.is_empty() || only.contains(&name);
    let objects = fake.objects()?;
    for object in objects
        .iter()
        .filter(|object| !object.refuses_query && is_meant(&object.name))
    {
        let name = object.name.as_str();
        match listed.get(name) {
            Some(listed) if listed.state == "complete" => {
                let before = found.differences.len();
                compare(host, fake, connection, name, &mut found)?;
                for difference in &mut found.differences[before..] {
                    let told = listed.reason.as_ref().map(|reason| format!("the snapshot says: {reason}"));
                    difference.examples.extend(told);
                }
                let (files, difference) = files::compare(host, fake, connection, name)?;
                found.files += files;
                found.differences.extend(difference);
            }
            Some(listed) if listed.state == "skipped" && is_left_out(name) => {}
            // An object that only says of itself that it can be queried: the org's refusal is then the reason.
            Some(listed) if listed.state == "skipped" && object.rows == 0 => {}
            Some(listed) => found.differences.push(ObjectDifference::in_words(
                name,
                format!(
                    "is {} in the snapshot ({}), and the org has {} records",
                    listed.state,
                    listed.reason.as_deref().unwrap_or("no reason"),
                    object.rows
                ),
            )),
            None if object.rows == 0 => {}
            None => found.differences.push(ObjectDifference::in_words(
                name,
                format!("is not in the snapshot, and the org has {} records", object.rows),
            )),
        }
    }
    Ok(found)
}

/// Big objects, and objects whose records are in another system.
fn is_left_out(name: &str) -> bool {
    name.ends_with("__b") || name.ends_with("__x")
}

type Print = [u8; 16];

fn print_of(line: &[u8], plain: &mut Vec<u8>) -> Print {
    plain.clear();
    numbers::write_plainly(line, plain);
    let mut print = Print::default();
    print.copy_from_slice(&Sha256::digest(plain)[..16]);
    print
}

fn compare(host: &HostProgram, fake: &FakeProcess, connection: &str, object: &str, found: &mut Comparison) -> Result<()> {
    let export = ["export", connection, "latest", object];
    let mut held: HashMap<Print, u32> = HashMap::new();
    let mut fields: Vec<String> = Vec::new();
    let mut exported = host.lines(&export)?;
    let (mut line, mut plain) = (Vec::new(), Vec::new());
    while exported.next_into(&mut line)? {
        if fields.is_empty() {
            fields = names(&line).with_context(|| format!("the first exported record of {object} is not JSON"))?;
        }
        *held.entry(print_of(&line, &mut plain)).or_default() += 1;
    }
    found.objects += 1;
    let asked = if fields.is_empty() {
        vec!["Id".to_owned()]
    } else {
        fields.clone()
    };
    let mut odd: Vec<Vec<u8>> = Vec::new();
    let (mut records, mut of_the_org) = (0, 0);
    let mut held_by_the_org = fake.records(object, &asked)?;
    while held_by_the_org.next_into(&mut line)? {
        records += 1;
        match held.get_mut(&print_of(&line, &mut plain)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                of_the_org += 1;
                if odd.len() < EXAMPLES {
                    odd.push(line.clone());
                }
            }
        }
    }
    found.records += records;
    found.values += records * fields.len() as u64;
    let of_the_snapshot = held.values().map(|left| u64::from(*left)).sum();
    let mut examples = Vec::new();
    if !fields.is_empty() {
        examples.extend(missing_fields(fake, object, &fields)?);
    }
    if of_the_org + of_the_snapshot > 0 {
        examples.extend(explain(host, &export, &odd)?);
    }
    if of_the_org + of_the_snapshot > 0 || !examples.is_empty() {
        found.differences.push(ObjectDifference {
            object: object.to_owned(),
            of_the_org,
            of_the_snapshot,
            examples,
        });
    }
    Ok(())
}

/// Names the fields that the org describes and the records don't have.
fn missing_fields(fake: &FakeProcess, object: &str, fields: &[String]) -> Result<Option<String>> {
    let described = fake.api(&format!("sobjects/{object}/describe"))?;
    let described = described["fields"].as_array().into_iter().flatten();
    let missing: Vec<&str> = described
        .filter(|field| !field["type"].as_str().is_some_and(|kind| BY_OTHER_MEANS.contains(&kind)))
        .filter_map(|field| field["name"].as_str())
        .filter(|name| !fields.iter().any(|field| field == name))
        .collect();
    Ok((!missing.is_empty()).then(|| format!("fields that no record has: {}", missing.join(", "))))
}

/// Finds records of the org in the export again, and says where they differ.
fn explain(host: &HostProgram, export: &[&str], odd: &[Vec<u8>]) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for ours in odd {
        let org: IndexMap<String, Box<RawValue>> = serde_json::from_slice(ours)?;
        let Some(id) = org.get("Id") else {
            said.push("a record without Id differs".to_owned());
            continue;
        };
        let mut exported = host.lines(export)?;
        let mut line = Vec::new();
        let mut twin = None;
        while exported.next_into(&mut line)? {
            let record: IndexMap<String, Box<RawValue>> = serde_json::from_slice(&line)?;
            if record.get("Id").is_some_and(|other| other.get() == id.get()) {
                twin = Some(record);
                break;
            }
        }
        said.push(match twin {
            None => format!("{} is not in the snapshot", id.get()),
            Some(twin) => {
                let differing = org.iter().filter_map(|(name, value)| {
                    let other = twin.get(name).map_or("nothing", |other| other.get());
                    (!numbers::are_equal(other, value.get()))
                        .then(|| format!("{name} is {} and {other} in the snapshot", value.get()))
                });
                let differing: Vec<String> = differing.collect();
                match differing.is_empty() {
                    true => format!("{} is there twice, or its fields in another order", id.get()),
                    false => format!("{}: {}", id.get(), differing.join("; ")),
                }
            }
        });
    }
    Ok(said)
}

/// The names of a record's fields, in its order.
fn names(record: &[u8]) -> Result<Vec<String>> {
    let record: IndexMap<String, Value> = serde_json::from_slice(record)?;
    Ok(record.into_keys().collect())
}
