//! What writing a snapshot takes besides its content: a claim, the journal of the claim's connection, and who acts.

use crate::error::StoreError;
use crate::journal::{Actor, Journal};
use crate::scope::Claim;

/// A connection's journal under a claim for that connection, and who writes to it.
#[derive(Debug)]
pub struct ClaimedJournal<'a> {
    pub(super) claim: &'a mut Claim,
    pub(super) journal: &'a mut Journal,
    pub(super) actor: &'a Actor,
}

impl<'a> ClaimedJournal<'a> {
    /// An error where the claim is for another connection.
    pub fn new(claim: &'a mut Claim, journal: &'a mut Journal, actor: &'a Actor) -> Result<ClaimedJournal<'a>, StoreError> {
        if claim.connection() == journal.connection() {
            return Ok(ClaimedJournal { claim, journal, actor });
        }
        Err(StoreError::State(format!(
            "a claim for {} does not allow to write {}",
            claim.connection(),
            journal.connection()
        )))
    }
}
