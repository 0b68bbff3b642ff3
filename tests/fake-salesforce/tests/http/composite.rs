//! Series of calls: what they cost, how they refer to each other, what ends them.

use serde_json::{Value, json};

use crate::client::{call, composite, get, query};
use crate::fake;

fn parts(answer: &Value) -> Vec<(u64, Value)> {
    let parts = answer["compositeResponse"].as_array().unwrap();
    parts
        .iter()
        .map(|p| (p["httpStatusCode"].as_u64().unwrap(), p["body"].clone()))
        .collect()
}

#[test]
fn a_series_counts_as_one_request_and_has_no_content_length() {
    let fake = fake();
    let answer = composite(
        &fake,
        &[
            ("a", "query?q=SELECT Id FROM Account LIMIT 1"),
            ("b", "sobjects/Contact/describe"),
        ],
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.usage(), Some("api-usage=1/15000"));
    let entry = fake.requests().pop().unwrap();
    assert_eq!(
        (entry.cost, entry.subrequests.len(), entry.subrequests[1].status),
        (1, 2, 200)
    );
    assert!(
        answer
            .text()
            .contains("\"httpHeaders\":{},\"httpStatusCode\":200,\"referenceId\":\"a\"}")
    );
}

#[test]
fn a_chain_of_pages_ends_by_itself_in_the_documented_words() {
    let fake = fake();
    let chain = [
        ("p1", "query?q=SELECT Id FROM Account"),
        ("p2", "@{p1.nextRecordsUrl}"),
        ("p3", "@{p2.nextRecordsUrl}"),
        ("p4", "@{p3.nextRecordsUrl}"),
        ("p5", "@{p4.nextRecordsUrl}"),
        ("p6", "@{p5.nextRecordsUrl}"),
    ];
    let answer = composite(&fake, &chain).json();
    let parts = parts(&answer);
    let rows: usize = parts.iter().filter_map(|(_, b)| b["records"].as_array().map(Vec::len)).sum();
    assert_eq!(rows as u64, fake.count("Account", fake_salesforce::org::Scan::QUERY));
    assert_eq!(parts[3].1["done"], true);
    assert_eq!(parts[4].0, 400);
    assert_eq!(
        parts[4].1,
        json!([{ "errorCode": "PROCESSING_HALTED", "message": "Invalid reference specified. No value for p4.nextRecordsUrl found in p4" }])
    );
    assert_eq!(parts[5].0, 400);
}

#[test]
fn a_reference_leads_to_one_row_of_a_page() {
    let fake = fake();
    let answer = composite(
        &fake,
        &[
            ("p1", "query?q=SELECT Id FROM Account ORDER BY Id LIMIT 1000"),
            (
                "p2",
                "query?q=SELECT Id FROM Account WHERE Id > '@{p1.records[999].Id}' ORDER BY Id LIMIT 1000",
            ),
            (
                "p3",
                "query?q=SELECT Id FROM Account WHERE Id > '@{p2.Records[999].Id}' ORDER BY Id",
            ),
        ],
    );
    let parts = parts(&answer.json());
    let last = parts[0].1["records"][999]["Id"].as_str().unwrap();
    let next = parts[1].1["records"][0]["Id"].as_str().unwrap();
    assert!(last < next);
    assert_eq!(parts[2].0, 400, "references are case-sensitive");
}

#[test]
fn what_a_series_may_not_have_is_refused() {
    let fake = fake();
    let many: Vec<(String, String)> = (0..26)
        .map(|n| (format!("r{n}"), "sobjects/Account/describe".to_owned()))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(composite(&fake, &many).status, 400);
    assert_eq!(composite(&fake, &many[..25]).status, 200);
    let six: Vec<(String, String)> = (0..6)
        .map(|n| (format!("q{n}"), "query?q=SELECT Id FROM User LIMIT 1".to_owned()))
        .collect();
    let six: Vec<(&str, &str)> = six.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(composite(&fake, &six).error().1, "LIMIT_EXCEEDED");
    assert_eq!(composite(&fake, &six[..5]).status, 200);

    let id = query(&fake, "SELECT Id FROM ContentVersion LIMIT 1").json()["records"][0]["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let blob = format!("sobjects/ContentVersion/{id}/VersionData");
    assert_eq!(get(&fake, &blob).status, 200);
    let answer = composite(&fake, &[("b", &blob), ("l", "limits"), ("x", "sobjects/Foo")]).json();
    let refused = json!([{ "errorCode": "NOT_FOUND", "message": "The requested resource does not exist" }]);
    assert!(
        parts(&answer).iter().all(|(status, body)| *status == 404 && *body == refused),
        "{answer}"
    );
}

#[test]
fn the_switches_for_what_orgs_differ_in_work() {
    let fake = fake();
    let chain = [("p1", "query?q=SELECT Id FROM Account"), ("p2", "@{p1.nextRecordsUrl}")];
    fake.set_rules(fake_salesforce::rest::Rules {
        refuse_chain: true,
        ..fake.rules()
    });
    let answers = parts(&composite(&fake, &chain).json());
    assert_eq!((answers[0].0, answers[1].0), (200, 404));

    fake.set_rules(fake_salesforce::rest::Rules {
        refuse_chain: false,
        locators_count_as_queries: true,
        ..fake.rules()
    });
    let long: Vec<(&str, &str)> = chain
        .into_iter()
        .chain(["a", "b", "c", "d"].map(|r| (r, "@{p1.nextRecordsUrl}")))
        .collect();
    assert_eq!(composite(&fake, &long).error().1, "LIMIT_EXCEEDED");
}

#[test]
fn a_batch_counts_each_of_its_calls_and_stops_at_the_limit_one_by_one() {
    let fake = fake();
    fake.quota().set_max(3);
    let part = json!({ "method": "GET", "url": "v62.0/sobjects/Account/describe" });
    let body = json!({ "batchRequests": [part, part, part, part] }).to_string();
    let answer = call(&fake, "POST", "composite/batch", &[], &body);
    let json = answer.json();
    let statuses: Vec<u64> = json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["statusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 403]);
    assert_eq!(json["hasErrors"], true);
    assert_eq!(answer.usage(), Some("api-usage=3/3"));
    assert_eq!(fake.requests()[0].cost, 3);
}

#[test]
fn collections_answer_in_order_and_take_all_back_when_asked() {
    let fake = fake();
    let before = fake.count("Account", fake_salesforce::org::Scan::QUERY);
    let row = |name: &str| json!({ "attributes": { "type": "Account" }, "Name": name });
    let bad = json!({ "attributes": { "type": "Account" }, "Nope__c": 1 });
    let create = |all_or_none: bool| {
        let body = json!({ "allOrNone": all_or_none, "records": [row("a"), bad, row("c")] });
        let answer = call(&fake, "POST", "composite/sobjects", &[], &body.to_string());
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let taken_back = create(true);
    assert_eq!(taken_back[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(fake.count("Account", fake_salesforce::org::Scan::QUERY), before);
    let kept = create(false);
    let success: Vec<bool> = kept
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["success"].as_bool().unwrap())
        .collect();
    assert_eq!(success, [true, false, true]);
    assert_eq!(kept[0]["errors"], json!([]));
    assert_eq!(fake.count("Account", fake_salesforce::org::Scan::QUERY), before + 2);

    let ids = json!({ "ids": [kept[0]["id"], "001000000000000AAA"], "fields": ["Name"] }).to_string();
    let read = call(&fake, "POST", "composite/sobjects/Account", &[], &ids).json();
    assert_eq!(read[0]["Name"], "a");
    assert_eq!(read[1], Value::Null);
}

#[test]
fn all_or_none_takes_the_series_back_in_recorded_words() {
    let fake = fake();
    let before = fake.count("Account", fake_salesforce::org::Scan::QUERY);
    let url = "/services/data/v62.0/sobjects/Account";
    let body = json!({ "allOrNone": true, "compositeRequest": [
        { "method": "POST", "url": url, "referenceId": "one", "body": { "Name": "one" } },
        { "method": "POST", "url": url, "referenceId": "two", "body": { "Nope__c": "@{one.id}" } },
    ] });
    let answer = parts(&call(&fake, "POST", "composite", &[], &body.to_string()).json());
    assert_eq!(answer[0].0, 400);
    let words = "The transaction was rolled back since another operation in the same transaction failed.";
    assert_eq!(answer[0].1, json!([{ "errorCode": "PROCESSING_HALTED", "message": words }]));
    assert_eq!(answer[1].0, 400);
    assert_eq!(fake.count("Account", fake_salesforce::org::Scan::QUERY), before);
}

#[test]
fn a_tree_creates_parents_before_children() {
    let fake = fake();
    let body = json!({ "records": [{
        "attributes": { "type": "Account", "referenceId": "a" }, "Name": "Tree",
        "Contacts": { "records": [{ "attributes": { "type": "Contact", "referenceId": "c" }, "LastName": "Leaf" }] },
    }] });
    let answer = call(&fake, "POST", "composite/tree/Account", &[], &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["hasErrors"], false);
    let (account, contact) = (
        json["results"][0]["id"].as_str().unwrap(),
        json["results"][1]["id"].as_str().unwrap(),
    );
    let found = query(&fake, &format!("SELECT AccountId FROM Contact WHERE Id = '{contact}'")).json();
    assert_eq!(found["records"][0]["AccountId"], account);
}
