//! A connection cut before, in or after any request of a restore leaves no record missing and none there twice.

use super::*;
use fake_salesforce::faults::Fault;

async fn assert_survives(fault: Fault) {
    let rig = connected(12).await;
    for at in 1.. {
        let about = format!("{fault:?} at request {at}");
        rig.fake.faults().clear();
        let before = lose(&rig, at).await;
        rig.fake.faults().at_request(rig.fake.log().len() + at, fault.clone());
        let result = rig.restore(&everything()).await.unwrap();
        assert_complete(&result, &about);
        // What still runs has ended by then.
        rig.fake.clock().advance(HOUR_MS);
        before.assert_like(&held(&rig.fake), &about);
        if rig.fake.faults().struck() == 0 {
            assert!(at > 8, "only {at} requests: too few to be cut in");
            return;
        }
    }
}

#[tokio::test]
async fn a_restore_survives_a_request_cut_before_its_effect() {
    assert_survives(Fault::CutBeforeEffect).await;
}

#[tokio::test]
async fn a_restore_survives_a_request_cut_after_its_effect() {
    assert_survives(Fault::CutAfterEffect).await;
}

#[tokio::test]
async fn a_restore_survives_a_request_cut_within_its_answer() {
    assert_survives(Fault::CutMidBody { after_bytes: 300 }).await;
}

#[tokio::test]
async fn a_restore_survives_a_request_cut_while_its_transaction_goes_on() {
    assert_survives(Fault::CutAndCommitLater { after_ms: 90_000 }).await;
}

#[tokio::test]
async fn a_restore_survives_an_error_that_is_answered_after_its_effect() {
    assert_survives(Fault::ErrorAfterEffect { status: 500 }).await;
    assert_survives(Fault::ErrorAfterEffect { status: 503 }).await;
}

#[tokio::test]
async fn a_restore_survives_a_page_of_maintenance() {
    assert_survives(Fault::Html { status: 503 }).await;
    assert_survives(Fault::Html { status: 200 }).await;
}
