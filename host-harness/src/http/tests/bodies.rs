#![allow(clippy::unwrap_used)]
use super::doubles::{Bench, body, error, get};
use super::server::{Reply, Server, answer, answer_with};
use crate::http::Limits;
use backup_contract::{Body, Content, FormPart, Method, NamedValue, Request, SendError};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_answers_reach_the_guest_as_they_were() {
    let text = "record after record\n".repeat(20_000);
    let packed = gzipped(text.as_bytes());
    let server = Server::start(move |_, seen| {
        assert!(seen.header("accept-encoding").unwrap().contains("gzip"));
        answer_with(
            200,
            &[("Content-Encoding", "gzip"), ("Sforce-Limit-Info", "api-usage=1/5")],
            packed.clone(),
        )
    })
    .await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(response.header("SFORCE-limit-info").unwrap(), "api-usage=1/5");
    assert_eq!(response.header("content-encoding"), None);
    assert_eq!(body(&mut response).await.unwrap(), text.as_bytes());
    assert_eq!(response.read(10).await.unwrap(), Bytes::new(), "the end stays the end");
}

#[tokio::test]
async fn a_read_gives_at_most_what_was_asked_for() {
    let server = Server::start(|_, _| answer(200, "0123456789")).await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/x")).await.unwrap();
    let mut pieces = Vec::new();
    for _ in 0..4 {
        pieces.push(response.read(3).await.unwrap());
    }
    assert_eq!(pieces, ["012", "345", "678", "9"]);
    assert_eq!(response.read(3).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn a_cut_body_is_an_unknown_outcome_and_never_looks_whole() {
    let packed = gzipped(&b"compressed and cut ".repeat(1000));
    let half = packed[..packed.len() / 2].to_vec();
    let server = Server::start(move |_, seen| match seen.target.as_str() {
        "/plain" => Reply::CutBody(b"half of".to_vec()),
        _ => answer_with(200, &[("Content-Encoding", "gzip")], half.clone()),
    })
    .await;
    let bench = Bench::new(&server.origin);
    for path in ["/plain", "/gzip"] {
        let mut response = bench.send(get(path)).await.unwrap();
        assert!(
            matches!(body(&mut response).await, Err(SendError::OutcomeUnknown(_))),
            "{path}"
        );
        assert!(
            matches!(response.read(10).await, Err(SendError::OutcomeUnknown(_))),
            "{path}: told again"
        );
    }
    assert_eq!(server.seen().len(), 2, "what to do is the connector's: no retry");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let server = Server::start(|_, _| Reply::StalledBody(b"half of".to_vec())).await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(response.read(100).await.unwrap(), "half of");
    let letting_time_pass = async {
        // Once round the scheduler, so that the read waits.
        tokio::task::yield_now().await;
        bench.clock.advance(bench.limits.piece_within);
    };
    let (outcome, ()) = tokio::join!(response.read(100), letting_time_pass);
    assert!(matches!(outcome, Err(SendError::OutcomeUnknown(text)) if text.contains("stalled")));
}

#[tokio::test]
async fn an_answer_over_the_cap_is_too_large_however_small_it_came() {
    let packed = gzipped(&vec![0; 4 << 20]);
    let server = Server::start(move |_, _| answer_with(200, &[("Content-Encoding", "gzip")], packed.clone())).await;
    let bench = Bench {
        limits: Limits {
            read_bytes: 1 << 20,
            saved_bytes: 2 << 20,
            ..Limits::default()
        },
        ..Bench::new(&server.origin)
    };
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(body(&mut response).await, Err(SendError::TooLarge(1 << 20)));
    assert_eq!(response.read(1).await, Err(SendError::TooLarge(1 << 20)));
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(response.save("blob").await, Err(SendError::TooLarge(2 << 20)));
    assert_eq!(bench.blobs.get("blob"), None);
    assert_eq!(bench.gate.counted(), 2, "it is spent");
}

#[tokio::test]
async fn an_answer_of_exactly_the_cap_is_whole() {
    let server = Server::start(|_, _| answer(200, vec![7; 1000])).await;
    let bench = Bench {
        limits: Limits {
            read_bytes: 1000,
            ..Limits::default()
        },
        ..Bench::new(&server.origin)
    };
    let mut response = bench.send(get("/x")).await.unwrap();
    assert_eq!(body(&mut response).await.unwrap(), vec![7; 1000]);
}

#[tokio::test]
async fn the_rest_of_an_answer_goes_to_a_blob_whole_or_not_at_all() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let served = content.clone();
    let server = Server::start(move |_, seen| match seen.target.as_str() {
        "/cut" => Reply::CutBody(served[..1000].to_vec()),
        _ => answer(200, served.clone()),
    })
    .await;
    let bench = Bench::new(&server.origin);
    let mut response = bench.send(get("/whole")).await.unwrap();
    let mut first = response.read(10).await.unwrap().to_vec();
    assert_eq!(response.save("rest").await.unwrap(), (content.len() - first.len()) as u64);
    first.extend(bench.blobs.get("rest").unwrap());
    assert_eq!(first, content);
    let mut response = bench.send(get("/cut")).await.unwrap();
    assert!(matches!(response.save("cut").await, Err(SendError::OutcomeUnknown(_))));
    assert_eq!(bench.blobs.get("cut"), None);
}

#[tokio::test]
async fn a_body_that_is_not_what_its_key_says_is_not_stored() {
    let server = Server::start(|_, _| answer(200, "hello")).await;
    let bench = Bench::new(&server.origin);
    let hello = "5d41402abc4b2a76b9719d911017c592";
    let other = "00000000000000000000000000000000";
    for (key, fits) in [
        (format!("ContentVersion/068/VersionData/md5:{hello}:5"), true),
        (format!("ContentVersion/068/VersionData/md5:{hello}"), true),
        (format!("ContentVersion/068/VersionData/md5:{}:5", hello.to_uppercase()), true),
        (format!("ContentVersion/068/VersionData/md5:{hello}:6"), false),
        (format!("ContentVersion/068/VersionData/md5:{other}:5"), false),
        (format!("ContentVersion/068/VersionData/md5:{other}"), false),
        ("Attachment/00P/Body/rev:17:6".to_owned(), true),
    ] {
        let outcome = bench.send(get("/x")).await.unwrap().save(&key).await;
        if fits {
            assert_eq!((outcome, bench.blobs.get(&key)), (Ok(5), Some(b"hello".to_vec())), "{key}");
        } else {
            assert!(
                matches!(&outcome, Err(SendError::Other(other)) if other.name == "content-differs"),
                "{key}: {outcome:?}"
            );
            assert_eq!(bench.blobs.get(&key), None, "{key}");
        }
    }
}

#[tokio::test]
async fn a_blob_is_sent_with_its_length_again_at_each_attempt() {
    let server = Server::start(|before, _| if before == 0 { answer(503, "") } else { answer(201, "") }).await;
    let bench = Bench::new(&server.origin);
    bench.blobs.put("body", b"content of a file");
    let request = Request {
        method: Method::Put,
        body: Body::Blob("body".to_owned()),
        headers: vec![NamedValue::new("Content-Type", "application/pdf")],
        ..get("/x")
    };
    assert_eq!(bench.send(request).await.unwrap().status(), 201);
    for seen in server.seen() {
        assert_eq!(
            (seen.text().as_str(), seen.header("content-length")),
            ("content of a file", Some("17"))
        );
        assert_eq!(seen.header("content-type"), Some("application/pdf"));
    }
}

#[tokio::test]
async fn a_form_has_its_parts_in_order_and_a_boundary_of_the_hosts() {
    let server = Server::start(|_, _| answer(201, "")).await;
    let bench = Bench::new(&server.origin);
    bench.blobs.put("file", b"binary \r\n content");
    let part = |name: &str, content| FormPart {
        headers: vec![NamedValue::new("Content-Disposition", format!("form-data; name=\"{name}\""))],
        content,
    };
    let form = Body::Form(vec![
        part("meta", Content::Bytes(b"{}".to_vec())),
        part("data", Content::Blob("file".to_owned())),
    ]);
    let request = Request {
        method: Method::Post,
        body: form.clone(),
        ..get("/x")
    };
    bench.send(request.clone()).await.unwrap();
    let seen = &server.seen()[0];
    let boundary = seen
        .header("content-type")
        .unwrap()
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let expected = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"meta\"\r\n\r\n{{}}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"data\"\r\n\r\nbinary \r\n content\r\n--{boundary}--\r\n"
    );
    assert_eq!(seen.text(), expected);
    let own_boundary = Request {
        headers: vec![NamedValue::new("Content-Type", "multipart/form-data; boundary=x")],
        ..request
    };
    assert!(matches!(error(bench.send(own_boundary).await), SendError::NotPermitted(_)));
}

#[tokio::test]
async fn session_cookies_stay_with_the_host() {
    let server = Server::start(|_, _| answer_with(200, &[("Set-Cookie", "sid=secret")], "")).await;
    let bench = Bench::new(&server.origin);
    assert_eq!(bench.send(get("/x")).await.unwrap().header("set-cookie"), None);
    bench.send(get("/x")).await.unwrap();
    assert!(
        server.seen().iter().all(|seen| seen.header("cookie").is_none()),
        "and are not sent back"
    );
}
