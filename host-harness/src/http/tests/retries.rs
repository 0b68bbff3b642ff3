#![allow(clippy::unwrap_used)]
use super::doubles::{Bench, START, Unreachable, body, error, get, post};
use super::server::{Reply, Server, answer, answer_with};
use backup_contract::{Method, Request, SendError};
use backup_runtime::imports::Http;
use backup_seams::Clock;
use std::time::Duration;

#[tokio::test]
async fn a_repeatable_request_is_tried_five_times_and_every_attempt_counts_at_its_cost() {
    let server = Server::start(|_, _| answer(503, "later")).await;
    let bench = Bench::new(&server.origin);
    let request = Request { cost: 25, ..get("/x") };
    let mut response = bench.send(request).await.unwrap();
    assert_eq!(
        (response.status(), response.attempts(), response.request_number()),
        (503, 5, 5)
    );
    assert_eq!(body(&mut response).await.unwrap(), b"later");
    assert_eq!(server.seen().len(), 5);
    assert_eq!(bench.gate.counted(), 5);
    assert!(bench.gate.count().admitted.iter().all(|(_, cost)| *cost == 25));
    let slept = bench.clock.slept();
    assert!(
        slept >= Duration::from_millis(7_500) && slept <= Duration::from_secs(15),
        "{slept:?}"
    );
}

#[tokio::test]
async fn every_passing_status_is_tried_again() {
    for status in [420, 429, 500, 502, 503, 504] {
        let server = Server::start(move |before, _| {
            if before == 0 {
                answer(status, "")
            } else {
                answer(200, "done")
            }
        })
        .await;
        let bench = Bench::new(&server.origin);
        let response = bench.send(get("/x")).await.unwrap();
        assert_eq!(
            (response.status(), response.attempts(), response.request_number()),
            (200, 2, 2),
            "{status}"
        );
        assert_eq!(bench.gate.counted(), 2);
    }
}

#[tokio::test]
async fn a_lasting_refusal_is_an_answer_at_once() {
    for status in [400, 403, 404, 414] {
        let server = Server::start(move |_, _| answer(status, "[]")).await;
        let bench = Bench::new(&server.origin);
        let response = bench.send(get("/x")).await.unwrap();
        assert_eq!((response.status(), response.attempts()), (status, 1));
        assert_eq!((bench.gate.counted(), bench.clock.slept()), (1, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_request_that_is_not_repeatable_is_sent_once_whatever_happens() {
    let server = Server::start(|_, seen| if seen.target == "/cut" { Reply::Cut } else { answer(503, "") }).await;
    let bench = Bench::new(&server.origin);
    let response = bench.send(post("/status", "{}")).await.unwrap();
    assert_eq!((response.status(), response.attempts()), (503, 1));
    let outcome = bench.send(post("/cut", "{}")).await;
    assert!(matches!(error(outcome), SendError::OutcomeUnknown(_)));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(bench.gate.counted(), 2, "a request that may have been received is counted");
}

#[tokio::test]
async fn a_cut_connection_is_tried_again_and_each_cut_attempt_counts() {
    let server = Server::start(|before, _| if before < 3 { Reply::Cut } else { answer(200, "here") }).await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!((response.attempts(), bench.gate.counted()), (4, 4));
    assert_eq!(body(&mut response).await.unwrap(), b"here");
}

#[tokio::test]
async fn a_request_cut_five_times_has_an_unknown_outcome() {
    let server = Server::start(|_, _| Reply::Cut).await;
    let bench = Bench::new(&server.origin);
    assert!(matches!(error(bench.send(get("/x")).await), SendError::OutcomeUnknown(_)));
    assert_eq!((server.seen().len(), bench.gate.counted()), (5, 5));
}

#[tokio::test]
async fn an_attempt_that_never_left_is_given_back_and_said_to_be_not_sent() {
    // A port that was free a moment ago, and nobody listens on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bench = Bench::new(&origin).allowance(1);
    assert!(matches!(error(bench.send(post("/x", "{}")).await), SendError::NotSent(_)));
    let count = bench.gate.count();
    assert_eq!((count.left, count.not_sent.len(), count.answered.len()), (1, 5, 0));
}

#[tokio::test]
async fn a_tls_handshake_that_fails_sends_nothing() {
    // It speaks no TLS: the handshake ends in an error.
    let server = Server::start(|_, _| answer(200, "")).await;
    let bench = Bench::new(&server.origin.replace("http://", "https://"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("https://{}", listener.local_addr().unwrap());
    let hanging_up = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let bench = Bench {
        origin: Some(mute),
        ..bench
    };
    assert!(matches!(error(bench.send(post("/x", "{}")).await), SendError::NotSent(_)));
    assert_eq!(bench.gate.counted(), 0);
    hanging_up.abort();
}

#[tokio::test]
async fn an_attempt_that_did_not_get_through_is_tried_again_even_if_it_may_be_sent_once_only() {
    let server = Server::start(|_, _| answer(201, "")).await;
    let bench = Bench {
        transport: Unreachable::for_the_first(3),
        ..Bench::new(&server.origin)
    };
    let response = bench.send(post("/x", "{}")).await.unwrap();
    assert_eq!(
        (response.status(), response.attempts()),
        (201, 1),
        "only what was on the wire is an attempt"
    );
    assert_eq!((bench.gate.counted(), bench.gate.count().not_sent.len()), (1, 3));
}

#[tokio::test]
async fn nothing_is_sent_where_the_allowance_does_not_cover_the_cost() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let bench = Bench::new(&server.origin).allowance(4);
    let outcome = bench.client().start(Request { cost: 5, ..get("/x") }).await;
    assert_eq!(error(outcome), SendError::AllowanceSpent);
    assert!(server.seen().is_empty());
    bench.send(Request { cost: 4, ..get("/x") }).await.unwrap();
    assert_eq!(error(bench.send(get("/x")).await), SendError::AllowanceSpent);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn retries_stay_within_the_allowance_and_the_last_outcome_is_told_when_it_is_spent() {
    for allowance in 1..4 {
        let server = Server::start(|_, _| answer(503, "later")).await;
        let bench = Bench::new(&server.origin).allowance(allowance);
        let response = bench.send(get("/x")).await.unwrap();
        assert_eq!((response.status(), response.attempts()), (503, allowance));
        assert_eq!(
            (server.seen().len(), bench.gate.counted()),
            (allowance as usize, allowance as usize)
        );
    }
    let server = Server::start(|_, _| Reply::Cut).await;
    let bench = Bench::new(&server.origin).allowance(2);
    assert!(matches!(error(bench.send(get("/x")).await), SendError::OutcomeUnknown(_)));
    assert_eq!(bench.gate.counted(), 2);
}

#[tokio::test]
async fn a_sane_retry_after_is_waited_for_and_a_long_one_is_the_connectors() {
    let server = Server::start(|before, seen| match (before, seen.target.as_str()) {
        (0, _) => answer_with(503, &[("Retry-After", "45")], ""),
        (_, "/patient") => answer_with(429, &[("Retry-After", "3600")], "tomorrow"),
        _ => answer(200, ""),
    })
    .await;
    let bench = Bench::new(&server.origin);
    assert_eq!(bench.send(get("/x")).await.unwrap().status(), 200);
    assert_eq!(bench.clock.slept(), Duration::from_secs(45));
    let response = bench.send(get("/patient")).await.unwrap();
    assert_eq!((response.status(), response.attempts()), (429, 1));
    assert_eq!(response.header("retry-after").unwrap(), "3600");
    assert_eq!(bench.clock.slept(), Duration::from_secs(45));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_has_an_unknown_outcome() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let bench = Bench::new(&server.origin);
    let mut client = bench.client();
    let pending = client.start(post("/x", "{}")).await.unwrap();
    let waiting = pending.finish();
    let letting_time_pass = async {
        server.wait_for(1).await;
        bench.clock.advance(bench.limits.headers_within);
    };
    let (outcome, ()) = tokio::join!(waiting, letting_time_pass);
    assert!(matches!(error(outcome), SendError::OutcomeUnknown(text) if text.contains("600 seconds")));
    assert_eq!(bench.gate.counted(), 1);
    assert_eq!(bench.clock.now(), START.after(Duration::from_secs(600)));
}

#[tokio::test]
async fn a_request_let_go_of_is_counted_and_no_longer_in_flight() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let bench = Bench::new(&server.origin);
    let mut client = bench.client();
    let pending = client.start(get("/x")).await.unwrap();
    server.wait_for(1).await;
    assert!(bench.gate.count().answered.is_empty());
    drop((pending, client));
    assert_eq!(bench.gate.count().answered, [1]);
    assert_eq!(bench.gate.count().left, 999);
}

#[tokio::test]
async fn head_has_an_answer_without_a_body() {
    let server = Server::start(|_, _| answer(200, "not for HEAD")).await;
    let bench = Bench::new(&server.origin);
    let request = Request {
        method: Method::Head,
        ..get("/x")
    };
    let mut response = bench.send(request).await.unwrap();
    assert_eq!(body(&mut response).await.unwrap(), b"");
}
