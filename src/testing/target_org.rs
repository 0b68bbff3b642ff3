//! The smallest org that tests can restore into through a [`super::scripted::ScriptedHost`]: describes, look-ups, collections within
//! composite requests and their references, and queries of what changed. It understands only what this connector sends, and
//! refuses what Salesforce would.

#![allow(clippy::unwrap_used)]

mod ingest;

use super::scripted::Reply;
use super::shelf::Shelf;
use crate::host::{Content, Method, Request, Row, SendError};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A field besides Id, Name and the stamps.
#[derive(Clone, Debug)]
pub(crate) struct TargetField {
    pub name: String,
    pub refers_to: Vec<String>,
    pub required: bool,
    pub update: bool,
    pub external_id: bool,
    /// It takes no other values; none: it takes any.
    pub picklist: Vec<String>,
    /// Its value is a file.
    pub file: bool,
}

impl TargetField {
    pub fn text(name: &str) -> TargetField {
        TargetField {
            name: name.into(),
            refers_to: Vec::new(),
            required: false,
            update: true,
            external_id: false,
            picklist: Vec::new(),
            file: false,
        }
    }

    /// A restricted picklist of these values.
    pub fn picklist(name: &str, values: &[&str]) -> TargetField {
        TargetField {
            picklist: values.iter().map(|value| (*value).to_owned()).collect(),
            ..TargetField::text(name)
        }
    }

    /// No two records have the same.
    pub fn external_id(name: &str) -> TargetField {
        TargetField {
            external_id: true,
            ..TargetField::text(name)
        }
    }

    pub fn file(name: &str, update: bool) -> TargetField {
        TargetField {
            file: true,
            update,
            ..TargetField::text(name)
        }
    }

    pub fn reference(name: &str, to: &[&str], required: bool) -> TargetField {
        TargetField {
            refers_to: to.iter().map(|to| (*to).to_owned()).collect(),
            required,
            update: !required,
            ..TargetField::text(name)
        }
    }
}

/// What goes wrong with a request that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its connection is cut before it has any effect.
    Before,
    /// And after.
    After,
    /// It has its effect only when somebody has looked so often.
    Late(u32),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct TargetOrg {
    pub schema: BTreeMap<String, Vec<TargetField>>,
    pub records: BTreeMap<String, Map<String, Value>>,
    pub now: u64,
    next: u64,
    /// Composite requests that write so far.
    pub writes: u64,
    pub requests: u64,
    /// Faults of requests that write, by their number from 1.
    pub faults: BTreeMap<u64, Fault>,
    /// A request that has its effect later: looks until then, when it was sent, and what it is.
    late: Option<(u32, u64, Request)>,
    /// Records of this name are refused, with this code and these fields.
    pub refuses: BTreeMap<String, (String, Vec<String>)>,
    /// What stands with a record of this name is refused as a whole, with this status; whether it has its effect all the same.
    pub breaks: BTreeMap<String, (u16, bool)>,
    /// And the whole request with it.
    pub breaks_requests: bool,
    /// What stands with a record that has this value in this field is refused as a whole, in words that name the value.
    pub unread: Option<(String, String)>,
    /// Fields that describes told of, and that aren't there (any more).
    pub removed: BTreeSet<String>,
    /// No record is given to a user, whatever user that is; and the fields that such a refusal names.
    pub inactive: bool,
    pub inactive_named: Vec<String>,
    /// Names that a lock refuses, and how often still.
    pub locked: BTreeMap<String, u32>,
    /// Names that are refused once: something has to be there before.
    pub early: BTreeSet<String>,
    /// A record that somebody holds until then: what is written with records that refer to it is refused with them.
    pub held: Option<(String, u64)>,
    /// A trigger writes over this field of every new record.
    pub trigger: Option<String>,
    pub usage: Option<(u64, u64)>,
    /// Queries of this object are refused.
    pub unqueryable: Option<String>,
    /// Deleting a record empties references to it without a new `SystemModstamp`.
    pub silent: bool,
    /// Faults of any request, by its number from 1.
    pub cuts: BTreeMap<u64, Fault>,
    pub jobs: Vec<ingest::Job>,
    /// What the host has under the source keys that requests name.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

type Answer = (u16, Value);

/// Only a query of all tells of it.
fn is_archived(record: &Map<String, Value>) -> bool {
    record.get("IsArchived").is_some_and(|archived| archived == "true")
}

fn refused(code: &str, message: &str) -> Answer {
    (400, json!([{"errorCode": code, "message": message}]))
}

fn bad_value() -> Answer {
    unread_value("x")
}

fn unread_value(value: &str) -> Answer {
    let message = format!(
        "Cannot deserialize instance of date from VALUE_STRING value {value} or request may be missing a required field at [line:1, column:9]"
    );
    refused("JSON_PARSER_ERROR", &message)
}

fn not_saved(code: &str, message: &str, fields: &[String]) -> Value {
    json!({"success": false, "errors": [{"statusCode": code, "message": message, "fields": fields}]})
}

impl TargetOrg {
    pub fn new(schema: &[(&str, Vec<TargetField>)]) -> TargetOrg {
        TargetOrg {
            schema: schema
                .iter()
                .map(|(name, fields)| ((*name).to_owned(), fields.clone()))
                .collect(),
            now: 1_800_000_000_000,
            ..TargetOrg::default()
        }
    }

    fn prefix(&self, object: &str) -> String {
        format!("a{:02}", self.schema.keys().position(|name| name == object).unwrap())
    }

    fn object_of(&self, id: &str) -> &str {
        let nth: usize = id[1..3].parse().unwrap();
        self.schema.keys().nth(nth).unwrap()
    }

    fn stamp(&self) -> Value {
        let at = chrono::DateTime::from_timestamp_millis(self.now as i64).unwrap();
        json!(at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string())
    }

    pub fn insert(&mut self, object: &str, mut fields: Map<String, Value>) -> String {
        self.next += 1;
        let id = format!("{}{:012}AAA", self.prefix(object), self.next);
        for field in &self.schema[object] {
            fields.entry(field.name.clone()).or_insert(Value::Null);
        }
        fields.entry("Name").or_insert(Value::Null);
        fields.insert("Id".into(), json!(id));
        fields.insert("CreatedDate".into(), self.stamp());
        fields.insert("SystemModstamp".into(), self.stamp());
        self.records.insert(id.clone(), fields);
        id
    }

    /// Deletes a record, what can't be without it, and what referred to it refers to nothing.
    pub fn delete(&mut self, id: &str) {
        self.records.remove(id);
        let referring: Vec<String> = self
            .records
            .iter()
            .filter(|(_, record)| record.values().any(|value| value == id))
            .map(|(other, _)| other.clone())
            .collect();
        for other in referring {
            if !self.records.contains_key(&other) {
                continue;
            }
            let object = self.object_of(&other).to_owned();
            let required = |field: &TargetField| field.required && self.records[&other][&field.name] == id;
            if self.schema[&object].iter().any(required) {
                self.delete(&other);
            } else if let Some(record) = self.records.get_mut(&other) {
                for value in record.values_mut().filter(|value| *value == id) {
                    *value = Value::Null;
                }
                if !self.silent {
                    let stamp = self.stamp();
                    self.records.get_mut(&other).unwrap().insert("SystemModstamp".into(), stamp);
                }
            }
        }
    }

    /// All of it, as a snapshot.
    pub fn shelf(&self) -> Shelf {
        let mut shelf = Shelf::default();
        for (id, record) in &self.records {
            let object = self.object_of(id).to_owned();
            let mut record = record.clone();
            for field in self.schema[&object].iter().filter(|field| field.file) {
                if let Some(Value::String(file)) = record.remove(&field.name) {
                    let blob = format!("{object}/{id}/{}/rev:1:{}", field.name, file.len());
                    shelf.blobs.insert(blob, file.into_bytes());
                }
            }
            let stamp = record["SystemModstamp"].as_str().unwrap();
            let at = chrono::DateTime::parse_from_str(stamp, "%Y-%m-%dT%H:%M:%S%.f%z").unwrap();
            let row = Row {
                key: id.clone(),
                revision: at.timestamp_millis() as u64,
                body: serde_json::to_vec(&record).unwrap(),
            };
            shelf.rows.entry(object).or_default().insert(id.clone(), row);
        }
        for object in self.schema.keys() {
            let describe = serde_json::to_vec(&self.describe(object).1).unwrap();
            shelf.notes.insert(format!("describe/{object}"), describe);
        }
        shelf
    }

    pub fn serve(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        let cut = self.cuts.get(&self.requests).copied();
        if cut == Some(Fault::Before) {
            return Reply::error(SendError::OutcomeUnknown("cut".into()));
        }
        if let Some(path) = request.path.strip_prefix("/services/data/v62.0/jobs/ingest") {
            let (status, text) = self.ingest(request, path);
            return match cut {
                Some(_) => Reply::error(SendError::OutcomeUnknown("cut".into())),
                None => Reply::status(status, text),
            };
        }
        let writes = !request.repeatable;
        if writes {
            self.writes += 1;
            match self.faults.get(&self.writes) {
                Some(Fault::Before) => return Reply::error(SendError::OutcomeUnknown("cut".into())),
                Some(Fault::Late(looks)) => {
                    self.late = Some((*looks, self.now, request.clone()));
                    return Reply::error(SendError::OutcomeUnknown("cut".into()));
                }
                _ => {}
            }
        }
        let broken = self.breaks_requests && writes && self.broken_by(&String::from_utf8_lossy(&request.body)).is_some();
        let (status, body) = if broken { bad_value() } else { self.answer(request) };
        if writes && self.faults.get(&self.writes) == Some(&Fault::After) {
            return Reply::error(SendError::OutcomeUnknown("cut".into()));
        }
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let reply = Reply::status(status, text);
        match self.usage {
            Some((used, max)) => reply.usage(used, max),
            None => reply,
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        if !request.form.is_empty() {
            return self.form(request);
        }
        let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.path.strip_prefix("/services/data/v62.0/").unwrap() {
            "composite" => self.composite(&wanted),
            "composite/sobjects" => self.collection(request.method == Method::Post, &wanted),
            other => refused("NOT_FOUND", other),
        }
    }

    /// A request with files, whose contents are those of the snapshot's blobs.
    fn form(&mut self, request: &Request) -> Answer {
        let Content::Bytes(json) = &request.form[0].content else {
            panic!("the first part has the records")
        };
        let mut wanted: Value = serde_json::from_slice(json).unwrap();
        let mut files = BTreeMap::new();
        for part in &request.form[1..] {
            let Content::Blob(blob) = &part.content else {
                panic!("{part:?}")
            };
            let disposition = &part
                .headers
                .iter()
                .find(|header| header.name == "Content-Disposition")
                .unwrap()
                .value;
            let name = disposition.split("; name=\"").nth(1).unwrap().split('"').next().unwrap();
            files.insert(name.to_owned(), String::from_utf8(self.blobs[blob].clone()).unwrap());
        }
        let path = request.path.strip_prefix("/services/data/v62.0/").unwrap();
        if path == "composite/sobjects" {
            for record in wanted["records"].as_array_mut().unwrap() {
                let attributes = record["attributes"].clone();
                if let Some(part) = attributes["binaryPartName"].as_str() {
                    record[attributes["binaryPartNameAlias"].as_str().unwrap()] = json!(files[part]);
                }
            }
            return self.collection(request.method == Method::Post, &wanted);
        }
        for (field, file) in files {
            wanted[field] = json!(file);
        }
        self.single(path, wanted)
    }

    /// A record by its own address.
    fn single(&mut self, path: &str, mut wanted: Value) -> Answer {
        assert!(wanted.get("attributes").is_none() && wanted.get("Id").is_none(), "{wanted}");
        let mut address = path.strip_prefix("sobjects/").unwrap().split('/');
        wanted["attributes"] = json!({ "type": address.next().unwrap() });
        let id = address.next();
        if let Some(id) = id {
            wanted["Id"] = json!(id);
        }
        if let Some(value) = self.unread_in(&wanted.to_string()) {
            return unread_value(value);
        }
        let broken = self.broken_by(&wanted.to_string());
        let saved = match broken {
            Some((_, false)) => json!({}),
            _ => self.save(id.is_none(), &wanted),
        };
        match broken {
            Some((status @ 500.., _)) => return (status, json!([{"errorCode": "UNKNOWN_EXCEPTION", "message": "unexpected"}])),
            Some(_) => return bad_value(),
            None => {}
        }
        match (saved["success"] == true, id) {
            (true, Some(_)) => (204, Value::Null),
            (true, None) => (201, saved),
            (false, _) => {
                let error = &saved["errors"][0];
                let told = json!([{"errorCode": error["statusCode"], "message": error["message"], "fields": error["fields"]}]);
                (400, told)
            }
        }
    }

    /// What is answered to records of which one is a culprit.
    fn broken_by(&self, body: &str) -> Option<(u16, bool)> {
        let names = self.breaks.iter();
        let culprit = names
            .into_iter()
            .find(|(name, _)| body.contains(&format!("\"Name\":\"{name}\"")));
        culprit.map(|(_, broken)| *broken)
    }

    /// The value that makes the org refuse all of a body.
    fn unread_in(&self, body: &str) -> Option<&str> {
        let (field, value) = self.unread.as_ref()?;
        body.contains(&format!("\"{field}\":\"{value}\"")).then_some(value.as_str())
    }

    fn composite(&mut self, wanted: &Value) -> Answer {
        let parts = wanted["compositeRequest"].as_array().unwrap();
        assert!(parts.len() <= 25);
        let limited = |part: &&Value| {
            let url = part["url"].as_str().unwrap();
            url.contains("/query") || url.contains("composite/sobjects")
        };
        assert!(parts.iter().filter(limited).count() <= 5);
        let mut earlier: BTreeMap<String, Value> = BTreeMap::new();
        let mut subs = Vec::new();
        for part in parts {
            let reference = part["referenceId"].as_str().unwrap().to_owned();
            let (status, body) = match resolved(&part["body"], &earlier) {
                Some(body) => self.part(part, &body),
                None => refused("PROCESSING_HALTED", "Invalid reference specified"),
            };
            earlier.insert(reference.clone(), body.clone());
            subs.push(json!({"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": reference}));
        }
        (200, json!({"compositeResponse": subs}))
    }

    fn part(&mut self, part: &Value, body: &Value) -> Answer {
        let url = part["url"].as_str().unwrap().strip_prefix("/services/data/v62.0/").unwrap();
        if url == "composite/sobjects" {
            return self.collection(part["method"] == "POST", body);
        }
        if let Some(object) = url.strip_prefix("composite/sobjects/") {
            return self.retrieve(object, body);
        }
        if let Some(object) = url.strip_prefix("sobjects/").and_then(|rest| rest.strip_suffix("/describe")) {
            return self.describe(object);
        }
        if let Some((path, fields)) = url.split_once("?fields=") {
            let (object, id) = path.strip_prefix("sobjects/").unwrap().split_once('/').unwrap();
            let fields: Vec<&str> = fields.split(',').collect();
            let found = self.retrieve(object, &json!({ "ids": [id], "fields": fields })).1[0].take();
            return match found {
                Value::Null => (
                    404,
                    json!([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]),
                ),
                found => (200, found),
            };
        }
        if part["method"] != "GET" && url.starts_with("sobjects/") {
            return self.single(url, body.clone());
        }
        if url.starts_with("sobjects/User/updated/") {
            return self.covered();
        }
        match url.split_once("?q=") {
            Some((resource @ ("query" | "queryAll"), query)) => self.query(query, resource == "queryAll"),
            _ => refused("NOT_FOUND", url),
        }
    }

    fn covered(&mut self) -> Answer {
        let mut covered = self.now;
        if let Some((looks, at, request)) = self.late.take() {
            if looks == 0 {
                self.answer(&request);
            } else {
                covered = at - 60_000;
                self.late = Some((looks - 1, at, request));
            }
        }
        let at = chrono::DateTime::from_timestamp_millis(covered as i64).unwrap();
        (
            200,
            json!({"ids": [], "latestDateCovered": at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()}),
        )
    }

    fn describe(&self, object: &str) -> Answer {
        let Some(fields) = self.schema.get(object) else {
            return refused("NOT_FOUND", "The requested resource does not exist");
        };
        let mut described = vec![
            json!({"name": "Id", "type": "id", "nillable": false}),
            json!({"name": "Name", "type": "string", "createable": true, "updateable": true, "nillable": true}),
            json!({"name": "CreatedDate", "type": "datetime", "nillable": false}),
            json!({"name": "SystemModstamp", "type": "datetime", "nillable": false}),
        ];
        for field in fields.iter().filter(|field| !self.removed.contains(&field.name)) {
            let kind = match (field.file, field.refers_to.is_empty()) {
                (true, _) => "base64",
                (_, true) => "string",
                _ => "reference",
            };
            described.push(json!({"name": field.name, "type": kind,
                "createable": true, "updateable": field.update, "nillable": !field.required, "referenceTo": field.refers_to,
                "restrictedPicklist": !field.picklist.is_empty(),
                "picklistValues": field.picklist.iter().map(|value| json!({"value": value, "active": true})).collect::<Vec<_>>(),
                "externalId": field.external_id, "unique": field.external_id}));
        }
        (
            200,
            json!({"name": object, "createable": object != "ContentDocument", "updateable": true, "queryable": true, "fields": described}),
        )
    }

    fn retrieve(&self, object: &str, body: &Value) -> Answer {
        if !self.schema.contains_key(object) {
            return refused("NOT_FOUND", "The requested resource does not exist");
        }
        let ids = body["ids"].as_array().unwrap();
        assert!(ids.len() <= 2_000);
        let found = ids.iter().map(|id| {
            let record = self.records.get(id.as_str().unwrap()).filter(|record| !is_archived(record))?;
            let fields = body["fields"].as_array().unwrap().iter();
            let values: Map<String, Value> = fields
                .filter_map(|name| Some((name.as_str()?.to_owned(), record.get(name.as_str()?)?.clone())))
                .collect();
            Some(Value::Object(values))
        });
        (200, json!(found.collect::<Vec<_>>()))
    }

    fn query(&self, query: &str, all: bool) -> Answer {
        let signs = [
            ("+", " "),
            ("%3A", ":"),
            ("%3E%3D", ">="),
            ("%28", "("),
            ("%29", ")"),
            ("%27", "'"),
            ("%2C", ","),
            ("%40", "@"),
        ];
        let decode = |text: String, (encoded, plain): &(&str, &str)| text.replace(encoded, plain);
        let text = signs.iter().fold(query.to_owned(), decode);
        let object = text.split(" FROM ").nth(1).unwrap().split(' ').next().unwrap();
        if self.unqueryable.as_deref() == Some(object) {
            return refused("MALFORMED_QUERY", "Implementation restriction: it requires a filter by an Id");
        }
        let chosen = |record: &&Map<String, Value>| match text.split_once(" IN (") {
            Some((before, ids)) => {
                let field = before.rsplit(' ').next().unwrap();
                ids.contains(&format!("'{}'", record[field].as_str().unwrap_or_default()))
            }
            None => {
                let since = text.split(">= ").nth(1).unwrap();
                let since = chrono::DateTime::parse_from_rfc3339(since.trim()).unwrap().timestamp_millis() as u64;
                let stamp = record["SystemModstamp"].as_str().unwrap();
                let at = chrono::DateTime::parse_from_str(stamp, "%Y-%m-%dT%H:%M:%S%.f%z").unwrap();
                at.timestamp_millis() as u64 >= since
            }
        };
        let of_object = self.records.iter().filter(|(id, _)| self.object_of(id) == object);
        let records: Vec<Value> = of_object
            .map(|(_, record)| record)
            .filter(chosen)
            .filter(|record| all || !is_archived(record))
            .map(|record| Value::Object(record.clone()))
            .collect();
        assert!(records.len() <= 2_000, "pages aren't served");
        (200, json!({"totalSize": records.len(), "done": true, "records": records}))
    }

    fn collection(&mut self, create: bool, body: &Value) -> Answer {
        let records = body["records"].as_array().unwrap();
        assert!(records.len() <= 200);
        let mut runs = Vec::new();
        for record in records {
            let kind = record["attributes"]["type"].as_str().unwrap();
            if runs.last() != Some(&kind) {
                runs.push(kind);
            }
        }
        assert!(runs.len() <= 10, "{} runs", runs.len());
        if let Some((id, _)) = self.held.as_ref().filter(|(_, until)| self.now < *until)
            && body.to_string().contains(id.as_str())
        {
            let refused = not_saved(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record or 200 records",
                &[],
            );
            return (200, json!(vec![refused; records.len()]));
        }
        if let Some(value) = self.unread_in(&body.to_string()) {
            return unread_value(value);
        }
        let broken = self.broken_by(&body.to_string());
        let saved = match broken {
            Some((_, false)) => Vec::new(),
            _ => records.iter().map(|record| self.save(create, record)).collect(),
        };
        match broken {
            Some((status @ 500.., _)) => (status, json!([{"errorCode": "UNKNOWN_EXCEPTION", "message": "unexpected"}])),
            Some(_) => bad_value(),
            None => (200, json!(saved)),
        }
    }

    fn save(&mut self, create: bool, record: &Value) -> Value {
        let mut fields = record.as_object().unwrap().clone();
        let object = fields.remove("attributes").unwrap()["type"].as_str().unwrap().to_owned();
        let id = fields.remove("Id").map(|id| id.as_str().unwrap().to_owned());
        assert_eq!(create, id.is_none(), "{record}");
        let name = fields.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some((code, about)) = self.refuses.get(&name)
            && (about.is_empty() || about.iter().any(|field| fields.contains_key(field)))
        {
            return not_saved(code, "refused", about);
        }
        let names_a_user = ["OwnerId", "CreatedById"]
            .iter()
            .any(|field| fields.get(*field).is_some_and(|user| !user.is_null()));
        if self.inactive && names_a_user {
            return not_saved(
                "INACTIVE_OWNER_OR_USER",
                "operation performed with inactive user",
                &self.inactive_named,
            );
        }
        if let Some(removed) = fields.keys().find(|field| self.removed.contains(*field)) {
            return not_saved(
                "INVALID_FIELD",
                &format!("No such column '{removed}' on sobject of type {object}"),
                &[],
            );
        }
        if let Some(locks) = self.locked.get_mut(&name).filter(|locks| **locks > 0) {
            *locks -= 1;
            return not_saved("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", &[]);
        }
        if self.early.remove(&name) {
            return not_saved(
                "STANDARD_PRICE_NOT_DEFINED",
                "No standard price defined for this product",
                &[],
            );
        }
        let schema = self.schema[&object].clone();
        let document = (create && object == "ContentVersion").then(|| self.document_of(&mut fields));
        for field in &schema {
            let value = fields.get(&field.name).filter(|value| !value.is_null());
            if create && field.required && value.is_none() {
                return not_saved(
                    "REQUIRED_FIELD_MISSING",
                    "Required fields are missing",
                    std::slice::from_ref(&field.name),
                );
            }
            assert!(create || field.update || value.is_none(), "{} can't be changed", field.name);
            if !field.picklist.is_empty() && value.is_some_and(|value| field.picklist.iter().all(|taken| value != taken)) {
                let about = std::slice::from_ref(&field.name);
                return not_saved("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value", about);
            }
            let taken = |(other, of): (&String, &Map<String, Value>)| {
                Some(other) != id.as_ref() && self.object_of(other) == object && of.get(&field.name) == value
            };
            if field.external_id && value.is_some() && self.records.iter().any(taken) {
                return not_saved("DUPLICATE_VALUE", "duplicate value found", std::slice::from_ref(&field.name));
            }
            if let Some(value) = value
                && !field.refers_to.is_empty()
                && !self.records.contains_key(value.as_str().unwrap())
            {
                let about = [field.name.clone()];
                return not_saved("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &about);
            }
        }
        let known: BTreeSet<&str> = schema.iter().map(|field| field.name.as_str()).chain(["Name"]).collect();
        assert!(fields.keys().all(|field| known.contains(field.as_str())), "{record}");
        if document == Some(true) {
            self.bring_document(&mut fields);
        }
        let id = match id {
            None => {
                if let Some(field) = &self.trigger {
                    fields.insert(field.clone(), json!("by a trigger"));
                }
                self.insert(&object, fields)
            }
            Some(id) if self.records.contains_key(&id) => {
                let stamp = self.stamp();
                let record = self.records.get_mut(&id).unwrap();
                record.extend(fields);
                record.insert("SystemModstamp".into(), stamp);
                id
            }
            Some(_) => return not_saved("ENTITY_IS_DELETED", "entity is deleted", &[]),
        };
        json!({"id": id, "success": true, "errors": []})
    }
}

impl TargetOrg {
    /// Whether a version brings its document; until that is there, anything stands for it.
    fn document_of(&self, fields: &mut Map<String, Value>) -> bool {
        if fields.get("ContentDocumentId").is_some_and(|id| !id.is_null()) {
            assert!(
                !fields.contains_key("FirstPublishLocationId"),
                "only of a first version: {fields:?}"
            );
            return false;
        }
        let owner = fields["OwnerId"].clone();
        fields.insert("ContentDocumentId".into(), owner);
        true
    }

    fn bring_document(&mut self, fields: &mut Map<String, Value>) {
        let mut named = Map::new();
        named.insert("Name".into(), fields["Name"].clone());
        let document = json!(self.insert("ContentDocument", named));
        let mut link = Map::new();
        link.insert("Name".into(), json!("the owner's"));
        link.insert("ContentDocumentId".into(), document.clone());
        link.insert("LinkedEntityId".into(), fields["OwnerId"].clone());
        self.insert("ContentDocumentLink", link);
        fields.insert("ContentDocumentId".into(), document);
    }
}

/// A body with its references resolved; `None` where one leads to nothing.
fn resolved(body: &Value, earlier: &BTreeMap<String, Value>) -> Option<Value> {
    Some(match body {
        Value::String(text) if text.contains("@{") => {
            let path = text.strip_prefix("@{")?.strip_suffix(".id}")?;
            let id = match path.strip_suffix(']').and_then(|path| path.split_once('[')) {
                Some((reference, nth)) => earlier.get(reference)?.get(nth.parse::<usize>().ok()?)?.get("id")?,
                None => earlier.get(path)?.get("id")?,
            };
            id.as_str()?;
            id.clone()
        }
        Value::Array(all) => Value::Array(all.iter().map(|one| resolved(one, earlier)).collect::<Option<_>>()?),
        Value::Object(all) => Value::Object(
            all.iter()
                .map(|(name, one)| Some((name.clone(), resolved(one, earlier)?)))
                .collect::<Option<_>>()?,
        ),
        other => other.clone(),
    })
}
