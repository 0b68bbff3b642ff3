//! Graphs of calls: each all or none, with limits of their own.

use fake_salesforce::org::Scan;
use serde_json::{Value, json};

use crate::client::call;
use crate::fake;

fn node(reference: &str, object: &str, body: Value) -> Value {
    let url = format!("/services/data/v62.0/sobjects/{object}");
    json!({ "method": "POST", "url": url, "referenceId": reference, "body": body })
}

fn post(fake: &fake_salesforce::Fake, graphs: &[Value]) -> crate::client::Answer {
    let graphs: Vec<Value> = graphs
        .iter()
        .enumerate()
        .map(|(n, nodes)| json!({ "graphId": n.to_string(), "compositeRequest": nodes }))
        .collect();
    call(fake, "POST", "composite/graph", &[], &json!({ "graphs": graphs }).to_string())
}

#[test]
fn a_graph_is_all_or_none_and_the_others_are_not_touched_by_it() {
    let fake = fake();
    let (accounts, contacts) = (fake.count("Account", Scan::QUERY), fake.count("Contact", Scan::QUERY));
    // A call may stand before the one that it refers to.
    let good = json!([
        node("child", "Contact", json!({ "LastName": "x", "AccountId": "@{parent.id}" })),
        node("parent", "Account", json!({ "Name": "p" })),
    ]);
    let bad = json!([
        node("a", "Account", json!({ "Name": "a" })),
        node("b", "Account", json!({ "Phone": "no name" }))
    ]);
    let answer = post(&fake, &[good, bad]);
    assert_eq!(answer.status, 200);
    let graphs = answer.json();
    assert_eq!(
        (&graphs["graphs"][0]["isSuccessful"], &graphs["graphs"][1]["isSuccessful"]),
        (&json!(true), &json!(false))
    );
    let parts = &graphs["graphs"][0]["graphResponse"]["compositeResponse"];
    assert_eq!(
        (&parts[0]["referenceId"], &parts[0]["httpStatusCode"]),
        (&json!("child"), &json!(201))
    );
    let failed = &graphs["graphs"][1]["graphResponse"]["compositeResponse"];
    assert_eq!(failed[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(failed[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(
        (fake.count("Account", Scan::QUERY), fake.count("Contact", Scan::QUERY)),
        (accounts + 1, contacts + 1)
    );
    assert_eq!(fake.quota().used(), 1);
    let entry = fake.requests().pop().unwrap();
    assert_eq!((entry.subrequests.len(), entry.written.len()), (4, 4));
}

#[test]
fn what_a_graph_may_not_have_is_refused() {
    let fake = fake();
    let code = |graphs: &[Value]| post(&fake, graphs).error().1;
    let accounts = |count: usize| -> Value {
        (0..count)
            .map(|n| node(&format!("r{n}"), "Account", json!({ "Name": "a" })))
            .collect()
    };
    assert_eq!(code(&[accounts(501)]), "LIMIT_EXCEEDED");
    assert_eq!(code(&vec![accounts(1); 76]), "LIMIT_EXCEEDED");
    let chain = |length: usize| -> Value {
        (0..length)
            .map(|n| {
                let parent = if n == 0 {
                    json!(null)
                } else {
                    json!(format!("@{{r{}.id}}", n - 1))
                };
                node(&format!("r{n}"), "Account", json!({ "Name": "a", "ParentId": parent }))
            })
            .collect()
    };
    assert_eq!(code(&[chain(16)]), "LIMIT_EXCEEDED");
    assert_eq!(post(&fake, &[chain(15)]).json()["graphs"][0]["isSuccessful"], true);
    let kinds: Value = (0..16)
        .map(|n| node(&format!("r{n}"), &format!("Kind{n}__c"), json!({})))
        .collect();
    assert_eq!(code(&[kinds]), "LIMIT_EXCEEDED");
    assert_eq!(
        code(&[json!([
            node("same", "Account", json!({})),
            node("same", "Account", json!({}))
        ])]),
        "INVALID_INPUT"
    );
    let query = json!([{ "method": "GET", "url": "/services/data/v62.0/query?q=SELECT+Id+FROM+Account", "referenceId": "q" }]);
    assert_eq!(post(&fake, &[query]).json()["graphs"][0]["isSuccessful"], false);
}

#[test]
fn fourteen_failures_end_it() {
    let fake = fake();
    let before = fake.count("Account", Scan::QUERY);
    let bad = json!([node("a", "Account", json!({}))]);
    let mut graphs = vec![bad; 14];
    graphs.push(json!([node("a", "Account", json!({ "Name": "fine" }))]));
    let answer = post(&fake, &graphs).json();
    assert_eq!(answer["graphs"][14]["isSuccessful"], false);
    let last = &answer["graphs"][14]["graphResponse"]["compositeResponse"][0];
    assert_eq!(last["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(fake.count("Account", Scan::QUERY), before);
    let answer = post(&fake, &graphs[1..]).json();
    assert_eq!(answer["graphs"][13]["isSuccessful"], true);
}
