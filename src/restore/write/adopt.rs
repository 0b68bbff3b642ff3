//! Records that Salesforce creates by itself when their parent is created: they are looked for before any of their kind is
//! created, and changed in place.

use crate::halt::Step;
use crate::host::{ConnectorError, Host};
use crate::restore::context::IN_THE_END;
use crate::restore::prepare::Target;
use crate::restore::request::Request;
use crate::restore::rules::{self, CREATED_WITH_PARENT, CreatedWithParent, Values};
use crate::restore::state::objects::Adoption;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::Pages;
use crate::restore::write::Writer;
use crate::restore::write::fill::FillResult;
use crate::salesforce::canonical;
use crate::salesforce::limits::COMPOSITE_QUERIES;
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

/// Records of one object that one query looks for.
type Wanting = (CreatedWithParent, Vec<Wanted>);

/// What has to be done before records of an object are created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::restore) enum AdoptionStep {
    /// Nothing: none of them can have come to be by itself.
    None,
    /// They come with the next walk: parents of theirs are in the request.
    NextWalk,
    /// They are looked for.
    LookFor,
}

impl<H: Host> Writer<'_, '_, '_, H> {
    /// Whether records of this object may have come to be by themselves, and weren't looked for yet.
    pub(super) fn adoption_step(&mut self, object: &str, request: &Request) -> Result<AdoptionStep, ConnectorError> {
        let Some(CreatedWithParent { parent, .. }) = rules::created_with_parent(object) else {
            return Ok(AdoptionStep::None);
        };
        let known = self.context.job.object(object);
        let nothing = known.open == 0 || known.adoption == Adoption::Done;
        if nothing || !self.context.job.place.after.is_empty() {
            return Ok(AdoptionStep::None);
        }
        let Some(refers_to) = self
            .context
            .writable(object)?
            .and_then(|writable| Some(writable.field(parent)?.refers_to.clone()))
        else {
            return Ok(AdoptionStep::None);
        };
        let (mut created, mut in_request, mut to_come) = (false, false, false);
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            for (_, values) in self.context.that_may_come(object, page)? {
                let Some(id) = rules::text(&values, parent) else { continue };
                let Some(of_parent) = self.context.object_of(&refers_to, &id) else {
                    continue;
                };
                match self.context.records.get(&of_parent, &id)?.map(|entry| entry.what) {
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
            self.context.job.object_mut(object).adoption = Adoption::Done;
        }
        // Looked for in this walk already: what is in the request now still brings others.
        created &= self.context.job.object(object).adoption != Adoption::SoFar;
        Ok(match (created, in_request) {
            (true, _) => AdoptionStep::LookFor,
            (false, true) => AdoptionStep::NextWalk,
            (false, false) => AdoptionStep::None,
        })
    }

    /// Queries for all records that Salesforce created together with their parents. `Some`: the call has to end.
    pub(super) fn adopt_first(&mut self) -> Step<Option<FillResult>> {
        let mut queries: Vec<Wanting> = Vec::new();
        for created in CREATED_WITH_PARENT {
            let known = self.context.job.object(created.object);
            if known.open == 0 || known.adoption == Adoption::Done {
                continue;
            }
            let (mut wanted, to_come) = self.wanted_with_new_parents(created)?;
            while !wanted.is_empty() {
                let rest = wanted.split_off(wanted.len().min(PARENTS));
                queries.push((created, std::mem::replace(&mut wanted, rest)));
            }
            self.context.job.object_mut(created.object).adoption = if to_come { Adoption::SoFar } else { Adoption::Done };
        }
        for chunk in queries.chunks(COMPOSITE_QUERIES) {
            if self.context.host().requests_left() == 0 || self.context.must_end() {
                self.forget_looks(&queries);
                return Ok(Some(FillResult::MustEnd));
            }
            if let Err(halt) = self.adopt(chunk) {
                self.forget_looks(&queries);
                return Err(halt);
            }
        }
        self.context.save()?;
        Ok(None)
    }

    /// They have to be looked for again.
    fn forget_looks(&mut self, queries: &[Wanting]) {
        for (created, _) in queries {
            self.context.job.object_mut(created.object).adoption = Adoption::NotAsked;
        }
    }

    /// Records to be created whose parents this restore created; and whether parents of others are still to come.
    fn wanted_with_new_parents(&mut self, created: CreatedWithParent) -> Result<(Vec<Wanted>, bool), ConnectorError> {
        let CreatedWithParent { object, parent, told_by } = created;
        let Some(writable) = self.context.writable(object)? else {
            return Ok((Vec::new(), false));
        };
        let (mut wanted, mut to_come) = (Vec::new(), false);
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&mut self.context.records, object)? {
            for (key, values) in self.context.that_may_come(object, page)? {
                let mut target = |field: &str| -> Result<Option<(String, bool)>, ConnectorError> {
                    let Some(value) = values.get(field) else { return Ok(None) };
                    let refers_to = writable.field(field).map(|field| field.refers_to.clone()).unwrap_or_default();
                    let Ok(id) = serde_json::from_str::<String>(value.get()) else {
                        return Ok(Some((value.get().to_owned(), false)));
                    };
                    if refers_to.is_empty() {
                        return Ok(Some((value.get().to_owned(), false)));
                    }
                    match self
                        .context
                        .resolve(&Request::default(), &refers_to, &id, &IN_THE_END)?
                        .target
                    {
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

    fn adopt(&mut self, queries: &[Wanting]) -> Step {
        #[derive(Deserialize)]
        struct Page {
            records: Vec<Values>,
        }
        let query = |(created, wanted): &Wanting| {
            let CreatedWithParent { object, parent, told_by } = created;
            let ids: BTreeSet<String> = wanted.iter().map(|wanted| literal(&wanted.parent)).collect();
            let ids: Vec<String> = ids.into_iter().collect();
            let fields = told_by.join(",");
            format!(
                "SELECT Id,{parent},{fields} FROM {object} WHERE {parent} IN ({}) LIMIT 2000",
                ids.join(",")
            )
        };
        let parts = self.context.ask_queries(queries.iter().map(query))?;
        for ((created, wanted), part) in queries.iter().zip(&parts) {
            let CreatedWithParent { object, parent, told_by } = created;
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
            self.context.job.object_mut(object).tally_mut().skipped += 1;
            self.context.one_less(object);
        }
        let entry = RecordEntry::new(what).with_id(Some(id.to_owned()));
        self.context.records.set(object, key, entry)?;
        self.context.records.map(object, key, id)
    }
}
