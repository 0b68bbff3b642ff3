//! Whatever the org refuses: no record is there twice, every one that it takes is there, each other one is named.

use super::*;
use fake_salesforce::org::{Change, Sent, Validation};
use std::collections::BTreeSet;

fn companies(rig: &Rig) -> Vec<String> {
    let company = |lead: &Value| lead["Company"].as_str().map(str::to_owned);
    leads(rig).iter().filter_map(company).collect()
}

fn ids(rig: &Rig) -> Vec<String> {
    leads(rig)
        .iter()
        .map(|lead| lead["Id"].as_str().unwrap().to_owned())
        .collect()
}

/// An org of some 1,000 leads whose companies are numbered, backed up.
async fn numbered() -> Rig {
    let rig = Rig::new(RigOptions::of(org(OrgSpec::of(41, &[("Lead", 1_000)])))).await;
    prepare(&rig.fake);
    let changes: Vec<Change> = ids(&rig)
        .into_iter()
        .enumerate()
        .map(|(n, id)| Change::Update {
            id,
            fields: std::iter::once(("Company".to_owned(), Sent::Text(format!("company {n:04};")))).collect(),
        })
        .collect();
    rig.fake.apply(&changes).unwrap();
    rig.fake.clock().advance(HOUR_MS);
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
    rig.fake.clock().advance(HOUR_MS);
    rig
}

/// Refuses leads of companies with this text.
fn refuse(rig: &Rig, contains: &str, rule: Validation) {
    let rule = Validation {
        object: "Lead".to_owned(),
        field: "Company".to_owned(),
        contains: Some(contains.to_owned()),
        message: "refused".to_owned(),
        ..rule
    };
    rig.fake.org().write().unwrap().write_rules_mut().validations.push(rule);
}

fn coded(code: &str, whole: bool) -> Validation {
    Validation {
        code: Some(code.to_owned()),
        names: Some(Vec::new()),
        whole,
        ..Validation::default()
    }
}

#[tokio::test]
async fn one_bad_value_costs_its_record_and_not_its_collection() {
    let rig = numbered().await;
    let all = ids(&rig).len();
    delete_all(&rig.fake, Some(&["Lead"]));
    for bad in ["company 0007;", "company 0512;"] {
        refuse(&rig, bad, coded("JSON_PARSER_ERROR", true));
    }
    let result = rig.restore(&of_leads(false)).await.unwrap();
    let expected = (RestoreState::Incomplete, all as u64 - 2);
    assert_eq!((result.state, result.created), expected, "{result:#?}");
    assert_eq!(result.failed.len(), 2, "{:#?}", result.failed);
    let there = companies(&rig);
    let distinct: BTreeSet<&String> = there.iter().collect();
    assert_eq!((there.len(), distinct.len()), (all - 2, all - 2));
    assert!(result.calls.sent <= 12, "{} requests", result.calls.sent);
}

#[tokio::test]
async fn the_first_hundreds_that_are_refused_keep_no_others_out() {
    let rig = numbered().await;
    let all = ids(&rig).len();
    delete_all(&rig.fake, Some(&["Lead"]));
    for hundred in 0..3 {
        refuse(&rig, &format!("company 0{hundred}"), Validation::default());
    }
    let result = rig.restore(&of_leads(false)).await.unwrap();
    assert_eq!(
        (result.state, result.created, result.failed.len()),
        (RestoreState::Incomplete, all as u64 - 300, 300)
    );
    assert_eq!(companies(&rig).len(), all - 300);
}

#[tokio::test]
async fn a_change_that_is_refused_as_if_the_record_were_gone_makes_no_second_record() {
    for code in ["INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED", "NOT_FOUND"] {
        let rig = numbered().await;
        let all = ids(&rig).len();
        let edits: Vec<Change> = ids(&rig)
            .into_iter()
            .take(20)
            .map(|id| Change::Update {
                id,
                fields: std::iter::once(("Title".to_owned(), Sent::Text("edited".to_owned()))).collect(),
            })
            .collect();
        rig.fake.apply(&edits).unwrap();
        rig.fake.clock().advance(HOUR_MS);
        let rule = Validation {
            updates_only: true,
            ..coded(code, false)
        };
        refuse(&rig, "company 0003;", rule);
        let result = rig.restore(&of_leads(true)).await.unwrap();
        assert_eq!(
            (result.state, result.created, result.updated, result.failed.len()),
            (RestoreState::Incomplete, 0, 19, 1),
            "{code}: {result:#?}"
        );
        assert_eq!(ids(&rig).len(), all, "{code}");
    }
}
