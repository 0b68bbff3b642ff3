//! Writes: references between the calls of a series, results row by row, what is refused and how, what follows of itself.

use fake_salesforce::org::{OrgSpec, Scan};
use fake_salesforce::{Fake, Options};
use serde_json::{Value, json};

use crate::client::{call, control, get, query, send};

pub fn fake() -> Fake {
    let objects = [
        ("Account", 40),
        ("Contact", 60),
        ("Lead", 20),
        ("Opportunity", 20),
        ("OpportunityLineItem", 0),
        ("Product2", 10),
        ("Pricebook2", 4),
        ("PricebookEntry", 0),
        ("Campaign", 5),
        ("CampaignMember", 0),
        ("CampaignMemberStatus", 0),
        ("AccountContactRelation", 0),
        ("Case", 20),
        ("Contract", 0),
        ("Order", 0),
        ("OrderItem", 0),
        ("Task", 20),
        ("ContentDocument", 0),
        ("ContentVersion", 0),
        ("ContentDocumentLink", 0),
        ("RecordType", 0),
        ("Invoice__c", 20),
        ("User", 12),
    ];
    Fake::start(Options::of(OrgSpec::of(11, &objects))).unwrap()
}

pub fn row(object: &str, fields: Value) -> Value {
    let mut row = json!({ "attributes": { "type": object } });
    row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    row
}

pub fn collection(fake: &Fake, method: &str, path: &str, records: &[Value]) -> Value {
    let body = json!({ "allOrNone": false, "records": records }).to_string();
    let answer = call(fake, method, path, &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

pub fn create(fake: &Fake, object: &str, fields: Value) -> Value {
    collection(fake, "POST", "composite/sobjects", &[row(object, fields)])[0].clone()
}

pub fn created(fake: &Fake, object: &str, fields: Value) -> String {
    let result = create(fake, object, fields);
    assert_eq!(result["success"], true, "{result}");
    result["id"].as_str().unwrap().to_owned()
}

fn refusal(result: &Value) -> (String, String) {
    assert_eq!(result["success"], false, "{result}");
    let text = |name: &str| result["errors"][0][name].as_str().unwrap().to_owned();
    (text("statusCode"), text("message"))
}

fn code(result: &Value) -> String {
    refusal(result).0
}

/// The first rows of a query.
pub fn records(fake: &Fake, soql: &str) -> Vec<Value> {
    query(fake, soql).json()["records"].as_array().unwrap().clone()
}

fn some_id(fake: &Fake, soql: &str) -> String {
    records(fake, soql)[0]["Id"].as_str().unwrap().to_owned()
}

fn series(fake: &Fake, all_or_none: bool, parts: Value) -> Vec<(u64, Value)> {
    let body = json!({ "allOrNone": all_or_none, "compositeRequest": parts }).to_string();
    let answer = call(fake, "POST", "composite", &[], &body).json();
    let parts = answer["compositeResponse"].as_array().unwrap();
    parts
        .iter()
        .map(|p| (p["httpStatusCode"].as_u64().unwrap(), p["body"].clone()))
        .collect()
}

const COLLECTION: &str = "/services/data/v62.0/composite/sobjects";

#[test]
fn bodies_refer_to_rows_of_earlier_collections_and_single_creates() {
    let fake = fake();
    let answers = series(
        &fake,
        false,
        json!([
            { "method": "POST", "url": "/services/data/v62.0/sobjects/Account", "referenceId": "one", "body": { "Name": "one" } },
            { "method": "POST", "url": COLLECTION, "referenceId": "many", "body": { "records": [
                row("Account", json!({ "Name": "a", "ParentId": "@{one.id}" })), row("Account", json!({ "Name": "b" })) ] } },
            { "method": "POST", "url": COLLECTION, "referenceId": "children", "body": { "records": [
                row("Contact", json!({ "LastName": "x", "AccountId": "@{many[1].id}", "Description": "of @{many[0].id}" })) ] } },
            { "method": "PATCH", "url": "/services/data/v62.0/sobjects/Account/@{many[0].id}", "referenceId": "url", "body": { "Phone": "1" } },
        ]),
    );
    assert!(answers.iter().all(|(status, _)| *status < 300), "{answers:?}");
    let [first, second] = [0, 1].map(|n| answers[1].1[n]["id"].as_str().unwrap().to_owned());
    let child = &records(&fake, "SELECT AccountId, Description FROM Contact WHERE LastName = 'x'")[0];
    assert_eq!(child["AccountId"], second.as_str());
    assert_eq!(child["Description"], format!("of {first}"));
    let parent = &records(&fake, &format!("SELECT ParentId, Phone FROM Account WHERE Id = '{first}'"))[0];
    assert_eq!((&parent["ParentId"], &parent["Phone"]), (&answers[0].1["id"], &json!("1")));
    let entry = fake.requests().into_iter().find(|e| e.path.ends_with("/composite")).unwrap();
    assert_eq!(entry.cost, 1);
    let written: Vec<(&str, &str)> = entry.written.iter().map(|w| (w.object.as_str(), w.operation)).collect();
    assert_eq!(
        written,
        [
            ("Account", "create"),
            ("Account", "create"),
            ("Account", "create"),
            ("Contact", "create"),
            ("Account", "update")
        ]
    );
    assert!(entry.written.iter().all(|w| w.id.is_some() && w.error.is_none()));
}

#[test]
fn a_call_that_refers_to_a_row_that_failed_is_halted_alone_and_has_no_effect() {
    let fake = fake();
    let before = fake.count("Contact", Scan::QUERY);
    let answers = series(
        &fake,
        false,
        json!([
            { "method": "POST", "url": COLLECTION, "referenceId": "ref", "body": { "records": [
                row("Account", json!({ "Phone": "no name" })), row("Account", json!({ "Name": "b" })) ] } },
            { "method": "POST", "url": COLLECTION, "referenceId": "halted", "body": { "records": [
                row("Contact", json!({ "LastName": "x", "AccountId": "@{ref[1].id}" })),
                row("Contact", json!({ "LastName": "y", "AccountId": "@{ref[0].id}" })) ] } },
            { "method": "POST", "url": COLLECTION, "referenceId": "goes", "body": { "records": [
                row("Contact", json!({ "LastName": "z", "AccountId": "@{ref[1].id}" })) ] } },
        ]),
    );
    assert_eq!(
        answers[1],
        (
            400,
            json!([{ "errorCode": "PROCESSING_HALTED",
        "message": "Invalid reference specified. No value for ref[0].id found in ref" }])
        )
    );
    assert_eq!(answers[2].0, 200);
    assert_eq!(fake.count("Contact", Scan::QUERY), before + 1);
}

#[test]
fn five_collections_of_200_are_one_request_and_a_sixth_is_refused() {
    let fake = fake();
    let rows: Vec<Value> = (0..200)
        .map(|n| row("Product2", json!({ "Name": format!("P{n}") })))
        .collect();
    let parts = |count: usize| -> Value {
        (0..count)
            .map(
                |n| json!({ "method": "POST", "url": COLLECTION, "referenceId": format!("r{n}"), "body": { "records": rows } }),
            )
            .collect()
    };
    let before = fake.count("Product2", Scan::QUERY);
    let answers = series(&fake, false, parts(5));
    assert!(
        answers
            .iter()
            .all(|(status, body)| *status == 200 && body.as_array().unwrap().len() == 200)
    );
    assert_eq!(fake.quota().used(), 1);
    assert_eq!(fake.count("Product2", Scan::QUERY), before + 1_000);
    let six = call(
        &fake,
        "POST",
        "composite",
        &[],
        &json!({ "compositeRequest": parts(6) }).to_string(),
    );
    assert_eq!(six.error().1, "LIMIT_EXCEEDED");
}

#[test]
fn collections_take_200_rows_in_ten_runs_of_one_type() {
    let fake = fake();
    let post = |records: Vec<Value>| {
        let body = json!({ "records": records }).to_string();
        call(&fake, "POST", "composite/sobjects", &[], &body)
    };
    let product = |n: usize| row("Product2", json!({ "Name": format!("P{n}") }));
    assert_eq!(post((0..201).map(product).collect()).error().1, "LIMIT_EXCEEDED");
    let mixed = |runs: usize| {
        (0..runs).map(|n| {
            if n % 2 == 0 {
                product(n)
            } else {
                row("Account", json!({ "Name": "A" }))
            }
        })
    };
    assert_eq!(post(mixed(11).collect()).error().1, "LIMIT_EXCEEDED");
    let taken = post(mixed(10).collect()).json();
    assert!(taken.as_array().unwrap().iter().all(|r| r["success"] == true));
}

#[test]
fn refusals_are_told_row_by_row_in_the_words_of_the_field() {
    let fake = fake();
    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    let gone = created(&fake, "Account", json!({ "Name": "gone" }));
    assert_eq!(
        call(&fake, "DELETE", &format!("sobjects/Account/{gone}"), &[], "").status,
        204
    );
    let contact = some_id(&fake, "SELECT Id FROM Contact LIMIT 1");
    let inactive = some_id(&fake, "SELECT Id FROM User WHERE IsActive = false LIMIT 1");
    let key = records(&fake, &format!("SELECT Legacy_Key__c FROM Account WHERE Id = '{account}'"))[0]["Legacy_Key__c"].clone();
    let never = format!("{}zzzzzzzzz", &account[..6]);
    for (fields, code) in [
        (json!({}), "REQUIRED_FIELD_MISSING"),
        (json!({ "Name": "x", "ParentId": gone }), "ENTITY_IS_DELETED"),
        (json!({ "Name": "x", "ParentId": never }), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({ "Name": "x", "ParentId": contact }), "MALFORMED_ID"),
        (json!({ "Name": "x", "OwnerId": inactive }), "INACTIVE_OWNER_OR_USER"),
        (json!({ "Name": "x".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "Name": "x", "AnnualRevenue": 1e17 }), "NUMBER_OUTSIDE_VALID_RANGE"),
        (
            json!({ "Name": "x", "NumberOfEmployees": 1_000_000_000 }),
            "NUMBER_OUTSIDE_VALID_RANGE",
        ),
        (
            json!({ "Name": "x", "CreatedDate": "2020-01-01T00:00:00Z" }),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
        (json!({ "Name": "x", "Legacy_Key__c": key }), "DUPLICATE_VALUE"),
        (
            json!({ "Name": "x", "RecordTypeId": "012000000000001AAA" }),
            "INVALID_CROSS_REFERENCE_KEY",
        ),
    ] {
        assert_eq!(self::code(&create(&fake, "Account", fields.clone())), code, "{fields}");
    }
    let (_, message) = refusal(&create(&fake, "Account", json!({ "Name": "x", "Legacy_Key__c": key })));
    assert!(message.ends_with(&format!("record with id: {}", &account[..15])), "{message}");
    let event = row("Contact", json!({ "Id": gone, "LastName": "x" }));
    assert_eq!(
        code(&collection(&fake, "PATCH", "composite/sobjects", &[event])[0]),
        "ENTITY_IS_DELETED"
    );
}

#[test]
fn updates_upserts_and_deletes_answer_in_order() {
    let fake = fake();
    let ids: Vec<String> = (0..3)
        .map(|n| {
            created(
                &fake,
                "Product2",
                json!({ "Name": format!("P{n}"), "ProductCode": format!("C{n}") }),
            )
        })
        .collect();
    let changes = [
        row("Product2", json!({ "Id": ids[2], "Name": "Q2" })),
        row("Product2", json!({ "Name": "no id" })),
        row("Product2", json!({ "Id": ids[0], "Name": "Q0" })),
    ];
    let changed = collection(&fake, "PATCH", "composite/sobjects", &changes);
    assert_eq!((&changed[0]["id"], &changed[2]["id"]), (&json!(ids[2]), &json!(ids[0])));
    assert_eq!(code(&changed[1]), "MISSING_ARGUMENT");
    let upserts = [
        row("Product2", json!({ "ProductCode": "C1", "Name": "R1" })),
        row("Product2", json!({ "ProductCode": "new", "Name": "R-new" })),
    ];
    let upserted = collection(&fake, "PATCH", "composite/sobjects/Product2/ProductCode", &upserts);
    assert_eq!(
        (&upserted[0]["id"], &upserted[0]["created"], &upserted[1]["created"]),
        (&json!(ids[1]), &json!(false), &json!(true))
    );
    let list = ids.join(",");
    let gone = call(
        &fake,
        "DELETE",
        &format!("composite/sobjects?ids={list},01tnonsense&allOrNone=false"),
        &[],
        "",
    )
    .json();
    assert_eq!(
        gone.as_array()
            .unwrap()
            .iter()
            .map(|r| r["success"] == true)
            .collect::<Vec<_>>(),
        [true, true, true, false]
    );
    let all = call(
        &fake,
        "DELETE",
        &format!(
            "composite/sobjects?ids={},{}&allOrNone=true",
            upserted[1]["id"].as_str().unwrap(),
            ids[0]
        ),
        &[],
        "",
    )
    .json();
    assert_eq!(code(&all[0]), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(code(&all[1]), "ENTITY_IS_DELETED");
}

#[test]
fn ids_of_rows_that_were_taken_back_are_never_given_again() {
    let fake = fake();
    let taken_back = series(
        &fake,
        true,
        json!([
            { "method": "POST", "url": COLLECTION, "referenceId": "a", "body": { "records": [row("Product2", json!({ "Name": "a" }))] } },
            { "method": "POST", "url": COLLECTION, "referenceId": "b", "body": { "records": [row("Product2", json!({}))] } },
        ]),
    );
    assert_eq!(taken_back[1].1[0]["success"], false);
    let entry = fake.requests().pop().unwrap();
    let old = entry.written[0].id.clone().unwrap();
    assert_eq!(entry.written[0].error.as_deref(), Some("PROCESSING_HALTED"));
    assert_ne!(created(&fake, "Product2", json!({ "Name": "b" })), old);
    assert_eq!(get(&fake, &format!("sobjects/Product2/{old}")).status, 404);
}

#[test]
fn describe_and_writes_agree_on_every_field() {
    let fake = fake();
    for object in [
        "Account",
        "Contact",
        "Opportunity",
        "Invoice__c",
        "Task",
        "CampaignMember",
        "ContentVersion",
    ] {
        let describe = get(&fake, &format!("sobjects/{object}/describe")).json();
        assert!(describe["fields"].as_array().unwrap().len() > 5);
        for field in describe["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let result = create(&fake, object, json!({ name: null }));
            let refused = result["errors"][0]["statusCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE";
            assert_eq!(refused, field["createable"] == false, "{object}.{name}: {result}");
        }
    }
    let global = get(&fake, "sobjects").json();
    let document = global["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|o| o["name"] == "ContentDocument")
        .unwrap();
    assert_eq!(document["createable"], false);
}

#[test]
fn audit_fields_are_given_at_create_with_a_permission_only() {
    let fake = fake();
    let createable = |fake: &Fake| {
        let describe = get(fake, "sobjects/Account/describe").json();
        describe["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["name"] == "CreatedDate")
            .unwrap()["createable"]
            == true
    };
    assert!(!createable(&fake));
    control(&fake, "user", &json!({ "set_audit_fields": true }));
    assert!(createable(&fake));
    let dates = json!({ "Name": "old", "CreatedDate": "2020-01-02T03:04:05Z", "LastModifiedDate": "2021-01-02T03:04:05Z" });
    let id = created(&fake, "Account", dates);
    let row = &records(
        &fake,
        &format!("SELECT CreatedDate, LastModifiedDate, SystemModstamp FROM Account WHERE Id = '{id}'"),
    )[0];
    assert_eq!(row["CreatedDate"], "2020-01-02T03:04:05.000+0000");
    assert_eq!(row["LastModifiedDate"], "2021-01-02T03:04:05.000+0000");
    assert_ne!(row["SystemModstamp"], row["LastModifiedDate"]);
    let change = json!({ "CreatedDate": "2019-01-02T03:04:05Z" }).to_string();
    assert_eq!(
        call(&fake, "PATCH", &format!("sobjects/Account/{id}"), &[], &change)
            .error()
            .1,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
}

#[test]
fn a_master_is_chosen_once() {
    let fake = fake();
    let accounts = records(&fake, "SELECT Id FROM Account LIMIT 2");
    let (campaign, lead) = (
        some_id(&fake, "SELECT Id FROM Campaign LIMIT 1"),
        some_id(&fake, "SELECT Id FROM Lead LIMIT 1"),
    );
    let member = created(&fake, "CampaignMember", json!({ "CampaignId": campaign, "LeadId": lead }));
    let other = records(&fake, "SELECT Id FROM Campaign LIMIT 2")[1]["Id"].clone();
    let moved = collection(
        &fake,
        "PATCH",
        "composite/sobjects",
        &[row("CampaignMember", json!({ "Id": member, "CampaignId": other }))],
    );
    assert_eq!(code(&moved[0]), "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_eq!(accounts.len(), 2);
}

#[test]
fn rules_of_the_org_refuse_records_until_they_are_switched_off() {
    let fake = fake();
    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    control(
        &fake,
        "writing",
        &json!({
            "validations": [{ "object": "Account", "field": "Name", "contains": "forbidden", "message": "Not this name" }],
            "duplicates": [{ "object": "Lead", "field": "Email" }],
            "locks": [{ "parent": account, "rows": 2 }],
        }),
    );
    let (code, message) = refusal(&create(&fake, "Account", json!({ "Name": "a forbidden name" })));
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not this name")
    );
    let lead = json!({ "LastName": "L", "Company": "C", "Email": "same@example.com" });
    created(&fake, "Lead", lead.clone());
    assert_eq!(self::code(&create(&fake, "Lead", lead.clone())), "DUPLICATES_DETECTED");
    let allowed = call(
        &fake,
        "POST",
        "sobjects/Lead",
        &[("Sforce-Duplicate-Rule-Header", "allowSave=true")],
        &lead.to_string(),
    );
    assert_eq!(allowed.status, 201);
    let children: Vec<Value> = (0..4)
        .map(|n| row("Contact", json!({ "LastName": n.to_string(), "AccountId": account })))
        .collect();
    let results = collection(&fake, "POST", "composite/sobjects", &children);
    let locked: Vec<bool> = results.as_array().unwrap().iter().map(|r| r["success"] == false).collect();
    assert_eq!(locked, [true, true, false, false]);
    assert_eq!(self::code(&results[0]), "UNABLE_TO_LOCK_ROW");
    control(&fake, "writing", &json!({ "storage_left": 1 }));
    created(&fake, "Product2", json!({ "Name": "last" }));
    assert_eq!(
        self::code(&create(&fake, "Product2", json!({ "Name": "too many" }))),
        "STORAGE_LIMIT_EXCEEDED"
    );
    assert_eq!(send(&fake, "DELETE", "/__fake/writing", &[], "").unwrap().status, 204);
    created(&fake, "Account", json!({ "Name": "a forbidden name" }));
}

#[test]
fn triggers_change_the_record_and_others_or_fail() {
    let fake = fake();
    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    control(
        &fake,
        "writing",
        &json!({ "triggers": [
        { "on": "Contact", "touch": { "parent": "AccountId", "field": "Description" } },
        { "on": "Contact", "set": { "field": "Title", "value": "by trigger" } },
        { "on": "Case", "fail": "no cases today" },
    ] }),
    );
    let contact = created(
        &fake,
        "Contact",
        json!({ "LastName": "x", "AccountId": account, "Title": "mine" }),
    );
    let row = &records(
        &fake,
        &format!("SELECT Title, SystemModstamp FROM Contact WHERE Id = '{contact}'"),
    )[0];
    assert_eq!(row["Title"], "by trigger");
    let parent = &records(
        &fake,
        &format!("SELECT Description, SystemModstamp FROM Account WHERE Id = '{account}'"),
    )[0];
    assert_eq!(parent["Description"], format!("touched by {contact}"));
    assert_eq!(parent["SystemModstamp"], row["SystemModstamp"]);
    assert_eq!(
        code(&create(&fake, "Case", json!({ "Subject": "s" }))),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    );
}

#[test]
fn the_assignment_rule_takes_new_cases_unless_it_is_told_not_to() {
    let fake = fake();
    let to = some_id(&fake, "SELECT Id FROM User WHERE IsActive = true ORDER BY Id DESC LIMIT 1");
    let mine = fake.user().user_id.to_string();
    assert_ne!(to, mine);
    control(&fake, "writing", &json!({ "assign_to": to }));
    let owner = |id: &str| records(&fake, &format!("SELECT OwnerId FROM Case WHERE Id = '{id}'"))[0]["OwnerId"].clone();
    let fields = json!({ "Subject": "s", "OwnerId": mine });
    assert_eq!(owner(&created(&fake, "Case", fields.clone())), to.as_str());
    let kept = call(
        &fake,
        "POST",
        "sobjects/Case",
        &[("Sforce-Auto-Assign", "FALSE")],
        &fields.to_string(),
    )
    .json();
    assert_eq!(owner(kept["id"].as_str().unwrap()), mine.as_str());
}

#[test]
fn campaigns_and_contacts_bring_what_belongs_to_them() {
    let fake = fake();
    let campaign = created(&fake, "Campaign", json!({ "Name": "C" }));
    let soql = format!(
        "SELECT Label, HasResponded, IsDefault FROM CampaignMemberStatus WHERE CampaignId = '{campaign}' ORDER BY SortOrder"
    );
    let statuses = records(&fake, &soql);
    let told: Vec<(&str, bool)> = statuses
        .iter()
        .map(|s| (s["Label"].as_str().unwrap(), s["HasResponded"] == true))
        .collect();
    assert_eq!(told, [("Sent", false), ("Responded", true)]);
    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    let contact = created(&fake, "Contact", json!({ "LastName": "x", "AccountId": account }));
    let relations = records(
        &fake,
        &format!("SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{contact}'"),
    );
    assert_eq!(relations.len(), 1);
    assert_eq!(
        (&relations[0]["AccountId"], &relations[0]["IsDirect"]),
        (&json!(account), &json!(true))
    );
    let member = json!({ "CampaignId": campaign, "ContactId": contact, "Status": "Responded" });
    let id = created(&fake, "CampaignMember", member.clone());
    assert_eq!(
        records(&fake, &format!("SELECT HasResponded FROM CampaignMember WHERE Id = '{id}'"))[0]["HasResponded"],
        true
    );
    assert_eq!(code(&create(&fake, "CampaignMember", member)), "DUPLICATE_VALUE");
}

#[test]
fn prices_lines_and_orders_keep_their_order_and_state() {
    let fake = fake();
    let standard = some_id(&fake, "SELECT Id FROM Pricebook2 WHERE IsStandard = true");
    let book = some_id(&fake, "SELECT Id FROM Pricebook2 WHERE IsStandard = false LIMIT 1");
    let product = some_id(&fake, "SELECT Id FROM Product2 LIMIT 1");
    let price = |book: &str| json!({ "Pricebook2Id": book, "Product2Id": product, "UnitPrice": 19.99, "IsActive": true });
    assert_eq!(
        code(&create(&fake, "PricebookEntry", price(&book))),
        "STANDARD_PRICE_NOT_DEFINED"
    );
    created(&fake, "PricebookEntry", price(&standard));
    let entry = created(&fake, "PricebookEntry", price(&book));
    assert_eq!(code(&create(&fake, "PricebookEntry", price(&book))), "DUPLICATE_VALUE");

    let opportunity = json!({ "Name": "O", "StageName": "Prospecting", "CloseDate": "2026-01-01" });
    let without = created(&fake, "Opportunity", opportunity.clone());
    let mut with = opportunity;
    with["Pricebook2Id"] = json!(book);
    let with = created(&fake, "Opportunity", with);
    let line = |of: &str, more: Value| {
        let mut line = json!({ "OpportunityId": of, "PricebookEntryId": entry, "Quantity": 3 });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        create(&fake, "OpportunityLineItem", line)
    };
    assert_eq!(code(&line(&without, json!({ "UnitPrice": 10 }))), "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(
        code(&line(&with, json!({ "UnitPrice": 10, "TotalPrice": 30 }))),
        "FIELD_INTEGRITY_EXCEPTION"
    );
    assert_eq!(line(&with, json!({ "UnitPrice": 19.99 }))["success"], true);
    let row = &records(&fake, "SELECT TotalPrice, Product2Id FROM OpportunityLineItem")[0];
    assert_eq!((&row["TotalPrice"], &row["Product2Id"]), (&json!(59.97), &json!(product)));

    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    let order =
        |status: &str| json!({ "AccountId": account, "EffectiveDate": "2026-01-01", "Status": status, "Pricebook2Id": book });
    assert_eq!(code(&create(&fake, "Order", order("Activated"))), "FAILED_ACTIVATION");
    assert_eq!(
        code(&create(
            &fake,
            "Contract",
            json!({ "AccountId": account, "Status": "Activated" })
        )),
        "FAILED_ACTIVATION"
    );
    let draft = created(&fake, "Order", order("Draft"));
    let activate = json!({ "Status": "Activated" }).to_string();
    let path = format!("sobjects/Order/{draft}");
    assert_eq!(call(&fake, "PATCH", &path, &[], &activate).error().1, "FAILED_ACTIVATION");
    let item = json!({ "OrderId": draft, "PricebookEntryId": entry, "Quantity": 1, "UnitPrice": 5 });
    created(&fake, "OrderItem", item.clone());
    assert_eq!(call(&fake, "PATCH", &path, &[], &activate).status, 204);
    assert_eq!(code(&create(&fake, "OrderItem", item)), "FIELD_INTEGRITY_EXCEPTION");
}

#[test]
fn a_file_brings_its_document_and_links_and_a_second_version_is_the_latest() {
    let fake = fake();
    let account = some_id(&fake, "SELECT Id FROM Account LIMIT 1");
    let version = |more: Value| {
        let mut fields = json!({ "PathOnClient": "a.txt", "VersionData": "aGVsbG8=" });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    let first = created(&fake, "ContentVersion", version(json!({ "FirstPublishLocationId": account })));
    let row = &records(
        &fake,
        &format!("SELECT ContentDocumentId, IsLatest, FileType FROM ContentVersion WHERE Id = '{first}'"),
    )[0];
    assert_eq!((&row["IsLatest"], &row["FileType"]), (&json!(true), &json!("TEXT")));
    let document = row["ContentDocumentId"].as_str().unwrap().to_owned();
    let links = records(
        &fake,
        &format!("SELECT LinkedEntityId, ShareType FROM ContentDocumentLink WHERE ContentDocumentId = '{document}'"),
    );
    assert_eq!(links.len(), 2);
    let link = json!({ "ContentDocumentId": document, "LinkedEntityId": account, "ShareType": "V" });
    assert_eq!(code(&create(&fake, "ContentDocumentLink", link)), "DUPLICATE_VALUE");
    let second = created(
        &fake,
        "ContentVersion",
        version(json!({ "ContentDocumentId": document, "Title": "b" })),
    );
    let rows = records(
        &fake,
        &format!("SELECT Id, VersionNumber FROM ContentVersion WHERE ContentDocumentId = '{document}' AND IsLatest = true"),
    );
    assert_eq!(
        (rows.len(), &rows[0]["Id"], &rows[0]["VersionNumber"]),
        (1, &json!(second), &json!("2"))
    );
    let latest = &records(
        &fake,
        &format!("SELECT LatestPublishedVersionId FROM ContentDocument WHERE Id = '{document}'"),
    )[0];
    assert_eq!(latest["LatestPublishedVersionId"], second.as_str());
    let change = json!({ "VersionData": "aGVsbG8=" }).to_string();
    let refused = call(&fake, "PATCH", &format!("sobjects/ContentVersion/{second}"), &[], &change);
    assert_eq!(refused.error().1, "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn random_deletions_tell_everything_that_went() {
    let fake = fake();
    let objects = ["Account", "Contact", "Opportunity", "Case", "Invoice__c"];
    let before: u64 = objects.iter().map(|o| fake.count(o, Scan::QUERY)).sum();
    let gone = control(
        &fake,
        "delete_random",
        &json!({ "percent": 30, "seed": 7, "objects": ["Account"] }),
    )
    .json();
    let after: u64 = objects.iter().map(|o| fake.count(o, Scan::QUERY)).sum();
    let told: usize = objects.iter().filter_map(|o| gone[*o].as_array()).map(Vec::len).sum();
    assert_eq!(before - after, told as u64);
    assert!(
        gone["Contact"].as_array().is_some_and(|ids| !ids.is_empty()),
        "contacts die with their accounts: {gone}"
    );
    for id in gone["Account"].as_array().unwrap() {
        let path = format!("sobjects/Account/{}", id.as_str().unwrap());
        assert_eq!(get(&fake, &path).error().1, "ENTITY_IS_DELETED");
    }
    let hard = control(
        &fake,
        "delete_random",
        &json!({ "percent": 50, "seed": 8, "objects": ["Lead"], "hard": true }),
    )
    .json();
    let lead = hard["Lead"][0].as_str().unwrap();
    assert_eq!(get(&fake, &format!("sobjects/Lead/{lead}")).error().1, "NOT_FOUND");
}

#[test]
fn a_batch_tells_the_log_what_it_wrote() {
    let fake = fake();
    let part = |name: Value| json!({ "method": "POST", "url": "v62.0/sobjects/Account", "richInput": { "Name": name } });
    let body = json!({ "batchRequests": [part(json!("a")), part(Value::Null)] }).to_string();
    assert_eq!(call(&fake, "POST", "composite/batch", &[], &body).status, 200);
    let written = fake.requests().pop().unwrap().written;
    let errors: Vec<Option<&str>> = written.iter().map(|w| w.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("REQUIRED_FIELD_MISSING")]);
}

#[test]
fn lookups_lose_the_ids_of_deleted_rows_where_the_org_is_set_so() {
    let fake = fake();
    let parent = created(&fake, "Account", json!({ "Name": "p" }));
    let child = created(&fake, "Account", json!({ "Name": "c", "ParentId": parent }));
    let of_child = || records(&fake, &format!("SELECT ParentId FROM Account WHERE Id = '{child}'"))[0]["ParentId"].clone();
    control(&fake, "writing", &json!({ "clear_lookups": true }));
    assert_eq!(of_child(), parent.as_str());
    call(&fake, "DELETE", &format!("sobjects/Account/{parent}"), &[], "");
    assert_eq!(of_child(), Value::Null);
}
