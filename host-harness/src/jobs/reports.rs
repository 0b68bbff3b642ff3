//! What a connector reported on objects during one step, in the order of their names.

use backup_contract::Failure;
use backup_store::{ObjectName, ObjectReport, RestoreReport};
use std::collections::BTreeMap;

/// The reports of one step; they become part of its log entry.
#[derive(Debug, Default)]
pub(super) struct Reports {
    objects: BTreeMap<ObjectName, ObjectReport>,
    restored: BTreeMap<ObjectName, RestoreReport>,
    /// What hides data.
    pub(super) warnings: Vec<Failure>,
    /// Objects of which it was reported what will become of their records.
    pub(super) expected: u64,
    /// Requests that the job still needs.
    pub(super) needed: Option<u64>,
}

impl Reports {
    /// Adds to the report on one object. A name that can't be one is dropped, since a report can't be refused.
    pub(super) fn record(&mut self, object: &str, report: impl FnOnce(&mut ObjectReport)) {
        match object.parse::<ObjectName>() {
            Ok(name) => report(self.objects.entry(name.clone()).or_insert_with(|| ObjectReport::new(name))),
            Err(error) => tracing::warn!("the connector reported on an object that can't be one: {error}"),
        }
    }

    /// The same, of what a restore does with it.
    pub(super) fn record_restored(&mut self, object: &str, report: impl FnOnce(&mut RestoreReport)) {
        match object.parse::<ObjectName>() {
            Ok(name) => report(self.restored.entry(name.clone()).or_insert_with(|| RestoreReport::new(name))),
            Err(error) => tracing::warn!("the connector reported on an object that can't be one: {error}"),
        }
    }

    /// The reports on objects, and what hides data.
    pub(super) fn into_parts(self) -> (Vec<ObjectReport>, Vec<Failure>) {
        (self.objects.into_values().collect(), self.warnings)
    }

    /// The reports of a restore, with what was reported on its objects as on any job's.
    pub(super) fn into_restored(mut self) -> Vec<RestoreReport> {
        for (name, reported) in std::mem::take(&mut self.objects) {
            let report = self.restored.entry(name.clone()).or_insert_with(|| RestoreReport::new(name));
            report.estimate = reported.estimate;
            report.skipped = reported.skipped;
            report.remarks = reported.remarks;
        }
        self.restored.into_values().collect()
    }
}
