//! A client over the bare socket.

use std::io::{Read, Write};
use std::net::TcpStream;

use fake_salesforce::Fake;
use serde_json::Value;

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names as on the wire.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Code and message of an error body.
    pub fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |name: &str| json[0][name].as_str().unwrap_or_default().to_owned();
        (self.status, text("errorCode"), text("message"))
    }

    pub fn usage(&self) -> Option<&str> {
        self.header("sforce-limit-info")
    }
}

/// What went wrong on the wire.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing came.
    NoAnswer,
    /// The head came, and so many bytes of the body.
    InBody(usize),
}

pub fn send(fake: &Fake, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, Broken> {
    send_bytes(fake, method, path, headers, body.as_bytes())
}

pub fn send_bytes(fake: &Fake, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Broken> {
    let mut stream = TcpStream::connect(fake.address()).unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: fake\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // The double may answer, and close, before it has read all: what then can't be written isn't missed.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
    let _ = stream.write_all(body);
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    parse(&raw)
}

fn parse(raw: &[u8]) -> Result<Answer, Broken> {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").ok_or(Broken::NoAnswer)?;
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|l| l.split_once(": ").unwrap())
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: raw[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding").is_some() {
        answer.body = unchunk(&answer.body)?;
    } else if answer
        .header("content-length")
        .is_some_and(|length| answer.body.len() < length.parse().unwrap())
    {
        return Err(Broken::InBody(answer.body.len()));
    }
    Ok(answer)
}

fn unchunk(mut raw: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    loop {
        let broken = Broken::InBody(body.len());
        let Some(line) = raw.windows(2).position(|w| w == b"\r\n") else {
            return Err(broken);
        };
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return Ok(body);
        }
        let data = &raw[line + 2..];
        if data.len() < length + 2 {
            return Err(Broken::InBody(body.len() + data.len().min(length)));
        }
        body.extend_from_slice(&data[..length]);
        raw = &data[length + 2..];
    }
}

fn authorization(fake: &Fake) -> String {
    format!("Bearer {}", fake.access_token())
}

/// A GET below the version, with the fixed access token.
pub fn get(fake: &Fake, path: &str) -> Answer {
    get_with(fake, path, &[])
}

pub fn get_with(fake: &Fake, path: &str, headers: &[(&str, &str)]) -> Answer {
    call(fake, "GET", path, headers, "")
}

pub fn call(fake: &Fake, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_call(fake, method, path, headers, body).unwrap()
}

pub fn try_call(fake: &Fake, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, Broken> {
    let authorization = authorization(fake);
    let mut all = vec![("Authorization", authorization.as_str())];
    all.extend_from_slice(headers);
    let path = if path.starts_with("/services") {
        path.to_owned()
    } else {
        format!("/services/data/v62.0/{path}")
    };
    send(fake, method, &path, &all, body)
}

/// A part of a multipart request: its name, whether it's a file, its type and its bytes.
pub type Part<'a> = (&'a str, bool, &'a str, &'a [u8]);

/// A multipart request below the version.
pub fn multipart(fake: &Fake, method: &str, path: &str, parts: &[Part<'_>]) -> Answer {
    let mut body = Vec::new();
    for (name, is_file, kind, bytes) in parts {
        let file = if *is_file { "; filename=\"f.bin\"" } else { "" };
        let head =
            format!("--part-of-it\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\nContent-Type: {kind}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--part-of-it--\r\n");
    let authorization = authorization(fake);
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "multipart/form-data; boundary=\"part-of-it\""),
    ];
    send_bytes(fake, method, &format!("/services/data/v62.0/{path}"), &headers, &body).unwrap()
}

/// A request to the control interface.
pub fn control(fake: &Fake, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    send(fake, "POST", &format!("/__fake/{path}"), &json, &body.to_string()).unwrap()
}

/// A query by GET.
pub fn query(fake: &Fake, soql: &str) -> Answer {
    get(fake, &format!("query?q={}", encoded(soql)))
}

pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// A composite of GETs, by reference and URL below the version (or a whole reference).
pub fn composite(fake: &Fake, parts: &[(&str, &str)]) -> Answer {
    let parts: Vec<Value> = parts
        .iter()
        .map(|(reference, url)| {
            let url = if url.starts_with('@') || url.starts_with('/') {
                (*url).to_owned()
            } else {
                format!("/services/data/v62.0/{url}")
            };
            serde_json::json!({ "method": "GET", "url": url, "referenceId": reference })
        })
        .collect();
    call(
        fake,
        "POST",
        "composite",
        &[],
        &serde_json::json!({ "compositeRequest": parts }).to_string(),
    )
}
