//! Fills one composite request with records to be written: five collections of 200, a thousand records for one counted request.
//!
//! Pure. A record may refer to one that the same request creates: then it stands in a later collection, and names it by
//! reference (`@{c0[12].id}`), which Salesforce resolves. The rules it keeps: a record never stands before, or beside, what it
//! refers to; and one whose own text looks like a reference goes in a request of its kind that isn't composite.

use crate::backup::packing::PLACES;
use std::collections::BTreeMap;

/// Records of a collection.
const RECORDS: usize = 200;

/// A collection is worked through in runs of one type, of which it may have so many.
const RUNS: usize = 10;

/// Bytes of records in a request. Salesforce's own limit is far beyond; an answer that is cut costs as much as was sent.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is created.
    Create,
    /// It is changed.
    Update,
}

/// A record in a request.
#[derive(Clone, Debug)]
pub struct Placed {
    /// API name of its object.
    pub object: String,
    /// Its key in the snapshot.
    pub key: String,
    /// `{"attributes":{"type":…},…}`
    pub json: String,
    /// How many fields are set by it.
    pub sets: usize,
    /// References that it is still without, and are to be set in the end.
    pub omitted: Vec<String>,
    /// Something of it is to be set in the end.
    pub later: bool,
    /// Some text of it looks like a reference, which a composite request would resolve.
    pub literal: bool,
}

/// Records of one collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// What is done with them.
    pub verb: Verb,
    /// The records, in order.
    pub records: Vec<Placed>,
    runs: usize,
}

/// A request that is being filled.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its collections, in order.
    pub collections: Vec<Collection>,
    places: BTreeMap<String, (usize, usize)>,
    bytes: usize,
}

impl Request {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }

    /// Whether its records have texts that look like references: then it isn't a composite request.
    pub fn is_literal(&self) -> bool {
        let mut records = self.collections.iter().flat_map(|collection| &collection.records);
        records.next().is_some_and(|record| record.literal)
    }

    /// Number of its records.
    pub fn len(&self) -> usize {
        self.collections.iter().map(|collection| collection.records.len()).sum()
    }

    /// Where this request creates the record of this key: collection and record.
    pub fn place(&self, key: &str) -> Option<(usize, usize)> {
        self.places.get(key).copied()
    }

    /// Puts a record into the first collection after `after` that has room; gives it back where none has.
    pub fn add(&mut self, verb: Verb, after: Option<usize>, record: Placed) -> Result<(), Placed> {
        let other_kind = self.is_literal() != record.literal || record.literal && after.is_some();
        if !self.is_empty() && (other_kind || self.bytes + record.json.len() > MAX_BYTES) {
            return Err(record);
        }
        let most = if record.literal { 1 } else { PLACES };
        let from = after.map_or(0, |after| after + 1);
        let has_room = |collection: &Collection| {
            let new_run = collection.records.last().is_none_or(|last| last.object != record.object);
            collection.verb == verb && collection.records.len() < RECORDS && (!new_run || collection.runs < RUNS)
        };
        let found = (from..self.collections.len()).find(|n| has_room(&self.collections[*n]));
        let n = match found {
            Some(n) => n,
            None if self.collections.len() < most => {
                self.collections.push(Collection {
                    verb,
                    records: Vec::new(),
                    runs: 0,
                });
                self.collections.len() - 1
            }
            None => return Err(record),
        };
        let collection = &mut self.collections[n];
        if collection.records.last().is_none_or(|last| last.object != record.object) {
            collection.runs += 1;
        }
        if verb == Verb::Create {
            self.places.insert(record.key.clone(), (n, collection.records.len()));
        }
        self.bytes += record.json.len();
        collection.records.push(record);
        Ok(())
    }

    /// The body of a collections request, where it has one collection.
    pub fn body_alone(&self) -> Vec<u8> {
        let records = self.collections.iter().flat_map(|collection| &collection.records);
        let records: Vec<&str> = records.map(|record| record.json.as_str()).collect();
        format!(r#"{{"allOrNone":false,"records":[{}]}}"#, records.join(",")).into_bytes()
    }

    /// The body of a composite request. `resource`: the path of `composite/sobjects`.
    pub fn body(&self, resource: &str) -> Vec<u8> {
        let mut body = String::with_capacity(self.bytes + 4_096);
        body.push_str(r#"{"allOrNone":false,"compositeRequest":["#);
        for (n, collection) in self.collections.iter().enumerate() {
            let method = match collection.verb {
                Verb::Create => "POST",
                Verb::Update => "PATCH",
            };
            if n > 0 {
                body.push(',');
            }
            // Salesforce's duplicate rules are for people who type; its assignment rules for records that are new.
            body.push_str(&format!(
                r#"{{"method":"{method}","url":"{resource}","referenceId":"c{n}","httpHeaders":{{"Sforce-Duplicate-Rule-Header":"allowSave=true","Sforce-Auto-Assign":"FALSE"}},"body":{{"allOrNone":false,"records":["#
            ));
            for (m, record) in collection.records.iter().enumerate() {
                if m > 0 {
                    body.push(',');
                }
                body.push_str(&record.json);
            }
            body.push_str("]}}");
        }
        body.push_str("]}");
        body.into_bytes()
    }
}

/// The reference to a record that an earlier collection of the same request creates.
pub fn reference((collection, record): (usize, usize)) -> String {
    format!("@{{c{collection}[{record}].id}}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(object: &str, n: usize) -> Placed {
        Placed {
            object: object.into(),
            key: format!("{object}{n:05}"),
            json: format!(r#"{{"attributes":{{"type":"{object}"}}}}"#),
            sets: 0,
            omitted: Vec::new(),
            later: false,
            literal: false,
        }
    }

    #[test]
    fn what_looks_like_a_reference_stands_apart() {
        let mut request = Request::default();
        request.add(Verb::Create, None, record("A", 1)).unwrap();
        let literal = |n| Placed {
            literal: true,
            ..record("A", n)
        };
        assert!(request.add(Verb::Create, None, literal(2)).is_err());
        let mut request = Request::default();
        for n in 0..200 {
            request.add(Verb::Create, None, literal(n)).unwrap();
        }
        assert!(request.is_literal() && request.add(Verb::Create, None, literal(200)).is_err());
        assert!(request.add(Verb::Create, None, record("A", 201)).is_err());
        let body: serde_json::Value = serde_json::from_slice(&request.body_alone()).unwrap();
        assert_eq!(body["records"].as_array().unwrap().len(), 200);
    }

    #[test]
    fn a_thousand_records_are_one_request() {
        let mut request = Request::default();
        for n in 0..1_000 {
            request.add(Verb::Create, None, record("Account", n)).unwrap();
        }
        assert_eq!((request.len(), request.collections.len()), (1_000, PLACES));
        assert!(request.add(Verb::Create, None, record("Account", 1_000)).is_err());
        let body: serde_json::Value = serde_json::from_slice(&request.body("/x")).unwrap();
        assert_eq!(body["compositeRequest"][4]["body"]["records"].as_array().unwrap().len(), 200);
        assert_eq!(body["compositeRequest"][4]["referenceId"], "c4");
    }

    #[test]
    fn a_record_stands_after_what_it_refers_to() {
        let mut request = Request::default();
        request.add(Verb::Create, None, record("Account", 1)).unwrap();
        let (parent, _) = request.place("Account00001").unwrap();
        request.add(Verb::Create, Some(parent), record("Contact", 1)).unwrap();
        assert_eq!(request.place("Contact00001"), Some((1, 0)));
        assert_eq!(reference((1, 0)), "@{c1[0].id}");
        for after in 1..PLACES - 1 {
            request.add(Verb::Create, Some(after), record("Case", after)).unwrap();
        }
        assert!(request.add(Verb::Create, Some(PLACES - 1), record("Case", 9)).is_err());
    }

    #[test]
    fn small_objects_share_a_collection_but_not_more_than_ten() {
        let mut request = Request::default();
        for n in 0..12 {
            request.add(Verb::Create, None, record(&format!("O{n:02}"), 1)).unwrap();
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
        request.add(Verb::Create, None, record("A", 1)).unwrap();
        request.add(Verb::Update, None, record("A", 2)).unwrap();
        request.add(Verb::Create, None, record("A", 3)).unwrap();
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
        request.add(Verb::Create, None, large(1)).unwrap();
        assert!(request.add(Verb::Create, None, large(2)).is_err());
    }
}
