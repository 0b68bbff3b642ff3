//! The verdict. It fits on one screen, so that it can be held against the rules line by line.

use super::{Percent, Usage, forecast};

/// All that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The last reading of [`super::DAILY_API_REQUESTS`] and what was sent since; `None` before the first.
    pub standing: Option<Standing>,
    /// The usage limit in force.
    pub limit: Percent,
    /// Own requests by hour, oldest first, of at least the last 25 hours.
    pub own: &'a [Hour],
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// A reading, and own requests that it doesn't count yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As the source told it.
    pub usage: Usage,
    /// How.
    pub source: Source,
    /// When, in milliseconds since 1970.
    pub observed_at_ms: u64,
    /// Own requests sent since, those whose answer is still awaited included.
    pub own_since: u64,
}

impl Standing {
    /// Used by all applications now, as far as can be known.
    pub fn used(&self) -> u64 {
        self.usage.used.saturating_add(self.own_since)
    }
}

/// How a reading was come by, as far as a verdict cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header or the limits resource.
    Answer,
    /// The org refused a request because nothing is left.
    Refusal,
}

/// Own requests of one clock hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Its first millisecond.
    pub start_ms: u64,
    /// Requests sent in it.
    pub sent: u64,
}

/// May the next step be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many requests of it: at least 1, but for a step that costs none.
    Proceed(u32),
    /// Spend so many requests to learn more, then ask again.
    Probe(u32),
    /// Not now.
    Pause(Pause),
}

/// Why not, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Whose limit it is.
    pub reason: PauseReason,
    /// What is known to be used.
    pub used: u64,
    /// As last read.
    pub max: u64,
    /// Where to stop.
    pub ceiling: u64,
    /// Seconds until a probe may show something else; at least 1.
    pub recheck_after: u32,
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
    let ceiling = facts.limit.ceiling_of(standing.usage.max);
    let (allowance, reason) = match standing.source {
        Source::Answer => (ceiling.saturating_sub(standing.used()), PauseReason::UsageLimit),
        Source::Refusal => (0, PauseReason::OrgLimit),
    };
    if allowance > 0 {
        return Verdict::Proceed(u32::try_from(allowance).unwrap_or(u32::MAX).min(next_cost));
    }
    match forecast::next_look_ms(&standing, facts.own)
        .saturating_sub(facts.now_ms)
        .div_ceil(1_000)
    {
        0 => Verdict::Probe(1),
        seconds => Verdict::Pause(Pause {
            reason,
            used: standing.used(),
            max: standing.usage.max,
            ceiling,
            recheck_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000_000;

    fn standing(used: u64, max: u64) -> Standing {
        Standing {
            usage: Usage { used, max },
            source: Source::Answer,
            observed_at_ms: NOW,
            own_since: 0,
        }
    }

    fn facts(standing: Option<Standing>, limit: u8) -> Facts<'static> {
        Facts {
            standing,
            limit: Percent::new(limit).unwrap(),
            own: &[],
            now_ms: NOW,
        }
    }

    #[test]
    fn the_request_that_reaches_the_ceiling_is_the_last() {
        assert_eq!(decide(&facts(Some(standing(3_999, 5_000)), 80), 5), Verdict::Proceed(1));
        for used in [4_000, 4_001, 5_000, 6_000, u64::MAX] {
            let Verdict::Pause(pause) = decide(&facts(Some(standing(used, 5_000)), 80), 5) else {
                panic!("{used}")
            };
            assert_eq!(
                (pause.reason, pause.used, pause.max, pause.ceiling),
                (PauseReason::UsageLimit, used, 5_000, 4_000)
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
        assert_eq!(decide(&facts(Some(standing), 50), 100), Verdict::Proceed(10));
    }

    #[test]
    fn a_refusal_pauses_whatever_the_numbers_say() {
        let refused = Standing {
            source: Source::Refusal,
            ..standing(10, 5_000)
        };
        let Verdict::Pause(pause) = decide(&facts(Some(refused), 100), 1) else {
            panic!("must pause")
        };
        assert_eq!((pause.reason, pause.recheck_after), (PauseReason::OrgLimit, 1_800));
    }

    #[test]
    fn a_step_that_sends_nothing_is_never_held_up() {
        assert_eq!(decide(&facts(None, 1), 0), Verdict::Proceed(0));
        assert_eq!(decide(&facts(Some(standing(9, 7)), 1), 0), Verdict::Proceed(0));
    }

    prop_compose! {
        fn any_facts()(known: bool, used in 0u64..20_000, max in 0u64..20_000, own_since in 0u64..2_000, refused in prop::bool::weighted(0.1),
            limit in 1u8..=100, age_ms in 0u64..200_000_000, hours in prop::collection::vec((0u64..60, 0u64..500), 0..25))
            -> (Option<Standing>, u8, Vec<Hour>, u64)
        {
            let source = if refused { Source::Refusal } else { Source::Answer };
            let standing = known.then_some(Standing { usage: Usage { used, max }, source, observed_at_ms: NOW - age_ms, own_since });
            let mut own: Vec<Hour> =
                hours.into_iter().map(|(ago, sent)| Hour { start_ms: (NOW / 3_600_000 - ago) * 3_600_000, sent }).collect();
            own.sort_by_key(|hour| hour.start_ms);
            (standing, limit, own, NOW)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn never_at_or_over_the_ceiling_and_never_more_than_is_left((standing, limit, own, now_ms) in any_facts(), cost in 1u32..10_000) {
            let limit = Percent::new(limit).unwrap();
            match (decide(&Facts { standing, limit, own: &own, now_ms }, cost), standing) {
                (Verdict::Proceed(n), Some(s)) => {
                    prop_assert!(s.source == Source::Answer && n >= 1 && n <= cost);
                    prop_assert!(s.used() + u64::from(n) <= limit.ceiling_of(s.usage.max));
                }
                (Verdict::Proceed(_), None) => prop_assert!(false, "proceeds without a reading"),
                (Verdict::Probe(n), _) => prop_assert_eq!(n, 1),
                (Verdict::Pause(p), Some(s)) => {
                    prop_assert!(p.recheck_after >= 1);
                    prop_assert!(s.source == Source::Refusal || s.used() >= p.ceiling);
                }
                (Verdict::Pause(_), None) => prop_assert!(false, "pauses without a reading"),
            }
        }

        #[test]
        fn a_higher_limit_never_allows_less((standing, limit, own, now_ms) in any_facts(), cost in 1u32..10_000, more in 1u8..100) {
            let allowed = |limit: u8| match decide(&Facts { standing, limit: Percent::new(limit).unwrap(), own: &own, now_ms }, cost) {
                Verdict::Proceed(n) => n,
                Verdict::Probe(_) | Verdict::Pause(_) => 0,
            };
            prop_assert!(allowed(limit) <= allowed(limit.saturating_add(more).min(100)));
        }
    }
}
