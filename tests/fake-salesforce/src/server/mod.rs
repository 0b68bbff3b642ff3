//! The double as a whole: starting it, and the handles by which tests steer and question it.
//!
//! Rule: it runs on threads of its own, so that a test may block, and listens on 127.0.0.1 only.

mod altered;
mod cut;
mod entry;
mod listen;
mod multipart;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::bulk::Jobs;
use crate::bulk::ingest::Ingest;
use crate::clock::OrgClock;
use crate::faults::Faults;
use crate::log::{LoggedRequest, RequestLog};
use crate::oauth::{Oauth, OauthOptions};
use crate::oracle;
use crate::org::{Blob, Change, Churn, Churned, CommitError, Org, OrgSpec, RecordId, Scan, Viewer, WriteError};
use crate::quota::{Quota, QuotaOptions, Totals, Traffic};
use crate::rest::answer::SharedOrg;
use crate::rest::locators::Locators;
use crate::rest::{Rules, Service};

/// How the double's clock runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// It stands at the org's creation until it's moved.
    #[default]
    Virtual,
    /// It runs with the machine's, and can be moved ahead.
    Real,
    /// The same, but so many milliseconds behind at first: a day can then pass without it being ahead of other programs' clocks.
    Behind(i64),
}

/// On whose behalf clients ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum User {
    /// Sees and may do everything.
    #[default]
    Administrator,
    /// Has the API and nothing else.
    Standard,
}

/// What a double starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The org.
    pub org: OrgSpec,
    /// The user of all sessions.
    pub user: User,
    /// How time passes.
    pub clock: ClockMode,
    /// The org's requests.
    pub quota: QuotaOptions,
    /// What isn't documented.
    pub rules: Rules,
    /// What clients log in with.
    pub oauth: OauthOptions,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl Options {
    /// A double of an org, everything else as usual.
    #[must_use]
    pub fn of(org: OrgSpec) -> Self {
        Self {
            org,
            user: User::default(),
            clock: ClockMode::default(),
            quota: QuotaOptions::default(),
            rules: Rules::default(),
            oauth: OauthOptions::default(),
            port: 0,
        }
    }
}

impl Default for Options {
    /// A tiny org.
    fn default() -> Self {
        Self::of(OrgSpec::tiny(1))
    }
}

/// Why a double didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port can't be had.
    #[error("can't listen on 127.0.0.1:{port}: {source}; another port, or 0 for any, may be free")]
    Listen {
        /// The wanted port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The threads that serve can't be started.
    #[error("can't start the threads that serve: {0}")]
    Runtime(std::io::Error),
}

/// All that requests are served from.
#[derive(Clone)]
pub(crate) struct ServerState {
    pub service: Service,
    pub oauth: Oauth,
    pub faults: Faults,
    pub log: RequestLog,
    pub open: listen::OpenConnections,
}

/// A running double. It stops when it's dropped.
pub struct Fake {
    shared: ServerState,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    /// Starts a double.
    ///
    /// # Errors
    /// Where it can't listen, or not start its threads.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let org = Org::generate(&options.org);
        let listen_error = |source| StartError::Listen {
            port: options.port,
            source,
        };
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port)).map_err(listen_error)?;
        listener.set_nonblocking(true).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let clock = match options.clock {
            ClockMode::Virtual => OrgClock::starting_at(org.created_at().timestamp_millis()),
            ClockMode::Real => not_before(OrgClock::real(), &org),
            ClockMode::Behind(by_ms) => not_before(OrgClock::behind(by_ms), &org),
        };
        let viewer = match options.user {
            User::Administrator => org.administrator(),
            User::Standard => org.standard_user(),
        };
        let service = Service {
            org: Arc::new(RwLock::new(org)),
            viewer: Arc::new(RwLock::new(Arc::new(viewer))),
            quota: Quota::new(clock.clone(), options.quota),
            locators: Arc::new(Locators::default()),
            bulk: Arc::new(Jobs::default()),
            ingest: Arc::default(),
            turn: Arc::default(),
            rules: Arc::new(RwLock::new(options.rules)),
            instance_url: format!("http://{address}").into(),
            clock: clock.clone(),
        };
        let shared = ServerState {
            service,
            oauth: Oauth::new(clock, options.oauth),
            faults: Faults::default(),
            log: RequestLog::default(),
            open: listen::OpenConnections::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fake-salesforce")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::Builder::new()
            .name("fake-salesforce".to_owned())
            .spawn(move || {
                runtime.block_on(listen::serve(listener, serving, stopped));
                // Connections still open are cut, as by a machine that goes down.
                runtime.shutdown_background();
            })
            .map_err(StartError::Runtime)?;
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:port`: login URL and instance URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.service.instance_url.to_string()
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fixed access token.
    #[must_use]
    pub fn access_token(&self) -> String {
        self.oauth().options().access_token.clone()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &OrgClock {
        &self.shared.service.clock
    }

    /// The org's requests.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.shared.service.quota
    }

    /// Faults on demand.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Sessions and tokens.
    #[must_use]
    pub fn oauth(&self) -> &Oauth {
        &self.shared.oauth
    }

    /// The org; lock it to look or to write past the API. Requests wait while it's locked.
    #[must_use]
    pub fn org(&self) -> &SharedOrg {
        self.shared.service.settle();
        &self.shared.service.org
    }

    /// The user on whose behalf clients ask.
    #[must_use]
    pub fn user(&self) -> Arc<Viewer> {
        self.shared.service.viewer()
    }

    /// Changes the user or its permissions.
    pub fn set_user(&self, viewer: Viewer) {
        *self.shared.service.viewer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(viewer);
    }

    /// Changes what isn't documented.
    pub fn set_rules(&self, rules: Rules) {
        *self.shared.service.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// What was chosen of what isn't documented.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.shared.service.rules()
    }

    /// Changes the schedule of other applications.
    pub fn set_traffic(&self, traffic: Traffic) {
        self.quota().set_traffic(traffic);
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.entries()
    }

    /// The log of requests.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// Waits until no connection is open: all that reached the org of a client that is no more has had its effect.
    pub fn wait_until_left(&self) {
        self.shared.open.wait_for_none();
    }

    /// Counted requests of the client and of others, and refused ones, since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.quota().totals()
    }

    /// Makes every open `nextRecordsUrl` invalid.
    pub fn expire_locators(&self) {
        self.shared.service.locators.expire_all();
    }

    /// Bulk jobs, and their daily limits.
    #[must_use]
    pub fn bulk(&self) -> &Jobs {
        &self.shared.service.bulk
    }

    /// Bulk jobs that write, and their daily limit.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.shared.service.ingest
    }

    /// The rows of an object that the user sees, live and not archived, as lines of JSON: the bytes of the REST record with
    /// all visible fields, without `attributes`.
    #[must_use]
    pub fn oracle(&self, object: &str) -> Vec<u8> {
        self.oracle_of(object, &oracle::OracleQuery::default())
    }

    /// The same with a choice of rows, fields and version.
    #[must_use]
    pub fn oracle_of(&self, object: &str, wanted: &oracle::OracleQuery) -> Vec<u8> {
        let service = &self.shared.service;
        service.settle();
        let mut lines = oracle::OracleLines::new(Arc::clone(&service.org), service.viewer(), object, wanted);
        let mut all = Vec::new();
        while let Some(bytes) = lines.next_bytes() {
            all.extend_from_slice(&bytes);
        }
        all
    }

    /// How many rows the user sees of an object.
    #[must_use]
    pub fn count(&self, object: &str, scan: Scan) -> u64 {
        let viewer = self.user();
        self.shared.service.settle();
        self.shared.service.org().object(object).map_or(0, |o| o.count(&viewer, scan))
    }

    /// Changes rows at random, as other applications do; tells what changed, by object.
    pub fn churn(&self, wanted: &Churn) -> BTreeMap<String, Churned> {
        let service = &self.shared.service;
        service.settle();
        let now = service.now();
        service.org_mut().churn(wanted, now)
    }

    /// Lets somebody else write, one by one; gives the ids in the order of the writes.
    ///
    /// # Errors
    /// What is wrong with a write; those before it stay.
    pub fn apply(&self, changes: &[Change]) -> Result<Vec<RecordId>, WriteError> {
        let service = &self.shared.service;
        service.settle();
        let now = service.now();
        let mut org = service.org_mut();
        changes.iter().map(|change| org.apply(change, now)).collect()
    }

    /// Begins a transaction that commits later; gives its number, and the ids of rows that it creates.
    ///
    /// # Errors
    /// What is wrong with a row to be created.
    pub fn begin(&self, changes: Vec<Change>) -> Result<(u64, Vec<RecordId>), WriteError> {
        let service = &self.shared.service;
        service.settle();
        let now = service.now();
        service.org_mut().begin(changes, now)
    }

    /// Commits a transaction.
    ///
    /// # Errors
    /// Where it isn't open, or one of its writes is refused by now.
    pub fn commit(&self, transaction: u64) -> Result<(), CommitError> {
        self.shared.service.org_mut().commit(transaction)
    }

    /// The body that a row's field holds.
    #[must_use]
    pub fn body(&self, object: &str, id: RecordId, field: &str) -> Option<Blob> {
        self.shared.service.settle();
        oracle::body(&self.shared.service.org(), object, id, field)
    }

    /// Stops it; open connections are cut.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(()); // it may have stopped by itself
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An org is never read before it was made.
fn not_before(clock: OrgClock, org: &Org) -> OrgClock {
    clock.set(org.created_at().timestamp_millis());
    clock
}
