//! Bulk jobs that write: their life by the clock, their table, their results, their limits.

use std::collections::HashMap;

use fake_salesforce::Fake;
use fake_salesforce::org::Scan;
use serde_json::{Value, json};

use crate::client::{Answer, call, control, get, multipart};
use crate::writes::{fake, records};

const CSV: [(&str, &str); 1] = [("Content-Type", "text/csv")];

fn open(fake: &Fake, wanted: Value) -> String {
    let answer = call(fake, "POST", "jobs/ingest", &[], &wanted.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["state"], "Open");
    let id = json["id"].as_str().unwrap();
    assert_eq!(json["contentUrl"], format!("services/data/v62.0/jobs/ingest/{id}/batches"));
    id.to_owned()
}

fn patch(fake: &Fake, id: &str, state: &str) -> Answer {
    call(
        fake,
        "PATCH",
        &format!("jobs/ingest/{id}"),
        &[],
        &json!({ "state": state }).to_string(),
    )
}

fn put(fake: &Fake, id: &str, table: &str) -> Answer {
    call(fake, "PUT", &format!("jobs/ingest/{id}/batches"), &CSV, table)
}

/// Opens, fills and closes a job.
fn upload(fake: &Fake, wanted: Value, table: &str) -> String {
    let id = open(fake, wanted);
    assert_eq!(put(fake, &id, table).status, 201);
    assert_eq!(patch(fake, &id, "UploadComplete").json()["state"], "UploadComplete");
    id
}

fn job(fake: &Fake, id: &str) -> Value {
    get(fake, &format!("jobs/ingest/{id}")).json()
}

/// The same, run to its end.
fn run(fake: &Fake, wanted: Value, table: &str) -> (String, Value) {
    let id = upload(fake, wanted, table);
    fake.clock().advance(60_000);
    let job = job(fake, &id);
    (id, job)
}

fn table(fake: &Fake, id: &str, which: &str) -> Vec<HashMap<String, String>> {
    let answer = get(fake, &format!("jobs/ingest/{id}/{which}"));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/csv")),
        "{}",
        answer.text()
    );
    let mut reader = csv::Reader::from_reader(answer.body.as_slice());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn products(count: usize) -> String {
    (0..count).fold("Name,ProductCode\n".to_owned(), |table, n| table + &format!("P{n},B-{n}\n"))
}

fn insert(object: &str) -> Value {
    json!({ "object": object, "operation": "insert", "contentType": "CSV", "lineEnding": "LF" })
}

#[test]
fn rows_are_written_chunk_by_chunk_as_time_passes() {
    let fake = fake();
    let before = fake.count("Product2", Scan::QUERY);
    let id = upload(&fake, insert("Product2"), &products(1_000));
    assert_eq!(fake.count("Product2", Scan::QUERY), before);
    fake.clock().advance(1_000);
    assert_eq!(job(&fake, &id)["state"], "InProgress");
    fake.clock().advance(2_010);
    let (written, told) = (fake.count("Product2", Scan::QUERY) - before, job(&fake, &id));
    assert_eq!(
        (written, &told["state"], &told["numberRecordsProcessed"]),
        (400, &json!("InProgress"), &json!(400))
    );
    fake.clock().advance(60_000);
    let told = job(&fake, &id);
    assert_eq!(
        (&told["state"], &told["numberRecordsProcessed"], &told["numberRecordsFailed"]),
        (&json!("JobComplete"), &json!(1_000), &json!(0))
    );
    assert_eq!(fake.count("Product2", Scan::QUERY), before + 1_000);
    let last = records(&fake, "SELECT SystemModstamp FROM Product2 WHERE ProductCode = 'B-999'");
    assert_eq!(
        last[0]["SystemModstamp"].as_str().unwrap()[..19],
        told["systemModstamp"].as_str().unwrap()[..19]
    );
}

#[test]
fn results_come_shuffled_with_ids_and_errors_and_the_columns_that_were_sent() {
    let fake = fake();
    let mut sent = products(300);
    sent.push_str(",B-none\n");
    let (id, told) = run(&fake, insert("Product2"), &sent);
    assert_eq!(told["numberRecordsFailed"], 1);
    let good = table(&fake, &id, "successfulResults");
    let order: Vec<&str> = good.iter().map(|row| row["ProductCode"].as_str()).collect();
    assert_eq!(order.len(), 300);
    let in_order: Vec<String> = (0..300).map(|n| format!("B-{n}")).collect();
    assert_ne!(order, in_order, "results aren't in the order that was sent");
    for row in &good {
        assert_eq!(row["sf__Created"], "true");
        let stored = get(&fake, &format!("sobjects/Product2/{}", row["sf__Id"])).json();
        assert_eq!(stored["ProductCode"], row["ProductCode"].as_str());
    }
    let bad = table(&fake, &id, "failedResults");
    assert_eq!(
        bad[0]["sf__Error"],
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    );
    assert_eq!((bad[0]["sf__Id"].as_str(), bad[0]["ProductCode"].as_str()), ("", "B-none"));
    assert!(table(&fake, &id, "unprocessedrecords").is_empty());
}

#[test]
fn updates_upserts_and_deletes_take_ids_keys_parents_and_null() {
    let fake = fake();
    let accounts = records(&fake, "SELECT Id, Legacy_Key__c FROM Account WHERE Phone != null LIMIT 2");
    let (first, key) = (
        accounts[0]["Id"].as_str().unwrap(),
        accounts[1]["Legacy_Key__c"].as_str().unwrap(),
    );
    let of = |operation: &str, object: &str| json!({ "object": object, "operation": operation });
    let (_, told) = run(&fake, of("update", "Account"), &format!("Id,Phone,Name\n{first},#N/A,\n"));
    assert_eq!(told["numberRecordsFailed"], 0, "{told}");
    let row = get(&fake, &format!("sobjects/Account/{first}")).json();
    assert!(
        row["Phone"].is_null() && row["Name"].is_string(),
        "#N/A is null and an empty value is left alone"
    );

    let mut upsert = of("upsert", "Account");
    upsert["externalIdFieldName"] = json!("Legacy_Key__c");
    let (id, _) = run(&fake, upsert, &format!("Legacy_Key__c,Name\n{key},Known\nnew-key,New\n"));
    let created: HashMap<String, String> = table(&fake, &id, "successfulResults")
        .into_iter()
        .map(|row| (row["Name"].clone(), row["sf__Created"].clone()))
        .collect();
    assert_eq!((created["Known"].as_str(), created["New"].as_str()), ("false", "true"));

    let (id, _) = run(
        &fake,
        insert("Contact"),
        &format!("LastName,Account.Legacy_Key__c\nBy key,{key}\nBy none,nobody\n"),
    );
    assert_eq!(table(&fake, &id, "failedResults")[0]["LastName"], "By none");
    let contact = &records(&fake, "SELECT Id, AccountId FROM Contact WHERE LastName = 'By key'")[0];
    assert_eq!(contact["AccountId"], accounts[1]["Id"]);

    let gone = contact["Id"].as_str().unwrap();
    run(&fake, of("delete", "Contact"), &format!("Id\n{gone}\n"));
    assert_eq!(get(&fake, &format!("sobjects/Contact/{gone}")).error().1, "ENTITY_IS_DELETED");
}

#[test]
fn a_table_that_does_not_fit_fails_its_job() {
    let fake = fake();
    let (id, told) = run(&fake, insert("Product2"), "Name,Nope__c\nA,b\n");
    assert_eq!(
        (&told["state"], &told["errorMessage"]),
        (&json!("Failed"), &json!("InvalidBatch : Field name not found : Nope__c"))
    );
    assert_eq!(told["numberRecordsProcessed"], 0);
    assert_eq!(get(&fake, &format!("jobs/ingest/{id}/failedResults")).status, 200);
    let (_, told) = run(&fake, insert("Product2"), "Name\r\nA\r\n");
    assert!(
        told["errorMessage"]
            .as_str()
            .unwrap()
            .starts_with("ClientInputError : LineEnding is invalid")
    );
}

#[test]
fn a_job_takes_one_table_and_goes_through_its_states_once() {
    let fake = fake();
    let id = open(&fake, insert("Product2"));
    assert_eq!(patch(&fake, &id, "UploadComplete").error().1, "INVALIDJOBSTATE");
    assert_eq!(put(&fake, &id, &products(2)).status, 201);
    let again = put(&fake, &id, &products(2)).error();
    assert!(again.2.starts_with("Found multiple contents for job"), "{again:?}");
    assert_eq!(
        get(&fake, &format!("jobs/ingest/{id}/successfulResults")).error().1,
        "INVALIDJOBSTATE"
    );
    assert_eq!(patch(&fake, &id, "UploadComplete").status, 200);
    assert_eq!(patch(&fake, &id, "UploadComplete").error().1, "INVALIDJOBSTATE");
    fake.clock().advance(60_000);
    assert_eq!(patch(&fake, &id, "Aborted").error().1, "INVALIDJOBSTATE");
    let listed = get(&fake, "jobs/ingest").json();
    assert_eq!(
        (&listed["records"][0]["id"], &listed["records"][0]["state"]),
        (&json!(id), &json!("JobComplete"))
    );
    assert_eq!(call(&fake, "DELETE", &format!("jobs/ingest/{id}"), &[], "").status, 204);
    assert_eq!(get(&fake, &format!("jobs/ingest/{id}")).status, 404);
}

#[test]
fn an_aborted_job_keeps_what_it_wrote_and_tells_the_rest() {
    let fake = fake();
    let before = fake.count("Product2", Scan::QUERY);
    let id = upload(&fake, insert("Product2"), &products(1_000));
    fake.clock().advance(3_010);
    assert_eq!(patch(&fake, &id, "Aborted").json()["state"], "Aborted");
    fake.clock().advance(60_000);
    assert_eq!(fake.count("Product2", Scan::QUERY), before + 400);
    assert_eq!(table(&fake, &id, "successfulResults").len(), 400);
    assert_eq!(table(&fake, &id, "unprocessedrecords").len(), 600);
}

#[test]
fn jobs_refuse_what_bulk_does_not_take() {
    let fake = fake();
    let create = |wanted: Value| call(&fake, "POST", "jobs/ingest", &[], &wanted.to_string()).error().1;
    assert_eq!(create(insert("Organization")), "INVALIDENTITY");
    assert_eq!(create(insert("ContentDocument")), "INVALIDJOB");
    assert_eq!(create(insert("Nothing__c")), "INVALIDJOB");
    assert_eq!(create(json!({ "object": "Account", "operation": "upsert" })), "INVALIDJOB");
    assert_eq!(
        create(json!({ "object": "Account", "operation": "upsert", "externalIdFieldName": "Phone" })),
        "INVALIDJOB"
    );
    assert_eq!(
        create(json!({ "object": "Account", "operation": "insert", "contentType": "JSON" })),
        "API_ERROR"
    );
}

#[test]
fn a_short_table_can_come_with_the_job() {
    let fake = fake();
    let before = fake.count("Product2", Scan::QUERY);
    let wanted = insert("Product2").to_string();
    let send = |table: &str| {
        multipart(
            &fake,
            "POST",
            "jobs/ingest",
            &[
                ("job", false, "application/json", wanted.as_bytes()),
                ("content", true, "text/csv", table.as_bytes()),
            ],
        )
    };
    let job = send(&products(5)).json();
    assert_eq!(job["state"], "UploadComplete");
    fake.clock().advance(60_000);
    assert_eq!(fake.count("Product2", Scan::QUERY), before + 5);
    assert_eq!(fake.quota().used(), 1);
    assert_eq!(send(&"x".repeat(100_001)).error().1, "LIMIT_EXCEEDED");
}

#[test]
fn batches_of_a_day_end_and_limits_tells_them() {
    let fake = fake();
    control(&fake, "bulk", &json!({ "max_batches": 2, "others_batches": 1 }));
    let (_, told) = run(&fake, insert("Product2"), &products(3));
    assert_eq!(told["state"], "JobComplete");
    let (_, told) = run(&fake, insert("Product2"), &products(3));
    assert_eq!(
        (&told["state"], &told["errorMessage"]),
        (&json!("Failed"), &json!("ExceededQuota : ApiBatchItems Limit exceeded."))
    );
    fake.clock().advance(300_000);
    assert_eq!(
        get(&fake, "limits").json()["DailyBulkApiBatches"],
        json!({ "Max": 2, "Remaining": 0 })
    );
    fake.clock().advance(24 * 3_600_000);
    let (_, told) = run(&fake, insert("Product2"), &products(3));
    assert_eq!(told["state"], "JobComplete");
}
