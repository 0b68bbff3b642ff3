//! Where each attempt on the wire asks for permission, and how that permission is settled. The arithmetic (ceiling, readings,
//! grants) is the implementor's.

use async_trait::async_trait;
use backup_contract::SendError;
use std::sync::Arc;

/// Counts attempts before they are sent. One gate serves one call of an export; requests may be under way at the same time.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Counts one attempt of `cost` and gives its number, which grows with each attempt in the scope. After this returns the
    /// attempt may be on the wire at any moment: what has to be durable is durable by then.
    ///
    /// [`SendError::AllowanceSpent`] where the cost isn't left.
    async fn admit(&self, cost: u32) -> Result<u64, SendError>;

    /// The attempt provably never left this host: it is given back.
    fn not_sent(&self, number: u64);

    /// The attempt was answered, or there will be no answer: it is no longer in flight. It stays counted.
    fn answered(&self, number: u64);

    /// Whether a request is to be one attempt, and its outcome, whatever it is, the answer.
    fn is_one_attempt(&self) -> bool {
        false
    }
}

/// An attempt that was admitted and not settled yet. Dropping it (the batch was killed, the guest let go of the request)
/// settles it as one that may have been sent.
pub(super) struct Admission {
    gate: Arc<dyn Gate>,
    number: u64,
    settled: bool,
}

impl Admission {
    pub(super) async fn ask(gate: &Arc<dyn Gate>, cost: u32) -> Result<Admission, SendError> {
        let number = gate.admit(cost).await?;
        Ok(Admission {
            gate: Arc::clone(gate),
            number,
            settled: false,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn not_sent(mut self) {
        self.settled = true;
        self.gate.not_sent(self.number);
    }

    pub(super) fn answered(self) {
        drop(self);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.settled {
            self.gate.answered(self.number);
        }
    }
}
