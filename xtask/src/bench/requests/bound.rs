//! The fewest requests that Salesforce's rules leave room for. docs/BENCHMARKS.md argues for each term.
//!
//! Two numbers: the *lower bound* is for a backup that looks before it reads: it plans, and asks each object whether anything changed.
//! The *floor* is for one that knows all answers beforehand. Ours is judged by the lower bound; nothing gets below the floor.

use super::truth::{Changes, ObjectTruth, Truth};
use serde::Serialize;

/// Parts of a composite request.
const PARTS: u64 = 25;
/// Parts of a composite request that may be queries.
const QUERIES: u64 = 5;
/// Rows of a page.
const PAGE_ROWS: u64 = 2_000;
/// Rows of a page of two or more long texts.
const SHORT_PAGE_ROWS: u64 = 200;
/// What a bulk job takes at least: its creation and one page of results, no poll.
const JOB: u64 = 2;

/// What a pass takes at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestBound {
    /// For a backup that looks before it reads.
    pub lower_bound: u64,
    /// For one that knows what there is.
    pub floor: u64,
}

/// Pages of so many rows by one query of all fields; one page tells that there are none.
pub fn pages_of_one_query(rows: u64, long_texts: u64) -> u64 {
    let page_rows = if long_texts < 2 { PAGE_ROWS } else { SHORT_PAGE_ROWS };
    rows.div_ceil(page_rows).max(1)
}

/// The fewest pages: where there are several long texts, a query for each of them may be fewer than short pages.
fn pages(rows: u64, long_texts: u64) -> u64 {
    let apart = long_texts.max(1) * rows.div_ceil(PAGE_ROWS).max(1);
    apart.min(pages_of_one_query(rows, long_texts))
}

fn all_pages(object: &ObjectTruth) -> u64 {
    pages(object.rows, object.long_texts)
}

/// Whether a bulk job takes fewer requests than pages five to a request.
fn is_large(object: &ObjectTruth) -> bool {
    all_pages(object) > JOB * QUERIES
}

/// For every row of every object.
pub fn full(truth: &Truth) -> RequestBound {
    let objects = truth.len() as u64;
    let large = truth.values().filter(|object| is_large(object)).count() as u64;
    let small = truth.values().filter(|object| !is_large(object));
    let small_pages: u64 = small.map(all_pages).sum();
    let (global, counts) = (1, 1);
    let reading = small_pages.div_ceil(QUERIES) + JOB * large;
    RequestBound {
        lower_bound: global + counts + objects.div_ceil(PARTS) + reading,
        // Describes in the places that queries leave free.
        floor: global + (objects + small_pages).div_ceil(PARTS).max(small_pages.div_ceil(QUERIES)) + JOB * large,
    }
}

/// For what changed and what went.
pub fn incremental(truth: &Truth) -> RequestBound {
    let looks: u64 = truth
        .values()
        .map(|object| u64::from(object.changes == Changes::Told) + u64::from(object.tells_deletions))
        .sum();
    let queries: u64 = truth.values().map(queries_of).sum();
    let deletions = truth.values().filter(|object| object.tells_deletions).count() as u64;
    let unchanged = truth.values().filter(|object| queries_of(object) == 0).count() as u64;
    RequestBound {
        // Whose look has told the Ids can fetch records at once.
        lower_bound: fewest(truth, looks + queries, queries, 0),
        // Who knows what changed looks at the others only, and asks the changed ones outright; for records it takes the look too.
        floor: fewest(truth, deletions + unchanged + queries, queries, 1),
    }
}

/// Pages that bring the changed rows.
fn queries_of(object: &ObjectTruth) -> u64 {
    match object.changes {
        Changes::Told if object.changed == 0 => 0,
        Changes::Told | Changes::Stamped => pages(object.changed, object.long_texts),
        Changes::Unknown => all_pages(object),
    }
}

fn requests(parts: u64, queries: u64) -> u64 {
    parts.div_ceil(PARTS).max(queries.div_ceil(QUERIES))
}

/// The fewest requests for so many parts, of which so many are queries, where records of objects with few changes may be fetched one by
/// one in place of a query: each is a part, but no query. `extra` parts it takes to know their Ids.
fn fewest(truth: &Truth, mut parts: u64, mut queries: u64, extra: u64) -> u64 {
    let told = truth
        .values()
        .filter(|object| object.changes == Changes::Told && object.changed > 0);
    let mut told: Vec<&ObjectTruth> = told.collect();
    told.sort_by_key(|object| object.changed);
    let mut fewest = requests(parts, queries);
    for object in told {
        parts = parts + extra + object.changed - queries_of(object);
        queries -= queries_of(object);
        fewest = fewest.min(requests(parts, queries));
    }
    fewest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(objects: &[ObjectTruth]) -> Truth {
        objects
            .iter()
            .enumerate()
            .map(|(number, object)| (format!("O{number}__c"), object.clone()))
            .collect()
    }

    fn rows(rows: u64) -> ObjectTruth {
        ObjectTruth {
            rows,
            tells_deletions: true,
            ..ObjectTruth::default()
        }
    }

    fn changed(changed: u64) -> ObjectTruth {
        ObjectTruth { changed, ..rows(5_000) }
    }

    #[test]
    fn an_empty_object_still_has_to_be_asked() {
        assert_eq!((pages(0, 0), pages(2_000, 1), pages(2_001, 1)), (1, 1, 2));
    }

    #[test]
    fn a_full_pass_takes_five_pages_to_a_request_and_two_requests_for_a_large_object() {
        // 26 objects of one page and one of 300,000 rows: global, counts, two describes, six composites, one job.
        let mut objects = vec![rows(10); 26];
        objects.push(rows(300_000));
        let bound = full(&org(&objects));
        assert_eq!(bound.lower_bound, 1 + 1 + 2 + 6 + 2);
        assert!(bound.floor <= bound.lower_bound);
    }

    #[test]
    fn bulk_pays_from_eleven_pages_on() {
        assert!(!is_large(&rows(20_000)));
        assert!(is_large(&rows(20_001)));
    }

    #[test]
    fn long_texts_make_pages_short_unless_they_are_asked_for_one_by_one() {
        assert_eq!(pages_of_one_query(2_000, 2), 10);
        assert_eq!(pages(2_000, 2), 2);
        assert_eq!(pages(150, 3), 1);
    }

    #[test]
    fn an_incremental_of_nothing_is_looks_alone() {
        let bound = incremental(&org(&vec![rows(100); 50]));
        assert_eq!(bound.lower_bound, 4); // 100 looks
        assert_eq!(bound.floor, 4);
    }

    #[test]
    fn looks_stand_in_the_places_that_queries_leave_free() {
        let bound = incremental(&org(&vec![changed(300); 50]));
        assert_eq!(bound.lower_bound, 10); // 50 queries, and 100 looks beside them
    }

    #[test]
    fn few_records_may_be_fetched_one_by_one() {
        let bound = incremental(&org(&vec![changed(1); 50]));
        // 100 looks, and a record or a query each: 150 parts.
        assert_eq!(bound.lower_bound, 6);
        // 25 objects outright by query, and 25 by a look and a record: with 50 looks for deletions that is 125 parts.
        assert_eq!(bound.floor, 5);
    }
}
