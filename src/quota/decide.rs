//! The verdict. It fits on one screen, so that it can be held against the rules line by line.

use super::{Percent, forecast};
use backup_contract::{Hour, Pause, ReadingSource, Standing, Verdict};

/// All that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The last reading of [`super::DAILY_API_REQUESTS`] and what was sent since; `None` before the first.
    pub standing: Option<&'a Standing>,
    /// The usage limit in force.
    pub limit: Percent,
    /// Own requests by hour, oldest first, of at least the last 25 hours.
    pub own: &'a [Hour],
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Used by all applications now, as far as can be known: own requests whose answer is still awaited included.
pub fn used(standing: &Standing) -> u64 {
    standing.last.used.saturating_add(own_since(standing))
}

/// Own requests that the reading doesn't count yet.
pub(super) fn own_since(standing: &Standing) -> u64 {
    standing.own_since.saturating_add(u64::from(standing.in_flight))
}

/// Whose limit a pause is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The one that people set.
    UsageLimit,
    /// The org's own.
    OrgLimit,
}

impl PauseReason {
    /// The contract's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            PauseReason::UsageLimit => "usage-limit",
            PauseReason::OrgLimit => "org-limit",
        }
    }
}

/// Whether a step of `next_cost` requests may be sent: never beyond the ceiling, smaller where less is left, and a probe only
/// where the time and the own requests say that something may have changed.
pub fn decide(facts: &Facts<'_>, next_cost: u32) -> Verdict {
    if next_cost == 0 {
        return Verdict::Proceed(0);
    }
    let Some(standing) = facts.standing else {
        return Verdict::Probe(1);
    };
    let ceiling = facts.limit.ceiling_of(standing.last.max);
    let (allowance, reason) = match standing.last.source {
        ReadingSource::Refusal => (0, PauseReason::OrgLimit),
        ReadingSource::ResponseHeader | ReadingSource::LimitsResource | ReadingSource::Other => {
            (ceiling.saturating_sub(used(standing)), PauseReason::UsageLimit)
        }
    };
    if allowance > 0 {
        return Verdict::Proceed(u32::try_from(allowance).unwrap_or(u32::MAX).min(next_cost));
    }
    match forecast::next_look_ms(standing, facts.own)
        .saturating_sub(facts.now_ms)
        .div_ceil(1_000)
    {
        0 => Verdict::Probe(1),
        seconds => Verdict::Pause(Pause {
            reason: reason.as_str().to_owned(),
            used: used(standing),
            max: standing.last.max,
            ceiling,
            recheck_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use backup_contract::Reading;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000_000;

    fn standing(used: u64, max: u64) -> Standing {
        Standing {
            last: Reading {
                quota: "DailyApiRequests".to_owned(),
                used,
                max,
                observed_at: NOW,
                source: ReadingSource::ResponseHeader,
                request: None,
            },
            own_since: 0,
            in_flight: 0,
        }
    }

    fn facts(standing: Option<&Standing>, limit: u8) -> Facts<'_> {
        Facts {
            standing,
            limit: Percent::new(limit).unwrap(),
            own: &[],
            now_ms: NOW,
        }
    }

    #[test]
    fn the_request_that_reaches_the_ceiling_is_the_last() {
        assert_eq!(decide(&facts(Some(&standing(3_999, 5_000)), 80), 5), Verdict::Proceed(1));
        for used in [4_000, 4_001, 5_000, 6_000, u64::MAX] {
            let Verdict::Pause(pause) = decide(&facts(Some(&standing(used, 5_000)), 80), 5) else {
                panic!("{used}")
            };
            assert_eq!(
                (pause.reason.as_str(), pause.used, pause.max, pause.ceiling),
                (PauseReason::UsageLimit.as_str(), used, 5_000, 4_000)
            );
        }
    }

    #[test]
    fn nothing_known_asks_for_one_request() {
        assert_eq!(decide(&facts(None, 1), 100), Verdict::Probe(1));
    }

    #[test]
    fn own_requests_since_the_reading_count() {
        let standing = Standing {
            own_since: 2_490,
            ..standing(0, 5_000)
        };
        assert_eq!(decide(&facts(Some(&standing), 50), 100), Verdict::Proceed(10));
    }

    #[test]
    fn a_refusal_pauses_whatever_the_numbers_say() {
        let mut refused = standing(10, 5_000);
        refused.last.source = ReadingSource::Refusal;
        let Verdict::Pause(pause) = decide(&facts(Some(&refused), 100), 1) else {
            panic!("must pause")
        };
        assert_eq!(
            (pause.reason.as_str(), pause.recheck_after),
            (PauseReason::OrgLimit.as_str(), 1_800)
        );
    }

    #[test]
    fn a_step_that_sends_nothing_is_never_held_up() {
        assert_eq!(decide(&facts(None, 1), 0), Verdict::Proceed(0));
        assert_eq!(decide(&facts(Some(&standing(9, 7)), 1), 0), Verdict::Proceed(0));
    }

    prop_compose! {
        fn any_facts()(known: bool, used in 0u64..20_000, max in 0u64..20_000, own_since in 0u64..2_000, refused in prop::bool::weighted(0.1),
            limit in 1u8..=100, age_ms in 0u64..200_000_000, hours in prop::collection::vec((0u64..60, 0u64..500), 0..25))
            -> (Option<Standing>, u8, Vec<Hour>, u64)
        {
            let source = if refused { ReadingSource::Refusal } else { ReadingSource::ResponseHeader };
            let mut any = Standing { own_since, ..standing(used, max) };
            (any.last.source, any.last.observed_at) = (source, NOW - age_ms);
            let mut own: Vec<Hour> =
                hours.into_iter().map(|(ago, sent)| Hour { start: (NOW / 3_600_000 - ago) * 3_600_000, sent }).collect();
            own.sort_by_key(|hour| hour.start);
            (known.then_some(any), limit, own, NOW)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn never_at_or_over_the_ceiling_and_never_more_than_is_left((standing, limit, own, now_ms) in any_facts(), cost in 1u32..10_000) {
            let limit = Percent::new(limit).unwrap();
            match (decide(&Facts { standing: standing.as_ref(), limit, own: &own, now_ms }, cost), &standing) {
                (Verdict::Proceed(n), Some(s)) => {
                    prop_assert!(s.last.source != ReadingSource::Refusal && n >= 1 && n <= cost);
                    prop_assert!(used(s) + u64::from(n) <= limit.ceiling_of(s.last.max));
                }
                (Verdict::Proceed(_), None) => prop_assert!(false, "proceeds without a reading"),
                (Verdict::Probe(n), _) => prop_assert_eq!(n, 1),
                (Verdict::Pause(p), Some(s)) => {
                    prop_assert!(p.recheck_after >= 1);
                    prop_assert!(s.last.source == ReadingSource::Refusal || used(s) >= p.ceiling);
                }
                (Verdict::Pause(_), None) => prop_assert!(false, "pauses without a reading"),
                (Verdict::Other(_), _) => prop_assert!(false, "says what nobody knows"),
            }
        }

        #[test]
        fn a_higher_limit_never_allows_less((standing, limit, own, now_ms) in any_facts(), cost in 1u32..10_000, more in 1u8..100) {
            let facts = |limit: u8| Facts { standing: standing.as_ref(), limit: Percent::new(limit).unwrap(), own: &own, now_ms };
            let allowed = |limit: u8| match decide(&facts(limit), cost) {
                Verdict::Proceed(n) => n,
                _ => 0,
            };
            prop_assert!(allowed(limit) <= allowed(limit.saturating_add(more).min(100)));
        }
    }
}
