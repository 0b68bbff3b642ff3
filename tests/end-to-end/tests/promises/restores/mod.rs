//! A restore gives back what was there, once.

mod bulk;
mod choices;
mod cuts;
mod edits;
mod kills;
mod limits;
mod refusals;
mod round_trips;

use end_to_end::{Likeness, Rig, RigOptions};
use fake_salesforce::clock::HOUR_MS;
use fake_salesforce::org::{DeleteRandom, OrgSpec};
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use host_harness::jobs::{BackupState, RecordResult, RestoreRequest, RestoreResult, RestoreState};
use object_store::memory::InMemory;
use serde_json::Value;
use std::sync::Arc;

/// Everything of the newest snapshot.
fn everything() -> RestoreRequest {
    RestoreRequest {
        snapshot: "latest".to_owned(),
        all: true,
        ..RestoreRequest::default()
    }
}

/// The same, with the snapshot's values for what was changed since.
fn overwriting() -> RestoreRequest {
    RestoreRequest {
        overwrite: true,
        ..everything()
    }
}

/// An org for restores; it has requests enough for any test.
fn org(spec: OrgSpec) -> Options {
    let quota = QuotaOptions {
        max: 100_000,
        ..QuotaOptions::default()
    };
    Options {
        quota,
        ..Options::of(spec)
    }
}

/// Lets the connection's user give records to whom they belonged, and lookups lose what is deleted, as they do in most orgs.
fn prepare(fake: &Fake) {
    let mut user = (*fake.user()).clone();
    user.update_inactive_owners = true;
    fake.set_user(user);
    fake.org().write().unwrap().write_rules_mut().clear_lookups = true;
}

/// A connection on an org for restores.
async fn connected(seed: u64) -> Rig {
    let options = RigOptions {
        // Nothing here is about disks.
        backend: Some(Arc::new(InMemory::new())),
        ..RigOptions::of(org(OrgSpec::restore(seed))).with_files()
    };
    let rig = Rig::new(options).await;
    prepare(&rig.fake);
    rig
}

/// An org for restores, backed up.
async fn backed_up(seed: u64) -> Rig {
    let rig = connected(seed).await;
    assert_eq!(rig.backup().await.unwrap().state, BackupState::Complete);
    rig.fake.clock().advance(HOUR_MS);
    rig
}

/// Backs up as it is now, and loses some records; gives what was there.
async fn lose(rig: &Rig, seed: u64) -> Likeness {
    // What was written within the last minute comes with the next backup.
    rig.fake.clock().advance(HOUR_MS);
    rig.complete().await;
    rig.fake.clock().advance(HOUR_MS);
    let before = held(&rig.fake);
    delete_some(&rig.fake, seed);
    rig.fake.clock().advance(HOUR_MS);
    before
}

/// Deletes three of ten records, which ones by the seed, and what goes with them.
fn delete_some(fake: &Fake, seed: u64) {
    let wanted = DeleteRandom {
        percent: 30.0,
        seed,
        ..DeleteRandom::default()
    };
    let gone = delete(fake, &wanted);
    assert!(gone > 20, "only {gone} records went");
}

/// Deletes all records of these objects that nothing else holds, past the bin.
fn delete_all(fake: &Fake, objects: Option<&[&str]>) -> usize {
    let names = objects.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let wanted = DeleteRandom {
        percent: 100.0,
        hard: true,
        objects: names,
        ..DeleteRandom::default()
    };
    let mut all = 0;
    loop {
        // What held others may have gone now.
        match delete(fake, &wanted) {
            0 => return all,
            gone => all += gone,
        }
    }
}

fn delete(fake: &Fake, wanted: &DeleteRandom) -> usize {
    let now = chrono::DateTime::from_timestamp_millis(fake.clock().now_ms()).unwrap();
    let gone = fake.org().write().unwrap().delete_random(wanted, now);
    gone.values().map(Vec::len).sum()
}

/// What the org holds that a restore can give back. Where a file was published first is left out: it would bring a link that is
/// restored by itself.
fn held(fake: &Fake) -> Likeness {
    Likeness::of(fake, |object, field| {
        (object, field) == ("ContentVersion", "FirstPublishLocationId")
    })
}

/// Asserts that a restore is complete, and in doubt about nothing.
fn assert_complete(result: &RestoreResult, about: &str) {
    assert_eq!(
        (result.state, result.ambiguous.len()),
        (RestoreState::Complete, 0),
        "{about}: {result:#?}"
    );
}

/// Restores everything, which has to complete, and asserts that the org is what it was.
async fn assert_restores(rig: &Rig, before: &Likeness, about: &str) -> RestoreResult {
    let result = rig.restore(&everything()).await.unwrap();
    assert_eq!(result.state, RestoreState::Complete, "{about}: {result:#?}");
    before.assert_like(&held(&rig.fake), about);
    result
}

/// The org's leads as it has them now.
fn leads(rig: &Rig) -> Vec<Value> {
    let lines = rig.fake.oracle("Lead");
    let lines = std::str::from_utf8(&lines).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Leads from the newest snapshot.
fn of_leads(overwrite: bool) -> RestoreRequest {
    RestoreRequest {
        snapshot: "latest".to_owned(),
        objects: vec!["Lead".parse().unwrap()],
        overwrite,
        ..RestoreRequest::default()
    }
}
