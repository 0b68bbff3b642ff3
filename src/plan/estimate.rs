//! What an object will take, and how it will be read: told to people, with what can't be counted beside it.
//!
//! The rules it keeps: all objects together are the plan's total, and no more files are told than the connection's `file_requests`
//! lets one backup fetch.

use super::state::Candidate;
use crate::backup::files::held;
use crate::backup::files::images::{self, Images};
use crate::backup::{Checkpoint, Object, ObjectEstimate, Phase, Strategy};
use crate::host::{ConnectorError, Host};
use crate::org::{Configuration, Org};
use crate::salesforce::Describe;

/// Tells what each of these objects will take, and makes them the checkpoint's.
pub(super) fn tell<H: Host>(
    org: &Org<'_, H>,
    checkpoint: &mut Checkpoint,
    objects: Vec<Object>,
    candidates: &[&Candidate],
    describes: &[&Describe],
) -> Result<(), ConnectorError> {
    let (host, configuration) = (org.host(), org.configuration());
    let with_files: Vec<String> = objects
        .iter()
        .filter(|object| fetches(object))
        .map(|object| object.name.clone())
        .collect();
    let with_files: Vec<&str> = with_files.iter().map(String::as_str).collect();
    let held = held::known(host, &with_files)?;
    let images = images::known(host, &with_files)?;
    let mut stored = held.into_iter().zip(images);
    let mut budget = configuration.file_requests.unwrap_or(u64::MAX);
    let mut uncounted: Vec<(String, Option<u64>)> = Vec::new();
    let mut before = 0;
    for (object, (candidate, describe)) in objects.into_iter().zip(candidates.iter().zip(describes)) {
        let (held, images) = if fetches(&object) {
            stored.next().unwrap_or_default()
        } else {
            (None, None)
        };
        let method = method(&object, candidate, describe, configuration);
        let records = object.live.or(candidate.counted).unwrap_or(0);
        let bytes = if object.since.is_some() {
            0
        } else {
            records.saturating_mul(u64::from(object.row_bytes))
        };
        let files = known_files(&object, candidate, describe, records, held).min(budget);
        budget -= files;
        let has_images = configuration.rich_text_images && !describe.images.is_empty();
        if fetches(&object) && has_images {
            let expected = images.map(|images: Images| images.expected(object.since.is_some()));
            uncounted.push((object.name.clone(), expected));
        }
        let name = object.name.clone();
        checkpoint.objects.push(object);
        // Objects share requests. Each is given what it adds to the sum, so that all together are the plan's total.
        let sum = u64::from(checkpoint.requests());
        let rows = sum.saturating_sub(before);
        before = sum;
        host.estimate(&name, &method, rows.saturating_add(files), records, bytes);
        let object_files = checkpoint.objects.last_mut().and_then(|object| object.files.as_mut());
        if let Some(object_files) = object_files.filter(|files| !files.off) {
            object_files.plan = Some(ObjectEstimate {
                method,
                rows,
                files,
                records,
                bytes,
            });
        }
    }
    for (name, expected) in uncounted {
        // Of the budget, what is left after the files that are known.
        let expected = expected.map(|expected| expected.min(budget));
        budget -= expected.unwrap_or(0);
        host.uncounted(&name, images::WHAT, expected);
    }
    Ok(())
}

/// Its files are fetched.
fn fetches(object: &Object) -> bool {
    object.files.as_ref().is_some_and(|files| !files.off)
}

/// Requests for its files, as far as they can be counted: images show only when the text that they stand in is read.
fn known_files(object: &Object, candidate: &Candidate, describe: &Describe, records: u64, held: Option<u64>) -> u64 {
    match &object.files {
        None => 0,
        Some(files) if files.off => 0,
        Some(files) if object.since.is_some() => files.left,
        Some(_) => candidate
            .files
            .unwrap_or(records.saturating_sub(held.unwrap_or(0)))
            .saturating_mul(describe.bodies.len() as u64),
    }
}

/// How an object is read, for people.
fn method(object: &Object, candidate: &Candidate, describe: &Describe, configuration: &Configuration) -> String {
    let rows = match (&object.phase, object.strategy) {
        (Phase::Looking, _) => "changes, where getUpdated tells of any",
        (Phase::Bulk(_), _) => "bulk query job",
        (Phase::Bounding(_), _) => "bulk query jobs over ranges of Ids",
        (_, Strategy::Keyset) if object.since.is_some() => "changes by REST queries",
        (_, Strategy::Plain | Strategy::Limited(_)) if object.since.is_some() => "changes by REST queries, by locator",
        (_, Strategy::Keyset) => "REST queries by Id, five pages a request",
        (_, Strategy::Plain) => "REST queries by locator, five pages a request",
        (_, Strategy::Limited(_)) => "REST queries by limited pages",
    };
    let mut method = rows.to_owned();
    if object.groups > 1 {
        method += &format!("; fields in {} groups", object.groups);
    }
    if object.since.is_none() && candidate.counted.is_none() && object.counts.counted.is_none() {
        method += "; count unknown";
    }
    match &object.files {
        None => return method,
        Some(_) if configuration.file_requests == Some(0) => method += "; without files, by the connection's file_requests",
        Some(files) if files.off => {}
        Some(_) => method += "; each new file a request",
    }
    if !describe.images.is_empty() && configuration.file_requests != Some(0) {
        method += if configuration.rich_text_images {
            ", each new image in its rich text too"
        } else {
            "; without images in rich text, by the connection's rich_text_images"
        };
    }
    if let (true, Some(most)) = (fetches(object), configuration.file_requests) {
        method += &format!("; at most {most} files of all objects, by the connection's file_requests");
    }
    method
}
