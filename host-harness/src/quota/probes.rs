//! When the source may be asked how many requests are left, though nothing may be sent: each time costs a request of the reserve.

use backup_seams::Timestamp;
use std::time::Duration;

/// Between two probes of a scope, whoever asks.
const EVERY: Duration = Duration::from_secs(30 * 60);

/// The source's own limit may have been raised: one probe in so long, whatever is known.
const AT_LEAST_EVERY: Duration = Duration::from_secs(4 * 3_600);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Probes of a scope in a day: so many, or a hundredth of its requests.
const IN_A_DAY: u64 = 2;

/// What says that a probe would show nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProbeFacts {
    /// When the source last told what is used.
    pub(super) told_at: Timestamp,
    /// Own requests explain all that is used: none of it comes free before.
    pub(super) nothing_free_before: Option<Timestamp>,
    /// A crash was found, whose requests a reading from then on shows.
    pub(super) crash_shows_at: Option<Timestamp>,
}

/// The earliest moment that the bound allows, which holds for whoever asks. `probes`: oldest first; one that is dated in the
/// future (the clock was set back) counts as sent now. `max`: the source's requests of a day, where known.
pub(crate) fn earliest(probes: &[Timestamp], max: Option<u64>, now: Timestamp) -> Timestamp {
    let mut of_the_day: Vec<Timestamp> = probes
        .iter()
        .map(|at| (*at).min(now))
        .filter(|at| at.after(DAY) > now)
        .collect();
    of_the_day.sort_unstable();
    let in_a_day = usize::try_from(IN_A_DAY.max(max.unwrap_or(0) / 100)).unwrap_or(usize::MAX);
    let after_the_last = of_the_day.last().map_or(now, |last| last.after(EVERY));
    let after_the_day = of_the_day.len().checked_sub(in_a_day).and_then(|place| of_the_day.get(place));
    after_the_day.map_or(after_the_last, |first| first.after(DAY).max(after_the_last))
}

/// The earliest moment at which a probe may show something new.
pub(super) fn worthwhile(facts: &ProbeFacts, last_probe: Option<Timestamp>, lag: Duration) -> Timestamp {
    let asked_at = last_probe.map_or(facts.told_at, |last| last.max(facts.told_at));
    let usual = facts
        .nothing_free_before
        .unwrap_or(facts.told_at)
        .max(facts.told_at.after(lag));
    let usual = usual.min(asked_at.after(AT_LEAST_EVERY));
    facts.crash_shows_at.map_or(usual, |at| usual.min(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const LAG: Duration = Duration::from_secs(300);

    fn minutes(minutes: u64) -> Timestamp {
        NOW.after(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn thirty_minutes_lie_between_two_probes_also_where_the_clock_was_set_back() {
        assert_eq!(earliest(&[], None, NOW), NOW);
        assert_eq!(earliest(&[NOW], Some(5_000), minutes(1)), minutes(30));
        assert_eq!(
            earliest(&[minutes(600)], Some(5_000), NOW),
            minutes(30),
            "it counts as sent now"
        );
    }

    #[test]
    fn a_day_has_two_probes_or_a_hundredth_of_the_requests() {
        let probes: Vec<Timestamp> = (0..3).map(|n| minutes(n * 60)).collect();
        assert_eq!(earliest(&probes[..2], Some(20), minutes(120)), minutes(24 * 60));
        assert_eq!(earliest(&probes, Some(300), minutes(180)), minutes(24 * 60));
        assert_eq!(earliest(&probes, Some(400), minutes(180)), minutes(180).min(minutes(150)));
        assert_eq!(
            earliest(&probes[..2], None, minutes(25 * 60 + 1)),
            minutes(25 * 60 + 1),
            "a day later all are free"
        );
    }

    #[test]
    fn no_probe_is_worthwhile_while_nothing_can_have_come_free_but_for_a_raised_limit_and_a_crash() {
        let mut facts = ProbeFacts {
            told_at: NOW,
            nothing_free_before: None,
            crash_shows_at: None,
        };
        assert_eq!(
            worthwhile(&facts, None, LAG),
            minutes(5),
            "others' requests may come free at any time"
        );
        facts.nothing_free_before = Some(minutes(60));
        assert_eq!(worthwhile(&facts, None, LAG), minutes(60));
        facts.nothing_free_before = Some(minutes(20 * 60));
        assert_eq!(
            worthwhile(&facts, None, LAG),
            minutes(4 * 60),
            "the org's own limit may have been raised"
        );
        assert_eq!(
            worthwhile(&facts, Some(minutes(60)), LAG),
            minutes(5 * 60),
            "counted from the last time it was asked"
        );
        facts.crash_shows_at = Some(minutes(7));
        assert_eq!(worthwhile(&facts, Some(minutes(2)), LAG), minutes(7));
    }
}
