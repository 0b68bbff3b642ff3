//! One object on its way: where its reading stands, and how what came back moves it on.
//!
//! Pure. Each rule for an object that doesn't behave is in this folder and nowhere else.
//!
//! - here: what is known of the object, and the order of its steps;
//! - [`pages`]: pages of queries, with all their oddities;
//! - [`changes`]: what was changed and deleted since the predecessor;
//! - [`jobs`]: bulk query jobs over ranges of Ids;
//! - [`lists`]: queries by lists of another object's Ids;
//! - [`records`]: single records that can't be read;
//! - [`trouble`]: requests for it that fail as a whole, and how it ends where it can't be read.

mod changes;
mod jobs;
mod lists;
mod pages;
mod records;
mod trouble;

pub use changes::Since;
pub use jobs::{Bulk, Range, RangeState};
pub use lists::{ListPlace, Lists, listed_by};
pub use pages::{Outcome, skipped};
pub use records::Narrowing;
pub use trouble::by_nature;

use super::files::File;
use crate::host::Failure;
use crate::salesforce::Describe;
use crate::salesforce::limits::PAGE_ROWS;
use serde::{Deserialize, Serialize};

/// Bytes of rows that are asked of the store at once: a call has a limit.
const STORED_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes that the wide records of one page may have together.
const JOINED_BYTES: u32 = 8 * 1024 * 1024;

/// An object that is refused for a passing reason so many times in a row fails.
const MAX_TRIES: u8 = 6;

/// An object that had to be begun again so many times fails. Limited pages alone may need five.
const MAX_RESTARTS: u8 = 10;

/// How an object is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// In the order of Ids, going on after the last one.
    Keyset,
    /// In Salesforce's order, going on by its locator.
    Plain,
    /// As keyset, by pages that `LIMIT` cuts to so many rows: for objects that give no second page.
    Limited(u32),
}

/// Where reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// At the beginning.
    Start,
    /// After the row of this Id or DurableId.
    After(String),
    /// At the address that the last page gave.
    Locator(String),
}

/// What is to be done next with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its describe is missing or out of date: ask for it.
    Describing,
    /// Ask which records were changed.
    Looking,
    /// Read on by queries.
    Reading,
    /// Few records were changed: read each by its own address.
    Singles,
    /// Fewer rows came than were promised: ask `COUNT()`.
    Counting,
    /// The count says that more are there: look once more after the last row.
    Confirming,
    /// Changed rows are read: does `COUNT()` tell of deleted ones?
    Comparing,
    /// It does: which Ids are still there?
    Scanning,
    /// Large: between which Ids are its records, so that each range of them gets a job?
    Bounding,
    /// Read on by bulk query jobs.
    Bulk,
    /// Read on by lists of another object's Ids, once that one is read.
    Listing,
    /// All other rows are read: ask for each record that an earlier backup could not read.
    Asking,
    /// All rows are read, but which were deleted isn't known yet.
    Deleting,
    /// All rows are read; now their files.
    Files,
    /// Nothing.
    Done,
    /// Nothing: it can't be read by its nature.
    Skipped,
    /// Nothing: it could not be read. The next backup tries again.
    Failed,
}

/// Where the reading of one object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// API name.
    #[serde(rename = "n")]
    pub name: String,
    /// What comes next.
    #[serde(rename = "p")]
    pub phase: Phase,
    /// How it is read.
    #[serde(rename = "w")]
    pub way: Way,
    /// Where reading goes on.
    #[serde(rename = "c")]
    pub cursor: Cursor,
    /// Rows that came.
    #[serde(rename = "r", default)]
    pub received: u64,
    /// Records by the record count resource: cached, and without archived ones.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<u64>,
    /// Rows by what `totalSize` promised.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The most rows that an earlier `totalSize` promised.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<u64>,
    /// Rows by `COUNT()`.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<u64>,
    /// `COUNT()` was refused.
    #[serde(rename = "u", default, skip_serializing_if = "is_false")]
    pub uncountable: bool,
    /// It was looked once more after the last row, and nothing was there.
    #[serde(rename = "f", default, skip_serializing_if = "is_false")]
    pub confirmed: bool,
    /// Ids repeat: keys get a hash of the body.
    #[serde(rename = "h", default, skip_serializing_if = "is_false")]
    pub hashed: bool,
    /// Rows of its full pages, as learnt: wide rows make shorter ones.
    #[serde(rename = "g")]
    pub page_rows: u32,
    /// Bytes of a row, as guessed from its fields, then as learnt.
    #[serde(rename = "b")]
    pub row_bytes: u32,
    /// Pages are asked to have no more rows.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Refusals for a passing reason since the last page.
    #[serde(rename = "t", default, skip_serializing_if = "is_zero")]
    pub tries: u8,
    /// Times that it was begun again.
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub restarts: u8,
    /// Its describe was asked for again.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub described_again: bool,
    /// Only what was changed since the predecessor is read.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Milliseconds since 1970: what was changed before is in the snapshot when the object is done. `None`: nothing can be said.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<u64>,
    /// Records of it that the snapshot has, deleted ones subtracted; `None`: those that came.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// It is read anew: what the predecessor had of it goes.
    #[serde(rename = "a", default, skip_serializing_if = "is_false")]
    pub replaces: bool,
    /// Its field list is too long for one query, and split in so many.
    #[serde(rename = "z", default, skip_serializing_if = "is_zero")]
    pub groups: u8,
    /// Its bulk query jobs.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Box<Bulk>>,
    /// Bulk may be tried for it.
    #[serde(rename = "q", default, skip_serializing_if = "is_false")]
    pub bulk_able: bool,
    /// It has files, and how far they are.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Box<Files>>,
    /// It is read by lists, and how far they are.
    #[serde(rename = "ls", default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Box<Lists>>,
    /// Requests for it that failed as a whole since it last got on; see [`trouble`].
    #[serde(rename = "fs", default, skip_serializing_if = "is_zero")]
    pub failures: u8,
    /// It failed in an earlier backup: one attempt is made.
    #[serde(rename = "fb", default, skip_serializing_if = "is_false")]
    pub failed_before: bool,
    /// Rows of it came.
    #[serde(rename = "ca", default, skip_serializing_if = "is_false")]
    pub came: bool,
    /// Fewer records came than its count tells.
    #[serde(rename = "di", default, skip_serializing_if = "is_false")]
    pub disagrees: bool,
    /// Fields that its describe lists and queries refuse: they are left out.
    #[serde(rename = "lo", default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Some record makes requests fail, and it is looked for; see [`records`].
    #[serde(rename = "nr", default, skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Box<Narrowing>>,
    /// Ids of records that could not be read: queries leave them out.
    #[serde(rename = "ur", default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Those of them that are still to be asked for by this backup.
    #[serde(rename = "aa", default, skip_serializing_if = "Vec::is_empty")]
    pub ask_again: Vec<String>,
    /// Records of it that this backup could not read.
    #[serde(rename = "fr", default, skip_serializing_if = "is_zero")]
    pub failed_records: u8,
}

/// How far the files of an object are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Key of the last row that was looked through.
    #[serde(rename = "a", default)]
    pub after: String,
    /// Rows that were looked through.
    #[serde(rename = "k", default)]
    pub rows: u64,
    /// All of them were.
    #[serde(rename = "w", default, skip_serializing_if = "is_false")]
    pub walked: bool,
    /// Lists that were written.
    #[serde(rename = "r", default)]
    pub rounds: u32,
    /// Some of them had files in them.
    #[serde(rename = "e", default, skip_serializing_if = "is_false")]
    pub listed: bool,
    /// Files that are due.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Listed>,
    /// Files that were fetched.
    #[serde(rename = "n", default)]
    pub fetched: u64,
    /// Files that were left for the next backup, by the budget.
    #[serde(rename = "l", default)]
    pub left: u64,
    /// The connection wants none of them.
    #[serde(rename = "o", default, skip_serializing_if = "is_false")]
    pub off: bool,
    /// Files that could not be fetched.
    #[serde(rename = "f", default)]
    pub failed: u64,
    /// Images within rich text that the rows which were looked through have.
    #[serde(rename = "im", default, skip_serializing_if = "is_none")]
    pub images: u64,
    /// Of them, those that the store didn't have.
    #[serde(rename = "id", default, skip_serializing_if = "is_none")]
    pub images_due: u64,
    /// Files of these rows that the store didn't have, those of the same content once.
    #[serde(rename = "du", default, skip_serializing_if = "is_none")]
    pub due: u64,
    /// The object's part of the plan.
    #[serde(rename = "pl", default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Planned>,
    /// Files that failed and are tried again when the others are there.
    #[serde(rename = "la", default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Late>,
}

/// What was told of an object that has files, so that it can be told anew once their number is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// How it is read.
    #[serde(rename = "w")]
    pub way: String,
    /// Requests without those for files.
    #[serde(rename = "q")]
    pub rows: u64,
    /// Requests for files.
    #[serde(rename = "f")]
    pub files: u64,
    /// Records.
    #[serde(rename = "r")]
    pub records: u64,
    /// Bytes of answers.
    #[serde(rename = "b")]
    pub bytes: u64,
}

/// A file that failed for a reason that may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// Which.
    #[serde(flatten)]
    pub file: File,
    /// How often.
    #[serde(rename = "t")]
    pub tries: u8,
}

/// A list of files that are due, kept in pieces beside the checkpoint, and how much was taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which of the object's lists.
    #[serde(rename = "r")]
    pub round: u32,
    /// Pieces that it has.
    #[serde(rename = "n")]
    pub pieces: u32,
    /// The piece that is taken from.
    #[serde(rename = "p")]
    pub piece: u32,
    /// Files of the piece that were taken.
    #[serde(rename = "a")]
    pub at: u32,
    /// Files that are left of all pieces.
    #[serde(rename = "l")]
    pub left: u64,
}

impl Listed {
    /// So many more were taken.
    pub fn take(&mut self, files: usize) {
        self.at = self.at.saturating_add(u32::try_from(files).unwrap_or(u32::MAX));
        self.left = self.left.saturating_sub(files as u64);
    }

    /// Goes on with the next piece; `None` where there is no other.
    pub fn next_piece(self) -> Option<Listed> {
        let next = Listed {
            piece: self.piece + 1,
            at: 0,
            ..self
        };
        (next.piece < next.pieces).then_some(next)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature; on wasm32 a u64 is larger than a pointer
fn is_none(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// What people, or the batch, must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All rows of the object are read.
    Read,
    /// All of the object is read.
    Finished,
    /// It isn't read by its nature, and why.
    Skipped(Failure),
    /// It could not be read, and why.
    Failed(Failure),
    /// It is read, with this to know about it.
    Remark(Failure),
    /// A record of it, by its Id, could not be read, and why.
    RecordFailed(String, Failure),
    /// A record that could not be read before came, or isn't there any more.
    RecordCame(String),
    /// Too much at once.
    Busy,
}

impl Object {
    /// Before its first page.
    pub fn new(name: String, way: Way, counted: Option<u64>, row_bytes: u32) -> Object {
        Object {
            name,
            phase: Phase::Reading,
            way,
            cursor: Cursor::Start,
            received: 0,
            counted,
            expected: None,
            promised: None,
            verified: None,
            uncountable: false,
            confirmed: false,
            hashed: false,
            page_rows: PAGE_ROWS,
            row_bytes,
            batch_size: None,
            tries: 0,
            restarts: 0,
            described_again: false,
            since: None,
            covered: None,
            live: None,
            replaces: false,
            groups: 0,
            bulk: None,
            bulk_able: false,
            files: None,
            lists: None,
            failures: 0,
            failed_before: false,
            came: false,
            disagrees: false,
            left_out: Vec::new(),
            narrowing: None,
            unreadable: Vec::new(),
            ask_again: Vec::new(),
            failed_records: 0,
        }
    }

    /// The way that its describe allows.
    pub fn first_way(describe: &Describe) -> Way {
        if describe.keyset { Way::Keyset } else { Way::Plain }
    }

    /// The field that its cursor goes by.
    pub fn key_field(&self, describe: &Describe) -> &'static str {
        match self.way {
            Way::Limited(_) if describe.durable_id == Some(true) => "DurableId",
            _ => "Id",
        }
    }

    /// Rows that are still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        let total = match self.since {
            // Of changed rows the record count knows nothing.
            Some(_) => self.expected,
            None => self.expected.or(self.counted),
        }?;
        Some(total.saturating_sub(self.received))
    }

    /// Rows that a page has at most.
    pub fn rows_a_page(&self) -> u32 {
        let limit = match self.way {
            Way::Limited(rows) => rows,
            // Parts of a page's records are in memory until all of them came.
            Way::Keyset if self.groups > 1 => (JOINED_BYTES / self.row_bytes.max(1)).clamp(1, PAGE_ROWS),
            Way::Keyset | Way::Plain => PAGE_ROWS,
        };
        self.page_rows.min(self.batch_size.unwrap_or(PAGE_ROWS)).min(limit).max(1)
    }

    /// Rows of it that are asked of the store at once.
    pub fn rows_at_once(&self) -> u32 {
        (STORED_BYTES / self.row_bytes.max(1)).clamp(1, PAGE_ROWS)
    }

    /// Field groups of each page: 1 where one query has all fields.
    pub fn field_groups(&self) -> usize {
        usize::from(self.groups.max(1))
    }

    /// Nothing is to be done for it any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Skipped | Phase::Failed)
    }

    /// Records that the snapshot has of it, as far as is known.
    pub fn records(&self) -> u64 {
        self.live.unwrap_or(self.received)
    }

    /// All rows came. What is left is known by the object: deletions, then files.
    fn rows_read(&mut self, events: &mut Vec<Event>) {
        if let Some(since) = &mut self.since {
            // Without a look before, the rows themselves tell.
            since.changed |= self.received > 0;
        }
        if !self.ask_again.is_empty() {
            self.phase = Phase::Asking;
            return;
        }
        if self.since.as_ref().is_some_and(|since| since.deletions_due()) {
            self.phase = Phase::Deleting;
            return;
        }
        if self.compares() {
            self.phase = Phase::Comparing;
            return;
        }
        events.push(Event::Read);
        let unchanged = self.since.as_ref().is_some_and(|since| !since.changed);
        // Files that an earlier backup left are looked for whatever was changed.
        if self
            .files
            .as_ref()
            .is_some_and(|files| !files.off && (!unchanged || files.left > 0))
        {
            let plan = self.files.take().and_then(|files| files.plan);
            self.files = Some(Box::new(Files {
                plan,
                ..Files::default()
            }));
            self.phase = Phase::Files;
        } else {
            self.phase = Phase::Done;
            events.push(Event::Finished);
        }
    }

    /// Its files are there.
    pub fn files_read(&mut self, events: &mut Vec<Event>) {
        self.phase = Phase::Done;
        events.push(Event::Finished);
    }

    /// Its describe is out of date: a field is gone.
    pub fn describe_again(&mut self) {
        self.described_again = true;
        self.phase = Phase::Describing;
    }

    /// Its describe came: from where it stood, with the fields as they are now.
    pub fn described(&mut self, describe: &Describe) {
        self.phase = match (&self.bulk, &self.lists) {
            (Some(_), _) => Phase::Bulk,
            (None, Some(_)) => Phase::Listing,
            (None, None) => Phase::Reading,
        };
        if self.cursor == Cursor::Start {
            self.way = Object::first_way(describe);
        }
    }
}
