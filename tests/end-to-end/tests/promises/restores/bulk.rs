//! What is cut, stopped or killed while bulk jobs write leaves no record missing and none there twice.
//!
//! Each case begins at the same moment, of the org and of the store, so that nothing is backed up and lost anew for it and each
//! request of the restore has its turn.

use super::*;
use fake_salesforce::faults::Fault;
use fake_salesforce::org::Org;

/// So many that a job takes fewer requests, as long as they don't refer to each other.
const LEADS: u64 = 7_400;

/// An org of which the leads were backed up and are all gone, and what it was like before.
struct Loss {
    rig: Rig,
    before: Likeness,
    org: Org,
    store: InMemory,
}

pub(super) fn spec() -> OrgSpec {
    OrgSpec::of(31, &[("Lead", LEADS), ("Group", 3)])
}

/// Lets the user give records to whom they belonged.
pub(super) fn let_give(fake: &Fake) {
    let mut user = (*fake.user()).clone();
    user.update_inactive_owners = true;
    fake.set_user(user);
}

/// Deletes all leads.
pub(super) fn lose_leads(fake: &Fake) {
    let gone = delete_all(fake, Some(&["Lead"]));
    assert!(gone > 7_000, "{gone} are too few for jobs");
}

impl Loss {
    async fn new() -> Loss {
        let store = InMemory::new();
        let options = RigOptions {
            backend: Some(Arc::new(store.clone())),
            ..RigOptions::of(org(spec()))
        };
        let rig = Rig::new(options).await;
        let_give(&rig.fake);
        rig.complete().await;
        rig.fake.clock().advance(HOUR_MS);
        let before = held(&rig.fake);
        lose_leads(&rig.fake);
        rig.fake.clock().advance(HOUR_MS);
        let org = rig.fake.org().read().unwrap().clone();
        Loss { rig, before, org, store }
    }

    /// Back to the loss, whatever was restored since. Only the org's time goes on.
    async fn again(&mut self) {
        self.rig.fake.faults().clear();
        self.rig.fake.clock().advance(HOUR_MS);
        *self.rig.fake.org().write().unwrap() = self.org.clone();
        self.rig.reopen(Arc::new(self.store.fork())).await;
    }

    fn assert_whole(&self, about: &str) {
        // What still runs has ended by then.
        self.rig.fake.clock().advance(HOUR_MS);
        self.before.assert_like(&held(&self.rig.fake), about);
    }

    /// The requests since there were so many.
    fn requests_after(&self, begun: u64) -> Vec<String> {
        let all = self.rig.fake.log().entries_after(begun).into_iter();
        all.map(|entry| format!("{} {}", entry.method, entry.path)).collect()
    }
}

async fn assert_survives(fault: Fault) {
    let mut loss = Loss::new().await;
    for at in 1.. {
        loss.again().await;
        let begun = loss.rig.fake.log().len();
        loss.rig.fake.faults().at_request(begun + at, fault.clone());
        let result = loss.rig.restore(&everything()).await.unwrap();
        let requests = loss.requests_after(begun);
        let about = format!("{fault:?} at request {at} of {requests:#?}");
        assert_complete(&result, &about);
        loss.assert_whole(&about);
        if loss.rig.fake.faults().struck() == 0 {
            let jobs = requests.iter().filter(|request| request.ends_with("/jobs/ingest"));
            assert_eq!(jobs.count(), 1, "{about}");
            return;
        }
    }
}

#[tokio::test]
async fn bulk_jobs_survive_a_cut_before_its_effect() {
    assert_survives(Fault::CutBeforeEffect).await;
}

#[tokio::test]
async fn bulk_jobs_survive_a_cut_after_its_effect() {
    assert_survives(Fault::CutAfterEffect).await;
}

#[tokio::test]
async fn bulk_jobs_lose_and_double_nothing_where_the_limit_stops_them_at_any_request() {
    let mut loss = Loss::new().await;
    for left in 1.. {
        loss.again().await;
        let about = format!("with {left} requests left");
        limits::leave(&loss.rig, left);
        let stopped = loss.rig.restore(&everything()).await.unwrap();
        if stopped.state == RestoreState::Complete {
            loss.assert_whole(&about);
            assert!(left > 6, "{about}: too few to stop in");
            return;
        }
        limits::assert_stopped(&stopped, left, &about);
        loss.rig.set_limit(90).await;
        let result = loss.rig.restore(&everything()).await.unwrap();
        assert_complete(&result, &about);
        loss.assert_whole(&about);
    }
}
