//! What a pass cost by the fake's own books, and which part of it was for what.
//!
//! The rule: the sum comes from the fake's count of its client, and the log's costs have to add up to it.

use crate::running::Fake;
use crate::running::fake::Logged;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::ops::AddAssign;

/// Counted requests by what they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// All of them.
    pub counted: u64,
    /// For what objects and fields there are, and how many rows: describes, record counts, limits.
    pub discovery: u64,
    /// For which records were deleted, where asked for apart from reading (getDeleted).
    pub deletions: u64,
}

impl Books {
    /// Those that read.
    pub fn without_discovery(self) -> u64 {
        self.counted - self.discovery
    }
}

impl AddAssign<&Logged> for Books {
    fn add_assign(&mut self, request: &Logged) {
        self.counted += request.cost;
        match purpose(request) {
            Purpose::Discovery => self.discovery += request.cost,
            Purpose::Deletions => self.deletions += request.cost,
            Purpose::Reading => {}
        }
    }
}

/// Where the books stood when a pass began.
pub struct Opened {
    counted: u64,
    logged: u64,
}

impl Opened {
    /// Now.
    pub fn now(fake: &Fake) -> Result<Self> {
        let stats = fake.stats()?;
        Ok(Self {
            counted: stats.client,
            logged: stats.logged,
        })
    }

    /// What came since.
    pub fn close(self, fake: &Fake) -> Result<Books> {
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
    let path = url.split('?').next().unwrap_or_default();
    let resource: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).skip(3).collect();
    match resource[..] {
        ["sobjects"] | ["sobjects", _, "describe"] | ["limits", ..] => Purpose::Discovery,
        ["sobjects", _, "deleted"] => Purpose::Deletions,
        _ => Purpose::Reading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, parts: &[&str]) -> Logged {
        let parts: Vec<_> = parts.iter().map(|url| serde_json::json!({"url": url})).collect();
        serde_json::from_value(serde_json::json!({"path": path, "subrequests": parts, "cost": 1}))
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
        ]);
        assert_eq!(
            counted,
            Books {
                counted: 6,
                discovery: 3,
                deletions: 1
            }
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
