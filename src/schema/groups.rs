//! Wide records: a field list that is too long, or too costly, for one query is split; every group has Id and the field of the
//! last modification, and what came of one record is joined by them.
//!
//! Pure. The rule it keeps: a record is whole, and as it was at one moment, or it is read again.

use crate::host::Row;
use crate::salesforce::{Describe, Page};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// All groups of a page's fields are read by one composite request, which takes no more queries.
pub const MAX_GROUPS: u8 = 5;

/// A record whose parts are of different moments is read again so many times; then it is taken as it is.
const MAX_TORN_TRIES: u8 = 4;

/// The fields of one of so many groups.
pub fn fields(describe: &Describe, group: usize, groups: usize) -> Vec<&str> {
    if groups <= 1 {
        return describe.names();
    }
    let always = |name: &str| name == "Id" || describe.revision.as_deref() == Some(name);
    let mut names: Vec<&str> = describe.names().into_iter().filter(|name| always(name)).collect();
    // One here, one there: formulas, which cost most, stand together in a describe; of long texts each group has its own.
    for long in [true, false] {
        let of_kind = describe
            .fields
            .iter()
            .filter(|field| field.long == long && !always(&field.name));
        names.extend(of_kind.map(|field| field.name.as_str()).skip(group).step_by(groups));
    }
    names
}

/// What the parts of a page give: whole records, and how far the page goes.
pub struct Joined {
    /// Whole records, in the order of Ids.
    pub rows: Vec<Row>,
    /// The page that they are.
    pub page: Page,
}

/// Joins the parts that came of one page. `tries`: how often that gave nothing.
pub fn join(parts: Vec<(Page, Vec<Row>)>, describe: &Describe, tries: u8) -> Joined {
    let mut parts = parts.into_iter();
    let Some((first, rows)) = parts.next() else {
        return Joined {
            rows: Vec::new(),
            page: Page::default(),
        };
    };
    let others: Vec<(Page, BTreeMap<String, Row>)> = parts
        .map(|(page, rows)| (page, rows.into_iter().map(|row| (row.key.clone(), row)).collect()))
        .collect();
    let mut page = Page {
        done: first.done && others.iter().all(|(page, _)| page.done),
        bytes: first.bytes + others.iter().map(|(page, _)| page.bytes).sum::<u64>(),
        ids: first.ids,
        ..Page::default()
    };
    // A part that is shorter than the others ends the page where it ends.
    let reach = others
        .iter()
        .filter(|(page, _)| !page.done)
        .map(|(page, _)| page.last_id.clone().unwrap_or_default())
        .min();
    let mut joined = Vec::with_capacity(rows.len());
    for row in rows {
        if reach.as_ref().is_some_and(|reach| row.key > *reach) {
            page.done = false;
            break;
        }
        let pieces: Vec<&Row> = others.iter().filter_map(|(_, rows)| rows.get(&row.key)).collect();
        if pieces.len() < others.len() {
            // Deleted between two queries.
            page.last_id = Some(row.key);
            continue;
        }
        let torn = pieces.iter().any(|piece| piece.revision != row.revision);
        if torn && tries < MAX_TORN_TRIES {
            page.done = false;
            break;
        }
        page.last_id = Some(row.key.clone());
        joined.push(whole(row, &pieces, describe));
    }
    page.rows = joined.len() as u64;
    Joined { rows: joined, page }
}

/// One record of its parts, its fields in the order that one query gives.
fn whole(row: Row, pieces: &[&Row], describe: &Describe) -> Row {
    let mut values = BTreeMap::<String, Box<RawValue>>::new();
    for body in [&row.body].into_iter().chain(pieces.iter().map(|piece| &piece.body)) {
        // What was made a row can be read as one.
        values.extend(serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(body).unwrap_or_default());
    }
    let mut body = Vec::with_capacity(row.body.len() + pieces.iter().map(|piece| piece.body.len()).sum::<usize>());
    for (name, value) in describe
        .names()
        .into_iter()
        .filter_map(|name| Some((name, values.get(name)?)))
    {
        body.push(if body.is_empty() { b'{' } else { b',' });
        body.extend(serde_json::to_vec(name).unwrap_or_default()); // a text always can be written
        body.push(b':');
        body.extend_from_slice(value.get().as_bytes());
    }
    body.push(b'}');
    let revision = pieces.iter().map(|piece| piece.revision).fold(row.revision, u64::max);
    Row {
        key: row.key,
        revision,
        body,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{Field, Kind};
    use proptest::prelude::*;

    fn describe(fields: usize) -> Describe {
        let names = ["Id".to_owned(), "SystemModstamp".to_owned()];
        let field = |name: String| Field {
            long: name.ends_with("1__c"),
            name,
            kind: Kind::Text,
            formula: false,
        };
        Describe {
            fields: names
                .into_iter()
                .chain((0..fields).map(|n| format!("F{n}__c")))
                .map(field)
                .collect(),
            revision: Some("SystemModstamp".into()),
            ..Describe::default()
        }
    }

    fn part(rows: &[(&str, u64)], group: usize, done: bool) -> (Page, Vec<Row>) {
        let rows: Vec<Row> = rows
            .iter()
            .map(|(id, revision)| Row {
                key: (*id).into(),
                revision: *revision,
                body: format!(r#"{{"Id":"{id}","SystemModstamp":"{revision}","F{group}__c":{group}}}"#).into_bytes(),
            })
            .collect();
        let page = Page {
            rows: rows.len() as u64,
            done,
            last_id: rows.last().map(|row| row.key.clone()),
            ..Page::default()
        };
        (page, rows)
    }

    fn keys(joined: &Joined) -> Vec<&str> {
        joined.rows.iter().map(|row| row.key.as_str()).collect()
    }

    #[test]
    fn parts_of_a_record_become_one() {
        let joined = join(vec![part(&[("a", 1)], 0, true), part(&[("a", 1)], 1, true)], &describe(2), 0);
        assert_eq!(
            String::from_utf8(joined.rows[0].body.clone()).unwrap(),
            r#"{"Id":"a","SystemModstamp":"1","F0__c":0,"F1__c":1}"#
        );
        assert!(joined.page.done);
    }

    #[test]
    fn a_record_that_changed_between_its_parts_is_read_again() {
        let torn = || {
            vec![
                part(&[("a", 1), ("b", 1), ("c", 1)], 0, true),
                part(&[("a", 1), ("b", 2), ("c", 1)], 1, true),
            ]
        };
        let joined = join(torn(), &describe(2), 0);
        assert_eq!((keys(&joined), joined.page.done), (vec!["a"], false));
        assert_eq!(joined.page.last_id.as_deref(), Some("a"));
        let joined = join(torn(), &describe(2), MAX_TORN_TRIES);
        assert_eq!((keys(&joined), joined.page.done), (vec!["a", "b", "c"], true));
        assert_eq!(joined.rows[1].revision, 2, "as it is, rather than never");
    }

    #[test]
    fn a_record_that_went_between_its_parts_is_gone() {
        let joined = join(
            vec![part(&[("a", 1), ("b", 1)], 0, true), part(&[("b", 1), ("x", 1)], 1, true)],
            &describe(2),
            0,
        );
        assert_eq!((keys(&joined), joined.page.done), (vec!["b"], true));
    }

    #[test]
    fn a_short_part_ends_the_page() {
        let joined = join(
            vec![
                part(&[("a", 1), ("b", 1), ("c", 1)], 0, true),
                part(&[("a", 1), ("b", 1)], 1, false),
            ],
            &describe(2),
            0,
        );
        assert_eq!((keys(&joined), joined.page.done), (vec!["a", "b"], false));
    }

    proptest! {
        #[test]
        fn every_field_is_in_one_group_and_no_group_is_large(many in 0usize..300, groups in 2usize..6) {
            let describe = describe(many);
            let mut seen = BTreeMap::<&str, usize>::new();
            for group in 0..groups {
                let names = fields(&describe, group, groups);
                prop_assert_eq!(&names[..2], ["Id", "SystemModstamp"]);
                prop_assert!(names.len() <= many.div_ceil(groups) + 3);
                for name in names { *seen.entry(name).or_default() += 1; }
            }
            prop_assert_eq!(seen.len(), many + 2);
            prop_assert!(seen.iter().all(|(name, times)| *times == 1 || ["Id", "SystemModstamp"].contains(name)));
        }
    }
}
