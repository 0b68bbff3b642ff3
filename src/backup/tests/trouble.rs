//! Requests that fail, in every way, at every kind of request, once, twice and for good: what keeps failing is bounded and named, and
//! everything else is read.

use super::changes::{assert_equals_org, next_backup, set_bulk};
use super::*;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unavailable,
    TooMany,
    Html,
    Unreadable,
    Cut,
    CutBody,
    SubUnknown,
    SubSession,
    Timeout,
}

const TROUBLES: [Trouble; 9] = [
    Trouble::Unavailable,
    Trouble::TooMany,
    Trouble::Html,
    Trouble::Unreadable,
    Trouble::Cut,
    Trouble::CutBody,
    Trouble::SubUnknown,
    Trouble::SubSession,
    Trouble::Timeout,
];

/// A kind of request for the object that is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Describe,
    Page,
    Look,
    Create,
    Poll,
    Results,
    File,
}

const KINDS: [Kind; 7] = [
    Kind::Describe,
    Kind::Page,
    Kind::Look,
    Kind::Create,
    Kind::Poll,
    Kind::Results,
    Kind::File,
];

const BAD: &str = "Case";

/// Whether the request is one of this kind, for the object.
fn strikes(kind: Kind, request: &Request) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    let path = &request.path;
    match kind {
        Kind::Describe => body.contains(&format!("sobjects/{BAD}/describe")),
        Kind::Page => path.ends_with("/composite") && body.contains(&format!("FROM+{BAD}")),
        Kind::Look => body.contains(&format!("sobjects/{BAD}/updated")),
        Kind::Create => path.ends_with("/jobs/query") && body.contains(&format!("FROM {BAD}")),
        Kind::Poll => path.contains("/jobs/query/") && !path.contains("/results"),
        Kind::Results => path.contains("/results"),
        Kind::File => path.contains(&TinyOrg::id(3)) && path.ends_with("/Body"),
    }
}

fn is_composite(kind: Kind) -> bool {
    matches!(kind, Kind::Describe | Kind::Page | Kind::Look)
}

/// The answer in its place.
fn instead(trouble: Trouble, kind: Kind, request: &Request, reply: Reply) -> Reply {
    let error = |code: &str, message: &str| serde_json::json!([{"errorCode": code, "message": message}]);
    let sub = |status: u16, code: &str, message: &str| {
        if !is_composite(kind) {
            return Reply::status(status, error(code, message).to_string());
        }
        let wanted: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let mut answer: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
        for (n, part) in wanted["compositeRequest"].as_array().unwrap().iter().enumerate() {
            let url = part["url"].as_str().unwrap();
            if url.contains(&format!("FROM+{BAD}")) || url.contains(&format!("sobjects/{BAD}/")) {
                answer["compositeResponse"][n]["httpStatusCode"] = status.into();
                answer["compositeResponse"][n]["body"] = error(code, message);
            }
        }
        Reply::ok(answer.to_string())
    };
    match trouble {
        Trouble::Unavailable => Reply::status(503, "<html>down for maintenance</html>"),
        Trouble::TooMany => Reply::status(429, ""),
        Trouble::Html if kind == Kind::File => Reply::ok("<html>down for maintenance</html>"),
        Trouble::Html => Reply::ok("<html>down for maintenance</html>"),
        Trouble::Unreadable => Reply::ok(
            [
                b"{\"compositeResponse\":[{\"body\":{\"a\":\"".as_slice(),
                &[0xDF],
                b"\"}".as_slice(),
            ]
            .concat(),
        ),
        Trouble::Cut => Reply::error(SendError::OutcomeUnknown("connection reset".into())),
        Trouble::CutBody => reply.cut_at(20),
        Trouble::SubUnknown => sub(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1"),
        // Of one part of several; by itself it is the session.
        Trouble::SubSession if is_composite(kind) => sub(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        Trouble::SubSession => Reply::status(503, ""),
        Trouble::Timeout => sub(400, "QUERY_TIMEOUT", "Your query request was running for too long."),
    }
}

fn org(kind: Kind) -> TinyOrg {
    let mut org = TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        (BAD, 31, Oddity::None),
        ("Contact", 47, Oddity::None),
        ("Lead", 10, Oddity::None),
        ("Task", 1, Oddity::None),
    ]);
    org.objects.get_mut(BAD).unwrap().files = kind == Kind::File;
    org
}

/// A job whose requests of this kind fail, so often.
fn job(kind: Kind, trouble: Trouble, times: usize) -> (Job, Rc<RefCell<usize>>) {
    let left = Rc::new(RefCell::new(times));
    let counted = Rc::clone(&left);
    let fault: Fault = Box::new(move |_, request, reply| {
        let mut left = counted.borrow_mut();
        if *left > 0 && strikes(kind, request) {
            *left -= 1;
            return instead(trouble, kind, request, reply);
        }
        reply
    });
    let job = Job::with_faults(org(kind), fault);
    if matches!(kind, Kind::Create | Kind::Poll | Kind::Results) {
        set_bulk(&job, 31);
    }
    (job, left)
}

/// Runs to the end, and says how many of the object's requests failed.
fn failed_requests(job: &mut Job, left: &Rc<RefCell<usize>>) -> usize {
    let before = *left.borrow();
    job.run();
    before - *left.borrow()
}

#[test]
fn what_fails_once_or_twice_is_read_and_what_fails_for_good_costs_itself_alone() {
    for kind in KINDS {
        for trouble in TROUBLES {
            for times in [1, 2, 1_000_000] {
                let context = format!("{kind:?} {trouble:?} {times}");
                let (mut job, left) = job(kind, trouble, if kind == Kind::Look { 0 } else { times });
                let mut failed = failed_requests(&mut job, &left);
                if kind == Kind::Look {
                    next_backup(&job, |_| {});
                    *left.borrow_mut() = times;
                    failed = failed_requests(&mut job, &left);
                }
                // A try of the host's is five, but of what it got an answer to.
                assert!(failed <= 12, "{context}: {failed} requests failed");
                let is_bad = !job.host.failures.borrow().is_empty() || !job.host.failed_parts.borrow().is_empty();
                if times < 3 {
                    assert!(!is_bad, "{context}: {:?}", job.host.failures.borrow());
                    assert_equals_org(&job, &context);
                }
                for (object, rows) in [("Account", 123), ("Contact", 47), ("Lead", 10), ("Task", 1)] {
                    if !matches!(kind, Kind::Poll | Kind::Results) {
                        job.assert_whole(object, rows);
                    }
                }
                assert!(job.host.skips.borrow().is_empty(), "{context}: {:?}", job.host.skips.borrow());
                // The cause goes: the next backup has everything.
                job.host.failures.borrow_mut().clear();
                job.host.failed_parts.borrow_mut().clear();
                if times > 3 {
                    *left.borrow_mut() = 1_000_000;
                    next_backup(&job, |_| {});
                    let failed = failed_requests(&mut job, &left);
                    let bound = if is_bad { 3 } else { 12 };
                    assert!(failed <= bound, "{context}: {failed} in the next run");
                }
                *left.borrow_mut() = 0;
                next_backup(&job, |_| {});
                job.host.now.set(job.host.now.get() + 8 * 24 * 3_600_000);
                job.host.failures.borrow_mut().clear();
                job.host.failed_parts.borrow_mut().clear();
                job.run();
                assert!(
                    job.host.failures.borrow().is_empty(),
                    "{context}: {:?}",
                    job.host.failures.borrow()
                );
                assert!(job.host.failed_parts.borrow().is_empty(), "{context}");
                assert_equals_org(&job, &format!("{context}, afterwards"));
                let files = job.host.current.borrow().blobs.len();
                assert_eq!(files, if kind == Kind::File { 31 } else { 0 }, "{context}");
            }
        }
    }
}

#[test]
fn an_outage_of_all_files_takes_few_requests_and_leaves_them_for_the_next_backup() {
    for (status, most) in [(503, 8), (404, 24), (403, 24)] {
        let mut org = TinyOrg::new(&[("Attachment", 1_000, Oddity::None), ("Document", 10, Oddity::None)]);
        org.objects
            .values_mut()
            .for_each(|object| (object.files, object.page) = (true, 2_000));
        let down = Rc::new(RefCell::new(true));
        let is_down = Rc::clone(&down);
        let mut job = Job::with_faults(
            org,
            Box::new(
                move |_, request, reply| match *is_down.borrow() && request.path.ends_with("/Body") {
                    true => Reply::status(status, ""),
                    false => reply,
                },
            ),
        );
        job.run();
        let asked = |job: &Job| {
            job.host
                .requests()
                .iter()
                .filter(|request| request.path.ends_with("/Body"))
                .count()
        };
        assert!(asked(&job) <= most, "{status}: {}", asked(&job));
        let deferred = job
            .host
            .warnings
            .borrow()
            .keys()
            .filter(|(code, _)| code == "files-deferred")
            .count();
        assert_eq!(deferred, 2, "{status}");
        *down.borrow_mut() = false;
        next_backup(&job, |_| {});
        job.run();
        assert_eq!(job.host.current.borrow().blobs.len(), 1_010, "{status}");
    }
}

#[test]
fn an_outage_of_the_org_ends_the_run_and_nothing_has_failed_by_name() {
    let names: Vec<String> = (0..60).map(|n| format!("Object{n:02}__c")).collect();
    let spec: Vec<(&str, usize, Oddity)> = names.iter().map(|name| (name.as_str(), 3, Oddity::None)).collect();
    let down = Rc::new(RefCell::new(false));
    let is_down = Rc::clone(&down);
    let mut job = Job::with_faults(
        TinyOrg::new(&spec),
        Box::new(move |_, request, reply| match *is_down.borrow() && reads_objects(request) {
            true => Reply::status(503, ""),
            false => reply,
        }),
    );
    job.plan();
    *down.borrow_mut() = true;
    for _ in 0..2 {
        let before = job.host.sent();
        let mut next = Next::Batch(8);
        for _ in 0..20 {
            if matches!(next, Next::Blocked(_)) {
                break;
            }
            next = job.batch().unwrap();
        }
        let Next::Blocked(failure) = next else { panic!("{next:?}") };
        assert_eq!(failure.code, "org-unavailable");
        assert!(job.host.sent() - before <= 8, "{}", job.host.sent() - before);
    }
    assert!(job.host.failures.borrow().is_empty());
    *down.borrow_mut() = false;
    for _ in 0..200 {
        if job.batch().unwrap() == Next::Done {
            break;
        }
    }
    assert_equals_org(&job, "after the outage");
}

#[test]
fn wrong_bytes_are_no_file() {
    let mut org = TinyOrg::new(&[("Attachment", 5, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    let mut job = Job::with_faults(
        org,
        Box::new(
            |_, request, reply| match request.path.contains(&TinyOrg::id(3)) && request.path.ends_with("/Body") {
                true => Reply::error(SendError::ContentDiffers("2 bytes of 300".into())),
                false => reply,
            },
        ),
    );
    job.run();
    let failed = job.host.failed_parts.borrow();
    let (part, why) = failed.iter().next().unwrap();
    assert_eq!((failed.len(), why.code.as_str()), (1, "content-differs"));
    assert_eq!(part.1, format!("{}/Body", TinyOrg::id(3)));
    assert_eq!(job.host.current.borrow().blobs.len(), 4);
}

#[test]
fn a_session_that_ends_at_any_request_is_an_error_and_the_same_snapshot_goes_on_with_a_new_one() {
    let org = || {
        let mut org = org(Kind::File);
        org.looks = 0;
        org
    };
    let mut whole = Job::of(org());
    set_bulk(&whole, 47);
    whole.run();
    for at in 1..=whole.host.sent() {
        let over = Rc::new(RefCell::new(true));
        let is_over = Rc::clone(&over);
        let refusal = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
        let mut job = Job::with_faults(
            org(),
            Box::new(move |nth, _, reply| match nth >= at && *is_over.borrow() {
                true => Reply::status(401, refusal),
                false => reply,
            }),
        );
        set_bulk(&job, 47);
        let error = loop {
            if job.checkpoint.is_none() {
                match plan_backup(&job.host, OPTIONS) {
                    Ok(Planned::Ready(BatchResult { at, .. })) => {
                        job.host.commit();
                        job.checkpoint = Some(at);
                    }
                    Ok(_) => {}
                    Err(error) => break error,
                }
                continue;
            }
            match job.batch() {
                Ok(Next::AgainAfter(seconds)) => job.wait(seconds),
                Ok(Next::Done) => panic!("the session ended at request {at}, and nobody heard"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ConnectorError::Authorization(_)), "{at}: {error:?}");
        assert!(job.host.sent() <= at + 8, "{at}: {} sent", job.host.sent());
        *over.borrow_mut() = false;
        if job.checkpoint.is_none() {
            job.plan();
        }
        for _ in 0..100 {
            match job.batch().unwrap() {
                Next::Done => break,
                Next::AgainAfter(seconds) => job.wait(seconds),
                _ => {}
            }
        }
        assert_equals_org(&job, &format!("the session ended at request {at}"));
        assert_eq!(job.host.current.borrow().blobs.len(), 31, "the session ended at request {at}");
        assert!(job.host.failed_parts.borrow().is_empty());
    }
}

#[test]
fn a_field_that_queries_refuse_costs_the_field() {
    let mut job = Job::with_faults(
        org(Kind::Page),
        Box::new(|_, request, reply| match reads_objects(request) {
            true => instead_of_case(request, reply),
            false => reply,
        }),
    );
    job.run();
    assert_eq!((job.failure(BAD), job.skip(BAD)), (None, None));
    assert_eq!(job.remark(BAD).as_deref(), Some("fields-not-readable"));
    assert_eq!(job.host.current.borrow().rows[BAD].len(), 31);
    job.assert_whole("Account", 123);
}

fn instead_of_case(request: &Request, reply: Reply) -> Reply {
    let wanted: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let mut answer: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
    for (n, part) in wanted["compositeRequest"].as_array().unwrap().iter().enumerate() {
        let url = part["url"].as_str().unwrap();
        if url.contains("FROM+Case") && url.contains("Name") {
            answer["compositeResponse"][n]["httpStatusCode"] = 400.into();
            answer["compositeResponse"][n]["body"] = serde_json::json!([{"errorCode": "INVALID_FIELD",
                "message": "\nERROR at Row:1:Column:8\nNo such column 'Name' on entity 'Case'."}]);
        }
    }
    Reply::ok(answer.to_string())
}

#[test]
fn what_is_damaged_in_the_predecessor_is_read_in_full() {
    let mut job = Job::of(org(Kind::Page));
    job.run();
    next_backup(&job, |_| {});
    {
        let mut predecessor = job.host.predecessor.borrow_mut();
        let predecessor = predecessor.as_mut().unwrap();
        predecessor.damaged = vec![BAD.into()];
    }
    job.host.current.borrow_mut().rows.remove(BAD);
    job.run();
    assert_equals_org(&job, "healed");
    let warnings = job.host.warnings.borrow();
    assert_eq!(
        warnings.keys().collect::<Vec<_>>(),
        [&("damaged-base".to_owned(), Some(BAD.to_owned()))]
    );
}
