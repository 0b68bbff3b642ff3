//! Fills one composite request with records to be written: five collections of 200, and twenty records in parts of their own, for one
//! counted request.
//!
//! Pure. A record may refer to one that the same request creates: then it stands in a later collection, and names it by
//! reference (`@{c0[12].id}`), which Salesforce resolves. The rules it keeps: a record never stands before, or beside, what it
//! refers to; and what a composite request can't carry (files, texts that look like references) goes in requests of another
//! [`Form`].

use crate::host::{Content, FormPart, NamedValue};
use crate::org::WRITE_HEADERS;
use crate::restore::state::record::Apart;
pub use crate::restore::state::record::Verb;
use crate::salesforce::limits::{COLLECTION_RECORDS, COLLECTION_RUNS, COMPOSITE_QUERIES, MAX_FILE_BYTES, SINGLES};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of records in a request. Salesforce's own limit is far beyond; an answer that is cut costs as much as was sent.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Which request carries a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A composite request of five collections, and records beside them.
    #[default]
    Composite,
    /// One collection: some text of it looks like a reference, which a composite request would resolve.
    Collection,
    /// One collection of new records with files, each file a part of the request.
    Files,
    /// One record with its file: one that is there, or one whose file is larger than a collection takes.
    Single,
}

impl Form {
    /// Of a record with a file of so many bytes.
    pub fn of_file(verb: Verb, bytes: u64) -> Form {
        match verb {
            Verb::Create if bytes <= MAX_FILE_BYTES => Form::Files,
            _ => Form::Single,
        }
    }

    /// Parts of a request that take one record each.
    fn singles(self) -> usize {
        match self {
            Form::Composite => SINGLES,
            _ => 0,
        }
    }

    /// Collections of a request.
    fn collections(self) -> usize {
        match self {
            Form::Composite => COMPOSITE_QUERIES,
            _ => 1,
        }
    }

    /// Records of a collection.
    fn records(self) -> usize {
        match self {
            Form::Single => 1,
            _ => COLLECTION_RECORDS,
        }
    }
}

/// A file that is sent with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The field that has it.
    pub field: String,
    /// The blob that it is, by its source key.
    pub blob: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Whether a request took a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It did.
    Yes,
    /// It is of another form, or has no room after what the record refers to; others may fit.
    NotThis,
    /// It is full.
    Full,
}

/// So many records may not fit before a request is taken for full: the next walk has them.
const MAX_PASSED: usize = 1_000;

/// A record in a request.
#[derive(Clone, Debug)]
pub struct Placed {
    /// API name of its object.
    pub object: String,
    /// Its key in the snapshot.
    pub key: String,
    /// `{"attributes":{"type":…},…}`
    pub json: String,
    /// Bytes of it before the fields that are set: in a part of its own, a record is named by its address.
    pub head: usize,
    /// Its Id, where it is changed.
    pub id: Option<String>,
    /// How many fields are set by it.
    pub sets: usize,
    /// References that it is still without, and are to be set in the end.
    pub omitted: Vec<String>,
    /// Something of it is to be set in the end.
    pub later: bool,
    /// Which request carries it.
    pub form: Form,
    /// Its file.
    pub file: Option<Attached>,
    /// The key of a record that Salesforce creates together with it.
    pub brings: Option<String>,
    /// It stands only with those of the same part.
    pub apart: Option<Apart>,
}

/// Where collections of records are written.
pub const COLLECTIONS: &str = "composite/sobjects";

impl Placed {
    /// Where it is written alone.
    pub fn address(&self) -> String {
        match &self.id {
            Some(id) => format!("sobjects/{}/{id}", self.object),
            None => format!("sobjects/{}", self.object),
        }
    }

    /// A record of which it isn't known any more what was sent.
    pub fn named(object: &str, key: &str, later: bool) -> Placed {
        Placed {
            object: object.to_owned(),
            key: key.to_owned(),
            json: String::new(),
            head: 0,
            id: None,
            sets: 0,
            omitted: Vec::new(),
            later,
            form: Form::Composite,
            file: None,
            brings: None,
            apart: None,
        }
    }
}

/// Records of one collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// What is done with them.
    pub verb: Verb,
    /// The records, in order.
    pub records: Vec<Placed>,
    runs: usize,
    apart: Option<Apart>,
}

/// A request that is being filled.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its collections, in order; those after the fifth are of one record each, and parts of their own.
    pub collections: Vec<Collection>,
    places: BTreeMap<String, (Verb, (usize, usize))>,
    brought: BTreeSet<String>,
    bytes: usize,
    file_bytes: u64,
    passed: usize,
}

impl Request {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }

    /// Its form: that of its first record.
    pub fn form(&self) -> Form {
        let mut records = self.collections.iter().flat_map(|collection| &collection.records);
        records.next().map_or(Form::Composite, |record| record.form)
    }

    /// Number of its records.
    pub fn len(&self) -> usize {
        self.collections.iter().map(|collection| collection.records.len()).sum()
    }

    /// Where this request creates the record of this key: collection and record.
    pub fn place(&self, key: &str) -> Option<(usize, usize)> {
        match self.places.get(key) {
            Some((Verb::Create, place)) => Some(*place),
            _ => None,
        }
    }

    /// Whether the record of this key is in it.
    pub fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Whether the record of this key comes to be with one that this request creates.
    pub fn brings(&self, key: &str) -> bool {
        self.brought.contains(key)
    }

    /// Where this request changes the record of this key: its collection.
    pub fn changes(&self, key: &str) -> Option<usize> {
        match self.places.get(key) {
            Some((Verb::Update, (collection, _))) => Some(*collection),
            _ => None,
        }
    }

    /// Whether another record may fit with which this is done.
    pub fn has_room(&self, verb: Verb) -> bool {
        let form = self.form();
        let has_room = |collection: &Collection| collection.verb == verb && collection.records.len() < form.records();
        self.collections.len() < form.collections() + form.singles()
            || self.collections.iter().take(form.collections()).any(has_room)
    }

    /// Whether no other record fits.
    pub fn is_full(&self) -> bool {
        !self.has_room(Verb::Create) && !self.has_room(Verb::Update)
    }

    /// Puts a record into the first collection after `after` that has room.
    pub fn add(&mut self, verb: Verb, after: Option<usize>, record: Placed) -> Added {
        let form = record.form;
        if !self.is_empty() && (self.form() != form || form != Form::Composite && after.is_some()) {
            return Added::NotThis;
        }
        let whole_request = |apart: Option<Apart>| apart.filter(|apart| apart.whole_request);
        let first = self.collections.first();
        if first.is_some_and(|first| whole_request(first.apart) != whole_request(record.apart)) {
            return Added::NotThis;
        }
        let file_bytes = record.file.as_ref().map_or(0, |file| file.bytes);
        let too_much = self.bytes + record.json.len() > MAX_BYTES || self.file_bytes + file_bytes > MAX_FILE_BYTES;
        if !self.is_empty() && too_much {
            return Added::Full;
        }
        let from = after.map_or(0, |after| after + 1);
        let has_room = |collection: &Collection| {
            let new_run = collection.records.last().is_none_or(|last| last.object != record.object);
            let has_place = collection.records.len() < form.records() && (!new_run || collection.runs < COLLECTION_RUNS);
            collection.verb == verb && collection.apart == record.apart && has_place
        };
        let found = (from..self.collections.len().min(form.collections())).find(|number| has_room(&self.collections[*number]));
        let number = match found {
            Some(number) => number,
            None if self.collections.len() < form.collections() + form.singles() => {
                self.collections.push(Collection {
                    verb,
                    records: Vec::new(),
                    runs: 0,
                    apart: record.apart,
                });
                self.collections.len() - 1
            }
            None => return self.passed_by(),
        };
        let collection = &mut self.collections[number];
        if collection.records.last().is_none_or(|last| last.object != record.object) {
            collection.runs += 1;
        }
        self.places
            .insert(record.key.clone(), (verb, (number, collection.records.len())));
        self.bytes += record.json.len();
        self.file_bytes += file_bytes;
        self.brought.extend(record.brings.clone());
        collection.records.push(record);
        Added::Yes
    }

    /// A record has no room where it may stand; others may have.
    fn passed_by(&mut self) -> Added {
        self.passed += 1;
        let most = self.form().collections() * self.form().records() + self.form().singles();
        if self.len() < most && self.passed < MAX_PASSED {
            Added::NotThis
        } else {
            Added::Full
        }
    }

    /// The parts of a request with files.
    pub fn parts(&self) -> Vec<FormPart> {
        let records: Vec<&Placed> = self.collections.iter().flat_map(|collection| &collection.records).collect();
        let (name, json) = match records.as_slice() {
            // Named as in the guide's examples.
            [record] if record.form == Form::Single => {
                let name = match record.object.as_str() {
                    "ContentVersion" => "entity_content",
                    _ => "entity_document",
                };
                (name, record.json.clone().into_bytes())
            }
            _ => ("collection", self.collection_body()),
        };
        let mut parts = vec![FormPart {
            headers: vec![
                NamedValue::new("Content-Disposition", format!(r#"form-data; name="{name}""#)),
                NamedValue::new("Content-Type", "application/json"),
            ],
            content: Content::Bytes(json),
        }];
        for record in records {
            let Some(file) = &record.file else { continue };
            let part = match record.form {
                Form::Single => &file.field,
                _ => &record.key,
            };
            parts.push(FormPart {
                headers: vec![
                    NamedValue::new(
                        "Content-Disposition",
                        format!(r#"form-data; name="{part}"; filename="{}""#, record.key),
                    ),
                    NamedValue::new("Content-Type", "application/octet-stream"),
                ],
                content: Content::Blob(file.blob.clone()),
            });
        }
        parts
    }

    /// The body of a collections request, where it has one collection.
    pub fn collection_body(&self) -> Vec<u8> {
        let records = self.collections.iter().flat_map(|collection| &collection.records);
        let records: Vec<&str> = records.map(|record| record.json.as_str()).collect();
        format!(r#"{{"allOrNone":false,"records":[{}]}}"#, records.join(",")).into_bytes()
    }

    /// The body of a composite request. `path`: of a resource.
    pub fn body(&self, path: impl Fn(&str) -> String) -> Vec<u8> {
        let mut body = String::with_capacity(self.bytes + 4_096);
        body.push_str(r#"{"allOrNone":false,"compositeRequest":["#);
        for (number, collection) in self.collections.iter().enumerate() {
            let method = match collection.verb {
                Verb::Create => "POST",
                Verb::Update => "PATCH",
            };
            if number > 0 {
                body.push(',');
            }
            let single = collection.records.first().filter(|_| number >= COMPOSITE_QUERIES);
            let url = path(&single.map_or_else(|| COLLECTIONS.to_owned(), Placed::address));
            let [duplicates, assignment] = WRITE_HEADERS.map(|(name, value)| format!("\"{name}\":\"{value}\""));
            body.push_str(&format!(
                r#"{{"method":"{method}","url":"{url}","referenceId":"c{number}","httpHeaders":{{{duplicates},{assignment}}},"body":{{"#
            ));
            match single {
                Some(record) => body.push_str(record.json.get(record.head..).unwrap_or("}").trim_start_matches(',')),
                None => {
                    let records: Vec<&str> = collection.records.iter().map(|record| record.json.as_str()).collect();
                    body.push_str(r#""allOrNone":false,"records":["#);
                    body.push_str(&records.join(","));
                    body.push_str("]}");
                }
            }
            body.push('}');
        }
        body.push_str("]}");
        body.into_bytes()
    }
}

/// The reference to a record that an earlier part of the same request creates.
pub fn reference((collection, record): (usize, usize)) -> String {
    if collection < COMPOSITE_QUERIES {
        format!("@{{c{collection}[{record}].id}}")
    } else {
        format!("@{{c{collection}.id}}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::limits::SUBREQUESTS;

    fn record(object: &str, n: usize) -> Placed {
        Placed {
            json: format!(r#"{{"attributes":{{"type":"{object}"}}}}"#),
            head: format!(r#"{{"attributes":{{"type":"{object}"}}"#).len(),
            ..Placed::named(object, &format!("{object}{n:05}"), false)
        }
    }

    fn with_file(n: usize, bytes: u64) -> Placed {
        Placed {
            form: Form::of_file(Verb::Create, bytes),
            file: Some(Attached {
                field: "Body".into(),
                blob: format!("F/F{n:05}/Body/x"),
                bytes,
            }),
            ..record("F", n)
        }
    }

    #[test]
    fn what_looks_like_a_reference_stands_apart() {
        let mut request = Request::default();
        assert_eq!(request.add(Verb::Create, None, record("A", 1)), Added::Yes);
        let literal = |n| Placed {
            form: Form::Collection,
            ..record("A", n)
        };
        assert_eq!(request.add(Verb::Create, None, literal(2)), Added::NotThis);
        let mut request = Request::default();
        for n in 0..200 {
            assert_eq!(request.add(Verb::Create, None, literal(n)), Added::Yes);
        }
        assert_eq!(request.form(), Form::Collection);
        assert_eq!(request.add(Verb::Create, None, literal(200)), Added::Full);
        assert_eq!(request.add(Verb::Create, None, record("A", 201)), Added::NotThis);
        let body: serde_json::Value = serde_json::from_slice(&request.collection_body()).unwrap();
        assert_eq!(body["records"].as_array().unwrap().len(), 200);
    }

    #[test]
    fn two_hundred_files_are_one_request_and_a_large_one_goes_alone() {
        let mut request = Request::default();
        for n in 0..200 {
            assert_eq!(request.add(Verb::Create, None, with_file(n, 1_000)), Added::Yes);
        }
        assert_eq!(request.add(Verb::Create, None, with_file(200, 1_000)), Added::Full);
        let parts = request.parts();
        assert_eq!(parts.len(), 201);
        assert_eq!(parts[1].content, Content::Blob("F/F00000/Body/x".into()));
        assert!(parts[200].headers[0].value.contains(r#"name="F00199""#));
        let mut request = Request::default();
        assert_eq!(request.add(Verb::Create, None, with_file(1, MAX_FILE_BYTES)), Added::Yes);
        assert_eq!(request.add(Verb::Create, None, with_file(2, 1)), Added::Full);
        let mut request = Request::default();
        assert_eq!(request.add(Verb::Create, None, with_file(1, MAX_FILE_BYTES + 1)), Added::Yes);
        assert_eq!(request.form(), Form::Single);
        assert!(request.parts()[1].headers[0].value.contains(r#"name="Body""#));
        assert_eq!(request.add(Verb::Create, None, with_file(2, 1)), Added::NotThis);
    }

    #[test]
    fn a_thousand_records_and_twenty_beside_them_are_one_request() {
        let mut request = Request::default();
        for n in 0..1_000 {
            assert_eq!(request.add(Verb::Create, None, record("Account", n)), Added::Yes);
        }
        assert_eq!((request.len(), request.collections.len()), (1_000, COMPOSITE_QUERIES));
        for n in 1_000..1_019 {
            assert_eq!(request.add(Verb::Create, None, record("Account", n)), Added::Yes);
        }
        let changed = Placed {
            json: r#"{"attributes":{"type":"Case"},"Id":"500","Subject":"x","ParentId":null}"#.to_owned(),
            head: r#"{"attributes":{"type":"Case"},"Id":"500""#.len(),
            id: Some("500".to_owned()),
            ..record("Case", 1)
        };
        assert!(request.has_room(Verb::Update) && !request.is_full());
        assert_eq!(request.add(Verb::Update, Some(7), changed), Added::Yes);
        assert!(request.is_full());
        assert_eq!(request.add(Verb::Create, None, record("Account", 1_020)), Added::Full);
        let body: serde_json::Value = serde_json::from_slice(&request.body(|path| format!("/x/{path}"))).unwrap();
        let parts = body["compositeRequest"].as_array().unwrap();
        assert_eq!(parts.len(), SUBREQUESTS);
        assert_eq!(parts[4]["url"], "/x/composite/sobjects");
        assert_eq!(parts[4]["body"]["records"].as_array().unwrap().len(), 200);
        assert_eq!(parts[4]["referenceId"], "c4");
        assert_eq!(
            (&parts[5]["method"], &parts[5]["url"]),
            (&"POST".into(), &"/x/sobjects/Account".into())
        );
        assert_eq!(
            (&parts[24]["method"], &parts[24]["url"]),
            (&"PATCH".into(), &"/x/sobjects/Case/500".into())
        );
        assert_eq!(parts[24]["body"].to_string(), r#"{"ParentId":null,"Subject":"x"}"#);
    }

    #[test]
    fn a_record_stands_after_what_it_refers_to() {
        let mut request = Request::default();
        assert_eq!(request.add(Verb::Create, None, record("Account", 1)), Added::Yes);
        let (parent, _) = request.place("Account00001").unwrap();
        assert_eq!(request.add(Verb::Create, Some(parent), record("Contact", 1)), Added::Yes);
        assert_eq!(request.place("Contact00001"), Some((1, 0)));
        assert_eq!(reference((1, 0)), "@{c1[0].id}");
        for after in 1..COMPOSITE_QUERIES - 1 {
            assert_eq!(request.add(Verb::Create, Some(after), record("Case", after)), Added::Yes);
        }
        // Beyond the collections each stands alone, after the one before.
        for after in COMPOSITE_QUERIES - 1..SUBREQUESTS - 1 {
            assert_eq!(request.add(Verb::Create, Some(after), record("Case", after)), Added::Yes);
        }
        assert_eq!(request.place("Case00004"), Some((5, 0)));
        assert_eq!(reference((5, 0)), "@{c5.id}");
        assert_eq!(
            request.add(Verb::Create, Some(SUBREQUESTS - 1), record("Case", 99)),
            Added::NotThis
        );
    }

    #[test]
    fn a_record_without_room_leaves_it_to_others_for_a_while() {
        let mut request = Request::default();
        for n in 0..SUBREQUESTS {
            let after = n.checked_sub(1);
            assert_eq!(request.add(Verb::Create, after, record("A", n)), Added::Yes);
        }
        for n in 1..MAX_PASSED {
            assert_eq!(
                request.add(Verb::Create, Some(COMPOSITE_QUERIES - 1), record("B", n)),
                Added::NotThis
            );
        }
        assert_eq!(request.add(Verb::Create, None, record("A", 99)), Added::Yes);
        assert_eq!(
            request.add(Verb::Create, Some(COMPOSITE_QUERIES - 1), record("B", 0)),
            Added::Full
        );
    }

    #[test]
    fn small_objects_share_a_collection_but_not_more_than_ten() {
        let mut request = Request::default();
        for n in 0..12 {
            assert_eq!(request.add(Verb::Create, None, record(&format!("O{n:02}"), 1)), Added::Yes);
        }
        let sizes: Vec<usize> = request
            .collections
            .iter()
            .map(|collection| collection.records.len())
            .collect();
        assert_eq!(sizes, [10, 2]);
    }

    #[test]
    fn what_is_created_and_what_is_changed_stand_apart() {
        let mut request = Request::default();
        assert_eq!(request.add(Verb::Create, None, record("A", 1)), Added::Yes);
        assert_eq!(request.add(Verb::Update, None, record("A", 2)), Added::Yes);
        assert_eq!(request.add(Verb::Create, None, record("A", 3)), Added::Yes);
        let verbs: Vec<Verb> = request.collections.iter().map(|collection| collection.verb).collect();
        assert_eq!(verbs, [Verb::Create, Verb::Update]);
        assert_eq!(request.place("A00002"), None);
    }

    #[test]
    fn large_records_make_a_request_of_fewer() {
        let mut request = Request::default();
        let large = |n| Placed {
            json: "x".repeat(MAX_BYTES / 2 + 1),
            ..record("A", n)
        };
        assert_eq!(request.add(Verb::Create, None, large(1)), Added::Yes);
        assert_eq!(request.add(Verb::Create, None, large(2)), Added::Full);
    }
}
