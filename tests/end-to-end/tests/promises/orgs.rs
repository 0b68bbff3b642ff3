//! A connection is of one org: whatever answers at its address later.

use backup_store::Actor;
use end_to_end::{Rig, RigOptions};
use fake_salesforce::org::OrgSpec;
use fake_salesforce::{Fake, Options};
use host_harness::jobs::{JobError, PlanRequest, Silent};

/// The same kind of org under another Id, as a sandbox is after a refresh.
fn another(spec: OrgSpec) -> OrgSpec {
    OrgSpec {
        instance: *b"zz",
        ..spec
    }
}

/// Another org answers at the address from now on.
async fn moved(rig: &mut Rig) {
    let port = rig.fake.url().rsplit(':').next().unwrap().parse().unwrap();
    std::mem::replace(&mut rig.fake, Fake::start(Options::default()).unwrap()).shutdown();
    let spec = another(OrgSpec::tiny(3));
    rig.fake = Fake::start(Options {
        port,
        ..Options::of(spec)
    })
    .unwrap();
}

#[tokio::test]
async fn another_org_at_the_same_address_is_refused_by_name_and_nothing_of_it_is_stored() {
    let mut rig = Rig::new(RigOptions::of(Options::of(OrgSpec::tiny(3)))).await;
    let first = rig.complete().await;
    let before = rig.records(&first.snapshot).await;
    moved(&mut rig).await;

    let refused = rig.backup().await.unwrap();
    let reason = refused.failed.unwrap();
    assert!(reason.contains("answers now"), "{reason}");
    assert_eq!(refused.calls.sent, 1, "the first composite request says it");
    assert_eq!(
        rig.records(&refused.snapshot).await,
        before,
        "what the predecessor had, and nothing of the other org"
    );

    let planned = rig
        .host
        .plan(&rig.name, &Actor::host(), &PlanRequest::default(), &Silent)
        .await;
    assert!(matches!(planned, Err(JobError::OtherOrg { .. })), "{planned:?}");
    let checked = rig.host.check_connection(&rig.name, &Actor::host()).await;
    assert!(matches!(checked, Err(JobError::OtherOrg { .. })), "{checked:?}");
}
