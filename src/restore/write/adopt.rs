//! Records that Salesforce creates by itself when their parent is created: they are looked for before any of their kind is
//! created, and changed in place.

use crate::halt::Step;
use crate::host::{ConnectorError, Host, Row};
use crate::restore::prepare::Target;
use crate::restore::request::Request;
use crate::restore::rules::{self, CREATED_WITH_PARENT, Values};
use crate::restore::run::{IN_THE_END, Run};
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::restore::write::fill::FillResult;
use crate::salesforce::limits::COMPOSITE_QUERIES;
use crate::salesforce::{Writable, canonical};
use crate::soql::literal;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Parents of one query.
const PARENTS: usize = 400;

/// A record that is wanted, and may be there already.
struct Wanted {
    key: String,
    /// Id of its parent in the target.
    parent: String,
    /// Values that tell it from others of this parent, in canonical form.
    told_by: Vec<Vec<u8>>,
}

/// An object, the field that names the parent, and those that tell its records apart under one parent.
type Kind = (&'static str, &'static str, &'static [&'static str]);

/// What has to be done before records of an object are created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::restore) enum Adoption {
    /// Nothing: none of them can have come to be by itself.
    None,
    /// They come with the next walk: parents of theirs are in the request.
    NextWalk,
    /// They are looked for.
    LookFor,
}

impl<H: Host> Run<'_, '_, H> {
    /// Whether records of this object may have come to be by themselves, and weren't looked for yet.
    pub(in crate::restore) fn adoption(&mut self, object: &str, request: &Request) -> Result<Adoption, ConnectorError> {
        let Some((_, parent, _)) = CREATED_WITH_PARENT.into_iter().find(|(name, ..)| *name == object) else {
            return Ok(Adoption::None);
        };
        if self.left_of(object) == 0 || self.job.adopted.contains(object) || !self.job.at.after.is_empty() {
            return Ok(Adoption::None);
        }
        let Some(refers_to) = self
            .writable(object)?
            .and_then(|writable| Some(writable.field(parent)?.refers_to.clone()))
        else {
            return Ok(Adoption::None);
        };
        let (mut created, mut in_request, mut to_come) = (false, false, false);
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            for (_, values) in self.that_may_come(object, some)? {
                let Some((of, id)) = rules::text(&values, parent).and_then(|id| Some((self.object_of(&refers_to, &id)?, id)))
                else {
                    continue;
                };
                match self.records.get(&of, &id)?.map(|entry| entry.what) {
                    Some(RecordState::Created) => created = true,
                    Some(RecordState::Create | RecordState::WithParent | RecordState::AwaitingId) => {
                        to_come = true;
                        in_request |= request.place(&id).is_some() || request.brings(&id);
                    }
                    _ => {}
                }
            }
        }
        if !created && !to_come {
            self.job.adopted.insert(object.to_owned());
        }
        // Looked for in this walk already: what is in the request now still brings others.
        created &= !self.job.looked_for.contains(object);
        Ok(match (created, in_request) {
            (true, _) => Adoption::LookFor,
            (false, true) => Adoption::NextWalk,
            (false, false) => Adoption::None,
        })
    }

    /// Whether a record that is to be created will come to be with its parent, as far as a plan can tell.
    pub(in crate::restore) fn will_come(
        &mut self,
        object: &str,
        writable: &Writable,
        row: &Row,
    ) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        let Some((of, id)) = self.new_parent(object, writable, &values)? else {
            return Ok(false);
        };
        match self.rows(&of, &[id])?.into_iter().flatten().next() {
            Some(parent) => Ok(rules::comes_by_itself(object, &values, &rules::values(&of, &parent)?)),
            None => Ok(false),
        }
    }

    /// Whether a record comes to be with a parent that is still to be created.
    pub(in crate::restore) fn comes_with_another(
        &mut self,
        object: &str,
        writable: &Writable,
        row: &Row,
    ) -> Result<bool, ConnectorError> {
        let values = rules::values(object, row)?;
        Ok(rules::may_come_by_itself(object, &values) && self.new_parent(object, writable, &values)?.is_some())
    }

    /// The parent that brings records of this object, where it is still to be created: its object and its key.
    fn new_parent(
        &mut self,
        object: &str,
        writable: &Writable,
        values: &Values,
    ) -> Result<Option<(String, String)>, ConnectorError> {
        let Some((_, parent, _)) = CREATED_WITH_PARENT.into_iter().find(|(name, ..)| *name == object) else {
            return Ok(None);
        };
        let (Some(id), Some(field)) = (rules::text(values, parent), writable.field(parent)) else {
            return Ok(None);
        };
        let Some(of) = self.object_of(&field.refers_to, &id) else {
            return Ok(None);
        };
        let parent = self.records.get(&of, &id)?.map(|entry| entry.what);
        Ok(matches!(parent, Some(RecordState::Create | RecordState::WithParent)).then_some((of, id)))
    }

    /// Those of these records that are to be created and may have come to be by themselves: keys and fields.
    fn that_may_come(&self, object: &str, some: Vec<(String, RecordEntry)>) -> Result<Vec<(String, Values)>, ConnectorError> {
        let create = some.into_iter().filter(|(_, entry)| entry.what == RecordState::Create);
        let keys: Vec<String> = create.map(|(key, _)| key).collect();
        let mut found = Vec::new();
        for row in self.rows(object, &keys)?.into_iter().flatten() {
            let values = rules::values(object, &row)?;
            if rules::may_come_by_itself(object, &values) {
                found.push((row.key, values));
            }
        }
        Ok(found)
    }

    /// Looks for all records that came to be with their parents. Why nothing can be filled in now, where nothing can.
    pub(in crate::restore) fn adopt_first(&mut self) -> Step<Option<FillResult>> {
        let mut queries: Vec<(Kind, Vec<Wanted>)> = Vec::new();
        for kind in CREATED_WITH_PARENT {
            if self.left_of(kind.0) == 0 || self.job.adopted.contains(kind.0) {
                continue;
            }
            let (mut wanted, to_come) = self.wanted_with_new_parents(kind)?;
            while !wanted.is_empty() {
                let rest = wanted.split_off(wanted.len().min(PARENTS));
                queries.push((kind, std::mem::replace(&mut wanted, rest)));
            }
            if to_come {
                self.job.looked_for.insert(kind.0.to_owned());
            } else {
                self.job.adopted.insert(kind.0.to_owned());
            }
        }
        for some in queries.chunks(COMPOSITE_QUERIES) {
            if self.host().requests_left() == 0 || self.must_end() {
                self.forget_looks(&queries);
                return Ok(Some(FillResult::MustEnd));
            }
            if let Err(halt) = self.adopt(some) {
                self.forget_looks(&queries);
                return Err(halt);
            }
        }
        self.save()?;
        Ok(None)
    }

    /// They have to be looked for again.
    fn forget_looks(&mut self, queries: &[(Kind, Vec<Wanted>)]) {
        for ((object, ..), _) in queries {
            self.job.adopted.remove(*object);
            self.job.looked_for.remove(*object);
        }
    }

    /// Records to be created whose parents this restore created; and whether parents of others are still to come.
    fn wanted_with_new_parents(&mut self, (object, parent, told_by): Kind) -> Result<(Vec<Wanted>, bool), ConnectorError> {
        let Some(writable) = self.writable(object)? else {
            return Ok((Vec::new(), false));
        };
        let (mut wanted, mut to_come) = (Vec::new(), false);
        let mut pages = Pages::default();
        while let Some(some) = pages.next(&mut self.records, object)? {
            for (key, values) in self.that_may_come(object, some)? {
                let mut target = |field: &str| -> Result<Option<(String, bool)>, ConnectorError> {
                    let Some(value) = values.get(field) else { return Ok(None) };
                    let refers_to = writable.field(field).map(|field| field.refers_to.clone()).unwrap_or_default();
                    let Ok(id) = serde_json::from_str::<String>(value.get()) else {
                        return Ok(Some((value.get().to_owned(), false)));
                    };
                    if refers_to.is_empty() {
                        return Ok(Some((value.get().to_owned(), false)));
                    }
                    match self.resolve(&Request::default(), &refers_to, &id, &IN_THE_END)? {
                        Target::Id(now) | Target::Inactive(now) | Target::Changing(now, _) => {
                            Ok(Some((format!("\"{now}\""), now != id)))
                        }
                        Target::Gone | Target::Failed => Ok(None),
                        Target::InRequest(_) | Target::Awaited | Target::Later | Target::Coming => {
                            to_come = true;
                            Ok(None)
                        }
                    }
                };
                // A parent that kept its Id has all of its own records, or had them deleted by somebody.
                let Some((parent, true)) = target(parent)? else { continue };
                let mut told = Vec::new();
                for field in told_by {
                    told.extend(target(field)?.map(|(value, _)| canonical(&value)));
                }
                if told.len() == told_by.len() {
                    wanted.push(Wanted {
                        key,
                        parent: parent.trim_matches('"').to_owned(),
                        told_by: told,
                    });
                }
            }
        }
        Ok((wanted, to_come))
    }

    fn adopt(&mut self, queries: &[(Kind, Vec<Wanted>)]) -> Step {
        #[derive(Deserialize)]
        struct Page {
            records: Vec<Values>,
        }
        let query = |((object, parent, told_by), some): &(Kind, Vec<Wanted>)| {
            let ids: BTreeSet<String> = some.iter().map(|wanted| literal(&wanted.parent)).collect();
            let ids: Vec<String> = ids.into_iter().collect();
            let fields = told_by.join(",");
            format!(
                "SELECT Id,{parent},{fields} FROM {object} WHERE {parent} IN ({}) LIMIT 2000",
                ids.join(",")
            )
        };
        let parts = self.ask_queries(queries.iter().map(query))?;
        for (((object, parent, told_by), wanted), part) in queries.iter().zip(&parts) {
            // Where they can't be asked for, creating them will tell: Salesforce takes none of these twice.
            let Ok(page) = part.read::<Page>() else { continue };
            let mut found: BTreeMap<(String, Vec<Vec<u8>>), String> = BTreeMap::new();
            for record in page.records {
                let told = told_by
                    .iter()
                    .filter_map(|field| record.get(*field))
                    .map(|value| canonical(value.get()));
                if let (Some(id), Some(parent)) = (rules::text(&record, "Id"), rules::text(&record, parent)) {
                    found.insert((parent, told.collect()), id);
                }
            }
            for wanted in wanted {
                if let Some(id) = found.remove(&(wanted.parent.clone(), wanted.told_by.clone())) {
                    self.take_adopted(object, &wanted.key, &id)?;
                }
            }
        }
        Ok(())
    }

    fn take_adopted(&mut self, object: &str, key: &str, id: &str) -> Result<(), ConnectorError> {
        // A person's contact is the account's other half, and is changed through it.
        let what = if object == "Contact" {
            RecordState::Same
        } else {
            RecordState::Adopted
        };
        if what == RecordState::Same {
            self.job.tally(object).skipped += 1;
            self.one_less(object);
        }
        let entry = RecordEntry::new(what).with_id(Some(id.to_owned()));
        self.records.set(object, key, entry)?;
        self.records.map(object, key, id)
    }
}
