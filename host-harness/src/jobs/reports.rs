//! What a connector told about objects during one step, in the order of their names.

use backup_contract::Failure;
use backup_store::{ObjectName, ObjectReport, RestoreReport};
use std::collections::BTreeMap;

/// Told in one step; becomes part of its log entry.
#[derive(Debug, Default)]
pub(super) struct Reports {
    objects: BTreeMap<ObjectName, ObjectReport>,
    restored: BTreeMap<ObjectName, RestoreReport>,
    /// What hides data.
    pub(super) warnings: Vec<Failure>,
    /// Objects of which was told what will become of their records.
    pub(super) expected: u64,
    /// Requests that the job still needs.
    pub(super) needed: Option<u64>,
}

impl Reports {
    /// Adds to what was told about one object. A name that can't be one is dropped, since a report can't be refused.
    pub(super) fn told(&mut self, object: &str, tell: impl FnOnce(&mut ObjectReport)) {
        match object.parse::<ObjectName>() {
            Ok(name) => tell(self.objects.entry(name.clone()).or_insert_with(|| ObjectReport::new(name))),
            Err(error) => tracing::warn!("the connector reported on an object that can't be one: {error}"),
        }
    }

    /// The same, of what a restore does with it.
    pub(super) fn told_restored(&mut self, object: &str, tell: impl FnOnce(&mut RestoreReport)) {
        match object.parse::<ObjectName>() {
            Ok(name) => tell(self.restored.entry(name.clone()).or_insert_with(|| RestoreReport::new(name))),
            Err(error) => tracing::warn!("the connector reported on an object that can't be one: {error}"),
        }
    }

    /// What was told of objects, and what hides data.
    pub(super) fn into_parts(self) -> (Vec<ObjectReport>, Vec<Failure>) {
        (self.objects.into_values().collect(), self.warnings)
    }

    /// What a restore told, what was told of its objects as of any job's among it.
    pub(super) fn into_restored(mut self) -> Vec<RestoreReport> {
        for (name, told) in std::mem::take(&mut self.objects) {
            let report = self.restored.entry(name.clone()).or_insert_with(|| RestoreReport::new(name));
            report.estimate = told.estimate;
            report.skipped = told.skipped;
            report.remarks = told.remarks;
        }
        self.restored.into_values().collect()
    }
}
