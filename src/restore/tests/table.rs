//! Each kind of refusal at each kind of a restore's requests: once, twice, by all attempts of two requests, and for good. What keeps
//! failing is bounded, no record is there twice, and once the cause is gone the same restore brings all of them.

use super::*;
use crate::host::{ConnectorError, Method, SendError};
use std::cell::Cell;

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unavailable,
    TooMany,
    Busy,
    Html,
    Cut,
    CutBody,
    UnknownException,
    Locked,
    NoAccess,
    OddCode,
}

const TROUBLES: [Trouble; 10] = [
    Trouble::Unavailable,
    Trouble::TooMany,
    Trouble::Busy,
    Trouble::Html,
    Trouble::Cut,
    Trouble::CutBody,
    Trouble::UnknownException,
    Trouble::Locked,
    Trouble::NoAccess,
    Trouble::OddCode,
];

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Describe,
    LookUp,
    Collection,
    JobCreation,
    Upload,
    JobBegin,
    Poll,
    Results,
}

impl Kind {
    fn is_of_jobs(self) -> bool {
        !matches!(self, Kind::Describe | Kind::LookUp | Kind::Collection)
    }

    fn is_composite(self) -> bool {
        !self.is_of_jobs()
    }

    fn strikes(self, request: &Request) -> bool {
        let body = String::from_utf8_lossy(&request.body);
        let path = request.path.as_str();
        let of_job = path.contains("/jobs/ingest/") && !path.ends_with("Results") && !path.ends_with("/batches");
        match self {
            Kind::Describe => request.repeatable && body.contains("/describe"),
            Kind::LookUp => request.repeatable && body.contains("composite/sobjects/"),
            Kind::Collection => !request.repeatable,
            Kind::JobCreation => path.ends_with("/jobs/ingest"),
            Kind::Upload => path.ends_with("/batches"),
            Kind::JobBegin => of_job && request.method == Method::Patch,
            Kind::Poll => of_job && request.method == Method::Get,
            Kind::Results => path.ends_with("Results"),
        }
    }
}

/// The answer in its place.
fn instead(trouble: Trouble, kind: Kind, request: &Request, reply: &Reply) -> Reply {
    let error = |code: &str, message: &str| json!([{"errorCode": code, "message": message}]);
    let sub = |status: u16, code: &str| {
        let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(parts) = wanted["compositeRequest"].as_array().filter(|_| kind.is_composite()) else {
            return Reply::status(status, error(code, "words").to_string());
        };
        let mut answer: Value = serde_json::from_slice(reply.body()).unwrap();
        for n in 0..parts.len() {
            answer["compositeResponse"][n]["httpStatusCode"] = status.into();
            answer["compositeResponse"][n]["body"] = error(code, "words");
        }
        Reply::ok(answer.to_string())
    };
    match trouble {
        Trouble::Unavailable => Reply::status(503, "<html>down for maintenance</html>"),
        Trouble::TooMany => Reply::status(429, ""),
        Trouble::Busy => {
            let busy = error("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.");
            Reply::status(403, busy.to_string())
        }
        Trouble::Html => Reply::ok("<html>down for maintenance</html>"),
        Trouble::Cut => Reply::error(SendError::OutcomeUnknown("connection reset".into())),
        Trouble::CutBody => reply.clone().cut_at(10),
        Trouble::UnknownException => sub(500, "UNKNOWN_EXCEPTION"),
        Trouble::Locked => sub(400, "UNABLE_TO_LOCK_ROW"),
        Trouble::NoAccess => sub(403, "INSUFFICIENT_ACCESS"),
        Trouble::OddCode => sub(400, "A_CODE_TO_COME"),
    }
}

/// What the host makes of it.
fn attempts(kind: Kind, trouble: Trouble) -> usize {
    let passes = matches!(trouble, Trouble::Unavailable | Trouble::TooMany | Trouble::Cut)
        || (trouble == Trouble::UnknownException && !kind.is_composite());
    if passes && kind != Kind::Collection { 5 } else { 1 }
}

/// Whether what fails has its effect all the same: the org answers, and the answer is lost.
fn has_effect(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::CutBody | Trouble::Html)
}

fn org(kind: Kind) -> TargetOrg {
    let mut org = TargetOrg::new(&[
        ("Account", vec![TargetField::text("Note")]),
        ("Contact", vec![TargetField::reference("AccountId", &["Account"], true)]),
    ]);
    let accounts = if kind.is_of_jobs() { 7_200 } else { 60 };
    for n in 0..accounts {
        let id = org.insert("Account", named(&format!("account {n}")));
        if n < 20 {
            let mut contact = named(&format!("contact {n}"));
            contact.insert("AccountId".into(), json!(id));
            org.insert("Contact", contact);
        }
    }
    org
}

/// A restore of which requests of one kind fail.
struct Run {
    fixture: Fixture,
    left: Rc<Cell<usize>>,
    failed: Rc<Cell<usize>>,
}

impl Run {
    fn new(kind: Kind, trouble: Trouble) -> Run {
        let (left, failed) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0_usize)));
        let (fails, counted) = (Rc::clone(&left), Rc::clone(&failed));
        let fixture = Fixture::with_faults(org(kind), move |org, request| {
            if !kind.strikes(request) || fails.get() == 0 {
                return org.serve(request);
            }
            let answered = has_effect(trouble).then(|| org.serve(request));
            let most = if request.repeatable { attempts(kind, trouble) } else { 1 };
            for _ in 0..most {
                let Some(left) = fails.get().checked_sub(1) else {
                    return answered.unwrap_or_else(|| org.serve(request));
                };
                fails.set(left);
                counted.set(counted.get() + 1);
            }
            let reply = answered.unwrap_or_else(|| match request.path.ends_with("/composite") {
                true => Reply::ok(no_parts(request).to_string()),
                false => Reply::ok("{}"),
            });
            instead(trouble, kind, request, &reply)
        });
        fixture.org.borrow_mut().records.clear();
        Run { fixture, left, failed }
    }

    /// Restores, with the host's three tries of a batch; so many attempts fail. How many did, and why it ended where it did not
    /// complete.
    fn restore(&self, fail: usize) -> (usize, Option<String>) {
        self.left.set(fail);
        self.failed.set(0);
        self.fixture.host.outcomes.borrow_mut().clear();
        let ended = self.run().err();
        self.left.set(0);
        (self.failed.get(), ended)
    }

    fn run(&self) -> Result<(), String> {
        let (mut at, mut tries) = (None, 0);
        for _ in 0..200 {
            self.fixture.host.allow(8);
            let went = match &at {
                None => plan_restore(&self.fixture.host, self.fixture.everything(), true).map(|planned| match planned {
                    Planned::Ready(result) => {
                        at = Some(result.at.data);
                        Next::Batch(1)
                    }
                    Planned::More(requests) => Next::Batch(requests),
                    Planned::AgainAfter(seconds) => Next::AgainAfter(seconds),
                    Planned::Blocked(failure) | Planned::Other(failure) => Next::Blocked(failure),
                }),
                Some(now) => run_batch(&self.fixture.host, STATE_VERSION, now).map(|result| {
                    at = Some(result.at.data);
                    result.next
                }),
            };
            match went {
                Ok(Next::Done) => return Ok(()),
                Ok(Next::AgainAfter(seconds)) => self.fixture.pass(u64::from(seconds)),
                Ok(Next::Batch(_)) => self.fixture.pass(1),
                Ok(Next::Blocked(failure)) => return Err(failure.code),
                Ok(other) => panic!("{other:?}"),
                Err(ConnectorError::State(why)) => panic!("{why:?}"),
                Err(error) => {
                    tries += 1;
                    if tries == 3 {
                        return Err(error.to_string());
                    }
                    self.fixture.pass(30);
                    continue;
                }
            }
            tries = 0;
        }
        panic!("it doesn't end");
    }

    fn assert_none_twice(&self, context: &str) {
        let org = self.fixture.org.borrow();
        let mut names: Vec<&str> = org.records.values().map(|record| record["Name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert!(
            names.windows(2).all(|pair| pair[0] != pair[1]),
            "{context}: one is there twice"
        );
    }
}

/// An answer to a composite request of which nothing had an effect.
fn no_parts(request: &Request) -> Value {
    let wanted: Value = serde_json::from_slice(&request.body).unwrap();
    let parts = wanted["compositeRequest"].as_array().unwrap().iter();
    let parts: Vec<Value> = parts
        .map(|part| json!({"body": [], "httpHeaders": {}, "httpStatusCode": 200, "referenceId": part["referenceId"]}))
        .collect();
    json!({ "compositeResponse": parts })
}

fn assert_bounded(kind: Kind, trouble: Trouble, times: Option<usize>) {
    let context = format!("{kind:?} {trouble:?} {times:?}");
    let run = Run::new(kind, trouble);
    let (failed, ended) = run.restore(times.unwrap_or(usize::MAX));
    run.assert_none_twice(&context);
    assert!(failed <= 5 + 15, "{context}: {failed} attempts failed");
    let stays = matches!(trouble, Trouble::NoAccess | Trouble::OddCode);
    if times.is_some() && !stays {
        assert_eq!(ended, None, "{context}");
        assert_eq!(
            (run.fixture.tally().failed, run.fixture.tally().ambiguous),
            (0, 0),
            "{context}"
        );
        run.fixture.assert_whole();
    }
    let is_whole = run.fixture.org.borrow().records.len() == run.fixture.before.records.len();
    let is_named = !run.fixture.host.outcomes.borrow().is_empty() || !run.fixture.host.skips.borrow().is_empty();
    assert!(
        ended.is_some() || is_whole || is_named,
        "{context}: not all is there, and nobody said so"
    );
    // The same again, once the cause is gone.
    let ambiguous = run.fixture.tally().ambiguous;
    let (_, ended) = run.restore(0);
    assert_eq!(ended, None, "{context}, afterwards");
    run.assert_none_twice(&format!("{context}, afterwards"));
    if ambiguous == 0 {
        run.fixture.assert_whole();
    }
}

fn assert_all(kinds: &[Kind], troubles: &[Trouble], often: impl Fn(usize) -> Vec<Option<usize>>) {
    let mut wrong = Vec::new();
    for (kind, trouble) in kinds.iter().flat_map(|kind| troubles.iter().map(|trouble| (*kind, *trouble))) {
        for times in often(attempts(kind, trouble)) {
            let cell = std::panic::catch_unwind(|| assert_bounded(kind, trouble, times));
            wrong.extend(cell.err().map(|_| format!("{kind:?} {trouble:?} {times:?}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_refusal_of_describes_looks_and_collections_is_bounded_and_writes_nothing_twice() {
    let kinds = [Kind::Describe, Kind::LookUp, Kind::Collection];
    assert_all(&kinds, &TROUBLES, |full| {
        vec![Some(1), Some(2), Some(full), Some(2 * full), None]
    });
}

/// Records that are worth a job are many, and take a while: of refusals that are told apart by none of these steps one stands for all.
#[test]
fn each_refusal_of_bulk_jobs_is_bounded_and_writes_nothing_twice() {
    let kinds = [Kind::JobCreation, Kind::Upload, Kind::JobBegin, Kind::Poll, Kind::Results];
    let troubles = [Trouble::Unavailable, Trouble::Busy, Trouble::Html, Trouble::OddCode];
    assert_all(&kinds, &troubles, |_| vec![Some(2), None]);
}

#[test]
fn an_org_that_asks_to_be_left_alone_is_left_alone_by_restores_too() {
    for kind in [Kind::Describe, Kind::LookUp, Kind::Collection] {
        let refused: Rc<Cell<Option<u64>>> = Rc::default();
        let set = Rc::clone(&refused);
        let fixture = Fixture::with_faults(org(kind), move |org, request| match set.get() {
            None if kind.strikes(request) => {
                set.set(Some(org.now));
                Reply::status(503, "").header("Retry-After", "300")
            }
            Some(at) => {
                assert!(org.now >= at + 300_000, "{kind:?}: sent too early");
                org.serve(request)
            }
            None => org.serve(request),
        });
        fixture.org.borrow_mut().records.clear();
        fixture.restore(&fixture.everything(), 8);
        assert!(refused.get().is_some());
        fixture.assert_whole();
    }
}
