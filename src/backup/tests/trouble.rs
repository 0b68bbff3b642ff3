//! Trouble of the whole org, of files, of sessions and of fields. Each kind of refusal at each kind of request: [`super::refusals`].

use super::changes::{assert_equals_org, next_backup, set_bulk};
use super::*;

const BAD: &str = "Case";

/// An org of five objects; whether one of them has files.
fn org(files: bool) -> TinyOrg {
    let mut org = TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        (BAD, 31, Oddity::None),
        ("Contact", 47, Oddity::None),
        ("Lead", 10, Oddity::None),
        ("Task", 1, Oddity::None),
    ]);
    org.objects.get_mut(BAD).unwrap().files = files;
    org
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
                true => Reply::error(SendError::other("content-differs", "2 bytes of 300")),
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
        let mut org = org(true);
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
                        job.checkpoint = Some(at.data);
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
        org(false),
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
    let mut job = Job::of(org(false));
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

#[test]
fn an_org_that_asks_to_be_left_alone_is_left_alone_for_as_long_as_it_asks() {
    type Struck = fn(&Request) -> bool;
    let at: [(&str, Struck); 6] = [
        ("the first request", |_| true),
        ("a describe", |request| {
            String::from_utf8_lossy(&request.body).contains("/describe")
        }),
        ("a page", reads_objects),
        ("a job", |request| request.path.contains("/jobs/query")),
        ("a page of a job", |request| request.path.contains("/results")),
        ("a file", |request| request.path.ends_with("/Body")),
    ];
    for (what, is_struck) in at {
        for asked in ["300", "Fri, 15 Jan 2027 08:10:00 GMT", "86400"] {
            for status in [503, 429] {
                // When it was refused, and until when.
                let until: Rc<RefCell<Option<(u64, u64)>>> = Rc::default();
                let (set, clock) = (Rc::clone(&until), Rc::new(RefCell::new(0_u64)));
                let now = Rc::clone(&clock);
                let mut beside = 0;
                let mut job = Job::with_faults(
                    org(true),
                    Box::new(move |_, request, reply| {
                        let mut set = set.borrow_mut();
                        let now = *now.borrow();
                        match *set {
                            None if is_struck(request) => {
                                *set = Some((
                                    now,
                                    match asked {
                                        "300" => now + 300_000,
                                        "86400" => now + 3_600_000,
                                        _ => 1_800_000_600_000,
                                    },
                                ));
                                Reply::status(status, "").header("Retry-After", asked)
                            }
                            // Files that are under way beside it were sent before it was heard.
                            Some((_, until)) if until > now => {
                                beside += 1;
                                assert!(
                                    beside <= if what == "a file" { 3 } else { 0 },
                                    "{what} {asked}: sent too early"
                                );
                                reply
                            }
                            _ => reply,
                        }
                    }),
                );
                set_bulk(&job, 31);
                job.host.now.set(1_800_000_060_000);
                // The script can't see the host's clock.
                let mut next = loop {
                    *clock.borrow_mut() = job.host.now.get();
                    match plan_backup(&job.host, OPTIONS).unwrap() {
                        Planned::AgainAfter(seconds) => job.wait(seconds),
                        Planned::Ready(BatchResult { at, next }) => {
                            job.host.commit();
                            job.checkpoint = Some(at.data);
                            break next;
                        }
                        _ => {}
                    }
                };
                while next != Next::Done {
                    if let Next::AgainAfter(seconds) = next {
                        job.wait(seconds);
                    }
                    *clock.borrow_mut() = job.host.now.get();
                    next = job.batch().unwrap();
                }
                let (at, until) = until.borrow().unwrap();
                let waited = |seconds: &u32| u64::from(*seconds) * 1_000 == until - at;
                assert!(job.waits.iter().any(waited), "{what} {asked}: {:?}", job.waits);
                assert!(job.waits.iter().all(|seconds| *seconds <= 3_600), "{what} {asked}");
                assert!(
                    job.host.failures.borrow().is_empty() && job.host.failed_parts.borrow().is_empty(),
                    "{what}"
                );
                assert_equals_org(&job, what);
            }
        }
    }
}

#[test]
fn an_org_that_stays_busy_ends_the_run_and_nothing_has_failed_by_name() {
    let busy = Rc::new(RefCell::new(false));
    let is_busy = Rc::clone(&busy);
    let refusal = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentPerOrgLongTxn Limit exceeded."}]"#;
    let mut job = Job::with_faults(
        org(false),
        Box::new(move |_, _, reply| match *is_busy.borrow() {
            true => Reply::status(403, refusal),
            false => reply,
        }),
    );
    let next = job.plan();
    *busy.borrow_mut() = true;
    let before = job.host.sent();
    let error = job.run_on(next).unwrap_err();
    assert!(
        matches!(&error, ConnectorError::Source(why) if why.code == "org-busy"),
        "{error:?}"
    );
    assert!(job.host.sent() - before <= 15, "{} requests", job.host.sent() - before);
    assert!(job.waits.iter().sum::<u32>() >= 600, "{:?}", job.waits);
    *busy.borrow_mut() = false;
    job.run_on(Next::Batch(1)).unwrap();
    assert!(job.host.failures.borrow().is_empty());
    assert_equals_org(&job, "no longer busy");
}

#[test]
fn a_failure_ends_a_batch_as_an_error_only_where_nothing_was_learnt() {
    for position in [1, 2] {
        let fault = at_query(position, |_| Reply::error(SendError::NotSent("no route to the org".into())));
        let mut job = Job::with_faults(plain_org(), fault);
        job.plan();
        job.host.allow(7);
        assert_eq!(job.batch().is_err(), position == 1, "query {position}");
        assert_eq!(job.committed.is_empty(), position == 1, "query {position}");
        job.host.allow(1_000);
        while job.batch().unwrap() != Next::Done {}
        job.assert_whole("Account", 123);
        job.assert_nothing_twice();
    }
}
