//! The working list of files that are to be fetched: written by a walk over an object's rows, taken from by the batches after it.
//!
//! It is in values, in pieces, since a checkpoint has to stay small. Values are durable before the batch that puts them is
//! committed, and a batch may be lost. The rules it keeps: a list is written anew from where the committed walk stands, into pieces
//! that the committed list doesn't use; and a list that can't be read is walked for again, which costs no request.

use super::found::File;
use crate::backup::object::Listed;
use crate::host::{ConnectorError, Host};
use crate::values::{self, key};

/// Files of a piece: a value of about a hundred kilobytes.
const PIECE_FILES: usize = 1_000;

/// The most pieces of one list: the walk finds later what is due beyond.
const PIECES: u32 = 20;

fn key(object: &str, round: u32, piece: u32) -> String {
    // Two lists at most are there at once: the committed one, and the one after it.
    key::due_files(object, round % 2 * PIECES + piece)
}

/// Writes a list.
pub(super) struct Writer<'h, H> {
    host: &'h H,
    object: String,
    listed: Listed,
    piece: Vec<File>,
}

impl<'h, H: Host> Writer<'h, H> {
    /// An empty list; `round`: how many the object had before.
    pub(super) fn new(host: &'h H, object: &str, round: u32) -> Writer<'h, H> {
        Writer {
            host,
            object: object.to_owned(),
            listed: Listed {
                round,
                ..Listed::default()
            },
            piece: Vec::new(),
        }
    }

    /// Whether it has [`PIECES`] pieces, and takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.listed.pieces >= PIECES
    }

    /// Adds a file.
    pub(super) fn add(&mut self, file: File) -> Result<(), ConnectorError> {
        self.piece.push(file);
        self.listed.left += 1;
        if self.piece.len() >= PIECE_FILES {
            self.write_piece()?;
        }
        Ok(())
    }

    /// What was written; nothing where nothing was added.
    pub(super) fn finish(mut self) -> Result<Option<Listed>, ConnectorError> {
        if !self.piece.is_empty() {
            self.write_piece()?;
        }
        Ok((self.listed.pieces > 0).then_some(self.listed))
    }

    fn write_piece(&mut self) -> Result<(), ConnectorError> {
        let key = key(&self.object, self.listed.round, self.listed.pieces);
        self.host.put(vec![values::entry(key, &self.piece)?])?;
        self.listed.pieces += 1;
        self.piece.clear();
        Ok(())
    }
}

/// The piece that is read next; `None` where it is missing, or shorter than what was taken of it: the walk writes the list anew.
pub(super) fn piece<H: Host>(host: &H, object: &str, listed: &Listed) -> Result<Option<Vec<File>>, ConnectorError> {
    let files: Option<Vec<File>> = values::cached(host, &key(object, listed.round, listed.piece))?;
    Ok(files.filter(|files| files.len() > listed.taken as usize))
}

/// The object's lists are done with. One that is left by a backup that never came so far is overwritten by the next.
pub(super) fn forget<H: Host>(host: &H, object: &str) -> Result<(), ConnectorError> {
    let keys = (0..2).flat_map(|round| (0..PIECES).map(move |piece| key(object, round, piece)));
    Ok(host.put(keys.map(values::removal).collect())?)
}
