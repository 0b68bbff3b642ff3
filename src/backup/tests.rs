//! Whole backups of a tiny org: through planning and batches, with every oddity and a pause at every request.

#![allow(clippy::unwrap_used)]

mod changes;
mod identity;
mod images;
mod records;
mod refusals;
mod stored;
mod trouble;

use super::*;
use crate::host::{BatchResult, ConnectorError, Host, NamedValue, Next, Planned, ReadingSource, Request, Row, SendError};
use crate::plan::{Options, plan_backup};
use crate::testing::scripted::{Reply, ScriptedHost};
use crate::testing::tiny_org::{Oddity, TinyOrg};
use crate::{BATCH_REQUESTS, STATE_VERSION};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const OPTIONS: Options<'static> = Options {
    objects: &[],
    full: false,
    writes: true,
};

type Fault = Box<dyn FnMut(u64, &Request, Reply) -> Reply>;

/// A backup under way: the org, the host, and what was committed.
struct Job {
    org: Rc<RefCell<TinyOrg>>,
    host: ScriptedHost,
    committed: BTreeMap<String, Vec<Row>>,
    waits: Vec<u32>,
    checkpoint: Option<Vec<u8>>,
    /// Of the checkpoint.
    state_version: u32,
}

impl Job {
    fn of(org: TinyOrg) -> Job {
        Job::with_faults(org, Box::new(|_, _, reply| reply))
    }

    /// `fault` may change the answer to the nth request, counted from 1.
    fn with_faults(org: TinyOrg, mut fault: Fault) -> Job {
        let org = Rc::new(RefCell::new(org));
        let served = Rc::clone(&org);
        let mut nth = 0;
        let host = ScriptedHost::new(10_000, move |request| {
            nth += 1;
            let reply = served.borrow_mut().serve(request);
            fault(nth, request, reply)
        });
        Job {
            org,
            host,
            committed: BTreeMap::new(),
            waits: Vec::new(),
            checkpoint: None,
            state_version: STATE_VERSION,
        }
    }

    fn plan(&mut self) -> Next {
        self.try_plan().unwrap()
    }

    fn try_plan(&mut self) -> Result<Next, ConnectorError> {
        loop {
            match plan_backup(&self.host, OPTIONS)? {
                Planned::Ready(BatchResult { at, next }) => {
                    self.host.commit();
                    self.checkpoint = Some(at.data);
                    return Ok(next);
                }
                Planned::More(requests) => {
                    assert!(requests > 0);
                    self.host.allow(10_000);
                }
                Planned::AgainAfter(seconds) => self.waits.push(seconds),
                Planned::Blocked(failure) | Planned::Other(failure) => panic!("{failure:?}"),
            }
        }
    }

    fn batch(&mut self) -> Result<Next, ConnectorError> {
        let at = self.checkpoint.clone().unwrap();
        match run_batch(&self.host, self.state_version, &at) {
            Ok(BatchResult { at, next }) => {
                for (object, rows) in self.host.commit() {
                    self.committed.entry(object).or_default().extend(rows);
                }
                (self.checkpoint, self.state_version) = (Some(at.data), STATE_VERSION);
                Ok(next)
            }
            Err(error) => {
                self.host.discard();
                Err(error)
            }
        }
    }

    fn run(&mut self) {
        let next = self.plan();
        self.run_on(next).unwrap();
    }

    /// Goes on to the end; an error is why it can't.
    fn run_on(&mut self, mut next: Next) -> Result<(), ConnectorError> {
        for _ in 0..1_000 {
            match next {
                Next::Done => return Ok(()),
                Next::Batch(requests) => {
                    assert!(requests <= BATCH_REQUESTS);
                    if self.host.requests_left() == 0 {
                        self.host.allow(10_000);
                    }
                }
                Next::AgainAfter(seconds) => self.wait(seconds),
                Next::Pause(pause) => self.wait(pause.recheck_after),
                Next::Blocked(failure) | Next::Other(failure) => return Err(ConnectorError::Source(failure)),
            }
            next = self.batch()?;
        }
        let at = Checkpoint::read(self.state_version, self.checkpoint.as_deref().unwrap());
        panic!("the backup doesn't end: {at:?}");
    }

    fn wait(&mut self, seconds: u32) {
        self.waits.push(seconds);
        self.host.now.set(self.host.now.get() + u64::from(seconds) * 1_000);
    }

    /// Names in the rows of an object, each once.
    fn names(&self, object: &str) -> BTreeSet<String> {
        let rows = self.committed.get(object).map(Vec::as_slice).unwrap_or_default();
        rows.iter()
            .map(|row| {
                serde_json::from_slice::<serde_json::Value>(&row.body).unwrap()["Name"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    fn assert_whole(&self, object: &str, rows: usize) {
        assert_eq!(
            self.names(object),
            (0..rows).map(|n| format!("row {n}")).collect(),
            "{object}"
        );
        let keys: BTreeSet<&String> = self.committed.get(object).into_iter().flatten().map(|row| &row.key).collect();
        assert_eq!(keys.len(), rows, "{object}: keys");
    }

    fn assert_nothing_twice(&self) {
        for (object, rows) in &self.committed {
            let keys: BTreeSet<&String> = rows.iter().map(|row| &row.key).collect();
            assert_eq!(keys.len(), rows.len(), "{object} was fetched twice");
        }
    }

    fn remark(&self, object: &str) -> Option<String> {
        self.host
            .remarks
            .borrow()
            .iter()
            .find(|(name, _)| name == object)
            .map(|(_, what)| what.code.clone())
    }

    fn failure(&self, object: &str) -> Option<String> {
        self.host.failures.borrow().get(object).map(|why| why.code.clone())
    }

    fn skip(&self, object: &str) -> Option<String> {
        self.host.skips.borrow().get(object).map(|why| why.code.clone())
    }
}

fn plain_org() -> TinyOrg {
    TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        ("Contact", 47, Oddity::None),
        ("Empty", 0, Oddity::None),
        ("Lead", 10, Oddity::None),
        (
            "Name",
            5,
            Oddity::Refuses("INVALID_TYPE_FOR_OPERATION", "entity type Name does not support query"),
        ),
        ("Task", 1, Oddity::None),
    ])
}

#[test]
fn every_record_is_read_once_and_every_object_ends_once() {
    let mut job = Job::of(plain_org());
    job.run();
    for (object, rows) in [("Account", 123), ("Contact", 47), ("Empty", 0), ("Lead", 10), ("Task", 1)] {
        job.assert_whole(object, rows);
    }
    job.assert_nothing_twice();
    assert_eq!(job.skip("Name").as_deref(), Some("no-query"));
    let mut ends = job.host.ends.borrow().clone();
    ends.sort();
    assert_eq!(ends, ["Account", "Contact", "Empty", "Lead", "Task"]);
    assert_eq!(job.host.remarks.borrow().len(), 0);
    assert!(job.host.most_under_way.get() <= 4);
}

#[test]
fn a_pause_at_any_request_repeats_nothing_and_loses_nothing() {
    for newest_first in [false, true] {
        let mut whole = Job::of(plain_org());
        whole.run();
        let all = whole.host.sent();
        assert!(all >= 8, "{all} requests are too few to show anything");
        for pause_after in 0..u32::try_from(all).unwrap() {
            let mut job = Job::of(plain_org());
            job.host.newest_first.set(newest_first);
            job.host.allow(pause_after);
            job.run();
            assert_eq!(
                job.committed.keys().collect::<Vec<_>>(),
                whole.committed.keys().collect::<Vec<_>>()
            );
            for object in ["Account", "Contact", "Lead", "Task"] {
                assert_eq!(job.names(object), whole.names(object), "{object}, paused after {pause_after}");
            }
            job.assert_nothing_twice();
            assert!(
                job.host.sent() <= all + 1,
                "{} requests instead of {all}, paused after {pause_after}",
                job.host.sent()
            );
        }
    }
}

#[test]
fn one_request_at_a_time_makes_progress() {
    let mut job = Job::of(plain_org());
    job.host.allow(0);
    let mut steps = 0;
    while !matches!(plan_backup(&job.host, OPTIONS).unwrap(), Planned::Ready(_)) {
        steps += 1;
        job.host.allow(1);
    }
    assert_eq!(job.host.sent(), steps, "each call asked for something new");
    let mut next = job.plan();
    while next != Next::Done {
        job.host.allow(1);
        let before = job.host.sent();
        next = job.batch().unwrap();
        assert!(job.host.sent() <= before + 1);
    }
    job.assert_whole("Account", 123);
    job.assert_nothing_twice();
}

#[test]
fn odd_objects_are_read_whole() {
    for (oddity, rows) in [
        (Oddity::NoIdFilter, 95),
        (Oddity::NoIdOrder, 95),
        (Oddity::NoQueryMore, 450),
        (Oddity::SharedId, 95),
        (Oddity::RepeatedId, 95),
        (Oddity::EarlyDone(7), 40),
        (Oddity::UnknownTotal, 95),
        (Oddity::SlowOver(500), 95),
        (Oddity::LostField, 25),
    ] {
        let mut job = Job::of(TinyOrg::new(&[("Odd", rows, oddity), ("Plain", 3, Oddity::None)]));
        job.run();
        job.assert_whole("Odd", rows);
        job.assert_whole("Plain", 3);
        let remark = (oddity == Oddity::LostField).then_some("fields-not-visible");
        assert_eq!((job.skip("Odd"), job.remark("Odd").as_deref()), (None, remark), "{oddity:?}");
    }
}

#[test]
fn a_silent_end_is_said_with_both_numbers() {
    for counted in [Some(3_000), None] {
        let mut org = TinyOrg::new(&[("OauthToken", 3_000, Oddity::Truncated(2_500))]);
        let object = org.objects.get_mut("OauthToken").unwrap();
        (object.counted, object.page) = (counted, 2_000);
        let mut job = Job::of(org);
        job.run();
        job.assert_whole("OauthToken", 2_500);
        let remarks = job.host.remarks.borrow();
        let (_, what) = &remarks[0];
        assert_eq!(what.code, "count-disagrees");
        assert_eq!(
            what.details,
            [NamedValue::new("counted", "3000"), NamedValue::new("read", "2500")]
        );
    }
}

#[test]
fn an_old_record_count_is_checked_and_then_believed_no_more() {
    let mut org = TinyOrg::new(&[("Account", 20, Oddity::None)]);
    org.objects.get_mut("Account").unwrap().counted = Some(25);
    let mut job = Job::of(org);
    job.run();
    job.assert_whole("Account", 20);
    assert_eq!(job.remark("Account"), None);
}

#[test]
fn refused_objects_are_skipped_with_salesforces_own_words() {
    let words = "Implementation restriction: ContentFolderItem requires a filter by a single Id";
    let mut job = Job::of(TinyOrg::new(&[
        ("ContentFolderItem", 5, Oddity::Refuses("MALFORMED_QUERY", words)),
        ("Localised", 5, Oddity::Refuses("MALFORMED_QUERY", "Ein Filter ist nötig")),
        ("Fine", 5, Oddity::None),
    ]));
    job.run();
    assert_eq!(job.skip("ContentFolderItem").as_deref(), Some("needs-filter"));
    assert_eq!(job.skip("Localised").as_deref(), Some("needs-filter"));
    assert!(job.host.skips.borrow()["ContentFolderItem"].message.contains(words));
    job.assert_whole("Fine", 5);
}

#[test]
fn an_org_that_refuses_to_chain_is_read_by_other_ways() {
    for (chain, references) in [(true, false), (true, true)] {
        let mut org = plain_org();
        (org.refuses_chain, org.refuses_references) = (chain, references);
        org.objects.get_mut("Account").unwrap().page = 2_000;
        org.objects.get_mut("Account").unwrap().rows = 9_000;
        org.objects.get_mut("Account").unwrap().counted = Some(9_000);
        let mut job = Job::of(org);
        job.run();
        job.assert_whole("Account", 9_000);
        job.assert_whole("Contact", 47);
        job.assert_nothing_twice();
        let at = Checkpoint::read(STATE_VERSION, job.checkpoint.as_deref().unwrap()).unwrap();
        assert_eq!(at.chain, if references { Chain::None } else { Chain::LastRecord });
    }
}

#[test]
fn an_expired_locator_begins_the_object_again_under_the_same_keys() {
    let mut job = Job::of(TinyOrg::new(&[("LoginEvent", 200, Oddity::NoIdFilter)]));
    job.plan();
    job.host.allow(2);
    job.batch().unwrap();
    job.org.borrow_mut().expired = true;
    job.host.allow(1);
    job.batch().unwrap();
    job.org.borrow_mut().expired = false;
    job.host.allow(100);
    while job.batch().unwrap() != Next::Done {}
    job.assert_whole("LoginEvent", 200);
}

#[test]
fn without_record_counts_everything_is_read_all_the_same() {
    let mut org = plain_org();
    org.view_setup = false;
    let mut job = Job::of(org);
    job.run();
    job.assert_whole("Account", 123);
    job.assert_nothing_twice();
}

#[test]
fn a_locator_that_never_lasts_ends_in_a_reason_and_not_in_a_loop() {
    let mut org = TinyOrg::new(&[("LoginEvent", 200, Oddity::NoIdFilter)]);
    (org.expired, org.refuses_chain) = (true, true);
    let mut job = Job::of(org);
    job.run();
    assert_eq!(job.failure("LoginEvent").as_deref(), Some("cursor-lost"));
}

/// A composite request of a batch, not of the plan.
fn reads_objects(request: &Request) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    request.path.ends_with("/composite") && !body.contains("/describe") && !body.contains("EntityDefinition")
}

/// Faults at the nth composite request that has queries.
fn at_query(nth: usize, mut change: impl FnMut(Reply) -> Reply + 'static) -> Fault {
    let mut seen = 0;
    Box::new(move |_, request, reply| {
        if reads_objects(request) {
            seen += 1;
            if seen == nth {
                return change(reply);
            }
        }
        reply
    })
}

#[test]
fn a_cut_answer_moves_no_cursor_beyond_the_rows_that_came() {
    let whole = {
        let mut job = Job::of(plain_org());
        job.run();
        job.host.sent()
    };
    for tenth in 1..10 {
        let mut job = Job::with_faults(
            plain_org(),
            at_query(2, move |reply| {
                let cut = reply.body_len() * tenth / 10;
                reply.cut_at(cut)
            }),
        );
        job.run();
        for (object, rows) in [("Account", 123), ("Contact", 47), ("Lead", 10), ("Task", 1)] {
            job.assert_whole(object, rows);
        }
        assert!(job.host.sent() <= whole + 2);
    }
}

#[test]
fn what_is_no_answer_is_asked_for_again_and_costs_nothing_else() {
    for reply in [
        Reply::ok("<html>We are down for maintenance</html>"),
        Reply::status(406, ""),
        Reply::status(503, "<html/>"),
        Reply::ok(r#"{"compositeResponse":[]"#),
        Reply::error(SendError::OutcomeUnknown("connection reset".into())),
    ] {
        let mut job = Job::with_faults(plain_org(), at_query(1, move |_| reply.clone()));
        job.plan();
        job.host.allow(1);
        job.batch().unwrap();
        assert!(job.committed.is_empty());
        job.host.allow(1_000);
        while job.batch().unwrap() != Next::Done {}
        job.assert_whole("Account", 123);
        job.assert_nothing_twice();
        assert!(job.host.failures.borrow().is_empty());
    }
}

#[test]
fn too_much_at_once_waits_longer_each_time_and_pauses_nothing() {
    let refusal = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentPerOrgLongTxn Limit exceeded."}]"#;
    let mut refusals = 0;
    let mut job = Job::with_faults(
        plain_org(),
        Box::new(move |_, request, reply| {
            if reads_objects(request) && refusals < 3 {
                refusals += 1;
                return Reply::status(403, refusal);
            }
            reply
        }),
    );
    job.plan();
    job.host.allow(7);
    job.run_from_here();
    assert_eq!(job.waits, [5, 10, 20]);
    job.assert_whole("Account", 123);
    assert!(
        job.host
            .told()
            .iter()
            .all(|reading| reading.source == ReadingSource::ResponseHeader)
    );
}

impl Job {
    fn run_from_here(&mut self) {
        for _ in 0..1_000 {
            match self.batch().unwrap() {
                Next::Done => return,
                Next::AgainAfter(seconds) => self.waits.push(seconds),
                Next::Batch(_) if self.host.requests_left() == 0 => self.host.allow(7),
                Next::Batch(_) => {}
                end => panic!("{end:?}"),
            }
        }
        panic!("the backup doesn't end");
    }
}

#[test]
fn the_daily_limit_ends_the_batch_with_what_it_has() {
    let refusal = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let mut job = Job::with_faults(plain_org(), at_query(2, move |_| Reply::status(403, refusal).usage(4, 1_000)));
    job.plan();
    job.host.allow(7);
    let next = job.batch().unwrap();
    assert!(matches!(next, Next::Batch(_)), "{next:?}");
    assert!(!job.committed.is_empty());
    let told = job.host.told();
    let last = told.last().unwrap();
    assert_eq!((last.source, last.used, last.max), (ReadingSource::Refusal, 1_000, 1_000));
    job.host.allow(1_000);
    while job.batch().unwrap() != Next::Done {}
    job.assert_whole("Account", 123);
    job.assert_nothing_twice();
}

#[test]
fn an_answer_that_is_too_large_makes_the_next_ones_smaller() {
    let mut job = Job::with_faults(plain_org(), at_query(1, |_| Reply::error(SendError::TooLarge(10_000_000))));
    job.run();
    job.assert_whole("Account", 123);
    let at = Checkpoint::read(STATE_VERSION, job.checkpoint.as_deref().unwrap()).unwrap();
    assert_eq!(at.answer_bytes, 5_000_000);
}

#[test]
fn pages_that_are_too_large_by_themselves_become_shorter_and_others_stay() {
    let mut org = plain_org();
    org.objects.get_mut("Account").unwrap().page = 2_000;
    let mut job = Job::with_faults(
        org,
        Box::new(|_, request, reply| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let long = body.contains("FROM+Account") && !body.contains("batchSize=500") && !body.contains("batchSize=250");
            if long {
                Reply::error(SendError::TooLarge(100_000_000))
            } else {
                reply
            }
        }),
    );
    job.run();
    job.assert_whole("Account", 123);
    job.assert_whole("Contact", 47);
    assert_eq!((job.skip("Account"), job.skip("Contact")), (None, None));
}

#[test]
fn a_full_store_discards_the_batch() {
    let mut job = Job::of(plain_org());
    job.plan();
    job.host.store_is_full.set(true);
    assert!(matches!(job.batch(), Err(ConnectorError::Host(_))));
    job.host.store_is_full.set(false);
    while job.batch().unwrap() != Next::Done {}
    job.assert_whole("Account", 123);
    job.assert_nothing_twice();
}

#[test]
fn a_batch_ends_where_somebody_waits_for_it() {
    let mut job = Job::of(plain_org());
    job.plan();
    job.host.stop.set(true);
    let before = job.host.sent();
    assert!(matches!(job.batch().unwrap(), Next::Batch(_)));
    assert_eq!(job.host.sent(), before);
}

#[test]
fn few_requests_left_go_one_after_the_other() {
    let mut job = Job::of(plain_org());
    job.plan();
    job.host.most_under_way.set(0);
    job.host.allow(15);
    job.batch().unwrap();
    assert_eq!(job.host.most_under_way.get(), 1);
}

#[test]
fn a_lost_describe_is_asked_for_again() {
    let mut job = Job::of(plain_org());
    job.plan();
    job.host.values.borrow_mut().retain(|key, _| key != "v1/describe/Account");
    while job.batch().unwrap() != Next::Done {}
    job.assert_whole("Account", 123);
}
