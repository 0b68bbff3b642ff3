//! What changes between two backups, and how Salesforce tells of it.

use fake_salesforce::Fake;
use fake_salesforce::org::{Churn, Scan};
use serde_json::{Value, json};

use crate::client::{composite, control, get, query};
use crate::fake;

const MINUTE_MS: i64 = 60_000;

fn span(fake: &Fake, from_ms: i64) -> String {
    let stamp = |ms: i64| {
        chrono::DateTime::from_timestamp_millis(ms)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    format!("start={}&end={}", stamp(from_ms), stamp(fake.clock().now_ms()))
}

fn updated(fake: &Fake, object: &str, from_ms: i64) -> Value {
    get(fake, &format!("sobjects/{object}/updated/?{}", span(fake, from_ms))).json()
}

fn deleted(fake: &Fake, object: &str, from_ms: i64) -> Vec<String> {
    let answer = get(fake, &format!("sobjects/{object}/deleted/?{}", span(fake, from_ms))).json();
    let rows = answer["deletedRecords"].as_array().unwrap().clone();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn churn_changes_as_many_rows_as_it_says_and_queries_see_them() {
    let fake = fake();
    let start = fake.clock().now_ms();
    fake.clock().advance(5 * MINUTE_MS);
    let before = fake.count("Account", Scan::QUERY);
    let wanted = json!({
        "changed_percent": 1.0, "deleted_percent": 0.2, "hard_deleted_share": 0.5, "created_percent": 0.1, "seed": 7
    });
    let told = control(&fake, "churn", &wanted).json();
    let of = |object: &str, what: &str| told[object][what].as_u64().unwrap_or(0);
    let total = |what: &str| {
        told.as_object()
            .unwrap()
            .values()
            .map(|o| o[what].as_u64().unwrap())
            .sum::<u64>()
    };
    let rows = ["Account", "Contact", "Task", "User", "ContentVersion"]
        .map(|o| fake.count(o, Scan::QUERY))
        .iter()
        .sum::<u64>();
    assert!(total("changed").abs_diff(rows / 100) <= 2, "{told}");
    assert!(total("deleted") > 0 && total("hard_deleted") > 0, "{told}");
    fake.clock().advance(5 * MINUTE_MS);
    let ids = updated(&fake, "Account", start)["ids"].as_array().unwrap().len() as u64;
    let touched = of("Account", "changed") + of("Account", "created");
    // A row that was changed may be deleted after it.
    assert!(
        ids <= touched && ids + of("Account", "deleted") + of("Account", "hard_deleted") >= touched,
        "{told} {ids}"
    );
    let gone = of("Account", "deleted") + of("Account", "hard_deleted");
    assert_eq!(fake.count("Account", Scan::QUERY), before + of("Account", "created") - gone);
    assert_eq!(deleted(&fake, "Account", start).len() as u64, gone);
    let soql = format!(
        "SELECT Id FROM Account WHERE SystemModstamp >= {}",
        chrono::DateTime::from_timestamp_millis(start)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
    );
    assert_eq!(query(&fake, &soql).json()["totalSize"].as_u64(), Some(ids));
}

#[test]
fn equal_seeds_make_equal_changes() {
    let change = Churn {
        changed_percent: 3.0,
        deleted_percent: 1.0,
        created_percent: 1.0,
        seed: 9,
        ..Churn::default()
    };
    let (one, other) = (fake(), fake());
    assert_eq!(one.churn(&change), other.churn(&change));
    for object in ["Account", "Contact", "Task"] {
        assert_eq!(one.oracle(object), other.oracle(object), "{object}");
    }
}

#[test]
fn rows_that_others_belong_to_are_not_deleted_by_chance() {
    let fake = fake();
    fake.churn(&Churn {
        deleted_percent: 10.0,
        hard_deleted_share: 1.0,
        ..Churn::default()
    });
    let contacts = query(&fake, "SELECT AccountId FROM Contact WHERE AccountId != null").json()["records"].clone();
    for row in contacts.as_array().unwrap() {
        let account = row["AccountId"].as_str().unwrap();
        assert_eq!(
            get(&fake, &format!("sobjects/Account/{account}?fields=Id")).status,
            200,
            "{account}"
        );
    }
}

#[test]
fn hard_deleted_rows_are_in_no_query_and_vanished_ones_nowhere() {
    let fake = fake();
    let start = fake.clock().now_ms();
    let ids: Vec<String> = query(&fake, "SELECT Id FROM Account ORDER BY Id DESC LIMIT 3").json()["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["Id"].as_str().unwrap().to_owned())
        .collect();
    fake.clock().advance(2 * MINUTE_MS);
    let writes = json!([{ "delete": { "id": ids[0] } }, { "purge": { "id": ids[1] } }, { "vanish": { "id": ids[2] } }]);
    assert_eq!(control(&fake, "rows", &writes).status, 200);
    fake.clock().advance(2 * MINUTE_MS);
    let mut told = deleted(&fake, "Account", start);
    told.sort();
    assert_eq!(told, [ids[1].clone(), ids[0].clone()]);
    let all = format!("queryAll?q=SELECT+Id+FROM+Account+WHERE+Id+IN+('{}')", ids.join("','"));
    assert_eq!(get(&fake, &all).json()["totalSize"], 1);
}

#[test]
fn the_deletion_log_can_be_purged_early_and_says_from_when_on_it_is_whole() {
    let fake = fake();
    let start = fake.clock().now_ms();
    let id = query(&fake, "SELECT Id FROM Account ORDER BY Id DESC LIMIT 1").json()["records"][0]["Id"].clone();
    control(&fake, "rows", &json!([{ "delete": { "id": id } }]));
    fake.clock().advance(5 * 60 * MINUTE_MS);
    assert_eq!(deleted(&fake, "Account", start).len(), 1);
    control(&fake, "rules", &json!({ "deleted_log_ms": 2 * 60 * MINUTE_MS }));
    assert!(deleted(&fake, "Account", start).is_empty());
    let answer = get(&fake, &format!("sobjects/Account/deleted/?{}", span(&fake, start))).json();
    assert_eq!(answer["earliestDateAvailable"], "2026-06-01T03:00:00.000+0000");
}

#[test]
fn a_transaction_that_commits_late_appears_with_old_stamps_behind_later_rows() {
    let fake = fake();
    let start = fake.clock().now_ms();
    fake.clock().advance(2 * MINUTE_MS);
    let begun = fake.clock().now_ms();
    let existing = query(&fake, "SELECT Id FROM Account LIMIT 1").json()["records"][0]["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let create = json!({ "create": { "object": "Account", "fields": { "Name": "late" } } });
    let update = json!({ "update": { "id": existing, "fields": { "Name": "changed late" } } });
    let opened = control(&fake, "transactions", &json!([create, create, update])).json();
    let late: Vec<&str> = opened["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    fake.clock().advance(40 * MINUTE_MS);
    let later = control(&fake, "rows", &json!([create])).json()[0]
        .as_str()
        .unwrap()
        .to_owned();
    fake.clock().advance(2 * MINUTE_MS);
    assert!(late.iter().all(|id| **id < *later));
    let meanwhile = updated(&fake, "Account", start);
    assert_eq!(meanwhile["latestDateCovered"], "2026-06-01T00:02:00.000+0000");
    assert!(meanwhile["ids"].as_array().unwrap().is_empty());
    assert_eq!(get(&fake, &format!("sobjects/Account/{}", late[0])).status, 404);
    assert_eq!(
        query(&fake, "SELECT Id FROM Account WHERE Name IN ('late', 'changed late')").json()["totalSize"],
        1
    );

    assert_eq!(
        control(&fake, &format!("transactions/{}/commit", opened["transaction"]), &json!({})).status,
        204
    );
    let after = updated(&fake, "Account", start);
    let mut ids: Vec<&str> = after["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut expected = vec![existing.as_str(), late[0], late[1], later.as_str()];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let row = get(
        &fake,
        &format!("sobjects/Account/{}?fields=SystemModstamp,CreatedDate", late[1]),
    )
    .json();
    let stamp = chrono::DateTime::from_timestamp_millis(begun)
        .unwrap()
        .format("%Y-%m-%dT%H:%M:%S.000+0000")
        .to_string();
    assert_eq!(
        (row["SystemModstamp"].as_str(), row["CreatedDate"].as_str()),
        (Some(stamp.as_str()), Some(stamp.as_str()))
    );
    let twice = control(&fake, &format!("transactions/{}/commit", opened["transaction"]), &json!({}));
    assert_eq!(twice.status, 400);
}

#[test]
fn one_request_tells_of_many_objects_whether_they_changed() {
    let fake = fake();
    let start = fake.clock().now_ms();
    fake.clock().advance(2 * MINUTE_MS);
    control(
        &fake,
        "rows",
        &json!([{ "create": { "object": "Account", "fields": { "Name": "x" } } }]),
    );
    fake.clock().advance(2 * MINUTE_MS);
    let urls: Vec<(String, String)> = (0..25)
        .map(|n| {
            let object = ["Account", "Contact", "Task"][n % 3];
            let what = if n < 13 { "updated" } else { "deleted" };
            (format!("r{n}"), format!("sobjects/{object}/{what}/?{}", span(&fake, start)))
        })
        .collect();
    let parts: Vec<(&str, &str)> = urls
        .iter()
        .map(|(reference, url)| (reference.as_str(), url.as_str()))
        .collect();
    let used = fake.quota().used();
    let answer = composite(&fake, &parts).json();
    assert_eq!(fake.quota().used(), used + 1);
    let answers = answer["compositeResponse"].as_array().unwrap();
    assert!(
        answers
            .iter()
            .all(|a| a["httpStatusCode"] == 200 && a["body"]["latestDateCovered"].is_string())
    );
    assert_eq!(answers[0]["body"]["ids"].as_array().unwrap().len(), 1);
    assert_eq!(answers[1]["body"]["ids"].as_array().unwrap().len(), 0);
}
