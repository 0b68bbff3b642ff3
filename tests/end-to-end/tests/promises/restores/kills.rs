//! kill -9 at any moment of a restore leaves no record missing and none there twice.

use super::*;
use end_to_end::program::{Program, last_json};
use serde_json::json;
use std::time::{Duration, Instant};

const RESTORE: [&str; 5] = ["restore", "acme", "latest", "--all", "--json"];

#[test]
fn killed_at_any_request_everything_is_there_once() {
    let (fake, program) = (Fake::start(org(OrgSpec::restore(13))).unwrap(), Program::new());
    prepare(&fake);
    let access = json!({"kind": "access-token", "token": fake.access_token()});
    let config = json!({"instance_url": fake.url(), "api_version": "v62.0", "usage_limit": 50, "auth": access});
    assert!(program.add_with("acme", &config).status.success());
    let mut kills = 0;
    for at in (1..).step_by(2) {
        // What was written within the last minute comes with the next backup.
        fake.clock().advance(HOUR_MS);
        assert!(program.run(&["backup", "acme"]).status.success());
        fake.clock().advance(HOUR_MS);
        let before = held(&fake);
        delete_some(&fake, at);
        let begun = fake.log().len();
        let mut child = program.command(&RESTORE).spawn().unwrap();
        while fake.log().len() < begun + at && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // While it waits for its answer, or just after.
        let (pause, since) = (Duration::from_millis(at * 7 % 10), Instant::now());
        while since.elapsed() < pause && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        // What was under way comes to its end in the org before half an hour has passed there.
        fake.wait_until_left();
        fake.clock().advance(HOUR_MS / 2);
        let output = program.run(&RESTORE);
        let result = last_json(&output);
        let about = format!("killed at request {at}");
        assert_eq!(
            (output.status.code(), result["state"].as_str()),
            (Some(0), Some("complete")),
            "{about}: {result}"
        );
        before.assert_like(&held(&fake), &about);
        if !alive {
            break;
        }
        kills += 1;
    }
    assert!(kills > 6, "only {kills} runs were alive when they were to be killed");
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0));
    assert_eq!(program.run(&["audit", "acme", "--verify"]).status.code(), Some(0));
}
