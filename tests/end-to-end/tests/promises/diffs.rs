//! What two snapshots differ in, or one and the org: told by the real command line.

use end_to_end::program::Program;
use fake_salesforce::clock::HOUR_MS;
use fake_salesforce::org::{Change, OrgSpec, SentFields};
use fake_salesforce::quota::QuotaOptions;
use fake_salesforce::{Fake, Options};
use serde_json::Value;
use std::process::Output;

fn org() -> Fake {
    let quota = QuotaOptions {
        max: 1_000,
        ..QuotaOptions::default()
    };
    Fake::start(Options {
        quota,
        ..Options::of(OrgSpec::small(13))
    })
    .unwrap()
}

/// Every line of a command's JSON.
fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Keys of an object's records in the newest snapshot.
fn keys(program: &Program, object: &str) -> Vec<String> {
    let listed = program.run(&["ls", "acme", "latest", object]);
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

fn fields(text: &str) -> SentFields {
    SentFields::parse(text).unwrap()
}

fn of_kind<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// Backs up, changes one Contact, deletes one and adds one; the keys of the first two.
fn changed(fake: &Fake, program: &Program) -> [String; 2] {
    program.add("acme", fake, 50);
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
    let contacts = keys(program, "Contact");
    let changes = [
        Change::Update {
            id: contacts[3].clone(),
            fields: fields(r#"{"LastName":"Æble"}"#),
        },
        Change::Delete { id: contacts[7].clone() },
        Change::Create {
            object: "Contact".into(),
            fields: fields(r#"{"LastName":"Newcomer"}"#),
        },
    ];
    fake.apply(&changes).unwrap();
    // The org tells of deletions when it has covered their time.
    fake.clock().advance(HOUR_MS);
    [contacts[3].clone(), contacts[7].clone()]
}

fn assert_told(found: &[Value], [changed, removed]: &[String; 2]) {
    let contacts: Vec<&Value> = found.iter().filter(|line| line["object"] == "Contact").collect();
    let of = |event: &str| {
        contacts
            .iter()
            .filter(|line| line["event"] == event)
            .copied()
            .collect::<Vec<_>>()
    };
    let (added, gone, other) = (of("added"), of("removed"), of("changed"));
    assert_eq!((added.len(), gone.len(), other.len()), (1, 1, 1), "{contacts:?}");
    assert_eq!(added[0]["record"]["LastName"], "Newcomer");
    assert_eq!(gone[0]["key"], removed.as_str());
    assert_eq!(other[0]["key"], changed.as_str());
    let fields = other[0]["fields"].as_array().unwrap();
    let name = fields.iter().find(|field| field["field"] == "LastName").unwrap();
    assert_eq!(name["after"], "Æble");
    assert!(name["before"].is_string() && name["before"] != "Æble");
    let stamps = fields.iter().any(|field| field["field"] == "SystemModstamp");
    assert!(stamps, "everything is compared: {fields:?}");
    let result = found.last().unwrap();
    let contact = result["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["name"] == "Contact");
    let contact = contact.unwrap();
    assert_eq!(
        (&contact["added"], &contact["removed"], &contact["changed"]),
        (&1.into(), &1.into(), &1.into())
    );
}

#[test]
fn a_snapshot_and_the_next_differ_in_what_was_changed_between_them() {
    let (fake, program) = (org(), Program::new());
    let told = changed(&fake, &program);
    let first = program.json(&["snapshots", "acme", "--json"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(program.run(&["backup", "acme"]).status.code(), Some(0));
    let before = fake.totals().client;
    let found = program.run(&["diff", "acme", &first, "latest", "--json"]);
    assert_eq!(found.status.code(), Some(0));
    assert_told(&lines(&found), &told);
    assert_eq!(fake.totals().client, before, "nothing is sent");

    let text = program.run(&["diff", "acme", &first, "latest", "--object", "Contact"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains(&format!("changed: Contact {}", told[0])) && text.contains("-> \"Æble\""),
        "{text}"
    );
    assert!(text.contains(&format!("removed: Contact {}", told[1])), "{text}");
    let same = program.json(&["diff", "acme", "latest", "latest", "--json"]);
    assert_eq!([&same["added"], &same["removed"], &same["changed"], &same["touched"]], [0; 4]);
    assert_eq!(program.run(&["diff", "acme", "live", "latest"]).status.code(), Some(2));
}

#[test]
fn a_snapshot_is_compared_with_the_org_as_it_is_now() {
    let (fake, program) = (org(), Program::new());
    let told = changed(&fake, &program);
    let found = program.run(&["diff", "acme", "latest", "live", "--json"]);
    assert_eq!(found.status.code(), Some(0));
    let found = lines(&found);
    assert_told(&found, &told);
    let result = found.last().unwrap();
    let snapshots = program.json(&["snapshots", "acme", "--json"]);
    assert_eq!(result["before"]["snapshot"], snapshots[0]["id"]);
    assert_eq!(result["after"]["snapshot"], snapshots[1]["id"]);
    assert!(result["calls"]["sent"].as_u64().unwrap() > 0 && result["pause"].is_null());
}

#[test]
fn a_comparison_that_the_limit_ends_compares_what_was_read_and_says_so() {
    let (fake, program) = (org(), Program::new());
    changed(&fake, &program);
    fake.quota().set_used(497);
    let paused = program.run(&["diff", "acme", "latest", "live", "--json"]);
    assert_eq!(paused.status.code(), Some(3));
    let result = lines(&paused).pop().unwrap();
    assert_eq!(
        (&result["pause"]["reason"], &result["after"]["state"]),
        (&"usage-limit".into(), &"partial".into())
    );
    let found = lines(&paused);
    assert!(of_kind(&found, "removed").len() <= 1, "what isn't read again is as it was");
    program.run(&["limit", "acme", "100"]);
    let live = program.run(&[
        "diff",
        "acme",
        result["before"]["snapshot"].as_str().unwrap(),
        "live",
        "--json",
    ]);
    assert_eq!(live.status.code(), Some(0));
    let third = program.json(&["snapshots", "acme", "--json"]);
    assert_eq!(
        third.as_array().unwrap().len(),
        3,
        "what was begun before is completed, and the org read once more"
    );
}
