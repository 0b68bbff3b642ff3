use async_trait::async_trait;
use backup_seams::{Clock, Timestamp};
use std::time::Duration;

/// The fake's virtual clock as the host's: a sleep of the host lets the org's time pass too.
#[derive(Debug)]
pub struct SharedClock {
    clock: fake_salesforce::clock::OrgClock,
    behind_ms: i64,
}

impl SharedClock {
    /// The host's side of it.
    pub fn new(clock: fake_salesforce::clock::OrgClock) -> SharedClock {
        SharedClock::behind(clock, 0)
    }

    /// The same, set back by so much: as a machine's clock may be.
    pub fn behind(clock: fake_salesforce::clock::OrgClock, behind_ms: i64) -> SharedClock {
        SharedClock { clock, behind_ms }
    }
}

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.clock.now_ms() - self.behind_ms).unwrap())
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.advance(i64::try_from(duration.as_millis()).unwrap());
    }

    /// Time never passes by itself here.
    async fn deadline(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}
