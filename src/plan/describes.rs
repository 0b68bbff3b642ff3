//! Condensed describes: asked for 25 at once, kept one value an object, used while planning and in every batch.

use crate::backup::PAGE_ROWS;
use crate::host::{ConnectorError, Failure, Host};
use crate::org::{Org, Subrequest};
use crate::salesforce::{ApiError, Class, Describe, Skip, Sub, SubBody, classify};
use crate::soql::{Bound, MAX_QUERY_CHARS, Query};
use serde::{Deserialize, Serialize};

/// Values are asked for so many at once: each is a few kilobytes, and a call has a limit.
const VALUES_AT_ONCE: usize = 100;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When the planning began that asked, in milliseconds since 1970.
    pub began: u64,
    /// What was answered.
    pub answer: Result<Describe, Skip>,
}

fn key(object: &str) -> String {
    format!("v1/describe/{object}")
}

/// What is known of these objects, in their order. A value that can't be read is as good as none.
pub fn known<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Known>>, ConnectorError> {
    let mut known = Vec::with_capacity(objects.len());
    for some in objects.chunks(VALUES_AT_ONCE) {
        let values = host.get(some.iter().map(|object| key(object)).collect())?;
        known.extend((0..some.len()).map(|n| serde_json::from_slice(values.get(n)?.as_deref()?).ok()));
    }
    Ok(known)
}

/// The describes of these objects, in their order.
pub fn load<H: Host>(host: &H, objects: &[&str]) -> Result<Vec<Option<Describe>>, ConnectorError> {
    Ok(known(host, objects)?.into_iter().map(|known| known?.answer.ok()).collect())
}

/// As an entry to be put.
pub fn entry(object: &str, known: &Known) -> Result<(String, Option<Vec<u8>>), ConnectorError> {
    let value = serde_json::to_vec(known).map_err(|error| {
        ConnectorError::State(Failure::new("describe", format!("a describe can't be written: {error}")).about(object))
    })?;
    Ok((key(object), Some(value)))
}

/// Keeps a describe that a batch asked for.
pub fn store<H: Host>(host: &H, object: &str, describe: &Describe) -> Result<(), ConnectorError> {
    let known = Known {
        began: 0,
        answer: Ok(describe.clone()),
    };
    Ok(host.put(vec![entry(object, &known)?])?)
}

/// The parts of a composite request that ask for these describes.
pub fn subrequests<'a, H: Host>(org: &Org<'_, H>, objects: impl Iterator<Item = &'a str>) -> Vec<Subrequest> {
    objects
        .enumerate()
        .map(|(n, object)| Subrequest::get(org.path(&format!("sobjects/{object}/describe")), format!("d{n}")))
        .collect()
}

/// What came back for one of them.
pub enum Answered {
    /// Its describe.
    Described(Describe),
    /// It has none, for this reason.
    Refused(ApiError),
    /// Not now.
    Later(ApiError),
}

/// What came back for one of them.
pub fn outcome(sub: Sub<Result<Describe, Skip>>) -> Answered {
    let status = sub.status;
    let alone = || ApiError {
        code: format!("HTTP_{status}"),
        message: "no reason given".to_owned(),
    };
    match sub.body {
        SubBody::Read(Ok(describe)) if status < 300 => Answered::Described(describe),
        SubBody::Read(Err(Skip::Refused(error))) => Answered::Refused(error),
        SubBody::Read(Err(Skip::NotQueryable)) => Answered::Refused(ApiError {
            code: "INVALID_TYPE_FOR_OPERATION".to_owned(),
            message: "its describe says that it takes no queries".to_owned(),
        }),
        SubBody::Read(Ok(_)) | SubBody::Empty => Answered::Refused(alone()),
        SubBody::Refused(errors) => {
            let class = classify(status, &errors);
            let error = errors.into_iter().next().unwrap_or_else(alone);
            match class {
                Class::Later | Class::TimedOut | Class::DailyLimit | Class::Halted => Answered::Later(error),
                _ => Answered::Refused(error),
            }
        }
    }
}

/// Why an object's fields can't be read by one query, where that is so.
pub fn too_long(object: &str, describe: &Describe) -> Option<ApiError> {
    let query = Query {
        select: &describe.fields,
        from: object,
        not_deleted: describe.archived,
        // The longest that a batch will ask: later pages go on from a key.
        after: Some(("DurableId", Bound::Text("x".repeat(255)))),
        order_by: Some("DurableId"),
        limit: Some(PAGE_ROWS),
    };
    let chars = query.chars();
    (chars > MAX_QUERY_CHARS).then(|| ApiError {
        code: "MALFORMED_QUERY".to_owned(),
        message: format!(
            "a query of its {} fields has {chars} characters, more than {MAX_QUERY_CHARS}",
            describe.fields.len()
        ),
    })
}
