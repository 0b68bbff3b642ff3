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
        at = result.at.data;
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
        fixture.restore(&fixture.overwriting(), 8);
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

/// Accounts with a note each, all of them deleted.
fn accounts(number: usize) -> Fixture {
    let mut org = TargetOrg::new(&[("Account", vec![TargetField::text("Note")])]);
    for n in 0..number {
        let mut fields = named(&format!("account {n}"));
        fields.insert("Note".into(), json!(format!("note {n}")));
        org.insert("Account", fields);
    }
    let fixture = Fixture::new(org);
    fixture.org.borrow_mut().records.clear();
    fixture
}

/// Names of the records that the org has, sorted.
fn names(fixture: &Fixture) -> Vec<String> {
    let org = fixture.org.borrow();
    let names = org.records.values().map(|record| record["Name"].as_str().unwrap().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn told(fixture: &Fixture, wanted: RecordOutcome) -> usize {
    let outcomes = fixture.host.outcomes.borrow();
    outcomes.keys().filter(|(.., what)| *what == wanted).count()
}

/// A small org whose records were all changed since.
fn changed() -> Fixture {
    let fixture = Fixture::new(small_org());
    for record in fixture.org.borrow_mut().records.values_mut() {
        record.insert("SystemModstamp".into(), json!("2027-02-01T00:00:00.000+0000"));
        for field in ["Note", "WhoId"] {
            if record.contains_key(field) {
                record.insert(field.into(), Value::Null);
            }
        }
    }
    fixture
}

#[test]
fn a_changed_record_that_sounds_gone_is_looked_up_and_never_created_beside_itself() {
    for code in ["INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED", "NOT_FOUND"] {
        let fixture = changed();
        for name in ["account 1", "case 2"] {
            let refusal = (code.to_owned(), Vec::new());
            fixture.org.borrow_mut().refuses.insert(name.into(), refusal);
        }
        fixture.restore(&fixture.overwriting(), 8);
        let tally = fixture.tally();
        assert_eq!((tally.created, tally.updated, tally.failed), (0, 10, 2), "{code}");
        assert_eq!(told(&fixture, RecordOutcome::Failed), 2, "{code}");
        assert_eq!(fixture.org.borrow().records.len(), 18, "{code}: one is there twice");
    }
}

#[test]
fn one_that_is_gone_between_look_and_change_is_created_once() {
    let fixture = changed();
    let at = fixture.plan(&fixture.overwriting(), 8);
    let case = fixture.before.shelf().rows["Case"].keys().next().unwrap().clone();
    fixture.org.borrow_mut().delete(&case);
    fixture.finish(at, 8);
    fixture.assert_whole();
    assert_eq!((fixture.tally().created, fixture.tally().failed), (1, 0));
}

#[test]
fn the_culprit_of_a_collection_that_is_refused_as_a_whole_is_alone_in_the_end() {
    for (culprits, status) in [
        (vec![7], 400),
        (vec![0, 199], 400),
        (vec![3, 300, 999], 400),
        (vec![7, 500], 500),
    ] {
        for requests in [false, true] {
            if requests && status == 500 {
                continue;
            }
            let fixture = accounts(1_000);
            {
                let mut org = fixture.org.borrow_mut();
                for n in &culprits {
                    org.breaks.insert(format!("account {n}"), (status, false));
                }
                org.breaks_requests = requests;
            }
            fixture.restore(&fixture.everything(), 8);
            let about = format!("{culprits:?} {status} {requests}");
            let tally = fixture.tally();
            let lost = culprits.len() as u64;
            assert_eq!((tally.created, tally.failed), (1_000 - lost, lost), "{about}");
            assert_eq!(told(&fixture, RecordOutcome::Failed), culprits.len(), "{about}");
            let names = names(&fixture);
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{about}: one is there twice");
            let sent = fixture.org.borrow().requests;
            let most = if requests { 60 } else { 20 };
            assert!(sent <= most, "{about}: {sent}");
        }
    }
}

#[test]
fn what_a_failing_server_wrote_all_the_same_is_not_written_again() {
    let fixture = accounts(300);
    fixture.org.borrow_mut().breaks.insert("account 7".into(), (500, true));
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    assert_eq!((fixture.tally().created, fixture.tally().failed), (300, 0));
}

#[test]
fn records_that_are_all_refused_as_a_whole_are_all_named_at_a_bounded_cost() {
    let fixture = accounts(3_000);
    for n in 0..3_000 {
        fixture.org.borrow_mut().breaks.insert(format!("account {n}"), (400, false));
    }
    fixture.restore(&fixture.everything(), 8);
    assert_eq!((fixture.tally().created, fixture.tally().failed), (0, 3_000));
    assert_eq!(told(&fixture, RecordOutcome::Failed), 3_000);
    let sent = fixture.org.borrow().requests;
    assert!(sent <= 120, "{sent}");
}

/// Codes that records are refused with, and whether the record comes without the field that they name.
const CODES: [(&str, bool); 11] = [
    ("STRING_TOO_LONG", true),
    ("INVALID_EMAIL_ADDRESS", true),
    ("NUMBER_OUTSIDE_VALID_RANGE", true),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", true),
    ("MALFORMED_ID", true),
    ("FIELD_INTEGRITY_EXCEPTION", true),
    ("A_CODE_TO_COME", true),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", false),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", false),
    ("DUPLICATES_DETECTED", false),
    ("INVALID_CROSS_REFERENCE_KEY", true),
];

#[test]
fn whatever_is_refused_and_of_how_many_all_others_are_there_once_and_each_of_them_is_named() {
    for (code, comes) in CODES {
        for (all, refused) in [(1, 1), (200, 1), (3_000, 260), (3_000, 3_000)] {
            let fixture = accounts(all);
            for n in 0..refused {
                let refusal = (code.to_owned(), vec!["Note".to_owned()]);
                fixture.org.borrow_mut().refuses.insert(format!("account {n}"), refusal);
            }
            fixture.restore(&fixture.everything(), 8);
            let about = format!("{code}, {refused} of {all}");
            let there = if comes { all } else { all - refused };
            let names = names(&fixture);
            assert_eq!(names.len(), there, "{about}");
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{about}: one is there twice");
            let wanted = if comes {
                RecordOutcome::Incomplete
            } else {
                RecordOutcome::Failed
            };
            assert_eq!(told(&fixture, wanted), refused, "{about}");
            let outcomes = fixture.host.outcomes.borrow();
            assert!(
                outcomes.values().all(|why| why.message.contains(code)),
                "{about}: {outcomes:?}"
            );
        }
    }
}

#[test]
fn a_field_that_was_removed_after_the_describe_costs_its_values_only_and_is_told_once() {
    let fixture = accounts(20);
    let at = fixture.plan(&fixture.everything(), 8);
    fixture.org.borrow_mut().removed.insert("Note".into());
    fixture.finish(at, 8);
    assert_eq!((fixture.tally().created, fixture.tally().failed), (20, 0));
    let remarks = fixture.host.remarks.borrow();
    assert!(
        remarks
            .iter()
            .any(|(object, why)| object == "Account" && why.message.contains("Note")),
        "{remarks:?}"
    );
}

#[test]
fn values_that_the_org_has_no_place_for_are_told_before_and_afterwards() {
    let fixture = accounts(20);
    fixture.org.borrow_mut().removed.insert("Note".into());
    for runs in [false, true] {
        fixture.host.remarks.borrow_mut().clear();
        if runs {
            fixture.restore(&fixture.everything(), 8);
        } else {
            fixture.host.allow(8);
            plan_restore(&fixture.host, fixture.everything(), false).unwrap();
        }
        let remarks = fixture.host.remarks.borrow();
        let told: Vec<_> = remarks.iter().filter(|(_, why)| why.code == "fields-not-restored").collect();
        assert_eq!(told.len(), 1, "{remarks:?}");
        assert!(told[0].1.message.contains("Note (20 records)"), "{remarks:?}");
    }
    assert_eq!((fixture.tally().created, fixture.tally().failed), (20, 0));
}

#[test]
fn a_child_of_a_record_that_failed_is_told_so() {
    let fixture = emptied();
    let refusal = ("FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned(), Vec::new());
    fixture.org.borrow_mut().refuses.insert("account 1".into(), refusal);
    fixture.restore(&fixture.everything(), 8);
    let outcomes = fixture.host.outcomes.borrow();
    let codes: BTreeMap<&str, &str> = outcomes
        .iter()
        .filter(|((.., what), _)| *what == RecordOutcome::Failed)
        .map(|((object, ..), why)| (object.as_str(), why.code.as_str()))
        .collect();
    assert_eq!(codes["Contact"], "required-parent-failed", "{outcomes:?}");
}

#[test]
fn a_creator_who_left_costs_the_field_that_names_it() {
    for fields in [Vec::new(), vec!["CreatedById".to_owned()]] {
        let mut org = TargetOrg::new(&[
            ("Account", vec![TargetField::reference("CreatedById", &["User"], false)]),
            ("User", vec![TargetField::text("IsActive")]),
        ]);
        let user = org.insert("User", named("somebody"));
        let mut account = named("account");
        account.insert("CreatedById".into(), json!(user));
        org.insert("Account", account);
        let fixture = Fixture::new(org);
        {
            let mut org = fixture.org.borrow_mut();
            org.records.retain(|id, _| *id == user);
            org.inactive = true;
        }
        fixture.org.borrow_mut().inactive_named = fields;
        let selection = Selection {
            objects: ["Account".to_owned()].into(),
            ..fixture.everything()
        };
        fixture.restore(&selection, 8);
        assert_eq!((fixture.tally().created, fixture.tally().failed), (1, 0));
        let outcomes = fixture.host.outcomes.borrow();
        let why = &outcomes.values().next().unwrap().message;
        assert!(why.contains("CreatedById") && !why.contains("owner is inactive"), "{why}");
    }
}

#[test]
fn a_field_that_two_records_make_whole_collections_fail_by_is_left_out_for_all_and_said() {
    for (bad, requests) in [(1, 12), (2, 16), (260, 16), (1_000, 16)] {
        let fixture = accounts(1_000);
        {
            let mut source = fixture.host.source.borrow_mut();
            let rows = source.as_mut().unwrap().rows.get_mut("Account").unwrap();
            for row in rows.values_mut().take(bad) {
                let mut record: Value = serde_json::from_slice(&row.body).unwrap();
                record["Note"] = json!("2020-13-45");
                row.body = serde_json::to_vec(&record).unwrap();
            }
        }
        fixture.org.borrow_mut().unread = Some(("Note".into(), "2020-13-45".into()));
        fixture.restore(&fixture.everything(), 8);
        assert_eq!((fixture.tally().created, fixture.tally().failed), (1_000, 0), "{bad}");
        let names = names(&fixture);
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{bad}: one is there twice");
        let sent = fixture.org.borrow().requests;
        assert!(sent <= requests, "{bad}: {sent}");
        // Each record that came without its value is named.
        let without = fixture
            .org
            .borrow()
            .records
            .values()
            .filter(|record| record["Note"].is_null())
            .count();
        assert_eq!(told(&fixture, RecordOutcome::Incomplete), without, "{bad}");
        assert!(without >= bad && (bad > 1 || without == 1), "{bad}: {without}");
        let remarks = fixture.host.remarks.borrow();
        let said = remarks
            .iter()
            .filter(|(object, why)| object == "Account" && why.code == "field-left-out")
            .count();
        assert_eq!(said, usize::from(bad > 1), "{bad}: {remarks:?}");
    }
}
