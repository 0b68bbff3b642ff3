//! The resources under `/services/data/vXX.X`: which one a call is for, and what it answers.
//!
//! Not for: sessions, quota, faults and the wire, which lie around it (`server`), and series of calls (`composite`).
//! Rule: a call is served from the org and the user as they are at that moment, whether it came by itself or inside a series.

pub mod answer;
pub mod call;
mod changes;
mod limits;
pub mod locators;
mod query;
mod sobjects;
mod versions;

use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, Utc};

use self::answer::{Answer, SharedOrg};
use self::call::Call;
use self::locators::Locators;
pub use self::versions::versions;
use crate::bulk::ingest::Ingest;
use crate::bulk::{self, BulkRules, Jobs};
use crate::clock::OrgClock;
use crate::composite;
use crate::org::{Org, Viewer};
use crate::quota::Quota;
use crate::soql::SoqlRules;

/// What differs between orgs or isn't documented, and so can be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Lengths of pages, and when a query is too complicated.
    pub soql: SoqlRules,
    /// Bulk jobs.
    pub bulk: BulkRules,
    /// Whether answers with a file carry `Sforce-Limit-Info`. Not documented.
    pub files_tell_usage: bool,
    /// Whether `/query/<locator>` counts among the five queries of a composite. An old page of the documentation says so,
    /// newer ones and clients in the field don't.
    pub locators_count_as_queries: bool,
    /// Whether a composite refuses `@{p.nextRecordsUrl}`.
    pub refuse_chain: bool,
    /// How old the oldest transaction still running is, in milliseconds: `latestDateCovered` is that far back.
    pub oldest_transaction_ms: i64,
    /// How far back getDeleted reaches, in milliseconds; up to 15 days, less where its log was purged early.
    pub deleted_log_ms: i64,
    /// Whether requests to the token endpoint count. Not documented.
    pub token_requests_count: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            soql: SoqlRules::default(),
            bulk: BulkRules::default(),
            files_tell_usage: true,
            locators_count_as_queries: false,
            refuse_chain: false,
            oldest_transaction_ms: 0,
            deleted_log_ms: changes::DELETED_REACH_MS,
            token_requests_count: false,
        }
    }
}

/// All that resources work on.
#[derive(Clone)]
pub struct Service {
    /// The org.
    pub org: SharedOrg,
    /// The user on whose behalf all requests are made.
    pub viewer: Arc<std::sync::RwLock<Arc<Viewer>>>,
    /// The clock.
    pub clock: OrgClock,
    /// The org's requests.
    pub quota: Quota,
    /// Open queries.
    pub locators: Arc<Locators>,
    /// Bulk queries.
    pub bulk: Arc<Jobs>,
    /// Bulk jobs that write.
    pub ingest: Arc<Ingest>,
    /// Held by whoever may take writes back, so that those of others aren't among them; shared by single writes.
    pub turn: Arc<std::sync::RwLock<()>>,
    /// What can be chosen.
    pub rules: Arc<std::sync::RwLock<Rules>>,
    /// `http://127.0.0.1:port`
    pub instance_url: Arc<str>,
}

impl Service {
    /// The org, to read. A panic elsewhere leaves an org that can still be read, so a poisoned lock is used on.
    pub fn org(&self) -> RwLockReadGuard<'_, Org> {
        self.org.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The org, to change.
    pub fn org_mut(&self) -> RwLockWriteGuard<'_, Org> {
        self.org.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user as it is now.
    #[must_use]
    pub fn viewer(&self) -> Arc<Viewer> {
        Arc::clone(&self.viewer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was chosen.
    #[must_use]
    pub fn rules(&self) -> Rules {
        *self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, for stamps and date literals.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.clock.now_ms()).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// The same for calls that are served within a turn of their own.
    #[must_use]
    pub(crate) fn within_turn(&self) -> Self {
        Self {
            turn: Arc::default(),
            ..self.clone()
        }
    }

    /// Lets the clock's course show: what was due by now has happened when this returns.
    pub fn settle(&self) {
        let now = self.now();
        let is_due = self.org().next_commit().is_some_and(|at| at <= now);
        if is_due {
            self.org_mut().commit_due(now);
        }
        self.ingest.settle(self);
    }

    /// Serves a call.
    #[must_use]
    pub fn serve(&self, call: &Call) -> Answer {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let is_single_write =
            call.method != "GET" && !matches!(path.as_slice(), ["composite"] | ["composite", "batch" | "graph"]);
        let _turn = is_single_write.then(|| self.turn.read().unwrap_or_else(PoisonError::into_inner));
        let get_only = |answer: fn(&Self, &Call) -> Answer| match call.method.as_str() {
            "GET" => answer(self, call),
            other => Answer::method_not_allowed(other, "GET"),
        };
        match path.as_slice() {
            [] => get_only(|_, call| versions::resources(call)),
            ["limits"] => get_only(limits::limits),
            ["limits", "recordCount"] => get_only(limits::record_count),
            ["query"] => get_only(query::query),
            ["queryAll"] => get_only(query::query_all),
            ["query" | "queryAll", locator] => match call.method.as_str() {
                "GET" => query::more(self, call, locator),
                other => Answer::method_not_allowed(other, "GET"),
            },
            ["jobs", "ingest", rest @ ..] => bulk::ingest::serve(self, call, rest),
            ["jobs", "query", rest @ ..] => bulk::serve(self, call, rest),
            ["sobjects", rest @ ..] => sobjects::serve(self, call, rest),
            ["composite", "batch"] => composite::batch::serve(self, call).0,
            ["composite", "sobjects", rest @ ..] => composite::collections::serve(self, call, rest),
            ["composite", "tree", object] => composite::tree::serve(self, call, object),
            ["composite", "graph"] => composite::graph::serve(self, call).0,
            ["composite"] => composite::serve(self, call).0,
            _ => Answer::not_found(),
        }
    }
}
