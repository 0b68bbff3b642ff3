//! The smallest org that tests can read through a [`super::scripted::ScriptedHost`]: describe, record counts, queries by keyset
//! and locator, composite with references; and one oddity an object. It understands only the queries that this connector writes.

#![allow(clippy::unwrap_used)]

mod jobs;

use self::jobs::TinyJob;
use super::scripted::Reply;
use crate::host::Request;
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
    /// getUpdated and getDeleted answer for it.
    pub replicated: bool,
    /// Rows that were changed, and when, in milliseconds since 1970.
    pub changed: BTreeMap<usize, u64>,
    /// Rows that were deleted, and when.
    pub deleted: BTreeMap<usize, u64>,
    /// A field that was added.
    pub added: Option<&'static str>,
    /// It has files: a base64 field.
    pub files: bool,
    /// It has a rich text, and its first rows so many images in it, one each.
    pub images: Option<usize>,
}

impl TinyObject {
    /// Rows that are there, of those changed from this moment on.
    fn alive(&self, since: Option<u64>) -> Vec<usize> {
        let changed = |nth: &usize| since.is_none_or(|since| self.stamp(*nth) >= since);
        (0..self.rows)
            .filter(|nth| !self.deleted.contains_key(nth) && changed(nth))
            .collect()
    }

    fn stamp(&self, nth: usize) -> u64 {
        self.changed.get(&nth).copied().unwrap_or(CREATED)
    }
}

/// 2026-01-02T03:04:05Z
const CREATED: u64 = 1_767_323_045_000;

#[derive(Clone)]
pub(crate) struct TinyOrg {
    pub objects: BTreeMap<String, TinyObject>,
    pub refuses_chain: bool,
    pub refuses_references: bool,
    pub view_setup: bool,
    /// Locators so far are expired.
    pub expired: bool,
    pub used: u64,
    pub max: u64,
    /// Everything older is known, in milliseconds since 1970.
    pub covered: u64,
    /// The log of deletions begins here.
    pub earliest_deletion: u64,
    jobs: Vec<TinyJob>,
    /// Jobs are ready after so many looks.
    pub looks: usize,
    /// Rows that a page of results has at most.
    pub page_records: usize,
    /// Jobs so far are forgotten.
    pub jobs_expired: bool,
    /// The day's jobs are spent.
    pub jobs_spent: bool,
    /// All jobs can't be listed.
    pub refuses_list: bool,
    /// Its Id.
    pub organization: &'static str,
    /// Permissions that the user lacks.
    pub lacks: Vec<&'static str>,
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
                replicated: true,
                changed: BTreeMap::new(),
                deleted: BTreeMap::new(),
                added: None,
                files: false,
                images: None,
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
            covered: 1_799_999_940_000,
            earliest_deletion: 0,
            jobs: Vec::new(),
            looks: 1,
            page_records: 40,
            jobs_expired: false,
            jobs_spent: false,
            refuses_list: false,
            organization: "00D000000000001EAA",
            lacks: Vec::new(),
        }
    }

    /// Rows of an object that are there.
    pub fn alive(&self, object: &str) -> Vec<usize> {
        self.objects[object].alive(None)
    }

    /// The Id of a row; in the order of rows.
    pub fn id(nth: usize) -> String {
        format!("a00{nth:012}AAA")
    }

    pub fn serve(&mut self, request: &Request) -> Reply {
        self.used += 1;
        if let Some(rest) = request.path.strip_prefix("/services/data/v62.0/jobs/query") {
            let reply = self.job(rest, &request.body);
            return reply.usage(self.used, self.max);
        }
        if let Some(file) = request.path.strip_suffix("/Body") {
            return Reply::ok(format!("file of {}", file.rsplit('/').next().unwrap())).usage(self.used, self.max);
        }
        if let Some((_, image)) = request.path.split_once("/richTextImageFields/") {
            return Reply::ok(format!("image {image}")).usage(self.used, self.max);
        }
        let (status, body) = if request.path.ends_with("/composite") {
            let wanted: Value = serde_json::from_slice(&request.body).unwrap();
            self.composite(&wanted)
        } else {
            self.get(&request.path)
        };
        Reply::status(status, body.to_string()).usage(self.used, self.max)
    }

    /// The object of a query, and the rows that its filters let pass, in the order of Ids.
    fn selected(&self, text: &str) -> (String, Vec<usize>) {
        let name = text.split(" FROM ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let since = text.split(" >= ").nth(1).map(|rest| {
            let moment = rest.split(' ').next().unwrap();
            u64::try_from(chrono::DateTime::parse_from_rfc3339(moment).unwrap().timestamp_millis()).unwrap()
        });
        let after = text
            .split(" > '")
            .nth(1)
            .map(|rest| rest.split('\'').next().unwrap().to_owned());
        let alive = self.objects[&name].alive(since);
        let until = text
            .split(" <= '")
            .nth(1)
            .map(|rest| rest.split('\'').next().unwrap().to_owned());
        let later = |nth: &usize| after.as_ref().is_none_or(|after| Self::id(*nth) > *after);
        let within = |nth: &usize| until.as_ref().is_none_or(|until| Self::id(*nth) <= *until);
        let but = text.split(" NOT IN (").nth(1).map(|rest| rest.split(')').next().unwrap());
        let only = text.split(" Id = '").nth(1).map(|rest| rest.split('\'').next().unwrap());
        let chosen = |nth: &usize| {
            let id = Self::id(*nth);
            but.is_none_or(|but| !but.contains(&id)) && only.is_none_or(|only| only == id)
        };
        let rows = alive.into_iter().filter(later).filter(within).filter(chosen);
        (name, rows.collect())
    }

    /// What is asked of an object by address.
    fn address(&mut self, name: &str, rest: &str) -> Answer {
        let span = |parameter: &str| {
            let text = rest.split(parameter).nth(1).unwrap().split('&').next().unwrap();
            let text = text.replace("%3A", ":").replace("%2B", "+");
            u64::try_from(chrono::DateTime::parse_from_rfc3339(&text).unwrap().timestamp_millis()).unwrap()
        };
        let moment = |at: u64| format!("{}.000+0000", &crate::salesforce::moment(at)[..19]);
        if rest == "describe" {
            return self.describe(name);
        }
        let Some(object) = self.objects.get(name) else {
            // Every org has users.
            return (200, json!({"ids": [], "latestDateCovered": moment(self.covered)}));
        };
        if !object.replicated && (rest.starts_with("updated") || rest.starts_with("deleted")) {
            return refused("INVALID_TYPE", "object type is not replicateable");
        }
        if rest.starts_with("updated/") {
            let changed = object.alive(Some(span("start=")));
            let ids: Vec<String> = changed
                .into_iter()
                .filter(|nth| object.stamp(*nth) < self.covered)
                .map(Self::id)
                .collect();
            return (200, json!({"ids": ids, "latestDateCovered": moment(self.covered)}));
        }
        if rest.starts_with("deleted/") {
            let from = span("start=");
            let known = object
                .deleted
                .iter()
                .filter(|(_, at)| **at >= from && **at >= self.earliest_deletion && **at < self.covered);
            let records: Vec<Value> = known
                .map(|(nth, at)| json!({"id": Self::id(*nth), "deletedDate": moment(*at)}))
                .collect();
            let body = json!({"deletedRecords": records, "earliestDateAvailable": moment(self.earliest_deletion),
                "latestDateCovered": moment(self.covered)});
            return (200, body);
        }
        let id = rest.split('?').next().unwrap();
        match object.alive(None).into_iter().find(|nth| Self::id(*nth) == id) {
            Some(nth) => (200, Self::record(object, nth)),
            None => (
                404,
                json!([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]),
            ),
        }
    }

    fn composite(&mut self, wanted: &Value) -> Answer {
        let parts = wanted["compositeRequest"].as_array().unwrap();
        assert!(parts.len() <= 25);
        let is_query = |url: &str| url.contains("/query") || url.contains("nextRecordsUrl");
        let queries = parts.iter().filter(|p| is_query(p["url"].as_str().unwrap())).count();
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

    fn global(&self) -> Answer {
        let objects: Vec<Value> = self
            .objects
            .keys()
            .map(|name| json!({"name": name, "queryable": true}))
            .collect();
        (200, json!({"sobjects": objects}))
    }

    fn get(&mut self, path: &str) -> Answer {
        match path.strip_prefix("/services/data/v62.0/").unwrap() {
            "sobjects" => self.global(),
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
        if path == "sobjects" {
            return self.global();
        }
        if path.contains("FROM+EntityDefinition") {
            return refused("INVALID_TYPE", "sObject type 'EntityDefinition' is not supported");
        }
        if path.contains("FROM+UserPermissionAccess") {
            let fields =
                ["ViewAllData", "QueryAllFiles"].map(|name| (format!("Permissions{name}"), json!(!self.lacks.contains(&name))));
            let row: serde_json::Map<String, Value> = fields.into_iter().filter(|(field, _)| path.contains(field)).collect();
            return (200, json!({"totalSize": 1, "done": true, "records": [row]}));
        }
        if path.contains("FROM+Organization") {
            return (
                200,
                json!({"totalSize": 1, "done": true, "records": [{"Id": self.organization}]}),
            );
        }
        if let Some(id) = path.strip_prefix("sobjects/Organization/") {
            return match id.strip_suffix("?fields=Id") == Some(self.organization) {
                true => (200, json!({"Id": self.organization})),
                false => (
                    404,
                    json!([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]),
                ),
            };
        }
        if let Some(rest) = path.strip_prefix("sobjects/") {
            let (name, rest) = rest.split_once('/').unwrap();
            return self.address(name, rest);
        }
        if let Some(locator) = path.strip_prefix("query/") {
            if self.expired {
                return refused("INVALID_QUERY_LOCATOR", "invalid query locator");
            }
            let parts: Vec<&str> = locator.split('~').collect();
            let [object, from, at, since] = parts[..] else {
                panic!("{locator}")
            };
            let rows = self.objects[object].alive(since.parse().ok());
            return self.page(
                object,
                since,
                &rows,
                from.parse().unwrap(),
                at.parse().unwrap(),
                None,
                batch_size,
            );
        }
        let (resource, query) = path.split_once("?q=").unwrap();
        assert!(resource == "query" || resource == "queryAll", "{resource}");
        let text = query
            .replace('+', " ")
            .replace("%27", "'")
            .replace("%3E", ">")
            .replace("%3C", "<")
            .replace("%3A", ":")
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
        fields.extend(object.added.map(|name| field(name, "string")));
        if object.files {
            fields.push(field("Body", "base64"));
        }
        if object.images.is_some() {
            fields.push(json!({"name": "Notes", "type": "textarea", "extraTypeInfo": "richtextarea"}));
        }
        let replicated = object.replicated;
        (
            200,
            json!({"name": name, "queryable": true, "replicateable": replicated, "fields": fields}),
        )
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
        if text.contains(" DESC ") {
            let last = object.alive(None).last().map(|nth| Self::record(&object, *nth));
            return (
                200,
                json!({"totalSize": 1, "done": true, "records": last.into_iter().collect::<Vec<_>>()}),
            );
        }
        let since = text.split(" >= ").nth(1).map(|_| ());
        let (_, alive) = self.selected(&text.replace(" > '", " after '"));
        if text.contains("COUNT()") {
            return (200, json!({"totalSize": alive.len(), "done": true, "records": []}));
        }
        let from = match after {
            Some(_) if object.oddity == Oddity::SharedId => rows,
            Some(after) => alive.iter().filter(|n| Self::id(**n).as_str() <= after).count(),
            None => 0,
        };
        let since = since.map_or_else(String::new, |()| {
            let moment = text.split(" >= ").nth(1).unwrap().split(' ').next().unwrap();
            chrono::DateTime::parse_from_rfc3339(moment)
                .unwrap()
                .timestamp_millis()
                .to_string()
        });
        self.page(name, &since, &alive, from, from, limit, batch_size)
    }

    #[allow(clippy::too_many_arguments)]
    fn page(
        &self,
        name: &str,
        since: &str,
        rows: &[usize],
        from: usize,
        at: usize,
        limit: Option<usize>,
        batch_size: Option<usize>,
    ) -> Answer {
        let object = &self.objects[name];
        let mut end = limit.map_or(rows.len(), |limit| rows.len().min(from + limit));
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
        let records: Vec<Value> = rows[at..to].iter().map(|n| Self::record(object, *n)).collect();
        let mut body = json!({"totalSize": total, "done": to == end, "records": records});
        if to < end {
            body["nextRecordsUrl"] = json!(format!("/services/data/v62.0/query/{name}~{from}~{to}~{since}"));
        }
        (200, body)
    }

    pub fn record(object: &TinyObject, nth: usize) -> Value {
        let id = match object.oddity {
            Oddity::SharedId => "000000000000000AAA".to_owned(),
            Oddity::RepeatedId if nth == 1 => Self::id(0),
            _ => Self::id(nth),
        };
        let stamp = format!("{}.000+0000", &crate::salesforce::moment(object.stamp(nth))[..19]);
        let name = match object.changed.get(&nth) {
            Some(at) => format!("row {nth} as of {at}"),
            None => format!("row {nth}"),
        };
        let mut record = json!({"attributes": {"type": "X"}, "Id": id, "Name": name, "SystemModstamp": stamp});
        if let Some(added) = object.added {
            record[added] = json!("new");
        }
        if object.images.is_some_and(|images| nth < images) {
            record["Notes"] = json!(format!("<img src=\"/servlet/rtaImage?refid=0EM{nth:012}\">"));
        }
        if object.oddity == Oddity::NoQueryMore {
            record["DurableId"] = json!(Self::id(nth));
            record["Id"] = json!("000000000000000AAA");
        }
        record
    }
}
