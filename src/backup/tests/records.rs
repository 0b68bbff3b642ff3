//! Single records that can't be read: each costs itself.

use super::changes::{LATER, assert_equals_org, next_backup, set_bulk};
use super::*;
use std::cell::Cell;

const BAD: &str = "Case";

/// How what has an unreadable record in it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    /// The request.
    Request,
    /// The part of it.
    Part,
    /// The bytes can't be read.
    Bytes,
}

/// A backup of an org of which some records can't be read; and how many attempts failed.
pub(super) struct Broken {
    pub(super) job: Job,
    records: Rc<RefCell<BTreeSet<usize>>>,
    failed: Rc<Cell<usize>>,
}

/// The records whose values a part of a composite answer has.
fn has_values(part: &serde_json::Value, records: &BTreeSet<usize>) -> bool {
    let rows = part["body"]["records"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![part["body"].clone()]);
    let is_one = |row: &serde_json::Value| records.iter().any(|nth| row["Id"] == TinyOrg::id(*nth)) && row["Name"].is_string();
    rows.iter().any(is_one)
}

impl Broken {
    pub(super) fn new(rows: usize, records: &[usize], fails: Fails) -> Broken {
        let records = Rc::new(RefCell::new(records.iter().copied().collect::<BTreeSet<usize>>()));
        let failed = Rc::new(Cell::new(0));
        let (broken, counted) = (Rc::clone(&records), Rc::clone(&failed));
        let fault: Fault = Box::new(move |_, request, reply| {
            if !request.path.ends_with("/composite") {
                return reply;
            }
            let wanted: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let mut answer: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
            let mut is_struck = false;
            for n in 0..wanted["compositeRequest"].as_array().unwrap().len() {
                let reference = &wanted["compositeRequest"][n]["referenceId"];
                let url = wanted["compositeRequest"][n]["url"].as_str().unwrap();
                // Pages that are chained are of the object of the first one.
                let first = format!("{}p0", reference.as_str().unwrap().split('p').next().unwrap());
                let of = wanted["compositeRequest"].as_array().unwrap().iter();
                let mut of = of.filter(|part| part["referenceId"] == *first || part["url"] == url);
                let is_bad = of.any(|part| {
                    let url = part["url"].as_str().unwrap();
                    // The double gives whole records whatever is asked for.
                    let asks_ids = url.contains("SELECT+Id+FROM");
                    url.contains(&format!("FROM+{BAD}")) && !asks_ids || url.contains(&format!("sobjects/{BAD}/"))
                });
                if is_bad && has_values(&answer["compositeResponse"][n], &broken.borrow()) {
                    is_struck = true;
                    if fails == Fails::Part {
                        answer["compositeResponse"][n]["httpStatusCode"] = 500.into();
                        let error = serde_json::json!([{"errorCode": "UNKNOWN_EXCEPTION", "message": "unexpected"}]);
                        answer["compositeResponse"][n]["body"] = error;
                    }
                }
            }
            if !is_struck {
                return reply;
            }
            let attempts = if fails == Fails::Request && request.repeatable { 5 } else { 1 };
            counted.set(counted.get() + attempts);
            match fails {
                Fails::Request => Reply::status(503, ""),
                Fails::Part => Reply::ok(answer.to_string()),
                Fails::Bytes => {
                    Reply::ok([b"{\"compositeResponse\":[{\"body\":{\"a\":\"".as_slice(), &[0xDF], b"\"}"].concat())
                }
            }
        });
        let mut org = TinyOrg::new(&[
            ("Account", 123, Oddity::None),
            (BAD, rows, Oddity::None),
            ("Contact", 47, Oddity::None),
        ]);
        org.objects.get_mut(BAD).unwrap().page = 2_000;
        let job = Job::with_faults(org, fault);
        Broken { job, records, failed }
    }

    pub(super) fn run(&mut self) -> usize {
        self.failed.set(0);
        self.job.host.failed_parts.borrow_mut().clear();
        self.job.run();
        self.failed.get()
    }

    /// Ids of the records that are named.
    fn named(&self) -> Vec<String> {
        let failed = self.job.host.failed_parts.borrow();
        failed
            .keys()
            .map(|(object, id)| {
                assert_eq!(object, BAD);
                id.clone()
            })
            .collect()
    }

    /// Rows of the object that the snapshot has.
    fn stored(&self) -> usize {
        self.job.host.current.borrow().rows.get(BAD).map_or(0, BTreeMap::len)
    }
}

#[test]
fn one_unreadable_record_costs_itself_within_twenty_attempts() {
    for fails in [Fails::Request, Fails::Part, Fails::Bytes] {
        for (rows, record) in [
            (1, 0),
            (31, 0),
            (31, 17),
            (31, 30),
            (2_500, 2_499),
            (9_999, 0),
            (9_999, 6_007),
            (12_000, 11_003),
        ] {
            let context = format!("{fails:?} {record} of {rows}");
            let mut broken = Broken::new(rows, &[record], fails);
            let failed = broken.run();
            assert!(failed <= 5 + 15, "{context}: {failed} attempts failed");
            assert_eq!(broken.named(), [TinyOrg::id(record)], "{context}");
            assert_eq!(broken.job.failure(BAD), None, "{context}");
            assert_eq!(broken.stored(), rows - 1, "{context}");
            broken.job.assert_whole("Account", 123);
            // The next backup asks for it once.
            next_backup(&broken.job, |_| {});
            let failed = broken.run();
            assert!(failed <= 1, "{context}: {failed} in the next run");
            assert_eq!((broken.named().len(), broken.stored()), (1, rows - 1), "{context}");
            // And not at all until that is due.
            next_backup(&broken.job, |_| {});
            assert_eq!((broken.run(), broken.named().len()), (0, 1), "{context}");
            // The cause goes.
            broken.records.borrow_mut().clear();
            broken.job.host.now.set(broken.job.host.now.get() + 8 * 24 * 3_600_000);
            next_backup(&broken.job, |_| {});
            broken.run();
            assert_eq!(broken.named(), Vec::<String>::new(), "{context}");
            assert_equals_org(&broken.job, &context);
            assert!(
                broken
                    .job
                    .host
                    .remarks
                    .borrow()
                    .iter()
                    .all(|(_, what)| what.code != "count-disagrees")
            );
        }
    }
}

#[test]
fn several_unreadable_records_are_each_found_and_too_many_fail_the_object() {
    for (many, is_failed) in [(2, false), (5, false), (6, true), (31, true)] {
        let records: Vec<usize> = (0..many).map(|n| n * 30 / many).collect();
        let mut broken = Broken::new(31, &records, Fails::Bytes);
        let failed = broken.run();
        assert!(failed <= 20 * 6, "{many}: {failed}");
        assert_eq!(broken.job.failure(BAD).is_some(), is_failed, "{many}");
        assert_eq!(broken.named().len(), many.min(5), "{many}");
        broken.job.assert_whole("Account", 123);
        next_backup(&broken.job, |_| {});
        broken.job.host.failures.borrow_mut().clear();
        let failed = broken.run();
        assert!(failed <= many, "{many}: {failed} in the next run");
        broken.records.borrow_mut().clear();
        broken.job.host.now.set(broken.job.host.now.get() + 8 * 24 * 3_600_000);
        next_backup(&broken.job, |_| {});
        broken.run();
        assert_equals_org(&broken.job, &format!("{many}"));
    }
}

#[test]
fn a_changed_record_that_can_not_be_read_keeps_its_version_and_costs_no_other_change() {
    for changed in [2, 20] {
        let mut broken = Broken::new(31, &[], Fails::Request);
        broken.run();
        next_backup(&broken.job, |org| {
            let bad = org.objects.get_mut(BAD).unwrap();
            bad.changed.extend((1..=changed).map(|nth| (nth, LATER)));
        });
        broken.records.borrow_mut().insert(2);
        let failed = broken.run();
        assert!(failed <= 20, "{changed}: {failed}");
        assert_eq!(broken.named(), [TinyOrg::id(2)], "{changed}");
        assert_eq!(broken.stored(), 31, "{changed}: the old version stays");
        broken.records.borrow_mut().clear();
        next_backup(&broken.job, |_| {});
        broken.run();
        assert_equals_org(&broken.job, &format!("{changed}"));
    }
}

#[test]
fn an_unreadable_record_that_is_deleted_is_forgotten() {
    let mut broken = Broken::new(31, &[3], Fails::Bytes);
    broken.run();
    next_backup(&broken.job, |org| {
        org.objects.get_mut(BAD).unwrap().deleted.insert(3, LATER);
    });
    assert_eq!((broken.run(), broken.named().len()), (0, 0));
    assert_equals_org(&broken.job, "it is gone");
}

#[test]
fn what_is_read_by_a_job_leaves_out_what_can_not_be_read() {
    let mut broken = Broken::new(31, &[3], Fails::Bytes);
    broken.run();
    set_bulk(&broken.job, 31);
    broken.job.host.predecessor.borrow_mut().take();
    broken.job.host.current.borrow_mut().rows.clear();
    broken.job.host.current.borrow_mut().notes.clear();
    assert_eq!(broken.run(), 1, "it is asked for alone");
    assert_eq!((broken.stored(), broken.named().len()), (30, 1));
}
