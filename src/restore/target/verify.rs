//! Reads records back, and compares them with what is sent of them: after writing, to tell what differs; and before, to leave alone
//! what only looks changed.
//!
//! A page of the table of records to a collection, five to a request. A trigger or a rule of the org may have changed a value: that is no
//! fault of the restore, but something that people should know. Archived records are told by a query of all alone: those that were
//! archived in the snapshot are asked for so at once, others when they weren't found.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, RecordOutcome, Row};
use crate::org::{SendFailure, Subrequest};
use crate::restore::context::{Context, IN_THE_END};
use crate::restore::prepare::{Outcome, Preparation};
use crate::restore::request::Request;
use crate::restore::rules::{self, Values};
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Records;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Broken, Part, Writable, canonical};
use crate::soql::{encode, literal};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// In place of the tries of a record that was written: it wasn't found, and may be archived.
const MAY_BE_ARCHIVED: u8 = 9;

/// Records by whether a query of all asks for them.
type ByArchive = Vec<(bool, Records)>;

/// Records of one object that are read back together.
struct Asked {
    object: String,
    writable: Rc<Writable>,
    /// Keys in the snapshot, and what is known of them.
    records: Records,
    /// By a query of all.
    archived: bool,
}

impl Asked {
    fn ids(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|(key, entry)| entry.in_target(key).unwrap_or(key))
    }

    /// The records that were found, in the order of what was asked for.
    fn found(&self, part: &Part) -> Result<Vec<Option<Values>>, Broken> {
        #[derive(Deserialize)]
        struct Page {
            records: Vec<Values>,
        }
        if part.status >= 300 {
            return Err(Broken(part.why()));
        }
        if !self.archived {
            return part.read();
        }
        let with_id = |record: Values| Some((rules::text(&record, "Id")?, record));
        let mut found: BTreeMap<String, Values> = part.read::<Page>()?.records.into_iter().filter_map(with_id).collect();
        Ok(self.ids().map(|id| found.remove(id)).collect())
    }
}

/// Reads records back.
pub(in crate::restore) struct Verifier<'c, 'o, 'h, H: Host> {
    context: &'c mut Context<'o, 'h, H>,
}

impl<'c, 'o, 'h, H: Host> Verifier<'c, 'o, 'h, H> {
    /// For this restore.
    pub(in crate::restore) fn new(context: &'c mut Context<'o, 'h, H>) -> Verifier<'c, 'o, 'h, H> {
        Verifier { context }
    }

    /// Reads back the records that come next. The stage is over where none do.
    pub(in crate::restore) fn verify(&mut self) -> Step {
        if self.context.host().requests_left() == 0 {
            return Err(SendFailure::AllowanceSpent.into());
        }
        let from = self.context.job.place.clone();
        let written = |entry: &RecordEntry| {
            matches!(
                entry.what,
                RecordState::Created | RecordState::Updated | RecordState::Relinked
            )
        };
        let second = self.context.job.verifies_archived;
        let asked = self.choose_to_read(|entry| written(entry) && (!second || entry.tries == MAY_BE_ARCHIVED), second)?;
        if asked.is_empty() {
            let again = self.context.job.moved && !second;
            self.context.job.verifies_archived = again;
            self.context.job.enter(if again { Stage::Verify } else { Stage::Done });
            return Ok(());
        }
        let parts = self.read_back(&asked);
        let parts = self.context.or_back_to(from, parts)?;
        for (asked, part) in asked.iter().zip(&parts) {
            self.tell_differences(asked, part)?;
        }
        Ok(())
    }

    /// Leaves alone what has a new stamp and the snapshot's values all the same: what this or an earlier restore wrote, for instance.
    pub(in crate::restore) fn compare(&mut self) -> Step {
        while self.context.job.selection.overwrite {
            if self.context.must_end() {
                return Err(Halt::Call);
            }
            let from = self.context.job.place.clone();
            let asked = self.choose_to_read(|entry| entry.what == RecordState::Update, false)?;
            if asked.is_empty() {
                break;
            }
            if self.context.host().requests_left() == 0 {
                self.context.job.place = from;
                return Err(SendFailure::AllowanceSpent.into());
            }
            let parts = self.read_back(&asked);
            let parts = self.context.or_back_to(from, parts)?;
            for (asked, part) in asked.iter().zip(&parts) {
                self.leave_alone(asked, part)?;
            }
            self.context.save()?;
        }
        self.context.job.enter(Stage::Rehearse);
        Ok(())
    }

    /// The next records of which this holds, as many as one request reads. `all`: by queries of all.
    fn choose_to_read(&mut self, wanted: impl Fn(&RecordEntry) -> bool, all: bool) -> Result<Vec<Asked>, ConnectorError> {
        let mut asked: Vec<Asked> = Vec::new();
        let objects = self.context.job.objects.walk();
        while let Some(object) = objects.get(self.context.job.place.object) {
            let Some(writable) = self.context.writable(object)? else {
                self.context.job.place.object += 1;
                continue;
            };
            while let Some((page, last)) = self.context.page(object)? {
                let records: Records = page.into_iter().filter(|(_, entry)| wanted(entry)).collect();
                for (archived, records) in self.by_archive(object, records, all)? {
                    asked.push(Asked {
                        object: object.clone(),
                        writable: Rc::clone(&writable),
                        records,
                        archived,
                    });
                }
                if asked.len() > COMPOSITE_QUERIES {
                    // This page's come with the next request.
                    let before = |asked: &Asked| asked.object != *object || asked.records[0].0 <= self.context.job.place.after;
                    asked.retain(before);
                    return Ok(asked);
                }
                self.context.job.place.after = last;
                if asked.len() == COMPOSITE_QUERIES {
                    return Ok(asked);
                }
            }
            self.context.job.place.next_object();
        }
        Ok(asked)
    }

    /// These records by whether they are asked for by a query of all; none empty.
    fn by_archive(&self, object: &str, records: Records, all: bool) -> Result<ByArchive, ConnectorError> {
        let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
        let archives = match keys.first().map(|key| self.context.row(object, key)).transpose()?.flatten() {
            Some(row) => rules::is_archived(&rules::values(object, &row)?).is_some(),
            None => false,
        };
        let mut parts = vec![(all, Vec::new()), (!all, Vec::new())];
        if !archives || all {
            parts[0].1 = records;
        } else {
            for (record, row) in records.into_iter().zip(self.context.rows(object, &keys)?) {
                let archived = match row {
                    Some(row) => rules::is_archived(&rules::values(object, &row)?) == Some(true),
                    None => false,
                };
                parts[usize::from(archived)].1.push(record);
            }
        }
        parts.retain(|(_, records)| !records.is_empty());
        Ok(parts)
    }

    fn read_back(&mut self, asked: &[Asked]) -> Result<Vec<Part>, SendFailure> {
        let parts: Vec<Subrequest> = asked
            .iter()
            .enumerate()
            .map(|(position, asked)| {
                let fields = asked.writable.fields.iter().filter(|field| field.update && !field.binary);
                let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
                if asked.archived {
                    let ids: Vec<String> = asked.ids().map(literal).collect();
                    let (fields, ids) = (fields.join(","), ids.join(","));
                    let query = format!(
                        "SELECT Id,{fields} FROM {} WHERE IsDeleted = false AND Id IN ({ids})",
                        asked.object
                    );
                    return Subrequest::get(
                        self.context.org.path(&format!("queryAll?q={}", encode(&query))),
                        format!("v{position}"),
                    );
                }
                let ids: Vec<&str> = asked.ids().collect();
                let path = self.context.org.path(&format!("composite/sobjects/{}", asked.object));
                Subrequest::post(path, format!("v{position}"), json!({ "ids": ids, "fields": fields }))
            })
            .collect();
        let parts = self.context.ask(&parts)?;
        self.context.got_somewhere = true;
        Ok(parts)
    }

    fn tell_differences(&mut self, asked: &Asked, part: &Part) -> Result<(), ConnectorError> {
        let object = asked.object.as_str();
        let found = match asked.found(part) {
            Ok(found) => found,
            Err(why) => {
                let failure = Failure::new("not-verified", format!("its records can't be read back: {why}"));
                self.context.host().remark(object, failure.about(object));
                return Ok(());
            }
        };
        let keys: Vec<String> = asked.records.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.context.rows(object, &keys)?;
        for (((key, entry), found), row) in asked.records.iter().zip(found).zip(rows) {
            let Some(row) = row else { continue };
            let Some(found) = found else {
                self.not_found(asked, key, entry, &row)?;
                continue;
            };
            let differs = self.differing(asked, (key, entry), &row, &found)?.unwrap_or_default();
            if !differs.is_empty() {
                let why = format!("the org has other values than were sent of {}", differs.join(", "));
                let why = Failure::new("differs", why)
                    .detail("fields", differs.join(","))
                    .detail("id", entry.in_target(key).unwrap_or(key));
                self.context.tell(object, key, RecordOutcome::Differs, why);
            }
        }
        Ok(())
    }

    /// A record that was written isn't found: it may be archived.
    fn not_found(&mut self, asked: &Asked, key: &str, entry: &RecordEntry, row: &Row) -> Result<(), ConnectorError> {
        let object = asked.object.as_str();
        let archives = rules::is_archived(&rules::values(object, row)?).is_some();
        if archives && !asked.archived {
            self.context.job.moved = true;
            let tries = MAY_BE_ARCHIVED;
            return self.context.records.set(object, key, RecordEntry { tries, ..entry.clone() });
        }
        let id = entry.in_target(key).unwrap_or(key);
        let why = Failure::new("differs", format!("it was written as {id}, and is not there any more"));
        self.context.tell(object, key, RecordOutcome::Differs, why);
        Ok(())
    }

    fn leave_alone(&mut self, asked: &Asked, part: &Part) -> Result<(), ConnectorError> {
        // Where they can't be read, they are written.
        let Ok(found) = asked.found(part) else { return Ok(()) };
        let object = asked.object.as_str();
        let keys: Vec<String> = asked.records.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.context.rows(object, &keys)?;
        for (((key, entry), found), row) in asked.records.iter().zip(found).zip(rows) {
            let (Some(found), Some(row)) = (found, row) else { continue };
            if self.differing(asked, (key, entry), &row, &found)? == Some(Vec::new()) {
                self.context.job.object_mut(object).tally_mut().skipped += 1;
                let entry = RecordEntry::new(RecordState::Same).with_id(entry.id.clone());
                self.context.records.set(object, key, entry)?;
            }
        }
        Ok(())
    }

    /// Fields by which a record of the org differs from what is sent of it; none where that can't be told.
    fn differing(
        &mut self,
        asked: &Asked,
        (key, entry): (&str, &RecordEntry),
        row: &Row,
        found: &Values,
    ) -> Result<Option<Vec<String>>, ConnectorError> {
        let object = asked.object.as_str();
        let without = self.context.records.without(object, key)?;
        let kept = self.context.records.kept(object, key)?;
        let blobs = self.context.blobs(object, &asked.writable, &[key.to_owned()])?.concat();
        let preparation = Preparation {
            object,
            writable: &asked.writable,
            without: &without,
            blobs: &blobs,
            by_picklists: self.context.job.learnt.refuses_values,
            relinks: entry.is_relink().then_some(&kept),
        };
        let empty = Request::default();
        let mut resolve = |refers_to: &[String], id: &str| self.context.resolve(&empty, refers_to, id, &IN_THE_END);
        let Outcome::Ready(sent) = preparation.prepare(row, entry.in_target(key), &mut resolve)? else {
            return Ok(None);
        };
        // A file's bytes aren't read; what is to come isn't there yet.
        if self.context.job.stage < Stage::Write && (sent.record.file.is_some() || sent.record.later) {
            return Ok(None);
        }
        let sent: Values = serde_json::from_str(&sent.record.json).unwrap_or_default();
        let differs = sent
            .iter()
            .filter(|(field, _)| *field != "attributes" && *field != "Id" && !rules::is_stamp(field))
            .filter(|(field, value)| {
                let now = found.get(*field).map_or("null", |now| now.get());
                canonical(now) != canonical(value.get())
            });
        Ok(Some(differs.map(|(field, _)| field.clone()).collect()))
    }
}
