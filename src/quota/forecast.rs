//! When requests may have come free, as far as it can be known without asking: the window is a rolling 24 hours, own requests
//! and their times are known, those of other applications are not.

use super::decide::own_since;
use backup_contract::{Hour, ReadingSource, Standing};

/// Asking costs a request of the reserve: not before so many seconds after the last reading.
pub const RECHECK_SECONDS: u32 = 30 * 60;

const WINDOW_MS: u64 = 24 * 3_600_000;

/// The earliest moment, in milliseconds since 1970, at which a probe may tell something new: [`RECHECK_SECONDS`] after the
/// reading, and not while everything used was sent by ourselves and is still within the window.
pub fn next_look_ms(standing: &Standing, own: &[Hour]) -> u64 {
    let reading = &standing.last;
    let recheck_at = reading.observed_at.saturating_add(u64::from(RECHECK_SECONDS) * 1_000);
    // Hours that reach back over the window's edge are left out: others may have more than this, never less.
    let within = own
        .iter()
        .filter(|hour| hour.start.saturating_add(WINDOW_MS) > reading.observed_at && hour.sent > 0);
    let own_then = within
        .clone()
        .map(|hour| hour.sent)
        .sum::<u64>()
        .saturating_sub(own_since(standing));
    // What others used may come free at any time, and a refusal's numbers prove nothing.
    if own_then < reading.used || reading.source == ReadingSource::Refusal {
        return recheck_at;
    }
    let first_free = within.map(|hour| hour.start.saturating_add(WINDOW_MS)).min();
    recheck_at.max(first_free.unwrap_or(recheck_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::Reading;

    const HOUR_MS: u64 = 3_600_000;
    const NOW: u64 = 500_000 * HOUR_MS + 60_000;

    fn look(used: u64, own_since: u64, own: &[Hour]) -> u64 {
        let standing = Standing {
            last: Reading {
                quota: "DailyApiRequests".to_owned(),
                used,
                max: 5_000,
                observed_at: NOW,
                source: ReadingSource::ResponseHeader,
                request: None,
            },
            own_since,
            in_flight: 0,
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
                    start: NOW - 60_000,
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
                start: 500_000 * HOUR_MS - 20 * HOUR_MS,
                sent: 60,
            },
            Hour {
                start: 500_000 * HOUR_MS,
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
            start: NOW - 60_000 - 24 * HOUR_MS,
            sent: 100,
        }];
        assert_eq!(look(100, 0, &own), 1_800_000);
    }
}
