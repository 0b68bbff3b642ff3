//! A checkpoint's bytes: JSON, deflated.

use miniz_oxide::{deflate, inflate};

/// Of 1 to 10: names repeat with every object, and each batch writes all of them.
const LEVEL: u8 = 3;

/// No checkpoint is longer: 20,000 objects with jobs and lists of failed files are a quarter of it.
const MAX_JSON_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of this JSON.
pub(super) fn pack(json: &[u8]) -> Vec<u8> {
    deflate::compress_to_vec(json, LEVEL)
}

/// The JSON of these bytes, or why there is none.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    unpack_within(bytes, MAX_JSON_BYTES)
}

fn unpack_within(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, String> {
    inflate::decompress_to_vec_with_limit(bytes, max_bytes).map_err(|error| match error.status {
        inflate::TINFLStatus::HasMoreOutput => format!("it has more than {max_bytes} bytes"),
        _ => "its bytes are cut, or none of a checkpoint".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_that_inflate_without_end_are_refused_by_their_length() {
        let spaces = pack(&[b' '; 1_001]);
        assert_eq!(unpack_within(&spaces, 1_000).unwrap_err(), "it has more than 1000 bytes");
        assert_eq!(unpack_within(&spaces, 1_001).unwrap().len(), 1_001);
        let whole = pack(b"{}");
        assert_eq!(unpack(&whole).unwrap(), b"{}");
        assert!(unpack(&whole[..whole.len() - 1]).unwrap_err().contains("cut"));
    }
}
