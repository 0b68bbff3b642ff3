//! Restores as state version 1 stored them (`tests/checkpoints/v1/restore-*.json`): each is read as it was written, and goes on to its
//! end with each record written once.
//!
//! Each file has the connector's values; most have the org as it was then, and the records that the snapshot has. The connector of
//! e0bec84's parent wrote them; they are never changed.

use super::*;
use crate::restore::state::job::Job;
use crate::restore::state::objects::{Adoption, Description, LookupBy, ObjectJob, Stamp, Strategy};
use crate::values::key;

/// All of them, by name.
fn stored() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checkpoints/v1");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let name = |file: &std::path::Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let restores = files.filter(|file| name(file).starts_with("restore-"));
    let stored: BTreeMap<String, Value> = restores
        .map(|file| (name(&file), serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()))
        .collect();
    assert!(stored.len() >= 17);
    stored
}

/// A host that has these values.
fn keep(host: &ScriptedHost, stored: &Value) {
    for (key, value) in stored["values"].as_object().unwrap() {
        let value = serde_json::to_vec(value).unwrap();
        host.values.borrow_mut().insert(key.clone(), value);
    }
}

/// A member of each object of which this gives one.
fn each<T: serde::Serialize>(job: &Job, member: impl Fn(&ObjectJob) -> Option<T>) -> Value {
    let members = job.objects.iter().filter_map(|object| Some((object.name(), member(object)?)));
    json!(members.collect::<BTreeMap<&str, T>>())
}

/// The same, of those that aren't zero.
fn counts(job: &Job, member: impl Fn(&ObjectJob) -> u64) -> Value {
    each(job, |object| Some(member(object)).filter(|count| *count > 0))
}

/// Objects of which this is so.
fn names(job: &Job, holds: impl Fn(&ObjectJob) -> bool) -> Value {
    let objects = job.objects.by_name().filter(|object| holds(object));
    json!(objects.map(ObjectJob::name).collect::<Vec<&str>>())
}

/// A job as version 1 stored it.
fn as_version_1(job: &Job) -> Value {
    let full = |map: &BTreeMap<String, String>| Some(map.clone()).filter(|map| !map.is_empty());
    let members: Vec<(&str, Value)> = vec![
        ("selection", json!(job.selection)),
        ("stage", json!(job.stage)),
        ("at", json!(job.place)),
        ("moved", json!(job.moved)),
        ("patience", json!(job.wait_for)),
        ("prefixes", json!(job.prefixes)),
        ("objects", json!(job.objects.walk())),
        (
            "closed",
            each(job, |object| {
                object
                    .closed
                    .as_ref()
                    .map(|closed| (closed.code.clone(), closed.message.clone()))
            }),
        ),
        (
            "stamps",
            counts(job, |object| match object.stamp {
                Stamp::SystemModstamp => 0,
                Stamp::LastModifiedDate => 1,
                Stamp::Missing => 2,
            }),
        ),
        ("creating", names(job, |object| object.creates)),
        ("by_query", names(job, |object| object.lookup == LookupBy::Query)),
        ("adopted", names(job, |object| object.adoption == Adoption::Done)),
        ("looked_for", names(job, |object| object.adoption == Adoption::SoFar)),
        ("tallies", each(job, |object| object.tally)),
        ("open", counts(job, |object| object.open)),
        ("updates", counts(job, |object| object.updates)),
        ("files", each(job, |object| object.strategy.files())),
        ("bytes", counts(job, |object| object.bytes)),
        ("to_own", counts(job, |object| object.to_own)),
        (
            "bulk",
            each(job, |object| match object.strategy {
                Strategy::Bulk { rows_a_job } => Some(rows_a_job),
                Strategy::Collections | Strategy::Files(_) => None,
            }),
        ),
        ("literal", json!(job.plan.literal)),
        ("composites", json!(job.plan.composites)),
        ("together", json!(job.plan.together)),
        ("waiting", json!(job.plan.waiting)),
        ("asked", json!(job.plan.asked)),
        ("unconnected", json!(job.unconnected)),
        ("locked", json!(job.locked)),
        ("locked_of", names(job, |object| object.locked)),
        ("refuses_values", json!(job.learnt.refuses_values)),
        ("refuses_inactive", json!(job.learnt.refuses_inactive)),
        (
            "matches",
            each(job, |object| object.matches.map(|matches| (matches.matching, matches.all))),
        ),
        ("relinks", counts(job, |object| object.relinks)),
        ("mapped", names(job, |object| object.mapped)),
        ("without_references", names(job, |object| object.without_references)),
        ("verifies_archived", json!(job.verifies_archived)),
        (
            "lost",
            each(job, |object| Some(object.lost.clone()).filter(|lost| !lost.is_empty())),
        ),
        ("doubted", names(job, |object| object.doubted)),
        ("to_describe", names(job, |object| object.description == Description::Doubted)),
        (
            "described_anew",
            names(job, |object| object.description == Description::Renewed),
        ),
        ("parts", json!(job.parts)),
        ("alone", counts(job, |object| u64::from(object.refused_alone))),
        ("culprits", each(job, |object| full(&object.culprits))),
        ("left_out", each(job, |object| full(&object.left_out))),
        ("unanswered", json!(job.unanswered)),
        ("busy", json!(job.busy)),
        ("ahead", json!(job.learnt.clock_ahead_ms)),
    ];
    json!(members.into_iter().collect::<BTreeMap<&str, Value>>())
}

/// What version 1 said, without what it said twice: counts of none, and objects that were looked for so far and then wholly.
fn told_once(mut job: Value) -> Value {
    for member in ["open", "updates", "relinks", "bytes", "to_own", "alone", "stamps"] {
        job[member].as_object_mut().unwrap().retain(|_, count| *count != 0);
    }
    for tally in job["tallies"].as_object_mut().unwrap().values_mut() {
        tally
            .as_object_mut()
            .unwrap()
            .retain(|member, count| member != "relinked" || *count != 0);
    }
    let adopted = job["adopted"].as_array().unwrap().clone();
    job["looked_for"]
        .as_array_mut()
        .unwrap()
        .retain(|name| !adopted.contains(name));
    job
}

#[test]
fn a_job_of_version_1_is_read_member_by_member_and_kept_in_the_new_shape() {
    for (name, stored) in stored() {
        let host = ScriptedHost::new(0, |_| Reply::ok(""));
        keep(&host, &stored);
        let job = Job::load(&host, key::RESTORE).unwrap().unwrap();
        let said = stored["values"]["v1/restore/job"].clone();
        assert_eq!(as_version_1(&job), told_once(said), "{name}");
        host.values.borrow_mut().clear();
        let (key_of_job, value) = job.entry(key::RESTORE).unwrap();
        let kept: Value = serde_json::from_slice(value.as_deref().unwrap()).unwrap();
        assert_eq!(
            (key_of_job.as_str(), &kept["version"]),
            ("v1/restore/job", &json!(2)),
            "{name}"
        );
        host.values.borrow_mut().insert(key_of_job, value.unwrap());
        assert_eq!(Job::load(&host, key::RESTORE).unwrap().unwrap(), job, "{name}");
    }
}

#[test]
fn a_restore_that_version_1_began_goes_on_and_writes_each_record_once() {
    let mut continued = 0;
    for (name, stored) in stored() {
        if stored.get("org").is_none() {
            continue;
        }
        continued += 1;
        let records = |value: &Value| serde_json::from_value::<BTreeMap<String, Map<String, Value>>>(value.clone()).unwrap();
        let mut org = if name.contains("files") { files::org(3) } else { small_org() };
        org.records = records(&stored["before"]);
        let fixture = Fixture::new(org);
        {
            let mut org = fixture.org.borrow_mut();
            // New Ids are none that were given before.
            for _ in 0..1_000 {
                org.insert("Account", named("filler"));
            }
            org.records = records(&stored["org"]["records"]);
            org.now = stored["org"]["now"].as_u64().unwrap();
        }
        fixture.pass(60);
        keep(&fixture.host, &stored);
        let selection: Selection = serde_json::from_value(stored["values"]["v1/restore/job"]["selection"].clone()).unwrap();
        match &stored["checkpoint"] {
            Value::Null => fixture.restore(&selection, 2),
            checkpoint => fixture.finish(serde_json::to_vec(checkpoint).unwrap(), 2),
        }
        fixture.assert_whole();
        let tally = fixture.tally();
        assert_eq!((tally.failed, tally.ambiguous), (0, 0), "{name}");
        let outcomes = fixture.host.outcomes.borrow();
        assert!(outcomes.is_empty(), "{name}: {outcomes:?}");
    }
    assert!(continued >= 13, "{continued}");
}

#[test]
fn a_job_of_a_version_to_come_is_not_taken_for_none() {
    let host = ScriptedHost::new(0, |_| Reply::ok(""));
    let value = br#"{"version":3,"job":{}}"#.to_vec();
    host.values.borrow_mut().insert("v1/restore/job".into(), value);
    let error = Job::load(&host, key::RESTORE).unwrap_err().to_string();
    assert!(error.contains("version 3"), "{error}");
}
