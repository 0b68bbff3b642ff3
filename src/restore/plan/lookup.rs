//! Asks the org, while a restore is planned, which records it has.
//!
//! Records are looked up 2,000 to a collection, five collections to a request; what an earlier restore created by the Id that it got
//! then. Archived records are told by a query of all alone: those that were archived in the snapshot are asked for so at once, others
//! when they weren't found, in what room requests have left.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host, RecordOutcome, Row};
use crate::org::{SendFailure, Subrequest};
use crate::restore::rules;
use crate::restore::run::Run;
use crate::restore::state::job::{Place, STAMPS, Stage};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::{DOUBTFUL, Pages};
use crate::salesforce::limits::{COLLECTION_IDS, COMPOSITE_QUERIES, SINGLES};
use crate::salesforce::{ApiError, Class, Found, Part, refusal};
use crate::soql::{encode, literal};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Ids that one request looks up.
pub(in crate::restore) const IDS_A_REQUEST: u64 = (COMPOSITE_QUERIES * COLLECTION_IDS) as u64;

/// Rows that are asked of the snapshot at once, to see what one of them is like.
const ROWS_AT_ONCE: usize = 20;

/// Keys in the snapshot, and the Ids to be looked for.
type Ids = Vec<(String, String)>;

/// How records are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One record, by its own address.
    Single,
    /// By a collection of Ids.
    Collection,
    /// By a query, where an object takes no collections.
    Query,
    /// By a query of all: archived records are told by that alone.
    QueryAll,
}

/// An object that may have records to be looked up.
struct Object {
    name: String,
    /// Salesforce archives some of its records, as it does old activities.
    archives: bool,
}

/// Records of one object that are looked up together.
struct Asked {
    object: String,
    ids: Ids,
    way: Way,
    /// What isn't found in this way may be archived.
    may_be_archived: bool,
}

/// The ways in which objects were looked at when a request was sent.
struct Ways {
    stamps: BTreeMap<String, usize>,
    by_query: BTreeSet<String>,
    without_references: BTreeSet<String>,
}

/// Records of one object that will be looked up together.
#[derive(Default)]
struct Gathered {
    ids: Ids,
    /// The record before the first of them.
    after: String,
}

/// What one request looks up.
#[derive(Default)]
struct Looks {
    asked: Vec<Asked>,
    collections: usize,
    /// None is looked up by its own address: a refusal of that would be taken for knowledge.
    together: bool,
}

impl Looks {
    /// Adds records of an object; false where there is no room for them.
    fn add(&mut self, object: &Object, way: Way, ids: &mut Ids) -> bool {
        if ids.is_empty() {
            return true;
        }
        let asked = |way, ids| Asked {
            object: object.name.clone(),
            ids,
            way,
            may_be_archived: object.archives && way != Way::QueryAll,
        };
        if way == Way::Collection && !self.together && self.asked.len() + ids.len() <= SINGLES + self.collections {
            self.asked.extend(ids.drain(..).map(|id| asked(Way::Single, vec![id])));
            return true;
        }
        let room = self.collections < COMPOSITE_QUERIES;
        if room {
            self.collections += 1;
            self.asked.push(asked(way, std::mem::take(ids)));
        }
        room
    }
}

/// Whether an answer says that there is no such record; another 404 says nothing of it.
fn is_not_there(part: &Part) -> bool {
    let not_there = |error: &ApiError| matches!(error.code.as_str(), "NOT_FOUND" | "ENTITY_IS_DELETED");
    part.errors().iter().all(not_there)
}

impl<H: Host> Run<'_, '_, H> {
    /// Asks which of the records the target has.
    pub(in crate::restore) fn look_up(&mut self) -> Step {
        let objects = self.objects_to_look_up()?;
        loop {
            if self.must_end() {
                return Err(Halt::Call);
            }
            self.describe_anew()?;
            let from = self.job.at.clone();
            let mut looks = Looks::default();
            let end = Place {
                object: objects.len(),
                after: String::new(),
            };
            if self.unknown_records(&objects, &end, &mut looks)? {
                // What was refused in one way is tried in another; what wasn't found is looked for among what is archived.
                self.job.at = Place::default();
                self.unknown_records(&objects, &from, &mut looks)?;
            }
            if looks.asked.is_empty() {
                break;
            }
            let looked = self.ask_for(&looks.asked);
            self.or_back_to(from, looked)?;
            self.save()?;
        }
        if self.job.moved {
            // Records were found to be needed: they have references of their own.
            self.job.enter(Stage::Describe);
        } else {
            self.job.enter(Stage::Name);
        }
        Ok(())
    }

    /// Looks up the records that sounded gone.
    pub(in crate::restore) fn look_up_doubted(&mut self) -> Step {
        let mut objects = self.objects_to_look_up()?;
        objects.retain(|object| self.job.doubted.contains(&object.name));
        let end = Place {
            object: objects.len(),
            after: String::new(),
        };
        loop {
            if self.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            let mut looks = Looks {
                together: true,
                ..Looks::default()
            };
            self.job.at = Place::default();
            self.unknown_records(&objects, &end, &mut looks)?;
            if looks.asked.is_empty() {
                return Ok(());
            }
            self.ask_for(&looks.asked)?;
            self.save()?;
        }
    }

    /// The objects, first those that need two looks: the second ones fill requests that have room.
    fn objects_to_look_up(&mut self) -> Result<Vec<Object>, ConnectorError> {
        let mut objects = Vec::new();
        for name in self.job.objects.clone() {
            let archives = self.archives(&name)?;
            objects.push(Object { name, archives });
        }
        objects.sort_by_key(|object| !object.archives);
        Ok(objects)
    }

    /// Whether Salesforce archives records of this object, as any row of it tells.
    fn archives(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            for some in some.chunks(ROWS_AT_ONCE) {
                let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
                if let Some(row) = self.rows(object, &keys)?.into_iter().flatten().next() {
                    return Ok(rules::is_archived(&rules::values(object, &row)?).is_some());
                }
            }
        }
        Ok(false)
    }

    /// Gathers the records of which it isn't known whether the target has them, from the place on to another, as many as one request
    /// asks for; whether these are all.
    fn unknown_records(&mut self, objects: &[Object], end: &Place, looks: &mut Looks) -> Result<bool, ConnectorError> {
        while self.job.at < *end
            && let Some(object) = objects.get(self.job.at.object)
        {
            let until = (self.job.at.object == end.object).then_some(end.after.as_str());
            if !self.unknown_of(object, until, looks)? {
                return Ok(false);
            }
            self.job.at = Place {
                object: self.job.at.object + 1,
                after: String::new(),
            };
        }
        Ok(true)
    }

    /// The same, of one object, up to a key.
    fn unknown_of(&mut self, object: &Object, until: Option<&str>, looks: &mut Looks) -> Result<bool, ConnectorError> {
        let live = match self.job.by_query.contains(&object.name) {
            true => Way::Query,
            false => Way::Collection,
        };
        let mut gathered = [(live, Gathered::default()), (Way::QueryAll, Gathered::default())];
        let mut after = self.job.at.after.clone();
        loop {
            let mut some = self.records.after(&object.name, &after)?;
            some.retain(|(key, _)| until.is_none_or(|until| key.as_str() <= until));
            let Some((last, _)) = some.last() else { break };
            let last = last.clone();
            some.retain(|(_, entry)| entry.is_unknown());
            let archived = self.archived_of(object, &some)?;
            for (key, entry) in some {
                let id = self.records.mapped(&object.name, &key)?.unwrap_or_else(|| key.clone());
                if id == DOUBTFUL {
                    self.take_doubt(&object.name, &key, &entry)?;
                } else {
                    let was_not_found = entry.tries > 0;
                    let (way, these) = &mut gathered[usize::from(was_not_found || archived.contains(&key))];
                    if these.ids.len() == COLLECTION_IDS && !looks.add(object, *way, &mut these.ids) {
                        self.goes_on_with(&gathered);
                        return Ok(false);
                    }
                    if these.ids.is_empty() {
                        these.after.clone_from(&after);
                    }
                    these.ids.push((key.clone(), id));
                }
                after = key;
            }
            after = last;
        }
        let mut all = true;
        for (way, these) in &mut gathered {
            all &= looks.add(object, *way, &mut these.ids);
        }
        if !all {
            self.goes_on_with(&gathered);
        }
        Ok(all)
    }

    /// What was gathered and found no room comes next.
    fn goes_on_with(&mut self, gathered: &[(Way, Gathered)]) {
        let left = gathered.iter().filter(|(_, these)| !these.ids.is_empty());
        if let Some(after) = left.map(|(_, these)| &these.after).min() {
            self.job.at.after.clone_from(after);
        }
    }

    /// Those of these records that were archived when they were backed up.
    fn archived_of(&self, object: &Object, some: &[(String, RecordEntry)]) -> Result<BTreeSet<String>, ConnectorError> {
        let mut archived = BTreeSet::new();
        if !object.archives {
            return Ok(archived);
        }
        let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
        for row in self.rows(&object.name, &keys)?.into_iter().flatten() {
            if rules::is_archived(&rules::values(&object.name, &row)?) == Some(true) {
                archived.insert(row.key);
            }
        }
        Ok(archived)
    }

    /// An earlier restore may have created it, and nothing tells.
    fn take_doubt(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        let what = if entry.is_wanted() {
            RecordState::Ambiguous
        } else {
            RecordState::Gone
        };
        self.records.set(object, key, RecordEntry::new(what))?;
        if entry.is_wanted() {
            self.job.tally(object).ambiguous += 1;
            self.tell(object, key, RecordOutcome::Ambiguous, crate::restore::write::settle::doubt());
        }
        Ok(())
    }

    /// Looks records up.
    fn ask_for(&mut self, asked: &[Asked]) -> Step {
        let parts: Vec<Subrequest> = asked
            .iter()
            .enumerate()
            .map(|(n, asked)| self.look_up_part(n, asked))
            .collect::<Result<_, _>>()?;
        let parts = self.ask(&parts)?;
        let ways = Ways {
            stamps: self.job.stamps.clone(),
            by_query: self.job.by_query.clone(),
            without_references: self.job.without_references.clone(),
        };
        for (asked, part) in asked.iter().zip(&parts) {
            let found = match Self::found(asked, part) {
                Ok(found) => found,
                Err(errors) => {
                    self.look_up_refused(asked, &ways, part.status, errors)?;
                    continue;
                }
            };
            self.got_somewhere = true;
            for ((key, id), found) in asked.ids.iter().zip(found) {
                self.take_look(asked, key, id, found.as_ref())?;
            }
        }
        Ok(())
    }

    fn look_up_part(&mut self, n: usize, asked: &Asked) -> Result<Subrequest, ConnectorError> {
        let (users, is_active) = rules::INACTIVE;
        let of_users = (asked.object == users).then_some(is_active);
        let references = self.references_looked_at(&asked.object)?;
        let fields: Vec<&str> = std::iter::once("Id")
            .chain(self.job.stamp(&asked.object))
            .chain(of_users)
            .chain(references.iter().map(String::as_str))
            .collect();
        let reference = format!("l{n}");
        let query = |resource: &str, live: &str| {
            let ids: Vec<String> = asked.ids.iter().map(|(_, id)| literal(id)).collect();
            let (fields, ids) = (fields.join(","), ids.join(","));
            let query = format!("SELECT {fields} FROM {} WHERE {live}Id IN ({ids})", asked.object);
            let path = self.org.path(&format!("{resource}?q={}", encode(&query)));
            Subrequest::get(path, reference.clone())
        };
        match (asked.way, asked.ids.first()) {
            (Way::Single, Some((_, id))) => {
                let path = format!("sobjects/{}/{id}?fields={}", asked.object, fields.join(","));
                return Ok(Subrequest::get(self.org.path(&path), reference));
            }
            (Way::Query, _) => return Ok(query("query", "")),
            // It tells of deleted records too.
            (Way::QueryAll, _) => return Ok(query("queryAll", "IsDeleted = false AND ")),
            _ => {}
        }
        let ids: Vec<&str> = asked.ids.iter().map(|(_, id)| id.as_str()).collect();
        let path = self.org.path(&format!("composite/sobjects/{}", asked.object));
        Ok(Subrequest::post(path, reference, json!({ "ids": ids, "fields": fields })))
    }

    fn has_references(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let writable = self.writable(object)?.unwrap_or_default();
        let relinks = !self.job.selection.no_relink && self.job.stage < Stage::Write;
        Ok(relinks && writable.fields.iter().any(rules::may_be_relinked))
    }

    /// References that a look at an object's records reads too, since people may have set them since the snapshot.
    fn references_looked_at(&mut self, object: &str) -> Result<Vec<String>, ConnectorError> {
        let without = self.job.selection.no_relink || self.job.without_references.contains(object);
        if without || self.job.stage >= Stage::Write {
            return Ok(Vec::new());
        }
        let writable = self.writable(object)?.unwrap_or_default();
        let fields = writable.fields.iter().filter(|field| rules::may_be_relinked(field));
        Ok(fields.map(|field| field.name.clone()).collect())
    }

    /// What was found, in the order of what was asked for; or the refusal.
    fn found(asked: &Asked, part: &Part) -> Result<Vec<Option<Found>>, Vec<ApiError>> {
        #[derive(Deserialize)]
        struct Answer {
            records: Vec<Found>,
        }
        let records = match asked.way {
            Way::Single if part.status == 404 && is_not_there(part) => return Ok(vec![None]),
            _ if part.status >= 300 => return Err(part.errors()),
            Way::Single => return part.read().map(|found| vec![Some(found)]).map_err(|_| part.errors()),
            Way::Collection => return part.read::<Vec<Option<Found>>>().map_err(|_| part.errors()),
            Way::Query | Way::QueryAll => part.read::<Answer>().map_err(|_| part.errors())?.records,
        };
        let by_id: BTreeMap<String, Found> = records.into_iter().map(|found| (found.id.clone(), found)).collect();
        Ok(asked.ids.iter().map(|(_, id)| by_id.get(id).cloned()).collect())
    }

    /// A look that was refused is tried in another way than those that were known when it was sent; where there is none, nothing is known of the records.
    fn look_up_refused(
        &mut self,
        asked: &Asked,
        Ways {
            stamps,
            by_query,
            without_references,
        }: &Ways,
        status: u16,
        errors: Vec<ApiError>,
    ) -> Step {
        let object = &asked.object;
        let (class, error) = refusal(status, errors);
        match class {
            Class::Later | Class::TimedOut | Class::Halted => return Err(SendFailure::Later.into()),
            Class::DailyLimit => return Err(SendFailure::DailyLimit.into()),
            // Others of this object in the same request were refused for the same.
            // The describe may be old; where it isn't, none of this object's references is set.
            _ if error.code == "INVALID_FIELD" && !without_references.contains(object) && self.has_references(object)? => {
                if self.job.described_anew.contains(object) {
                    self.job.without_references.insert(object.clone());
                } else {
                    self.job.to_describe.insert(object.clone());
                }
                return Ok(());
            }
            _ if error.code == "INVALID_FIELD" && stamps.get(object).copied().unwrap_or_default() < STAMPS.len() => {
                let tried = stamps.get(object).copied().unwrap_or_default();
                self.job.stamps.insert(object.clone(), tried + 1);
                return Ok(());
            }
            Class::Never("not-visible") => {}
            _ if !by_query.contains(object) => {
                self.job.by_query.insert(object.clone());
                return Ok(());
            }
            _ => {}
        }
        let in_doubt = self.job.stage >= Stage::Write;
        for (key, _) in &asked.ids {
            let entry = self
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
            self.records.set(object, key, RecordEntry::new(what))?;
        }
        if in_doubt {
            return Ok(());
        }
        if self.is_wanted(object)? || !self.job.closed.contains_key(object) {
            self.not_described(object, &error);
        }
        Ok(())
    }

    /// Takes what was found of one record.
    fn take_look(&mut self, asked: &Asked, key: &str, id: &str, found: Option<&Found>) -> Result<(), ConnectorError> {
        let object = asked.object.as_str();
        let Some(mut entry) = self.records.get(object, key)? else {
            return Ok(());
        };
        if found.is_none() && asked.may_be_archived {
            entry.tries = 1;
            return self.records.set(object, key, entry);
        }
        if entry.what == RecordState::Doubted {
            return self.take_second_look(object, key, &entry, found.is_some());
        }
        let other_id = (key != id).then(|| id.to_owned());
        let closed = self.job.closed.contains_key(object);
        let what = match (entry.what, found) {
            (RecordState::Selected, Some(found)) if !closed => {
                let row = self.rows(object, &[key.to_owned()])?.into_iter().flatten().next();
                // Also of one that may turn out to be as it was, once its values are compared.
                if let Some(row) = &row {
                    self.keep_references(object, row, found)?;
                }
                if self.stays(row.as_ref(), found) {
                    self.job.tally(object).skipped += 1;
                    RecordState::Same
                } else {
                    RecordState::Update
                }
            }
            (_, Some(found)) if found.is_active == Some(false) => RecordState::Inactive,
            (_, Some(_)) => RecordState::There,
            (RecordState::Selected, None) if !closed => {
                self.job.creating.insert(object.to_owned());
                RecordState::Create
            }
            (RecordState::RequiredReference, None) if self.job.selection.with_related => {
                return self.needed_and_gone(object, key);
            }
            (_, None) => RecordState::Gone,
        };
        if found.is_some() && other_id.is_some() {
            self.job.mapped.insert(object.to_owned());
        }
        // One that is gone again is created under a new Id.
        let id = if found.is_some() { other_id } else { None };
        self.records.set(object, key, RecordEntry::new(what).with_id(id))
    }

    /// Whether a record that the target has stays as it is.
    fn stays(&self, row: Option<&Row>, found: &Found) -> bool {
        let selection = &self.job.selection;
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
        self.records.set_kept(object, &row.key, kept)
    }
}
