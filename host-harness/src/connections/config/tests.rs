//! What a configuration may say, and how it is changed.
#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

fn parse(value: &Value) -> Result<ConnectionConfig, ConfigError> {
    ConnectionConfig::parse(value.to_string().as_bytes())
}

#[test]
fn the_limit_is_50_unless_told_and_secrets_stay_out_of_what_is_kept() {
    let config = parse(
        &json!({"instance_url": "https://x.my.salesforce.com/", "api_version": "v62.0",
        "auth": {"kind": "access-token", "token": "00Dxx!secret"}}),
    )
    .unwrap();
    assert_eq!(config.usage_limit.get(), 50);
    let kept = config.without_secrets();
    assert!(!kept.to_string().contains("secret\""), "{kept}");
    let origin = config.origin.clone().unwrap();
    assert_eq!(
        for_connector(&kept, &origin),
        r#"{"api_version":"v62.0","instance_url":"https://x.my.salesforce.com"}"#
    );
}

#[test]
fn an_error_names_what_is_wrong() {
    let auth = json!({"kind": "access-token", "token": "t"});
    for (value, part) in [
        (json!({"instance_url": "https://x"}), "\"auth\" is missing"),
        (json!({"auth": auth}), "\"instance_url\" is missing"),
        (json!({"auth": auth, "instance_url": "http://example.com"}), "loopback"),
        (
            json!({"auth": auth, "instance_url": "https://x", "usage_limit": 0}),
            "1 to 100",
        ),
        (
            json!({"auth": auth, "instance_url": "https://x", "usage_limit": 101}),
            "1 to 100",
        ),
        (
            json!({"auth": auth, "instance_url": "https://x", "usage_limit": "50"}),
            "1 to 100",
        ),
        (
            json!({"auth": auth, "instance_url": "https://x", "full_every": 0}),
            "at least 1",
        ),
        (json!([1]), "one JSON object"),
    ] {
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.contains(part), "{value}: {error}");
    }
}

#[test]
fn full_every_is_the_hosts_member_and_unknown_ones_are_the_connectors() {
    let auth = json!({"kind": "access-token", "token": "t"});
    let config = parse(&json!({"auth": auth, "instance_url": "https://x", "full_every": 7, "file_requests": 500})).unwrap();
    let schema = json!({"type": "object", "properties": {"instance_url": {}, "file_requests": {"type": "integer"}},
        "additionalProperties": false})
    .to_string();
    config.check_schema(&schema).unwrap();
    let kept = config.without_secrets();
    assert_eq!((full_every(&kept), full_every(&json!({}))), (7, 30));
    assert_eq!(
        for_connector(&kept, config.origin.as_ref().unwrap()),
        r#"{"file_requests":500,"instance_url":"https://x"}"#
    );
}

#[test]
fn a_configuration_keeps_to_the_connectors_schema() {
    let schema = json!({"type": "object", "properties": {"instance_url": {"type": "string"}, "api_version": {"pattern": "^v[0-9]+\\.0$"}},
        "additionalProperties": false})
    .to_string();
    let auth = json!({"kind": "access-token", "token": "t"});
    let config = |extra: &str, value: &str| parse(&json!({"auth": auth, "instance_url": "https://x", extra: value})).unwrap();
    assert!(config("api_version", "v62.0").check_schema(&schema).is_ok());
    assert!(config("api_version", "62").check_schema(&schema).is_err());
    assert!(config("api_versoin", "v62.0").check_schema(&schema).is_err());
}

const SCHEMA: &str = r#"{"type": "object", "properties": {"instance_url": {"type": "string"},
    "file_requests": {"type": "integer"}, "rich_text_images": {"type": "boolean"}}, "additionalProperties": false}"#;

#[test]
fn a_member_that_nobody_reads_is_refused_with_the_one_that_is_meant() {
    let auth = json!({"kind": "access-token", "token": "t"});
    for (member, meant) in [
        ("usage_limt", "usage_limit"),
        ("usageLimit", "usage_limit"),
        ("full_evry", "full_every"),
        ("file_request", "file_requests"),
        ("accept_warning", "accept_warnings"),
    ] {
        let config = parse(&json!({"auth": auth, "instance_url": "https://x", member: 5})).unwrap();
        let error = config.check_schema(SCHEMA).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean \"{meant}\"?")), "{error}");
    }
    let kept = json!({"file_request": 5, "full_every": 3, "auth": {}});
    assert_eq!(unread_members(&kept, SCHEMA).len(), 1, "what is stored is only warned of");
}

#[test]
fn a_member_given_twice_is_refused_and_a_byte_order_mark_passed_over() {
    for text in [
        r#"{"usage_limit": 5, "usage_limit": 90, "instance_url": "https://x", "auth": {"kind": "access-token", "token": "t"}}"#,
        r#"{"instance_url": "https://x", "auth": {"kind": "access-token", "token": "t", "token": "u"}}"#,
    ] {
        let error = ConnectionConfig::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("is given twice"), "{error}");
    }
    let text = "\u{feff}{\"instance_url\": \"https://x\", \"auth\": {\"kind\": \"access-token\", \"token\": \"t\"}}";
    assert!(ConnectionConfig::parse(text.as_bytes()).is_ok());
}

#[test]
fn only_known_warnings_can_be_accepted() {
    let auth = json!({"kind": "access-token", "token": "t"});
    let with = |codes: Value| parse(&json!({"auth": auth, "instance_url": "https://x", "accept_warnings": codes}));
    let kept = with(json!(["files-deferred"])).unwrap().without_secrets();
    assert_eq!(accepted_warnings(Some(&kept)), ["files-deferred"]);
    assert!(!for_connector(&kept, &Origin::parse("https://x").unwrap()).contains("accept_warnings"));
    let error = with(json!(["files-defered"])).unwrap_err().to_string();
    assert!(error.contains("did you mean \"files-deferred\"?"), "{error}");
    assert!(with(json!("files-deferred")).is_err());
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_is_checked_as_a_new_configuration_is() {
    let auth = json!({"kind": "access-token", "token": "t"});
    let file = json!({"auth": auth, "instance_url": "https://x", "full_every": 7, "file_requests": 5});
    let kept = parse(&file).unwrap().without_secrets();
    let set = |changes: &[(&str, &str)]| {
        let changes = changes.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let change = ConfigChange::Members(changes.collect());
        ChangedConfig::of(&kept, Percent::DEFAULT, &change, SCHEMA)
    };
    let changed = set(&[
        ("accept_warnings", "files-deferred, files-failed"),
        ("rich_text_images", "false"),
        ("file_requests", ""),
    ]);
    let changed = changed.unwrap();
    assert_eq!(
        changed.kept,
        json!({"instance_url": "https://x", "full_every": 7, "rich_text_images": false, "auth": kept["auth"],
            "accept_warnings": ["files-deferred", "files-failed"]})
    );
    assert!(changed.auth.is_none());
    for (wrong, part) in [
        (("file_request", "5"), "file_requests"),
        (("file_requests", "many"), "file_requests"),
        (("usage_limit", "60"), "backup-host limit"),
        (("instance_url", "https://y"), "another org"),
        (("auth", "x"), "--config"),
        (("full_every", "0"), "at least 1"),
        (("accept_warnings", "x"), "no code"),
    ] {
        let error = set(&[wrong]).unwrap_err().to_string();
        assert!(error.contains(part), "{wrong:?}: {error}");
    }

    let whole = |file: Value| {
        let change = ConfigChange::File(file.to_string().into_bytes());
        ChangedConfig::of(&kept, Percent::DEFAULT, &change, SCHEMA)
    };
    let changed = whole(json!({"file_requests": 6, "usage_limit": 50})).unwrap();
    assert_eq!(
        changed.kept,
        json!({"instance_url": "https://x", "full_every": 30, "file_requests": 6, "auth": kept["auth"]})
    );
    assert!(whole(json!({"usage_limit": 51})).is_err() && whole(json!({"instance_url": "https://y"})).is_err());
    assert!(whole(file).unwrap().auth.is_some());
}
