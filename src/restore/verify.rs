//! Reads back what was written, and tells what differs from what was sent.
//!
//! A thousand records to a collection, five to a request. A trigger or a rule of the org may have changed a value: that is no
//! fault of the restore, but something that people should know.

use super::job::{Place, Stage};
use super::prepare::{Outcome, Preparation};
use super::request::Request;
use super::rules::{self, Values};
use super::run::{IN_THE_END, Run};
use super::standing::What;
use super::write::Ended;
use crate::backup::packing::PLACES;
use crate::host::{ConnectorError, Failure, Host, RecordOutcome};
use crate::org::{Stopped, Subrequest};
use crate::salesforce::{Part, Writable, canonical};
use serde_json::json;
use std::rc::Rc;

/// Records of one: the same as are kept together.
const RECORDS: usize = 1_000;

/// Records that one request reads back.
pub(super) const RECORDS_A_REQUEST: u64 = (PLACES * RECORDS) as u64;

/// Records of one object that are read back together.
struct Asked {
    object: String,
    writable: Rc<Writable>,
    /// Keys in the snapshot, and Ids in the target.
    records: Vec<(String, String)>,
}

impl<H: Host> Run<'_, '_, H> {
    /// Reads back the records that come next; why the batch ends, where it does. The stage is over where none do.
    pub(super) fn verify(&mut self) -> Result<Option<Ended>, ConnectorError> {
        if self.host().requests_left() == 0 {
            return Ok(Some(Ended::Stopped(Stopped::AllowanceSpent)));
        }
        let from = self.job.at.clone();
        let asked = self.written()?;
        if asked.is_empty() {
            self.job.enter(Stage::Done);
            return Ok(None);
        }
        let parts: Vec<Subrequest> = asked
            .iter()
            .enumerate()
            .map(|(n, asked)| {
                let fields = asked.writable.fields.iter().filter(|field| field.update && !field.binary);
                let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
                let ids: Vec<&str> = asked.records.iter().map(|(_, id)| id.as_str()).collect();
                let path = self.org.path(&format!("composite/sobjects/{}", asked.object));
                Subrequest::post(path, format!("v{n}"), json!({ "ids": ids, "fields": fields }))
            })
            .collect();
        let parts = match self.ask(&parts) {
            Ok(parts) => parts,
            Err(stopped) => {
                self.job.at = from;
                return Ok(Some(Ended::Stopped(stopped)));
            }
        };
        self.got_somewhere = true;
        for (asked, part) in asked.iter().zip(&parts) {
            self.compare(asked, part)?;
        }
        Ok(None)
    }

    /// The next records that this restore wrote.
    fn written(&mut self) -> Result<Vec<Asked>, ConnectorError> {
        let mut asked: Vec<Asked> = Vec::new();
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            let Some(writable) = self.writable(object)? else {
                self.job.at.object += 1;
                continue;
            };
            loop {
                let some = self.roll.after(object, &self.job.at.after)?;
                let Some((last, _)) = some.last() else { break };
                let last = last.clone();
                let records: Vec<(String, String)> = some
                    .iter()
                    .filter(|(_, standing)| matches!(standing.what, What::Created | What::Updated))
                    .filter_map(|(key, standing)| Some((key.clone(), standing.in_target(key)?.to_owned())))
                    .collect();
                if !records.is_empty() {
                    if asked.len() == PLACES {
                        return Ok(asked);
                    }
                    asked.push(Asked {
                        object: object.clone(),
                        writable: Rc::clone(&writable),
                        records,
                    });
                }
                self.job.at.after = last;
            }
            self.job.at = Place {
                object: self.job.at.object + 1,
                after: String::new(),
            };
        }
        Ok(asked)
    }

    fn compare(&mut self, asked: &Asked, part: &Part) -> Result<(), ConnectorError> {
        let object = asked.object.as_str();
        let found = match part.read::<Vec<Option<Values>>>() {
            Ok(found) if part.status < 300 => found,
            _ => {
                let failure = Failure::new("not-verified", format!("its records can't be read back: {}", part.why()));
                self.host().remark(object, failure.about(object));
                return Ok(());
            }
        };
        let keys: Vec<String> = asked.records.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.rows(object, &keys)?;
        let empty = Request::default();
        for (((key, id), found), row) in asked.records.iter().zip(found).zip(rows) {
            let (Some(found), Some(row)) = (found, row) else {
                let why = Failure::new("differs", format!("it was written as {id}, and is not there any more"));
                self.tell(object, key, RecordOutcome::Differs, why);
                continue;
            };
            let without = self.roll.without(object, key)?;
            let preparation = Preparation {
                object,
                writable: &asked.writable,
                without: &without,
                blobs: &[],
                by_picklists: self.job.refuses_values,
            };
            let mut resolve = |refers_to: &[String], id: &str| self.resolve(&empty, refers_to, id, &IN_THE_END);
            let Outcome::Ready(sent) = preparation.prepare(&row, Some(id), &mut resolve)? else {
                continue;
            };
            let sent: Values = serde_json::from_str(&sent.record.json).unwrap_or_default();
            let differs: Vec<&str> = sent
                .iter()
                .filter(|(field, _)| *field != "attributes" && *field != "Id" && !rules::is_stamp(field))
                .filter(|(field, value)| {
                    let now = found.get(*field).map_or("null", |now| now.get());
                    canonical(now) != canonical(value.get())
                })
                .map(|(field, _)| field.as_str())
                .collect();
            if !differs.is_empty() {
                let why = format!("the org has other values than were sent of {}", differs.join(", "));
                let why = Failure::new("differs", why)
                    .detail("fields", differs.join(","))
                    .detail("id", id);
                self.tell(object, key, RecordOutcome::Differs, why);
            }
        }
        Ok(())
    }
}
