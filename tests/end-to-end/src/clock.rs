use async_trait::async_trait;
use backup_seams::{Clock, Timestamp};
use std::time::Duration;

/// The fake's virtual clock as the host's: a sleep of the host lets the org's time pass too.
#[derive(Debug)]
pub struct SharedClock(fake_salesforce::clock::Clock);

impl SharedClock {
    /// The host's side of it.
    pub fn new(clock: fake_salesforce::clock::Clock) -> SharedClock {
        SharedClock(clock)
    }
}

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.0.now_ms()).unwrap())
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(i64::try_from(duration.as_millis()).unwrap());
    }

    /// Time never passes by itself here.
    async fn deadline(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}
