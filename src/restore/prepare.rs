//! Makes of a record in the snapshot what is sent to write it.
//!
//! Pure, but for asking what a reference leads to. Only fields that can be set, with the snapshot's own bytes; references by the
//! target's Ids. The rule it keeps: what can't be set as it was is named, never dropped in silence.

use crate::host::{ConnectorError, Failure, Row};
use crate::restore::request::{Attached, Form, Placed, Verb, reference};
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

/// Tells what a reference leads to: the objects that it may lead to, and the Id in the snapshot.
pub type Resolve<'a> = dyn FnMut(&[String], &str) -> Result<Target, ConnectorError> + 'a;

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
}

/// What a record refers to: the objects that it may be of, its Id, and whether the record can't be without.
pub type Referred<'a> = (&'a [String], String, bool);

/// What became of preparing a record.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It can be sent.
    Ready(Box<Prepared>),
    /// Nothing of it is to be set, and this can't be.
    Nothing(Vec<LeftOut>),
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
    /// Source keys and lengths of the blobs that the snapshot holds of this record.
    pub blobs: &'a [(String, u64)],
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
    #[expect(clippy::too_many_lines, reason = "the rules of a field, in the order in which they hold")]
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
        let joins = verb == Verb::Create && self.joins(&values, resolve)?;
        let mut written = Written::new(self.object, target, &row.key, file, verb);
        if let Some(field) = missing {
            written.leave_out(field, "the snapshot doesn't have the file");
        }
        for field in &self.writable.fields {
            let (Some(value), true) = (values.get(&field.name), can_be_set(field, verb)) else {
                continue;
            };
            if self.stays(field) || self.relinks.is_some() && value.get() == "null" {
                continue;
            }
            if field.binary || rules::is_left_out(self.object, &field.name, &values) {
                continue;
            }
            if joins && rules::is_of_first(self.object, &field.name) {
                continue;
            }
            let value = value.get();
            if let Some(refused) = self.refused(&field.name) {
                written.left_out.extend((value != "null").then(|| refused.clone()));
                continue;
            }
            if value == "null" {
                // A new record has none anyway.
                if verb == Verb::Update && field.nillable {
                    written.plain(&field.name, value);
                }
                continue;
            }
            if field.masked && is_masked(value) {
                written.leave_out(
                    field,
                    "its value is masked in the snapshot: the user who backed up may not view encrypted data",
                );
                continue;
            }
            if let (true, Some(not_taken)) = (self.by_picklists, not_taken(field, value)) {
                let why = format!("the org's picklist doesn't have {not_taken} any more, and takes no other values");
                if field.required && verb == Verb::Create {
                    return Ok(Outcome::Cannot(
                        Failure::new("not-in-picklist", why).detail("field", &field.name),
                    ));
                }
                written.leave_out(field, &why);
                continue;
            }
            if let Some((held, first)) = rules::held(self.object)
                && held == field.name
                && verb == Verb::Create
                && value != first
            {
                written.plain(held, first);
                written.holds = true;
                continue;
            }
            if field.refers_to.is_empty() {
                written.plain(&field.name, value);
                continue;
            }
            let Ok(id) = serde_json::from_str::<&str>(value) else {
                written.plain(&field.name, value);
                continue;
            };
            // What can't be set in the end has to be there from the first.
            let at_once = verb == Verb::Create && (field.required || !field.update);
            match resolve(&field.refers_to, id)? {
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
                Target::Awaited => return Ok(Outcome::NotYet),
                Target::InRequest(place) => written.reference(&field.name, place),
                Target::Coming if rules::brings(self.object, &field.name) => written.brings = Some(id.to_owned()),
                Target::Later | Target::Coming if at_once => return Ok(Outcome::NotYet),
                Target::Later | Target::Coming => written.omitted.push(field.name.clone()),
                Target::Gone if field.required && verb == Verb::Create => {
                    return Ok(Outcome::Cannot(parent_gone(field, id)));
                }
                Target::Failed if field.required && verb == Verb::Create => {
                    return Ok(Outcome::Cannot(parent_failed(field, id)));
                }
                Target::Gone => written.leave_out(field, &format!("{id} is gone, and not part of the restore")),
                Target::Failed => written.leave_out(field, &format!("{id} could not be restored")),
            }
        }
        if self.relinks.is_some() && written.sets == 0 && written.omitted.is_empty() {
            return Ok(Outcome::Nothing(written.left_out));
        }
        Ok(Outcome::Ready(Box::new(written.finish(row))))
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
        let of_field = |blob: &&(String, u64)| blob.0.split('/').nth(2) == Some(&field.name);
        match self.blobs.iter().find(of_field) {
            Some((blob, bytes)) => {
                let file = Attached {
                    field: field.name.clone(),
                    blob: blob.clone(),
                    bytes: *bytes,
                };
                (Some(file), None)
            }
            None if rules::file_length(values) == Some(0) => (None, None),
            None => (None, Some(field)),
        }
    }

    /// Whether it joins a record that others of its kind belong to already.
    fn joins(&self, values: &rules::Values, resolve: &mut Resolve<'_>) -> Result<bool, ConnectorError> {
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
        Ok(matches!(
            resolve(&field.refers_to, &id)?,
            Target::Id(_) | Target::Changing(..)
        ))
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
            match resolve(&field.refers_to, id)? {
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

/// A record as it is written.
struct Written<'a> {
    object: &'a str,
    json: String,
    /// Its length before the first field that is set.
    head: usize,
    id: Option<String>,
    sets: usize,
    after: Option<usize>,
    omitted: Vec<String>,
    /// A field is held at another value for now.
    holds: bool,
    left_out: Vec<LeftOut>,
    form: Form,
    file: Option<Attached>,
    brings: Option<String>,
}

impl<'a> Written<'a> {
    fn new(object: &'a str, target: Option<&str>, key: &str, file: Option<Attached>, verb: Verb) -> Written<'a> {
        let form = file.as_ref().map_or(Form::Composite, |file| Form::of_file(verb, file.bytes));
        let mut json = match (form, &file) {
            // Object and Id are in its address.
            (Form::Single, _) => "{".to_owned(),
            (_, Some(file)) => format!(
                r#"{{"attributes":{{"type":"{object}","binaryPartName":"{key}","binaryPartNameAlias":"{}"}}"#,
                file.field
            ),
            (_, None) => format!(r#"{{"attributes":{{"type":"{object}"}}"#),
        };
        if let (Some(id), false) = (target, form == Form::Single) {
            json.push_str(&format!(r#","Id":"{id}""#));
        }
        Written {
            object,
            head: json.len(),
            id: target.map(ToOwned::to_owned),
            json,
            sets: usize::from(file.is_some()),
            after: None,
            omitted: Vec::new(),
            holds: false,
            left_out: Vec::new(),
            form,
            file,
            brings: None,
        }
    }

    fn plain(&mut self, field: &str, value: &str) {
        self.member(field, value);
        if self.form == Form::Composite && value.contains("@{") {
            self.form = Form::Collection;
        }
    }

    fn reference(&mut self, field: &str, place: (usize, usize)) {
        self.member(field, &format!("\"{}\"", reference(place)));
        self.after = self.after.max(Some(place.0));
    }

    fn member(&mut self, field: &str, value: &str) {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        self.json.push_str(&format!("\"{field}\":{value}"));
        self.sets += 1;
    }

    fn leave_out(&mut self, field: &WritableField, why: &str) {
        self.left_out.push(LeftOut {
            field: field.name.clone(),
            why: why.to_owned(),
        });
    }

    fn finish(mut self, row: &Row) -> Prepared {
        self.json.push('}');
        Prepared {
            record: Placed {
                object: self.object.to_owned(),
                key: row.key.clone(),
                json: self.json,
                head: self.head,
                id: self.id,
                sets: self.sets,
                later: self.holds || !self.omitted.is_empty(),
                omitted: self.omitted,
                form: self.form,
                file: self.file,
                brings: self.brings,
                apart: None,
            },
            after: self.after,
            left_out: self.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn writable() -> Writable {
        Writable::of_describe(
            br#"{"createable":true,"updateable":true,"fields":[
            {"name":"Name","type":"string","createable":true,"updateable":true,"nillable":false},
            {"name":"Amount","type":"currency","createable":true,"updateable":true,"nillable":true},
            {"name":"Formula__c","type":"string","nillable":true,"calculated":true},
            {"name":"Secret__c","type":"encryptedstring","createable":true,"updateable":true,"nillable":true},
            {"name":"Parent__c","type":"reference","referenceTo":["P"],"createable":true,"updateable":true,"nillable":true},
            {"name":"Master__c","type":"reference","referenceTo":["M"],"createable":true,"updateable":false,"nillable":false},
            {"name":"Fixed__c","type":"reference","referenceTo":["F"],"createable":true,"updateable":false,"nillable":true}]}"#,
        )
        .unwrap()
    }

    fn row(body: &str) -> Row {
        Row {
            key: "a01".into(),
            revision: 1,
            body: body.as_bytes().to_vec(),
        }
    }

    const BODY: &str = r#"{"Id":"a01","Name":"A \"1\"","Amount":12345678901234567.89,"Formula__c":"f","Secret__c":"****1",
        "Parent__c":"p01","Master__c":"m01","Fixed__c":null,"Unknown__c":1}"#;

    fn prepare(body: &str, target: Option<&str>, mut to: impl FnMut(&str) -> Target) -> Outcome {
        let preparation = Preparation {
            object: "X__c",
            writable: &writable(),
            without: &[],
            blobs: &[],
            by_picklists: false,
            relinks: None,
        };
        preparation.prepare(&row(body), target, &mut |_, id| Ok(to(id))).unwrap()
    }

    fn ready(outcome: Outcome) -> Prepared {
        match outcome {
            Outcome::Ready(prepared) => *prepared,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_can_be_set_is_sent_with_all_its_digits_and_references_are_mapped() {
        let prepared = ready(prepare(BODY, None, |id| match id {
            "p01" => Target::InRequest((1, 7)),
            _ => Target::Id("m99".into()),
        }));
        assert_eq!(
            prepared.record.json,
            r#"{"attributes":{"type":"X__c"},"Name":"A \"1\"","Amount":12345678901234567.89,"Parent__c":"@{c1[7].id}","Master__c":"m99"}"#
        );
        assert_eq!(prepared.after, Some(1));
        assert_eq!(prepared.left_out[0].field, "Secret__c");
        assert_eq!(prepared.record.sets, 4);
        assert_eq!(prepared.record.form, Form::Composite);
    }

    #[test]
    fn what_may_be_empty_is_set_later_and_what_may_not_waits() {
        let prepared = ready(prepare(BODY, None, |id| match id {
            "p01" => Target::Later,
            _ => Target::Id("m99".into()),
        }));
        assert!(prepared.record.later && !prepared.record.json.contains("Parent__c"));
        assert!(matches!(prepare(BODY, None, |_| Target::Later), Outcome::NotYet));
        let fixed = BODY.replace(r#""Fixed__c":null"#, r#""Fixed__c":"f01""#);
        let outcome = prepare(&fixed, None, |id| match id {
            "f01" => Target::Later,
            _ => Target::Id("x".into()),
        });
        assert!(matches!(outcome, Outcome::NotYet), "it can't be set in the end");
    }

    #[test]
    fn a_new_record_stands_after_the_change_of_what_it_belongs_to() {
        let to = |id: &str| match id {
            "p01" => Target::Changing("p99".into(), 2),
            _ => Target::InRequest((1, 7)),
        };
        let created = ready(prepare(BODY, None, to));
        assert_eq!(created.after, Some(2));
        assert!(created.record.json.contains(r#""Parent__c":"p99""#));
        assert_eq!(
            ready(prepare(BODY, Some("a99"), to)).after,
            None,
            "changes don't depend on each other"
        );
    }

    #[test]
    fn what_comes_without_a_record_is_waited_for() {
        for target in [None, Some("a99")] {
            let outcome = prepare(BODY, target, |id| match id {
                "p01" => Target::Awaited,
                _ => Target::Id("m99".into()),
            });
            assert!(matches!(outcome, Outcome::NotYet));
        }
    }

    #[test]
    fn a_parent_that_is_gone_is_left_out_or_forbids_the_record() {
        let prepared = ready(prepare(BODY, None, |id| match id {
            "p01" => Target::Gone,
            _ => Target::Id("m99".into()),
        }));
        assert!(
            prepared
                .left_out
                .iter()
                .any(|left| left.field == "Parent__c" && left.why.contains("p01"))
        );
        match prepare(BODY, None, |_| Target::Gone) {
            Outcome::Cannot(failure) => assert_eq!(failure.code, "required-parent-gone"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_update_empties_what_was_empty() {
        let body = BODY.replace("12345678901234567.89", "null");
        let prepared = ready(prepare(&body, Some("a99"), |_| Target::Id("x".into())));
        assert_eq!(
            prepared.record.json,
            r#"{"attributes":{"type":"X__c"},"Id":"a99","Name":"A \"1\"","Amount":null,"Parent__c":"x"}"#
        );
    }

    #[test]
    fn text_that_looks_like_a_reference_is_told() {
        let prepared = ready(prepare(&BODY.replace("A \\\"1\\\"", "@{x}"), None, |_| {
            Target::Id("x".into())
        }));
        assert_eq!(prepared.record.form, Form::Collection);
    }

    #[test]
    fn in_the_end_only_what_got_another_id_is_set() {
        let writable = writable();
        let preparation = Preparation {
            object: "X__c",
            writable: &writable,
            without: &[],
            blobs: &[],
            by_picklists: false,
            relinks: None,
        };
        let row = row(BODY);
        let later = |id: &'static str| {
            preparation
                .prepare_later(&row, "a99", &mut move |_, _| Ok(Target::Id(id.into())))
                .unwrap()
        };
        assert_eq!(
            later("p77").unwrap().record.json,
            r#"{"attributes":{"type":"X__c"},"Id":"a99","Parent__c":"p77"}"#
        );
        assert!(later("p01").is_none());
    }
}
