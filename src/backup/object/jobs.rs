//! Bulk query jobs: an object's Ids in ranges, a job for each, and how its answers move a range on.
//!
//! A job's results have no order, so what can go on is the page (by its locator, for seven days) and what begins again is the
//! range. The rule it keeps: a page that was fetched is in the store before it is read, so reading it again costs no request.

use super::{Event, Object, Phase};
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
    pub ranges: Vec<Range>,
    /// Records a page, where a page was larger than the host takes.
    pub most_records: Option<u64>,
}

/// Ids after one and up to another; open where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Exclusive.
    pub after: Option<String>,
    /// Inclusive.
    pub until: Option<String>,
    /// Where it stands.
    pub state: RangeState,
    /// Its job failed or was lost so many times.
    lost: u8,
    /// Rows of it that were read.
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
    /// Reads it by so many jobs. Of several it is asked first between which Ids its records are.
    pub fn read_by_jobs(&mut self, jobs: usize) {
        if jobs > 1 {
            self.groups = 0;
            self.phase = Phase::Bounding(jobs);
        } else {
            self.read_by_job(Range::default());
        }
    }

    /// Reads this range of it by one job.
    pub fn read_by_job(&mut self, range: Range) {
        self.groups = 0;
        self.phase = Phase::Bulk(Bulk {
            ranges: vec![range],
            most_records: None,
        });
    }

    /// Its first and its last Id came, or nothing that tells them: then one job reads all.
    pub fn bounds_came(&mut self, ids: Option<(&str, &str)>) {
        self.tries = 0;
        let parts = match self.phase {
            Phase::Bounding(parts) => parts,
            _ => 1,
        };
        let bounds = ids.map_or_else(Vec::new, |(first, last)| ranges::bounds(first, last, parts));
        let after = [None].into_iter().chain(bounds.iter().cloned().map(Some));
        let until = bounds.iter().cloned().map(Some).chain([None]);
        let ranges = after.zip(until).map(|(after, until)| Range {
            after,
            until,
            ..Range::default()
        });
        self.phase = Phase::Bulk(Bulk {
            ranges: ranges.collect(),
            most_records: None,
        });
    }

    /// Its bulk query jobs, where it is read by any.
    pub fn bulk(&self) -> Option<&Bulk> {
        match &self.phase {
            Phase::Bulk(bulk) => Some(bulk),
            _ => None,
        }
    }

    fn bulk_mut(&mut self) -> Option<&mut Bulk> {
        match &mut self.phase {
            Phase::Bulk(bulk) => Some(bulk),
            _ => None,
        }
    }

    /// Records that a page of results is asked to have.
    pub fn page_records(&self) -> u64 {
        let fitting = (PAGE_BYTES / u64::from(self.row_bytes.max(1))).clamp(1_000, MAX_PAGE_RECORDS);
        self.bulk().and_then(|bulk| bulk.most_records).unwrap_or(fitting)
    }

    /// One of the ranges.
    pub fn range(&self, range_ix: usize) -> Option<&Range> {
        self.bulk()?.ranges.get(range_ix)
    }

    fn range_mut(&mut self, range_ix: usize) -> Option<&mut Range> {
        self.bulk_mut()?.ranges.get_mut(range_ix)
    }

    /// Its job was begun.
    pub fn job_begun(&mut self, range_ix: usize, job: Job, now: u64) {
        self.tries = 0;
        let ranges = self.bulk().map_or(1, |bulk| bulk.ranges.len().max(1)) as u64;
        let rows = self.remaining().unwrap_or(0) / ranges;
        let wait = FIRST_LOOK_MS + rows.saturating_mul(1_000) / ROWS_A_SECOND;
        if let Some(range) = self.range_mut(range_ix) {
            range.state = RangeState::Running {
                job: job.id,
                look_at: now + wait.min(MAX_LOOK_MS),
                wait,
            };
        }
    }

    /// It was looked how its job stands.
    pub fn job_looked(&mut self, range_ix: usize, state: JobState, now: u64) {
        self.tries = 0;
        let Some(range) = self.range_mut(range_ix) else { return };
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
            JobState::Failed | JobState::Aborted => self.job_lost(range_ix),
        }
    }

    /// A page of its results is in the store: `next`, the locator of the one after it; `rows`, how many it has.
    pub fn page_saved(&mut self, range_ix: usize, next: Option<String>, rows: Option<u64>) {
        self.tries = 0;
        let Some(range) = self.range_mut(range_ix) else { return };
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
    pub fn page_read(&mut self, range_ix: usize, rows: u64, read_to: u64) {
        self.counts.received += rows;
        self.came |= rows > 0;
        self.got_on();
        let Some(range) = self.range_mut(range_ix) else { return };
        range.rows += rows;
        if let RangeState::Saved { at, rows: left, .. } = &mut range.state {
            *at = read_to;
            *left = left.map(|left| left.saturating_sub(rows));
        }
    }

    /// The saved page has no more rows. Where Salesforce told of more, the range begins again.
    pub fn page_ended(&mut self, range_ix: usize, events: &mut Vec<Event>) {
        let Some(range) = self.range_mut(range_ix) else { return };
        let RangeState::Saved { job, next, rows, .. } = &range.state else {
            return;
        };
        if rows.is_some_and(|left| left > 0) {
            return self.job_lost(range_ix);
        }
        range.state = match next {
            Some(locator) => RangeState::Ready {
                job: job.clone(),
                locator: Some(locator.clone()),
            },
            None => RangeState::Done,
        };
        let all_done = |bulk: &Bulk| bulk.ranges.iter().all(|range| range.state == RangeState::Done);
        if self.bulk().is_some_and(all_done) {
            self.ended(events);
        }
    }

    /// Its job failed, or is not there any more: the range begins again. Its rows have the keys that they had.
    pub fn job_lost(&mut self, range_ix: usize) {
        let Some(range) = self.range_mut(range_ix) else { return };
        range.lost += 1;
        range.state = RangeState::Planned;
        let (rows, lost) = (std::mem::take(&mut range.rows), range.lost);
        self.counts.received = self.counts.received.saturating_sub(rows);
        if lost >= MAX_LOST {
            self.read_by_queries();
        }
    }

    /// A page is larger than the host takes: fewer records the next time.
    pub fn results_too_large(&mut self) {
        let records = self.page_records();
        if let Some(bulk) = self.bulk_mut() {
            bulk.most_records = Some((records / 2).max(1));
        }
    }

    /// Bulk isn't for this object, or not now: it is read from its beginning by queries.
    pub fn read_by_queries(&mut self) {
        self.bulk_able = false;
        self.phase = Phase::default();
        self.counts = self.counts.restarted();
    }
}
