//! Segments that are looked into again and again: kept open from one search to the next, within a bound on memory.
//!
//! A small segment is kept decompressed. A larger one is kept where the last search in it ended: searches for ascending keys
//! decompress it once, all together.

use super::entry::SegmentRef;
use super::inherited::PlacedSegment;
use super::merge;
use super::segment::{DecompressedSegment, SegmentReader};
use crate::backend::Store;
use crate::error::StoreError;
use backup_contract::Row;
use object_store::path::Path;
use std::sync::{Mutex, PoisonError};

/// Kept open, all together.
const MAX_HELD: u64 = 32 << 20;
/// A segment is kept decompressed up to this size.
const MAX_DECOMPRESSED: u64 = 16 << 20;
/// What a row's key takes in memory, about.
const KEY_BYTES: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HeldSegments {
    /// Those that were used last come last.
    held: Mutex<Vec<HeldSegment>>,
}

#[derive(Debug)]
struct HeldSegment {
    path: Path,
    bytes: u64,
    open: Open,
}

#[derive(Debug)]
enum Open {
    Decompressed(DecompressedSegment),
    Reading(Box<SegmentReader>),
}

impl HeldSegments {
    /// The rows of these keys, which are sorted.
    pub async fn find(
        &self,
        store: &Store,
        connection_dir: &Path,
        placed: &PlacedSegment,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        let path = merge::segment_path(connection_dir, &placed.segment);
        let mut held = match self.take(&path) {
            Some(held) => held,
            None => {
                let reader = merge::open(store, connection_dir, placed).await?;
                HeldSegment::new(path, &placed.segment, reader)?
            }
        };
        let found = match &mut held.open {
            Open::Decompressed(segment) => segment.find(keys),
            Open::Reading(reader) => reader.find(keys)?,
        };
        self.put(held);
        Ok(found)
    }

    /// Takes one out: while it is searched nobody waits for it, whoever wants it meanwhile opens it anew.
    fn take(&self, path: &Path) -> Option<HeldSegment> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let place = held.iter().position(|held| held.path == *path)?;
        Some(held.remove(place))
    }

    fn put(&self, latest: HeldSegment) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|other| other.path != latest.path);
        held.push(latest);
        let mut bytes: u64 = held.iter().map(|held| held.bytes).sum();
        let too_many = held.iter().take_while(|oldest| {
            let over = bytes > MAX_HELD;
            bytes -= oldest.bytes;
            over
        });
        let too_many = too_many.count();
        held.drain(..too_many);
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().map(|held| held.bytes).sum()
    }
}

impl HeldSegment {
    fn new(path: Path, segment: &SegmentRef, reader: SegmentReader) -> Result<HeldSegment, StoreError> {
        let (bytes, open) = if segment.raw_bytes <= MAX_DECOMPRESSED {
            (segment.raw_bytes, Open::Decompressed(reader.decompress()?))
        } else {
            (segment.stored_bytes, Open::Reading(Box::new(reader)))
        };
        Ok(HeldSegment {
            path,
            bytes: bytes + segment.rows * KEY_BYTES,
            open,
        })
    }
}
