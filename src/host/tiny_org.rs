//! The smallest org that tests can read through a [`super::scripted::ScriptedHost`]: describe, record counts, queries by keyset
//! and locator, composite with references; and one oddity an object. It understands only the queries that this connector writes.

#![allow(clippy::unwrap_used)]

use super::Request;
use super::scripted::Reply;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How an object misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// It doesn't.
    None,
    /// Every query is refused.
    Refuses(&'static str, &'static str),
    /// A filter on Id is refused.
    NoIdFilter,
    /// `ORDER BY Id`, and filters on it, are refused, in words that nobody knows.
    NoIdOrder,
    /// No second page.
    NoQueryMore,
    /// Every Id is the empty one.
    SharedId,
    /// The second row repeats the Id of the first.
    RepeatedId,
    /// `done` after so many rows, `totalSize` true.
    EarlyDone(usize),
    /// Never more than so many rows of the object, `totalSize` agrees; `COUNT()` is true.
    Truncated(usize),
    /// `totalSize` −1.
    UnknownTotal,
    /// Times out with pages of more rows.
    SlowOver(usize),
    /// This field is gone since it was described first.
    LostField,
}

#[derive(Clone, Debug)]
pub(crate) struct TinyObject {
    pub rows: usize,
    pub page: usize,
    pub oddity: Oddity,
    /// What the record count resource says; `None`: not listed.
    pub counted: Option<u64>,
    pub described: usize,
}

pub(crate) struct TinyOrg {
    pub objects: BTreeMap<String, TinyObject>,
    pub refuses_chain: bool,
    pub refuses_references: bool,
    pub view_setup: bool,
    /// Locators so far are expired.
    pub expired: bool,
    pub used: u64,
    pub max: u64,
}

type Answer = (u16, Value);

fn refused(code: &str, message: &str) -> Answer {
    (400, json!([{"errorCode": code, "message": message}]))
}

impl TinyOrg {
    pub fn new(objects: &[(&str, usize, Oddity)]) -> TinyOrg {
        let object = |(name, rows, oddity): &(&str, usize, Oddity)| {
            let object = TinyObject {
                rows: *rows,
                page: 10,
                oddity: *oddity,
                counted: Some(*rows as u64),
                described: 0,
            };
            ((*name).to_owned(), object)
        };
        TinyOrg {
            objects: objects.iter().map(object).collect(),
            refuses_chain: false,
            refuses_references: false,
            view_setup: true,
            expired: false,
            used: 0,
            max: 1_000_000,
        }
    }

    /// The Id of a row; in the order of rows.
    pub fn id(nth: usize) -> String {
        format!("a00{nth:015}")
    }

    pub fn serve(&mut self, request: &Request) -> Reply {
        self.used += 1;
        let (status, body) = if request.path.ends_with("/composite") {
            let wanted: Value = serde_json::from_slice(&request.body).unwrap();
            self.composite(&wanted)
        } else {
            self.get(&request.path)
        };
        Reply::status(status, body.to_string()).usage(self.used, self.max)
    }

    fn composite(&mut self, wanted: &Value) -> Answer {
        let parts = wanted["compositeRequest"].as_array().unwrap();
        assert!(parts.len() <= 25);
        let queries = parts
            .iter()
            .filter(|p| !p["url"].as_str().unwrap().contains("/describe"))
            .count();
        assert!(queries <= 5, "{queries} queries in one composite request");
        let mut earlier = BTreeMap::<String, Answer>::new();
        let mut subs = Vec::new();
        for part in parts {
            let batch_size = part["httpHeaders"]["Sforce-Query-Options"]
                .as_str()
                .map(|o| o.strip_prefix("batchSize=").unwrap().parse().unwrap());
            let (status, body) = match self.resolve(part["url"].as_str().unwrap(), &earlier) {
                Ok(url) => self.read(&url, batch_size),
                Err(answer) => answer,
            };
            let reference = part["referenceId"].as_str().unwrap().to_owned();
            subs.push(json!({"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": reference}));
            earlier.insert(reference, (status, body));
        }
        (200, json!({"compositeResponse": subs}))
    }

    fn resolve(&self, url: &str, earlier: &BTreeMap<String, Answer>) -> Result<String, Answer> {
        let Some((before, rest)) = url.split_once("@{") else {
            return Ok(url.to_owned());
        };
        let (path, after) = rest.split_once('}').unwrap();
        let (reference, path) = path.split_once('.').unwrap();
        let body = &earlier[reference].1;
        let halted = || refused("PROCESSING_HALTED", "Invalid reference specified. No value found");
        let value = if path == "nextRecordsUrl" {
            if self.refuses_chain && body["nextRecordsUrl"].is_string() {
                return Err(refused("NOT_FOUND", "The requested resource does not exist"));
            }
            &body["nextRecordsUrl"]
        } else {
            let (nth, field) = path.strip_prefix("records[").unwrap().split_once("].").unwrap();
            let value = &body["records"][nth.parse::<usize>().unwrap()][field];
            if self.refuses_references && value.is_string() {
                return Err(refused("INVALID_INPUT", "references are not allowed here"));
            }
            value
        };
        let value = value.as_str().ok_or_else(halted)?;
        Ok(format!("{before}{value}{after}"))
    }

    fn get(&mut self, path: &str) -> Answer {
        match path.strip_prefix("/services/data/v62.0/").unwrap() {
            "sobjects" => {
                let objects: Vec<Value> = self
                    .objects
                    .keys()
                    .map(|name| json!({"name": name, "queryable": true}))
                    .collect();
                (200, json!({"sobjects": objects}))
            }
            "limits/recordCount" if self.view_setup => {
                let counts = self
                    .objects
                    .iter()
                    .filter_map(|(name, o)| Some(json!({"name": name, "count": o.counted?})));
                (200, json!({"sObjects": counts.collect::<Vec<_>>()}))
            }
            "limits/recordCount" => (403, json!([{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])),
            _ => self.read(path, None),
        }
    }

    fn read(&mut self, path: &str, batch_size: Option<usize>) -> Answer {
        let path = path.strip_prefix("/services/data/v62.0/").unwrap();
        if let Some(rest) = path.strip_prefix("sobjects/") {
            return self.describe(rest.strip_suffix("/describe").unwrap());
        }
        if let Some(locator) = path.strip_prefix("query/") {
            if self.expired {
                return refused("INVALID_QUERY_LOCATOR", "invalid query locator");
            }
            let parts: Vec<&str> = locator.split('~').collect();
            let [object, from, at] = parts[..] else { panic!("{locator}") };
            return self.page(object, from.parse().unwrap(), at.parse().unwrap(), None, batch_size);
        }
        let (resource, query) = path.split_once("?q=").unwrap();
        assert!(resource == "query" || resource == "queryAll", "{resource}");
        let text = query
            .replace('+', " ")
            .replace("%27", "'")
            .replace("%3E", ">")
            .replace("%3D", "=")
            .replace("%28", "(")
            .replace("%29", ")");
        self.query(&text, batch_size)
    }

    fn describe(&mut self, name: &str) -> Answer {
        let object = self.objects.get_mut(name).unwrap();
        object.described += 1;
        let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "filterable": true, "sortable": true});
        let mut fields = vec![
            field("Id", "id"),
            field("Name", "string"),
            field("SystemModstamp", "datetime"),
        ];
        if object.oddity == Oddity::NoQueryMore {
            fields.push(field("DurableId", "string"));
        }
        if object.oddity == Oddity::LostField && object.described == 1 {
            fields.push(field("Lost__c", "string"));
        }
        (200, json!({"name": name, "queryable": true, "fields": fields}))
    }

    fn query(&mut self, text: &str, batch_size: Option<usize>) -> Answer {
        let after_from = text.split(" FROM ").nth(1).unwrap();
        let name = after_from.split(' ').next().unwrap();
        let object = self.objects[name].clone();
        let after = text.split(" > '").nth(1).map(|rest| rest.split('\'').next().unwrap());
        let limit = text.split(" LIMIT ").nth(1).map(|n| n.parse::<usize>().unwrap());
        let rows = object.rows;
        match object.oddity {
            Oddity::Refuses(code, message) => return refused(code, message),
            Oddity::NoIdFilter if after.is_some() => {
                return refused("INVALID_FIELD", "field 'Id' can not be filtered in a query call");
            }
            Oddity::NoIdOrder if text.contains("ORDER BY") => {
                return refused("MALFORMED_QUERY", "Réponse que personne ne connaît");
            }
            Oddity::LostField if text.contains("Lost__c") => {
                return refused("INVALID_FIELD", "No such column 'Lost__c' on entity");
            }
            Oddity::NoQueryMore if limit.unwrap_or(rows) > 200 && rows > object.page => {
                return refused(
                    "EXCEEDED_ID_LIMIT",
                    "X does not support queryMore(), use LIMIT to restrict the results to a single batch",
                );
            }
            Oddity::SlowOver(most) if !text.contains("COUNT()") && batch_size.unwrap_or(2_000) > most => {
                return refused("QUERY_TIMEOUT", "Your query request was running for too long.");
            }
            _ => {}
        }
        if text.contains("COUNT()") {
            return (200, json!({"totalSize": rows, "done": true, "records": []}));
        }
        let from = match after {
            Some(_) if object.oddity == Oddity::SharedId => rows,
            Some(after) => (0..rows).filter(|n| Self::id(*n).as_str() <= after).count(),
            None => 0,
        };
        self.page(name, from, from, limit, batch_size)
    }

    fn page(&self, name: &str, from: usize, at: usize, limit: Option<usize>, batch_size: Option<usize>) -> Answer {
        let object = &self.objects[name];
        let mut end = limit.map_or(object.rows, |limit| object.rows.min(from + limit));
        let mut total = i64::try_from(end - from).unwrap();
        match object.oddity {
            Oddity::EarlyDone(rows) => end = end.min(from + rows),
            Oddity::Truncated(rows) => {
                end = end.min(rows).max(from);
                total = i64::try_from(end - from).unwrap();
            }
            Oddity::UnknownTotal => total = -1,
            _ => {}
        }
        let page = if object.oddity == Oddity::NoQueryMore {
            200
        } else {
            object.page
        };
        let to = end.min(at + page.min(batch_size.unwrap_or(page)));
        let records: Vec<Value> = (at..to).map(|n| Self::record(object, n)).collect();
        let mut body = json!({"totalSize": total, "done": to == end, "records": records});
        if to < end {
            body["nextRecordsUrl"] = json!(format!("/services/data/v62.0/query/{name}~{from}~{to}"));
        }
        (200, body)
    }

    fn record(object: &TinyObject, nth: usize) -> Value {
        let id = match object.oddity {
            Oddity::SharedId => "000000000000000AAA".to_owned(),
            Oddity::RepeatedId if nth == 1 => Self::id(0),
            _ => Self::id(nth),
        };
        let mut record = json!({"attributes": {"type": "X"}, "Id": id, "Name": format!("row {nth}"), "SystemModstamp": "2026-01-02T03:04:05.000+0000"});
        if object.oddity == Oddity::NoQueryMore {
            record["DurableId"] = json!(Self::id(nth));
            record["Id"] = json!("000000000000000AAA");
        }
        record
    }
}
