//! Decompresses an answer's body as it arrives, whole: gzip members may follow one another (RFC 1952, 2.2), and what follows the
//! last of them is padding.

use super::transport::TransportError;
use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, header};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};
use tokio_util::io::StreamReader;

/// Given on at once.
const PIECE: usize = 64 * 1024;

/// The first byte of each member.
const MAGIC: u8 = 0x1f;

type Compressed = StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>;

/// Says that an answer may be compressed.
pub(super) fn accept(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
}

/// Whether an answer's body is compressed; its headers are then those of the decompressed one.
pub(super) fn takes_off(headers: &mut HeaderMap) -> bool {
    let is_gzip = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"gzip"));
    if is_gzip {
        headers.remove(header::CONTENT_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
    }
    is_gzip
}

/// The decompressed body.
pub(super) fn decompressed(
    body: BoxStream<'static, Result<Bytes, TransportError>>,
) -> BoxStream<'static, Result<Bytes, TransportError>> {
    let compressed = StreamReader::new(body.map_err(io::Error::other).boxed());
    stream::try_unfold(Some(Member::new(compressed)), |member| async {
        let Some(member) = member else { return Ok(None) };
        Ok(member.next().await?.map(|(piece, rest)| (piece, Some(rest))))
    })
    .map_err(|error| transport_error(&error))
    .boxed()
}

/// What cut the body is what it was; anything else is bytes that are no gzip.
fn transport_error(error: &io::Error) -> TransportError {
    let cut = error.get_ref().and_then(|cause| cause.downcast_ref::<TransportError>());
    cut.cloned()
        .unwrap_or_else(|| TransportError::OutcomeUnknown(format!("the body can't be decompressed: {error}")))
}

/// One member, and what is still to come after it.
struct Member(GzipDecoder<Compressed>);

impl Member {
    fn new(compressed: Compressed) -> Member {
        Member(GzipDecoder::new(compressed))
    }

    /// The next bytes, of this member or of the one that follows it.
    async fn next(mut self) -> io::Result<Option<(Bytes, Member)>> {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            if self.0.read_buf(&mut piece).await? > 0 {
                return Ok(Some((piece.into(), self)));
            }
            let mut rest = self.0.into_inner();
            if rest.fill_buf().await?.first() != Some(&MAGIC) {
                return Ok(None);
            }
            self = Member::new(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(compressed: &[u8], piece: usize) -> Result<Vec<u8>, TransportError> {
        let pieces: Vec<_> = compressed
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut read = Vec::new();
        let mut body = decompressed(stream::iter(pieces).boxed());
        while let Some(piece) = body.next().await {
            read.extend_from_slice(&piece?);
        }
        Ok(read)
    }

    #[tokio::test]
    async fn all_members_are_read_in_any_pieces_and_padding_is_none() {
        let long = b"x".repeat(200_000);
        let bodies = [
            member(b"one"),
            [member(b"one"), member(b"two")].concat(),
            [member(&long), member(b""), member(b"end")].concat(),
            [member(b"one"), vec![0; 512]].concat(),
        ];
        let whole: [Vec<u8>; 4] = [
            b"one".to_vec(),
            b"onetwo".to_vec(),
            [&long[..], b"end"].concat(),
            b"one".to_vec(),
        ];
        for (compressed, expected) in bodies.iter().zip(&whole) {
            for piece in [1, 7, 4_096, usize::MAX] {
                assert_eq!(&read(compressed, piece).await.unwrap(), expected, "in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn a_cut_body_is_an_error_and_never_an_end() {
        let compressed = [member(b"one and more"), member(b"two and more")].concat();
        let first = member(b"one and more").len();
        for cut in (1..compressed.len()).filter(|cut| *cut != first) {
            assert!(read(&compressed[..cut], 4_096).await.is_err(), "cut at {cut}");
        }
        assert!(read(b"no gzip at all", 4_096).await.is_err());
    }
}
