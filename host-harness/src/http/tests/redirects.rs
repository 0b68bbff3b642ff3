#![allow(clippy::unwrap_used)]
use super::doubles::{Bench, body, error, get, post};
use super::server::{Server, answer, answer_with};
use backup_contract::SendError;

#[tokio::test]
async fn a_hop_within_the_origin_is_followed_and_counted() {
    let server = Server::start(|_, seen| match seen.target.as_str() {
        "/old" => answer_with(301, &[("Location", "/new?a=1#part")], ""),
        _ => answer(200, "moved here"),
    })
    .await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/old")).await.unwrap();
    assert_eq!(
        (response.status(), response.attempts(), response.request_number()),
        (200, 2, 2)
    );
    assert_eq!(body(&mut response).await.unwrap(), b"moved here");
    assert_eq!(bench.gate.counted(), 2);
    let second = &server.seen()[1];
    assert_eq!(second.target, "/new?a=1");
    assert_eq!(second.header("authorization"), Some("Bearer 00D-token"));
}

#[tokio::test]
async fn another_origin_is_not_followed_and_never_sees_the_credential() {
    let other = Server::start(|_, _| answer(200, "gotcha")).await;
    let host = other.origin.trim_start_matches("http://").to_owned();
    let targets = [
        format!("http://{host}/x"),
        format!("//{host}/x"),
        format!("https://{host}/x"),
        format!("http://user:pass@{host}/x"),
        "https://login.example.com/?sid=secret-session".to_owned(),
        "javascript:alert(1)".to_owned(),
        "http://[".to_owned(),
    ];
    for target in targets {
        let location = target.clone();
        let server = Server::start(move |_, _| answer_with(302, &[("Location", &location)], "")).await;
        let bench = Bench::new(&server.origin);
        let SendError::NotPermitted(text) = error(bench.send(get("/x")).await) else {
            panic!("followed {target}");
        };
        assert!(!text.contains("secret-session") && !text.contains("pass"), "{text}");
        assert_eq!((bench.gate.counted(), server.seen().len()), (1, 1));
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_post_is_followed_only_where_it_stays_that_post() {
    let server = Server::start(|_, seen| match seen.target.as_str() {
        "/kept" => answer_with(307, &[("Location", "/new")], ""),
        "/done" => answer_with(303, &[("Location", "/result")], ""),
        _ => answer(201, ""),
    })
    .await;
    let bench = Bench::new(&server.origin);
    let response = bench.send(post("/kept", "payload")).await.unwrap();
    assert_eq!((response.status(), response.attempts()), (201, 2));
    let second = &server.seen()[1];
    assert_eq!((second.method.as_str(), second.text().as_str()), ("POST", "payload"));
    let response = bench.send(post("/done", "payload")).await.unwrap();
    assert_eq!(
        (response.status(), response.attempts()),
        (303, 1),
        "it had its effect: what next is the connector's"
    );
    assert_eq!(response.header("Location").unwrap(), "/result");
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends_and_each_hop_counts() {
    let server = Server::start(|_, _| answer_with(302, &[("Location", "/again")], "")).await;
    let bench = Bench::new(&server.origin);
    let response = bench.send(get("/x")).await.unwrap();
    assert_eq!((response.status(), response.attempts()), (302, 6));
    assert_eq!(bench.gate.counted(), 6);
}

#[tokio::test]
async fn a_hop_beyond_the_allowance_is_not_made() {
    let server = Server::start(|_, _| answer_with(302, &[("Location", "/again")], "")).await;
    let bench = Bench::new(&server.origin).allowance(1);
    assert_eq!(error(bench.send(get("/x")).await), SendError::AllowanceSpent);
    assert_eq!(server.seen().len(), 1);
}
