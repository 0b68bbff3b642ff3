//! What was changed and deleted since the predecessor: how what Salesforce tells of it moves an object on.
//!
//! Changes: getUpdated tells whether there are any, for 25 objects in one request; only then they are read. Deletions: getDeleted
//! tells them; where it doesn't, `COUNT()` tells whether there are any, and only then a scan of all Ids tells which. The rule it
//! keeps: a mark moves only to a moment of which Salesforce said that nothing older will turn up.

use super::{Cursor, Event, Object, PageStep, Phase, QueryPages, RowCounts, Strategy};
use crate::host::Failure;
use crate::salesforce::{ApiError, Class, Deleted, Page, Updated};
use serde::{Deserialize, Serialize};

/// So many changed records are read each by its own address; more by a query. A composite request has 20 places for addresses
/// beside the five for queries.
const MAX_SINGLES: usize = 4;

/// What of an object is read from the predecessor on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Changes from this moment on, in milliseconds since 1970.
    pub from: u64,
    /// Deletions from this moment on.
    pub deletions_from: u64,
    /// Which were deleted is still to be asked.
    asks_deletions: bool,
    /// Deletions before this moment are known.
    pub deletions_covered: Option<u64>,
    /// Whether there are deletions is still to be told by `COUNT()`.
    compares: bool,
    /// Records were changed or deleted.
    pub changed: bool,
}

impl Since {
    /// From these moments on. `replicated`: Salesforce tells deletions of the object.
    pub fn new(from: u64, deletions_from: u64, replicated: bool) -> Since {
        Since {
            from,
            deletions_from,
            asks_deletions: replicated,
            compares: !replicated,
            ..Since::default()
        }
    }

    /// Which records were deleted is still to be asked.
    pub fn deletions_due(&self) -> bool {
        self.asks_deletions
    }
}

impl Object {
    /// Reads only what was changed. `looks`: ask first whether anything was.
    pub fn read_since(&mut self, since: Since, looks: bool) {
        self.since = Some(since);
        self.phase = if looks { Phase::Looking } else { Phase::default() };
        self.counts = RowCounts {
            verified: None,
            ..self.counts.of_other_rows()
        };
    }

    pub(super) fn compares(&self) -> bool {
        self.since.as_ref().is_some_and(|since| since.compares) && !self.counts.uncountable
    }

    /// getUpdated answered. `by_address`: records can be read by their address.
    pub fn updated_came(&mut self, mut updated: Updated, by_address: bool, events: &mut Vec<Event>) {
        self.tries = 0;
        self.got_on();
        updated.ids.retain(|id| !self.unreadable.contains(id));
        self.covered = updated.covered.or(self.covered);
        let Some(since) = &mut self.since else { return };
        since.changed |= !updated.ids.is_empty();
        match updated.ids.len() {
            0 => self.rows_read(events),
            1..=MAX_SINGLES if by_address => self.phase = Phase::Singles(updated.ids),
            _ => self.phase = Phase::default(),
        }
    }

    /// getUpdated was refused: then the changed records themselves are asked for.
    pub fn updated_refused(&mut self, class: Class, error: &ApiError, events: &mut Vec<Event>) {
        if !self.refused_in_general(class, error, events) {
            self.go_to(PageStep::Rows);
        }
    }

    /// getDeleted answered; the deletions, key and moment.
    pub fn deleted_came(&mut self, deleted: Deleted, events: &mut Vec<Event>) -> Vec<(String, u64)> {
        self.tries = 0;
        self.got_on();
        let Some(since) = &mut self.since else { return Vec::new() };
        since.asks_deletions = false;
        since.deletions_covered = deleted.covered;
        since.changed |= !deleted.records.is_empty();
        // The log was purged: what was deleted before its beginning it doesn't tell.
        since.compares |= deleted.earliest.is_some_and(|earliest| earliest > since.deletions_from);
        self.deletions_known(events);
        deleted.records
    }

    /// getDeleted was refused: then counts have to tell.
    pub fn deleted_refused(&mut self, class: Class, error: &ApiError, events: &mut Vec<Event>) {
        if self.refused_in_general(class, error, events) {
            return;
        }
        if let Some(since) = &mut self.since {
            (since.asks_deletions, since.compares) = (false, true);
        }
        self.deletions_known(events);
    }

    fn deletions_known(&mut self, events: &mut Vec<Event>) {
        if self.step() == Some(PageStep::Deletions) {
            self.rows_read(events);
        }
    }

    /// A record that was changed was read by its address, or is gone since.
    pub fn single_came(&mut self, id: &str, events: &mut Vec<Event>) {
        self.tries = 0;
        self.got_on();
        let Phase::Singles(ids) = &mut self.phase else { return };
        ids.retain(|single| single != id);
        if ids.is_empty() {
            self.rows_read(events);
        }
    }

    /// A changed record can't be read by its address, or isn't found by it: a query reads all that were changed.
    pub fn single_refused(&mut self, class: Class, error: &ApiError, events: &mut Vec<Event>) {
        if !self.refused_in_general(class, error, events) {
            self.go_to(PageStep::Rows);
        }
    }

    /// `COUNT()` of all records came, or was refused.
    pub(super) fn comparison_came(&mut self, total: Option<u64>, events: &mut Vec<Event>) {
        self.tries = 0;
        self.got_on();
        let live = self.records();
        let Some(since) = &mut self.since else { return };
        since.compares = false;
        match total {
            // Where nothing can be told by Ids, all of it is read anew.
            Some(total) if total < live && self.strategy == Strategy::Plain => self.read_anew(),
            Some(total) if total < live => {
                since.changed = true;
                self.phase = Phase::Pages(QueryPages {
                    step: PageStep::Scanning,
                    cursor: Cursor::Start,
                    ..self.take_pages()
                });
            }
            Some(_) => self.rows_read(events),
            None => {
                self.counts.uncountable = true;
                events.push(Event::Remark(self.deletions_unknown("its records can't be counted")));
                self.rows_read(events);
            }
        }
    }

    /// All of it, as if there were no predecessor.
    pub(super) fn read_anew(&mut self) {
        self.since = None;
        self.live = None;
        self.replaces = true;
        self.phase = Phase::default();
        self.counts = self.counts.of_other_rows();
    }

    /// A page of Ids came; the batch has compared it. True where the next place of the request goes on from it.
    pub(super) fn scan_came(&mut self, page: &Page, events: &mut Vec<Event>) -> bool {
        self.tries = 0;
        self.got_on();
        let more = !page.done && page.last_id.is_some();
        match &page.last_id {
            Some(last) if more => self.go_on_at(Cursor::After(last.clone())),
            _ => {
                self.go_on_at(Cursor::Start);
                self.rows_read(events);
            }
        }
        more
    }

    pub(super) fn scan_refused(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        events.push(Event::Remark(self.deletions_unknown(&error.text())));
        self.rows_read(events);
    }

    /// The Ids of a scan are in another order than keys are: which are missing can't be told page by page.
    pub fn scan_out_of_order(&mut self, events: &mut Vec<Event>) {
        self.scan_refused(
            &ApiError {
                code: "OUT_OF_ORDER".into(),
                message: "its Ids come in an order that is not theirs".into(),
            },
            events,
        );
    }

    fn deletions_unknown(&self, why: &str) -> Failure {
        Failure::new(
            "deletions-unknown",
            format!("{}: which records were deleted can't be told: {why}", self.name),
        )
        .remedy("the next full backup tells it")
        .about(&self.name)
    }
}
