//! Bulk query jobs: the same records, a pause anywhere, jobs that fail or expire, and the day's jobs spent.

use backup_seams::{Randomness, SeededRandomness};
use backup_store::Actor;
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::{BackupRequest, BackupState, PlanRequest, Silent};

const MAX: u64 = 100_000;

fn org(spec: OrgSpec, bulk_rows: Option<u64>) -> RigOptions {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    let mut options = RigOptions::of(Options {
        quota,
        ..Options::of(spec)
    })
    .limit(100);
    if let Some(rows) = bulk_rows {
        options.settings["bulk_rows"] = rows.into();
    }
    options
}

fn jobs_begun(rig: &Rig) -> usize {
    let begun = |entry: &fake_salesforce::log::LoggedRequest| entry.method == "POST" && entry.path.ends_with("/jobs/query");
    rig.fake.requests().iter().filter(|entry| begun(entry)).count()
}

#[tokio::test]
async fn records_read_by_rest_by_bulk_and_by_both_are_the_same() {
    let mut read = Vec::new();
    for bulk_rows in [Some(u64::MAX), Some(0), Some(1_000)] {
        let rig = Rig::new(org(OrgSpec::small(2), bulk_rows)).await;
        let result = rig.complete().await;
        assert_eq!(jobs_begun(&rig) > 0, bulk_rows != Some(u64::MAX));
        let mut bodies = std::collections::BTreeMap::new();
        let snapshot = rig.snapshot(&result.snapshot).await;
        for object in snapshot.fold().objects.keys() {
            let mut rows = snapshot.rows(object);
            while let Some(row) = futures::StreamExt::next(&mut rows).await {
                let row = row.unwrap();
                bodies.insert((object.to_string(), row.key.clone()), row.body);
            }
        }
        read.push(bodies);
    }
    assert!(read[0] == read[1] && read[0] == read[2], "byte for byte");
}

#[tokio::test]
async fn a_pause_at_any_request_repeats_nothing_and_loses_nothing() {
    let requests = {
        let rig = Rig::new(org(OrgSpec::tiny(2), Some(50))).await;
        rig.complete().await;
        assert!(jobs_begun(&rig) >= 3);
        rig.counted()
    };
    for k in 1..requests {
        let rig = Rig::new(org(OrgSpec::tiny(2), Some(50))).await;
        rig.fake.quota().set_used(MAX - k);
        let paused = rig.backup().await.unwrap();
        assert_eq!(paused.state, BackupState::Partial, "paused after {k} of {requests}");
        rig.fake.quota().set_used(0);
        rig.until_asked_again();
        let whole = rig.complete().await;
        assert_eq!(whole.snapshot, paused.snapshot);
        // A look may come at another moment than without the pause.
        assert!(
            rig.counted() <= requests + 2,
            "{} of {requests}, paused after {k}",
            rig.counted()
        );
    }
}

#[tokio::test]
async fn pages_of_results_are_gone_on_with_days_later() {
    let mut options = org(OrgSpec::small(4), Some(2_000));
    options.fake.rules.bulk.page_bytes = 200_000;
    let rig = Rig::new(options).await;
    let mut paused = 0;
    loop {
        let left = 3;
        rig.fake.quota().set_used(MAX - left);
        rig.until_asked_again();
        let result = rig.backup().await.unwrap();
        if result.state == BackupState::Complete {
            rig.assert_equals_org(&result).await;
            break;
        }
        assert_eq!(result.failed, None);
        paused += 1;
        assert!(paused < 200);
    }
    assert!(paused > 5);
}

#[tokio::test]
async fn a_job_that_fails_or_expires_begins_again_and_repeats_no_other() {
    let rig = Rig::new(org(OrgSpec::small(5), Some(2_000))).await;
    rig.complete().await;
    let jobs = jobs_begun(&rig);
    assert!(jobs > 2);

    let rig = Rig::new(org(OrgSpec::small(5), Some(2_000))).await;
    rig.fake.bulk().fail_next(1, "InternalServerError");
    rig.complete().await;
    assert_eq!(jobs_begun(&rig), jobs + 1);

    let rig = Rig::new(org(OrgSpec::small(5), Some(2_000))).await;
    rig.fake.quota().set_used(MAX - 14);
    let paused = rig.backup().await.unwrap();
    assert_eq!(paused.state, BackupState::Partial);
    assert!(jobs_begun(&rig) > 0);
    rig.fake.clock().advance(8 * 24 * 3_600_000);
    rig.fake.quota().set_used(0);
    rig.complete().await;
}

#[tokio::test]
async fn where_the_days_jobs_are_spent_queries_take_over_or_the_backup_pauses() {
    let rig = Rig::new(org(OrgSpec::small(6), Some(2_000))).await;
    rig.fake.bulk().set_limits(Some(0), None);
    rig.complete().await;

    // Somewhere between too little for anything and enough for queries is enough for all that jobs don't read.
    let mut found = None;
    for left in 5..25 {
        let rig = Rig::new(org(OrgSpec::small(6), Some(1))).await;
        rig.fake.bulk().set_limits(Some(0), None);
        rig.fake.quota().set_used(MAX - left);
        let paused = rig.backup().await.unwrap();
        let reason = paused.pause.as_ref().map(|pause| pause.reason.clone());
        if reason.as_deref() == Some("bulk-limit") {
            found = Some((rig, paused));
            break;
        }
    }
    let (rig, paused) = found.unwrap();
    rig.fake.bulk().set_limits(Some(10_000), None);
    rig.fake.quota().set_used(0);
    rig.fake.clock().advance(3_600_000);
    let whole = rig.complete().await;
    assert_eq!(whole.snapshot, paused.snapshot);
}

/// Requests for images within rich text: the one thing that nobody can foresee before the text is read.
fn image_requests(rig: &Rig) -> u64 {
    let is_image = |entry: &&fake_salesforce::log::LoggedRequest| entry.path.contains("/richTextImageFields/");
    rig.fake.requests().iter().filter(is_image).count() as u64
}

/// Requests that a full backup is planned with, and requests that it then sends.
async fn planned_and_sent(rig: &Rig) -> (u64, u64) {
    let plan = PlanRequest {
        full: true,
        ..PlanRequest::default()
    };
    let plan = rig.host.plan(&rig.name, &Actor::host(), &plan, &Silent).await.unwrap();
    let before = rig.counted();
    let request = BackupRequest {
        full: true,
        ..BackupRequest::default()
    };
    let result = rig.backup_with(&request).await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    (plan.requests, rig.counted() - before)
}

/// Of less than ten requests a tenth is none: one may be off.
fn is_within_a_tenth(planned: u64, sent: u64) -> bool {
    planned.abs_diff(sent) <= (sent / 10).max(1)
}

async fn assert_planned(spec: OrgSpec, bulk_rows: Option<u64>) {
    let rig = Rig::new(org(spec, bulk_rows)).await;
    let (planned, sent) = planned_and_sent(&rig).await;
    assert!(is_within_a_tenth(planned, sent), "planned {planned}, sent {sent}");
}

#[tokio::test]
async fn the_plan_is_within_a_tenth_of_what_is_then_sent() {
    for spec in [OrgSpec::tiny(1), OrgSpec::small(1), OrgSpec::bench_s(1), OrgSpec::real(2)] {
        assert_planned(spec, None).await;
    }
}

#[tokio::test]
async fn the_plan_for_a_million_records_is_within_a_tenth_of_what_is_then_sent() {
    assert_planned(OrgSpec::million(3), None).await;
}

#[tokio::test]
async fn the_plan_for_wide_objects_is_within_a_tenth_of_what_is_then_sent() {
    assert_planned(OrgSpec::widest(1), None).await;
    assert_planned(OrgSpec::widest(1), Some(0)).await;
}

#[tokio::test]
async fn files_are_planned_but_for_images_and_those_that_are_held_are_not() {
    for spec in [OrgSpec::files(1), OrgSpec::files(2).with_rows("ContentVersion", 1_000)] {
        let rig = Rig::new(org(spec, None).with_files()).await;
        let (planned, sent) = planned_and_sent(&rig).await;
        let sent = sent - image_requests(&rig);
        assert!(
            is_within_a_tenth(planned, sent),
            "planned {planned}, sent {sent} without images"
        );
        let (planned, sent) = planned_and_sent(&rig).await;
        assert!(
            is_within_a_tenth(planned, sent),
            "the second time: planned {planned}, sent {sent}"
        );
    }
}

/// Backs up a large org that has a few requests for it at a time, as many as the seed says, until it is complete.
async fn paused_at_random(seed: u64) {
    let randomness = SeededRandomness::new(seed);
    let rig = Rig::new(org(OrgSpec::bench_s(seed), Some(1_500))).await;
    let (mut pauses, mut within_jobs, mut snapshot) = (0, 0, None);
    let whole = loop {
        rig.fake.quota().set_used(MAX - 2 - randomness.next() % 6);
        rig.until_asked_again();
        let result = rig.backup().await.unwrap();
        assert_eq!(result.failed, None, "after {} requests", rig.counted());
        assert_eq!(*snapshot.get_or_insert(result.snapshot.clone()), result.snapshot);
        if result.state == BackupState::Complete {
            break result;
        }
        pauses += 1;
        within_jobs += usize::from(jobs_begun(&rig) > 0);
    };
    rig.assert_equals_org(&whole).await;
    assert_eq!(end_to_end::repeated(&rig.fake), [""; 0]);
    assert!(
        pauses >= 4 && within_jobs >= 2,
        "{pauses} pauses, {within_jobs} of them after a job was begun, {} requests",
        rig.counted()
    );
}

#[tokio::test]
async fn a_large_org_paused_at_random_requests_equals_the_org_and_repeats_nothing() {
    for seed in [4, 5, 6] {
        paused_at_random(seed).await;
    }
}

#[tokio::test]
async fn wide_objects_are_read_whole() {
    let rig = Rig::new(org(OrgSpec::widest(1), None)).await;
    rig.complete().await;
    let rig = Rig::new(org(OrgSpec::wide(1).with_at_most(3_000), None)).await;
    rig.complete().await;
}
