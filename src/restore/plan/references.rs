//! Finds what the records of a restore refer to: that is looked up too.

use crate::halt::{Halt, Step};
use crate::host::{ConnectorError, Host};
use crate::restore::plan::Planner;
use crate::restore::prepare::Preparation;
use crate::restore::state::job::Stage;
use crate::restore::state::record::{RecordEntry, RecordState};

impl<H: Host> Planner<'_, '_, '_, H> {
    /// Finds what the wanted records refer to.
    pub(super) fn refer(&mut self) -> Step {
        // Objects that are only referred to come to this list while it is walked; they have nothing to be walked for.
        let objects = self.context.job.objects.walk();
        while let Some(object) = objects.get(self.context.job.place.object) {
            let writable = self
                .context
                .writable(object)?
                .filter(|_| !self.context.job.object(object).is_closed());
            while let Some(writable) = &writable {
                if self.must_end() {
                    // The list may have grown before this place.
                    self.context.job.place.object = self.place_of(object);
                    return Err(Halt::Call);
                }
                let Some((page, last)) = self.context.page(object)? else {
                    break;
                };
                let wanted = page.into_iter().filter(|(_, entry)| entry.is_wanted());
                let keys: Vec<String> = wanted.map(|(key, _)| key).collect();
                self.spend(keys.len());
                let preparation = Preparation::of_references(object, writable, self.context.job.learnt.refuses_values);
                for row in self.context.rows(object, &keys)?.into_iter().flatten() {
                    for (refers_to, id, required) in preparation.references(&row)? {
                        self.referred(refers_to, &id, required)?;
                    }
                }
                self.context.job.place.after = last;
            }
            self.context.job.place.after.clear();
            self.context.job.place.object = self.place_of(object) + 1;
            if self.context.job.objects.walked().len() != objects.len() {
                return Ok(());
            }
        }
        self.context.job.enter(Stage::LookUp);
        Ok(())
    }

    fn place_of(&self, object: &str) -> usize {
        let position = self.context.job.objects.position(object);
        position.unwrap_or(self.context.job.place.object)
    }

    fn referred(&mut self, refers_to: &[String], id: &str, required: bool) -> Result<(), ConnectorError> {
        let Some(object) = self.context.object_of(refers_to, id) else {
            return Ok(());
        };
        let what = if required {
            RecordState::RequiredReference
        } else {
            RecordState::Reference
        };
        match self.context.records.get(&object, id)?.map(|entry| entry.what) {
            None => {
                self.context.records.set(&object, id, RecordEntry::new(what))?;
                self.context.job.objects.join(&object);
            }
            Some(RecordState::Excluded) => self.context.records.set(&object, id, RecordEntry::new(what))?,
            Some(RecordState::Reference) if required => self.context.records.set(&object, id, RecordEntry::new(what))?,
            // It was looked up for one that could be without it.
            Some(RecordState::Gone) if required && self.context.job.selection.with_related => {
                self.context.needed_and_gone(&object, id)?;
            }
            Some(_) => {}
        }
        Ok(())
    }
}
