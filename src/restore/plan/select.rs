//! Finds the records that a restore is of: those that are named, and those that belong to them.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Row, Snapshot};
use crate::restore::condition::Condition;
use crate::restore::plan::{Planner, ROWS_AT_ONCE};
use crate::restore::rules::{self, FILE_DOCUMENT};
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::salesforce::Writable;
use crate::schema::describe_key;
use std::collections::BTreeSet;

impl<H: Host> Planner<'_, '_, '_, H> {
    /// Finds the records that are asked for.
    pub(super) fn select(&mut self) -> Step {
        let held: BTreeSet<String> = self.context.source.objects()?.into_iter().collect();
        if self.context.job.prefixes.is_empty() {
            if let Some(unknown) = self.unknown(&held)? {
                return Err(Halt::Blocked(Box::new(unknown)));
            }
            self.learn_prefixes(&held)?;
            self.select_records()?;
        }
        let objects: Vec<String> = self.context.job.selection.objects.iter().cloned().collect();
        while let Some(object) = objects.get(self.context.job.place.object) {
            let condition = match self.condition(object)? {
                Ok(condition) => condition,
                Err(failure) => return Err(Halt::Blocked(Box::new(failure))),
            };
            loop {
                if self.must_end() {
                    return Err(Halt::Call);
                }
                let (rows, cursor) = self
                    .context
                    .source
                    .read(object, &self.context.job.place.after, ROWS_AT_ONCE)?;
                self.spend(rows.len());
                for row in rows {
                    let chosen = match &condition {
                        Some(condition) => condition.holds(&rules::values(object, &row)?),
                        None => true,
                    };
                    if condition.is_some() {
                        let matches = self.context.job.object_mut(object).matches.get_or_insert_default();
                        matches.all += 1;
                        matches.matching += u64::from(chosen);
                    }
                    if chosen {
                        self.want(object, &row.key)?;
                    }
                }
                self.context.job.place.after = cursor;
                if self.context.job.place.after.is_empty() {
                    break;
                }
            }
            self.context.job.place.object += 1;
        }
        let next = if self.relates() { Stage::Relate } else { Stage::Describe };
        self.context.job.enter(next);
        Ok(())
    }

    /// What chooses among an object's records, or why it can't.
    fn condition(&self, object: &str) -> Result<Result<Option<Condition>, Failure>, ConnectorError> {
        let Some(text) = self.context.job.selection.conditions.get(object) else {
            return Ok(Ok(None));
        };
        let condition = match Condition::parse(text) {
            Ok(condition) => condition,
            Err(failure) => return Ok(Err(failure.about(object))),
        };
        let known = self.fields_of(object)?;
        if known.is_empty() {
            return Ok(Ok(Some(condition)));
        }
        Ok(match condition.of_fields(&known) {
            Ok(condition) => Ok(Some(condition)),
            Err(unknown) => {
                let failure = Failure::new("unknown-field", format!("{object} has no field {unknown} in this snapshot"));
                Err(match nearest(&unknown, &known) {
                    Some(near) => failure.remedy(format!("did you mean {near}?")),
                    None => failure,
                })
            }
        })
    }

    /// Fields that the snapshot has of an object.
    fn fields_of(&self, object: &str) -> Result<BTreeSet<String>, ConnectorError> {
        let (rows, _) = self.context.source.read(object, "", 1)?;
        let mut known = BTreeSet::new();
        for row in &rows {
            known.extend(rules::values(object, row)?.into_keys());
        }
        known.remove("attributes");
        Ok(known)
    }

    /// Whether records that weren't named belong to the restore: a document is nothing without its versions.
    fn relates(&self) -> bool {
        let job = &self.context.job;
        job.selection.with_related || job.objects.position(FILE_DOCUMENT.brings).is_some()
    }

    fn unknown(&self, held: &BTreeSet<String>) -> Result<Option<Failure>, ConnectorError> {
        let selection = &self.context.job.selection;
        let named = selection.objects.iter().chain(selection.records.keys());
        let missing: Vec<&str> = named.filter(|object| !held.contains(*object)).map(String::as_str).collect();
        if !missing.is_empty() {
            let failure = Failure::new(
                "unknown-object",
                format!("the snapshot has no records of {}", missing.join(", ")),
            );
            return Ok(Some(
                failure.remedy("write the API name of an object that `ls` shows of this snapshot"),
            ));
        }
        for (object, keys) in &selection.records {
            let keys: Vec<String> = keys.iter().cloned().collect();
            let found = self.context.source.find(object, &keys)?;
            let missing: Vec<&str> = keys
                .iter()
                .zip(&found)
                .filter(|(_, row)| row.is_none())
                .map(|(key, _)| key.as_str())
                .collect();
            if !missing.is_empty() {
                let failure = Failure::new(
                    "unknown-record",
                    format!("the snapshot has no {object} {}", missing.join(", ")),
                );
                return Ok(Some(failure.remedy("look for it in another snapshot").about(object)));
            }
        }
        Ok(None)
    }

    /// Which object an Id is of is told by its first characters, which each org gives to custom objects as they come.
    fn learn_prefixes(&mut self, held: &BTreeSet<String>) -> Result<(), ConnectorError> {
        for object in held {
            let (rows, _) = self.context.source.read(object, "", 1)?;
            let prefix = rows
                .first()
                .and_then(|row| row.key.get(..3))
                .filter(|prefix| *prefix != "000");
            if let Some(prefix) = prefix {
                self.context
                    .job
                    .prefixes
                    .entry(prefix.to_owned())
                    .or_insert_with(|| object.clone());
            }
        }
        Ok(())
    }

    fn select_records(&mut self) -> Result<(), ConnectorError> {
        for (object, keys) in self.context.job.selection.records.clone() {
            for key in keys {
                self.want(&object, &key)?;
            }
        }
        Ok(())
    }

    /// A record is part of the restore. Whether that is new.
    fn want(&mut self, object: &str, key: &str) -> Result<bool, ConnectorError> {
        let new = self.context.records.get(object, key)?.is_none_or(|entry| !entry.is_wanted());
        if new {
            self.context
                .records
                .set(object, key, RecordEntry::new(RecordState::Selected))?;
            self.context.job.objects.join(object);
        }
        Ok(new)
    }

    /// Finds the records that belong to those that are wanted: all that name one of them in a field that can be set.
    pub(super) fn relate(&mut self) -> Step {
        let mut held = self.context.source.objects()?;
        if !self.context.job.selection.with_related {
            held.retain(|object| object == FILE_DOCUMENT.of);
        }
        while let Some(object) = held.get(self.context.job.place.object) {
            let fields = self.parents(object)?;
            while !fields.is_empty() {
                if self.must_end() {
                    return Err(Halt::Call);
                }
                let (rows, cursor) = self
                    .context
                    .source
                    .read(object, &self.context.job.place.after, ROWS_AT_ONCE)?;
                self.spend(rows.len());
                for row in rows {
                    if self.belongs(object, &fields, &row)? && self.want(object, &row.key)? {
                        self.context.job.moved = true;
                        self.want_what_it_is_of(object, &row)?;
                    }
                }
                self.context.job.place.after = cursor;
                if self.context.job.place.after.is_empty() {
                    break;
                }
            }
            self.context.job.place.next_object();
        }
        if self.context.job.moved {
            // What was found may have records of its own.
            self.context.job.again();
        } else {
            self.context.job.enter(Stage::Describe);
        }
        Ok(())
    }

    /// What a link leads to is wanted with it.
    fn want_what_it_is_of(&mut self, object: &str, row: &Row) -> Result<(), ConnectorError> {
        let (link, field, leads_to) = rules::BELONGS_UP;
        if object != link {
            return Ok(());
        }
        let Some(id) = rules::text(&rules::values(object, row)?, field) else {
            return Ok(());
        };
        if self.context.row(leads_to, &id)?.is_some() {
            self.want(leads_to, &id)?;
        }
        Ok(())
    }

    /// Fields of an object that name a parent of which records are wanted; none where its records can't be restored.
    fn parents(&mut self, object: &str) -> Result<Vec<(String, Vec<String>)>, ConnectorError> {
        if rules::never(object).is_some() {
            return Ok(Vec::new());
        }
        let note = self
            .context
            .source
            .notes(&[describe_key(object)])?
            .into_iter()
            .next()
            .flatten();
        let Some(described) = note
            .as_deref()
            .and_then(Writable::of_describe)
            .filter(|described| described.createable)
        else {
            return Ok(Vec::new());
        };
        let mut fields = Vec::new();
        for field in described.fields {
            let about_people = matches!(field.name.as_str(), "OwnerId" | "CreatedById" | "LastModifiedById");
            if field.refers_to.is_empty() || !field.create || about_people {
                continue;
            }
            if !self.context.job.selection.with_related && !rules::brings(object, &field.name) {
                continue;
            }
            if field
                .refers_to
                .iter()
                .any(|parent| self.context.job.objects.position(parent).is_some())
            {
                fields.push((field.name, field.refers_to));
            }
        }
        Ok(fields)
    }

    fn belongs(&mut self, object: &str, fields: &[(String, Vec<String>)], row: &Row) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        for (field, refers_to) in fields {
            let Some(id) = rules::text(&values, field) else {
                continue;
            };
            if let Some(parent) = self.context.object_of(refers_to, &id)
                && self.context.records.get(&parent, &id)?.is_some_and(|entry| entry.is_wanted())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The field whose name is most like this one, where any is.
fn nearest<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<&'k String> {
    let pairs = |name: &str| -> BTreeSet<(char, char)> {
        let letters: Vec<char> = name.trim_end_matches("__c").to_lowercase().chars().collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let wanted = pairs(name);
    let alike = |field: &&String| {
        let other = pairs(field);
        let shared = wanted.intersection(&other).count();
        100 * 2 * shared / (wanted.len() + other.len()).max(1)
    };
    known.iter().max_by_key(alike).filter(|field| alike(field) >= 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let known: BTreeSet<String> = ["AnnualRevenue", "Name", "NumberOfEmployees"].map(str::to_owned).into();
        assert_eq!(nearest("AnualRevenue__c", &known).map(String::as_str), Some("AnnualRevenue"));
        assert_eq!(nearest("Nope__c", &known), None);
    }
}
