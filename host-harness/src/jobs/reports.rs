//! What a connector told about objects during one step, in the order of their names.

use backup_store::{ObjectName, ObjectReport};
use std::collections::BTreeMap;

/// Told in one step; becomes part of its log entry.
#[derive(Debug, Default)]
pub(super) struct Reports(BTreeMap<ObjectName, ObjectReport>);

impl Reports {
    /// Adds to what was told about one object. A name that can't be one is dropped, since a report can't be refused.
    pub(super) fn told(&mut self, object: &str, tell: impl FnOnce(&mut ObjectReport)) {
        match object.parse::<ObjectName>() {
            Ok(name) => tell(self.0.entry(name.clone()).or_insert_with(|| ObjectReport::new(name))),
            Err(error) => tracing::warn!("the connector reported on an object that can't be one: {error}"),
        }
    }

    pub(super) fn into_list(self) -> Vec<ObjectReport> {
        self.0.into_values().collect()
    }
}
