//! What a restore is asked for, found in its snapshot.
//!
//! Records and conditions narrow their own object; other objects that are named are whole.

use super::error::JobError;
use super::restore_request::RestoreRequest;
use backup_store::{ObjectName, Snapshot};
use std::collections::BTreeSet;

/// What is restored of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Whole objects, but for conditions.
    pub objects: Vec<ObjectName>,
    /// Single records.
    pub records: Vec<(ObjectName, String)>,
    /// Conditions, by object.
    pub conditions: Vec<(ObjectName, String)>,
}

/// Finds it.
pub(super) async fn chosen(snapshot: &Snapshot, request: &RestoreRequest) -> Result<Chosen, JobError> {
    let mut chosen = Chosen::default();
    for (object, key) in &request.ids {
        chosen.records.push(record(snapshot, object.as_ref(), key).await?);
    }
    for (object, condition) in &request.conditions {
        chosen.conditions.push((named(snapshot, object)?, condition.clone()));
    }
    if request.all {
        chosen.objects = snapshot.fold().objects.keys().cloned().collect();
    } else {
        for object in &request.objects {
            chosen.objects.push(named(snapshot, object)?);
        }
        // What a condition chooses of is asked for.
        chosen
            .objects
            .extend(chosen.conditions.iter().map(|(object, _)| object.clone()));
    }
    let narrowed: BTreeSet<&ObjectName> = chosen.records.iter().map(|(object, _)| object).collect();
    if let Some((object, _)) = chosen.conditions.iter().find(|(object, _)| narrowed.contains(object)) {
        return Err(JobError::Choice(format!("of {object} choose either by --id or by --where")));
    }
    chosen.objects.retain(|object| !narrowed.contains(object));
    if chosen.objects.is_empty() && chosen.records.is_empty() {
        return Err(JobError::NothingSelected);
    }
    in_order(&mut chosen.objects);
    in_order(&mut chosen.records);
    in_order(&mut chosen.conditions);
    Ok(chosen)
}

/// Each once, sorted.
pub(super) fn in_order<T: Ord>(chosen: &mut Vec<T>) {
    chosen.sort();
    chosen.dedup();
}

/// An object of the snapshot, in whatever case it is written.
fn named(snapshot: &Snapshot, object: &ObjectName) -> Result<ObjectName, JobError> {
    let held = &snapshot.fold().objects;
    if held.contains_key(object) {
        return Ok(object.clone());
    }
    let wanted = object.to_string();
    let mut alike: Vec<(usize, String)> = Vec::new();
    for held in held.keys() {
        let name = held.to_string();
        if name.eq_ignore_ascii_case(&wanted) {
            return Ok(held.clone());
        }
        alike.push((distance(&name.to_ascii_lowercase(), &wanted.to_ascii_lowercase()), name));
    }
    let nearest = alike.into_iter().min().filter(|(distance, _)| *distance <= 3);
    let hint = nearest.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
    Err(JobError::Choice(format!("the snapshot has no object {wanted}{hint}")))
}

/// The record of a key; a Salesforce Id also in its short form, as reports and addresses have it.
async fn record(snapshot: &Snapshot, object: Option<&ObjectName>, key: &str) -> Result<(ObjectName, String), JobError> {
    let key = key.trim();
    let object = object.map(|object| named(snapshot, object)).transpose()?;
    let spellings = std::iter::once(key.to_owned()).chain(long_id(key));
    for key in spellings {
        let keys = [key];
        let objects: Vec<&ObjectName> = match &object {
            Some(object) => vec![object],
            None => snapshot.fold().objects.keys().collect(),
        };
        for object in objects {
            if snapshot.find(object, &keys).await?.iter().any(Option::is_some) {
                let [key] = keys;
                return Ok((object.clone(), key));
            }
        }
    }
    let object = object.map(|object| format!("{object} ")).unwrap_or_default();
    Err(JobError::NoRecord(format!("{object}{key}")))
}

/// An Id of 15 characters with the three that tell its upper case letters.
fn long_id(id: &str) -> Option<String> {
    if id.len() != 15 || !id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let check = id.as_bytes().chunks(5).map(|five| {
        let bits = five.iter().enumerate().filter(|(_, c)| c.is_ascii_uppercase());
        let bits: u8 = bits.map(|(n, _)| 1 << n).sum();
        char::from(if bits < 26 { b'A' + bits } else { b'0' + bits - 26 })
    });
    Some(id.chars().chain(check).collect())
}

/// How many letters one name is from another.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n, c) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (m, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(c != *other);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_made_the_long_one() {
        for (short, long) in [
            ("0015f00000000Ab", "0015f00000000AbAAI"),
            ("001Fk000004tEi3", "001Fk000004tEi3IAE"),
            ("000000000000000", "000000000000000AAA"),
        ] {
            assert_eq!(long_id(short).as_deref(), Some(long));
        }
        for other in ["", "0015f0000000006AAA", "0015f0000000 06", "key"] {
            assert_eq!(long_id(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_near_or_far() {
        assert_eq!(distance("account", "acount"), 1);
        assert_eq!(distance("account", "account"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert!(distance("opportunity", "lead") > 3);
    }
}
