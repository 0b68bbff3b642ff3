//! What the org refuses for now is written once it can be.

use super::*;

#[test]
fn what_a_lock_refused_comes_again_by_parents_so_that_one_lock_holds_few_up() {
    let mut org = TargetOrg::new(&[
        ("Account", Vec::new()),
        ("Contact", vec![TargetField::reference("AccountId", &["Account"], false)]),
    ]);
    let accounts: Vec<String> = (0..50)
        .map(|n| org.insert("Account", named(&format!("account {n}"))))
        .collect();
    for n in 0..1_000 {
        let mut fields = named(&format!("contact {n}"));
        fields.insert("AccountId".into(), json!(accounts[n % 50]));
        org.insert("Contact", fields);
    }
    let fixture = Fixture::new(org);
    {
        let mut org = fixture.org.borrow_mut();
        org.records.retain(|id, _| accounts.contains(id));
        org.held = Some((accounts[7].clone(), org.now + 12_000));
    }
    let mut at = fixture.plan(&fixture.everything(), 20);
    let mut created = Vec::new();
    loop {
        fixture.host.allow(20);
        let result = run_batch(&fixture.host, STATE_VERSION, &at).unwrap();
        at = result.at;
        created.push(fixture.tally().created);
        match result.next {
            Next::AgainAfter(seconds) => fixture.pass(u64::from(seconds)),
            Next::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(created, [0, 800, 1_000], "at first each collection has one that is held");
    fixture.assert_whole();
}

#[test]
fn a_value_that_another_record_has_now_is_given_back_once_that_is_set_back() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut org = TargetOrg::new(&[("Account", vec![TargetField::external_id("Key__c")])]);
        let ids: Vec<String> = (0..2)
            .map(|n| {
                let mut fields = named(&format!("account {n}"));
                fields.insert("Key__c".into(), json!(format!("key {n}")));
                org.insert("Account", fields)
            })
            .collect();
        let fixture = Fixture::new(org);
        {
            // One is deleted, and the other gets its key.
            let mut org = fixture.org.borrow_mut();
            let key = org.records[&ids[first]]["Key__c"].clone();
            org.delete(&ids[first]);
            let other = org.records.get_mut(&ids[second]).unwrap();
            other.insert("Key__c".into(), key);
            other.insert("SystemModstamp".into(), json!("2027-02-01T00:00:00.000+0000"));
        }
        fixture.restore(&fixture.everything(), 8);
        fixture.assert_whole();
        assert_eq!((fixture.tally().created, fixture.tally().failed), (1, 0));
    }
}

#[test]
fn what_came_too_early_is_written_after_the_others() {
    let fixture = Fixture::new(small_org());
    {
        let mut org = fixture.org.borrow_mut();
        org.records.clear();
        org.early = ["account 0".to_owned()].into();
    }
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    assert_eq!(fixture.tally().failed, 0);
}

#[test]
fn what_was_written_before_the_storage_was_full_gets_its_references() {
    let fixture = emptied();
    fixture
        .org
        .borrow_mut()
        .refuses
        .insert("account 5".into(), ("STORAGE_LIMIT_EXCEEDED".into(), Vec::new()));
    fixture.restore(&fixture.everything(), 8);
    let org = fixture.org.borrow();
    let named = |record: &Map<String, Value>| record["Name"].as_str().is_some_and(|name| name.starts_with("account"));
    let accounts: Vec<_> = org.records.values().filter(|record| named(record)).collect();
    assert!(!accounts.is_empty() && accounts.len() < 6);
    assert!(accounts.iter().all(|account| !account["MainId"].is_null()), "{accounts:?}");
}

#[test]
fn a_value_that_somebody_else_keeps_is_told() {
    let mut org = TargetOrg::new(&[("Account", vec![TargetField::external_id("Key__c")])]);
    let mut fields = named("account");
    fields.insert("Key__c".into(), json!("key"));
    let id = org.insert("Account", fields.clone());
    let fixture = Fixture::new(org);
    {
        let mut org = fixture.org.borrow_mut();
        org.delete(&id);
        org.insert("Account", fields);
    }
    fixture.restore(&fixture.everything(), 8);
    assert_eq!((fixture.tally().created, fixture.tally().failed), (0, 1));
}

#[test]
fn a_value_that_a_picklist_has_no_more_is_told_before_and_tried_in_one_request_only() {
    let mut org = TargetOrg::new(&[("Account", vec![TargetField::picklist("Kind__c", &["old", "new"])])]);
    for n in 0..1_200 {
        let mut fields = named(&format!("account {n}"));
        fields.insert("Kind__c".into(), json!(if n % 2 == 0 { "old" } else { "new" }));
        org.insert("Account", fields);
    }
    let fixture = Fixture::new(org);
    {
        let mut org = fixture.org.borrow_mut();
        org.records.clear();
        org.schema.get_mut("Account").unwrap()[0].picklist.remove(0);
    }
    fixture.host.values.borrow_mut().clear();
    fixture.host.allow(8);
    plan_restore(&fixture.host, fixture.everything(), false).unwrap();
    let told = || {
        fixture
            .host
            .outcomes
            .borrow()
            .keys()
            .filter(|(.., what)| *what == RecordOutcome::Incomplete)
            .count()
    };
    assert_eq!(told(), 600);
    fixture.host.outcomes.borrow_mut().clear();
    let planned = fixture.org.borrow().requests;
    fixture.restore(&fixture.everything(), 8);
    assert_eq!((fixture.tally().created, fixture.tally().failed, told()), (1_200, 0, 600));
    let requests = fixture.org.borrow().requests - planned;
    assert_eq!(
        requests,
        2 + 1 + 1,
        "describes, look-ups, what is tried, and the rest with what was refused"
    );
}
