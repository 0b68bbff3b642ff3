//! What people changed since the snapshot stays, unless they say otherwise.

use super::*;
use fake_salesforce::org::{Change, Sent};

fn id(lead: &Value) -> String {
    lead["Id"].as_str().unwrap().to_owned()
}

fn edit(rig: &Rig, lead: &Value, company: &str) {
    let change = Change::Update {
        id: id(lead),
        fields: std::iter::once(("Company".to_owned(), Sent::Text(company.to_owned()))).collect(),
    };
    rig.fake.apply(&[change]).unwrap();
}

fn company(rig: &Rig, lead: &Value) -> Value {
    let found = leads(rig).into_iter().find(|other| other["Id"] == lead["Id"]);
    found.unwrap()["Company"].clone()
}

#[tokio::test]
async fn edited_records_stay_and_deleted_ones_come_back() {
    let rig = backed_up(31).await;
    let before = leads(&rig);
    rig.fake.apply(&[Change::Delete { id: id(&before[0]) }]).unwrap();
    edit(&rig, &before[1], "edited");
    rig.fake.clock().advance(HOUR_MS);
    let result = rig.restore(&of_leads(false)).await.unwrap();
    assert_complete(&result, "what is missing");
    assert_eq!((result.created, result.updated), (1, 0), "{result:#?}");
    assert_eq!(leads(&rig).len(), before.len());
    assert_eq!(company(&rig, &before[1]), "edited");

    // Afterwards nothing is left to be done.
    let written = |rig: &Rig| {
        rig.fake
            .requests()
            .iter()
            .filter(|request| !request.written.is_empty())
            .count()
    };
    let so_far = written(&rig);
    let again = rig.restore(&of_leads(false)).await.unwrap();
    assert_eq!((again.created, again.relinked, written(&rig)), (0, 0, so_far), "{again:#?}");

    let result = rig.restore(&of_leads(true)).await.unwrap();
    assert_eq!((result.created, result.updated), (0, 1), "{result:#?}");
    assert_eq!(company(&rig, &before[1]), before[1]["Company"]);
    rig.fake.clock().advance(HOUR_MS);
    let dry_run = RestoreRequest {
        dry_run: true,
        ..of_leads(true)
    };
    let again = rig.restore(&dry_run).await.unwrap();
    assert_eq!((again.created, again.updated), (0, 0), "{again:#?}");
}

#[tokio::test]
async fn records_edited_after_a_moment_stay_where_others_are_overwritten() {
    let rig = backed_up(32).await;
    let before = leads(&rig);
    edit(&rig, &before[0], "early");
    rig.fake.clock().advance(HOUR_MS);
    let between = rig.fake.clock().now_ms();
    rig.fake.clock().advance(HOUR_MS);
    edit(&rig, &before[1], "late");
    rig.fake.clock().advance(HOUR_MS);
    let request = RestoreRequest {
        keep_changed_since: Some(backup_seams::Timestamp(u64::try_from(between).unwrap())),
        ..of_leads(true)
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!((result.state, result.updated), (RestoreState::Complete, 1), "{result:#?}");
    assert_eq!(company(&rig, &before[0]), before[0]["Company"]);
    assert_eq!(company(&rig, &before[1]), "late");
}

#[tokio::test]
async fn an_id_narrows_its_object_and_leaves_others_whole() {
    let rig = backed_up(33).await;
    let before = leads(&rig);
    for lead in &before[..3] {
        rig.fake.apply(&[Change::Delete { id: id(lead) }]).unwrap();
    }
    rig.fake.clock().advance(HOUR_MS);
    let short = id(&before[0])[..15].to_owned();
    let request = RestoreRequest {
        ids: vec![(None, format!(" {short} "))],
        objects: vec!["lead".parse().unwrap(), "Note".parse().unwrap()],
        ..of_leads(false)
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!((result.state, result.created), (RestoreState::Complete, 1), "{result:#?}");
    assert_eq!(leads(&rig).len(), before.len() - 2);
}

#[tokio::test]
async fn a_condition_that_can_not_be_is_refused_before_anything_is_sent() {
    let rig = backed_up(34).await;
    let lead: backup_store::ObjectName = "Lead".parse().unwrap();
    for (condition, says) in [
        ("Nope__c = 1", "Lead has no field Nope__c in this snapshot"),
        ("Compny = 'x'", "did you mean Company?"),
        ("Company = \"x\"", "single quotes"),
        ("Company ~ 1", "no operator"),
    ] {
        for dry_run in [true, false] {
            let request = RestoreRequest {
                conditions: vec![(lead.clone(), condition.to_owned())],
                dry_run,
                ..of_leads(false)
            };
            let sent = rig.counted();
            let error = rig.restore(&request).await.unwrap_err();
            assert!(
                error.is_wrong_use() && error.to_string().contains(says),
                "{condition}: {error}"
            );
            assert_eq!(rig.counted(), sent, "{condition}");
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_raised_for_a_restore_goes_back_with_it() {
    let rig = connected(35).await;
    let before = lose(&rig, 35).await;
    limits::leave(&rig, 1);
    let request = RestoreRequest {
        raise_limit: backup_store::Percent::new(90),
        ..everything()
    };
    let result = rig.restore(&request).await.unwrap();
    assert_complete(&result, "with a raised limit");
    before.assert_like(&held(&rig.fake), "with a raised limit");
    let journal = rig.journal().await;
    let changes = journal
        .entries()
        .iter()
        .filter(|entry| matches!(entry.body.event, backup_store::Event::UsageLimitChanged { .. }));
    assert_eq!(changes.count(), 2, "both are in the audit trail");
    let now = backup_seams::Timestamp(u64::try_from(rig.fake.clock().now_ms()).unwrap());
    assert_eq!(journal.state().usage_limit(now).get(), 50);
}
