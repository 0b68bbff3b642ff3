//! getUpdated and getDeleted: which records of an object were changed or deleted in a span of time, as Ids.
//!
//! Salesforce ignores seconds, so a span is widened to whole minutes. `latestDateCovered` is the start of the oldest transaction
//! that still runs: nothing older will turn up any more.

use super::record::milliseconds;
use serde::Deserialize;

const MINUTE_MS: u64 = 60_000;

/// Answer of getUpdated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Ids of records that were created or changed.
    pub ids: Vec<String>,
    /// In milliseconds since 1970: no change before it will turn up later. `None` where the org doesn't say.
    pub covered: Option<u64>,
}

/// Answer of getDeleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Id and moment, in milliseconds since 1970.
    pub records: Vec<(String, u64)>,
    /// Deletions before it may have been forgotten.
    pub earliest: Option<u64>,
    /// As in [`Updated::covered`].
    pub covered: Option<u64>,
}

/// Reads the members of a getUpdated answer.
pub fn read_updated<'de, D: serde::Deserializer<'de>>(body: D) -> Result<Updated, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        ids: Vec<String>,
        latest_date_covered: Option<String>,
    }
    let answer = Answer::deserialize(body)?;
    Ok(Updated {
        ids: answer.ids,
        covered: answer.latest_date_covered.as_deref().and_then(milliseconds),
    })
}

/// Reads the members of a getDeleted answer.
pub fn read_deleted<'de, D: serde::Deserializer<'de>>(body: D) -> Result<Deleted, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        deleted_records: Vec<Record>,
        earliest_date_available: Option<String>,
        latest_date_covered: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        id: String,
        deleted_date: Option<String>,
    }
    let answer = Answer::deserialize(body)?;
    let date = |text: Option<String>| text.as_deref().and_then(milliseconds);
    Ok(Deleted {
        records: answer
            .deleted_records
            .into_iter()
            .map(|record| (record.id, date(record.deleted_date).unwrap_or(0)))
            .collect(),
        earliest: date(answer.earliest_date_available),
        covered: date(answer.latest_date_covered),
    })
}

/// The resource that tells changes (`updated`) or deletions (`deleted`) of an object in a span, widened to whole minutes.
pub fn moment_url(object: &str, resource: &str, from: u64, to: u64) -> String {
    let start = from / MINUTE_MS * MINUTE_MS;
    let end = to.div_ceil(MINUTE_MS).max(start / MINUTE_MS + 1) * MINUTE_MS;
    format!(
        "sobjects/{object}/{resource}/?start={}&end={}",
        crate::soql::encode(&moment(start)),
        crate::soql::encode(&moment(end))
    )
}

/// A moment as URLs of these resources have it.
pub fn moment(at: u64) -> String {
    date(at).format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A moment as HTTP headers have it.
pub fn http_date(at: u64) -> String {
    date(at).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The moment that an HTTP header has.
pub fn http_moment(date: &str) -> Option<u64> {
    let parsed = chrono::DateTime::parse_from_rfc2822(date).ok()?;
    u64::try_from(parsed.timestamp_millis()).ok()
}

fn date(at: u64) -> chrono::DateTime<chrono::Utc> {
    i64::try_from(at)
        .ok()
        .and_then(chrono::DateTime::from_timestamp_millis)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_give_ids_and_moments() {
        let mut json = serde_json::Deserializer::from_str(
            r#"{"ids":["001","002"],"latestDateCovered":"2026-01-02T03:04:00.000+0000","x":1}"#,
        );
        let updated = read_updated(&mut json).unwrap();
        assert_eq!((updated.ids.len(), updated.covered), (2, Some(1_767_323_040_000)));
        let mut json = serde_json::Deserializer::from_str(
            r#"{"deletedRecords":[{"id":"001","deletedDate":"2026-01-02T03:04:00.000Z"},{"id":"002"}],"earliestDateAvailable":null}"#,
        );
        let deleted = read_deleted(&mut json).unwrap();
        assert_eq!(
            deleted.records,
            [("001".to_owned(), 1_767_323_040_000), ("002".to_owned(), 0)]
        );
        assert_eq!((deleted.earliest, deleted.covered), (None, None));
    }

    #[test]
    fn a_span_is_widened_to_whole_minutes_and_is_never_empty() {
        let at = 1_767_323_045_678;
        assert_eq!(
            moment_url("Account", "updated", at, at + 1_000),
            "sobjects/Account/updated/?start=2026-01-02T03%3A04%3A00%2B00%3A00&end=2026-01-02T03%3A05%3A00%2B00%3A00"
        );
        assert!(moment_url("X", "deleted", 60_000, 60_000).ends_with("end=1970-01-01T00%3A02%3A00%2B00%3A00"));
        assert_eq!(http_date(at), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(http_moment(&http_date(at)), Some(at / 1_000 * 1_000));
        assert_eq!(http_moment("yesterday"), None);
    }
}
