//! Who may send and commit for a scope, and what was granted and spent in it.
//!
//! A scope (an org) has a small journal of its own, shared by all connections of a tenant that spend its quota. Claiming it gives
//! an epoch, the number under which everything is written. While batches run, grants and spending stand in the snapshot's log,
//! one write a batch; the scope's journal points there.

mod claim;
mod precedence;
mod record;
#[cfg(test)]
mod tests;

pub use claim::{Claim, ClaimRequest, Recovered, RunningJob, running};
pub use precedence::{Precedence, preceding};
pub use record::ScopeRecord;

use crate::backend::Store;
use crate::chain::{Chain, Entry};
use crate::error::StoreError;
use crate::names::{Scope, TenantName};
use crate::spending::Spending;

/// What is known of a scope's spending without claiming it: for showing it. Batches under way are counted up to the last commit.
pub async fn peek(store: &Store, tenant: &TenantName, scope: &Scope) -> Result<Spending, StoreError> {
    let (_, tail) = open(store, tenant, scope).await?;
    claim::newest_spending(store, &tail).await
}

/// The scope's journal from the last claim on.
async fn open(
    store: &Store,
    tenant: &TenantName,
    scope: &Scope,
) -> Result<(Chain<ScopeRecord>, Vec<Entry<ScopeRecord>>), StoreError> {
    let claimed = |entry: &Entry<ScopeRecord>| matches!(entry.body, ScopeRecord::WriterClaimed { .. });
    Chain::open_tail(store, store.scope_dir(tenant, scope), claimed).await
}
