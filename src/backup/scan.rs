//! A scan of Ids: which records that the snapshot has are not in the org any more.
//!
//! Pages of Ids are compared with the keys of the snapshot in the same span. The rule it keeps: a record is taken for deleted only
//! where its key lies within a span that Salesforce answered whole, in the order of keys.

use super::batch::Batch;
use super::object::{Cursor, Outcome};
use crate::host::{ConnectorError, Host, Snapshot, Which};

impl<H: Host> Batch<'_, '_, H> {
    /// Compares the pages of Ids that came of an object, before its cursor moves over them.
    pub(super) fn scanned(
        &mut self,
        object_ix: usize,
        outcomes: &[Outcome],
        ids: Vec<Vec<String>>,
    ) -> Result<(), ConnectorError> {
        let mut after = match self.checkpoint.objects[object_ix].cursor() {
            Cursor::After(key) => key.clone(),
            Cursor::Start | Cursor::Locator(_) => String::new(),
        };
        for (outcome, ids) in outcomes.iter().zip(ids) {
            let Outcome::Page(page) = outcome else { return Ok(()) };
            let in_order = ids.windows(2).all(|pair| pair[0] < pair[1]) && ids.first().is_none_or(|first| *first > after);
            if !in_order {
                let mut events = Vec::new();
                self.checkpoint.objects[object_ix].scan_out_of_order(&mut events);
                return self.tell(object_ix, events);
            }
            let until = if page.done { None } else { ids.last().cloned() };
            self.bury_missing(object_ix, &after, until.as_deref(), &ids)?;
            match until {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Marks as deleted the snapshot's records with `after < key <= until` that are not among `ids`; `until` is `None`: to the end.
    fn bury_missing(
        &mut self,
        object_ix: usize,
        after: &str,
        until: Option<&str>,
        ids: &[String],
    ) -> Result<(), ConnectorError> {
        let object = &self.checkpoint.objects[object_ix];
        let Some(snapshot) = self.host().open(Which::Current)? else {
            return Ok(());
        };
        let now = self.host().now();
        let mut cursor = after.to_owned();
        let mut missing = Vec::new();
        'rows: loop {
            let (rows, next) = snapshot.read(&object.name, &cursor, object.rows_at_once())?;
            for row in rows {
                if until.is_some_and(|until| row.key.as_str() > until) {
                    break 'rows;
                }
                if ids.binary_search(&row.key).is_err() {
                    missing.push((row.key, now));
                }
            }
            if next.is_empty() {
                break;
            }
            cursor = next;
        }
        // What this batch has staged was alive a moment ago.
        let missing = missing
            .into_iter()
            .filter(|(key, _)| !self.changes.has_staged(object_ix, key))
            .collect();
        self.changes.deleted(object_ix, missing);
        Ok(())
    }
}
