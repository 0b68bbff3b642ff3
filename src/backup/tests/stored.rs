//! Checkpoints that an older version wrote: each of them is where today's code stands at the same batch, and a backup that goes on
//! from it ends as if nothing had come between.
//!
//! `tests/checkpoints/v1/SCENARIO-BATCH.json` was written by the last program of state version 1, after that batch of the scenario.

use super::changes::{LATER, assert_equals_org, change, changing_org, incremental, next_backup, set_bulk};
use super::records::{Broken, Fails};
use super::*;

/// A backup that is about to be planned, and how it is cut into batches.
struct Scenario {
    name: &'static str,
    job: Job,
    /// Requests of a batch.
    allowed: u32,
    /// Happens before the batch of this number.
    disturb: fn(&Job, usize),
    /// It ends with all that the org has.
    ends_whole: bool,
}

/// What a backup leaves.
#[derive(Debug, PartialEq)]
struct End {
    rows: BTreeMap<String, BTreeMap<String, Row>>,
    notes: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    failures: BTreeMap<String, crate::host::Failure>,
    failed_parts: BTreeMap<(String, String), crate::host::Failure>,
    skips: BTreeMap<String, crate::host::Failure>,
    remarks: Vec<(String, crate::host::Failure)>,
    requests: Vec<Request>,
}

impl End {
    fn of(job: &Job) -> End {
        let current = job.host.current.borrow();
        End {
            rows: current.rows.clone(),
            notes: current.notes.clone(),
            blobs: current.blobs.clone(),
            failures: job.host.failures.borrow().clone(),
            failed_parts: job.host.failed_parts.borrow().clone(),
            skips: job.host.skips.borrow().clone(),
            remarks: job.host.remarks.borrow().clone(),
            requests: job.host.requests(),
        }
    }
}

const SCENARIOS: [fn() -> Scenario; 13] = [
    pages,
    odd,
    large,
    jobs,
    ranges,
    lists,
    files,
    failing_files,
    increments,
    deletions,
    unreadable,
    asked_again,
    trouble,
];

fn scenario(name: &'static str, job: Job, allowed: u32) -> Scenario {
    Scenario {
        name,
        job,
        allowed,
        disturb: |_, _| {},
        ends_whole: true,
    }
}

fn pages() -> Scenario {
    let mut org = TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        ("Contact", 47, Oddity::EarlyDone(7)),
        ("Empty", 0, Oddity::None),
        ("Lead", 20, Oddity::None),
        ("Vanished", 9, Oddity::LostField),
    ]);
    org.objects.get_mut("Lead").unwrap().counted = Some(25);
    Scenario {
        // Its describe is gone: it is asked for again.
        disturb: |job, batch| {
            if batch == 1 {
                job.host.values.borrow_mut().retain(|key, _| key != "v1/describe/Account");
            }
        },
        ..scenario("pages", Job::of(org), 1)
    }
}

fn odd() -> Scenario {
    let job = Job::of(TinyOrg::new(&[
        (
            "Gone",
            5,
            Oddity::Refuses("INVALID_TYPE_FOR_OPERATION", "entity type Gone does not support query"),
        ),
        ("LoginEvent", 195, Oddity::NoIdFilter),
        ("Repeated", 95, Oddity::RepeatedId),
        ("Setup", 450, Oddity::NoQueryMore),
        ("Slow", 95, Oddity::SlowOver(500)),
    ]));
    Scenario {
        ends_whole: false,
        ..scenario("odd", job, 1)
    }
}

/// A silent end, an object in groups of fields, and a backup that took days.
fn large() -> Scenario {
    let mut org = TinyOrg::new(&[
        ("Account", 60, Oddity::None),
        ("OauthToken", 3_000, Oddity::Truncated(2_500)),
        ("Wide", 35, Oddity::None),
    ]);
    org.objects.get_mut("OauthToken").unwrap().page = 2_000;
    let refusal = r#"{"body":[{"errorCode":"QUERY_TOO_COMPLICATED","message":"no"}],"httpStatusCode":400}"#;
    let mut refused = false;
    let fault: Fault = Box::new(move |_, request, reply| {
        let is_wide = reads_objects(request) && String::from_utf8_lossy(&request.body).contains("FROM+Wide");
        let is_refused = is_wide && !refused;
        refused |= is_wide;
        match is_refused {
            true => instead_of(request, &reply, "FROM+Wide", &serde_json::from_str(refusal).unwrap()),
            false => reply,
        }
    });
    Scenario {
        disturb: |job, batch| {
            if batch == 3 {
                job.host.now.set(job.host.now.get() + 3 * 24 * 3_600_000);
                job.org.borrow_mut().covered = job.host.now.get() - 60_000;
            }
        },
        ends_whole: false,
        ..scenario("large", Job::with_faults(org, fault), 1)
    }
}

/// The answer with this one in place of the sub-answers of parts whose address has the text.
fn instead_of(request: &Request, reply: &Reply, text: &str, sub: &serde_json::Value) -> Reply {
    let wanted: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let mut answer: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
    for (position, part) in wanted["compositeRequest"].as_array().unwrap().iter().enumerate() {
        if part["url"].as_str().unwrap().contains(text) {
            answer["compositeResponse"][position] = sub.clone();
        }
    }
    Reply::ok(answer.to_string())
}

fn jobs() -> Scenario {
    let mut org = changing_org();
    org.looks = 2;
    let job = Job::of(org);
    set_bulk(&job, 20);
    scenario("jobs", job, 1)
}

fn ranges() -> Scenario {
    let mut org = changing_org();
    org.objects.get_mut("Account").unwrap().counted = Some(12_000_000);
    scenario("ranges", Job::of(org), 1)
}

/// Links that the org gives only for chosen documents.
fn lists() -> Scenario {
    let words = "Implementation restriction: ContentDocumentLink requires a filter by a single Id";
    let org = TinyOrg::new(&[
        ("ContentDocument", 1_100, Oddity::None),
        ("ContentDocumentLink", 6, Oddity::Refuses("MALFORMED_QUERY", words)),
    ]);
    let template = org.clone();
    let fault: Fault = Box::new(move |_, request, reply| {
        if !reads_objects(request) {
            return reply;
        }
        let page = |rows: std::ops::Range<usize>, next: Option<&str>| {
            let object = &template.objects["ContentDocumentLink"];
            let records: Vec<_> = rows.map(|nth| TinyOrg::record(object, nth)).collect();
            let mut body = serde_json::json!({"totalSize": records.len(), "done": next.is_none(), "records": records});
            if let Some(next) = next {
                body["nextRecordsUrl"] = next.into();
            }
            serde_json::json!({"body": body, "httpHeaders": {}, "httpStatusCode": 200})
        };
        let next = "/services/data/v62.0/query/ContentDocumentLink~0~4~";
        let reply = instead_of(request, &reply, "ContentDocumentId", &page(0..0, None));
        let begins_with = |nth: usize| format!("%28%27{}%27", TinyOrg::id(nth));
        let reply = instead_of(request, &reply, &begins_with(0), &page(0..2, Some(next)));
        instead_of(request, &reply, &begins_with(500), &page(2..4, None))
    });
    scenario("lists", Job::with_faults(org, fault), 1)
}

fn files() -> Scenario {
    let mut org = TinyOrg::new(&[("Account", 12, Oddity::None), ("Attachment", 15, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    org.objects.get_mut("Account").unwrap().images = Some(5);
    scenario("files", Job::of(org), 3)
}

fn failing_files() -> Scenario {
    let mut org = TinyOrg::new(&[("Attachment", 9, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    let fault: Fault =
        Box::new(
            |_, request, reply| match request.path.contains(&TinyOrg::id(3)) && request.path.ends_with("/Body") {
                true => Reply::status(503, ""),
                false => reply,
            },
        );
    let job = Job::with_faults(org, fault);
    *job.host.configuration.borrow_mut() = r#"{"api_version":"v62.0","file_requests":7}"#.into();
    scenario("failing-files", job, 2)
}

fn increments() -> Scenario {
    let mut org = changing_org();
    org.objects.insert("Attachment".into(), {
        let mut attachment = TinyOrg::new(&[("Attachment", 4, Oddity::None)])
            .objects
            .remove("Attachment")
            .unwrap();
        attachment.files = true;
        attachment
    });
    let job = incremental(org, |org| {
        change(org);
        org.objects.get_mut("Attachment").unwrap().changed.insert(1, LATER);
        org.objects.get_mut("Lead").unwrap().deleted.insert(4, LATER);
    });
    scenario("increments", job, 1)
}

fn deletions() -> Scenario {
    let mut org = changing_org();
    let account = org.objects.get_mut("Account").unwrap();
    (account.rows, account.counted, account.page) = (2_500, Some(2_500), 500);
    account.replicated = false;
    let job = incremental(org, |org| {
        let account = org.objects.get_mut("Account").unwrap();
        account.deleted.extend([(0, LATER), (2_100, LATER), (2_499, LATER)]);
        account.changed.insert(7, LATER);
        org.earliest_deletion = LATER + 5_000;
    });
    scenario("deletions", job, 1)
}

fn unreadable() -> Scenario {
    Scenario {
        ends_whole: false,
        ..scenario("unreadable", Broken::new(31, &[17], Fails::Bytes).job, 1)
    }
}

fn asked_again() -> Scenario {
    let mut broken = Broken::new(31, &[3, 17], Fails::Bytes);
    broken.run();
    next_backup(&broken.job, |org| {
        org.objects.get_mut("Account").unwrap().changed.insert(1, LATER);
    });
    Scenario {
        ends_whole: false,
        ..scenario("asked-again", broken.job, 1)
    }
}

fn trouble() -> Scenario {
    let org = TinyOrg::new(&[
        ("Account", 60, Oddity::None),
        ("Case", 31, Oddity::NoIdFilter),
        ("Contact", 47, Oddity::None),
    ]);
    let mut seen = 0;
    let busy = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentPerOrgLongTxn Limit exceeded."}]"#;
    let fault: Fault = Box::new(move |_, request, reply| {
        let body = String::from_utf8_lossy(&request.body);
        seen += usize::from(reads_objects(request));
        match (reads_objects(request), seen) {
            (true, 1) => Reply::status(403, busy),
            (true, 2) => Reply::error(SendError::TooLarge(10_000_000)),
            (true, _) if body.contains("Case") => Reply::ok("<html>"),
            _ => reply,
        }
    });
    Scenario {
        ends_whole: false,
        ..scenario("trouble", Job::with_faults(org, fault), 1)
    }
}

/// Runs a scenario; `at_batch` gets the job after each batch, with the number of batches so far.
fn drive(scenario: &mut Scenario, mut at_batch: impl FnMut(&mut Job, usize)) {
    let job = &mut scenario.job;
    let mut next = job.plan();
    at_batch(job, 0);
    for batch in 1..1_000 {
        match next {
            Next::Done => return,
            Next::AgainAfter(seconds) => job.wait(seconds),
            Next::Batch(_) => {}
            other => panic!("{other:?}"),
        }
        job.host.allow(scenario.allowed);
        (scenario.disturb)(job, batch);
        next = job.batch().unwrap();
        at_batch(job, batch);
    }
    panic!("{} doesn't end", scenario.name);
}

/// Stored checkpoints of a scenario, and the batches after which they were written.
fn stored(name: &str) -> Vec<(usize, Vec<u8>)> {
    let folder = format!("{}/tests/checkpoints/v1", env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if let Some((scenario, batch)) = stem.rsplit_once('-')
            && scenario == name
        {
            found.push((batch.parse().unwrap(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_backup_goes_on_from_a_checkpoint_of_state_version_1_as_if_nothing_had_come_between() {
    for new in SCENARIOS {
        let mut whole = new();
        drive(&mut whole, |_, _| {});
        if whole.ends_whole {
            assert_equals_org(&whole.job, whole.name);
        }
        let end = End::of(&whole.job);
        let stored = stored(whole.name);
        assert!(!stored.is_empty(), "{}: no checkpoint is stored", whole.name);
        for (written_after, checkpoint) in stored {
            let mut scenario = new();
            drive(&mut scenario, |job, batch| {
                if batch == written_after {
                    let today = Checkpoint::read(STATE_VERSION, job.checkpoint.as_deref().unwrap()).unwrap();
                    assert_eq!(
                        Checkpoint::read(1, &checkpoint).unwrap(),
                        today,
                        "{} after {batch}",
                        whole.name
                    );
                    (job.checkpoint, job.state_version) = (Some(checkpoint.clone()), 1);
                }
            });
            assert!(
                End::of(&scenario.job) == end,
                "{}: goes on otherwise after {written_after}",
                whole.name
            );
        }
    }
}

#[test]
fn what_is_stored_is_migrated_and_other_versions_are_refused() {
    for new in SCENARIOS {
        for (_, checkpoint) in stored(new().name) {
            let migrated = crate::migrate_state(1, checkpoint.clone(), 2).unwrap();
            assert_eq!(
                Checkpoint::read(2, &migrated).unwrap(),
                Checkpoint::read(1, &checkpoint).unwrap()
            );
            assert_eq!(crate::migrate_state(2, migrated.clone(), 2).unwrap(), migrated);
        }
    }
    let of_restore = br#"{"restore":"a fingerprint"}"#.to_vec();
    assert_eq!(crate::migrate_state(1, of_restore.clone(), 2).unwrap(), of_restore);
    for (from, to) in [(2, 1), (3, 2), (2, 3)] {
        let refused = crate::migrate_state(from, of_restore.clone(), to);
        assert!(matches!(refused, Err(ConnectorError::Unsupported(_))), "{from} to {to}");
    }
}
