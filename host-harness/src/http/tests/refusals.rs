#![allow(clippy::unwrap_used)]
use super::doubles::{Bench, CountingGate, body, error, get};
use super::server::{Reply, Server, answer};
use crate::http::Gate;
use async_trait::async_trait;
use backup_contract::{Body, NamedValue, Request, SendError};
use backup_runtime::imports::{Http, Pending};
use futures::future::select_all;
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn headers_of_the_host_are_refused_by_name_and_nothing_is_counted() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let bench = Bench::new(&server.origin);
    let forbidden = [
        "Authorization",
        "HOST",
        "content-length",
        "Accept-Encoding",
        "cookie",
        "Transfer-Encoding",
        "connection",
        "Upgrade",
        "Proxy-Authorization",
        "proxy-anything",
        "expect",
        "te",
        "keep-alive",
    ];
    for name in forbidden {
        let request = Request {
            headers: vec![NamedValue::new(name, "x")],
            ..get("/x")
        };
        let SendError::NotPermitted(text) = error(bench.send(request).await) else {
            panic!("{name} was sent");
        };
        assert!(text.contains(&name.to_lowercase()), "{text}");
    }
    let smuggling = [
        ("x-a", "1\r\nAuthorization: y"),
        ("x a", "1"),
        ("x:a", "1"),
        ("", "1"),
        ("x\r\ny", "1"),
    ];
    for (name, value) in smuggling {
        let request = Request {
            headers: vec![NamedValue::new(name, value)],
            ..get("/x")
        };
        assert!(
            matches!(error(bench.send(request).await), SendError::NotPermitted(_)),
            "{name:?}"
        );
    }
    let many = Request {
        headers: (0..200).map(|n| NamedValue::new(format!("x-{n}"), "1")).collect(),
        ..get("/x")
    };
    assert!(matches!(error(bench.send(many).await), SendError::NotPermitted(_)));
    let large = Request {
        headers: vec![NamedValue::new("x", "y".repeat(20_000))],
        ..get("/x")
    };
    assert!(matches!(error(bench.send(large).await), SendError::NotPermitted(_)));
    assert_eq!((bench.gate.count().admitted.len(), server.seen().len()), (0, 0));
}

#[tokio::test]
async fn a_request_without_cost_or_with_a_bad_path_is_refused() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let bench = Bench::new(&server.origin);
    let requests = [
        Request { cost: 0, ..get("/x") },
        get("x"),
        get("//elsewhere/x"),
        get("https://elsewhere/x"),
        get("@elsewhere/x"),
        get("/a b"),
        get("/\\elsewhere"),
        get(&format!("/{}", "x".repeat(17_000))),
    ];
    for request in requests {
        let text = format!("{request:?}");
        assert!(
            matches!(error(bench.send(request).await), SendError::NotPermitted(_)),
            "{text}"
        );
    }
    assert_eq!((bench.gate.count().admitted.len(), server.seen().len()), (0, 0));
}

#[tokio::test]
async fn a_missing_blob_is_told_before_anything_is_counted() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let bench = Bench::new(&server.origin);
    let request = Request {
        body: Body::Blob("nowhere".to_owned()),
        ..get("/x")
    };
    assert!(matches!(error(bench.send(request).await), SendError::Other(other) if other.name == "storage"));
    assert_eq!(bench.gate.count().admitted.len(), 0);
}

#[tokio::test]
async fn requests_are_under_way_at_once_and_the_first_answer_is_told_first() {
    let signals: Vec<Arc<Notify>> = (0..3).map(|_| Arc::new(Notify::new())).collect();
    let held = signals.clone();
    let server = Server::start(move |_, seen| {
        let index: usize = seen.target[1..].parse().unwrap();
        Reply::Held(Arc::clone(&held[index]), Box::new(answer(200, seen.target.clone())))
    })
    .await;
    let bench = Bench::new(&server.origin);
    let mut client = bench.client();
    let mut pending: Vec<Box<dyn Pending>> = Vec::new();
    for index in 0..3 {
        pending.push(client.start(get(&format!("/{index}"))).await.unwrap());
    }
    // Nobody waits for an answer yet: started means sent.
    server.wait_for(3).await;
    for expected in [2, 0, 0] {
        let index = if expected == 2 { 2 } else { 2 - pending.len() };
        signals[index].notify_one();
        let (_, first, _) = select_all(pending.iter_mut().map(|pending| pending.answered())).await;
        assert_eq!(first, expected);
        let mut response = pending.remove(first).finish().await.unwrap();
        assert_eq!(body(&mut response).await.unwrap(), format!("/{index}").as_bytes());
    }
    assert_eq!(bench.gate.counted(), 3);
}

#[tokio::test]
async fn a_retry_goes_on_while_the_guest_reads_another_answer() {
    let retried = Arc::new(Notify::new());
    let signal = Arc::clone(&retried);
    let mut failed = false;
    let server = Server::start(move |_, seen| match seen.target.as_str() {
        "/read" => Reply::Held(Arc::clone(&signal), Box::new(answer(200, "all of it"))),
        _ if !failed => {
            failed = true;
            answer(503, "")
        }
        _ => {
            signal.notify_one();
            answer(200, "second time")
        }
    })
    .await;
    let bench = Bench::new(&server.origin);
    let mut client = bench.client();
    let retrying = client.start(get("/retry")).await.unwrap();
    let reading = client.start(get("/read")).await.unwrap();
    // Answered only once the retry, which nobody waits for, has come in.
    let mut response = reading.finish().await.unwrap();
    assert_eq!(body(&mut response).await.unwrap(), b"all of it");
    assert_eq!(retrying.finish().await.unwrap().attempts(), 2);
}

/// Holds a lock across its waits, as a gate does that reads a journal.
struct LockingGate {
    lock: tokio::sync::Mutex<()>,
    counting: Arc<CountingGate>,
}

#[async_trait]
impl Gate for LockingGate {
    async fn admit(&self, cost: u32) -> Result<u64, SendError> {
        let _locked = self.lock.lock().await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.counting.admit(cost).await
    }

    fn not_sent(&self, number: u64) {
        self.counting.not_sent(number);
    }

    fn answered(&self, number: u64) {
        self.counting.answered(number);
    }
}

#[tokio::test]
async fn no_call_returns_while_an_admission_holds_what_other_imports_may_wait_for() {
    let mut failed = false;
    let server = Server::start(move |_, seen| {
        if seen.target == "/read" || failed {
            return answer(200, vec![7; 1 << 20]);
        }
        failed = true;
        answer(503, "")
    })
    .await;
    let bench = Bench::new(&server.origin);
    let gate = Arc::new(LockingGate {
        lock: tokio::sync::Mutex::new(()),
        counting: Arc::clone(&bench.gate),
    });
    let mut client = bench.client_with(gate.clone());
    let retrying = client.start(get("/retry")).await.unwrap();
    let mut response = client.start(get("/read")).await.unwrap().finish().await.unwrap();
    while bench.gate.count().admitted.len() < 3 {
        assert_eq!(
            response.read(1).await.unwrap().len(),
            1,
            "the retry is admitted while the answer is read"
        );
        assert!(gate.lock.try_lock().is_ok());
        tokio::task::yield_now().await;
    }
    assert_eq!(retrying.finish().await.unwrap().attempts(), 2);
}
