//! A backup that goes on from a complete one reads only what was changed, and then has everything.

use backup_store::SnapshotKind;
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::{Change, Churn, NewField, OrgSpec, Scan, SentFields};
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::{BackupRequest, BackupState};

const MAX: u64 = 100_000;
const HOUR_MS: i64 = 3_600_000;

fn org(spec: OrgSpec) -> RigOptions {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    RigOptions::of(Options {
        quota,
        ..Options::of(spec)
    })
    .limit(100)
}

fn churn(rig: &Rig, seed: u64) {
    let changed = rig.fake.churn(&Churn {
        changed_percent: 1.0,
        deleted_percent: 0.4,
        hard_deleted_share: 0.5,
        created_percent: 0.3,
        seed,
        ..Churn::default()
    });
    assert!(!changed.is_empty());
    rig.fake.clock().advance(24 * HOUR_MS);
}

#[tokio::test]
async fn backup_after_backup_has_everything_that_the_org_has() {
    let rig = Rig::new(org(OrgSpec::small(3))).await;
    let full = rig.complete().await;
    let mut sent = rig.counted();
    let mut last = full.snapshot;
    for seed in 1..=4 {
        churn(&rig, seed);
        let next = rig.complete().await;
        assert_ne!(next.snapshot, last);
        let used = rig.counted() - sent;
        assert!(used * 3 < full.calls.sent * 2, "{used} requests of {}", full.calls.sent);
        sent = rig.counted();
        last = next.snapshot;
    }
    let journal = rig.journal().await;
    let kinds: Vec<SnapshotKind> = journal.state().snapshots().iter().map(|record| record.kind).collect();
    assert_eq!(kinds.len(), 5);
    assert!(kinds[1..].iter().all(|kind| *kind == SnapshotKind::Incremental));
}

#[tokio::test]
async fn a_pause_at_any_request_of_an_incremental_backup_loses_nothing() {
    let requests = {
        let rig = Rig::new(org(OrgSpec::tiny(4))).await;
        rig.complete().await;
        let before = rig.counted();
        churn(&rig, 9);
        rig.complete().await;
        rig.counted() - before
    };
    for k in 1..requests {
        let rig = Rig::new(org(OrgSpec::tiny(4))).await;
        rig.complete().await;
        churn(&rig, 9);
        rig.fake.quota().set_used(MAX - k);
        let paused = rig.backup().await.unwrap();
        assert_eq!(paused.state, BackupState::Partial, "paused after {k} of {requests}");
        rig.fake.quota().set_used(0);
        rig.until_asked_again();
        let whole = rig.complete().await;
        assert_eq!(whole.snapshot, paused.snapshot);
    }
}

fn account(rig: &Rig, nth: usize) -> String {
    let org = rig.fake.org().read().unwrap();
    let viewer = rig.fake.user();
    let scan = Scan {
        deleted: false,
        archived: true,
    };
    let object = org.object("Account").unwrap();
    object.rows(&viewer, scan).nth(nth).unwrap().id().to_string()
}

fn name(text: &str) -> SentFields {
    SentFields::parse(&format!(r#"{{"Name":"{text}"}}"#)).unwrap()
}

#[tokio::test]
async fn a_transaction_that_commits_forty_minutes_late_is_not_lost() {
    let rig = Rig::new(org(OrgSpec::tiny(5))).await;
    let id = account(&rig, 3);
    let (late, _) = rig
        .fake
        .begin(vec![
            Change::Create {
                object: "Account".into(),
                fields: name("created late"),
            },
            Change::Update {
                id,
                fields: name("changed late"),
            },
        ])
        .unwrap();
    rig.fake.clock().advance(40 * 60_000);
    rig.complete().await;
    rig.fake.clock().advance(60_000);
    rig.fake.commit(late).unwrap();
    rig.fake.clock().advance(HOUR_MS);
    rig.complete().await;
}

#[tokio::test]
async fn deletions_that_leave_no_trace_and_purged_logs_are_found() {
    for forgets_log in [false, true] {
        let rig = Rig::new(org(OrgSpec::small(6))).await;
        rig.complete().await;
        let changes: Vec<Change> = [5, 700, 2_100]
            .map(|nth| account(&rig, nth))
            .map(|id| {
                if forgets_log {
                    Change::Purge { id }
                } else {
                    Change::Delete { id }
                }
            })
            .into();
        rig.fake.apply(&changes).unwrap();
        rig.fake.clock().advance(12 * HOUR_MS);
        if forgets_log {
            let mut rules = rig.fake.rules();
            rules.deleted_log_ms = 2 * HOUR_MS;
            rig.fake.set_rules(rules);
        }
        rig.complete().await;
    }
}

#[tokio::test]
async fn a_record_that_comes_back_from_the_bin_comes_back() {
    // History comes back too, dated as before: only a full backup sees that.
    let rig = Rig::new(org(OrgSpec::tiny(7).without("AccountHistory"))).await;
    rig.complete().await;
    let id = account(&rig, 2);
    rig.fake.apply(&[Change::Delete { id: id.clone() }]).unwrap();
    rig.fake.clock().advance(HOUR_MS);
    rig.complete().await;
    rig.fake.apply(&[Change::Undelete { id }]).unwrap();
    rig.fake.clock().advance(HOUR_MS);
    rig.complete().await;
}

#[tokio::test]
async fn new_objects_and_fields_are_read_and_hidden_fields_are_not_deleted() {
    let rig = Rig::new(org(OrgSpec::tiny(8))).await;
    rig.complete().await;
    rig.fake.clock().advance(HOUR_MS);
    {
        let now = chrono::DateTime::from_timestamp_millis(rig.fake.clock().now_ms()).unwrap();
        let mut org = rig.fake.org().write().unwrap();
        let field = NewField {
            name: "Extra__c".into(),
            kind: "number".into(),
            filled: 100,
        };
        org.add_field("Contact", &field, now).unwrap();
        org.add_object("Invented__c", now).unwrap();
    }
    let result = rig.complete().await;
    let contact = result.objects.iter().find(|object| object.name == "Contact").unwrap();
    assert!(
        contact.reason.as_deref().is_some_and(|reason| reason.contains("Extra__c")),
        "{contact:?}"
    );
    assert!(result.objects.iter().any(|object| object.name == "Invented__c"));

    let changed = rig.records(&result.snapshot).await["Contact"][0].clone();
    let id = changed.split("Id=\"").find(|part| part.starts_with("003")).unwrap()[..18].to_owned();
    let fields = SentFields::parse(r#"{"LastName":"changed"}"#).unwrap();
    rig.fake.apply(&[Change::Update { id, fields }]).unwrap();
    let mut viewer = (*rig.fake.user()).clone();
    viewer
        .hidden_fields
        .entry("Contact".into())
        .or_default()
        .insert("Extra__c".into());
    rig.fake.set_user(viewer);
    rig.fake.clock().advance(HOUR_MS);
    let result = rig.backup().await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    let contact = result.objects.iter().find(|object| object.name == "Contact").unwrap();
    assert!(
        contact.reason.as_deref().is_some_and(|reason| reason.contains("hidden")),
        "{contact:?}"
    );
    let kept = &rig.records(&result.snapshot).await["Contact"];
    let with_it = kept.iter().filter(|record| record.contains("Extra__c=")).count();
    assert_eq!(with_it, kept.len() - 1, "values of records that weren't changed stay");
}

#[tokio::test]
async fn every_so_many_backups_one_reads_everything() {
    let mut options = org(OrgSpec::tiny(9));
    options.settings["full_every"] = 2.into();
    let rig = Rig::new(options).await;
    for _ in 0..4 {
        rig.complete().await;
        rig.fake.clock().advance(HOUR_MS);
    }
    let journal = rig.journal().await;
    let kinds: Vec<SnapshotKind> = journal.state().snapshots().iter().map(|record| record.kind).collect();
    let (full, incremental) = (SnapshotKind::Full, SnapshotKind::Incremental);
    assert_eq!(kinds, [full, incremental, full, incremental]);
}

#[tokio::test]
async fn a_backup_that_pauses_for_days_catches_up() {
    let rig = Rig::new(org(OrgSpec::small(10))).await;
    rig.fake.quota().set_used(MAX - 9);
    let paused = rig.backup().await.unwrap();
    assert_eq!(paused.state, BackupState::Partial);
    churn(&rig, 3);
    churn(&rig, 4);
    rig.fake.quota().set_used(0);
    rig.until_asked_again();
    // One pass narrows the window; what it holds is the org as it is now.
    let whole = rig.complete().await;
    assert_eq!(whole.snapshot, paused.snapshot);
}

#[tokio::test]
async fn a_full_backup_takes_nothing_over() {
    let rig = Rig::new(org(OrgSpec::tiny(11))).await;
    rig.complete().await;
    churn(&rig, 5);
    let request = BackupRequest {
        full: true,
        ..BackupRequest::default()
    };
    let result = rig.backup_with(&request).await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    rig.assert_equals_org(&result).await;
}
