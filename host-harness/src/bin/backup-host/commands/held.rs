//! What a snapshot has of the object that a person means. Nobody may take what was not read for no records.

use crate::failure::{CommandError, PAUSED, WARNED};
use crate::output::number;
use backup_store::snapshot::ObjectFold;
use backup_store::{ObjectName, ObjectState, Snapshot};
use host_harness::jobs::ObjectResult;
use host_harness::nearest::did_you_mean;
use std::process::ExitCode;

/// An object of a snapshot, and how a command that has shown its records ends.
pub struct SnapshotObject {
    pub object: ObjectName,
    pub exit_code: ExitCode,
}

/// Finds the object, in whatever case it is written, and says on standard error where the snapshot has less than all of it.
pub fn held(snapshot: &Snapshot, asked: &ObjectName) -> Result<SnapshotObject, CommandError> {
    let object = named(&[snapshot], asked)?;
    let fold = snapshot.fold().objects.get(&object).cloned().unwrap_or_default();
    let code = say_what_lacks(snapshot, &object, &fold)?;
    Ok(SnapshotObject {
        object,
        exit_code: ExitCode::from(code),
    })
}

/// The object that is meant, of those that one of the snapshots has.
pub fn named(snapshots: &[&Snapshot], asked: &ObjectName) -> Result<ObjectName, CommandError> {
    let known = || snapshots.iter().flat_map(|snapshot| snapshot.fold().objects.keys());
    let meant = known().find(|name| name.as_str().eq_ignore_ascii_case(asked.as_str()));
    meant.cloned().ok_or_else(|| {
        let ids: Vec<String> = snapshots.iter().map(|snapshot| snapshot.info().id.to_string()).collect();
        let (has, ids) = match ids.as_slice() {
            [one] => ("has no", one.clone()),
            more => ("have no", more.join(" and ")),
        };
        let meant = match did_you_mean(asked.as_str(), known().map(ObjectName::as_str)) {
            none if none.is_empty() => "; `backup-host ls NAME SNAPSHOT` lists those it has".to_owned(),
            meant => meant,
        };
        CommandError::wrong_use(format!("snapshot {ids} {has} object {asked}{meant}"))
    })
}

fn say_what_lacks(snapshot: &Snapshot, object: &ObjectName, fold: &ObjectFold) -> Result<u8, CommandError> {
    let told = ObjectResult::of(object.as_str(), fold, snapshot.fold().ended);
    let reason = fold
        .reason
        .as_ref()
        .map(|reason| format!(": {}", reason.message))
        .unwrap_or_default();
    let planned = fold.estimate.as_ref().map_or(0, |estimate| estimate.records);
    let of_about = number(fold.total.unwrap_or(planned).max(fold.records));
    let note = |text: String| eprintln!("note: {object} {text}");
    Ok(match told.state {
        ObjectState::Complete => 0,
        ObjectState::Pending if fold.inherited => {
            note("has not been read again yet in this partial snapshot: these are the records of its base".to_owned());
            0
        }
        ObjectState::Pending => {
            note(format!(
                "has not been read yet in this partial snapshot (0 of about {of_about} records)"
            ));
            PAUSED
        }
        ObjectState::Partial => {
            note(format!(
                "is partly read in this snapshot: {} of about {of_about} records",
                number(fold.records)
            ));
            0
        }
        ObjectState::Skipped if fold.segments.is_empty() => {
            return Err(CommandError::failed(format!("{object} is not in this backup{reason}")));
        }
        ObjectState::Skipped => {
            note(format!(
                "is not in this backup{reason}; these are the records of an earlier one"
            ));
            1
        }
        ObjectState::Failed if fold.stale => {
            let moment = told.window.map(|window| format!(", of {}", window.to)).unwrap_or_default();
            note(format!(
                "could not be read by this backup{reason}; its records are stale: those of an earlier backup{moment}"
            ));
            // Nobody may take it for an object without records.
            if fold.segments.is_empty() { WARNED } else { 0 }
        }
        ObjectState::Failed => {
            note(format!(
                "could not be read by this backup{reason}; {} records of it were",
                number(fold.records)
            ));
            1
        }
    })
}
