//! The list of versions (not counted, without a session) and the list of resources of one.

use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::call::{Call, NEWEST_VERSION, OLDEST_VERSION};

#[derive(Serialize)]
struct Version {
    label: String,
    url: String,
    version: String,
}

/// The answer of `/services/data`.
#[must_use]
pub fn versions() -> Answer {
    let all: Vec<Version> = (OLDEST_VERSION..=NEWEST_VERSION)
        .map(|n| Version {
            label: label(n),
            url: format!("/services/data/v{n}.0"),
            version: format!("{n}.0"),
        })
        .collect();
    Answer::json(&all)
}

/// Three releases a year; version 65 was Winter '26.
fn label(version: u32) -> String {
    let season = ["Spring", "Summer", "Winter"][(version % 3) as usize];
    // Winter of a year comes first: 65, 66, 67 are of the year 26.
    let year = (version + 13) / 3;
    format!("{season} '{year}")
}

/// The answer of `/services/data/vXX.X`.
pub(super) fn resources(call: &Call) -> Answer {
    let base = format!("/services/data/{}", call.version);
    let at = |name: &str| format!("{base}/{name}");
    Answer::json(&json!({
        "composite": at("composite"),
        "jobs": at("jobs"),
        "limits": at("limits"),
        "query": at("query"),
        "queryAll": at("queryAll"),
        "sobjects": at("sobjects"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_the_releases() {
        assert_eq!(
            [62, 65, 66, 67].map(label),
            ["Winter '25", "Winter '26", "Spring '26", "Summer '26"]
        );
    }
}
