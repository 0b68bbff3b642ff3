//! What a backup can take over from the snapshot before: of which objects only the changes have to be read.
//!
//! The rule it keeps: whatever can't be told from the changes alone — a field that is new, a type that is another — is read in full.

use crate::backup::{Mark, PAGE_ROWS};
use crate::host::Failure;
use crate::salesforce::Describe;

/// An object with so many records has changes almost certainly: they are asked for without looking first.
const SURELY_CHANGED: u64 = 2_000;

/// How an object is read that an earlier snapshot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// In full, for this reason.
    Full(&'static str),
    /// What was changed; `looks`: asked first whether anything was.
    Changes {
        /// getUpdated and getDeleted answer for it.
        looks: bool,
    },
}

/// How an object is read, by what the snapshot before says of it.
pub(super) fn reads(mark: &Mark, now: &Describe) -> Reads {
    if !now.since || mark.describe.revision != now.revision {
        return Reads::Full("it has no field that tells when a record was changed");
    }
    if added(&mark.describe, now).next().is_some() {
        return Reads::Full("its definition was changed");
    }
    if mark.disagrees {
        return Reads::Full("its count disagreed the last time");
    }
    // One page tells more than changes would, deletions too, and takes the same place.
    if !now.replicated && mark.records <= u64::from(PAGE_ROWS) {
        return Reads::Full("it is small, and Salesforce doesn't tell its deletions");
    }
    Reads::Changes {
        looks: now.replicated && !mark.changed && mark.records < SURELY_CHANGED,
    }
}

/// Fields that are there now in a form that they didn't have.
fn added<'a>(before: &'a Describe, now: &'a Describe) -> impl Iterator<Item = &'a str> {
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
    let new: Vec<&str> = added(before, now).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salesforce::{Field, Kind};

    fn describe(fields: &[(&str, Kind)]) -> Describe {
        Describe {
            fields: fields
                .iter()
                .map(|(name, kind)| Field {
                    name: (*name).into(),
                    kind: *kind,
                    formula: false,
                    long: false,
                })
                .collect(),
            revision: Some("SystemModstamp".into()),
            since: true,
            replicated: true,
            ..Describe::default()
        }
    }

    fn mark(records: u64, describe: &Describe) -> Mark {
        Mark {
            covered: 1,
            deletions_covered: 1,
            records,
            changed: false,
            files_left: 0,
            disagrees: false,
            catch_ups: 0,
            describe: describe.clone(),
        }
    }

    #[test]
    fn an_object_is_read_in_full_where_changes_would_not_tell() {
        let before = describe(&[("Id", Kind::Text), ("Name", Kind::Text)]);
        let more = describe(&[("Id", Kind::Text), ("Name", Kind::Text), ("New__c", Kind::Text)]);
        let other = describe(&[("Id", Kind::Text), ("Name", Kind::Number)]);
        let mut blind = before.clone();
        blind.since = false;
        for now in [&more, &other, &blind] {
            assert!(matches!(reads(&mark(5, &before), now), Reads::Full(_)));
        }
    }

    #[test]
    fn a_field_that_is_hidden_is_no_reason_to_read_in_full_and_is_said() {
        let before = describe(&[("Id", Kind::Text), ("Name", Kind::Text)]);
        let now = describe(&[("Id", Kind::Text)]);
        assert_eq!(reads(&mark(5, &before), &now), Reads::Changes { looks: true });
        let remarks = schema_remarks("X", &before, &now);
        assert_eq!((remarks.len(), remarks[0].code.as_str()), (1, "fields-not-visible"));
        assert!(schema_remarks("X", &before, &before).is_empty());
    }

    #[test]
    fn a_look_comes_first_only_where_it_may_save_something() {
        let now = describe(&[("Id", Kind::Text)]);
        assert_eq!(reads(&mark(1_999, &now), &now), Reads::Changes { looks: true });
        assert_eq!(reads(&mark(2_000, &now), &now), Reads::Changes { looks: false });
        let mut changed = mark(5, &now);
        changed.changed = true;
        assert_eq!(reads(&changed, &now), Reads::Changes { looks: false });
    }

    #[test]
    fn where_deletions_are_not_told_one_page_tells_them() {
        let mut now = describe(&[("Id", Kind::Text)]);
        now.replicated = false;
        assert!(matches!(reads(&mark(2_000, &now), &now), Reads::Full(_)));
        assert_eq!(reads(&mark(2_001, &now), &now), Reads::Changes { looks: false });
    }
}
