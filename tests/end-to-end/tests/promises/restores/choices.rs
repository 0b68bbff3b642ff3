//! What is asked for is restored, and nothing else.

use super::*;
use backup_store::{ConnectionName, SnapshotState};
use fake_salesforce::org::{Change, Scan, SetField, Trigger};
use std::collections::{BTreeMap, BTreeSet};

/// Of these records alone.
fn records(ids: &[&str]) -> RestoreRequest {
    RestoreRequest {
        snapshot: "latest".to_owned(),
        ids: ids.iter().map(|id| (None, (*id).to_owned())).collect(),
        ..RestoreRequest::default()
    }
}

fn lose_one(rig: &Rig, id: &str) {
    rig.fake.apply(&[Change::Delete { id: id.to_owned() }]).unwrap();
}

/// The records of an object as they are now.
fn rows(fake: &Fake, object: &str) -> Vec<Value> {
    let lines = fake.oracle(object);
    let lines = std::str::from_utf8(&lines).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn first_id(rig: &Rig, object: &str) -> String {
    rows(&rig.fake, object)[0]["Id"].as_str().unwrap().to_owned()
}

fn count(rig: &Rig, object: &str) -> u64 {
    rig.fake.count(object, Scan::QUERY)
}

#[tokio::test]
async fn the_same_record_restored_from_two_snapshots_is_one_record() {
    let rig = backed_up(21).await;
    let first = rig.journal().await.state().snapshots()[0].id.to_string();
    let before = held(&rig.fake);
    rig.backup().await.unwrap();
    // Nothing refers to notes, so that one restored alone is all that was lost.
    let note = first_id(&rig, "Note");
    for again in [false, true] {
        // The second time the one goes that was restored: new Ids come last.
        let newest = rows(&rig.fake, "Note").pop().unwrap();
        lose_one(&rig, if again { newest["Id"].as_str().unwrap() } else { &note });
        for (snapshot, created) in [(first.as_str(), 1), ("latest", 0), (first.as_str(), 0)] {
            let request = RestoreRequest {
                snapshot: snapshot.to_owned(),
                ..records(&[&note])
            };
            let result = rig.restore(&request).await.unwrap();
            assert_eq!(
                (result.state, result.created),
                (RestoreState::Complete, created),
                "{result:#?}"
            );
            before.assert_like(&held(&rig.fake), snapshot);
        }
    }
}

#[tokio::test]
async fn a_partial_snapshot_gives_back_what_it_has_and_says_that_it_is_partial() {
    let options = RigOptions::of(org(OrgSpec::restore(22)));
    let rig = Rig::new(options).await;
    prepare(&rig.fake);
    rig.fake.quota().set_max(1_000);
    rig.fake.quota().set_used(500 - 7);
    let paused = rig.backup().await.unwrap();
    assert_eq!(paused.state, BackupState::Partial);
    // Of what people have, and nothing refers to.
    let whole = |name: &str| {
        let found = paused.objects.iter().find(|object| object.name == name);
        found.is_some_and(|object| object.state == backup_store::ObjectState::Complete && object.records > 0)
    };
    let object = ["Asset", "CaseComment", "CampaignMember", "Note", "Event", "Case"]
        .into_iter()
        .find(|name| whole(name))
        .unwrap();
    rig.set_limit(90).await;
    let before = held(&rig.fake);
    let id = first_id(&rig, object);
    lose_one(&rig, &id);
    let result = rig.restore(&records(&[&id])).await.unwrap();
    assert_eq!(
        (result.state, result.created, result.snapshot_state),
        (RestoreState::Complete, 1, SnapshotState::Partial),
        "{result:#?}"
    );
    before.assert_like(&held(&rig.fake), object);
}

/// Another org, emptied of all that is restored.
fn emptied(spec: OrgSpec) -> Fake {
    let fake = Fake::start(org(spec)).unwrap();
    prepare(&fake);
    delete_all(&fake, None);
    fake
}

/// Restores everything into another org, twice, and asserts that it is there then, once.
async fn assert_goes_to(rig: &Rig, other: &Fake) {
    let name: ConnectionName = "sandbox".parse().unwrap();
    rig.add_of(other, &rig.host, &name, 50).await;
    let request = RestoreRequest {
        from: Some(rig.name.clone()),
        ..everything()
    };
    let before = rig.counted();
    for again in [false, true] {
        let result = rig
            .host
            .restore(&name, &backup_store::Actor::host(), &request, &host_harness::jobs::Silent)
            .await
            .unwrap();
        assert_eq!(result.source, "default/acme");
        assert_eq!(
            (result.state, result.created > 200, result.incomplete.len()),
            (RestoreState::Complete, !again, 0),
            "{:#?}",
            (&result.failed, &result.incomplete)
        );
        held(&rig.fake).assert_like(&held(other), "in the other org");
    }
    assert_eq!(rig.counted(), before, "nothing is sent to the org that the records are from");
}

#[tokio::test]
async fn records_go_to_the_org_of_another_connection_once() {
    let rig = backed_up(23).await;
    // A sandbox that was copied and then emptied: the same users, and other Ids for all that is new.
    let sandbox = emptied(OrgSpec::restore(23));
    assert_goes_to(&rig, &sandbox).await;
}

/// What the records of an object refer to by a field: each by a field that names it, and the other's name.
fn names(fake: &Fake, (object, name): (&str, &str), field: &str, to: &[(&str, &str)]) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().map(str::to_owned);
    let named = |(object, name): &(&str, &str)| -> Vec<(String, String)> {
        let rows = rows(fake, object);
        let pairs = rows.iter().filter_map(|row| Some((text(row, "Id")?, text(row, name)?)));
        pairs.collect()
    };
    let named: BTreeMap<String, String> = to.iter().flat_map(named).collect();
    let rows = rows(fake, object);
    let pairs = rows
        .iter()
        .filter_map(|row| Some((text(row, name)?, named.get(row[field].as_str()?)?.clone())));
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort();
    pairs
}

#[tokio::test]
async fn records_belong_to_the_users_of_the_same_names_where_all_ids_are_others() {
    let rig = backed_up(29).await;
    let other = emptied(OrgSpec::restore(29).on_instance(*b"Ot"));
    let ids = |fake: &Fake| -> BTreeSet<String> {
        let set_up = ["User", "Group", "RecordType", "Pricebook2"].into_iter();
        let rows = set_up.flat_map(|object| rows(fake, object));
        rows.map(|row| row["Id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&rig.fake).is_disjoint(&ids(&other)), "nothing is found by its Id");
    assert_goes_to(&rig, &other).await;
    let owners = [("User", "Username"), ("Group", "DeveloperName")];
    let types = [("RecordType", "DeveloperName")];
    for (object, field, to) in [
        (("Account", "Name"), "OwnerId", &owners[..]),
        (("Lead", "Name"), "OwnerId", &owners),
        (("Node_0__c", "External_Key__c"), "OwnerId", &owners),
        (("Account", "Name"), "RecordTypeId", &types),
        (("Opportunity", "Name"), "RecordTypeId", &types),
    ] {
        let (was, is) = (names(&rig.fake, object, field, to), names(&other, object, field, to));
        let different: BTreeSet<&String> = was.iter().map(|(_, name)| name).collect();
        assert!(different.len() > 1, "{object:?}: no choice of {field}: {was:?}");
        assert_eq!(was, is, "{object:?}: {field}");
    }
}

#[tokio::test]
async fn a_condition_chooses_by_the_values_of_the_snapshot() {
    let rig = backed_up(24).await;
    let leads = rows(&rig.fake, "Lead");
    let status = leads[0]["Status"].as_str().unwrap();
    let wanted = leads.iter().filter(|lead| lead["Status"] == status).count() as u64;
    for lead in &leads {
        lose_one(&rig, lead["Id"].as_str().unwrap());
    }
    let lead: backup_store::ObjectName = "Lead".parse().unwrap();
    let request = RestoreRequest {
        snapshot: "latest".to_owned(),
        objects: vec![lead.clone()],
        conditions: vec![(lead, format!("Status = '{status}'"))],
        ..RestoreRequest::default()
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!(
        (result.state, result.created),
        (RestoreState::Complete, wanted),
        "{result:#?}"
    );
    assert!(rows(&rig.fake, "Lead").iter().all(|lead| lead["Status"] == status));
}

#[tokio::test]
async fn one_record_comes_alone_or_with_what_belongs_to_it() {
    let rig = backed_up(25).await;
    let before = held(&rig.fake);
    // An account that takes contacts and more with it.
    let contact = rows(&rig.fake, "Contact")
        .into_iter()
        .find(|contact| contact["AccountId"].is_string())
        .unwrap();
    let account = contact["AccountId"].as_str().unwrap();
    let (accounts, contacts) = (count(&rig, "Account"), count(&rig, "Contact"));
    lose_one(&rig, account);
    assert!(count(&rig, "Contact") < contacts);

    let alone = rig.restore(&records(&[account])).await.unwrap();
    assert_eq!((alone.state, alone.created), (RestoreState::Complete, 1), "{alone:#?}");
    assert_eq!(count(&rig, "Account"), accounts);
    assert!(count(&rig, "Contact") < contacts);

    let request = RestoreRequest {
        with_related: true,
        ..records(&[account])
    };
    let related = rig.restore(&request).await.unwrap();
    assert_eq!(related.state, RestoreState::Complete, "{related:#?}");
    before.assert_like(&held(&rig.fake), "with what belongs to it");
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_tells_what_the_run_then_does() {
    let rig = backed_up(26).await;
    delete_some(&rig.fake, 26);
    let request = RestoreRequest {
        dry_run: true,
        ..everything()
    };
    let planned = rig.restore(&request).await.unwrap();
    assert_eq!((planned.state, &planned.restore), (RestoreState::Planned, &None));
    assert!(rig.fake.requests().iter().all(|request| request.written.is_empty()));
    let done = rig.restore(&everything()).await.unwrap();
    let told = |result: &RestoreResult| -> Vec<(String, u64, u64, u64)> {
        let objects = result.objects.iter().map(|object| {
            let tally = object.tally;
            // A person's contact is created, though by its account: nothing is left to be done then.
            match object.name == "Contact" {
                true => (object.name.clone(), tally.created + tally.updated + tally.skipped, 0, 0),
                false => (object.name.clone(), tally.created, tally.updated, tally.skipped),
            }
        });
        objects.collect()
    };
    assert_eq!(told(&planned), told(&done), "object by object, in the order of writing");
}

#[tokio::test]
async fn verifying_tells_what_the_org_made_of_what_was_written() {
    let rig = backed_up(27).await;
    let lead = first_id(&rig, "Lead");
    let request = RestoreRequest {
        verify: true,
        ..records(&[&lead])
    };
    lose_one(&rig, &lead);
    let result = rig.restore(&request).await.unwrap();
    assert_eq!(
        (result.state, result.created, result.differs.len()),
        (RestoreState::Complete, 1, 0),
        "{result:#?}"
    );

    let trigger = Trigger {
        on: "Lead".to_owned(),
        touch: None,
        set: Some(SetField {
            field: "Company".to_owned(),
            value: "by a trigger".to_owned(),
        }),
        fail: None,
    };
    rig.fake.org().write().unwrap().write_rules_mut().triggers = vec![trigger];
    let other = rows(&rig.fake, "Lead")[1]["Id"].as_str().unwrap().to_owned();
    lose_one(&rig, &other);
    let request = RestoreRequest {
        verify: true,
        ..records(&[&other])
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!((result.created, result.differs.len()), (1, 1), "{result:#?}");
    assert!(result.differs[0].error.contains("Company"), "{result:#?}");
}
