//! What a scope has sent and what it knows, and what is left by both.
//!
//! The rules it keeps: an attempt is counted before it is sent; a newer reading replaces the estimate, an older one doesn't;
//! requests that a crash may have sent stay counted until a reading is new enough to hold them; own requests in 24 hours never
//! pass the ceiling, whatever the readings say.

use super::probes::{self, ProbeFacts};
use backup_contract::{Hour, Reading, ReadingSource, Standing};
use backup_seams::Timestamp;
use backup_store::{Grant, GrantPurpose, Percent, Spending, Unsettled};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far a source's numbers may lag behind (Salesforce, limits resource: "accurate within five minutes").
const LAG: Duration = Duration::from_secs(5 * 60);
const HOUR_MS: u64 = 3_600_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Nothing may be sent for this cost now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted {
    /// What was left.
    pub left: u64,
}

/// One attempt on the wire.
#[derive(Clone, Copy, Debug)]
struct SentRequest {
    number: u64,
    at: Timestamp,
    cost: u64,
}

#[derive(Clone, Copy, Debug)]
struct OpenGrant {
    purpose: GrantPurpose,
    left: u64,
}

/// See the module. One for each claim of a scope.
#[derive(Debug)]
pub struct Ledger {
    quota: String,
    /// What is spent, by the claim that this process continues from, and what it added itself.
    recovered: Spending,
    opened_at: Timestamp,
    next_number: u64,
    /// Sent by this process: since the last reading of `quota`, and for [`LAG`].
    recent: VecDeque<SentRequest>,
    /// Numbers and costs of requests without an answer.
    awaiting: BTreeMap<u64, u64>,
    sent: u64,
    grant: Option<OpenGrant>,
    /// A reading of `quota` was taken since the ledger was opened.
    is_fresh: bool,
}

impl Ledger {
    /// Continues from what the claim recovered. `quota` is what requests spend.
    pub fn open(quota: &str, mut recovered: Spending, now: Timestamp) -> Ledger {
        no_later_than(&mut recovered, now);
        // What a dead host may have sent had numbers too.
        let next_number = recovered
            .next_request_number
            .saturating_add(total(recovered.unsettled.iter().map(|u| u.requests)));
        Ledger {
            quota: quota.to_owned(),
            recovered,
            opened_at: now,
            next_number,
            recent: VecDeque::new(),
            awaiting: BTreeMap::new(),
            sent: 0,
            grant: None,
            is_fresh: false,
        }
    }

    /// From now on requests are sent under this grant, which is durable already.
    pub fn open_grant(&mut self, grant: &Grant) {
        self.grant = Some(OpenGrant {
            purpose: grant.purpose,
            left: grant.requests,
        });
    }

    /// What remains of the grant is released; nothing is sent until the next.
    pub fn close_grant(&mut self) {
        self.grant = None;
        self.awaiting.clear();
    }

    /// Attempts counted since the ledger was opened.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Requests that may be sent now under the open grant.
    pub fn left(&self, limit: Percent, now: Timestamp) -> u64 {
        let Some(grant) = self.grant else { return 0 };
        match (grant.purpose, self.standing()) {
            (GrantPurpose::Probe, _) | (GrantPurpose::Check, None) => grant.left,
            (_, None) => 0,
            (_, Some(_)) => grant.left.min(self.allowance(limit, now).unwrap_or(0)),
        }
    }

    /// What may be sent before the ceiling, by the host's own arithmetic; `None` before the first reading.
    pub fn allowance(&self, limit: Percent, now: Timestamp) -> Option<u64> {
        let standing = self.standing()?;
        if standing.last.source == ReadingSource::Refusal {
            return Some(0);
        }
        let ceiling = super::ceiling(limit, standing.last.max);
        Some(
            ceiling
                .saturating_sub(self.used(standing))
                .min(ceiling.saturating_sub(self.own_in_a_day(now))),
        )
    }

    /// Whether the open grant is a probe's: one attempt, and no other.
    pub fn is_probe(&self) -> bool {
        self.grant.is_some_and(|grant| grant.purpose == GrantPurpose::Probe)
    }

    /// A probe is about to be sent.
    pub fn note_probe(&mut self, now: Timestamp) {
        self.recovered.probes.push(now);
    }

    /// The last probe provably wasn't sent.
    pub fn take_back_probe(&mut self) {
        self.recovered.probes.pop();
    }

    /// When the source may be asked next. `at_once`: whether or not it's worth it.
    pub fn next_probe(&self, at_once: bool, now: Timestamp) -> Timestamp {
        let earliest = probes::earliest(&self.recovered.probes, self.standing().map(|s| s.last.max), now);
        match self.standing() {
            Some(standing) if !at_once => {
                let last_probe = self.recovered.probes.iter().max().copied();
                probes::worthwhile(&self.probe_facts(standing, now), last_probe, LAG).max(earliest)
            }
            _ => earliest,
        }
    }

    /// When the source last told what is used, or was asked.
    pub fn asked_at(&self) -> Option<Timestamp> {
        let told = self.standing().map(|standing| observed_at(&standing.last));
        told.max(self.recovered.probes.iter().max().copied())
    }

    /// Whether what is known is so old that requests go out one after the other until an answer tells it anew, and one is out.
    pub fn waits_for_an_answer(&self, now: Timestamp) -> bool {
        let is_old = |standing: &Standing| now.since(observed_at(&standing.last)) > LAG;
        !self.awaiting.is_empty() && self.standing().is_some_and(is_old)
    }

    fn probe_facts(&self, standing: &Standing, now: Timestamp) -> ProbeFacts {
        let reading = &standing.last;
        let observed_at = observed_at(reading);
        // Hours that reach back over the window's edge are left out: others may have more than this, never less. What a crash
        // may have sent explains nothing.
        let within = |hour: &&Hour| hour.sent > 0 && leaves_at(hour) > observed_at;
        let own = self.recovered.hours.iter().filter(within);
        let own_then = total(own.clone().map(|hour| hour.sent)).saturating_sub(standing.own_since);
        let is_explained = own_then >= reading.used && reading.source != ReadingSource::Refusal;
        let shows_at = self.recovered.unsettled.iter().map(|unsettled| unsettled.until.after(LAG));
        ProbeFacts {
            told_at: observed_at.min(now),
            nothing_free_before: own.map(leaves_at).min().filter(|_| is_explained),
            crash_shows_at: shows_at.filter(|at| observed_at < *at).max(),
        }
    }

    /// Counts an attempt that is about to be sent and gives its number.
    pub fn admit(&mut self, cost: u32, limit: Percent, now: Timestamp) -> Result<u64, NotAdmitted> {
        let cost = u64::from(cost.max(1));
        let left = self.left(limit, now);
        let Some(grant) = self.grant.as_mut().filter(|_| cost <= left) else {
            return Err(NotAdmitted { left });
        };
        grant.left -= cost;
        let number = self.next_number;
        self.next_number += 1;
        self.sent += cost;
        self.awaiting.insert(number, cost);
        self.recent.push_back(SentRequest { number, at: now, cost });
        add_to_hour(&mut self.recovered.hours, now, cost);
        for standing in self.recovered.readings.iter_mut().filter(|s| s.last.quota == self.quota) {
            standing.own_since = standing.own_since.saturating_add(cost);
        }
        Ok(number)
    }

    /// It provably was not sent: as if it had never been admitted.
    pub fn not_sent(&mut self, number: u64) {
        let Some(cost) = self.awaiting.remove(&number) else { return };
        let Some(place) = self.recent.iter().position(|sent| sent.number == number) else {
            return;
        };
        let Some(sent) = self.recent.remove(place) else { return };
        self.sent -= cost;
        if let Some(grant) = self.grant.as_mut() {
            grant.left += cost;
        }
        if let Some(hour) = self.recovered.hours.iter_mut().find(|hour| hour.start == hour_of(sent.at).0) {
            hour.sent = hour.sent.saturating_sub(cost);
        }
        for standing in self.recovered.readings.iter_mut().filter(|s| s.last.quota == self.quota) {
            if standing.last.request.is_none_or(|request| request < number) {
                standing.own_since = standing.own_since.saturating_sub(cost);
            }
        }
    }

    /// An answer came, or none will.
    pub fn answered(&mut self, number: u64) {
        self.awaiting.remove(&number);
    }

    /// Takes a reading. What can't be true is not believed: a request that was not sent yet, a moment to come.
    pub fn observe(&mut self, mut reading: Reading, now: Timestamp) {
        reading.observed_at = reading.observed_at.min(now.0);
        reading.request = reading.request.filter(|number| *number < self.next_number);
        let place = self.recovered.readings.iter().position(|s| s.last.quota == reading.quota);
        if let Some(standing) = place.and_then(|place| self.recovered.readings.get(place))
            && !replaces(&reading, &standing.last)
        {
            return;
        }
        self.is_fresh |= reading.quota == self.quota;
        let own_since = if reading.quota == self.quota {
            self.own_since(&reading)
        } else {
            0
        };
        let standing = Standing {
            last: reading,
            own_since,
            in_flight: 0,
        };
        match place {
            Some(place) => self.recovered.readings[place] = standing,
            None => self.recovered.readings.push(standing),
        }
        self.forget_old(now);
    }

    /// What the contract's `storage.readings` gives.
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |s: &Standing| {
            let own = s.last.quota == self.quota;
            Standing {
                last: s.last.clone(),
                own_since: if own {
                    s.own_since.saturating_add(self.unsettled_after(&s.last))
                } else {
                    0
                },
                in_flight: if own {
                    u32::try_from(self.in_flight_before(&s.last)).unwrap_or(u32::MAX)
                } else {
                    0
                },
            }
        };
        self.recovered.readings.iter().map(standing).collect()
    }

    /// What the contract's `storage.own-requests` gives: own requests by hour, those that a crash may have sent among them.
    pub fn own_requests(&self, hours: u32, now: Timestamp) -> Vec<Hour> {
        let mut own = self.recovered.hours.clone();
        for unsettled in &self.recovered.unsettled {
            add_to_hour(&mut own, unsettled.until, unsettled.requests);
        }
        let first = hour_of(now).0.saturating_sub(u64::from(hours.saturating_sub(1)) * HOUR_MS);
        own.retain(|hour| hour.start >= first && hour.sent > 0);
        own
    }

    /// Used by all applications as far as is known, and max; `None` before the first reading.
    pub fn usage(&self) -> Option<(u64, u64)> {
        self.standing().map(|standing| (self.used(standing), standing.last.max))
    }

    /// Whether the quota that requests spend was read since the ledger was opened.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// The last reading of the quota that requests spend.
    pub fn last_reading(&self) -> Option<&Reading> {
        self.standing().map(|standing| &standing.last)
    }

    /// All of it, to be kept with the next durable record.
    pub fn spending(&self, now: Timestamp) -> Spending {
        let mut spending = self.recovered.clone();
        spending.next_request_number = self.next_number;
        spending.hours.retain(|hour| hour.start + HOUR_MS > now.before(DAY).0);
        spending.unsettled.retain(|unsettled| unsettled.until > now.before(DAY));
        spending.probes.retain(|at| *at > now.before(DAY));
        spending
    }

    fn standing(&self) -> Option<&Standing> {
        self.recovered.readings.iter().find(|s| s.last.quota == self.quota)
    }

    fn used(&self, standing: &Standing) -> u64 {
        let reading = &standing.last;
        reading
            .used
            .saturating_add(standing.own_since)
            .saturating_add(self.in_flight_before(reading))
            .saturating_add(self.unsettled_after(reading))
    }

    /// Sent before the reading's request and not answered: the source may not have counted them yet.
    fn in_flight_before(&self, reading: &Reading) -> u64 {
        let Some(request) = reading.request else { return 0 };
        total(self.awaiting.range(..request).map(|(_, cost)| *cost))
    }

    fn own_since(&self, reading: &Reading) -> u64 {
        if let Some(request) = reading.request
            && reading.source != ReadingSource::LimitsResource
        {
            return total(self.recent.iter().filter(|sent| sent.number > request).map(|sent| sent.cost));
        }
        let since = match reading.source {
            ReadingSource::LimitsResource => observed_at(reading).before(LAG),
            _ => observed_at(reading),
        };
        let by_this_process = total(self.recent.iter().filter(|sent| sent.at >= since).map(|sent| sent.cost));
        // Of what was sent before this process only the hours are known: an hour that reaches into the lag counts whole.
        let before: u64 = if since < self.opened_at {
            let hours = self.recovered.hours.iter().filter(|hour| hour.start + HOUR_MS > since.0);
            total(hours.map(|hour| hour.sent)).saturating_sub(total(self.recent.iter().map(|sent| sent.cost)))
        } else {
            0
        };
        by_this_process.saturating_add(before)
    }

    fn unsettled_after(&self, reading: &Reading) -> u64 {
        let uncovered = self
            .recovered
            .unsettled
            .iter()
            .filter(|unsettled| !covers(reading, unsettled));
        total(uncovered.map(|unsettled| unsettled.requests))
    }

    fn own_in_a_day(&self, now: Timestamp) -> u64 {
        let since = now.before(DAY);
        let hours = self.recovered.hours.iter().filter(|hour| hour.start + HOUR_MS > since.0);
        let hours = total(hours.map(|hour| hour.sent));
        let reading = self.standing().map(|standing| &standing.last);
        // What a dead host may have sent was sent as far as the source, asked later, knows of more than is known here.
        let (covered, uncovered): (Vec<&Unsettled>, Vec<&Unsettled>) = self
            .recovered
            .unsettled
            .iter()
            .filter(|unsettled| unsettled.until > since)
            .partition(|unsettled| reading.is_some_and(|reading| covers(reading, unsettled)));
        let beyond = reading.map_or(0, |reading| reading.used.saturating_sub(hours));
        hours
            .saturating_add(total(uncovered.iter().map(|unsettled| unsettled.requests)))
            .saturating_add(total(covered.iter().map(|unsettled| unsettled.requests)).min(beyond))
    }

    /// Keeps what a later reading may still ask for.
    fn forget_old(&mut self, now: Timestamp) {
        let request = self.standing().and_then(|s| s.last.request).unwrap_or(0);
        while let Some(first) = self.recent.front()
            && first.number <= request
            && first.at < now.before(LAG)
        {
            self.recent.pop_front();
        }
    }
}

/// Whether a reading is late enough to hold what a dead host may have sent.
fn covers(reading: &Reading, unsettled: &Unsettled) -> bool {
    observed_at(reading) >= unsettled.until.after(LAG)
}

/// A clock that was set back makes nothing last longer: what is dated in the future counts as of now.
fn no_later_than(recovered: &mut Spending, now: Timestamp) {
    recovered.probes.iter_mut().for_each(|at| *at = (*at).min(now));
    for standing in &mut recovered.readings {
        standing.last.observed_at = standing.last.observed_at.min(now.0);
    }
    for unsettled in &mut recovered.unsettled {
        unsettled.until = unsettled.until.min(now);
    }
    let later = recovered.hours.partition_point(|hour| hour.start <= hour_of(now).0);
    for hour in recovered.hours.split_off(later) {
        add_to_hour(&mut recovered.hours, now, hour.sent);
    }
}

fn observed_at(reading: &Reading) -> Timestamp {
    Timestamp(reading.observed_at)
}

/// When the first request of an hour leaves the window.
fn leaves_at(hour: &Hour) -> Timestamp {
    Timestamp(hour.start).after(DAY)
}

fn total(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// A refusal beats a header on the same answer, a header beats the resource it came with.
fn replaces(new: &Reading, last: &Reading) -> bool {
    fn rank(source: ReadingSource) -> u8 {
        match source {
            ReadingSource::Refusal => 3,
            ReadingSource::ResponseHeader => 2,
            ReadingSource::LimitsResource => 1,
            ReadingSource::Other => 0,
        }
    }
    match (new.request, last.request) {
        (Some(new_request), Some(last_request)) if new_request != last_request => new_request > last_request,
        (Some(_), Some(_)) => rank(new.source) >= rank(last.source),
        _ => new.observed_at >= last.observed_at,
    }
}

fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 / HOUR_MS * HOUR_MS)
}

fn add_to_hour(hours: &mut Vec<Hour>, at: Timestamp, cost: u64) {
    let start = hour_of(at).0;
    match hours.binary_search_by_key(&start, |hour| hour.start) {
        Ok(place) => hours[place].sent = hours[place].sent.saturating_add(cost),
        Err(place) => hours.insert(place, Hour { start, sent: cost }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    fn reading(used: u64, max: u64, request: Option<u64>) -> Reading {
        let source = ReadingSource::ResponseHeader;
        Reading {
            quota: "Q".into(),
            used,
            max,
            observed_at: NOW.0,
            source,
            request,
        }
    }

    fn grant(requests: u64, purpose: GrantPurpose) -> Grant {
        Grant {
            id: "g".into(),
            requests,
            at: NOW,
            purpose,
        }
    }

    fn ledger(purpose: GrantPurpose, requests: u64) -> Ledger {
        let mut ledger = Ledger::open("Q", Spending::default(), NOW);
        ledger.open_grant(&grant(requests, purpose));
        ledger
    }

    #[test]
    fn before_the_first_reading_only_a_check_or_a_probe_may_send() {
        let limit = percent(100);
        assert_eq!(
            ledger(GrantPurpose::Batch, 9).admit(1, limit, NOW),
            Err(NotAdmitted { left: 0 })
        );
        let mut check = ledger(GrantPurpose::Check, 1);
        assert_eq!(check.admit(1, limit, NOW), Ok(0));
        assert_eq!(
            check.admit(1, limit, NOW),
            Err(NotAdmitted { left: 0 }),
            "one request, and no more"
        );
    }

    #[test]
    fn the_request_that_reaches_the_ceiling_is_the_last() {
        let mut ledger = ledger(GrantPurpose::Batch, 1_000);
        ledger.observe(reading(3_997, 5_000, None), NOW);
        let limit = percent(80);
        assert_eq!((0..10).filter(|_| ledger.admit(1, limit, NOW).is_ok()).count(), 3);
        assert_eq!(ledger.usage(), Some((4_000, 5_000)));
        ledger.observe(reading(3_998, 5_000, Some(0)), NOW);
        assert!(
            ledger.admit(1, limit, NOW).is_err(),
            "the first answer of three: two are still to be counted"
        );
    }

    #[test]
    fn a_lowered_limit_counts_at_the_next_attempt() {
        let mut ledger = ledger(GrantPurpose::Batch, 1_000);
        ledger.observe(reading(40, 100, None), NOW);
        assert!(ledger.admit(1, percent(50), NOW).is_ok());
        assert!(ledger.admit(1, percent(41), NOW).is_err());
        assert!(ledger.admit(1, percent(50), NOW).is_ok());
    }

    #[test]
    fn an_attempt_that_was_not_sent_is_given_back() {
        let mut ledger = ledger(GrantPurpose::Batch, 2);
        ledger.observe(reading(0, 100, None), NOW);
        let number = ledger.admit(2, percent(50), NOW).unwrap();
        ledger.not_sent(number);
        assert_eq!(
            (ledger.left(percent(50), NOW), ledger.sent(), ledger.usage()),
            (2, 0, Some((0, 100)))
        );
        assert!(ledger.own_requests(24, NOW).is_empty());
    }

    #[test]
    fn readings_of_earlier_requests_and_of_the_future_change_nothing() {
        let mut ledger = ledger(GrantPurpose::Batch, 100);
        ledger.observe(reading(0, 1_000, None), NOW);
        for _ in 0..3 {
            ledger.admit(1, percent(50), NOW).unwrap();
        }
        ledger.observe(reading(400, 1_000, Some(2)), NOW);
        ledger.observe(reading(1, 1_000, Some(1)), NOW);
        assert_eq!(ledger.usage().unwrap().0, 402, "requests 0 and 1 are still awaited");
        let invented = Reading {
            observed_at: NOW.after(DAY).0,
            ..reading(400, 1_000, Some(u64::MAX))
        };
        ledger.observe(invented, NOW);
        assert!(ledger.admit(98, percent(50), NOW).is_err());
    }

    #[test]
    fn a_refusal_stops_all_but_a_probe_until_a_newer_answer() {
        let mut ledger = ledger(GrantPurpose::Batch, 100);
        ledger.observe(reading(1, 1_000, None), NOW);
        let first = ledger.admit(1, percent(50), NOW).unwrap();
        ledger.answered(first);
        ledger.observe(
            Reading {
                source: ReadingSource::Refusal,
                ..reading(1_000, 1_000, Some(first))
            },
            NOW,
        );
        ledger.observe(reading(2, 1_000, Some(first)), NOW);
        assert_eq!(
            ledger.left(percent(50), NOW),
            0,
            "the header on the same answer doesn't count"
        );
        ledger.open_grant(&grant(1, GrantPurpose::Probe));
        let probe = ledger.admit(1, percent(50), NOW).unwrap();
        ledger.observe(reading(3, 1_000, Some(probe)), NOW);
        ledger.open_grant(&grant(100, GrantPurpose::Batch));
        assert_eq!(ledger.left(percent(50), NOW), 100);
    }

    #[test]
    fn a_limits_reading_keeps_own_requests_of_five_minutes_on_top() {
        let mut ledger = ledger(GrantPurpose::Batch, 100);
        ledger.observe(reading(0, 1_000, None), NOW);
        ledger.admit(5, percent(50), NOW).unwrap();
        let later = NOW.after(Duration::from_secs(200));
        ledger.admit(7, percent(50), later).unwrap();
        ledger.answered(0);
        ledger.answered(1);
        let at = NOW.after(Duration::from_secs(400));
        ledger.observe(
            Reading {
                source: ReadingSource::LimitsResource,
                observed_at: at.0,
                ..reading(5, 1_000, Some(1))
            },
            at,
        );
        assert_eq!(ledger.usage().unwrap().0, 12);
    }

    #[test]
    fn requests_that_a_crash_may_have_sent_count_until_a_reading_is_five_minutes_newer() {
        let unsettled = vec![Unsettled {
            requests: 8,
            from: NOW,
            until: NOW.after(Duration::from_secs(60)),
        }];
        let recovered = Spending {
            readings: vec![Standing {
                last: reading(10, 1_000, Some(4)),
                own_since: 2,
                in_flight: 0,
            }],
            unsettled,
            next_request_number: 7,
            ..Spending::default()
        };
        let mut ledger = Ledger::open("Q", recovered, NOW.after(Duration::from_secs(60)));
        assert_eq!(ledger.usage(), Some((20, 1_000)));
        ledger.open_grant(&grant(1, GrantPurpose::Batch));
        assert_eq!(
            ledger.admit(1, percent(50), NOW),
            Ok(15),
            "numbers go on behind those that may have been used"
        );
        let at = |seconds| NOW.after(Duration::from_secs(seconds));
        ledger.observe(
            Reading {
                observed_at: at(359).0,
                ..reading(30, 1_000, Some(15))
            },
            at(359),
        );
        assert_eq!(ledger.standings()[0].own_since, 8);
        ledger.observe(
            Reading {
                observed_at: at(360).0,
                ..reading(30, 1_000, Some(15))
            },
            at(360),
        );
        assert_eq!(ledger.standings()[0].own_since, 0);
        assert_eq!(ledger.own_requests(24, NOW).iter().map(|hour| hour.sent).sum::<u64>(), 9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever a connector says: what was sent in a day stays under the highest ceiling it could claim.
        #[test]
        fn invented_readings_never_let_own_requests_of_a_day_pass_the_ceiling(
            limit in 1u8..=100, used in prop::collection::vec(0u64..2_000, 1..60), costs in prop::collection::vec(1u32..50, 60), step in 0u64..3_600
        ) {
            let (limit, max) = (percent(limit), 1_000);
            let mut ledger = ledger(GrantPurpose::Batch, u64::MAX);
            let mut now = NOW;
            for (used, cost) in used.into_iter().zip(costs) {
                now = now.after(Duration::from_secs(step));
                let invented = Reading { observed_at: now.0, ..reading(used, max, Some(ledger.next_number.saturating_sub(1))) };
                ledger.observe(invented, now);
                let _ = ledger.admit(cost, limit, now);
                let day: u64 = ledger.recent.iter().filter(|sent| sent.at > now.before(DAY)).map(|sent| sent.cost).sum();
                prop_assert!(day <= crate::quota::ceiling(limit, max));
            }
        }
    }
}
