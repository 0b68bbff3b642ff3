//! Images within rich text: what the plan says of requests that nobody can count beforehand, and when they turn up.

use super::changes::next_backup;
use super::*;

/// Accounts of which the first have an image each, and leads without any.
fn org(images: usize) -> TinyOrg {
    let mut org = TinyOrg::new(&[("Account", 50, Oddity::None), ("Lead", 9, Oddity::None)]);
    org.objects.get_mut("Account").unwrap().images = Some(images);
    org
}

fn configured(job: &Job, members: &str) {
    *job.host.configuration.borrow_mut() = format!(r#"{{"api_version":"v62.0"{members}}}"#);
}

fn sent(job: &Job) -> usize {
    let is_image = |request: &&crate::host::Request| request.path.contains("/richTextImageFields/");
    job.host.requests().iter().filter(is_image).count()
}

/// Plans anew; what stands beside the plan.
fn expected(job: &mut Job) -> BTreeMap<String, Option<u64>> {
    job.host.uncounted.borrow_mut().clear();
    job.plan();
    let told = job.host.uncounted.borrow();
    told.iter()
        .map(|(object, (what, expected))| {
            assert_eq!(what, "images in rich text");
            (object.clone(), *expected)
        })
        .collect()
}

fn accounts(expected: Option<u64>) -> BTreeMap<String, Option<u64>> {
    BTreeMap::from([("Account".to_owned(), expected)])
}

#[test]
fn a_plan_says_which_objects_may_have_images_and_how_many_it_expects() {
    let mut job = Job::of(org(40));
    assert_eq!(expected(&mut job), accounts(None), "nobody can know");
    job.run();
    assert_eq!(sent(&job), 40);
    // New ones: as many as the backup before found.
    for (images, foreseen) in [(45, 0), (49, 5), (49, 4), (49, 0)] {
        let at = job.host.now.get() + 30_000;
        next_backup(&job, |org| {
            let account = org.objects.get_mut("Account").unwrap();
            if account.images != Some(images) {
                account.changed.extend((40..images).map(|nth| (nth, at)));
            }
            account.images = Some(images);
        });
        assert_eq!(expected(&mut job), accounts(Some(foreseen)), "{images}");
        job.run();
        assert_eq!(sent(&job), images);
    }
}

#[test]
fn the_estimate_grows_as_images_are_found() {
    for pause_after in [0, 1, 4, 19, 200] {
        let mut job = Job::of(org(40));
        job.plan();
        let planned = |job: &Job| job.host.estimates.borrow()["Account"].1;
        let before = planned(&job);
        job.host.allow(pause_after);
        job.run();
        assert_eq!(sent(&job), 40);
        assert_eq!(planned(&job), before + 40, "paused after {pause_after}");
    }
}

#[test]
fn what_the_budget_leaves_is_counted_by_the_next_plan_and_no_more_is_told_than_it_allows() {
    let mut job = Job::of(org(40));
    configured(&job, r#","file_requests":25"#);
    job.plan();
    let before = job.host.estimates.borrow()["Account"].1;
    job.run();
    assert_eq!((sent(&job), job.host.estimates.borrow()["Account"].1), (25, before + 25));
    next_backup(&job, |_| {});
    assert_eq!(expected(&mut job), accounts(Some(0)));
    assert_eq!(
        job.host.estimates.borrow()["Account"].1,
        15 + 1,
        "those that were left, and the look"
    );
    job.run();
    assert_eq!(sent(&job), 40);
}

#[test]
fn images_that_nobody_wants_are_left_out_by_name_until_somebody_does() {
    let mut job = Job::of(org(40));
    configured(&job, r#","rich_text_images":false"#);
    assert_eq!(expected(&mut job), BTreeMap::new());
    assert_eq!(job.remark("Account").as_deref(), Some("images-left-out"));
    assert_eq!(job.remark("Lead"), None);
    assert!(job.host.estimates.borrow()["Account"].0.contains("rich_text_images"));
    job.run();
    assert_eq!(sent(&job), 0);
    configured(&job, "");
    next_backup(&job, |_| {});
    assert_eq!(expected(&mut job), accounts(None));
    job.run();
    assert_eq!(sent(&job), 40);
}
