//! Pages of queries: how they move an object on, and each rule for one that doesn't behave: pages cut short, ids that identify
//! nothing, objects that take no cursor or give no second page, counts that disagree, refusals.

use super::{Cursor, Event, MAX_RESTARTS, Object, PageStep, Phase, QueryPages, Strategy};
use crate::backup::Chain;
use crate::host::Failure;
use crate::salesforce::limits::{MIN_PAGE_ROWS, PAGE_ROWS};
use crate::salesforce::{ApiError, Class, Ids, Page};
use crate::schema::MAX_GROUPS;

/// What came back in one place of a composite request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A page, its rows handed to the host. Of `COUNT()` too: a page without rows.
    Page(Page),
    /// A refusal.
    Refused(Class, ApiError),
    /// The answer broke off before.
    Missing,
}

/// So many pages without rows, one after the other, lead nowhere.
const MAX_EMPTY_PAGES: u8 = 20;

/// An address that expired so many times will do so again: each time costs the pages before it.
const MAX_EXPIRED: u8 = 4;

/// One record of so many missing are many.
const MANY_MISSING: u64 = 50;

/// Where in a composite request something was refused.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// It went on from an earlier place.
    chained: bool,
    /// By that one's last record, not by its `nextRecordsUrl`.
    by_record: bool,
}

impl Object {
    /// Moves it on by what came back for it in one composite request. `limit`: the `LIMIT` of these pages.
    pub fn apply(&mut self, outcomes: Vec<Outcome>, limit: Option<u32>, chain: &mut Chain) -> Vec<Event> {
        let mut events = Vec::new();
        let base = self.counts.received;
        for (place_ix, outcome) in outcomes.into_iter().enumerate() {
            let step = self.step();
            let go_on = match outcome {
                Outcome::Missing => false,
                Outcome::Page(page) if step == Some(PageStep::Counting) => {
                    self.count_came(page.total, &mut events);
                    false
                }
                Outcome::Page(page) if step == Some(PageStep::Comparing) => {
                    self.comparison_came(page.total, &mut events);
                    false
                }
                Outcome::Page(page) if step == Some(PageStep::Scanning) => self.scan_came(&page, &mut events),
                Outcome::Page(page) => self.page_came(page, place_ix == 0, base, limit, &mut events),
                Outcome::Refused(class, error) => {
                    let place = Place {
                        chained: place_ix > 0,
                        by_record: limit.is_some(),
                    };
                    self.refused(class, &error, place, chain, &mut events);
                    false
                }
            };
            if !go_on {
                break;
            }
        }
        events
    }

    /// True where the next place of the same request goes on from this page.
    fn page_came(&mut self, page: Page, first: bool, base: u64, limit: Option<u32>, events: &mut Vec<Event>) -> bool {
        let by_locator = self.strategy == Strategy::Plain || (self.strategy == Strategy::Keyset && page.ids != Ids::Own);
        if !page.done && page.next.is_none() && (by_locator || page.rows == 0) {
            let error = ApiError {
                code: "PAGE_WITHOUT_NEXT".into(),
                message: "a page says that more follow, and not where".into(),
            };
            // Its rows have keys: those that come again are the same.
            self.try_again("not-answered", &error, events);
            return false;
        }
        self.learn(&page, first, base, limit);
        if page.rows == 0 && !page.done {
            // What follows may be anywhere: only the page's own address leads there.
            return self.empty_page_came(page.next, events);
        }
        self.tries = 0;
        self.got_on();
        self.rows_passed(page.rows);
        let looked_for_more = first && page.rows == 0 && matches!(self.cursor(), Cursor::After(_));
        let pages = self.take_pages();
        self.phase = Phase::Pages(QueryPages {
            step: PageStep::Rows,
            confirmed: looked_for_more || (pages.confirmed && page.rows == 0),
            ..pages
        });
        if self.strategy == Strategy::Keyset && page.ids != Ids::Own {
            // There's no going on after an Id that other rows have too.
            self.strategy = Strategy::Plain;
            self.hashed |= page.ids == Ids::Repeated;
        }
        match self.strategy {
            Strategy::Plain => match page.next.filter(|_| !page.done) {
                Some(next) => {
                    self.go_on_at(Cursor::Locator(next));
                    true
                }
                None => {
                    self.ended(events);
                    false
                }
            },
            Strategy::Keyset => self.keyed_page_came(&page, page.last_id.clone(), base, limit, events),
            Strategy::Limited(_) => {
                let last = page.last_durable_id.clone().or_else(|| page.last_id.clone());
                self.keyed_page_came(&page, last, base, limit, events)
            }
        }
    }

    fn empty_page_came(&mut self, next: Option<String>, events: &mut Vec<Event>) -> bool {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= MAX_EMPTY_PAGES {
            let error = ApiError {
                code: "EMPTY_PAGE".into(),
                message: "page after page without rows says that more follow".into(),
            };
            self.fail("not-answered", &error, events);
            return false;
        }
        if let Some(next) = next {
            self.go_on_at(Cursor::Locator(next));
        }
        self.strategy == Strategy::Plain
    }

    fn keyed_page_came(
        &mut self,
        page: &Page,
        last: Option<String>,
        base: u64,
        limit: Option<u32>,
        events: &mut Vec<Event>,
    ) -> bool {
        if let Some(last) = last {
            let after = Cursor::After(last);
            if after == *self.cursor() {
                // The org doesn't heed the cursor: by its own it goes on.
                let error = ApiError {
                    code: "CURSOR_IGNORED".into(),
                    message: "the same rows came again".into(),
                };
                self.read_plainly(&error, events);
                return false;
            }
            self.go_on_at(after);
        } else if page.rows > 0 {
            self.ended(events);
            return false;
        }
        let more = match limit {
            _ if !page.done => return true,
            Some(limit) => page.rows >= u64::from(limit),
            // `done` too early: what follows the last row can still be there. Only rows that came make it worth a look.
            None => self.counts.expected.is_some_and(|expected| self.counts.received < expected) && self.counts.received > base,
        };
        if !more {
            self.ended(events);
        }
        more && limit.is_some()
    }

    fn learn(&mut self, page: &Page, first: bool, base: u64, limit: Option<u32>) {
        self.counts.received += page.rows;
        self.came |= page.rows > 0;
        if let Some(bytes) = page.bytes.checked_div(page.rows) {
            self.row_bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        }
        if !page.done && page.rows > 0 {
            self.page_rows = u32::try_from(page.rows).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        }
        // A locator's pages have the total of the whole query, limited ones only their own.
        let tells_what_is_left = first && limit.is_none() && !matches!(self.cursor(), Cursor::Locator(_));
        if let Some(total) = page.total.filter(|_| tells_what_is_left) {
            // A promise once made is not forgotten where a later page knows of less.
            self.counts.promised = self.counts.promised.max(self.counts.expected);
            self.counts.expected = Some(base.saturating_add(total));
        }
    }

    /// Salesforce says that nothing follows.
    pub(super) fn ended(&mut self, events: &mut Vec<Event>) {
        let counted = self.counts.counted.filter(|_| self.since.is_none());
        let promised = counted.max(self.counts.expected).max(self.counts.promised);
        let short = promised.is_some_and(|promised| self.counts.received < promised);
        // Some objects end silently (OauthToken at 2,500), and their totalSize agrees: where no count is known, ask. An object
        // that is read from its changes on was read whole before.
        let doubtful = self.since.is_none() && counted.is_none() && self.counts.received > u64::from(PAGE_ROWS);
        if (short || doubtful) && self.counts.verified.is_none() && !self.counts.uncountable {
            self.go_to(PageStep::Counting);
            return;
        }
        if let Some(total) = self
            .counts
            .verified
            .or(promised)
            .filter(|total| *total > self.counts.received)
        {
            // Some objects end silently, and queries get further than a job; a few may have come while it ran.
            let by_job = self.strategy == Strategy::Keyset
                && *self.cursor() == Cursor::Start
                && self.bulk_able
                && self.counts.received > 0;
            if by_job && self.counts.verified.is_some() && (total - self.counts.received).saturating_mul(MANY_MISSING) > total {
                self.read_by_queries();
                return;
            }
            if self.strategy != Strategy::Plain && !self.is_confirmed() && matches!(self.cursor(), Cursor::After(_)) {
                self.go_to(PageStep::Confirming);
                return;
            }
            self.disagrees = true;
            events.push(Event::Remark(self.disagreement(total)));
        }
        self.rows_read(events);
    }

    fn is_confirmed(&self) -> bool {
        matches!(&self.phase, Phase::Pages(pages) if pages.confirmed)
    }

    fn count_came(&mut self, total: Option<u64>, events: &mut Vec<Event>) {
        self.tries = 0;
        self.got_on();
        self.counts.verified = total;
        self.counts.uncountable = total.is_none();
        self.ended(events);
    }

    fn disagreement(&self, total: u64) -> Failure {
        Failure::new(
            "count-disagrees",
            format!(
                "{} has {total} records by Salesforce's count, {} could be read",
                self.name, self.counts.received
            ),
        )
        .remedy(
            "some objects end silently, and records may have come or gone while they were read; the next backup looks again",
        )
        .about(&self.name)
        .detail("counted", total)
        .detail("read", self.counts.received)
    }

    fn refused(&mut self, class: Class, error: &ApiError, place: Place, chain: &mut Chain, events: &mut Vec<Event>) {
        if self.refused_in_general(class, error, events) {
            return;
        }
        let step = self.step();
        match class {
            _ if step == Some(PageStep::Comparing) => self.comparison_came(None, events),
            _ if step == Some(PageStep::Scanning) && !place.chained => self.scan_refused(error, events),
            Class::TimedOut if step == Some(PageStep::Counting) => self.count_came(None, events),
            Class::TimedOut => self.timed_out(error, events),
            Class::NoMorePages => self.limit_pages(error, events),
            // A limited page that was shorter than foreseen has no record to refer to: reading goes on after its last one.
            Class::Halted if place.chained && place.by_record => {}
            _ if place.chained => {
                *chain = match *chain {
                    Chain::NextRecordsUrl if !place.by_record => Chain::LastRecord,
                    Chain::NextRecordsUrl | Chain::LastRecord | Chain::None => Chain::None,
                };
            }
            _ if step == Some(PageStep::Counting) => self.count_came(None, events),
            Class::LocatorExpired if self.restarts >= MAX_EXPIRED => self.fail("cursor-lost", error, events),
            Class::LocatorExpired => self.restart(error, events),
            Class::UnknownField => self.field_refused(error, events),
            Class::TooComplicated => self.split_fields(error, events),
            Class::Never("needs-filter") | Class::Unclear("needs-filter") if self.read_by_lists() => {}
            Class::Unclear("refused") if self.has_one_attempt() => self.refused_unclearly("refused", error, events),
            // The first page came, so it's the cursor that isn't taken.
            Class::Never(_) | Class::Unclear(_) if self.strategy == Strategy::Keyset && *self.cursor() != Cursor::Start => {
                self.read_plainly(error, events);
            }
            Class::Never(code) => self.skip(code, error, events),
            Class::Unclear(_) | Class::Halted if self.strategy == Strategy::Keyset => self.read_plainly(error, events),
            Class::Unclear(_) if error.code == "INVALID_FIELD" && !self.described_again => self.describe_again(),
            Class::Unclear(code) => self.refused_unclearly(code, error, events),
            Class::Halted | Class::DailyLimit | Class::Later | Class::Session | Class::BulkLimit => {
                self.try_again("not-answered", error, events)
            }
        }
    }

    /// From its beginning. Its rows have the keys that they had, so nothing doubles; but requests are spent again, so an object
    /// that gets nowhere by it is given up.
    fn restart(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            self.fail("cursor-lost", error, events);
            return;
        }
        self.phase = Phase::default();
        self.counts = self.counts.restarted();
    }

    /// Its field list is too much for one query: more queries with fewer fields each.
    fn split_fields(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        let groups = match self.groups.max(1) {
            1 => 2,
            2 => 3,
            3 | 4 => MAX_GROUPS,
            _ => return self.fail("field-list-too-long", error, events),
        };
        if self.strategy != Strategy::Keyset {
            return self.fail("field-list-too-long", error, events);
        }
        self.groups = groups;
    }

    fn read_plainly(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        self.strategy = Strategy::Plain;
        self.restart(error, events);
    }

    fn limit_pages(&mut self, error: &ApiError, events: &mut Vec<Event>) {
        let rows = match self.strategy {
            Strategy::Limited(rows) if rows <= MIN_PAGE_ROWS => return self.skip("no-second-page", error, events),
            Strategy::Limited(rows) => (rows / 2).max(MIN_PAGE_ROWS),
            Strategy::Keyset | Strategy::Plain => PAGE_ROWS,
        };
        self.strategy = Strategy::Limited(rows);
        self.restart(error, events);
    }

    /// The answer with nothing but a page of it was larger than the host takes.
    pub fn page_too_large(&mut self, events: &mut Vec<Event>) {
        if self.rows_a_page() <= MIN_PAGE_ROWS {
            let error = ApiError {
                code: "TOO_LARGE".into(),
                message: "the smallest page is larger than the host takes".into(),
            };
            self.fail("answer-too-large", &error, events);
        } else {
            self.batch_size = Some((self.rows_a_page() / 2).max(MIN_PAGE_ROWS));
        }
    }
}

/// Why an object isn't read, or could not be read: the code for programs, Salesforce's words for people.
pub fn skipped(object: &str, code: &str, error: &ApiError, received: u64) -> Failure {
    let failure = Failure::new(code, format!("{object} can't be read: {}", error.text()))
        .about(object)
        .detail("error-code", &error.code);
    let failure = match code {
        "needs-filter" => {
            failure.remedy("Salesforce answers only queries with a filter for it; this connector doesn't read such objects yet")
        }
        "field-list-too-long" => failure.remedy(format!(
            "its fields are too many, or too costly, even for {MAX_GROUPS} queries; hide some from the connection's user"
        )),
        "no-access" | "not-visible" => failure.remedy("give the connection's user access to the object"),
        "transaction-security" => failure.remedy("give the user the permission Exempt from Transaction Security"),
        "too-large-without-view-all-data" => failure.remedy("give the user the permission View All Data"),
        "not-answered" | "query-timeout" | "cursor-lost" | "refused" | "unknown-field" => {
            failure.remedy("the next backup tries again")
        }
        _ => failure,
    };
    if received > 0 {
        failure.detail("read", received)
    } else {
        failure
    }
}
