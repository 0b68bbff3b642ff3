//! Fields that the org refuses whole collections for. One record with such a value is found by sending smaller and smaller parts, which
//! takes requests for each; so with the second of an object the field is left out for all of its records that are still to be written,
//! and people are told.

use crate::host::{ConnectorError, Failure, Host};
use crate::restore::refusals::Refusals;
use crate::restore::request::{Placed, Verb};
use crate::restore::state::records::Pages;
use crate::restore::write_error;
use crate::salesforce::SaveError;

impl<H: Host> Refusals<'_, '_, '_, H> {
    /// A record was found to be why what it stood in was refused as a whole; `error` has the fields.
    pub(super) fn blame_fields(&mut self, verb: Verb, record: &Placed, error: &SaveError) -> Result<(), ConnectorError> {
        let writable = self.context.writable(&record.object)?.unwrap_or_default();
        for name in write_error::fields(error) {
            let Some(field) = writable.field(&name).filter(|field| verb == Verb::Update || !field.required) else {
                continue;
            };
            let culprits = &mut self.context.job.object_mut(&record.object).culprits;
            let first = culprits.entry(field.name.clone()).or_insert_with(|| record.key.clone());
            if *first != record.key {
                self.leave_out_for_all(&record.object, &field.name, error)?;
            }
        }
        Ok(())
    }

    fn leave_out_for_all(&mut self, object: &str, field: &str, error: &SaveError) -> Result<(), ConnectorError> {
        let why = format!(
            "whole collections were refused for its values in other records ({})",
            error.text()
        );
        let left_out = &mut self.context.job.object_mut(object).left_out;
        if left_out.insert(field.to_owned(), why).is_some() {
            return Ok(());
        }
        let message = format!(
            "{object}: from here on records are written without {field}: the org refused whole collections for its values in two of them ({})",
            error.text()
        );
        let remark = Failure::new("field-left-out", message)
            .remedy("each record that comes without it is named; once the org takes its values, restore them again with --overwrite")
            .about(object)
            .detail("fields", field);
        self.context.host().remark(object, remark);
        self.send_together(object)
    }

    /// What came in smaller parts for the search comes together again.
    fn send_together(&mut self, object: &str) -> Result<(), ConnectorError> {
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            for (key, mut entry) in page.into_iter().filter(|(_, entry)| entry.is_open() && entry.apart.is_some()) {
                entry.apart = None;
                self.context.records.set(object, &key, entry)?;
            }
        }
        Ok(())
    }
}
