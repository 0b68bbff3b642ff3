//! The token endpoint and sessions.

use fake_salesforce::Fake;
use serde_json::json;

use crate::client::{Answer, get, send};
use crate::{fake, options};

fn token(fake: &Fake, form: &str) -> Answer {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    send(fake, "POST", "/services/oauth2/token", &headers, form).unwrap()
}

fn works(fake: &Fake, access_token: &str) -> bool {
    let authorization = format!("Bearer {access_token}");
    send(
        fake,
        "GET",
        "/services/data/v62.0/limits",
        &[("Authorization", &authorization)],
        "",
    )
    .unwrap()
    .status
        == 200
}

#[test]
fn client_credentials_open_a_session_and_name_the_instance() {
    let fake = fake();
    let client = fake.oauth().options().clone();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client.client_id, client.client_secret
    );
    let answer = token(&fake, &form).json();
    assert_eq!(answer["instance_url"], fake.url());
    assert_eq!(answer["token_type"], "Bearer");
    assert!(works(&fake, answer["access_token"].as_str().unwrap()));
    assert_eq!(fake.totals().client, 1, "the token request isn't counted");
    let wrong = token(&fake, &format!("{form}x"));
    assert_eq!((wrong.status, wrong.json()["error"].clone()), (400, json!("invalid_client")));
}

#[test]
fn a_rotated_refresh_token_dies_with_its_use() {
    let mut options = options();
    options.oauth.rotate_refresh_tokens = true;
    let fake = Fake::start(options).unwrap();
    let client = fake.oauth().options().clone();
    let refresh = |refresh_token: &str| {
        token(
            &fake,
            &format!(
                "grant_type=refresh_token&client_id={}&refresh_token={refresh_token}",
                client.client_id
            ),
        )
    };
    let first = refresh(&client.refresh_token).json();
    let next = first["refresh_token"].as_str().unwrap().to_owned();
    let dead = refresh(&client.refresh_token);
    assert_eq!(dead.status, 400);
    assert_eq!(
        dead.json(),
        json!({ "error": "invalid_grant", "error_description": "expired access/refresh token" })
    );
    assert!(works(&fake, refresh(&next).json()["access_token"].as_str().unwrap()));
}

#[test]
fn an_expired_session_is_refused_as_recorded_and_not_counted() {
    let fake = fake();
    assert_eq!(get(&fake, "limits").status, 200);
    fake.oauth().expire_sessions();
    let refused = get(&fake, "limits");
    assert_eq!(
        refused.text(),
        "[{\"message\":\"Session expired or invalid\",\"errorCode\":\"INVALID_SESSION_ID\"}]"
    );
    assert_eq!((refused.status, fake.quota().used()), (401, 1));
}

#[test]
fn a_jwt_is_taken_from_the_owner_of_the_key_alone() {
    let mut options = options();
    let (private_key, public_key) = key_pair();
    options.oauth.jwt_public_key = Some(public_key);
    let fake = Fake::start(options).unwrap();
    let client = fake.oauth().options().clone();
    let grant = |subject: &str, expires: i64, key: &str| {
        let claims = json!({ "iss": client.client_id, "sub": subject, "aud": "https://login.salesforce.com", "exp": expires });
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let grant_type = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        token(&fake, &format!("grant_type={grant_type}&assertion={assertion}"))
    };
    let soon = fake.clock().now_ms() / 1000 + 180;
    let answer = grant(&client.username, soon, &private_key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().get("refresh_token"), None);
    assert!(works(&fake, answer.json()["access_token"].as_str().unwrap()));
    assert_eq!(
        grant("somebody@example.com", soon, &private_key).json()["error"],
        "invalid_grant"
    );
    assert_eq!(grant(&client.username, 1_000, &private_key).json()["error"], "invalid_grant");
    assert_eq!(grant(&client.username, soon, &key_pair().0).json()["error"], "invalid_grant");
}

/// A private key and its public half, in PEM.
fn key_pair() -> (String, String) {
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
    let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let public = private.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
    (private.to_pkcs1_pem(LineEnding::LF).unwrap().to_string(), public)
}
