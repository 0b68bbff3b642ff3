//! What a resource answers: status, headers, and a body that is written piece by piece.
//!
//! Rule: rows become JSON only when the body is read; an answer of 10,000 rows costs the memory of a few hundred.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use serde::Serialize;

use crate::bulk::results::{Place, ResultPage};
use crate::log::Written;
use crate::org::{Blob, Org};
use crate::soql::{QueryPage, SoqlError};

/// The org, shared between requests.
pub type SharedOrg = Arc<RwLock<Org>>;

/// The content type of files.
pub const FILE_TYPE: &str = "application/octetstream";
/// The content type of results of bulk jobs.
pub const TABLE_TYPE: &str = "text/csv";
/// Bytes of one piece of a body; about what a socket takes at once.
const PIECE_BYTES: usize = 128 * 1024;

/// One entry of an error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// For people.
    pub message: String,
    /// For programs.
    pub error_code: String,
    /// Fields that it is about; left out where it is about none in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers of this answer in particular.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: AnswerBody,
    /// Whether it reports, under a status of success, rows that weren't written.
    pub failed_rows: bool,
    /// The rows that were to be written, for the log.
    pub written: Vec<Written>,
}

/// A body.
#[derive(Debug, Default)]
pub enum AnswerBody {
    /// None.
    #[default]
    Empty,
    /// Finished JSON.
    Json(Vec<u8>),
    /// A page of a query.
    QueryPage(PageBody),
    /// A page of the results of a bulk job.
    Results(ResultPage),
    /// The bytes of a file.
    Blob(Blob),
    /// JSON that holds other bodies.
    Pieces(Vec<Piece>),
}

/// A page of a query and what is said around its records.
#[derive(Clone, Debug)]
pub struct PageBody {
    /// The rows.
    pub page: QueryPage,
    /// Where the next page is.
    pub next_records_url: Option<String>,
    /// `v62.0`
    pub version: Arc<str>,
}

/// A part of a body.
#[derive(Debug)]
pub enum Piece {
    /// Finished bytes.
    Bytes(Bytes),
    /// The records of a page, separated by commas.
    Records {
        /// The page.
        page: PageBody,
        /// The first record that isn't written yet.
        from: usize,
        /// Whether any record was written, so that the next one needs a comma.
        begun: bool,
    },
    /// Rows of a bulk job.
    Rows {
        /// The page.
        page: ResultPage,
        /// The first row that isn't written yet.
        from: Place,
        /// Rows that aren't written yet.
        left: u64,
    },
    /// A file from this byte on.
    Blob(Blob, u64),
}

impl Answer {
    /// 200 with JSON.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        Self::json_with(200, value)
    }

    /// JSON with a status.
    #[must_use]
    pub fn json_with(status: u16, value: &impl Serialize) -> Self {
        // Only maps with keys that aren't strings fail to serialise, and no answer has any.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Json(body),
            failed_rows: false,
            written: Vec::new(),
        }
    }

    /// 200 with a finished body.
    #[must_use]
    pub fn of(body: AnswerBody) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
            failed_rows: false,
            written: Vec::new(),
        }
    }

    /// A status without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: AnswerBody::Empty,
            failed_rows: false,
            written: Vec::new(),
        }
    }

    /// A refusal with one entry.
    #[must_use]
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let error = ApiError {
            message: message.to_owned(),
            error_code: code.to_owned(),
            fields: None,
        };
        Self::json_with(status, &[error])
    }

    /// 403 for the daily limit.
    #[must_use]
    pub fn daily_limit() -> Self {
        Self::refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    /// 404 for a resource or a row that isn't there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::refusal(404, "NOT_FOUND", "The requested resource does not exist")
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed(method: &str, allowed: &str) -> Self {
        let message = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        Self::refusal(405, "METHOD_NOT_ALLOWED", &message)
    }

    /// 400 for a body that isn't what it should be.
    #[must_use]
    pub fn unreadable(what: &str) -> Self {
        Self::refusal(400, "JSON_PARSER_ERROR", what)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether the status tells a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status < 300 || self.status == 304
    }
}

impl From<SoqlError> for Answer {
    fn from(error: SoqlError) -> Self {
        Self::refusal(error.status, &error.code, &error.message)
    }
}

impl PageBody {
    /// What comes before the records.
    fn head(&self) -> String {
        let total = self.page.total_size();
        match &self.next_records_url {
            Some(url) => format!("{{\"totalSize\":{total},\"done\":false,\"nextRecordsUrl\":\"{url}\",\"records\":["),
            None => format!("{{\"totalSize\":{total},\"done\":true,\"records\":["),
        }
    }

    /// The whole body, where it's needed in one piece.
    #[must_use]
    pub fn to_bytes(&self, org: &Org) -> Vec<u8> {
        let mut out = self.head().into_bytes();
        self.write_records(org, 0, &mut false, usize::MAX, &mut out);
        out.extend_from_slice(b"]}");
        out
    }

    /// One record as JSON.
    #[must_use]
    pub fn record(&self, org: &Org, index: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.page.write_record(org, index, &self.version, &mut out).then_some(out)
    }

    /// Writes records until there are this many bytes; gives the index of the first that isn't written.
    fn write_records(&self, org: &Org, from: usize, begun: &mut bool, up_to_bytes: usize, out: &mut Vec<u8>) -> usize {
        let mut index = from;
        while index < self.page.len() && out.len() < up_to_bytes {
            let before = out.len();
            if *begun {
                out.push(b',');
            }
            if self.page.write_record(org, index, &self.version, out) {
                *begun = true;
            } else {
                out.truncate(before); // a row that is gone for good by now
            }
            index += 1;
        }
        index
    }
}

impl AnswerBody {
    /// The parts that it's written in.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Piece> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(json) => vec![Piece::Bytes(json.into())],
            Self::Blob(blob) => vec![Piece::Blob(blob, 0)],
            Self::Pieces(pieces) => pieces,
            Self::Results(page) => {
                let from = page.results.place(page.first);
                let (head, left) = (page.head().into(), page.rows);
                vec![Piece::Bytes(head), Piece::Rows { page, from, left }]
            }
            Self::QueryPage(page) => {
                let head = page.head();
                vec![
                    Piece::Bytes(head.into()),
                    Piece::Records {
                        page,
                        from: 0,
                        begun: false,
                    },
                    Piece::Bytes(Bytes::from_static(b"]}")),
                ]
            }
        }
    }

    /// How long it is, where that's known before it is written.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Json(json) => Some(json.len() as u64),
            Self::Blob(blob) => Some(blob.length()),
            Self::QueryPage(_) | Self::Results(_) | Self::Pieces(_) => None,
        }
    }
}

/// A body on its way to the client.
pub struct BodyStream {
    org: SharedOrg,
    pieces: VecDeque<Piece>,
}

impl BodyStream {
    /// Begins to write a body.
    #[must_use]
    pub fn new(org: SharedOrg, body: AnswerBody) -> Self {
        Self {
            org,
            pieces: body.into_pieces().into(),
        }
    }

    /// The next bytes: at least a piece's worth, unless the body ends.
    pub fn next_bytes(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.len() < PIECE_BYTES {
            let Some(piece) = self.pieces.pop_front() else { break };
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(&bytes),
                Piece::Records { page, from, mut begun } => {
                    let next = {
                        let org = self.org.read().unwrap_or_else(PoisonError::into_inner);
                        page.write_records(&org, from, &mut begun, PIECE_BYTES, &mut out)
                    };
                    if next < page.page.len() {
                        self.pieces.push_front(Piece::Records { page, from: next, begun });
                    }
                }
                Piece::Rows { page, mut from, left } => {
                    let written = page.results.write(&mut from, page.dialect, left, PIECE_BYTES, &mut out);
                    if written > 0 && written < left {
                        let left = left - written;
                        self.pieces.push_front(Piece::Rows { page, from, left });
                    }
                }
                Piece::Blob(blob, offset) => {
                    let bytes = blob.read(offset, PIECE_BYTES);
                    if !bytes.is_empty() {
                        let next = offset + bytes.len() as u64;
                        out.extend_from_slice(&bytes);
                        self.pieces.push_front(Piece::Blob(blob, next));
                    }
                }
            }
        }
        (!out.is_empty()).then(|| out.into())
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next_bytes().map(Ok))
    }
}
