//! One object on its way: where its reading stands, and how what came back moves it on.
//!
//! Pure. Each rule for an object that doesn't behave is in this folder and nowhere else.
//!
//! - here: what is known of the object, and the order of its steps;
//! - [`phase`]: what is being read of it, each phase with what belongs to it alone;
//! - [`pages`]: pages of queries, with all their oddities;
//! - [`changes`]: what was changed and deleted since the predecessor;
//! - [`jobs`]: bulk query jobs over ranges of Ids;
//! - [`lists`]: queries by lists of another object's Ids;
//! - [`files`]: how far its files are;
//! - [`records`]: single records that can't be read;
//! - [`trouble`]: requests for it that fail as a whole, and how it ends where it can't be read.

mod changes;
mod files;
mod jobs;
mod lists;
mod pages;
mod phase;
mod records;
mod trouble;

pub use changes::Since;
pub use files::{FileWalk, Late, Listed, ObjectEstimate, ObjectFiles};
pub use jobs::{Bulk, Range, RangeState};
pub use lists::{ListPlace, Lists, listed_by};
pub use pages::{Outcome, skipped};
pub use phase::{Cursor, PageStep, Phase, QueryPages, Strategy};
pub use records::Narrowing;
pub use trouble::by_nature;

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

/// How many rows an object has, by all that tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowCounts {
    /// Rows that came.
    pub received: u64,
    /// Records by the record count resource: cached, and without archived ones.
    pub counted: Option<u64>,
    /// Rows by what `totalSize` promised.
    pub expected: Option<u64>,
    /// The most rows that an earlier `totalSize` promised.
    pub promised: Option<u64>,
    /// Rows by `COUNT()`.
    pub verified: Option<u64>,
    /// `COUNT()` was refused.
    pub uncountable: bool,
}

impl RowCounts {
    /// The same rows are read from their beginning: what was promised once still holds.
    fn restarted(self) -> RowCounts {
        RowCounts {
            received: 0,
            expected: None,
            ..self
        }
    }

    /// Other rows are read: nothing was promised of them.
    fn of_other_rows(self) -> RowCounts {
        RowCounts {
            promised: None,
            ..self.restarted()
        }
    }
}

/// Where the reading of one object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Object {
    /// API name.
    pub name: String,
    /// What comes next, and what belongs to that.
    pub phase: Phase,
    /// How its pages are read.
    pub strategy: Strategy,
    /// How many rows it has.
    pub counts: RowCounts,
    /// Ids repeat: keys get a hash of the body.
    pub hashed: bool,
    /// Rows of its full pages, as learnt: wide rows make shorter ones.
    pub page_rows: u32,
    /// Bytes of a row, as guessed from its fields, then as learnt.
    pub row_bytes: u32,
    /// Pages are asked to have no more rows.
    pub batch_size: Option<u32>,
    /// Refusals for a passing reason since the last page.
    pub tries: u8,
    /// Times that it was begun again.
    pub restarts: u8,
    /// Its describe was asked for again.
    pub described_again: bool,
    /// Only what was changed since the predecessor is read.
    pub since: Option<Since>,
    /// Milliseconds since 1970: what was changed before is in the snapshot when the object is done. `None`: nothing can be said.
    pub covered: Option<u64>,
    /// Records of it that the snapshot has, deleted ones subtracted; `None`: those that came.
    pub live: Option<u64>,
    /// It is read anew: what the predecessor had of it goes.
    pub replaces: bool,
    /// Its field list is too long for one query, and split in so many.
    pub groups: u8,
    /// Bulk may be tried for it.
    pub bulk_able: bool,
    /// It has files, and what is known of them.
    pub files: Option<Box<ObjectFiles>>,
    /// Requests for it that failed as a whole since it last got on; see [`trouble`].
    pub failures: u8,
    /// It failed in an earlier backup: one attempt is made.
    pub failed_before: bool,
    /// Rows of it came.
    pub came: bool,
    /// Fewer records came than its count tells.
    pub disagrees: bool,
    /// Fields that its describe lists and queries refuse: they are left out.
    pub left_out: Vec<String>,
    /// Ids of records that could not be read: queries leave them out.
    pub unreadable: Vec<String>,
    /// Those of them that are still to be asked for by this backup.
    pub ask_again: Vec<String>,
    /// Records of it that this backup could not read.
    pub failed_records: u8,
}

impl Default for Object {
    fn default() -> Object {
        Object::new(String::new(), Strategy::Keyset, None, 1)
    }
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
    pub fn new(name: String, strategy: Strategy, counted: Option<u64>, row_bytes: u32) -> Object {
        Object {
            name,
            phase: Phase::default(),
            strategy,
            counts: RowCounts {
                counted,
                ..RowCounts::default()
            },
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
            bulk_able: false,
            files: None,
            failures: 0,
            failed_before: false,
            came: false,
            disagrees: false,
            left_out: Vec::new(),
            unreadable: Vec::new(),
            ask_again: Vec::new(),
            failed_records: 0,
        }
    }

    /// The strategy that its describe allows.
    pub fn first_strategy(describe: &Describe) -> Strategy {
        if describe.keyset { Strategy::Keyset } else { Strategy::Plain }
    }

    /// The field that its cursor goes by.
    pub fn key_field(&self, describe: &Describe) -> &'static str {
        match self.strategy {
            Strategy::Limited(_) if describe.durable_id == Some(true) => "DurableId",
            _ => "Id",
        }
    }

    /// What its next query asks for; `None` where it isn't read by queries.
    pub fn step(&self) -> Option<PageStep> {
        match &self.phase {
            Phase::Pages(pages) => Some(pages.step),
            _ => None,
        }
    }

    /// Its next query asks for rows.
    pub fn reads_rows(&self) -> bool {
        self.step() == Some(PageStep::Rows)
    }

    /// Where its queries go on.
    pub fn cursor(&self) -> &Cursor {
        match &self.phase {
            Phase::Pages(pages) => &pages.cursor,
            _ => &phase::START,
        }
    }

    /// What makes its requests fail is looked for.
    pub fn narrowing(&self) -> Option<&Narrowing> {
        match &self.phase {
            Phase::Pages(pages) => pages.narrowing.as_deref(),
            _ => None,
        }
    }

    /// How far its queries are, to be put back as they then are; from the beginning where it wasn't read by queries.
    fn take_pages(&mut self) -> QueryPages {
        match std::mem::take(&mut self.phase) {
            Phase::Pages(pages) => pages,
            _ => QueryPages::default(),
        }
    }

    /// Its queries ask for this from now on.
    fn go_to(&mut self, step: PageStep) {
        self.phase = Phase::Pages(QueryPages {
            step,
            ..self.take_pages()
        });
    }

    /// Its queries go on here.
    pub(super) fn go_on_at(&mut self, cursor: Cursor) {
        self.phase = Phase::Pages(QueryPages {
            cursor,
            ..self.take_pages()
        });
    }

    /// Rows that are still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        let total = match self.since {
            // Of changed rows the record count knows nothing.
            Some(_) => self.counts.expected,
            None => self.counts.expected.or(self.counts.counted),
        }?;
        Some(total.saturating_sub(self.counts.received))
    }

    /// Rows that a page has at most.
    pub fn rows_a_page(&self) -> u32 {
        let limit = match self.strategy {
            Strategy::Limited(rows) => rows,
            // Parts of a page's records are in memory until all of them came.
            Strategy::Keyset if self.groups > 1 => (JOINED_BYTES / self.row_bytes.max(1)).clamp(1, PAGE_ROWS),
            Strategy::Keyset | Strategy::Plain => PAGE_ROWS,
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
        self.live.unwrap_or(self.counts.received)
    }

    /// All rows came. What is left is known by the object: deletions, then files.
    fn rows_read(&mut self, events: &mut Vec<Event>) {
        if let Some(since) = &mut self.since {
            // Without a look before, the rows themselves tell.
            since.changed |= self.counts.received > 0;
        }
        if !self.ask_again.is_empty() {
            return self.go_to(PageStep::Asking);
        }
        if self.since.as_ref().is_some_and(Since::deletions_due) {
            return self.go_to(PageStep::Deletions);
        }
        if self.compares() {
            return self.go_to(PageStep::Comparing);
        }
        events.push(Event::Read);
        if self.files_due() {
            let plan = self.files.take().and_then(|files| files.plan);
            self.files = Some(Box::new(ObjectFiles {
                plan,
                ..ObjectFiles::default()
            }));
            self.phase = Phase::Files(FileWalk::default());
        } else {
            self.phase = Phase::Done;
            events.push(Event::Finished);
        }
    }

    /// Its describe is missing or out of date.
    pub fn describe_first(&mut self) {
        let then = std::mem::take(&mut self.phase).after_describe();
        self.phase = Phase::Describing(Box::new(then));
    }

    /// Its describe is out of date: a field is gone.
    pub fn describe_again(&mut self) {
        self.described_again = true;
        self.describe_first();
    }

    /// Its describe is as it was: on from where it stood.
    pub fn describe_unchanged(&mut self) {
        self.phase = std::mem::take(&mut self.phase).after_describe();
    }

    /// Its describe came: from where it stood, with the fields as they are now.
    pub fn described(&mut self, describe: &Describe) {
        self.describe_unchanged();
        if *self.cursor() == Cursor::Start {
            self.strategy = Object::first_strategy(describe);
        }
    }
}
