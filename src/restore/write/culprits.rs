//! Fields that the org refuses whole collections for. One record with such a value is found by sending smaller and smaller parts, which
//! takes requests for each; so with the second of an object the field is left out for all of its records that are still to be written,
//! and people are told.

use crate::host::{ConnectorError, Failure, Host};
use crate::restore::prepare::LeftOut;
use crate::restore::refused;
use crate::restore::request::{Placed, Verb};
use crate::restore::run::Run;
use crate::restore::state::records::Pages;
use crate::salesforce::SaveError;

impl<H: Host> Run<'_, '_, H> {
    /// A record was found to be why what it stood in was refused as a whole; `error` has the fields.
    pub(in crate::restore) fn blame_fields(
        &mut self,
        verb: Verb,
        record: &Placed,
        error: &SaveError,
    ) -> Result<(), ConnectorError> {
        let writable = self.writable(&record.object)?.unwrap_or_default();
        for name in refused::fields(error) {
            let Some(field) = writable.field(&name).filter(|field| verb == Verb::Update || !field.required) else {
                continue;
            };
            let culprits = self.job.culprits.entry(record.object.clone()).or_default();
            let first = culprits.entry(field.name.clone()).or_insert_with(|| record.key.clone());
            if *first != record.key {
                self.leave_out_for_all(&record.object, &field.name, error)?;
            }
        }
        Ok(())
    }

    /// Fields that all records of an object are written without.
    pub(in crate::restore) fn left_out_of(&self, object: &str) -> impl Iterator<Item = LeftOut> {
        let left_out = self.job.left_out.get(object).into_iter().flatten();
        left_out.map(|(field, why)| LeftOut {
            field: field.clone(),
            why: why.clone(),
        })
    }

    fn leave_out_for_all(&mut self, object: &str, field: &str, error: &SaveError) -> Result<(), ConnectorError> {
        let why = format!(
            "whole collections were refused for its values in other records ({})",
            error.text()
        );
        let left_out = self.job.left_out.entry(object.to_owned()).or_default();
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
        self.host().remark(object, remark);
        self.send_together(object)
    }

    /// What came in smaller parts for the search comes together again.
    fn send_together(&mut self, object: &str) -> Result<(), ConnectorError> {
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            for (key, mut entry) in some.into_iter().filter(|(_, entry)| entry.is_open() && entry.apart.is_some()) {
                entry.apart = None;
                self.records.set(object, &key, entry)?;
            }
        }
        Ok(())
    }
}
