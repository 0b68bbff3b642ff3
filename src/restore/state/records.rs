//! The records: every record that a restore has to do with, by object, and which record of the target each became.
//!
//! Two tables an object. That of entries is the restore's, and ends with it. The id map belongs to the pair of orgs and outlives
//! it: a record that was restored before is known by its new Id, so that restoring it from another snapshot doesn't create it
//! twice.

use crate::host::{ConnectorError, Host};
use crate::restore::prepare::LeftOut;
use crate::restore::state::record::RecordEntry;
use crate::restore::state::table::Table;
use crate::values::{Entry, key};
use std::collections::BTreeMap;

/// In place of the Id of a record that may have been created, and nothing tells.
pub const DOUBTFUL: &str = "?";

/// Characters of an error that are kept: a thousand are one value.
const MAX_ERROR: usize = 250;

/// A record may have been restored, deleted and restored again so often.
const MAX_CHAIN: usize = 64;

/// Keys of records in the snapshot, and what is known of them.
pub type Records = Vec<(String, RecordEntry)>;

/// See the module.
pub struct RecordTable<'h, H> {
    host: &'h H,
    space: &'static str,
    /// What the source's Ids belong to.
    source: String,
    entries: BTreeMap<String, Table<RecordEntry>>,
    ids: BTreeMap<String, Table<String>>,
    refused: BTreeMap<String, Table<Vec<String>>>,
    errors: BTreeMap<String, Table<String>>,
    kept: BTreeMap<String, Table<Vec<String>>>,
}

impl<'h, H: Host> RecordTable<'h, H> {
    /// Of the restore that is kept there, from this source.
    pub fn new(host: &'h H, space: &'static str, source: &str) -> RecordTable<'h, H> {
        RecordTable {
            host,
            space,
            source: source.to_owned(),
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            refused: BTreeMap::new(),
            errors: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    /// What is known of a record.
    pub fn get(&mut self, object: &str, key: &str) -> Result<Option<RecordEntry>, ConnectorError> {
        let host = self.host;
        self.entries(object)?.get(host, key)
    }

    /// Sets what is known of a record.
    pub fn set(&mut self, object: &str, key: &str, entry: RecordEntry) -> Result<(), ConnectorError> {
        let host = self.host;
        self.entries(object)?.set(host, key, entry)
    }

    /// Records after a key (exclusive; empty: from the first), as many as are kept together; none at the end.
    pub fn after(&mut self, object: &str, key: &str) -> Result<Records, ConnectorError> {
        let host = self.host;
        self.entries(object)?.after(host, key)
    }

    /// The Id that a record got when it was restored last.
    pub fn mapped(&mut self, object: &str, key: &str) -> Result<Option<String>, ConnectorError> {
        let host = self.host;
        let ids = self.ids(object)?;
        let mut found: Option<String> = None;
        for _ in 0..MAX_CHAIN {
            match ids.get(host, found.as_deref().unwrap_or(key))? {
                Some(next) => found = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// Keeps the Id that a record got.
    pub fn map(&mut self, object: &str, key: &str, id: &str) -> Result<(), ConnectorError> {
        if key == id {
            return Ok(());
        }
        let host = self.host;
        self.ids(object)?.set(host, key, id.to_owned())
    }

    /// Fields that the org refused for a record, which is written without them.
    pub fn without(&mut self, object: &str, key: &str) -> Result<Vec<LeftOut>, ConnectorError> {
        let host = self.host;
        let refused = self.refused(object)?;
        if refused.is_empty() {
            return Ok(Vec::new());
        }
        // Earlier versions kept names alone.
        let left_out = |kept: String| {
            let (field, why) = kept.split_once(": ").unwrap_or((&kept, "the org refused it"));
            LeftOut {
                field: field.to_owned(),
                why: why.to_owned(),
            }
        };
        let kept = refused.get(host, key)?.unwrap_or_default();
        Ok(kept.into_iter().map(left_out).collect())
    }

    /// A record is written without these fields from now on. Whether that is new of one of them.
    pub fn leave_out(&mut self, object: &str, key: &str, fields: &[LeftOut]) -> Result<bool, ConnectorError> {
        let host = self.host;
        let mut all = self.without(object, key)?;
        let had = all.len();
        for field in fields {
            if all.iter().all(|known| known.field != field.field) {
                all.push(field.clone());
            }
        }
        let new = all.len() > had;
        let kept = all
            .into_iter()
            .map(|field| format!("{}: {}", field.field, field.why))
            .collect();
        self.refused(object)?.set(host, key, kept)?;
        Ok(new)
    }

    /// References of a record that people have set since the snapshot: they stay.
    pub fn kept(&mut self, object: &str, key: &str) -> Result<Vec<String>, ConnectorError> {
        let host = self.host;
        let kept = self.kept_of(object)?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        Ok(kept.get(host, key)?.unwrap_or_default())
    }

    /// Keeps which these are.
    pub fn set_kept(&mut self, object: &str, key: &str, fields: Vec<String>) -> Result<(), ConnectorError> {
        let host = self.host;
        self.kept_of(object)?.set(host, key, fields)
    }

    /// Why the org last refused a record of which nothing more is known yet.
    pub fn error(&mut self, object: &str, key: &str) -> Result<String, ConnectorError> {
        let host = self.host;
        Ok(self.errors(object)?.get(host, key)?.unwrap_or_default())
    }

    /// Keeps why the org refused a record.
    pub fn set_error(&mut self, object: &str, key: &str, why: &str) -> Result<(), ConnectorError> {
        let host = self.host;
        self.errors(object)?.set(host, key, why.chars().take(MAX_ERROR).collect())
    }

    /// What was changed since the last time, as entries to be put.
    pub fn changes(&mut self) -> Result<Vec<Entry>, ConnectorError> {
        let mut entries = Vec::new();
        for table in self.entries.values_mut() {
            entries.extend(table.changes()?);
        }
        for table in self.ids.values_mut() {
            entries.extend(table.changes()?);
        }
        for table in self.refused.values_mut() {
            entries.extend(table.changes()?);
        }
        for table in self.errors.values_mut() {
            entries.extend(table.changes()?);
        }
        for table in self.kept.values_mut() {
            entries.extend(table.changes()?);
        }
        Ok(entries)
    }

    fn entries(&mut self, object: &str) -> Result<&mut Table<RecordEntry>, ConnectorError> {
        let space = self.space;
        opened(self.host, &mut self.entries, object, || format!("{space}roll/{object}"))
    }

    fn ids(&mut self, object: &str) -> Result<&mut Table<String>, ConnectorError> {
        let source = &self.source;
        opened(self.host, &mut self.ids, object, || key::ids(source, object))
    }

    fn refused(&mut self, object: &str) -> Result<&mut Table<Vec<String>>, ConnectorError> {
        let space = self.space;
        opened(self.host, &mut self.refused, object, || format!("{space}without/{object}"))
    }

    fn kept_of(&mut self, object: &str) -> Result<&mut Table<Vec<String>>, ConnectorError> {
        let space = self.space;
        opened(self.host, &mut self.kept, object, || format!("{space}kept/{object}"))
    }

    fn errors(&mut self, object: &str) -> Result<&mut Table<String>, ConnectorError> {
        let space = self.space;
        opened(self.host, &mut self.errors, object, || format!("{space}error/{object}"))
    }
}

fn opened<'t, H, V>(
    host: &H,
    tables: &'t mut BTreeMap<String, Table<V>>,
    object: &str,
    name: impl FnOnce() -> String,
) -> Result<&'t mut Table<V>, ConnectorError>
where
    H: Host,
    V: Clone + serde::Serialize + serde::de::DeserializeOwned,
{
    if !tables.contains_key(object) {
        tables.insert(object.to_owned(), Table::open(host, &name())?);
    }
    tables
        .get_mut(object)
        .ok_or_else(|| ConnectorError::State(crate::host::Failure::new("table", "a table is gone that was just opened")))
}

/// A walk over an object's records, as many at a time as are kept together.
#[derive(Debug, Default)]
pub struct Pages {
    after: String,
}

impl Pages {
    /// The records that come next; none at the end.
    pub fn next<H: Host>(&mut self, records: &mut RecordTable<'_, H>, object: &str) -> Result<Option<Records>, ConnectorError> {
        let page = records.after(object, &self.after)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.after.clone_from(last);
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::restore::state::record::RecordState;
    use crate::testing::scripted::{Reply, ScriptedHost};

    #[test]
    fn a_record_that_was_restored_again_and_again_is_known_by_its_last_id() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        let mut records = RecordTable::new(&host, key::RESTORE, "00D1");
        records.map("Account", "001A", "001B").unwrap();
        records.map("Account", "001B", "001C").unwrap();
        host.put(records.changes().unwrap()).unwrap();
        let mut again = RecordTable::new(&host, key::RESTORE, "00D1");
        assert_eq!(again.mapped("Account", "001A").unwrap().as_deref(), Some("001C"));
        assert_eq!(again.mapped("Account", "001C").unwrap(), None);
        assert_eq!(
            RecordTable::new(&host, key::RESTORE, "00D2")
                .mapped("Account", "001A")
                .unwrap(),
            None
        );
    }

    #[test]
    fn a_map_that_turns_in_a_circle_ends() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        let mut records = RecordTable::new(&host, key::RESTORE, "00D1");
        records.map("Account", "001A", "001B").unwrap();
        records.map("Account", "001B", "001A").unwrap();
        assert!(records.mapped("Account", "001A").unwrap().is_some());
    }

    #[test]
    fn what_the_org_refused_adds_up() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        let mut records = RecordTable::new(&host, key::RESTORE, "00D1");
        let left_out = |field: &str, why: &str| LeftOut {
            field: field.into(),
            why: why.into(),
        };
        assert!(records.leave_out("A", "1", &[left_out("X", "E: too long")]).unwrap());
        assert!(
            records
                .leave_out("A", "1", &[left_out("Y", "no"), left_out("X", "again")])
                .unwrap()
        );
        assert!(!records.leave_out("A", "1", &[left_out("Y", "no")]).unwrap());
        assert_eq!(
            records.without("A", "1").unwrap(),
            [left_out("X", "E: too long"), left_out("Y", "no")]
        );
        records.set("A", "1", RecordEntry::new(RecordState::Create)).unwrap();
        assert!(records.get("A", "1").unwrap().is_some());
    }
}
