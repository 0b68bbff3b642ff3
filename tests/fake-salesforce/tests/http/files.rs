//! Bodies of files, and images in rich texts.

use std::collections::HashMap;

use fake_salesforce::org::OrgSpec;
use fake_salesforce::{Fake, Options};
use md5::Digest as _;
use serde_json::{Value, json};

use crate::client::{composite, control, get, get_with, query, send};

fn fake() -> Fake {
    Fake::start(Options::of(OrgSpec::files(3))).unwrap()
}

fn md5(bytes: &[u8]) -> String {
    md5::Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn lines(body: &[u8]) -> Vec<Value> {
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn checksum_and_size_are_those_of_the_body_and_some_files_are_equal() {
    let fake = fake();
    let soql = "SELECT Id, Checksum, ContentSize, FileExtension FROM ContentVersion";
    let records = query(&fake, soql).json()["records"].as_array().unwrap().clone();
    let mut same: HashMap<&str, usize> = HashMap::new();
    for row in &records {
        *same.entry(row["Checksum"].as_str().unwrap()).or_default() += 1;
        assert!(row["FileExtension"].is_string());
    }
    let in_common = same.values().filter(|count| **count > 1).sum::<usize>();
    assert!(
        in_common > records.len() / 5 && in_common < records.len() / 2,
        "{in_common} of {}",
        records.len()
    );
    for row in records.iter().take(20) {
        let body = get(
            &fake,
            &format!("sobjects/ContentVersion/{}/VersionData", row["Id"].as_str().unwrap()),
        );
        assert_eq!(body.body.len() as u64, row["ContentSize"].as_u64().unwrap());
        assert_eq!(md5(&body.body), row["Checksum"].as_str().unwrap());
    }
}

#[test]
fn the_oracle_has_every_body() {
    let fake = fake();
    for (object, field) in [
        ("ContentVersion", "VersionData"),
        ("Attachment", "Body"),
        ("Document", "Body"),
    ] {
        let all = lines(&send(&fake, "GET", &format!("/__fake/bodies/{object}"), &[], "").unwrap().body);
        assert_eq!(all.len() as u64, fake.count(object, fake_salesforce::org::Scan::QUERY));
        let one = &all[all.len() / 2];
        let id = one["id"].as_str().unwrap();
        let by_api = get(&fake, &format!("sobjects/{object}/{id}/{field}"));
        let by_oracle = send(&fake, "GET", &format!("/__fake/oracle/{object}/{id}/{field}"), &[], "").unwrap();
        assert_eq!(by_api.body, by_oracle.body);
        assert_eq!(one["md5"], md5(&by_api.body));
    }
}

#[test]
fn a_file_of_any_length_is_never_held_whole_and_not_compressed() {
    let fake = Fake::start(Options::of(OrgSpec::parse("files,ContentVersion.body=30000000", 3).unwrap())).unwrap();
    let row = query(
        &fake,
        "SELECT Id, Checksum, ContentSize FROM ContentVersion WHERE ContentSize = 30000000",
    )
    .json();
    let row = row["records"][0].clone();
    let path = format!("sobjects/ContentVersion/{}/VersionData", row["Id"].as_str().unwrap());
    let body = get_with(&fake, &path, &[("Accept-Encoding", "gzip")]);
    assert_eq!(
        (body.header("content-encoding"), body.header("content-length")),
        (None, Some("30000000"))
    );
    assert_eq!(row["Checksum"], md5(&body.body));
    let id = row["Id"].as_str().unwrap();
    let changed = control(
        &fake,
        "bodies",
        &json!({ "id": id, "field": "VersionData", "length": 1_000_003 }),
    );
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert_eq!(get(&fake, &path).body.len(), 1_000_003);
}

#[test]
fn images_of_rich_texts_are_to_be_had_one_by_one_and_not_in_a_series() {
    let fake = fake();
    let described = get(&fake, "sobjects/Account/describe").json();
    let field = described["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["name"] == "Profile_Text__c")
        .unwrap();
    assert_eq!(
        (field["extraTypeInfo"].as_str(), field["htmlFormatted"].as_bool()),
        (Some("richtextarea"), Some(true))
    );
    let records = query(&fake, "SELECT Id, Profile_Text__c FROM Account").json()["records"].clone();
    let mut images = 0;
    for row in records.as_array().unwrap() {
        let text = row["Profile_Text__c"].as_str().unwrap_or_default();
        let Some((_, rest)) = text.split_once("/servlet/rtaImage?") else {
            continue;
        };
        let image = rest.split_once("refid=").unwrap().1.split('"').next().unwrap();
        let path = format!(
            "sobjects/Account/{}/richTextImageFields/Profile_Text__c/{image}",
            row["Id"].as_str().unwrap()
        );
        let answer = get(&fake, &path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")));
        assert!(!answer.body.is_empty());
        assert_eq!(get(&fake, &path).body, answer.body);
        assert_eq!(
            composite(&fake, &[("image", &path)]).json()["compositeResponse"][0]["httpStatusCode"],
            404
        );
        images += 1;
    }
    assert!(images > 3, "{images}");
}

#[test]
fn whether_files_tell_the_usage_can_be_chosen() {
    let fake = fake();
    let path = query(&fake, "SELECT Body FROM Document LIMIT 1").json()["records"][0]["Body"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(get(&fake, &path).usage(), Some("api-usage=2/15000"));
    control(&fake, "rules", &json!({ "files_tell_usage": false }));
    assert_eq!(get(&fake, &path).usage(), None);
    assert_eq!(fake.quota().used(), 3);
}
