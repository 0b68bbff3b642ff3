//! Finds out what came of a request whose answer was lost: which of the records that it was to create are there.
//!
//! Asked is everything of these objects that changed since the request was sent, and whether a transaction that old may still be
//! running (`latestDateCovered`, as for backups). A record is recognised by an external id, where it has one; otherwise by having
//! every value that was sent. One that nothing is like was not created, and is sent again. Where something is alike but not the
//! same, nobody can tell: the record is reported, and never created twice.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Failure, Host, Level, RecordOutcome};
use crate::org::{SendFailure, Subrequest};
use crate::restore::prepare::{Outcome, Preparation};
use crate::restore::request::Request;
use crate::restore::rules::{self, Values};
use crate::restore::run::{IN_THE_END, Run};
use crate::restore::state::intent::{Created, Intent};
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::{DOUBTFUL, Pages};
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Class, Part, Updated, canonical, moment_url, read_updated, refusal};
use crate::soql::{datetime, encode};
use crate::values::{self, Entry, key};
use serde::{Deserialize, Serialize};
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

impl<H: Host> Run<'_, '_, H> {
    /// Finds out what came of the last request, where nobody knows.
    pub(in crate::restore) fn settle(&mut self) -> Step {
        self.finish_ingest()?;
        let Some(intent) = Intent::load(self.host())? else {
            return Ok(());
        };
        let mut open = Vec::new();
        for created in &intent.creates {
            if self
                .records
                .get(&created.object, &created.key)?
                .is_some_and(|entry| entry.what == RecordState::Create)
            {
                open.push(created.clone());
            }
        }
        if open.is_empty() {
            self.host().put(vec![Intent::settled()])?;
            return Ok(());
        }
        let candidates = self.candidates(&intent, &open)?;
        self.host().log(
            Level::Info,
            "looked for what a request without an answer had created",
            &[("records", open.len().to_string())],
        );
        self.recognise(open, candidates)?;
        // What wasn't created comes again.
        if self.job.stage == Stage::Write {
            self.job.again();
            self.job.moved = true;
        }
        let mut entries = self.unsaved()?;
        entries.push(Intent::settled());
        entries.extend(Search::over(self.host())?);
        self.host().put(entries)?;
        Ok(())
    }

    /// What the org has that may be one of them, by object. What was found is kept from call to call: one request a call is enough.
    fn candidates(&mut self, intent: &Intent, open: &[Created]) -> Step<Candidates> {
        let since = intent.at.saturating_sub(MARGIN_MS);
        let mut search = match Search::load(self.host())? {
            Some(search) => search,
            None => {
                let objects: BTreeSet<&String> = open.iter().map(|created| &created.object).collect();
                let mut waiting = Vec::new();
                for object in objects {
                    let query = encode(&self.recent(object, since)?);
                    waiting.push((object.clone(), self.org.path(&format!("query?q={query}"))));
                }
                Search {
                    waiting,
                    ..Search::default()
                }
            }
        };
        while !search.waiting.is_empty() {
            if self.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            let some: Vec<(String, String)> = search.waiting.iter().take(COMPOSITE_QUERIES).cloned().collect();
            let mut parts = Vec::new();
            if !search.over {
                let covered = moment_url("User", "updated", since, self.org.now());
                parts.push(Subrequest::get(self.org.path(&covered), "covered".to_owned()));
            }
            let asked = some.iter().enumerate();
            parts.extend(asked.map(|(n, (_, url))| Subrequest::get(url.clone(), format!("q{n}"))));
            let answered = self.ask(&parts)?;
            let mut answered = answered.into_iter();
            if !search.over {
                if self.may_still_run(intent, answered.next().as_ref()) {
                    self.got_somewhere = true;
                    return Err(Halt::Wait(WAIT_SECONDS));
                }
                search.over = true;
            }
            search.waiting.drain(..some.len());
            let mut entries = Vec::new();
            for ((object, _), part) in some.into_iter().zip(answered) {
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
            search.put(self.host(), entries)?;
            // Only now: what is refused would be asked again and again otherwise.
            self.got_somewhere = true;
        }
        let mut candidates: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for number in 0..search.pages {
            for (object, values) in search.page(self.host(), number)? {
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
        let old_enough = self.org.now().saturating_sub(intent.at) > LONGEST_REQUEST_MS;
        let covered = covered
            .filter(|part| part.status < 300)
            .and_then(|part| part.read::<Covered>().ok());
        let known = covered.and_then(|covered| covered.0.covered);
        !old_enough && known.is_none_or(|covered| covered < intent.at)
    }

    /// The query of everything that was changed since.
    fn recent(&mut self, object: &str, since: u64) -> Result<String, ConnectorError> {
        let writable = self.writable(object)?.unwrap_or_default();
        // Nothing else that every object has: links to documents have no CreatedDate.
        let mut fields = vec!["Id"];
        let stamp = self.job.stamp(object).unwrap_or("CreatedDate");
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
        while let Some(some) = pages.next(&mut self.records, object)? {
            ids.extend(
                some.iter()
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
                Some(id) => self.was_created(&created, &id)?,
                None => others.push((created.object, created.key, sent)),
            }
        }
        for (object, key, sent) in others {
            let of_object = candidates.by_object.entry(object.clone()).or_default();
            if candidates.unknown.contains(&object) || sent.is_like_one_of(of_object) {
                self.records.set(&object, &key, RecordEntry::new(RecordState::Ambiguous))?;
                self.records.map(&object, &key, DOUBTFUL)?;
                self.job.tally(&object).ambiguous += 1;
                self.one_less(&object);
                self.tell(&object, &key, RecordOutcome::Ambiguous, doubt());
            }
        }
        Ok(())
    }

    /// What was sent of a record; `None` where it can't have been: what it needs isn't there either.
    fn sent(&mut self, created: &Created) -> Result<Option<Sent>, ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let row = self.rows(object, &[key.to_owned()])?.into_iter().flatten().next();
        let (Some(row), Some(writable)) = (row, self.writable(object)?) else {
            return Ok(None);
        };
        let without = self.records.without(object, key)?;
        let blobs = self.blobs(object, &writable, &[key.to_owned()])?.concat();
        let preparation = Preparation {
            object,
            writable: &writable,
            without: &without,
            blobs: &blobs,
            by_picklists: self.job.refuses_values,
            relinks: None,
        };
        let empty = Request::default();
        let mut resolve = |refers_to: &[String], id: &str| self.resolve(&empty, refers_to, id, &IN_THE_END);
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
        let chosen = self.job.selection.external_ids.get(object);
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

/// What people are told of a record of which nobody knows whether it was created.
pub(in crate::restore) fn doubt() -> Failure {
    Failure::new(
        "ambiguous",
        "a request that was to create it got no answer, and the org has a record that is like it but not the same, or doesn't let \
         anybody look",
    )
    .remedy("look for it in the org, by hand")
}

/// How far the search for what a request created has come.
#[derive(Default, Serialize, Deserialize)]
struct Search {
    /// The request's transaction is over.
    over: bool,
    /// Objects and addresses of pages that are still to be read.
    waiting: Vec<(String, String)>,
    /// Values that hold what was found.
    pages: u32,
    /// Objects that the org lets nobody look through.
    #[serde(default)]
    refused: BTreeSet<String>,
}

/// A value has at most 1 MiB.
const VALUE_BYTES: usize = 900 * 1024;

/// Records of the org, with their objects.
type Found = Vec<(String, Values)>;

impl Search {
    fn load<H: Host>(host: &H) -> Result<Option<Search>, ConnectorError> {
        values::cached(host, key::SEARCH)
    }

    /// Takes in records that were found.
    fn keep(&mut self, object: &str, records: Vec<Values>, entries: &mut Vec<Entry>) -> Result<(), ConnectorError> {
        let mut some: Vec<(&str, Values)> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let more: usize = record.iter().map(|(name, value)| name.len() + value.get().len() + 8).sum();
            if bytes + more > VALUE_BYTES && !some.is_empty() {
                entries.push(values::entry(key::search_page(self.pages), &std::mem::take(&mut some))?);
                self.pages += 1;
                bytes = 0;
            }
            bytes += more;
            some.push((object, record));
        }
        if !some.is_empty() {
            entries.push(values::entry(key::search_page(self.pages), &some)?);
            self.pages += 1;
        }
        Ok(())
    }

    fn put<H: Host>(&self, host: &H, mut entries: Vec<Entry>) -> Result<(), ConnectorError> {
        entries.push(values::entry(key::SEARCH, self)?);
        Ok(host.put(entries)?)
    }

    fn page<H: Host>(&self, host: &H, number: u32) -> Result<Found, ConnectorError> {
        let found = values::load(host, &key::search_page(number))?;
        found.ok_or_else(|| {
            let what = format!("part {number} of what was found of a request without an answer is gone");
            ConnectorError::State(
                Failure::new("search", what).remedy("bring the connection's values back from a copy of the store"),
            )
        })
    }

    /// The entries that say that it is over.
    fn over<H: Host>(host: &H) -> Result<Vec<Entry>, ConnectorError> {
        let pages = Search::load(host)?.map_or(0, |search| search.pages);
        let mut entries = vec![values::removal(key::SEARCH)];
        entries.extend((0..pages).map(|number| values::removal(key::search_page(number))));
        Ok(entries)
    }
}

/// A page of candidates, and where the next one is.
fn page(object: &str, part: &Part) -> Result<(Vec<Values>, Option<String>), SendFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        records: Vec<Values>,
        next_records_url: Option<String>,
    }
    match part.read::<Page>() {
        Ok(page) if part.status < 300 => {
            let plain = |mut record: Values| {
                record.remove("attributes");
                record
            };
            Ok((page.records.into_iter().map(plain).collect(), page.next_records_url))
        }
        _ => {
            let why = format!("records of {object} can't be looked for: {}", part.why());
            let failure = Failure::new("look-refused", why);
            Err(SendFailure::Broken(failure.about(object)))
        }
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
