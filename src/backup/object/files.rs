//! How far the files of an object are: what is known of them whatever is being read, and the walk that fetches them.

use super::{Event, Object, Phase};
use crate::backup::files::File;
use serde::{Deserialize, Serialize};

/// What is known of the files of an object that has any, but for those that are being fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectFiles {
    /// The connection wants none of them.
    pub off: bool,
    /// All rows were looked through.
    pub walked: bool,
    /// Files that were left for the next backup by this one, and before it looked for any by the last one.
    pub left: u64,
    /// Files that could not be fetched.
    pub failed: u64,
    /// The object's part of the plan.
    pub plan: Option<ObjectEstimate>,
}

/// How far fetching the files of an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileWalk {
    /// Key of the last row that was looked through.
    pub after: String,
    /// Rows that were looked through.
    pub rows: u64,
    /// All of them were.
    pub walked: bool,
    /// Lists that were written.
    pub rounds: u32,
    /// Some of them had files in them.
    pub listed: bool,
    /// Files that are due.
    pub list: Option<Listed>,
    /// Files that were fetched.
    pub fetched: u64,
    /// Files that were left for the next backup, by the budget.
    pub left: u64,
    /// Files that could not be fetched.
    pub failed: u64,
    /// Images within rich text that the rows which were looked through have.
    pub images: u64,
    /// Of them, those that the store didn't have.
    pub images_due: u64,
    /// Files of these rows that the store didn't have, those of the same content once.
    pub due: u64,
    /// Files that failed and are tried again when the others are there.
    pub late: Vec<Late>,
}

/// What was told of an object that has files, so that it can be told anew once their number is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEstimate {
    /// How it is read.
    pub method: String,
    /// Requests without those for files.
    pub rows: u64,
    /// Requests for files.
    pub files: u64,
    /// Records.
    pub records: u64,
    /// Bytes of answers.
    pub bytes: u64,
}

/// A file that failed for a reason that may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// Which.
    pub file: File,
    /// How often.
    pub tries: u8,
}

/// A list of files that are due, kept in pieces beside the checkpoint, and how much was taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which of the object's lists.
    pub round: u32,
    /// Pieces that it has.
    pub pieces: u32,
    /// The piece that is taken from.
    pub piece: u32,
    /// Files of the piece that were taken.
    pub taken: u32,
    /// Files that are left of all pieces.
    pub left: u64,
}

impl Listed {
    /// So many more were taken.
    pub fn take(&mut self, files: usize) {
        self.taken = self.taken.saturating_add(u32::try_from(files).unwrap_or(u32::MAX));
        self.left = self.left.saturating_sub(files as u64);
    }

    /// Goes on with the next piece; `None` where there is no other.
    pub fn next_piece(self) -> Option<Listed> {
        let next = Listed {
            piece: self.piece + 1,
            taken: 0,
            ..self
        };
        (next.piece < next.pieces).then_some(next)
    }
}

impl Object {
    /// Its files are to be fetched: those that were changed, and those that an earlier backup left whatever was changed.
    pub(super) fn files_due(&self) -> bool {
        let unchanged = self.since.as_ref().is_some_and(|since| !since.changed);
        let due = |files: &ObjectFiles| !files.off && (!unchanged || files.left > 0);
        self.files.as_deref().is_some_and(due)
    }

    /// How far fetching its files is; from the beginning where it wasn't come to yet.
    pub fn files_mut(&mut self) -> &mut FileWalk {
        if !matches!(self.phase, Phase::Files(_)) {
            self.phase = Phase::Files(FileWalk::default());
        }
        match &mut self.phase {
            Phase::Files(walk) => walk,
            _ => unreachable!("set above"),
        }
    }

    /// Its files are there, or left.
    pub fn files_read(&mut self, events: &mut Vec<Event>) {
        if let (Phase::Files(walk), Some(files)) = (&self.phase, &mut self.files) {
            (files.walked, files.left, files.failed) = (true, walk.left, walk.failed);
        }
        self.phase = Phase::Done;
        events.push(Event::Finished);
    }
}
