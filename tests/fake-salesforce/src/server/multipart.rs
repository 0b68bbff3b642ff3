//! Multipart requests: one part with the record, or the records, or the job, and parts with files.
//!
//! Rule: a file is never held whole in memory; what is larger than a piece goes into a file as it comes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};

use crate::org::{Blob, Filing};
use crate::rest::answer::Answer;

/// Parts up to this size are held in memory.
const HELD_BYTES: usize = 1 << 20;
/// The largest part that isn't a file.
const MAX_RECORD_BYTES: usize = 52_428_800;
/// Names of the part that isn't a file, where it doesn't say that it is JSON.
const RECORD_NAMES: [&str; 4] = ["entity_document", "entity_content", "collection", "job"];

/// A request in parts.
pub(super) struct Form {
    /// The part that isn't a file.
    pub record: Bytes,
    /// The files, by the names of their parts.
    pub files: HashMap<String, Blob>,
}

/// The boundary, where a request comes in parts.
pub(super) fn boundary(content_type: Option<&str>) -> Option<String> {
    multer::parse_boundary(content_type?).ok()
}

/// Reads the parts; of all files together at most so many bytes.
pub(super) async fn read(body: Body, boundary: String, max_bytes: u64) -> Result<Form, Answer> {
    let mut parts = multer::Multipart::new(body.into_data_stream(), boundary);
    let mut record = None;
    let mut files = HashMap::new();
    let mut left = max_bytes;
    while let Some(mut part) = parts.next_field().await.map_err(|e| invalid(&e.to_string()))? {
        let name = part.name().unwrap_or_default().to_owned();
        let says_json = part
            .content_type()
            .is_some_and(|kind| kind.essence_str() == "application/json");
        let is_record = record.is_none() && (says_json || part.file_name().is_none() && RECORD_NAMES.contains(&name.as_str()));
        let mut held = BytesMut::new();
        let mut filing: Option<Filing> = None;
        while let Some(piece) = part.chunk().await.map_err(|e| invalid(&e.to_string()))? {
            if is_record && held.len() + piece.len() > MAX_RECORD_BYTES || piece.len() as u64 > left {
                return Err(too_large());
            }
            if !is_record {
                left -= piece.len() as u64;
            }
            match &mut filing {
                Some(filing) => filing.add(&piece).map_err(|e| unkept(&e))?,
                None => held.extend_from_slice(&piece),
            }
            if filing.is_none() && !is_record && held.len() > HELD_BYTES {
                let mut begun = Filing::begin().map_err(|e| unkept(&e))?;
                begun.add(&held).map_err(|e| unkept(&e))?;
                held.clear();
                filing = Some(begun);
            }
        }
        if is_record {
            record = Some(held.freeze());
            continue;
        }
        let file = match filing {
            Some(filing) => Blob::Filed(Arc::new(filing.finish())),
            None => Blob::Stored(held.as_ref().into()),
        };
        files.insert(name, file);
    }
    match record {
        Some(record) => Ok(Form { record, files }),
        None => Err(invalid("Multipart message must include a non-binary part")),
    }
}

fn invalid(what: &str) -> Answer {
    Answer::refusal(400, "INVALID_MULTIPART_REQUEST", what)
}

fn too_large() -> Answer {
    Answer::refusal(413, "REQUEST_ENTITY_TOO_LARGE", "The parts of the request are too large")
}

/// The double itself is in trouble, which no client should take for an answer of Salesforce.
fn unkept(error: &std::io::Error) -> Answer {
    Answer::refusal(500, "UNKNOWN_EXCEPTION", &format!("the double can't keep a file: {error}"))
}
