//! What the org itself says was there to be read: rows, changes and deletions, by object.

use crate::running::FakeProcess;
use crate::running::fake::ChurnCounts;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One object that can be queried.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ObjectTruth {
    /// Live rows.
    pub rows: u64,
    /// Live rows that were changed or created since the last pass.
    pub changed: u64,
    /// Rows that went since the last pass, those in the recycle bin and those that aren't.
    pub deleted: u64,
    /// Custom fields of long text: a query of two or more has short pages.
    pub long_texts: u64,
    /// How its changes can be found.
    pub changes: Changes,
    /// Whether rows of it can go, and getDeleted tells which.
    pub tells_deletions: bool,
}

/// How the changed rows of an object can be told from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changes {
    /// getUpdated tells whether there are any, and a stamp which they are.
    #[default]
    Told,
    /// By a query for its stamp.
    Stamped,
    /// Not at all: all rows have to be read.
    Unknown,
}

/// Fields that tell when a row was changed, the better ones first.
const STAMPS: [&str; 3] = ["SystemModstamp", "LastModifiedDate", "CreatedDate"];
/// Characters of the longest text area that isn't a long one.
const LONGEST_SHORT_TEXT: u64 = 255;

/// All of them, by name.
pub type Truth = BTreeMap<String, ObjectTruth>;

/// The org as it stands, nothing changed yet.
pub fn at_rest(fake: &FakeProcess) -> Result<Truth> {
    let mut truth = Truth::new();
    for object in fake.objects()?.into_iter().filter(|object| !object.refuses_query) {
        let described = serde_json::from_value(fake.api(&format!("sobjects/{}/describe", object.name))?)?;
        truth.insert(object.name, told_by(&described, object.rows));
    }
    Ok(truth)
}

#[derive(Deserialize)]
struct Described {
    deletable: bool,
    replicateable: bool,
    fields: Vec<DescribedField>,
}

#[derive(Deserialize)]
struct DescribedField {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    custom: bool,
    length: u64,
}

fn told_by(described: &Described, rows: u64) -> ObjectTruth {
    let is_stamped = described.fields.iter().any(|field| STAMPS.contains(&field.name.as_str()));
    let is_long = |field: &&DescribedField| field.custom && field.kind == "textarea" && field.length > LONGEST_SHORT_TEXT;
    ObjectTruth {
        rows,
        long_texts: described.fields.iter().filter(is_long).count() as u64,
        changes: match (described.replicateable, is_stamped) {
            (true, true) => Changes::Told,
            (false, true) => Changes::Stamped,
            (_, false) => Changes::Unknown,
        },
        tells_deletions: described.deletable && described.replicateable,
        ..ObjectTruth::default()
    }
}

/// The org after other applications changed it. `since` is compared with stamps as text, to the second.
pub fn after(fake: &FakeProcess, churned: &BTreeMap<String, ChurnCounts>, since: &str) -> Result<Truth> {
    let mut truth = at_rest(fake)?;
    for (name, churned) in churned {
        if let Some(object) = truth.get_mut(name) {
            object.deleted = churned.deleted + churned.hard_deleted;
            object.changed = stamped_since(fake, name, since)?;
        }
    }
    Ok(truth)
}

fn stamped_since(fake: &FakeProcess, object: &str, since: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Stamp {
        #[serde(rename = "SystemModstamp")]
        stamp: String,
    }
    let since = since.trim_end_matches('Z');
    let mut changed = 0;
    let mut rows = fake.records(object, &["SystemModstamp".to_owned()])?;
    let mut line = Vec::new();
    while rows.next_into(&mut line)? {
        let row: Stamp = serde_json::from_slice(&line)?;
        changed += u64::from(row.stamp.as_str() >= since);
    }
    Ok(changed)
}
