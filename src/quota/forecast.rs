//! When requests may have come free, as far as it can be known without asking: the window is a rolling 24 hours, own requests
//! and their times are known, those of other applications are not.

use super::{Hour, Source, Standing};

/// Asking costs a request of the reserve: not before so many seconds after the last reading.
pub const RECHECK_SECONDS: u32 = 30 * 60;

const WINDOW_MS: u64 = 24 * 3_600_000;

/// The earliest moment, in milliseconds since 1970, at which a probe may tell something new: [`RECHECK_SECONDS`] after the
/// reading, and not while everything used was sent by ourselves and is still within the window.
pub fn next_look_ms(standing: &Standing, own: &[Hour]) -> u64 {
    let recheck_at = standing.observed_at_ms.saturating_add(u64::from(RECHECK_SECONDS) * 1_000);
    // Hours that reach back over the window's edge are left out: others may have more than this, never less.
    let within = own
        .iter()
        .filter(|hour| hour.start_ms.saturating_add(WINDOW_MS) > standing.observed_at_ms && hour.sent > 0);
    let own_then = within
        .clone()
        .map(|hour| hour.sent)
        .sum::<u64>()
        .saturating_sub(standing.own_since);
    // What others used may come free at any time, and a refusal's numbers prove nothing.
    if own_then < standing.usage.used || standing.source == Source::Refusal {
        return recheck_at;
    }
    let first_free = within.map(|hour| hour.start_ms.saturating_add(WINDOW_MS)).min();
    recheck_at.max(first_free.unwrap_or(recheck_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Usage;

    const HOUR_MS: u64 = 3_600_000;
    const NOW: u64 = 500_000 * HOUR_MS + 60_000;

    fn look(used: u64, own_since: u64, own: &[Hour]) -> u64 {
        let standing = Standing {
            usage: Usage { used, max: 5_000 },
            source: Source::Answer,
            observed_at_ms: NOW,
            own_since,
        };
        next_look_ms(&standing, own) - NOW
    }

    #[test]
    fn others_may_free_requests_at_any_time() {
        assert_eq!(look(100, 0, &[]), 1_800_000);
        assert_eq!(
            look(
                101,
                0,
                &[Hour {
                    start_ms: NOW - 60_000,
                    sent: 100
                }]
            ),
            1_800_000
        );
    }

    #[test]
    fn own_requests_free_nothing_before_they_leave_the_window() {
        let own = [
            Hour {
                start_ms: 500_000 * HOUR_MS - 20 * HOUR_MS,
                sent: 60,
            },
            Hour {
                start_ms: 500_000 * HOUR_MS,
                sent: 40,
            },
        ];
        assert_eq!(look(100, 0, &own), 4 * HOUR_MS - 60_000);
        assert_eq!(
            look(90, 10, &own),
            4 * HOUR_MS - 60_000,
            "those sent after the reading are not in it"
        );
    }

    #[test]
    fn an_hour_over_the_edge_of_the_window_proves_nothing() {
        let own = [Hour {
            start_ms: NOW - 60_000 - 24 * HOUR_MS,
            sent: 100,
        }];
        assert_eq!(look(100, 0, &own), 1_800_000);
    }
}
