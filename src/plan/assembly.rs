//! Makes the first checkpoint of what planning learnt, and tells people what will be read, how, and what that costs.

use super::describes::{self, Known};
use super::state::{Candidate, State};
use crate::backup::{Checkpoint, Object, Way, next_batch, packing, skipped};
use crate::host::{BatchResult, ConnectorError, Failure, Host, Next, Planned};
use crate::salesforce::{ApiError, Describe, Skip};
use std::collections::BTreeMap;

/// What a field weighs in an answer besides its name: quotes, colon, comma, and a value that is short or null.
const FIELD_BYTES: usize = 16;

/// Of `attributes`, with the record's address.
const ATTRIBUTES_BYTES: usize = 100;

pub(super) fn assemble<H: Host>(host: &H, state: &State, known: BTreeMap<String, Known>) -> Result<Planned, ConnectorError> {
    let mut objects = Vec::new();
    let mut places = 0;
    for candidate in state.candidates.iter().flatten() {
        let describe = match readable(candidate, known.get(&candidate.name)) {
            Ok(describe) => describe,
            Err(why) => {
                host.skipped(&candidate.name, why);
                continue;
            }
        };
        let object = Object::new(
            candidate.name.clone(),
            Object::first_way(describe),
            candidate.counted,
            row_bytes(describe),
        );
        let before = requests_of(places);
        places += packing::pages(&object);
        let records = candidate.counted.unwrap_or(0);
        host.estimate(
            &object.name,
            &way(&object, candidate),
            // Objects share requests. Each is given what it adds to the sum, so that all together are the plan's total.
            requests_of(places) - before,
            records,
            records.saturating_mul(u64::from(object.row_bytes)),
        );
        if !describe.bodies.is_empty() {
            host.remark(&object.name, bodies_not_read(&object.name, describe));
        }
        objects.push(object);
    }
    let checkpoint = Checkpoint::new(objects);
    let next = match checkpoint.requests() {
        0 => Next::Done,
        _ => Next::Batch(next_batch(&checkpoint)),
    };
    Ok(Planned::Ready(BatchResult {
        at: checkpoint.write()?,
        next,
    }))
}

fn requests_of(places: u64) -> u64 {
    places.div_ceil(packing::PLACES as u64)
}

fn readable<'k>(candidate: &Candidate, known: Option<&'k Known>) -> Result<&'k Describe, Failure> {
    let name = &candidate.name;
    if let Some(code) = &candidate.skipped {
        return Err(not_tried(name, code));
    }
    let describe = match known.map(|known| &known.answer) {
        Some(Ok(describe)) => describe,
        Some(Err(Skip::Refused(error))) => {
            let code = if error.code == "INVALID_TYPE_FOR_OPERATION" {
                "no-query"
            } else {
                "not-visible"
            };
            return Err(skipped(name, code, error, 0));
        }
        Some(Err(Skip::NotQueryable)) => return Err(not_tried(name, "no-query")),
        None => {
            let error = ApiError {
                code: "NO_DESCRIBE".to_owned(),
                message: "the org gave no describe of it".to_owned(),
            };
            return Err(skipped(name, "not-visible", &error, 0));
        }
    };
    match describes::too_long(name, describe) {
        Some(error) => Err(skipped(name, "field-list-too-long", &error, 0)),
        None if describe.fields.is_empty() => Err(not_tried(name, "no-fields")),
        None => Ok(describe),
    }
}

fn not_tried(name: &str, code: &str) -> Failure {
    match code {
        "external-object" => Failure::new(
            code,
            format!("{name} is an external object: its records are in another system, which each query would call"),
        )
        .remedy(format!("name it to read it all the same: --object {name}")),
        "big-object" => Failure::new(code, format!("{name} is a big object"))
            .remedy("big objects are read by their index, which this connector doesn't do yet"),
        "no-fields" => Failure::new(code, format!("{name} has no field that the user may read"))
            .remedy("give the connection's user access to its fields"),
        _ => Failure::new(code, format!("{name} takes no queries")),
    }
    .about(name)
}

fn bodies_not_read(name: &str, describe: &Describe) -> Failure {
    Failure::new(
        "bodies-not-read",
        format!(
            "{name}: records are read, the contents of {} are not yet",
            describe.bodies.join(", ")
        ),
    )
    .remedy("file bodies come with a later version of the connector")
    .about(name)
    .detail("fields", describe.bodies.join(","))
}

fn way(object: &Object, candidate: &Candidate) -> String {
    let way = match object.way {
        Way::Keyset => "by Id",
        Way::Plain => "by locator",
        Way::Limited(_) => "by limited pages",
    };
    match candidate.counted {
        Some(_) => format!("REST queries {way}, five pages a request"),
        None => format!("REST queries {way}, five pages a request; count unknown"),
    }
}

fn row_bytes(describe: &Describe) -> u32 {
    let bytes = describe.fields.iter().map(|field| field.len() + FIELD_BYTES).sum::<usize>() + ATTRIBUTES_BYTES;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
