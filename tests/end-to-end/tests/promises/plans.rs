//! The plan is honest: images that nobody can count stand beside it, by what the last backup found, and it says whether it fits.

use backup_store::{Actor, ObjectState};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::{BackupRequest, BackupState, PlanRequest, PlanResult, Silent};
use std::collections::BTreeSet;

const MAX: u64 = 10_000;

fn rig_options() -> RigOptions {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    RigOptions::of(Options {
        quota,
        ..Options::of(OrgSpec::small(1))
    })
    .limit(100)
    .with_files()
}

async fn plan(rig: &Rig) -> PlanResult {
    let request = PlanRequest {
        full: true,
        ..PlanRequest::default()
    };
    rig.host.plan(&rig.name, &Actor::host(), &request, &Silent).await.unwrap()
}

fn images(rig: &Rig) -> u64 {
    let is_image = |entry: &&fake_salesforce::log::LoggedRequest| entry.path.contains("/richTextImageFields/");
    rig.fake.requests().iter().filter(is_image).count() as u64
}

fn is_within_a_tenth(planned: u64, sent: u64) -> bool {
    planned.abs_diff(sent) <= (sent / 10).max(1)
}

#[tokio::test]
async fn images_stand_beside_the_plan_and_the_estimate_grows_to_what_is_sent() {
    let rig = Rig::new(rig_options()).await;
    let first = plan(&rig).await;
    let uncounted: Vec<_> = first.objects.iter().flat_map(|object| &object.uncounted).collect();
    assert!(!uncounted.is_empty() && uncounted.iter().all(|one| one.what == "images in rich text"));
    assert_eq!((first.first, first.uncounted_expected), (true, None), "nobody can know yet");

    let mut request = BackupRequest {
        full: true,
        ..BackupRequest::default()
    };
    // Somewhere within the images.
    rig.fake.quota().set_used(MAX - first.requests - 20);
    let paused = rig.backup_with(&request).await.unwrap();
    assert_eq!(paused.state, BackupState::Partial);
    rig.fake.quota().set_used(0);
    rig.fake.clock().advance(3_600_000);
    request.full = false;
    let whole = rig.backup_with(&request).await.unwrap();
    assert_eq!((whole.state, whole.requests_left), (BackupState::Complete, 0));
    let sent = paused.calls.sent + whole.calls.sent;
    assert!(images(&rig) > 20, "{}", images(&rig));
    assert!(
        is_within_a_tenth(whole.calls.estimated, sent),
        "estimated {}, sent {sent}",
        whole.calls.estimated
    );
    assert!(is_within_a_tenth(first.requests, sent - images(&rig)));

    let second = plan(&rig).await;
    let before = (images(&rig), rig.counted());
    request.full = true;
    assert_eq!(rig.backup_with(&request).await.unwrap().state, BackupState::Complete);
    let fetched = images(&rig) - before.0;
    assert!(
        is_within_a_tenth(second.uncounted_expected.unwrap(), fetched),
        "{fetched} images"
    );
    assert!(is_within_a_tenth(second.requests, rig.counted() - before.1 - fetched));
}

#[tokio::test]
async fn images_that_are_left_out_cost_nothing_and_are_said() {
    let mut options = rig_options();
    options.settings["rich_text_images"] = false.into();
    let rig = Rig::new(options).await;
    let planned = plan(&rig).await;
    assert_eq!(planned.uncounted_expected, Some(0));
    let remarks = planned.objects.iter().flat_map(|object| &object.remarks);
    assert!(remarks.into_iter().any(|remark| remark.starts_with("images-left-out")));
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
    assert_eq!(images(&rig), 0);
}

#[tokio::test]
async fn a_plan_says_whether_it_fits_and_what_would_make_it_fit() {
    let rig = Rig::new(rig_options()).await;
    let fits = plan(&rig).await;
    assert_eq!(
        (fits.fits_now, fits.pauses_expected, fits.limit_to_finish_today),
        (Some(true), Some(0), Some(100))
    );
    let rig = Rig::new(rig_options()).await;
    rig.fake.quota().set_used(MAX - fits.calls.sent - fits.requests / 2);
    let later = plan(&rig).await;
    assert_eq!(
        (later.fits_now, later.limit_to_finish_today),
        (Some(false), None),
        "{later:?}"
    );
    assert!(later.pauses_expected >= Some(1) && later.completes_at.is_some());
}

#[tokio::test]
async fn a_plan_counts_what_is_skipped_as_the_backup_before_did() {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    let options = Options {
        quota,
        ..Options::of(OrgSpec::real(2))
    };
    let rig = Rig::new(RigOptions::of(options)).await;
    let result = rig.backup().await.unwrap();
    let objects = result.objects.iter().filter(|object| object.state == ObjectState::Skipped);
    let skipped: BTreeSet<&str> = objects.map(|object| object.name.as_str()).collect();
    let (actor, request) = (Actor::host(), PlanRequest::default());
    let plan = rig.host.plan(&rig.name, &actor, &request, &Silent).await.unwrap();
    let objects = plan.objects.iter().filter(|object| object.skipped.is_some());
    let planned: BTreeSet<&str> = objects.map(|object| object.name.as_str()).collect();
    assert!(skipped.len() > 50, "{skipped:?}");
    assert_eq!(planned, skipped);
}
