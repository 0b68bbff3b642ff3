//! Connections that break around writes: before the effect, after it, and while it still runs.

use fake_salesforce::faults::{Fault, When};
use fake_salesforce::org::Scan;
use serde_json::json;

use crate::client::{Broken, call, control, get, try_call};
use crate::fake;
use crate::writes::row;

#[test]
fn a_fault_can_wait_for_the_nth_write_or_the_nth_counted_request() {
    let fake = fake();
    let account = json!({ "Name": "x" }).to_string();
    let reads = json!({ "compositeRequest": [
        { "method": "GET", "url": "/services/data/v62.0/sobjects/Account/describe", "referenceId": "a" }] })
    .to_string();
    let writes = json!({ "compositeRequest": [
        { "method": "POST", "url": "/services/data/v62.0/sobjects/Account", "referenceId": "a", "body": { "Name": "y" } }] })
    .to_string();
    let second_write = When {
        writes: true,
        skip: 1,
        ..When::default()
    };
    fake.faults().once(second_write, Fault::CutBeforeEffect);
    assert_eq!(call(&fake, "POST", "sobjects/Account", &[], &account).status, 201);
    assert_eq!(call(&fake, "POST", "composite", &[], &reads).status, 200);
    assert_eq!(get(&fake, "limits").status, 200);
    assert_eq!(
        try_call(&fake, "POST", "composite", &[], &writes).unwrap_err(),
        Broken::NoAnswer
    );
    control(
        &fake,
        "faults",
        &json!({ "when": { "counted": true, "skip": 1 }, "fault": { "kind": "cut-after-effect" } }),
    );
    assert_eq!(get(&fake, "limits").status, 200);
    assert_eq!(try_call(&fake, "GET", "limits", &[], "").unwrap_err(), Broken::NoAnswer);
}

#[test]
fn an_error_is_answered_though_the_rows_are_written() {
    let fake = fake();
    let before = fake.count("Account", Scan::QUERY);
    for status in [500, 503] {
        fake.faults().once(When::default(), Fault::ErrorAfterEffect { status });
        assert_eq!(
            call(&fake, "POST", "sobjects/Account", &[], "{\"Name\":\"x\"}").status,
            status
        );
    }
    assert_eq!(fake.count("Account", Scan::QUERY), before + 2);
    assert_eq!(fake.quota().used(), 2);
}

#[test]
fn a_transaction_goes_on_after_its_connection_and_commits_later() {
    let fake = fake();
    let begun = fake.clock().now_ms();
    let body = json!({ "records": [
        row("Account", json!({ "Name": "later", "Legacy_Key__c": "later-key" })),
        row("Contact", json!({ "LastName": "later" })) ] })
    .to_string();
    fake.faults().once(
        When {
            writes: true,
            ..When::default()
        },
        Fault::CutAndCommitLater { after_ms: 90_000 },
    );
    let before = (fake.count("Account", Scan::QUERY), fake.count("Contact", Scan::QUERY));
    assert_eq!(
        try_call(&fake, "POST", "composite/sobjects", &[], &body).unwrap_err(),
        Broken::NoAnswer
    );
    assert_eq!(
        (fake.count("Account", Scan::QUERY), fake.count("Contact", Scan::QUERY)),
        before
    );
    assert_eq!(fake.quota().used(), 1);

    // The key is taken already, though nobody sees by whom.
    let same = json!({ "Name": "again", "Legacy_Key__c": "later-key" }).to_string();
    assert_eq!(
        call(&fake, "POST", "sobjects/Account", &[], &same).error().1,
        "UNABLE_TO_LOCK_ROW"
    );
    fake.clock().advance(89_999);
    let moment = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap();
    let updated = || {
        let at = |ms: i64| moment(ms).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let span = format!("start={}&end={}", at(begun - 600_000), at(begun + 600_000));
        get(&fake, &format!("sobjects/Account/updated?{span}")).json()
    };
    let covered = |answer: &serde_json::Value| answer["latestDateCovered"].as_str().unwrap().to_owned();
    let printed = moment(begun).format("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
    assert!(covered(&updated()) <= printed, "{}", updated());
    assert_eq!(fake.count("Account", Scan::QUERY), before.0);

    fake.clock().advance(1);
    assert_eq!(
        (fake.count("Account", Scan::QUERY), fake.count("Contact", Scan::QUERY)),
        (before.0 + 1, before.1 + 1)
    );
    assert!(covered(&updated()) > printed);
    let row = crate::writes::records(&fake, "SELECT SystemModstamp FROM Account WHERE Legacy_Key__c = 'later-key'");
    assert_eq!(row[0]["SystemModstamp"], printed);
    assert_eq!(
        call(&fake, "POST", "sobjects/Account", &[], &same).error().1,
        "DUPLICATE_VALUE"
    );
}

#[test]
fn a_row_that_a_running_transaction_changed_is_locked() {
    let fake = fake();
    let id = crate::writes::records(&fake, "SELECT Id FROM Account LIMIT 1")[0]["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("sobjects/Account/{id}");
    fake.faults().once(
        When {
            writes: true,
            ..When::default()
        },
        Fault::CutAndCommitLater { after_ms: 1_000 },
    );
    assert!(try_call(&fake, "PATCH", &path, &[], "{\"Phone\":\"1\"}").is_err());
    assert_eq!(
        call(&fake, "PATCH", &path, &[], "{\"Phone\":\"2\"}").error().1,
        "UNABLE_TO_LOCK_ROW"
    );
    fake.clock().advance(1_000);
    assert_eq!(get(&fake, &path).json()["Phone"], "1");
    assert_eq!(call(&fake, "PATCH", &path, &[], "{\"Phone\":\"2\"}").status, 204);
}
