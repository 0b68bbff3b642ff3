//! Finds out what came of a request whose answer was lost: which of the records that it was to create are there.
//!
//! Asked is everything of these objects that changed since the request was sent, and whether a transaction that old may still be
//! running (`latestDateCovered`, as for backups). A record is recognised by an external id, where it has one; otherwise by having
//! every value that was sent. One that nothing is like was not created, and is sent again. Where something is alike but not the
//! same, nobody can tell: the record is reported, and never created twice.
//!
//! Of a bulk job its results tell ([`ingest`]).

pub(in crate::restore) mod ingest;
mod search;

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Level};
use crate::org::{SendFailure, Subrequest};
use crate::restore::context::{Context, IN_THE_END};
use crate::restore::outcome::doubt;
use crate::restore::prepare::{Outcome, Preparation};
use crate::restore::request::Request;
use crate::restore::rules::{self, Values};
use crate::restore::settle::search::{Search, page};
use crate::restore::state::intent::{Created, Intent};
use crate::restore::state::job::Stage;
use crate::restore::state::record::RecordState;
use crate::restore::state::records::Pages;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Class, Part, Updated, canonical, moment_url, read_updated, refusal};
use crate::soql::{datetime, encode};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Clocks, and the time between keeping an intent and sending it.
const MARGIN_MS: u64 = 120_000;

/// Salesforce ends a request after ten minutes.
const LONGEST_REQUEST_MS: u64 = 11 * 60_000;

/// Seconds between looks.
const WAIT_SECONDS: u32 = 20;

/// What the org has that may be what was sent.
struct Candidates {
    by_object: BTreeMap<String, Vec<Candidate>>,
    /// Objects that nobody may look through.
    unknown: BTreeSet<String>,
}

/// A record of the org that may be one of those that were sent.
struct Candidate {
    id: String,
    values: Values,
    taken: bool,
}

/// Finds out what came of requests.
pub(in crate::restore) struct Settler<'c, 'o, 'h, H: Host> {
    context: &'c mut Context<'o, 'h, H>,
}

impl<'c, 'o, 'h, H: Host> Settler<'c, 'o, 'h, H> {
    /// For this restore.
    pub(in crate::restore) fn new(context: &'c mut Context<'o, 'h, H>) -> Settler<'c, 'o, 'h, H> {
        Settler { context }
    }

    /// Finds out what came of the last request, where nobody knows.
    pub(in crate::restore) fn settle(&mut self) -> Step {
        self.finish_ingest()?;
        let Some(intent) = Intent::load(self.context.host())? else {
            return Ok(());
        };
        let mut open = Vec::new();
        for created in &intent.creates {
            if self
                .context
                .records
                .get(&created.object, &created.key)?
                .is_some_and(|entry| entry.what == RecordState::Create)
            {
                open.push(created.clone());
            }
        }
        if open.is_empty() {
            self.context.host().put(vec![Intent::settled()])?;
            return Ok(());
        }
        let candidates = self.candidates(&intent, &open)?;
        self.context.host().log(
            Level::Info,
            "looked for what a request without an answer had created",
            &[("records", open.len().to_string())],
        );
        self.recognise(open, candidates)?;
        // What wasn't created comes again.
        if self.context.job.stage == Stage::Write {
            self.context.job.again();
            self.context.job.moved = true;
        }
        let mut entries = self.context.unsaved()?;
        entries.push(Intent::settled());
        entries.extend(Search::over(self.context.host())?);
        self.context.host().put(entries)?;
        Ok(())
    }

    /// Some collections that create have an answer which doesn't tell whether they had their effect: that is found out before anything
    /// else is sent.
    pub(in crate::restore) fn settle_parts(&mut self, at: u64, creates: Vec<Created>) -> Step {
        if creates.is_empty() {
            self.context.settled = true;
            return Ok(());
        }
        let mut entries = self.context.unsaved()?;
        entries.push(Intent { at, creates }.entry()?);
        self.context.host().put(entries)?;
        self.settle()
    }

    /// What the org has that may be one of them, by object. What was found is kept from call to call: one request a call is enough.
    fn candidates(&mut self, intent: &Intent, open: &[Created]) -> Step<Candidates> {
        let since = intent.at.saturating_sub(MARGIN_MS);
        let mut search = match Search::load(self.context.host())? {
            Some(search) => search,
            None => {
                let objects: BTreeSet<&String> = open.iter().map(|created| &created.object).collect();
                let mut waiting = Vec::new();
                for object in objects {
                    let query = encode(&self.recent(object, since)?);
                    waiting.push((object.clone(), self.context.org.path(&format!("query?q={query}"))));
                }
                Search {
                    waiting,
                    ..Search::default()
                }
            }
        };
        while !search.waiting.is_empty() {
            self.search_on(intent, since, &mut search)?;
        }
        Ok(self.found(search)?)
    }

    /// Asks for the next pages of what was changed since.
    fn search_on(&mut self, intent: &Intent, since: u64, search: &mut Search) -> Step {
        if self.context.host().requests_left() == 0 {
            return Err(SendFailure::AllowanceSpent.into());
        }
        let pages: Vec<(String, String)> = search.waiting.iter().take(COMPOSITE_QUERIES).cloned().collect();
        let mut parts = Vec::new();
        if !search.over {
            let covered = moment_url("User", "updated", since, self.context.org.now());
            parts.push(Subrequest::get(self.context.org.path(&covered), "covered".to_owned()));
        }
        let asked = pages.iter().enumerate();
        parts.extend(asked.map(|(position, (_, url))| Subrequest::get(url.clone(), format!("q{position}"))));
        let answered = self.context.ask(&parts)?;
        let mut answered = answered.into_iter();
        if !search.over {
            if self.may_still_run(intent, answered.next().as_ref()) {
                self.context.got_somewhere = true;
                return Err(Halt::Wait(WAIT_SECONDS));
            }
            search.over = true;
        }
        search.waiting.drain(..pages.len());
        let mut entries = Vec::new();
        for ((object, _), part) in pages.into_iter().zip(answered) {
            let (records, next) = match page(&object, &part) {
                Ok(page) => page,
                Err(stopped) => match refusal(part.status, part.errors()).0 {
                    Class::Later | Class::TimedOut | Class::Halted => {
                        return Err(SendFailure::Later.into());
                    }
                    Class::DailyLimit => return Err(SendFailure::DailyLimit.into()),
                    _ if part.status >= 500 => return Err(stopped.into()),
                    _ => {
                        // It never will be answered: nobody can tell what became of its records.
                        search.refused.insert(object);
                        continue;
                    }
                },
            };
            search.waiting.extend(next.map(|next| (object.clone(), next)));
            search.keep(&object, records, &mut entries)?;
        }
        search.put(self.context.host(), entries)?;
        // Only now: what is refused would be asked again and again otherwise.
        self.context.got_somewhere = true;
        Ok(())
    }

    /// What was found, but for records that are known to be others.
    fn found(&mut self, search: Search) -> Result<Candidates, ConnectorError> {
        let mut candidates: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for number in 0..search.pages {
            for (object, values) in search.page(self.context.host(), number)? {
                if !known.contains_key(&object) {
                    known.insert(object.clone(), self.created_ids(&object)?);
                }
                let id = rules::text(&values, "Id");
                if let Some(id) = id.filter(|id| known.get(&object).is_none_or(|known| !known.contains(id))) {
                    candidates.entry(object).or_default().push(Candidate {
                        id,
                        values,
                        taken: false,
                    });
                }
            }
        }
        Ok(Candidates {
            by_object: candidates,
            unknown: search.refused,
        })
    }

    /// Whether the request's transaction may still be running.
    fn may_still_run(&self, intent: &Intent, covered: Option<&Part>) -> bool {
        let old_enough = self.context.org.now().saturating_sub(intent.at) > LONGEST_REQUEST_MS;
        let covered = covered
            .filter(|part| part.status < 300)
            .and_then(|part| part.read::<Covered>().ok());
        let known = covered.and_then(|covered| covered.0.covered);
        !old_enough && known.is_none_or(|covered| covered < intent.at)
    }

    /// The query of everything that was changed since.
    fn recent(&mut self, object: &str, since: u64) -> Result<String, ConnectorError> {
        let writable = self.context.writable(object)?.unwrap_or_default();
        // Nothing else that every object has: links to documents have no CreatedDate.
        let mut fields = vec!["Id"];
        let stamp = self.context.job.object(object).stamp.field().unwrap_or("CreatedDate");
        for field in writable.fields.iter().filter(|field| field.create && !field.binary) {
            fields.push(&field.name);
        }
        Ok(format!(
            "SELECT {} FROM {object} WHERE {stamp} >= {}",
            fields.join(","),
            datetime(since)
        ))
    }

    /// Ids of an object's records that are known to be others.
    fn created_ids(&mut self, object: &str) -> Result<BTreeSet<String>, ConnectorError> {
        let mut ids = BTreeSet::new();
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            ids.extend(
                page.iter()
                    .filter_map(|(key, entry)| entry.in_target(key).map(ToOwned::to_owned)),
            );
        }
        Ok(ids)
    }

    /// First those that are told beyond doubt, so that what one record left behind raises no doubt about another.
    fn recognise(&mut self, open: Vec<Created>, mut candidates: Candidates) -> Result<(), ConnectorError> {
        let mut others = Vec::new();
        for created in open {
            let Some(sent) = self.sent(&created)? else { continue };
            let of_object = candidates.by_object.entry(created.object.clone()).or_default();
            match sent.recognised(of_object) {
                Some(id) => self.context.was_created(&created, &id)?,
                None => others.push((created.object, created.key, sent)),
            }
        }
        for (object, key, sent) in others {
            let of_object = candidates.by_object.entry(object.clone()).or_default();
            if candidates.unknown.contains(&object) || sent.is_like_one_of(of_object) {
                self.context.is_ambiguous(&object, &key, doubt())?;
            }
        }
        Ok(())
    }

    /// What was sent of a record; `None` where it can't have been: what it needs isn't there either.
    fn sent(&mut self, created: &Created) -> Result<Option<Sent>, ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let row = self.context.row(object, key)?;
        let (Some(row), Some(writable)) = (row, self.context.writable(object)?) else {
            return Ok(None);
        };
        let without = self.context.records.without(object, key)?;
        let blobs = self.context.blobs(object, &writable, &[key.to_owned()])?.concat();
        let preparation = Preparation {
            object,
            writable: &writable,
            without: &without,
            blobs: &blobs,
            by_picklists: self.context.job.learnt.refuses_values,
            relinks: None,
        };
        let empty = Request::default();
        let mut resolve = |refers_to: &[String], id: &str| self.context.resolve(&empty, refers_to, id, &IN_THE_END);
        let Outcome::Ready(prepared) = preparation.prepare(&row, None, &mut resolve)? else {
            return Ok(None);
        };
        let mut values: Values = serde_json::from_str(&prepared.record.json).map_err(|error| {
            ConnectorError::State(Failure::new("row", format!("the record {key} can't be read: {error}")).about(object))
        })?;
        values.remove("attributes");
        // What they lead to may be known by now; they were sent without all the same.
        for field in &created.omitted {
            values.remove(field);
        }
        let chosen = self.context.job.selection.external_ids.get(object);
        let identifies = |name: &String| Some(name) == chosen || writable.field(name).is_some_and(|field| field.identifies);
        Ok(Some(Sent {
            key: values
                .iter()
                .find(|(name, value)| identifies(name) && value.get() != "null")
                .map(|(name, _)| name.clone()),
            values,
        }))
    }
}

struct Covered(Updated);

impl<'de> Deserialize<'de> for Covered {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Covered, D::Error> {
        read_updated(deserializer).map(Covered)
    }
}

/// What was sent of a record.
struct Sent {
    values: Values,
    /// The field whose value identifies it, where it has one.
    key: Option<String>,
}

impl Sent {
    /// The Id of the candidate that it is beyond doubt.
    fn recognised(&self, candidates: &mut [Candidate]) -> Option<String> {
        let mut free = candidates.iter_mut().filter(|candidate| !candidate.taken);
        let found = match self.key.as_ref().and_then(|key| Some((key, self.values.get(key)?))) {
            Some((key, value)) => free.find(|candidate| is_equal(candidate, key, value.get())),
            None => free.find(|candidate| self.equal(candidate) == self.values.len()),
        }?;
        found.taken = true;
        Some(found.id.clone())
    }

    /// Whether one of them may be it: half of what was sent is the same. What has an external id is it or isn't.
    fn is_like_one_of(&self, candidates: &[Candidate]) -> bool {
        let mut free = candidates.iter().filter(|candidate| !candidate.taken);
        self.key.is_none() && free.any(|candidate| self.equal(candidate) * 2 >= self.values.len())
    }

    fn equal(&self, candidate: &Candidate) -> usize {
        let values = self.values.iter();
        values.filter(|(name, value)| is_equal(candidate, name, value.get())).count()
    }
}

fn is_equal(candidate: &Candidate, field: &str, value: &str) -> bool {
    let found = candidate.values.get(field).map_or("null", |found| found.get());
    canonical(found) == canonical(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn candidate(id: &str, values: &str) -> Candidate {
        Candidate {
            id: id.into(),
            values: serde_json::from_str(values).unwrap(),
            taken: false,
        }
    }

    fn sent(values: &str, key: Option<&str>) -> Sent {
        Sent {
            values: serde_json::from_str(values).unwrap(),
            key: key.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn a_record_is_recognised_by_all_that_was_sent() {
        let mut candidates = [
            candidate("1", r#"{"Name":"B","Amount":1.50,"At":"2026-01-02T03:04:05.000+0000"}"#),
            candidate(
                "2",
                r#"{"Name":"A","Amount":1.5E0,"At":"2026-01-02T03:04:05.000+0000","Other":1}"#,
            ),
        ];
        let a = sent(r#"{"Name":"A","Amount":1.5,"At":"2026-01-02T03:04:05.000+0000"}"#, None);
        assert_eq!(a.recognised(&mut candidates).as_deref(), Some("2"));
        assert_eq!(a.recognised(&mut candidates), None, "one candidate is not two records");
    }

    #[test]
    fn what_is_alike_leaves_a_doubt_and_what_is_not_none() {
        let mut candidates = [candidate("1", r#"{"Name":"A","Amount":2,"Stage":"Changed by a trigger"}"#)];
        let a = sent(r#"{"Name":"A","Amount":2,"Stage":"New"}"#, None);
        assert_eq!(a.recognised(&mut candidates), None);
        assert!(a.is_like_one_of(&candidates));
        let other = sent(r#"{"Name":"Z","Amount":9,"Stage":"New"}"#, None);
        assert!(!other.is_like_one_of(&candidates));
        candidates[0].taken = true;
        assert!(!a.is_like_one_of(&candidates), "it is known to be another one");
    }

    #[test]
    fn an_external_id_decides_whatever_else_differs() {
        let mut candidates = [candidate("1", r#"{"Key__c":"k1","Name":"changed"}"#)];
        let k1 = sent(r#"{"Key__c":"k1","Name":"A"}"#, Some("Key__c"));
        assert_eq!(k1.recognised(&mut candidates).as_deref(), Some("1"));
        let k2 = sent(r#"{"Key__c":"k2","Name":"changed"}"#, Some("Key__c"));
        assert!(!k2.is_like_one_of(&candidates));
    }
}
