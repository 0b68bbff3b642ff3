//! Takes in what became of the records of a request: written, refused for now, or refused for good.

use super::intent::Created;
use super::job::Stage;
use super::refused::{self, Refused};
use super::request::{Placed, Verb};
use super::rules;
use super::run::Run;
use super::standing::{Standing, What};
use crate::host::{ConnectorError, Failure, Host, RecordOutcome};
use crate::salesforce::{Part, SaveError, Saved};
use std::collections::BTreeMap;

/// A record that a lock refused is tried so often.
const MAX_TRIES: u8 = 5;

/// Where so many records of an object get one and the same refusal, and none is written, the others are spared.
const SAME_REFUSAL: usize = 100;

/// What one answer refused.
#[derive(Default)]
pub(super) struct Refusals {
    failed: Vec<(Placed, Standing, SaveError)>,
    /// Records written, and not, by object.
    counts: BTreeMap<String, (usize, usize)>,
    /// The org takes no more data.
    full: bool,
}

impl Refusals {
    pub(super) fn written(&mut self, object: &str, success: bool) {
        let counts = self.counts.entry(object.to_owned()).or_default();
        if success {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
}

impl<H: Host> Run<'_, '_, H> {
    /// What became of one record.
    pub(super) fn take_result(
        &mut self,
        verb: Verb,
        record: &Placed,
        saved: Saved,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let Some(standing) = self.roll.get(&record.object, &record.key)? else {
            return Ok(());
        };
        refusals.written(&record.object, saved.success);
        match (saved.success, saved.id) {
            (true, Some(id)) if verb == Verb::Create => self.was_created(&Created::of(record), &id),
            (true, _) if self.job.stage == Stage::Connect => self.connected(&record.object, &record.key, &standing),
            (true, _) => self.updated(record, &standing),
            (false, _) => {
                let error = saved.errors.into_iter().next().unwrap_or_default();
                self.refused(verb, record, &standing, &error, refusals)
            }
        }
    }

    /// A record was created under this Id.
    pub(super) fn was_created(&mut self, created: &Created, id: &str) -> Result<(), ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let mut standing = Standing::new(What::Created).with_id(Some(id.to_owned()));
        standing.later = created.later;
        self.roll.set(object, key, standing)?;
        self.roll.map(object, key, id)?;
        self.job.tally(object).created += 1;
        self.job.looked_for.clear();
        self.one_less(object);
        if let Some(brought) = &created.brings {
            let begun = Standing::new(What::Begun).with_id(Some(id.to_owned()));
            self.roll.set(rules::BROUGHT.2, brought, begun)?;
        }
        Ok(())
    }

    pub(super) fn updated(&mut self, record: &Placed, standing: &Standing) -> Result<(), ConnectorError> {
        let mut now = Standing::new(What::Updated).with_id(standing.id.clone());
        now.later = record.later;
        self.roll.set(&record.object, &record.key, now)?;
        self.job.tally(&record.object).updated += 1;
        self.one_less(&record.object);
        Ok(())
    }

    pub(super) fn connected(&mut self, object: &str, key: &str, standing: &Standing) -> Result<(), ConnectorError> {
        self.job.unconnected = self.job.unconnected.saturating_sub(1);
        let now = Standing {
            later: false,
            ..standing.clone()
        };
        self.roll.set(object, key, now)
    }

    /// A record can't be written.
    pub(super) fn fail(&mut self, object: &str, key: &str, standing: &Standing, why: Failure) -> Result<(), ConnectorError> {
        if standing.is_open() || standing.comes_by_itself() {
            self.roll.set(object, key, Standing::new(What::Failed))?;
            self.job.tally(object).failed += 1;
            self.one_less(object);
            self.tell(object, key, RecordOutcome::Failed, why);
        } else {
            // It is written, but for what should have been set in the end.
            self.connected(object, key, standing)?;
            self.tell(object, key, RecordOutcome::Incomplete, why);
        }
        Ok(())
    }

    pub(super) fn one_less(&mut self, object: &str) {
        self.job.moved = true;
        if let Some(open) = self.job.open.get_mut(object) {
            *open = open.saturating_sub(1);
        }
    }

    /// The org did not write a record.
    pub(super) fn refused(
        &mut self,
        verb: Verb,
        record: &Placed,
        standing: &Standing,
        error: &SaveError,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let (object, key) = (record.object.as_str(), record.key.as_str());
        let again = standing.tries < MAX_TRIES;
        match refused::meaning(error) {
            Refused::Locked if again => {
                self.job.locked = self.job.locked.max(standing.tries + 1);
                self.job.locked_of.insert(object.to_owned());
                self.try_again(object, key, standing)
            }
            Refused::Early if again => self.try_again(object, key, standing),
            // Who has the value may be set back too, and give it up.
            Refused::Taken if again && self.job.updates.get(object).is_some_and(|updates| *updates > 0) => {
                self.try_again(object, key, standing)
            }
            Refused::Gone if verb == Verb::Update && standing.is_open() => {
                self.roll.set(object, key, Standing::new(What::Create))?;
                self.job.moved = true;
                Ok(())
            }
            Refused::Fields(fields) if again && !fields.is_empty() => {
                let needed = self.writable(object)?.unwrap_or_default();
                let required = |name: &String| needed.field(name).is_none_or(|field| field.required);
                if verb == Verb::Create && fields.iter().any(required) {
                    return self.fail(object, key, standing, refused::failure(error));
                }
                // What would be refused for the same is sent without it at once.
                self.job.refuses_inactive |= error.code == refused::INACTIVE_OWNER;
                self.job.refuses_values |= error.code == refused::NOT_IN_PICKLIST;
                self.roll.leave_out(object, key, &fields)?;
                self.tell(object, key, RecordOutcome::Incomplete, refused::failure(error));
                self.try_again(object, key, standing)
            }
            meaning => {
                refusals.full |= meaning == Refused::StorageFull;
                refusals.failed.push((record.clone(), standing.clone(), error.clone()));
                Ok(())
            }
        }
    }

    /// A record is written again with a later request.
    fn try_again(&mut self, object: &str, key: &str, standing: &Standing) -> Result<(), ConnectorError> {
        self.job.moved = true;
        let mut next = standing.clone();
        next.tries += 1;
        self.roll.set(object, key, next)
    }

    /// A whole collection was refused. What referred to a record that wasn't created is tried again without it.
    pub(super) fn collection_refused(
        &mut self,
        records: &[Placed],
        part: &Part,
        refusals: &mut Refusals,
    ) -> Result<(), ConnectorError> {
        let error = part.errors().into_iter().next().unwrap_or_default();
        let halted = error.code == "PROCESSING_HALTED" || part.status >= 500;
        for record in records {
            let Some(standing) = self.roll.get(&record.object, &record.key)? else {
                continue;
            };
            if halted && standing.tries < MAX_TRIES {
                self.try_again(&record.object, &record.key, &standing)?;
            } else {
                refusals.written(&record.object, false);
                let error = SaveError {
                    code: error.code.clone(),
                    message: error.message.clone(),
                    fields: Vec::new(),
                };
                refusals.failed.push((record.clone(), standing, error));
            }
        }
        Ok(())
    }

    /// Takes note of what was refused for good. One and the same refusal of all records of an object, or a full storage, closes the
    /// object: its other records would only cost requests.
    pub(super) fn spare(&mut self, refusals: &Refusals) -> Result<(), ConnectorError> {
        for (record, standing, error) in &refusals.failed {
            self.fail(&record.object, &record.key, standing, refused::failure(error))?;
        }
        for (object, counts) in &refusals.counts {
            let of_object = |(record, _, error): &(Placed, Standing, SaveError)| {
                (record.object == *object).then(|| (error.code.clone(), error.message.clone()))
            };
            let errors: Vec<(String, String)> = refusals.failed.iter().filter_map(of_object).collect();
            let all_the_same = counts.0 == 0
                && errors.len() >= SAME_REFUSAL
                && errors
                    .iter()
                    .all(|(code, _)| Some(code) == errors.first().map(|(code, _)| code));
            let written = self.job.tally(object).created + self.job.tally(object).updated;
            if (refusals.full && !errors.is_empty()) || (all_the_same && written == 0) {
                let (code, message) = errors.into_iter().next().unwrap_or_default();
                let left = self.job.open.get(object).copied().unwrap_or_default();
                let why = format!("{code}: {message}; its {left} other records were not sent");
                let code = if refusals.full { "storage-full" } else { "refused" };
                self.close(object, code, &why);
                self.job.tally(object).failed += left;
                self.job.open.insert(object.clone(), 0);
            }
        }
        Ok(())
    }
}
