//! A backup and a restore of one org at once: the restore goes first, and the backup goes on where it was.

use backup_store::Actor;
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::clock::HOUR_MS;
use fake_salesforce::org::{DeleteRandom, OrgSpec};
use fake_salesforce::quota::QuotaOptions;
use host_harness::jobs::{
    BackupRequest, BackupResult, BackupState, Host, JobError, Progress, ProgressEvent, RestoreRequest, RestoreResult,
    RestoreState, Silent,
};
use std::future::Future;
use std::sync::Mutex;
use tokio::sync::watch;

const MAX: u64 = 100_000;

/// Names of the events that a job told, for whoever waits for one.
struct Told(watch::Sender<Vec<String>>);

impl Told {
    fn new() -> Told {
        Told(watch::Sender::new(Vec::new()))
    }

    async fn wait_for(&self, event: &str) {
        let told = |told: &Vec<String>| told.iter().any(|told| told == event);
        drop(self.0.subscribe().wait_for(told).await.unwrap());
    }

    fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl Progress for Told {
    fn tell(&self, event: &ProgressEvent) {
        let event = serde_json::to_value(event).unwrap();
        self.0
            .send_modify(|told| told.push(event["event"].as_str().unwrap().to_owned()));
    }
}

async fn restore(host: &Host, rig: &Rig, wait: bool, progress: &dyn Progress) -> Result<RestoreResult, JobError> {
    let request = RestoreRequest {
        snapshot: "latest".to_owned(),
        all: true,
        wait,
        ..RestoreRequest::default()
    };
    host.restore(&rig.name, &Actor::host(), &request, progress).await
}

async fn backup(host: &Host, rig: &Rig, progress: &dyn Progress) -> Result<BackupResult, JobError> {
    host.backup(&rig.name, &Actor::host(), &BackupRequest::default(), progress)
        .await
}

/// A backed up org that lost records since.
async fn lost_records() -> Rig {
    let quota = QuotaOptions {
        max: MAX,
        ..QuotaOptions::default()
    };
    let options = Options {
        quota,
        ..Options::of(OrgSpec::restore(3))
    };
    let rig = Rig::new(RigOptions::of(options)).await;
    rig.complete().await;
    rig.fake.clock().advance(HOUR_MS);
    let now = chrono::DateTime::from_timestamp_millis(rig.fake.clock().now_ms()).unwrap();
    let gone = DeleteRandom {
        percent: 20.0,
        seed: 5,
        ..DeleteRandom::default()
    };
    rig.fake.org().write().unwrap().delete_random(&gone, now);
    rig.fake.clock().advance(HOUR_MS);
    rig
}

/// Ran to its end; what this connector can't restore of such an org is no matter here.
fn has_ended(restored: &RestoreResult) -> bool {
    matches!(restored.state, RestoreState::Complete | RestoreState::Incomplete)
}

/// Both at once, each on a host of its own; `second` begins once `first` has told this.
async fn both<A, B>(first: impl Future<Output = A>, told: &Told, event: &str, second: impl Future<Output = B>) -> (A, B) {
    let second = async {
        told.wait_for(event).await;
        second.await
    };
    tokio::join!(first, second)
}

#[tokio::test]
async fn a_backup_gives_way_to_a_restore_and_goes_on_in_its_snapshot() {
    let rig = lost_records().await;
    let other = rig.second_host().await;
    let (of_backup, of_restore) = (Told::new(), Told::new());
    let order = Mutex::new(Vec::new());
    let backing_up = async {
        let done = backup(&rig.host, &rig, &of_backup).await;
        order.lock().unwrap().push("backup");
        done
    };
    let restoring = async {
        let done = restore(&other, &rig, false, &of_restore).await;
        order.lock().unwrap().push("restore");
        done
    };
    let before = rig.counted();
    let (backed_up, restored) = both(backing_up, &of_backup, "snapshot", restoring).await;
    let (backed_up, restored) = (backed_up.unwrap(), restored.unwrap());
    assert_eq!(*order.lock().unwrap(), ["restore", "backup"]);
    assert_eq!(backed_up.state, BackupState::Complete);
    assert!(has_ended(&restored), "{restored:?}");
    let told = of_backup.all();
    let events = |event: &str| told.iter().filter(|told| *told == event).count();
    assert_eq!((events("giving-way"), events("resuming")), (1, 1), "{told:?}");
    assert_eq!(events("snapshot"), 2, "begun, and gone on with");
    assert!(of_restore.all().contains(&"waiting-for".to_owned()), "{:?}", of_restore.all());
    assert_eq!(rig.counted() - before, backed_up.calls.sent + restored.calls.sent);
    assert_eq!(rig.journal().await.state().snapshots().len(), 2, "one before, one now");

    // As many requests as when nobody comes between.
    let alone = lost_records().await;
    let undisturbed = backup(&alone.host, &alone, &Silent).await.unwrap();
    assert!(
        backed_up.calls.sent <= undisturbed.calls.sent + 3,
        "{} requests, {} undisturbed",
        backed_up.calls.sent,
        undisturbed.calls.sent
    );
}

#[tokio::test]
async fn a_backup_waits_for_a_restore_that_waits_for_requests() {
    let rig = lost_records().await;
    let other = rig.second_host().await;
    // Four requests are left.
    rig.fake.quota().set_used(MAX / 2 - 4);
    let (of_backup, of_restore) = (Told::new(), Told::new());
    let order = Mutex::new(Vec::new());
    let restoring = async {
        let done = restore(&rig.host, &rig, true, &of_restore).await;
        order.lock().unwrap().push("restore");
        done
    };
    let backing_up = async {
        let done = backup(&other, &rig, &of_backup).await;
        order.lock().unwrap().push("backup");
        done
    };
    let raising = async {
        of_backup.wait_for("giving-way").await;
        rig.set_limit(100).await;
    };
    let ((restored, backed_up), ()) = tokio::join!(both(restoring, &of_restore, "paused", backing_up), raising);
    assert!(has_ended(&restored.unwrap()));
    assert_eq!(backed_up.unwrap().state, BackupState::Complete);
    assert_eq!(*order.lock().unwrap(), ["restore", "backup"]);
    assert!(of_backup.all().contains(&"resuming".to_owned()));
}

#[tokio::test]
async fn a_restore_that_stopped_at_the_limit_holds_no_backup_up() {
    let rig = lost_records().await;
    rig.fake.quota().set_used(MAX / 2 - 4);
    let stopped = restore(&rig.host, &rig, false, &Silent).await.unwrap();
    assert_eq!(stopped.state, RestoreState::Failed);
    rig.set_limit(100).await;
    let told = Told::new();
    assert_eq!(backup(&rig.host, &rig, &told).await.unwrap().state, BackupState::Complete);
    assert!(!told.all().contains(&"giving-way".to_owned()));
}

#[tokio::test]
async fn a_restore_that_waits_heeds_that_it_is_to_stop() {
    let rig = lost_records().await;
    rig.fake.quota().set_used(MAX / 2 - 4);
    let told = Told::new();
    let request = RestoreRequest {
        snapshot: "latest".to_owned(),
        all: true,
        wait: true,
        ..RestoreRequest::default()
    };
    let stopping = async {
        told.wait_for("paused").await;
        request.stop.stop();
    };
    let by = Actor::host();
    let (stopped, ()) = tokio::join!(rig.host.restore(&rig.name, &by, &request, &told), stopping);
    assert_ne!(stopped.unwrap().state, RestoreState::Complete);
    assert_eq!(rig.fake.quota().used(), MAX / 2);
}
