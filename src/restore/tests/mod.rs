//! Restores into a small org, natively: round trips over generated orgs, the limit, cuts and crashes at every request.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::STATE_VERSION;
use crate::host::{Next, Planned, RecordOutcome, Request, Tally};
use crate::testing::scripted::{Reply, ScriptedHost};
use crate::testing::target_org::{Fault, TargetField, TargetOrg};
mod checkpoints;
mod files;
mod ingest;
mod packing;
mod refusals;
mod table;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// An org, the host that restores into it, and the snapshot that is restored.
struct Fixture {
    org: Rc<RefCell<TargetOrg>>,
    host: ScriptedHost,
    /// What the org was.
    before: TargetOrg,
}

impl Fixture {
    /// The org as it is becomes the snapshot.
    fn new(org: TargetOrg) -> Fixture {
        Fixture::with_faults(org, TargetOrg::serve)
    }

    /// The same; `serve` answers requests.
    fn with_faults(org: TargetOrg, mut serve: impl FnMut(&mut TargetOrg, &Request) -> Reply + 'static) -> Fixture {
        let before = org.clone();
        let shared = Rc::new(RefCell::new(org));
        let served = Rc::clone(&shared);
        let host = ScriptedHost::new(0, move |request| serve(&mut served.borrow_mut(), request));
        shared.borrow_mut().blobs = before.shelf().blobs;
        *host.source.borrow_mut() = Some(before.shelf());
        // A minute passes.
        shared.borrow_mut().now += 60_000;
        host.now.set(shared.borrow().now);
        Fixture {
            org: shared,
            host,
            before,
        }
    }

    fn everything(&self) -> Selection {
        Selection {
            objects: self.before.shelf().rows.into_keys().collect(),
            source: "00D1".into(),
            ..Selection::default()
        }
    }

    /// Everything, with the snapshot's values for what was changed.
    fn overwriting(&self) -> Selection {
        Selection {
            overwrite: true,
            ..self.everything()
        }
    }

    fn pass(&self, seconds: u64) {
        self.org.borrow_mut().now += seconds * 1_000;
        self.host.now.set(self.org.borrow().now);
    }

    /// Plans and runs, with at most so many requests a call, until it is complete; batches that a crash ends are run again.
    fn restore(&self, selection: &Selection, a_call: u32) {
        self.finish(self.plan(selection, a_call), a_call);
    }

    /// Runs what is planned.
    fn finish(&self, mut at: Vec<u8>, a_call: u32) {
        for _ in 0..400 {
            self.host.allow(a_call);
            let next = match run_batch(&self.host, STATE_VERSION, &at) {
                Ok(result) => {
                    at = result.at.data;
                    result.next
                }
                // The host tries again from the last checkpoint.
                Err(_) => Next::AgainAfter(30),
            };
            match next {
                Next::Done => return,
                Next::AgainAfter(seconds) => self.pass(u64::from(seconds)),
                Next::Batch(_) => self.pass(1),
                other => panic!("{other:?}"),
            }
        }
        panic!("it doesn't end");
    }

    fn plan(&self, selection: &Selection, a_call: u32) -> Vec<u8> {
        for _ in 0..400 {
            self.host.allow(a_call);
            match plan_restore(&self.host, selection.clone(), true).unwrap() {
                Planned::Ready(result) => return result.at.data,
                Planned::More(_) => self.pass(1),
                Planned::AgainAfter(seconds) => self.pass(u64::from(seconds)),
                Planned::Blocked(failure) | Planned::Other(failure) => panic!("{failure:?}"),
            }
        }
        panic!("planning doesn't end");
    }

    fn tally(&self) -> Tally {
        let restored = self.host.restored.borrow();
        restored.values().fold(Tally::default(), |sum, tally| Tally {
            created: sum.created + tally.created,
            updated: sum.updated + tally.updated,
            relinked: sum.relinked + tally.relinked,
            skipped: sum.skipped + tally.skipped,
            failed: sum.failed + tally.failed,
            ambiguous: sum.ambiguous + tally.ambiguous,
        })
    }

    /// Every record of the snapshot is in the org, once, with all that it had.
    fn assert_whole(&self) {
        let mut records = state::records::RecordTable::new(&self.host, crate::values::key::RESTORE, "00D1");
        let org = self.org.borrow();
        assert_eq!(org.records.len(), self.before.records.len(), "none is missing, none is twice");
        let shelf = self.before.shelf();
        let object_of = |id: &str| {
            let mut objects = shelf.rows.iter();
            objects.find(|(_, rows)| rows.contains_key(id)).map(|(object, _)| object)
        };
        let mut now = |id: &str| match object_of(id) {
            Some(object) => records.mapped(object, id).unwrap().unwrap_or_else(|| id.to_owned()),
            None => id.to_owned(),
        };
        for (id, was) in &self.before.records {
            let new = now(id);
            let is = org.records.get(&new).unwrap_or_else(|| panic!("{id} is missing, as {new}"));
            for (field, value) in was {
                if matches!(field.as_str(), "Id" | "SystemModstamp" | "CreatedDate") {
                    continue;
                }
                let expected = match value.as_str().filter(|text| self.before.records.contains_key(*text)) {
                    Some(other) => json!(now(other)),
                    None => value.clone(),
                };
                assert_eq!(is[field], expected, "{field} of {id}, now {new}");
            }
        }
    }
}

fn named(name: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("Name".into(), json!(name));
    fields
}

/// Accounts with contacts and cases: a parent, children that need it, references that may be empty, one to itself.
fn small_org() -> TargetOrg {
    let mut org = TargetOrg::new(&[
        (
            "Account",
            vec![
                TargetField::text("Note"),
                TargetField::reference("ParentId", &["Account"], false),
                TargetField::reference("MainId", &["Contact"], false),
            ],
        ),
        ("Contact", vec![TargetField::reference("AccountId", &["Account"], true)]),
        ("Case", vec![TargetField::reference("WhoId", &["Account", "Contact"], false)]),
    ]);
    let mut accounts: Vec<String> = Vec::new();
    for n in 0..6 {
        let mut fields = named(&format!("account {n}"));
        fields.insert("Note".into(), json!(format!("note {n} @{{not.a.reference}}")).clone());
        if n != 3 {
            fields.insert("Note".into(), json!(format!("note {n}")));
        }
        if let Some(parent) = accounts.last() {
            fields.insert("ParentId".into(), json!(parent));
        }
        let id = org.insert("Account", fields);
        let mut contact = named(&format!("contact {n}"));
        contact.insert("AccountId".into(), json!(id));
        let contact = org.insert("Contact", contact);
        org.records.get_mut(&id).unwrap().insert("MainId".into(), json!(contact));
        let mut case = named(&format!("case {n}"));
        case.insert("WhoId".into(), json!(if n % 2 == 0 { &id } else { &contact }));
        org.insert("Case", case);
        accounts.push(id);
    }
    // The first one's parent is the last one: a circle.
    let last = accounts.last().cloned().unwrap();
    org.records
        .get_mut(&accounts[0])
        .unwrap()
        .insert("ParentId".into(), json!(last));
    org
}

/// A small org of which everything is deleted.
fn emptied() -> Fixture {
    let fixture = Fixture::new(small_org());
    fixture.org.borrow_mut().records.clear();
    fixture
}

#[test]
fn what_was_deleted_comes_back_with_all_its_references() {
    let fixture = emptied();
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    assert_eq!(fixture.tally().created, 18);
    let requests = fixture.org.borrow().requests;
    assert!(
        requests <= 6,
        "describes, look-ups, records (one text looks like a reference), references: {requests}"
    );
    assert!(
        fixture.host.outcomes.borrow().is_empty(),
        "{:?}",
        fixture.host.outcomes.borrow()
    );
}

#[test]
fn what_is_as_it_was_is_left_alone_and_what_was_changed_is_set_back() {
    let fixture = Fixture::new(small_org());
    let first = fixture.before.records.keys().next().unwrap().clone();
    {
        let mut org = fixture.org.borrow_mut();
        let record = org.records.get_mut(&first).unwrap();
        record.insert("Note".into(), json!("changed"));
        record.insert("SystemModstamp".into(), json!("2027-02-01T00:00:00.000+0000"));
    }
    fixture.restore(&fixture.everything(), 8);
    let note = || fixture.org.borrow().records[&first]["Note"].clone();
    assert_eq!(
        note(),
        json!("changed"),
        "what people changed stays, if nobody says otherwise"
    );
    assert_eq!(fixture.tally().skipped, 18);
    fixture.restore(&fixture.overwriting(), 8);
    fixture.assert_whole();
    let tally = fixture.tally();
    assert_eq!((tally.created, tally.updated, tally.skipped), (0, 1, 17));
    // What it wrote has a new stamp, and the snapshot's values.
    let again = Selection {
        snapshot: "again".into(),
        ..fixture.overwriting()
    };
    let writes = fixture.org.borrow().writes;
    fixture.restore(&again, 8);
    assert_eq!((fixture.tally().updated, fixture.tally().skipped), (0, 18));
    assert_eq!(fixture.org.borrow().writes, writes, "nothing was sent that writes");
}

#[test]
fn what_was_changed_after_a_moment_stays_where_people_say_so() {
    let fixture = Fixture::new(small_org());
    let ids: Vec<String> = fixture.before.records.keys().take(2).cloned().collect();
    for (id, stamp) in ids
        .iter()
        .zip(["2027-02-01T00:00:00.000+0000", "2027-03-01T00:00:00.000+0000"])
    {
        let mut org = fixture.org.borrow_mut();
        let record = org.records.get_mut(id).unwrap();
        record.insert("Name".into(), json!("changed"));
        record.insert("SystemModstamp".into(), json!(stamp));
    }
    let between = chrono::DateTime::parse_from_rfc3339("2027-02-15T00:00:00Z").unwrap();
    let selection = Selection {
        keep_changed_since: Some(between.timestamp_millis() as u64),
        ..fixture.overwriting()
    };
    fixture.restore(&selection, 8);
    let name = |id: &String| fixture.org.borrow().records[id]["Name"].clone();
    assert_eq!(name(&ids[0]), fixture.before.records[&ids[0]]["Name"]);
    assert_eq!(name(&ids[1]), json!("changed"));
    assert_eq!((fixture.tally().updated, fixture.tally().skipped), (1, 17));
}

#[test]
fn references_are_set_again_where_they_are_empty_and_nothing_else_is() {
    for no_relink in [false, true] {
        let fixture = Fixture::new(small_org());
        let of = |object: &str, n: usize| fixture.before.shelf().rows[object].keys().nth(n).unwrap().clone();
        let contact = of("Contact", 2);
        let (own_case, edited_case) = (of("Case", 3), of("Case", 1));
        fixture.org.borrow_mut().delete(&contact);
        fixture.org.borrow_mut().delete(&of("Contact", 1));
        let other = of("Account", 5);
        {
            // Somebody has changed the account that named the contact, and chosen another one for a case.
            let mut org = fixture.org.borrow_mut();
            let stamp = json!("2027-02-01T00:00:00.000+0000");
            for (id, field, value) in [(&of("Account", 2), "Note", "edited"), (&edited_case, "WhoId", other.as_str())] {
                let record = org.records.get_mut(id).unwrap();
                record.insert(field.into(), json!(value));
                record.insert("SystemModstamp".into(), stamp.clone());
            }
        }
        let selection = Selection {
            no_relink,
            ..fixture.everything()
        };
        fixture.restore(&selection, 8);
        let tally = fixture.tally();
        let relinked = if no_relink { 0 } else { 2 };
        assert_eq!((tally.created, tally.relinked, tally.updated), (2, relinked, 0));
        let org = fixture.org.borrow();
        let account = &org.records[&of("Account", 2)];
        assert_eq!(account["Note"], json!("edited"));
        assert_eq!(account["MainId"].is_null(), no_relink);
        assert_eq!(org.records[&edited_case]["WhoId"], json!(other));
        assert_eq!(org.records[&own_case]["WhoId"], fixture.before.records[&own_case]["WhoId"]);
    }
}

#[test]
fn what_an_earlier_restore_created_is_led_to_by_a_later_one() {
    let fixture = Fixture::new(small_org());
    let contact = fixture.before.shelf().rows["Contact"].keys().nth(2).unwrap().clone();
    fixture.org.borrow_mut().delete(&contact);
    for object in ["Contact", "Account"] {
        let selection = Selection {
            objects: [object.to_owned()].into(),
            ..fixture.everything()
        };
        fixture.restore(&selection, 8);
    }
    fixture.assert_whole();
    assert_eq!(fixture.tally().relinked, 1);
    let writes = fixture.org.borrow().writes;
    fixture.restore(&fixture.everything(), 8);
    assert_eq!(fixture.org.borrow().writes, writes, "nothing is left to be done");
}

#[test]
fn references_that_a_deletion_emptied_are_set_back_though_their_records_look_the_same() {
    let fixture = Fixture::new(small_org());
    {
        let mut org = fixture.org.borrow_mut();
        org.silent = true;
        let third = fixture.before.shelf().rows["Account"].keys().nth(2).unwrap().clone();
        org.delete(&third);
    }
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    let tally = fixture.tally();
    // The account and its contact; what referred to one of them: its child and a case.
    assert_eq!((tally.created, tally.relinked, tally.skipped), (2, 2, 14));
}

#[test]
fn the_limit_at_every_request_loses_nothing_and_repeats_nothing() {
    let mut all = None;
    for a_call in 1..=6 {
        let fixture = emptied();
        fixture.restore(&fixture.everything(), a_call);
        fixture.assert_whole();
        assert_eq!(fixture.tally().created, 18);
        let requests = fixture.org.borrow().requests;
        assert_eq!(*all.get_or_insert(requests), requests, "with {a_call} a call");
    }
}

#[test]
fn a_cut_before_or_after_the_effect_of_any_request_loses_nothing_and_doubles_nothing() {
    for fault in [Fault::Before, Fault::After, Fault::Late(0), Fault::Late(2)] {
        for nth in 1..=4 {
            for a_call in [1, 8] {
                let fixture = emptied();
                fixture.org.borrow_mut().faults.insert(nth, fault);
                fixture.restore(&fixture.everything(), a_call);
                fixture.assert_whole();
                let tally = fixture.tally();
                assert_eq!(
                    (tally.created, tally.failed, tally.ambiguous),
                    (18, 0, 0),
                    "{fault:?} at {nth}"
                );
            }
        }
    }
}

#[test]
fn a_cut_over_more_objects_than_one_request_looks_at_ends_with_one_request_a_call() {
    let rows: Vec<(usize, Vec<usize>)> = (0..24).map(|n| (n % 8, vec![n])).collect();
    for fault in [Fault::Before, Fault::After] {
        for nth in 1..=3 {
            let fixture = Fixture::new(generated(8, &[], &rows));
            fixture.org.borrow_mut().records.clear();
            fixture.org.borrow_mut().faults.insert(nth, fault);
            fixture.restore(&fixture.everything(), 1);
            fixture.assert_whole();
        }
    }
}

#[test]
fn a_crash_between_any_two_writes_of_values_loses_nothing_and_doubles_nothing() {
    // Values are durable one put after the other; what the guest knew besides is lost.
    for puts in 0..40 {
        let fixture = emptied();
        let at = fixture.plan(&fixture.everything(), 8);
        fixture.host.allow(8);
        fixture.host.crash_after_puts(puts);
        let crashed = run_batch(&fixture.host, STATE_VERSION, &at).is_err();
        fixture.host.crash_after_puts(u64::MAX);
        let selection = fixture.everything();
        if crashed {
            // The checkpoint is that of before the batch.
            fixture.pass(60);
            let mut at = at;
            loop {
                fixture.host.allow(8);
                let result = run_batch(&fixture.host, STATE_VERSION, &at).unwrap();
                at = result.at.data;
                fixture.pass(30);
                if result.next == Next::Done {
                    break;
                }
            }
        } else {
            fixture.restore(&selection, 8);
        }
        fixture.assert_whole();
        if !crashed {
            return;
        }
    }
    panic!("more puts than a small restore has");
}

#[test]
fn two_snapshots_restored_one_after_the_other_give_one_record() {
    let fixture = emptied();
    fixture.restore(&fixture.everything(), 8);
    let second = Selection {
        snapshot: "another".into(),
        ..fixture.everything()
    };
    fixture.restore(&second, 8);
    fixture.assert_whole();
    // And deleted again, and restored again.
    fixture.org.borrow_mut().records.clear();
    let third = Selection {
        snapshot: "a third".into(),
        ..fixture.everything()
    };
    fixture.restore(&third, 8);
    fixture.assert_whole();
}

#[test]
fn what_stands_beside_a_record_with_a_refused_parent_is_written_all_the_same() {
    let fixture = emptied();
    for n in 0..6 {
        let refusal = ("INVALID_FIELD_FOR_INSERT_UPDATE".to_owned(), vec!["Note".to_owned()]);
        fixture.org.borrow_mut().refuses.insert(format!("account {n}"), refusal);
    }
    fixture.restore(&fixture.everything(), 8);
    let tally = fixture.tally();
    assert_eq!((tally.created, tally.failed), (18, 0));
    let outcomes = fixture.host.outcomes.borrow();
    assert!(
        outcomes.values().all(|why| !why.message.contains("PROCESSING_HALTED")),
        "{outcomes:?}"
    );
    let writes = fixture.org.borrow().writes;
    assert!(writes <= 12, "{writes}");
}

#[test]
fn what_is_archived_is_there_and_not_created_again() {
    let mut org = TargetOrg::new(&[("Task", vec![TargetField::text("IsArchived")])]);
    for n in 0..20 {
        let mut task = named(&format!("task {n}"));
        task.insert("IsArchived".into(), json!(if n % 2 == 0 { "true" } else { "false" }));
        org.insert("Task", task);
    }
    let fixture = Fixture::new(org);
    let gone: Vec<String> = fixture.before.records.keys().take(2).cloned().collect();
    fixture.org.borrow_mut().records.retain(|id, _| !gone.contains(id));
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    let tally = fixture.tally();
    assert_eq!((tally.created, tally.skipped), (2, 18));
}

#[test]
fn where_nobody_may_look_for_what_a_lost_request_created_it_is_a_doubt_and_the_rest_goes_on() {
    let fixture = emptied();
    {
        let mut org = fixture.org.borrow_mut();
        org.unqueryable = Some("Case".into());
        org.faults.insert(1, Fault::After);
    }
    fixture.restore(&fixture.everything(), 8);
    let tally = fixture.tally();
    assert_eq!((tally.ambiguous, tally.failed), (6, 0));
    assert_eq!(fixture.org.borrow().records.len(), 18, "none is there twice");
}

#[test]
fn a_required_parent_that_is_gone_is_told_or_restored_too() {
    let fixture = emptied();
    let contact = fixture
        .before
        .records
        .keys()
        .find(|id| id.starts_with("a02"))
        .unwrap()
        .clone();
    let one = |with_related| Selection {
        records: BTreeMap::from([("Contact".to_owned(), [contact.clone()].into())]),
        with_related,
        source: "00D1".into(),
        ..Selection::default()
    };
    fixture.restore(&one(false), 8);
    assert_eq!(fixture.tally().failed, 1);
    let outcomes = fixture.host.outcomes.borrow().clone();
    let why = &outcomes[&("Contact".to_owned(), contact.clone(), RecordOutcome::Failed)];
    assert_eq!(why.code, "required-parent-gone");
    fixture.restore(&one(true), 8);
    let names: Vec<String> = fixture
        .org
        .borrow()
        .records
        .values()
        .map(|record| record["Name"].to_string())
        .collect();
    assert!(
        names.contains(&"\"contact 0\"".to_owned()) && names.contains(&"\"account 0\"".to_owned()),
        "{names:?}"
    );
}

#[test]
fn with_related_brings_back_children_and_not_the_rest() {
    let fixture = emptied();
    let account = fixture.before.records.keys().next().unwrap().clone();
    let selection = Selection {
        records: BTreeMap::from([("Account".to_owned(), [account].into())]),
        source: "00D1".into(),
        ..Selection::default()
    };
    fixture.restore(&selection, 8);
    assert_eq!(fixture.org.borrow().records.len(), 1);
    let related = Selection {
        with_related: true,
        ..selection
    };
    let fixture = emptied();
    fixture.restore(&related, 8);
    // All accounts hang together in a circle.
    assert_eq!(fixture.org.borrow().records.len(), 18);
}

#[test]
fn refusals_are_told_record_by_record_and_fields_that_are_refused_are_left_out() {
    let fixture = emptied();
    {
        let mut org = fixture.org.borrow_mut();
        org.refuses
            .insert("account 1".into(), ("FIELD_CUSTOM_VALIDATION_EXCEPTION".into(), Vec::new()));
        org.refuses.insert(
            "account 2".into(),
            ("INVALID_FIELD_FOR_INSERT_UPDATE".into(), vec!["Note".into()]),
        );
        org.locked.insert("account 4".into(), 2);
    }
    fixture.restore(&fixture.everything(), 8);
    let tally = fixture.tally();
    // Its contact can't be without it.
    assert_eq!((tally.created, tally.failed, tally.ambiguous), (16, 2, 0));
    let outcomes = fixture.host.outcomes.borrow();
    let told = |what: RecordOutcome| outcomes.keys().filter(|(_, _, of)| *of == what).count();
    assert_eq!(told(RecordOutcome::Failed), 2, "{outcomes:?}");
    assert!(told(RecordOutcome::Incomplete) >= 1);
}

#[test]
fn what_a_trigger_changed_is_a_doubt_where_the_answer_was_lost_and_never_a_double() {
    let fixture = emptied();
    fixture.org.borrow_mut().trigger = Some("Note".into());
    fixture
        .org
        .borrow_mut()
        .schema
        .get_mut("Contact")
        .unwrap()
        .push(TargetField::text("Note"));
    fixture
        .org
        .borrow_mut()
        .schema
        .get_mut("Case")
        .unwrap()
        .push(TargetField::text("Note"));
    fixture.org.borrow_mut().faults.insert(1, Fault::After);
    fixture.restore(&fixture.everything(), 8);
    let names: Vec<String> = fixture
        .org
        .borrow()
        .records
        .values()
        .map(|record| record["Name"].to_string())
        .collect();
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{names:?}");
    assert!(fixture.tally().ambiguous > 0);
}

#[test]
fn reading_back_tells_what_a_trigger_changed() {
    let fixture = emptied();
    fixture.org.borrow_mut().trigger = Some("Note".into());
    for object in ["Contact", "Case"] {
        fixture
            .org
            .borrow_mut()
            .schema
            .get_mut(object)
            .unwrap()
            .push(TargetField::text("Note"));
    }
    let selection = Selection {
        verify: true,
        objects: ["Account".to_owned()].into(),
        ..fixture.everything()
    };
    fixture.restore(&selection, 8);
    let outcomes = fixture.host.outcomes.borrow();
    let differs = outcomes.iter().filter(|((_, _, what), _)| *what == RecordOutcome::Differs);
    assert_eq!(differs.count(), 6);
}

#[test]
fn a_plan_tells_what_will_be_and_writes_nothing() {
    let fixture = emptied();
    fixture.host.allow(8);
    let planned = plan_restore(&fixture.host, fixture.everything(), false).unwrap();
    assert!(matches!(planned, Planned::Ready(_)));
    assert_eq!(fixture.org.borrow().writes, 0);
    let expected = fixture.host.expected.borrow();
    let order: Vec<&str> = expected.iter().map(|(object, _)| object.as_str()).collect();
    assert_eq!(order, ["Account", "Contact", "Case"]);
    assert!(expected.iter().all(|(_, tally)| tally.created == 6));
    // Two requests of records (one text looks like a reference), one of references;
    assert_eq!(fixture.host.needed.get(), 5, "and two of planning it again");
    assert!(
        state::job::Job::load(&fixture.host, crate::values::key::RESTORE)
            .unwrap()
            .is_none()
    );
}

#[test]
fn only_records_that_a_condition_chooses_are_restored() {
    let fixture = emptied();
    let selection = Selection {
        objects: ["Account".to_owned()].into(),
        conditions: BTreeMap::from([("Account".to_owned(), "Name = 'account 4'".to_owned())]),
        source: "00D1".into(),
        ..Selection::default()
    };
    fixture.restore(&selection, 8);
    assert_eq!(fixture.org.borrow().records.len(), 1);
}

/// An org of generated objects: required references lead to objects before, so that chains are as deep as there are objects;
/// others anywhere.
fn generated(objects: usize, shape: &[(usize, usize, bool)], rows: &[(usize, Vec<usize>)]) -> TargetOrg {
    let name = |n: usize| format!("O{n}__c");
    let names: Vec<String> = (0..objects).map(name).collect();
    let mut fields: Vec<Vec<TargetField>> = vec![vec![TargetField::text("Text")]; objects];
    for n in 1..objects {
        fields[n].push(TargetField::reference("Chain__c", &[&names[n - 1]], true));
    }
    for (m, (from, to, poly)) in shape.iter().enumerate() {
        let to: Vec<&str> = if *poly {
            names.iter().map(String::as_str).collect()
        } else {
            vec![&names[to % objects]]
        };
        fields[from % objects].push(TargetField::reference(&format!("Ref{m}__c"), &to, false));
    }
    let schema: Vec<(&str, Vec<TargetField>)> = names.iter().map(String::as_str).zip(fields).collect();
    let mut org = TargetOrg::new(&schema);
    let mut ids: Vec<Vec<String>> = vec![Vec::new(); objects];
    for (n, (object, picks)) in rows.iter().enumerate() {
        let mut object = object % objects;
        while object > 0 && ids[object - 1].is_empty() {
            object -= 1;
        }
        let mut values = named(&format!("record {n}"));
        values.insert("Text".into(), json!(format!("text {}", picks.first().unwrap_or(&0))));
        if object > 0 {
            let parents = &ids[object - 1];
            values.insert("Chain__c".into(), json!(parents[picks.first().unwrap_or(&0) % parents.len()]));
        }
        ids[object].push(org.insert(&names[object], values));
    }
    // References among all of them, backwards and forwards.
    let all: Vec<String> = ids.concat();
    for (n, (_, picks)) in rows.iter().enumerate() {
        let id = all[n % all.len()].clone();
        let object = id[1..3].parse::<usize>().unwrap();
        let of: Vec<TargetField> = org.schema.values().nth(object).unwrap().clone();
        for (field, pick) in of.iter().filter(|field| field.name.starts_with("Ref")).zip(picks) {
            let allowed: Vec<&String> = all
                .iter()
                .filter(|other| {
                    let other = other[1..3].parse::<usize>().unwrap();
                    field.refers_to.iter().any(|to| org.schema.keys().nth(other) == Some(to))
                })
                .collect();
            if let Some(to) = allowed.get(pick % allowed.len().max(1)) {
                let to = (*to).clone();
                org.records.get_mut(&id).unwrap().insert(field.name.clone(), json!(to));
            }
        }
    }
    org
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_random_part_of_any_org_comes_back_as_it_was(
        objects in 1usize..8,
        shape in prop::collection::vec((0usize..8, 0usize..8, any::<bool>()), 0..6),
        rows in prop::collection::vec((0usize..8, prop::collection::vec(0usize..1_000, 1..5)), 1..120),
        deleted in prop::collection::vec(0usize..1_000, 0..60),
        a_call in 1u32..5,
        overwrite: bool,
        fault in prop::option::of((1u64..5, prop::sample::select(vec![Fault::Before, Fault::After, Fault::Late(1)]))),
    ) {
        let fixture = Fixture::new(generated(objects, &shape, &rows));
        let all: Vec<String> = fixture.before.records.keys().cloned().collect();
        for n in deleted {
            fixture.org.borrow_mut().delete(&all[n % all.len()]);
        }
        if let Some((nth, fault)) = fault {
            fixture.org.borrow_mut().faults.insert(nth, fault);
        }
        let selection = Selection {
            overwrite,
            ..fixture.everything()
        };
        fixture.restore(&selection, a_call);
        fixture.assert_whole();
        prop_assert_eq!(fixture.tally().failed + fixture.tally().ambiguous, 0);
    }
}

#[test]
fn users_and_record_types_of_another_org_are_known_by_name() {
    let schema = [
        (
            "Account",
            vec![
                TargetField::reference("OwnerId", &["User"], false),
                TargetField::reference("RecordTypeId", &["RecordType"], false),
            ],
        ),
        (
            "RecordType",
            vec![TargetField::text("DeveloperName"), TargetField::text("SobjectType")],
        ),
        ("User", vec![TargetField::text("Username")]),
    ];
    let with = |name: &str, fields: &[(&str, &str)]| {
        let mut record = named(name);
        record.extend(fields.iter().map(|(field, value)| ((*field).to_owned(), json!(value))));
        record
    };
    let people = |org: &mut TargetOrg, suffix: &str| {
        let users =
            ["a", "b"].map(|name| org.insert("User", with(name, &[("Username", &format!("{name}@example.com{suffix}"))])));
        let types = ["Account", "Contact"]
            .map(|of| org.insert("RecordType", with("Main", &[("DeveloperName", "Main"), ("SobjectType", of)])));
        (users, types)
    };
    let mut source = TargetOrg::new(&schema);
    let (users, types) = people(&mut source, ".full");
    for (n, user) in users.iter().enumerate() {
        let of = [("OwnerId", user.as_str()), ("RecordTypeId", types[0].as_str())];
        source.insert("Account", with(&format!("account {n}"), &of));
    }
    let fixture = Fixture::new(source);
    let mut target = TargetOrg::new(&schema);
    // Ids are others there, and nobody is `b`.
    for _ in 0..50 {
        target.insert("User", named("filler"));
    }
    target.records.clear();
    let (users, types) = people(&mut target, "");
    target.records.remove(&users[1]);
    target.now = fixture.org.borrow().now;
    *fixture.org.borrow_mut() = target;
    let selection = Selection {
        objects: ["Account".to_owned()].into(),
        source: "00D1".into(),
        ..Selection::default()
    };
    fixture.restore(&selection, 8);
    let org = fixture.org.borrow();
    let accounts: BTreeMap<&str, &Map<String, Value>> = org
        .records
        .values()
        .filter(|record| record.contains_key("RecordTypeId"))
        .map(|record| (record["Name"].as_str().unwrap(), record))
        .collect();
    assert_eq!(accounts.len(), 2);
    assert!(accounts.values().all(|account| account["RecordTypeId"] == json!(types[0])));
    assert_eq!(
        accounts["account 0"]["OwnerId"],
        json!(users[0]),
        "{:?}",
        fixture.host.outcomes.borrow()
    );
    assert_eq!(accounts["account 1"]["OwnerId"], Value::Null);
    let outcomes = fixture.host.outcomes.borrow();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
}
