//! Which requests for data an org was asked more than once.

use fake_salesforce::Fake;
use std::collections::BTreeMap;

/// What was asked for, and answered, more than once: pages, begun jobs, pages of results, describes, files. Looks whether a job is
/// ready, and how many requests are used, are no data.
pub fn repeated(fake: &Fake) -> Vec<String> {
    let mut asked: BTreeMap<String, u64> = BTreeMap::new();
    for entry in fake.requests().iter().filter(|entry| entry.status == Some(200)) {
        let answered = entry
            .subrequests
            .iter()
            .filter(|part| part.status == 200 && !asks_who(&part.url));
        for part in answered {
            *asked.entry(part.url.clone()).or_default() += 1;
        }
        let begins_job = entry.method == "POST" && entry.path.ends_with("/jobs/query");
        let looks_at_job = entry.path.contains("/jobs/query") && !entry.path.contains("/results");
        let is_look =
            looks_at_job || asks_who(&entry.path) || entry.path.ends_with("/limits") || entry.path.ends_with("/limits/");
        if begins_job {
            *asked.entry(entry.body.clone().unwrap_or_default()).or_default() += 1;
        } else if entry.subrequests.is_empty() && !is_look {
            *asked.entry(entry.path.clone()).or_default() += 1;
        }
    }
    let repeated = asked.into_iter().filter(|(_, times)| *times > 1);
    repeated.map(|(what, times)| format!("{times} times: {what}")).collect()
}

/// Asks who the org is and what its user may see: every run does, within a request that it sends anyway (a run that begins with a
/// bulk job, and sends no other, asks by a request of its own).
pub fn asks_who(url: &str) -> bool {
    ["/Organization/", "FROM+Organization", "FROM+UserPermissionAccess"]
        .iter()
        .any(|part| url.contains(part))
}
