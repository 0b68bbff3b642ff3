//! What programs rely on: exit codes and JSON fields of the real command line.

use end_to_end::program::{Program, last_json};
use fake_salesforce::faults::{Fault, When};
use fake_salesforce::oauth::OauthOptions;
use fake_salesforce::org::{DeleteRandom, OrgSpec, Scan};
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use serde_json::json;

fn org(used: u64) -> Fake {
    let quota = QuotaOptions {
        max: 1_000,
        used,
        ..QuotaOptions::default()
    };
    Fake::start(Options {
        quota,
        ..Options::of(OrgSpec::small(13))
    })
    .unwrap()
}

#[test]
fn a_backup_pauses_with_exit_code_3_and_goes_on_in_the_same_snapshot() {
    let (fake, program) = (org(490), Program::new());
    assert_eq!(program.add("acme", &fake, 50).status.code(), Some(0));
    assert_eq!(fake.totals().client, 0, "adding sends nothing");

    let output = program.run(&["backup", "acme", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let paused = last_json(&output);
    assert_eq!(
        (paused["state"].as_str(), paused["connection"].as_str()),
        (Some("partial"), Some("default/acme"))
    );
    let pause = &paused["pause"];
    assert_eq!(
        (
            pause["reason"].as_str(),
            &pause["used"],
            &pause["max"],
            &pause["limit_percent"],
            &pause["ceiling"]
        ),
        (Some("usage-limit"), &500.into(), &1_000.into(), &50.into(), &500.into())
    );
    assert!(pause["recheck_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(paused["calls"]["sent"].as_u64(), Some(fake.totals().client));
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(!text.contains("\"failed\":\""), "nothing is called failed: {text}");

    let id = paused["snapshot"].as_str().unwrap();
    let listed = program.json(&["snapshots", "acme", "--json"]);
    assert_eq!(
        (
            listed[0]["id"].as_str(),
            listed[0]["state"].as_str(),
            listed[0]["kind"].as_str()
        ),
        (Some(id), Some("partial"), Some("full"))
    );
    assert!(listed[0]["completed_at"].is_null() && listed[0]["calls"].as_u64().is_some());
    for object in paused["objects"].as_array().unwrap() {
        let (name, records) = (object["name"].as_str().unwrap(), object["records"].as_u64().unwrap());
        let exported = program.run(&["export", "acme", "latest", name]);
        let lines = exported.stdout.iter().filter(|b| **b == b'\n').count() as u64;
        let said = String::from_utf8_lossy(&exported.stderr).into_owned();
        let (code, says) = match object["state"].as_str().unwrap() {
            "skipped" => (1, format!("{name} is not in this backup: ")),
            "pending" => (
                3,
                format!("{name} has not been read yet in this partial snapshot (0 of about "),
            ),
            "partial" => (0, format!("{name} is partly read in this snapshot")),
            _ => (0, String::new()),
        };
        assert_eq!((exported.status.code(), lines), (Some(code), records), "{name}: {said}");
        assert!(said.contains(&says), "{name}: {said}");
    }

    assert_eq!(program.run(&["limit", "acme", "80", "--by", "ana"]).status.code(), Some(0));
    let output = program.run(&["backup", "acme", "--json"]);
    let complete = last_json(&output);
    assert_eq!(
        (
            output.status.code(),
            complete["state"].as_str(),
            complete["snapshot"].as_str()
        ),
        (Some(0), Some("complete"), Some(id))
    );
    assert!(complete["pause"].is_null());
}

#[test]
fn status_says_who_works_and_when_the_org_was_asked_and_is_asked_next() {
    let (fake, program) = (org(490), Program::new());
    program.add("acme", &fake, 50);
    let status = || program.json(&["status", "acme", "--json"]);
    assert!(status()["running"].is_null() && status()["asked_at"].is_null());
    fake.faults().once(
        When {
            body_contains: Some("FROM".into()),
            // By then it is known which org it is.
            skip: 3,
            ..When::default()
        },
        Fault::Delay { ms: 60_000 },
    );
    let mut backup = program.command(&["backup", "acme"]).spawn().unwrap();
    // Until the request that is held up is under way.
    while fake.faults().struck() == 0 {
        assert!(backup.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let running = &status()["running"];
    assert_eq!(
        (&running["job"], &running["connection"], running["process"].as_u64()),
        (&json!("backup"), &json!("default/acme"), Some(u64::from(backup.id())))
    );
    let text = program.run(&["status", "acme"]).stdout;
    let line = format!("running         backup of default/acme, process {}, since 20", backup.id());
    assert!(
        String::from_utf8_lossy(&text).contains(&line),
        "{}",
        String::from_utf8_lossy(&text)
    );
    backup.kill().unwrap();
    backup.wait().unwrap();
    assert!(status()["running"].is_null(), "it is gone");

    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(3));
    let paused = status();
    let [asked, now, next] = ["asked_at", "check_now_at", "next_check_at"].map(|member| paused[member].as_str().unwrap());
    assert!(asked < next && now <= next, "{paused}");
    let text = program.run(&["status", "acme"]).stdout;
    let text = String::from_utf8_lossy(&text);
    for line in [format!("usage checked   {asked}"), format!("next check      {next}")] {
        assert!(text.contains(&line), "{line} in {text}");
    }
    program.run(&["limit", "acme", "90"]);
    assert!(status()["next_check_at"].is_null(), "what is free needs no question");
}

#[test]
fn a_comparison_with_the_org_asks_at_the_limit_where_it_is_told_to() {
    let (fake, program) = (org(20), Program::new());
    program.add("acme", &fake, 50);
    assert_eq!(program.run(&["backup", "acme", "--object", "Contact"]).status.code(), Some(0));
    program.run(&["limit", "acme", "1"]);
    let sent = fake.totals().client;
    let live = ["diff", "acme", "latest:Contact", "live"];
    assert_eq!(program.run(&live).status.code(), Some(3));
    fake.quota().set_max(100_000);
    assert_eq!(program.run(&live).status.code(), Some(3));
    assert_eq!(fake.totals().client, sent, "nothing says that requests came free");
    let output = program.run(&[&live[..], &["--check-now"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let of_snapshots = ["diff", "acme", "latest:Contact", "latest:Contact", "--check-now"];
    assert_eq!(program.run(&of_snapshots).status.code(), Some(2));
}

#[test]
fn a_restore_asks_before_it_writes() {
    let (fake, program) = (org(0), Program::new());
    let mut user = (*fake.user()).clone();
    // Nothing of a record is to be left out, so that nothing is left to do.
    user.update_inactive_owners = true;
    fake.set_user(user);
    program.add("acme", &fake, 50);
    assert_eq!(program.run(&["backup", "acme", "--object", "Lead"]).status.code(), Some(0));
    let leads = || {
        fake.count(
            "Lead",
            Scan {
                deleted: false,
                archived: true,
            },
        )
    };
    let all = leads();
    let wanted = DeleteRandom {
        percent: 50.0,
        objects: Some(vec!["Lead".to_owned()]),
        ..DeleteRandom::default()
    };
    let now = chrono::DateTime::from_timestamp_millis(fake.clock().now_ms()).unwrap();
    fake.org().write().unwrap().delete_random(&wanted, now);
    let gone = all - leads();
    assert!(gone > 0);
    let writes = || fake.requests().iter().filter(|request| !request.written.is_empty()).count();

    let restore = ["restore", "acme", "latest:Lead", "--object", "Lead"];
    let output = program.run(&restore);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), writes()), (Some(2), 0), "{said}");
    assert!(said.contains("--dry-run") && said.contains("--yes"), "{said}");
    assert_eq!(program.run(&[&restore[..], &["--json"]].concat()).status.code(), Some(2));

    for answer in ["n\n", "\n", ""] {
        let (code, shown) = program.on_a_terminal(&restore, answer);
        assert_eq!((code, writes()), (Some(1), 0), "{answer:?}: {shown}");
        assert!(
            shown.contains(&format!("Create {gone} records in ")) && shown.contains("nothing was written"),
            "{shown}"
        );
    }
    let (code, shown) = program.on_a_terminal(&restore, "y\n");
    assert_eq!((code, leads()), (Some(0), all), "{shown}");
    let (code, shown) = program.on_a_terminal(&restore, "y\n");
    assert!(code == Some(0) && shown.contains("nothing to do"), "{code:?}: {shown}");
    // What was restored is not what anybody changed.
    let again = program.json(&[&restore[..], &["--overwrite", "--dry-run", "--json"]].concat());
    assert_eq!((&again["created"], &again["updated"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(program.run(&[&restore[..], &["--yes"]].concat()).status.code(), Some(0));
}

#[test]
fn csv_has_a_header_and_as_many_records_as_ndjson() {
    let (fake, program) = (org(0), Program::new());
    program.add("acme", &fake, 50);
    assert_eq!(program.run(&["backup", "acme", "--object", "Contact"]).status.code(), Some(0));
    let export = ["export", "acme", "latest:Contact", "contact"];
    let csv = program.run(&[&export[..], &["--format", "csv"]].concat()).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    assert_eq!(reader.headers().unwrap().get(0), Some("Id"));
    let records = reader.records().filter(Result::is_ok).count();
    let lines = end_to_end::lines(&program.run(&export).stdout).len();
    assert!(records == lines && records > 0, "{records} and {lines}");
}

#[test]
fn wrong_use_is_exit_code_2_and_failure_1_each_with_a_remedy() {
    let (fake, program) = (org(0), Program::new());
    program.add("acme", &fake, 50);
    for wrong in [
        &["limit", "acme", "0"][..],
        &["limit", "acme", "101"],
        &["backup"],
        &["limit", "acme", "--until", "1h"],
        &["nonsense"],
    ] {
        assert_eq!(program.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    for (failing, part) in [
        (&["backup", "nobody"][..], "connection add"),
        (&["export", "acme", "latest", "Account"], "no snapshot yet"),
        (
            &["connection", "add", "acme", "--config", "/nonexistent.json"],
            "/nonexistent.json",
        ),
    ] {
        let output = program.run(failing);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(1 | 2)) && error.contains(part),
            "{failing:?}: {error}"
        );
    }
}

#[test]
fn no_secret_is_in_the_data_folder_or_in_what_is_shown() {
    let (fake, program) = (org(0), Program::new());
    program.add("acme", &fake, 50);
    program.run(&["backup", "acme"]);
    let token = fake.access_token();
    let shown = [
        program.run(&["connection", "show", "acme", "--json"]),
        program.run(&["audit", "acme", "--json"]),
        program.run(&["status", "acme"]),
    ];
    assert!(
        shown
            .iter()
            .all(|output| !String::from_utf8_lossy(&output.stdout).contains(&token))
    );
    let mut folders = vec![program.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(
                    !bytes.windows(token.len()).any(|window| window == token.as_bytes()),
                    "{}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn client_credentials_and_rotating_refresh_tokens_last_through_expired_sessions() {
    for kind in ["client-credentials", "refresh-token"] {
        let oauth = OauthOptions {
            rotate_refresh_tokens: true,
            ..OauthOptions::default()
        };
        let fake = Fake::start(Options {
            oauth,
            ..Options::of(OrgSpec::small(14))
        })
        .unwrap();
        let given = fake.oauth().options().clone();
        let mut auth =
            json!({"kind": kind, "login_url": fake.url(), "client_id": given.client_id, "client_secret": given.client_secret});
        if kind == "refresh-token" {
            auth["refresh_token"] = json!(given.refresh_token);
        }
        let program = Program::new();
        // The token answer tells where the instance is.
        assert_eq!(program.add_with("acme", &json!({"auth": auth})).status.code(), Some(0));
        for at in [4, 9] {
            fake.faults().at_request(at, Fault::ExpiredSession);
        }
        let output = program.run(&["backup", "acme", "--json"]);
        let result = last_json(&output);
        assert_eq!(
            (output.status.code(), result["state"].as_str()),
            (Some(0), Some("complete")),
            "{kind}: {result}"
        );
        assert!(
            result["calls"]["sent"].as_u64() >= Some(fake.totals().client),
            "{kind}: an attempt that is refused counts"
        );
    }
}
