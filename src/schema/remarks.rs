//! What a definition says that an earlier one didn't.

use crate::host::Failure;
use crate::salesforce::Describe;

/// Fields that are there now in a form that they didn't have.
pub(crate) fn added_fields<'a>(before: &'a Describe, now: &'a Describe) -> impl Iterator<Item = &'a str> {
    let fields = now
        .fields
        .iter()
        .filter(|field| before.field(&field.name).is_none_or(|old| old.kind != field.kind))
        .map(|field| field.name.as_str());
    let bodies = now.bodies.iter().filter(|body| !before.bodies.contains(body));
    fields.chain(bodies.map(String::as_str))
}

/// What people should know of a definition that was changed since the snapshot before.
pub(crate) fn schema_remarks(object: &str, before: &Describe, now: &Describe) -> Vec<Failure> {
    let mut remarks = Vec::new();
    let new: Vec<&str> = added_fields(before, now).collect();
    if !new.is_empty() {
        remarks.push(
            Failure::new("schema-changed", format!("new or changed fields: {}", new.join(", ")))
                .about(object)
                .detail("fields", new.join(",")),
        );
    }
    let hidden: Vec<&str> = before.names().into_iter().filter(|name| now.field(name).is_none()).collect();
    if !hidden.is_empty() {
        remarks.push(
            Failure::new(
                "fields-not-visible",
                format!(
                    "{object}: fields that are gone or hidden from the user now: {}",
                    hidden.join(", ")
                ),
            )
            .remedy("records that weren't changed since keep them; give the user access to the fields if they still exist")
            .about(object)
            .detail("fields", hidden.join(",")),
        );
    }
    remarks
}
