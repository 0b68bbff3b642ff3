//! The exports `decide` and `read-quota`: the quota rules of [`quota`], fed from the host.

use crate::host::{ConnectorError, Host, ReadingSource, Verdict};
use crate::org::{Org, SendFailure, daily_standing};
use crate::quota::{self, Facts, Percent};
use std::io::Read as _;

/// Own requests are asked for so many hours: those of the window, and the one over its edge.
const HOURS: u32 = 25;

/// The limits resource has some 10 KB; of a longer answer no more is read.
const MAX_LIMITS_BYTES: u64 = 1024 * 1024;

/// May a step of so many requests be sent now? Sends nothing.
pub fn decide<H: Host>(host: &H, next_cost: u32) -> Result<Verdict, ConnectorError> {
    let standing = daily_standing(host)?;
    let own = host.own_requests(HOURS)?;
    let facts = Facts {
        standing: standing.as_ref(),
        // A limit out of range is a fault of the host's: the strictest one is safe.
        limit: Percent::new(host.usage_limit()).unwrap_or(Percent::STRICTEST),
        own: &own,
        now_ms: host.now(),
    };
    Ok(quota::decide(&facts, next_cost))
}

/// One request that yields a reading. The header is the newer of the two that an answer has; the limits themselves are told only
/// where it is missing, so that an older number never stands as the last one.
pub fn read_quota<H: Host>(host: &H) -> Result<(), ConnectorError> {
    match ask_limits(host) {
        // Not every user may read the limits, and a refusal of the daily limit is an answer to the question: the reading is told.
        Ok(()) | Err(SendFailure::DailyLimit) => Ok(()),
        Err(SendFailure::Refused(refused))
            if matches!(refused.code(), "API_DISABLED_FOR_ORG" | "INSUFFICIENT_ACCESS" | "FORBIDDEN") =>
        {
            Ok(())
        }
        Err(stopped) => Err(stopped.into_error()),
    }
}

fn ask_limits<H: Host>(host: &H) -> Result<(), SendFailure> {
    let org = Org::open(host).map_err(|error| SendFailure::Host(Box::new(error)))?;
    let mut body = org.finish(org.get("limits")?)?;
    if body.has_usage_header() {
        return Ok(());
    }
    let mut text = Vec::new();
    if body.by_ref().take(MAX_LIMITS_BYTES).read_to_end(&mut text).is_err() {
        return Err(body.parse_failed(&crate::salesforce::Broken("the limits".into())));
    }
    match quota::parse_limits(&text)
        .into_iter()
        .find(|limit| limit.name == quota::DAILY_API_REQUESTS)
    {
        Some(limit) => org.observe(limit.usage, ReadingSource::LimitsResource, body.request_number()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::{self, Reading};
    use crate::testing::scripted::{Reply, ScriptedHost};

    const LIMITS: &str = r#"{"DailyApiRequests":{"Max":5000,"Remaining":4937},"DataStorageMB":{"Max":5,"Remaining":5}}"#;

    fn asked(reply: Reply) -> (Vec<Reading>, Result<(), ConnectorError>) {
        let host = ScriptedHost::new(1, move |request| {
            assert_eq!(request.path, "/services/data/v62.0/limits");
            reply.clone()
        });
        let result = read_quota(&host);
        assert_eq!(host.sent(), 1);
        (host.told(), result)
    }

    #[test]
    fn the_header_is_told_and_the_older_limits_are_not() {
        let (told, result) = asked(Reply::ok(LIMITS).usage(70, 5_000));
        result.unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].used, told[0].source), (70, ReadingSource::ResponseHeader));
    }

    #[test]
    fn the_limits_are_told_where_no_header_comes() {
        let (told, result) = asked(Reply::ok(LIMITS));
        result.unwrap();
        assert_eq!(
            (told[0].used, told[0].max, told[0].source),
            (63, 5_000, ReadingSource::LimitsResource)
        );
    }

    #[test]
    fn a_user_who_may_not_read_limits_still_gets_the_header_told() {
        let refusal = r#"[{"errorCode":"API_DISABLED_FOR_ORG","message":"Limits resource is not enabled"}]"#;
        let (told, result) = asked(Reply::status(403, refusal).usage(9, 10));
        result.unwrap();
        assert_eq!((told[0].used, told[0].max), (9, 10));
    }

    #[test]
    fn a_session_that_is_over_is_no_reading() {
        let (told, result) = asked(Reply::status(
            401,
            r#"[{"errorCode":"INVALID_SESSION_ID","message":"expired"}]"#,
        ));
        assert!(matches!(result, Err(ConnectorError::Authorization(_))));
        assert!(told.is_empty());
    }

    #[test]
    fn requests_under_way_count_as_sent() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        assert_eq!(decide(&host, 4).unwrap(), Verdict::Probe(1));
        host.standings.borrow_mut().push(host::Standing {
            last: Reading {
                quota: "DailyApiRequests".into(),
                used: 2_490,
                max: 5_000,
                observed_at: host.now(),
                source: ReadingSource::ResponseHeader,
                request: Some(1),
            },
            own_since: 5,
            in_flight: 3,
        });
        assert_eq!(decide(&host, 4).unwrap(), Verdict::Proceed(2));
        assert_eq!(host.sent(), 0);
    }
}
