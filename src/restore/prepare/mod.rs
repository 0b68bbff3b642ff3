//! Makes of a record in the snapshot what is sent to write it.
//!
//! Pure, but for asking what a reference leads to. Only fields that can be set, with the snapshot's own bytes; references by the
//! target's Ids. The rule it keeps: what can't be set as it was is named, never dropped in silence.

mod written;

use crate::host::{ConnectorError, Failure, HeldBlob, Row};
use crate::restore::prepare::written::Written;
use crate::restore::request::{Attached, Placed, Verb};
use crate::restore::rules;
use crate::salesforce::{Writable, WritableField};

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A record of the target, by its Id there.
    Id(String),
    /// A user of the target, by its Id there, to whom no records can be given.
    Inactive(String),
    /// One of the target that the request under way changes: its Id there, and its collection.
    Changing(String, usize),
    /// One that the request under way creates: its collection and record.
    InRequest((usize, usize)),
    /// One that is part of the restore, and comes without this one: it is waited for.
    Awaited,
    /// One that is part of the restore, and may need this one.
    Later,
    /// One that Salesforce creates together with the first record that names it.
    Coming,
    /// One that is part of the restore, and could not be written, or nobody knows whether it was.
    Failed,
    /// None.
    Gone,
}

/// What a reference leads to, and whether that is still to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What it leads to.
    pub target: Target,
    /// The object of the record, where that is still to be created.
    pub new_of: Option<String>,
}

impl From<Target> for Resolved {
    fn from(target: Target) -> Resolved {
        Resolved { target, new_of: None }
    }
}

/// Tells what a reference leads to: the objects that it may lead to, and the Id in the snapshot.
pub type Resolve<'a> = dyn FnMut(&[String], &str) -> Result<Resolved, ConnectorError> + 'a;

/// A value that can't be set as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its field.
    pub field: String,
    /// Why, for people.
    pub why: String,
}

/// A record that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is sent.
    pub record: Placed,
    /// The last collection of the request that it refers to.
    pub after: Option<usize>,
    /// What it will be without.
    pub left_out: Vec<LeftOut>,
    /// It refers to a record that is still to be created.
    pub refers_to_new: bool,
    /// And to one of its own object.
    pub refers_to_own: bool,
}

/// What a record refers to: the objects that it may be of, its Id, and whether the record can't be without.
pub type Referred<'a> = (&'a [String], String, bool);

/// What became of preparing a record.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It can be sent.
    Ready(Box<Prepared>),
    /// Nothing of it is to be set, and this can't be.
    Nothing {
        /// What it will be without.
        left_out: Vec<LeftOut>,
        /// It refers to a record that is still to be created.
        refers_to_new: bool,
    },
    /// It can't be without something that is still to come.
    NotYet,
    /// It can't be written, and why.
    Cannot(Failure),
}

/// What a record is prepared by.
pub struct Preparation<'a> {
    /// API name of its object.
    pub object: &'a str,
    /// What the target's describe says.
    pub writable: &'a Writable,
    /// Fields that the org refused for this record.
    pub without: &'a [LeftOut],
    /// The blobs that the snapshot holds of this record.
    pub blobs: &'a [HeldBlob],
    /// Values that a restricted picklist doesn't take are left out, and not tried.
    pub by_picklists: bool,
    /// Only references that lead to something new are set, but for these fields.
    pub relinks: Option<&'a [String]>,
}

impl<'a> Preparation<'a> {
    /// To find out what records refer to: of a record as it is, without its blobs.
    pub fn of_references(object: &'a str, writable: &'a Writable, by_picklists: bool) -> Preparation<'a> {
        Preparation {
            object,
            writable,
            without: &[],
            blobs: &[],
            by_picklists,
            relinks: None,
        }
    }
}

impl Preparation<'_> {
    /// Makes what is sent to write a record. `target`: its Id there, for one that is there.
    pub fn prepare(&self, row: &Row, target: Option<&str>, resolve: &mut Resolve<'_>) -> Result<Outcome, ConnectorError> {
        let verb = if target.is_some() { Verb::Update } else { Verb::Create };
        let values = rules::values(self.object, row)?;
        if verb == Verb::Create
            && let Some((code, why)) = rules::never_created(self.object, &values)
        {
            return Ok(Outcome::Cannot(Failure::new(code, why)));
        }
        let (file, missing) = self.file(verb, &values);
        if let (Verb::Create, Some(field)) = (verb, missing) {
            return Ok(Outcome::Cannot(file_missing(field)));
        }
        let mut written = Written::new(self.object, target, &row.key, file, verb);
        let joins = verb == Verb::Create && self.joins(&values, &mut written, resolve)?;
        if let Some(field) = missing {
            written.leave_out(field, "the snapshot doesn't have the file");
        }
        for field in self.writable.fields.iter().filter(|field| can_be_set(field, verb)) {
            let Some(value) = values.get(&field.name) else {
                continue;
            };
            let unset = self.stays(field) || self.relinks.is_some() && value.get() == "null";
            let of_first = joins && rules::is_of_first(self.object, &field.name);
            if unset || of_first || field.binary || rules::is_left_out(self.object, &field.name, &values) {
                continue;
            }
            let ends = match self.set_plain(field, value.get(), verb, &mut written) {
                Set::Done => None,
                Set::Reference(id) => self.set_reference(field, id, verb, &mut written, resolve)?,
                Set::Ends(outcome) => Some(outcome),
            };
            if let Some(outcome) = ends {
                return Ok(outcome);
            }
        }
        if self.relinks.is_some() && written.sets == 0 && written.omitted.is_empty() {
            return Ok(Outcome::Nothing {
                left_out: written.left_out,
                refers_to_new: written.refers_to_new,
            });
        }
        Ok(Outcome::Ready(Box::new(written.finish(row))))
    }

    /// Sets a field to its value, but for references.
    fn set_plain<'v>(&self, field: &WritableField, value: &'v str, verb: Verb, written: &mut Written<'_>) -> Set<'v> {
        if let Some(refused) = self.refused(&field.name) {
            written.left_out.extend((value != "null").then(|| refused.clone()));
            return Set::Done;
        }
        if value == "null" {
            // A new record has none anyway.
            if verb == Verb::Update && field.nillable {
                written.plain(&field.name, value);
            }
            return Set::Done;
        }
        if field.masked && is_masked(value) {
            written.leave_out(
                field,
                "its value is masked in the snapshot: the user who backed up may not view encrypted data",
            );
            return Set::Done;
        }
        if let (true, Some(not_taken)) = (self.by_picklists, not_taken(field, value)) {
            let why = format!("the org's picklist doesn't have {not_taken} any more, and takes no other values");
            if field.required && verb == Verb::Create {
                let failure = Failure::new("not-in-picklist", why).detail("field", &field.name);
                return Set::Ends(Outcome::Cannot(failure));
            }
            written.leave_out(field, &why);
            return Set::Done;
        }
        if let Some((held, first)) = rules::held(self.object)
            && held == field.name
            && verb == Verb::Create
            && value != first
        {
            written.plain(held, first);
            written.holds = true;
            return Set::Done;
        }
        let id = serde_json::from_str::<&str>(value)
            .ok()
            .filter(|_| !field.refers_to.is_empty());
        match id {
            Some(id) => Set::Reference(id),
            None => {
                written.plain(&field.name, value);
                Set::Done
            }
        }
    }

    /// Sets a reference, or leaves it to be set in the end. `Some`: the record can't be written, or not yet.
    fn set_reference(
        &self,
        field: &WritableField,
        id: &str,
        verb: Verb,
        written: &mut Written<'_>,
        resolve: &mut Resolve<'_>,
    ) -> Result<Option<Outcome>, ConnectorError> {
        // What can't be set in the end has to be there from the first.
        let at_once = verb == Verb::Create && (field.required || !field.update);
        let required = verb == Verb::Create && field.required;
        match written.resolved(resolve(&field.refers_to, id)?) {
            Target::Inactive(_) if rules::is_of_active_users(&field.name) => {
                written.leave_out(field, &inactive_user(&field.name));
            }
            Target::Id(now) if self.relinks.is_some() && now == id => {}
            Target::Gone if self.relinks.is_some() => {}
            Target::Id(id) | Target::Inactive(id) => written.plain(&field.name, &format!("\"{id}\"")),
            Target::Changing(id, collection) => {
                written.plain(&field.name, &format!("\"{id}\""));
                // What it belongs to may have to be as it was before it can be created.
                if verb == Verb::Create && !rules::takes_as_it_is(self.object, &field.name) {
                    written.after = written.after.max(Some(collection));
                }
            }
            Target::Awaited => return Ok(Some(Outcome::NotYet)),
            Target::InRequest(place) => written.reference(&field.name, place),
            Target::Coming if rules::brings(self.object, &field.name) => written.brings = Some(id.to_owned()),
            Target::Later | Target::Coming if at_once => return Ok(Some(Outcome::NotYet)),
            Target::Later | Target::Coming => written.omitted.push(field.name.clone()),
            Target::Gone if required => return Ok(Some(Outcome::Cannot(parent_gone(field, id)))),
            Target::Failed if required => return Ok(Some(Outcome::Cannot(parent_failed(field, id)))),
            Target::Gone => written.leave_out(field, &format!("{id} is gone, and not part of the restore")),
            Target::Failed => written.leave_out(field, &format!("{id} could not be restored")),
        }
        Ok(None)
    }

    /// Where only references are set: whether this field stays as it is.
    fn stays(&self, field: &WritableField) -> bool {
        self.relinks
            .is_some_and(|kept| !rules::may_be_relinked(field) || kept.contains(&field.name))
    }

    /// A field that the org refused for this record.
    fn refused(&self, field: &str) -> Option<&LeftOut> {
        self.without.iter().find(|refused| refused.field == field)
    }

    /// The file that is sent with a record; and the field whose file should be, and isn't in the snapshot.
    fn file(&self, verb: Verb, values: &rules::Values) -> (Option<Attached>, Option<&WritableField>) {
        let set = |field: &&WritableField| field.binary && can_be_set(field, verb) && self.refused(&field.name).is_none();
        let Some(field) = self.writable.fields.iter().find(set) else {
            return (None, None);
        };
        if verb == Verb::Update && (rules::is_fixed(self.object) || self.relinks.is_some()) {
            return (None, None);
        }
        // OBJECT/KEY/FIELD/CONTENT
        let of_field = |blob: &&HeldBlob| blob.key.split('/').nth(2) == Some(&field.name);
        match self.blobs.iter().find(of_field) {
            Some(HeldBlob { key, bytes }) => {
                let file = Attached {
                    field: field.name.clone(),
                    blob: key.clone(),
                    bytes: *bytes,
                };
                (Some(file), None)
            }
            None if rules::file_length(values) == Some(0) => (None, None),
            None => (None, Some(field)),
        }
    }

    /// Whether it joins a record that others of its kind belong to already.
    fn joins(
        &self,
        values: &rules::Values,
        written: &mut Written<'_>,
        resolve: &mut Resolve<'_>,
    ) -> Result<bool, ConnectorError> {
        let Some(field) = self
            .writable
            .fields
            .iter()
            .find(|field| rules::brings(self.object, &field.name))
        else {
            return Ok(false);
        };
        let Some(id) = rules::text(values, &field.name) else {
            return Ok(false);
        };
        let target = written.resolved(resolve(&field.refers_to, &id)?);
        Ok(matches!(target, Target::Id(_) | Target::Changing(..)))
    }

    /// Makes what sets, in the end, the references that a record was written without, and the field that was held. `None` where
    /// nothing is left to be set.
    pub fn prepare_later(
        &self,
        row: &Row,
        target: &str,
        resolve: &mut Resolve<'_>,
    ) -> Result<Option<Prepared>, ConnectorError> {
        let values = rules::values(self.object, row)?;
        let mut written = Written::new(self.object, Some(target), &row.key, None, Verb::Update);
        for field in self.writable.fields.iter().filter(|field| field.update) {
            let Some(value) = values.get(&field.name).filter(|value| value.get() != "null") else {
                continue;
            };
            if self.refused(&field.name).is_some() || rules::is_left_out(self.object, &field.name, &values) || self.stays(field)
            {
                continue;
            }
            if rules::held(self.object).is_some_and(|(held, _)| held == field.name) {
                written.plain(&field.name, value.get());
                continue;
            }
            let (false, Ok(id)) = (field.refers_to.is_empty(), serde_json::from_str::<&str>(value.get())) else {
                continue;
            };
            match resolve(&field.refers_to, id)?.target {
                // What has the Id that it had was set at once.
                Target::Id(now) | Target::Inactive(now) | Target::Changing(now, _) if now == id => {}
                Target::Id(now) | Target::Inactive(now) | Target::Changing(now, _) => {
                    written.plain(&field.name, &format!("\"{now}\""))
                }
                Target::InRequest(_) => {}
                Target::Awaited | Target::Later | Target::Coming | Target::Gone | Target::Failed => {
                    written.leave_out(field, &format!("{id} could not be restored"));
                }
            }
        }
        let nothing = written.sets == 0 && written.left_out.is_empty();
        Ok((!nothing).then(|| written.finish(row)))
    }

    /// The Id of the record that Salesforce locks while it writes this one: what it can't be without, else the first that it refers
    /// to, but for users and set-up.
    pub fn parent(&self, row: &Row) -> Result<Option<String>, ConnectorError> {
        let references = self.references(row)?;
        let is_data = |refers_to: &[String]| refers_to.iter().any(|object| rules::is_data(object));
        let needed = references.iter().find(|(.., required)| *required);
        let parent = needed.or_else(|| references.iter().find(|(refers_to, ..)| is_data(refers_to)));
        Ok(parent.map(|(_, id, _)| id.clone()))
    }

    /// Ids that a record refers to by fields that can be set, each with the objects that it may lead to, and whether the record
    /// can't be without.
    pub fn references<'r>(&'r self, row: &Row) -> Result<Vec<Referred<'r>>, ConnectorError> {
        let values = rules::values(self.object, row)?;
        let mut found = Vec::new();
        for field in self.writable.fields.iter().filter(|field| !field.refers_to.is_empty()) {
            let Some(value) = values.get(&field.name).filter(|_| field.create || field.update) else {
                continue;
            };
            if let Ok(id) = serde_json::from_str::<String>(value.get()) {
                found.push((field.refers_to.as_slice(), id, field.required));
            }
        }
        Ok(found)
    }
}

/// What people are told of a user who has left, and whom the org doesn't take in this field.
pub fn inactive_user(field: &str) -> String {
    let (who, instead) = match field {
        "CreatedById" => ("the user who created it", "the connection's user is in its place"),
        "LastModifiedById" => ("the user who modified it last", "the connection's user is in its place"),
        _ => ("its owner", "the record belongs to the connection's user instead"),
    };
    format!(
        "{who} is inactive, and Salesforce takes inactive users only from who has the permission Update Records with Inactive \
         Owners: {instead}"
    )
}

fn can_be_set(field: &WritableField, verb: Verb) -> bool {
    match verb {
        Verb::Create => field.create,
        Verb::Update => field.update,
    }
}

/// The value that a restricted picklist doesn't take.
fn not_taken(field: &WritableField, value: &str) -> Option<String> {
    let value: String = serde_json::from_str(value).ok().filter(|_| !field.values.is_empty())?;
    field.not_taken(&value).map(ToOwned::to_owned)
}

/// As Salesforce masks: asterisks, and perhaps the last characters.
fn is_masked(value: &str) -> bool {
    value.trim_matches('"').starts_with("***")
}

fn parent_gone(field: &WritableField, id: &str) -> Failure {
    Failure::new(
        "required-parent-gone",
        format!("{} needs {id}, which is gone and not part of the restore", field.name),
    )
    .remedy("restore it too: name it, or use --with-related")
    .detail("field", &field.name)
    .detail("id", id)
}

fn parent_failed(field: &WritableField, id: &str) -> Failure {
    Failure::new(
        "required-parent-failed",
        format!(
            "{} needs {id}, which is part of the restore and could not be written",
            field.name
        ),
    )
    .remedy("see why that one failed, correct it, and restore again")
    .detail("field", &field.name)
    .detail("id", id)
}

fn file_missing(field: &WritableField) -> Failure {
    Failure::new(
        "file-not-in-snapshot",
        format!("the snapshot doesn't have the file of its field {}", field.name),
    )
    .remedy("restore it from a snapshot that has it; `status` tells of files that a backup left")
    .detail("field", &field.name)
}

/// What came of setting a field.
enum Set<'v> {
    /// It is set, or left out.
    Done,
    /// It is a reference to the record of this Id.
    Reference(&'v str),
    /// The record can't be written.
    Ends(Outcome),
}

#[cfg(test)]
mod tests;
