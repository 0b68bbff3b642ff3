//! Single records that can't be read, since whatever has them in it fails: they are found, failed by name, and left out.
//!
//! Pure. The search takes halves: of rows among which the record is the first half is asked for; if that fails too it is there, else in
//! the other half. A row that is left alone is asked for once more, then its Id alone, by which it is named; reading goes on after it.
//! The host makes one attempt of each of these requests: of a full request (five pages of 2,000 rows) it takes fifteen at most. Where
//! not even the Id comes it isn't the record, and the object has failed; and so has one with too many such records.
//!
//! Later backups leave the record out of their queries and ask for it alone, once, when all else is read.

use super::{Cursor, Event, Object, PageStep, Phase, QueryPages, Strategy, skipped};
use crate::host::Failure;
use crate::salesforce::ApiError;
use crate::salesforce::limits::{COMPOSITE_QUERIES, PAGE_ROWS};
use serde::{Deserialize, Serialize};

/// A row that fails alone is sent so often.
const TRIES: u8 = 2;

/// An object of which so many records can't be read in one backup has failed: each takes a search.
const MAX_RECORDS: u8 = 5;

/// What makes requests fail is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// It is among so many rows, those that come next.
    among: u32,
    /// One row is left, and failed alone so often.
    tries: u8,
    /// The Id of that row is asked for, and nothing else of it.
    asks_id: bool,
    /// How it failed.
    why: ApiError,
}

impl Object {
    /// Its pages can be cut to any number of rows, in the order of Ids.
    pub(super) fn can_be_narrowed(&self) -> bool {
        let by_rows = self.strategy == Strategy::Keyset && self.field_groups() == 1;
        by_rows && (self.reads_rows() || matches!(self.phase, Phase::Singles(_)))
    }

    /// Rows of the next page, while the search goes on.
    pub fn narrowed_rows(&self) -> Option<u32> {
        let narrowing = self.narrowing()?;
        Some(narrowing.among.div_ceil(2).clamp(1, self.rows_a_page()))
    }

    /// Nothing but an Id is asked for.
    pub fn asks_id(&self) -> bool {
        self.narrowing().is_some_and(|narrowing| narrowing.asks_id)
    }

    /// What was asked for failed, and nothing else was: less of it is asked for.
    pub(super) fn narrow(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        let Some(rows) = self.narrowed_rows() else {
            return self.begin_narrowing(error);
        };
        let Some(narrowing) = self.narrowing_mut() else { return };
        if narrowing.asks_id {
            return self.fail("not-answered", error, events);
        }
        narrowing.among = rows;
        narrowing.why = error.clone();
        if rows == 1 {
            narrowing.tries += 1;
            narrowing.asks_id = narrowing.tries >= TRIES;
        }
    }

    fn begin_narrowing(&mut self, error: &ApiError) {
        let request = self.rows_a_page().saturating_mul(COMPOSITE_QUERIES as u32);
        let among = match &self.phase {
            // A query finds them too.
            Phase::Singles(ids) => u32::try_from(ids.len()).unwrap_or(PAGE_ROWS),
            _ => self
                .remaining()
                .map_or(request, |left| request.min(u32::try_from(left).unwrap_or(request))),
        };
        let narrowing = Narrowing {
            among: among.max(1),
            why: error.clone(),
            ..Narrowing::default()
        };
        self.phase = Phase::Pages(QueryPages {
            step: PageStep::Rows,
            narrowing: Some(Box::new(narrowing)),
            ..self.take_pages()
        });
    }

    fn narrowing_mut(&mut self) -> Option<&mut Narrowing> {
        match &mut self.phase {
            Phase::Pages(pages) => pages.narrowing.as_deref_mut(),
            _ => None,
        }
    }

    /// What made its requests fail is found, or has passed.
    fn take_narrowing(&mut self) -> Option<Box<Narrowing>> {
        match &mut self.phase {
            Phase::Pages(pages) => pages.narrowing.take(),
            _ => None,
        }
    }

    /// So many rows came: what is looked for is among those behind them.
    pub(super) fn rows_passed(&mut self, rows: u64) {
        if let Some(narrowing) = self.narrowing_mut() {
            narrowing.among = narrowing.among.saturating_sub(u32::try_from(rows).unwrap_or(u32::MAX));
            narrowing.tries = 0;
            if narrowing.among == 0 {
                // It was something that passed.
                self.take_narrowing();
            }
        }
    }

    /// The Id of the record that was looked for came; `None`: there is none any more.
    pub fn record_found(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        let Some(narrowing) = self.take_narrowing() else { return };
        self.got_on();
        self.tries = 0;
        let Some(id) = id else { return };
        self.failed_records = self.failed_records.saturating_add(1);
        if self.failed_records > MAX_RECORDS {
            return self.fail("not-answered", &narrowing.why, events);
        }
        events.push(Event::RecordFailed(id.clone(), self.unreadable_record(&id, &narrowing.why)));
        self.go_on_at(Cursor::After(id.clone()));
        self.unreadable.push(id);
    }

    fn unreadable_record(&self, id: &str, why: &ApiError) -> Failure {
        let failure = skipped(&self.name, "not-answered", why, 0);
        Failure {
            message: format!("{} {id} can't be read: {}", self.name, why.text()),
            ..failure
        }
    }

    /// The record that is asked for alone.
    pub fn asked_again(&self) -> Option<&str> {
        self.ask_again.first().map(String::as_str)
    }

    fn take_asked(&mut self) -> Option<String> {
        (!self.ask_again.is_empty()).then(|| self.ask_again.remove(0))
    }

    /// It came, or isn't there any more.
    pub fn asked_record_came(&mut self, rows: u64, events: &mut Vec<Event>) {
        let Some(id) = self.take_asked() else { return };
        self.counts.received += rows;
        self.unreadable.retain(|unreadable| *unreadable != id);
        events.push(Event::RecordCame(id));
        self.asks_on(events);
    }

    /// It can't be read this time either.
    pub fn asked_in_vain(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        let Some(id) = self.take_asked() else { return };
        events.push(Event::RecordFailed(id.clone(), self.unreadable_record(&id, error)));
        self.asks_on(events);
    }

    fn asks_on(&mut self, events: &mut Vec<Event>) {
        if self.ask_again.is_empty() {
            self.rows_read(events);
        }
    }
}
