//! The limits resource, `GET /services/data/vXX.X/limits`: max and remaining of every limit of the org.
//!
//! "Accurate within five minutes of resource consumption", so a header that came with the same answer is newer. Entries may be
//! missing (each needs its own permission), hold further limits inside, and have their members in any order.

use super::Usage;
use serde_json::Value;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Salesforce's name of it, for instance `DailyApiRequests`.
    pub name: String,
    /// What it says.
    pub usage: Usage,
}

/// The entries that can be read, by name. Empty where the body is something else.
pub fn parse(body: &[u8]) -> Vec<Limit> {
    let Ok(Value::Object(entries)) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    let mut limits: Vec<Limit> = entries
        .into_iter()
        .filter_map(|(name, entry)| {
            Some(Limit {
                name,
                usage: usage(&entry)?,
            })
        })
        .collect();
    limits.sort_by(|a, b| a.name.cmp(&b.name));
    limits
}

/// `Remaining` below zero is what a soft overage would look like.
fn usage(entry: &Value) -> Option<Usage> {
    let max = entry.get("Max")?.as_u64()?;
    let used = i128::from(max) - i128::from(entry.get("Remaining")?.as_i64()?);
    Some(Usage {
        used: u64::try_from(used.max(0)).ok()?,
        max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_any_shape_and_broken_ones_left_out() {
        let body = br#"{"DailyApiRequests":{"Max":5000,"Remaining":4937,"Some App":{"Max":0,"Remaining":0}},
            "DailyBulkApiRequests":{"Remaining":15000,"Max":15000},"Over":{"Max":10,"Remaining":-3},
            "NoMax":{"Remaining":3},"Text":{"Max":"5","Remaining":3},"Odd":7}"#;
        let read: Vec<(String, u64, u64)> = parse(body).into_iter().map(|l| (l.name, l.usage.used, l.usage.max)).collect();
        assert_eq!(
            read,
            [
                ("DailyApiRequests".into(), 63, 5000),
                ("DailyBulkApiRequests".into(), 0, 15000),
                ("Over".into(), 13, 10)
            ]
        );
    }

    #[test]
    fn another_body_gives_nothing() {
        for body in [
            &b""[..],
            b"<html>",
            b"[]",
            br#"[{"message":"Limits resource is not enabled","errorCode":"API_DISABLED_FOR_ORG"}]"#,
        ] {
            assert_eq!(parse(body), []);
        }
    }
}
