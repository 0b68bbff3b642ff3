//! Backups that go on from an earlier one, that read by bulk query jobs, and that fetch files.

use super::*;
use crate::schema::marks;

/// Changes of a test happen at this moment: after what the first backup covers, before the host's now.
pub(super) const LATER: u64 = 1_799_999_980_000;

pub(super) fn set_bulk(job: &Job, rows: u64) {
    *job.host.configuration.borrow_mut() = format!(r#"{{"api_version":"v62.0","bulk_rows":{rows}}}"#);
}

/// The rows that the snapshot has, and those that the org has: key and body.
pub(super) fn assert_equals_org(job: &Job, context: &str) {
    let org = job.org.borrow();
    let current = job.host.current.borrow();
    for (name, object) in &org.objects {
        let stored = current.rows.get(name).cloned().unwrap_or_default();
        let keys: Vec<&String> = stored.keys().collect();
        let alive: Vec<String> = org.alive(name).into_iter().map(TinyOrg::id).collect();
        assert!(
            keys == alive.iter().collect::<Vec<_>>(),
            "{name} has other records: {context}"
        );
        for nth in org.alive(name) {
            let mut record = TinyOrg::record(object, nth);
            record.as_object_mut().unwrap().remove("attributes");
            let body: serde_json::Value = serde_json::from_slice(&stored[&TinyOrg::id(nth)].body).unwrap();
            assert_eq!(body, record, "{name}: {context}");
        }
    }
}

pub(super) fn changing_org() -> TinyOrg {
    TinyOrg::new(&[
        ("Account", 123, Oddity::None),
        ("Contact", 47, Oddity::None),
        ("Empty", 0, Oddity::None),
        ("History", 31, Oddity::None),
        ("Lead", 10, Oddity::None),
    ])
}

pub(super) fn change(org: &mut TinyOrg) {
    let account = org.objects.get_mut("Account").unwrap();
    account.changed.extend((0..60).map(|nth| (nth, LATER)));
    account.deleted.extend([(3, LATER), (122, LATER)]);
    let contact = org.objects.get_mut("Contact").unwrap();
    contact.rows = 49;
    contact.changed.extend([(1, LATER), (47, LATER), (48, LATER)]);
    let history = org.objects.get_mut("History").unwrap();
    history.rows = 33;
    history.changed.extend([(31, LATER), (32, LATER)]);
    history.deleted.insert(2, LATER);
}

/// A complete backup, then changes, then one that goes on from it.
pub(super) fn incremental(org: TinyOrg, change: impl FnOnce(&mut TinyOrg)) -> Job {
    let mut job = Job::of(org);
    job.run();
    next_backup(&job, change);
    job
}

/// Something is changed, a minute passes, and the next backup goes on from this one.
pub(super) fn next_backup(job: &Job, change: impl FnOnce(&mut TinyOrg)) {
    job.host.begin_incremental();
    let mut org = job.org.borrow_mut();
    change(&mut org);
    job.host.now.set(job.host.now.get() + 60_000);
    org.covered = job.host.now.get() - 1_000;
}

#[test]
fn what_was_changed_and_deleted_is_all_that_is_read() {
    let mut job = incremental(changing_org(), change);
    let before = job.host.sent();
    job.run();
    assert_equals_org(&job, "incremental");
    // The first request; describes (the org tells of no definitions); looks and what is known to have changed; what they told of.
    assert!(job.host.sent() - before <= 5, "{}", job.host.sent() - before);
    let marks = marks(
        &*job.host.current.borrow(),
        &["Account", "Contact", "Empty", "History", "Lead"],
    )
    .unwrap();
    let records: Vec<u64> = marks.into_iter().map(|mark| mark.unwrap().records).collect();
    assert_eq!(records, [121, 49, 0, 32, 10]);
}

#[test]
fn a_pause_at_any_request_of_an_incremental_backup_loses_nothing() {
    let mut whole = incremental(changing_org(), change);
    let before = whole.host.sent();
    whole.run();
    let all = u32::try_from(whole.host.sent() - before).unwrap();
    for pause_after in 0..all {
        let mut job = incremental(changing_org(), change);
        job.host.allow(pause_after);
        let before = job.host.sent();
        job.run();
        assert_equals_org(&job, &format!("paused after {pause_after}"));
        assert!(job.host.sent() - before <= u64::from(all) + 1);
    }
}

#[test]
fn deletions_that_nobody_logs_are_found_by_counts_and_ids() {
    for purged in [true, false] {
        let mut org = changing_org();
        // Large enough that it isn't simply read anew.
        let account = org.objects.get_mut("Account").unwrap();
        (account.rows, account.counted, account.page) = (2_500, Some(2_500), 2_000);
        account.replicated = purged;
        let mut job = incremental(org, |org| {
            let account = org.objects.get_mut("Account").unwrap();
            account.deleted.extend([(0, LATER), (2_100, LATER), (2_499, LATER)]);
            account.changed.insert(7, LATER);
            org.earliest_deletion = LATER + 5_000;
        });
        job.run();
        assert_equals_org(&job, &format!("purged: {purged}"));
    }
}

#[test]
fn what_was_late_is_read_by_the_next_backup() {
    let covered = LATER - 3_600_000;
    let mut org = changing_org();
    org.covered = covered;
    let mut job = Job::of(org);
    job.run();
    // A transaction that began before the first backup commits after it, with a stamp of its beginning.
    next_backup(&job, |org| {
        org.objects.get_mut("Lead").unwrap().changed.insert(5, covered + 1_000);
    });
    job.run();
    assert_equals_org(&job, "late");
}

#[test]
fn a_new_field_is_read_of_every_record() {
    let mut job = incremental(changing_org(), |org| {
        org.objects.get_mut("Contact").unwrap().added = Some("New__c");
        org.objects.get_mut("Contact").unwrap().deleted.insert(4, LATER);
    });
    job.run();
    assert_equals_org(&job, "new field");
    assert_eq!(job.remark("Contact").as_deref(), Some("schema-changed"));
}

#[test]
fn a_record_that_was_deleted_and_came_back_is_there() {
    let mut job = incremental(changing_org(), |org| {
        org.objects.get_mut("Lead").unwrap().deleted.insert(5, LATER);
    });
    job.run();
    assert_equals_org(&job, "deleted");
    next_backup(&job, |org| {
        let lead = org.objects.get_mut("Lead").unwrap();
        lead.deleted.clear();
        lead.changed.insert(5, LATER + 120_000);
    });
    job.run();
    assert_equals_org(&job, "undeleted");
}

#[test]
fn ten_thousand_records_of_one_moment_are_all_read_whatever_the_pauses() {
    let org = || {
        let mut org = TinyOrg::new(&[("Account", 10_000, Oddity::None)]);
        org.objects.get_mut("Account").unwrap().page = 2_000;
        org
    };
    for pause_after in 0..6 {
        let mut job = incremental(org(), |org| {
            let account = org.objects.get_mut("Account").unwrap();
            account.changed = (0..10_000).map(|nth| (nth, LATER)).collect();
        });
        job.host.allow(pause_after);
        job.run();
        assert_equals_org(&job, &format!("paused after {pause_after}"));
    }
}

#[test]
fn records_read_by_jobs_are_the_same_whatever_the_pauses() {
    let org = || {
        let mut org = changing_org();
        org.looks = 2;
        org
    };
    let mut whole = Job::of(org());
    set_bulk(&whole, 20);
    whole.run();
    assert_equals_org(&whole, "bulk");
    whole.assert_nothing_twice();
    let all = u32::try_from(whole.host.sent()).unwrap();
    for pause_after in 0..all {
        let mut job = Job::of(org());
        set_bulk(&job, 20);
        job.host.allow(pause_after);
        job.run();
        assert_equals_org(&job, &format!("bulk, paused after {pause_after}"));
        job.assert_nothing_twice();
        assert!(job.host.current.borrow().blobs.is_empty(), "saved pages are dropped");
    }
}

#[test]
fn reading_a_saved_page_sends_nothing() {
    let mut job = Job::of(changing_org());
    set_bulk(&job, 20);
    let mut next = job.plan();
    let mut saved = 0;
    while next != Next::Done {
        if let Next::AgainAfter(seconds) = next {
            job.wait(seconds);
        }
        let sent = job.host.sent();
        let reads = next == Next::Batch(0);
        next = job.batch().unwrap();
        if reads {
            saved += 1;
            assert_eq!(job.host.sent(), sent);
        }
    }
    assert!(saved >= 3, "{saved}");
}

#[test]
fn one_request_looks_at_all_jobs_where_the_org_lets_it() {
    let sent = |refuses: bool| {
        let mut org = changing_org();
        (org.refuses_list, org.looks) = (refuses, 0);
        let mut job = Job::of(org);
        set_bulk(&job, 20);
        job.run();
        assert_equals_org(&job, "bulk");
        job.host.sent()
    };
    assert!(sent(false) < sent(true));
}

#[test]
fn a_job_that_is_forgotten_begins_its_range_again() {
    let mut job = Job::of(changing_org());
    set_bulk(&job, 100);
    let mut next = job.plan();
    let mut batches = 0;
    while next != Next::Done {
        if let Next::AgainAfter(seconds) = next {
            job.wait(seconds);
        }
        next = job.batch().unwrap();
        batches += 1;
        // A page was read; the next one isn't there any more.
        let expired = batches == 4;
        job.org.borrow_mut().jobs_expired = expired;
    }
    assert_equals_org(&job, "expired");
}

#[test]
fn where_the_days_jobs_are_spent_queries_take_over() {
    let mut org = changing_org();
    org.jobs_spent = true;
    let mut job = Job::of(org);
    set_bulk(&job, 20);
    let standing = |used| crate::host::Standing {
        last: crate::host::Reading {
            quota: "DailyApiRequests".into(),
            used,
            max: 1_000_000,
            observed_at: 0,
            source: ReadingSource::ResponseHeader,
            request: Some(1),
        },
        own_since: 0,
        in_flight: 0,
    };
    job.host.standings.borrow_mut().push(standing(5));
    job.run();
    assert_equals_org(&job, "queries instead");
    assert!(job.waits.is_empty());

    // Where the allowance has no room for queries, the backup pauses and says for what.
    let mut org = changing_org();
    org.jobs_spent = true;
    let mut job = Job::of(org);
    set_bulk(&job, 20);
    job.host.standings.borrow_mut().push(standing(499_999));
    let mut next = job.plan();
    while matches!(next, Next::Batch(_)) {
        next = job.batch().unwrap();
    }
    let Next::Pause(pause) = &next else { panic!("{next:?}") };
    assert_eq!((pause.reason.as_str(), pause.ceiling), ("bulk-limit", 500_000));
    job.org.borrow_mut().jobs_spent = false;
    job.wait(pause.recheck_after);
    while next != Next::Done {
        next = job.batch().unwrap();
        if let Next::AgainAfter(seconds) = next {
            job.wait(seconds);
        }
    }
    assert_equals_org(&job, "after the pause");
}

#[test]
fn files_are_fetched_once() {
    let mut org = TinyOrg::new(&[("Attachment", 25, Oddity::None), ("Lead", 3, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    for pause_after in [0, 3, 5, 9, 14, 100] {
        let mut job = incremental_of(&org, pause_after);
        assert_eq!(job.host.current.borrow().blobs.len(), 25, "paused after {pause_after}");
        assert_eq!(files_sent(&job), 25, "paused after {pause_after}");
        next_backup(&job, |org| {
            org.objects.get_mut("Attachment").unwrap().changed.insert(3, LATER);
        });
        job.run();
        assert_eq!(files_sent(&job), 26, "only the file that was changed");
        assert_equals_org(&job, "files");
    }
}

#[test]
fn files_of_changed_records_are_looked_for_in_each_backup_whether_it_looked_for_changes_first_or_not() {
    let mut org = TinyOrg::new(&[("Attachment", 2_005, Oddity::None), ("Document", 25, Oddity::None)]);
    org.objects.values_mut().for_each(|object| object.files = true);
    let mut job = Job::of(org);
    job.run();
    for nth in 1..4 {
        let at = job.host.now.get() + 30_000;
        next_backup(&job, |org| {
            org.objects.values_mut().for_each(|object| object.changed.extend([(nth, at)]));
        });
        job.run();
        assert_eq!(files_sent(&job), 2_030 + 2 * nth, "backup {nth}");
    }
}

fn incremental_of(org: &TinyOrg, pause_after: u32) -> Job {
    let mut job = Job::of(org.clone());
    job.host.allow(pause_after);
    job.run();
    job
}

fn files_sent(job: &Job) -> usize {
    job.host
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/Body"))
        .count()
}

#[test]
fn files_beyond_the_budget_are_left_for_the_next_backup() {
    let mut org = TinyOrg::new(&[("Attachment", 25, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    let mut job = Job::of(org);
    *job.host.configuration.borrow_mut() = r#"{"api_version":"v62.0","file_requests":10}"#.into();
    job.run();
    assert_eq!(
        (files_sent(&job), job.remark("Attachment").as_deref()),
        (10, Some("files-left"))
    );
    for total in [20, 25] {
        next_backup(&job, |_| {});
        job.run();
        assert_eq!(files_sent(&job), total);
    }
}

#[test]
fn a_backup_that_took_days_catches_up_with_what_was_changed_meanwhile() {
    let mut job = Job::of(changing_org());
    let mut next = job.plan();
    job.host.allow(1);
    while next != Next::Done {
        if job.host.sent() == 4 {
            change(&mut job.org.borrow_mut());
            job.host.now.set(job.host.now.get() + 3 * 24 * 3_600_000);
            job.org.borrow_mut().covered = job.host.now.get() - 60_000;
        }
        job.host.allow(1);
        next = job.batch().unwrap();
    }
    assert_equals_org(&job, "after catching up");
    let mark = marks(&*job.host.current.borrow(), &["Account"]).unwrap().remove(0).unwrap();
    assert_eq!((mark.catch_ups, mark.records), (1, 121));
}

#[test]
fn a_large_object_is_read_by_a_job_for_each_range_of_its_ids() {
    let mut org = changing_org();
    // Salesforce's count is cached; here it is far off, and the object is taken for a large one.
    org.objects.get_mut("Account").unwrap().counted = Some(12_000_000);
    let mut job = Job::of(org);
    job.run();
    assert_equals_org(&job, "ranges");
    job.assert_nothing_twice();
    let jobs = job
        .host
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/jobs/query"))
        .count();
    assert!((3..6).contains(&jobs), "{jobs}");
}

#[test]
fn the_plan_says_what_is_then_sent() {
    for (bulk_rows, looks) in [(None, 0), (Some(20), 0)] {
        let mut org = changing_org();
        (org.looks, org.page_records) = (looks, 1_000);
        org.objects.values_mut().for_each(|object| object.page = 2_000);
        let mut job = Job::of(org);
        if let Some(rows) = bulk_rows {
            set_bulk(&job, rows);
        }
        job.plan();
        let planned: u64 = job.host.estimates.borrow().values().map(|estimate| estimate.1).sum();
        let before = job.host.sent();
        job.run();
        let sent = job.host.sent() - before;
        assert!(planned.abs_diff(sent) <= 1, "planned {planned}, sent {sent}");
    }
}

#[test]
fn files_that_nobody_wanted_are_fetched_once_somebody_does() {
    let mut org = TinyOrg::new(&[("Attachment", 25, Oddity::None)]);
    org.objects.get_mut("Attachment").unwrap().files = true;
    let mut job = Job::of(org);
    *job.host.configuration.borrow_mut() = r#"{"api_version":"v62.0","file_requests":0}"#.into();
    job.run();
    assert_eq!(files_sent(&job), 0);
    *job.host.configuration.borrow_mut() = r#"{"api_version":"v62.0"}"#.into();
    next_backup(&job, |_| {});
    job.run();
    assert_eq!(files_sent(&job), 25);
}
