//! When what failed is tried again by later backups: once each, at distances that double up to a week. Kept in values, so that the
//! count outlives commands and snapshots; values are the connection's.

use crate::host::{ConnectorError, Failure, Host};
use crate::values::{self, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The next backup tries again whatever the time; after that, the first distance, in milliseconds.
const FIRST_DISTANCE_MS: u64 = 10 * 60_000;

/// The longest distance.
const LONGEST_DISTANCE_MS: u64 = 7 * 24 * 3_600_000;

/// Parts of an object that are remembered; others are tried by every backup.
const MAX_PARTS: usize = 2_000;

/// What failed, and when it is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Backups that tried in vain.
    pub tries: u32,
    /// The next attempt is due, in milliseconds since 1970.
    pub next_at: u64,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

impl Again {
    fn after(before: Option<&Again>, now: u64, why: &Failure) -> Again {
        let tries = before.map_or(0, |again| again.tries).saturating_add(1);
        let distance = match tries {
            1 => 0,
            more => (FIRST_DISTANCE_MS << (more - 2).min(20)).min(LONGEST_DISTANCE_MS),
        };
        Again {
            tries,
            next_at: now.saturating_add(distance),
            code: why.code.clone(),
            message: why.message.clone(),
        }
    }

    /// It is time to try.
    pub fn is_due(&self, now: u64) -> bool {
        self.next_at <= now
    }

    /// What people are told while it isn't tried.
    pub fn failure(&self, object: &str) -> Failure {
        Failure::new(&self.code, &self.message)
            .about(object)
            .detail("tried", self.tries)
            .remedy("it failed again and again, and a later backup tries once more; a full backup (--full) tries now")
    }
}

/// What is known of these objects, in their order.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Again>>, ConnectorError> {
    values::cached_each(host, objects.iter().map(|object| key::failed(object)))
}

/// An object failed.
pub fn failed<H: Host>(host: &H, object: &str, why: &Failure) -> Result<(), ConnectorError> {
    let before = known(host, &[object])?.remove(0);
    let again = Again::after(before.as_ref(), host.now(), why);
    Ok(host.put(vec![values::entry(key::failed(object), &again)?])?)
}

/// These objects were read.
pub fn forget<H: Host>(host: &H, objects: &[&str]) -> Result<(), ConnectorError> {
    let known = known(host, objects)?;
    let failed = objects.iter().zip(known).filter(|(_, known)| known.is_some());
    let entries: Vec<_> = failed.map(|(object, _)| values::removal(key::failed(object))).collect();
    if !entries.is_empty() {
        host.put(entries)?;
    }
    Ok(())
}

/// Records that could not be read, by their Ids, of each of these objects, and when each is tried again.
pub fn unreadable<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Vec<(String, Again)>>, ConnectorError> {
    let parts = values::cached_each(host, objects.iter().map(|object| key::failed_parts(object)))?;
    let records = |parts: Option<BTreeMap<String, Again>>| {
        // A file is named by its record and its field.
        let parts = parts.unwrap_or_default().into_iter();
        parts.filter(|(part, _)| !part.contains('/')).collect()
    };
    Ok(parts.into_iter().map(records).collect())
}

/// Parts of an object that failed, by their name: files, and records by their Ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    parts: BTreeMap<String, Again>,
    changed: bool,
}

impl Parts {
    /// What is known of an object's.
    pub fn load<H: Host>(host: &H, object: &str) -> Result<Parts, ConnectorError> {
        Ok(Parts {
            parts: values::cached(host, &key::failed_parts(object))?.unwrap_or_default(),
            changed: false,
        })
    }

    /// What is known of one.
    pub fn get(&self, part: &str) -> Option<&Again> {
        self.parts.get(part)
    }

    /// It failed.
    pub fn failed(&mut self, part: &str, now: u64, why: &Failure) {
        let before = self.parts.get(part);
        if before.is_some() || self.parts.len() < MAX_PARTS {
            let again = Again::after(before, now, why);
            self.parts.insert(part.to_owned(), again);
            self.changed = true;
        }
    }

    /// It is there.
    pub fn came(&mut self, part: &str) {
        self.changed |= self.parts.remove(part).is_some();
    }

    /// Keeps what was changed.
    pub fn keep<H: Host>(&mut self, host: &H, object: &str) -> Result<(), ConnectorError> {
        if std::mem::take(&mut self.changed) {
            let parts = Some(&self.parts).filter(|parts| !parts.is_empty());
            host.put(vec![values::entry_or_removal(key::failed_parts(object), parts)?])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_double_up_to_a_week() {
        let why = Failure::new("not-answered", "no");
        let (mut again, mut distances) = (None, Vec::new());
        for _ in 0..15 {
            let next = Again::after(again.as_ref(), 1_000, &why);
            distances.push((next.next_at - 1_000) / 60_000);
            again = Some(next);
        }
        assert_eq!(distances[..5], [0, 10, 20, 40, 80]);
        assert!(
            distances[1..]
                .windows(2)
                .all(|pair| pair[1] == (pair[0] * 2).min(7 * 24 * 60))
        );
        assert_eq!(distances[14], 7 * 24 * 60);
    }
}
