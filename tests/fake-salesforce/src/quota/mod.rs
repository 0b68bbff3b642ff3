//! The org's daily API requests: one account for everybody, over a rolling window on the double's clock.
//!
//! Responsible for: charging requests, refusing them at the limit, other applications' traffic, what the header and
//! `/limits` say (each with its own lag).
//! Not for: which request costs how much; that's decided where requests are served.
//!
//! Choices where Salesforce documents nothing:
//! - a refused request doesn't count, unless `count_refused` says so;
//! - soft overage ends at `overage_percent` over max (10 by default); Developer, Trial and Sandbox orgs have none;
//! - others' requests that fall to the same moment as the client's are made just before it;
//! - the per-app part reports the client's own requests against a tenth of max.

mod header;
mod traffic;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use self::header::PerApp;
pub use self::header::{HeaderForm, NAME as HEADER_NAME};
pub use self::traffic::{Burst, Stream, Traffic};
pub use self::window::{By, LONGEST_LAG_MS, RequestWindow, WindowUsage};
use crate::clock::{HOUR_MS, MINUTE_MS, OrgClock};

/// The kind of org: decides whether going over max is let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// A Developer Edition org: 15,000 by default, refuses at max.
    #[default]
    Developer,
    /// A trial org: refuses at max.
    Trial,
    /// A full sandbox: 5,000,000 by default, refuses at max.
    Sandbox,
    /// A paid Enterprise org: goes on a while over max.
    Enterprise,
    /// A paid Unlimited org: goes on a while over max.
    Unlimited,
}

impl Edition {
    /// Whether requests over max are refused at once.
    #[must_use]
    pub fn is_hard(self) -> bool {
        matches!(self, Self::Developer | Self::Trial | Self::Sandbox)
    }

    /// What the org has without licences or add-ons that a test cares about.
    #[must_use]
    pub fn default_max(self) -> u64 {
        match self {
            Self::Developer | Self::Trial => 15_000,
            Self::Sandbox => 5_000_000,
            Self::Enterprise | Self::Unlimited => 100_000,
        }
    }
}

/// What an org's quota starts with.
#[derive(Clone, Debug)]
pub struct QuotaOptions {
    /// Requests that all applications may make in 24 hours.
    pub max: u64,
    /// Decides what happens over max.
    pub edition: Edition,
    /// Requests that others made before the double began.
    pub used: u64,
    /// How long before the start those were made, in milliseconds.
    pub used_age_ms: i64,
    /// How the header tells the usage.
    pub header: HeaderForm,
    /// How old the header's reading is, in milliseconds.
    pub header_lag_ms: i64,
    /// How old the reading of `/limits` is, in milliseconds; Salesforce says up to five minutes.
    pub limits_lag_ms: i64,
    /// By how many percent of max a paid org may go over it.
    pub overage_percent: u64,
    /// Whether a request that is refused for the daily limit counts.
    pub count_refused: bool,
    /// Requests of other applications.
    pub traffic: Traffic,
    /// The name in the per-app part of the header.
    pub app_name: String,
}

impl QuotaOptions {
    fn limits_lag(&self) -> i64 {
        self.limits_lag_ms.clamp(0, LONGEST_LAG_MS)
    }
}

impl Default for QuotaOptions {
    fn default() -> Self {
        Self {
            max: Edition::default().default_max(),
            edition: Edition::default(),
            used: 0,
            used_age_ms: 12 * HOUR_MS,
            header: HeaderForm::default(),
            header_lag_ms: 0,
            limits_lag_ms: 2 * MINUTE_MS,
            overage_percent: 10,
            count_refused: false,
            traffic: Traffic::default(),
            app_name: "backup".to_owned(),
        }
    }
}

/// The daily limit is used up: the request is refused with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TotalRequests Limit exceeded.")]
pub struct DailyLimitExceeded {
    /// How many requests counted all the same.
    pub counted: u64,
}

/// What was ever counted, in the window or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Counted requests of the client.
    pub client: u64,
    /// Counted requests of other applications.
    pub others: u64,
    /// Requests of the client refused for the daily limit.
    pub refused: u64,
}

/// One reading as a person would take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UsageReading {
    /// Used by all applications.
    pub used: u64,
    /// The org's limit.
    pub max: u64,
}

#[derive(Debug)]
struct Account {
    options: QuotaOptions,
    window: RequestWindow,
    totals: Totals,
    /// Traffic by time is entered up to here.
    traffic_until_ms: i64,
    /// Requests of the client since the schedule was set.
    traffic_index: u64,
}

/// A handle to the org's account of requests; clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Quota {
    clock: OrgClock,
    account: Arc<Mutex<Account>>,
}

impl Quota {
    /// An account on a clock.
    #[must_use]
    pub fn new(clock: OrgClock, options: QuotaOptions) -> Self {
        let now_ms = clock.now_ms();
        let mut window = RequestWindow::default();
        window.record(now_ms - options.used_age_ms, By::Others, options.used);
        let account = Account {
            options,
            window,
            totals: Totals::default(),
            traffic_until_ms: now_ms,
            traffic_index: 0,
        };
        Self {
            clock,
            account: Arc::new(Mutex::new(account)),
        }
    }

    /// Charges `cost` requests of the client, or refuses them all.
    ///
    /// # Errors
    /// When the org has none left (or none left over its overage).
    pub fn charge(&self, cost: u64) -> Result<(), DailyLimitExceeded> {
        let now_ms = self.clock.now_ms();
        let mut account = self.settled(now_ms);
        let index = account.traffic_index;
        account.traffic_index += 1;
        let others = account.options.traffic.before_request(index);
        account.record_others(now_ms, others);
        let fits = account.window.usage_at(now_ms).total() + cost <= account.cap();
        if fits || account.options.count_refused {
            account.window.record(now_ms, By::Client, cost);
            account.totals.client += cost;
        }
        if fits {
            Ok(())
        } else {
            account.totals.refused += 1;
            Err(DailyLimitExceeded {
                counted: if account.options.count_refused { cost } else { 0 },
            })
        }
    }

    /// The exact usage now.
    #[must_use]
    pub fn usage(&self) -> WindowUsage {
        let now_ms = self.clock.now_ms();
        self.settled(now_ms).window.usage_at(now_ms)
    }

    /// Used by all applications now, exactly.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.usage().total()
    }

    /// The org's limit.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.lock().options.max
    }

    /// What was ever counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let now_ms = self.clock.now_ms();
        self.settled(now_ms).totals
    }

    /// What `/limits` says: as it was some minutes ago.
    #[must_use]
    pub fn limits_reading(&self) -> UsageReading {
        let now_ms = self.clock.now_ms();
        let account = self.settled(now_ms);
        let lag_ms = account.options.limits_lag();
        UsageReading {
            used: account.window.usage_at(now_ms - lag_ms).total(),
            max: account.options.max,
        }
    }

    /// How old what `/limits` says is, in milliseconds.
    #[must_use]
    pub fn limits_lag_ms(&self) -> i64 {
        self.lock().options.limits_lag()
    }

    /// The value of the `Sforce-Limit-Info` header now, or none where the form leaves it out.
    #[must_use]
    pub fn header_value(&self) -> Option<String> {
        let now_ms = self.clock.now_ms();
        let account = self.settled(now_ms);
        let options = &account.options;
        let usage = account
            .window
            .usage_at(now_ms - options.header_lag_ms.clamp(0, LONGEST_LAG_MS));
        let app = PerApp {
            used: usage.client,
            limit: (options.max / 10).max(1),
            name: &options.app_name,
        };
        options.header.render(usage.total(), options.max, &app)
    }

    /// How the header tells the usage.
    #[must_use]
    pub fn header_form(&self) -> HeaderForm {
        self.lock().options.header
    }

    /// The kind of org.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.lock().options.edition
    }

    /// Changes the org's limit, as when licences come or go.
    pub fn set_max(&self, max: u64) {
        self.lock().options.max = max;
    }

    /// Changes the kind of org.
    pub fn set_edition(&self, edition: Edition) {
        self.lock().options.edition = edition;
    }

    /// Makes the usage now what a test wants: others made requests just now, or the oldest ones are taken away.
    pub fn set_used(&self, used: u64) {
        let now_ms = self.clock.now_ms();
        let mut account = self.settled(now_ms);
        account.window.forget_before(now_ms);
        let current = account.window.usage_at(now_ms).total();
        if used >= current {
            account.window.record(now_ms, By::Others, used - current);
        } else {
            account.window.remove(current - used);
        }
    }

    /// Lets other applications make requests now, at once.
    pub fn others_send(&self, count: u64) {
        let now_ms = self.clock.now_ms();
        self.settled(now_ms).record_others(now_ms, count);
    }

    /// Changes how the header tells the usage.
    pub fn set_header_form(&self, form: HeaderForm) {
        self.lock().options.header = form;
    }

    /// Changes how old the readings of the header and of `/limits` are; at most an hour each.
    pub fn set_lags(&self, header_ms: i64, limits_ms: i64) {
        let mut account = self.lock();
        account.options.header_lag_ms = header_ms;
        account.options.limits_lag_ms = limits_ms;
    }

    /// Changes the schedule of other applications; what was due until now is entered first.
    pub fn set_traffic(&self, traffic: Traffic) {
        let mut account = self.settled(self.clock.now_ms());
        account.options.traffic = traffic;
        account.traffic_index = 0;
    }

    /// The account with all traffic entered that is due by now.
    fn settled(&self, now_ms: i64) -> MutexGuard<'_, Account> {
        let mut account = self.lock();
        if now_ms > account.traffic_until_ms {
            for burst in account.options.traffic.due(account.traffic_until_ms, now_ms) {
                account.record_others(burst.at_ms, burst.count);
            }
            account.traffic_until_ms = now_ms;
            account.window.forget_before(now_ms);
        }
        account
    }

    /// A panic elsewhere leaves an account that still adds up, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// The highest usage that is let through.
    fn cap(&self) -> u64 {
        let max = self.options.max;
        if self.options.edition.is_hard() {
            max
        } else {
            max + max * self.options.overage_percent / 100
        }
    }

    /// Others are refused at the same cap as everybody.
    fn record_others(&mut self, at_ms: i64, count: u64) {
        let room = self.cap().saturating_sub(self.window.usage_at(at_ms).total());
        let counted = count.min(room);
        self.window.record(at_ms, By::Others, counted);
        self.totals.others += counted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY_MS;

    fn quota(options: QuotaOptions) -> (OrgClock, Quota) {
        let clock = OrgClock::starting_at(1_700_000_000_000);
        (clock.clone(), Quota::new(clock, options))
    }

    #[test]
    fn a_hard_org_refuses_the_request_after_the_last_and_does_not_count_it() {
        let (_, quota) = quota(QuotaOptions {
            max: 3,
            ..QuotaOptions::default()
        });
        let answers: Vec<bool> = (0..5).map(|_| quota.charge(1).is_ok()).collect();
        assert_eq!(answers, [true, true, true, false, false]);
        assert_eq!(quota.used(), 3);
        assert_eq!(
            quota.totals(),
            Totals {
                client: 3,
                others: 0,
                refused: 2
            }
        );
    }

    #[test]
    fn a_paid_org_goes_over_max_and_reports_it() {
        let (_, quota) = quota(QuotaOptions {
            max: 10,
            edition: Edition::Enterprise,
            overage_percent: 20,
            ..Default::default()
        });
        let let_through = (0..20).filter(|_| quota.charge(1).is_ok()).count();
        assert_eq!(let_through, 12);
        assert_eq!(quota.header_value().as_deref(), Some("api-usage=12/10"));
    }

    #[test]
    fn the_limits_resource_lags_and_the_header_does_not() {
        let options = QuotaOptions {
            max: 100,
            limits_lag_ms: 5 * MINUTE_MS,
            ..QuotaOptions::default()
        };
        let (clock, quota) = quota(options);
        assert!(quota.charge(7).is_ok());
        clock.advance(5 * MINUTE_MS - 1);
        assert_eq!(quota.limits_reading(), UsageReading { used: 0, max: 100 });
        assert_eq!(quota.header_value().as_deref(), Some("api-usage=7/100"));
        clock.advance(1);
        assert_eq!(quota.limits_reading(), UsageReading { used: 7, max: 100 });
    }

    #[test]
    fn requests_come_free_a_day_after_they_were_made() {
        let (clock, quota) = quota(QuotaOptions {
            max: 2,
            ..QuotaOptions::default()
        });
        assert!(quota.charge(1).is_ok());
        clock.advance(DAY_MS / 2);
        assert!(quota.charge(1).is_ok());
        assert!(quota.charge(1).is_err());
        clock.advance(DAY_MS / 2);
        assert_eq!(quota.used(), 1);
        assert!(quota.charge(1).is_ok());
    }

    #[test]
    fn others_come_before_the_clients_request_and_stop_at_the_cap() {
        let options = QuotaOptions {
            max: 10,
            traffic: Traffic::per_request(4),
            ..QuotaOptions::default()
        };
        let (_, quota) = quota(options);
        assert!(quota.charge(1).is_ok());
        assert_eq!(quota.used(), 5);
        assert!(quota.charge(1).is_ok());
        assert!(quota.charge(1).is_err());
        assert_eq!(quota.used(), 10);
    }

    #[test]
    fn a_test_can_make_the_reading_rise_and_fall() {
        let (_, quota) = quota(QuotaOptions {
            max: 100,
            used: 40,
            ..QuotaOptions::default()
        });
        quota.set_used(90);
        assert_eq!(quota.used(), 90);
        quota.set_used(10);
        assert_eq!(quota.used(), 10);
        quota.set_max(5);
        assert_eq!(quota.header_value().as_deref(), Some("api-usage=10/5"));
    }
}
