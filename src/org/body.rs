//! An answer's body as a stream, so that parsers can read what never is in memory as a whole.

use super::SendFailure;
use crate::host::{Answer, Failure, SendError};
use crate::salesforce::Broken;
use std::io;

/// Asked for at once: as much as every host gives.
const PIECE: u32 = 64 * 1024;

/// Reads an answer's body.
pub struct Body<A> {
    answer: A,
    has_usage_header: bool,
    asked_identity: bool,
    piece: Vec<u8>,
    given: usize,
    bytes: u64,
    /// Its first byte that is no blank.
    first: Option<u8>,
    failed: Option<SendError>,
}

impl<A: Answer> Body<A> {
    pub(super) fn new(answer: A, has_usage_header: bool, asked_identity: bool) -> Body<A> {
        Body {
            answer,
            has_usage_header,
            asked_identity,
            piece: Vec::new(),
            given: 0,
            bytes: 0,
            first: None,
            failed: None,
        }
    }

    /// The host's number of the request that this answers.
    pub fn request_number(&self) -> u64 {
        self.answer.request_number()
    }

    /// Whether the answer's header told the usage.
    pub fn has_usage_header(&self) -> bool {
        self.has_usage_header
    }

    /// Whether the request asked who the org is, before everything else.
    pub(super) fn asked_identity(&self) -> bool {
        self.asked_identity
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first bytes of it, and no error where it is cut: for texts that people read.
    pub fn at_most(&mut self, max: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let mut piece = [0; 4_096];
        while text.len() < max {
            match io::Read::read(self, &mut piece) {
                Ok(0) | Err(_) => break,
                Ok(n) => text.extend_from_slice(&piece[..n.min(max - text.len())]),
            }
        }
        text
    }

    /// First value of a header of the answer, its name in any case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.answer.header(name)
    }

    /// Stages the body as the blob of this source key, where nothing of it was read; its length in bytes.
    pub fn save(&self, blob: &str) -> Result<u64, SendFailure> {
        self.answer.save(blob).map_err(super::stopped)
    }

    /// What it means that a parser gave up on this body.
    pub fn parse_failed(&self, why: &Broken) -> SendFailure {
        match &self.failed {
            Some(error) => super::stopped(error.clone()),
            None if self.first == Some(b'<') => SendFailure::Broken(
                Failure::new("unexpected-answer", "the org answered with a page of HTML instead of data")
                    .remedy("see trust.salesforce.com for maintenance; the backup can go on later"),
            ),
            None => SendFailure::Broken(Failure::new(
                "unexpected-answer",
                format!("an answer of the org can't be read, after {} bytes: {}", self.bytes, why.0),
            )),
        }
    }
}

impl<A: Answer> io::Read for Body<A> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            self.piece = self.answer.read(PIECE).map_err(|error| {
                self.failed = Some(error.clone());
                io::Error::other(error.to_string())
            })?;
            self.given = 0;
            self.bytes += self.piece.len() as u64;
            self.first = self
                .first
                .or_else(|| self.piece.iter().copied().find(|b| !b.is_ascii_whitespace()));
        }
        let n = into.len().min(self.piece.len() - self.given);
        into[..n].copy_from_slice(&self.piece[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
