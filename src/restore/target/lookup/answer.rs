//! Takes in what answers to look-ups tell of the records, and what refusals of them tell of how to look.

use crate::halt::Step;
use crate::host::{ConnectorError, Failure, Host, Row};
use crate::org::SendFailure;
use crate::restore::rules;
use crate::restore::state::job::Stage;
use crate::restore::state::objects::{Description, LookupBy, Stamp};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::target::lookup::{Approach, Asked, Lookup};
use crate::salesforce::{ApiError, Class, Found, refusal};

impl<H: Host> Lookup<'_, '_, '_, H> {
    /// A look-up that was refused is tried by another approach than the one that it was sent by; where there is none, nothing is known of the
    /// records.
    pub(super) fn look_up_refused(&mut self, asked: &Asked, approach: Approach, status: u16, errors: Vec<ApiError>) -> Step {
        let object = &asked.object;
        let (class, error) = refusal(status, errors);
        match class {
            Class::Later | Class::TimedOut | Class::Halted => return Err(SendFailure::Later.into()),
            Class::DailyLimit => return Err(SendFailure::DailyLimit.into()),
            // Others of this object in the same request were refused for the same.
            // The describe may be old; where it isn't, none of this object's references is set.
            _ if error.code == "INVALID_FIELD" && !approach.without_references && self.has_references(object)? => {
                let known = self.context.job.object_mut(object);
                match known.description {
                    Description::Renewed => known.without_references = true,
                    Description::Holds | Description::Doubted => known.description = Description::Doubted,
                }
                return Ok(());
            }
            _ if error.code == "INVALID_FIELD" && approach.stamp != Stamp::Missing => {
                self.context.job.object_mut(object).stamp = approach.stamp.next();
                return Ok(());
            }
            Class::Never("not-visible") => {}
            _ if approach.lookup != LookupBy::Query => {
                self.context.job.object_mut(object).lookup = LookupBy::Query;
                return Ok(());
            }
            _ => {}
        }
        let in_doubt = self.context.job.stage >= Stage::Write;
        for (key, _) in &asked.ids {
            let entry = self
                .context
                .records
                .get(object, key)?
                .unwrap_or(RecordEntry::new(RecordState::Reference));
            if entry.what == RecordState::Doubted {
                self.not_looked_up(object, key, &entry)?;
                continue;
            }
            // What is only referred to is believed to be there: the org will tell. What should be written can't be, since it might
            // be written twice.
            let what = if entry.is_wanted() || class == Class::Never("not-visible") {
                RecordState::Gone
            } else {
                RecordState::There
            };
            self.context.records.set(object, key, RecordEntry::new(what))?;
        }
        if in_doubt {
            return Ok(());
        }
        if self.context.is_wanted(object)? || !self.context.job.object(object).is_closed() {
            self.context.not_described(object, &error);
        }
        Ok(())
    }

    /// Takes what was found of one record.
    pub(super) fn take_look(
        &mut self,
        asked: &Asked,
        key: &str,
        id: &str,
        found: Option<&Found>,
    ) -> Result<(), ConnectorError> {
        let object = asked.object.as_str();
        let Some(mut entry) = self.context.records.get(object, key)? else {
            return Ok(());
        };
        if found.is_none() && asked.may_be_archived {
            entry.tries = 1;
            return self.context.records.set(object, key, entry);
        }
        if entry.what == RecordState::Doubted {
            return self.take_second_look(object, key, &entry, found.is_some());
        }
        let other_id = (key != id).then(|| id.to_owned());
        let closed = self.context.job.object(object).is_closed();
        let what = match (entry.what, found) {
            (RecordState::Selected, Some(found)) if !closed => {
                let row = self.context.row(object, key)?;
                // Also of one that may turn out to be as it was, once its values are compared.
                if let Some(row) = &row {
                    self.keep_references(object, row, found)?;
                }
                if self.stays(row.as_ref(), found) {
                    self.context.job.object_mut(object).tally_mut().skipped += 1;
                    RecordState::Same
                } else {
                    RecordState::Update
                }
            }
            (_, Some(found)) if found.is_active == Some(false) => RecordState::Inactive,
            (_, Some(_)) => RecordState::There,
            (RecordState::Selected, None) if !closed => {
                self.context.job.object_mut(object).creates = true;
                RecordState::Create
            }
            (RecordState::RequiredReference, None) if self.context.job.selection.with_related => {
                return self.context.needed_and_gone(object, key);
            }
            (_, None) => RecordState::Gone,
        };
        if found.is_some() && other_id.is_some() {
            self.context.job.object_mut(object).mapped = true;
        }
        // One that is gone again is created under a new Id.
        let id = if found.is_some() { other_id } else { None };
        self.context.records.set(object, key, RecordEntry::new(what).with_id(id))
    }

    /// Whether a record that the target has stays as it is.
    fn stays(&self, row: Option<&Row>, found: &Found) -> bool {
        let selection = &self.context.job.selection;
        let unchanged = row.is_some_and(|row| row.revision > 0 && found.revision() == Some(row.revision));
        let kept = || {
            let changed_at = found.revision();
            changed_at > selection.keep_changed_since && selection.keep_changed_since.is_some()
        };
        unchanged || !selection.overwrite || kept()
    }

    /// References that lead elsewhere than in the snapshot were set by somebody, and stay.
    fn keep_references(&mut self, object: &str, row: &Row, found: &Found) -> Result<(), ConnectorError> {
        let asked = self.references_looked_at(object)?;
        if asked.is_empty() {
            return Ok(());
        }
        let values = rules::values(object, row)?;
        let kept = asked.into_iter().filter(|field| {
            let was = rules::text(&values, field);
            let now = found.values.get(field);
            let is_empty = now.is_some_and(serde_json::Value::is_null);
            was.is_some() && !is_empty && now.and_then(serde_json::Value::as_str) != was.as_deref()
        });
        let kept: Vec<String> = kept.collect();
        if kept.is_empty() {
            return Ok(());
        }
        self.context.records.set_kept(object, &row.key, kept)
    }

    /// What a look told of a record that sounded gone.
    fn take_second_look(&mut self, object: &str, key: &str, entry: &RecordEntry, found: bool) -> Result<(), ConnectorError> {
        if found {
            let why = self.context.records.error(object, key)?;
            let failure = Failure::new("refused", format!("{why}; the org has the record, and did not change it"));
            return self.context.fail(object, key, entry, failure);
        }
        self.context.job.object_mut(object).creates = true;
        self.context.records.set(object, key, RecordEntry::new(RecordState::Create))
    }

    /// Nobody may look a record up that sounded gone.
    fn not_looked_up(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        let why = self.context.records.error(object, key)?;
        let failure = Failure::new(
            "refused",
            format!("{why}; whether the org still has the record can't be looked up"),
        );
        self.context.fail(object, key, entry, failure)
    }

    fn has_references(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let writable = self.context.writable(object)?.unwrap_or_default();
        let relinks = !self.context.job.selection.no_relink && self.context.job.stage < Stage::Write;
        Ok(relinks && writable.fields.iter().any(rules::may_be_relinked))
    }
}
