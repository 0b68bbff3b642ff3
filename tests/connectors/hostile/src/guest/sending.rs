//! One request from start to the reading that its answer told, and the row that is kept of it.

use super::backup::connector::types::{ConnectorError, Reading, ReadingSource};
use super::backup::connector::{clock, http, storage};
use super::configuration::{Behaviour, Configuration};
use super::{QUOTA, failure, numbers};

pub fn request(configuration: &Configuration) -> http::Request {
    http::Request {
        method: http::Method::Get,
        path: configuration.path.clone(),
        headers: vec![],
        body: http::Body::None,
        cost: configuration.cost,
        repeatable: configuration.repeatable,
        options: vec![],
    }
}

/// Sends and reads the answer; `none` where the allowance is spent.
pub fn send(configuration: &Configuration) -> Result<Option<Vec<u8>>, ConnectorError> {
    let response = match http::start(&request(configuration)).and_then(|pending| pending.finish()) {
        Ok(response) => response,
        Err(http::SendError::AllowanceSpent) => return Ok(None),
        Err(error) => return Err(ConnectorError::Source(failure("no-answer", format!("{error:?}")))),
    };
    let mut body = vec![];
    loop {
        match response.read(1 << 20) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => body.extend(bytes),
            Err(error) => return Err(ConnectorError::Source(failure("cut-body", format!("{error:?}")))),
        }
    }
    let told = told(&response.header("Sforce-Limit-Info"), &body).map(|(used, max)| match configuration.behaviour {
        Behaviour::InventReadings => (0, max),
        _ => (used, max),
    });
    if let Some((used, max)) = told {
        let reading = Reading {
            quota: QUOTA.into(),
            used,
            max,
            observed_at: clock::now(),
            source: ReadingSource::ResponseHeader,
            request: Some(response.request_number()),
        };
        storage::observe(&reading).map_err(|error| ConnectorError::Host(failure("not-observed", format!("{error:?}"))))?;
    }
    if response.status() >= 400 {
        let text = format!("status {}: {}", response.status(), String::from_utf8_lossy(&body));
        return Err(ConnectorError::Source(failure("refused", text)));
    }
    Ok(Some(body))
}

/// Used and max, from `api-usage=used/max` or from a body `{"used": …, "max": …}`.
fn told(header: &Option<String>, body: &[u8]) -> Option<(u64, u64)> {
    let from_header = header.as_ref().and_then(|header| {
        let (used, max) = header.trim().strip_prefix("api-usage=")?.split(';').next()?.split_once('/')?;
        Some((used.trim().parse().ok()?, max.trim().parse().ok()?))
    });
    from_header.or_else(|| {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        Some((body.get("used")?.as_u64()?, body.get("max")?.as_u64()?))
    })
}

/// Keeps an answer as one row.
pub fn keep(configuration: &Configuration, position: u64, body: &[u8]) -> Result<(), ConnectorError> {
    let row = storage::Row {
        key: format!("{position:020}"),
        revision: numbers::revision(configuration, position),
        body: format!(r#"{{"Id":"{position:020}","Bytes":{}}}"#, body.len()).into_bytes(),
    };
    storage::append(&configuration.object, &[row])
        .map_err(|error| ConnectorError::Host(failure("not-appended", format!("{error:?}"))))
}
