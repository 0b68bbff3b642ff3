use crate::Timestamp;
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The host's time.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The moment of the call.
    fn now(&self) -> Timestamp;

    /// Waits while nothing else of the job is under way: a back-off, a pause. A virtual clock jumps there at once.
    async fn sleep(&self, duration: Duration);

    /// Guards something under way: resolves when `duration` has passed meanwhile. A virtual clock never jumps for it.
    async fn deadline(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn deadline(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Time that passes only when told to, or when a job sleeps.
#[derive(Debug)]
pub struct VirtualClock {
    now: watch::Sender<Timestamp>,
    slept: Mutex<Duration>,
}

impl VirtualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        VirtualClock {
            now: watch::Sender::new(start),
            slept: Mutex::new(Duration::ZERO),
        }
    }

    /// Lets time pass; deadlines within it resolve.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.after(by));
    }

    /// All that was slept so far, for tests that ask how long a job would have waited.
    pub fn slept(&self) -> Duration {
        *self.slept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        *self.slept.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += duration;
        self.advance(duration);
    }

    async fn deadline(&self, duration: Duration) {
        let at = self.now().after(duration);
        let mut now = self.now.subscribe();
        // The sender lives as long as `self`, which this future borrows: waiting can't fail.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_virtual_sleep_jumps_and_a_deadline_waits_for_it() {
        let clock = VirtualClock::new(Timestamp(1_000));
        let mut deadline = clock.deadline(Duration::from_secs(60));
        assert!((&mut deadline).now_or_never().is_none(), "no time has passed");
        clock.sleep(Duration::from_secs(59)).await;
        assert!((&mut deadline).now_or_never().is_none(), "59 of 60 seconds have passed");
        clock.sleep(Duration::from_secs(1)).await;
        deadline.await;
        assert_eq!(clock.now(), Timestamp(61_000));
        assert_eq!(clock.slept(), Duration::from_secs(60));
    }
}
