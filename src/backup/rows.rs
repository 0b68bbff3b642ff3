//! Hands rows on to the host as an answer is read: in pieces of about a megabyte, so that neither side holds a page.

use crate::host::{Host, Row, StorageError};
use crate::salesforce::{RecordSink, Shape};
use std::mem;

/// Rows are handed on when so many bytes have come together.
const PIECE_BYTES: usize = 1024 * 1024;

/// Larger ones don't fit into the contract's 8 MiB a call.
const MAX_ROW_BYTES: usize = 7 * 1024 * 1024;

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
}

/// Takes the rows of one composite answer.
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
        if row.body.len() > MAX_ROW_BYTES {
            self.too_large.push((place.object, row.key));
            return Ok(());
        }
        let size = row.body.len() + row.key.len() + 32;
        if slot != self.at || self.bytes + size > PIECE_BYTES {
            self.flush().map_err(|error| error.to_string())?;
            self.at = slot;
        }
        self.bytes += size;
        self.piece.push(row);
        Ok(())
    }
}
