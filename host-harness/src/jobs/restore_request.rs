//! What a restore is asked for.

use super::imports::StopSignal;
use backup_seams::Timestamp;
use backup_store::{ConnectionName, ObjectName, Percent};

/// What to restore, and how long to stay with it.
#[derive(Clone, Debug, Default)]
pub struct RestoreRequest {
    /// An id, a unique prefix of one, or `latest`.
    pub snapshot: String,
    /// Whose snapshot it is; `None`: the connection's own.
    pub from: Option<ConnectionName>,
    /// Whole objects.
    pub objects: Vec<ObjectName>,
    /// All objects that the snapshot has.
    pub all: bool,
    /// Single records, by key; the object where it was told.
    pub ids: Vec<(Option<ObjectName>, String)>,
    /// With the records that these need, and those that belong to them.
    pub with_related: bool,
    /// Records that were changed since the snapshot get its values back; otherwise they stay, but for references that are empty.
    pub overwrite: bool,
    /// But for those that were changed after this moment.
    pub keep_changed_since: Option<Timestamp>,
    /// References of records that are there stay as they are.
    pub no_relink: bool,
    /// The usage limit while the restore runs.
    pub raise_limit: Option<Percent>,
    /// Conditions, by object.
    pub conditions: Vec<(ObjectName, String)>,
    /// Fields whose values identify records, by object.
    pub external_ids: Vec<(ObjectName, String)>,
    /// Read back and compare.
    pub verify: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Wait out pauses within the run.
    pub wait: bool,
    /// Ask the org at once how many requests are used, where that may be asked.
    pub check_now: bool,
    /// Ends the run at the next committed batch.
    pub stop: StopSignal,
}
