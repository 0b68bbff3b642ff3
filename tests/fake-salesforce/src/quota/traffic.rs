//! Requests of the org's other applications, as a schedule.
//!
//! Not for: counting them; the schedule only says how many come when.

use serde::{Deserialize, Serialize};

/// When other applications send requests, and how many. All parts add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traffic {
    /// Requests of others just before each request of the client; the list is gone through again and again, so that
    /// `[0, 50]` means none, fifty, none, fifty.
    pub per_request: Vec<u64>,
    /// Requests of others at set times.
    pub at: Vec<Burst>,
    /// A steady stream.
    pub every: Option<Stream>,
}

/// Many requests at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How many.
    pub count: u64,
}

/// A number of requests again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// How often, in milliseconds; at least 1.
    pub period_ms: i64,
    /// How many each time.
    pub count: u64,
}

impl Traffic {
    /// A number of requests of others just before each request of the client.
    #[must_use]
    pub fn per_request(count: u64) -> Self {
        Self {
            per_request: vec![count],
            ..Self::default()
        }
    }

    /// How many of others come just before the client's request number `index` (from 0) since the schedule was set.
    #[must_use]
    pub fn before_request(&self, index: u64) -> u64 {
        let length = self.per_request.len() as u64;
        index
            .checked_rem(length)
            .and_then(|at| self.per_request.get(usize::try_from(at).ok()?))
            .copied()
            .unwrap_or(0)
    }

    /// What falls due after `from_ms`, up to and with `to_ms`, by time. A stream that was due more than 100,000 times
    /// in between (nobody looked for years) gives its last 100,000.
    #[must_use]
    pub fn due(&self, from_ms: i64, to_ms: i64) -> Vec<Burst> {
        let mut due: Vec<Burst> = self
            .at
            .iter()
            .filter(|b| b.at_ms > from_ms && b.at_ms <= to_ms)
            .copied()
            .collect();
        if let Some(stream) = self.every {
            let period = stream.period_ms.max(1);
            let last = to_ms.div_euclid(period);
            let first = (from_ms.div_euclid(period) + 1).max(last - 100_000 + 1);
            due.extend((first..=last).map(|n| Burst {
                at_ms: n * period,
                count: stream.count,
            }));
        }
        due.sort_by_key(|b| b.at_ms);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_per_request_goes_round() {
        let traffic = Traffic {
            per_request: vec![0, 50, 3],
            ..Traffic::default()
        };
        assert_eq!(
            (0..5).map(|n| traffic.before_request(n)).collect::<Vec<_>>(),
            [0, 50, 3, 0, 50]
        );
        assert_eq!(Traffic::default().before_request(7), 0);
    }

    #[test]
    fn bursts_and_streams_come_due_once_each() {
        let traffic = Traffic {
            at: vec![Burst { at_ms: 150, count: 9 }],
            every: Some(Stream {
                period_ms: 100,
                count: 2,
            }),
            ..Traffic::default()
        };
        let all: Vec<_> = [(0, 150), (150, 200), (200, 420)]
            .iter()
            .flat_map(|(a, b)| traffic.due(*a, *b))
            .collect();
        assert_eq!(
            all.iter().map(|b| (b.at_ms, b.count)).collect::<Vec<_>>(),
            [(100, 2), (150, 9), (200, 2), (300, 2), (400, 2)]
        );
    }
}
