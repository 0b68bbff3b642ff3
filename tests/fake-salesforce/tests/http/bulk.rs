//! Bulk API 2.0 query.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;

use fake_salesforce::Fake;
use fake_salesforce::clock::DAY_MS;
use fake_salesforce::faults::{Fault, When};
use serde_json::{Value, json};

use crate::client::{Answer, call, composite, control, get, query, try_call};
use crate::fake;

/// Long enough for every job of these tests.
const DONE_MS: i64 = 60_000;

fn create(fake: &Fake, soql: &str) -> Answer {
    create_with(fake, json!({ "operation": "query", "query": soql }))
}

fn create_with(fake: &Fake, job: Value) -> Answer {
    call(fake, "POST", "jobs/query", &[], &job.to_string())
}

/// A job that has ended; its path.
fn done(fake: &Fake, soql: &str) -> String {
    done_with(fake, json!({ "operation": "query", "query": soql }))
}

fn done_with(fake: &Fake, job: Value) -> String {
    let created = create_with(fake, job);
    assert_eq!(created.status, 200, "{}", created.text());
    fake.clock().advance(DONE_MS);
    format!("jobs/query/{}", created.json()["id"].as_str().unwrap())
}

struct Page {
    rows: Vec<Vec<String>>,
    locator: String,
}

fn page(fake: &Fake, path: &str) -> Page {
    let answer = get(fake, path);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("text/csv"));
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut text).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*text);
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let number: usize = answer.header("sforce-numberofrecords").unwrap().parse().unwrap();
    assert_eq!(rows.len(), number + 1);
    Page {
        rows,
        locator: answer.header("sforce-locator").unwrap().to_owned(),
    }
}

/// All pages of so many rows; the rows without the lines of names.
fn pages(fake: &Fake, job: &str, max_records: u64) -> Vec<Vec<Vec<String>>> {
    let mut pages = Vec::new();
    let mut locator = String::new();
    while locator != "null" {
        let next = page(fake, &format!("{job}/results?maxRecords={max_records}&locator={locator}"));
        pages.push(next.rows[1..].to_vec());
        locator = next.locator;
    }
    pages
}

fn error_code(answer: &Answer) -> (u16, String) {
    let (status, code, _) = answer.error();
    (status, code)
}

#[test]
fn a_job_goes_through_its_states_on_the_clock_and_each_request_counts() {
    let fake = fake();
    let created = create(&fake, "SELECT Id FROM Account");
    let job = created.json();
    assert_eq!((created.status, job["state"].as_str()), (200, Some("UploadComplete")));
    assert_eq!(
        (
            job["apiVersion"].as_f64(),
            job["object"].as_str(),
            job["contentType"].as_str()
        ),
        (Some(62.0), Some("Account"), Some("CSV"))
    );
    let path = format!("jobs/query/{}", job["id"].as_str().unwrap());
    let states: Vec<(String, u64)> = [0, 1_000, 2_500, 10_000]
        .iter()
        .map(|wait| {
            fake.clock().advance(*wait);
            let told = get(&fake, &path).json();
            let processed = told["numberRecordsProcessed"].as_u64().unwrap();
            (told["state"].as_str().unwrap().to_owned(), processed)
        })
        .collect();
    let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["UploadComplete", "InProgress", "InProgress", "JobComplete"]);
    let rows = fake.count("Account", fake_salesforce::org::Scan::QUERY);
    assert!(states[2].1 > 0 && states[2].1 < rows, "{states:?}");
    assert_eq!(states[3].1, rows);
    assert_eq!(get(&fake, &path).usage(), Some("api-usage=6/15000"));
}

#[test]
fn results_come_only_once_the_job_is_complete() {
    let fake = fake();
    let id = create(&fake, "SELECT Id FROM Account").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let early = get(&fake, &format!("jobs/query/{id}/results"));
    assert_eq!(error_code(&early), (400, "INVALIDJOBSTATE".into()));
    fake.clock().advance(DONE_MS);
    assert_eq!(get(&fake, &format!("jobs/query/{id}/results")).status, 200);
}

#[test]
fn pages_give_every_row_once_in_an_order_of_their_own_and_each_locator_gives_its_page_again() {
    let fake = fake();
    let job = done(&fake, "SELECT Id, Name FROM Account");
    let first = pages(&fake, &job, 2_000);
    assert_eq!(first, pages(&fake, &job, 2_000));
    let ids: Vec<&String> = first.iter().flatten().map(|row| &row[0]).collect();
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len() as u64, fake.count("Account", fake_salesforce::org::Scan::QUERY));
    assert_eq!(distinct.len(), ids.len());
    assert!(!ids.is_sorted(), "rows of a job without ORDER BY have no order");
    let ordered = done(&fake, "SELECT Id FROM Account ORDER BY Id");
    let ordered: Vec<String> = pages(&fake, &ordered, 5_000).concat().concat();
    assert!(ordered.is_sorted());
    assert_eq!(ordered.len(), ids.len());
}

#[test]
fn a_filtered_job_gives_the_rows_of_the_query() {
    let fake = fake();
    control(&fake, "rules", &json!({ "bulk_chunk_rows": 100 }));
    let soql = "SELECT Id FROM Account WHERE Rating = 'Hot'";
    let mut by_job: Vec<String> = pages(&fake, &done(&fake, soql), 300).concat().concat();
    assert!(!by_job.is_sorted());
    by_job.sort();
    let by_rest: Vec<String> = query(&fake, soql).json()["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["Id"].as_str().unwrap().to_owned())
        .collect();
    assert!(by_rest.len() > 300);
    assert_eq!(by_job, by_rest);
    let none = done(&fake, "SELECT Id FROM Account WHERE Name = 'nobody'");
    let page = page(&fake, &format!("{none}/results"));
    assert_eq!((page.rows.len(), page.locator.as_str()), (1, "null"));
}

#[test]
fn values_are_those_of_rest_in_the_form_of_bulk() {
    let fake = fake();
    let names =
        "Id, Name, Points__c, NumberOfEmployees, AnnualRevenue, Ledger_Number__c, SystemModstamp, Description, Owner.Name";
    let soql = format!("SELECT {names} FROM Account ORDER BY Id LIMIT 500");
    let job = page(&fake, &format!("{}/results", done(&fake, &soql)));
    let records = query(&fake, &soql).json()["records"].clone();
    assert_eq!(job.rows[0].join(", "), names);
    let (mut multi_line, mut as_double) = (0, 0);
    for (row, record) in job.rows[1..].iter().zip(records.as_array().unwrap()) {
        assert_eq!(row[0], record["Id"].as_str().unwrap());
        assert_eq!(row[1], record["Name"].as_str().unwrap());
        if let Some(digits) = record["Points__c"].as_number() {
            assert_eq!(row[2].parse::<f64>().unwrap(), digits.as_f64().unwrap());
            as_double += usize::from(row[2].ends_with(".0"));
        }
        assert_eq!(
            row[3],
            record["NumberOfEmployees"]
                .as_number()
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        if let Some(digits) = record["Ledger_Number__c"].as_number() {
            assert_eq!(row[5], digits.to_string());
        }
        assert_eq!(row[6], record["SystemModstamp"].as_str().unwrap().replace("+0000", "Z"));
        assert_eq!(row[7], record["Description"].as_str().unwrap_or_default());
        multi_line += usize::from(row[7].contains('\n'));
        assert_eq!(row[8], record["Owner"]["Name"].as_str().unwrap());
    }
    assert!(multi_line > 10 && as_double > 10, "{multi_line} {as_double}");
}

#[test]
fn a_job_gives_the_rows_as_they_were_when_it_was_created() {
    let fake = fake();
    let id = query(&fake, "SELECT Id FROM Account LIMIT 1").json()["records"][0]["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = done(&fake, "SELECT Id, Name FROM Account");
    call(
        &fake,
        "PATCH",
        &format!("sobjects/Account/{id}"),
        &[],
        "{\"Name\":\"changed since\"}",
    );
    call(&fake, "POST", "sobjects/Account", &[], "{\"Name\":\"new since\"}");
    let after = done(&fake, "SELECT Id, Name FROM Account");
    let names = |job: &str| -> BTreeMap<String, String> {
        let rows = pages(&fake, job, 10_000).concat();
        rows.into_iter()
            .map(|mut row| (row.swap_remove(0), row.swap_remove(0)))
            .collect()
    };
    let (before, after) = (names(&before), names(&after));
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[&id], "changed since");
    assert_ne!(before[&id], "changed since");
}

#[test]
fn query_all_gives_what_is_in_the_bin() {
    let fake = fake();
    let soql = "SELECT Id, IsDeleted FROM Task";
    let live = pages(&fake, &done(&fake, soql), 10_000).concat();
    let all = done_with(
        &fake,
        json!({ "operation": "queryAll", "query": soql, "columnDelimiter": "COMMA", "lineEnding": "LF" }),
    );
    let all = pages(&fake, &all, 10_000).concat();
    assert!(live.iter().all(|row| row[1] == "false"));
    assert!(all.iter().any(|row| row[1] == "true") && all.len() > live.len());
}

#[test]
fn the_server_has_its_own_caps_on_pages() {
    let fake = fake();
    let job = done(&fake, "SELECT Id FROM Account");
    let mut rules = fake.rules();
    rules.bulk.page_rows = 1_500;
    fake.set_rules(rules);
    assert_eq!(page(&fake, &format!("{job}/results")).rows.len(), 1_501);
    assert!(page(&fake, &format!("{job}/results?maxRecords=4000")).rows.len() == 4_001);
    rules.bulk.page_bytes = 21 * 1_000;
    fake.set_rules(rules);
    let short = page(&fake, &format!("{job}/results?maxRecords=4000")).rows.len();
    assert!((900..1_100).contains(&short), "{short}");
}

#[test]
fn result_pages_name_up_to_five_pages_that_together_are_the_result() {
    let fake = fake();
    let job = done(&fake, "SELECT Id FROM Account");
    let mut ids = HashSet::new();
    let mut path = format!("{job}/resultPages?maxRecords=1000");
    let mut answers = 0;
    loop {
        let listed = get(&fake, &path).json();
        answers += 1;
        let urls = listed["resultPages"].as_array().unwrap();
        assert!(urls.len() <= 5);
        for url in urls {
            ids.extend(page(&fake, url["resultUrl"].as_str().unwrap()).rows[1..].concat());
        }
        match listed["nextRecordsUrl"].as_str() {
            Some(next) => path = next.to_owned(),
            None => {
                assert_eq!(listed["done"], true);
                break;
            }
        }
    }
    assert_eq!(
        (answers, ids.len() as u64),
        (2, fake.count("Account", fake_salesforce::org::Scan::QUERY))
    );
}

#[test]
fn another_version_gets_409() {
    let fake = fake();
    let job = done(&fake, "SELECT Id FROM Account");
    assert_eq!(get(&fake, &format!("/services/data/v61.0/{job}/results")).status, 409);
    assert_eq!(get(&fake, &format!("{job}/results")).status, 200);
}

#[test]
fn what_bulk_queries_are_not_made_of_is_refused() {
    let fake = fake();
    for (soql, code, message) in [
        (
            "SELECT Id, BillingAddress FROM Account",
            "API_ERROR",
            "Selecting compound data not supported in Bulk Query",
        ),
        (
            "SELECT Id, Warehouse__c FROM Account",
            "API_ERROR",
            "Selecting compound data not supported in Bulk Query",
        ),
        (
            "SELECT VersionData FROM ContentVersion",
            "FEATURENOTENABLED",
            "Binary field not supported",
        ),
        (
            "SELECT Id FROM UserPermissionAccess",
            "INVALIDENTITY",
            "Entity 'UserPermissionAccess' is not supported by the Bulk API.",
        ),
        ("SELECT COUNT() FROM Account", "API_ERROR", ""),
        ("SELECT COUNT(Id) FROM Account", "API_ERROR", ""),
        ("SELECT Rating FROM Account GROUP BY Rating", "API_ERROR", ""),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "API_ERROR", ""),
        (
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "API_ERROR",
            "Aggregate Relationships",
        ),
        (
            "SELECT TYPEOF What WHEN Account THEN Phone END FROM Task",
            "API_ERROR",
            "TYPEOF",
        ),
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FROM", "MALFORMED_QUERY", "unexpected token"),
    ] {
        let (status, got, text) = create(&fake, soql).error();
        assert_eq!((status, got.as_str()), (400, code), "{soql}");
        assert!(text.contains(message), "{soql}: {text}");
    }
    let strange = create_with(&fake, json!({ "operation": "insert", "query": "SELECT Id FROM Account" }));
    assert_eq!(error_code(&strange), (400, "API_ERROR".into()));
    assert_eq!(fake.bulk().jobs_used(fake.clock().now_ms()).used, 0);
}

#[test]
fn daily_limits_of_jobs_and_of_storage_refuse_more_and_come_free_after_a_day() {
    let fake = fake();
    assert_eq!(
        control(&fake, "bulk", &json!({ "max_jobs": 3, "others_jobs": 1 })).status,
        200
    );
    assert_eq!(create(&fake, "SELECT Id FROM Account").status, 200);
    assert_eq!(create(&fake, "SELECT Id FROM Account").status, 200);
    let refused = create(&fake, "SELECT Id FROM Account").error();
    assert_eq!(
        refused,
        (
            400,
            "LIMIT_EXCEEDED".into(),
            "Max bulk v2 query jobs (3) per 24 hrs has been reached (4).".into()
        )
    );
    fake.clock().advance(5 * 60_000);
    assert_eq!(
        get(&fake, "limits").json()["DailyBulkV2QueryJobs"],
        json!({ "Max": 3, "Remaining": 0 })
    );
    fake.clock().advance(DAY_MS);
    assert_eq!(create(&fake, "SELECT Id FROM Account").status, 200);
    control(&fake, "bulk", &json!({ "max_mb": 10, "others_mb": 10 }));
    let (status, code, message) = create(&fake, "SELECT Id FROM Account").error();
    assert_eq!((status, code.as_str()), (400, "LIMIT_EXCEEDED"));
    assert_eq!(
        message,
        "Max bulk v2 query result size stored (10240) kb per 24 hrs has been exceeded"
    );
}

#[test]
fn jobs_fail_and_take_longer_when_told_to() {
    let fake = fake();
    control(&fake, "bulk", &json!({ "fail_next": 1, "message": "it broke" }));
    let failed = get(&fake, &done(&fake, "SELECT Id FROM Account")).json();
    assert_eq!(
        (
            failed["state"].as_str(),
            failed["errorMessage"].as_str(),
            failed["retries"].as_u64()
        ),
        (Some("Failed"), Some("it broke"), Some(15))
    );
    control(&fake, "bulk", &json!({ "slow_next": 1, "by_ms": 600_000 }));
    let slow = done(&fake, "SELECT Id FROM Account");
    assert_eq!(get(&fake, &slow).json()["state"], "InProgress");
    fake.clock().advance(600_000);
    assert_eq!(get(&fake, &slow).json()["state"], "JobComplete");
}

#[test]
fn a_job_is_kept_for_seven_days_and_can_be_expired_before() {
    let fake = fake();
    let job = done(&fake, "SELECT Id FROM Account");
    fake.clock().advance(7 * DAY_MS - DONE_MS - 1);
    assert_eq!(get(&fake, &format!("{job}/results")).status, 200);
    fake.clock().advance(1);
    assert_eq!(get(&fake, &format!("{job}/results")).status, 404);
    let job = done(&fake, "SELECT Id FROM Account");
    control(&fake, "sessions", &json!({ "expire_bulk_jobs": true }));
    assert_eq!(get(&fake, &job).status, 404);
}

#[test]
fn jobs_are_listed_aborted_and_deleted() {
    let fake = fake();
    let running = create(&fake, "SELECT Id FROM Account").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("jobs/query/{running}");
    assert_eq!(
        error_code(&call(&fake, "DELETE", &path, &[], "")),
        (400, "INVALIDJOBSTATE".into())
    );
    let aborted = call(&fake, "PATCH", &path, &[], "{\"state\":\"Aborted\"}");
    assert_eq!((aborted.status, aborted.json()["state"].as_str()), (200, Some("Aborted")));
    assert_eq!(
        error_code(&get(&fake, &format!("{path}/results"))),
        (400, "INVALIDJOBSTATE".into())
    );
    done(&fake, "SELECT Id FROM Contact");
    let list = get(&fake, "jobs/query").json();
    let told: Vec<_> = list["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            (
                job["object"].as_str().unwrap(),
                job["state"].as_str().unwrap(),
                job["jobType"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("Account", "Aborted", "V2Query"), ("Contact", "JobComplete", "V2Query")]
    );
    assert_eq!((list["done"].as_bool(), list["nextRecordsUrl"].is_null()), (Some(true), true));
    assert_eq!(call(&fake, "DELETE", &path, &[], "").status, 204);
    assert_eq!(get(&fake, &path).status, 404);
}

#[test]
fn whether_bulk_answers_tell_the_usage_can_be_chosen_and_they_count_all_the_same() {
    let fake = fake();
    let mut rules = fake.rules();
    rules.bulk.tells_usage = false;
    fake.set_rules(rules);
    let created = create(&fake, "SELECT Id FROM Account");
    assert_eq!((created.status, created.usage()), (200, None));
    assert_eq!(fake.quota().used(), 1);
}

#[test]
fn jobs_are_no_part_of_a_series() {
    let fake = fake();
    let part = &composite(&fake, &[("job", "jobs/query")]).json()["compositeResponse"][0];
    assert_eq!(part["httpStatusCode"], 404);
}

#[test]
fn a_page_that_breaks_off_is_to_be_had_again() {
    let fake = fake();
    let job = done(&fake, "SELECT Id, Name FROM Account");
    let when = When {
        path_contains: Some("/results".into()),
        ..When::default()
    };
    fake.faults().once(when, Fault::CutMidBody { after_bytes: 5_000 });
    assert!(try_call(&fake, "GET", &format!("{job}/results"), &[], "").is_err());
    assert_eq!(page(&fake, &format!("{job}/results")).locator, "null");
}
