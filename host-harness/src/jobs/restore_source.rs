//! What a restore reads from: the snapshot, and what of it is asked for.

use super::chosen::{chosen, in_order};
use super::error::JobError;
use super::host::Host;
use super::restore_request::RestoreRequest;
use backup_store::journal::RestoreRequested;
use backup_store::snapshot::select;
use backup_store::{ConnectionName, Snapshot, SnapshotState};

/// The snapshot that is restored from, and what of it is asked for.
pub(super) struct RestoreSource {
    pub(super) snapshot: Snapshot,
    pub(super) state: SnapshotState,
    pub(super) what: RestoreRequested,
    /// What the snapshot's Ids belong to.
    pub(super) scope: Option<String>,
}

/// Finds the snapshot and what is asked of it.
pub(super) async fn find_source(
    host: &Host,
    name: &ConnectionName,
    request: &RestoreRequest,
) -> Result<RestoreSource, JobError> {
    let from = request.from.as_ref().unwrap_or(name);
    if from.tenant() != name.tenant() {
        return Err(JobError::OtherTenant(from.clone()));
    }
    let journal = host.journal(from).await?;
    let selected = select(journal.state(), &request.snapshot)?;
    let snapshot = Snapshot::open(host.store(), from, journal.state(), selected.snapshot.id).await?;
    let chosen = chosen(&snapshot, request).await?;
    let mut details: Vec<(String, String)> = Vec::new();
    let conditions = chosen.conditions.into_iter();
    details.extend(conditions.map(|(object, text)| (format!("where:{object}"), text)));
    let mode = if request.overwrite { "overwrite" } else { "missing" };
    details.push(("mode".to_owned(), mode.to_owned()));
    let since = request.keep_changed_since;
    details.extend(since.map(|since| ("keep-changed-since".to_owned(), since.0.to_string())));
    if request.no_relink {
        details.push(("no-relink".to_owned(), "yes".to_owned()));
    }
    let external = request.external_ids.iter();
    details.extend(external.map(|(object, field)| (format!("external-id:{object}"), field.clone())));
    if request.verify {
        details.push(("verify".to_owned(), "yes".to_owned()));
    }
    // Of the snapshot, not of the connection as it is now: what was restored before is known by it.
    let scope = selected.snapshot.scope.as_ref().map(ToString::to_string);
    // The same choice, however it is spelled, continues the same restore.
    in_order(&mut details);
    Ok(RestoreSource {
        state: selected.state,
        what: RestoreRequested {
            source: from.clone(),
            snapshot: selected.snapshot.id,
            objects: chosen.objects,
            records: chosen.records,
            with_related: request.with_related,
            details,
        },
        snapshot,
        scope,
    })
}
