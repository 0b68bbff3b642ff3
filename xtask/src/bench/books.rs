//! What a pass cost by the fake's own books, and which part of it was for what.
//!
//! The rule: the sum comes from the fake's count of its client, and the log's costs have to add up to it.

use crate::running::FakeProcess;
use crate::running::fake::Logged;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counted requests by what they were for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// All of them.
    pub counted: u64,
    /// For what objects and fields there are, and how many rows: describes, record counts, limits.
    pub discovery: u64,
    /// For which records were deleted, where asked for apart from reading (getDeleted).
    pub deletions: u64,
    /// For bulk jobs that the org refused to begin.
    pub refused_jobs: u64,
    /// Each kind of request that was sent, and how often.
    pub kinds: BTreeMap<String, u64>,
    /// Each kind of part that composites had, and how often.
    pub parts: BTreeMap<String, u64>,
}

impl Books {
    /// Those that read.
    pub fn without_discovery(&self) -> u64 {
        self.counted - self.discovery
    }

    /// Those for images within rich text.
    pub fn images(&self) -> u64 {
        let images = self.kinds.iter().filter(|(kind, _)| kind.contains("/richTextImageFields/"));
        images.map(|(_, count)| count).sum()
    }
}

impl Books {
    /// In words: each kind of request and of part, the most frequent first.
    pub fn in_words(&self) -> String {
        let requests = tally(&self.kinds);
        match self.parts.is_empty() {
            true => requests,
            false => format!("{requests}; in composites {}", tally(&self.parts)),
        }
    }
}

fn tally(kinds: &BTreeMap<String, u64>) -> String {
    let mut kinds: Vec<_> = kinds.iter().filter(|(_, count)| **count > 0).collect();
    kinds.sort_by_key(|(_, count)| Reverse(**count));
    let kinds = kinds.iter().map(|(kind, count)| format!("{count} × {kind}"));
    kinds.collect::<Vec<_>>().join(", ")
}

impl AddAssign<&Logged> for Books {
    fn add_assign(&mut self, request: &Logged) {
        self.counted += request.cost;
        let kind = format!("{} {}", request.method, kind_of_url(&request.path));
        *self.kinds.entry(kind).or_default() += request.cost;
        if request.status == Some(400) && request.path.ends_with("/jobs/query") {
            self.refused_jobs += request.cost;
        }
        for part in &request.subrequests {
            *self.parts.entry(kind_of_url(&part.url)).or_default() += 1;
        }
        match purpose(request) {
            Purpose::Discovery => self.discovery += request.cost,
            Purpose::Deletions => self.deletions += request.cost,
            Purpose::Reading => {}
        }
    }
}

/// Where the books stood when a pass began.
pub struct OpenBooks {
    counted: u64,
    logged: u64,
}

impl OpenBooks {
    /// Now.
    pub fn now(fake: &FakeProcess) -> Result<Self> {
        let stats = fake.stats()?;
        Ok(Self {
            counted: stats.client,
            logged: stats.logged,
        })
    }

    /// What came since.
    pub fn close(self, fake: &FakeProcess) -> Result<Books> {
        let mut books = Books::default();
        for request in fake.requests_after(self.logged)? {
            books += &request;
        }
        let counted = fake.stats()?.client - self.counted;
        ensure!(
            books.counted == counted,
            "the fake counted {counted} requests, and its log adds up to {}",
            books.counted
        );
        Ok(books)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Discovery,
    Deletions,
    Reading,
}

/// A composite is for discovery or deletions where all of its parts are.
fn purpose(request: &Logged) -> Purpose {
    let mut parts = request.subrequests.iter().map(|part| purpose_of(&part.url));
    match parts.next() {
        Some(first) if parts.all(|part| part == first) => first,
        Some(_) => Purpose::Reading,
        None => purpose_of(&request.path),
    }
}

fn purpose_of(url: &str) -> Purpose {
    match resource(url)[..] {
        ["sobjects"] | ["sobjects", _, "describe"] | ["limits", ..] => Purpose::Discovery,
        ["sobjects", _, "deleted"] => Purpose::Deletions,
        _ => Purpose::Reading,
    }
}

/// The parts of a path after the version.
fn resource(url: &str) -> Vec<&str> {
    let path = url.split('?').next().unwrap_or_default();
    path.split('/').filter(|part| !part.is_empty()).skip(3).collect()
}

/// The resource, without what differs from object to object and from row to row.
fn kind_of_url(url: &str) -> String {
    match resource(url).as_slice() {
        ["sobjects"] => "sobjects".to_owned(),
        ["sobjects", _, rest @ ..] => format!("sobjects/OBJECT/{}", without_ids(rest)),
        ["query" | "queryAll", _] => "query/LOCATOR".to_owned(),
        [] => "unresolved".to_owned(),
        other => without_ids(other),
    }
}

fn without_ids(parts: &[&str]) -> String {
    let is_id = |part: &str| matches!(part.len(), 15 | 18) && part.bytes().any(|byte| byte.is_ascii_digit());
    let parts = parts.iter().map(|part| if is_id(part) { "ID" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, parts: &[&str]) -> Logged {
        let parts: Vec<_> = parts.iter().map(|url| serde_json::json!({"url": url})).collect();
        serde_json::from_value(serde_json::json!({"path": path, "subrequests": parts, "cost": 1, "method": "GET"}))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn sum(requests: &[Logged]) -> Books {
        let mut books = Books::default();
        requests.iter().for_each(|request| books += request);
        books
    }

    #[test]
    fn a_request_is_counted_once_and_for_what_it_was() {
        let base = "/services/data/v62.0";
        let counted = sum(&[
            request(&format!("{base}/sobjects/"), &[]),
            request(&format!("{base}/sobjects/Account/describe/"), &[]),
            request(&format!("{base}/limits/recordCount"), &[]),
            request(&format!("{base}/sobjects/Account/deleted/?start=a&end=b"), &[]),
            request(&format!("{base}/query/?q=SELECT+Id+FROM+describe"), &[]),
            request(&format!("{base}/sobjects/Account/001000000000001AAA"), &[]),
            request(
                &format!("{base}/sobjects/Account/001000000000001AAA/richTextImageFields/Note__c/0EM000000000001"),
                &[],
            ),
        ]);
        assert_eq!((counted.counted, counted.discovery, counted.deletions), (7, 3, 1));
        assert_eq!((counted.without_discovery(), counted.images()), (4, 1));
    }

    #[test]
    fn kinds_of_requests_don_t_name_objects_or_rows() {
        let base = "/services/data/v62.0";
        let counted = sum(&[
            request(&format!("{base}/jobs/query/750Fk000000002NIAQ/results?locator=a"), &[]),
            request(&format!("{base}/jobs/query/750Fk000000002MIAQ/results"), &[]),
            request(&format!("{base}/sobjects/Account/describe"), &[]),
        ]);
        assert_eq!(
            counted.in_words(),
            "2 × GET jobs/query/ID/results, 1 × GET sobjects/OBJECT/describe"
        );
    }

    #[test]
    fn a_composite_that_also_reads_is_reading() {
        let base = "/services/data/v62.0";
        let describe = format!("{base}/sobjects/Account/describe");
        let query = format!("{base}/query/?q=SELECT+Id+FROM+Account");
        let counted = sum(&[
            request(&format!("{base}/composite"), &[&describe, &describe]),
            request(&format!("{base}/composite"), &[&describe, &query]),
        ]);
        assert_eq!(counted.without_discovery(), 1);
    }
}
