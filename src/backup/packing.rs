//! Fills composite requests: each counts as one and has 25 parts, five of them for queries, so the sum of all pages divided by five
//! is the fewest requests that queries can take, and what isn't a query goes beside them.
//!
//! Pure. Objects are taken in an order that leaves nothing half-filled: those under way first, then the longest, so that the
//! short ones fill what the long ones leave. A page is one of [`super::Object::rows_a_page`] rows.

use super::{Chain, Checkpoint, Cursor, Object, PageStep, Phase, Range, RangeState, Since, Strategy};
use crate::salesforce::limits::{COMPOSITE_QUERIES, PAGE_ROWS, SUBREQUESTS};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What one composite request does for one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Index of the object.
    pub object: usize,
    /// Places: pages one after the other, or one count.
    pub places: usize,
}

/// A part of a composite request that is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Which records of the object were changed?
    Updated(usize),
    /// Which were deleted?
    Deleted(usize),
    /// One record of it, by its Id.
    Single(usize, String),
}

impl Address {
    /// The object that it is of.
    pub fn object(&self) -> usize {
        match self {
            Address::Updated(object) | Address::Deleted(object) | Address::Single(object, _) => *object,
        }
    }
}

/// What a composite request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Queries in at most [`COMPOSITE_QUERIES`], and addresses; together at most [`SUBREQUESTS`].
    Reads(Vec<Part>, Vec<Address>),
    /// Describes of these objects, at most [`SUBREQUESTS`].
    Describes(Vec<usize>),
}

impl Load {
    /// With a part fewer where there are as many as a request takes.
    pub fn leave_a_part_free(&mut self) {
        match self {
            Load::Reads(parts, addresses) => {
                let places = parts.iter().map(|part| part.places).sum::<usize>();
                addresses.truncate(SUBREQUESTS - 1 - places);
            }
            Load::Describes(objects) => objects.truncate(SUBREQUESTS - 1),
        }
    }

    /// Nothing more of its kind goes in.
    pub fn is_full(&self) -> bool {
        match self {
            Load::Reads(parts, addresses) => {
                let places = parts.iter().map(|part| part.places).sum::<usize>();
                places == COMPOSITE_QUERIES || places + addresses.len() == SUBREQUESTS
            }
            Load::Describes(objects) => objects.len() == SUBREQUESTS,
        }
    }

    /// The objects that it is for.
    pub fn objects(&self) -> Vec<usize> {
        match self {
            Load::Reads(parts, addresses) => {
                let addressed = addresses.iter().map(Address::object);
                parts.iter().map(|part| part.object).chain(addressed).collect()
            }
            Load::Describes(objects) => objects.clone(),
        }
    }
}

/// The next composite request, of objects that aren't `busy`; `None` where there is none.
pub fn next(checkpoint: &Checkpoint, busy: &BTreeSet<usize>) -> Option<Load> {
    let free = |object_ix: &usize| !busy.contains(object_ix);
    let (mut alone, together): (Vec<usize>, Vec<usize>) = (0..checkpoint.objects.len())
        .filter(free)
        .partition(|object_ix| checkpoint.objects[*object_ix].is_alone());
    // Each in its turn, so that an outage isn't taken for the failure of the first of them.
    alone.sort_by_key(|object_ix| (checkpoint.objects[*object_ix].failures, *object_ix));
    // Others come first: they get on whatever becomes of these.
    load(checkpoint, &together).or_else(|| {
        alone.iter().find_map(|object_ix| {
            let mut load = load(checkpoint, &[*object_ix])?;
            if let Load::Reads(parts, _) = &mut load
                && places_together(&checkpoint.objects[*object_ix]).is_none()
                && checkpoint.objects[*object_ix].has_one_page()
            {
                parts.iter_mut().for_each(|part| part.places = 1);
            }
            Some(load)
        })
    })
}

/// The next composite request of these objects.
fn load(checkpoint: &Checkpoint, object_ixs: &[usize]) -> Option<Load> {
    let objects = &checkpoint.objects;
    let free = |wanted: &dyn Fn(&Object) -> bool| -> Vec<usize> {
        object_ixs
            .iter()
            .copied()
            .filter(|object_ix| wanted(&objects[*object_ix]))
            .collect()
    };
    let mut undescribed = free(&|object| matches!(object.phase, Phase::Describing(_)));
    if !undescribed.is_empty() {
        undescribed.truncate(SUBREQUESTS);
        return Some(Load::Describes(undescribed));
    }
    let parts = queries(checkpoint, free(&|object| asks_queries(object) && !object.waits_for_ids()));
    let room = SUBREQUESTS - parts.iter().map(|part| part.places).sum::<usize>();
    let addresses = addresses(objects, free(&|object| !object.has_ended()), room);
    (!parts.is_empty() || !addresses.is_empty()).then_some(Load::Reads(parts, addresses))
}

fn asks_queries(object: &Object) -> bool {
    match &object.phase {
        Phase::Bounding(_) | Phase::Lists(_) => true,
        Phase::Pages(pages) => pages.step != PageStep::Deletions,
        _ => false,
    }
}

/// Deletions first: they are known whatever else comes, and a record that was deleted and came back has to be read after.
fn addresses(objects: &[Object], object_ixs: Vec<usize>, room: usize) -> Vec<Address> {
    let mut addresses = Vec::new();
    for object_ix in &object_ixs {
        let object = &objects[*object_ix];
        if object.since.as_ref().is_some_and(Since::deletions_due) {
            addresses.push(Address::Deleted(*object_ix));
        }
        if object.phase == Phase::Looking {
            addresses.push(Address::Updated(*object_ix));
        }
    }
    for object_ix in object_ixs {
        let object = &objects[object_ix];
        if let Phase::Singles(ids) = &object.phase {
            addresses.extend(ids.iter().map(|id| Address::Single(object_ix, id.clone())));
        }
    }
    addresses.truncate(room);
    addresses
}

fn queries(checkpoint: &Checkpoint, mut queue: Vec<usize>) -> Vec<Part> {
    let objects = &checkpoint.objects;
    queue.sort_by_key(|object_ix| {
        let object = &objects[*object_ix];
        (*object.cursor() == Cursor::Start, Reverse(pages(object)), *object_ix)
    });
    let mut parts: Vec<Part> = Vec::new();
    let (mut room, mut bytes) = (COMPOSITE_QUERIES, checkpoint.answer_bytes);
    for object_ix in queue {
        let object = &objects[object_ix];
        if let Some(places) = places_together(object) {
            if places <= room {
                parts.push(Part {
                    object: object_ix,
                    places,
                });
                room -= places;
            }
            continue;
        }
        let wanted = pages(object)
            .min(longest_chain(object, checkpoint.chain) as u64)
            .min(room as u64);
        let page_bytes = page_bytes(object);
        // The first page goes in whatever it weighs: nothing would ever read it otherwise.
        let affordable = (bytes / page_bytes).max(u64::from(parts.is_empty()));
        let places = usize::try_from(wanted.min(affordable)).unwrap_or(COMPOSITE_QUERIES);
        if places > 0 {
            parts.push(Part {
                object: object_ix,
                places,
            });
            room -= places;
            bytes = bytes.saturating_sub(page_bytes.saturating_mul(places as u64));
        }
        if room == 0 {
            break;
        }
    }
    fill_up(checkpoint, &mut parts, room, bytes);
    parts
}

/// Queries that one request must have, or none of them: all groups of a page's fields, the first Id and the last.
fn places_together(object: &Object) -> Option<usize> {
    match object.phase {
        Phase::Bounding(_) => Some(2),
        _ if object.reads_rows() && object.field_groups() > 1 => Some(object.field_groups()),
        _ => None,
    }
}

/// Places that nothing is known for cost nothing: they go to objects of which nobody knows how long they are.
fn fill_up(checkpoint: &Checkpoint, parts: &mut [Part], mut room: usize, mut bytes: u64) {
    for part in parts {
        let object = &checkpoint.objects[part.object];
        let page_bytes = page_bytes(object);
        while object.reads_rows()
            && object.field_groups() == 1
            && object.since.is_none()
            && object.remaining().is_none()
            && part.places < longest_chain(object, checkpoint.chain)
            && room > 0
            && bytes >= page_bytes
        {
            part.places += 1;
            room -= 1;
            bytes -= page_bytes;
        }
    }
}

/// Requests for all that is left, as far as is known.
pub fn requests(checkpoint: &Checkpoint) -> u32 {
    let (mut places, mut addresses, mut describes, mut others) = (0u64, 0u64, 0u64, 0u64);
    let mut running = false;
    // Pages that a request has whole, or not at all: one of an object in a request, and those of two only where there is room.
    let (mut longest, mut apart) = (0, 0u64);
    for object in &checkpoint.objects {
        match &object.phase {
            Phase::Describing(_) => describes += 1,
            // A look costs an address, and what it may lead to is reckoned when it is known.
            Phase::Looking => addresses += 1,
            Phase::Singles(ids) => addresses += ids.len() as u64,
            Phase::Bulk(_) | Phase::Bounding(_) => {
                others = others.saturating_add(job_requests(object));
                running = true;
                places += pages(object);
            }
            // How many are missing shows on walking the rows: until then, a batch's worth.
            Phase::Files(walk) => {
                let left = walk.list.as_ref().map(|list| list.left);
                others += left.unwrap_or(u64::from(crate::BATCH_REQUESTS));
            }
            _ if asks_queries(object) => {
                places = places.saturating_add(pages(object));
                if let Some(together) = places_together(object) {
                    let whole = pages(object).div_ceil(together as u64);
                    longest = whole.max(longest);
                    apart = apart.saturating_add(if together * 2 > COMPOSITE_QUERIES { whole } else { 0 });
                }
            }
            _ => {}
        }
        addresses += u64::from(object.since.as_ref().is_some_and(Since::deletions_due));
    }
    let composite = places
        .div_ceil(COMPOSITE_QUERIES as u64)
        .max(places.saturating_add(addresses).div_ceil(SUBREQUESTS as u64))
        .max(longest)
        .max(apart);
    let describes = describes.div_ceil(SUBREQUESTS as u64);
    let looks = u64::from(running);
    let requests = composite
        .saturating_add(describes)
        .saturating_add(others)
        .saturating_add(looks);
    u32::try_from(requests).unwrap_or(u32::MAX)
}

/// Requests that an object's bulk jobs still take, looks apart.
fn job_requests(object: &Object) -> u64 {
    let pages = |ranges: usize| {
        let rows = object.remaining().unwrap_or(0) / ranges.max(1) as u64;
        rows.div_ceil(object.page_records()).max(1)
    };
    let bulk = match &object.phase {
        Phase::Bulk(bulk) => bulk,
        Phase::Bounding(ranges) => return (1 + pages(*ranges)).saturating_mul(*ranges as u64),
        _ => return 0,
    };
    let pages = pages(bulk.ranges.len());
    let left = |range: &Range| match &range.state {
        RangeState::Planned => 1 + pages,
        RangeState::Running { .. } => pages,
        RangeState::Ready { .. } => 1,
        RangeState::Saved { next, .. } => u64::from(next.is_some()),
        RangeState::Done => 0,
    };
    bulk.ranges.iter().map(left).sum()
}

/// Places of queries that an object still takes, at least one where it takes any.
pub fn pages(object: &Object) -> u64 {
    let pages = match &object.phase {
        Phase::Pages(pages) => pages,
        Phase::Bounding(_) => return 2,
        Phase::Lists(lists) => return lists.queries().max(1) as u64,
        _ => return 0,
    };
    match pages.step {
        PageStep::Rows => {
            let rows = object.remaining().unwrap_or(0);
            let pages = rows.div_ceil(u64::from(object.rows_a_page())).max(1);
            pages.saturating_mul(object.field_groups() as u64)
        }
        PageStep::Counting | PageStep::Confirming | PageStep::Comparing => 1,
        PageStep::Asking => object.ask_again.len() as u64,
        PageStep::Scanning => object.records().div_ceil(u64::from(PAGE_ROWS)).max(1),
        PageStep::Deletions => 0,
    }
}

fn page_bytes(object: &Object) -> u64 {
    let rows = match object.reads_rows() {
        true => object.remaining().unwrap_or(u64::MAX).min(u64::from(object.rows_a_page())),
        false => 0,
    };
    rows.max(1).saturating_mul(u64::from(object.row_bytes)).max(1)
}

/// Takes a page of the object to weigh at least so much, until one has come.
pub fn weigh_page(object: &mut Object, bytes: u64) {
    let rows = object
        .remaining()
        .unwrap_or(u64::MAX)
        .clamp(1, u64::from(object.rows_a_page()));
    let row_bytes = u32::try_from(bytes.div_ceil(rows)).unwrap_or(u32::MAX);
    object.row_bytes = object.row_bytes.max(row_bytes);
}

/// Pages of an object that one request can have.
fn longest_chain(object: &Object, chain: Chain) -> usize {
    use PageStep::{Asking, Comparing, Confirming, Counting};
    match (object.step(), object.strategy, chain) {
        // The queries of lists don't hang on one another.
        (None, ..) if matches!(object.phase, Phase::Lists(_)) => COMPOSITE_QUERIES,
        (Some(Counting | Confirming | Comparing | Asking), ..)
        | (_, _, Chain::None)
        | (_, Strategy::Plain, Chain::LastRecord) => 1,
        _ => COMPOSITE_QUERIES,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backup::Strategy;
    use proptest::prelude::*;

    fn plan(counts: &[u64]) -> Checkpoint {
        let objects = counts
            .iter()
            .enumerate()
            .map(|(object_ix, count)| Object::new(format!("O{object_ix}"), Strategy::Keyset, Some(*count), 100));
        Checkpoint::new(objects.collect())
    }

    /// Reads as the plan says, with so many requests under way at once; pages read by object, and requests sent.
    fn read_all(mut checkpoint: Checkpoint, at_once: usize, newest_first: bool) -> (Vec<u64>, u64) {
        let mut read = vec![0; checkpoint.objects.len()];
        let (mut sent, mut under_way) = (0, Vec::<Load>::new());
        loop {
            let busy: BTreeSet<usize> = under_way.iter().flat_map(Load::objects).collect();
            match next(&checkpoint, &busy) {
                Some(load) if under_way.len() < at_once && (load.is_full() || under_way.is_empty()) => {
                    sent += 1;
                    under_way.push(load);
                }
                _ if under_way.is_empty() => return (read, sent),
                _ => {
                    let load = under_way.remove(if newest_first { under_way.len() - 1 } else { 0 });
                    let Load::Reads(parts, _) = load else {
                        panic!("nothing is undescribed")
                    };
                    assert!(parts.iter().map(|p| p.places).sum::<usize>() <= COMPOSITE_QUERIES);
                    for part in parts {
                        let object = &mut checkpoint.objects[part.object];
                        let rows = (part.places as u64 * 2_000).min(object.remaining().unwrap());
                        object.counts.received += rows;
                        object.go_on_at(Cursor::After("x".into()));
                        read[part.object] += part.places as u64;
                        if object.remaining() == Some(0) {
                            object.phase = Phase::Done;
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn one_after_the_other_no_place_is_wasted(counts in prop::collection::vec(0u64..60_000, 0..40)) {
            let (read, sent) = read_all(plan(&counts), 1, false);
            let pages: Vec<u64> = counts.iter().map(|count| count.div_ceil(2_000).max(1)).collect();
            prop_assert_eq!(&read, &pages, "every page of every object once");
            prop_assert_eq!(sent, pages.iter().sum::<u64>().div_ceil(5));
            prop_assert_eq!(sent, u64::from(plan(&counts).requests()));
        }

        #[test]
        fn several_at_once_cost_at_most_one_request_each_more(counts in prop::collection::vec(0u64..60_000, 0..40), at_once in 2usize..5, newest_first in any::<bool>()) {
            let (read, sent) = read_all(plan(&counts), at_once, newest_first);
            let pages: Vec<u64> = counts.iter().map(|count| count.div_ceil(2_000).max(1)).collect();
            prop_assert_eq!(&read, &pages);
            prop_assert!(sent <= pages.iter().sum::<u64>().div_ceil(5) + at_once as u64);
        }

        #[test]
        fn an_answer_keeps_its_budget_but_for_a_single_page(counts in prop::collection::vec(0u64..60_000, 1..10), row in 1u32..20_000, budget in 1u64..100_000_000) {
            let mut checkpoint = plan(&counts);
            checkpoint.answer_bytes = budget;
            checkpoint.objects.iter_mut().for_each(|o| o.row_bytes = row);
            let Some(Load::Reads(parts, _)) = next(&checkpoint, &BTreeSet::new()) else { panic!("something is left") };
            let weight: u64 = parts.iter().map(|p| p.places as u64 * page_bytes(&checkpoint.objects[p.object])).sum();
            prop_assert!(weight <= budget || parts[0].places == 1);
        }
    }

    #[test]
    fn objects_of_unknown_length_get_the_places_that_are_left() {
        let mut checkpoint = plan(&[0, 10]);
        checkpoint.objects[0].counts.counted = None;
        let Some(Load::Reads(parts, _)) = next(&checkpoint, &BTreeSet::new()) else {
            panic!("something is left")
        };
        assert_eq!(parts, [Part { object: 0, places: 4 }, Part { object: 1, places: 1 }]);
    }

    #[test]
    fn pages_in_groups_of_fields_take_a_request_each() {
        let mut checkpoint = plan(&[10_000, 6_000, 2_000]);
        checkpoint.objects[0].groups = 2;
        assert_eq!(checkpoint.requests(), 5); // 14 places
        checkpoint.objects[1].groups = 3;
        assert_eq!(checkpoint.requests(), 5); // 20 places
        checkpoint.objects[0].groups = 3;
        assert_eq!(checkpoint.requests(), 8); // no room for both
    }

    #[test]
    fn where_pages_cannot_be_chained_each_object_has_one() {
        let mut checkpoint = plan(&[50_000, 50_000]);
        checkpoint.chain = Chain::None;
        let Some(Load::Reads(parts, _)) = next(&checkpoint, &BTreeSet::new()) else {
            panic!("something is left")
        };
        assert_eq!(parts, [Part { object: 0, places: 1 }, Part { object: 1, places: 1 }]);
    }
}
