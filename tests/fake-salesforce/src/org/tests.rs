//! What the rest of the double relies on: equal specs give equal orgs, ranges and counts agree with full scans, and writes lie over
//! generated rows without disturbing them.

#![allow(clippy::unwrap_used)]

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn rows_json(org: &Org, viewer: &Viewer, object: &str) -> Vec<u8> {
    let object = org.object(object).unwrap();
    let fields: Vec<usize> = object.visible_fields(viewer).map(|(index, _)| index).collect();
    let mut out = Vec::new();
    for row in object.rows(viewer, Scan::QUERY_ALL) {
        row.write_json(&fields, "v62.0", &mut out);
        out.push(b'\n');
    }
    out
}

fn fields(json: &str) -> SentFields {
    SentFields::parse(json).unwrap()
}

fn refusal(result: Result<impl std::fmt::Debug, WriteError>) -> String {
    result.unwrap_err().status_code
}

const OPTIONS: DescribeOptions<'static> = DescribeOptions {
    version: "v62.0",
    instance_url: "https://fake.my.salesforce.com",
};

#[test]
fn every_row_is_json_that_says_what_describe_promises() {
    let org = Org::generate(&OrgSpec::small(3));
    let viewer = org.administrator();
    for object in org.objects() {
        for line in rows_json(&org, &viewer, object.name())
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
        {
            let row: serde_json::Value = serde_json::from_slice(line).unwrap();
            for (_, field) in object.visible_fields(&viewer) {
                let value = &row[&field.name];
                assert!(!value.is_null() || field.nillable, "{}.{} is null", object.name(), field.name);
                let right = match field.kind {
                    FieldType::Boolean => value.is_boolean(),
                    kind if kind.is_number() => value.is_number(),
                    FieldType::Address | FieldType::Location => value.is_object(),
                    _ => value.is_string(),
                };
                assert!(right || value.is_null(), "{}.{} is {value}", object.name(), field.name);
                if let (true, Some(text)) = (field.kind.is_text(), value.as_str()) {
                    assert!(
                        text.chars().count() <= field.length as usize,
                        "{}.{} is too long",
                        object.name(),
                        field.name
                    );
                }
            }
        }
    }
}

#[test]
fn references_lead_to_live_rows_of_the_objects_that_describe_names() {
    let org = Org::generate(&OrgSpec::small(4));
    let viewer = org.administrator();
    let mut followed = 0;
    for object in org.objects() {
        for row in object.rows(&viewer, Scan::QUERY_ALL) {
            for (index, field) in object.visible_fields(&viewer).filter(|(_, f)| f.kind == FieldType::Reference) {
                let Value::Id(id) = row.value(index) else { continue };
                let target = org.object_of(id).unwrap();
                assert!(
                    field.reference_to.iter().any(|to| to == target.name()),
                    "{}.{} leads to {}",
                    object.name(),
                    field.name,
                    target.name()
                );
                let live = Scan {
                    deleted: matches!(field.name.as_str(), "ParentId" | "ReportsToId" | "Parent__c" | "ManagerId"),
                    archived: true,
                };
                assert!(
                    target.row(&viewer, live, id).is_some(),
                    "{}.{} leads nowhere: {id}",
                    object.name(),
                    field.name
                );
                followed += 1;
            }
        }
    }
    assert!(followed > 50_000, "{followed}");
}

#[test]
fn the_recorded_proportion_of_objects_refuses_to_be_queried() {
    let org = Org::generate(&OrgSpec::real(1));
    let refuses =
        |object: &&Object| object.schema.behaviour.refuses_query.is_some() || object.schema.behaviour.required_filter.is_some();
    assert_eq!(org.objects().len(), 406);
    assert_eq!(org.objects().iter().filter(refuses).count(), 61);
    let prefixes: Vec<_> = org.objects().iter().filter_map(|o| o.schema.key_prefix).collect();
    let distinct: std::collections::HashSet<_> = prefixes.iter().collect();
    assert_eq!(distinct.len(), prefixes.len(), "two objects share a key prefix");
    let empty = org
        .objects()
        .iter()
        .filter(|o| o.count(&org.administrator(), Scan::QUERY_ALL) == 0)
        .count();
    assert!((100..300).contains(&empty), "{empty} objects are empty");
}

#[test]
fn presets_have_the_sizes_they_promise() {
    let size = |spec: OrgSpec| {
        let org = Org::generate(&spec);
        let viewer = org.administrator();
        let rows: u64 = org.objects().iter().map(|o| o.count(&viewer, Scan::QUERY_ALL)).sum();
        (org.objects().len(), rows)
    };
    assert_eq!(size(OrgSpec::million(7)), (60, 1_000_000));
    for (spec, objects, rows) in [
        (OrgSpec::bench_s(7), 20, 50_000),
        (OrgSpec::bench_m(7), 150, 1_200_000),
        (OrgSpec::bench_l(7), 800, 200_000_000),
    ] {
        let org = Org::generate(&spec);
        let viewer = org.administrator();
        let live: Vec<u64> = org.objects().iter().map(|o| o.count(&viewer, Scan::QUERY)).collect();
        assert_eq!((live.len(), live.iter().sum::<u64>()), (objects, rows));
        assert!(
            live.iter().filter(|rows| **rows < 1_000).count() * 2 > live.len(),
            "most objects are small"
        );
        assert!(
            org.objects()
                .iter()
                .all(|o| o.schema.queryable && o.schema.behaviour.refuses_query.is_none())
        );
    }
    let (objects, rows) = size(OrgSpec::tiny(7));
    assert!(
        (8..=14).contains(&objects) && (400..900).contains(&rows),
        "{objects} objects, {rows} rows"
    );
    let (objects, rows) = size(OrgSpec::small(7));
    assert!(
        (38..=50).contains(&objects) && (18_000..26_000).contains(&rows),
        "{objects} objects, {rows} rows"
    );
}

#[test]
fn five_pages_of_a_wide_object_are_about_150_megabytes() {
    let org = Org::generate(&OrgSpec::wide(1));
    let viewer = org.administrator();
    for name in ["Account", "Wide_A__c", "Wide_B__c"] {
        let object = org.object(name).unwrap();
        let fields: Vec<usize> = object.visible_fields(&viewer).map(|(index, _)| index).collect();
        assert!(fields.len() > 500);
        let mut out = Vec::new();
        object
            .rows(&viewer, Scan::QUERY)
            .take(200)
            .for_each(|row| row.write_json(&fields, "v62.0", &mut out));
        let bytes_per_row = out.len() / 200;
        assert!(
            (13_000..28_000).contains(&bytes_per_row),
            "{name}: {bytes_per_row} bytes a row"
        );
    }
}

#[test]
fn a_million_rows_are_counted_and_entered_without_a_scan() {
    let org = Org::generate(&OrgSpec::of(1, &[("Account", 1_000_000_000)]));
    let (account, viewer) = (org.object("Account").unwrap(), org.administrator());
    let total = account.count(&viewer, Scan::QUERY);
    assert!(total < 1_000_000_000 && total > 900_000_000);
    let middle = account.rows_from(&viewer, Scan::QUERY, 700_000_000).next().unwrap().id();
    assert!(account.any_after(&viewer, Scan::QUERY, middle));
    assert_eq!(account.row(&viewer, Scan::QUERY, middle).unwrap().id(), middle);
    let after = account.count_after(&viewer, Scan::QUERY, middle);
    assert!(after < 300_000_000 && after > 250_000_000);
}

#[test]
fn describe_has_every_key_of_recorded_answers() {
    let org = Org::generate(&OrgSpec::tiny(1));
    let (account, viewer) = (org.object("Account").unwrap(), org.administrator());
    let describe: serde_json::Value = serde_json::from_slice(&org.describe(account, &viewer, OPTIONS)).unwrap();
    assert_eq!(describe.as_object().unwrap().len(), 42);
    for field in describe["fields"].as_array().unwrap() {
        assert_eq!(field.as_object().unwrap().len(), 57, "{}", field["name"]);
    }
    let children = describe["childRelationships"].as_array().unwrap();
    assert!(
        children
            .iter()
            .any(|c| c["childSObject"] == "Contact" && c["relationshipName"] == "Contacts" && c["cascadeDelete"] == true)
    );
    assert_eq!(
        describe["recordTypeInfos"].as_array().unwrap().last().unwrap()["recordTypeId"],
        "012000000000000AAA"
    );
    let global: serde_json::Value = serde_json::from_slice(&org.describe_global(&viewer, OPTIONS)).unwrap();
    assert_eq!(global["sobjects"][0].as_object().unwrap().len(), 28);
    assert_eq!(global["maxBatchSize"], 200);
}

#[test]
fn what_a_user_may_not_see_is_not_there() {
    let org = Org::generate(&OrgSpec::small(2));
    let (all, own) = (org.administrator(), org.standard_user());
    let account = org.object("Account").unwrap();
    let seen = account.count(&own, Scan::QUERY);
    assert!(seen > 0 && seen < account.count(&all, Scan::QUERY) / 2, "{seen}");
    let owner = account.field_index("OwnerId").unwrap();
    assert!(
        account
            .rows(&own, Scan::QUERY)
            .all(|row| row.value(owner) == Value::Id(own.user_id))
    );
    assert!(account.visible_fields(&own).count() < account.visible_fields(&all).count());
    let secret = account.field_index("Tax_Number__c").unwrap();
    let masked = account.rows(&own, Scan::QUERY).find_map(|row| match row.value(secret) {
        Value::Text(text) => Some(text),
        _ => None,
    });
    assert!(masked.unwrap().bytes().all(|b| b == b'*'));
}

#[test]
fn many_rows_share_one_stamp_where_the_spec_says_so() {
    let org = Org::generate(&OrgSpec::of(5, &[("Lead", 1_000)]).with_rows_per_stamp("Lead", 250));
    let viewer = org.administrator();
    let stamps: std::collections::HashSet<_> = org
        .object("Lead")
        .unwrap()
        .rows(&viewer, Scan::QUERY_ALL)
        .map(|r| r.system_modstamp())
        .collect();
    assert_eq!(stamps.len(), 4);
}

#[test]
fn archived_rows_and_the_bin_show_in_query_all_alone() {
    let org = Org::generate(&OrgSpec::small(6));
    let (task, viewer) = (org.object("Task").unwrap(), org.administrator());
    let archived = task.rows(&viewer, Scan::QUERY_ALL).filter(|row| row.is_archived()).count() as u64;
    let deleted = task.rows(&viewer, Scan::QUERY_ALL).filter(|row| row.is_deleted()).count() as u64;
    assert!(archived > 100 && deleted > 10);
    assert!(
        task.rows(&viewer, Scan::QUERY)
            .all(|row| !row.is_archived() && !row.is_deleted())
    );
    assert_eq!(
        task.count(
            &viewer,
            Scan {
                deleted: true,
                archived: false
            }
        ),
        task.count(&viewer, Scan::QUERY_ALL) - archived
    );
}

#[test]
fn every_row_is_older_than_the_org_says_it_is() {
    let org = Org::generate(&OrgSpec::small(8));
    let viewer = org.administrator();
    for object in org.objects() {
        let mut last = None;
        for row in object.rows(&viewer, Scan::QUERY_ALL) {
            assert!(row.system_modstamp() < org.created_at());
            if let (Value::DateTime(created), Value::DateTime(modified)) =
                (row.value_of("CreatedDate"), row.value_of("LastModifiedDate"))
            {
                assert!(created <= modified && modified <= row.system_modstamp(), "{}", object.name());
                assert!(last <= Some(created));
                last = Some(created);
            }
        }
    }
}

#[test]
fn a_created_row_is_read_back_digit_by_digit() {
    let mut org = Org::generate(&OrgSpec::tiny(1));
    let (viewer, now) = (org.administrator(), org.created_at());
    let sent = fields(
        r#"{"attributes":{"type":"Account"},"Name":"Ny \"kunde\"","AnnualRevenue":1234567890123456.78,"Ledger_Number__c":"999999999999999999","BillingCity":"Århus"}"#,
    );
    let id = org.create(&viewer, "account", &sent, now).unwrap();
    let account = org.object("Account").unwrap();
    let row = account.row(&viewer, Scan::QUERY, id).unwrap();
    assert_eq!(row.value_of("AnnualRevenue"), Value::Number("1234567890123456.78".into()));
    assert_eq!(row.value_of("Ledger_Number__c"), Value::Number("999999999999999999".into()));
    assert_eq!(row.value_of("OwnerId"), Value::Id(viewer.user_id));
    assert_eq!(row.value_of("Phone"), Value::Null);
    assert!(matches!(row.value_of("BillingAddress"), Value::Address(a) if a.city.as_deref() == Some("Århus")));
    assert_eq!(
        account.rows(&viewer, Scan::QUERY).last().unwrap().id(),
        id,
        "a new id is above all others"
    );
    assert_eq!(
        org.updated_between(&viewer, "Account", now, now + TimeDelta::seconds(1)),
        [id]
    );
}

#[test]
fn wrong_writes_are_refused_in_salesforces_words() {
    let mut org = Org::generate(&OrgSpec::tiny(1));
    let (viewer, now) = (org.administrator(), org.created_at());
    let before = rows_json(&org, &viewer, "Account");
    let mut create = |json: &str| org.create(&viewer, "Account", &fields(json), now).unwrap_err();
    let missing = create("{}");
    assert_eq!(
        (missing.status_code.as_str(), missing.message.as_str()),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]")
    );
    assert_eq!(missing.fields, ["Name"]);
    let unknown = create(r#"{"Name":"x","Nonsense__c":1}"#);
    assert_eq!(unknown.message, "No such column 'Nonsense__c' on sobject of type Account");
    assert_eq!(
        create(r#"{"Name":"x","CreatedDate":"2020-01-01T00:00:00Z"}"#).status_code,
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
    assert_eq!(create(r#"{"Name":"x","OwnerId":"nobody"}"#).status_code, "MALFORMED_ID");
    assert_eq!(
        create(r#"{"Name":"x","Legacy_Key__c":"leg-00000003"}"#).status_code,
        "DUPLICATE_VALUE"
    );
    assert_eq!(
        create(r#"{"Name":"x","NumberOfEmployees":"many"}"#).status_code,
        "JSON_PARSER_ERROR"
    );
    assert_eq!(
        create(&format!("{{\"Name\":\"{}\"}}", "x".repeat(256))).status_code,
        "STRING_TOO_LONG"
    );
    assert_eq!(refusal(org.create(&viewer, "Nothing", &fields("{}"), now)), "NOT_FOUND");
    assert_eq!(
        refusal(org.create(&viewer, "AccountHistory", &fields("{}"), now)),
        "INVALID_TYPE_FOR_OPERATION"
    );
    assert_eq!(
        rows_json(&org, &viewer, "Account"),
        before,
        "a refused write changed something"
    );
}

#[test]
fn a_deleted_row_comes_back_with_what_went_with_it() {
    let mut org = Org::generate(&OrgSpec::tiny(9));
    let (viewer, now) = (org.administrator(), org.created_at());
    let children = |org: &Org, id| {
        let contact = org.object("Contact").unwrap();
        contact
            .rows(&viewer, Scan::QUERY)
            .filter(|row| row.value_of("AccountId") == Value::Id(id))
            .count()
    };
    let account = org
        .object("Account")
        .unwrap()
        .rows(&viewer, Scan::QUERY)
        .max_by_key(|row| children(&org, row.id()))
        .unwrap()
        .id();
    let before = children(&org, account);
    assert!(before > 0);
    org.delete(&viewer, account, now).unwrap();
    assert!(org.row(&viewer, Scan::QUERY, account).is_none());
    assert!(org.row(&viewer, Scan::QUERY_ALL, account).unwrap().is_deleted());
    assert_eq!(children(&org, account), 0);
    assert_eq!(
        refusal(org.update(&viewer, account, &fields(r#"{"Name":"x"}"#), now)),
        "ENTITY_IS_DELETED"
    );
    assert_eq!(
        org.deleted_between("Account", now, now + TimeDelta::seconds(1)),
        [(account, now)]
    );
    org.undelete(&viewer, account, now + TimeDelta::minutes(5)).unwrap();
    assert_eq!(children(&org, account), before);
    org.purge(&viewer, account, now + TimeDelta::minutes(9)).unwrap();
    assert!(org.row(&viewer, Scan::QUERY_ALL, account).is_none());
    assert_eq!(refusal(org.undelete(&viewer, account, now)), "INVALID_CROSS_REFERENCE_KEY");
}

#[test]
fn a_first_file_version_makes_its_document_and_link() {
    let mut org = Org::generate(&OrgSpec::small(1));
    let (viewer, now) = (org.administrator(), org.created_at());
    let sent = fields(r#"{"PathOnClient":"a.txt","VersionData":"aGVsbG8="}"#);
    let version = org.create(&viewer, "ContentVersion", &sent, now).unwrap();
    let row = org.row(&viewer, Scan::QUERY, version).unwrap();
    assert_eq!(row.value_of("ContentSize"), Value::Number("5".into()));
    assert_eq!(
        row.value_of("Checksum"),
        Value::Text("5d41402abc4b2a76b9719d911017c592".into())
    );
    let Value::Id(document) = row.value_of("ContentDocumentId") else {
        panic!("no document")
    };
    assert_eq!(
        org.row(&viewer, Scan::QUERY, document).unwrap().value_of("Title"),
        Value::Text("a.txt".into())
    );
    let links = org.object("ContentDocumentLink").unwrap();
    assert_eq!(
        links
            .rows(&viewer, Scan::QUERY)
            .filter(|link| link.value_of("ContentDocumentId") == Value::Id(document))
            .count(),
        1
    );
}

#[test]
fn parents_are_found_by_external_key() {
    let mut org = Org::generate(&OrgSpec::tiny(1));
    let (viewer, now) = (org.administrator(), org.created_at());
    let account = org.rows_with_key(&viewer, "Account", "Legacy_Key__c", "LEG-00000003");
    assert_eq!(account.len(), 1);
    let sent = fields(r#"{"LastName":"Ny","Account":{"Legacy_Key__c":"LEG-00000003"}}"#);
    let contact = org.create(&viewer, "Contact", &sent, now).unwrap();
    assert_eq!(
        org.row(&viewer, Scan::QUERY, contact).unwrap().value_of("AccountId"),
        Value::Id(account[0])
    );
    assert_eq!(org.row_to_upsert(&viewer, "Account", "Legacy_Key__c", "none").unwrap(), None);
}

#[test]
fn specs_are_read_from_text() {
    let spec = OrgSpec::parse("tiny,Account=5000, Thing__c=7", 1).unwrap();
    assert_eq!(spec, OrgSpec::tiny(1).with_rows("Account", 5_000).with_rows("Thing__c", 7));
    assert_eq!(OrgSpec::parse("huge", 1), Err(UnknownPreset("huge".into())));
    assert_eq!(OrgSpec::parse("tiny,Account", 1), Err(UnknownPreset("Account".into())));
}

/// Every live row of every object that people write, and how many references they hold.
fn rows_and_references(org: &Org) -> (u64, usize) {
    let viewer = org.administrator();
    let (mut rows, mut references) = (0, 0);
    for object in org.objects().iter().filter(|o| o.schema.createable) {
        for row in object.rows(&viewer, Scan::QUERY) {
            rows += 1;
            for (index, field) in object.visible_fields(&viewer) {
                let value = row.value(index);
                assert!(!value.is_null() || field.nillable, "{}.{} is null", object.name(), field.name);
                if let Value::Id(id) = value
                    && field.kind == FieldType::Reference
                {
                    assert!(
                        org.row(&viewer, Scan::QUERY, id).is_some(),
                        "{}.{} leads nowhere",
                        object.name(),
                        field.name
                    );
                    references += 1;
                }
            }
        }
    }
    (rows, references)
}

#[test]
fn orgs_for_restores_have_every_kind_of_reference_and_differ_by_seed() {
    let mut person_orgs = 0;
    let mut sizes = std::collections::HashSet::new();
    for seed in 0..30 {
        let org = Org::generate(&OrgSpec::restore(seed));
        let viewer = org.administrator();
        let (rows, references) = rows_and_references(&org);
        assert!((200..800).contains(&rows), "{rows} rows");
        assert!(references as u64 > 3 * rows, "{references} references");
        sizes.insert(rows);
        let count = |object: &str| org.object(object).unwrap().count(&viewer, Scan::QUERY);
        for object in [
            "Level_6__c",
            "OpportunityLineItem",
            "OrderItem",
            "CampaignMember",
            "ContentVersion",
            "Attachment",
        ] {
            assert!(count(object) > 0, "seed {seed}: no {object}");
        }
        assert!(count("CampaignMemberStatus") == 2 * count("Campaign"));
        let is = |object: &str, field: &str, value: Value| org.first_row(object, |row| row.value_of(field) == value).is_some();
        assert!(is("Order", "Status", Value::text("Activated")) || is("Contract", "Status", Value::text("Activated")));
        if is("Account", "IsPersonAccount", Value::Bool(true)) {
            person_orgs += 1;
            assert!(is("Contact", "IsPersonAccount", Value::Bool(true)));
        }
    }
    assert!((3..20).contains(&person_orgs), "{person_orgs}");
    assert!(sizes.len() > 10);
}

#[test]
fn what_is_read_of_a_row_can_be_written_again() {
    // What a restore has to know: keys are there once, owners may be inactive, drafts are activated later, one price gives the other.
    let expected = [
        "DUPLICATE_VALUE",
        "INACTIVE_OWNER_OR_USER",
        "FAILED_ACTIVATION",
        "FIELD_INTEGRITY_EXCEPTION",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
    ];
    let (mut written, mut refused) = (0, std::collections::BTreeMap::new());
    for seed in 0..6 {
        let org = Org::generate(&OrgSpec::restore(seed));
        let viewer = org.administrator();
        let now = org.created_at();
        for object in org.objects().iter().filter(|o| o.schema.createable && o.schema.deletable) {
            for row in object.rows(&viewer, Scan::QUERY) {
                let mut sent = SentFields::default();
                for (index, field) in object.visible_fields(&viewer).filter(|(_, f)| f.createable && !f.unique) {
                    match row.value(index) {
                        Value::Null => {}
                        Value::Bool(value) => sent.set(&field.name, Sent::Bool(value)),
                        Value::Number(digits) => sent.set(&field.name, Sent::Number(digits)),
                        Value::Blob(body) => sent.set(&field.name, Sent::File(body)),
                        other => sent.set(&field.name, Sent::Text(other.to_plain())),
                    }
                }
                let mut copy = org.clone();
                match copy.create_by(&Writing::of_client(&viewer, now), object.name(), &sent) {
                    Ok(_) => written += 1,
                    Err(error) => {
                        assert!(
                            expected.contains(&error.status_code.as_str()),
                            "{}: {error} for {sent:?}",
                            object.name()
                        );
                        *refused.entry((object.name().to_owned(), error.status_code)).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    let refusals: i32 = refused.values().sum();
    assert!(written > refusals, "{written} rows, refused {refused:?}");
    let codes: std::collections::BTreeSet<&str> = refused.keys().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, expected.into_iter().collect());
}

#[test]
fn a_person_account_brings_its_contact_and_refuses_a_name() {
    let spec = (0..).map(OrgSpec::restore).find(|spec| spec.person_accounts).unwrap();
    let mut org = Org::generate(&spec);
    let (viewer, now) = (org.administrator(), org.created_at());
    let account = org.object("Account").unwrap();
    let person_type = account
        .schema
        .record_types
        .iter()
        .find(|t| t.developer_name == "PersonAccount")
        .unwrap()
        .id;
    let refused = org.create(
        &viewer,
        "Account",
        &fields(&format!(r#"{{"RecordTypeId":"{person_type}","LastName":"Ny","Name":"Ny"}}"#)),
        now,
    );
    let error = refused.unwrap_err();
    assert_eq!(error.message, "Account: bad field names on insert/update call: Name");
    let contacts = org.object("Contact").unwrap().count(&viewer, Scan::QUERY);
    let sent = fields(&format!(
        r#"{{"RecordTypeId":"{person_type}","LastName":"Ny","FirstName":"En","PersonEmail":"e@x.dk"}}"#
    ));
    let id = org.create(&viewer, "Account", &sent, now).unwrap();
    assert_eq!(org.value_at(id, "Name"), Value::text("En Ny"));
    let Value::Id(contact) = org.value_at(id, "PersonContactId") else {
        panic!("no contact")
    };
    assert_eq!(org.value_at(contact, "AccountId"), Value::Id(id));
    assert_eq!(org.value_at(contact, "Email"), Value::text("e@x.dk"));
    assert_eq!(org.object("Contact").unwrap().count(&viewer, Scan::QUERY), contacts + 1);
    let rename = org.update(&viewer, id, &fields(r#"{"Name":"x"}"#), now);
    assert_eq!(refusal(rename), "INVALID_FIELD_FOR_INSERT_UPDATE");
    let business = org.create(&viewer, "Account", &fields(r#"{"Name":"x","PersonEmail":"e@x.dk"}"#), now);
    assert_eq!(refusal(business), "INVALID_FIELD_FOR_INSERT_UPDATE");
}

#[test]
fn rings_of_lookups_are_closed() {
    let has_ring = |seed| {
        let org = Org::generate(&OrgSpec::restore(seed));
        let viewer = org.administrator();
        let firsts: Vec<RecordId> = org
            .object("Node_0__c")
            .unwrap()
            .rows(&viewer, Scan::QUERY)
            .map(|row| row.id())
            .collect();
        firsts.into_iter().any(|first| {
            let mut seen = std::collections::HashSet::from([first]);
            let mut at = first;
            while let Value::Id(next) = org.value_at(at, "Next__c") {
                if !seen.insert(next) {
                    return true;
                }
                at = next;
            }
            false
        })
    };
    assert!((0..10).filter(|seed| has_ring(*seed)).count() >= 5);
}

/// One thing that a client does to some row.
#[derive(Debug, Clone)]
enum Step {
    Create,
    Update(usize),
    Delete(usize),
    Undelete(usize),
    Purge(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Create),
        (0usize..400).prop_map(Step::Update),
        (0usize..400).prop_map(Step::Delete),
        (0usize..400).prop_map(Step::Undelete),
        (0usize..400).prop_map(Step::Purge),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn equal_specs_give_equal_bytes_and_other_seeds_other_ones(seed in any::<u64>()) {
        let (a, b, c) = (OrgSpec::tiny(seed), OrgSpec::tiny(seed), OrgSpec::tiny(!seed));
        let (a, b, c) = (Org::generate(&a), Org::generate(&b), Org::generate(&c));
        let viewer = a.administrator();
        for object in a.objects() {
            prop_assert_eq!(rows_json(&a, &viewer, object.name()), rows_json(&b, &viewer, object.name()));
            prop_assert_eq!(a.describe(object, &viewer, OPTIONS), b.describe(object, &viewer, OPTIONS));
        }
        prop_assert_ne!(rows_json(&a, &viewer, "Account"), rows_json(&c, &viewer, "Account"));
    }

    #[test]
    fn ids_rise_and_ranges_and_counts_agree_with_a_full_scan_after_any_writes(seed in any::<u64>(), steps in steps(), cut in 0usize..400) {
        let mut org = Org::generate(&OrgSpec::of(seed, &[("Product2", 300), ("Task", 0)]));
        let viewer = org.administrator();
        let mut now = org.created_at();
        // A plain model beside the table: id → (name, in the bin).
        let mut model: std::collections::BTreeMap<RecordId, (Value, bool)> = std::collections::BTreeMap::new();
        for row in org.object("Product2").unwrap().rows(&viewer, Scan::QUERY_ALL) {
            model.insert(row.id(), (row.value_of("Name"), row.is_deleted()));
        }
        prop_assert_eq!(model.len(), 300, "two rows share an id");
        for step in steps {
            now += TimeDelta::seconds(1);
            let nth = |n: usize| model.keys().nth(n % model.len().max(1)).copied().unwrap_or(RecordId::EMPTY);
            match step {
                Step::Create => {
                    let id = org.create(&viewer, "Product2", &fields(r#"{"Name":"new"}"#), now).unwrap();
                    prop_assert!(model.keys().last().is_none_or(|last| *last < id));
                    model.insert(id, (Value::Text("new".into()), false));
                }
                Step::Update(n) => {
                    let id = nth(n);
                    let done = org.update(&viewer, id, &fields(r#"{"Name":"changed"}"#), now);
                    let live = model.get(&id).is_some_and(|(_, in_bin)| !in_bin);
                    prop_assert_eq!(done.is_ok(), live);
                    if live { model.insert(id, (Value::Text("changed".into()), false)); }
                }
                Step::Delete(n) => {
                    let id = nth(n);
                    let done = org.delete(&viewer, id, now);
                    prop_assert_eq!(done.is_ok(), model.get(&id).is_some_and(|(_, in_bin)| !in_bin));
                    if let Some((_, in_bin)) = model.get_mut(&id) { *in_bin = true; }
                }
                Step::Undelete(n) => {
                    let id = nth(n);
                    let done = org.undelete(&viewer, id, now);
                    prop_assert_eq!(done.is_ok(), model.get(&id).is_some_and(|(_, in_bin)| *in_bin));
                    if let Some((_, in_bin)) = model.get_mut(&id) { *in_bin = false; }
                }
                Step::Purge(n) => {
                    let id = nth(n);
                    prop_assert_eq!(org.purge(&viewer, id, now).is_ok(), model.remove(&id).is_some());
                }
            }
        }
        let copy = org.clone();
        let before = rows_json(&org, &viewer, "Product2");
        let id = org.create(&viewer, "Product2", &fields(r#"{"Name":"later"}"#), now).unwrap();
        let first = model.iter().find(|(_, (_, in_bin))| !in_bin).map(|(id, _)| *id);
        if let Some(first) = first {
            org.delete(&viewer, first, now).unwrap();
        }
        prop_assert_eq!(rows_json(&copy, &viewer, "Product2"), before, "a copy changes with its original");
        prop_assert!(org.row(&viewer, Scan::QUERY, id).is_some());
        let org = copy;
        let object = org.object("Product2").unwrap();
        for scan in [Scan::QUERY, Scan::QUERY_ALL] {
            for end in [0, cut as u64 / 2, 299, 320, u64::MAX] {
                let between = object.rows_from(&viewer, scan, cut as u64).filter(|row| row.ordinal() < end).count();
                prop_assert_eq!(object.count_between(&viewer, scan, cut as u64, end), between as u64);
            }
            let expected: Vec<_> = model.iter().filter(|(_, (_, in_bin))| scan.deleted || !in_bin).collect();
            let found: Vec<OrgRow<'_>> = object.rows(&viewer, scan).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(object.count(&viewer, scan), expected.len() as u64);
            for (row, (id, (name, in_bin))) in found.iter().zip(&expected) {
                prop_assert_eq!(row.id(), **id);
                prop_assert_eq!(&row.value_of("Name"), name);
                prop_assert_eq!(row.is_deleted(), *in_bin);
            }
            if let Some(row) = found.get(cut) {
                let after: Vec<_> = object.rows_after(&viewer, scan, row.id()).map(|r| r.id()).collect();
                let expected: Vec<_> = found[cut + 1..].iter().map(OrgRow::id).collect();
                prop_assert_eq!(object.count_after(&viewer, scan, row.id()), expected.len() as u64);
                prop_assert_eq!(object.any_after(&viewer, scan, row.id()), !expected.is_empty());
                prop_assert_eq!(after, expected);
            }
        }
    }
}
