//! `/limits` and `/limits/recordCount`.
//!
//! Both need *View Setup and Configuration*. Choice: recordCount refuses in the words of `/limits`, and leaves out objects
//! without rows, as most recorded answers do.

use serde_json::{Map, Value, json};

use super::Service;
use super::answer::Answer;
use super::call::Call;
use crate::org::Scan;

pub(super) fn limits(service: &Service, call: &Call) -> Answer {
    let viewer = service.viewer();
    if !viewer.view_setup {
        return refusal("Limits");
    }
    let reading = service.quota.limits_reading();
    let entry = |max: u64, remaining: u64| json!({ "Max": max, "Remaining": remaining });
    let mut all = Map::new();
    let mut add = |name: &str, value: Value| {
        all.insert(name.to_owned(), value);
    };
    add(
        "DailyApiRequests",
        entry(reading.max, reading.max.saturating_sub(reading.used)),
    );
    let batches = if call.major_version() < 49 {
        "DailyBulkApiRequests"
    } else {
        "DailyBulkApiBatches"
    };
    let at_ms = service.clock.now_ms() - service.quota.limits_lag_ms();
    let daily = service.ingest.batches_used(at_ms);
    add(batches, entry(daily.max, daily.max.saturating_sub(daily.used)));
    for (name, daily) in [
        ("DailyBulkV2QueryFileStorageMB", service.bulk.megabytes_used(at_ms)),
        ("DailyBulkV2QueryJobs", service.bulk.jobs_used(at_ms)),
    ] {
        add(name, entry(daily.max, daily.max.saturating_sub(daily.used)));
    }
    add("DailyAsyncApexExecutions", entry(250_000, 250_000));
    add("ConcurrentAsyncGetReportInstances", entry(200, 200));
    add("HourlyTimeBasedWorkflow", entry(50, 50));
    add("MaxContentDocumentsLimit", entry(30_000_000, 29_999_000));
    add("ContentPublicationLimit", entry(200_000, 200_000));
    add("SingleEmail", entry(15, 15));
    add(
        "PermissionSets",
        json!({ "Max": 1500, "Remaining": 1499, "CreateCustom": { "Max": 1000, "Remaining": 999 } }),
    );
    if viewer.manage_users {
        add("DataStorageMB", entry(1024, 800));
        add("FileStorageMB", entry(10_240, 9_000));
    }
    Answer::json(&all)
}

pub(super) fn record_count(service: &Service, call: &Call) -> Answer {
    let viewer = service.viewer();
    if !viewer.view_setup {
        return refusal("Record count");
    }
    let org = service.org();
    let asked: Option<Vec<&str>> = call
        .parameter("sObjects")
        .map(|names| names.split(',').map(str::trim).collect());
    let wanted = |name: &str| {
        asked
            .as_ref()
            .is_none_or(|names| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
    };
    let counted = org.objects().iter().filter(|o| {
        viewer.sees_object(o.name()) && o.schema.queryable && o.schema.behaviour.in_record_count && wanted(o.name())
    });
    // The true number, whoever asks: recordCount doesn't look at sharing.
    let everybody = org.administrator();
    let counts: Vec<Value> = counted
        .map(|o| (o.name(), o.count(&everybody, Scan::QUERY)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| json!({ "count": count, "name": name }))
        .collect();
    Answer::json(&json!({ "sObjects": counts }))
}

fn refusal(what: &str) -> Answer {
    Answer::refusal(403, "API_DISABLED_FOR_ORG", &format!("{what} resource is not enabled"))
}
