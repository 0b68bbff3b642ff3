//! Each kind of refusal at each kind of request: once, twice in a row, by all attempts of two requests, and for good. What keeps failing
//! is bounded and named, everything else is read, and once the cause is gone the next backup has all of it.
//!
//! The host's own attempts are made here too ([`attempts`]), so that what is counted is what the org would see.

use super::changes::{LATER, assert_equals_org, next_backup, set_bulk};
use super::*;
use std::cell::Cell;

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// 503 and a page of HTML.
    Unavailable,
    /// 429.
    TooMany,
    /// 403: too much at once.
    Busy,
    /// A page of HTML with 200.
    Html,
    /// Bytes that are no text.
    Unreadable,
    /// No answer.
    Cut,
    /// The answer breaks off.
    CutBody,
    /// Of a part of a composite request where the request is one, else of the request; so the others below.
    UnknownException,
    Session,
    Timeout,
    Locked,
    NoAccess,
    NotFound,
    OddCode,
}

const TROUBLES: [Trouble; 14] = [
    Trouble::Unavailable,
    Trouble::TooMany,
    Trouble::Busy,
    Trouble::Html,
    Trouble::Unreadable,
    Trouble::Cut,
    Trouble::CutBody,
    Trouble::UnknownException,
    Trouble::Session,
    Trouble::Timeout,
    Trouble::Locked,
    Trouble::NoAccess,
    Trouble::NotFound,
    Trouble::OddCode,
];

impl Trouble {
    /// Says that it will be the same the next time: it may be believed at once.
    fn is_final(self) -> bool {
        matches!(self, Trouble::NoAccess | Trouble::NotFound | Trouble::OddCode)
    }
}

/// A kind of request for the object that is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Describe,
    Page,
    Locator,
    Look,
    Deletions,
    Record,
    Create,
    Poll,
    Results,
    File,
    Image,
}

const KINDS: [Kind; 11] = [
    Kind::Describe,
    Kind::Page,
    Kind::Locator,
    Kind::Look,
    Kind::Deletions,
    Kind::Record,
    Kind::Create,
    Kind::Poll,
    Kind::Results,
    Kind::File,
    Kind::Image,
];

const BAD: &str = "Case";

impl Kind {
    /// Only a backup that goes on from another one sends it.
    fn is_of_incrementals(self) -> bool {
        matches!(self, Kind::Look | Kind::Deletions | Kind::Record)
    }

    fn is_of_jobs(self) -> bool {
        matches!(self, Kind::Create | Kind::Poll | Kind::Results)
    }

    fn is_of_files(self) -> bool {
        matches!(self, Kind::File | Kind::Image)
    }

    fn is_composite(self) -> bool {
        !self.is_of_jobs() && !self.is_of_files()
    }
}

/// Whether the request is one of this kind, for the object.
fn strikes(kind: Kind, request: &Request) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    let path = &request.path;
    match kind {
        Kind::Describe => body.contains(&format!("sobjects/{BAD}/describe")),
        Kind::Page => path.ends_with("/composite") && body.contains(&format!("FROM+{BAD}")),
        Kind::Locator => body.contains(&format!("/query/{BAD}~")),
        Kind::Look => body.contains(&format!("sobjects/{BAD}/updated")),
        Kind::Deletions => body.contains(&format!("sobjects/{BAD}/deleted")),
        Kind::Record => body.contains(&format!("sobjects/{BAD}/{}", TinyOrg::id(1))),
        Kind::Create => path.ends_with("/jobs/query") && body.contains(&format!("FROM {BAD}")),
        Kind::Poll => path.contains("/jobs/query") && path.ends_with("AAA"),
        Kind::Results => path.contains("/results"),
        Kind::File => path.contains(&TinyOrg::id(3)) && path.ends_with("/Body"),
        Kind::Image => path.contains(&TinyOrg::id(3)) && path.contains("/richTextImageFields/"),
    }
}

/// Whether a part of a composite request is one of this kind.
fn is_part(kind: Kind, url: &str) -> bool {
    match kind {
        Kind::Describe => url.ends_with(&format!("sobjects/{BAD}/describe")),
        Kind::Page => url.contains(&format!("FROM+{BAD}")),
        Kind::Locator => url.contains(&format!("/query/{BAD}~")),
        Kind::Look => url.contains(&format!("sobjects/{BAD}/updated")),
        Kind::Deletions => url.contains(&format!("sobjects/{BAD}/deleted")),
        _ => url.contains(&format!("sobjects/{BAD}/{}", TinyOrg::id(1))),
    }
}

/// The answer in its place.
fn instead(trouble: Trouble, kind: Kind, request: &Request, reply: &Reply) -> Reply {
    let error = |code: &str, message: &str| serde_json::json!([{"errorCode": code, "message": message}]);
    let sub = |status: u16, code: &str, message: &str| {
        if !kind.is_composite() {
            return Reply::status(status, error(code, message).to_string());
        }
        let wanted: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let mut answer: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
        for (n, part) in wanted["compositeRequest"].as_array().unwrap().iter().enumerate() {
            if is_part(kind, part["url"].as_str().unwrap()) {
                answer["compositeResponse"][n]["httpStatusCode"] = status.into();
                answer["compositeResponse"][n]["body"] = error(code, message);
            }
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
        Trouble::Unreadable => {
            let text = [b"{\"compositeResponse\":[{\"body\":{\"a\":\"".as_slice(), &[0xDF], b"\"}"];
            Reply::ok(text.concat())
        }
        Trouble::Cut => Reply::error(SendError::OutcomeUnknown("connection reset".into())),
        Trouble::CutBody => reply.clone().cut_at(20),
        Trouble::UnknownException => sub(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1"),
        // Of one part of several; by itself it is the session.
        Trouble::Session if kind.is_composite() => sub(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        Trouble::Session => Reply::status(503, ""),
        Trouble::Timeout => sub(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
        Trouble::Locked => sub(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"),
        Trouble::NoAccess => sub(403, "INSUFFICIENT_ACCESS", "insufficient access rights"),
        Trouble::NotFound => sub(404, "NOT_FOUND", "The requested resource does not exist"),
        Trouble::OddCode => sub(400, "A_CODE_TO_COME", "words"),
    }
}

/// What the host makes of it: a request that does no harm when it is sent twice has five attempts where the answer may pass.
fn attempts(kind: Kind, trouble: Trouble) -> usize {
    let passes = matches!(trouble, Trouble::Unavailable | Trouble::TooMany | Trouble::Cut)
        || (matches!(trouble, Trouble::UnknownException | Trouble::Session) && !kind.is_composite());
    if passes { 5 } else { 1 }
}

/// Records of the object in trouble: of those that a job reads more than others have, so that it is the only one.
fn rows(kind: Kind) -> usize {
    if kind.is_of_jobs() { 131 } else { 31 }
}

fn org(kind: Kind) -> TinyOrg {
    let oddity = if kind == Kind::Locator {
        Oddity::NoIdFilter
    } else {
        Oddity::None
    };
    let mut org = TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        (BAD, rows(kind), oddity),
        ("Contact", 47, Oddity::None),
        ("Lead", 10, Oddity::None),
        ("Task", 1, Oddity::None),
    ]);
    org.refuses_chain = kind == Kind::Locator;
    let bad = org.objects.get_mut(BAD).unwrap();
    bad.files = kind == Kind::File;
    bad.images = (kind == Kind::Image).then_some(31);
    org
}

/// A job of which requests of this kind fail.
struct Table {
    job: Job,
    /// So many attempts fail still.
    left: Rc<Cell<usize>>,
    /// So many failed.
    failed: Rc<Cell<usize>>,
    /// The run was ended by what failed: the next one goes on with the same backup.
    ended: bool,
}

impl Table {
    fn new(kind: Kind, trouble: Trouble) -> Table {
        let (left, failed) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0_usize)));
        let (fails, counted) = (Rc::clone(&left), Rc::clone(&failed));
        let fault: Fault = Box::new(move |_, request, reply| {
            if !strikes(kind, request) {
                return reply;
            }
            let most = if request.repeatable { attempts(kind, trouble) } else { 1 };
            for _ in 0..most {
                let Some(left) = fails.get().checked_sub(1) else {
                    return reply;
                };
                fails.set(left);
                counted.set(counted.get() + 1);
            }
            instead(trouble, kind, request, &reply)
        });
        let job = Job::with_faults(org(kind), fault);
        if kind.is_of_jobs() {
            set_bulk(&job, 131);
        }
        Table {
            job,
            left,
            failed,
            ended: false,
        }
    }

    /// Backs up; so many attempts fail. How many did.
    fn run(&mut self, fail: usize) -> usize {
        self.left.set(fail);
        self.failed.set(0);
        self.job.host.failures.borrow_mut().clear();
        self.job.host.failed_parts.borrow_mut().clear();
        self.job.host.skips.borrow_mut().clear();
        self.job.host.warnings.borrow_mut().clear();
        let next = match self.job.checkpoint.is_some() && self.ended {
            true => Ok(Next::Batch(1)),
            false => self.job.try_plan(),
        };
        self.ended = next.and_then(|next| self.job.run_on(next)).is_err();
        self.left.set(0);
        self.failed.get()
    }

    /// The next run: another backup, where this one has not ended yet the same.
    fn next(&self) {
        if !self.ended {
            next_backup(&self.job, |_| {});
        }
    }

    /// What could not be read is named.
    fn is_named(&self) -> bool {
        let host = &self.job.host;
        self.ended
            || !host.failures.borrow().is_empty()
            || !host.failed_parts.borrow().is_empty()
            || !host.skips.borrow().is_empty()
    }

    /// The snapshot has all that the org has, files too.
    fn is_whole(&self) -> bool {
        let org = self.job.org.borrow();
        let current = self.job.host.current.borrow();
        let stored = |name: &str| current.rows.get(name).map_or(0, BTreeMap::len);
        let bad = &org.objects[BAD];
        let files = if bad.files || bad.images.is_some() { 31 } else { 0 };
        org.objects.keys().all(|name| stored(name) == org.alive(name).len()) && current.blobs.len() == files
    }
}

/// Changes for a backup that goes on from another one.
fn change(kind: Kind, org: &mut TinyOrg) {
    let bad = org.objects.get_mut(BAD).unwrap();
    match kind {
        Kind::Record => bad.changed.extend([(1, LATER), (2, LATER)]),
        Kind::Deletions => bad.deleted.extend([(4, LATER)]),
        _ => {}
    }
}

/// How often it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    /// Attempts, one after the other.
    Attempts(usize),
    /// All attempts of so many requests.
    Requests(usize),
    ForGood,
}

const TIMES: [Times; 5] = [
    Times::Attempts(1),
    Times::Attempts(2),
    Times::Requests(1),
    Times::Requests(2),
    Times::ForGood,
];

/// One cell of the table.
fn assert_bounded_and_named(kind: Kind, trouble: Trouble, times: Times) {
    let context = format!("{kind:?} {trouble:?} {times:?}");
    let mut cell = Table::new(kind, trouble);
    if kind.is_of_incrementals() {
        cell.run(0);
        next_backup(&cell.job, |org| change(kind, org));
    }
    let failed = cell.run(match times {
        Times::Attempts(attempts) => attempts,
        Times::Requests(requests) => requests * attempts(kind, trouble),
        Times::ForGood => usize::MAX,
    });
    assert!(failed <= 5 + 15, "{context}: {failed} attempts failed");
    let for_good = times == Times::ForGood;
    if !for_good && !trouble.is_final() {
        assert!(
            !cell.is_named(),
            "{context}: {:?} {:?} {:?}",
            cell.job.host.failures.borrow(),
            cell.job.host.failed_parts.borrow(),
            cell.job.host.skips.borrow()
        );
        assert_equals_org(&cell.job, &context);
    }
    assert!(
        cell.is_named() || cell.is_whole(),
        "{context}: not all is there, and nobody said so"
    );
    for (object, rows) in [("Account", 123), ("Contact", 47), ("Lead", 10), ("Task", 1)] {
        let stored = cell.job.host.current.borrow().rows.get(object).map_or(0, BTreeMap::len);
        assert!(stored == rows || cell.ended, "{context}: {object}");
    }
    if for_good {
        let bound = if cell.is_named() && !cell.ended { 1 } else { 5 + 15 };
        cell.next();
        let failed = cell.run(usize::MAX);
        assert!(failed <= bound, "{context}: {failed} in the next run");
        assert!(cell.is_named() || cell.is_whole(), "{context}: the next run");
    }
    // The cause goes: the next backup has everything, where the one before just failed, and else the one after a week.
    if for_good {
        cell.job.host.now.set(cell.job.host.now.get() + 8 * 24 * 3_600_000);
    }
    cell.next();
    cell.run(0);
    assert!(
        !cell.is_named(),
        "{context}, afterwards: {:?}",
        cell.job.host.failures.borrow()
    );
    assert!(cell.is_whole(), "{context}, afterwards");
    assert_equals_org(&cell.job, &format!("{context}, afterwards"));
}

#[test]
fn each_refusal_of_each_request_is_bounded_and_named_and_costs_itself_alone() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        for trouble in TROUBLES {
            for times in TIMES {
                let cell = std::panic::catch_unwind(|| assert_bounded_and_named(kind, trouble, times));
                wrong.extend(cell.err().map(|_| format!("{kind:?} {trouble:?} {times:?}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
