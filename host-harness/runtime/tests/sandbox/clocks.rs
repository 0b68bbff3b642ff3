use super::platform::{Platform, Source};
use super::{assert_nothing_left, beginning, config, hostile};
use backup_contract::Next;
use backup_runtime::{CallError, RuntimeConfig};
use backup_seams::{Timestamp, VirtualClock};
use futures::future::{join, join_all};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn on(clock: &Arc<VirtualClock>) -> RuntimeConfig {
    RuntimeConfig {
        clock: clock.clone(),
        wall_clock: 10 * MINUTE,
        admission_wait: MINUTE,
        ..config()
    }
}

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(Timestamp(1_000_000)))
}

#[tokio::test]
async fn a_guest_that_only_waits_is_ended_by_the_wall_clock_and_not_before() {
    let clock = clock();
    let connector = hostile(on(&clock)).await;
    let platform = Platform::behaving("wait-for-ever").with_source(Source::Silent);
    let mut call = pin!(connector.run_batch(platform.imports(5), beginning()));
    assert!(futures::poll!(call.as_mut()).is_pending());
    assert_eq!(platform.done().under_way, 1);
    clock.advance(10 * MINUTE - Duration::from_millis(1));
    assert!(futures::poll!(call.as_mut()).is_pending(), "a millisecond is left");
    clock.advance(Duration::from_millis(1));
    assert_eq!(call.await.unwrap_err(), CallError::WallClockExceeded { limit: 10 * MINUTE });
    assert_eq!(platform.done().under_way, 0, "the request was let go");
    assert_nothing_left(&connector);
}

#[tokio::test]
async fn a_loop_is_ended_by_its_processor_time_while_a_neighbour_proceeds_on_the_same_thread() {
    // The wall clock stands still: nothing but the processor's limit can end the loop.
    let connector = hostile(on(&clock())).await;
    let (looping, good) = (Platform::behaving("loop"), Platform::new("{}"));
    let mut looping = pin!(connector.run_batch(looping.imports(5), beginning()));
    let neighbour = async {
        let mut at = beginning();
        let mut batches = 0;
        loop {
            let result = connector.run_batch(good.imports(5), at).await.unwrap().unwrap();
            batches += 1;
            if result.next == Next::Done {
                return batches;
            }
            at = result.at;
        }
    };
    let neighbour = pin!(neighbour);
    match futures::future::select(looping.as_mut(), neighbour).await {
        futures::future::Either::Right((batches, looping)) => {
            assert_eq!(batches, 2, "the neighbour is done while the loop still runs");
            let limit = config().processor;
            assert_eq!(looping.await.unwrap_err(), CallError::CpuExceeded { limit });
        }
        futures::future::Either::Left((result, _)) => panic!("the loop ended before its neighbour: {result:?}"),
    }
    assert!(connector.stats().cpu >= Duration::from_millis(500));
    assert_nothing_left(&connector);
}

#[tokio::test]
async fn a_call_waits_for_room_and_is_told_when_there_was_none() {
    let clock = clock();
    let one = RuntimeConfig {
        memory_for_guests: config().memory_per_call,
        ..on(&clock)
    };
    let connector = hostile(one).await;
    assert_eq!(connector.occupancy().calls_at_once, 1);
    let (waiting, good) = (
        Platform::behaving("wait-for-ever").with_source(Source::Silent),
        Platform::new("{}"),
    );
    {
        let mut first = pin!(connector.run_batch(waiting.imports(5), beginning()));
        assert!(futures::poll!(first.as_mut()).is_pending());
        let mut second = pin!(connector.run_batch(good.imports(5), beginning()));
        assert!(futures::poll!(second.as_mut()).is_pending());
        clock.advance(MINUTE);
        assert!(matches!(second.await, Err(CallError::Unavailable { .. })));
        assert_eq!(good.done().started, 0);
        assert!(futures::poll!(first.as_mut()).is_pending(), "the first is not hurt");
    }
    // Dropping a call's future ends it too, and makes room.
    connector.run_batch(good.imports(5), beginning()).await.unwrap().unwrap();
    assert_eq!(waiting.done().under_way, 0);
    assert_nothing_left(&connector);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_of_hostile_calls_are_not_hurt() {
    let connector = hostile(config()).await;
    let evil = [
        "loop",
        "bomb-memory",
        "trap",
        "overflow-stack",
        "handle-bomb",
        "wait-any-of-nothing",
    ];
    let evil = evil.map(|behaviour| {
        let (connector, platform) = (connector.clone(), Platform::behaving(behaviour));
        tokio::spawn(async move { connector.run_batch(platform.imports(2_000), beginning()).await })
    });
    let good = (0..6).map(|_| {
        let (connector, platform) = (connector.clone(), Platform::new("{}"));
        tokio::spawn(async move { connector.run_batch(platform.imports(5), beginning()).await })
    });
    let (evil, good) = join(join_all(evil), join_all(good)).await;
    for result in good {
        assert_eq!(result.unwrap().unwrap().unwrap().at.data, b"5");
    }
    for result in evil {
        assert!(result.unwrap().is_err());
    }
    assert_nothing_left(&connector);
}
