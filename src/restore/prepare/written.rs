//! A record as it is put together, field by field, in the form in which a request has it.

use crate::host::Row;
use crate::restore::prepare::{LeftOut, Prepared, Resolved, Target};
use crate::restore::request::{Attached, Form, Placed, Verb, reference};
use crate::salesforce::WritableField;

/// A record as it is written.
pub(super) struct Written<'a> {
    object: &'a str,
    json: String,
    /// Its length before the first field that is set.
    head: usize,
    id: Option<String>,
    pub(super) sets: usize,
    pub(super) after: Option<usize>,
    pub(super) omitted: Vec<String>,
    /// A field is held at another value for now.
    pub(super) holds: bool,
    pub(super) left_out: Vec<LeftOut>,
    form: Form,
    file: Option<Attached>,
    pub(super) brings: Option<String>,
    pub(super) refers_to_new: bool,
    refers_to_own: bool,
}

impl<'a> Written<'a> {
    pub(super) fn new(object: &'a str, target: Option<&str>, key: &str, file: Option<Attached>, verb: Verb) -> Written<'a> {
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
            refers_to_new: false,
            refers_to_own: false,
        }
    }

    /// Takes note of what a reference leads to.
    pub(super) fn resolved(&mut self, resolved: Resolved) -> Target {
        self.refers_to_new |= resolved.new_of.is_some();
        self.refers_to_own |= resolved.new_of.as_deref() == Some(self.object);
        resolved.target
    }

    pub(super) fn plain(&mut self, field: &str, value: &str) {
        self.member(field, value);
        if self.form == Form::Composite && value.contains("@{") {
            self.form = Form::Collection;
        }
    }

    pub(super) fn reference(&mut self, field: &str, place: (usize, usize)) {
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

    pub(super) fn leave_out(&mut self, field: &WritableField, why: &str) {
        self.left_out.push(LeftOut {
            field: field.name.clone(),
            why: why.to_owned(),
        });
    }

    pub(super) fn finish(mut self, row: &Row) -> Prepared {
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
            refers_to_new: self.refers_to_new,
            refers_to_own: self.refers_to_own,
        }
    }
}
