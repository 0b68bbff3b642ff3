//! Which outcomes are worth another attempt, and how long to wait before it. Pure; the loop is in `exchange`.

use super::origin::Origin;
use backup_seams::{Randomness, Timestamp};
use http::{HeaderMap, StatusCode, header};
use std::time::{Duration, UNIX_EPOCH};

/// Attempts in all that one request, or one token request, is worth.
pub(crate) const ATTEMPTS: u32 = 5;

/// The longest wait within a request. A source that asks for more gets its answer passed to the connector, which can end the
/// batch and have the host wait without an open request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is logged with this target is for people who wait, also where nothing else is shown: seconds of silence look like a hang.
pub const RETRYING: &str = "retrying";

/// Says that `whom` can't be reached, and when the `attempt`-th attempt is made.
pub(crate) fn say_retrying(whom: &Origin, reason: &str, attempt: u32, wait: Duration) {
    let seconds = wait.as_secs().max(1);
    tracing::warn!(target: RETRYING, "{whom}: {reason}; attempt {attempt} of {ATTEMPTS} in {seconds} s");
}

/// Statuses that say "not now" rather than "no".
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429 | 500..=599)
}

/// Before the attempt after `failures` failed ones: 1, 2, 4, 8 … seconds, of which a random half is cut off, so that requests
/// that failed together don't come back together.
pub(crate) fn back_off(failures: u32, randomness: &dyn Randomness) -> Duration {
    let full = Duration::from_secs(1 << failures.saturating_sub(1).min(5));
    // 53 bits fill the mantissa: uniform in [0, 1).
    let fraction = (randomness.next() >> 11) as f64 / (1u64 << 53) as f64;
    full.mul_f64(0.5 + fraction / 2.0)
}

/// The wait after an answer: what the source asks for, at least the back-off; `None` where it asks for more than is waited here.
pub(crate) fn wait_after(headers: &HeaderMap, back_off: Duration, now: Timestamp) -> Option<Duration> {
    let asked = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text.trim(), now));
    match asked {
        Some(asked) if asked > LONGEST_WAIT => None,
        Some(asked) => Some(asked.max(back_off)),
        None => Some(back_off),
    }
}

/// Seconds, or a date. What is neither is as good as absent.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let since_1970 = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(u64::try_from(since_1970.as_millis()).ok()?).since(now))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use backup_seams::SeededRandomness;
    use http::HeaderValue;

    fn asking(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn back_off_doubles_and_jitter_takes_at_most_half() {
        let randomness = SeededRandomness::new(7);
        for (failures, full) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            for _ in 0..100 {
                let wait = back_off(failures, &randomness);
                assert!(
                    wait >= Duration::from_millis(full * 500) && wait <= Duration::from_secs(full),
                    "{wait:?}"
                );
            }
        }
    }

    #[test]
    fn retry_after_is_honoured_when_sane() {
        let own = Duration::from_secs(2);
        let now = Timestamp(1_445_412_480_000);
        let wait = |value| wait_after(&asking(value), own, now);
        assert_eq!(wait("17"), Some(Duration::from_secs(17)));
        assert_eq!(wait("0"), Some(own), "never sooner than the own back-off");
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(own), "a date that is over");
        assert_eq!(wait("soon"), Some(own));
        assert_eq!(wait("-5"), Some(own));
        assert_eq!(wait("86400"), None);
        assert_eq!(wait_after(&HeaderMap::new(), own, now), Some(own));
    }

    #[test]
    fn a_lasting_refusal_is_not_tried_again() {
        for status in [200, 301, 400, 401, 403, 404, 406, 410, 414] {
            assert!(!is_passing(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [420, 429, 500, 502, 503, 504] {
            assert!(is_passing(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
