//! Files: bodies with their records, documents that come with first versions, links that come by themselves.

use super::*;

fn schema() -> TargetOrg {
    let versions = vec![
        TargetField::reference("ContentDocumentId", &["ContentDocument"], true),
        TargetField::reference("OwnerId", &["User"], false),
        TargetField {
            update: false,
            ..TargetField::reference("FirstPublishLocationId", &["Account"], false)
        },
        TargetField::file("VersionData", false),
    ];
    TargetOrg::new(&[
        ("Account", vec![]),
        (
            "Attachment",
            vec![
                TargetField::reference("ParentId", &["Account"], true),
                TargetField::file("Body", true),
            ],
        ),
        ("ContentDocument", vec![]),
        (
            "ContentDocumentLink",
            vec![
                TargetField::reference("ContentDocumentId", &["ContentDocument"], true),
                TargetField::reference("LinkedEntityId", &["Account", "User"], true),
            ],
        ),
        ("ContentVersion", versions),
        ("User", vec![]),
    ])
}

fn with(name: &str, fields: &[(&str, &str)]) -> Map<String, Value> {
    let mut record = named(name);
    record.extend(fields.iter().map(|(field, value)| ((*field).to_owned(), json!(value))));
    record
}

/// Accounts with attachments, and files of one to three versions, each linked to its owner and an account.
pub(super) fn org(files: usize) -> TargetOrg {
    let mut org = schema();
    let user = org.insert("User", named("somebody"));
    for n in 0..files {
        let account = org.insert("Account", named(&format!("account {n}")));
        org.insert(
            "Attachment",
            with(
                &format!("attachment {n}"),
                &[("ParentId", &account), ("Body", &format!("body {n}"))],
            ),
        );
        let document = org.insert("ContentDocument", named(&format!("file {n}")));
        let links: [(&str, &str); 2] = [("the owner's", &user), ("a link", &account)];
        for (name, to) in links {
            org.insert(
                "ContentDocumentLink",
                with(name, &[("ContentDocumentId", &document), ("LinkedEntityId", to)]),
            );
        }
        for version in 0..=n % 3 {
            let body = format!("file {n}, version {version}");
            let mut fields = with(
                &format!("file {n}"),
                &[("ContentDocumentId", &document), ("OwnerId", &user), ("VersionData", &body)],
            );
            if version == 0 {
                fields.insert("FirstPublishLocationId".into(), json!(account));
            }
            org.insert("ContentVersion", fields);
        }
    }
    org
}

/// All is deleted but the users.
fn emptied(files: usize) -> Fixture {
    let fixture = Fixture::new(org(files));
    let users: Vec<String> = fixture.before.shelf().rows["User"].keys().cloned().collect();
    fixture.org.borrow_mut().records.retain(|id, _| users.contains(id));
    fixture
}

#[test]
fn files_come_back_with_all_their_versions_and_links() {
    let fixture = emptied(7);
    fixture.restore(&fixture.everything(), 8);
    fixture.assert_whole();
    assert_eq!(fixture.tally().failed, 0, "{:?}", fixture.host.outcomes.borrow());
    let all = fixture.before.records.len() as u64 - 1;
    let tally = fixture.tally();
    // The owner's link comes by itself, and is given its values.
    assert_eq!((tally.created, tally.updated), (all, 0));
    let writes = fixture.org.borrow().writes;
    assert!(
        writes <= 6,
        "accounts; attachments; first versions; later ones; links: {writes}"
    );
}

#[test]
fn the_limit_and_cuts_at_every_request_lose_no_file_and_double_none() {
    for a_call in [1, 2, 8] {
        for fault in [None, Some(Fault::Before), Some(Fault::After), Some(Fault::Late(1))] {
            for nth in 1..=6 {
                let fixture = emptied(4);
                if let Some(fault) = fault {
                    fixture.org.borrow_mut().faults.insert(nth, fault);
                }
                fixture.restore(&fixture.everything(), a_call);
                fixture.assert_whole();
                let tally = fixture.tally();
                assert_eq!((tally.failed, tally.ambiguous), (0, 0), "{fault:?} at {nth}, {a_call} a call");
            }
        }
    }
}

#[test]
fn a_file_whose_body_the_snapshot_lacks_is_told_and_the_rest_comes_back() {
    let fixture = emptied(2);
    let lost = {
        let mut source = fixture.host.source.borrow_mut();
        let shelf = source.as_mut().unwrap();
        let lost = shelf
            .blobs
            .keys()
            .find(|key| key.starts_with("Attachment/"))
            .cloned()
            .unwrap();
        shelf.blobs.remove(&lost);
        lost
    };
    fixture.restore(&fixture.everything(), 8);
    let outcomes = fixture.host.outcomes.borrow();
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|((_, _, what), _)| *what == RecordOutcome::Failed)
        .collect();
    assert_eq!(failed.len(), 1);
    let ((object, key, _), why) = failed[0];
    assert_eq!(
        (object.as_str(), key.as_str()),
        ("Attachment", lost.split('/').nth(1).unwrap())
    );
    assert_eq!(why.code, "file-not-in-snapshot");
}

#[test]
fn a_changed_attachment_is_given_its_body_again_and_a_version_never_is() {
    let fixture = Fixture::new(org(1));
    let changed: Vec<String> = {
        let mut org = fixture.org.borrow_mut();
        let shelf = fixture.before.shelf();
        let ids: Vec<String> = ["Attachment", "ContentVersion"]
            .iter()
            .map(|object| shelf.rows[*object].keys().next().unwrap().clone())
            .collect();
        for id in &ids {
            let record = org.records.get_mut(id).unwrap();
            record.insert("Name".into(), json!("changed"));
            record.insert("SystemModstamp".into(), json!("2027-02-01T00:00:00.000+0000"));
        }
        org.records.get_mut(&ids[0]).unwrap().insert("Body".into(), json!("changed"));
        ids
    };
    fixture.restore(&fixture.overwriting(), 8);
    fixture.assert_whole();
    assert_eq!(fixture.tally().updated, changed.len() as u64);
}

#[test]
fn a_document_alone_brings_its_versions_and_an_account_with_what_belongs_to_it_its_files() {
    for (object, related) in [("ContentDocument", false), ("ContentVersion", false), ("Account", true)] {
        let fixture = emptied(3);
        let selection = Selection {
            objects: [object.to_owned()].into(),
            with_related: related,
            source: "00D1".into(),
            ..Selection::default()
        };
        if !related {
            // What the links and first places name is still there.
            let before = fixture.before.clone();
            let mut org = fixture.org.borrow_mut();
            org.records = before.records;
            let documents: Vec<String> = fixture.before.shelf().rows["ContentDocument"].keys().cloned().collect();
            for document in documents {
                org.delete(&document);
            }
        }
        fixture.restore(&selection, 8);
        let of = |object: &str| {
            let shelf = fixture.org.borrow().shelf();
            shelf.rows.get(object).map_or(0, BTreeMap::len)
        };
        assert_eq!((of("ContentDocument"), of("ContentVersion")), (3, 6), "{object}");
        assert_eq!(of("ContentDocumentLink"), if related { 6 } else { 3 }, "{object}");
        assert_eq!(of("Attachment"), 3, "{object}");
    }
}
