//! The cheapest way to read an object: how many requests queries take, and from how many records on a bulk query job takes fewer.
//!
//! Pure. A composite request gives five pages of 2,000 rows, and what an object leaves empty of it others fill; a job takes one
//! request to begin, one for each page of results, and its share of the looks whether it is ready, of which one serves all jobs.

use super::{Object, ranges};
use crate::salesforce::limits::{self, PAGE_ROWS};

/// Requests of a job apart from pages of results beyond the first: to begin it, and for the first page.
const JOB_REQUESTS: u64 = 2;

/// The first look costs one whatever the jobs are, and often a second follows: jobs have to save more than that together.
const LOOKS: u64 = 2;

/// Composite requests that an object's pages take, those that aren't full counted in part.
pub fn query_requests(object: &Object) -> u64 {
    let rows = object.remaining().unwrap_or(0);
    let pages = rows.div_ceil(u64::from(object.rows_a_page())) * object.field_groups() as u64;
    pages.div_ceil(limits::COMPOSITE_QUERIES as u64)
}

/// From so many records on a job takes fewer requests than queries; `configured`: what the connection says.
pub fn bulk_from(configured: Option<u64>) -> u64 {
    configured.unwrap_or((JOB_REQUESTS + 1) * limits::COMPOSITE_QUERIES as u64 * u64::from(PAGE_ROWS))
}

/// Fifths of requests that a job saves; 0 where it doesn't.
fn saving(object: &Object) -> u64 {
    let rows = object.remaining().unwrap_or(0);
    let fifths = rows.div_ceil(u64::from(object.rows_a_page()));
    let ranges = ranges::how_many(rows, object.row_bytes) as u64;
    let results = rows.div_ceil(object.page_records()).max(ranges);
    fifths.saturating_sub(((JOB_REQUESTS - 1) * ranges + results) * limits::COMPOSITE_QUERIES as u64)
}

/// Which of the objects are read by bulk query jobs. `configured`: from so many records on, whatever that costs.
pub fn by_bulk(objects: &[Object], configured: Option<u64>) -> Vec<usize> {
    let able = |object: &Object| object.bulk_able && object.since.is_none() && object.remaining().is_some();
    if let Some(from) = configured {
        let large = |object: &Object| able(object) && object.remaining().is_some_and(|rows| rows >= from);
        return (0..objects.len()).filter(|object_ix| large(&objects[*object_ix])).collect();
    }
    let cheaper: Vec<usize> = (0..objects.len())
        .filter(|object_ix| able(&objects[*object_ix]) && saving(&objects[*object_ix]) > 0)
        .collect();
    let saved: u64 = cheaper.iter().map(|object_ix| saving(&objects[*object_ix])).sum();
    if saved > LOOKS * limits::COMPOSITE_QUERIES as u64 {
        cheaper
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Strategy;

    fn objects(counts: &[u64]) -> Vec<Object> {
        counts
            .iter()
            .map(|count| {
                let mut object = Object::new("X".into(), Strategy::Keyset, Some(*count), 500);
                object.bulk_able = true;
                object
            })
            .collect()
    }

    #[test]
    fn a_job_is_begun_only_where_it_takes_fewer_requests() {
        assert_eq!(by_bulk(&objects(&[1_000, 19_000, 20_000]), None), [0; 0]);
        assert_eq!(by_bulk(&objects(&[300_000, 20_000, 22_001]), None), [0, 2]);
        assert_eq!(by_bulk(&objects(&[30_000]), None), [0; 0], "looks cost more than it saves");
        assert_eq!(by_bulk(&objects(&[30_000; 5]), None), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_job_whose_results_have_many_pages_is_no_cheaper_for_it() {
        let mut large = objects(&[1_000_000]);
        large[0].row_bytes = 200 * 1024 * 1024;
        assert_eq!(by_bulk(&large, None), [0; 0]);
    }

    #[test]
    fn the_connection_may_say_from_where_on() {
        assert_eq!(by_bulk(&objects(&[0, 5, 10]), Some(0)), [0, 1, 2]);
        assert_eq!(by_bulk(&objects(&[0, 5, 10]), Some(10)), [2]);
        let mut barred = objects(&[50]);
        barred[0].bulk_able = false;
        assert_eq!(by_bulk(&barred, Some(0)), [0; 0]);
    }
}
