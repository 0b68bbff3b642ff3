//! What is being read of an object, and what belongs to that alone.
//!
//! The rule it keeps: what one phase needs is in its variant, so that leaving the phase is losing it.

use super::{Bulk, FileWalk, Lists, Narrowing};
use serde::{Deserialize, Serialize};

/// How an object's pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In the order of Ids, going on after the last one.
    Keyset,
    /// In Salesforce's order, going on by its locator.
    Plain,
    /// As keyset, by pages that `LIMIT` cuts to so many rows: for objects that give no second page.
    Limited(u32),
}

/// Where reading goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// At the beginning.
    #[default]
    Start,
    /// After the row of this Id or DurableId.
    After(String),
    /// At the address that the last page gave.
    Locator(String),
}

/// Where a cursor is that nothing has moved.
pub(super) static START: Cursor = Cursor::Start;

/// What is to be done next with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its describe is missing or out of date: ask for it, then go on with this.
    Describing(Box<Phase>),
    /// Ask which records were changed.
    Looking,
    /// Few records were changed: read each of these by its own address.
    Singles(Vec<String>),
    /// Read on by queries.
    Pages(QueryPages),
    /// Large: between which Ids are its records, so that each of so many ranges of them gets a job?
    Bounding(usize),
    /// Read on by bulk query jobs.
    Bulk(Bulk),
    /// Read on by lists of another object's Ids, once that one is read.
    Lists(Lists),
    /// All rows are read; now their files.
    Files(FileWalk),
    /// Nothing.
    Done,
    /// Nothing: it can't be read by its nature.
    Skipped,
    /// Nothing: it could not be read. The next backup tries again.
    Failed,
}

impl Default for Phase {
    fn default() -> Phase {
        Phase::Pages(QueryPages::default())
    }
}

/// How far an object's queries are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryPages {
    /// What the next query asks for.
    pub step: PageStep,
    /// Where rows go on, or the Ids of a scan.
    pub cursor: Cursor,
    /// It was looked once more after the last row, and nothing was there.
    pub confirmed: bool,
    /// Some record makes requests fail, and it is looked for; see [`super::records`].
    pub narrowing: Option<Box<Narrowing>>,
}

/// What an object's queries ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageStep {
    /// Rows.
    #[default]
    Rows,
    /// Fewer rows came than were promised: `COUNT()`.
    Counting,
    /// The count says that more are there: once more what is after the last row.
    Confirming,
    /// All other rows are read: each record that an earlier backup could not read.
    Asking,
    /// Nothing: all rows are read, but which were deleted isn't known yet.
    Deletions,
    /// Changed rows are read: does `COUNT()` tell of deleted ones?
    Comparing,
    /// It does: Ids, to tell which are still there.
    Scanning,
}

impl Phase {
    /// What goes on once the object's describe is there: what isn't begun yet, or is told by what comes next, is read by queries.
    pub(super) fn after_describe(self) -> Phase {
        match self {
            Phase::Describing(then) => *then,
            Phase::Bounding(_) | Phase::Bulk(_) | Phase::Lists(_) => self,
            Phase::Pages(pages) => Phase::Pages(QueryPages {
                step: PageStep::Rows,
                ..pages
            }),
            _ => Phase::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_described_again_goes_on_where_it_stood() {
        let pages = |step| {
            Phase::Pages(QueryPages {
                step,
                cursor: Cursor::After("a".to_owned()),
                ..QueryPages::default()
            })
        };
        for (phase, then) in [
            (Phase::Bounding(3), Phase::Bounding(3)),
            (Phase::Bulk(Bulk::default()), Phase::Bulk(Bulk::default())),
            (Phase::Lists(Lists::default()), Phase::Lists(Lists::default())),
            (pages(PageStep::Counting), pages(PageStep::Rows)),
            (Phase::Looking, Phase::default()),
            (Phase::Describing(Box::new(Phase::Bounding(2))), Phase::Bounding(2)),
        ] {
            assert_eq!(phase.after_describe(), then);
        }
    }
}
