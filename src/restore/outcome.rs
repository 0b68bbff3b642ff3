//! Takes down what became of a record: created, changed, left alone, connected, failed.

use crate::host::{ConnectorError, Failure, Host, RecordOutcome};
use crate::restore::context::Context;
use crate::restore::request::Placed;
use crate::restore::rules;
use crate::restore::state::intent::Created;
use crate::restore::state::record::{RecordEntry, RecordState};
use crate::restore::state::records::DOUBTFUL;

impl<H: Host> Context<'_, '_, H> {
    /// A record was created under this Id.
    pub(in crate::restore) fn was_created(&mut self, created: &Created, id: &str) -> Result<(), ConnectorError> {
        let (object, key) = (created.object.as_str(), created.key.as_str());
        let mut entry = RecordEntry::new(RecordState::Created).with_id(Some(id.to_owned()));
        entry.later = created.later;
        self.records.set(object, key, entry)?;
        self.records.map(object, key, id)?;
        self.job.object_mut(object).tally_mut().created += 1;
        self.job.look_for_created();
        self.one_less(object);
        if let Some(brought) = &created.brings {
            let begun = RecordEntry::new(RecordState::AwaitingId).with_id(Some(id.to_owned()));
            self.records.set(rules::FILE_DOCUMENT.brings, brought, begun)?;
        }
        Ok(())
    }

    /// A record was changed.
    pub(in crate::restore) fn updated(&mut self, record: &Placed, entry: &RecordEntry) -> Result<(), ConnectorError> {
        let tally = self.job.object_mut(&record.object).tally_mut();
        let what = match entry.what {
            RecordState::Relink => {
                tally.relinked += 1;
                RecordState::Relinked
            }
            // It was gone, and came with its parent.
            RecordState::Adopted => {
                tally.created += 1;
                RecordState::Created
            }
            _ => {
                tally.updated += 1;
                RecordState::Updated
            }
        };
        let mut now = RecordEntry::new(what).with_id(entry.id.clone());
        now.later = record.later;
        self.records.set(&record.object, &record.key, now)?;
        self.one_less(&record.object);
        Ok(())
    }

    /// Nothing of a record is to be changed after all.
    pub(in crate::restore) fn left_alone(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
    ) -> Result<(), ConnectorError> {
        self.records
            .set(object, key, RecordEntry::new(RecordState::Same).with_id(entry.id.clone()))?;
        self.job.object_mut(object).tally_mut().skipped += 1;
        self.one_less(object);
        Ok(())
    }

    /// The references of a record that were to be set in the end are set, or never will be.
    pub(in crate::restore) fn connected(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        self.job.unconnected = self.job.unconnected.saturating_sub(1);
        let now = RecordEntry {
            later: false,
            ..entry.clone()
        };
        self.records.set(object, key, now)
    }

    /// A record can't be written.
    pub(in crate::restore) fn fail(
        &mut self,
        object: &str,
        key: &str,
        entry: &RecordEntry,
        why: Failure,
    ) -> Result<(), ConnectorError> {
        if entry.is_unwritten() {
            self.records.set(object, key, RecordEntry::new(RecordState::Failed))?;
            self.job.object_mut(object).tally_mut().failed += 1;
            self.one_less(object);
            self.tell(object, key, RecordOutcome::Failed, why);
        } else {
            // It is written, but for what should have been set in the end.
            self.connected(object, key, entry)?;
            self.tell(object, key, RecordOutcome::Incomplete, why);
        }
        Ok(())
    }

    /// A record may have been created, and nothing tells: it is never created again.
    pub(in crate::restore) fn is_ambiguous(&mut self, object: &str, key: &str, why: Failure) -> Result<(), ConnectorError> {
        self.records.set(object, key, RecordEntry::new(RecordState::Ambiguous))?;
        self.records.map(object, key, DOUBTFUL)?;
        self.job.object_mut(object).tally_mut().ambiguous += 1;
        self.one_less(object);
        self.tell(object, key, RecordOutcome::Ambiguous, why);
        Ok(())
    }

    /// A record is written again with a later request.
    pub(in crate::restore) fn try_again(&mut self, object: &str, key: &str, entry: &RecordEntry) -> Result<(), ConnectorError> {
        self.job.moved = true;
        let mut next = entry.clone();
        next.tries += 1;
        self.records.set(object, key, next)
    }

    /// A record of this object is no longer to be written.
    pub(in crate::restore) fn one_less(&mut self, object: &str) {
        self.job.moved = true;
        self.job.object_mut(object).one_less();
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
