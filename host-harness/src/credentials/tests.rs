//! Token requests against a scripted login host over real loopback HTTP.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::http::tests::doubles::{Bench, START};
use crate::http::tests::server::{Reply, Seen, Server, answer, answer_with};
use crate::http::{Origin, OriginError};
use backup_seams::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn form(seen: &Seen) -> BTreeMap<String, String> {
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/services/oauth2/token")
    );
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

/// A connection without `instance_url` that is authorised by `refresh-0`.
fn refreshing(server: &Server) -> Bench {
    Bench {
        auth: json!({
            "kind": "refresh-token",
            "login_url": server.origin,
            "client_id": "app",
            "client_secret": "app-secret",
            "refresh_token": "refresh-0",
        }),
        origin: None,
        ..Bench::new(&server.origin)
    }
}

/// Rotates: each refresh token works once and gives the next one.
async fn rotating() -> Server {
    let mut at = 0;
    Server::start(move |_, seen| {
        if form(seen)["refresh_token"] != format!("refresh-{at}") {
            return answer(
                400,
                r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            );
        }
        at += 1;
        let token = json!({
            "access_token": format!("access-{at}"),
            "refresh_token": format!("refresh-{at}"),
            "instance_url": "https://acme.example",
        });
        answer(200, token.to_string())
    })
    .await
}

fn stored(bench: &Bench) -> Value {
    serde_json::from_slice(&std::fs::read(file(bench.secrets.path())).unwrap()).unwrap()
}

fn file(secrets: &Path) -> std::path::PathBuf {
    secrets.join("default/acme.json")
}

fn all_kinds() -> [Value; 4] {
    [
        json!({ "kind": "access-token", "token": "s3cret" }),
        json!({ "kind": "client-credentials", "login_url": "https://acme.example", "client_id": "app", "client_secret": "s3cret" }),
        json!({ "kind": "refresh-token", "login_url": "https://acme.example", "client_id": "app", "client_secret": "s3cret",
                "refresh_token": "s3cret" }),
        json!({ "kind": "jwt-bearer", "login_url": "https://acme.example", "client_id": "app", "username": "u@acme.example",
                "private_key": "s3cret", "audience": "https://login.example" }),
    ]
}

#[test]
fn every_kind_is_read_and_written_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let folder = SecretsFolder::locate(Some(folder.path()), "s3://bucket").unwrap();
    for value in all_kinds() {
        let auth = Auth::parse(&value).unwrap();
        assert_eq!(auth.kind(), value["kind"]);
        folder.store_config_auth("default", "acme", &auth).unwrap();
        let stored = folder.load("default", "acme").unwrap().unwrap();
        assert_eq!(stored.auth, auth);
        for shown in [format!("{auth:?}"), format!("{stored:#?}"), auth.description().to_string()] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}

#[test]
fn references_stay_references() {
    let value = json!({
        "kind": "refresh-token", "login_url": "https://acme.example", "client_id": "app",
        "client_secret": { "env": "APP_SECRET" }, "refresh_token": { "file": "/run/secrets/refresh" },
    });
    let auth = Auth::parse(&value).unwrap();
    assert_eq!(serde_json::to_value(&auth).unwrap(), value);
    assert_eq!(auth.description(), value);
}

#[test]
fn a_secret_is_read_where_the_reference_says_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let source = serde_json::from_value::<SecretSource>(json!({ "file": path })).unwrap();
    assert!(matches!(source.resolve(), Err(SecretError::File { .. })));
    for (content, secret) in [("first\n", "first"), ("second\r\n", "second"), (" third ", " third ")] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(source.resolve().unwrap().expose(), secret);
    }
    std::fs::write(&path, "\n").unwrap();
    assert!(matches!(source.resolve(), Err(SecretError::Empty(_))));
    let variable = serde_json::from_value::<SecretSource>(json!({ "env": "PATH" })).unwrap();
    assert_eq!(variable.resolve().unwrap().expose(), std::env::var("PATH").unwrap());
    let unset = serde_json::from_value::<SecretSource>(json!({ "env": "BACKUP_HOST_TEST_UNSET" })).unwrap();
    assert!(unset.resolve().unwrap_err().to_string().contains("BACKUP_HOST_TEST_UNSET"));
}

#[test]
fn an_auth_that_can_not_be_read_is_refused_without_quoting_a_secret() {
    let broken = [
        json!("s3cret"),
        json!(["s3cret"]),
        json!({ "token": "s3cret" }),
        json!({ "kind": "password", "password": "s3cret" }),
        json!({ "kind": { "s3cret": 1 } }),
        json!({ "kind": "access-token" }),
        json!({ "kind": "access-token", "token": ["s3cret"] }),
        json!({ "kind": "access-token", "token": { "environment": "s3cret" } }),
        json!({ "kind": "access-token", "token": { "env": "A", "file": "s3cret" } }),
        json!({ "kind": "access-token", "token": "t", "client_secret": "s3cret" }),
        json!({ "kind": "client-credentials", "login_url": "https://a.example", "client_id": "app" }),
        json!({ "kind": "client-credentials", "login_url": "http://a.example", "client_id": "a", "client_secret": "s3cret" }),
        json!({ "kind": "client-credentials", "login_url": "https://u:s3cret@a.example", "client_id": "a", "client_secret": "s3cret" }),
    ];
    for value in broken {
        let error = Auth::parse(&value).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let plaintext =
        json!({ "kind": "client-credentials", "login_url": "http://a.example", "client_id": "a", "client_secret": "s" });
    assert!(matches!(
        Auth::parse(&plaintext),
        Err(AuthError::LoginUrl(OriginError::Plaintext(_)))
    ));
}

#[test]
fn secrets_lie_outside_the_data_root_one_place_for_each() {
    let data = tempfile::tempdir().unwrap();
    let root = data.path().to_str().unwrap();
    let inside = data.path().join("not/yet/there");
    assert!(matches!(
        SecretsFolder::locate(Some(&inside), root),
        Err(SecretsError::WithinData { .. })
    ));
    let roundabout = data.path().join("x/../secrets");
    std::fs::create_dir(data.path().join("x")).unwrap();
    assert!(SecretsFolder::locate(Some(&roundabout), root).is_err());

    let variables = |name: &str| (name == "HOME").then(|| Path::new("/home/u").to_owned());
    let place = folder::default_place(Path::new("/data"), variables).unwrap();
    assert_eq!(place.parent().unwrap(), Path::new("/home/u/.local/state/backup-host"));
    assert_eq!(place.file_name().unwrap().len(), 16);
    assert_ne!(place, folder::default_place(Path::new("/other"), variables).unwrap());
    let state = |name: &str| (name == "XDG_STATE_HOME").then(|| Path::new("/state").to_owned());
    assert!(
        folder::default_place(Path::new("/data"), state)
            .unwrap()
            .starts_with("/state/backup-host")
    );
    assert!(matches!(
        folder::default_place(Path::new("/data"), |_| None),
        Err(SecretsError::NoPlace)
    ));
}

#[test]
fn only_the_owner_reads_secrets_and_names_stay_names() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("state/secrets");
    let folder = SecretsFolder::locate(Some(&place), "s3://bucket").unwrap();
    let auth = Auth::parse(&all_kinds()[0]).unwrap();
    folder.store_config_auth("default", "acme", &auth).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    assert_eq!(mode(&place.join("default")), 0o700);
    assert_eq!(mode(&file(&place)), 0o600);
    assert_eq!(mode(&place.join("default/acme.lock")), 0o600);

    std::fs::set_permissions(file(&place), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        folder.load("default", "acme"),
        Err(SecretsError::Exposed { mode: 0o640, .. })
    ));
    std::fs::set_permissions(file(&place), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(file(&place), r#"{"auth": "s3cret"#).unwrap();
    let damaged = folder.load("default", "acme").unwrap_err();
    assert!(
        matches!(damaged, SecretsError::Damaged { .. }) && !damaged.to_string().contains("s3cret"),
        "{damaged}"
    );

    folder.remove("default", "acme").unwrap();
    folder.remove("default", "acme").unwrap();
    assert_eq!(folder.load("default", "acme").unwrap(), None);
    for name in ["", ".", "..", "../up", "a/b", ".hidden", "a\0b", "ü", &"x".repeat(201)] {
        assert!(
            matches!(folder.vault("default", name), Err(SecretsError::Name(_))),
            "{name:?}"
        );
        assert!(matches!(folder.vault(name, "acme"), Err(SecretsError::Name(_))), "{name:?}");
    }
}

#[tokio::test]
async fn client_credentials_give_token_and_origin_and_both_outlive_the_process() {
    let server = Server::start(|_, _| {
        answer(
            200,
            r#"{"access_token":"access-1","instance_url":"https://acme.example/","token_type":"Bearer"}"#,
        )
    })
    .await;
    let bench = Bench {
        auth: json!({ "kind": "client-credentials", "login_url": server.origin, "client_id": "app", "client_secret": "s&cret" }),
        origin: None,
        ..Bench::new(&server.origin)
    };
    let access = bench.credentials().access().await.unwrap();
    assert_eq!(
        (access.token().expose(), access.origin().to_string().as_str()),
        ("access-1", "https://acme.example")
    );
    let sent = form(&server.seen()[0]);
    assert_eq!(sent["grant_type"], "client_credentials");
    assert_eq!(
        (sent["client_id"].as_str(), sent["client_secret"].as_str()),
        ("app", "s&cret")
    );
    assert_eq!(bench.credentials().access().await.unwrap(), access);
    assert_eq!(server.seen().len(), 1, "the next process needs no token request");
    bench.clock.advance(Duration::from_secs(3600));
    bench.credentials().access().await.unwrap();
    assert_eq!(
        server.seen().len(),
        2,
        "an old token isn't tried at the cost of a counted request"
    );
}

#[tokio::test]
async fn a_configured_instance_url_stands_and_without_one_the_answer_must_tell() {
    let server = Server::start(|before, _| match before {
        0 => answer(200, r#"{"access_token":"a","instance_url":"https://elsewhere.example"}"#),
        1 => answer(200, r#"{"access_token":"b"}"#),
        _ => answer(200, r#"{"access_token":"c","instance_url":"http://plaintext.example"}"#),
    })
    .await;
    let bench = refreshing(&server);
    let configured = Bench {
        origin: Some("https://acme.example".to_owned()),
        ..refreshing(&server)
    };
    let access = configured.credentials().access().await.unwrap();
    assert_eq!(access.origin(), &Origin::parse("https://acme.example").unwrap());
    for _ in 0..2 {
        let credentials = bench.credentials();
        assert!(matches!(credentials.access().await, Err(CredentialError::NoOrigin)));
        bench.clock.advance(Duration::from_secs(3600));
    }
}

#[tokio::test]
async fn a_changed_instance_url_of_a_token_answer_is_followed() {
    let server = Server::start(|before, _| {
        let token =
            json!({ "access_token": format!("access-{before}"), "instance_url": format!("https://acme-{before}.example") });
        answer(200, token.to_string())
    })
    .await;
    let bench = refreshing(&server);
    let credentials = bench.credentials();
    let first = credentials.access().await.unwrap();
    assert_eq!(first.origin().to_string(), "https://acme-0.example");
    let second = credentials.renewed(&first).await.unwrap().unwrap();
    assert_eq!(second.origin().to_string(), "https://acme-1.example");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_durable_before_the_access_token_is_used() {
    let place: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let look = Arc::clone(&place);
    let mut at = 0;
    let server = Server::start(move |_, seen| {
        if seen.target == "/services/oauth2/token" {
            at += 1;
            let token = json!({ "access_token": format!("access-{at}"), "refresh_token": format!("refresh-{at}") });
            return answer(200, token.to_string());
        }
        // What is on disk at the moment the access token is first seen.
        let on_disk = std::fs::read_to_string(look.lock().unwrap().as_ref().unwrap()).unwrap();
        let used = seen.header("authorization").unwrap();
        let durable = on_disk.contains(&format!("refresh-{at}")) && used == format!("Bearer access-{at}");
        answer(if at == 1 { 401 } else { 200 }, durable.to_string())
    })
    .await;
    let bench = Bench {
        origin: Some(server.origin.clone()),
        ..refreshing(&server)
    };
    *place.lock().unwrap() = Some(file(bench.secrets.path()));
    let mut response = bench.send(crate::http::tests::doubles::get("/x")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.read(100).await.unwrap(), "true");
    assert_eq!(form(&server.seen()[2])["refresh_token"], "refresh-1");
}

#[tokio::test]
async fn a_chain_of_refresh_tokens_survives_a_crash_between_rotation_and_use() {
    let server = rotating().await;
    let bench = refreshing(&server);
    for run in 1..=3 {
        // Each process gets a token and dies before it sends anything with it.
        let access = bench.credentials().access().await.unwrap();
        assert_eq!(access.token().expose(), format!("access-{run}"));
        assert_eq!(stored(&bench)["issued"]["refresh_token"], format!("refresh-{run}"));
        assert_eq!(
            stored(&bench)["auth"]["refresh_token"],
            "refresh-0",
            "the configuration stays as it was"
        );
        bench.clock.advance(Duration::from_secs(3600));
    }
}

#[tokio::test]
async fn a_renewal_runs_to_its_end_although_the_batch_is_killed() {
    let go_on = Arc::new(tokio::sync::Notify::new());
    let signal = Arc::clone(&go_on);
    let server = Server::start(move |before, _| {
        let token = json!({
            "access_token": format!("access-{}", before + 1),
            "refresh_token": format!("refresh-{}", before + 1),
            "instance_url": "https://acme.example",
        });
        Reply::Held(Arc::clone(&signal), Box::new(answer(200, token.to_string())))
    })
    .await;
    let bench = refreshing(&server);
    let credentials = bench.credentials();
    {
        let waiting = std::pin::pin!(credentials.access());
        let killed = std::pin::pin!(server.wait_for(1));
        futures::future::select(waiting, killed).await;
    }
    go_on.notify_one();
    assert_eq!(credentials.access().await.unwrap().token().expose(), "access-1");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_could_not_be_kept_is_not_used_and_not_lost() {
    let server = rotating().await;
    let bench = refreshing(&server);
    let credentials = bench.credentials();
    credentials.access().await.unwrap();
    // A folder in the file's place: the rename fails.
    let path = file(bench.secrets.path());
    let first = credentials.access().await.unwrap();
    let aside = bench.secrets.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    let blocked = bench.secrets.path().join("default/acme.json");
    let kept = bench.secrets.path().join("kept");
    // The login host answers, and then there is no room for what it said.
    let blocking = {
        let (blocked, kept) = (blocked.clone(), kept.clone());
        let next = Server::start(move |_, seen| {
            assert_eq!(form(seen)["refresh_token"], "refresh-0");
            std::fs::rename(&blocked, &kept).unwrap();
            std::fs::create_dir(&blocked).unwrap();
            answer(
                200,
                r#"{"access_token":"kept-back","refresh_token":"refresh-x","instance_url":"https://acme.example"}"#,
            )
        });
        next.await
    };
    drop(first);
    let bench = Bench {
        auth: refreshing(&blocking).auth,
        ..bench
    };
    let credentials = bench.credentials();
    assert!(matches!(credentials.access().await, Err(CredentialError::Folder(_))));
    std::fs::remove_dir(&blocked).unwrap();
    std::fs::rename(&kept, &blocked).unwrap();
    assert_eq!(credentials.access().await.unwrap().token().expose(), "kept-back");
    assert_eq!(stored(&bench)["issued"]["refresh_token"], "refresh-x");
    assert_eq!(blocking.seen().len(), 1);
}

#[tokio::test]
async fn refreshers_at_once_ask_once() {
    let server = rotating().await;
    let bench = refreshing(&server);
    // As two host processes have them: nothing shared but the folder.
    let (one, two) = (bench.credentials(), bench.credentials());
    let (a, b, c) = tokio::join!(one.access(), two.access(), one.access());
    let tokens: BTreeSet<String> = [&a, &b, &c]
        .map(|access| access.as_ref().unwrap().token().expose().to_owned())
        .into();
    assert_eq!(tokens, BTreeSet::from(["access-1".to_owned()]));
    let (a, b) = (a.unwrap(), b.unwrap());
    let (a, b) = tokio::join!(one.renewed(&a), two.renewed(&b));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(server.seen().len(), 2, "one request for each token");
}

#[tokio::test]
async fn a_new_authorisation_takes_the_place_of_the_old_chain() {
    let server = Server::start(|_, seen| {
        let token = form(seen)["refresh_token"].clone();
        let token = json!({ "access_token": format!("for-{token}"), "refresh_token": format!("{token}+"), "instance_url": "https://a.example" });
        answer(200, token.to_string())
    })
    .await;
    let mut bench = refreshing(&server);
    let old = bench.credentials();
    let access = old.access().await.unwrap();
    bench.auth["refresh_token"] = json!("new");
    let folder = SecretsFolder::locate(Some(bench.secrets.path()), "s3://bucket").unwrap();
    folder
        .store_config_auth("default", "acme", &Auth::parse(&bench.auth).unwrap())
        .unwrap();
    assert_eq!(bench.credentials().access().await.unwrap().token().expose(), "for-new");
    assert!(matches!(old.renewed(&access).await, Err(CredentialError::Changed)));
    assert_eq!(
        stored(&bench)["issued"]["refresh_token"],
        "new+",
        "the old process doesn't overwrite it"
    );
}

#[tokio::test]
async fn an_assertion_is_signed_for_this_app_user_and_audience_and_lives_three_minutes() {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let public = key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
    let server = Server::start(|_, _| answer(200, r#"{"access_token":"a","instance_url":"https://acme.example"}"#)).await;
    let mut auth = json!({
        "kind": "jwt-bearer",
        "login_url": server.origin,
        "client_id": "app",
        "username": "backup@acme.example",
        "private_key": key.to_pkcs8_pem(LineEnding::LF).unwrap().as_str(),
    });
    for audience in [None, Some("https://login.example")] {
        if let Some(audience) = audience {
            auth["audience"] = json!(audience);
        }
        let bench = Bench {
            auth: auth.clone(),
            origin: None,
            ..Bench::new(&server.origin)
        };
        bench.credentials().access().await.unwrap();
        let sent = form(server.seen().last().unwrap());
        assert_eq!(sent["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&[audience.unwrap_or(&server.origin)]);
        let key = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&sent["assertion"], &key, &validation)
            .unwrap()
            .claims;
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("app"), &json!("backup@acme.example"))
        );
        assert_eq!(claims["exp"], START.0 / 1000 + 180);
    }
    auth["private_key"] = json!("-----BEGIN s3cret-----");
    let bench = Bench {
        auth,
        ..Bench::new(&server.origin)
    };
    let error = bench.credentials().access().await.unwrap_err();
    assert!(
        matches!(error, CredentialError::Key(_)) && !error.to_string().contains("s3cret"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refusal_of_the_login_host_says_what_to_do_and_is_not_tried_again() {
    let refusals = [
        ("invalid_grant", "authorise the app again"),
        ("invalid_client_id", "check \"client_id\""),
        ("unsupported_grant_type", "allow this flow"),
        ("something_new", "OAuth settings"),
    ];
    for (code, remedy) in refusals {
        let body = json!({ "error": code, "error_description": "as recorded\r\n" }).to_string();
        let server = Server::start(move |_, _| answer(400, body.clone())).await;
        let error = refreshing(&server).credentials().access().await.unwrap_err();
        assert!(!error.is_passing());
        let text = error.to_string();
        assert!(
            text.contains(code) && text.contains("as recorded)") && text.contains(remedy),
            "{text}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_login_host_that_fails_for_now_is_asked_five_times() {
    for misbehave in [
        || answer(503, "<html>"),
        || Reply::Cut,
        || answer(400, r#"{"error":"unknown_error","error_description":"retry your request"}"#),
    ] {
        let server = Server::start(move |_, _| misbehave()).await;
        let bench = refreshing(&server);
        let error = bench.credentials().access().await.unwrap_err();
        assert!(error.is_passing(), "{error}");
        assert_eq!(server.seen().len(), 5);
        assert!(bench.clock.now() > START);
    }
}

#[tokio::test]
async fn a_server_that_is_no_login_host_is_named_and_no_redirect_carries_the_secret_away() {
    let other = Server::start(|_, _| answer(200, r#"{"access_token":"a"}"#)).await;
    let elsewhere = format!("{}/services/oauth2/token", other.origin);
    let server = Server::start(move |before, _| match before {
        0 => answer_with(307, &[("Location", &elsewhere)], ""),
        1 => answer(200, "<html>log in, please, with s3cret</html>"),
        _ => answer(404, "nothing here"),
    })
    .await;
    for _ in 0..3 {
        let error = refreshing(&server).credentials().access().await.unwrap_err();
        assert!(
            matches!(error, CredentialError::Strange { .. }) && !error.to_string().contains("s3cret"),
            "{error}"
        );
        assert!(error.to_string().contains(&server.origin) && error.to_string().contains("login_url"));
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn no_debug_output_holds_a_secret() {
    let server = rotating().await;
    let bench = refreshing(&server);
    let access = bench.credentials().access().await.unwrap();
    let folder = SecretsFolder::locate(Some(bench.secrets.path()), "s3://bucket").unwrap();
    let stored = folder.load("default", "acme").unwrap().unwrap();
    for shown in [format!("{access:?}"), format!("{stored:?}"), format!("{:?}", access.token())] {
        for secret in ["access-1", "refresh-0", "refresh-1", "app-secret"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_connection_removed_while_the_login_host_was_asked_stays_removed() {
    let server = rotating().await;
    let bench = refreshing(&server);
    let credentials = bench.credentials();
    credentials.access().await.unwrap();
    let folder = SecretsFolder::locate(Some(bench.secrets.path()), "s3://bucket").unwrap();
    folder.remove("default", "acme").unwrap();
    let access = credentials.access().await.unwrap();
    let error = credentials.renewed(&access).await.unwrap_err();
    assert!(matches!(error, CredentialError::Changed), "{error}");
    assert!(!file(bench.secrets.path()).exists(), "and no secret comes back");
    assert_eq!(server.seen().len(), 1, "nobody is asked for a connection that is gone");
}
