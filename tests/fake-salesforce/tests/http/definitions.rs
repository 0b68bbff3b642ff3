//! Definitions that change: fields and objects come and go, and conditional describes tell.

use serde_json::{Value, json};

use crate::client::{call, control, get, get_with, query};

fn fake() -> fake_salesforce::Fake {
    fake_salesforce::Fake::start(fake_salesforce::Options::of(fake_salesforce::org::OrgSpec::small(7))).unwrap()
}

fn describe(fake: &fake_salesforce::Fake, since: Option<&str>) -> (u16, Option<String>, Vec<String>) {
    let headers: Vec<_> = since.map(|since| ("If-Modified-Since", since)).into_iter().collect();
    let answer = get_with(fake, "sobjects/Account/describe", &headers);
    let modified = answer.header("last-modified").map(str::to_owned);
    let names = (answer.status == 200).then(|| answer.json()["fields"].as_array().unwrap().clone());
    let names = names.unwrap_or_default();
    let names = names.iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect();
    (answer.status, modified, names)
}

fn changed(fake: &fake_salesforce::Fake) -> std::collections::BTreeMap<String, Value> {
    let answer = query(
        fake,
        "SELECT QualifiedApiName, LastModifiedDate FROM EntityDefinition LIMIT 2000",
    )
    .json();
    let rows = answer["records"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            (
                row["QualifiedApiName"].as_str().unwrap().to_owned(),
                row["LastModifiedDate"].clone(),
            )
        })
        .collect()
}

#[test]
fn a_field_that_comes_or_goes_moves_the_definitions_stamp_and_no_other() {
    let fake = fake();
    let before = changed(&fake);
    assert!(before["Account"].is_null() && before["Invoice__c"].is_string());
    let (_, first, names) = describe(&fake, None);
    assert!(!names.contains(&"New__c".to_owned()) && names.contains(&"Points__c".to_owned()));
    assert_eq!(describe(&fake, first.as_deref()).0, 304);
    let stamps = query(&fake, "SELECT MAX(SystemModstamp) latest FROM Account").json();
    let changes = json!([
        { "add-field": { "object": "Account", "name": "New__c", "kind": "text", "filled": 60 } },
        { "remove-field": { "object": "Account", "field": "Points__c" } },
    ]);
    assert_eq!(control(&fake, "definitions", &changes).status, 204);
    let (status, second, names) = describe(&fake, first.as_deref());
    assert_eq!(status, 200);
    assert!(names.contains(&"New__c".to_owned()) && !names.contains(&"Points__c".to_owned()));
    assert_eq!(describe(&fake, second.as_deref()).0, 304);
    let after = changed(&fake);
    let different: Vec<&String> = after
        .iter()
        .filter(|(name, at)| before[*name] != **at)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(different, ["Account"]);
    assert_eq!(query(&fake, "SELECT Points__c FROM Account").error().1, "INVALID_FIELD");
    let values = query(&fake, "SELECT New__c FROM Account LIMIT 100").json();
    assert!(
        values["records"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["New__c"].is_string())
    );
    assert_eq!(query(&fake, "SELECT MAX(SystemModstamp) latest FROM Account").json(), stamps);
}

#[test]
fn a_field_that_goes_leaves_the_values_of_the_others_in_place() {
    let fake = fake();
    let id = call(
        &fake,
        "POST",
        "sobjects/Account",
        &[],
        "{\"Name\":\"mine\",\"Legacy_Key__c\":\"k1\",\"Ledger_Number__c\":7}",
    )
    .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    control(
        &fake,
        "definitions",
        &json!([{ "remove-field": { "object": "Account", "field": "Ledger_Number__c" } }]),
    );
    let row = get(&fake, &format!("sobjects/Account/{id}")).json();
    assert_eq!(
        (row["Name"].as_str(), row["Legacy_Key__c"].as_str()),
        (Some("mine"), Some("k1"))
    );
    assert!(row.get("Ledger_Number__c").is_none());
    let oracle = fake.oracle("Account");
    let last = oracle.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).unwrap();
    let last: Value = serde_json::from_slice(last).unwrap();
    assert_eq!(
        (last["Id"].as_str(), last["Legacy_Key__c"].as_str()),
        (Some(id.as_str()), Some("k1"))
    );
}

#[test]
fn an_object_that_comes_can_be_described_listed_and_written() {
    let fake = fake();
    let global = get(&fake, "sobjects");
    let since = global.header("last-modified").unwrap().to_owned();
    let added = control(&fake, "definitions", &json!([{ "add-object": { "name": "Fresh__c" } }]));
    assert_eq!(added.status, 204);
    assert_eq!(get_with(&fake, "sobjects", &[("If-Modified-Since", &since)]).status, 200);
    assert!(changed(&fake)["Fresh__c"].is_string());
    let account = query(&fake, "SELECT Id FROM Account LIMIT 1").json()["records"][0]["Id"].clone();
    let created = call(
        &fake,
        "POST",
        "sobjects/Fresh__c",
        &[],
        &json!({ "Name": "x", "Account__c": account }).to_string(),
    );
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(query(&fake, "SELECT Id FROM Fresh__c").json()["totalSize"], 1);
    let again = control(&fake, "definitions", &json!([{ "add-object": { "name": "Fresh__c" } }]));
    assert_eq!(again.status, 400);
}

#[test]
fn describes_of_a_series_are_conditional_too() {
    let fake = fake();
    let modified = get(&fake, "sobjects/Contact/describe")
        .header("last-modified")
        .unwrap()
        .to_owned();
    let part = |object: &str| {
        json!({
            "method": "GET", "referenceId": object, "url": format!("/services/data/v62.0/sobjects/{object}/describe"),
            "httpHeaders": { "If-Modified-Since": modified },
        })
    };
    control(
        &fake,
        "definitions",
        &json!([{ "add-field": { "object": "Lead", "name": "New__c", "kind": "number" } }]),
    );
    let body = json!({ "compositeRequest": [part("Contact"), part("Lead")] });
    let answer = call(&fake, "POST", "composite", &[], &body.to_string()).json();
    let answers = &answer["compositeResponse"];
    assert_eq!(
        (answers[0]["httpStatusCode"].as_u64(), answers[0]["body"].is_null()),
        (Some(304), true)
    );
    assert_eq!(
        (answers[1]["httpStatusCode"].as_u64(), answers[1]["body"]["name"].as_str()),
        (Some(200), Some("Lead"))
    );
    assert_eq!(fake.quota().used(), 2);
}

#[test]
fn the_widest_objects_do_not_fit_into_one_query_or_a_full_page() {
    let fake = fake_salesforce::Fake::start(fake_salesforce::Options::of(fake_salesforce::org::OrgSpec::widest(1))).unwrap();
    for (object, code) in [
        ("Wide_Names__c", None),
        ("Widest__c", Some("MALFORMED_QUERY")),
        ("Formulas__c", Some("QUERY_TOO_COMPLICATED")),
    ] {
        let described = get(&fake, &format!("sobjects/{object}/describe")).json();
        let names: Vec<&str> = described["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["name"].as_str().unwrap())
            .collect();
        assert!(names.len() > 400);
        let soql = format!("SELECT {} FROM {object}", names.join(","));
        let part = &crate::client::composite(&fake, &[("q", &format!("query?q={soql}"))]).json()["compositeResponse"][0];
        match code {
            None => assert!(
                part["body"]["records"].as_array().is_some_and(|rows| rows.len() < 2_000),
                "{soql:.80}"
            ),
            Some(code) => assert_eq!(part["body"][0]["errorCode"], code),
        }
    }
}
