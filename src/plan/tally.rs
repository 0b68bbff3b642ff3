//! Numbers that the record count resource doesn't tell, and that estimates would be far off without: files, archived records, and
//! the records of history, feed and share objects.
//!
//! Pure: which questions are worth a place of a composite request, and what their answers do to a candidate. The rule it keeps: it
//! asks only where more depends on the answer than asking costs.

use super::state::{Candidate, clamped};
use crate::salesforce::limits::{COMPOSITE_QUERIES, PAGE_ROWS};
use crate::salesforce::{Describe, told};
use crate::schema::describes::Known;
use crate::soql::{Bound, Filter, Operator, Query};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Below so many files an estimate may be wrong: asking takes a request too.
const FEW_FILES: u64 = 20;

/// Below so many records an estimate may be wrong: they fit into one composite request.
const FEW_RECORDS: u64 = PAGE_ROWS as u64 * COMPOSITE_QUERIES as u64;

/// Endings of dependent objects (History, Share, Feed), which record counts leave out, and the ending of the object they belong to.
const DEPENDENTS: [(&str, &str); 7] = [
    ("__History", "__c"),
    ("__Share", "__c"),
    ("__Feed", "__c"),
    ("FieldHistory", ""),
    ("History", ""),
    ("Share", ""),
    ("Feed", ""),
];

/// What is asked of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// How many records it has.
    Records,
    /// How many of them have a file.
    Files,
    /// How many files of different content they have.
    Contents,
}

/// A question, and what may depend on its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Index of the candidate.
    candidate: usize,
    asks: Asks,
    weight: u64,
}

/// The questions that are worth asking. `files`: the connection wants any.
pub(super) fn questions(candidates: &[Candidate], known: &BTreeMap<String, Known>, files: bool) -> Vec<Question> {
    let counts: BTreeMap<&str, u64> = candidates
        .iter()
        .filter_map(|candidate| Some((candidate.name.as_str(), candidate.counted?)))
        .collect();
    let described = |candidate: &Candidate| known.get(&candidate.name)?.answer.as_ref().ok();
    let (mut of_files, mut of_records) = (Vec::new(), Vec::new());
    for (candidate_ix, candidate) in candidates.iter().enumerate() {
        let Some(describe) = described(candidate) else { continue };
        let counted = candidate.counted.unwrap_or(0);
        let known = candidate.files.is_some();
        if files && !known && !describe.bodies.is_empty() && counted > FEW_FILES && describe.length_field().is_some() {
            of_files.push(Question {
                candidate: candidate_ix,
                asks: if describe.has_checksum() {
                    Asks::Contents
                } else {
                    Asks::Files
                },
                weight: counted,
            });
        }
        let weight = match candidate.counted {
            Some(counted) if describe.archived => counted,
            Some(_) => 0,
            None => principals(&candidate.name)
                .filter_map(|name| counts.get(name.as_str()).copied())
                .max()
                .unwrap_or(0),
        };
        if weight > FEW_RECORDS {
            of_records.push(Question {
                candidate: candidate_ix,
                asks: Asks::Records,
                weight,
            });
        }
    }
    of_records.sort_by_key(|question| std::cmp::Reverse(question.weight));
    // All about files, since each is a request; of the others those that go beside them, or into one request.
    let places = of_files.len().div_ceil(COMPOSITE_QUERIES).max(1) * COMPOSITE_QUERIES;
    of_records.truncate(places - of_files.len());
    of_files.extend(of_records);
    of_files
}

/// Possible names of the object that this History, Share or Feed object belongs to.
fn principals(name: &str) -> impl Iterator<Item = String> {
    DEPENDENTS
        .iter()
        .filter_map(move |(ending, other)| Some(format!("{}{other}", name.strip_suffix(ending)?)))
}

impl Question {
    /// As a path after the version.
    pub(super) fn path(&self, candidates: &[Candidate], known: &BTreeMap<String, Known>) -> Option<String> {
        let candidate = candidates.get(self.candidate)?;
        let describe = known.get(&candidate.name)?.answer.as_ref().ok()?;
        let mut filters = Vec::new();
        if self.asks == Asks::Records {
            filters.extend(describe.archived.then(Filter::not_deleted));
        } else {
            filters.push(Filter {
                field: describe.length_field()?,
                operator: Operator::After,
                bound: Bound::Number(0),
            });
        }
        let query = Query {
            select: vec![match self.asks {
                Asks::Records | Asks::Files => "COUNT()",
                Asks::Contents => "COUNT_DISTINCT(Checksum)",
            }],
            from: &candidate.name,
            filters,
            order_by: None,
            limit: None,
        };
        Some(format!("{}?q={}", resource(describe), query.encoded()))
    }

    /// Keeps the answer.
    pub(super) fn answered(&self, candidates: &mut [Candidate], answer: &Answer) {
        let Some(candidate) = candidates.get_mut(self.candidate) else {
            return;
        };
        match self.asks {
            Asks::Records => candidate.counted = answer.total.map(clamped).or(candidate.counted),
            Asks::Files => candidate.files = answer.total.map(clamped),
            Asks::Contents => candidate.files = answer.first.map(clamped),
        }
    }
}

fn resource(describe: &Describe) -> &'static str {
    if describe.archived { "queryAll" } else { "query" }
}

/// What a count, or an aggregate, answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Of `COUNT()`.
    total: Option<u64>,
    /// The number in the first row.
    first: Option<u64>,
}

/// Reads the answer of a count, or of an aggregate.
pub(super) fn read_answer<'de, D: Deserializer<'de>>(body: D) -> Result<Answer, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        total_size: Option<i64>,
        #[serde(default)]
        records: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        expr0: Option<u64>,
    }
    let body = Body::deserialize(body)?;
    Ok(Answer {
        total: body.total_size.and_then(|total| u64::try_from(total).ok()).map(told),
        first: body.records.into_iter().next().and_then(|row| row.expr0).map(told),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::salesforce::{Field, Kind};

    fn org(objects: &[(&str, Option<u64>, Describe)]) -> (Vec<Candidate>, BTreeMap<String, Known>) {
        let candidate = |(name, counted, _): &(&str, Option<u64>, Describe)| Candidate {
            name: (*name).to_owned(),
            counted: *counted,
            files: None,
            definition: None,
            skipped: None,
        };
        let known = |(name, _, describe): &(&str, Option<u64>, Describe)| {
            let known = Known {
                began: 0,
                asked_at: 0,
                definition: None,
                answer: Ok(describe.clone()),
            };
            ((*name).to_owned(), known)
        };
        (objects.iter().map(candidate).collect(), objects.iter().map(known).collect())
    }

    fn with_files(fields: &[&str]) -> Describe {
        let field = |name: &&str| Field {
            name: (*name).to_owned(),
            kind: Kind::Text,
            formula: false,
            long: false,
        };
        Describe {
            fields: fields.iter().map(field).collect(),
            bodies: vec!["Body".to_owned()],
            ..Describe::default()
        }
    }

    fn asked(objects: &[(&str, Option<u64>, Describe)], files: bool) -> Vec<String> {
        let (candidates, known) = org(objects);
        let questions = questions(&candidates, &known, files);
        let plain = |path: String| {
            [
                ("%20", " "),
                ("%28", "("),
                ("%29", ")"),
                ("%3E", ">"),
                ("%3D", "="),
                ("+", " "),
            ]
            .iter()
            .fold(path, |path, (code, text)| path.replace(code, text))
        };
        questions
            .iter()
            .map(|q| plain(q.path(&candidates, &known).unwrap()))
            .collect()
    }

    #[test]
    fn files_are_counted_by_content_where_a_checksum_tells_it() {
        let objects = [
            ("ContentVersion", Some(500), with_files(&["ContentSize", "Checksum"])),
            ("Attachment", Some(50), with_files(&["BodyLength"])),
            ("Document", Some(5), with_files(&["BodyLength"])),
        ];
        assert_eq!(
            asked(&objects, true),
            [
                "query?q=SELECT COUNT_DISTINCT(Checksum) FROM ContentVersion WHERE ContentSize > 0",
                "query?q=SELECT COUNT() FROM Attachment WHERE BodyLength > 0",
            ]
        );
        assert!(asked(&objects, false).is_empty());
    }

    #[test]
    fn what_counts_leave_out_is_asked_for_where_it_may_be_much() {
        let archived = Describe {
            archived: true,
            ..Describe::default()
        };
        let objects = [
            ("Account", Some(10_001), Describe::default()),
            ("AccountHistory", None, Describe::default()),
            ("Bill__c", Some(90_000), Describe::default()),
            ("Bill__Share", None, Describe::default()),
            ("Case", Some(10_000), Describe::default()),
            ("CaseHistory", None, Describe::default()),
            ("Task", Some(20_000), archived.clone()),
            ("Event", Some(20), archived),
        ];
        assert_eq!(
            asked(&objects, true),
            [
                "query?q=SELECT COUNT() FROM Bill__Share",
                "queryAll?q=SELECT COUNT() FROM Task WHERE IsDeleted = false",
                "query?q=SELECT COUNT() FROM AccountHistory",
            ]
        );
    }

    #[test]
    fn a_hundred_histories_take_one_request() {
        let names: Vec<String> = (0..100)
            .flat_map(|n| [format!("X{n}__c"), format!("X{n}__History")])
            .collect();
        let counted = |name: &str| name.ends_with("__c").then_some(1_000_000);
        let objects: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), counted(name), Describe::default()))
            .collect();
        assert_eq!(asked(&objects, true).len(), COMPOSITE_QUERIES);
    }

    #[test]
    fn an_answer_is_a_total_or_the_first_rows_number() {
        let read = |text: &str| read_answer(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let count = read(r#"{"totalSize":7,"done":true,"records":[]}"#);
        assert_eq!((count.total, count.first), (Some(7), None));
        let distinct = read(r#"{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"expr0":136}]}"#);
        assert_eq!((distinct.total, distinct.first), (Some(1), Some(136)));
    }
}
