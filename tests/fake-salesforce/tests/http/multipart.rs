//! Files sent as they are, beside the record that they belong to.

use fake_salesforce::org::RecordId;
use md5::Digest as _;
use serde_json::{Value, json};

use crate::client::{get, multipart};
use crate::writes::{fake, records};

fn md5(bytes: &[u8]) -> String {
    md5::Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes that no text has.
fn bytes(count: usize, seed: u8) -> Vec<u8> {
    (0..count).map(|n| ((n as u64 * 2_654_435_761) >> 7) as u8 ^ seed).collect()
}

#[test]
fn a_single_file_larger_than_memory_wants_is_stored_byte_for_byte() {
    let fake = fake();
    let file = bytes(3 << 20, 1);
    let record = json!({ "PathOnClient": "big.bin", "Title": "big" }).to_string();
    let answer = multipart(
        &fake,
        "POST",
        "sobjects/ContentVersion",
        &[
            ("entity_content", false, "application/json", record.as_bytes()),
            ("VersionData", true, "application/octet-stream", &file),
        ],
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let row = &records(
        &fake,
        &format!("SELECT ContentSize, Checksum, ContentDocumentId FROM ContentVersion WHERE Id = '{id}'"),
    )[0];
    assert_eq!(row["ContentSize"], file.len());
    assert_eq!(row["Checksum"], md5(&file));
    assert!(row["ContentDocumentId"].is_string());
    assert_eq!(get(&fake, &format!("sobjects/ContentVersion/{id}/VersionData")).body, file);
    let body = fake
        .body("ContentVersion", id.parse::<RecordId>().unwrap(), "VersionData")
        .unwrap();
    assert_eq!((body.length(), body.md5()), (file.len() as u64, md5(&file)));
    assert_eq!(
        fake.requests()[0].body.as_deref(),
        Some(record.as_str()),
        "the log has the record, not the file"
    );
}

#[test]
fn a_collection_carries_many_files_in_one_request() {
    let fake = fake();
    let files: Vec<Vec<u8>> = (0..3).map(|n| bytes(1_000 + n * 700, n as u8)).collect();
    let record = |n: usize, part: &str| {
        json!({
            "attributes": { "type": "ContentVersion", "binaryPartName": part, "binaryPartNameAlias": "VersionData" },
            "PathOnClient": format!("f{n}.txt"),
        })
    };
    let collection = |last: &str| {
        let records = [record(0, "file0"), record(1, "file1"), record(2, last)];
        json!({ "allOrNone": false, "records": records }).to_string()
    };
    let send = |collection: &str| {
        multipart(
            &fake,
            "POST",
            "composite/sobjects",
            &[
                ("collection", false, "application/json", collection.as_bytes()),
                ("file0", true, "text/plain", &files[0]),
                ("file1", true, "text/plain", &files[1]),
                ("file2", true, "text/plain", &files[2]),
            ],
        )
    };
    let answer = send(&collection("file2")).json();
    assert_eq!(fake.quota().used(), 1);
    for (result, file) in answer.as_array().unwrap().iter().zip(&files) {
        assert_eq!(result["success"], true, "{answer}");
        let path = format!("sobjects/ContentVersion/{}/VersionData", result["id"].as_str().unwrap());
        assert_eq!(&get(&fake, &path).body, file);
    }
    let missing = send(&collection("nowhere"));
    assert_eq!(missing.error().1, "INVALID_MULTIPART_REQUEST");
}

#[test]
fn a_request_in_parts_needs_its_record() {
    let fake = fake();
    let answer = multipart(
        &fake,
        "POST",
        "sobjects/ContentVersion",
        &[("VersionData", true, "text/plain", b"x")],
    );
    assert_eq!(answer.error().1, "INVALID_MULTIPART_REQUEST");
    assert_eq!(records(&fake, "SELECT Id FROM ContentVersion"), Vec::<Value>::new());
}
