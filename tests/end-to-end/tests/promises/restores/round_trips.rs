//! What was deleted comes back as it was.

use super::*;
use fake_salesforce::org::{Change, ReferenceKind, ReferenceSpec, Sent};
use std::collections::BTreeSet;

/// Orgs that each test makes; four tests, so that they take all cores.
const ORGS: u64 = 50;

async fn assert_come_back(quarter: u64) {
    for seed in quarter * ORGS + 1..=(quarter + 1) * ORGS {
        let rig = backed_up(seed).await;
        let before = held(&rig.fake);
        delete_some(&rig.fake, seed);
        // Nothing but deletions came since: both ways give back the same.
        let request = if seed % 2 == 0 { everything() } else { overwriting() };
        let about = format!("seed {seed}");
        let result = rig.restore(&request).await.unwrap();
        assert_complete(&result, &about);
        before.assert_like(&held(&rig.fake), &about);
        assert!(
            result.created > 20 && result.incomplete.is_empty(),
            "seed {seed}: {result:#?}"
        );
    }
}

#[tokio::test]
async fn deleted_records_come_back_with_every_value_and_every_reference() {
    assert_come_back(0).await;
}

#[tokio::test]
async fn deleted_records_come_back_in_fifty_other_orgs() {
    assert_come_back(1).await;
}

#[tokio::test]
async fn deleted_records_come_back_in_fifty_orgs_more() {
    assert_come_back(2).await;
}

#[tokio::test]
async fn deleted_records_come_back_in_the_last_fifty_orgs() {
    assert_come_back(3).await;
}

#[tokio::test]
async fn an_owner_who_left_is_told_and_the_record_is_there() {
    let rig = backed_up(6).await;
    let mut user = (*rig.fake.user()).clone();
    user.update_inactive_owners = false;
    rig.fake.set_user(user);
    let count = held(&rig.fake).len();
    delete_some(&rig.fake, 6);
    let dry_run = RestoreRequest {
        dry_run: true,
        ..everything()
    };
    let planned = rig.restore(&dry_run).await.unwrap();
    let begun = rig.fake.requests().len();
    let result = rig.restore(&everything()).await.unwrap();
    assert_eq!(
        (result.state, held(&rig.fake).len()),
        (RestoreState::Complete, count),
        "{result:#?}"
    );
    let left = |record: &RecordResult| record.error.contains("owner is inactive");
    assert!(
        result.incomplete.iter().any(left) && result.incomplete.iter().all(left),
        "{result:#?}"
    );
    let told = |result: &RestoreResult| -> BTreeSet<String> {
        let left = result.incomplete.iter().filter(|record| left(record));
        left.map(|record| record.id.clone()).collect()
    };
    assert_eq!(told(&planned), told(&result), "it was told before");
    // What the first request learns of the first of them holds for the others.
    let refused = rig.fake.requests().into_iter().skip(begun);
    let refused = refused.filter(|request| {
        let mut errors = request.written.iter().filter_map(|written| written.error.as_deref());
        errors.any(|error| error == "INACTIVE_OWNER_OR_USER")
    });
    assert_eq!(refused.count(), 1);
}

/// Lookups that keep the Id of what is gone, and records with them their stamps: nothing but the reference tells.
#[tokio::test]
async fn an_unchanged_record_refers_to_what_came_back() {
    let rig = backed_up(4).await;
    rig.fake.org().write().unwrap().write_rules_mut().clear_lookups = false;
    let before = held(&rig.fake);
    delete_some(&rig.fake, 4);
    assert_restores(&rig, &before, "with lookups that keep the Id").await;
}

/// Salesforce gives archived activities to queryAll alone, not by their Ids.
#[tokio::test]
async fn an_archived_activity_that_is_there_is_not_created_again() {
    let rig = Rig::new(RigOptions::of(org(OrgSpec::of(7, &[("Account", 5), ("Task", 400)])))).await;
    prepare(&rig.fake);
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
    let tasks = rig.oracle("Task");
    let archived = tasks.iter().filter(|task| task.contains("IsArchived=true")).count();
    assert!(archived > 0, "no task is archived");
    let request = RestoreRequest {
        snapshot: "latest".to_owned(),
        objects: vec!["Task".parse().unwrap()],
        ..RestoreRequest::default()
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!((result.created, rig.oracle("Task").len()), (0, tasks.len()), "{result:#?}");
}

/// Prices of other price books are refused where the standard one has none of the product yet.
#[tokio::test]
async fn prices_come_back_where_the_standard_price_book_was_changed() {
    let rig = backed_up(9).await;
    let before = held(&rig.fake);
    delete_all(&rig.fake, None);
    let books = rig.fake.oracle("Pricebook2");
    let book: Value = serde_json::from_slice(&books).unwrap();
    let change = Change::Update {
        id: book["Id"].as_str().unwrap().to_owned(),
        fields: std::iter::once(("Name".to_owned(), Sent::Text("another name".to_owned()))).collect(),
    };
    rig.fake.apply(&[change]).unwrap();
    let result = rig.restore(&overwriting()).await.unwrap();
    assert_complete(&result, "with a changed price book");
    before.assert_like(&held(&rig.fake), "with a changed price book");
    // A new stamp, and the same values: nothing is left to be done.
    rig.fake.clock().advance(HOUR_MS);
    let dry_run = RestoreRequest {
        dry_run: true,
        ..overwriting()
    };
    let planned = rig.restore(&dry_run).await.unwrap();
    assert_eq!((planned.created, planned.relinked), (0, 0), "{planned:#?}");
    let changes: Vec<(&str, u64)> = planned
        .objects
        .iter()
        .filter(|object| object.tally.updated > 0 && object.name != "Attachment")
        .map(|object| (object.name.as_str(), object.tally.updated))
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
}

#[tokio::test]
async fn files_come_back_byte_by_byte() {
    let rig = backed_up(8).await;
    let bodies = |object: &str, field: &str| -> Vec<Vec<u8>> {
        let lines = rig.fake.oracle(object);
        let lines = std::str::from_utf8(&lines).unwrap().lines();
        let ids = lines.map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["Id"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        let mut bodies: Vec<Vec<u8>> = ids
            .map(|id| {
                let body = rig.fake.body(object, id.parse().unwrap(), field).unwrap();
                body.read(0, usize::try_from(body.length()).unwrap())
            })
            .collect();
        bodies.sort();
        bodies
    };
    let of_all = || (bodies("Attachment", "Body"), bodies("ContentVersion", "VersionData"));
    let before = of_all();
    assert!(!before.0.is_empty() && !before.1.is_empty());
    for object in ["ContentDocument", "Attachment"] {
        let lines = rig.fake.oracle(object);
        for line in std::str::from_utf8(&lines).unwrap().lines() {
            let id = serde_json::from_str::<Value>(line).unwrap()["Id"]
                .as_str()
                .unwrap()
                .to_owned();
            rig.fake.apply(&[Change::Delete { id }]).unwrap();
        }
    }
    assert_ne!(of_all(), before);
    let result = rig.restore(&everything()).await.unwrap();
    assert_eq!(result.state, RestoreState::Complete, "{result:#?}");
    assert!(of_all() == before, "a file has other bytes");
}

/// A person's contact comes with the account, also where that waits for another one.
#[tokio::test]
async fn people_who_refer_to_each_other_come_back_with_their_contacts() {
    for seed in 1..=8 {
        let spouse = ReferenceSpec {
            field: "Spouse__c".to_owned(),
            to: vec!["Account".to_owned()],
            kind: ReferenceKind::Optional,
        };
        let rig = Rig::new(RigOptions::of(org(OrgSpec::restore(seed).with_reference("Account", spouse))).with_files()).await;
        prepare(&rig.fake);
        rig.complete().await;
        rig.fake.clock().advance(HOUR_MS);
        let before = held(&rig.fake);
        assert!(delete_all(&rig.fake, Some(&["Account"])) > 10);
        let result = assert_restores(&rig, &before, &format!("seed {seed}")).await;
        assert!(result.failed.is_empty(), "seed {seed}: {result:#?}");
    }
}
