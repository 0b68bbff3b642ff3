//! Asks the org which records it has: while a restore is planned, and again where a refusal sounds as if one were gone.
//!
//! Records are looked up 2,000 to a collection, five collections to a request; what an earlier restore created by the Id that it got
//! then. Archived records are told by a query of all alone: those that were archived in the snapshot are asked for so at once, others
//! when they weren't found, in what room requests have left.

mod answer;

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host, RecordOutcome};
use crate::org::{SendFailure, Subrequest};
use crate::restore::context::Context;
use crate::restore::outcome;
use crate::restore::rules;
use crate::restore::state::job::{Place, Stage};
use crate::restore::state::objects::{LookupBy, Stamp};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::{DOUBTFUL, Pages};
use crate::restore::target::describe::Describer;
use crate::salesforce::limits::{COLLECTION_IDS, COMPOSITE_QUERIES, SINGLES};
use crate::salesforce::{ApiError, Found, Part};
use crate::soql::{encode, literal};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are asked of the snapshot at once, to see what one of them is like.
const ROWS_AT_ONCE: usize = 20;

/// Keys in the snapshot, and the Ids to be looked for.
type Ids = Vec<(String, String)>;

/// How records are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LookupMethod {
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
    method: LookupMethod,
    /// What isn't found by this method may be archived.
    may_be_archived: bool,
}

/// How an object's records were looked up when a request was sent: others of the object in the same request may be refused for the same.
#[derive(Clone, Copy)]
struct Approach {
    stamp: Stamp,
    lookup: LookupBy,
    without_references: bool,
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
    fn add(&mut self, object: &Object, method: LookupMethod, ids: &mut Ids) -> bool {
        if ids.is_empty() {
            return true;
        }
        let asked = |method, ids| Asked {
            object: object.name.clone(),
            ids,
            method,
            may_be_archived: object.archives && method != LookupMethod::QueryAll,
        };
        if method == LookupMethod::Collection && !self.together && self.asked.len() + ids.len() <= SINGLES + self.collections {
            self.asked
                .extend(ids.drain(..).map(|id| asked(LookupMethod::Single, vec![id])));
            return true;
        }
        let room = self.collections < COMPOSITE_QUERIES;
        if room {
            self.collections += 1;
            self.asked.push(asked(method, std::mem::take(ids)));
        }
        room
    }
}

/// Whether an answer says that there is no such record; another 404 says nothing of it.
fn is_not_there(part: &Part) -> bool {
    let not_there = |error: &ApiError| matches!(error.code.as_str(), "NOT_FOUND" | "ENTITY_IS_DELETED");
    part.errors().iter().all(not_there)
}

/// Looks up which records the target has.
pub(in crate::restore) struct Lookup<'c, 'o, 'h, H: Host> {
    context: &'c mut Context<'o, 'h, H>,
}

impl<'c, 'o, 'h, H: Host> Lookup<'c, 'o, 'h, H> {
    /// For this restore.
    pub(in crate::restore) fn new(context: &'c mut Context<'o, 'h, H>) -> Lookup<'c, 'o, 'h, H> {
        Lookup { context }
    }

    /// Asks which of the records the target has, while a restore is planned.
    pub(in crate::restore) fn look_up(&mut self) -> Step {
        let objects = self.objects_to_look_up()?;
        loop {
            if self.context.must_end() {
                return Err(Halt::Call);
            }
            Describer::new(self.context).renew()?;
            let from = self.context.job.place.clone();
            let mut looks = Looks::default();
            let end = Place {
                object: objects.len(),
                after: String::new(),
            };
            if self.unknown_records(&objects, &end, &mut looks)? {
                // What was refused in one way is tried in another; what wasn't found is looked for among what is archived.
                self.context.job.place = Place::default();
                self.unknown_records(&objects, &from, &mut looks)?;
            }
            if looks.asked.is_empty() {
                break;
            }
            let looked = self.ask_for(&looks.asked);
            self.context.or_back_to(from, looked)?;
            self.context.save()?;
        }
        if self.context.job.moved {
            // Records were found to be needed: they have references of their own.
            self.context.job.enter(Stage::Describe);
        } else {
            self.context.job.enter(Stage::Name);
        }
        Ok(())
    }

    /// Looks up what sounded gone.
    pub(in crate::restore) fn look_again(&mut self) -> Step {
        if !self.context.job.objects.iter().any(|object| object.doubted) {
            return Ok(());
        }
        let looked = self.look_up_doubted();
        self.context.job.again();
        self.context.job.moved = true;
        looked?;
        for object in self.context.job.objects.iter_mut() {
            object.doubted = false;
        }
        Ok(())
    }

    fn look_up_doubted(&mut self) -> Step {
        let mut objects = self.objects_to_look_up()?;
        objects.retain(|object| self.context.job.object(&object.name).doubted);
        let end = Place {
            object: objects.len(),
            after: String::new(),
        };
        loop {
            if self.context.host().requests_left() == 0 {
                return Err(SendFailure::AllowanceSpent.into());
            }
            let mut looks = Looks {
                together: true,
                ..Looks::default()
            };
            self.context.job.place = Place::default();
            self.unknown_records(&objects, &end, &mut looks)?;
            if looks.asked.is_empty() {
                return Ok(());
            }
            self.ask_for(&looks.asked)?;
            self.context.save()?;
        }
    }

    /// The objects, first those that need two looks: the second ones fill requests that have room.
    fn objects_to_look_up(&mut self) -> Result<Vec<Object>, ConnectorError> {
        let mut objects = Vec::new();
        for name in self.context.job.objects.walk() {
            let archives = self.archives(&name)?;
            objects.push(Object { name, archives });
        }
        objects.sort_by_key(|object| !object.archives);
        Ok(objects)
    }

    /// Whether Salesforce archives records of this object, as any row of it tells.
    fn archives(&mut self, object: &str) -> Result<bool, ConnectorError> {
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            for records in page.chunks(ROWS_AT_ONCE) {
                let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
                if let Some(row) = self.context.rows(object, &keys)?.into_iter().flatten().next() {
                    return Ok(rules::is_archived(&rules::values(object, &row)?).is_some());
                }
            }
        }
        Ok(false)
    }

    /// Gathers the records of which it isn't known whether the target has them, from the place on to another, as many as one request
    /// asks for; whether these are all.
    fn unknown_records(&mut self, objects: &[Object], end: &Place, looks: &mut Looks) -> Result<bool, ConnectorError> {
        while self.context.job.place < *end
            && let Some(object) = objects.get(self.context.job.place.object)
        {
            let until = (self.context.job.place.object == end.object).then_some(end.after.as_str());
            if !self.unknown_of(object, until, looks)? {
                return Ok(false);
            }
            self.context.job.place.next_object();
        }
        Ok(true)
    }

    /// The same, of one object, up to a key.
    fn unknown_of(&mut self, object: &Object, until: Option<&str>, looks: &mut Looks) -> Result<bool, ConnectorError> {
        let live = match self.context.job.object(&object.name).lookup {
            LookupBy::Query => LookupMethod::Query,
            LookupBy::Collections => LookupMethod::Collection,
        };
        let mut gathered = [(live, Gathered::default()), (LookupMethod::QueryAll, Gathered::default())];
        let mut after = self.context.job.place.after.clone();
        loop {
            let mut page = self.context.records.after(&object.name, &after)?;
            page.retain(|(key, _)| until.is_none_or(|until| key.as_str() <= until));
            let Some((last, _)) = page.last() else { break };
            let last = last.clone();
            page.retain(|(_, entry)| entry.is_unknown());
            let archived = self.archived_of(object, &page)?;
            for (key, entry) in page {
                let id = self
                    .context
                    .records
                    .mapped(&object.name, &key)?
                    .unwrap_or_else(|| key.clone());
                if id == DOUBTFUL {
                    self.take_doubt(&object.name, &key, &entry)?;
                } else {
                    let was_not_found = entry.tries > 0;
                    let (method, these) = &mut gathered[usize::from(was_not_found || archived.contains(&key))];
                    if these.ids.len() == COLLECTION_IDS && !looks.add(object, *method, &mut these.ids) {
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
        for (method, these) in &mut gathered {
            all &= looks.add(object, *method, &mut these.ids);
        }
        if !all {
            self.goes_on_with(&gathered);
        }
        Ok(all)
    }

    /// What was gathered and found no room comes next.
    fn goes_on_with(&mut self, gathered: &[(LookupMethod, Gathered)]) {
        let left = gathered.iter().filter(|(_, these)| !these.ids.is_empty());
        if let Some(after) = left.map(|(_, these)| &these.after).min() {
            self.context.job.place.after.clone_from(after);
        }
    }

    /// Those of these records that were archived when they were backed up.
    fn archived_of(&self, object: &Object, page: &[(String, RecordEntry)]) -> Result<BTreeSet<String>, ConnectorError> {
        let mut archived = BTreeSet::new();
        if !object.archives {
            return Ok(archived);
        }
        let keys: Vec<String> = page.iter().map(|(key, _)| key.clone()).collect();
        for row in self.context.rows(&object.name, &keys)?.into_iter().flatten() {
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
        self.context.records.set(object, key, RecordEntry::new(what))?;
        if entry.is_wanted() {
            self.context.job.object_mut(object).tally_mut().ambiguous += 1;
            self.context.tell(object, key, RecordOutcome::Ambiguous, outcome::doubt());
        }
        Ok(())
    }

    /// Looks records up.
    fn ask_for(&mut self, asked: &[Asked]) -> Step {
        let parts: Vec<Subrequest> = asked
            .iter()
            .enumerate()
            .map(|(position, asked)| self.look_up_part(position, asked))
            .collect::<Result<_, _>>()?;
        let parts = self.context.ask(&parts)?;
        let approaches: Vec<Approach> = asked.iter().map(|asked| self.approach(&asked.object)).collect();
        for ((asked, approach), part) in asked.iter().zip(approaches).zip(&parts) {
            let found = match Self::found(asked, part) {
                Ok(found) => found,
                Err(errors) => {
                    self.look_up_refused(asked, approach, part.status, errors)?;
                    continue;
                }
            };
            self.context.got_somewhere = true;
            for ((key, id), found) in asked.ids.iter().zip(found) {
                self.take_look(asked, key, id, found.as_ref())?;
            }
        }
        Ok(())
    }

    fn approach(&self, object: &str) -> Approach {
        let object = self.context.job.object(object);
        Approach {
            stamp: object.stamp,
            lookup: object.lookup,
            without_references: object.without_references,
        }
    }

    fn look_up_part(&mut self, position: usize, asked: &Asked) -> Result<Subrequest, ConnectorError> {
        let (users, is_active) = rules::INACTIVE;
        let of_users = (asked.object == users).then_some(is_active);
        let references = self.references_looked_at(&asked.object)?;
        let fields: Vec<&str> = std::iter::once("Id")
            .chain(self.context.job.object(&asked.object).stamp.field())
            .chain(of_users)
            .chain(references.iter().map(String::as_str))
            .collect();
        let reference = format!("l{position}");
        let query = |resource: &str, live: &str| {
            let ids: Vec<String> = asked.ids.iter().map(|(_, id)| literal(id)).collect();
            let (fields, ids) = (fields.join(","), ids.join(","));
            let query = format!("SELECT {fields} FROM {} WHERE {live}Id IN ({ids})", asked.object);
            let path = self.context.org.path(&format!("{resource}?q={}", encode(&query)));
            Subrequest::get(path, reference.clone())
        };
        match (asked.method, asked.ids.first()) {
            (LookupMethod::Single, Some((_, id))) => {
                let path = format!("sobjects/{}/{id}?fields={}", asked.object, fields.join(","));
                return Ok(Subrequest::get(self.context.org.path(&path), reference));
            }
            (LookupMethod::Query, _) => return Ok(query("query", "")),
            // It tells of deleted records too.
            (LookupMethod::QueryAll, _) => return Ok(query("queryAll", "IsDeleted = false AND ")),
            _ => {}
        }
        let ids: Vec<&str> = asked.ids.iter().map(|(_, id)| id.as_str()).collect();
        let path = self.context.org.path(&format!("composite/sobjects/{}", asked.object));
        Ok(Subrequest::post(path, reference, json!({ "ids": ids, "fields": fields })))
    }

    /// References that a look at an object's records reads too, since people may have set them since the snapshot.
    fn references_looked_at(&mut self, object: &str) -> Result<Vec<String>, ConnectorError> {
        let without = self.context.job.selection.no_relink || self.context.job.object(object).without_references;
        if without || self.context.job.stage >= Stage::Write {
            return Ok(Vec::new());
        }
        let writable = self.context.writable(object)?.unwrap_or_default();
        let fields = writable.fields.iter().filter(|field| rules::may_be_relinked(field));
        Ok(fields.map(|field| field.name.clone()).collect())
    }

    /// What was found, in the order of what was asked for; or the refusal.
    fn found(asked: &Asked, part: &Part) -> Result<Vec<Option<Found>>, Vec<ApiError>> {
        #[derive(Deserialize)]
        struct Answer {
            records: Vec<Found>,
        }
        let records = match asked.method {
            LookupMethod::Single if part.status == 404 && is_not_there(part) => return Ok(vec![None]),
            _ if part.status >= 300 => return Err(part.errors()),
            LookupMethod::Single => return part.read().map(|found| vec![Some(found)]).map_err(|_| part.errors()),
            LookupMethod::Collection => return part.read::<Vec<Option<Found>>>().map_err(|_| part.errors()),
            LookupMethod::Query | LookupMethod::QueryAll => part.read::<Answer>().map_err(|_| part.errors())?.records,
        };
        let by_id: BTreeMap<String, Found> = records.into_iter().map(|found| (found.id.clone(), found)).collect();
        Ok(asked.ids.iter().map(|(_, id)| by_id.get(id).cloned()).collect())
    }
}
