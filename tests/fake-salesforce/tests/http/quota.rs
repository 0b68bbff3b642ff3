//! What counts, what is told, and what is refused.

use fake_salesforce::Fake;
use fake_salesforce::clock::{DAY_MS, MINUTE_MS};
use fake_salesforce::quota::{Edition, HeaderForm, Traffic};

use crate::client::{get, query, send};
use crate::{fake, options};

#[test]
fn every_answer_tells_the_usage_but_the_list_of_versions_which_is_free() {
    let fake = fake();
    let versions = send(&fake, "GET", "/services/data", &[], "").unwrap();
    assert_eq!((versions.status, versions.usage()), (200, None));
    assert_eq!(versions.json()[31]["label"], "Winter '25");
    assert_eq!(query(&fake, "SELECT Id FROM User LIMIT 1").usage(), Some("api-usage=1/15000"));
    assert_eq!(query(&fake, "SELECT Nope FROM User").usage(), Some("api-usage=2/15000"));
    assert_eq!(get(&fake, "nowhere").usage(), Some("api-usage=3/15000"));
    assert_eq!(fake.totals().client, 3);
}

#[test]
fn the_request_after_the_last_is_refused_until_one_comes_free() {
    let fake = fake();
    fake.quota().set_max(2);
    get(&fake, "limits");
    fake.clock().advance(MINUTE_MS);
    get(&fake, "limits");
    let refused = get(&fake, "limits");
    assert_eq!(
        refused.error(),
        (403, "REQUEST_LIMIT_EXCEEDED".into(), "TotalRequests Limit exceeded.".into())
    );
    assert_eq!(refused.usage(), Some("api-usage=2/2"));
    fake.clock().advance(DAY_MS - MINUTE_MS);
    assert_eq!(get(&fake, "limits").status, 200);
}

#[test]
fn the_limits_resource_lags_behind_the_header() {
    let mut options = options();
    options.quota.limits_lag_ms = 5 * MINUTE_MS;
    options.quota.used = 100;
    let fake = Fake::start(options).unwrap();
    let remaining = |fake: &Fake| get(fake, "limits").json()["DailyApiRequests"]["Remaining"].as_u64().unwrap();
    assert_eq!(remaining(&fake), 14_900);
    assert_eq!(remaining(&fake), 14_900);
    fake.clock().advance(5 * MINUTE_MS);
    assert_eq!(remaining(&fake), 14_898);
}

#[test]
fn others_come_before_the_clients_request() {
    let fake = fake();
    fake.set_traffic(Traffic {
        per_request: vec![0, 50],
        ..Traffic::default()
    });
    assert_eq!(get(&fake, "limits").usage(), Some("api-usage=1/15000"));
    assert_eq!(get(&fake, "limits").usage(), Some("api-usage=52/15000"));
    assert_eq!(fake.totals().others, 50);
}

#[test]
fn a_paid_org_reports_more_than_its_max() {
    let fake = fake();
    fake.quota().set_edition(Edition::Enterprise);
    fake.quota().set_max(10);
    fake.quota().set_used(10);
    assert_eq!(get(&fake, "limits").usage(), Some("api-usage=11/10"));
}

#[test]
fn the_header_comes_in_every_form() {
    let fake = fake();
    let usage = |form| {
        fake.quota().set_header_form(form);
        get(&fake, "limits")
            .headers
            .into_iter()
            .find(|(n, _)| n.eq_ignore_ascii_case("Sforce-Limit-Info"))
    };
    let per_app = "per-app-api-usage=3/1500(appName=backup)";
    assert_eq!(
        usage(HeaderForm::Plain),
        Some(("Sforce-Limit-Info".into(), "api-usage=1/15000".into()))
    );
    assert_eq!(
        usage(HeaderForm::LowerCaseName),
        Some(("sforce-limit-info".into(), "api-usage=2/15000".into()))
    );
    assert_eq!(
        usage(HeaderForm::PerAppFirst).unwrap().1,
        format!("{per_app}; api-usage=3/15000")
    );
    assert_eq!(usage(HeaderForm::Missing), None);
    assert_eq!(usage(HeaderForm::Broken).unwrap().1, "api-usage=unknown/");
}
