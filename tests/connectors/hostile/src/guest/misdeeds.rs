//! What it does that a connector must not. Each deed ends as a trap, never, or as an error whose text tells what the host
//! answered, so that a test can judge it.

use super::backup::connector::types::{ConnectorError, NamedValue};
use super::backup::connector::{http, job, report, storage};
use super::configuration::{Behaviour, Configuration, Export};
use super::{failure, sending};
use std::hint::black_box;

/// Misbehaves, where this is the export to do it in.
pub fn commit(configuration: &Configuration, export: Export) -> Result<(), ConnectorError> {
    if configuration.export != export {
        return Ok(());
    }
    match configuration.behaviour {
        Behaviour::WellBehaved
        | Behaviour::HugeCheckpoint
        | Behaviour::InventReadings
        | Behaviour::ProceedAlways
        | Behaviour::TellNumbers
        | Behaviour::FailObject
        | Behaviour::GoNowhere => Ok(()),
        Behaviour::Loop => loop {
            black_box(());
        },
        Behaviour::BombMemory => bomb_memory(),
        Behaviour::HoldMemory => {
            black_box(vec![1_u8; configuration.bytes.unwrap_or(1 << 20)]);
            Ok(())
        }
        Behaviour::OverflowStack => {
            black_box(overflow_stack(1));
            Ok(())
        }
        Behaviour::Trap => trap(),
        Behaviour::TrapAfterObserve => {
            sending::send(configuration)?;
            trap()
        }
        Behaviour::AskMoreThanLeft => {
            let mut request = sending::request(configuration);
            request.cost = job::requests_left().saturating_add(1);
            match http::start(&request) {
                Err(http::SendError::AllowanceSpent) => Ok(()),
                answered => Err(told("more-than-left", answered.map(|_| "sent"))),
            }
        }
        Behaviour::HugeAppend => huge_append(configuration),
        Behaviour::HandleBomb => handle_bomb(configuration),
        Behaviour::OtherOrigin => other_origin(configuration),
        Behaviour::ForeignKey => foreign_key(),
        Behaviour::FailAlways => {
            sending::send(configuration)?;
            Err(ConnectorError::Source(failure("fails-always", "it fails, as it was told to")))
        }
        Behaviour::WaitForEver => {
            let pending = http::start(&sending::request(configuration)).map_err(|error| told("wait", Err::<(), _>(error)))?;
            http::wait_any(&[&pending]);
            Ok(())
        }
        Behaviour::WaitAnyOfNothing => {
            http::wait_any(&[]);
            Ok(())
        }
        Behaviour::FinishTwice => {
            let pending = http::start(&sending::request(configuration)).map_err(|error| told("finish", Err::<(), _>(error)))?;
            let first = pending.finish().map(|response| response.status());
            let second = pending.finish().map(|response| response.status());
            Err(told("finished-twice", Ok::<_, ()>((first, second))))
        }
        Behaviour::LieAboutProgress => {
            report::progress(&configuration.object, u64::MAX, Some(0));
            report::finished("Everything");
            report::estimate("Everything", "by magic", 0, u64::MAX, u64::MAX);
            Ok(())
        }
        Behaviour::ReportAnywhere => {
            report::finished(&configuration.object);
            Ok(())
        }
        Behaviour::SendAnywhere => Err(told("sent", http::start(&sending::request(configuration)).map(|_| "sent"))),
    }
}

/// What the host answered, as an error for the test to read.
fn told<T: std::fmt::Debug, E: std::fmt::Debug>(code: &str, answered: Result<T, E>) -> ConnectorError {
    ConnectorError::Host(failure(code, format!("{answered:?}")))
}

fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

fn bomb_memory() -> ! {
    let mut held: Vec<Vec<u8>> = vec![];
    loop {
        held.push(vec![1; 1 << 20]);
        black_box(&held);
    }
}

fn overflow_stack(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    overflow_stack(depth + 1) + black_box(depth)
}

fn huge_append(configuration: &Configuration) -> Result<(), ConnectorError> {
    let bytes = configuration.bytes.unwrap_or((8 << 20) + 1);
    let row = storage::Row {
        key: "k".into(),
        revision: 1,
        body: vec![b' '; bytes - 1],
    };
    Err(told("huge-append", storage::append(&configuration.object, &[row])))
}

fn handle_bomb(configuration: &Configuration) -> Result<(), ConnectorError> {
    let mut held = vec![];
    loop {
        match http::start(&sending::request(configuration)) {
            Ok(pending) => held.push(pending),
            Err(error) => return Err(told("handle-bomb", Err::<(), _>(error))),
        }
    }
}

/// Every try has to be refused; the error's text names each with its answer, and its code tells whether one got through.
fn other_origin(configuration: &Configuration) -> Result<(), ConnectorError> {
    let paths = [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "@evil.example/",
        ".evil.example/",
        ":1/",
        "",
        "/a\r\nHost: evil.example",
    ];
    let headers = ["Host", "authorization", "Content-Length", "Accept-Encoding", "Cookie\r\nHost"];
    let by_path = paths.iter().map(|path| {
        (
            *path,
            http::Request {
                path: (*path).into(),
                ..sending::request(configuration)
            },
        )
    });
    let by_header = headers.iter().map(|name| {
        let header = NamedValue {
            name: (*name).into(),
            value: "evil.example".into(),
        };
        (
            *name,
            http::Request {
                headers: vec![header],
                ..sending::request(configuration)
            },
        )
    });
    let answers: Vec<_> = by_path
        .chain(by_header)
        .map(|(what, request)| {
            (
                what,
                http::start(&request)
                    .and_then(|pending| pending.finish())
                    .map(|response| response.status()),
            )
        })
        .collect();
    let refused = answers
        .iter()
        .all(|(_, answer)| matches!(answer, Err(http::SendError::NotPermitted(_) | http::SendError::NotSent(_))));
    Err(told(if refused { "refused" } else { "got-through" }, Ok::<_, ()>(answers)))
}

fn foreign_key() -> Result<(), ConnectorError> {
    let names = ["../other/v1/secret", "/v1/secret", "v1", "secret", ""];
    let mut answers = vec![];
    for name in names {
        let entry = storage::Entry {
            key: name.into(),
            value: Some(b"mine".to_vec()),
        };
        answers.push((name, "put", storage::put(&[entry]).err()));
        answers.push((name, "get", storage::get(&[name.into()]).err()));
    }
    for object in ["../other/Account", "a/b", ".hidden", ""] {
        let row = storage::Row {
            key: "k".into(),
            revision: 1,
            body: b"{}".to_vec(),
        };
        answers.push((object, "append", storage::append(object, &[row]).err()));
    }
    let refused = answers
        .iter()
        .all(|(_, _, answer)| matches!(answer, Some(storage::StorageError::BadName(_))));
    Err(told(if refused { "refused" } else { "got-through" }, Ok::<_, ()>(answers)))
}
