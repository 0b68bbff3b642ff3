#![allow(clippy::unwrap_used)]
use super::doubles::{Bench, error, get, post};
use super::server::{Seen, Server, answer};
use backup_contract::{NamedValue, SendError};
use backup_runtime::imports::Http;
use serde_json::json;

/// A source that is its own login host: it issues `token-1`, `token-2`, … and takes those that `good` says.
async fn source(good: fn(&str) -> bool) -> Server {
    let mut issued = 0;
    Server::start(move |_, seen| {
        if seen.target == "/services/oauth2/token" {
            issued += 1;
            return answer(200, json!({ "access_token": format!("token-{issued}") }).to_string());
        }
        let token = seen.header("authorization").unwrap().trim_start_matches("Bearer ");
        if good(token) {
            answer(200, "ok")
        } else {
            answer(401, r#"[{"errorCode":"INVALID_SESSION_ID"}]"#)
        }
    })
    .await
}

fn logging_in(server: &Server) -> Bench {
    Bench {
        auth: json!({
            "kind": "client-credentials",
            "login_url": server.origin,
            "client_id": "app",
            "client_secret": "app-secret",
        }),
        ..Bench::new(&server.origin)
    }
}

fn token_requests(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.target == "/services/oauth2/token").count()
}

#[tokio::test]
async fn a_401_renews_the_credential_once_and_the_replay_counts() {
    let server = source(|token| token != "token-1").await;
    let bench = logging_in(&server);
    // Also for what may be sent once only: a 401 had no effect.
    let response = bench.send(post("/x", "payload")).await.unwrap();
    assert_eq!(
        (response.status(), response.attempts(), response.request_number()),
        (200, 2, 2)
    );
    let seen = server.seen();
    assert_eq!((token_requests(&seen), seen.len()), (2, 4));
    assert_eq!(seen[3].text(), "payload");
    assert_eq!(bench.gate.counted(), 2, "token requests are not counted");
}

#[tokio::test]
async fn a_second_401_is_an_answer() {
    let server = source(|_| false).await;
    let bench = logging_in(&server);
    let response = bench.send(get("/x")).await.unwrap();
    assert_eq!((response.status(), response.attempts()), (401, 2));
    assert_eq!((token_requests(&server.seen()), bench.gate.counted()), (2, 2));
}

#[tokio::test]
async fn an_access_token_that_is_refused_is_an_answer_at_once() {
    let server = source(|_| false).await;
    let bench = Bench::new(&server.origin);
    let response = bench.send(get("/x")).await.unwrap();
    assert_eq!((response.status(), response.attempts(), server.seen().len()), (401, 1, 1));
}

#[tokio::test]
async fn several_401s_at_once_renew_the_credential_once() {
    let server = source(|token| token != "token-1").await;
    let bench = logging_in(&server);
    let mut client = bench.client();
    let mut pending = Vec::new();
    for _ in 0..5 {
        pending.push(client.start(get("/x")).await.unwrap());
    }
    for pending in pending {
        assert_eq!(pending.finish().await.unwrap().status(), 200);
    }
    assert_eq!(token_requests(&server.seen()), 2);
    assert_eq!(bench.gate.counted(), server.seen().len() - 2);
}

#[tokio::test]
async fn a_replay_beyond_the_allowance_is_not_sent() {
    let server = source(|token| token != "token-1").await;
    let bench = logging_in(&server).allowance(1);
    assert_eq!(error(bench.send(get("/x")).await), SendError::AllowanceSpent);
    assert_eq!(bench.gate.counted(), 1);
}

#[tokio::test]
async fn what_the_login_host_says_about_a_refused_credential_reaches_the_connector() {
    let mut asked = 0;
    let server = Server::start(move |_, seen| {
        if seen.target != "/services/oauth2/token" {
            return answer(401, "[]");
        }
        asked += 1;
        match asked {
            1 => answer(200, r#"{"access_token":"token-1"}"#),
            _ => answer(
                400,
                r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            ),
        }
    })
    .await;
    let bench = Bench {
        auth: json!({
            "kind": "refresh-token",
            "login_url": server.origin,
            "client_id": "app",
            "refresh_token": "refresh-0",
        }),
        ..Bench::new(&server.origin)
    };
    let SendError::Other(NamedValue { name, value: text }) = error(bench.send(get("/x")).await) else {
        panic!("another error");
    };
    assert_eq!(name, "credentials-refused");
    assert!(
        text.contains("invalid_grant") && text.contains("authorise the app again"),
        "{text}"
    );
    assert!(!text.contains("refresh-0") && !text.contains("token-1"), "{text}");
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent_and_nothing_counted() {
    let server = Server::start(|_, _| answer(503, "")).await;
    let bench = logging_in(&server);
    assert!(matches!(error(bench.send(get("/x")).await), SendError::NotSent(_)));
    assert_eq!(
        token_requests(&server.seen()),
        5,
        "the login host is asked again, with back-off"
    );
    assert_eq!((server.seen().len(), bench.gate.count().admitted.len()), (5, 0));
}
