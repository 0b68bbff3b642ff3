//! A restore stops before the request that would pass the usage limit, says what it needs, and goes on when it may.

use super::*;

/// Requests of the org in a day, and those that its applications may use together.
const MAX: u64 = 1_000;
const CEILING: u64 = MAX / 2;

/// A day later, when none of the requests so far counts any more, others have used all but `left` of what all may use together.
pub(super) fn leave(rig: &Rig, left: u64) {
    rig.fake.clock().advance(25 * HOUR_MS);
    rig.fake.quota().set_max(MAX);
    rig.fake.quota().set_used(CEILING - left);
}

/// Asserts that a restore stopped at the limit, after so many requests.
pub(super) fn assert_stopped(stopped: &RestoreResult, sent: u64, about: &str) {
    assert_eq!(
        (stopped.state, stopped.reason.as_deref(), stopped.calls.sent),
        (RestoreState::Failed, Some("usage limit reached"), sent),
        "{about}: {stopped:#?}"
    );
}

#[tokio::test]
async fn a_restore_loses_and_doubles_nothing_where_the_limit_stops_it_at_any_request() {
    let rig = connected(11).await;
    for left in 1.. {
        let about = format!("with {left} requests left");
        rig.fake.quota().set_max(100 * MAX);
        rig.set_limit(50).await;
        let before = lose(&rig, left).await;
        leave(&rig, left);
        let counted = rig.counted();
        let stopped = rig.restore(&everything()).await.unwrap();
        assert_eq!(stopped.calls.sent, rig.counted() - counted, "{about}");
        if stopped.state == RestoreState::Complete {
            before.assert_like(&held(&rig.fake), &about);
            assert!(left > 8, "{about}: too few to stop in");
            return;
        }
        assert_stopped(&stopped, left, &about);
        assert_eq!(rig.fake.quota().used(), CEILING, "{about}");
        assert!(
            stopped.needed_calls > Some(0) && stopped.limit_needed > Some(50),
            "{about}: {stopped:?}"
        );
        rig.set_limit(90).await;
        assert_restores(&rig, &before, &about).await;
    }
}

#[tokio::test]
async fn a_restore_that_may_wait_goes_on_by_itself_when_requests_come_free() {
    let rig = connected(11).await;
    let before = lose(&rig, 1).await;
    leave(&rig, 4);
    let began = rig.fake.clock().now_ms();
    let request = RestoreRequest {
        wait: true,
        ..everything()
    };
    let result = rig.restore(&request).await.unwrap();
    assert_eq!(result.state, RestoreState::Complete, "{result:#?}");
    before.assert_like(&held(&rig.fake), "after waiting");
    let hours = (rig.fake.clock().now_ms() - began) / HOUR_MS;
    assert!((23..=25).contains(&hours), "others' requests count for a day: {hours} hours");
}

/// A request is a percent here. While it is planned a restore can't know yet what writing takes.
#[tokio::test]
async fn a_restore_ends_under_the_limit_that_it_names() {
    let rig = connected(28).await;
    let before = lose(&rig, 28).await;
    rig.fake.clock().advance(25 * HOUR_MS);
    rig.fake.quota().set_max(100);
    rig.fake.quota().set_used(49);
    let mut result = rig.restore(&everything()).await.unwrap();
    let mut raises = 0;
    while result.state == RestoreState::Failed {
        let percent = result.limit_needed.unwrap();
        assert_eq!(Some(percent - rig.fake.quota().used()), result.needed_calls);
        rig.set_limit(u8::try_from(percent).unwrap()).await;
        result = rig.restore(&everything()).await.unwrap();
        raises += 1;
        assert!(raises <= 3, "{result:#?}");
    }
    before.assert_like(&held(&rig.fake), "after raising");
}
