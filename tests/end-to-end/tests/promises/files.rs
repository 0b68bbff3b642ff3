//! Files: every body that the org has, each fetched once.

use backup_store::ObjectState;
use end_to_end::program::Program;
use end_to_end::{Rig, RigOptions, bodies};
use fake_salesforce::org::{Churn, OrgSpec};
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use host_harness::jobs::{BackupResult, BackupState};
use serde_json::json;

const MAX: u64 = 100_000;

fn options() -> Options {
    Options {
        quota: QuotaOptions {
            max: MAX,
            ..QuotaOptions::default()
        },
        ..Options::of(OrgSpec::files(1))
    }
}

fn file_requests(rig: &Rig) -> usize {
    let is_file = |path: &str| {
        ["/VersionData", "/Body", "/Document"].iter().any(|end| path.ends_with(end)) || path.contains("richTextImage")
    };
    rig.fake.requests().iter().filter(|entry| is_file(&entry.path)).count()
}

#[tokio::test]
async fn a_file_is_fetched_once_whatever_the_pauses_and_never_again() {
    let rig = Rig::new(RigOptions::of(options()).with_files().limit(100)).await;
    let whole = rig.backup().await.unwrap();
    assert_eq!(whole.state, BackupState::Complete);
    let fetched = file_requests(&rig);
    assert!(fetched > 50, "{fetched}");

    let paused = Rig::new(RigOptions::of(options()).with_files().limit(100)).await;
    let mut pauses = 0;
    loop {
        paused.fake.quota().set_used(MAX - 37);
        paused.until_asked_again();
        let result = paused.backup().await.unwrap();
        if result.state == BackupState::Complete {
            break;
        }
        pauses += 1;
        assert!(pauses < 100);
    }
    assert!(pauses > 3);
    assert_eq!(file_requests(&paused), fetched);

    // What wasn't changed isn't fetched again.
    rig.fake.churn(&Churn {
        changed_percent: 1.0,
        seed: 3,
        ..Churn::default()
    });
    rig.fake.clock().advance(24 * 3_600_000);
    let next = rig.backup().await.unwrap();
    assert_eq!(next.state, BackupState::Complete);
    assert!(file_requests(&rig) < fetched + 20);
    assert!(next.blobs >= whole.blobs);
}

#[test]
fn every_file_is_exported_as_the_org_has_it() {
    let fake = Fake::start(options()).unwrap();
    let program = Program::new();
    let config = json!({"instance_url": fake.url(), "api_version": "v62.0", "usage_limit": 100,
        "auth": {"kind": "access-token", "token": fake.access_token()}});
    assert!(program.add_with("acme", &config).status.success());
    assert_eq!(program.run(&["backup", "acme", "--json"]).status.code(), Some(0));
    let expected = bodies(&fake);
    assert!(!expected.is_empty());
    let objects: std::collections::BTreeSet<&String> = expected.keys().map(|(object, ..)| object).collect();
    for object in objects {
        let folder = program.folder().join("files").join(object);
        let exported = program.run(&["export", "acme", "latest", object, "--files", folder.to_str().unwrap()]);
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        for ((_, id, field), bytes) in expected.iter().filter(|((of, ..), _)| of == object) {
            let file = folder.join(format!("{id}.{field}"));
            assert!(std::fs::read(&file).unwrap() == *bytes, "{}", file.display());
        }
    }
}

/// An org whose user may not query all files: a query of all links is refused, one for certain documents isn't.
async fn org_without_query_all_files() -> Rig {
    let spec = OrgSpec::of(
        5,
        &[("Account", 300), ("ContentDocument", 1_300), ("ContentDocumentLink", 6_000)],
    );
    let options = Options {
        quota: options().quota,
        ..Options::of(spec)
    };
    let rig = Rig::new(RigOptions::of(options).limit(100)).await;
    let mut viewer = (*rig.fake.user()).clone();
    viewer.query_all_files = false;
    rig.fake.set_user(viewer);
    rig
}

fn links(result: &BackupResult) -> (ObjectState, u64) {
    let links = result
        .objects
        .iter()
        .find(|object| object.name == "ContentDocumentLink")
        .unwrap();
    (links.state, links.records)
}

#[tokio::test]
async fn links_of_files_are_read_by_lists_of_documents_where_a_query_of_all_is_refused() {
    let rig = org_without_query_all_files().await;
    let whole = rig.complete().await;
    let (state, records) = links(&whole);
    assert!(
        state == ObjectState::Complete && records > 2_000,
        "{state:?}, {records} links"
    );
    let requests = rig.counted();

    rig.fake.churn(&Churn {
        changed_percent: 20.0,
        created_percent: 5.0,
        deleted_percent: 5.0,
        hard_deleted_share: 0.5,
        seed: 3,
        ..Churn::default()
    });
    rig.fake.clock().advance(24 * 3_600_000);
    assert_eq!(links(&rig.complete().await).0, ObjectState::Complete);

    for k in 1..requests {
        let rig = org_without_query_all_files().await;
        rig.fake.quota().set_used(MAX - k);
        let paused = rig.backup().await.unwrap();
        assert_eq!(paused.state, BackupState::Partial, "paused after {k} of {requests}");
        rig.fake.quota().set_used(0);
        rig.until_asked_again();
        assert_eq!(links(&rig.complete().await), (ObjectState::Complete, records));
        assert_eq!(end_to_end::repeated(&rig.fake), [""; 0], "paused after {k} of {requests}");
    }
}
