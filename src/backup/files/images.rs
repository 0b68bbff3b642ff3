//! How many images an object's rich text had when its files were last looked through, so that the next plan can expect as many.
//!
//! No count in Salesforce tells of them: they show when the text that they stand in has been read. The rule of the estimate: what
//! isn't in the store yet is fetched by a full backup, and as many new ones as the backup before found; a first backup expects
//! nothing, and says so. Kept in values; what is fetched goes by source keys alone.

use crate::host::{ConnectorError, Host};
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};

/// What they are called where they stand beside an estimate.
pub const WHAT: &str = "images in rich text";

/// What is known of an object's images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Within the text of its rows.
    pub found: u64,
    /// Of them, those that the store doesn't have.
    pub missing: u64,
    /// Those that the last backup found, and the one before it hadn't.
    pub new: u64,
}

impl Images {
    /// After a backup that looked through all rows: so many are in the text, so many weren't in the store then, so many aren't now.
    pub fn after(before: Option<Images>, found: u64, due: u64, missing: u64) -> Images {
        Images {
            found,
            missing: missing.min(due),
            new: before.map_or(0, |before| due.saturating_sub(before.missing)),
        }
    }

    /// Requests that the next backup will take for them, beside those that are planned: an incremental one plans those that are
    /// missing, since their number is with the snapshot.
    pub fn expected(self, incremental: bool) -> u64 {
        let missing = if incremental { 0 } else { self.missing };
        missing.saturating_add(self.new)
    }
}

/// Keeps what is known of an object's images; `None` forgets it.
pub fn keep<H: Host>(host: &H, object: &str, images: Option<Images>) -> Result<(), ConnectorError> {
    Ok(host.put(vec![values::entry_or_removal(key::images(object), images.as_ref())?])?)
}

/// What is known of these objects' images, in their order.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Images>>, ConnectorError> {
    values::cached_each(host, objects.iter().map(|object| key::images(object)))
}

/// A backup found nothing changed in these objects, so no new images either; or nobody wanted their images (`false`), so that
/// nothing is known of them any more.
pub fn not_looked_through<H: Host>(host: &H, objects: &[(&str, bool)]) -> Result<(), ConnectorError> {
    let names: Vec<&str> = objects.iter().map(|(name, _)| *name).collect();
    let entries: Vec<Entry> = objects
        .iter()
        .zip(known(host, &names)?)
        .filter_map(|((name, wanted), known)| match known? {
            _ if !wanted => Some(Ok(values::removal(key::images(name)))),
            Images { new: 0, .. } => None,
            known => Some(values::entry(key::images(name), &Images { new: 0, ..known })),
        })
        .collect::<Result<_, _>>()?;
    if entries.is_empty() {
        return Ok(());
    }
    Ok(host.put(entries)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backup_expects_what_is_missing_and_any_what_came_anew() {
        let first = Images::after(None, 900, 900, 860);
        assert_eq!((first.expected(false), first.expected(true)), (860, 0));
        let second = Images::after(Some(first), 905, 865, 825);
        assert_eq!((second.expected(false), second.expected(true)), (830, 5));
    }
}
