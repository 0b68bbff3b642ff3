//! A small HTTP/1.1 server that does what the test says, misbehaviour included.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Closes without a byte.
    Cut,
    /// Sends these bytes of a body that would be ten longer, then closes.
    CutBody(Vec<u8>),
    /// The same, but says nothing more instead of closing.
    StalledBody(Vec<u8>),
    /// Waits for the signal first.
    Held(Arc<Notify>, Box<Reply>),
    /// Never answers.
    Silence,
}

pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer {
        status,
        headers: Vec::new(),
        body: body.into(),
    }
}

pub(crate) fn answer_with(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Reply::Answer {
        status,
        headers: headers.collect(),
        body: body.into(),
    }
}

pub(crate) struct Server {
    pub(crate) origin: String,
    seen: watch::Receiver<Vec<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Arc<Mutex<dyn FnMut(usize, &Seen) -> Reply + Send>>;

impl Server {
    /// `script` is given the request and how many came before it.
    pub(crate) async fn start(script: impl FnMut(usize, &Seen) -> Reply + Send + 'static) -> Server {
        Server::listen(None, script).await
    }

    pub(crate) async fn listen(tls: Option<TlsAcceptor>, script: impl FnMut(usize, &Seen) -> Reply + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        let script: Script = Arc::new(Mutex::new(script));
        let (log, seen) = watch::channel(Vec::new());
        let log = Arc::new(log);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log, tls) = (Arc::clone(&script), Arc::clone(&log), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, script, log).await,
                        // A client that doesn't trust us ends the handshake.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, script, log).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Server { origin, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Waits until so many requests have come in.
    pub(crate) async fn wait_for(&self, requests: usize) {
        self.seen.clone().wait_for(|seen| seen.len() >= requests).await.unwrap();
    }
}

/// One connection; ends with `None` where the client or the script ends it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: Script,
    log: Arc<watch::Sender<Vec<Seen>>>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = receive(&mut stream, &mut buffer).await?;
        let mut reply = {
            let before = log.borrow().len();
            log.send_modify(|seen| seen.push(request.clone()));
            (script.lock().unwrap())(before, &request)
        };
        while let Reply::Held(signal, then) = reply {
            signal.notified().await;
            reply = *then;
        }
        match reply {
            Reply::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                if request.method != "HEAD" {
                    stream.write_all(&body).await.ok()?;
                }
                stream.flush().await.ok()?;
            }
            Reply::Cut => return None,
            Reply::CutBody(body) => {
                part_of_a_body(&mut stream, &body).await?;
                return None;
            }
            Reply::StalledBody(body) => {
                part_of_a_body(&mut stream, &body).await?;
                std::future::pending::<()>().await;
            }
            Reply::Silence => std::future::pending().await,
            Reply::Held(..) => unreachable!("resolved above"),
        }
    }
}

async fn part_of_a_body<S: AsyncWrite + Unpin>(stream: &mut S, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 200 Scripted\r\ncontent-length: {}\r\n\r\n", body.len() + 10);
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    stream.flush().await.ok()
}

async fn receive<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut seen = Seen {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    assert_eq!(seen.header("transfer-encoding"), None, "bodies have a length");
    let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = buffer[head_end..head_end + length].to_vec();
    buffer.drain(..head_end + length);
    Some(seen)
}
