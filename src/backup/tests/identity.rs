//! Each run knows whose org it is before it commits anything, and pays no request for it.

use super::*;

const ORG: &str = "00D000000000001EAA";
const ANOTHER: &str = "00D000000000002EAC";

fn org() -> TinyOrg {
    TinyOrg::new(&[
        ("Account", 900, Oddity::None),
        ("Contact", 400, Oddity::None),
        ("Plain__c", 45, Oddity::None),
    ])
}

/// Backs up; with `asks`, each batch is a run of its own that has to confirm whose org it is.
fn requests(asks: bool) -> u64 {
    let mut job = Job::of(org());
    job.host.allow(4);
    let mut next = job.plan();
    while next != Next::Done {
        if let Next::AgainAfter(seconds) = next {
            job.wait(seconds);
        }
        *job.host.scope.borrow_mut() = asks.then(|| ORG.to_owned());
        job.host.allow(2);
        next = job.batch().unwrap();
    }
    job.assert_whole("Account", 900);
    job.host.sent()
}

#[test]
fn a_run_asks_whose_org_it_is_without_a_request_of_its_own() {
    assert_eq!(requests(true), requests(false));
}

#[test]
fn a_run_that_meets_another_org_commits_nothing_of_it() {
    let mut job = Job::of(org());
    job.plan();
    job.host.allow(1);
    job.batch().unwrap();
    let (checkpoint, committed) = (job.checkpoint.clone(), job.committed.clone());
    job.org.borrow_mut().organization = ANOTHER;
    *job.host.scope.borrow_mut() = Some(ORG.to_owned());
    job.host.allow(10_000);
    let error = job.batch().unwrap_err();
    assert!(matches!(error, ConnectorError::Configuration(_)), "{error:?}");
    assert_eq!((job.checkpoint, job.committed), (checkpoint, committed));
}
