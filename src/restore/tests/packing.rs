//! Requests are filled to the last place, and nothing is written twice that can be written once.

use super::*;

fn requests(fixture: &Fixture) -> u64 {
    fixture.org.borrow().requests
}

/// Accounts, of which every third has its parent behind it, and contacts of them.
fn accounts_and_contacts() -> (Fixture, Vec<String>, Vec<String>) {
    let mut org = TargetOrg::new(&[
        ("Account", vec![TargetField::reference("ParentId", &["Account"], false)]),
        ("Contact", vec![TargetField::reference("AccountId", &["Account"], false)]),
    ]);
    let accounts: Vec<String> = (0..400)
        .map(|n| org.insert("Account", named(&format!("account {n}"))))
        .collect();
    for n in (0..399).step_by(3) {
        org.records
            .get_mut(&accounts[n])
            .unwrap()
            .insert("ParentId".into(), json!(accounts[n + 1]));
    }
    let mut contact = |n: usize| {
        let mut fields = named(&format!("contact {n}"));
        fields.insert("AccountId".into(), json!(accounts[n % 400]));
        org.insert("Contact", fields)
    };
    let contacts = (0..900).map(&mut contact).collect();
    (Fixture::new(org), accounts, contacts)
}

#[test]
fn what_is_created_and_what_lost_references_to_it_fill_their_collections() {
    let (fixture, accounts, contacts) = accounts_and_contacts();
    {
        let mut org = fixture.org.borrow_mut();
        for id in accounts[..300].iter().chain(&contacts[..450]) {
            org.delete(id);
        }
    }
    fixture.restore(&fixture.everything(), 20);
    fixture.assert_whole();
    let tally = fixture.tally();
    assert_eq!((tally.created, tally.relinked), (750, 350));
    // Four collections of new records, two of changed ones; one request to look up, and one for describes.
    assert_eq!(requests(&fixture), 2 + 2);
}

#[test]
fn what_is_changed_on_its_own_shares_requests_with_what_is_created() {
    let (fixture, _, contacts) = accounts_and_contacts();
    {
        let mut org = fixture.org.borrow_mut();
        for id in &contacts[..400] {
            org.delete(id);
        }
        for id in &contacts[400..] {
            let record = org.records.get_mut(id).unwrap();
            record.insert("Name".into(), json!("changed"));
            record.insert("SystemModstamp".into(), json!("2027-02-01T00:00:00.000+0000"));
        }
    }
    fixture.restore(&fixture.overwriting(), 20);
    fixture.assert_whole();
    assert_eq!(
        requests(&fixture),
        2 + 1 + 1,
        "what was changed is read; two collections of new records, three of changed ones"
    );
}

#[test]
fn the_estimate_is_what_it_takes() {
    let (fixture, accounts, _) = accounts_and_contacts();
    for id in &accounts {
        fixture.org.borrow_mut().delete(id);
    }
    let at = fixture.plan(&fixture.everything(), 20);
    let (planned, needed) = (requests(&fixture), fixture.host.needed.get());
    fixture.host.allow(20);
    let result = run_batch(&fixture.host, STATE_VERSION, &at).unwrap();
    assert_eq!(result.next, Next::Done);
    fixture.assert_whole();
    assert_eq!(requests(&fixture) - planned, needed);
    assert_eq!(needed, 2, "400 new records, 900 changed ones");
}

#[test]
fn archived_records_take_no_request_of_their_own_where_others_have_room() {
    let mut org = TargetOrg::new(&[("Account", Vec::new()), ("Task", vec![TargetField::text("IsArchived")])]);
    for n in 0..7_000 {
        org.insert("Account", named(&format!("account {n}")));
    }
    let tasks: Vec<String> = (0..3_000)
        .map(|n| {
            let mut task = named(&format!("task {n}"));
            task.insert("IsArchived".into(), json!(if n < 1_500 { "true" } else { "false" }));
            org.insert("Task", task)
        })
        .collect();
    let fixture = Fixture::new(org);
    {
        let mut org = fixture.org.borrow_mut();
        // These were archived since, and others are gone.
        for id in &tasks[1_500..1_600] {
            org.records.get_mut(id).unwrap().insert("IsArchived".into(), json!("true"));
        }
        for id in &tasks[2_000..2_010] {
            org.records.remove(id);
        }
    }
    fixture.restore(&fixture.everything(), 20);
    let tally = fixture.tally();
    assert_eq!((tally.created, tally.updated, tally.skipped), (10, 0, 9_990));
    // Tasks that were archived, the others, three collections of accounts; the fourth, and tasks that weren't found.
    assert_eq!(requests(&fixture), 1 + 2 + 1, "describes, look-ups, ten new records");
}
