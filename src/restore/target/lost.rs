//! Values of the snapshot that the target has no place for: fields that are gone, or that the connection's user may not set any more.
//! They are told before anything is written, and stay with the object afterwards.

use crate::host::{ConnectorError, Failure, Host, Row, Snapshot};
use crate::restore::context::Context;
use crate::restore::request::Verb;
use crate::restore::rules;
use crate::restore::state::objects::Description;
use crate::salesforce::{LostField, Writable};
use crate::schema::describe_key;

/// Fields that could be set when the snapshot was taken, and can't be now.
fn lost(was: &Writable, now: &Writable) -> Vec<LostField> {
    let lost = was.fields.iter().map(|field| {
        let now = now.field(&field.name);
        LostField {
            name: field.name.clone(),
            create: field.create && now.is_none_or(|now| !now.create),
            update: field.update && now.is_none_or(|now| !now.update),
        }
    });
    lost.filter(|field| field.create || field.update).collect()
}

impl<H: Host> Context<'_, '_, H> {
    /// What the snapshot has of an object and a describe of today doesn't let anybody set.
    pub(super) fn lost_fields(&self, object: &str, now: &Writable) -> Result<Vec<LostField>, ConnectorError> {
        let note = self.source.notes(&[describe_key(object)])?.into_iter().next().flatten();
        let was = note.as_deref().and_then(Writable::of_describe);
        Ok(was.map(|was| lost(&was, now)).unwrap_or_default())
    }

    /// Counts the values of a record that will be lost.
    pub(in crate::restore) fn count_lost(
        &mut self,
        object: &str,
        writable: &Writable,
        verb: Verb,
        row: &Row,
    ) -> Result<(), ConnectorError> {
        let is_lost = |field: &&LostField| match verb {
            Verb::Create => field.create,
            Verb::Update => field.update,
        };
        let mut lost = writable.lost.iter().filter(is_lost).peekable();
        if lost.peek().is_none() {
            return Ok(());
        }
        let values = rules::values(object, row)?;
        for field in lost {
            let has = values.get(&field.name).is_some_and(|value| value.get() != "null");
            if has && !rules::is_left_out(object, &field.name, &values) {
                let counts = &mut self.job.object_mut(object).lost;
                *counts.entry(field.name.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Tells people which values of an object are lost, in one line.
    pub(in crate::restore) fn tell_lost(&mut self, object: &str) -> Result<(), ConnectorError> {
        let known = self.job.object(object);
        let (mut fields, renewed) = (known.lost.clone(), known.description == Description::Renewed);
        if renewed && let Some(writable) = self.writable(object)? {
            for field in &writable.lost {
                fields.entry(field.name.clone()).or_default();
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = fields
            .iter()
            .map(|(field, records)| match records {
                0 => field.clone(),
                records => format!("{field} ({records} records)"),
            })
            .collect();
        let names: Vec<String> = fields.into_keys().collect();
        let why = format!(
            "values that are not restored, of fields that the org doesn't have any more or doesn't let the connection's user set: {}",
            told.join(", ")
        );
        let failure = Failure::new("fields-not-restored", why).detail("fields", names.join(","));
        self.host().remark(object, failure.about(object));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_can_not_be_set_any_more_is_lost_by_what_was_done_with_it() {
        let was = Writable::of_describe(
            br#"{"createable":true,"updateable":true,"fields":[
            {"name":"A","type":"string","createable":true,"updateable":true},
            {"name":"B","type":"string","createable":true,"updateable":true},
            {"name":"C","type":"string","createable":true,"updateable":true},
            {"name":"D","type":"string"}]}"#,
        );
        let now = Writable::of_describe(
            br#"{"createable":true,"updateable":true,"fields":[
            {"name":"A","type":"string","createable":true,"updateable":true},
            {"name":"B","type":"string","createable":true}]}"#,
        );
        let lost: Vec<(String, bool, bool)> = lost(&was.unwrap(), &now.unwrap())
            .into_iter()
            .map(|field| (field.name, field.create, field.update))
            .collect();
        assert_eq!(lost, [("B".to_owned(), false, true), ("C".to_owned(), true, true)]);
    }
}
