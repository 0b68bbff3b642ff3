//! A store that lies, drops and fills up: nothing lost, nothing doubled.

use backup_store::testing::{Fault, FaultyStore};
use end_to_end::{Rig, RigOptions};
use fake_salesforce::Options;
use fake_salesforce::org::OrgSpec;
use host_harness::jobs::BackupState;

#[tokio::test]
async fn wrong_answers_of_the_store_lose_nothing_and_double_nothing() {
    let faults = [
        Fault::ErrorAfterStoring,
        Fault::AlreadyExistsOnOwnWrite,
        Fault::ConflictWithNothingStored,
        Fault::LateWrite,
    ];
    for fault in faults {
        for every in [2, 3, 7] {
            let backend = FaultyStore::new();
            backend.list_unsorted();
            let options = RigOptions {
                backend: Some(backend.clone()),
                ..RigOptions::of(Options::of(OrgSpec::tiny(8)))
            };
            let rig = Rig::new(options).await;
            backend.fail_every(every, fault);
            // A run that can't be sure stops; the next one finds out what was written.
            let mut result = rig.backup().await;
            for _ in 0..20 {
                if matches!(&result, Ok(result) if result.state == BackupState::Complete) {
                    break;
                }
                rig.fake.clock().advance(fake_salesforce::clock::HOUR_MS);
                result = rig.backup().await;
            }
            backend.heal().await;
            let result = result.unwrap_or_else(|error| panic!("{fault:?} every {every}: {error}"));
            assert_eq!(result.state, BackupState::Complete, "{fault:?} every {every}");
            rig.assert_equals_org(&result).await;
            let damages = backup_store::verify::verify(rig.host.store(), &rig.name)
                .await
                .unwrap()
                .damages;
            assert!(damages.is_empty(), "{fault:?} every {every}: {damages:?}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_backup_goes_on_when_there_is_room() {
    let backend = FaultyStore::new();
    let rig = Rig::new(RigOptions {
        backend: Some(backend.clone()),
        ..RigOptions::of(Options::of(OrgSpec::tiny(8)))
    })
    .await;
    backend.fail_every(9, Fault::Full);
    let first = rig.backup().await;
    let text = match &first {
        Err(error) => error.to_string(),
        Ok(result) => result.failed.clone().unwrap_or_default(),
    };
    assert!(text.contains("full"), "{first:?}");
    backend.heal().await;
    rig.fake.clock().advance(fake_salesforce::clock::HOUR_MS);
    let result = rig.backup().await.unwrap();
    assert_eq!(result.state, BackupState::Complete);
    rig.assert_equals_org(&result).await;
}
