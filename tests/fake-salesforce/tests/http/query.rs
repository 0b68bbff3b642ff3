//! Queries, their pages and their refusals.

use fake_salesforce::clock::{DAY_MS, HOUR_MS};

use crate::client::{encoded, get, get_with, query};
use crate::fake;

#[test]
fn a_query_comes_in_pages_and_repeats_a_page_that_is_asked_for_again() {
    let fake = fake();
    let total = fake.count("Account", fake_salesforce::org::Scan::QUERY);
    let first = query(&fake, "SELECT Id FROM Account").json();
    assert_eq!(first["totalSize"], total);
    assert_eq!(first["done"], false);
    assert_eq!(first["records"].as_array().unwrap().len(), 2_000);
    assert_eq!(first["records"][0]["attributes"]["type"], "Account");
    let next = first["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert!(
        next.starts_with("/services/data/v62.0/query/01g") && next.ends_with("-2000"),
        "{next}"
    );

    let mut ids: Vec<String> = Vec::new();
    let mut page = first;
    loop {
        ids.extend(
            page["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["Id"].as_str().unwrap().to_owned()),
        );
        match page["nextRecordsUrl"].as_str() {
            Some(url) => page = get(&fake, url).json(),
            None => break,
        }
    }
    assert_eq!(page["done"], true);
    assert_eq!(ids.len() as u64, total);
    assert!(ids.is_sorted_by(|a, b| a < b), "without ORDER BY the double answers by Id");
    assert_eq!(get(&fake, &next).body, get(&fake, &next).body);
}

#[test]
fn a_locator_lives_for_two_days() {
    let fake = fake();
    let next = query(&fake, "SELECT Id FROM Account").json()["nextRecordsUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    fake.clock().advance(2 * DAY_MS - HOUR_MS);
    assert_eq!(get(&fake, &next).status, 200);
    fake.clock().advance(HOUR_MS);
    assert_eq!(
        get(&fake, &next).error(),
        (400, "INVALID_QUERY_LOCATOR".into(), "invalid query locator".into())
    );
}

#[test]
fn the_record_has_the_bytes_of_the_oracle_after_its_attributes() {
    let fake = fake();
    let org = fake.org().read().unwrap();
    let user = fake.user();
    let fields: Vec<String> = org
        .object("Contact")
        .unwrap()
        .visible_fields(&user)
        .map(|(_, f)| f.name.clone())
        .collect();
    drop(org);
    let body = query(&fake, &format!("SELECT {} FROM Contact ORDER BY Id", fields.join(","))).text();
    let oracle = String::from_utf8(fake.oracle("Contact")).unwrap();
    assert!(oracle.lines().count() > 100);
    for line in oracle.lines() {
        assert!(body.contains(&line[1..]), "{line}");
    }
}

#[test]
fn keyset_pages_join_to_the_whole() {
    let fake = fake();
    let mut last = String::new();
    let mut ids = Vec::new();
    loop {
        let soql = if last.is_empty() {
            String::new()
        } else {
            format!("WHERE Id > '{last}' ")
        };
        let page = query(&fake, &format!("SELECT Id FROM Account {soql}ORDER BY Id LIMIT 1000")).json();
        let found = page["records"].as_array().unwrap().clone();
        assert_eq!(page["totalSize"].as_u64().unwrap(), found.len() as u64);
        let Some(record) = found.last() else { break };
        last = record["Id"].as_str().unwrap().to_owned();
        ids.extend(found.iter().map(|r| r["Id"].as_str().unwrap().to_owned()));
    }
    let whole = String::from_utf8(fake.oracle("Account")).unwrap();
    let expected: Vec<String> = whole
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["Id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids, expected);
}

#[test]
fn the_caller_may_ask_for_shorter_pages() {
    let fake = fake();
    let path = format!("query?q={}", encoded("SELECT Id FROM Account"));
    let page = get_with(&fake, &path, &[("Sforce-Query-Options", "batchSize=300")]).json();
    assert_eq!(page["records"].as_array().unwrap().len(), 300);
    assert!(page["nextRecordsUrl"].as_str().unwrap().ends_with("-300"));
}

#[test]
fn refusals_read_as_recorded() {
    let fake = fake();
    let (status, code, message) = query(&fake, "select count() from XYZZY").error();
    assert_eq!((status, code.as_str()), (400, "INVALID_TYPE"));
    assert_eq!(
        message,
        "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported. If you \
         are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the \
         describe call for the appropriate names."
    );
    let cases = [
        (
            "SELECT Nope FROM Account",
            "INVALID_FIELD",
            "No such column 'Nope' on entity 'Account'",
        ),
        (
            "SELECT Nope.Name FROM Account",
            "INVALID_FIELD",
            "Didn't understand relationship 'Nope' in field path",
        ),
        ("SELECT Id FORM Account", "MALFORMED_QUERY", "unexpected token: 'FORM'"),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT FIELDS(ALL) FROM Account",
            "MALFORMED_QUERY",
            "must have a LIMIT of at most 200",
        ),
        ("SELECT Id FROM Account ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed"),
        (
            "SELECT Id FROM Account WHERE Id = 'x'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: x",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > 'x'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed",
        ),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
    ];
    for (soql, code, text) in cases {
        let (status, actual, message) = query(&fake, soql).error();
        assert_eq!((status, actual.as_str()), (400, code), "{soql}: {message}");
        assert!(message.contains(text), "{soql}: {message}");
    }
}

#[test]
fn conditions_order_and_relationships_do_what_they_say() {
    let fake = fake();
    let count = |condition: &str| {
        query(&fake, &format!("SELECT COUNT() FROM Account {condition}")).json()["totalSize"]
            .as_i64()
            .unwrap()
    };
    let all = count("");
    assert!(all > 6_000);
    assert_eq!(count("WHERE Id != null"), all);
    assert_eq!(count("WHERE NOT (Id != null)"), 0);
    assert_eq!(count("WHERE Name LIKE '%'") + count("WHERE Name = null"), all);
    let half = "2020-01-01T00:00:00Z";
    assert_eq!(
        count(&format!("WHERE CreatedDate < {half}")) + count(&format!("WHERE CreatedDate >= {half}")),
        all
    );

    let named = query(&fake, "SELECT Id, Owner.Name FROM Account WHERE OwnerId != null LIMIT 3").json();
    let owner = &named["records"][0]["Owner"];
    assert_eq!(owner["attributes"]["type"], "User");
    assert!(owner["Name"].is_string());

    let sorted = query(
        &fake,
        "SELECT Id, SystemModstamp FROM Account ORDER BY SystemModstamp DESC, Id LIMIT 500",
    )
    .json();
    let stamps: Vec<(String, String)> = sorted["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (
                r["SystemModstamp"].as_str().unwrap().to_owned(),
                r["Id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(stamps.is_sorted_by(|a, b| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)));

    let groups = query(&fake, "SELECT OwnerId, COUNT(Id) total FROM Account GROUP BY OwnerId").json();
    let sum: i64 = groups["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["total"].as_i64().unwrap())
        .sum();
    assert_eq!(sum, all);
    assert_eq!(groups["records"][0]["attributes"]["type"], "AggregateResult");
}

#[test]
fn query_all_shows_the_bin_and_archived_activities() {
    let fake = fake();
    let all = get(&fake, &format!("queryAll?q={}", encoded("SELECT COUNT() FROM Task"))).json()["totalSize"]
        .as_i64()
        .unwrap();
    let live = query(&fake, "SELECT COUNT() FROM Task").json()["totalSize"].as_i64().unwrap();
    let archived = get(
        &fake,
        &format!("queryAll?q={}", encoded("SELECT COUNT() FROM Task WHERE IsDeleted = false")),
    )
    .json();
    let kept = archived["totalSize"].as_i64().unwrap();
    assert!(live < kept && kept < all, "{live} {kept} {all}");
}

#[test]
fn a_field_under_field_level_security_does_not_exist() {
    let fake = fake();
    fake.set_user((*fake.user()).clone().without_field("Account", "Phone"));
    let (status, code, message) = query(&fake, "SELECT Id, Phone FROM Account").error();
    assert_eq!((status, code.as_str()), (400, "INVALID_FIELD"));
    assert!(message.contains("No such column 'Phone'"));
    let described = get(&fake, "sobjects/Account/describe").json();
    assert!(described["fields"].as_array().unwrap().iter().all(|f| f["name"] != "Phone"));
    assert!(!String::from_utf8(fake.oracle("Account")).unwrap().contains("\"Phone\":"));
}
