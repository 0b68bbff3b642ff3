//! Whether so many requests fit, and if not, how often a backup pauses and when it would be complete.
//!
//! Pure arithmetic on what is known now, and an estimate: that other applications go on as in the last 24 hours, and that an hour's
//! own requests leave the window at its end. Requests are taken to be sent at once: what counts is the waiting.

use backup_contract::Hour;
use backup_seams::Timestamp;
use backup_store::Percent;
use std::collections::VecDeque;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What is further away nobody plans for: about ten years.
const HORIZON_MS: u64 = 3_650 * DAY_MS;

/// Waits that are gone through one by one; from then on a day is as the one before.
const MAX_STEPS: usize = 1_000;

/// What is known when the question is asked.
#[derive(Clone, Copy, Debug)]
pub struct ForecastFacts<'a> {
    /// Requests that are needed.
    pub needed: u64,
    /// By all applications.
    pub used: u64,
    /// Of so many.
    pub max: u64,
    /// The usage limit in force.
    pub limit: Percent,
    /// Requests that may be sent now.
    pub free: u64,
    /// Own requests of the last 24 hours, by hour.
    pub own: &'a [Hour],
    /// When the question is asked: waits count from here.
    pub now: Timestamp,
}

/// What is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// All of it may be sent now.
    pub fits_now: bool,
    /// So many times it has to wait for requests to come free; `None` where that never ends, or nobody would wait for it.
    pub pauses: Option<u64>,
    /// When the last request could be sent.
    pub completes_at: Option<Timestamp>,
    /// The usage limit under which all of it could be sent now, never less than the one in force; `None`: not even 100 % would do.
    pub limit_to_finish_today: Option<Percent>,
}

/// What is to be expected by what is known.
pub fn forecast(known: &ForecastFacts<'_>) -> Forecast {
    let fits_now = known.needed <= known.free;
    let waited = if fits_now { Some((0, 0)) } else { wait(known) };
    Forecast {
        fits_now,
        pauses: waited.map(|(pauses, _)| pauses),
        completes_at: waited.map(|(_, after)| Timestamp(known.now.0.saturating_add(after))),
        limit_to_finish_today: if fits_now { Some(known.limit) } else { sufficient(known) },
    }
}

/// The smallest usage limit, from the one in force on, that leaves enough.
fn sufficient(known: &ForecastFacts<'_>) -> Option<Percent> {
    let leaves = |percent: Percent| super::ceiling(percent, known.max).saturating_sub(known.used) >= known.needed;
    (known.limit.get()..=100)
        .filter_map(Percent::new)
        .find(|percent| leaves(*percent))
}

/// How many pauses, and milliseconds, until the last request: hour by hour, as what was sent leaves the window and is sent anew.
fn wait(known: &ForecastFacts<'_>) -> Option<(u64, u64)> {
    let own = known.own.iter().fold(0u64, |sum, hour| sum.saturating_add(hour.sent));
    let others = known.used.saturating_sub(own);
    // What others leave in a day.
    let a_day = super::ceiling(known.limit, known.max).saturating_sub(others);
    if a_day == 0 {
        return None;
    }
    let now = known.now.0;
    let mut hours: Vec<&Hour> = known.own.iter().filter(|hour| hour.sent > 0).collect();
    hours.sort_by_key(|hour| hour.start);
    // When requests leave the window, and how many; later ones behind.
    let leaves = |sent_at: u64| sent_at.saturating_add(DAY_MS + HOUR_MS);
    let mut window: VecDeque<(u64, u64)> = hours.into_iter().map(|hour| (leaves(hour.start), hour.sent)).collect();
    window.push_back((leaves(now), known.free));
    let mut left = known.needed.saturating_sub(known.free);
    let mut pauses = 1;
    for _ in 0..MAX_STEPS {
        let (at, _) = window.pop_front()?;
        let within = window.iter().fold(0u64, |sum, (_, sent)| sum.saturating_add(*sent));
        let free = a_day.saturating_sub(within);
        if left <= free {
            return Some((pauses, at.saturating_sub(now)));
        }
        if free > 0 {
            left -= free;
            pauses += 1;
            window.push_back((leaves(at), free));
        } else if window.is_empty() {
            window.push_back((leaves(at), 0));
        }
    }
    let days = left.div_ceil(a_day);
    let ahead = window.front().map_or(0, |(at, _)| at.saturating_sub(now));
    let after = days.checked_mul(DAY_MS)?.checked_add(ahead)?;
    (after <= HORIZON_MS).then_some((pauses.saturating_add(days), after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(500_000 * HOUR_MS);

    fn known(needed: u64, used: u64, limit: u8, own: &[Hour]) -> ForecastFacts<'_> {
        let limit = Percent::new(limit).unwrap();
        ForecastFacts {
            needed,
            used,
            max: 1_000,
            limit,
            free: super::super::ceiling(limit, 1_000).saturating_sub(used),
            own,
            now: NOW,
        }
    }

    fn hours_ahead(forecast: Forecast) -> Option<u64> {
        Some((forecast.completes_at?.0 - NOW.0) / HOUR_MS)
    }

    #[test]
    fn a_backup_that_fits_never_pauses_and_asks_for_no_other_limit() {
        let forecast = forecast(&known(70, 430, 50, &[]));
        assert_eq!(
            (forecast.fits_now, forecast.pauses, hours_ahead(forecast)),
            (true, Some(0), Some(0))
        );
        assert_eq!(forecast.limit_to_finish_today.map(Percent::get), Some(50));
    }

    #[test]
    fn each_day_gives_what_others_leave() {
        // 71 needed, 70 free, and 70 again a day later.
        let one = forecast(&known(71, 430, 50, &[]));
        assert_eq!((one.fits_now, one.pauses, hours_ahead(one)), (false, Some(1), Some(25)));
        assert_eq!(one.limit_to_finish_today.map(Percent::get), Some(51));
        let three = forecast(&known(219, 439, 50, &[]));
        assert_eq!((three.pauses, hours_ahead(three)), (Some(3), Some(75)));
        assert_eq!(three.limit_to_finish_today.map(Percent::get), Some(66));
    }

    #[test]
    fn own_requests_come_free_before_the_days_end() {
        let own = [Hour {
            start: NOW.0 - 20 * HOUR_MS,
            sent: 400,
        }];
        let forecast = forecast(&known(300, 500, 50, &own));
        assert_eq!((forecast.pauses, hours_ahead(forecast)), (Some(1), Some(5)));
    }

    #[test]
    fn a_backup_never_completes_where_others_leave_nothing() {
        let forecast = forecast(&known(10, 600, 50, &[]));
        assert_eq!((forecast.pauses, forecast.completes_at), (None, None));
        assert_eq!(forecast.limit_to_finish_today.map(Percent::get), Some(61));
    }

    #[test]
    fn an_org_whose_daily_limit_is_too_small_has_no_limit_that_would_do() {
        let forecast = forecast(&known(2_500, 0, 100, &[]));
        assert_eq!((forecast.limit_to_finish_today, forecast.pauses), (None, Some(2)));
    }

    #[test]
    fn a_forecast_is_made_of_numbers_of_any_size() {
        for needed in [1 << 40, 1 << 61, u64::MAX] {
            for used in [0, 499, u64::MAX] {
                let own = [
                    Hour {
                        start: u64::MAX,
                        sent: u64::MAX,
                    },
                    Hour { start: 0, sent: 1 },
                ];
                for own in [&own[..], &own[1..], &[]] {
                    let known = ForecastFacts {
                        max: u64::MAX,
                        ..known(needed, used, 1, own)
                    };
                    forecast(&known);
                    forecast(&ForecastFacts { max: 1_000, ..known });
                }
            }
        }
        assert_eq!(forecast(&known(1 << 40, 0, 50, &[])).completes_at, None, "beyond the horizon");
    }
}
