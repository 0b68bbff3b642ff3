//! Bulk query jobs: an object's Ids in ranges, a job for each, and how its answers move a range on.
//!
//! A job's results have no order, so what can go on is the page (by its locator, for seven days) and what begins again is the
//! range. The rule it keeps: a page that was fetched is in the store before it is read, so reading it again costs no request.

use super::{Cursor, Event, Object, Phase};
use crate::backup::ranges;
use crate::salesforce::{Job, JobState};
use serde::{Deserialize, Serialize};

/// Milliseconds before the first look whether a job is ready, and what each row adds.
const FIRST_LOOK_MS: u64 = 8_000;
const ROWS_A_SECOND: u64 = 20_000;

/// Between looks no more than this.
const MAX_LOOK_MS: u64 = 300_000;

/// A range whose job failed or was lost so many times is read by queries.
const MAX_LOST: u8 = 3;

/// Uncompressed bytes that a page of results may have: Salesforce gives up to about a gigabyte.
const PAGE_BYTES: u64 = 768 * 1024 * 1024;

/// Rows that a page of results may have: more gain nothing.
const MAX_PAGE_RECORDS: u64 = 5_000_000;

/// An object that is read by bulk query jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// Ranges of its Ids, in order; together they are all.
    #[serde(rename = "r")]
    pub ranges: Vec<Range>,
    /// Records a page, where a page was larger than the host takes.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub most_records: Option<u64>,
}

/// Ids after one and up to another; open where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Exclusive.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Inclusive.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where it stands.
    #[serde(rename = "s")]
    pub state: RangeState,
    /// Its job failed or was lost so many times.
    #[serde(rename = "l", default)]
    lost: u8,
    /// Rows of it that were read.
    #[serde(rename = "n", default)]
    rows: u64,
}

/// Where a range stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeState {
    /// It has no job yet.
    #[default]
    Planned,
    /// Its job runs.
    Running {
        /// The job's id.
        job: String,
        /// When to look, in milliseconds since 1970.
        look_at: u64,
        /// Until the look after that.
        wait: u64,
    },
    /// A page of results can be fetched.
    Ready {
        /// The job's id.
        job: String,
        /// Of the page; none for the first.
        locator: Option<String>,
    },
    /// A page is in the store, as a working blob.
    Saved {
        /// The job's id.
        job: String,
        /// Of the page.
        locator: Option<String>,
        /// Of the page after it; none where it is the last.
        next: Option<String>,
        /// Bytes of it that were read.
        at: u64,
        /// Rows that are still to come, where Salesforce told how many the page has.
        rows: Option<u64>,
    },
    /// All of it is read.
    Done,
}

impl Range {
    /// All Ids after this one.
    pub fn after(id: String) -> Range {
        Range {
            after: Some(id),
            ..Range::default()
        }
    }

    /// Its job runs, and it is time to look how it stands.
    pub fn is_due(&self, now: u64) -> bool {
        matches!(self.state, RangeState::Running { look_at, .. } if look_at <= now)
    }

    /// Key of the working blob that has the page.
    pub fn blob(&self, object: &str) -> String {
        let (job, locator) = match &self.state {
            RangeState::Ready { job, locator } | RangeState::Saved { job, locator, .. } => (job.as_str(), locator.as_deref()),
            _ => ("", None),
        };
        format!("work/{object}/{job}/{}", locator.unwrap_or("first"))
    }
}

impl Object {
    /// Reads it by one job for each of these ranges. Of several it is asked first where they begin and end.
    pub fn read_by_bulk(&mut self, ranges: Vec<Range>) {
        self.phase = if ranges.len() > 1 { Phase::Bounding } else { Phase::Bulk };
        self.bulk = Some(Box::new(Bulk {
            ranges,
            most_records: None,
        }));
        self.groups = 0;
        self.cursor = Cursor::Start;
        self.narrowing = None;
    }

    /// Its first and its last Id came, or nothing that tells them: then one job reads all.
    pub fn bounds_came(&mut self, ids: Option<(&str, &str)>) {
        self.tries = 0;
        let parts = self.bulk.as_ref().map_or(1, |bulk| bulk.ranges.len());
        let bounds = ids.map_or_else(Vec::new, |(first, last)| ranges::bounds(first, last, parts));
        let after = [None].into_iter().chain(bounds.iter().cloned().map(Some));
        let until = bounds.iter().cloned().map(Some).chain([None]);
        let ranges = after.zip(until).map(|(after, until)| Range {
            after,
            until,
            ..Range::default()
        });
        if let Some(bulk) = &mut self.bulk {
            bulk.ranges = ranges.collect();
        }
        self.phase = Phase::Bulk;
    }

    /// Records that a page of results is asked to have.
    pub fn page_records(&self) -> u64 {
        let fitting = (PAGE_BYTES / u64::from(self.row_bytes.max(1))).clamp(1_000, MAX_PAGE_RECORDS);
        self.bulk.as_ref().and_then(|bulk| bulk.most_records).unwrap_or(fitting)
    }

    /// One of the ranges.
    pub fn range(&self, nth: usize) -> Option<&Range> {
        self.bulk.as_ref()?.ranges.get(nth)
    }

    fn range_mut(&mut self, nth: usize) -> Option<&mut Range> {
        self.bulk.as_mut()?.ranges.get_mut(nth)
    }

    /// Its job was begun.
    pub fn job_begun(&mut self, nth: usize, job: Job, now: u64) {
        self.tries = 0;
        let ranges = self.bulk.as_ref().map_or(1, |bulk| bulk.ranges.len().max(1)) as u64;
        let rows = self.remaining().unwrap_or(0) / ranges;
        let wait = FIRST_LOOK_MS + rows.saturating_mul(1_000) / ROWS_A_SECOND;
        if let Some(range) = self.range_mut(nth) {
            range.state = RangeState::Running {
                job: job.id,
                look_at: now + wait.min(MAX_LOOK_MS),
                wait,
            };
        }
    }

    /// It was looked how its job stands.
    pub fn job_looked(&mut self, nth: usize, state: JobState, now: u64) {
        self.tries = 0;
        let Some(range) = self.range_mut(nth) else { return };
        let RangeState::Running { job, wait, .. } = &range.state else {
            return;
        };
        let (job, wait) = (job.clone(), (wait * 2).min(MAX_LOOK_MS));
        match state {
            JobState::JobComplete => range.state = RangeState::Ready { job, locator: None },
            JobState::Open | JobState::Running => {
                range.state = RangeState::Running {
                    job,
                    look_at: now + wait,
                    wait,
                }
            }
            JobState::Failed | JobState::Aborted => self.job_lost(nth),
        }
    }

    /// A page of its results is in the store: `next`, the locator of the one after it; `rows`, how many it has.
    pub fn page_saved(&mut self, nth: usize, next: Option<String>, rows: Option<u64>) {
        self.tries = 0;
        let Some(range) = self.range_mut(nth) else { return };
        if let RangeState::Ready { job, locator } = &range.state {
            range.state = RangeState::Saved {
                job: job.clone(),
                locator: locator.clone(),
                next,
                at: 0,
                rows,
            };
        }
    }

    /// Rows of the saved page were handed to the host: how many, and how many bytes of the page are read by now.
    pub fn page_read(&mut self, nth: usize, rows: u64, read_to: u64) {
        self.received += rows;
        self.came |= rows > 0;
        self.got_on();
        let Some(range) = self.range_mut(nth) else { return };
        range.rows += rows;
        if let RangeState::Saved { at, rows: left, .. } = &mut range.state {
            *at = read_to;
            *left = left.map(|left| left.saturating_sub(rows));
        }
    }

    /// The saved page has no more rows. Where Salesforce told of more, the range begins again.
    pub fn page_ended(&mut self, nth: usize, events: &mut Vec<Event>) {
        let Some(range) = self.range_mut(nth) else { return };
        let RangeState::Saved { job, next, rows, .. } = &range.state else {
            return;
        };
        if rows.is_some_and(|left| left > 0) {
            return self.job_lost(nth);
        }
        range.state = match next {
            Some(locator) => RangeState::Ready {
                job: job.clone(),
                locator: Some(locator.clone()),
            },
            None => RangeState::Done,
        };
        let all_done = |bulk: &Bulk| bulk.ranges.iter().all(|range| range.state == RangeState::Done);
        if self.bulk.as_deref().is_some_and(all_done) {
            self.bulk = None;
            self.ended(events);
        }
    }

    /// Its job failed, or is not there any more: the range begins again. Its rows have the keys that they had.
    pub fn job_lost(&mut self, nth: usize) {
        let Some(range) = self.range_mut(nth) else { return };
        range.lost += 1;
        range.state = RangeState::Planned;
        let (rows, lost) = (std::mem::take(&mut range.rows), range.lost);
        self.received = self.received.saturating_sub(rows);
        if lost >= MAX_LOST {
            self.read_by_queries();
        }
    }

    /// A page is larger than the host takes: fewer records the next time.
    pub fn results_too_large(&mut self) {
        let records = self.page_records();
        if let Some(bulk) = &mut self.bulk {
            bulk.most_records = Some((records / 2).max(1));
        }
    }

    /// Bulk isn't for this object, or not now: it is read from its beginning by queries.
    pub fn read_by_queries(&mut self) {
        self.bulk = None;
        self.bulk_able = false;
        self.phase = Phase::Reading;
        (self.cursor, self.received, self.expected) = (Cursor::Start, 0, None);
    }
}
