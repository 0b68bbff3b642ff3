//! kill -9 at any moment of a restore leaves no record missing and none there twice.

use super::*;
use end_to_end::program::{Program, last_json};
use fake_salesforce::log::LoggedRequest;
use serde_json::json;
use std::process::Child;
use std::time::{Duration, Instant};

const RESTORE: [&str; 6] = ["restore", "acme", "latest", "--all", "--yes", "--json"];

/// How long nothing may be asked until it is looked whether the program still lives.
const LOOK: Duration = Duration::from_millis(50);

/// The real program with a connection on an org.
fn program(fake: &Fake) -> Program {
    let program = Program::new();
    let access = json!({"kind": "access-token", "token": fake.access_token()});
    let config = json!({"instance_url": fake.url(), "api_version": "v62.0", "usage_limit": 50, "auth": access});
    assert!(program.add_with("acme", &config).status.success());
    program
}

/// Backs up what the org holds, and tells it.
fn back_up(program: &Program, fake: &Fake) -> Likeness {
    // What was written within the last minute comes with the next backup.
    fake.clock().advance(HOUR_MS);
    assert!(program.run(&["backup", "acme"]).status.success());
    fake.clock().advance(HOUR_MS);
    held(fake)
}

fn is_alive(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// Kills a restore so long after the org was asked what is waited for, which its requests so far tell; whether it was asked, and
/// whether the restore was alive until it was killed.
fn kill(program: &Program, fake: &Fake, is_asked: impl Fn(&[LoggedRequest]) -> bool, pause: Duration) -> (bool, bool) {
    let begun = fake.log().len();
    let is_asked = || is_asked(&fake.log().entries_after(begun));
    let mut child = program.command(&RESTORE).spawn().unwrap();
    loop {
        let requests = fake.log().len();
        if is_asked() || !is_alive(&mut child) {
            break;
        }
        fake.log().wait_for(requests + 1, LOOK);
    }
    let since = Instant::now();
    while since.elapsed() < pause && is_alive(&mut child) {
        std::thread::yield_now();
    }
    let alive = is_alive(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    // What was under way comes to its end in the org before half an hour has passed there.
    fake.wait_until_left();
    fake.clock().advance(HOUR_MS / 2);
    (is_asked(), alive)
}

#[test]
fn a_restore_killed_at_any_request_writes_everything_once() {
    let fake = Fake::start(org(OrgSpec::restore(13))).unwrap();
    prepare(&fake);
    let program = program(&fake);
    let mut kills = 0;
    for at in 1.. {
        let before = back_up(&program, &fake);
        delete_some(&fake, at);
        // While it waits for its answer, or just after.
        let pause = Duration::from_millis(at * 7 % 10);
        let (asked, alive) = kill(&program, &fake, |asked| asked.len() as u64 >= at, pause);
        let output = program.run(&RESTORE);
        let result = last_json(&output);
        let about = format!("killed at request {at}");
        assert_eq!(
            (output.status.code(), result["state"].as_str()),
            (Some(0), Some("complete")),
            "{about}: {result}"
        );
        before.assert_like(&held(&fake), &about);
        kills += u64::from(alive);
        if !asked {
            break;
        }
    }
    assert!(kills > 8, "only {kills} runs were alive when they were to be killed");
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0));
    assert_eq!(program.run(&["audit", "acme", "--verify"]).status.code(), Some(0));
}

/// Whether a request about a job is the one at which the restore is killed.
type IsMoment = fn(&LoggedRequest) -> bool;

/// When a restore is killed, and whether the job still runs then.
const MOMENTS_OF_JOBS: [(&str, IsMoment, bool); 5] = [
    ("while its job is made", |asked| asked.method == "POST", true),
    ("while its job is filled", |asked| asked.method == "PUT", true),
    ("while its job is begun", |asked| asked.method == "PATCH", true),
    ("while its job runs", |asked| asked.method == "GET", true),
    (
        "while it is told what came of its job",
        |asked| asked.path.ends_with("/successfulResults"),
        false,
    ),
];

/// All at once: until it first looks at a job the program waits for a third of a minute of its own clock.
#[test]
fn a_restore_killed_while_bulk_jobs_write_writes_everything_once() {
    std::thread::scope(|scope| {
        for (about, is_moment, still_runs) in MOMENTS_OF_JOBS {
            scope.spawn(move || assert_survives_a_job_killed(about, is_moment, still_runs));
        }
    });
}

fn assert_survives_a_job_killed(about: &str, is_moment: IsMoment, still_runs: bool) {
    let fake = Fake::start(org(bulk::spec())).unwrap();
    bulk::let_give(&fake);
    let program = program(&fake);
    let before = back_up(&program, &fake);
    bulk::lose_leads(&fake);
    let at_once = || {
        let mut rules = fake.rules();
        (rules.bulk.queue_ms, rules.bulk.base_ms, rules.bulk.ms_per_100k_rows) = (0, 0, 0);
        fake.set_rules(rules);
    };
    if !still_runs {
        at_once();
    }
    let of_job = |asked: &LoggedRequest| asked.path.contains("/jobs/ingest");
    let is_asked = |asked: &[LoggedRequest]| asked.iter().any(|asked| of_job(asked) && is_moment(asked));
    let killed = kill(&program, &fake, is_asked, Duration::ZERO);
    assert_eq!(killed, (true, true), "{about}: it had ended");
    at_once();
    let output = program.run(&RESTORE);
    let result = last_json(&output);
    assert_eq!(
        (output.status.code(), result["state"].as_str()),
        (Some(0), Some("complete")),
        "{about}: {result}"
    );
    before.assert_like(&held(&fake), about);
    assert_eq!(program.run(&["check", "acme"]).status.code(), Some(0), "{about}");
}
