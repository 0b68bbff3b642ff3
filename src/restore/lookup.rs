//! Asks the org, while a restore is planned: how objects are written, and which records it has.
//!
//! Describes go 25 to a request, and aren't asked for where a backup did within a day. Records are looked up 2,000 to a
//! collection, five collections to a request; what an earlier restore created is looked up by the Id that it got then.

use super::job::{Place, STAMPS, Stage};
use super::plan::Ended;
use super::roll::{DOUBTFUL, Pages};
use super::rules;
use super::run::Run;
use super::standing::{Standing, What};
use crate::backup::packing::{PLACES, SUBREQUESTS};
use crate::host::{ConnectorError, Host, RecordOutcome};
use crate::org::{Stopped, Subrequest};
use crate::plan::describes;
use crate::salesforce::{ApiError, Class, Found, Part, SubBody, Writable, WritableBodies, read_composite, refusal};
use crate::soql::{encode, literal};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Ids of one collection.
const IDS: usize = 2_000;

/// Ids that one request looks up.
pub(super) const IDS_A_REQUEST: u64 = (PLACES * IDS) as u64;

/// Ids of one query, where an object takes no collections.
const IDS_A_QUERY: usize = 500;

/// A describe of a backup is believed for so long, in milliseconds.
const DESCRIBE_FRESH_MS: u64 = 24 * 3_600_000;

/// Of an object with so few records, each is a subrequest of its own: of those a request has more than of collections.
const SINGLES: usize = 4;

/// Keys in the snapshot, and the Ids to be looked for.
type Ids = Vec<(String, String)>;

/// Records of one object that are looked up together.
struct Asked {
    object: String,
    ids: Ids,
    /// By its own address, not by a collection.
    single: bool,
}

/// What one request looks up.
#[derive(Default)]
struct Looks {
    asked: Vec<Asked>,
    collections: usize,
}

impl Looks {
    /// Adds records of an object; false where there is no room for them.
    fn add(&mut self, object: &str, ids: &[(String, String)], may_be_single: bool) -> bool {
        if may_be_single && ids.len() <= SINGLES && self.asked.len() + ids.len() <= SUBREQUESTS - PLACES + self.collections {
            self.asked.extend(ids.iter().map(|id| Asked {
                object: object.to_owned(),
                ids: vec![id.clone()],
                single: true,
            }));
            return true;
        }
        let room = self.collections < PLACES;
        if room {
            self.collections += 1;
            self.asked.push(Asked {
                object: object.to_owned(),
                ids: ids.to_vec(),
                single: false,
            });
        }
        room
    }
}

impl<H: Host> Run<'_, '_, H> {
    /// Asks how the objects are written of which records are wanted.
    pub(super) fn describe(&mut self) -> Result<Ended, ConnectorError> {
        let mut wanted = Vec::new();
        for object in self.job.objects.clone() {
            if self.is_described(&object)? || !self.is_wanted(&object)? {
                continue;
            }
            if let Some((code, why)) = rules::never(&object) {
                self.close(&object, code, why);
            } else if let Some(known) = self.described_by_backup(&object)? {
                self.take_describe(&object, known)?;
            } else {
                wanted.push(object);
            }
        }
        for some in wanted.chunks(SUBREQUESTS) {
            if self.must_end() {
                return Ok(Ended::Call);
            }
            let parts = describes::subrequests(self.org, some.iter().map(|object| (object.as_str(), None)));
            if let Some(stopped) = self.ask_describes(some, &parts)? {
                return Ok(Ended::Stopped(stopped));
            }
        }
        self.spare_closed()?;
        self.job.enter(Stage::Refer);
        Ok(Ended::Stage)
    }

    /// Records that can't be written are only looked up where others refer to them.
    fn spare_closed(&mut self) -> Result<(), ConnectorError> {
        for object in self.job.closed.keys().cloned().collect::<Vec<_>>() {
            let mut pages = Pages::default();
            while let Some(some) = pages.next(&mut self.roll, &object)? {
                for (key, _) in some.iter().filter(|(_, standing)| standing.what == What::Wanted) {
                    self.roll.set(&object, key, Standing::new(What::Spared))?;
                }
            }
        }
        Ok(())
    }

    fn is_wanted(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.roll, object)? {
            if some.iter().any(|(_, standing)| standing.is_wanted()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn described_by_backup(&self, object: &str) -> Result<Option<Writable>, ConnectorError> {
        let known = describes::known(self.host(), &[object])?.into_iter().next().flatten();
        let fresh = |asked_at: u64| self.host().now().saturating_sub(asked_at) < DESCRIBE_FRESH_MS;
        if known.is_none_or(|known| !fresh(known.asked_at)) {
            return Ok(None);
        }
        Ok(describes::whole(self.host(), object)?
            .as_deref()
            .and_then(Writable::of_describe))
    }

    fn ask_describes(&mut self, objects: &[String], parts: &[Subrequest]) -> Result<Option<Stopped>, ConnectorError> {
        let mut body = match self.answer_to(parts) {
            Ok(body) => body,
            Err(stopped) => return Ok(Some(stopped)),
        };
        let mut subs = Vec::new();
        let stopped = read_composite(&mut body, &mut WritableBodies, &mut subs)
            .err()
            .map(|why| body.gave_up(&why));
        self.got_somewhere |= !subs.is_empty();
        for (object, sub) in objects.iter().zip(subs) {
            match sub.body {
                SubBody::Read(writable) if sub.status < 300 => self.take_describe(object, writable)?,
                SubBody::Read(_) | SubBody::Empty => self.not_described(object, &ApiError::of_status(sub.status)),
                SubBody::Refused(errors) => match refusal(sub.status, errors) {
                    (Class::Later | Class::TimedOut, _) => return Ok(Some(Stopped::Later)),
                    (Class::DailyLimit, _) => return Ok(Some(Stopped::DailyLimit)),
                    (_, error) => self.not_described(object, &error),
                },
            }
        }
        Ok(stopped)
    }

    fn not_described(&mut self, object: &str, error: &ApiError) {
        let why = format!("the org doesn't tell how it is written: {}", error.text());
        self.close(object, "not-visible", &why);
    }

    fn take_describe(&mut self, object: &str, mut writable: Writable) -> Result<(), ConnectorError> {
        for field in writable.fields.iter_mut().filter(|field| rules::brings(object, &field.name)) {
            // The first one is created without.
            field.required = false;
        }
        if !writable.createable && !writable.updateable {
            self.close(
                object,
                "not-writable",
                "its records can't be written by API, or not by the connection's user",
            );
        }
        self.set_writable(object, writable)
    }

    /// Asks which of the records the target has.
    pub(super) fn look_up(&mut self) -> Result<Ended, ConnectorError> {
        loop {
            if self.must_end() {
                return Ok(Ended::Call);
            }
            let mut asked = self.unknown_records()?;
            if asked.is_empty() && self.job.at != Place::default() {
                // What was refused in one way is tried in another; what wasn't found is looked for among what is archived.
                self.job.archives.append(&mut self.job.may_be_archived);
                self.job.at = Place::default();
                asked = self.unknown_records()?;
            }
            if asked.is_empty() {
                break;
            }
            if let Some(stopped) = self.ask_for(&asked)? {
                return Ok(Ended::Stopped(stopped));
            }
            self.save()?;
        }
        if self.job.moved {
            // Records were found to be needed: they have references of their own.
            self.job.enter(Stage::Describe);
        } else {
            self.job.enter(Stage::Name);
        }
        Ok(Ended::Stage)
    }

    /// The next records of which it isn't known whether the target has them, as many as one request asks for.
    fn unknown_records(&mut self) -> Result<Vec<Asked>, ConnectorError> {
        let mut looks = Looks::default();
        let objects = self.job.objects.clone();
        while let Some(object) = objects.get(self.job.at.object) {
            let by_query = self.is_queried(object);
            let most = if by_query { IDS_A_QUERY } else { IDS };
            loop {
                let (some, last) = self.unknown_of(object, most)?;
                let Some(last) = last else { break };
                let all = self.job.at.after.is_empty() && some.len() < most;
                if !some.is_empty() && !looks.add(object, &some, all && !by_query) {
                    return Ok(looks.asked);
                }
                self.job.at.after = last;
            }
            self.job.at = Place {
                object: self.job.at.object + 1,
                after: String::new(),
            };
        }
        Ok(looks.asked)
    }

    /// At most so many records of an object that aren't known, from the place on, with the Ids to be looked for; and the last that
    /// was passed, where there was one.
    fn unknown_of(&mut self, object: &str, most: usize) -> Result<(Ids, Option<String>), ConnectorError> {
        let mut ids = Ids::new();
        let mut last = None;
        loop {
            let after = last.clone().unwrap_or_else(|| self.job.at.after.clone());
            let some = self.roll.after(object, &after)?;
            if some.is_empty() {
                return Ok((ids, last));
            }
            for (key, standing) in some {
                if ids.len() == most {
                    return Ok((ids, last));
                }
                last = Some(key.clone());
                if !standing.is_unknown() {
                    continue;
                }
                let id = self.roll.mapped(object, &key)?.unwrap_or_else(|| key.clone());
                if id == DOUBTFUL {
                    self.take_doubt(object, &key, &standing)?;
                } else {
                    ids.push((key, id));
                }
            }
        }
    }

    /// An earlier restore may have created it, and nothing tells.
    fn take_doubt(&mut self, object: &str, key: &str, standing: &Standing) -> Result<(), ConnectorError> {
        let what = if standing.is_wanted() { What::Ambiguous } else { What::Gone };
        self.roll.set(object, key, Standing::new(what))?;
        if standing.is_wanted() {
            self.job.tally(object).ambiguous += 1;
            self.tell(object, key, RecordOutcome::Ambiguous, super::settle::doubt());
        }
        Ok(())
    }

    /// Looks records up; why it stopped, where it did.
    fn ask_for(&mut self, asked: &[Asked]) -> Result<Option<Stopped>, ConnectorError> {
        let parts: Vec<Subrequest> = asked
            .iter()
            .enumerate()
            .map(|(n, asked)| self.look_up_part(n, asked))
            .collect();
        let parts = match self.ask(&parts) {
            Ok(parts) => parts,
            Err(stopped) => return Ok(Some(stopped)),
        };
        let ways = (self.job.stamps.clone(), self.job.by_query.clone());
        for (asked, part) in asked.iter().zip(&parts) {
            let found = match self.found(asked, part) {
                Ok(found) => found,
                Err(errors) => match self.look_up_refused(asked, &ways, part.status, errors)? {
                    Some(stopped) => return Ok(Some(stopped)),
                    None => continue,
                },
            };
            self.got_somewhere = true;
            for ((key, id), found) in asked.ids.iter().zip(found) {
                self.take_look(&asked.object, key, id, found.as_ref())?;
            }
        }
        Ok(None)
    }

    fn look_up_part(&self, n: usize, asked: &Asked) -> Subrequest {
        let fields: Vec<&str> = std::iter::once("Id").chain(self.job.stamp(&asked.object)).collect();
        let reference = format!("l{n}");
        if let (true, Some((_, id))) = (asked.single, asked.ids.first()) {
            let path = format!("sobjects/{}/{id}?fields={}", asked.object, fields.join(","));
            return Subrequest::get(self.org.path(&path), reference);
        }
        if self.is_queried(&asked.object) {
            let ids: Vec<String> = asked.ids.iter().map(|(_, id)| literal(id)).collect();
            // Archived records are told by queryAll alone, which tells of deleted ones too.
            let (resource, live) = if self.job.archives.contains(&asked.object) {
                ("queryAll", "IsDeleted = false AND ")
            } else {
                ("query", "")
            };
            let query = format!(
                "SELECT {} FROM {} WHERE {live}Id IN ({})",
                fields.join(","),
                asked.object,
                ids.join(",")
            );
            return Subrequest::get(self.org.path(&format!("{resource}?q={}", encode(&query))), reference);
        }
        let ids: Vec<&str> = asked.ids.iter().map(|(_, id)| id.as_str()).collect();
        let path = self.org.path(&format!("composite/sobjects/{}", asked.object));
        Subrequest::post(path, reference, json!({ "ids": ids, "fields": fields }))
    }

    /// What was found, in the order of what was asked for; or the refusal.
    fn found(&self, asked: &Asked, part: &Part) -> Result<Vec<Option<Found>>, Vec<ApiError>> {
        #[derive(Deserialize)]
        struct Answer {
            records: Vec<Found>,
        }
        if asked.single && part.status == 404 {
            return Ok(vec![None]);
        }
        if part.status >= 300 {
            return Err(part.errors());
        }
        if asked.single {
            return part.read().map(|found| vec![Some(found)]).map_err(|_| part.errors());
        }
        if !self.is_queried(&asked.object) {
            return part.read::<Vec<Option<Found>>>().map_err(|_| part.errors());
        }
        let Answer { records } = part.read().map_err(|_| part.errors())?;
        let by_id = |id: &String| records.iter().find(|found| found.id == *id).cloned();
        Ok(asked.ids.iter().map(|(_, id)| by_id(id)).collect())
    }

    /// A look that was refused is tried in another way than those that were known when it was sent; where there is none, nothing is known of the records.
    fn look_up_refused(
        &mut self,
        asked: &Asked,
        (stamps, by_query): &(BTreeMap<String, usize>, BTreeSet<String>),
        status: u16,
        errors: Vec<ApiError>,
    ) -> Result<Option<Stopped>, ConnectorError> {
        let object = &asked.object;
        let (class, error) = refusal(status, errors);
        match class {
            Class::Later | Class::TimedOut | Class::Halted => return Ok(Some(Stopped::Later)),
            Class::DailyLimit => return Ok(Some(Stopped::DailyLimit)),
            // Others of this object in the same request were refused for the same.
            _ if error.code == "INVALID_FIELD" && stamps.get(object).copied().unwrap_or_default() < STAMPS.len() => {
                let tried = stamps.get(object).copied().unwrap_or_default();
                self.job.stamps.insert(object.clone(), tried + 1);
                return Ok(None);
            }
            Class::Never("not-visible") => {}
            _ if !by_query.contains(object) => {
                self.job.by_query.insert(object.clone());
                return Ok(None);
            }
            _ => {}
        }
        for (key, _) in &asked.ids {
            let standing = self.roll.get(object, key)?.unwrap_or(Standing::new(What::Referred));
            // What is only referred to is believed to be there: the org will tell. What should be written can't be, since it might
            // be written twice.
            let what = if standing.is_wanted() || class == Class::Never("not-visible") {
                What::Gone
            } else {
                What::There
            };
            self.roll.set(object, key, Standing::new(what))?;
        }
        if self.is_wanted(object)? || !self.job.closed.contains_key(object) {
            self.not_described(object, &error);
        }
        Ok(None)
    }

    /// Whether records of this object are looked for by queries, not by collections.
    fn is_queried(&self, object: &str) -> bool {
        self.job.by_query.contains(object) || self.job.archives.contains(object)
    }

    /// Whether Salesforce archives records like this one, as it does old activities: then only a query of all tells of them.
    fn is_archived_some_day(&self, object: &str, key: &str) -> Result<bool, ConnectorError> {
        let row = self.rows(object, &[key.to_owned()])?.into_iter().flatten().next();
        Ok(match row {
            Some(row) => rules::values(object, &row)?.contains_key("IsArchived"),
            None => false,
        })
    }

    /// Takes what was found of one record.
    fn take_look(&mut self, object: &str, key: &str, id: &str, found: Option<&Found>) -> Result<(), ConnectorError> {
        let Some(standing) = self.roll.get(object, key)? else {
            return Ok(());
        };
        if found.is_none() && !self.job.archives.contains(object) && self.is_archived_some_day(object, key)? {
            self.job.may_be_archived.insert(object.to_owned());
            return Ok(());
        }
        let other_id = (key != id).then(|| id.to_owned());
        let closed = self.job.closed.contains_key(object);
        let what = match (standing.what, found) {
            (What::Wanted, Some(found)) if !closed => {
                let row = self.rows(object, &[key.to_owned()])?.into_iter().flatten().next();
                let same = row.is_some_and(|row| row.revision > 0 && found.revision() == Some(row.revision));
                if same {
                    self.job.tally(object).skipped += 1;
                    What::Same
                } else {
                    What::Update
                }
            }
            (_, Some(_)) => What::There,
            (What::Wanted, None) if !closed => {
                self.job.creating.insert(object.to_owned());
                What::Create
            }
            (What::Needed, None) if self.job.selection.with_related => return self.needed_and_gone(object, key),
            (_, None) => What::Gone,
        };
        // One that is gone again is created under a new Id.
        let id = if found.is_some() { other_id } else { None };
        self.roll.set(object, key, Standing::new(what).with_id(id))
    }
}
