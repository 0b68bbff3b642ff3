//! Claiming a scope: keeping a second host out before it sends anything, and finding out what a dead one may have sent.
//!
//! Where a lock beside the store tells a dead host from a live one, a claim lasts as long as its process. Elsewhere it is a lease
//! that every durable entry renews; its holder asks [`Claim::still_held`] before every send.

use super::record::ScopeRecord;
use crate::backend::{Acquired, LEASE, Store};
use crate::chain::{Appended, Chain, Entry};
use crate::epoch::Epoch;
use crate::error::StoreError;
use crate::names::{ConnectionName, Scope, TenantName};
use crate::snapshot::log::{self, LogRecord};
use crate::spending::{Grant, Spending, Unsettled};
use backup_seams::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often claiming may be lost to others who claim and end at once.
const TRIES: u32 = 100;

/// Who claims, and what for.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// For which connection.
    pub connection: ConnectionName,
    /// What it is about to do, for people: `backup`, `gc`.
    pub purpose: String,
    /// Which host, for people: name and process.
    pub host: String,
}

/// What a host that died left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Its epoch.
    pub epoch: u64,
    /// What it was about to do, and on which host.
    pub by: String,
    /// The grants that have no entry: they count as wholly spent, and are in `Spending::unsettled` now.
    pub unsettled: Vec<Unsettled>,
}

/// The right to send and commit for a scope. Dropping it without [`Claim::release`] is what a crash does: the next host counts
/// outstanding grants as spent.
pub struct Claim {
    store: Store,
    scope: Scope,
    connection: ConnectionName,
    chain: Chain<ScopeRecord>,
    epoch: Arc<Epoch>,
    recovered: Option<Recovered>,
    /// Held for as long as the claim is; `None` where leases decide.
    guard: Option<Box<dyn Send + Sync>>,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("scope", &self.scope)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Claim {
    /// Claims a scope of the connection's tenant, or says who has it. Sends nothing.
    pub async fn acquire(store: &Store, scope: &Scope, request: ClaimRequest) -> Result<Claim, StoreError> {
        let tenant = request.connection.tenant();
        let lock_name = lock_name(tenant, scope);
        let acquired = store.lock().try_acquire(&lock_name).map_err(|error| StoreError::Refused {
            location: lock_name.clone(),
            why: format!("its lock can't be asked for ({error})"),
        })?;
        let (guard, lease) = match acquired {
            Acquired::Guarded(guard) => (Some(guard), None),
            Acquired::LeaseOnly => (None, Some(LEASE)),
            Acquired::Taken => {
                let (_, tail) = super::open(store, tenant, scope).await?;
                return Err(held(scope, &tail, store.clock().now()));
            }
        };
        for _ in 0..TRIES {
            let (mut chain, tail) = super::open(store, tenant, scope).await?;
            let now = store.clock().now();
            let past = Past::of(store, &tail).await?;
            // Whoever has the lock knows that the last holder is gone; without one only time tells.
            if guard.is_none() && past.lease_until.is_some_and(|until| now < until) {
                return Err(held(scope, &tail, now));
            }
            let (mut spending, recovered) = past.settle(now);
            spending.version += 1;
            let record = ScopeRecord::WriterClaimed {
                connection: request.connection.clone(),
                purpose: request.purpose.clone(),
                host: request.host.clone(),
                lease_seconds: lease.map_or(0, |lease| lease.as_secs()),
                spending: spending.clone(),
            };
            let epoch = chain.head().seq + 1;
            if let Appended::Written(entry) = chain.append(epoch, record).await? {
                let epoch = Epoch::new(epoch, Arc::clone(&store.seams().clock), lease, (entry.at, spending));
                return Ok(Claim {
                    store: store.clone(),
                    scope: scope.clone(),
                    connection: request.connection,
                    chain,
                    epoch: Arc::new(epoch),
                    recovered,
                    guard,
                });
            }
        }
        Err(StoreError::Unsettled {
            what: format!("the claim of {scope}"),
        })
    }

    /// The number under which everything is written.
    pub fn epoch(&self) -> u64 {
        self.epoch.number()
    }

    /// What is claimed.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// For which connection.
    pub fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// What is spent, as the last durable record has it.
    pub fn spending(&self) -> Spending {
        self.epoch.spending()
    }

    /// What a dead host left, where the one before didn't end cleanly. It belongs into the connection's journal.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// Whether sending is still this host's. Cheap: ask before every send. False: commit nothing, stop.
    pub fn still_held(&self) -> bool {
        self.epoch.still_held()
    }

    /// Makes a grant durable that belongs to no batch: a check's, a planning step's, a probe's.
    pub async fn grant(&mut self, grant: &Grant, spending: Spending) -> Result<(), StoreError> {
        let grant = grant.clone();
        self.record(spending, |spending| ScopeRecord::Granted { grant, spending })
            .await
    }

    /// Ends such a grant: `spending` counts what was sent, and what is left of the grant is given back.
    pub async fn spent(&mut self, grant_id: &str, spending: Spending) -> Result<(), StoreError> {
        let grant_id = grant_id.to_owned();
        self.record(spending, |spending| ScopeRecord::Spent { grant_id, spending })
            .await
    }

    /// Makes numbers durable that no grant comes with.
    pub async fn note(&mut self, spending: Spending) -> Result<(), StoreError> {
        self.spent("", spending).await
    }

    /// Takes over what `own` (the connection's own scope) spent before its answer told this scope, and releases it. `spending` is
    /// the sum. A crash between the two leaves it counted twice, never forgotten.
    pub async fn adopt(&mut self, mut own: Claim, spending: Spending) -> Result<(), StoreError> {
        let from = own.scope.clone();
        self.record(spending, |spending| ScopeRecord::Adopted { from, spending })
            .await?;
        let kept = Spending {
            next_request_number: own.spending().next_request_number,
            probes: own.spending().probes,
            ..Spending::default()
        };
        own.record(kept, |spending| ScopeRecord::WriterReleased { spending }).await
    }

    /// Ends it cleanly: no grant is outstanding, and another host may claim at once. Nothing may be recorded under it afterwards.
    pub async fn release(&mut self, spending: Spending) -> Result<(), StoreError> {
        self.record(spending, |spending| ScopeRecord::WriterReleased { spending })
            .await?;
        drop(self.guard.take());
        Ok(())
    }

    /// Points to the log in which grants and spending stand from here on.
    pub(crate) async fn writing(&mut self, snapshot: crate::SnapshotId) -> Result<(), StoreError> {
        let connection = self.connection.clone();
        let spending = self.spending();
        let record = |spending| ScopeRecord::Writing {
            connection,
            snapshot,
            spending,
        };
        self.record(spending, record).await
    }

    async fn record(&mut self, spending: Spending, record: impl FnOnce(Spending) -> ScopeRecord) -> Result<(), StoreError> {
        let spending = self.epoch.next_version(spending);
        let entry = self
            .chain
            .append_exclusive(self.epoch.number(), record(spending.clone()))
            .await?;
        self.epoch.committed(entry.at, spending);
        Ok(())
    }

    /// What those who commit under the claim share with it.
    pub(crate) fn shared_epoch(&self) -> &Arc<Epoch> {
        &self.epoch
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

fn lock_name(tenant: &TenantName, scope: &Scope) -> String {
    format!("{tenant}-{}", crate::Sha256::of(scope.as_str().as_bytes()))
}

/// A job that has a scope now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// Which host it is on, as that calls itself.
    pub host: String,
    /// What it does.
    pub purpose: String,
    /// For which connection.
    pub connection: ConnectionName,
    /// When it claimed the scope.
    pub since: Timestamp,
}

/// The job that has a scope, where one does and lives, as far as its lock or its lease tells.
pub async fn running(store: &Store, tenant: &TenantName, scope: &Scope) -> Result<Option<RunningJob>, StoreError> {
    let (_, tail) = super::open(store, tenant, scope).await?;
    let past = Past::of(store, &tail).await?;
    let Some(running) = last_claim(&tail).filter(|_| !past.released) else {
        return Ok(None);
    };
    let lock_name = lock_name(tenant, scope);
    let is_held = store.lock().is_held(&lock_name).map_err(|error| StoreError::Refused {
        location: lock_name.clone(),
        why: format!("its lock can't be looked at ({error})"),
    })?;
    let lives = is_held.unwrap_or_else(|| past.lease_until.is_some_and(|until| store.clock().now() < until));
    Ok(Some(running).filter(|_| lives))
}

fn last_claim(tail: &[Entry<ScopeRecord>]) -> Option<RunningJob> {
    tail.iter().rev().find_map(|entry| match &entry.body {
        ScopeRecord::WriterClaimed {
            connection,
            purpose,
            host,
            ..
        } => Some(RunningJob {
            host: host.clone(),
            purpose: purpose.clone(),
            connection: connection.clone(),
            since: entry.at,
        }),
        _ => None,
    })
}

/// `tail`: the newest entries, the last claim among them.
fn held(scope: &Scope, tail: &[Entry<ScopeRecord>], now: Timestamp) -> StoreError {
    let is_over = matches!(tail.last().map(|entry| &entry.body), Some(ScopeRecord::WriterReleased { .. }));
    let (by, purpose, since) = match last_claim(tail).filter(|_| !is_over) {
        Some(RunningJob {
            host,
            purpose,
            connection,
            since,
        }) => (format!("{host} ({purpose} of {connection})"), purpose, since),
        // It has the lock and is about to write its claim.
        None => ("another host".to_owned(), String::new(), now),
    };
    StoreError::Held {
        scope: scope.to_string(),
        by,
        purpose,
        since,
    }
}

/// What the last claim of a scope left, by its journal and by the log that this points to.
struct Past {
    epoch: u64,
    by: String,
    released: bool,
    spending: Spending,
    outstanding: Vec<Grant>,
    lease_until: Option<Timestamp>,
}

impl Past {
    async fn of(store: &Store, tail: &[Entry<ScopeRecord>]) -> Result<Past, StoreError> {
        let mut past = Past {
            epoch: 0,
            by: String::new(),
            released: true,
            spending: Spending::default(),
            outstanding: Vec::new(),
            lease_until: None,
        };
        let mut lease = Duration::ZERO;
        let mut written = None;
        for entry in tail {
            past.spending = entry.body.spending().clone();
            match &entry.body {
                ScopeRecord::WriterClaimed {
                    purpose,
                    host,
                    lease_seconds,
                    ..
                } => {
                    past.epoch = entry.seq;
                    past.by = format!("{purpose} on {host}");
                    past.released = false;
                    past.outstanding.clear();
                    lease = Duration::from_secs(*lease_seconds);
                    written = None;
                }
                ScopeRecord::Granted { grant, .. } => past.outstanding.push(grant.clone()),
                ScopeRecord::Spent { grant_id, .. } => past.outstanding.retain(|grant| grant.id != *grant_id),
                ScopeRecord::Writing {
                    connection, snapshot, ..
                } => written = Some((connection.clone(), *snapshot)),
                ScopeRecord::Adopted { .. } => {}
                ScopeRecord::WriterReleased { .. } => {
                    past.released = true;
                    past.outstanding.clear();
                }
            }
        }
        if past.released {
            return Ok(past);
        }
        let mut last_sign = tail.last().map_or(Timestamp(0), |entry| entry.at);
        if let Some((connection, snapshot)) = written
            && let Some(entry) = log::last_entry(store, &connection, snapshot).await?
            && entry.epoch == past.epoch
        {
            last_sign = last_sign.max(entry.at);
            let LogRecord { spending, grant, .. } = entry.body;
            past.outstanding.extend(grant);
            if spending.version > past.spending.version {
                past.spending = spending;
            }
        }
        past.lease_until = Some(last_sign.after(lease));
        Ok(past)
    }

    /// Counts outstanding grants as wholly spent.
    fn settle(mut self, now: Timestamp) -> (Spending, Option<Recovered>) {
        if self.released {
            return (self.spending, None);
        }
        let unsettled: Vec<Unsettled> = self
            .outstanding
            .iter()
            .map(|grant| Unsettled {
                requests: grant.requests,
                from: grant.at,
                until: now,
            })
            .collect();
        self.spending.unsettled.extend(&unsettled);
        let recovered = Recovered {
            epoch: self.epoch,
            by: self.by,
            unsettled,
        };
        (self.spending, Some(recovered))
    }
}

/// The newest spending that a scope's journal and the log it points to tell.
pub(super) async fn newest_spending(store: &Store, tail: &[Entry<ScopeRecord>]) -> Result<Spending, StoreError> {
    Past::of(store, tail).await.map(|past| past.spending)
}
