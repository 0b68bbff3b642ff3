//! Condensed describes: asked for 25 at once, kept one value an object, used while planning and in every batch.

use super::groups::{self, MAX_GROUPS};
use crate::host::{ConnectorError, Host};
use crate::org::{Org, Subrequest};
use crate::salesforce::limits::PAGE_ROWS;
use crate::salesforce::{ApiError, Class, Describe, Described, Skip, Sub, SubBody, classify, http_date, refusal, unpack};
use crate::soql::{Bound, Filter, MAX_QUERY_CHARS, Operator, Query};
use crate::values::{self, Entry, key};
use backup_contract::rules::MAX_VALUE_BYTES;
use serde::{Deserialize, Serialize};

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When the planning began that asked, in milliseconds since 1970.
    pub began: u64,
    /// When it was asked, in milliseconds since 1970.
    #[serde(default)]
    pub asked_at: u64,
    /// When the definition had last been changed then, in the org's own words; empty where it gave none, `None` where it wasn't
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// What was answered.
    pub answer: Result<Describe, Skip>,
}

/// What is known of these objects, in their order. A value that can't be read is as good as none.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Known>>, ConnectorError> {
    values::cached_each(host, objects.iter().map(|object| key::describe(object)))
}

/// The describes of these objects, in their order.
pub fn load<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Describe>>, ConnectorError> {
    Ok(known(host, objects)?.into_iter().map(|known| known?.answer.ok()).collect())
}

/// All of an object's describe, as one line of JSON, where it was kept.
pub fn whole<H: Host>(host: &H, object: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
    Ok(values::bytes(host, &key::whole_describe(object))?.as_deref().and_then(unpack))
}

/// As an entry to be put.
pub fn entry(object: &str, known: &Known) -> Result<Entry, ConnectorError> {
    values::entry(key::describe(object), known)
}

/// All of a describe as an entry to be put; none where a value can't be so long.
pub fn whole_entry(object: &str, packed: Vec<u8>) -> Option<Entry> {
    (packed.len() < MAX_VALUE_BYTES).then(|| (key::whole_describe(object), Some(packed)))
}

/// Keeps a describe that a batch asked for.
pub fn store<H: Host>(host: &H, object: &str, described: &Described) -> Result<(), ConnectorError> {
    let known = Known {
        began: 0,
        asked_at: host.now(),
        definition: None,
        answer: described.condensed.clone(),
    };
    let mut entries = vec![entry(object, &known)?];
    entries.extend(whole_entry(object, described.packed.clone()));
    Ok(host.put(entries)?)
}

/// The parts of a composite request that ask for these describes.
///
/// Each object may come with a moment, in milliseconds since 1970: it is described only where something was changed since.
pub fn subrequests<'a, H: Host>(org: &Org<'_, H>, objects: impl Iterator<Item = (&'a str, Option<u64>)>) -> Vec<Subrequest> {
    objects
        .enumerate()
        .map(|(n, (object, since))| {
            let describe = Subrequest::get(org.path(&format!("sobjects/{object}/describe")), format!("d{n}"));
            match since {
                Some(since) => describe.modified_since(http_date(since)),
                None => describe,
            }
        })
        .collect()
}

/// What came back for one of them.
pub enum Answered {
    /// Its describe; [`Skip::NotQueryable`] is a refusal.
    Described(Described),
    /// Nothing was changed since the moment that was given.
    Unchanged,
    /// It has none, for this reason.
    Refused(ApiError),
    /// Not now.
    Later(ApiError),
}

/// What came back for one of them.
pub fn outcome(sub: Sub<Described>) -> Answered {
    let status = sub.status;
    match sub.body {
        SubBody::Read(described) if status < 300 => match &described.condensed {
            Ok(_) => Answered::Described(described),
            Err(Skip::Refused(error)) => Answered::Refused(error.clone()),
            Err(Skip::NotQueryable) => Answered::Refused(ApiError {
                code: "INVALID_TYPE_FOR_OPERATION".to_owned(),
                message: "its describe says that it takes no queries".to_owned(),
            }),
        },
        _ if status == 304 => Answered::Unchanged,
        SubBody::Read(_) | SubBody::Empty => Answered::Refused(ApiError::of_status(status)),
        SubBody::Refused(errors) => match refusal(status, errors) {
            (Class::Later | Class::Session | Class::TimedOut | Class::DailyLimit | Class::Halted, error) => {
                Answered::Later(error)
            }
            (_, error) => Answered::Refused(error),
        },
    }
}

/// The code of the reason that lies in an object's nature, where a refused describe tells one; `None` where it may be answered
/// another time.
pub fn nature(error: &ApiError) -> Option<&'static str> {
    match classify(400, std::slice::from_ref(error)) {
        Class::Never("no-query") => Some("no-query"),
        Class::Never(_) => Some("not-visible"),
        _ => None,
    }
}

/// In how many queries an object's fields have to be read; an error where even the most are too few.
pub fn field_groups(object: &str, describe: &Describe) -> Result<u8, ApiError> {
    let longest = |groups: u8| {
        let of = |group| {
            let query = Query {
                select: groups::fields(describe, usize::from(group), usize::from(groups)),
                from: object,
                // The longest that a batch will ask: later pages go on from a key.
                filters: vec![
                    Filter::not_deleted(),
                    filter("LastModifiedDate", Operator::From, Bound::Moment(0)),
                    filter("DurableId", Operator::After, Bound::Text("x".repeat(255))),
                ],
                order_by: Some("DurableId"),
                limit: Some(PAGE_ROWS),
            };
            query.text().chars().count()
        };
        (0..groups).map(of).max().unwrap_or(0)
    };
    let fitting = (1..=MAX_GROUPS).find(|groups| longest(*groups) <= MAX_QUERY_CHARS);
    match fitting {
        Some(1) => Ok(1),
        // Parts are joined by Id, page by page.
        Some(groups) if describe.keyset && describe.durable_id.is_none() => Ok(groups),
        _ => Err(ApiError {
            code: "MALFORMED_QUERY".to_owned(),
            message: format!(
                "a query of its {} fields has {} characters, more than {MAX_QUERY_CHARS}",
                describe.fields.len(),
                longest(1)
            ),
        }),
    }
}

fn filter(field: &str, operator: Operator, bound: Bound) -> Filter<'_> {
    Filter { field, operator, bound }
}
