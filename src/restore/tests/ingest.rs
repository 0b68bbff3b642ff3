//! So many records that bulk jobs write them: all of them once, whatever is cut.

use super::*;

const ACCOUNTS: usize = 12_000;

/// Accounts of which every fifth is the child of the one before, all the same but for a number; and few contacts.
fn org() -> TargetOrg {
    let mut org = TargetOrg::new(&[
        (
            "Account",
            vec![
                TargetField::text("Note"),
                TargetField::reference("ParentId", &["Account"], false),
            ],
        ),
        ("Contact", vec![TargetField::reference("AccountId", &["Account"], true)]),
    ]);
    let mut last = None;
    for n in 0..ACCOUNTS {
        let mut fields = named(&format!("account {}", n / 3));
        fields.insert("Note".into(), json!(format!("a \"quoted\", text\nof {} lines", n % 2)));
        if let (Some(last), 1) = (&last, n % 5) {
            fields.insert("ParentId".into(), json!(last));
        }
        let id = org.insert("Account", fields);
        if n < 10 {
            let mut contact = named(&format!("contact {n}"));
            contact.insert("AccountId".into(), json!(id));
            org.insert("Contact", contact);
        }
        last = Some(id);
    }
    org
}

fn emptied(org: &TargetOrg) -> Fixture {
    let fixture = Fixture::new(org.clone());
    fixture.org.borrow_mut().records.clear();
    fixture
}

#[test]
fn many_records_come_back_by_bulk_jobs_with_fewer_requests() {
    let org = org();
    let fixture = emptied(&org);
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    let (requests, jobs) = (fixture.org.borrow().requests, fixture.org.borrow().jobs.len());
    assert_eq!(jobs, 2, "created, and given their parents");
    assert!(requests <= 20, "{requests} requests");
    assert_eq!(fixture.tally().created, ACCOUNTS as u64 + 10);
}

#[test]
fn a_cut_at_any_request_of_a_job_loses_nothing_and_doubles_nothing() {
    let org = org();
    for fault in [Fault::Before, Fault::After] {
        for nth in 3..=16 {
            let fixture = emptied(&org);
            fixture.org.borrow_mut().cuts.insert(nth, fault);
            fixture.restore(&fixture.everything(), 8);
            fixture.assert_whole();
            assert_eq!(fixture.tally().ambiguous, 0, "{fault:?} at {nth}");
        }
    }
}

#[test]
fn what_a_job_refuses_is_told_or_tried_again_in_another_way() {
    let org = org();
    let fixture = emptied(&org);
    {
        let mut org = fixture.org.borrow_mut();
        org.refuses
            .insert("account 5".into(), ("FIELD_CUSTOM_VALIDATION_EXCEPTION".into(), Vec::new()));
        org.locked.insert("account 7".into(), 2);
    }
    fixture.restore(&fixture.everything(), 8);
    assert_eq!(fixture.tally().created + fixture.tally().failed, ACCOUNTS as u64 + 10);
    assert_eq!(fixture.org.borrow().jobs.len(), 2);
    let outcomes = fixture.host.outcomes.borrow();
    let failed = outcomes
        .iter()
        .filter(|((object, _, what), _)| object == "Account" && *what == RecordOutcome::Failed);
    assert_eq!(failed.count(), 3);
    let seventh = fixture
        .org
        .borrow()
        .records
        .values()
        .filter(|record| record["Name"] == "account 7")
        .count();
    assert_eq!(seventh, 3, "the lock passed");
}

#[test]
fn with_too_few_requests_left_to_begin_a_job_it_goes_on_in_the_other_way() {
    let org = org();
    let fixture = emptied(&org);
    fixture.restore(&fixture.everything(), 2);
    fixture.assert_whole();
    assert!(fixture.org.borrow().jobs.is_empty());
}

#[test]
fn a_job_begins_with_the_next_call_where_this_one_has_too_few_requests_left() {
    let mut org = TargetOrg::new(&[("Aaa", Vec::new()), ("Bbb", Vec::new())]);
    for (object, rows) in [("Aaa", 4_000), ("Bbb", ACCOUNTS)] {
        for n in 0..rows {
            org.insert(object, named(&format!("record {n}")));
        }
    }
    let fixture = emptied(&org);
    fixture.restore(&fixture.everything(), 5);
    fixture.assert_whole();
    assert_eq!(fixture.org.borrow().jobs.len(), 1);
}
