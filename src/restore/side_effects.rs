//! Records that Salesforce creates by itself when their parent is created: which of those of the snapshot that may be.

use crate::host::{ConnectorError, Host, Row};
use crate::restore::context::Context;
use crate::restore::rules::{self, CreatedWithParent, Values};
use crate::restore::state::record::RecordState;
use crate::restore::state::records::Records;
use crate::salesforce::Writable;

impl<H: Host> Context<'_, '_, H> {
    /// Whether a record that is to be created will come to be with its parent, as far as a plan can tell.
    pub(in crate::restore) fn will_come(
        &mut self,
        object: &str,
        writable: &Writable,
        row: &Row,
    ) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        let Some((parent, id)) = self.new_parent(object, writable, &values)? else {
            return Ok(false);
        };
        match self.row(&parent, &id)? {
            Some(row) => Ok(rules::comes_by_itself(object, &values, &rules::values(&parent, &row)?)),
            None => Ok(false),
        }
    }

    /// Whether a record comes to be with a parent that is still to be created.
    pub(in crate::restore) fn comes_with_another(
        &mut self,
        object: &str,
        writable: &Writable,
        row: &Row,
    ) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        Ok(rules::may_come_by_itself(object, &values) && self.new_parent(object, writable, &values)?.is_some())
    }

    /// The parent that brings records of this object, where it is still to be created: its object and its key.
    fn new_parent(
        &mut self,
        object: &str,
        writable: &Writable,
        values: &Values,
    ) -> Result<Option<(String, String)>, ConnectorError> {
        let Some(CreatedWithParent { parent, .. }) = rules::created_with_parent(object) else {
            return Ok(None);
        };
        let (Some(id), Some(field)) = (rules::text(values, parent), writable.field(parent)) else {
            return Ok(None);
        };
        let Some(parent) = self.object_of(&field.refers_to, &id) else {
            return Ok(None);
        };
        let state = self.records.get(&parent, &id)?.map(|entry| entry.what);
        Ok(matches!(state, Some(RecordState::Create | RecordState::WithParent)).then_some((parent, id)))
    }

    /// Those of these records that are to be created and may have come to be by themselves: keys and fields.
    pub(in crate::restore) fn that_may_come(
        &self,
        object: &str,
        page: Records,
    ) -> Result<Vec<(String, Values)>, ConnectorError> {
        let create = page.into_iter().filter(|(_, entry)| entry.what == RecordState::Create);
        let keys: Vec<String> = create.map(|(key, _)| key).collect();
        let mut found = Vec::new();
        for row in self.rows(object, &keys)?.into_iter().flatten() {
            let values = rules::values(object, &row)?;
            if rules::may_come_by_itself(object, &values) {
                found.push((row.key, values));
            }
        }
        Ok(found)
    }
}
