//! An answer in the hands of a guest: its body piece by piece, as the guest (or a blob) takes it.

use super::answer::ReceivedAnswer;
use super::exchange::CallContext;
use super::outgoing::storage_error;
use async_trait::async_trait;
use backup_contract::SendError;
use backup_runtime::imports::Response;
use bytes::{Bytes, BytesMut};
use futures::future::{self, Either, FutureExt};
use futures::stream::StreamExt;
use md5::{Digest, Md5};
use std::sync::Arc;

/// What a source key says of its content: `md5:<hex>`, or `md5:<hex>:<length>`, at its end. Nothing is stored under a key that
/// it isn't: later jobs take the blob for that content without fetching it.
struct Promised<'a> {
    md5: &'a str,
    length: Option<u64>,
}

impl Promised<'_> {
    fn by(key: &str) -> Option<Promised<'_>> {
        let content = key.rsplit('/').next()?.strip_prefix("md5:")?;
        let (md5, length) = match content.split_once(':') {
            Some((md5, length)) => (md5, Some(length.parse().ok()?)),
            None => (content, None),
        };
        (md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit())).then_some(Promised { md5, length })
    }

    fn holds(&self, length: u64, md5: &str) -> Result<(), SendError> {
        let differs = |what: String| Err(SendError::other("content-differs", what));
        match self.length {
            Some(promised) if promised != length => differs(format!("the body has {length} bytes of {promised}")),
            _ if !self.md5.eq_ignore_ascii_case(md5) => {
                differs(format!("the body's {length} bytes are not those of the checksum"))
            }
            _ => Ok(()),
        }
    }
}

/// An answer in the hands of a guest.
pub(super) struct Delivered {
    answer: ReceivedAnswer,
    context: CallContext,
    /// Received and not given out yet.
    rest: Bytes,
    /// Bytes received.
    taken: u64,
    /// Why there is nothing more; told again at each call.
    failed: Option<SendError>,
}

impl Delivered {
    pub(super) fn new(answer: ReceivedAnswer, context: CallContext) -> Delivered {
        Delivered {
            answer,
            context,
            rest: Bytes::new(),
            taken: 0,
            failed: None,
        }
    }

    /// The next piece, not empty; `None` at the end. At most `limit` bytes in all.
    async fn piece(&mut self, limit: u64) -> Result<Option<Bytes>, SendError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = self.receive(limit).await;
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
            // Nothing more is wanted: closes the connection.
            self.answer.body = futures::stream::empty().boxed();
        }
        outcome
    }

    async fn receive(&mut self, limit: u64) -> Result<Option<Bytes>, SendError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let within = self.context.surroundings.limits.piece_within;
        loop {
            let deadline = self.context.surroundings.clock.deadline(within);
            let piece = match self
                .context
                .flights
                .drive(future::select(self.answer.body.next(), deadline))
                .await
            {
                Either::Left((piece, _)) => piece,
                Either::Right(_) => {
                    let text = format!("the body stalled for {} seconds", within.as_secs());
                    return Err(SendError::OutcomeUnknown(text));
                }
            };
            match piece {
                None => return Ok(None),
                Some(Err(error)) => return Err(SendError::OutcomeUnknown(format!("the body was cut: {error}"))),
                Some(Ok(bytes)) => {
                    self.count(&bytes, limit)?;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    fn count(&mut self, bytes: &Bytes, limit: u64) -> Result<(), SendError> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > limit {
            Err(SendError::TooLarge(limit))
        } else {
            Ok(())
        }
    }

    /// Adds what has arrived already, so that small pieces don't make many calls of the guest. What fails here is told by the
    /// next call.
    fn fill(&mut self, first: Bytes, max: usize, limit: u64) -> Bytes {
        let mut filled = BytesMut::from(first);
        while filled.len() < max {
            match self.answer.body.next().now_or_never() {
                Some(Some(Ok(bytes))) => match self.count(&bytes, limit) {
                    Ok(()) => filled.extend_from_slice(&bytes),
                    Err(error) => {
                        self.failed = Some(error);
                        break;
                    }
                },
                Some(Some(Err(error))) => {
                    self.failed = Some(SendError::OutcomeUnknown(format!("the body was cut: {error}")));
                    break;
                }
                Some(None) => {
                    // A stream that has ended isn't asked again.
                    self.answer.body = futures::stream::empty().boxed();
                    break;
                }
                None => break,
            }
        }
        filled.freeze()
    }
}

#[async_trait]
impl Response for Delivered {
    fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    fn header(&self, name: &str) -> Option<String> {
        let value = self.answer.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    fn request_number(&self) -> u64 {
        self.answer.number
    }

    fn attempts(&self) -> u32 {
        self.answer.attempts
    }

    async fn read(&mut self, max: u32) -> Result<Bytes, SendError> {
        let limits = &self.context.surroundings.limits;
        let limit = limits.read_bytes;
        // An empty answer would mean the end: at least one byte.
        let max = max.clamp(1, limits.read_at_once.max(1)) as usize;
        let Some(mut piece) = self.piece(limit).await? else {
            return Ok(Bytes::new());
        };
        if piece.len() < max {
            piece = self.fill(piece, max, limit);
        }
        if piece.len() > max {
            self.rest = piece.split_off(max);
        }
        Ok(piece)
    }

    async fn save(&mut self, blob: &str) -> Result<u64, SendError> {
        let surroundings = Arc::clone(&self.context.surroundings);
        let limit = surroundings.limits.saved_bytes;
        let mut sink = surroundings.blobs.stage(blob).await.map_err(storage_error)?;
        let promised = Promised::by(blob);
        let mut sum = promised.as_ref().map(|_| Md5::new());
        let mut length = 0;
        while let Some(piece) = self.piece(limit).await? {
            length += piece.len() as u64;
            if let Some(sum) = &mut sum {
                sum.update(&piece);
            }
            sink.write(piece).await.map_err(storage_error)?;
        }
        if let (Some(promised), Some(sum)) = (promised, sum) {
            promised.holds(length, &hex::encode(sum.finalize()))?;
        }
        sink.finish().await.map_err(storage_error)?;
        Ok(length)
    }
}
