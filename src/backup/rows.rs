//! Takes the rows of one answer, or of one page of bulk results, as it is read, and hands them on to the host in pieces of about a megabyte, so that
//! neither side holds a page. What is not to be stored as it comes (Ids of a scan, parts of wide records) is kept for the batch.

use crate::host::{Host, Row, StorageError};
use crate::salesforce::{RecordSink, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

/// Rows are handed on when so many bytes have come together.
const PIECE_BYTES: usize = 1024 * 1024;

/// Larger ones don't fit into the contract's 8 MiB a call.
const MAX_ROW_BYTES: usize = 7 * 1024 * 1024;

/// Parts of wide records that are kept: what comes beyond is read again.
const MAX_PARTS_BYTES: usize = 20 * 1024 * 1024;

/// What becomes of the rows of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// They are stored.
    Rows,
    /// They are stored, and their keys are kept.
    RowsAndKeys,
    /// Their keys are kept.
    Keys,
    /// They are kept.
    Parts,
}

impl Keep {
    /// Rows are stored; `keys`: which they were is kept.
    pub fn stored(keys: bool) -> Keep {
        if keys { Keep::RowsAndKeys } else { Keep::Rows }
    }
}

/// What one place of a composite request reads.
pub(super) struct Place {
    /// Index of the object.
    pub object: usize,
    /// Its name.
    pub name: String,
    /// The field that tells the last modification.
    pub revision: Option<String>,
    /// Ids repeat.
    pub hashed: bool,
    /// What becomes of its rows.
    pub keep: Keep,
}

/// Takes rows, and hands them on.
pub(super) struct Rows<'h, H> {
    host: &'h H,
    places: Vec<Place>,
    at: usize,
    piece: Vec<Row>,
    bytes: usize,
    /// Why the host took no more.
    pub failed: Option<StorageError>,
    /// Rows that were too large to be stored: index of the object, and key.
    pub too_large: Vec<(usize, String)>,
    /// By place.
    pub keys: BTreeMap<usize, Vec<String>>,
    /// By place.
    pub parts: BTreeMap<usize, Vec<Row>>,
    parts_bytes: usize,
    /// Places of which parts were left out.
    pub cut: BTreeSet<usize>,
}

impl<'h, H: Host> Rows<'h, H> {
    pub fn new(host: &'h H, places: Vec<Place>) -> Rows<'h, H> {
        Rows {
            host,
            places,
            at: 0,
            piece: Vec::new(),
            bytes: 0,
            failed: None,
            too_large: Vec::new(),
            keys: BTreeMap::new(),
            parts: BTreeMap::new(),
            parts_bytes: 0,
            cut: BTreeSet::new(),
        }
    }

    /// Hands on what is left. Called before any cursor moves.
    pub fn flush(&mut self) -> Result<(), StorageError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.bytes = 0;
        let piece = mem::take(&mut self.piece);
        let (false, Some(place)) = (piece.is_empty(), self.places.get(self.at)) else {
            return Ok(());
        };
        self.host
            .append(&place.name, piece)
            .inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Stores a row as if it had come in this place. False where it is too large to be stored.
    pub fn store(&mut self, slot: usize, row: Row) -> Result<bool, StorageError> {
        if let Some(place) = self.places.get(slot)
            && row.body.len() > MAX_ROW_BYTES
        {
            self.too_large.push((place.object, row.key));
            return Ok(false);
        }
        let size = row.body.len() + row.key.len() + 32;
        if slot != self.at || self.bytes + size > PIECE_BYTES {
            self.flush()?;
            self.at = slot;
        }
        self.bytes += size;
        self.piece.push(row);
        Ok(true)
    }
}

impl<H: Host> RecordSink for Rows<'_, H> {
    fn shape(&self, slot: usize) -> Shape<'_> {
        let place = self.places.get(slot);
        Shape {
            revision: place.and_then(|place| place.revision.as_deref()),
            hashed: place.is_some_and(|place| place.hashed),
        }
    }

    fn take(&mut self, slot: usize, row: Row) -> Result<(), String> {
        let Some(place) = self.places.get(slot) else {
            return Err(format!("sub-answer {slot} was not asked for"));
        };
        match place.keep {
            Keep::Keys => self.keys.entry(slot).or_default().push(row.key),
            Keep::Parts => {
                let parts = self.parts.entry(slot).or_default();
                // The first of each place stays, whatever it weighs: nothing would ever read it otherwise.
                if parts.is_empty() || (self.parts_bytes < MAX_PARTS_BYTES && !self.cut.contains(&slot)) {
                    self.parts_bytes += row.body.len();
                    parts.push(row);
                } else {
                    self.cut.insert(slot);
                }
            }
            keep => {
                let key = (keep == Keep::RowsAndKeys).then(|| row.key.clone());
                let is_stored = self.store(slot, row).map_err(|error| error.to_string())?;
                if let Some(key) = key.filter(|_| is_stored) {
                    self.keys.entry(slot).or_default().push(key);
                }
            }
        }
        Ok(())
    }
}
