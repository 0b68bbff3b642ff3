//! Describes, rows, changes, files, and the limits of a request's head.

use serde_json::json;

use crate::client::{call, get, get_with, query, send};
use crate::fake;

#[test]
fn an_unchanged_describe_answers_304_and_counts_all_the_same() {
    let fake = fake();
    let first = get(&fake, "sobjects/Account/describe");
    let modified = first.header("last-modified").unwrap().to_owned();
    let again = get_with(&fake, "sobjects/Account/describe", &[("If-Modified-Since", &modified)]);
    assert_eq!(
        (again.status, again.body.len(), again.usage()),
        (304, 0, Some("api-usage=2/15000"))
    );
    let older = get_with(
        &fake,
        "sobjects/Account/describe",
        &[("If-Modified-Since", "Mon, 01 Jan 2001 00:00:00 GMT")],
    );
    assert_eq!(older.status, 200);
}

#[test]
fn rows_are_created_read_changed_and_deleted() {
    let fake = fake();
    let created = call(&fake, "POST", "sobjects/Account/", &[], "{\"Name\":\"Smith Corp.\"}");
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.json(), json!({ "id": id, "success": true, "errors": [] }));
    let path = format!("sobjects/Account/{id}");
    assert_eq!(
        created.header("location"),
        Some(format!("/services/data/v62.0/{path}").as_str())
    );
    let row = get(&fake, &path).json();
    assert_eq!(row["Name"], "Smith Corp.");
    assert_eq!(
        row["attributes"],
        json!({ "type": "Account", "url": format!("/services/data/v62.0/{path}") })
    );
    assert_eq!(call(&fake, "PATCH", &path, &[], "{\"Name\":\"Smith & Sons\"}").status, 204);
    let narrow = get(&fake, &format!("{path}?fields=Name")).json();
    assert_eq!((narrow["Name"].as_str(), narrow.get("Id")), (Some("Smith & Sons"), None));
    assert_eq!(call(&fake, "DELETE", &path, &[], "").status, 204);
    assert_eq!(get(&fake, &path).status, 404);
}

#[test]
fn changes_are_told_up_to_the_oldest_running_transaction() {
    let fake = fake();
    let stamp = |ms: i64| {
        chrono::DateTime::from_timestamp_millis(ms)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    let start = fake.clock().now_ms();
    fake.clock().advance(60_000);
    let id = call(&fake, "POST", "sobjects/Account", &[], "{\"Name\":\"x\"}").json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    fake.clock().advance(120_000);
    let span = format!("start={}&end={}", stamp(start), stamp(start + 180_000));
    let updated = get(&fake, &format!("sobjects/Account/updated/?{span}")).json();
    assert_eq!(updated["ids"], json!([id]), "{updated}");
    assert!(updated["latestDateCovered"].as_str().unwrap().ends_with(".000+0000"));
    call(&fake, "DELETE", &format!("sobjects/Account/{id}"), &[], "");
    fake.clock().advance(120_000);
    let span = format!("start={}&end={}", stamp(start), stamp(start + 300_000));
    let deleted = get(&fake, &format!("sobjects/Account/deleted/?{span}")).json();
    assert_eq!(deleted["deletedRecords"][0]["id"], id.as_str(), "{deleted}");
    assert!(deleted["earliestDateAvailable"].is_string());
    let early = format!("start={}&end={}", stamp(start - 31 * 86_400_000), stamp(start));
    assert_eq!(
        get(&fake, &format!("sobjects/Account/updated/?{early}")).error().1,
        "INVALID_REPLICATION_DATE"
    );

    fake.set_rules(fake_salesforce::rest::Rules {
        oldest_transaction_ms: 300_000,
        ..fake.rules()
    });
    let covered = get(&fake, &format!("sobjects/Account/updated/?{span}")).json()["latestDateCovered"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(covered < stamp(start + 60_000), "{covered}");
}

#[test]
fn a_file_comes_as_its_bytes() {
    let fake = fake();
    let row = query(&fake, "SELECT Id, ContentSize, VersionData FROM ContentVersion LIMIT 1").json()["records"][0].clone();
    let path = row["VersionData"].as_str().unwrap();
    assert!(path.ends_with("/VersionData"), "{path}");
    let file = get(&fake, path);
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("application/octetstream"))
    );
    assert_eq!(file.body.len() as u64, row["ContentSize"].as_u64().unwrap());
}

#[test]
fn record_counts_come_for_every_object_in_one_request_and_leave_out_empty_ones() {
    let fake = fake();
    let all = get(&fake, "limits/recordCount").json();
    let of = |name: &str| {
        all["sObjects"]
            .as_array()
            .unwrap()
            .iter()
            .find(|o| o["name"] == name)
            .cloned()
    };
    assert_eq!(
        of("Account").unwrap()["count"],
        fake.count("Account", fake_salesforce::org::Scan::QUERY)
    );
    assert_eq!(
        get(&fake, "limits/recordCount?sObjects=Nope").json(),
        json!({ "sObjects": [] })
    );
}

#[test]
fn without_view_setup_the_limits_are_not_to_be_had_but_the_api_is() {
    let fake = fake();
    let mut user = (*fake.user()).clone();
    user.view_setup = false;
    fake.set_user(user);
    let refused = get(&fake, "limits");
    assert_eq!(
        refused.error(),
        (403, "API_DISABLED_FOR_ORG".into(), "Limits resource is not enabled".into())
    );
    assert_eq!(get(&fake, "limits/recordCount").status, 403);
    assert_eq!(
        query(&fake, "SELECT Id FROM Account LIMIT 1").usage(),
        Some("api-usage=3/15000")
    );
}

#[test]
fn a_long_head_is_refused_at_the_edge_and_a_long_body_is_not() {
    let fake = fake();
    let long = format!("query?q={}", "x".repeat(17_000));
    assert_eq!(get(&fake, &long).status, 414);
    assert_eq!(get_with(&fake, "limits", &[("X-Long", &"x".repeat(17_000))]).status, 431);
    assert_eq!(fake.quota().used(), 0);
    let soql = format!("SELECT Id FROM Account WHERE Name = '{}' LIMIT 1", "x".repeat(20_000));
    assert_eq!(
        crate::client::composite(&fake, &[("q", &format!("query?q={soql}"))]).status,
        200
    );
}

#[test]
fn what_is_compressed_for_those_who_take_it_is_the_same() {
    let fake = fake();
    let path = "query?q=SELECT+Id,Name+FROM+Contact";
    let compressed = get_with(&fake, path, &[("Accept-Encoding", "gzip")]);
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(compressed.body.starts_with(&[0x1f, 0x8b]));
    assert_eq!(get(&fake, path).header("content-encoding"), None);
}

#[test]
fn retired_versions_say_so() {
    let fake = fake();
    assert_eq!(get(&fake, "/services/data/v30.0/limits").status, 410);
    assert_eq!(get(&fake, "/services/data/v99.0/limits").status, 404);
}

#[test]
fn the_control_interface_steers_and_is_never_counted() {
    let fake = fake();
    let post = |path: &str, body: &str| {
        send(
            &fake,
            "POST",
            &format!("/__fake/{path}"),
            &[("Content-Type", "application/json")],
            body,
        )
        .unwrap()
    };
    assert_eq!(
        post("quota", "{\"max\":50,\"used\":10,\"header\":\"per-app-first\"}").json(),
        json!({ "used": 10, "max": 50 })
    );
    let before = fake.clock().now_ms();
    assert_eq!(
        post("clock", "{\"advance_ms\":5000}").json(),
        json!({ "now_ms": before + 5000 })
    );
    assert_eq!(
        post(
            "faults",
            "[{\"when\":{\"path_contains\":\"limits\"},\"fault\":{\"kind\":\"html\",\"status\":503}}]"
        )
        .status,
        204
    );
    assert_eq!(get(&fake, "limits").status, 503);
    assert_eq!(
        post("user", "{\"view_setup\":false,\"hide_fields\":[[\"Account\",\"Phone\"]]}").status,
        204
    );
    assert_eq!(get(&fake, "limits").status, 403);
    let rows = post(
        "rows",
        "[{\"create\":{\"object\":\"Account\",\"fields\":{\"Name\":\"by others\"}}}]",
    );
    assert_eq!(rows.status, 200, "{}", rows.text());
    let stats = send(&fake, "GET", "/__fake/stats", &[], "").unwrap().json();
    assert_eq!(
        (
            stats["used"].as_u64(),
            stats["requests"].as_u64(),
            stats["faults_struck"].as_u64()
        ),
        (Some(11), Some(2), Some(1))
    );
    let oracle = send(&fake, "GET", "/__fake/oracle/Account?fields=Id,Name", &[], "").unwrap();
    assert_eq!(
        oracle.body.split(|b| *b == b'\n').count() as u64 - 1,
        fake.count("Account", fake_salesforce::org::Scan::QUERY)
    );
    let log = send(&fake, "GET", "/__fake/requests?after=1", &[], "").unwrap().json();
    assert_eq!((log.as_array().unwrap().len(), log[0]["number"].as_u64()), (1, Some(2)));
}
